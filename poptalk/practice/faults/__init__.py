"""Faults: what the practice server does wrong on demand, each after a case that happened.

A fault is a small object at the hooks of a session; neither the server core nor its driver knows one by
name.  `fault` has their base class and parameters; `faults` has them all, and `faults.toml` the facts
about each; `plan` reads ``--fault`` and decides which session gets which.
"""
