"""One session with a server, which every command drives.

`session` says who calls what and when.  `exchanges` keeps what was said, once, for everything that asks
later, and `consistency` finds replies that disagree; `log` writes it down.  `procedure` is for lines
that poptalk sends by itself, such as `login`, and `password` finds the password for that.  `client`
drives a session over a blocking connection, for `run`, `diff`, `check`, pipes and `lessons check`;
`overheard` makes one of the octets of another program, for `tap`, for a class and for lessons done in
another window.
"""
