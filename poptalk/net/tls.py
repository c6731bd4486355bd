"""TLS without I/O: ciphertext in, plaintext out, and the reverse.

asyncio's own ``start_tls`` lets octets that came in the clear cross into the encrypted session, and
what becomes of them differs by patch release.  Here TLS is a layer between two byte streams, made of
an ``ssl.SSLObject`` and two ``ssl.MemoryBIO``.  A driver passes what it received to
`TlsLayer.receive_data`, sends what `TlsLayer.data_to_send` returns, and sees every octet on the way.
Both connections use it, and so does the practice server for its side.
"""

from __future__ import annotations

import ssl

from poptalk.net import tls_errors
from poptalk.net.endpoint import ascii_name
from poptalk.net.errors import TlsFailed, printable
from poptalk.net.tls_settings import Pin, TlsSettings, client_context, save_chain
from poptalk.pop3.values import Value

# Plaintext is taken from OpenSSL in pieces of at most this many octets, four records of 16 KiB.
CHUNK = 64 * 1024
# A memory BIO slows down tenfold when it grows to hundreds of megabytes, so it never holds more.
SLICE = 256 * 1024
# A TLS record begins with its type, a version and a length: five octets.
RECORD_HEADER = 5
# The record types that can begin a handshake: a handshake message, or an alert.
FIRST_RECORDS = b"\x16\x15"


class TlsFacts(Value):
    """The outcome of a handshake.

    Args:
        version: the version of TLS, such as ``TLSv1.3``.
        cipher: OpenSSL's name of the cipher suite.
        verified: whether the peer's certificate was checked, and passed.
        chain: the certificates that the peer sent, its own first, in DER form; empty for a server.
        pinned: whether the certificate, or its key, is pinned.
        server_name: the name that was asked for, and verified if anything was.
    """

    version: str
    cipher: str
    verified: bool
    chain: tuple[bytes, ...] = ()
    pinned: bool = False
    server_name: str = ""

    @property
    def summary(self) -> str:
        """Version, cipher suite, and whether the certificate was checked, in one line."""
        checked = "certificate verified" if self.verified else "certificate NOT verified"
        return f"{self.version}, {self.cipher}, {checked}"

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with the certificates as far as they show it, a sentence each."""
        from poptalk.net.certificate import problems

        return problems(self.chain, self.server_name)

    @property
    def warning(self) -> str:
        """What is wrong with certificates that nothing vouches for; empty if they look all right.

        One line, which begins with the summary: `--insecure` promises it, wherever it is given.
        """
        problems = () if self.verified or self.pinned else self.problems
        return "; ".join((self.summary, *problems)) if problems else ""

    @property
    def certificate(self) -> tuple[str, ...]:
        """What the certificate says, in lines for people; read only when asked for."""
        from poptalk.net.certificate import describe_certificate

        return describe_certificate(self.chain[0] if self.chain else b"")


def client_layer(
    settings: TlsSettings, *, peer: str, upgrading: bool, context: ssl.SSLContext | None = None
) -> TlsLayer:
    """Return the client's side of a TLS session.

    Args:
        settings: what is asked of the server.
        peer: the words for the server in sentences about failures.
        upgrading: True where TLS begins after STLS.
        context: what `client_context` made of the settings, if that was done before.

    Raises:
        TlsFailed: a file, or the server's name, cannot be used.
    """
    return TlsLayer(
        context or client_context(settings),
        server_name=settings.server_name,
        pins=settings.pins,
        peer=peer,
        upgrading=upgrading,
        chain_file=settings.save_chain,
    )


class TlsLayer:
    """One side of TLS over a byte stream that a driver carries.

    Args:
        context: the settings of this side, see `client_context`.
        server_side: True for the server.
        server_name: the name to ask for and to verify; a client whose context verifies needs one.
        pins: the peer's certificate must match one of them, unless there are none.
        peer: the words for the other side in sentences about failures.
        upgrading: True where TLS begins after STLS, for the same sentences.
        chain_file: a new file for the peer's certificates, whether they pass or not.

    Attributes:
        established: True once the handshake is done.
        facts: its outcome, None before.
        ended: True once the peer's close_notify has come.
        failure: why TLS failed, None if it has not.

    Raises:
        TlsFailed: on construction, if `server_name` cannot be a host name.
    """

    def __init__(
        self,
        context: ssl.SSLContext,
        *,
        server_side: bool = False,
        server_name: str | None = None,
        pins: tuple[Pin, ...] = (),
        peer: str | None = None,
        upgrading: bool = False,
        chain_file: str | None = None,
    ) -> None:
        self._chain_file = chain_file
        self._server_side = server_side
        self._server_name = ""
        self._peer = peer or ("the client" if server_side else "the server")
        self._upgrading = upgrading
        self._pins = pins
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._first = b""
        self._speaks_tls = False
        self._said_goodbye = False
        self._unsent: list[bytes] = []
        self._ciphertext: list[bytes] = []
        self._buffer = bytearray()
        self.established = False
        self.facts: TlsFacts | None = None
        self.ended = False
        self.failure: TlsFailed | None = None
        try:
            self._server_name = _certificate_name(server_name or "")
            if context.check_hostname and not server_side and not self._server_name:
                # ssl would verify the chain and then let any host pass.
                raise ValueError
            self._tls = context.wrap_bio(
                self._incoming,
                self._outgoing,
                server_side=server_side,
                server_hostname=self._server_name or None,
            )
        except (ValueError, TypeError):
            raise TlsFailed(
                f'"{printable(server_name or "")}" cannot be the name of a server in TLS. '
                "Connect by the host's name or by its address."
            ) from None

    def receive_data(self, data: bytes) -> bytes:
        """Take ciphertext from the peer and return its plaintext.

        A client calls this once with nothing, to begin the handshake.  What was decrypted before a
        broken record is returned; the next call then raises `failure`.

        Args:
            data: any number of octets, cut anywhere; none is fine.

        Raises:
            TlsFailed: the handshake failed, or the session broke.
        """
        if self.failure is not None:
            raise self.failure
        if self.ended:
            return b""
        if self.established:
            return self._decrypt(data)
        try:
            done = self._shake_hands(data)
        except TlsFailed as error:
            self.failure = error
            raise
        return self._decrypt(b"") if done else b""

    def receive_eof(self) -> bool:
        """Take the end of the byte stream, and tell whether close_notify had come before it.

        In the middle of a handshake that is a failure, which sets `failure`.
        """
        if not self.established and self.failure is None:
            self.failure = (
                self._in_clear()
                if self._first
                else tls_errors.closed_in_handshake(self._peer, upgrading=self._upgrading)
            )
        return self.ended

    def send(self, plaintext: bytes) -> None:
        """Encrypt `plaintext`, once the handshake is done.

        After a failure, or after `close`, it is dropped: nobody would decrypt it.
        """
        if plaintext and self.failure is None and not self._said_goodbye:
            self._unsent.append(plaintext)
            if self.established:
                self._encrypt()

    def data_to_send(self) -> bytes:
        """Return the ciphertext for the peer since the last call, including the alert of a failure."""
        pieces, self._ciphertext = self._ciphertext, []
        pieces.append(self._outgoing.read())
        return b"".join(pieces)

    def close(self) -> None:
        """Say goodbye with close_notify; what the peer still sends can be received."""
        if not self.established or self.failure is not None or self._said_goodbye:
            return
        self._said_goodbye = True
        try:
            self._tls.unwrap()
        except ssl.SSLError:
            # Ours is on its way; it doesn't matter that the peer's has not come yet.
            pass

    def _shake_hands(self, data: bytes) -> bool:
        """Go on with the handshake as far as `data` allows, and tell whether it is done."""
        if not self._speaks_tls:
            data = self._first + data
            self._first = data
            self._speaks_tls = bool(data) and data[0] in FIRST_RECORDS
            if not self._speaks_tls and len(data) >= RECORD_HEADER:
                raise self._in_clear()
        if self._speaks_tls:
            self._incoming.write(data)
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLCertVerificationError as error:
            chain = self._sent_chain()
            raise tls_errors.verification_failed(
                error, peer=self._peer, server_name=self._server_name, chain=chain
            ) from error
        except ssl.SSLError as error:
            raise tls_errors.handshake_failed(
                error, peer=self._peer, server_side=self._server_side, upgrading=self._upgrading
            ) from error
        self._first = b""
        cipher = self._tls.cipher()
        own = self._tls.getpeercert(binary_form=True) or b""
        facts = TlsFacts(
            version=self._tls.version() or "",
            cipher=cipher[0] if cipher else "",
            verified=self._tls.context.verify_mode is ssl.CERT_REQUIRED,
            chain=(self._sent_chain() or (own,)) if own else (),
            pinned=any(pin.matches(own) for pin in self._pins),
            server_name=self._server_name,
        )
        if self._pins and not facts.pinned:
            raise tls_errors.not_pinned(facts.chain, peer=self._peer)
        self.established = True
        self.facts = facts
        self._encrypt()
        return True

    def _sent_chain(self) -> tuple[bytes, ...]:
        """Return the certificates that the peer sent, and save them if that was asked for."""
        chain = tls_errors.peer_chain(self._tls)
        if self._chain_file is not None and chain:
            save_chain(self._chain_file, chain)
        return chain

    def _decrypt(self, data: bytes) -> bytes:
        """Return the plaintext of `data`, and of what came before it."""
        pieces: list[bytes] = []
        ciphertext = memoryview(data)
        try:
            while True:
                self._incoming.write(ciphertext[:SLICE])
                ciphertext = ciphertext[SLICE:]
                self._take_records(pieces)
                if not ciphertext or self.ended:
                    break
        except ssl.SSLError as error:
            self.failure = tls_errors.session_broke(error, peer=self._peer)
            if not pieces:
                raise self.failure from error
        return b"".join(pieces)

    def _take_records(self, pieces: list[bytes]) -> None:
        """Append the plaintext of all whole records to `pieces`.

        A fixed buffer, emptied when it is full, costs a third of a new object for each record.
        """
        if not self._buffer:
            self._buffer = bytearray(CHUNK)
        view = memoryview(self._buffer)
        filled = 0
        try:
            while not self.ended:
                # The type stub of `read` knows only bytearray.
                taken: int = self._tls.read(CHUNK - filled, view[filled:])  # type: ignore[assignment]
                filled += taken
                self.ended = not taken
                if filled == CHUNK:
                    pieces.append(bytes(view))
                    filled = 0
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.ended = True
        finally:
            if filled:
                pieces.append(bytes(view[:filled]))

    def _encrypt(self) -> None:
        pieces, self._unsent = self._unsent, []
        try:
            for piece in pieces:
                plaintext = memoryview(piece)
                while plaintext:
                    plaintext = plaintext[self._tls.write(plaintext[:SLICE]) :]
                    self._ciphertext.append(self._outgoing.read())
        except ssl.SSLError as error:
            self.failure = tls_errors.session_broke(error, peer=self._peer)

    def _in_clear(self) -> TlsFailed:
        return tls_errors.answered_in_clear(
            self._first, peer=self._peer, server_side=self._server_side, upgrading=self._upgrading
        )


def _certificate_name(host: str) -> str:
    """Return `host` as a certificate has it: ASCII, without brackets, zone and final dot.

    Raises:
        UnicodeError: it is not a valid international name.
    """
    bare = host.removeprefix("[").removesuffix("]").partition("%")[0].removesuffix(".")
    return ascii_name(bare)
