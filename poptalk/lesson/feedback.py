"""Sentences about a line that was sent and its reply, made from the table of commands.

Each fits on two lines of 80 columns; `at_length` has what `:why` adds.  None of them quotes what may
be a password, and none gives away what the lesson waits for.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from itertools import takewhile

from poptalk.lesson.actions import Disconnected, SessionState, kinds_of, message_of
from poptalk.lesson.document.model import Turn
from poptalk.net.errors import EndedBy
from poptalk.pop3.commands import (
    VERBS,
    Argument,
    ArgumentKind,
    Clause,
    Command,
    Effect,
    State,
    Verb,
    parse_command,
)
from poptalk.pop3.replies import Status, StatusLine, find_response_code
from poptalk.transcript.model import Send
from poptalk.transcript.pattern import Bindings
from poptalk.transcript.placeholders import is_secret

# Sentences about the session: its state, its silence, its end.


MOST_WORDS = 10
"""How many of the commands that were sent are named; the others are counted."""

RECONNECT = "Enter connects again."

MANY_ERRORS = 3
"""Refusals in a row after which a server may have lost patience, and hang up; RFC 1939 has no rule."""

STUCK_SECONDS = 30.0
"""How long a server is silent before it's fair to hang up."""

_WHO = {EndedBy.SERVER: "The server", EndedBy.US: "You", EndedBy.NETWORK: "The network"}


def messages(numbers: Collection[int]) -> str:
    """Name messages: "message 2", "messages 2, 3 and 5"."""
    *most, last = [str(number) for number in sorted(numbers)]
    return f"messages {', '.join(most)} and {last}" if most else f"message {last}"


def closed(ended: Disconnected, before: SessionState) -> str:
    """Say who closed the connection, in which state, and what becomes of marked messages.

    Args:
        ended: the end.
        before: the session before it.
    """
    if before.farewell:
        gone = ""
        if before.marked:
            gone = f" M{messages(before.marked)[1:]} went with it."
        return f"`QUIT` was answered, so the session is over.{gone} {RECONNECT}"
    stays = ""
    if ended.marked:
        verb = "stays" if len(ended.marked) == 1 else "stay"
        stays = f" Without `QUIT`, {messages(ended.marked)} {verb}."
    end = f"{_WHO[ended.ending.by]} {ended.ending.how} in {ended.state.value}"
    if ended.ending.by is EndedBy.SERVER and before.errors >= MANY_ERRORS:
        end = f"{end}, after {before.errors} `-ERR` in a row. Many servers do that"
    return f"{end}.{stays} {RECONNECT}"


def silent(seconds: float, lines: int) -> str:
    """Say what is still missing from a reply.

    Args:
        seconds: how long nothing has come.
        lines: how many lines of the reply have come.
    """
    noun = "line" if lines == 1 else "lines"
    missing = f"no lone dot yet, {lines} {noun} so far" if lines else "no line has come yet"
    if seconds < STUCK_SECONDS:
        return f"Waiting: {missing}."
    return f"Still waiting: {missing}. `:close` hangs up."


def named(words: Sequence[str]) -> str:
    """Write what was sent: "`USER`, `PASS`, `LIST`"."""
    shown = ", ".join(f"`{word}`" for word in words[:MOST_WORDS])
    more = len(words) - MOST_WORDS
    return f"{shown} and {more} more" if more > 0 else shown


MAX_CHARACTERS = 150
"""The longest sentence: two lines on 80 columns, with the word in front of it."""

LESSON_COMMANDS = (
    *("task", "hint", "why", "skip", "back", "reset", "state", "map", "report", "menu"),
    *("help", "raw", "more", "open", "close", "reveal"),
)
"""Local commands that a learner may type without the colon; a test compares them with the shell's."""

_COMMANDS = Clause(rfc=1939, section="3")
_NUMBERS = (ArgumentKind.MESSAGE, ArgumentKind.LINES)
_COUNTS = ("no", "one", "two", "three")

CUT_OFF = "The reply broke off before its end, so nothing is judged."
CUT_OFF_AT_LENGTH = (
    "A reply of one line ends with its line end, a longer one with the lone dot (RFC 1939 §3). "
    "Neither came, so there is no telling what the whole reply would have been."
)
PASS_WITHOUT_USER = "`PASS` is taken only right after a `USER` that was answered with `+OK`."
UNKNOWN_TO_US = (
    "poptalk doesn't know this command, but this server does. The step waits for another."
)
UNKNOWN_AT_LENGTH = (
    "A command begins with a keyword of three or four letters (RFC 1939 §3). Anything else gets "
    "`-ERR`, and nothing has changed. `:help` lists the commands."
)
EMPTY_LINE = "An empty line isn't a command. No harm done; the step waits for one."
NO_COMMAND = "The server doesn't know this word. `:help` lists the commands."
TAKEN = "The server took it, and this step is about a refusal. `:reset` begins the step again."
DONE_ALREADY = "That is done already; the step waits for what comes next."
A_NUMBER_ALONE = "A number alone isn't a command: first comes the word for what to do."
NO_TLS_ANY_MORE = "TLS doesn't begin as it did before, so nothing secret was sent."
GAVE_UP = "`*` cancels the exchange. It begins again with `AUTH`"
OTHER_RESPONSE = "The server took this answer to its challenge. This step waits for another one."

_IN_FRONT = re.compile(r"(?i)(?:send|type)[ :]+|c: ")
"""What a task, a hint, and a dialogue on the screen have in front of a line."""

_QUOTES = "\"'`\u201c\u201d\u2018\u2019"


def bared(command: Command) -> bytes:
    """Return a line without what surrounds it in a text: "Send", "C:", quotation marks, a full stop."""
    text = command.line.decode("utf-8", "surrogateescape").strip()
    text = _IN_FRONT.sub("", text).strip(_QUOTES)
    text = text.removesuffix(".").strip(_QUOTES)
    return text.encode("utf-8", "surrogateescape")


def too_much(command: Command) -> str:
    """Name what a line has around its command; empty if it has nothing."""
    text = command.line.decode("utf-8", "surrogateescape").strip()
    parts = (
        ("the `C:` in front", re.match("(?i)c: ", text)),
        ("the word in front", re.match(r"(?i)(?:send|type)[ :]", text)),
        ("the quotation marks", set(text) & set(_QUOTES)),
        ("the full stop", text.rstrip(_QUOTES).endswith(".")),
    )
    extra = " and ".join(name for name, there in parts if there)
    return f"Every character is sent as you typed it, {extra} too. Leave that out." if extra else ""


def tidied(command: Command) -> bytes:
    """Return a line with one space between its words and none around them.

    An argument that takes the rest of the line keeps its spaces: a password may have some (RFC 1939 §7).
    """
    words = command.line.replace(b"\t", b" ").split(b" ")
    keyword = next(filter(None, words), b"")
    return b" ".join((keyword, *command.arguments))


def on_style(command: Command) -> str:
    """Remark on a command that passes, though it isn't written as in RFC 1939 §3."""
    remarks = []
    if command.line != tidied(command):
        remarks.append("One space goes between two words; this server put up with more.")
    if command.verb is None and bared(command) != command.line:
        remarks.append(too_much(command))
    elif command.keyword and not command.line.lstrip().startswith(command.keyword):
        remarks.append("Keywords may be in any case.")
    return f"{' '.join(remarks)} ({_COMMANDS})" if remarks else ""


def at_length(command: Command, status_line: StatusLine) -> str:
    """Say more about a command: its form, and its rules.

    The shell's own `:why` has explained the reply (`pop3.explain`), after a -ERR with the rules.
    """
    verb = command.verb
    if verb is None:
        return ""
    rules = "" if status_line.status is Status.ERR else f" {verb.details}"
    return f"`{verb.syntax}`: {verb.summary}.{rules} ({verb.clause})"


def filled(source: str, bindings: Bindings) -> str:
    """Replace each `{name}` in an author's words by what was captured; secrets stay names."""

    def value(found: re.Match[str]) -> str:
        return found[0] if is_secret(found[1]) else bindings.get(found[1], found[0])

    return re.sub(r"\{([A-Za-z][A-Za-z0-9_-]*)\}", value, source)


def without_placeholders(sentence: str, bindings: Bindings) -> str:
    """Replace placeholders by their values, and by dots where any value would do."""

    def value(found: re.Match[str]) -> str:
        name = found[1] or ""
        return "..." if is_secret(name) else bindings.get(name, "...")

    return re.sub(r"\{([A-Za-z][A-Za-z0-9_-]*)?[^{}]*\}", value, sentence)


def lacks_user(command: Command, before: SessionState) -> bool:
    """Tell whether a password was sent without a name right before it (RFC 1939 §7)."""
    return ArgumentKind.PASSWORD in kinds_of(command) and before.named is False


def refused(command: Command, status_line: StatusLine, before: SessionState) -> str:
    """Explain a -ERR to a command whose form and state are right."""
    row = find_response_code(status_line.code) if status_line.code is not None else None
    names_tls = re.search(rb"(?i)\b(?:tls|ssl|stls|(?:clear|plain) ?text)\b", status_line.text)
    if names_tls and not before.encrypted and before.state is State.AUTHORIZATION:
        return "The server's words are about TLS: send `STLS` first, then begin again with `USER`."
    if row is not None:
        meaning = row.meaning.removesuffix(" ...")
        return f"The server refused: {meaning}. `[{row.name.decode('ascii')}]` says so."
    if lacks_user(command, before):
        return PASS_WITHOUT_USER
    number = message_of(command)
    if number is not None and number in before.marked:
        return f"Message {number} is marked as deleted, so it is refused. `RSET` takes marks back."
    if number is not None:
        return f"The server refused: is there a message {number}? `LIST` shows the numbers."
    kinds = kinds_of(command)
    if ArgumentKind.PASSWORD in kinds:
        return (
            "The server refused the login. It may be the name, the password or something else: read "
            "what follows `-ERR`. Begin with `USER` again."
        )
    if ArgumentKind.DIGEST in kinds:
        return "The server refused: the digest isn't the one of its timestamp and the password."
    if command.verb is not None and command.verb.capability is not None:
        word = command.verb.keyword
        return f"The server refused. `{word}` is optional: `CAPA` lists what it has."
    return "The server refused: what follows `-ERR` says why, and `:why` says more."


CHANGED_FOR_GOOD = (
    "This server keeps what was deleted: your mailbox is not the one that this step had. Where any "
    "name will do, `:quit` and a new name give you a fresh one."
)


def other_reply(marked: Collection[int], *, live: bool) -> str:
    """Say that the command is the awaited one, and that the reply can't be judged.

    Args:
        marked: messages that the learner marked, though the lesson did not ask for it.
        live: whether the server is the learner's own.
    """
    if marked:
        is_marked = f"{messages(marked)} {'is' if len(marked) == 1 else 'are'} marked"
        return f"Right command; but {is_marked}, so the reply differs. `RSET` takes that back."
    if live:
        return "Right command; this server words it differently. `:skip` goes on, uncounted."
    return "Right command; the reply isn't the one the lesson knows. `:skip` goes on, uncounted."


def wrong_state(verb: Verb, state: State, before: SessionState) -> str:
    """Say where a command belongs, where the session is, and what is missing in between."""
    word = verb.keyword
    if state is State.AUTHORIZATION:
        missing = "`PASS` is" if before.named else "`USER` and `PASS` are"
        return f"`{word}` belongs to TRANSACTION, and you are in AUTHORIZATION: {missing} missing."
    if state is State.TRANSACTION:
        return f"`{word}` belongs to AUTHORIZATION, and you are in TRANSACTION: logged in already."
    return f"`{word}` has no place in {state.value}: the session is over."


def logged_in_already(command: Command) -> str:
    """Say that a command is the awaited one, but sent after a login that the step has yet to reach."""
    word = command.keyword.decode("utf-8", "replace")
    return (
        f"`{word}` is right, but you are logged in already, and this step wants it before the login: "
        "`:reset` begins the step again."
    )


def arguments_are_wrong(command: Command) -> bool:
    """Tell whether the arguments are too few, too many, or words in place of numbers."""
    return _count_is_wrong(command) or _not_a_number(command) is not None


def wrong_arguments(command: Command, awaited: Command | None) -> str:
    """Say what is wrong with the arguments.

    Args:
        command: what was sent; its verb is known.
        awaited: the awaited command of the same verb; None if another verb is awaited.  What it
            leaves open is in braces.
    """
    verb = command.verb
    assert verb is not None
    takes = f"`{verb.keyword}` takes {_takes(verb)}: `{verb.syntax}`"
    given = command.arguments
    if ArgumentKind.NAME in kinds_of(command) and len(given) > len(verb.arguments):
        return f"Only the name goes after `{verb.keyword}`, in one word. `PASS` has its own line."
    if verb.arguments and any(_glued(word) for word in given) and _not_a_number(command):
        return f"A number has nothing glued to it, no comma and no full stop: `{verb.syntax}`"
    if _count_is_wrong(command):
        return takes
    word = _not_a_number(command)
    if word is not None:
        return f"`{verb.keyword}` needs a number there: in `{verb.syntax}` the {word.name} is a number."
    return takes if awaited is None else _another_argument(verb, command, awaited)


def _another_argument(verb: Verb, command: Command, awaited: Command) -> str:
    """Say what differs between the arguments of a command and those that are awaited."""
    given = command.arguments
    if given != awaited.arguments and sorted(given) == sorted(awaited.arguments):
        return f"The right numbers, but the other way round: `{verb.syntax}`"
    for argument, want, got in zip(verb.arguments, awaited.arguments, given, strict=False):
        is_word = argument.kind in (ArgumentKind.NAME, ArgumentKind.PASSWORD)
        if is_word and want != got and (remark := _almost(argument.kind, want, got)):
            return remark
    if len(awaited.arguments) != len(given):
        form = "with" if len(awaited.arguments) > len(given) else "without"
        return f"`{verb.keyword}` is the command. This step wants it {form} an argument."
    what = "argument"
    for argument, want, got in zip(verb.arguments, awaited.arguments, given, strict=False):
        if b"{" not in want and want != got:
            what = argument.kind.value
            break
    return f"`{verb.keyword}` is the right command. This step needs another {what}."


def unknown(command: Command, *, secret: str | None = None) -> str:
    """Say that a line isn't a command, and name the one that may have been meant.

    Args:
        command: its verb is None.
        secret: a password; a line that is one isn't quoted.
    """
    if not command.keyword:
        return "A line of spaces is sent too, and isn't a command."
    word = command.keyword.decode("utf-8", "replace")
    if word.isdigit() and not command.arguments:
        return A_NUMBER_ALONE
    local = f"`:{word.lower()}`" if word.lower() in LESSON_COMMANDS else ""
    bare = parse_command(bared(command))
    if bare.verb is not None and (extra := too_much(command)):
        return f"{extra} The command is `{bare.verb.keyword}`"
    meant = near_verb(word)
    if meant is None and local:
        return f"Without its colon a line goes to the server. For poptalk write {local}"
    if meant is None or word.lower() == (secret or "").lower():
        return NO_COMMAND
    unknown_word = f"The server doesn't know {_code(word)}."
    if word.startswith(meant) and word.removeprefix(meant).isdigit():
        return f"{unknown_word} Put a space between `{meant}` and the number."
    shortened = _is_shortened(word, meant)
    asked = f"POP3 shortens it: `{meant}`" if shortened else f"Did you mean `{meant}`?"
    return f"{unknown_word} {asked}" + (f" (poptalk's own is {local})" if local else "")


def _code(text: str) -> str:
    """Write what was typed as Markdown code, which may have grave accents in it."""
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def is_for_poptalk(command: Command) -> bool:
    """Tell whether a line is a local command without its colon, and like no command of POP3."""
    word = command.keyword.decode("utf-8", "replace")
    return word.lower() in LESSON_COMMANDS and near_verb(word) is None


def _is_shortened(word: str, name: str) -> bool:
    """Tell whether a word is a command written out: `RETRIEVE` has all letters of `RETR` in order.

    A word with digits may be a password, which is not to be repeated.
    """
    letters = iter(word)
    in_order = all(letter in letters for letter in name)
    return word.isalpha() and len(word) > len(name) > 3 and word[0] == name[0] and in_order


def near_verb(word: str) -> str | None:
    """Return the command that a misspelt one is nearest to; None if none is near."""
    names = [verb.keyword for verb in VERBS.values() if verb.relic is None]
    glued = re.fullmatch(r"([A-Z]{3,4})[0-9]{1,9}", word)
    if glued and glued[1] in names:
        return glued[1]
    # `PASSWORD`, `DELETE`, `RESET`, `STARTTLS`: a command as it would be written out.
    long = [name for name in names if word.startswith(name)] if word.isalpha() else []
    near = (
        *(name for name in names if _one_edit_apart(word, name)),
        *(name for name in names if name in long or _is_shortened(word, name)),
        *get_close_matches(word, names, n=1, cutoff=0.7),
    )
    return near[0] if near else None


def reason(command: Command) -> str:
    """Say why a command is the answer: what it does."""
    if command.verb is None:
        word = command.keyword.decode("utf-8", "replace")
        return f"`{word}` isn't a command of POP3, and the reply says so."
    return f"`{command.verb.keyword}`: {command.verb.summary} ({command.verb.clause})."


def needed_but_marked(number: int) -> str:
    """Say that a message is marked that the step needs."""
    return f"Message {number} is now marked, and this step needs it: `RSET` takes it back, or `:reset`."


def due(turn: Turn) -> str:
    """Say what a turn does, and not how it is written; empty if that isn't known."""
    if turn.opens:
        return "connecting, with Enter"
    if not isinstance(turn.act, Send):
        return ""
    if turn.act.answers_challenge:
        return "the answer to the challenge"
    return turn.act.command.verb.summary if turn.act.command.verb is not None else ""


def comes_later(command: Command, turn: Turn) -> str:
    """Say that a command belongs to the step, and what the step does before it."""
    first = due(turn)
    what = f"First comes something else: {first}." if first else "Something else comes first."
    return f"`{command.keyword.decode('utf-8', 'replace')}` comes later in this step. {what}"


def aside(command: Command, awaited: Command | None, *, looks_around: bool) -> str:
    """Say that a command is valid, and what it does; what only reads is fine at any time."""
    verb = command.verb
    assert verb is not None
    if verb.effect is Effect.NAME and awaited and ArgumentKind.PASSWORD in kinds_of(awaited):
        return "The name is taken; now the step goes on."
    if verb.effect is Effect.START_TLS:
        return "From here on everything is encrypted. Now the step goes on."
    rest = "It changes nothing" if looks_around else "This step asks for something else"
    return f"`{verb.keyword}` is fine here: {verb.summary}. {rest}."


def refused_response(line: bytes) -> str:
    """Explain a -ERR to an answer to a challenge (RFC 5034 §4)."""
    if not re.fullmatch(rb"[A-Za-z0-9+/]+={0,2}", line):
        return "This was taken as the answer to the challenge, which has to be in base64."
    return "The server refused this answer. The exchange is over; it begins again with `AUTH`"


def _count_is_wrong(command: Command) -> bool:
    arguments = command.verb.arguments if command.verb is not None else ()
    needed = sum(not argument.optional for argument in arguments)
    return not needed <= len(command.arguments) <= len(arguments)


def _not_a_number(command: Command) -> Argument | None:
    """Find the first argument that should be a number and isn't."""
    arguments = command.verb.arguments if command.verb is not None else ()
    for argument, word in zip(arguments, command.arguments, strict=False):
        if argument.kind in _NUMBERS and not word.isdigit():
            return argument
    return None


def _glued(word: bytes) -> bool:
    """Tell whether a word is a number with a comma, a full stop or the like around it."""
    return not word.isdigit() and word.strip(b".,;:\"'`()<>#").isdigit()


def _almost(kind: ArgumentKind, want: bytes, got: bytes) -> str:
    """Say how a name or a password just misses the awaited one; empty if it is another."""
    noun = f"the {kind.value}"
    if got.strip(b" ") == want:
        hidden = ", which the stars hide" if kind is ArgumentKind.PASSWORD else ""
        return f"There is a space too many beside {noun}{hidden}, and it counts (RFC 1939 §7)."
    if got.strip(b" .,;\"'`<>") == want:
        return f"There is a full stop, a comma or a quotation mark too many beside {noun}."
    return f"Capital and small letters count in {noun}." if got.lower() == want.lower() else ""


def _takes(verb: Verb) -> str:
    """Say in words how many arguments a command takes."""
    arguments = verb.arguments
    if not arguments:
        return "no argument"
    if len(arguments) > 1:
        numbers = all(argument.kind in _NUMBERS for argument in arguments)
        most = f"{_COUNTS[len(arguments)]} {'numbers' if numbers else 'arguments'}"
        return f"up to {most}" if any(argument.optional for argument in arguments) else most
    one = f"one {arguments[0].kind.value}"
    return f"{one} or nothing" if arguments[0].optional else one


def _one_edit_apart(word: str, name: str) -> bool:
    """Tell whether adding, leaving out or changing a letter, or swapping two, makes `name`."""
    same = len([*takewhile(lambda pair: len({*pair}) == 1, zip(word, name, strict=False))])
    got, want = word[same:], name[same:]
    return want in (got[1:], got[1::-1] + got[2:]) or want[1:] in (got, got[1:])
