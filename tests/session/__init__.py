"""Tests of a session: what is kept, logged and done by itself."""
