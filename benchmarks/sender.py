"""A server that says +OK to everything and sends one large message as fast as it can.

    python -m benchmarks.sender base64 100000000

It is no bottleneck: in clear the message goes from the page cache into the socket by sendfile.  On
standard output it says in JSON where it listens, and for each session with a RETR the seconds from
that command until the client had hung up; the end of the reply alone is not seen here.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import socket
import ssl
import tempfile
import threading
import time
from pathlib import Path

from benchmarks.messages import KINDS, reply
from poptalk.practice.certificates import Certificates

HOST = "127.0.0.1"

PIECE = 262_144
"""Octets encrypted at once."""


class Sender:
    """The server.

    Args:
        message: the file with the whole reply to RETR.
    """

    def __init__(self, message: Path) -> None:
        self._message = message
        self._certificates = Certificates(HOST)
        self._said = threading.Lock()

    def write_authority(self, path: Path) -> None:
        """Write the certificate to trust to a file."""
        self._certificates.write_authority(path)

    def listen(self, *, tls: bool) -> int:
        """Serve in threads from now on, and return the port."""
        listener = socket.create_server((HOST, 0))
        context = self._certificates.server_context() if tls else None
        threading.Thread(target=self._accept, args=(listener, context), daemon=True).start()
        port: int = listener.getsockname()[1]
        return port

    def say(self, facts: dict[str, object]) -> None:
        """Write a line to standard output."""
        with self._said:
            print(json.dumps(facts), flush=True)

    def _accept(self, listener: socket.socket, context: ssl.SSLContext | None) -> None:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=self._serve, args=(connection, context), daemon=True).start()

    def _serve(self, connection: socket.socket, context: ssl.SSLContext | None) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if context is not None:
                connection = context.wrap_socket(connection, server_side=True)
            self._converse(connection)
        except OSError:
            # The client has gone; that its output is complete, others check.
            pass
        finally:
            connection.close()

    def _converse(self, connection: socket.socket) -> None:
        begun = None
        connection.sendall(b"+OK ready\r\n")
        with connection.makefile("rb") as commands:
            for command in commands:
                keyword = command.split()[:1]
                if keyword == [b"RETR"]:
                    begun = time.perf_counter()
                    self._send_message(connection)
                elif keyword == [b"CAPA"]:
                    connection.sendall(b"+OK\r\nUSER\r\n.\r\n")
                else:
                    connection.sendall(b"+OK\r\n")
                if keyword == [b"QUIT"]:
                    self._part(connection)
                    break
        if begun is not None:
            self.say({"seconds": time.perf_counter() - begun})

    def _send_message(self, connection: socket.socket) -> None:
        with self._message.open("rb") as message:
            if isinstance(connection, ssl.SSLSocket):
                while piece := message.read(PIECE):
                    connection.sendall(piece)
            else:
                connection.sendfile(message)

    def _part(self, connection: socket.socket) -> None:
        """Close this side, and wait until the client has closed its own, politely or not."""
        with contextlib.suppress(OSError):
            if isinstance(connection, ssl.SSLSocket):
                connection = connection.unwrap()
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(PIECE):
                pass


def main() -> None:
    """Listen until told to stop."""
    ends = {signal.SIGINT, signal.SIGTERM}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("octets", type=int)
    options = parser.parse_args()
    # Before there are threads, which inherit it.
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    with tempfile.TemporaryDirectory(prefix="poptalk-benchmark-") as folder:
        message, ca_file = Path(folder) / "message", Path(folder) / "ca.pem"
        octets = message.write_bytes(reply(options.kind, options.octets))
        sender = Sender(message)
        sender.write_authority(ca_file)
        ports = {"port": sender.listen(tls=False), "tls_port": sender.listen(tls=True)}
        sender.say({"host": HOST, **ports, "ca_file": str(ca_file), "octets": octets})
        signal.sigwait(ends)


if __name__ == "__main__":
    main()
