"""Logging in for people: where the password comes from.

Which mechanism is taken, and how, is the session's: see `poptalk.session.login`.
"""
