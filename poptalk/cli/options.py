"""The table of options, and which command takes which.

Each option is described once, and nothing else lists them: the parser, `--help`, the manual page, the
completions and the advice after a mistake are all made from here.

A field that was not given is missing from the result.  The defaults are those of the value that a
command fills with its fields: `ConnectOptions` (how to reach a server), `ShellSettings`,
`ServeSettings`, `RunSettings`, `DiffSettings` and so on.  Which of them servers.toml may hold is in
`poptalk.net.saved`, since `:open` reads that file too.
"""

from __future__ import annotations

from poptalk.export import FORMATS
from poptalk.net.endpoint import DEFAULT_TIMEOUT, FAMILIES, PROXY_VARIABLE, TLS_VERSIONS
from poptalk.pop3.values import Value
from poptalk.session.password import PASSWORD_VARIABLE, PasswordSource, SourceKind
from poptalk.shell.script import LOG_FORMATS
from poptalk.terminal.screen import COLOR_FLAGS
from poptalk.terminal.theme import THEMES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any


class Option(Value, often=True):
    """An option, or an argument without a flag."""

    flags: tuple[str, ...] = ()
    """How it is written; empty for a positional argument."""
    field: str
    """The name under which its value is found after parsing."""
    help: str
    metavar: str | None = None
    type: Callable[[str], Any] | None = None
    """Checks and converts the value."""
    choices: tuple[str, ...] | None = None
    nargs: str | None = None
    action: str | None = None
    """As argparse has it; None for an option with one value."""
    const: Any = None
    exclusive: str | None = None
    """The name of a group of options of which only one may be given."""
    own_server: bool = False
    """Whether it makes no sense for the practice server."""
    weakens: bool = False
    """Whether it turns a check off, and so is never suggested after a mistake."""


def _argument(field: str, metavar: str, text: str, **more: Any) -> Option:
    return Option(field=field, metavar=metavar, help=text, **more)


def _value(usage: str, text: str, **more: Any) -> Option:
    """Return an option with a value, such as `--log FILE`; SECONDS and PORT have their types."""
    flag, _, metavar = usage.partition(" ")
    usual = {
        "flags": (flag,),
        "field": flag.lstrip("-").replace("-", "_"),
        "metavar": metavar or None,
        "type": {"SECONDS": _seconds, "PORT": _port}.get(metavar),
    }
    return Option(**usual | more, help=text)


def _switch(flag: str, text: str, **more: Any) -> Option:
    """Return an option without a value; with `const`, that is what it stands for."""
    return _value(flag, text, action="store_const" if "const" in more else "store_true", **more)


def _wrong(sentence: str) -> Exception:
    from argparse import ArgumentTypeError

    return ArgumentTypeError(sentence)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds < 1e6:
        raise _wrong(f"{text!r} isn't a number of seconds above 0")
    return seconds


def _number(what: str, *, least: int = 0, most: int = 99_999) -> Callable[[str], int]:
    """Return what reads a whole number.

    Args:
        what: what is needed, with its limits, for the sentence after a mistake.
        least: the smallest number.
        most: the largest.
    """

    def read(text: str) -> int:
        if text.isascii() and text.isdigit() and len(text) < 9 and least <= int(text) <= most:
            return int(text)
        raise _wrong(f"{text!r} isn't {what}")

    return read


_port = _number("a port: a number from 0 (any) to 65535", most=65_535)

# More files than Linux lets a process open.
_connections = _number("a number from 1 to 1,000,000", least=1, most=1_000_000)


def _mechanism(text: str) -> str:
    """Refuse the name of a mechanism that there isn't, before anything is connected."""
    from poptalk.pop3.sasl.mechanism import LoginError
    from poptalk.pop3.sasl.table import find_method

    try:
        return find_method(text).name
    except LoginError as error:
        raise _wrong(f'"{text}" {str(error).removeprefix("that ")}') from None


def _password_of_a_class(text: str) -> str:
    if not text:
        raise _wrong("the password is empty: leave it and the = out, and one is chosen")
    return text.removeprefix(_CHOSEN)


_CHOSEN = "\0"
"""Stands for a password that is not given, but chosen: no command line can have this character."""


# How to reach a server.

TARGET = _argument(
    "target",
    "HOST [PORT] | URL",
    "the server, or the NAME under which it was saved; without it the practice server is started "
    "and opened",
    nargs="*",
)

TIMEOUT = _value(
    "--timeout SECONDS", f"for connecting, for TLS, and for a reply ({DEFAULT_TIMEOUT:g})"
)

_TRUST = tuple(
    row.replaced(own_server=True)
    for row in (
        _value("--ca-file FILE", "PEM file of the authorities to trust"),
        _value("--tls-name HOST", "the name that the certificate must be for", field="server_name"),
        _value(
            "--pin SHA256",
            "accept only this certificate or, with sha256//, this public key (repeatable)",
            field="pins",
            action="append",
        ),
        _value("--client-cert FILE", "PEM file of the certificate to show"),
        _value("--client-key FILE", "PEM file of its key, if it is a separate file"),
        _value(
            "--tls-min", "the lowest version of TLS to accept (default: 1.2)", choices=TLS_VERSIONS
        ),
        _value("--keylog FILE", "append the session keys to FILE, for Wireshark"),
        _value(
            "--save-chain FILE",
            "write the certificates that the server sends to a new file, as PEM, whether they pass or "
            "not",
        ),
    )
)
"""Whom to trust, and what to show: the practice server has a certificate of its own."""

REACHING = (
    _switch("--tls", "begin with TLS (port 995)"),
    _switch("--starttls", "send STLS first, and stop if there is no TLS"),
    _switch(
        "--insecure",
        "accept any certificate, and say what is wrong with it",
        field="verify",
        const=False,
        weakens=True,
    ),
    *_TRUST,
    *(
        _switch(
            f"-{version}", f"IPv{version} only", field="family", const=family, exclusive="family"
        )
        for version, family in FAMILIES.items()
    ),
    TIMEOUT,
    _value("--connect-timeout SECONDS", "for connecting only (default: as --timeout)"),
    _value("--source ADDRESS", "connect from this address of this machine", own_server=True),
    _value("--socket PATH", "connect to a unix socket", field="path"),
    _value(
        "--proxy URL",
        "connect through socks5://, socks5h:// or http://HOST:PORT (default: the environment variable "
        f"{PROXY_VARIABLE})",
        own_server=True,
    ),
)


def _reaching(limited: str) -> tuple[Option, ...]:
    """Return `REACHING` for a command in which --timeout limits something else."""
    timeout = TIMEOUT.replaced(help=f"{limited} ({DEFAULT_TIMEOUT:g})")
    return tuple(timeout if row is TIMEOUT else row for row in REACHING)


REACHING_ONLY = _reaching("for connecting, and for TLS")
"""For commands at a prompt, where only the person waits for replies."""

# What the screen shows, and what is kept.

COLOR = _value("--color", "colours (auto)", choices=COLOR_FLAGS)

THEME = _value("--theme", "styles (neutral)", choices=tuple(THEMES))
LOG_FORMAT = _value(
    "--log-format",
    "what to write there: C: and S: lines that poptalk run replays, or JSON for machines "
    f"({LOG_FORMATS[0]})",
    choices=LOG_FORMATS,
)

SCREEN = (
    _value("--log FILE", "write the dialogue to FILE, secrets masked"),
    LOG_FORMAT,
    _switch("--plain", "never redraw the screen: for screen readers and odd terminals"),
    COLOR,
    THEME,
)

# Who logs in.

MECHANISM = _value(
    "--mechanism NAME",
    "how to log in, such as PLAIN or APOP (default: the best that is offered)",
    type=_mechanism,
)


def _password(kind: SourceKind, metavar: str, text: str, *, of: str = "") -> Option:
    """Return an option that names the source of a password.

    Args:
        kind: the kind of source.
        metavar: what its value is called.
        text: the help.
        of: the server that the password is for, where there are two.
    """
    suffix = f"-{of.lower()}" if of else ""
    return _value(
        f"{kind.value}{suffix} {metavar}",
        text,
        field=f"password_source{suffix}".replace("-", "_"),
        type=lambda detail: PasswordSource(kind=kind, detail=detail),
        exclusive=f"password{suffix}",
    )


NETRC = _password(
    SourceKind.NETRC, "FILE", "take the password from FILE (default: ~/.netrc)"
).replaced(nargs="?", const=PasswordSource(kind=SourceKind.NETRC))

KEYRING = _switch(
    SourceKind.KEYRING.value,
    "take the password from the keyring",
    field="password_source",
    const=PasswordSource(kind=SourceKind.KEYRING),
    exclusive="password",
)

PASSWORD = (
    _password(
        SourceKind.VARIABLE,
        "VARIABLE",
        f"the environment variable with the password (default: {PASSWORD_VARIABLE}, else it is asked "
        "for)",
    ),
    _password(
        SourceKind.FILE,
        "FILE",
        "the file whose first line is the password; nobody else may be able to read it",
    ),
    _password(SourceKind.COMMAND, "COMMAND", "the command that prints the password"),
    NETRC,
    KEYRING,
)

LOGIN = (
    _value("--login USER", "log in right after the greeting, and after --starttls"),
    MECHANISM,
    _switch("--two-step", "AUTH and its first response in two lines, as Exchange Online wants it"),
    _switch("--oauth", "the secret is an OAuth token, not a password"),
    *PASSWORD,
)

# The practice server.

PERSONA = _value(
    "--persona NAME|FILE",
    "how the practice server speaks and behaves: exchange, plain, dovecot, ... (poptalk serve "
    "--list-personas lists them all), or a .toml file of your own (default: exchange)",
)
MAILDROP = _value(
    "--maildrop [FORMAT:]PATH",
    "the mail of every account there: a folder of .eml files, a Maildir or an mbox; where the kind "
    "is in doubt, eml:PATH, maildir:PATH or mbox:PATH (default: bob has the article's three messages, "
    "mrose those of RFC 1939)",
)
FAULT = _value(
    "--fault [WHO=]NAME[:VALUE]",
    "misbehave as some real server did: no-final-dot, slow:5s; for one account: bob=locked; for the "
    "third connection: '#3=reset' (repeatable; poptalk serve --list-faults lists them all)",
    field="faults",
    action="append",
)

PRACTICE = (PERSONA, MAILDROP, FAULT)

# The commands.

CONNECT = (
    TARGET,
    _value("--srv DOMAIN", "use the server that DOMAIN's SRV records name"),
    _value("--save NAME", "save the server: from then on, NAME is enough"),
    *_reaching("for connecting, for TLS, and for a reply in a pipe"),
    _value(
        "--expires-within DAYS",
        "warn if a certificate of the server expires within so many days; in a pipe the exit code is 1 "
        "then",
        type=_number("a number of days"),
    ),
    *SCREEN,
    _switch("--explain", "explain everything, as :explain on does"),
    _switch("--times", "show beside each reply how long it took, as :times on does"),
    _switch("--local-commands", "in a pipe too, ':' begins a local command"),
    _value(
        "-e LINE",
        "send LINE instead of the lines of standard input (repeatable); not for secrets, as "
        "every user of this machine can read it",
        field="lines",
        action="append",
    ),
    _switch("--after-login", "with --login: standard output gets only what comes after the login"),
    _switch(
        "--stop-on-err", "in a pipe and with -e: send nothing more after an -ERR, and exit with 1"
    ),
    _switch("--pipeline", "in a pipe and with -e: send all lines before reading anything"),
    _value(
        "--drop-after N",
        "in a pipe and with -e: hang up without QUIT after N replies",
        type=_number("a number of replies"),
    ),
    *LOGIN,
    *PRACTICE,
)

LEARN = (
    _argument(
        "lesson",
        "LESSON",
        "its number, its name, or a file (default: a list to choose from)",
        nargs="?",
    ),
    TARGET.replaced(
        help="your own server, or your teacher's, for this lesson (default: the lesson's practice "
        "server)"
    ),
    _switch("--again", "start the lesson over, however much of it you have done"),
    *REACHING_ONLY,
    *SCREEN,
)

PLAY = (
    _argument(
        "script",
        "LESSON|DIALOGUE",
        "a lesson, as for learn, or a file of C: and S: lines, as for run",
        nargs="?",
    ),
    TARGET.replaced(help="the server to show it on (default: a practice server)"),
    _value(
        "--from STEP",
        "begin with this step: its number or its id; what comes before it is sent first",
        field="start",
    ),
    _value(
        "--pace",
        "who presses the keys: you; a clicker, whose PageDown types a line and sends it; or nobody "
        "(keys)",
        choices=("keys", "clicker", "auto"),
    ),
    _switch("--loop", "with --pace auto: begin again at the end"),
    _switch("--bare", "leave out the headings, the prose and the questions"),
    _value(
        "--free-rows N",
        "leave the last N rows of the screen free, because heads are in front of them",
        type=_number("a number of rows"),
    ),
    _value("--notes FILE", "write the speaker's notes, the clock and the next line to FILE"),
    _value(
        "--show-notes FILE", "show such a file, in a second terminal and while the demo goes on"
    ),
    *REACHING_ONLY,
    *(row for row in SCREEN if row.field != "plain"),
)

RUN = (
    _argument("file", "FILE", "a dialogue of C: and S: lines; - is standard input"),
    TARGET.replaced(
        help="more dialogues (each word that ends in .pop3, or is a file), and then the server; without "
        "it a practice server is started for each"
    ),
    _switch("--exact", "compare everything, including text meant for people", exclusive="how"),
    _switch(
        "--loose",
        "the server may be another one, as after a migration: compare messages and their "
        "numbers, and neither sizes and unique-ids nor what the server can do",
        exclusive="how",
    ),
    _switch(
        "--keep-going",
        "go on after a difference and show them all (exit code 1 all the same); then no QUIT is sent "
        "that would delete messages",
    ),
    _value("--max-time SECONDS", "a greeting or a reply that takes longer is a difference"),
    _value("--max-wait SECONDS", "the longest <wait ...> that a dialogue may have (60)"),
    _switch("--quiet", "show only the differences"),
    _switch("--times", "show beside each reply how long it took"),
    _value("--junit FILE", "write the results as JUnit XML, for a build server"),
    _value(
        "--var NAME=VALUE",
        "the value of {NAME}, before any line captures one (repeatable)",
        field="variables",
        action="append",
    ),
    _value("--user NAME", "who {user} is, and who logs in"),
    *PASSWORD,
    PERSONA.replaced(
        help="how the practice server speaks, as for connect (default: exchange, and for a dialogue "
        "with APOP plain, which has the example texts of RFC 1939)"
    ),
    MAILDROP.replaced(help="the practice server's mail, as for connect"),
    FAULT.replaced(help="what the practice server does wrong, as for connect"),
    COLOR,
    *REACHING,
)


def _sources_of(side: str) -> tuple[Option, ...]:
    """Return where the password of one of two servers comes from."""
    return (
        _password(
            SourceKind.VARIABLE,
            "VARIABLE",
            f"the environment variable with the password of {side} (default: "
            f"{PASSWORD_VARIABLE}_{side}, else {PASSWORD_VARIABLE}, else it is asked for)",
            of=side,
        ),
        _password(SourceKind.FILE, "FILE", f"a file with the password of {side}", of=side),
        _password(
            SourceKind.COMMAND, "COMMAND", f"a command that prints the password of {side}", of=side
        ),
    )


_A_SERVER = "HOST, HOST:PORT, a URL such as pop3s://me@HOST, or a saved name"

DIFF = (
    _argument("a", "A", f"the first server, in a migration the old one: {_A_SERVER}"),
    _argument("b", "B", f"the second: {_A_SERVER}"),
    _value("--user NAME", "who logs in, on both servers"),
    _value("--user-a NAME", "who logs in on A"),
    _value("--user-b NAME", "who logs in on B"),
    MECHANISM.replaced(
        help="how to log in on both, such as PLAIN or APOP (default: the best that each offers)"
    ),
    *_sources_of("A"),
    *_sources_of("B"),
    _switch(
        SourceKind.NETRC.value,
        "take the passwords from ~/.netrc",
        field="password_source",
        const=NETRC.const,
    ),
    KEYRING.replaced(help="take the passwords from the system's keyring", exclusive=None),
    _switch(
        "--bodies",
        "fetch every message with RETR as well, and compare hashes of header and body; a few servers "
        "then note that it was read",
    ),
    _switch("--top", "as --bodies, but with TOP, which marks no message as read"),
    _switch("--json", "write JSON instead of a table"),
    COLOR,
    *REACHING,
)

ANY_NAME = _value(
    "--any-name PASSWORD",
    "for a class: everyone who gives this password can log in, with any name, in capitals or not; "
    "without a password one is chosen (--any-name alone, or --any-name=PASSWORD)",
    type=_password_of_a_class,
    nargs="?",
    const=_CHOSEN,
)

LISTEN = _value(
    "--listen ADDRESS",
    "listen on an address other than 127.0.0.1, for others to connect; everybody knows the "
    "passwords; may be given again, as in --listen 127.0.0.1 --listen ::1",
    action="append",
)

PORT = _value("--port PORT", "the port without TLS (default: a free one)")

TLS_PORT = _value("--tls-port PORT", "the port for TLS from the first octet (default: a free one)")

CHECK = (
    TARGET.replaced(
        help="the server, or the NAME under which it was saved; without it the practice server is "
        "checked, logged in as bob"
    ),
    LOGIN[0].replaced(help="log in, and check what reading can show; nothing is changed"),
    *LOGIN[1:],
    _switch(
        "--destructive",
        "also mark messages, take the marks back, and delete the last message for good",
    ),
    _switch("--slow", "also wait ten minutes, to see if the server hangs up"),
    _switch(
        "--intrusive",
        "also send long lines, odd octets and wrong passwords; asked for again where the server is not "
        "on this machine",
    ),
    _switch("--yes", "the answer to what --intrusive asks"),
    _value(
        "--seed FOLDER",
        "write messages with lines that begin with dots, for you to deliver before a check with "
        "--login; and exit",
    ),
    _switch("--list", "list the checks, and exit"),
    _value("--explain ID", "say all about one check, and exit"),
    _value(
        "--only PATTERN",
        "only the checks with this in their ids, such as uidl or 'rfc1939/7/*' (repeatable)",
        action="append",
    ),
    _switch("--verbose", "also show what passes and what is skipped"),
    _switch("--json", "write JSON instead: one object, with the target and the checks"),
    _value("--junit FILE", "write the results as JUnit XML, for a build server"),
    _value("--html FILE", "write the results as a page of HTML"),
    _value(
        "--baseline FILE",
        "failures that are known, a line for each: the id, a space, and the reason; they don't count",
    ),
    _value("--log FILE", "write all dialogues to FILE, secrets masked"),
    *PRACTICE,
    COLOR,
    *REACHING,
)

SERVE = (
    _value(
        "--lesson LESSON",
        "the server of a lesson, by its number, its name or its file: its persona, its mail with what "
        "comes later, its faults; each name has its own, as with --own",
    ),
    *PRACTICE,
    _value(
        "--user NAME:PASSWORD",
        "who may log in, instead of bob and mrose, whose passwords everybody knows; every user of "
        "this machine can see this password in the list of processes, so use --users for one that "
        "matters (repeatable)",
        field="users",
        action="append",
    ),
    _value(
        "--users FILE",
        "the same from a file, one name:password a line; a line that begins with # is a comment",
        field="user_files",
        action="append",
    ),
    _value(
        "--token TOKEN|@FILE",
        "the access token with which AUTH XOAUTH2 and OAUTHBEARER let every account in (default: no "
        "token is right)",
    ),
    ANY_NAME,
    _switch(
        "--own",
        "a maildrop for each name, one session at a time; DELE lasts until the server ends (default: "
        "a copy for each session)",
        exclusive="maildrop",
    ),
    _switch(
        "--shared",
        "one maildrop for everyone, one session at a time; DELE lasts until the server ends",
        exclusive="maildrop",
    ),
    _switch(
        "--writable",
        "QUIT deletes on the disk what DELE marked; one session at a time has the maildrop (default: "
        "nothing on the disk is ever changed)",
    ),
    LISTEN,
    PORT,
    TLS_PORT,
    _switch("--list-personas", "list the personas, and exit"),
    _switch(
        "--slow-refusals",
        "take as long to refuse a login as the persona's real server does, some seconds (default: no "
        "time at all)",
    ),
    _value(
        "--fault-seed NUMBER",
        "the seed of what is random in faults, to see the same again (default: any)",
        type=int,
    ),
    _switch(
        "--list-faults",
        "list the faults: what each does, where it was seen and what it breaks; and exit",
    ),
    _value(
        "--connections NUMBER",
        "how many connections there may be, wherever they come from, for tests under load (default: "
        "256, half of them from one address; for a class 1024 from anywhere)",
        type=_connections,
    ),
    _value(
        "--loop",
        "the event loop: auto is uvloop where it is installed (default: auto)",
        choices=("auto", "uvloop", "asyncio"),
    ),
    _switch("--quiet", "print no line about each session"),
    _value("--log FILE", "add every session's dialogue to a file, secrets masked"),
    _switch(
        "--json",
        "print host, ports, accounts (null for a password that is not public) and the file of the "
        "certificate authority as one line of JSON, and nothing else",
    ),
)

WEB_PORT = 8110
"""Of the pages of a class: unprivileged, and easy to remember beside 110."""

CLASS = (
    _argument("lesson", "LESSON", "its number, its name, or a file"),
    ANY_NAME.replaced(
        help="the password with which everyone can log in, with any name (default: one is chosen)"
    ),
    LISTEN,
    PORT,
    TLS_PORT,
    _value(
        "--web PORT",
        "the lesson as a web page as well, and the board: for pupils who have only a browser "
        f"(--web alone: port {WEB_PORT}; needs the package aiohttp)",
        nargs="?",
        const=WEB_PORT,
    ),
    _value(
        "--results FILE",
        "write a table for a spreadsheet, a row for each pupil and step, whenever a step is done",
    ),
    _value(
        "--keep FOLDER",
        "write each pupil's dialogue to a file there as it happens, secrets masked; poptalk run "
        "replays it",
    ),
    _value(
        "--rehearse NUMBER",
        "play so many pupils, with mistakes, to try it at home (--rehearse alone: 25)",
        type=_number("a number of pupils"),
        nargs="?",
        const=25,
    ),
    _switch("--plain", "lines in place of a board: for screen readers and odd terminals"),
    COLOR,
    THEME,
)

EXPORT = (
    _argument(
        "source",
        "SOURCE",
        "a lesson (its number, its name, or a file), a dialogue of C: and S: lines such as --log "
        "writes, or a Markdown document with dialogues fenced as pop3; - is a dialogue from standard "
        "input",
    ),
    _argument(
        "output",
        "OUT",
        "the file to write: its name ends in .html, .svg, .cast (for asciinema) or .md; - is standard "
        "output",
    ),
    _value("--format", "which of them, where the name of OUT doesn't say it", choices=FORMATS),
    *(
        _switch(
            f"--{handout}",
            f"of a lesson: {what}",
            field="handout",
            const=handout,
            exclusive="handout",
        )
        for handout, what in (
            ("sheet", "a work sheet, with lines to write on and no answers (.html or .md)"),
            ("key", "the answers, with the practice server's replies (.html or .md)"),
        )
    ),
    _switch("--explain", "explain each reply, as :why does; not on a work sheet"),
    _switch("--force", "replace OUT if it is there already"),
)

TAP = (
    TARGET.replaced(
        metavar="[[HOST:]PORT] HOST [PORT] | URL",
        help="where to listen (default: 127.0.0.1 and a free port), and the server behind the tap, or "
        "the NAME under which it was saved; without a server the practice server is started",
    ),
    _value(
        "--tls-port PORT", "the port for mail programs that begin with TLS (default: a free one)"
    ),
    _value(
        "--save-ca FILE",
        "write the certificate of the tap's authority there, for mail programs to trust",
    ),
    _switch("--once", "end after the first session"),
    _value(
        "--bodies",
        "how much of messages is shown: their headers, nothing, or everything (head)",
        choices=("head", "none", "all"),
    ),
    _switch("--raw", "show each octet, line ends included"),
    _switch("--explain", "explain everything, as :explain on does"),
    _switch("--reveal", "show passwords; a log never has them"),
    _value(
        "--log FILE",
        "write each session's dialogue to a file of its own, with its number in the name (talk.1.pop3), "
        "secrets masked",
    ),
    LOG_FORMAT,
    COLOR,
    *_reaching("for connecting to the server, and for TLS"),
    *PRACTICE,
)

NEW_LESSON = _argument(
    "name", "NAME", "the file to write, with or without .md; it must not exist yet"
)


class CliCommand(Value):
    """A command of the command line."""

    summary: str
    """One line."""
    example: tuple[str, ...] = ()
    """Command lines that work."""
    options: Sequence[Option] = ()
    """In the order of `--help`."""
    actions: Mapping[str, CliCommand] | None = None
    """Its subcommands by name; which one was given is `action` of what is parsed."""


LESSONS: Mapping[str, CliCommand] = {
    "list": CliCommand(
        summary="list the lessons, with what each is about",
        options=(_switch("--paths", "also show the path of each lesson"),),
    ),
    "check": CliCommand(
        summary="prove that lessons work: their syntax, answers, mistakes and hints",
        options=(
            _argument(
                "paths",
                "PATH",
                "lessons, or folders of them (default: those that come with poptalk)",
                nargs="*",
            ),
            _value(
                "--format",
                "a line for each finding, or JUnit XML for a build server (default: text)",
                choices=("text", "junit"),
            ),
            _value("--output FILE", "write the findings there (default: standard output)"),
            _value("--ignore CODES", "codes to ignore, separated by commas, such as PT031,PT040"),
        ),
    ),
    "new": CliCommand(
        summary="write the beginning of a lesson, with comments that explain the format",
        options=(NEW_LESSON,),
    ),
    "record": CliCommand(
        summary="make a lesson of a session that is typed, each command a step",
        options=(
            NEW_LESSON,
            TARGET.replaced(
                help="where to record (default: the practice server, with the mailbox of the lesson)"
            ),
            _value(
                "--mailbox FOLDER",
                "the lesson's folder of messages: mailboxes/FOLDER beside it, or one that comes with "
                "poptalk (default: article)",
            ),
            PERSONA.replaced(metavar="NAME", help="how its practice server speaks (plain)"),
            *REACHING_ONLY,
            *SCREEN,
        ),
    ),
    "watch": CliCommand(
        summary="show and check a lesson again whenever it is saved, until Ctrl-C",
        options=(_argument("path", "FILE", "the lesson"),),
    ),
}

COMMANDS: Mapping[str, CliCommand] = {
    "learn": CliCommand(
        summary="learn POP3, lesson by lesson",
        example=(
            "poptalk learn",
            "poptalk learn 3",
            "poptalk learn reading pop3s://me@mail.example.org",
        ),
        options=LEARN,
    ),
    "connect": CliCommand(
        summary="talk to a server by hand, or to the practice server",
        example=(
            "poptalk mail.example.org",
            "poptalk pop3s://mail.example.org",
            "printf 'STAT\\nQUIT\\n' | poptalk --starttls --login me --password-file secret HOST",
        ),
        options=CONNECT,
    ),
    "play": CliCommand(
        summary="show a lesson or a dialogue live, typed with any keys and sent by Enter",
        example=(
            "poptalk play 3",
            "poptalk play 3 --theme projector --free-rows 4 --notes notes",
            "poptalk play --show-notes notes",
            "poptalk play session.pop3 mail.example.org",
        ),
        options=PLAY,
    ),
    "run": CliCommand(
        summary="replay a dialogue of C: and S: lines, and compare what comes with what it says",
        example=(
            "poptalk run session.pop3",
            "poptalk run session.pop3 mail.example.org --user me",
            "poptalk run --exact session.pop3 pop3s://me@mail.example.org",
        ),
        options=RUN,
    ),
    "diff": CliCommand(
        summary="compare one mailbox on two servers, without changing anything there",
        example=(
            "poptalk diff --user me pop3s://old.example.org pop3s://new.example.org",
            "poptalk diff --bodies --user-a me --user-b me@example.org old.example.org new:1110",
        ),
        options=DIFF,
    ),
    "check": CliCommand(
        summary="check what a server does against the sentences of the RFCs",
        example=(
            "poptalk check mail.example.org",
            "poptalk check --login me --password-file secret pop3s://mail.example.org",
            "poptalk check --fault uidl-without-number",
        ),
        options=CHECK,
    ),
    "tap": CliCommand(
        summary="stand between a mail program and its server, and show what both say",
        example=(
            "poptalk tap 1110 pop3s://mail.example.org",
            "poptalk tap --once --log session.pop3 mail.example.org",
        ),
        options=TAP,
    ),
    "serve": CliCommand(
        summary="run the practice server on its own",
        example=(
            "poptalk serve --port 1110 --persona plain",
            "poptalk serve --lesson 5 --any-name --listen 0.0.0.0 --port 1110",
        ),
        options=SERVE,
    ),
    "class": CliCommand(
        summary="hold a class: the server of a lesson, and a board that shows who is stuck",
        example=(
            "poptalk class 5 --rehearse",
            "poptalk class 5 --listen 0.0.0.0 --port 2110 --web --results class.csv",
        ),
        options=CLASS,
    ),
    "export": CliCommand(
        summary="make a page, a picture, a recording or a work sheet of a lesson or a dialogue",
        example=(
            "poptalk export 3 looking.html",
            "poptalk export --sheet 3 sheet.html",
            "poptalk export --explain session.pop3 session.svg",
        ),
        options=EXPORT,
    ),
    "lessons": CliCommand(
        summary="list lessons, check them, write new ones",
        example=("poptalk lessons list", "poptalk lessons new my-lesson.md"),
        actions=LESSONS,
    ),
}
"""Every command by its name, in the order of `--help`."""
