"""Logging in for people: where the password comes from, and which way is taken.

The lines themselves come from `protocol.logins`; whoever drives a connection sends them.
"""
