"""Tests of replaying dialogues."""
