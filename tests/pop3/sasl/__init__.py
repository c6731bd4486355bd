"""Logging in: each mechanism from both sides."""
