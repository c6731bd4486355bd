"""Why TLS failed, in a sentence that says what to try.

OpenSSL's own words ("certificate verify failed: Hostname mismatch", "wrong version number") name the
check, not the remedy, and the second even names the wrong thing: the usual cause is a port that
speaks in the clear.

A piped session with TLS loads this module, but not `certificate`: that is imported when there is a
certificate to describe.
"""

from __future__ import annotations

import ssl
from datetime import UTC, datetime

from poptalk.net.errors import EndedBy, Ending, TlsFailed, printable, reason
from poptalk.pop3.replies import quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Result codes of OpenSSL's verification (X509_V_ERR_..., openssl/x509_vfy.h); the ssl module has no
# names for them.
NOT_YET_VALID = 9
HAS_EXPIRED = 10
SELF_SIGNED = 18
SELF_SIGNED_IN_CHAIN = 19
UNKNOWN_ISSUER = (2, 20, 21)
TOO_WEAK = (66, 67, 68)
WRONG_NAME = (62, 64)

# How much of a reply in the clear goes into a sentence, in characters.
CLEAR_SHOWN = 60

INSECURE = "--insecure goes on without proof of who answers"
PORT_ADVICE = "Is this a port for TLS? POP3 over TLS is 995, STLS is typed on 110."
_AFTER_STLS = "It said +OK to STLS, but doesn't do TLS; perhaps --tls on port 995 works."
_OWN_WORDS = "That is all it says; its log may say more."
_UPDATE = (
    "poptalk speaks TLS 1.2 and 1.3, or what --tls-min says: the server may be too old, or have no "
    "certificate."
)
_WEAK = "--tls-min 1.0 accepts weak keys too, to look at a server that should be retired"

_NO_VERSION = ("the two sides have no version of TLS in common", _UPDATE)
_NO_CIPHER = ("the two sides have no cipher in common", _UPDATE)
_WEAK_KEY = ("the server's keys are too weak ({})", f"{_WEAK}.")
_EXPLAINED = {
    "UNSUPPORTED_PROTOCOL": _NO_VERSION,
    "TLSV1_ALERT_PROTOCOL_VERSION": _NO_VERSION,
    "WRONG_SSL_VERSION": _NO_VERSION,
    "NO_PROTOCOLS_AVAILABLE": _NO_VERSION,
    "NO_SHARED_CIPHER": _NO_CIPHER,
    "TLSV1_ALERT_INSUFFICIENT_SECURITY": _NO_CIPHER,
    "DH_KEY_TOO_SMALL": _WEAK_KEY,
    "BAD_DH_VALUE": _WEAK_KEY,
    "EE_KEY_TOO_SMALL": _WEAK_KEY,
    "CA_KEY_TOO_SMALL": _WEAK_KEY,
    "SSLV3_ALERT_HANDSHAKE_FAILURE": (
        "{}",
        "It may find no version or cipher that suits both sides (--tls-min), have no certificate, or "
        "want a client certificate (--client-cert).",
    ),
}
"""By OpenSSL's reason: what that means, `{}` standing for its own words, and what to try."""

_NO_CLIENT_CERTIFICATE = "ALERT_CERTIFICATE_REQUIRED"
"""The end of OpenSSL's reason for the alert of RFC 8446 §6.2."""
_REFUSALS = (
    "ALERT_UNKNOWN_CA",
    "ALERT_BAD_CERTIFICATE",
    "ALERT_UNSUPPORTED_CERTIFICATE",
    "ALERT_CERTIFICATE_REVOKED",
    "ALERT_CERTIFICATE_EXPIRED",
    "ALERT_CERTIFICATE_UNKNOWN",
    "ALERT_ACCESS_DENIED",
)
"""Alerts about the certificate that the other side was shown, RFC 8446 §6.2."""


def _about_ours(error: ssl.SSLError) -> str:
    """Say what is wrong with our client certificate; empty where the server's alert isn't about it."""
    reason = error.reason or ""
    if reason.endswith(_NO_CLIENT_CERTIFICATE):
        return "The server wants a client certificate: name its file with --client-cert."
    if reason.endswith(_REFUSALS):
        return "It means your client certificate: check --client-cert."
    return ""


def verification_failed(
    error: ssl.SSLCertVerificationError, *, peer: str, server_name: str, chain: tuple[bytes, ...]
) -> TlsFailed:
    """Return the error for a certificate that did not pass.

    Args:
        error: what the handshake raised.
        peer: the words for the server.
        server_name: the name that the certificate had to be for.
        chain: the certificates that the server sent, its own first; empty if unknown.
    """
    from poptalk.net.certificate import describe_certificate

    der = chain[0] if chain else b""
    if error.verify_code in (HAS_EXPIRED, NOT_YET_VALID):
        failed, advice, der = _out_of_time(chain, expired=error.verify_code == HAS_EXPIRED)
    else:
        failed, advice = _verdict(error, printable(server_name), chain)
    joint = "" if advice.endswith("?") else ";"
    return TlsFailed(
        f"The certificate of {peer} {failed}. {advice}{joint} {INSECURE}.",
        certificate=describe_certificate(der),
    )


def _verdict(
    error: ssl.SSLCertVerificationError, server_name: str, chain: tuple[bytes, ...]
) -> tuple[str, str]:
    """Return which check failed, as the end of a sentence, and what to try."""
    from poptalk.net.certificate import list_names, read_certificate

    try:
        facts = read_certificate(chain[0] if chain else b"")
    except ValueError:
        facts = None
    code = error.verify_code
    if code == SELF_SIGNED:
        return (
            "is self-signed, so no authority vouches for it",
            "If you know it to be genuine, save it and name it with --ca-file",
        )
    if code == SELF_SIGNED_IN_CHAIN:
        return (
            "leads to a self-signed authority that is not trusted here",
            "If that authority is yours, name its certificate with --ca-file",
        )
    if code in UNKNOWN_ISSUER and len(chain) == 1:
        signed_by = f" by {facts.issuer}" if facts else ""
        return (
            f"came alone, and was signed{signed_by}, which is unknown here",
            "The server should also send the certificates in between (its chain); or, if the "
            "authority is your own, name its certificate with --ca-file",
        )
    if code in UNKNOWN_ISSUER:
        return (
            "leads up to an authority that is unknown here",
            "If that authority is yours, name its certificate with --ca-file; perhaps the server "
            "leaves out a certificate in between",
        )
    if code in WRONG_NAME and facts and not facts.names:
        return (
            "names no host: it has no subject alternative names, and a common name "
            "is not enough (RFC 9525)",
            "The server needs a new certificate, with its name in that field",
        )
    if code in WRONG_NAME:
        names = f"it is for {list_names(facts.names)}, " if facts else ""
        return (
            f"is for another host: {names}not for {server_name}",
            "Connect by a name that it is for, if that is the same server",
        )
    if code in TOO_WEAK:
        return f"is too weak: {printable(error.verify_message)}", _WEAK
    return (
        f"did not pass: {printable(error.verify_message)}",
        "Is the right authority named with --ca-file?",
    )


def _out_of_time(chain: tuple[bytes, ...], *, expired: bool) -> tuple[str, str, bytes]:
    """As `_verdict`, for dates that are wrong, with the certificate whose dates they are.

    OpenSSL says that a certificate is out of time, not which one: it may be its issuer's.
    """
    from poptalk.net.certificate import moment, read_certificate

    failed = "has expired" if expired else "is not yet valid"
    advice = "Is the clock here right, and the server's?"
    if expired:
        advice = "The server needs a new one, or the clock here is wrong"
    now = datetime.now(UTC)
    for number, der in enumerate(chain, 1):
        try:
            facts = read_certificate(der)
        except ValueError:
            continue
        when = facts.valid_until if expired else facts.valid_from
        if (when < now) == expired:
            failed = f"{failed} (valid {'until' if expired else 'from'} {moment(when)})"
            if number == 1:
                return failed, advice, der
            return (
                f"depends on one that {failed}: certificate {number} of {len(chain)} in its chain, "
                f"{facts.subject}",
                "The server needs a new one in its chain",
                der,
            )
    own = chain[0] if chain else b""
    return f"(or one above it, which the server did not send) {failed}", advice, own


def answered_in_clear(data: bytes, *, peer: str, server_side: bool, upgrading: bool) -> TlsFailed:
    """Return the error for a peer whose first octets aren't TLS.

    Args:
        data: those octets.
        peer: the words for the peer.
        server_side: whether we are the server.
        upgrading: True after STLS, False where TLS was to begin with the connection.
    """
    line = data.partition(b"\n")[0].rstrip(b"\r").decode("utf-8", "backslashreplace")
    shown = printable(line, CLEAR_SHOWN)
    if server_side:
        return TlsFailed(
            f"{_begin(peer)} spoke in the clear where TLS was expected: {quoted(shown)}"
        )
    if upgrading:
        return TlsFailed(
            f"{_begin(peer)} went on in the clear after its +OK to STLS: {quoted(shown)} Either it has "
            "no TLS after its STLS, or an attacker put an answer into the line (a response injection). "
            "Do not log in here; try --tls on port 995."
        )
    pop3 = data.lstrip()[:3].upper() in (b"+OK", b"-ER")
    speaks = "speaks POP3 in the clear" if pop3 else "does not speak TLS"
    return TlsFailed(
        f'{_begin(peer)} {speaks}, it began with "{shown}": leave --tls off, and type STLS if you want '
        "TLS on this port, or try --tls on port 995."
    )


def _advice(*, upgrading: bool) -> str:
    return _AFTER_STLS if upgrading else PORT_ADVICE


def handshake_failed(
    error: ssl.SSLError, *, peer: str, server_side: bool, upgrading: bool
) -> TlsFailed:
    """Return the error for a handshake that failed for another reason than the certificate.

    Args:
        error: what the handshake raised.
        peer: the words for the other side.
        server_side: whether we are the server.
        upgrading: True after STLS.
    """
    why = error.reason or ""
    said, advice = _EXPLAINED.get(why, ("{}", _about_ours(error)))
    if not advice:
        advice = _OWN_WORDS if "_ALERT_" in why else _advice(upgrading=upgrading)
    ending = "." if server_side else f". {advice}"
    return TlsFailed(f"The TLS handshake with {peer} failed: {said.format(_words(error))}{ending}")


def session_broke(error: ssl.SSLError, *, peer: str) -> TlsFailed:
    """Return the error for an established TLS session that stopped working."""
    if error.reason is None and "system lib" in str(error):
        # A session is held in memory: of all that OpenSSL does with it, only the log needs the system.
        failure = TlsFailed(
            f"The TLS session with {peer} broke off here: the key log cannot be written to. Is the "
            "disk full? It goes on without --keylog."
        )
    else:
        # In TLS 1.3 the server looks at our certificate after our side of the handshake is done.
        ours = _about_ours(error)
        failure = TlsFailed(
            f"The TLS session with {peer} broke: {_words(error)}. {ours or 'Connect again.'}",
            wants_certificate=bool(ours),
        )
    failure.__cause__ = error
    return failure


def ending_of_session(failure: TlsFailed) -> Ending:
    """Return the ending of a connection whose TLS session broke with what `session_broke` returned."""
    cause = failure.__cause__
    why = f" ({_words(cause)})" if isinstance(cause, ssl.SSLError) else ""
    return Ending(by=EndedBy.SERVER, how=f"broke the TLS session{why}", clean=False)


def closed_in_handshake(peer: str, *, upgrading: bool) -> TlsFailed:
    """Return the error for a peer that closed the connection before the handshake was done."""
    return TlsFailed(
        f"{_begin(peer)} closed the connection during the TLS handshake. {_advice(upgrading=upgrading)}"
    )


def broke_in_handshake(error: OSError | None, *, peer: str, upgrading: bool) -> TlsFailed:
    """Return the error for a connection that broke before the handshake was done.

    Args:
        error: what recv() or send() raised, None if we gave up.
        peer: the words for the server.
        upgrading: True after STLS.
    """
    why = f" ({reason(error)})" if error is not None else ""
    failure = TlsFailed(
        f"The connection to {peer} broke during the TLS handshake{why}. {_advice(upgrading=upgrading)}"
    )
    failure.__cause__ = error
    return failure


def already_in_force(peer: str) -> TlsFailed:
    """Return the error for a request for TLS inside TLS."""
    return TlsFailed(
        f"TLS is in force already on the connection to {peer}, and there is none within TLS "
        "(RFC 2595 §4). Connect again."
    )


def handshake_timed_out(peer: str, timeout: float, *, upgrading: bool) -> TlsFailed:
    """Return the error for a handshake that took too long.

    Args:
        peer: the words for the server.
        timeout: the seconds that it had.
        upgrading: True after STLS.
    """
    return TlsFailed(
        f"{_begin(peer)} did not finish the TLS handshake within {timeout:g} s. "
        f"{_advice(upgrading=upgrading)}"
    )


def not_pinned(chain: tuple[bytes, ...], *, peer: str) -> TlsFailed:
    """Return the error for a certificate that is not the pinned one.

    Args:
        chain: the certificates that the server sent, its own first.
        peer: the words for the server.
    """
    from poptalk.net.certificate import describe_certificate

    return TlsFailed(
        f"The certificate of {peer} is not the one that was pinned with --pin. Either it was renewed, "
        "and you can find out its new SHA-256 from a person you trust, or this is another server.",
        certificate=describe_certificate(chain[0] if chain else b""),
    )


def peer_chain(tls: ssl.SSLObject) -> tuple[bytes, ...]:
    """Return the certificates that the server sent, in DER form, even after a failed handshake.

    ``getpeercert`` refuses before the handshake is done, so this asks for the chain as it came, by a
    method that is public since Python 3.13.  Empty if it cannot be known.
    """
    public: Any = getattr(tls, "get_unverified_chain", None)
    private: Any = getattr(getattr(tls, "_sslobj", None), "get_unverified_chain", None)
    der = 2  # _ssl.ENCODING_DER
    try:
        chain: Any = (public or private or tuple)() or ()
        return tuple(
            each if isinstance(each, bytes) else bytes(each.public_bytes(der)) for each in chain
        )
    except (ssl.SSLError, AttributeError, TypeError, ValueError):
        return ()


def _begin(peer: str) -> str:
    """Return `peer` as a sentence begins; a host name keeps its case."""
    return f"T{peer[1:]}" if peer.startswith("the ") else peer


def _words(error: ssl.SSLError) -> str:
    """Return OpenSSL's reason as words, or the system's text where there is none."""
    if not error.reason:
        return printable(error.strerror or str(error))
    words = error.reason.lower().replace("_", " ")
    for prefix in ("sslv3 alert ", "tlsv1 alert ", "tlsv13 alert "):
        if words.startswith(prefix):
            return f"the other side says: {words.removeprefix(prefix)}"
    return words
