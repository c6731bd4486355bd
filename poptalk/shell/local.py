"""The local commands: lines that begin with `:` and never reach the server.

A command is a function with the `local` decorator, whose docstring is its help: the first line what
`:help` lists, the rest what `:help :name` shows.  To add one, write one.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from poptalk.protocol.explain import Explanation, explain_greeting, explain_reply
from poptalk.protocol.verbs import VERBS, Verb
from poptalk.shell import escapes
from poptalk.shell.base import Shell
from poptalk.shell.destination import BadDestination, parse_destination
from poptalk.shell.fold import UNLIMITED, Budget
from poptalk.shell.kept import KeptReply
from poptalk.shell.log import DialogueLog
from poptalk.terminal.render import client_line, plain_text, raw_line, status_line
from poptalk.terminal.safe import Fragments, harmless

Action = Callable[[Shell, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalCommand:
    """A command of the shell's own."""

    name: str
    usage: str
    action: Action

    @property
    def summary(self) -> str:
        """One line of help."""
        return (self.action.__doc__ or "").partition("\n")[0].rstrip(".")

    @property
    def details(self) -> str:
        """All that there is to say."""
        return " ".join((self.action.__doc__ or "").split())


LOCAL_COMMANDS: dict[str, LocalCommand] = {}
"""Every local command by its name without the colon, in the order in which `:help` lists them."""


class LocalError(Exception):
    """A local command cannot be carried out; `str(error)` says why, in one sentence."""


def local(usage: str) -> Callable[[Action], Action]:
    """Enter a function in `LOCAL_COMMANDS` under the first word of `usage`."""

    def enter(action: Action) -> Action:
        name = usage.partition(" ")[0]
        LOCAL_COMMANDS[name] = LocalCommand(name=name, usage=usage, action=action)
        return action

    return enter


def run_local(shell: Shell, text: str) -> None:
    """Carry out a local command.

    Args:
        shell: where it was typed.
        text: the line without its colon.
    """
    name, _, argument = text.partition(" ")
    command = LOCAL_COMMANDS.get(name)
    if command is None:
        shell.dialogue.warn(_unknown(name))
        return
    try:
        command.action(shell, argument.strip(" ") if name != "send" else argument)
    except (LocalError, BadDestination, escapes.BadEscape) as error:
        shell.dialogue.warn(f":{name}: {error}")
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        shell.dialogue.warn(f":{name}: {where}{error.strerror or error}")


def _unknown(name: str) -> str:
    import difflib

    near = difflib.get_close_matches(name, LOCAL_COMMANDS, n=1)
    meant = f"; did you mean :{near[0]}?" if near else ""
    sent = f" To send this line to the server, type ::{name}." if name else ""
    return f"there is no local command :{name}{meant} :help lists them.{sent}"


@local("help [COMMAND]")
def _help(shell: Shell, argument: str) -> None:
    """Say what can be typed, or explain one command, such as :help RETR or :help :save."""
    topic = argument.strip()
    if topic.startswith(":") and topic[1:] in LOCAL_COMMANDS:
        command = LOCAL_COMMANDS[topic[1:]]
        shell.say([[("keyword", f":{command.usage}")]])
        shell.dialogue.remark(command.details)
    elif topic:
        shell.say(_help_on_verb(shell, topic))
    else:
        shell.say(_overview(shell))


def _help_on_verb(shell: Shell, topic: str) -> Iterator[Fragments]:
    verb = VERBS.get(topic.upper().encode("utf-8", "replace"))
    if verb is None:
        raise LocalError(f"{harmless(topic)} is not a command of POP3; :help lists all that is")
    yield [("keyword", verb.syntax), ("note", f"   {verb.summary}")]
    yield from shell.dialogue.note(verb.details)
    yield _labelled("states", " and ".join(sorted(state.value for state in verb.states)))
    yield _labelled("reply", _reply_in_words(verb))
    if verb.relic:
        yield _labelled("relic", verb.relic)
    if verb.capability:
        yield _labelled("offered", f"if CAPA lists {verb.capability.decode('ascii')}")
    yield _labelled("defined", str(verb.clause))
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
        "always": "more lines, up to the lone dot",
        "without an argument": "one line with an argument; without, more, up to the lone dot",
    }[verb.multi_line.value]
    fields = " ".join(field.name for field in verb.fields)
    return f"{shape}; data: {fields}" if fields else shape


def _labelled(label: str, text: str) -> Fragments:
    return [("note", f"{label:>8}  "), ("body", text)]


def _overview(shell: Shell) -> Iterator[Fragments]:
    state = shell.dialogue.session.state
    yield from shell.dialogue.note(
        "What you type goes to the server as it is. These commands are POP3:"
    )
    for verb in VERBS.values():
        if not verb.relic:
            style = "keyword" if state in verb.states else "note"
            yield [(style, f"  {verb.syntax:<32}"), ("note", verb.summary)]
    relics = ", ".join(verb.keyword for verb in VERBS.values() if verb.relic)
    yield from shell.dialogue.note(f"Relics: {relics}. :help RETR explains RETR.")
    yield from shell.dialogue.note(
        "A colon makes a line local; it is not sent (::text sends :text):"
    )
    for command in LOCAL_COMMANDS.values():
        yield [("local", f"  :{command.usage:<31}"), ("note", command.summary)]


@local("why")
def _why(shell: Shell, argument: str) -> None:
    """Explain the last reply, field by field, with the RFC sections that say so."""
    reply = _last(shell)
    if reply.exchange is None:
        explanations = explain_greeting(reply.status_line)
    else:
        command = reply.exchange.command
        explanations = explain_reply(command, reply.status_line, reply.lines(most=100))
    shell.say(line for e in explanations for line in _explained(shell, e))


def _explained(shell: Shell, explanation: Explanation) -> list[Fragments]:
    clause = f" [{explanation.clause}]" if explanation.clause else ""
    part = shell.dialogue.mask(explanation.part)
    head: list[Fragments] = [[("keyword", harmless(part))]] if part else []
    return head + shell.dialogue.note(f"{explanation.meaning}{clause}")


@local("raw [all]")
def _raw(shell: Shell, argument: str) -> None:
    r"""Show the last reply octet for octet: \r and \n where they are, stuffed dots, the final dot."""
    reply = _last(shell)
    shell.say(_raw_lines(shell, reply, everything=argument == "all"))


def _raw_lines(shell: Shell, reply: KeptReply, *, everything: bool) -> Iterator[Fragments]:
    if reply.exchange is not None:
        command = reply.exchange.command
        yield client_line(command.line, command.secret, reveal=shell.dialogue.reveal)
    yield raw_line(shell.dialogue.mask(reply.status_line.line) + reply.status_line.end)
    budget = shell.dialogue.screenful()
    if everything:
        budget = Budget(row_count=UNLIMITED, columns=budget.columns)
    octets_shown = 0
    for line in reply.raw_lines():
        fragments = raw_line(line, in_body=True)
        if not budget.spend(plain_text(fragments)):
            left = reply.octets - octets_shown
            yield from shell.dialogue.note(f"{left:,} octets more: :raw all shows them")
            return
        octets_shown += len(line)
        yield fragments


@local("more [all]")
def _more(shell: Shell, argument: str) -> None:
    """Show the next screen of a reply that was folded, or all of the rest."""
    reply = _last(shell)
    if reply.shown >= reply.octets or not reply.folded:
        raise LocalError("nothing of the last reply is left to show")
    budget = shell.dialogue.screenful()
    if argument == "all":
        budget = Budget(row_count=UNLIMITED, columns=budget.columns)
    view = reply.view(budget)
    for chunk in reply.chunks(reply.shown):
        shell.say(view.feed(chunk))
    shell.say(view.end(complete=reply.complete))
    reply.viewed(view)


@local("last")
def _last_again(shell: Shell, argument: str) -> None:
    """Show the last command and its reply again."""
    reply = _last(shell)
    lines: list[Fragments] = []
    if reply.exchange is not None:
        command = reply.exchange.command
        lines.append(client_line(command.line, command.secret, reveal=shell.dialogue.reveal))
    lines.append(status_line(shell.dialogue.mask(reply.status_line.line)))
    shell.say(lines)
    reply.show_again()
    if reply.folded:
        _more(shell, "")


def _last(shell: Shell) -> KeptReply:
    if shell.dialogue.last is None:
        raise LocalError("the server has said nothing yet")
    return shell.dialogue.last


@local("save FILE")
def _save(shell: Shell, argument: str) -> None:
    """Write the body of the last reply to a file: a message exactly as it is, dots unstuffed.

    The file must not exist.
    """
    reply = _last(shell)
    if not argument:
        raise LocalError("name a file: :save letter.eml")
    if not reply.multi_line:
        raise LocalError("the last reply has one line only; there is no body to save")
    name = os.path.expanduser(argument)
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    octets = 0
    with open(descriptor, "wb") as file:
        for chunk in reply.content():
            octets += file.write(chunk)
    unfinished = "" if reply.complete else "; the reply is not complete"
    shell.dialogue.remark(f"{octets:,} octets written to {harmless(name)}{unfinished}")


@local("open [HOST [PORT]] [--tls] [--insecure]")
def _open(shell: Shell, argument: str) -> None:
    """Connect: to another server, or again to the one before.

    A URL will do too: :open pop3s://mail.example.org.
    """
    try:
        words = shlex.split(argument)
    except ValueError as error:
        raise LocalError(f"{error}") from error
    flags = {word for word in words if word.startswith("-")}
    unknown = flags - {"--tls", "--insecure"}
    if unknown:
        raise LocalError(f"{harmless(min(unknown))} is not known here; --tls and --insecure are")
    places = [word for word in words if word not in flags]
    if places:
        destination = parse_destination(
            places, tls="--tls" in flags, verify="--insecure" not in flags
        )
    elif shell.destination is None:
        raise LocalError("name a server: :open mail.example.org 110")
    elif flags:
        raise LocalError("name the server as well: :open HOST [PORT] --tls")
    else:
        destination = shell.destination
    shell.open(destination)


@local("close")
def _close(shell: Shell, argument: str) -> None:
    """Close the connection without QUIT: nothing that was marked is deleted."""
    if not shell.connected:
        raise LocalError("there is no connection")
    shell.close()


@local("send TEXT")
def _send(shell: Shell, argument: str) -> None:
    r"""Send exactly these octets and no line end: \r \n \t \0 \e \xNN and \\ are understood.

    For example :send STAT\r\n, or :send NOOP\n to see what a server makes of a bare LF.
    """
    if not shell.connected:
        raise LocalError("there is no connection; :open connects again")
    data = escapes.decode(argument)
    if not data:
        raise LocalError(r"give what to send, for example :send STAT\r\n")
    shell.transmit(data)
    if not data.endswith(b"\n"):
        shell.dialogue.remark(
            f"{len(data):,} octets sent; the line is still open (end it with \\r\\n)"
        )


@local("reveal [on|off]")
def _reveal(shell: Shell, argument: str) -> None:
    """Show the secrets of this session as they crossed the wire; on shows them from now on."""
    if argument in ("on", "off"):
        shell.dialogue.reveal = argument == "on"
        state = "shown" if shell.dialogue.reveal else "masked"
        shell.dialogue.remark(f"secrets are {state} from now on")
        return
    if not shell.dialogue.sent_secrets:
        raise LocalError("no secret has been sent on this connection")
    shell.say(
        client_line(line, secret, reveal=True) for line, secret in shell.dialogue.sent_secrets
    )
    if not shell.dialogue.session.encrypted:
        shell.dialogue.remark("this is what anybody on the way could read: there is no TLS here")


@local("log [FILE|off]")
def _log(shell: Shell, argument: str) -> None:
    """Write the dialogue to a file, secrets masked; off ends it."""
    log = shell.dialogue.log
    if argument == "off":
        shell.dialogue.log = None
        if log is None:
            raise LocalError("no log is being written")
        log.close()
        shell.dialogue.remark(f"the log {harmless(log.name)} is closed")
    elif argument:
        new = DialogueLog(os.path.expanduser(argument))
        if log is not None:
            log.close()
        shell.dialogue.log = new
        shell.dialogue.remark(f"logging to {harmless(argument)}")
    else:
        text = f"logging to {harmless(log.name)}" if log else "no log is being written"
        shell.dialogue.remark(f"{text}; :log FILE begins one, :log off ends it")


@local("quit")
def _quit(shell: Shell, argument: str) -> None:
    """Leave poptalk, sending nothing; QUIT without a colon says goodbye to the server."""
    shell.leave()
