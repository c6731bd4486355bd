"""Tests of the tools for authors."""
