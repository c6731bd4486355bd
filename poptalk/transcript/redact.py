"""Hides the secrets of a recorded session so that the record can be replayed as it is.

The command table says which argument is secret, and the client core says which lines answer a
challenge.  The name that is written in place of a secret is one that a replay works out again
(`known`, `responses`); for a mechanism that poptalk does not know, it only says what was there.
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
"""A mechanism's name (RFC 4422 §3.1), as far as it can be the name of a placeholder."""

_NO_SECRETS = frozenset({b"", b"*", b"="})
"""An empty response, and the cancelling `*` (RFC 5034 §4): the lesson lies in seeing them."""

_LEGIBLE = re.compile("[!-z|~]+")
"""An identity that can be the default of a placeholder: no space, no brace."""


def mask_command(command: Command) -> tuple[Part, ...]:
    """Hide the secret part of a command line.

    Args:
        command: the line as `parse_command` took it apart.

    Returns:
        The parts to write, octets that are not UTF-8 as surrogates.
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
        step: which response of the exchange it is, an initial one included, from 1.  Every step of
            LOGIN or SCRAM gets a name of its own, since one name stands for one value.

    Returns:
        The parts to write.
    """
    if line in _NO_SECRETS:
        return (Literal(text=text_of(line)),)
    command = parse_command(line)
    if command.verb is not None:
        # Sent ahead of the answer to AUTH: the next command, not a response.
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
    """Name a response of PLAIN; what PLAIN does not allow cannot be worked out again."""
    identity, *others = (decoded(line) or b"").split(b"\0")
    if len(others) != 2:
        return Placeholder(name=response_name("secret", step))
    if not identity:
        return Placeholder(name="plain")
    text = text_of(identity)
    legible = _LEGIBLE.fullmatch(text) and unescaped(text) is None
    return Placeholder(name=PLAIN_FOR, default=text if legible else f"0x{identity.hex()}")


def mask_sent(sent: Sent, *, step: int = 1) -> tuple[Part, ...]:
    """Hide the secret part of a line that the client core has seen leave.

    Args:
        sent: the event.
        step: as for `mask_sasl_line`; of no account for a command.

    Returns:
        The parts to write.
    """
    if sent.sasl:
        arguments = sent.exchange.command.arguments
        return mask_sasl_line(sent.line, arguments[0] if arguments else b"", step=step)
    return mask_command(sent.exchange.command)


def masked(line: bytes) -> tuple[Part, ...]:
    """Hide the secret part of a line that may be a command: for messages about it."""
    return mask_command(parse_command(line))
