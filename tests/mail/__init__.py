"""Tests of messages as people read them."""
