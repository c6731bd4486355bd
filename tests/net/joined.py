"""Two sides of TLS joined in memory, cut as the test likes."""

from __future__ import annotations

from poptalk.net.tls import TlsLayer

# Flights of a handshake: three at most, and a few more for what is sent along.
ROUNDS = 8


class JoinedLayers:
    """A client and a server, and all the plaintext that each has received.

    Args:
        client: the client's side.
        server: the server's side.
        cut: the most octets of ciphertext that one call gets.
    """

    def __init__(self, client: TlsLayer, server: TlsLayer, *, cut: int = 1 << 30) -> None:
        self.client = client
        self.server = server
        self.at_client = b""
        self.at_server = b""
        self._cut = cut

    def exchange(self) -> None:
        """Carry octets both ways until neither side has any left."""
        self.at_client += self.client.receive_data(b"")
        for _ in range(ROUNDS):
            self.at_server += self._carry(self.client, self.server)
            self.at_client += self._carry(self.server, self.client)

    def _carry(self, sender: TlsLayer, receiver: TlsLayer) -> bytes:
        data = sender.data_to_send()
        return b"".join(
            receiver.receive_data(data[start : start + self._cut])
            for start in range(0, len(data), self._cut)
        )
