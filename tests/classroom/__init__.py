"""Tests of the server for a class."""
