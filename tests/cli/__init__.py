"""Tests of the command line: its options, its mistakes, its help."""
