"""What a reply means, part by part, with the clause that says so.

Made from the table of verbs and from the tables of response codes and capabilities; nothing here
knows a command by name but CAPA, whose lines are explained from the table of capabilities.  Challenges
of AUTH are shown with their base64 undone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from poptalk.pop3.capabilities import CAPABILITIES, parse_capability
from poptalk.pop3.commands import (
    ArgumentKind,
    Clause,
    Command,
    Effect,
    Field,
    FieldKind,
    State,
    Verb,
)
from poptalk.pop3.events import FACTS, ViolationKind
from poptalk.pop3.replies import (
    Status,
    StatusLine,
    find_response_code,
    other_protocol,
    timestamp_of,
)
from poptalk.pop3.sasl.mechanism import NotBase64, decode
from poptalk.pop3.sasl.table import challenge_parts
from poptalk.pop3.values import Value

MOST_LINES = 8
"""Lines of a listing that are explained; the others say the same with other numbers."""

_MORE_LINES = f"only the first {MOST_LINES} lines are explained; the others hold the same fields"

_STATUS = Clause(rfc=1939, section="3")


class Explanation(Value):
    """One part of a reply and what it means."""

    part: bytes
    """Octets of the server, to be made harmless before they are shown."""
    meaning: str
    clause: Clause | None = None


class LoginFacts(Value):
    """What is known of a login that was refused."""

    method: str
    """As `METHODS` has it: a mechanism, USER or APOP."""
    challenged: int = 0
    """How many challenges the server has sent: one that asks has the mechanism."""
    encrypted: bool = False
    capabilities: Mapping[bytes, tuple[bytes, ...]] | None = None
    """What CAPA has said in this situation, None where that is not known."""
    timestamp_chosen: bool = False
    """Whether APOP was chosen because of the greeting's timestamp."""


class ReplyContext(Value):
    """What a session knows beside the reply that is explained."""

    state: State | None = None
    """The state in which the command was sent, None where that is not known."""
    marked: frozenset[int] = frozenset()
    """Messages that are marked as deleted."""
    highest: int | None = None
    """The highest message-number, as STAT or a listing had it."""
    ended: bool = False
    """Whether the connection is gone, so that nothing more can come."""
    challenge: bool = False
    """Whether the reply is a challenge, however it is written."""
    login: LoginFacts | None = None
    """What is known of the login that the command belongs to."""


_INDICATORS = {
    Status.OK: ("positive: the server did it", _STATUS),
    Status.ERR: ("negative: the server did not do it", _STATUS),
    Status.CHALLENGE: (
        "a challenge: the server waits for a line in base64, or for * to give up",
        Clause(rfc=5034, section="4"),
    ),
    Status.OTHER: ("no status indicator that POP3 knows; +OK and -ERR are the only ones", _STATUS),
}

_EFFECTS = {
    Effect.NAME: "the server has taken the name and waits for PASS; it has promised nothing yet",
    Effect.LOGIN: (
        "you are in: the state is now TRANSACTION. The server is to lock the maildrop, which many "
        "servers leave out"
    ),
    Effect.START_TLS: "from the next octet on this connection speaks TLS",
    Effect.MARK: "the message is marked; it goes when QUIT is answered, not before",
    Effect.UNMARK_ALL: "no message is marked as deleted any more",
    Effect.FAREWELL: "the server has removed what was marked (after a login) and hangs up",
}

_REFUSED_EFFECTS = {
    Effect.FAREWELL: "some of the marked messages may be left; the server hangs up all the same"
}
"""What a negative reply has changed, where it does change something."""


def explain_greeting(status_line: StatusLine) -> Iterator[Explanation]:
    """Explain the first line of a server (RFC 1939 §4)."""
    yield _indicator(status_line)
    yield from _code(status_line)
    welcome = status_line.status is Status.OK
    yield Explanation(
        part=_words_for_people(status_line),
        meaning=(
            "the greeting, for people; the server speaks first, and you are in AUTHORIZATION"
            if welcome
            else "a greeting has to be positive: this server will not serve you, and hangs up as a rule"
        ),
        clause=Clause(rfc=1939, section="4"),
    )
    timestamp = timestamp_of(status_line.line)
    if status_line.status in (Status.OTHER, Status.CHALLENGE):
        found = other_protocol(status_line.line)
        fact = FACTS[ViolationKind.NOT_POP3]
        meaning = f"{fact.sentence} ({found})" if found else fact.sentence
        yield Explanation(part=b"", meaning=meaning, clause=fact.clause)
    if timestamp and welcome:
        yield Explanation(
            part=timestamp,
            meaning="the timestamp: APOP is offered, with the MD5 over this and the password",
            clause=Clause(rfc=1939, section="7"),
        )


_FAREWELL = (
    b"idle", b"timeout", b"timed out", b"time-out", b"inactiv", b"autologout", b"shut", b"clos",
    b"bye", b"logout", b"logging out", b"disconnect",
)  # fmt: skip
"""What servers say when they hang up by themselves, in lower case."""

_NOT_ASKED = "said unasked: in POP3 a server only answers. "


def explain_unasked(
    status_line: StatusLine, *, before: StatusLine | None = None, after_body: bool = False
) -> Iterator[Explanation]:
    """Explain a line that answers nothing that was sent.

    Args:
        status_line: the line.
        before: the first line of the reply before it, None where there was none.
        after_body: whether that reply had several lines.
    """
    if status_line.status is not Status.OTHER:
        yield Explanation(
            part=status_line.line.split(b" ")[0],
            meaning="a status indicator, though no command is waiting for one",
            clause=_STATUS,
        )
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
        meaning = (
            f"{_NOT_ASKED}It may be the rest of the reply before, which a lone dot ended too early"
        )
    elif before is not None:
        meaning = f"{_NOT_ASKED}It may be the rest of the line before, cut in two by a line end"
    else:
        meaning = f"{_NOT_ASKED}It is no reply either, since it has no status indicator"
    yield Explanation(part=words, meaning=meaning, clause=_STATUS)


def explain_waiting(
    command: Command | None, *, in_body: bool = False, ended: bool = False
) -> Explanation:
    """Say what has not come.

    Args:
        command: what has no complete reply; None where the greeting is awaited.
        in_body: whether the reply has begun, and lacks its lone dot.
        ended: whether the connection is gone, so that nothing can come any more.
    """
    # What isn't a keyword may be a secret.
    what = "this line" if command is None or command.verb is None else command.verb.keyword
    if command is None:
        meaning = "no greeting came" if ended else "no greeting yet"
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
        meaning = f"no answer to {what} yet; the server may be busy, or wait for the end of a line"
    return Explanation(part=b"", meaning=meaning, clause=_STATUS)


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
        known: what the session knows beside.

    Returns:
        The parts in the order of the wire, then what the reply has changed.
    """
    known = known or ReplyContext()
    if known.challenge and status_line.status is Status.OK:
        fact = FACTS[ViolationKind.OK_FOR_CHALLENGE]
        yield Explanation(part=status_line.line, meaning=fact.sentence, clause=fact.clause)
        return
    yield _indicator(status_line)
    if status_line.status is Status.CHALLENGE:
        yield from _challenge(command, status_line)
        return
    yield from _code(status_line)
    multi_line = status_line.status is Status.OK and command.multi_line
    yield from _fields(command, status_line)
    if multi_line:
        yield from _body(command, lines, complete=complete, ended=known.ended)
    elif status_line.status is Status.OK:
        for fault in faults_of_line(command, status_line.words, highest=known.highest):
            yield Explanation(part=b"", meaning=fault, clause=_clause(command))
    if status_line.status is Status.OK:
        yield from _done(command)
    elif status_line.status is Status.ERR:
        yield from _refused(command, status_line, known)


def _one_line_fields(command: Command, status_line: StatusLine) -> Sequence[Field]:
    """Return the fields of a reply of one line; a description is one of a listing's lines alone."""
    if command.verb is None or status_line.status is not Status.OK or command.multi_line:
        return ()
    if command.verb.challenges:
        return ()  # The mechanisms of AUTH are listed where it has no argument, a line each.
    return [field for field in command.verb.fields if field.kind is not FieldKind.REST]


def _done(command: Command) -> Iterator[Explanation]:
    """Say what a positive reply has changed, or else what the command was good for."""
    verb = command.verb
    if verb is None:
        yield Explanation(
            part=b"",
            meaning="a command of this server's own, which no RFC has; what it did is its own affair",
            clause=_STATUS,
        )
    elif verb.effect in _EFFECTS and not _only_lists(command):
        yield Explanation(part=b"", meaning=_EFFECTS[verb.effect], clause=verb.clause)
    elif not verb.fields and not command.multi_line:
        yield Explanation(part=b"", meaning=verb.details, clause=verb.clause)


def _clause(command: Command) -> Clause:
    return command.verb.clause if command.verb is not None else _STATUS


_NUMERIC = (FieldKind.MESSAGE, FieldKind.COUNT, FieldKind.OCTETS)


def faults_of_line(
    command: Command, words: Sequence[bytes], *, highest: int | None = None
) -> Iterator[str]:
    """Say how data of an answer differs from the form that the table of commands gives it.

    Args:
        command: what was answered with +OK.
        words: of the reply's one line, or of a line of a listing.
        highest: the highest message-number there is, None where that is not known.
    """
    verb = command.verb
    if verb is None:
        return
    if verb.effect is Effect.MARK:
        number = command.number()
        if highest is not None and number is not None and not 0 < number <= highest:
            yield (
                f"+OK for message {number}, though by the server's own count there is none: nothing is "
                "counted as marked"
            )
        return
    if not verb.fields or verb.fields[0].kind not in _NUMERIC:
        return
    for index, field in enumerate(verb.fields):
        if index >= len(words):
            yield f"{field.name} is missing: {field.meaning}"
        elif field.kind in _NUMERIC and not words[index].isdigit():
            yield f"{field.name} is not a number, as it has to be"
        elif field.kind is FieldKind.UNIQUE_ID:
            yield from _faults_of_id(words[index:])
    asked = None if command.multi_line else command.number()
    if asked is not None and words and words[0].isdigit() and int(words[0][:18]) != asked:
        yield f"the answer is about message {int(words[0][:18])}, and {asked} was asked for"


def _faults_of_id(words: Sequence[bytes]) -> Iterator[str]:
    if len(words) > 1:
        yield "the unique-id has a space in it, which ends it"
    if not all(0x21 <= octet <= 0x7E for octet in words[0]):
        yield "the unique-id has an octet that is not printable ASCII (0x21 to 0x7E)"
    if len(words[0]) > _LONGEST_ID:
        yield f"the unique-id is longer than {_LONGEST_ID} octets"


_LONGEST_ID = 70


def faults_of_answer(
    command: Command, status_line: StatusLine, lines: Iterable[bytes], *, highest: int | None = None
) -> Iterator[str]:
    """Say how a whole positive answer differs from its form; lines of a listing are numbered."""
    if status_line.status is not Status.OK:
        return
    if not command.multi_line:
        yield from faults_of_line(command, status_line.words, highest=highest)
        return
    for number, line in enumerate(lines, 1):
        for fault in faults_of_line(command, line.split()):
            yield f"line {number}: {fault}"


def cause_of_refusal(command: Command, known: ReplyContext) -> Explanation | None:
    """Return why a command had to be refused, where the session knows it; None where it doesn't."""
    verb = command.verb
    if verb is None:
        return None
    required = [argument for argument in verb.arguments if not argument.optional]
    number = command.number()
    kinds = [argument.kind for argument in verb.arguments[:1]]
    meaning = ""
    if known.state is not None and known.state not in verb.states:
        legal = " or ".join(sorted(state.value for state in verb.states))
        meaning = f"{verb.keyword} belongs to {legal}, and this session is in {known.state.value}"
    elif len(command.arguments) < len(required):
        missing = required[len(command.arguments)].name
        meaning = f"{verb.syntax} needs its {missing}, and none was sent"
    elif kinds == [ArgumentKind.MESSAGE] and command.arguments:
        if number is None:
            meaning = f"{verb.keyword} takes a message-number, in digits alone"
        elif number in known.marked:
            meaning = (
                f"message {number} was marked as deleted in this session, so its number is of no use "
                "until RSET takes the marks back"
            )
        elif number == 0 or (known.highest is not None and number > known.highest):
            meaning = f"there is no message {number}" + (
                f": by the server's own count the highest number is {known.highest}"
                if known.highest is not None
                else ": numbers begin with 1"
            )
    if not meaning and len(command.arguments) > len(verb.arguments):
        meaning = f"{verb.syntax} takes no more arguments than this, and more were sent"
    return Explanation(part=verb.name, meaning=meaning, clause=verb.clause) if meaning else None


def _refused(
    command: Command, status_line: StatusLine, known: ReplyContext
) -> Iterator[Explanation]:
    """Say why a command was refused, or else what it is for; an unknown one may be a secret."""
    verb = command.verb
    if verb is None:
        yield Explanation(
            part=b"",
            meaning="what was sent begins with no command of POP3, and must be refused",
            clause=_STATUS,
        )
        return
    if verb.effect in _REFUSED_EFFECTS:
        yield Explanation(part=b"", meaning=_REFUSED_EFFECTS[verb.effect], clause=verb.clause)
    cause = cause_of_refusal(command, known)
    if cause is None and verb.effect in (Effect.NAME, Effect.LOGIN) and known.login is not None:
        why = list(why_login_refused(status_line, known.login))
        # A registered response code has been explained with the line.
        yield from (each for each in why if status_line.code is None or each.clause is None)
        if why:
            return
    yield cause or Explanation(part=verb.name, meaning=verb.details, clause=verb.clause)


def _challenge(command: Command, status_line: StatusLine) -> Iterator[Explanation]:
    """Undo the base64 of a challenge (RFC 5034 §4)."""
    clause = Clause(rfc=5034, section="4")
    if not status_line.text:
        meaning = "an empty challenge: it is your turn, with the first response"
        yield Explanation(part=b"", meaning=meaning, clause=clause)
        return
    try:
        octets = decode(status_line.text)
    except NotBase64:
        meaning = "no base64, as it has to be: the answer is * to give up"
        yield Explanation(part=status_line.text, meaning=meaning, clause=clause)
        return
    mechanism = command.arguments[0] if command.arguments else b""
    for part in challenge_parts(mechanism, octets):
        if part.meaning:
            yield Explanation(part=part.octets, meaning=part.meaning)


def _only_lists(command: Command) -> bool:
    """Tell an AUTH that asks for the list of mechanisms, which logs nobody in."""
    return command.verb is not None and command.verb.challenges and not command.arguments


def _indicator(status_line: StatusLine) -> Explanation:
    meaning, clause = _INDICATORS[status_line.status]
    return Explanation(part=status_line.line.split(b" ")[0], meaning=meaning, clause=clause)


def _code(status_line: StatusLine) -> Iterator[Explanation]:
    code = status_line.code
    if code is None:
        return
    known = find_response_code(code)
    yield Explanation(
        part=b"[" + code + b"]",
        meaning=known.meaning if known else "a response code that is not in the IANA registry",
        clause=known.clause if known else Clause(rfc=2449, section="8"),
    )


def _words_for_people(status_line: StatusLine) -> bytes:
    text = status_line.text
    return text[len(status_line.code) + 2 :].strip() if status_line.code is not None else text


def _fields(command: Command, status_line: StatusLine) -> Iterator[Explanation]:
    fields = _one_line_fields(command, status_line)
    words = status_line.words
    clause = command.verb.clause if command.verb is not None else None
    for field, word in zip(fields, words, strict=False):
        yield Explanation(part=word, meaning=field.meaning, clause=clause)
    people = b" ".join(words[len(fields) :])
    if people:
        yield Explanation(
            part=people, meaning="words for people; no program may rely on them", clause=_STATUS
        )


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
                yield Explanation(part=b"", meaning=_MORE_LINES)
                break
    if complete:
        meaning = "the lone dot: the reply ends here; it is not part of it"
        yield Explanation(part=b".", meaning=meaning, clause=_STATUS)
    else:
        yield explain_waiting(command, in_body=True, ended=ended)


def _what_follows(command: Command, verb: Verb) -> Explanation:
    """Say what the lines of a multi-line reply are."""
    clause = verb.clause
    described = ", then ".join(field.meaning for field in verb.fields)
    if _only_lists(command):
        meaning = (
            f"a line each: {described}; a habit of servers, for which CAPA is the standard way"
        )
        clause = Clause(rfc=5034, section="3")
    elif described:
        meaning = f"a line each: {described}"
    elif any(argument.kind is ArgumentKind.LINES for argument in verb.arguments):
        meaning = (
            "the header follows, an empty line, and of the body as many lines as were asked for"
        )
    else:
        meaning = "the whole message follows: header, empty line, body"
    return Explanation(part=b"", meaning=meaning, clause=clause)


def _line(command: Command, line: bytes) -> Iterator[Explanation]:
    if command.keyword == b"CAPA":
        capability = parse_capability(line)
        known = CAPABILITIES.get(capability.tag.upper())
        yield Explanation(
            part=line,
            meaning=known.meaning if known else "not in the IANA registry of POP3 capabilities",
            clause=known.clause if known else Clause(rfc=2449, section="9"),
        )
    elif command.verb is not None and line:
        words = line.split(None, len(command.verb.fields) - 1)
        named = zip(command.verb.fields, words, strict=False)
        told = [f"{field.name} {_legible(word)}" for field, word in named]
        faults = list(faults_of_line(command, line.split()))
        yield Explanation(part=line, meaning="; ".join([", ".join(told), *faults]))
    elif command.verb is not None:
        yield Explanation(part=b"", meaning="an empty line, which a listing does not have")


def _legible(word: bytes) -> str:
    """Return a word as text: UTF-8 as it is (RFC 6856), escapes for what has no shape."""
    text = word.decode("utf-8", "backslashreplace")
    return "".join(ascii(c)[1:-1] if not c.isprintable() else c for c in text)


# Why a login was refused: for messages, `:why`, `:login`, standard error and `diff`.
#
# The server's own words come first, wherever this is shown.  What they may mean is taken from the
# response code, else from the words, else from what is known; where nothing is, nothing is claimed.


_TLS_FIRST = (
    "the server takes no password in the clear: begin TLS first, with STLS, --starttls, or --tls on "
    "port 995"
)
_CAPA_LISTS = ":capa lists what the server takes; --mechanism or :login USER MECHANISM names one"
_WORDS = (
    (
        rb"(clear|plain) ?-?text.*(disallow|not allowed|not permitted|disabled|forbid|den|refus|reject)"
        rb"|(disallow|not allowed|disabled|forbid|refus|reject).*(clear|plain) ?-?text"
        rb"|non-?secure|insecure|unencrypted|(must|need|have to|please|use|issue|requires?).{0,30}"
        rb"\b(stls|starttls|tls|ssl|encryption)\b"
        rb"|\b(stls|starttls|tls|ssl|encryption)\b.{0,20}(required|needed|first|mandatory)",
        "",
    ),
    (
        rb"(unsupported|unknown|unrecogni[sz]ed|invalid|no such|not supported|unavailable|disabled)"
        rb".{0,30}(mechanism|auth\w* (type|method|scheme))"
        rb"|(mechanism|auth\w* (type|method|scheme)).{0,30}(not |un|dis|invalid)|not implemented",
        f"the server does not take this mechanism; {_CAPA_LISTS}",
    ),
    (
        rb"base ?-?64|(cannot|can't|could not|unable to|fail\w* to) decode|decoding",
        "the server could not read the line as base64, so it has not looked at the password",
    ),
    (
        rb"app(lication)?[- ]?(specific)?[- ]?password|(2|two)[- ]?(step|factor)|\b[2m]fa\b"
        rb"|multi-?factor",
        "the account needs an application password, which is made in its settings on the web and "
        "takes the place of the usual one",
    ),
    (
        rb"web ?-?login|webalert|browser|captcha|unlock|(log|sign) ?in (via|with|through|at|on) .*web"
        rb"|https?://",
        "the server wants a visit with a web browser first; its words may say where",
    ),
    (
        rb"pop3?.{0,30}(disabled|not enabled|not allowed|not permitted|turned off|not available)"
        rb"|(enable|not enabled|disabled|not allowed|no).{0,20}\bpop3?( access)?\b",
        "POP3 seems to be off for this account; it is switched on in the account's settings, or by "
        "the operator",
    ),
    (
        rb"too many|too frequent|rate|throttl|maximum|limit\w* (exceeded|reached)|(exceed|reach)\w*"
        rb".{0,20}limit|(try|wait).{0,20}(later|again|before)|slow down|temporar",
        "the server lets nobody in for now, because of a limit or a fault that passes; wait, and try "
        "once more",
    ),
    (
        rb"password.{0,20}(has )?expired|expired.{0,10}password|(must|need to|please) change",
        "the password is out of date; it has to be changed elsewhere, since POP3 cannot do that",
    ),
    (
        rb"suspend|deactivat|(account|user|mailbox|login).{0,20}(lock|disab|block|clos|inactiv|expir"
        rb"|terminat|frozen|not active)|(lock|disab|block|inactiv|expir)\w*.{0,20}(account|user)",
        "these words are about the account, and not about the password: ask the server's operator",
    ),
    (
        rb"in use|already (open|locked|logged)|(maildrop|mailbox|mail ?box|lock).*(lock|busy)"
        rb"|another (pop|session|client|process|connection)",
        "another session may have the maildrop open; wait until that has ended",
    ),
    (
        rb"no such (file|directory)|can(no|')t open|unable to open|internal|system error|database"
        rb"|backend|disk|quota|home directory",
        "this is about the server itself, not about the password: ask its operator",
    ),
    (
        rb"(no such|unknown|invalid|non-?exist\w*) (user|account|mailbox|name)|(user|account|mailbox)"
        rb".{0,20}(unknown|not found|does( no|n')t exist|invalid)|not a valid (user|mailbox)",
        "the server does not know this name; some want the whole address, such as bob@example.org",
    ),
    (
        rb"unknown command|unrecogni[sz]ed|invalid command|bad command|syntax|not understood",
        "the server does not know this command, or not in this state; CAPA lists what it offers",
    ),
)
"""What servers say, in lower case, and what it may mean; the first that fits counts."""


def why_login_refused(status_line: StatusLine, facts: LoginFacts) -> Iterator[Explanation]:
    """Say what it may mean that a login was refused; nothing where nothing shows it.

    Args:
        status_line: the refusal.
        facts: what is known beside it.
    """
    code = find_response_code(status_line.code) if status_line.code is not None else None
    words = _meaning_of_words(status_line, facts)
    # RFC 3206 §5: [AUTH] is any problem with credentials or account, so that the words say more.
    if code is not None and not (code.name == b"AUTH" and words):
        yield Explanation(part=b"", meaning=code.meaning, clause=code.clause)
    elif words:
        yield Explanation(part=b"", meaning=words)
    else:
        known = _meaning_of_facts(facts)
        if known is not None:
            yield known
    if facts.timestamp_chosen and (code is None or code.name == b"AUTH"):
        yield Explanation(
            part=b"",
            meaning=(
                "this was APOP, chosen because the greeting has a <timestamp>; many servers have one "
                "and no APOP for every account, so USER may work: :login NAME USER, or --mechanism "
                "USER"
            ),
            clause=Clause(rfc=1939, section="7"),
        )


def _meaning_of_words(status_line: StatusLine, facts: LoginFacts) -> str:
    import re

    text = _words_for_people(status_line).lower()
    for index, (pattern, meaning) in enumerate(_WORDS):
        if re.search(pattern, text):
            if index == 0:
                return _TLS_FIRST if not facts.encrypted else _NOT_PLAIN_EVEN_IN_TLS
            return meaning
    return ""


_NOT_PLAIN_EVEN_IN_TLS = (
    f"the server does not take this way to log in, although there is TLS here; {_CAPA_LISTS}"
)


def _meaning_of_facts(facts: LoginFacts) -> Explanation | None:
    """Say what CAPA and the challenges let one think, where the server itself gives no reason."""
    offered, method = facts.capabilities, facts.method
    sasl = method not in ("USER", "APOP")
    if facts.challenged or method == "APOP" or (offered is None and not sasl):
        return None
    if offered is None:
        meaning = f"CAPA was not asked, so the server may have no {method} at all: :capa shows it"
        return Explanation(part=b"", meaning=meaning)
    mechanisms = [mechanism.upper() for mechanism in offered.get(b"SASL", ())]
    if method.encode("ascii", "replace") in (mechanisms if sasl else offered):
        return None
    if not facts.encrypted and b"STLS" in offered:
        meaning = (
            f"CAPA lists no {method} here, but STLS: perhaps it comes with TLS; begin that first, with "
            "STLS, --starttls, or --tls on port 995"
        )
    else:
        meaning = f"CAPA lists no {method} here; {_CAPA_LISTS}"
    return Explanation(part=b"", meaning=meaning, clause=Clause(rfc=2449, section="5"))
