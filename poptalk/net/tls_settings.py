"""What a client asks of TLS: whom to trust, its own certificate, which versions, and a pin.

A file that cannot be used is reported when the context is made, before anything is connected, in a
sentence that says what would be right.
"""

from __future__ import annotations

import hashlib
import os
import ssl
import warnings
from binascii import a2b_base64, a2b_hex

from poptalk.net.errors import TlsFailed, printable
from poptalk.pop3.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

# The largest files of authorities in use have about 300 KiB; a larger one is something else.
CA_FILE_LIMIT = 16 * 1024 * 1024

PEM_HEADER = b"-----BEGIN CERTIFICATE-----"

PUBLIC_KEY_PREFIX = "sha256//"
"""Begins the pin of a public key in base64, as curl writes it."""

VERSIONS: Mapping[str, ssl.TLSVersion] = {
    "1.0": ssl.TLSVersion.TLSv1,
    "1.1": ssl.TLSVersion.TLSv1_1,
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
}

USUAL_MINIMUM = "1.2"
"""RFC 8997: versions 1.0 and 1.1 are for looking at servers that should be retired."""

_EVERY_CIPHER = "DEFAULT:@SECLEVEL=0"
"""OpenSSL's usual security level forbids what TLS 1.0 and 1.1 need."""


class Pin(Value):
    """The one certificate, or the one public key, to accept.

    Args:
        digest: its SHA-256 in DER form, 32 octets.
        public_key: whether it is the digest of the public key, which may outlive the certificate.
    """

    digest: bytes
    public_key: bool = False

    def matches(self, der: bytes) -> bool:
        """Tell whether a certificate is pinned, or the key in it is."""
        try:
            pinned = public_key_of(der) if self.public_key else der
        except ValueError:
            return False
        return hashlib.sha256(pinned).digest() == self.digest


def public_key_of(der: bytes) -> bytes:
    """Return the public key of a certificate (SubjectPublicKeyInfo, RFC 5280 §4.1), both in DER form.

    Raises:
        ValueError: the certificate is malformed.
    """
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    try:
        key = x509.load_der_x509_certificate(der).public_key()
    except (x509.InvalidVersion, UnsupportedAlgorithm) as error:
        raise ValueError(str(error)) from error
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def parse_pin(text: str) -> Pin:
    """Read a pin as people write it.

    Args:
        text: 64 hexadecimal digits, with or without colons, for a certificate; or ``sha256//`` and
            base64 for a public key.

    Raises:
        ValueError: it is neither; the sentence says what would be right.
    """
    public_key = text.startswith(PUBLIC_KEY_PREFIX)
    try:
        if public_key:
            digest = a2b_base64(text.removeprefix(PUBLIC_KEY_PREFIX), strict_mode=True)
        else:
            digest = a2b_hex(text.replace(":", ""))
    except ValueError:
        digest = b""
    if len(digest) != hashlib.sha256().digest_size:
        raise ValueError(
            f"{printable(text)} isn't a pin: a certificate's SHA-256 has 64 hexadecimal digits, as "
            f":tls shows it; a public key's is {PUBLIC_KEY_PREFIX} and 44 characters of base64"
        )
    return Pin(digest=digest, public_key=public_key)


class TlsSettings(Value):
    """What a client asks of the server, and what it shows of its own.

    Args:
        server_name: the name or address that the certificate must be for.
        verify: False accepts any certificate (``--insecure``).
        ca_file: a PEM file of the authorities to trust, instead of the system's.
        client_cert: a PEM file with the certificate, and the chain, that the client shows.
        client_key: a PEM file with its key; None where it is in the same file.
        pins: one of them must match, whatever else is verified; empty for none.
        minimum: the lowest version of TLS to accept, one of `VERSIONS`.
        keylog: a file for the session's secrets, as Wireshark reads them; None for none.
        save_chain: a new file for the certificates that the server sends; None for none.
    """

    server_name: str
    verify: bool = True
    ca_file: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    pins: tuple[Pin, ...] = ()
    minimum: str = USUAL_MINIMUM
    keylog: str | None = None
    save_chain: str | None = None


def client_context(settings: TlsSettings) -> ssl.SSLContext:
    """Return a context that verifies as `settings` say.

    Loading the system's authorities takes about 35 ms, so connections share a context.  One that is
    made from files isn't shared: they may change, and each connection reads them again.

    Raises:
        TlsFailed: one of the files cannot be used.
    """
    if settings.ca_file or settings.client_cert or settings.keylog:
        return _make_context(settings)
    # OpenSSL looks for the system's authorities where these two variables say.
    places = (os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
    key = (settings.verify, settings.minimum, places)
    if key not in _shared_contexts:
        _shared_contexts[key] = _make_context(settings)
    return _shared_contexts[key]


_shared_contexts: dict[Hashable, ssl.SSLContext] = {}


def _make_context(settings: TlsSettings) -> ssl.SSLContext:
    authorities = None if settings.ca_file is None else _read_authorities(settings.ca_file)
    try:
        context = ssl.create_default_context(cadata=authorities)
    except ssl.SSLError as error:
        raise TlsFailed(
            f"The CA file {printable(str(settings.ca_file))} holds a damaged certificate "
            f"({printable(error.reason or str(error))}). Is it complete, from its BEGIN line to "
            "its END line?"
        ) from None
    with warnings.catch_warnings():
        # Python warns of TLS 1.0 and 1.1; a user who asks for one knows.
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = VERSIONS[settings.minimum]
    if settings.minimum < USUAL_MINIMUM:
        context.set_ciphers(_EVERY_CIPHER)
    # RFC 9525: a certificate without alternative names is for no host, whatever its common name.
    context.hostname_checks_common_name = False
    # Otherwise a server could make a write wait for a read in the middle of a session.
    context.options |= ssl.OP_NO_RENEGOTIATION
    if settings.ca_file is not None:
        # Trust a certificate that is named, even where it is not the last of a chain.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if not settings.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    _load_identity(context, settings)
    if settings.keylog is not None:
        _log_keys(context, settings.keylog)
    return context


def save_chain(path: str, chain: tuple[bytes, ...]) -> None:
    """Write certificates to a new file in PEM form, the server's own first.

    An existing file is left alone: it has the chain of the first connection.

    Raises:
        TlsFailed: it cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        with open(descriptor, "w", encoding="ascii") as file:
            file.writelines(map(ssl.DER_cert_to_PEM_cert, chain))
    except FileExistsError:
        pass
    except OSError as error:
        raise TlsFailed(
            f"The certificates cannot be written to {printable(path)} ({error.strerror})."
        ) from None


def _load_identity(context: ssl.SSLContext, settings: TlsSettings) -> None:
    """Load the client's own certificate and key."""
    if settings.client_cert is None:
        return
    shown = printable(settings.client_cert)

    def no_passphrase() -> str:
        # Without this OpenSSL would ask on the terminal, under the prompt.
        raise ValueError("encrypted")

    try:
        context.load_cert_chain(settings.client_cert, settings.client_key, no_passphrase)
    except ValueError:
        raise TlsFailed(
            f"The key of the client certificate {shown} is encrypted. "
            '"openssl pkey -in FILE -out NEW" writes it without a passphrase.'
        ) from None
    except ssl.SSLError as error:
        key = f" and the key {printable(settings.client_key)}" if settings.client_key else ""
        raise TlsFailed(
            f"The client certificate {shown}{key} cannot be used "
            f"({printable(error.reason or str(error)).lower().replace('_', ' ')}). Both must be in PEM "
            "form and belong together; the key may be in the same file."
        ) from None
    except OSError as error:
        # ssl doesn't say which of the two files it was.
        files = " or ".join(
            printable(name) for name in (settings.client_cert, settings.client_key) if name
        )
        raise TlsFailed(
            f"The client certificate cannot be read ({files}: {error.strerror}). Is its name right?"
        ) from None


def _log_keys(context: ssl.SSLContext, path: str) -> None:
    try:
        # Anyone who reads this file can read the session, so it is private.
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
        context.keylog_filename = path
    except OSError as error:
        raise TlsFailed(
            f"The key log {printable(path)} cannot be written ({error.strerror})."
        ) from None


def _read_authorities(path: str) -> str:
    shown = printable(path)
    try:
        with open(path, "rb") as file:
            content = file.read(CA_FILE_LIMIT)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise TlsFailed(f"The CA file {shown} cannot be read ({why}). Is its name right?") from None
    if not content.strip():
        raise TlsFailed(f"The CA file {shown} is empty. Is it the right file?")
    if PEM_HEADER not in content:
        raise TlsFailed(
            f"The CA file {shown} holds no certificate in PEM form, which begins with "
            f'"{PEM_HEADER.decode()}". "openssl x509 -inform DER -in FILE" makes it from DER.'
        )
    # Between the certificates there may be names of authorities in any encoding; OpenSSL skips them.
    return content.decode("ascii", "ignore")
