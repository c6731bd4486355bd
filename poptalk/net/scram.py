"""SCRAM, seen from the client: both sides prove that they know the password (RFC 5802, RFC 7677).

The arithmetic, and the reading of messages, is done by the library scramp.  It loads ssl, so this
module is imported when SCRAM is asked for, and not before.
"""

from __future__ import annotations

from scramp import ScramClient, ScramException  # type: ignore[import-untyped]

from poptalk.protocol.logins import BadCredential, ClientMechanism, LoginBroken

MOST_ITERATIONS = 1_000_000
"""The server says how often the password is hashed: beyond this, a second or two, it is no server that
wants proof but one that wants our processor (RFC 5802 §9)."""

_NO_PROOF = "the server has not proved that it knows the password; it may be somebody else's"


class Scram(ClientMechanism):
    """SCRAM-SHA-1 or SCRAM-SHA-256, without channel binding.

    Args:
        name: the mechanism.
        user: UTF-8; prepared by SASLprep, as the password is (RFC 5802 §5.1).
        password: UTF-8.
        nonce: for tests; by default one that was never used.

    Raises:
        BadCredential: SASLprep forbids a character of the name or the password.
    """

    def __init__(
        self, name: bytes, user: bytes, password: bytes, *, nonce: str | None = None
    ) -> None:
        self.name = name
        try:
            self._client = ScramClient(
                [name.decode("ascii")], user.decode(), password.decode(), c_nonce=nonce
            )
            self._first: str = self._client.get_client_first()
        except (ScramException, ValueError):
            raise BadCredential(
                "this name or password has a character that SCRAM forbids (RFC 4013)"
            ) from None
        self._answers = 0
        self._proved = False

    def initial(self) -> bytes:
        """Say the name and a nonce."""
        return self._first.encode()

    def respond(self, challenge: bytes) -> bytes:
        """Give our proof, then look at that of the server."""
        self._answers += 1
        try:
            message = challenge.decode()
            if self._answers == 1:
                self._client.set_server_first(message)
                iterations = int(self._client.iterations)
                if iterations > MOST_ITERATIONS:
                    raise LoginBroken(
                        f"the server wants the password hashed {iterations:,} times; cancelled"
                    )
                final: str = self._client.get_client_final()
                return final.encode()
            if self._answers == 2:
                self._client.set_server_final(message)
                self._proved = True
                return b""
        except (ScramException, ValueError) as error:
            reason = _NO_PROOF if self._answers == 2 else "the server's message is not SCRAM's"
            raise LoginBroken(f"{reason}; cancelled") from error
        raise LoginBroken("the server goes on after its proof, which SCRAM does not; cancelled")

    def check_finished(self) -> None:
        """Make sure that the server has proved itself: an +OK without that is worth nothing."""
        if not self._proved:
            raise LoginBroken(_NO_PROOF)
