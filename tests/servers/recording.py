r"""A server that says +OK to everything and keeps exactly the octets that it was sent.

    with RecordingServer() as server:
        ...
        server.wait_for(lambda received: received.endswith(b"QUIT\r\n"))

It knows no POP3 and has no opinion: what a client typed is what `received` shows.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping

from tests.servers.scripted import Answer, Rule, ScriptedServer, Send, keyword_of

GREETING = b"+OK recording server ready\r\n"
OK = b"+OK\r\n"
UNKNOWN = b"-ERR unknown command\r\n"


def always_ok(_line: bytes) -> bytes:
    """Answer +OK, on one line, to whatever it is."""
    return OK


def by_keyword(replies: Mapping[bytes, bytes], *, otherwise: bytes = UNKNOWN) -> Rule:
    """Make a rule that looks up the keyword of a line.

    Args:
        replies: the whole reply, line ends included, for each keyword in capitals.
        otherwise: the reply to every other line.
    """

    def rule(line: bytes) -> bytes:
        return replies.get(keyword_of(line), otherwise)

    return rule


class RecordingServer(ScriptedServer):
    """Greets, answers each line by a rule, and records; see `LoopbackServer` for the rest.

    Args:
        greeting: the octets of the greeting, line end included.
        reply: from a line without its line end to the whole reply, line ends included.
        closing_keyword: ``b"QUIT"`` for a server that closes after the reply to QUIT.  Without it
            the server stays for whatever a client sends after its QUIT.
    """

    def __init__(
        self,
        *,
        greeting: bytes = GREETING,
        reply: Rule = always_ok,
        closing_keyword: bytes | None = None,
        host: str = "127.0.0.1",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__([Send(greeting), Answer(reply, closing_keyword)], host=host, tls=tls)
