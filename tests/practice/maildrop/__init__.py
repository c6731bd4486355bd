"""Tests of the maildrops of the practice server."""
