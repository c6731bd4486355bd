"""The practice server: a POP3 server to learn on, with a maildrop that cannot be spoilt.

`server` is the door: `Server` for asyncio, `ThreadedServer` for everybody else, `serve` for the
command line.  A `connection` drives the server core of `poptalk.protocol`; `maildrop` holds the
messages, `accounts` the passwords (public knowledge), and `persona` what the server says, as data.
"""
