"""The one table of commands, and a command line taken apart.

A row says everything that poptalk knows about a command: its arguments, the states in which it is
legal, what its positive reply looks like, which fields of that reply are data, which part is secret,
where it is defined, and how to explain all that to a person.  Both cores, completion, hints,
highlighting, masking, help and lessons read it; nothing else lists the commands.

A line is parsed leniently, as most servers do: leading and repeated spaces, tabs, and any case of the
keyword are accepted.  Nothing here changes the line.
"""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache

from poptalk.pop3.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    Place = tuple[int, int]
    """Where a word begins and ends in a line."""


class State(Enum):
    """Where a session stands: the states of RFC 1939 §3, and one before and one after them."""

    GREETING = "GREETING"
    """Connected; the server's one-line greeting has not come yet (RFC 1939 §4)."""

    AUTHORIZATION = "AUTHORIZATION"
    """The client must say who it is (RFC 1939 §4)."""

    TRANSACTION = "TRANSACTION"
    """The maildrop is open and locked; messages can be listed, read and marked (RFC 1939 §5)."""

    UPDATE = "UPDATE"
    """QUIT was answered: the marked messages are removed, then the server hangs up (RFC 1939 §6)."""

    CLOSED = "CLOSED"
    """The connection is gone."""


MAX_COMMAND_OCTETS = 255
"""Longest command line, including its CRLF, that a server with CAPA must accept (RFC 2449 §4)."""

MAX_UNIQUE_ID_OCTETS = 70
"""Longest unique-id (RFC 1939 §7)."""


class Clause(Value):
    """A place in an RFC: the source of a rule of the protocol."""

    rfc: int
    section: str = ""
    """A number, or a heading if the document has no numbers; empty for the whole document."""

    def __str__(self) -> str:
        if self.section[:1].isdigit():
            return f"RFC {self.rfc} §{self.section}"
        return f'RFC {self.rfc}, "{self.section}"' if self.section else f"RFC {self.rfc}"


class ArgumentKind(Enum):
    """What an argument means: this decides how it is completed, checked and coloured."""

    NAME = "name"
    PASSWORD = "password"
    DIGEST = "digest"
    MECHANISM = "mechanism"
    INITIAL_RESPONSE = "initial response"
    MESSAGE = "message number"
    LINES = "number of lines"
    LANGUAGE = "language tag"
    TEXT = "text"


class Argument(Value):
    """One argument of a command, as the hints name it."""

    name: str
    kind: ArgumentKind
    optional: bool = False
    rest: bool = False
    """Whether it takes the rest of the line, spaces included (PASS: RFC 1939 §7)."""

    @property
    def secret(self) -> bool:
        """Whether nobody else may see it."""
        kinds = (ArgumentKind.PASSWORD, ArgumentKind.DIGEST, ArgumentKind.INITIAL_RESPONSE)
        return self.kind in kinds


class MultiLine(Enum):
    """When a positive reply to a command goes on after its first line (RFC 1939 §3)."""

    NEVER = "never"
    ALWAYS = "always"
    WITHOUT_ARGUMENT = "without an argument"


class FieldKind(Enum):
    """What a field of a reply holds."""

    MESSAGE = "message number"
    COUNT = "count"
    OCTETS = "octets"
    UNIQUE_ID = "unique-id"
    WORD = "word"
    REST = "rest of the line"


class Field(Value):
    """A field of a reply that the RFC defines as data; all the other words are for people."""

    name: str
    kind: FieldKind
    meaning: str


class Effect(Enum):
    """What the positive reply to a command changes in the session."""

    NOTHING = "nothing"
    NAME = "the name is taken, a password is due"
    LOGIN = "the session enters TRANSACTION"
    START_TLS = "TLS begins with the next octet"
    MARK = "the message is marked as deleted"
    UNMARK_ALL = "all marks are taken back"
    FAREWELL = "the server hangs up"


class Verb(Value):
    """A row of the table."""

    name: bytes
    arguments: tuple[Argument, ...] = ()
    states: frozenset[State] = frozenset({State.TRANSACTION})
    multi_line: MultiLine = MultiLine.NEVER
    fields: tuple[Field, ...] = ()
    """Data in the one-line reply, or in each line of a multi-line one."""
    effect: Effect = Effect.NOTHING
    challenges: bool = False
    """Whether the server may answer with `+ ` and wait for a response (RFC 5034 §4)."""
    capability: bytes | None = None
    """The CAPA tag that announces the command; None if RFC 1939 makes it mandatory."""
    clause: Clause
    summary: str
    details: str
    example: str
    """A short dialogue in the project's notation."""
    relic: str | None = None
    """Why the command is obsolete; None if it isn't."""

    @property
    def syntax(self) -> str:
        """The command and its arguments, optional ones in square brackets."""
        shown = (f"[{a.name}]" if a.optional else a.name for a in self.arguments)
        return " ".join((self.name.decode("ascii"), *shown))

    @property
    def keyword(self) -> str:
        """The name as text."""
        return self.name.decode("ascii")

    @property
    def legal(self) -> str:
        """The states in which the command is legal, in words."""
        return " or ".join(sorted(state.value for state in self.states))


_AUTHORIZATION = frozenset({State.AUTHORIZATION})
_BOTH = frozenset({State.AUTHORIZATION, State.TRANSACTION})

_MESSAGE = Argument(name="msg", kind=ArgumentKind.MESSAGE)
_OPTIONAL_MESSAGE = Argument(name="msg", kind=ArgumentKind.MESSAGE, optional=True)

_NUMBER_FIELD = Field(
    name="message", kind=FieldKind.MESSAGE, meaning="the message-number, valid in this session only"
)
_OCTETS_FIELD = Field(
    name="octets",
    kind=FieldKind.OCTETS,
    meaning="the size of the message in octets, each line end counted as two, stuffed dots not",
)

_ROWS = (
    Verb(
        name=b"USER",
        arguments=(Argument(name="name", kind=ArgumentKind.NAME),),
        states=_AUTHORIZATION,
        effect=Effect.NAME,
        capability=b"USER",
        clause=Clause(rfc=1939, section="7"),
        summary="say whose maildrop you want",
        details=(
            "The first half of the plain login; PASS must follow at once. Many servers say +OK to "
            "any name, so that nobody can find out which mailboxes exist."
        ),
        example="C: USER bob\nS: +OK name is a valid mailbox",
    ),
    Verb(
        name=b"PASS",
        arguments=(Argument(name="password", kind=ArgumentKind.PASSWORD, rest=True),),
        states=_AUTHORIZATION,
        effect=Effect.LOGIN,
        capability=b"USER",
        clause=Clause(rfc=1939, section="7"),
        summary="give the password, which crosses the wire as it is",
        details=(
            "Legal only right after a USER that was answered with +OK. Everything after the first "
            "space is the password, further spaces included. On +OK the session enters TRANSACTION, and "
            "the maildrop is to be locked."
        ),
        example="C: USER bob\nS: +OK\nC: PASS {password}\nS: +OK mailbox locked and ready",
    ),
    Verb(
        name=b"APOP",
        arguments=(
            Argument(name="name", kind=ArgumentKind.NAME),
            Argument(name="digest", kind=ArgumentKind.DIGEST),
        ),
        states=_AUTHORIZATION,
        effect=Effect.LOGIN,
        clause=Clause(rfc=1939, section="7"),
        summary="log in with an MD5 digest in place of the password",
        details=(
            "The digest is MD5 over the timestamp of the greeting, angle brackets included, followed "
            "by the shared secret, in 32 lower-case hex digits. Offered only where the greeting "
            "holds a <timestamp>. MD5 is broken: TLS protects better."
        ),
        example=(
            "S: +OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>\n"
            "C: APOP mrose {apop}\nS: +OK maildrop has 1 message (369 octets)"
        ),
    ),
    Verb(
        name=b"AUTH",
        arguments=(
            Argument(name="mechanism", kind=ArgumentKind.MECHANISM, optional=True),
            Argument(
                name="initial-response",
                kind=ArgumentKind.INITIAL_RESPONSE,
                optional=True,
                rest=True,
            ),
        ),
        states=_AUTHORIZATION,
        multi_line=MultiLine.WITHOUT_ARGUMENT,
        fields=(Field(name="mechanism", kind=FieldKind.WORD, meaning="a SASL mechanism"),),
        effect=Effect.LOGIN,
        challenges=True,
        capability=b"SASL",
        clause=Clause(rfc=5034, section="4"),
        summary="log in with a SASL mechanism",
        details=(
            "The server asks with lines that begin with '+ ', the client answers in base64; a lone "
            "'*' gives up. An initial response saves a round trip where the whole line stays within "
            "255 octets; '=' is an empty one. Without an argument some servers list their "
            "mechanisms, a habit older than CAPA."
        ),
        example="C: AUTH PLAIN\nS: + \nC: {plain}\nS: +OK maildrop locked and ready",
    ),
    Verb(
        name=b"CAPA",
        states=_BOTH,
        multi_line=MultiLine.ALWAYS,
        fields=(
            Field(name="capability", kind=FieldKind.WORD, meaning="the tag of a capability"),
            Field(name="parameters", kind=FieldKind.REST, meaning="what the tag is qualified by"),
        ),
        clause=Clause(rfc=2449, section="5"),
        summary="ask what the server can do",
        details=(
            "One capability a line. The list may change after STLS and after login, so it is worth "
            "asking again. A server without it answers -ERR."
        ),
        example="C: CAPA\nS: +OK Capability list follows\nS: TOP\nS: USER\nS: UIDL\nS: .",
    ),
    Verb(
        name=b"STLS",
        states=_AUTHORIZATION,
        effect=Effect.START_TLS,
        capability=b"STLS",
        clause=Clause(rfc=2595, section="4"),
        summary="switch this connection to TLS",
        details=(
            "After the +OK the TLS handshake begins with the very next octet. Nothing learnt in "
            "clear (capabilities, the timestamp, a USER name) may be relied on afterwards. Not legal "
            "a second time, nor after login."
        ),
        example="C: STLS\nS: +OK Begin TLS negotiation\nC: <negotiate TLS>",
    ),
    Verb(
        name=b"UTF8",
        states=_AUTHORIZATION,
        capability=b"UTF8",
        clause=Clause(rfc=6856, section="2.1"),
        summary="accept UTF-8 in headers and replies",
        details="Sent before logging in, and never before STLS.",
        example="C: UTF8\nS: +OK UTF8 mode enabled",
    ),
    Verb(
        name=b"LANG",
        arguments=(Argument(name="tag", kind=ArgumentKind.LANGUAGE, optional=True),),
        states=_BOTH,
        multi_line=MultiLine.WITHOUT_ARGUMENT,
        fields=(
            Field(name="language", kind=FieldKind.WORD, meaning="a language tag (RFC 5646)"),
            Field(name="description", kind=FieldKind.REST, meaning="the language in its own words"),
        ),
        capability=b"LANG",
        clause=Clause(rfc=6856, section="3"),
        summary="list the languages of the reply texts, or choose one",
        details="Without an argument the list; with a tag the choice; '*' is the server's default.",
        example="C: LANG es\nS: +OK es Idioma cambiado",
    ),
    Verb(
        name=b"STAT",
        fields=(
            Field(name="messages", kind=FieldKind.COUNT, meaning="messages in the maildrop"),
            Field(name="octets", kind=FieldKind.OCTETS, meaning="their size altogether"),
        ),
        clause=Clause(rfc=1939, section="5"),
        summary="how many messages, how many octets",
        details="Messages marked as deleted are counted in neither number.",
        example="C: STAT\nS: +OK 2 320",
    ),
    Verb(
        name=b"LIST",
        arguments=(_OPTIONAL_MESSAGE,),
        multi_line=MultiLine.WITHOUT_ARGUMENT,
        fields=(_NUMBER_FIELD, _OCTETS_FIELD),
        clause=Clause(rfc=1939, section="5"),
        summary="number and size of each message, or of one",
        details=(
            "Without an argument one line a message, then the lone dot. Messages marked as deleted "
            "are left out; the others keep their numbers."
        ),
        example="C: LIST\nS: +OK 2 messages (320 octets)\nS: 1 120\nS: 2 200\nS: .",
    ),
    Verb(
        name=b"RETR",
        arguments=(_MESSAGE,),
        multi_line=MultiLine.ALWAYS,
        clause=Clause(rfc=1939, section="5"),
        summary="fetch a whole message",
        details=(
            "Header, empty line, body, lone dot. A line that begins with a dot has a second one put "
            "in front while it travels. Nothing is deleted, unless the server has EXPIRE 0."
        ),
        example="C: RETR 1\nS: +OK 120 octets\nS: ...\nS: .",
    ),
    Verb(
        name=b"DELE",
        arguments=(_MESSAGE,),
        effect=Effect.MARK,
        clause=Clause(rfc=1939, section="5"),
        summary="mark a message as deleted",
        details=(
            "Only QUIT removes it; RSET takes the mark back, and so does a lost connection. Until "
            "then the number cannot be used."
        ),
        example="C: DELE 1\nS: +OK message 1 deleted",
    ),
    Verb(
        name=b"NOOP",
        clause=Clause(rfc=1939, section="5"),
        summary="do nothing, and get an answer",
        details=(
            "The server does nothing but answer. Any command starts its inactivity timer again "
            "(RFC 1939 §3)."
        ),
        example="C: NOOP\nS: +OK",
    ),
    Verb(
        name=b"RSET",
        effect=Effect.UNMARK_ALL,
        clause=Clause(rfc=1939, section="5"),
        summary="take back every DELE of this session",
        details="All messages marked as deleted are unmarked.",
        example="C: RSET\nS: +OK maildrop has 2 messages (320 octets)",
    ),
    Verb(
        name=b"TOP",
        arguments=(_MESSAGE, Argument(name="n", kind=ArgumentKind.LINES)),
        multi_line=MultiLine.ALWAYS,
        capability=b"TOP",
        clause=Clause(rfc=1939, section="7"),
        summary="the header and the first n lines of the body",
        details=(
            "n may be 0: header and empty line only, the way to look at a huge message without "
            "fetching it. Optional, but nearly every server has it."
        ),
        example="C: TOP 1 0\nS: +OK\nS: ...\nS: .",
    ),
    Verb(
        name=b"UIDL",
        arguments=(_OPTIONAL_MESSAGE,),
        multi_line=MultiLine.WITHOUT_ARGUMENT,
        fields=(
            _NUMBER_FIELD,
            Field(
                name="unique-id",
                kind=FieldKind.UNIQUE_ID,
                meaning="1 to 70 printable octets that name the message in every session",
            ),
        ),
        capability=b"UIDL",
        clause=Clause(rfc=1939, section="7"),
        summary="the unique-id of each message, or of one: a name that stays",
        details=(
            "Message-numbers change from session to session, unique-ids do not: by them a mail "
            "program knows what it has fetched."
        ),
        example="C: UIDL 2\nS: +OK 2 QhdPYR:00WBw1Ph7x7",
    ),
    Verb(
        name=b"QUIT",
        states=_BOTH,
        effect=Effect.FAREWELL,
        clause=Clause(rfc=1939, section="6"),
        summary="say goodbye; in TRANSACTION the marked messages are removed now",
        details=(
            "The only way to make DELE come true. Before login it just ends the session "
            "(RFC 1939 §4)."
        ),
        example="C: QUIT\nS: +OK host closing connection",
    ),
    Verb(
        name=b"LAST",
        fields=(
            Field(name="message", kind=FieldKind.MESSAGE, meaning="highest number accessed so far"),
        ),
        clause=Clause(rfc=1460, section="5"),
        summary="the highest message-number accessed",
        details="Answered by few servers today; fetchmail still asks.",
        example="C: LAST\nS: +OK 1",
        relic="dropped in 1994 by RFC 1725; UIDL took its place",
    ),
    Verb(
        name=b"RPOP",
        arguments=(Argument(name="user", kind=ArgumentKind.TEXT),),
        states=_AUTHORIZATION,
        effect=Effect.LOGIN,
        clause=Clause(rfc=1225, section="Optional POP3 Commands"),
        summary="log in by the address one comes from, in place of PASS",
        details="The server trusted any client on a port below 1024, as rlogin did.",
        example="C: USER mrose\nS: +OK\nC: RPOP mrose\nS: -ERR permission denied",
        relic="dropped in 1993 by RFC 1460: it helped those who break in",
    ),
    Verb(
        name=b"XTND",
        arguments=(Argument(name="subcommand", kind=ArgumentKind.TEXT, rest=True),),
        clause=Clause(rfc=1082),
        summary="bulletin boards, and in qpopper the sending of mail (XTND XMIT)",
        details="Each server did something else with it; read the first line of the reply.",
        example="C: XTND XMIT\nS: -ERR unknown command",
        relic="the extended service offerings of 1988, never taken up by a standard",
    ),
)

VERBS: Mapping[bytes, Verb] = {row.name: row for row in _ROWS}
"""Every command by its name in upper case, in the order in which a session meets them."""


BLANKS = (b" ", b"\t")
"""What separates words: RFC 1939 §3 allows only the space, but many servers accept a tab too."""


class Span(Value, often=True):
    """A range of octets in a line: from `start` up to, not including, `stop`."""

    start: int
    stop: int


MASK = b"****"
"""Replaces a secret.  Its length is fixed, because the length of the secret is a secret too."""


def masked(line: bytes, secret: Span | None) -> bytes:
    """Return a line with `MASK` in place of what is secret."""
    return line if secret is None else line[: secret.start] + MASK + line[secret.stop :]


class Command(Value, often=True):
    """A command line, without its line end."""

    line: bytes
    keyword: bytes
    """In upper case; empty if the line contains only spaces."""
    verb: Verb | None
    """The row of the table; None for a word that isn't in it."""
    arguments: tuple[bytes, ...]
    """A last argument that takes the rest of the line includes the spaces in it."""
    secret: Span | None
    """What must not be shown, logged or remembered."""

    def __repr__(self) -> str:
        """Show the line without its secret: a repr ends up in tracebacks."""
        return f"Command({masked(self.line, self.secret)!r})"

    @property
    def multi_line(self) -> bool:
        """Whether a positive reply has more than one line (RFC 1939 §3, RFC 2449 §3)."""
        if self.verb is None or self.verb.multi_line is MultiLine.NEVER:
            return False
        return self.verb.multi_line is MultiLine.ALWAYS or not self.arguments

    @property
    def effect(self) -> Effect:
        """What a positive reply changes in the session."""
        return Effect.NOTHING if self.verb is None else self.verb.effect

    @property
    def asks_for_responses(self) -> bool:
        """Whether it is an AUTH with a mechanism, which the next lines may answer (RFC 5034 §4)."""
        return self.verb is not None and self.verb.challenges and bool(self.arguments)

    @property
    def data_fields(self) -> tuple[Field, ...]:
        """The fields of a one-line positive reply that are data; a listing has them in its lines."""
        if self.verb is None or self.multi_line or self.verb.challenges:
            return ()
        return tuple(field for field in self.verb.fields if field.kind is not FieldKind.REST)

    def number(self, index: int = 0) -> int | None:
        """Return the argument at `index` as a decimal number; None if it isn't one."""
        if index < len(self.arguments) and self.arguments[index].isdigit():
            return int(self.arguments[index][:MAX_DIGITS])
        return None


MAX_DIGITS = 18
"""How many digits of a number are read: no maildrop needs more, and int() is slow for long ones."""


@lru_cache(maxsize=8)  # A typed line is shown, masked and sent, and each of them parses it.
def parse_command(line: bytes) -> Command:
    """Take a command line apart.

    Args:
        line: octets as sent, without CRLF.

    Returns:
        The parts.  Never raises: an unknown command has None for its verb.
    """
    bare = _BARE.get(line)
    if bare is not None:
        return bare
    words = [found.span() for found in _WORD.finditer(line)]
    keyword = line[words[0][0] : words[0][1]].upper() if words else b""
    verb = VERBS.get(keyword)
    given, secret = words[1:], None
    if verb is not None:
        given = _join_rest(verb.arguments, given, line, words[0][1])
        secret = _secret(verb, given, line)
    arguments = tuple([line[start:stop] for start, stop in given])
    return Command(line=line, keyword=keyword, verb=verb, arguments=arguments, secret=secret)


_WORD = re.compile(rb"[^ \t]+")


def may_become_command(line: bytes) -> bool:
    """Return whether a line begins with a known keyword, or is the beginning of one."""
    keyword, space, _rest = line.upper().partition(b" ")
    if space:
        return keyword in VERBS
    return any(known.startswith(keyword) for known in VERBS)


def _join_rest(
    arguments: tuple[Argument, ...], given: list[Place], line: bytes, keyword_stop: int
) -> list[Place]:
    """Let a last argument take the rest of the line: "spaces may be part of the password"."""
    last = len(arguments) - 1
    if not arguments or not arguments[last].rest:
        return given
    if last == 0:
        # RFC 1939 §7: everything after the one space that follows PASS is the password.
        start = keyword_stop + 1
        return [(start, len(line))] if start < len(line) else []
    if len(given) > last:
        return [*given[:last], (given[last][0], len(line))]
    return given


def _secret(verb: Verb, given: list[Place], line: bytes) -> Span | None:
    """Find the secret: the first secret argument and everything after it.

    In a login, anything after the last argument is secret too ("USER bob jones"), and so is anything
    in place of a mechanism that can't be the name of one (RFC 4422 §3.1): it is usually a response.
    """
    for argument, (start, stop) in zip(verb.arguments, given, strict=False):
        mechanism = argument.kind is ArgumentKind.MECHANISM
        if argument.secret or (mechanism and _looks_like_response(line[start:stop])):
            return Span(start=start, stop=len(line))
    extra = given[len(verb.arguments) :]
    if extra and verb.effect in (Effect.NAME, Effect.LOGIN):
        return Span(start=extra[0][0], stop=len(line))
    return None


def _looks_like_response(word: bytes) -> bool:
    """Return whether a word in place of a mechanism looks like base64, and not like a name."""
    rest = word[1:]
    mixed = word.isalnum() and rest not in (rest.lower(), rest.upper())
    return mixed or len(word) > _LONGEST_MECHANISM or bool(set(word) & set(b"+/="))


_LONGEST_MECHANISM = 20
"""Octets in the name of a mechanism (RFC 4422 §3.1)."""

_BARE = {
    verb.name: Command(line=verb.name, keyword=verb.name, verb=verb, arguments=(), secret=None)
    for verb in VERBS.values()
}
"""Commands that are only a keyword, as most are, parsed beforehand."""


class Limits(Value):
    """How much a server tolerates from one client."""

    line: int = 1_024
    """Octets of a command line with its line end.  A server with CAPA must accept 255 (RFC 2449 §4);
    Dovecot's limit before the login is about the same as this one."""
    sasl_line: int = 12_288
    """Octets of a response within AUTH with its line end.  Tokens are long, and RFC 5034 §4 sets no
    limit; this is what RFC 4954 §4 requires of SMTP servers.  Dovecot accepts 8,192."""
    discarded: int = 65_536
    """Octets of an overlong line that are discarded while waiting for its end."""
    overlong_lines: int = 2
    """How many overlong lines end the session: one may be an accident."""
    errors_before_login: int = 10
    """Negative replies in a row.  Enough for a learner's typing errors, too few for a web browser
    or a program that guesses; Dovecot allows 3."""
    errors_after_login: int = 20
    """The same as Dovecot's."""
    failed_logins: int = 5
    """In the whole session: a learner may make mistakes, but nobody should guess for ever."""
