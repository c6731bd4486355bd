"""What a reply means, part by part, with the clause that says so; and why a login may have failed.

The explanations are made from the tables of commands, response codes and capabilities; CAPA is the only
command that has a case of its own.  Challenges of AUTH are decoded from base64.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum

from poptalk.pop3 import commands
from poptalk.pop3.capabilities import parse_capability
from poptalk.pop3.commands import ArgumentKind, Clause, Command, Effect, FieldKind, State, Verb
from poptalk.pop3.events import ViolationKind
from poptalk.pop3.replies import (
    Status,
    StatusLine,
    find_response_code,
    other_protocol,
    timestamp_of,
)
from poptalk.pop3.sasl.mechanism import decoded
from poptalk.pop3.sasl.table import challenge_parts
from poptalk.pop3.values import Value

MOST_LINES = 8
"""Lines of a listing that are explained; the others are the same with other numbers."""

_MORE_LINES = f"only the first {MOST_LINES} lines are explained; the others hold the same fields"

_STATUS = Clause(rfc=1939, section="3")


class Explanation(Value):
    """A part of a reply, and what it means."""

    part: bytes
    """Octets from the server, to be made harmless before they are shown; empty for the whole reply."""
    meaning: str
    clause: Clause | None = None


def _part(part: bytes, meaning: str, clause: Clause | None = _STATUS) -> Explanation:
    """Explain a part of a reply."""
    return Explanation(part=part, meaning=meaning, clause=clause)


def _note(meaning: str, clause: Clause | None = _STATUS) -> Explanation:
    """Explain the whole reply."""
    return _part(b"", meaning, clause)


class LoginFacts(Value):
    """What is known about a login that was refused."""

    method: str
    """Its name in `METHODS`: a mechanism, USER or APOP."""
    challenged: int = 0
    """How many challenges the server has sent: if it asks, it has the mechanism."""
    encrypted: bool = False
    capabilities: Mapping[bytes, tuple[bytes, ...]] | None = None
    """What CAPA said in this state, with or without TLS; None if that isn't known."""
    has_capa: bool = True
    """False if CAPA was refused."""
    timestamp_chosen: bool = False
    """Whether APOP was chosen because of the greeting's timestamp."""


class ReplyContext(Value):
    """What the session knows apart from the reply that is explained."""

    state: State | None = None
    """The state in which the command was sent; None if that isn't known."""
    marked: frozenset[int] = frozenset()
    """Messages that are marked as deleted."""
    highest: int | None = None
    """The highest message-number, from STAT or a listing."""
    ended: bool = False
    """Whether the connection has ended, so that nothing more can come."""
    challenge: bool = False
    """Whether the reply is a challenge, whatever it looks like."""
    login: LoginFacts | None = None
    """What is known about the login that the command belongs to."""


_INDICATORS = {
    Status.OK: "positive: the server says it is done",
    Status.ERR: "negative: the server did not do it",
}
_CHALLENGE = Clause(rfc=5034, section="4")

_EFFECTS = {
    Effect.NAME: "the server has taken the name and waits for PASS; it has promised nothing yet",
    Effect.LOGIN: (
        "you are in: the state is now TRANSACTION. The server is to lock the maildrop, which many "
        "servers leave out"
    ),
    Effect.START_TLS: "from the next octet on this connection speaks TLS",
    Effect.MARK: "the message is marked; it goes when QUIT is answered, not before",
    Effect.UNMARK_ALL: "no message is marked as deleted any more",
    Effect.FAREWELL: "what was marked is removed, by this answer (if there was a login); it hangs up",
}


def explain_greeting(status_line: StatusLine) -> Iterator[Explanation]:
    """Explain the first line of a server (RFC 1939 §4)."""
    yield _indicator(status_line)
    yield from _code(status_line)
    if status_line.status in (Status.OTHER, Status.CHALLENGE):
        found = other_protocol(status_line.line)
        kind = ViolationKind.NOT_POP3
        yield _note(f"{kind.sentence} ({found})" if found else kind.sentence, kind.clause)
        return
    welcome = status_line.status is Status.OK
    meaning = "the greeting, for people; the server speaks first, and you are in AUTHORIZATION"
    if not welcome:
        meaning = "a greeting has to be positive: this server will not serve you now; most hang up"
    yield _part(_words_for_people(status_line), meaning, Clause(rfc=1939, section="4"))
    timestamp = timestamp_of(status_line.line)
    if timestamp and welcome:
        meaning = (
            "the timestamp, with which a server offers APOP: the MD5 of this and the password; some "
            "send one and take no APOP"
        )
        yield _part(timestamp, meaning, Clause(rfc=1939, section="7"))


_FAREWELL = (
    b"idle", b"timeout", b"timed out", b"time-out", b"inactiv", b"autologout", b"shut", b"clos",
    b"bye", b"logout", b"logging out", b"disconnect",
)  # fmt: skip
"""What servers say when they hang up on their own, in lower case."""

_NOT_ASKED = "said unasked: in POP3 a server only answers. "


def explain_unasked(
    status_line: StatusLine, *, before: StatusLine | None = None, after_body: bool = False
) -> Iterator[Explanation]:
    """Explain a line that answers nothing that was sent.

    Args:
        status_line: the line.
        before: the first line of the reply before it; None if there was none.
        after_body: whether that reply was a multi-line one.
    """
    if status_line.status is not Status.OTHER:
        meaning = "a status indicator, though no command is waiting for one"
        yield _part(status_line.line.split(b" ")[0], meaning)
        yield from _code(status_line)
    words = _words_for_people(status_line)
    if status_line.line == b".":
        meaning = "a lone dot that ends no reply: the reply before it was complete without it, " + (
            "by an earlier lone dot" if after_body else "since it had one line only"
        )
    elif any(word in words.lower() for word in _FAREWELL):
        meaning = (
            f"{_NOT_ASKED}By its words it is a farewell, such as after a time without commands; the "
            "connection ends then, as a rule"
        )
    elif status_line.status is not Status.OTHER:
        meaning = (
            f"{_NOT_ASKED}This has the form of a reply, and no command is without one: the server "
            "has answered twice, or someone between has put it in; later answers may be one off"
        )
    elif after_body:
        meaning = f"{_NOT_ASKED}It may be the rest of a reply that a lone dot ended too early"
    elif before is not None:
        meaning = f"{_NOT_ASKED}It may be the rest of the line before, cut in two by a line end"
    else:
        meaning = f"{_NOT_ASKED}It is no reply either, since it has no status indicator"
    yield _part(words, meaning)


def explain_waiting(
    command: Command | None,
    *,
    in_body: bool = False,
    ended: bool = False,
    begun: bool = False,
    looks_like: str = "",
) -> Explanation:
    """Say what hasn't come.

    Args:
        command: what has no complete reply; None for the greeting.
        in_body: whether the reply has begun, and lacks its lone dot.
        ended: whether the connection has ended, so that nothing more can come.
        begun: whether a line has begun, and lacks its end.
        looks_like: the protocol that a greeting belongs to, if that isn't POP3.
    """
    # What isn't a keyword may be a secret.
    what = "this line" if command is None or command.verb is None else command.verb.keyword
    if looks_like:
        meaning = f"what came is no greeting of POP3: {looks_like}"
    elif begun:
        meaning = "a line of the server has begun, and its end is still to come"
    elif command is None:
        meaning = "no complete greeting came" if ended else "no greeting yet"
    elif in_body and ended:
        meaning = (
            "the lone dot that ends the reply never came: the connection ended first, and what came "
            "may be incomplete"
        )
    elif in_body:
        meaning = "the reply has not ended: a line with a lone dot is still to come"
    elif ended:
        meaning = (
            f"no answer to {what} came before the connection ended: nobody knows if it was done"
        )
    else:
        meaning = (
            f"no answer to {what} yet; the server may be busy, or may not have got the whole line"
        )
    return _note(meaning)


def explain_reply(
    command: Command,
    status_line: StatusLine,
    lines: Iterable[bytes] = (),
    *,
    complete: bool = True,
    known: ReplyContext | None = None,
) -> Iterator[Explanation]:
    """Explain a reply, part by part.

    Args:
        command: what it answers.
        status_line: its first line.
        lines: the first lines of a multi-line reply, without line ends and byte-stuffing.
        complete: whether its lone dot has come.
        known: what else the session knows.

    Returns:
        The parts in order, then what the reply has changed.
    """
    known = known or ReplyContext()
    status = status_line.status
    if known.challenge and status is Status.OK:
        kind = ViolationKind.OK_FOR_CHALLENGE
        yield _part(status_line.line, kind.sentence, kind.clause)
        return
    if status is Status.CHALLENGE and command.asks_for_responses:
        meaning = "a challenge: the server waits for a line in base64, or for * to give up"
        yield _part(b"+", meaning, _CHALLENGE)
        yield from _challenge(command, status_line)
        return
    yield _indicator(status_line)
    yield from _code(status_line)
    yield from _fields(command, status_line)
    if status is Status.ERR:
        yield from _refused(command, status_line, known)
    if status is not Status.OK:
        return
    faults: list[str] = []
    if command.multi_line:
        yield from _body(command, lines, complete=complete, ended=known.ended)
    else:
        faults += faults_of_line(command, status_line.words, highest=known.highest)
        yield from (_note(fault, _clause(command)) for fault in faults)
    if not faults:
        yield from _done(command)


def _done(command: Command) -> Iterator[Explanation]:
    """Say what a positive reply has changed, or else what the command is for."""
    verb = command.verb
    if verb is None:
        yield _note("a command of this server's own, which no RFC has; only it knows what was done")
    elif verb.effect in _EFFECTS and not _only_lists(command):
        yield _note(_EFFECTS[verb.effect], verb.clause)
    elif not verb.fields and not command.multi_line:
        yield _note(verb.details, verb.clause)


def _clause(command: Command) -> Clause:
    return command.verb.clause if command.verb is not None else _STATUS


class FormFault(Enum):
    """How data in an answer can differ from the form that the table of commands gives it."""

    MISSING = "a field is missing"
    NOT_A_NUMBER = "a field is not a number"
    MORE_AFTER_ID = "more follows the unique-id"
    ID_OCTETS = "other octets are in a unique-id"
    ID_TOO_LONG = "a unique-id is too long"
    OTHER_MESSAGE = "it is about another message"
    NO_SUCH_MESSAGE = "there is no such message"


class AnswerFault(str):
    """A sentence about a malformed answer.

    Args:
        form: what is wrong with it.
        text: the sentence.
    """

    __slots__ = ("form",)
    form: FormFault

    def __new__(cls, form: FormFault, text: str) -> AnswerFault:
        """Make a string that has an attribute."""
        fault = super().__new__(cls, text)
        fault.form = form
        return fault


_NUMERIC = (FieldKind.MESSAGE, FieldKind.COUNT, FieldKind.OCTETS)


def faults_of_line(
    command: Command, words: Sequence[bytes], *, highest: int | None = None
) -> Iterator[AnswerFault]:
    """Say how data in an answer differs from the form that the table of commands gives it.

    Args:
        command: what was answered with +OK.
        words: those of a one-line reply, or of a line in a listing.
        highest: the highest message-number; None if it isn't known.
    """
    verb = command.verb
    if verb is None:
        return
    if verb.effect is Effect.MARK:
        number = command.number()
        if highest is not None and number is not None and not 0 < number <= highest:
            text = (
                f"+OK for message {number}, though by the server's own count there is none: nothing is "
                "counted as marked"
            )
            yield AnswerFault(FormFault.NO_SUCH_MESSAGE, text)
        return
    if not verb.fields or verb.fields[0].kind not in _NUMERIC:
        return
    for index, field in enumerate(verb.fields):
        if index >= len(words):
            yield AnswerFault(FormFault.MISSING, f"{field.name} is missing: {field.meaning}")
        elif field.kind in _NUMERIC and not words[index].isdigit():
            text = f"{field.name} is not a number, as it has to be"
            yield AnswerFault(FormFault.NOT_A_NUMBER, text)
        elif field.kind is FieldKind.UNIQUE_ID:
            yield from _faults_of_id(words[index:])
    asked = None if command.multi_line else command.number()
    told = int(words[0][: commands.MAX_DIGITS]) if words and words[0].isdigit() else None
    if None not in (asked, told) and told != asked:
        text = f"the answer is about message {told}, and {asked} was asked for"
        yield AnswerFault(FormFault.OTHER_MESSAGE, text)


def _faults_of_id(words: Sequence[bytes]) -> Iterator[AnswerFault]:
    if len(words) > 1:
        text = (
            "more follows the unique-id, and nothing may; perhaps the unique-id has a space in it"
        )
        yield AnswerFault(FormFault.MORE_AFTER_ID, text)
    if not all(0x21 <= octet <= 0x7E for octet in words[0]):
        text = "the unique-id has an octet that is not printable ASCII (0x21 to 0x7E)"
        yield AnswerFault(FormFault.ID_OCTETS, text)
    if len(words[0]) > commands.MAX_UNIQUE_ID_OCTETS:
        text = f"the unique-id is longer than {commands.MAX_UNIQUE_ID_OCTETS} octets"
        yield AnswerFault(FormFault.ID_TOO_LONG, text)


def faults_of_answer(
    command: Command, status_line: StatusLine, lines: Iterable[bytes], *, highest: int | None = None
) -> Iterator[str]:
    """Say how a whole positive answer differs from its form, with the numbers of its lines."""
    if status_line.status is not Status.OK:
        return
    if not command.multi_line:
        yield from faults_of_line(command, status_line.words, highest=highest)
    else:
        for number, line in enumerate(lines, 1):
            for fault in faults_of_line(command, line.split()):
                yield f"line {number}: {fault}"


def cause_of_refusal(verb: Verb, command: Command, known: ReplyContext) -> str:
    """Return why a command had to be refused, as far as the session knows; empty if it doesn't."""
    required = [argument.name for argument in verb.arguments if not argument.optional]
    given = len(command.arguments)
    if known.state is not None and known.state not in verb.states:
        return f"{verb.keyword} belongs to {verb.legal}, and this session is in {known.state.value}"
    if given < len(required):
        return f"{verb.syntax} needs its {required[given]}, and none was sent"
    if given and verb.arguments and verb.arguments[0].kind is ArgumentKind.MESSAGE:
        number, highest = command.number(), known.highest
        if number is None:
            return f"{verb.keyword} takes a message-number, in digits alone"
        if number in known.marked:
            return (
                f"message {number} was marked as deleted in this session, so its number is of no use "
                "until RSET takes the marks back"
            )
        if number == 0:
            return "there is no message 0: numbers begin with 1"
        if highest is not None and number > highest:
            counted = f"by the server's own count the highest number is {highest}"
            return f"there is no message {number}: {counted}"
    if given > len(verb.arguments):
        return f"{verb.syntax} takes no more arguments than this, and more were sent"
    return ""


def _refused(
    command: Command, status_line: StatusLine, known: ReplyContext
) -> Iterator[Explanation]:
    """Say why a command was refused, or else what it is for; never quote an unknown one."""
    verb = command.verb
    if verb is None:
        yield _note(
            "no command of POP3 that poptalk knows; a server must refuse what it doesn't know"
        )
        return
    if verb.effect is Effect.FAREWELL:
        # RFC 1939 §6: the server "in any case" closes the connection.
        meaning = "some of the marked messages may be left; the server hangs up all the same"
        yield _note(meaning, verb.clause)
    cause = cause_of_refusal(verb, command, known)
    if not cause and verb.effect in (Effect.NAME, Effect.LOGIN) and known.login is not None:
        why = list(why_login_refused(status_line, known.login))
        # A registered response code has been explained already.
        yield from (each for each in why if status_line.code is None or each.clause is None)
        if why:
            return
    yield _part(verb.name, cause or verb.details, verb.clause)


def _challenge(command: Command, status_line: StatusLine) -> Iterator[Explanation]:
    """Explain a challenge, decoded from base64 (RFC 5034 §4)."""
    if not status_line.text:
        yield _note("an empty challenge: it is your turn", _CHALLENGE)
        return
    octets = decoded(status_line.text)
    if octets is None:
        meaning = "no base64, as it has to be: the answer is * to give up"
        yield _part(status_line.text, meaning, _CHALLENGE)
        return
    for part in challenge_parts(command.arguments[0], octets):
        if part.meaning:
            yield _part(part.octets, part.meaning, None)


def _only_lists(command: Command) -> bool:
    """Return whether a command is AUTH without an argument, which asks for the mechanisms."""
    return command.verb is not None and command.verb.challenges and not command.arguments


def _indicator(status_line: StatusLine) -> Explanation:
    no_status = "no status indicator that POP3 knows; +OK and -ERR are the only ones"
    meaning = _INDICATORS.get(status_line.status, no_status)
    return _part(status_line.line.split(b" ")[0], meaning)


def _code(status_line: StatusLine) -> Iterator[Explanation]:
    code = status_line.code
    if code is None:
        return
    known = find_response_code(code)
    meaning = known.meaning if known else "a response code that is not in the IANA registry"
    clause = known.clause if known else Clause(rfc=2449, section="8")
    yield _part(b"[%b]" % code, meaning, clause)


def _words_for_people(status_line: StatusLine) -> bytes:
    text = status_line.text
    return text[len(status_line.code) + 2 :].strip() if status_line.code is not None else text


def _fields(command: Command, status_line: StatusLine) -> Iterator[Explanation]:
    fields = command.data_fields if status_line.status is Status.OK else ()
    words = status_line.words
    for field, word in zip(fields, words, strict=False):
        yield _part(word, field.meaning, _clause(command))
    people = b" ".join(words[len(fields) :])
    if people:
        yield _part(people, "words for people; no program may rely on them")


def _body(
    command: Command, lines: Iterable[bytes], *, complete: bool, ended: bool
) -> Iterator[Explanation]:
    verb = command.verb
    if verb is None:
        return
    yield _what_follows(command, verb)
    if verb.fields:
        for index, line in enumerate(lines):
            if verb.name == b"CAPA" or index < MOST_LINES:
                yield from _line(command, line)
            elif index == MOST_LINES:
                yield _note(_MORE_LINES, None)
                break
    if complete:
        yield _part(b".", "the lone dot: the reply ends here; it is not part of it")
    else:
        yield explain_waiting(command, in_body=True, ended=ended)


def _what_follows(command: Command, verb: Verb) -> Explanation:
    """Say what the lines of a multi-line reply contain."""
    described = ", then ".join(field.meaning for field in verb.fields)
    if _only_lists(command):
        meaning = (
            f"a line each: {described}; a habit of servers, for which CAPA is the standard way"
        )
        return _note(meaning, Clause(rfc=5034, section="3"))
    if described:
        return _note(f"a line each: {described}", verb.clause)
    if any(argument.kind is ArgumentKind.LINES for argument in verb.arguments):
        meaning = (
            "the header follows, an empty line, and of the body as many lines as were asked for"
        )
        return _note(meaning, verb.clause)
    return _note("the whole message follows: header, empty line, body", verb.clause)


def _line(command: Command, line: bytes) -> Iterator[Explanation]:
    if command.keyword == b"CAPA":
        capability = parse_capability(line)
        known = capability.registered
        meaning = known.meaning if known else "not in the IANA registry of POP3 capabilities"
        clause = known.clause if known else Clause(rfc=2449, section="9")
        yield _part(line, meaning, clause)
    elif command.verb is not None and line.strip():
        words = line.split(None, len(command.verb.fields) - 1)
        named = zip(command.verb.fields, words, strict=False)
        told = [f"{field.name} {_legible(word)}" for field, word in named]
        faults = list(faults_of_line(command, line.split()))
        yield _part(line, "; ".join([", ".join(told), *faults]), None)
    elif command.verb is not None:
        what = "a line of nothing but spaces" if line else "an empty line"
        yield _part(line, f"{what}, which a listing does not have", None)


def _legible(word: bytes) -> str:
    """Return a word as text: UTF-8 as it is (RFC 6856), and escapes for what can't be shown."""
    text = word.decode("utf-8", "backslashreplace")
    return "".join(ascii(c)[1:-1] if not c.isprintable() else c for c in text)


# Why a login was refused: for messages, `:why`, `:login`, standard error and `diff`.
#
# The server's own words come first, wherever this is shown.  What they may mean follows from the
# response code, or from the words, or from what else is known; otherwise nothing is claimed.


_TLS_FIRST = (
    "the server does not take this login without TLS: begin TLS first, with STLS, --starttls, or --tls "
    "on port 995"
)
_ANOTHER = "--mechanism or :login USER MECHANISM names another"
_NOT_THIS_WAY = f"the server does not take this way to log in; {{offered}}; {_ANOTHER}"
_NOT_PLAIN_EVEN_IN_TLS = (
    "the server does not take this way to log in, although there is TLS here; {offered}"
)
_WHICH_OF_TWO = "name or password is wrong by these words, which don't say which"
_NO_COMMAND = "the server does not know this command, or not in this state; {offered}"
_ANOTHER_WAY_MAY_HELP = ("", _NOT_THIS_WAY, _WHICH_OF_TWO, _NO_COMMAND)
"""Meanings with which another way to log in may still work."""
_WORDS = (
    (
        r"(clear|plain) ?-?text.*(disallow|not (allow|permit)|disabled|forbid|den|refus|reject)"
        r"|(disallow|not allowed|disabled|forbid|refus|reject).*(clear|plain) ?-?text"
        r"|(non-?secure|unencrypted|under a layer)|(in|un)?secure (connection|channel|login|link)"
        r"|(must|need|have to|please|use|issue|requires?|after|enter|until|unless|without).{0,30}"
        r"\b(stls|starttls|tls|ssl|encryption)\b"
        r"|\b(stls|starttls|tls|ssl|encryption)\b.{0,20}(required|needed|first|mandatory|only)",
        _TLS_FIRST,
    ),
    (
        r"(unsupported|unknown|unrecogni[sz]ed|invalid|no such|not supported|unavailable|disabled)"
        r".{0,30}(mechanism|auth\w* (type|method|scheme))|not implemented|\bno mechanism"
        r"|(mechanism|auth\w* (type|method|scheme)).{0,30}(not |un|dis|invalid)"
        r"|\b(apop|basic auth\w*|sasl|cram-md5) (is |are |command )?"
        r"(not (supported|available|enabled)|disabled|unsupported)",
        _NOT_THIS_WAY,
    ),
    (
        r"base ?-?64|(cannot|can't|could not|unable to|fail\w* to) decode|decoding",
        "the server could not read the line as base64, so it has not looked at the password",
    ),
    (
        r"app(lication)?[- ]?(specific)?[- ]?password|authori[sz](ed|ation) code",
        "the account may need an application password, which is made in its settings on the web and "
        "takes the place of the usual one",
    ),
    (
        r"(2|two)[- ]?(step|factor)|\b[2m]fa\b|multi-?factor",
        "these words are about a second factor, which POP3 doesn't have: some accounts have an "
        "application password for that, made in their settings on the web",
    ),
    (
        r"web ?-?login|webalert|browser|captcha|unlock (your|the|this)"
        r"|(log|sign) ?in (via|with|through|at|on) .*web",
        "the server wants a visit with a web browser first; its words may say where",
    ),
    (
        r"\bpop3?\b.{0,30}(disabled|not (enabled|allowed|permitted|available)|turned off)"
        r"|(enable|not (enabled|allowed|permitted|authori[sz]ed)|disabled|no (permission|access|right))"
        r".{0,20}\bpop3?\b",
        "POP3 may be off for this account; it is switched on in the account's settings, or by the "
        "operator",
    ),
    (
        r"(name|user|login|account|id)\b.{0,12}(\bor|\band|/).{0,12}(password|passwd)"
        r"|(password|passwd)\b.{0,12}(\bor|\band|/).{0,12}(name|user|login|account|id\b)",
        _WHICH_OF_TWO,
    ),
    (
        r"too many|too frequent|\brate\b|throttl|maximum|limit\w* (exceeded|reached)"
        r"|(exceed|reach)\w*.{0,20}limit|(try|wait).{0,20}(later|before)|slow down|temporar"
        r"|minimum time",
        "by these words it is for now, because of a limit or a fault that passes; wait, and try once "
        "more",
    ),
    (
        r"\b(ip|host|client|address)\b.{0,30}(block|bann|blacklist|denied|not (allowed|permitted))",
        "these words are about the address that you come from, and not about the password",
    ),
    (
        r"password.{0,30}(expired|changed)|(expired|change).{0,15}password",
        "the password is out of date by these words; it is changed elsewhere, since POP3 cannot do it",
    ),
    (
        r"token.{0,20}(expired|revoked)|(expired|revoked).{0,10}token",
        "the access token is out of date by these words; its issuer gives out new ones",
    ),
    (
        r"\bin use\b|already (open|locked|logged)|(maildrop|mail ?box|\block\b).*(lock|busy)"
        r"|lock .*(maildrop|mail ?box)|another (pop|session|client|process|connection)",
        "another session may have the maildrop open; wait until that has ended",
    ),
    (
        r"suspend|deactivat|(account|user(?! command)|mailbox|login).{0,20}(\block|disab|block|clos"
        r"|inactiv|expir|terminat|frozen|not active)"
        r"|(\block|disab|block|inactiv|expir)\w*.{0,20}(account|user)",
        "these words are about the account, and not about the password: ask the server's operator",
    ),
    (
        r"no such (file|directory)|can(no|')t open|unable to open|internal (server )?error"
        r"|system error|database|backend|home directory|maintenance|shutting down",
        "this is about the server itself, not about the password: ask its operator",
    ),
    (
        r"(no such|unknown|invalid|non-?exist\w*) (pop3? )?(user|account|mailbox|name)"
        r"|(user|account|mailbox).{0,20}(unknown|not found|does( no|n')t exist|invalid)"
        r"|not a valid (user|mailbox)|no (mailbox|account|user) (for|named|called)",
        "the server does not know this name, it says; some want the whole address, such as "
        "bob@example.org",
    ),
    (
        r"unknown (\w+ )?command|unrecogni[sz]ed|(invalid|bad) command|syntax|not understood"
        r"|command.{0,10}not (valid|recogni[sz]ed|known)|(incorrect|wrong|in this) state",
        _NO_COMMAND,
    ),
    (r"https?://", "the page that these words name may say more"),
)
"""What servers say, in lower case, and what it may mean; the first pattern that matches counts."""


def why_login_refused(status_line: StatusLine, facts: LoginFacts) -> Iterator[Explanation]:
    """Say why a login may have been refused; say nothing if nothing shows it.

    Args:
        status_line: the refusal.
        facts: what else is known.
    """
    code = find_response_code(status_line.code) if status_line.code is not None else None
    words = _meaning_of_words(status_line, facts)
    # [AUTH] is any problem with the credentials or the account (RFC 3206 §5): the words say more.
    if code is not None and not (code.name == b"AUTH" and words):
        yield _note(code.meaning, code.clause)
    if words and (code is None or code.name in (b"AUTH", b"SYS/PERM")):
        # A code may be general, too: Gmail sends SYS/PERM if POP3 is switched off.
        yield _note(words.replace("{offered}", _offered(facts)), None)
    elif code is None:
        yield from _meaning_of_facts(facts)
    another = words in _ANOTHER_WAY_MAY_HELP and (code is None or code.name == b"AUTH")
    if facts.timestamp_chosen and another:
        meaning = (
            "this was APOP, chosen because the greeting has a <timestamp>; many servers have one and "
            "no APOP for every account, so USER may work: :login NAME USER, or --mechanism USER"
        )
        yield _note(meaning, Clause(rfc=1939, section="7"))


def asks_for_capabilities(status_line: StatusLine, facts: LoginFacts) -> bool:
    """Return whether CAPA, if it hasn't been asked yet, may show why a login was refused."""
    exists = facts.challenged or facts.method == "APOP"
    if facts.capabilities is not None or not facts.has_capa or exists:
        return False
    words = _meaning_of_words(status_line, facts)
    if status_line.code is None:
        return words in _ANOTHER_WAY_MAY_HELP
    return status_line.code == b"AUTH" and words == _NOT_THIS_WAY


def _offered(facts: LoginFacts) -> str:
    """Say which ways to log in CAPA lists."""
    if facts.capabilities is None:
        return (
            "CAPA may list others" if facts.has_capa else "it has no CAPA, which would list others"
        )
    return f"CAPA lists {_ways(facts.capabilities)} here"


def _ways(capabilities: Mapping[bytes, tuple[bytes, ...]]) -> str:
    ways = [b"USER"] if b"USER" in capabilities else []
    ways += capabilities.get(b"SASL", ())
    return ", ".join(map(_legible, ways)) or "no way to log in"


def _meaning_of_words(status_line: StatusLine, facts: LoginFacts) -> str:
    import re

    text = _words_for_people(status_line).decode("latin-1").lower()
    meaning = next((meaning for pattern, meaning in _WORDS if re.search(pattern, text)), "")
    return _NOT_PLAIN_EVEN_IN_TLS if meaning == _TLS_FIRST and facts.encrypted else meaning


def _meaning_of_facts(facts: LoginFacts) -> Iterator[Explanation]:
    """Say what follows from CAPA and the challenges, where the server gives no reason itself."""
    offered, method = facts.capabilities, facts.method
    sasl = method not in ("USER", "APOP")
    if facts.challenged or method == "APOP" or (offered is None and not sasl):
        return
    if offered is None:
        why = "CAPA was not asked" if facts.has_capa else "the server has no CAPA"
        yield _note(f"{why}, so it may have no {method} at all", None)
        return
    mechanisms = [mechanism.upper() for mechanism in offered.get(b"SASL", ())]
    if method.encode("ascii", "replace") in (mechanisms if sasl else offered):
        return
    meaning = f"CAPA lists no {method} here, but {_ways(offered)}; {_ANOTHER}"
    if not facts.encrypted and b"STLS" in offered:
        meaning = (
            f"CAPA lists no {method} here, but STLS: perhaps it comes with TLS; begin that first, with "
            "STLS, --starttls, or --tls on port 995"
        )
    yield _note(meaning, Clause(rfc=2449, section="5"))
