"""Faults: what the practice server does wrong on demand, each after a case that happened.

A fault is a small object at the seam of a session (`poptalk.practice.seam`); neither the server core
nor its driver knows one by name.  `fault` says what every fault has, `parameters` what may stand
behind its name; `catalogue` lists them all, `plan` reads ``--fault`` and decides which session gets
which, and `listing` prints the table.  The faults themselves stand by the place where they act:
`replies`, `bodies`, `mail`, `access`, `tls` and `transport`.
"""
