"""Dialogues of `C:` and `S:` lines, and the octets in them."""
