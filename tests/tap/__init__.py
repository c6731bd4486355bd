"""The tap, between clients and servers of the tests."""
