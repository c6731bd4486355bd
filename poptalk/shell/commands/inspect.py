"""The local commands that show and explain what there is: TLS, capabilities, a report."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from poptalk import __version__
from poptalk.mail.view import text_rows
from poptalk.net.certificate import describe_certificate
from poptalk.pop3.capabilities import (
    CapabilityAnswer,
    CapabilityChange,
    Change,
    compare_capabilities,
)
from poptalk.pop3.commands import State
from poptalk.session.log import now_here, recent_lines
from poptalk.session.procedure import LocalError, Plan, exchange
from poptalk.shell.commands.registry import CommandTable, switched
from poptalk.terminal.render import NoteKind
from poptalk.terminal.safe import Fragments, harmless

if TYPE_CHECKING:
    from poptalk.net.tls import TlsFacts
    from poptalk.shell.shell import Shell
    from poptalk.shell.view import View

COMMANDS = CommandTable()
local = COMMANDS.enter

# `:report`: what someone needs to find a fault.


@local("report [FILE]")
def _report(shell: Shell, argument: str) -> None:
    """Show what a report of a fault needs, or write it to a new file.

    Versions, the server, TLS and its certificates, what CAPA said, and the last exchanges, without
    secrets and without messages. In a lesson it is about the lesson, and only shown.
    """
    if shell.controller is not None:
        if argument:
            raise LocalError("in a lesson it is only shown: :report")
        shell.controller.answer("report")
        return
    lines = [*report(shell)]
    if not argument:
        columns = shell.view.size()[1]
        shell.say(text_rows("\n".join(lines), columns=columns))
        return
    name = os.path.expanduser(argument)
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.writelines(f"{line}\n" for line in lines)
    shell.view.remark(f"the report is in {harmless(name)}; read it before you send it")


def report(shell: Shell) -> Iterator[str]:
    """Yield the lines of a report: a dialogue in the notation, with the facts as comments."""
    yield f"# poptalk {__version__}, {now_here().isoformat(timespec='seconds')}"
    yield f"# Python {platform.python_version()}, {_openssl()}"
    yield f"# {harmless(platform.platform())}, terminal {harmless(os.environ.get('TERM', 'unknown'))}"
    if shell.destination is None:
        yield "# no server was named"
    else:
        yield f"# server: {harmless(str(shell.destination))}"
    yield from _local_report_tls(shell.session.exchanges.facts.tls)
    for answer in shell.session.exchanges.facts.capability_answers:
        yield f"# CAPA {answer.moment}:"
        if answer.lines is None:
            yield "#   refused"
        yield from (f"#   {harmless(line)}" for line in answer.lines or ())
    yield "# what was said last:"
    yield from recent_lines(shell.session) or ("# nothing",)


def _openssl() -> str:
    # The module is loaded if there is TLS, and costs too much if there is none.
    ssl = sys.modules.get("ssl")
    return str(ssl.OPENSSL_VERSION) if ssl is not None else "TLS is not in use"


def _local_report_tls(facts: TlsFacts | None) -> Iterator[str]:
    if facts is None:
        yield "# no TLS"
        return
    pinned = ", pinned" if facts.pinned else ""
    yield f"# TLS: {harmless(facts.summary)}{pinned}, for {harmless(facts.server_name)}"
    for number, der in enumerate(facts.chain, 1):
        yield f"# certificate {number} of {len(facts.chain)}:"
        yield from (f"#   {harmless(line)}" for line in describe_certificate(der))


@local("explain [on|off]")
def _explain(shell: Shell, argument: str) -> None:
    """Explain everything from now on, as :why does.

    The lines of AUTH are shown decoded from base64 below them, passwords as stars. :explain off ends it.
    """
    view = shell.view
    view.explain = switched(argument, now=view.explain)
    state = "everything is explained" if view.explain else "only :why explains"
    view.remark(f"{state}; :explain {'off' if view.explain else 'on'} changes that")


@local("times [on|off]")
def _times(shell: Shell, argument: str) -> None:
    """Show beside each reply how many milliseconds it took.

    From the command to the first line of its reply, and to the end of a multi-line reply. :times off
    ends it.
    """
    view = shell.view
    view.times = switched(argument, now=view.times)
    state, other = ("shown", "off") if view.times else ("not shown", "on")
    view.remark(f"the time that each reply took is {state}; :times {other} changes that")


# TLS.


@local("tls")
def _local_seeing_tls(shell: Shell, _argument: str) -> None:
    """Show the TLS of this connection, and the certificates.

    Version, cipher, what was checked, what is wrong with the certificates, and for each certificate of
    the chain its names, its dates, the days that are left, its serial number, its key, and the two
    SHA-256 hashes that --pin takes: that of the key, and that of the certificate.
    """
    if not shell.connected:
        raise LocalError("there is no connection; :open connects again")
    facts = shell.session.exchanges.facts.tls
    if facts is None:
        shell.view.remark(_in_clear(shell))
    else:
        shell.say(_facts(shell.view, facts))


def _in_clear(shell: Shell) -> str:
    session = shell.session.core
    begun = "there is no TLS: anyone on the way can read and change what is said"
    if session.state is not State.AUTHORIZATION:
        return f"{begun}; STLS works in AUTHORIZATION only: QUIT, :open, then STLS [RFC 2595 §4]"
    answer = shell.session.exchanges.facts.capabilities_now(session)
    if answer is None:
        return f"{begun}; STLS begins it, and :capa shows whether the server offers it"
    if b"STLS" in answer.parameters():
        return f"{begun}; STLS begins it, and the server offers it"
    return f"{begun}; the server does not offer STLS; perhaps it has port 995, :open HOST --tls"


def _facts(view: View, facts: TlsFacts) -> Iterator[Fragments]:
    yield from view.note(f"{facts.version}, {facts.cipher}")
    yield from view.note(
        _checks(facts), kind=NoteKind.NOTE if facts.verified or facts.pinned else NoteKind.WARN
    )
    for problem in () if facts.verified else facts.problems:
        yield from view.note(problem, kind=NoteKind.WARN)
    for number, der in enumerate(facts.chain, 1):
        whose = "the server's own" if number == 1 else "who vouches for the one above"
        yield from view.note(f"certificate {number} of {len(facts.chain)}, {whose}:")
        for line in describe_certificate(der):
            yield from view.note(line.replace(":", "") if line.startswith(_DIGEST) else line)


_DIGEST = "SHA-256"
"""Begins the line of a fingerprint, which without its colons fits in a row, to be copied for --pin."""


def _checks(facts: TlsFacts) -> str:
    name = harmless(facts.server_name)
    if facts.verified:
        checked = f"verified: it is for {name}, its dates are good, an authority vouches for it"
        return f"{checked}; it is the one that was pinned" if facts.pinned else checked
    if facts.pinned:
        return "it is the one that was pinned; names, dates and authority were not checked"
    return f"NOT verified: anyone can make a certificate like this, for {name} too"


# Capabilities.


@local("capa")
def _capa(shell: Shell, _argument: str) -> None:
    """Ask CAPA, and compare the answer with the one before.

    What a server offers changes with TLS and with the login; the comparison says what may change and
    why, and what is odd.
    """
    shell.run_procedure(_ask_capabilities(shell), name="capa")


def _ask_capabilities(shell: Shell) -> Plan:
    yield from exchange(b"CAPA")
    *before, answer = shell.session.exchanges.facts.capability_answers
    if answer.lines is None:
        shell.view.remark("this server has no CAPA; try a command to see whether it has it")
    elif not before:
        shell.view.remark(
            f"that is what it offers {answer.moment}; ask again when that has changed, and the two "
            "are compared"
        )
    else:
        shell.say(_compared(shell.view, before[-1], answer))


def _compared(
    view: View, before: CapabilityAnswer, answer: CapabilityAnswer
) -> Iterator[Fragments]:
    changes = list(compare_capabilities(before, answer))
    if not changes:
        yield from view.note(f"nothing has changed since CAPA {before.moment}")
        return
    yield from view.note(f"what has changed since CAPA {before.moment}:")
    for change in changes:
        why = f"{'odd: ' if change.odd else ''}{change.why} [{change.clause}]"
        yield from view.beside(_change(change), why)


def _change(change: CapabilityChange) -> str:
    before, after = (b" ".join(words) for words in (change.before, change.after))
    parts = [change.difference.value.encode("ascii"), change.tag]
    if change.difference is Change.CHANGED:
        parts += [before or b"(nothing)", b"->", after or b"(nothing)"]
    else:
        parts += [after or before] if after or before else []
    return harmless(b" ".join(parts))
