"""The local commands that show what is there: TLS, capabilities, and the meaning of everything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from poptalk.net.certificate import describe_certificate
from poptalk.protocol.capability_changes import (
    CapabilityAnswer,
    CapabilityChange,
    Difference,
    compare_capabilities,
)
from poptalk.protocol.states import State
from poptalk.session.procedure import LocalError, Plan, exchange
from poptalk.shell.base import Shell
from poptalk.shell.registry import local
from poptalk.terminal.render import NoteKind
from poptalk.terminal.safe import Fragments, harmless

if TYPE_CHECKING:
    from poptalk.net.tls import TlsFacts
    from poptalk.shell.dialogue import Dialogue


@local("explain [on|off]")
def _explain(shell: Shell, argument: str) -> None:
    """Explain everything from now on, as :why does.

    The lines of AUTH are shown with their base64 undone below them, passwords as stars. :explain off
    ends it.
    """
    dialogue = shell.dialogue
    if argument not in ("", "on", "off"):
        raise LocalError("it is either on or off")
    if argument:
        dialogue.explain = argument == "on"
    state = "everything is explained" if dialogue.explain else "only :why explains"
    dialogue.remark(f"{state}; :explain {'off' if dialogue.explain else 'on'} changes that")


# TLS.


@local("tls")
def _tls(shell: Shell, _argument: str) -> None:
    """Show the TLS of this connection, and the certificates.

    Version, cipher, what was checked, and each certificate of the chain with its names, its dates,
    the days that are left, and its SHA-256, which --pin takes.
    """
    if not shell.connected:
        raise LocalError("there is no connection; :open connects again")
    facts = shell.talk.exchanges.facts.tls
    if facts is None:
        shell.dialogue.remark(_in_clear(shell))
    else:
        shell.say(_facts(shell.dialogue, facts))


def _in_clear(shell: Shell) -> str:
    session = shell.talk.core
    begun = "there is no TLS: everybody on the way can read and change what is said"
    if session.state is not State.AUTHORIZATION:
        return f"{begun}; STLS is for AUTHORIZATION only: QUIT, :open, then STLS [RFC 2595 §4]"
    answer = shell.talk.exchanges.facts.capabilities_now(session)
    if answer is None:
        return f"{begun}; STLS begins it, and :capa tells whether the server offers that"
    if b"STLS" in answer.parameters():
        return f"{begun}; STLS begins it, and the server offers that"
    return f"{begun}; the server does not offer STLS; perhaps it has port 995, :open HOST --tls"


def _facts(dialogue: Dialogue, facts: TlsFacts) -> Iterator[Fragments]:
    yield from dialogue.note(f"{facts.version}, {facts.cipher}")
    yield from dialogue.note(
        _checks(facts), kind=NoteKind.NOTE if facts.verified or facts.pinned else NoteKind.WARN
    )
    for number, der in enumerate(facts.chain, 1):
        whose = "the server's own" if number == 1 else "who vouches for the one above"
        yield from dialogue.note(f"certificate {number} of {len(facts.chain)}, {whose}:")
        for line in describe_certificate(der):
            yield from dialogue.note(line.replace(":", "") if line.startswith(_DIGEST) else line)


_DIGEST = "SHA-256"
"""Begins the line of the fingerprint: without its colons it is in one row, to be copied for --pin."""


def _checks(facts: TlsFacts) -> str:
    name = harmless(facts.server_name)
    if facts.verified:
        checked = f"verified: it is for {name}, its dates are good, an authority vouches for it"
    else:
        checked = f"NOT verified: anybody can have made a certificate like this, for {name} too"
    return f"{checked}; it is the one that was pinned" if facts.pinned else checked


# Capabilities.


@local("capa")
def _capa(shell: Shell, _argument: str) -> None:
    """Ask CAPA, and compare the answer with the one before.

    What a server offers changes with TLS and with the login; it is said what may change and why, and
    what is odd.
    """
    shell.run_procedure(_ask_capabilities(shell), name="capa")


def _ask_capabilities(shell: Shell) -> Plan:
    yield from exchange(b"CAPA")
    *before, answer = shell.talk.exchanges.facts.capability_answers
    if answer.lines is None:
        shell.dialogue.remark("this server knows no CAPA; what it can do shows when it is tried")
    elif not before:
        shell.dialogue.remark(
            f"that is what it offers {answer.moment}; ask again when that has changed, and the two "
            "are compared"
        )
    else:
        shell.say(_compared(shell.dialogue, before[-1], answer))


def _compared(
    dialogue: Dialogue, before: CapabilityAnswer, answer: CapabilityAnswer
) -> Iterator[Fragments]:
    changes = list(compare_capabilities(before, answer))
    if not changes:
        yield from dialogue.note(f"nothing has changed since CAPA {before.moment}")
        return
    yield from dialogue.note(f"what has changed since CAPA {before.moment}:")
    for change in changes:
        why = f"{'odd: ' if change.odd else ''}{change.why} [{change.clause}]"
        yield from dialogue.beside(_change(change), why)


def _change(change: CapabilityChange) -> str:
    before, after = (b" ".join(words) for words in (change.before, change.after))
    parts = [change.difference.value.encode("ascii"), change.tag]
    if change.difference is Difference.CHANGED:
        parts += [before or b"(nothing)", b"->", after or b"(nothing)"]
    else:
        parts += [after or before] if after or before else []
    return harmless(b" ".join(parts))
