"""TLS without I/O: ciphertext in, plaintext out, and the reverse.

asyncio's own ``start_tls`` lets octets that came in the clear cross into the encrypted session, and
differs by patch release in what becomes of them.  Here TLS is a layer between two byte streams, made
of an ``ssl.SSLObject`` and two ``ssl.MemoryBIO``.  A driver passes what it received to
`TlsLayer.receive_data`, sends what `TlsLayer.data_to_send` returns, and sees every octet on the way.
Both the blocking and the asyncio driver use it, and the practice server for its own side.
"""

from __future__ import annotations

import ssl

from poptalk.net import tls_errors
from poptalk.net.endpoint import ascii_name
from poptalk.net.errors import TlsFailed, printable
from poptalk.net.tls_settings import Pin, TlsSettings, client_context, save_chain
from poptalk.pop3.values import Value

# Plaintext is taken out of OpenSSL in pieces of at most this many octets, four records of 16 KiB.
CHUNK = 64 * 1024
# A memory BIO slows down tenfold when it grows to hundreds of megabytes, so it never holds more.
SLICE = 256 * 1024
# A TLS record begins with its type, a version and a length: five octets.
RECORD_HEADER = 5
# The types of record with which a handshake can begin: a handshake message, or an alert.
FIRST_RECORDS = b"\x16\x15"


class TlsFacts(Value):
    """What came of a handshake.

    Args:
        version: the version of TLS, such as ``TLSv1.3``.
        cipher: OpenSSL's name of the cipher suite.
        verified: True if the certificate of the peer was checked, and passed.
        chain: the certificates that the peer sent, its own first, in DER form; empty on the side of a
            server.
        pinned: True if the certificate, or its key, is one that was pinned.
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
        """One line for people: version, cipher suite, and whether the certificate was checked."""
        checked = "certificate verified" if self.verified else "certificate NOT verified"
        return f"{self.version}, {self.cipher}, {checked}"

    @property
    def problems(self) -> tuple[str, ...]:
        """What the certificates show to be wrong with them, a sentence each; read when asked for."""
        from poptalk.net.certificate import problems

        return problems(self.chain, self.server_name)

    @property
    def certificate(self) -> tuple[str, ...]:
        """What the certificate says, in lines for people; read only when asked for."""
        from poptalk.net.certificate import describe_certificate

        return describe_certificate(self.chain[0] if self.chain else b"")


def client_layer(
    settings: TlsSettings, *, peer: str, upgrading: bool, context: ssl.SSLContext | None = None
) -> TlsLayer:
    """Return the client's side of a TLS session on the terms of `settings`.

    Args:
        settings: the terms.
        peer: the words for the server in sentences about failures.
        upgrading: True where TLS begins after STLS.
        context: what `client_context` makes of the settings, where that was done before: it reads all
            authorities of the system.

    Raises:
        TlsFailed: a file, or the server's name, is of no use.
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
        pins: of which the peer's certificate must match one, unless there are none.
        peer: the words for the other side in sentences about failures.
        upgrading: True where TLS begins after STLS, for the same sentences.
        chain_file: a new file for the certificates of the peer, whether they pass or not.

    Attributes:
        established: True once the handshake is done.
        facts: what came of it, None before.
        ended: True once the peer's close_notify has come.
        failure: why TLS failed, None as long as it did not.

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
        """Take ciphertext from the peer and return the plaintext that it held.

        A client calls it once with nothing, to begin the handshake.  What was decrypted before a
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
        if not self.established:
            return self._decrypt(b"") if self._shake_hands(data) else b""
        return self._decrypt(data)

    def receive_eof(self) -> bool:
        """Take the end of the byte stream, and tell whether close_notify had come before it.

        In the middle of a handshake it is a failure, and `failure` then says so.
        """
        if not self.established and self.failure is None:
            self.failure = (
                self._in_clear()
                if self._first
                else tls_errors.closed_in_handshake(self._peer, upgrading=self._upgrading)
            )
        return self.ended

    def send(self, plaintext: bytes) -> None:
        """Encrypt `plaintext`; before the handshake is done it waits for that.

        After a failure, or after `close`, it is dropped: it would not be decrypted any more.
        """
        if plaintext and self.failure is None and not self._said_goodbye:
            self._unsent.append(plaintext)
            if self.established:
                self._encrypt()

    def data_to_send(self) -> bytes:
        """Return the ciphertext for the peer since the last call, alerts of a failure included."""
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
            # The goodbye is on its way; that the peer's has not come yet is no failure.
            pass

    def _shake_hands(self, data: bytes) -> bool:
        """Go on with the handshake as far as `data` leads, and tell whether it is done."""
        if not self._speaks_tls:
            data = self._first + data
            self._first = data
            self._speaks_tls = bool(data) and data[0] in FIRST_RECORDS
            if not self._speaks_tls and len(data) >= RECORD_HEADER:
                self.failure = self._in_clear()
                raise self.failure
        if self._speaks_tls:
            self._incoming.write(data)
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLCertVerificationError as error:
            self._save_chain(tls_errors.peer_chain(self._tls))
            self.failure = tls_errors.verification_failed(
                error,
                peer=self._peer,
                server_name=self._server_name,
                chain=tls_errors.peer_chain(self._tls),
            )
            raise self.failure from error
        except ssl.SSLError as error:
            self.failure = tls_errors.handshake_failed(
                error,
                peer=self._peer,
                server_side=self._server_side,
                upgrading=self._upgrading,
            )
            raise self.failure from error
        self._first = b""
        facts = self._gather_facts()
        self._save_chain(facts.chain)
        if self._pins and not facts.pinned:
            self.failure = tls_errors.not_pinned(facts.chain, peer=self._peer)
            raise self.failure
        self.established = True
        self.facts = facts
        self._encrypt()
        return True

    def _save_chain(self, chain: tuple[bytes, ...]) -> None:
        if self._chain_file is None or not chain:
            return
        try:
            save_chain(self._chain_file, chain)
        except TlsFailed as error:
            self.failure = error
            raise

    def _gather_facts(self) -> TlsFacts:
        cipher = self._tls.cipher()
        own = self._tls.getpeercert(binary_form=True) or b""
        chain = (tls_errors.peer_chain(self._tls) or (own,)) if own else ()
        return TlsFacts(
            version=self._tls.version() or "",
            cipher=cipher[0] if cipher else "",
            verified=self._tls.context.verify_mode is ssl.CERT_REQUIRED,
            chain=chain,
            pinned=any(pin.matches(own) for pin in self._pins),
            server_name=self._server_name,
        )

    def _decrypt(self, data: bytes) -> bytes:
        """Return all plaintext that the ciphertext gives, `data` and what came before it."""
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
            self.failure.__cause__ = error
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
                # The type stub of `read` knows a bytearray only.
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
            self.failure.__cause__ = error

    def _in_clear(self) -> TlsFailed:
        return tls_errors.answered_in_clear(
            self._first,
            peer=self._peer,
            server_side=self._server_side,
            upgrading=self._upgrading,
        )


def _certificate_name(host: str) -> str:
    """Return `host` as a certificate has it: no brackets, no zone of an address, no last dot, ASCII.

    Raises:
        UnicodeError: it is not a valid international name.
    """
    bare = host.removeprefix("[").removesuffix("]").partition("%")[0].removesuffix(".")
    return ascii_name(bare)
