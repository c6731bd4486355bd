"""Tests of the protocol cores, without sockets."""
