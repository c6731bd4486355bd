"""Logging in for people: where the password comes from, and which way is taken.

The lines themselves come from `pop3.sasl`; the session sends them.
"""
