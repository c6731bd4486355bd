"""The local command `:report`: what somebody needs to know who is to find a fault."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from poptalk import __version__
from poptalk.net.certificate import describe_certificate
from poptalk.session.log import now_here, recent_lines
from poptalk.session.procedure import LocalError
from poptalk.shell.base import Shell
from poptalk.shell.registry import local
from poptalk.terminal.reading import text_rows
from poptalk.terminal.safe import harmless

if TYPE_CHECKING:
    from poptalk.net.tls import TlsFacts


@local("report [FILE]")
def _report(shell: Shell, argument: str) -> None:
    """Show, or write to a new file, what a report of a fault needs.

    Versions, the server, TLS and its certificates, what CAPA said, and the last exchanges, without
    secrets and without letters. In a lesson it is about the lesson, and shown.
    """
    if shell.companion is not None:
        if argument:
            raise LocalError("in a lesson it is shown only: :report")
        shell.companion.answer("report")
        return
    lines = [*report(shell)]
    if not argument:
        columns = shell.dialogue.size()[1]
        shell.say(text_rows("\n".join(lines), columns=columns))
        return
    name = os.path.expanduser(argument)
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.writelines(f"{line}\n" for line in lines)
    shell.dialogue.remark(f"the report is in {harmless(name)}; read it before you send it")


def report(shell: Shell) -> Iterator[str]:
    """Give the lines of a report: a dialogue in the notation, with the facts as comments."""
    yield f"# poptalk {__version__}, {now_here().isoformat(timespec='seconds')}"
    yield f"# Python {platform.python_version()}, {_openssl()}"
    yield f"# {harmless(platform.platform())}, terminal {harmless(os.environ.get('TERM', 'unknown'))}"
    if shell.destination is None:
        yield "# no server was named"
    else:
        yield f"# server: {harmless(str(shell.destination))}"
    yield from _tls(shell.talk.exchanges.facts.tls)
    for answer in shell.talk.exchanges.facts.capability_answers:
        yield f"# CAPA {answer.moment}:"
        if answer.lines is None:
            yield "#   refused"
        yield from (f"#   {harmless(line)}" for line in answer.lines or ())
    yield "# what was said last:"
    yield from recent_lines(shell.talk) or ("# nothing",)


def _openssl() -> str:
    # It is loaded where there is TLS, and costs too much where there is none.
    ssl = sys.modules.get("ssl")
    return str(ssl.OPENSSL_VERSION) if ssl is not None else "TLS is not in use"


def _tls(facts: TlsFacts | None) -> Iterator[str]:
    if facts is None:
        yield "# no TLS"
        return
    pinned = ", pinned" if facts.pinned else ""
    yield f"# TLS: {harmless(facts.summary)}{pinned}, for {harmless(facts.server_name)}"
    for number, der in enumerate(facts.chain, 1):
        yield f"# certificate {number} of {len(facts.chain)}:"
        yield from (f"#   {harmless(line)}" for line in describe_certificate(der))
