"""Tests of lessons at the prompt."""
