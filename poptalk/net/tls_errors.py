"""Why TLS failed, in a sentence that says what to try.

OpenSSL's own words ("certificate verify failed: Hostname mismatch", "wrong version number") name the
check, not the remedy, and the second even names the wrong thing: the usual cause is a port that
speaks in the clear.

A piped session with TLS loads this module, but not the one that reads certificates: that one is
imported when there is a certificate to speak of.
"""

from __future__ import annotations

import ssl
from datetime import UTC, datetime

from poptalk.net.errors import EndedBy, Ending, TlsFailed, printable, reason
from poptalk.pop3.replies import quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from poptalk.net.certificate import CertificateFacts

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
_AFTER_STLS = (
    "Its +OK to STLS was a promise that it does not keep; perhaps --tls on port 995 works."
)
_OWN_WORDS = "That is all it says; its log may say more."
_UPDATE = (
    "poptalk speaks TLS 1.2 and 1.3, or what --tls-min says: the server may be too old, or have no "
    "certificate."
)

_OLD_VERSION = (
    "UNSUPPORTED_PROTOCOL",
    "TLSV1_ALERT_PROTOCOL_VERSION",
    "WRONG_SSL_VERSION",
    "NO_PROTOCOLS_AVAILABLE",
)
_NO_CIPHER = ("NO_SHARED_CIPHER", "TLSV1_ALERT_INSUFFICIENT_SECURITY")
_NOTHING_SUITS = "SSLV3_ALERT_HANDSHAKE_FAILURE"
_NOTHING_IN_COMMON = (
    "It may find no version or cipher that suits both sides (--tls-min), have no certificate, or want "
    "one of yours (--client-cert)."
)
_WEAK_KEYS = ("DH_KEY_TOO_SMALL", "BAD_DH_VALUE", "EE_KEY_TOO_SMALL", "CA_KEY_TOO_SMALL")
_WEAK = "--tls-min 1.0 accepts weak keys too, to look at a server that should be retired"
_CLIENT_CERTIFICATE = "The server wants a certificate of yours: name its file with --client-cert."
_NO_CLIENT_CERTIFICATE = "ALERT_CERTIFICATE_REQUIRED"
"""The end of OpenSSL's reason for the alert of RFC 8446 §6.2."""
_CERTIFICATE_REFUSED = "It says that of a certificate of yours: look at --client-cert."
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
    """Say what a server wants of a certificate of ours; empty where its alert isn't about that."""
    reason = error.reason or ""
    if reason.endswith(_NO_CLIENT_CERTIFICATE):
        return _CLIENT_CERTIFICATE
    return _CERTIFICATE_REFUSED if reason.endswith(_REFUSALS) else ""


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
    from poptalk.net.certificate import describe_certificate, read_certificate

    der = chain[0] if chain else b""
    try:
        facts = read_certificate(der) if der else None
    except ValueError:
        facts = None
    if error.verify_code in (HAS_EXPIRED, NOT_YET_VALID):
        (failed, advice), der = _out_of_time(error.verify_code, chain)
    else:
        failed, advice = _verdict(
            error, server_name=printable(server_name), facts=facts, alone=len(chain) == 1
        )
    return TlsFailed(
        f"The certificate of {peer} {failed}. {advice}.", certificate=describe_certificate(der)
    )


def _verdict(
    error: ssl.SSLCertVerificationError,
    *,
    server_name: str,
    facts: CertificateFacts | None,
    alone: bool,
) -> tuple[str, str]:
    """Return which check failed, as the end of a sentence, and what to try.

    Args:
        error: what the handshake raised.
        server_name: the name that the certificate had to be for.
        facts: what it says, None where it cannot be read.
        alone: whether the server sent no other certificate beside its own.
    """
    code = error.verify_code
    if code in (SELF_SIGNED, SELF_SIGNED_IN_CHAIN, *UNKNOWN_ISSUER):
        return _not_vouched_for(code, facts, alone=alone)
    if code in WRONG_NAME:
        from poptalk.net.certificate import list_names

        if facts and not facts.names:
            return (
                "names no host: it has no subject alternative names, and a common name "
                "is not enough (RFC 9525)",
                f"The server needs a new certificate, with its name in that field; {INSECURE}",
            )
        names = f"it is for {list_names(facts.names)}, " if facts else ""
        return (
            f"is for another host: {names}not for {server_name}",
            f"Connect under a name that it is for, if that is the same server; {INSECURE}",
        )
    if code in TOO_WEAK:
        return f"is too weak: {printable(error.verify_message)}", f"{_WEAK}; {INSECURE}"
    return (
        f"did not pass: {printable(error.verify_message)}",
        f"Is the right authority named with --ca-file? {INSECURE}",
    )


def _out_of_time(code: int, chain: tuple[bytes, ...]) -> tuple[tuple[str, str], bytes]:
    """As `_verdict`, for dates that are wrong, with the certificate whose dates they are.

    OpenSSL says that one is out of time, not which: its issuer's may be, with the server's own good.
    """
    from poptalk.net.certificate import moment, read_certificate

    expired = code == HAS_EXPIRED
    advice = f"The server needs a new one, or the clock here is wrong; {INSECURE}"
    if not expired:
        advice = f"Is the clock here right, and the server's? {INSECURE}"
    now = datetime.now(UTC)
    for number, der in enumerate(chain, 1):
        try:
            facts = read_certificate(der)
        except ValueError:
            continue
        when = facts.valid_until if expired else facts.valid_from
        if (when < now) == expired:
            says = "has expired (valid until" if expired else "is not yet valid (valid from"
            says = f"{says} {moment(when)})"
            if number > 1:
                says = (
                    f"is signed by way of one that {says}: certificate {number} of {len(chain)} in its "
                    f"chain, {facts.subject}"
                )
                advice = f"The server needs a new one of that in its chain; {INSECURE}"
            return (says, advice), der
    own = chain[0] if chain else b""
    which = "has expired" if expired else "is not yet valid"
    return (f"(or one above it, which the server did not send) {which}", advice), own


def _not_vouched_for(code: int, facts: CertificateFacts | None, *, alone: bool) -> tuple[str, str]:
    """As `_verdict`, for a chain that leads to no authority that is trusted."""
    if code == SELF_SIGNED:
        return (
            "is self-signed, so no authority vouches for it",
            f"If you know it to be genuine, save it and name it with --ca-file; {INSECURE}",
        )
    if code == SELF_SIGNED_IN_CHAIN:
        return (
            "goes back to an authority that signed itself and is not trusted here",
            f"If that authority is yours, name its certificate with --ca-file; {INSECURE}",
        )
    if alone:
        signed_by = f" by {facts.issuer}" if facts else ""
        return (
            f"came alone, and was signed{signed_by}, which is unknown here",
            "The server should send the certificates in between as well (its chain); or the "
            f"authority is your own, then name its certificate with --ca-file; {INSECURE}",
        )
    return (
        "leads up to an authority that is unknown here",
        "If that authority is yours, name its certificate with --ca-file; perhaps the server "
        f"leaves out a certificate in between; {INSECURE}",
    )


def answered_in_clear(data: bytes, *, peer: str, server_side: bool, upgrading: bool) -> TlsFailed:
    """Return the error for a peer whose first octets are no TLS.

    Args:
        data: those octets.
        peer: the words for the peer.
        server_side: True if we are the server.
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
    """Return the error for a handshake that failed for another cause than the certificate.

    Args:
        error: what the handshake raised.
        peer: the words for the other side.
        server_side: True if we are the server.
        upgrading: True after STLS.
    """
    if error.reason in _OLD_VERSION:
        said, advice = "the two sides have no version of TLS in common", _UPDATE
    elif error.reason in _NO_CIPHER:
        said, advice = "the two sides have no cipher in common", _UPDATE
    elif error.reason in _WEAK_KEYS:
        said, advice = f"the server's keys are too weak ({_words(error)})", f"{_WEAK}."
    elif error.reason == _NOTHING_SUITS:
        said, advice = _words(error), _NOTHING_IN_COMMON
    elif ours := _about_ours(error):
        said, advice = _words(error), ours
    elif "_ALERT_" in (error.reason or ""):
        said, advice = _words(error), _OWN_WORDS
    else:
        said, advice = _words(error), _advice(upgrading=upgrading)
    ending = "." if server_side else f". {advice}"
    return TlsFailed(f"The TLS handshake with {peer} failed: {said}{ending}")


def session_broke(error: ssl.SSLError, *, peer: str) -> TlsFailed:
    """Return the error for an established TLS session that stopped working."""
    if error.reason is None and "system lib" in str(error):
        # Of all that OpenSSL does with a session held in memory, only that needs the system.
        return TlsFailed(
            f"The TLS session with {peer} broke off here: the key log cannot be written to. Is the "
            "disk full? It goes on without --keylog."
        )
    # In TLS 1.3 the server looks at our certificate after our side of the handshake is done.
    ours = _about_ours(error)
    return TlsFailed(
        f"The TLS session with {peer} broke: {_words(error)}. {ours or 'Connect again.'}",
        wants_certificate=bool(ours),
    )


def ending_of_session(failure: TlsFailed) -> Ending:
    """Return the ending of a connection whose established TLS session broke.

    Args:
        failure: what `session_broke` returned.
    """
    cause = failure.__cause__
    why = f" ({_words(cause)})" if isinstance(cause, ssl.SSLError) else ""
    return Ending(by=EndedBy.SERVER, how=f"broke the TLS session{why}", clean=False)


def closed_in_handshake(peer: str, *, upgrading: bool) -> TlsFailed:
    """Return the error for a peer that closed the connection before TLS was there."""
    return TlsFailed(
        f"{_begin(peer)} closed the connection during the TLS handshake. {_advice(upgrading=upgrading)}"
    )


def broke_in_handshake(error: OSError | None, *, peer: str, upgrading: bool) -> TlsFailed:
    """Return the error for a connection that broke before TLS was there.

    Args:
        error: what recv() or send() raised, None if we gave up ourselves.
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
    """Return the error for a second TLS session asked for within the first."""
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
    """Return the certificates that the server sent, in DER form, also after a failed handshake.

    ``getpeercert`` refuses before the handshake is done, so the chain as it came is asked for:
    publicly from Python 3.13, privately before.  Empty if there is no way to know.
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
