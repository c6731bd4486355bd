"""Hides the secrets in a recorded session, so that the record can be replayed unchanged.

The table of commands says which argument is secret, and the client core which lines answer a challenge.
A secret is replaced by a placeholder that a replay computes again (see `placeholders`); for a mechanism
that poptalk doesn't know, the placeholder only says what was there.
"""

import re

from poptalk.pop3.commands import ArgumentKind, Command, parse_command
from poptalk.pop3.events import Sent
from poptalk.pop3.sasl.mechanism import decoded
from poptalk.transcript.octets import text_of, unescaped
from poptalk.transcript.pattern import Literal, Part, Placeholder
from poptalk.transcript.placeholders import PLAIN_FOR, response_name

_BY_KIND = {ArgumentKind.PASSWORD: "password", ArgumentKind.DIGEST: "apop"}
_MECHANISM = re.compile(rb"[A-Z][A-Z0-9_-]{0,19}")
"""A mechanism's name (RFC 4422 §3.1) that can be the name of a placeholder."""

_NO_SECRETS = frozenset({b"", b"*", b"="})
"""Empty responses, and the `*` that cancels (RFC 5034 §4): they should be seen."""

_LEGIBLE = re.compile("[!-z|~]+")
"""An identity that can be the default of a placeholder: without spaces and braces."""


def mask_command(command: Command) -> tuple[Part, ...]:
    """Hide the secret part of a command line.

    Args:
        command: the parsed line.

    Returns:
        The parts to write, with octets that aren't UTF-8 as surrogates.
    """
    if command.secret is None:
        return (Literal(text=text_of(command.line)),)
    before = Literal(text=text_of(command.line[: command.secret.start]))
    secret = command.line[command.secret.start :]
    arguments = command.verb.arguments if command.verb is not None else ()
    kinds = [argument.kind for argument in arguments if argument.secret]
    if ArgumentKind.INITIAL_RESPONSE in kinds:
        return (before, *mask_sasl_line(secret, command.arguments[0]))
    names = [_BY_KIND[kind] for kind in kinds if kind in _BY_KIND]
    return (before, Placeholder(name=names[0] if names else "secret"))


def mask_sasl_line(line: bytes, mechanism: bytes, *, step: int = 1) -> tuple[Part, ...]:
    """Hide a line that answers a challenge.

    Args:
        line: octets as sent, without CRLF.
        mechanism: the argument of AUTH.
        step: which response of the exchange it is, counting an initial one as 1.  Each step of LOGIN
            or SCRAM gets a name of its own, since one name stands for one value.

    Returns:
        The parts to write.
    """
    if line in _NO_SECRETS:
        return (Literal(text=text_of(line)),)
    command = parse_command(line)
    if command.verb is not None:
        # The next command, sent before AUTH was answered, and not a response.
        return mask_command(command)
    name = mechanism.upper()
    match name:
        case b"CRAM-MD5":
            return (Placeholder(name="cram-md5"),)
        case b"PLAIN":
            return (_plain(line, step),)
        case b"EXTERNAL" if decoded(line) is not None:
            return (Literal(text=text_of(line)),)
    known = _MECHANISM.fullmatch(name) if name != b"EXTERNAL" else None
    return (Placeholder(name=response_name(known[0].decode("ascii") if known else "secret", step)),)


def _plain(line: bytes, step: int) -> Placeholder:
    """Name a response of PLAIN; if it is malformed, a replay can't compute it."""
    identity, *others = (decoded(line) or b"").split(b"\0")
    if len(others) != 2:
        return Placeholder(name=response_name("secret", step))
    if not identity:
        return Placeholder(name="plain")
    text = text_of(identity)
    legible = _LEGIBLE.fullmatch(text) and unescaped(text) is None
    return Placeholder(name=PLAIN_FOR, default=text if legible else f"0x{identity.hex()}")


def mask_sent(sent: Sent, *, step: int = 1) -> tuple[Part, ...]:
    """Hide the secret part of a line that was sent.

    Args:
        sent: the event of the client core.
        step: as for `mask_sasl_line`; irrelevant for a command.

    Returns:
        The parts to write.
    """
    if sent.sasl:
        arguments = sent.exchange.command.arguments
        return mask_sasl_line(sent.line, arguments[0] if arguments else b"", step=step)
    return mask_command(sent.exchange.command)


def masked(line: bytes) -> tuple[Part, ...]:
    """Hide the secret part of a line that may be a command, for messages about it."""
    return mask_command(parse_command(line))
