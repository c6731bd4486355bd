"""Twisted's POP3 server over a Maildir, put together as its documentation has it.

    python -m benchmarks.twisted_server MAILDIR [no-delay]

Everything is Twisted's own, the reactor, the protocol, the login, the Maildir, but for one line: its
Maildir opens messages as text, which its protocol cannot send under Python 3.  The sizes that it
announces are those on the disk, with line ends of one octet: less work than RFC 1939 §11 asks for.
With `no-delay` small packets leave at once (TCP_NODELAY), which Twisted leaves to its users to ask for.

On standard output it says in JSON where it listens.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, BinaryIO

from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.portal import IRealm, Portal
from twisted.internet import reactor
from twisted.internet.protocol import ServerFactory
from twisted.mail.maildir import MaildirMailbox
from twisted.mail.pop3 import POP3, IMailbox
from zope.interface import implementer

HOST = "127.0.0.1"
BACKLOG = 1024


class Mailbox(MaildirMailbox):  # type: ignore[misc]
    """Twisted's Maildir, with messages that can be sent."""

    def getMessage(self, i: int) -> BinaryIO:
        """Open a message, numbered from 0, as octets."""
        return open(self.list[i], "rb")


@implementer(IRealm)
class Realm:
    """Gives every user the same Maildir."""

    def __init__(self, maildir: str) -> None:
        self._maildir = maildir

    def requestAvatar(self, _name: bytes, _mind: object, *_interfaces: object) -> Any:
        """Open the Maildir for a session, listing it."""
        return IMailbox, Mailbox(os.fsencode(self._maildir)), lambda: None


class PromptPOP3(POP3):  # type: ignore[misc]
    """Twisted's POP3, which otherwise waits for acknowledgements, often 40 ms long."""

    def connectionMade(self) -> None:
        """Send small packets at once, and greet."""
        self.transport.setTcpNoDelay(True)
        super().connectionMade()


class Factory(ServerFactory):  # type: ignore[misc]
    """Gives each protocol the way to log in."""

    portal: Portal

    def buildProtocol(self, address: object) -> POP3:
        """Return the protocol of a connection."""
        protocol: POP3 = super().buildProtocol(address)
        protocol.portal = self.portal
        return protocol


def main() -> None:
    """Serve until told to stop."""
    checker = InMemoryUsernamePasswordDatabaseDontUse(bob=b"jones")
    factory = Factory()
    factory.protocol = PromptPOP3 if "no-delay" in sys.argv[2:] else POP3
    factory.portal = Portal(Realm(sys.argv[1]), [checker])
    port = reactor.listenTCP(0, factory, backlog=BACKLOG, interface=HOST)
    print(json.dumps({"host": HOST, "port": port.getHost().port}), flush=True)
    reactor.run()


if __name__ == "__main__":
    main()
