"""The local commands of every shell; `registry` says how to add one."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from itertools import islice
from typing import TYPE_CHECKING

from poptalk.net import endpoint
from poptalk.net.endpoint import ConnectOptions, Destination, UsageError
from poptalk.net.saved import find_destination, find_server
from poptalk.pop3.commands import VERBS, State, Verb
from poptalk.pop3.events import Sent
from poptalk.session.exchanges import StoredReply
from poptalk.session.log import PRIVATE, open_log
from poptalk.session.procedure import LocalError, Plan, in_thread
from poptalk.shell.commands import inspect, login, messages
from poptalk.shell.commands.registry import (
    LOCAL_PREFIX,
    CommandTable,
    commands_of,
    shown,
    switched,
    unescaped,
    words_and_flags,
)
from poptalk.terminal.render import BodyView, client_line, raw_line, status_line
from poptalk.terminal.safe import Fragments, harmless, wrap

if TYPE_CHECKING:
    from poptalk.session.log import SessionRecord
    from poptalk.shell.shell import Shell

COMMANDS = CommandTable()
local = COMMANDS.enter

# The commands that only a lesson can answer: its controller does.


def _answer(shell: Shell, command: str) -> None:
    assert shell.controller is not None, "run_local refuses these commands outside lessons"
    shell.controller.answer(command)


@local("task", in_lessons=True)
def _task(shell: Shell, _argument: str) -> None:
    """Show the task, or the question, again.

    So does Enter on an empty line, where that would mean nothing to the server.
    """
    _answer(shell, "task")


@local("hint", in_lessons=True)
def _hint(shell: Shell, _argument: str) -> None:
    """Give a hint.

    Each one says more than the one before; the last is the answer itself.
    """
    _answer(shell, "hint")


@local("skip", in_lessons=True)
def _skip(shell: Shell, _argument: str) -> None:
    """Show how it is done, and go on.

    What is left of the task is typed for you, with the reason for each line. At a question the right
    choice is shown, at a pause the lesson goes on.
    """
    _answer(shell, "skip")


@local("back", in_lessons=True)
def _back(shell: Shell, _argument: str) -> None:
    """Go back to the step before.

    The mail is made as it was then.
    """
    _answer(shell, "back")


@local("reset", in_lessons=True)
def _reset(shell: Shell, _argument: str) -> None:
    """Begin this step again.

    The mail is made as it was when the step began.
    """
    _answer(shell, "reset")


@local("state", in_lessons=True)
def _state(shell: Shell, _argument: str) -> None:
    """Say where the session and the lesson stand."""
    _answer(shell, "state")


@local("map", in_lessons=True)
def _map(shell: Shell, _argument: str) -> None:
    """List the steps of the lesson, or all lessons."""
    _answer(shell, "map")


@local("menu", in_lessons=True)
def _menu(shell: Shell, _argument: str) -> None:
    """Leave the lesson for the list of lessons.

    What is done is kept, and the lesson goes on from there.
    """
    _answer(shell, "menu")


@local("help [COMMAND]")
def _help(shell: Shell, argument: str) -> None:
    """List what can be typed, or explain a command."""
    topic = argument.strip()
    if topic == LOCAL_PREFIX:
        rows = [(f":{command.usage}", command.summary) for command in commands_of(shell)]
        shell.say(_table(rows, shell.view.size()[1], style="local"))
    elif (name := _local_topic(shell, topic)) is not None:
        command = shell.commands[name]
        shell.say([[("keyword", f":{command.usage}")]])
        shell.view.remark(command.details)
    elif topic:
        shell.say(_help_on_verb(shell, topic))
    else:
        shell.say(_overview(shell))


def _local_topic(shell: Shell, topic: str) -> str | None:
    """Return the local command that is meant; the colon may be left out if POP3 has no such command."""
    name = topic.removeprefix(LOCAL_PREFIX)
    is_verb = name == topic and topic.upper().encode("utf-8", "replace") in VERBS
    return name if name in shell.commands and not is_verb else None


def _help_on_verb(shell: Shell, topic: str) -> Iterator[Fragments]:
    verb = VERBS.get(topic.upper().encode("utf-8", "replace"))
    if verb is None:
        raise LocalError(f"{harmless(topic)} is not a command of POP3; :help lists those that are")
    yield from _table([(verb.syntax, verb.summary)], shell.view.size()[1], style="keyword")
    yield from shell.view.note(verb.details)
    facts = [("states", " and ".join(sorted(state.value for state in verb.states)))]
    facts.append(("reply", _reply_in_words(verb)))
    if verb.relic:
        facts.append(("relic", verb.relic))
    if verb.capability:
        facts.append(("offered", f"if CAPA lists {verb.capability.decode('ascii')}"))
    facts.append(("defined", str(verb.clause)))
    for label, text in facts:
        yield from _labelled(label, text, columns=shell.view.size()[1])
    yield [("note", "example")]
    for line in verb.example.splitlines():
        side, text = line[:2], line[3:]
        if side == "C:":
            yield [("note", "    "), *client_line(text.encode("utf-8"), None)]
        else:
            yield [("note", "    "), *status_line(text.encode("utf-8"))]


def _reply_in_words(verb: Verb) -> str:
    shape = {
        "never": "one line",
        "always": "several lines, up to the lone dot",
        "without an argument": "one line with an argument; several without, up to the lone dot",
    }[verb.multi_line.value]
    fields = " ".join(field.name for field in verb.fields)
    return f"{shape}; data: {fields}" if fields else shape


def _labelled(label: str, text: str, *, columns: int) -> Iterator[Fragments]:
    for row in wrap(text, columns - _LABEL_CELLS - 2):
        yield [("note", f"{label:>{_LABEL_CELLS}}  "), ("body", row)]
        label = ""


_LABEL_CELLS = 8


def _overview(shell: Shell) -> Iterator[Fragments]:
    state = shell.session.core.state
    columns = shell.view.size()[1]
    legal = [verb for verb in VERBS.values() if state in verb.states and not verb.relic]
    now = "Legal now:" if legal else "There is no session now; :open begins one."
    yield from shell.view.note(f"What you type goes to the server as it is. {now}")
    yield from _table([(verb.syntax, verb.summary) for verb in legal], columns, style="keyword")
    others = [verb.keyword for verb in VERBS.values() if verb not in legal and not verb.relic]
    relics = [verb.keyword for verb in VERBS.values() if verb.relic]
    yield from shell.view.note(f"In other states: {' '.join(others)}. Relics: {' '.join(relics)}.")
    names = " ".join(f":{command.name}" for command in commands_of(shell))
    yield from shell.view.note(
        f"Local, never sent: {names} (::text sends :text).\n"
        ":help RETR explains a command, :help : the local ones."
    )


def _table(rows: list[tuple[str, str]], columns: int, *, style: str) -> Iterator[Fragments]:
    """Show names, and what they do beside them, or below if there is no room."""
    narrow = columns < _NAME_CELLS + _LEAST_SUMMARY
    indent = 4 if narrow else _NAME_CELLS + 4
    for name, summary in rows:
        first, *others = wrap(summary, columns - indent)
        if narrow or len(name) > _NAME_CELLS:
            yield [(style, f"  {name}")]
            yield [("note", " " * indent + first)]
        else:
            yield [(style, f"  {name:<{_NAME_CELLS}}  "), ("note", first)]
        yield from ([("note", " " * indent + row)] for row in others)


_NAME_CELLS = 21
"""Cells for a command with its arguments."""

_LEAST_SUMMARY = 34
"""A summary with fewer cells than this goes below its command."""


@local("why")
def _why(shell: Shell, _argument: str) -> None:
    """Explain the last reply, field by field."""
    if shell.controller is None:
        _explain_last(shell)
        return
    if shell.session.exchanges.last is not None and shell.connected:
        _explain_last(shell)
    shell.controller.answer("why")


def _explain_last(shell: Shell) -> None:
    core = shell.session.core
    if (
        shell.session.exchanges.last is None
        and not shell.connected
        and core.state is State.GREETING
    ):
        _last(shell)
    shell.say(shell.view.explained_now())


@local("raw [all]")
def _raw(shell: Shell, argument: str) -> None:
    r"""Show the last reply octet for octet, and the line that it answers.

    Line ends show as \r\n where they are; stuffed dots and the final dot are named. :raw all shows
    all of a long one.
    """
    reply = _last(shell)
    lines = _raw_lines(shell, reply, everything=argument == "all")
    shell.run_procedure(shown(shell, lines), name="raw", speaks=False)


def _raw_lines(shell: Shell, reply: StoredReply, *, everything: bool) -> Iterator[Fragments]:
    for _, event in reversed(shell.session.exchanges.said):
        if isinstance(event, Sent) and event.exchange is reply.exchange:
            yield client_line(event.line, event.secret, reveal=shell.view.reveal, end=event.end)
            break
    yield raw_line(shell.view.first_line(reply) + reply.status_line.end)

    def left(count: int) -> str:
        octets = reply.octets - sum(map(len, islice(reply.raw_lines(), count)))
        return f"{octets:,} octets more: :raw all shows them"

    body = (raw_line(line, in_body=True) for line in reply.raw_lines())
    yield from shell.view.fitting(body, left, everything=everything)


@local("more [all]")
def _more(shell: Shell, argument: str) -> None:
    """Show the next screen of a folded reply."""
    reply = _last(shell, whole=True)
    body = shell.view.body
    if body is None or not body.folded or body.shown_octets >= reply.octets:
        raise LocalError("nothing of the last reply is left to show")
    body.go_on(shell.view.screenful(everything=argument == "all"))
    _show_body(shell, reply, body)


def _show_body(shell: Shell, reply: StoredReply, body: BodyView) -> None:
    def lines() -> Iterator[Fragments]:
        for chunk in reply.chunks(body.shown_octets):
            yield from body.feed(chunk)
        yield from body.end(complete=reply.complete)

    shell.run_procedure(shown(shell, lines()), name="more", speaks=False)


@local("last")
def _last_again(shell: Shell, _argument: str) -> None:
    """Show the last command and its reply again."""
    reply = _last(shell, whole=True)
    if reply.exchange is not None:
        command = reply.exchange.command
        shell.say([client_line(command.line, command.secret, reveal=shell.view.reveal)])
    shell.say([status_line(shell.view.first_line(reply))])
    body = shell.view.body
    if reply.octets and body is not None:
        body.go_on(shell.view.screenful(), from_start=True)
        _show_body(shell, reply, body)


def _last(shell: Shell, *, whole: bool = False) -> StoredReply:
    """Return the last reply; if `whole`, it must be complete."""
    exchanges = shell.session.exchanges
    if exchanges.last is None:
        raise LocalError("the server has said nothing yet")
    if whole and exchanges.receiving is not None:
        raise LocalError("the reply is still coming in")
    return exchanges.last


@local("open [HOST [PORT]]")
def _open(shell: Shell, argument: str) -> None:
    """Connect to a server, or again to the last.

    A URL will do too (:open pop3s://mail.example.org), the name of a saved server (:open work), and
    --tls, --starttls, --clear and --insecure are understood. Options of the command line for proxies,
    certificates and so on still apply. So does --starttls, once it has been asked for: STLS then comes
    first on other servers too, so that TLS isn't lost unawares, until --clear connects without it.
    :open alone connects again in the same way, and :open --tls to the same server with TLS.
    """
    places, flags = words_and_flags(argument, _OPEN_FLAGS, begin="-")
    if _CLEAR in flags and flags & {"--tls", "--starttls"}:
        raise LocalError(f"{_CLEAR} is for no TLS at all: leave it out, or the other one")
    if shell.controller is not None:
        if argument:
            raise LocalError("a lesson has its own server; poptalk HOST opens another one")
        shell.controller.reopen()
        return
    if places:
        # A saved server has options of its own; those of the session are for another server.
        saved = len(places) == 1 and find_server(places[0]) is not None
        before = endpoint.DIRECT if saved or shell.destination is None else shell.destination
        destination = find_destination(places, _way_to_another(before, places[0], flags))
        if _CLEAR in flags and (destination.tls or destination.starttls):
            raise LocalError(f"{harmless(places[0])} asks for TLS: leave {_CLEAR} out")
        if destination.starttls and before.starttls and "--starttls" not in flags:
            shell.view.remark(f"STLS still comes first, as it did before: {_CLEAR} leaves it out")
    elif shell.destination is None:
        raise LocalError("name a server: :open mail.example.org 110")
    else:
        destination = _again(shell.destination, flags) if flags else shell.destination
    shell.open(destination)


_CLEAR = "--clear"
_OPEN_FLAGS = ("--tls", "--starttls", _CLEAR, "--insecure")


def _again(before: Destination, flags: set[str]) -> Destination:
    """Return the same server with the flags that were typed, otherwise unchanged."""
    kind = type(before)
    fields = {name: getattr(before, name) for name in kind._fields}
    if flags & {"--tls", "--starttls", _CLEAR}:
        fields |= {"tls": "--tls" in flags, "starttls": "--starttls" in flags}
    if before.port == endpoint.usual_port(tls=before.tls):
        fields["port"] = endpoint.usual_port(tls=fields["tls"])
    fields["verify"] = before.verify and "--insecure" not in flags
    return endpoint.consistent(kind(**fields))


def _way_to_another(before: ConnectOptions, place: str, flags: Collection[str]) -> ConnectOptions:
    """Return the options for another server: those of before, except what concerned only that server.

    Args:
        before: the options before.
        place: the host or the URL.
        flags: what was typed with it.
    """
    way = {name: getattr(before, name) for name in ConnectOptions._fields}
    way |= {"path": None, "server_name": None, "pins": ()}
    way["tls"] = "--tls" in flags
    way["verify"] = "--insecure" not in flags
    # Someone who demanded TLS once must not lose it unawares.
    at_once = way["tls"] or place.startswith(("pop3s:", "pops:"))
    kept = before.starttls and not (at_once or _CLEAR in flags)
    way["starttls"] = "--starttls" in flags or kept
    return ConnectOptions(**way)


@local("close")
def _close(shell: Shell, _argument: str) -> None:
    """Close the connection without QUIT, or give up connecting.

    Nothing that was marked is deleted then.
    """
    if not (shell.connected or shell.session.connecting):
        raise LocalError("there is no connection")
    shell.close()


@local("send TEXT")
def _send(shell: Shell, argument: str) -> None:
    r"""Send exactly these octets, escapes such as \x00.

    No line end is added; \r \n \t \0 \e \xNN and \\ are understood. For example :send STAT\r\n,
    or :send NOOP\n to see what a server makes of a bare LF.
    """
    if not shell.connected:
        raise LocalError("there is no connection; :open connects again")
    data = unescaped(argument)
    if not data:
        raise LocalError(r"give what to send, for example :send STAT\r\n")
    shell.session.send(data)
    shell.watch()
    if not data.endswith(b"\n"):
        shell.view.remark(f"{len(data):,} octets sent; the line is still open (end it with \\r\\n)")


@local("reveal [on|off]")
def _reveal(shell: Shell, argument: str) -> None:
    """Show the secrets that were sent.

    That is what crossed the wire. :reveal on masks nothing from now on, :reveal off masks again.
    """
    if argument:
        shell.view.reveal = switched(argument, now=shell.view.reveal)
        state = "shown" if shell.view.reveal else "masked"
        shell.view.remark(f"secrets are {state} from now on")
        return
    if not shell.session.exchanges.secrets:
        raise LocalError("no secret has been sent on this connection")
    shell.say(
        client_line(line, secret, reveal=True) for line, secret in shell.session.exchanges.secrets
    )
    if not shell.session.core.encrypted:
        shell.view.remark("this is what anybody on the way could read: there is no TLS here")


@local("log [[--jsonl] FILE|off]")
def _log(shell: Shell, argument: str) -> None:
    """Write the dialogue to a file, from its first byte on, secrets masked.

    What was said before is written too; of very long replies only the beginning was kept, and the file
    says how much is missing. In the notation, which poptalk run replays; with --jsonl as JSON, an object
    a line. :log off ends it, and :log with the same file goes on with what came since.
    """
    log = shell.session.log
    if not argument:
        text = f"logging to {harmless(log.name)}" if log else "no log is being written"
        shell.view.remark(f"{text}; :log FILE begins one, :log off ends it")
        return
    if argument == "off" and log is None:
        raise LocalError("no log is being written")
    if log is not None and shell.session.record is not None:
        shell.session.record.stopped(log)
    said = f"the log {harmless(log.name)} is closed" if log is not None else ""
    if argument == "off":
        shell.session.log = None
    else:
        word, _, rest = argument.partition(" ")
        name, log_format = argument, "notation"
        if word == "--jsonl":
            name, log_format = rest.strip(), "jsonl"
        if not name:
            raise LocalError("name the file: :log --jsonl FILE")
        begun = _begin_log(shell, os.path.expanduser(name), log_format)
        said = f"{said}; {begun}" if said else begun
    if log is not None:
        log.close()
    shell.view.remark(said)


def _begin_log(shell: Shell, name: str, log_format: str) -> str:
    """Begin a log, with what came before if that was kept; return the message."""
    record = shell.session.record
    if record is None:
        shell.session.log = open_log(name, shell.session, log_format=log_format)
        return f"logging to {harmless(name)}, from here on: in a pipe nothing is kept before"
    since = "came since" if record.has_written(name) else "came before"
    shell.session.log = record.log_to(name, log_format=log_format)
    return f"logging to {harmless(name)}, with what {since}{record.gaps}"


@local("export [--explain] FILE")
def _export(shell: Shell, argument: str) -> None:
    """Write the session so far as a document, by the end of its name: .html, .svg, .cast or .md.

    From its first byte on, secrets masked; of very long replies only the beginning was kept. HTML is one
    file that prints well, SVG a picture, a cast is played by asciinema, and Markdown is for other
    documents. --explain adds what :why would say. The file must not exist. poptalk export makes the same
    of a log, and of a lesson.
    """
    flag, _, rest = argument.partition(" ")
    explain = flag == _EXPLAIN
    name = rest.strip() if explain else argument
    if not name or name.startswith("--"):
        raise LocalError(f"name a file: :export session.html, or :export {_EXPLAIN} session.html")
    record = shell.session.record
    if record is None:
        raise LocalError(
            "in a pipe nothing is kept: write a --log, and poptalk export makes it of that"
        )
    if shell.session.exchanges.last is None:
        raise LocalError("the server has said nothing yet")
    where = shell.destination.name if shell.destination is not None else "a server"
    title = f"A session with {where}"
    plan = _write_document(shell, record, os.path.expanduser(name), title, explain=explain)
    shell.run_procedure(plan, name="export", speaks=False)


def _write_document(
    shell: Shell, record: SessionRecord, name: str, title: str, *, explain: bool
) -> Plan:
    """Write the session so far; a long one takes seconds."""
    from poptalk.export.export import export_page, page_of_session

    text, gaps = record.text(), record.gaps

    def write() -> str:
        page = page_of_session(text, title=title, explain=explain)
        return export_page(page, name, mode=PRIVATE)

    try:
        done = yield from in_thread(write)
    except UsageError as error:
        raise LocalError(str(error)) from error
    shell.view.remark(f"{done}{gaps}")


_EXPLAIN = "--explain"


@local("quit")
def _quit(shell: Shell, _argument: str) -> None:
    """Leave poptalk, sending nothing.

    QUIT without a colon says goodbye to the server, which removes what is marked.
    """
    shell.leave()


# :help lists the commands of the other modules after those above.

LOCAL_COMMANDS = CommandTable(
    {**COMMANDS, **login.COMMANDS, **messages.COMMANDS, **inspect.COMMANDS}
)
"""All of them; a shell is given this table."""
