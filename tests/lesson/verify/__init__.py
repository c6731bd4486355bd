"""Tests of the proof that a lesson works."""
