"""The dialogues, and the octets in them."""
