"""The local commands about messages: to read one, to list many, to save them, to mark them as deleted.

What poptalk reads in a message is shown besides what the server sent, never instead of it.  A body that
is still kept is not fetched again.  Commands about many messages are sent out of sight: the log has
all of it, and a sentence says what was sent.
"""

from __future__ import annotations

import os
import re
from operator import attrgetter
from time import monotonic
from typing import TYPE_CHECKING

from poptalk.pop3.commands import State
from poptalk.pop3.replies import Status
from poptalk.session.exchanges import ConnectionOpened, StoredReply
from poptalk.session.log import now_here
from poptalk.session.procedure import (
    LocalError,
    Plan,
    Steps,
    confirm,
    exchange,
    in_thread,
    pipelined,
)
from poptalk.shell.commands.registry import CommandTable, shown
from poptalk.terminal.safe import harmless

if TYPE_CHECKING:
    from poptalk.mail.header import MessageChoice, Summary
    from poptalk.shell.shell import Shell

COMMANDS = CommandTable()
local = COMMANDS.enter

MOST_OCTETS = 64 * 1024 * 1024
"""The longest message that is read: reading it takes several times its size in memory."""

AT_ONCE = 50
"""Commands that are sent before the first is answered; their answers wait in the server's buffers."""

PROGRESS_SECONDS = 2.0
"""How often slow work says how far it is."""

_ALL = "all"
_YES = "--yes"


# Reading one.


@local("headers [N] [all]")
def _headers(shell: Shell, argument: str) -> None:
    """Read the header of message N, or of the last message that came: unfolded and decoded.

    It is fetched with TOP N 0, unless it came before on this connection and is still kept.
    """
    _read(shell, "headers", argument, fetch="TOP {} 0")


@local("structure [N] [all]")
def _structure(shell: Shell, argument: str) -> None:
    """Show the parts of message N, or of the last message that came, as a tree with sizes.

    It is fetched with RETR, unless it came before on this connection and is still kept.
    """
    _read(shell, "structure", argument, fetch="RETR {}")


@local("text [N] [all]")
def _text(shell: Shell, argument: str) -> None:
    """Read the text of message N, or of the last message that came, decoded.

    The first part that is plain text, or else the first that is HTML, without its tags and with the
    targets of its links, or else any other text. It is fetched with RETR, unless it came before on this
    connection and is still kept.
    """
    _read(shell, "text", argument, fetch="RETR {}")


@local("trace [N] [all]")
def _trace(shell: Shell, argument: str) -> None:
    """Show the route of message N, or of the last message that came, as its Received fields tell it.

    In the order of time, with addresses, queue ids and the delays between them. It
    is fetched with TOP N 0, unless it came before on this connection and is still kept.
    """
    _read(shell, "trace", argument, fetch="TOP {} 0")


def _read(shell: Shell, name: str, argument: str, *, fetch: str) -> None:
    """Fetch a message, if one is named, and show what is read there."""
    words = argument.split()
    whole = _ALL in words
    numbers = [word for word in words if word != _ALL]
    if len(numbers) > 1 or not all(map(_is_number, numbers)):
        raise LocalError(f"give the number of a message: :{name} 3, or :{name} for the last one")
    if numbers:
        # What RETR brought has everything that TOP would bring.
        keyword = fetch.partition(" ")[0].encode("ascii")
        reply = _kept(shell, int(numbers[0]), (b"RETR", keyword))
    else:
        reply = shell.session.exchanges.last
        _check(reply, fetch, name)
    again = f":{name}{f' {numbers[0]}' if numbers else ''} {_ALL}"
    command = fetch.format(*numbers).encode("ascii") if reply is None else None
    plan = _fetch_and_show(shell, command, reply, name, again="" if whole else again)
    shell.run_procedure(plan, name=name, speaks=command is not None)


def _is_number(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) <= 9


def _kept(shell: Shell, number: int, keywords: tuple[bytes, ...]) -> StoredReply | None:
    """Return a message that came on this connection, if all of it is still kept.

    Args:
        shell: where it came.
        number: the message's.
        keywords: the commands to which it may be the reply.
    """
    for _, each in reversed(shell.session.exchanges.said):
        if isinstance(each, ConnectionOpened):
            return None  # A number means something within one session only [RFC 1939 §5].
        if (
            isinstance(each, StoredReply)
            and each.exchange is not None
            and each.exchange.command.keyword in keywords
            and each.exchange.command.number() == number
            and each.is_message
            and each.complete
            and not each.lost
        ):
            return each
    return None


def _check(reply: StoredReply | None, fetch: str, name: str) -> None:
    """Make sure that the last reply is a message, and the whole message if that is needed.

    Raises:
        LocalError: it is not.
    """
    if reply is None or not reply.is_message:
        raise LocalError(f"the last reply isn't a message; :{name} 1 fetches the first one")
    assert reply.exchange is not None
    command = reply.exchange.command
    if fetch.startswith("RETR") and command.keyword != b"RETR":
        number = command.number()
        raise LocalError(
            f"{command.verb.keyword if command.verb else 'this'} gives only part of a message; "
            f":{name} {number or 1} fetches all of it"
        )


def _fetch_and_show(
    shell: Shell, command: bytes | None, reply: StoredReply | None, name: str, *, again: str
) -> Plan:
    """Fetch a message and show a view of it.

    Args:
        shell: shows it.
        command: fetches the message; None if it is there.
        reply: the message, if it is there.
        name: of the view.
        again: the command that shows all of it, if it must be folded; empty shows all of it now.
    """
    # The libraries for mail would be a tenth of the start-up time, so they are loaded when needed.
    from poptalk.mail.view import view
    from poptalk.mail.words import TimeLimit

    if command is not None:
        if command.startswith(b"RETR"):
            yield from _check_size(shell, int(command.split()[1]))
        reply = yield from fetched(shell, command)
    assert reply is not None
    if reply.octets > MOST_OCTETS:
        raise LocalError(f"it is larger than {MOST_OCTETS:,} octets; :save keeps it in a file")
    octets = b"".join(reply.content())
    columns = shell.view.size()[1]
    deadline = TimeLimit()
    try:
        rows = yield from in_thread(lambda: view(name, octets, columns=columns, deadline=deadline))
    finally:
        deadline.stop()  # Ctrl-C ends the plan here, while the thread may still be reading.
    came = ""
    if command is None and reply is not shell.session.exchanges.last and reply.exchange is not None:
        came = f", from the reply to {reply.exchange.command.line.decode('ascii', 'replace')}"
    so_far = "" if reply.complete else ", as far as it has come"
    shell.view.remark(f"as poptalk reads it{came}{so_far}:")
    count = len(rows)
    yield from shown(
        shell,
        shell.view.fitting(
            rows, lambda n: f"{count - n:,} more rows: {again}", everything=not again
        ),
    )


def _check_size(shell: Shell, number: int) -> Steps[None]:
    """Make sure that a message isn't too large to be read, before it is fetched.

    Raises:
        LocalError: it is too large.
    """
    if shell.session.core.state is not State.TRANSACTION:
        return
    size = shell.session.exchanges.facts.sizes.get(number)
    if size is None:
        reply = yield from exchange(b"LIST %d" % number)
        words = reply.status_line.words
        if reply.status_line.status is not Status.OK or len(words) < 2 or not words[1].isdigit():
            return
        size = int(words[1][:18])
    if size > MOST_OCTETS:
        raise LocalError(
            f"message {number} has {size:,} octets, and {MOST_OCTETS:,} is the most that is read; "
            f":save {number} FILE fetches it into a file"
        )


def fetched(shell: Shell, command: bytes) -> Steps[StoredReply]:
    """Fetch a message, in a plan.

    Args:
        shell: whose session it is.
        command: RETR or TOP.

    Raises:
        LocalError: the server refuses.
    """
    reply = yield from exchange(command)
    if reply.status_line.status is not Status.OK:
        _check_login(shell)
        word = command.split()[0].decode("ascii")
        advice = "; RETR gives all of it" if word == "TOP" else ""
        raise LocalError(f"the server does not give it{advice}")
    return reply


def _check_login(shell: Shell) -> None:
    """Make sure that messages can be fetched.

    Raises:
        LocalError: nobody has logged in.
    """
    if shell.session.core.state is State.AUTHORIZATION:
        raise LocalError("no message can be fetched before the login; :login NAME does that")


# Listing many.


@local("messages [RANGE|CONDITION]")
def _messages(shell: Shell, argument: str) -> None:
    """List messages: number, date, size, sender and subject.

    All of them, or some: :messages 1-20,30, last 20, from TEXT, subject TEXT, older than 30d (or 4w, or
    a date such as 2026-01-31), larger than 1M, several joined by "and". It sends LIST and TOP N 0, many
    at once where CAPA lists PIPELINING; they are not shown, but the log has them. Ctrl-C stops it and
    shows the rows that have come.
    """
    shell.run_procedure(_list(shell, _choice(argument)), name="messages")


def _choice(text: str) -> MessageChoice:
    from poptalk.mail.header import BadChoice, parse_choice

    try:
        return parse_choice(text, now=now_here())
    except BadChoice as error:
        raise LocalError(str(error)) from error


def _list(shell: Shell, choice: MessageChoice) -> Plan:
    found = yield from _found(shell, choice)
    shell.view.remark(_count(found))


def _found(shell: Shell, choice: MessageChoice) -> Steps[list[Summary]]:
    """Find the chosen messages, and show them in a table.

    Raises:
        LocalError: there are none, or the server does not say enough about them.
    """
    from poptalk.mail.view import summary_rows

    sizes = yield from _sizes(shell)
    numbers = choice.by_size(sizes)
    summaries: list[Summary] = []

    def meant() -> list[Summary]:
        return [each for each in sorted(summaries, key=attrgetter("number")) if choice.takes(each)]

    def show() -> None:
        shell.say(summary_rows(meant(), columns=shell.view.size()[1]))

    try:
        if numbers:
            yield from _summaries(shell, numbers, sizes, summaries, needed=bool(choice.conditions))
    except GeneratorExit:  # Ctrl-C, or the connection has ended.
        show()
        raise
    if not meant():
        there = f"{len(sizes):,} message{'' if len(sizes) == 1 else 's'}" if sizes else "no message"
        raise LocalError(f"no message is like that; the maildrop has {there}")
    show()
    undated = sum(each.when is None for each in summaries) if choice.by_age else 0
    if undated:
        shell.view.remark(f"{undated:,} without a readable date, so nothing is known of their age")
    return meant()


def _sizes(shell: Shell) -> Steps[dict[int, int | None]]:
    """Ask which messages there are, and their sizes."""
    _check_login(shell)
    with shell.view.unseen():
        reply = yield from exchange(b"LIST")
    if reply.status_line.status is not Status.OK:
        line = harmless(shell.view.first_line(reply))
        raise LocalError(f"the server does not list its messages: {line}")
    return dict(shell.session.exchanges.facts.sizes)


def _summaries(
    shell: Shell,
    numbers: list[int],
    sizes: dict[int, int | None],
    summaries: list[Summary],
    *,
    needed: bool,
) -> Steps[None]:
    """Fetch the headers of messages with TOP, and add what they say.

    Args:
        shell: whose session it is.
        numbers: of the messages.
        sizes: their octets.
        summaries: what they say is added here.
        needed: whether sizes alone are not enough.

    Raises:
        LocalError: headers are needed, and the server does not give them.
    """
    from poptalk.mail.header import MOST_OCTETS as MOST_OF_A_HEADER
    from poptalk.mail.header import summary

    total, said = len(numbers), monotonic()
    refused: list[StoredReply] = []

    def take(reply: StoredReply) -> None:
        nonlocal said
        assert reply.exchange is not None
        number = reply.exchange.command.number() or 0
        octets = bytearray()
        if reply.status_line.status is Status.OK:
            for chunk in reply.content():
                octets += chunk
                if len(octets) > MOST_OF_A_HEADER:
                    break
        else:
            refused.append(reply)
        summaries.append(summary(number, bytes(octets), size=sizes[number]))
        if monotonic() - said > PROGRESS_SECONDS:
            said = monotonic()
            shell.view.remark(f"{len(summaries):,} of {total:,} headers have come; Ctrl-C stops")

    lines = [b"TOP %d 0" % number for number in numbers]
    with shell.view.unseen():
        pipelines = total > 1 and (yield from _pipelines(shell))
        take((yield from exchange(lines[0])))
        if refused and (needed or not pipelines):
            # Only this message may be gone, but a server without TOP gives no header at all.
            if needed:
                raise LocalError(f"{_no_top(shell, refused[0])}, so only numbers and sizes choose")
            summaries += [summary(n, b"", size=sizes[n]) for n in numbers[1:]]
            lines = []
        step = AT_ONCE if pipelines else 1
        for start in range(1, len(lines), step):
            yield from pipelined(lines[start : start + step], take)
    if refused:
        shell.view.remark(f"{_no_top(shell, refused[0])}; so there is only the size")


def _no_top(shell: Shell, reply: StoredReply) -> str:
    assert reply.exchange is not None
    command = reply.exchange.command.line.decode("ascii", "replace")
    line = harmless(shell.view.first_line(reply))
    return f"the server does not give the header, {command} was answered {line}"


def _pipelines(shell: Shell) -> Steps[bool]:
    """Tell whether CAPA lists PIPELINING; ask CAPA if its answer isn't known."""
    facts, core = shell.session.exchanges.facts, shell.session.core
    if facts.capabilities_now(core) is None:
        yield from exchange(b"CAPA")
    answer = facts.capabilities_now(core)
    return answer is not None and b"PIPELINING" in answer.parameters()


def _count(messages: list[Summary]) -> str:
    from poptalk.mail.view import people_size

    octets = sum(each.size or 0 for each in messages)
    return f"{len(messages):,} message{'' if len(messages) == 1 else 's'}, {people_size(octets)}"


# Marking many as deleted.


@local("delete [--yes] RANGE|CONDITION")
def _delete(shell: Shell, argument: str) -> None:
    """List messages, ask, and mark them as deleted with DELE.

    They are chosen as for :messages: :delete 1-20,30, :delete from "Bob Jones" and older than 30d. The
    question comes after the table; in a script there is nobody to ask, so --yes is needed there. Each
    DELE is shown as it is sent. QUIT deletes what is marked, RSET takes the marks back.
    """
    words = argument.split(" ")
    sure = _YES in words
    text = " ".join(word for word in words if word != _YES)
    if not text.strip():
        raise LocalError("say which: :delete 3-7, or :delete from TEXT and older than 30d")
    if not (sure or shell.asker.at_prompt):
        raise LocalError(f"there is nobody to ask here: say :delete {_YES} to mean it")
    shell.run_procedure(_mark(shell, _choice(text), sure=sure), name="delete")


def _mark(shell: Shell, choice: MessageChoice, *, sure: bool) -> Plan:
    found = yield from _found(shell, choice)
    shell.view.remark(f"DELE would mark {_count(found)}")
    if not sure:
        short = f"DELE {len(found):,}? yes/no: "
        if not (yield from confirm(f"Mark these {len(found):,} as deleted? yes/no: ", short=short)):
            shell.view.remark("nothing was marked")
            return
    marked = 0
    for each in found:
        reply = yield from exchange(b"DELE %d" % each.number)
        if reply.status_line.status is not Status.OK:
            raise LocalError(
                f"the server did not mark message {each.number}, and the rest was left alone; "
                f"{marked:,} of {len(found):,} are marked: RSET takes that back, QUIT deletes them"
            )
        marked += 1
    are = "1 is" if marked == 1 else f"{marked:,} are"
    shell.view.remark(f"{are} marked: QUIT is what deletes, RSET takes the marks back")


# Saving.


@local("save [N] FILE | RANGE FOLDER")
def _save(shell: Shell, argument: str) -> None:
    """Write message N, or the body of the last reply, to a file, octet for octet; or several.

    Dots are unstuffed. The file must not exist. A message that isn't kept is fetched with RETR. With a
    range, as in :save 1-20,30 FOLDER or :save last 20 FOLDER, each goes to a file of its own, such as
    003.eml; the folder is made if it is missing, and no file there is overwritten.
    """
    several = _SEVERAL.fullmatch(argument)
    if several is not None:
        plan = _save_many(shell, _choice(several[1]), os.path.expanduser(several[2]))
        shell.run_procedure(plan, name="save")
        return
    word, _, rest = argument.partition(" ")
    name = os.path.expanduser(rest.strip() if _is_number(word) else argument)
    if _SEVERAL.fullmatch(f"{argument} _"):
        raise LocalError(f"name a folder: :save {harmless(argument)} FOLDER")
    if not name:
        raise LocalError("name a file: :save letter.eml, or :save 3 letter.eml")
    if not _is_number(word):
        last = shell.session.exchanges.last
        if last is None:
            raise LocalError("the server has said nothing yet")
        if not last.multi_line:
            raise LocalError("the last reply has one line only; there is no body to save")
        write_body(shell, last, name)
        return
    if os.path.lexists(name):
        raise LocalError(f"{harmless(name)} is there already; name another file")
    kept = _kept(shell, int(word), (b"RETR",))
    if kept is not None:
        write_body(shell, kept, name)
    else:
        shell.run_procedure(_fetch_and_save(shell, word, name), name="save")


_SEVERAL = re.compile(r"(all|last \d+|\d+[-,][\d,-]*) +(\S.*)")
"""More than one message, and a folder."""


def _fetch_and_save(shell: Shell, number: str, name: str) -> Plan:
    reply = yield from fetched(shell, f"RETR {number}".encode("ascii"))
    try:
        write_body(shell, reply, name)
    except OSError as error:
        raise LocalError(f"{harmless(name)}: {error.strerror}") from error


def _save_many(shell: Shell, choice: MessageChoice, folder: str) -> Plan:
    sizes = yield from _sizes(shell)
    numbers = choice.by_size(sizes)
    if not numbers:
        raise LocalError(f"no message is like that; the maildrop has {len(sizes):,}")
    digits = max(3, len(str(max(sizes))))
    names = {number: os.path.join(folder, f"{number:0{digits}}.eml") for number in numbers}
    for name in names.values():
        if os.path.lexists(name):
            raise LocalError(f"{harmless(name)} is there already; name another folder")
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
    except OSError as error:
        raise LocalError(f"{harmless(folder)}: {error.strerror}") from error
    done = 0
    try:
        for number, name in names.items():
            with shell.view.unseen():
                shell.view.remark(f"RETR {number}, {sizes[number] or 0:,} octets")
                yield from _fetch_and_save(shell, str(number), name)
            done += 1
    finally:  # Also after Ctrl-C, and when the connection ends.
        shell.view.remark(f"{done:,} of {len(sizes):,} messages are in {harmless(folder)}")


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
