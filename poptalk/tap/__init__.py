"""`poptalk tap`: a relay between a mail program and its server, which shows what both say.

`tap` is the command: its ports, and its end.  `relay` passes on the octets of one session and decides
where TLS begins; `side` is one of its two connections.  `watch` then makes a session of them, which is
shown, logged and counted; `view` is what the screen shows of it.  `printer` writes in a thread of its
own, so that a terminal that has stopped holds nothing up.
"""
