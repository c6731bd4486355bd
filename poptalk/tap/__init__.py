"""`poptalk tap`: a relay between a mail program and its server, which shows what both say.

`tap` is the command: its ports, and its end.  `relay` passes the octets of one session on and decides
where TLS begins, `side` is one of its two connections.  Octets go first; `watch` then makes a session of
them that can be shown, logged and counted, and `view` is what the screen has of it.  `printer` writes in
a thread of its own, so that a terminal that stands still holds nothing up.
"""
