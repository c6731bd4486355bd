"""Faults: what the practice server does wrong on demand, each after a case that happened.

A fault is a small object at the hooks of a session; neither the server core nor its driver knows one by
name.  `faults.toml` has the facts about each; `fault` has their base class and parameters; `plan` reads
``--fault`` and decides which session gets which.  The faults themselves are sorted by what they change:
`replies`, or the `connection`.
"""
