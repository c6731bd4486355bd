"""The local commands that read a message: beside what the server sent, never in place of it."""

from __future__ import annotations

import os
from collections.abc import Iterable

from poptalk.pop3.commands import State
from poptalk.pop3.replies import Status
from poptalk.session.exchanges import StoredReply
from poptalk.session.procedure import LocalError, Plan, Steps, exchange, in_thread
from poptalk.shell.commands.registry import CommandTable
from poptalk.shell.shell import Shell
from poptalk.terminal.render import UNLIMITED, Budget, plain_text
from poptalk.terminal.safe import Fragments, harmless

COMMANDS = CommandTable()
local = COMMANDS.enter

MOST_OCTETS = 64 * 1024 * 1024
"""The longest message that is read: what is made of it needs several times its octets of memory."""

_ALL = "all"


@local("headers [N] [all]")
def _headers(shell: Shell, argument: str) -> None:
    """Read the header of message N, or of the message that came last: unfolded and decoded.

    It is fetched with TOP N 0, which everybody can see above what poptalk reads there.
    """
    _read(shell, "headers", argument, fetch="TOP {} 0")


@local("structure [N] [all]")
def _structure(shell: Shell, argument: str) -> None:
    """Show the parts of message N, or of the message that came last, as a tree with sizes.

    It is fetched with RETR.
    """
    _read(shell, "structure", argument, fetch="RETR {}")


@local("text [N] [all]")
def _text(shell: Shell, argument: str) -> None:
    """Read the text of message N, or of the message that came last, decoded.

    The first part that is plain text, else the first that is HTML, without its tags and with the places
    that its links lead to, else any other text. It is fetched with RETR.
    """
    _read(shell, "text", argument, fetch="RETR {}")


@local("trace [N] [all]")
def _trace(shell: Shell, argument: str) -> None:
    """Show the way that message N, or the message that came last, says it has come.

    The Received fields in the order of time, with addresses, queue ids and the delays between them. It
    is fetched with TOP N 0.
    """
    _read(shell, "trace", argument, fetch="TOP {} 0")


# Fetching.


def _read(shell: Shell, name: str, argument: str, *, fetch: str) -> None:
    """Fetch a message, if one is named, and show what is read there."""
    words = argument.split()
    whole = _ALL in words
    numbers = [word for word in words if word != _ALL]
    if len(numbers) > 1 or not all(map(_is_number, numbers)):
        raise LocalError(f"give the number of a message: :{name} 3, or :{name} for the last one")
    command = fetch.format(*numbers).encode("ascii") if numbers else None
    if command is None:
        _check(shell.session.exchanges.last, fetch, name)
    again = f":{name}{f' {numbers[0]}' if numbers else ''} {_ALL}"
    plan = _fetch_and_show(shell, command, name, again="" if whole else again)
    shell.run_procedure(plan, name=name, speaks=command is not None)


def _is_number(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) <= 9


def _check(reply: StoredReply | None, fetch: str, name: str) -> None:
    """Make sure that the last reply is a message, and all of it where all is needed.

    Raises:
        LocalError: it is not.
    """
    if reply is None or not reply.is_message:
        raise LocalError(f"the last reply is no message; :{name} 1 fetches the first one")
    assert reply.exchange is not None
    command = reply.exchange.command
    if fetch.startswith("RETR") and command.keyword != b"RETR":
        number = command.number()
        raise LocalError(
            f"{command.verb.keyword if command.verb else 'this'} gives a part of a message only; "
            f":{name} {number or 1} fetches all of it"
        )


def _fetch_and_show(shell: Shell, command: bytes | None, name: str, *, again: str) -> Plan:
    """Fetch a message and show a view of it.

    Args:
        shell: where it is shown.
        command: what fetches the message; None for the last reply.
        name: of the view.
        again: what shows all of it, where it is folded; empty for all of it now.
    """
    # The libraries for mail are a tenth of a start, and loaded when the first message is read.
    from poptalk.mail.view import view
    from poptalk.mail.words import TimeLimit

    reply = (
        shell.session.exchanges.last if command is None else (yield from fetched(shell, command))
    )
    assert reply is not None
    if reply.octets > MOST_OCTETS:
        raise LocalError(f"it is larger than {MOST_OCTETS:,} octets; :save keeps it in a file")
    octets = b"".join(reply.content())
    columns = shell.view.size()[1]
    deadline = TimeLimit()
    try:
        rows = yield from in_thread(lambda: view(name, octets, columns=columns, deadline=deadline))
    finally:
        deadline.stop()  # Ctrl-C ends the plan here, while a thread may be reading still.
    budget = shell.view.screenful() if again else Budget(row_count=UNLIMITED, columns=columns)
    shell.view.remark("what poptalk reads there:")
    shell.say(_folded(shell, rows, budget, again))


def fetched(shell: Shell, command: bytes) -> Steps[StoredReply]:
    """Fetch a message, in a plan.

    Args:
        shell: where it is said.
        command: RETR or TOP.

    Raises:
        LocalError: the server does not give it.
    """
    reply = yield from exchange(command)
    if reply.status_line.status is not Status.OK:
        if shell.session.core.state is State.AUTHORIZATION:
            raise LocalError("no message can be fetched before the login; :login NAME does that")
        word = command.split()[0].decode("ascii")
        advice = "; RETR gives all of it" if word == "TOP" else ""
        raise LocalError(f"the server does not give it{advice}")
    return reply


def _folded(shell: Shell, rows: list[Fragments], budget: Budget, again: str) -> Iterable[Fragments]:
    for count, row in enumerate(rows):
        if not budget.spend(plain_text(row)):
            yield from shell.view.note(f"{len(rows) - count:,} more rows: {again}")
            return
        yield row


# Saving.


@local("save [N] FILE")
def _save(shell: Shell, argument: str) -> None:
    """Write message N, or the body of the last reply, to a file, octet for octet.

    Dots are unstuffed. The file must not exist. Message N is fetched with RETR.
    """
    word, _, rest = argument.partition(" ")
    name = os.path.expanduser(rest.strip() if _is_number(word) else argument)
    if not name:
        raise LocalError("name a file: :save letter.eml, or :save 3 letter.eml")
    if not _is_number(word):
        write_body(shell, last_body(shell), name)
        return
    if os.path.lexists(name):
        raise LocalError(f"{harmless(name)} is there already; name another file")
    shell.run_procedure(_fetch_and_save(shell, word, name), name="save")


def _fetch_and_save(shell: Shell, number: str, name: str) -> Plan:
    reply = yield from fetched(shell, f"RETR {number}".encode("ascii"))
    try:
        write_body(shell, reply, name)
    except OSError as error:
        raise LocalError(f"{harmless(name)}: {error.strerror}") from error


def last_body(shell: Shell) -> StoredReply:
    """Return the last reply, which has a body.

    Raises:
        LocalError: it has none.
    """
    reply = shell.session.exchanges.last
    if reply is None:
        raise LocalError("the server has said nothing yet")
    if not reply.multi_line:
        raise LocalError("the last reply has one line only; there is no body to save")
    return reply


def write_body(shell: Shell, reply: StoredReply, name: str) -> None:
    """Write the body of a reply to a new file.

    Raises:
        OSError: it cannot be written, or is there already.
    """
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    octets = 0
    with open(descriptor, "wb") as file:
        for chunk in reply.content():
            octets += file.write(chunk)
    unfinished = "" if reply.complete else "; the reply is not complete"
    shell.view.remark(f"{octets:,} octets written to {harmless(name)}{unfinished}")
