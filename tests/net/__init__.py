"""Tests of the network room: everything against loopback, or in memory."""
