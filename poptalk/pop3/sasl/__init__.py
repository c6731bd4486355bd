"""Logging in: AUTH with its mechanisms (RFC 5034), USER and PASS, APOP.

Read in this order: `mechanism` (what a mechanism is, seen from both sides), `mechanisms` (each with its
client, its server and the meaning of its lines), `table` (all of them, how one is chosen, and a
complete login from the client's side).
"""
