"""The probes: short dialogues, whose replies the checks look at.

Each asks what it is named after, on as few connections as servers allow, and ends with QUIT.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from poptalk.check.connection import CheckConnection, Spoken
from poptalk.check.model import NotApplicable, Permit
from poptalk.check.runner import ProbeRun, probe
from poptalk.net.errors import NetError, TlsFailed
from poptalk.pop3.capabilities import parse_capability
from poptalk.pop3.commands import VERBS, ArgumentKind, State
from poptalk.pop3.sasl.mechanism import encode
from poptalk.pop3.sasl.table import METHODS
from poptalk.session.login import LoginRequest
from poptalk.session.procedure import LocalError

SILENCE_SECONDS = 3.0
"""How long to wait for the reply to a line that a server need not answer, such as one without CRLF."""

MOST_MESSAGES_READ = 5
"""Messages that are read: the smallest, since a report is not worth a mailbox of traffic."""

MOST_OCTETS_READ = 60_000
"""Larger messages are not read."""

WHOLE = 1_000_000
"""Lines of a body that TOP is asked for where the whole message is meant."""

WRAPPED = 2**32
"""Added to a number, it gives the same number in 32 bits."""

# Before the login.


@probe()
def greeting(run: ProbeRun) -> None:
    """Connect three times, say nothing for a while, and leave."""
    for again in ("", " 2", " 3"):
        run.keep(f"greeting{again}", run.connection.greeting)
        run.finish(label=f"QUIT{again}")


@probe()
def capa(run: ProbeRun) -> None:
    """Ask for the capabilities."""
    run.ask(b"CAPA")
    run.ask(b"cApA")
    run.ask(b"CAPA", label="CAPA again")
    run.finish(label="QUIT")


AFTER_LOGIN = [
    verb for verb in VERBS.values() if verb.states == {State.TRANSACTION} and not verb.relic
]
"""The commands that belong after the login and nowhere else."""


@probe()
def before_login(run: ProbeRun) -> None:
    """Send what belongs after the login."""
    for verb in AFTER_LOGIN:
        needed = sum(not argument.optional for argument in verb.arguments)
        for given in range(needed, len(verb.arguments) + 1):
            run.mistake(b" ".join((verb.name, *[b"1", b"0"][:given])))


@probe()
def syntax(run: ProbeRun) -> None:
    """Send lines that aren't commands, or lack an argument."""
    for line in (b"XYZZY", b"XYZZY 1 2", b"USER", b"PASS", b"APOP", b"APOP name", b"STLSX"):
        run.mistake(line)
        run.ask(b"CAPA", label=f"CAPA after {line.decode()}")
    run.finish()
    run.mistake(b"", label="an empty line", patience=SILENCE_SECONDS)
    run.finish()
    run.mistake(b"PASS poptalk-check", label="PASS first")
    run.mistake(b"CAPA 1", label="CAPA with an argument")
    run.finish()
    if run.connection.greeting.timestamp is None:
        digest = b"c4c9334bac560ecc979e58001b3e22fb"
        run.mistake(b"APOP poptalk-check " + digest, label="APOP not offered")
    run.ask(b"qUiT")


@probe()
def pieces(run: ProbeRun) -> None:
    """Send one command octet by octet, and QUIT with another command after it."""
    connection = run.connection
    for octet in b"CAPA\r":
        connection.send(bytes([octet]))
    run.keep("CAPA in pieces", connection.ask(b"\n"))
    run.finish()
    connection = run.connection
    quit_, after = connection.ask_all(b"QUIT\r\nCAPA\r\n", count=2, patience=SILENCE_SECONDS)
    run.keep("QUIT before CAPA", quit_)
    run.keep("CAPA after QUIT", after)
    connection.linger_for_end()


@probe()
def line_ends(run: ProbeRun) -> None:
    """End a line in LF alone, and put a CR in the middle of another."""
    run.ask(b"CAPA\n", label="CAPA with LF", patience=SILENCE_SECONDS)
    run.finish()
    run.mistake(b"CAPA\rCAPA", label="CAPA CR CAPA", patience=SILENCE_SECONDS)


# STLS (RFC 2595 §4), on connections that begin in the clear.


def _clear(run: ProbeRun) -> CheckConnection:
    """Connect in the clear, and ask whether STLS is offered.

    Raises:
        NotApplicable: it isn't.
    """
    if run.terms.manners.destination.tls:
        raise NotApplicable("TLS begins at once on this port, so there is no STLS")
    connection = run.connect(starttls=False, trusting=True)
    offered = run.keep("CAPA in the clear", connection.ask(b"CAPA"))
    if b"STLS" not in tags(offered):
        connection.quit()
    _see_that(b"STLS", offered)
    return connection


@probe()
def stls(run: ProbeRun) -> None:
    """Begin TLS, and ask inside it what was asked outside."""
    connection = _clear(run)
    run.keep("STLS 1", connection.ask(b"STLS 1"))
    connection.quit()
    connection = run.connect(starttls=False, trusting=True)
    connection.ask(b"CAPA")
    if run.keep("STLS", connection.ask(b"STLS")).ok:
        try:
            connection.begin_tls()
        except TlsFailed as error:
            run.keep("TLS", connection.spoken[-1]).failure = str(error)
        else:
            run.keep("TLS", connection.spoken[-1])
            connection.linger()
            run.keep("CAPA inside", connection.ask(b"CAPA"))
            if connection.open:
                run.keep("STAT inside", connection.ask(b"STAT"))
            if connection.open:
                run.keep("STLS inside", connection.ask(b"STLS"))
    connection.quit()
    for label in ("CAPA afterwards", "CAPA once more"):
        connection = run.connect(starttls=False, trusting=True)
        run.keep(label, connection.ask(b"CAPA"))
        connection.quit()


@probe()
def certificate(run: ProbeRun) -> None:
    """Begin TLS as a mail program does, and look at the certificate."""
    destination = run.terms.manners.destination
    if not destination.verify:
        raise NotApplicable("--insecure accepts any certificate")
    if destination.tls:
        run.keep("TLS", run.connection.greeting)
        return
    _clear(run).quit()
    connection = run.connect(starttls=False)
    spoken = run.keep("TLS", connection.ask(b"STLS"))
    if spoken.ok:
        try:
            connection.begin_tls()
        except TlsFailed as error:
            spoken.failure = "\n".join((str(error), *error.certificate))
    connection.quit()


@probe()
def stls_injection(run: ProbeRun) -> None:
    """Send a command after STLS in the same segment, and see whether it is answered inside TLS."""
    _clear(run).quit()
    for label, octets in (("a line", b"STLS\r\nCAPA\r\n"), ("half a line", b"STLS\r\nCA")):
        connection = run.connect(starttls=False, trusting=True)
        spoken = run.keep(f"STLS with {label}", connection.ask_all(octets, count=1)[0])
        if not spoken.ok:
            connection.drop()
            continue
        try:
            connection.begin_tls()
        except (TlsFailed, NetError):
            connection.drop()
            continue
        connection.linger()
        if connection.open:
            run.keep(f"PA after {label}", connection.ask(b"PA", patience=SILENCE_SECONDS))
        connection.quit()


# AUTH, as far as it goes without a password (RFC 5034 §4).


def tags(capa: Spoken | None) -> dict[bytes, tuple[bytes, ...]]:
    """Return the capabilities of an answer to CAPA, each with its parameters."""
    parsed = map(parse_capability, capa.rows if capa is not None else ())
    return {each.tag: each.parameters for each in parsed if each.tag}


CHALLENGING = (b"PLAIN", b"LOGIN", b"CRAM-MD5")
"""Mechanisms that begin with a challenge where no initial response is sent."""


@probe()
def auth(run: ProbeRun) -> None:
    """Begin mechanisms, and cancel them."""
    offered = run.ask(b"CAPA")
    mechanisms = [each.upper() for each in tags(offered).get(b"SASL", ())]
    run.mistake(b"AUTH X-POPTALK-NONE", label="AUTH unknown")
    run.ask(b"CAPA", label="CAPA after AUTH unknown")
    for mechanism in CHALLENGING:
        if mechanism not in mechanisms:
            continue
        name = mechanism.decode()
        for again in ("", " again") if mechanism == b"CRAM-MD5" else ("",):
            run.finish()
            begun = run.ask(b"AUTH " + mechanism, label=f"AUTH {name}{again}")
            if run.connection.client.session.core.challenge_open and begun.status:
                run.ask(b"*", label=f"* {name}{again}")
                run.ask(b"CAPA", label=f"CAPA after * {name}{again}")
    run.finish()
    run.mistake(b"AUTH", label="AUTH alone")


# UTF8 and LANG (RFC 6856).


@probe()
def utf8(run: ProbeRun) -> None:
    """Send UTF8 with an argument."""
    _see_that(b"UTF8", run.ask(b"CAPA"))
    run.mistake(b"UTF8 x")


@probe()
def languages(run: ProbeRun) -> None:
    """List the languages, and choose some."""
    _see_that(b"LANG", run.ask(b"CAPA"))
    listed = [row.split()[0] for row in run.ask(b"LANG").rows if row.split()]
    run.mistake(b"LANG x-poptalk-none", label="LANG unknown")
    run.ask(b"LANG *")
    if not listed:
        raise NotApplicable("LANG lists no language")
    run.ask(b"LANG " + listed[0], label="LANG listed")


def _see_that(tag: bytes, capa: Spoken) -> None:
    """Look for a capability.

    Raises:
        NotApplicable: CAPA doesn't list it.
    """
    if tag not in tags(capa):
        raise NotApplicable(f"CAPA lists no {tag.decode()}")


@probe(Permit.LOGIN)
def utf8_mode(run: ProbeRun) -> None:
    """Send UTF8 after the login, and before it; then read some messages."""
    before = run.ask(b"CAPA")
    _see_that(b"UTF8", before)
    run.mistake(b"UTF8", label="UTF8 after the login")
    run.finish()
    _see_that_mail_stays(before)
    connection = run.connect(login=True, first=b"UTF8")
    mode = next(each for each in connection.spoken if each.sent == b"UTF8")
    if run.keep("UTF8", mode).ok:
        listed = run.keep("LIST", connection.ask(b"LIST"))
        for number in smallest_in(listed):
            run.keep(f"RETR {number}", connection.ask(b"RETR %d" % number))
    connection.quit()


# After the login: reading.


def numbers_in(listing: Spoken) -> dict[int, int | None]:
    """Return the sizes that a LIST has, by message-number."""
    found = (re.match(rb"(\d{1,9})\s+(\d{1,16})?", row) for row in listing.rows)
    return {int(each[1]): int(each[2]) if each[2] else None for each in found if each}


def smallest_in(listing: Spoken) -> list[int]:
    """Return the numbers of the messages to be read."""
    listed = numbers_in(listing).items()
    sized = sorted((size, number) for number, size in listed if size is not None)
    return [number for size, number in sized if size <= MOST_OCTETS_READ][:MOST_MESSAGES_READ]


def _see_that_mail_stays(capa: Spoken) -> None:
    """Look for EXPIRE 0 (RFC 2449 §6.7).

    Raises:
        NotApplicable: CAPA has it.
    """
    if tags(capa).get(b"EXPIRE", ())[:1] == (b"0",):
        raise NotApplicable("EXPIRE 0: this server may delete what was read")


@probe(Permit.LOGIN)
def listings(run: ProbeRun) -> None:
    """Ask for the totals and the listings, whole and for single messages."""
    run.ask(b"CAPA")
    run.ask(b"STAT")
    listed = numbers_in(run.ask(b"LIST"))
    run.ask(b"UIDL")
    for number in [*listed][:2] + [*listed][-1:]:
        run.ask(b"LIST %d" % number)
        run.ask(b"UIDL %d" % number)
    run.ask(b"NOOP")
    run.ask(b"nOoP")
    run.ask(b"STAT", label="again STAT")
    run.ask(b"LIST", label="again LIST")
    run.finish(label="QUIT")


@probe(Permit.LOGIN)
def another_session(run: ProbeRun) -> None:
    """Log in twice, one after the other, and list each time."""
    for label in ("first", "second"):
        run.ask(b"LIST", label=f"LIST {label}")
        run.ask(b"UIDL", label=f"UIDL {label}")
        if label == "first":
            run.finish()


@probe(Permit.LOGIN)
def wrong_numbers(run: ProbeRun) -> None:
    """Ask for messages that are not there, and with words that aren't numbers."""
    top = max(numbers_in(run.ask(b"LIST")), default=0)
    missing = top + 1
    for verb in VERBS.values():
        if not verb.arguments or verb.arguments[0].kind is not ArgumentKind.MESSAGE:
            continue
        command, tail = verb.keyword, " 0" if verb.arguments[1:] else ""
        run.mistake(f"{command} {missing}{tail}".encode(), label=f"{command} missing")
        run.mistake(f"{command} 0{tail}".encode(), label=f"{command} 0")
        # DELE is not sent with anything that some servers read as another number.
        if command != "DELE":
            run.mistake(f"{command} x{tail}".encode(), label=f"{command} x")
    run.mistake(b"LIST -1")
    run.mistake(b"LIST 1 2")
    run.mistake(b"TOP 1 -1")
    run.mistake(b"TOP 1 x")
    if top:
        run.mistake(b"LIST %d" % (WRAPPED + 1), label="LIST wrapped")
        run.mistake(b"RETR %d" % (WRAPPED + 1), label="RETR wrapped")
        run.mistake(b"LIST 1x")
        run.mistake(b"LIST\t1", label="tab")
        run.mistake(b"LIST  1", label="two spaces")
        run.mistake(b"LIST 01", label="a leading zero")
    run.ask(b"RSET")


@probe(Permit.LOGIN)
def wrong_syntax(run: ProbeRun) -> None:
    """Leave arguments out, add some, and send what belongs before the login."""
    for line in (
        *(b"RETR", b"DELE", b"TOP", b"TOP 1", b"XYZZY"),
        *(b"USER poptalk-check", b"PASS poptalk-check", b"APOP poptalk-check 00"),
    ):
        run.mistake(line)
    run.mistake(b"AUTH PLAIN", label="AUTH after the login")
    run.finish()
    run.mistake(b"STLS", label="STLS after the login")
    run.finish()
    for line in (b"STAT x", b"NOOP x", b"RSET x"):
        run.mistake(line)
    run.mistake(b"", label="an empty line", patience=SILENCE_SECONDS)
    run.ask(b"NOOP", label="NOOP after mistakes")


@probe(Permit.LOGIN)
def reading(run: ProbeRun) -> None:
    """Read some messages whole and in part."""
    _see_that_mail_stays(run.ask(b"CAPA"))
    run.ask(b"STAT")
    chosen = smallest_in(run.ask(b"LIST"))
    for number in chosen:
        run.ask(b"RETR %d" % number)
        run.ask(b"NOOP", label=f"NOOP after RETR {number}")
    for number in chosen[:1]:
        run.ask(b"RETR %d" % number, label=f"again RETR {number}")
    for number in chosen:
        for lines in (0, 1, 3, WHOLE):
            run.ask(b"TOP %d %d" % (number, lines))
        run.ask(b"NOOP", label=f"NOOP after TOP {number}")
    run.finish(label="QUIT")


# Messages of poptalk's own, which have to be delivered in another way: POP3 can't do that.

SEED_MARK = b"X-Poptalk-Check: "

SEED_BODIES: Mapping[str, bytes] = {
    "dots": b"\r\n".join((b".", b"..", b"...", b".x", b"x.", b"", b". ", b".", b"end", b"")),
    # Whatever precedes it, one of three chunks of any size that isn't a multiple of 3 begins a line.
    "dots-everywhere": b".\r\n" * 20_000,
}
"""The bodies of the messages that `--seed` writes, by their names."""

MOST_LOOKED_AT = 20
"""Messages at the end of a mailbox among which they are looked for."""


def seed(name: str) -> bytes:
    """Return a message of `--seed`."""
    header = (
        b"From: poptalk <poptalk@localhost.invalid>\r\nTo: poptalk <poptalk@localhost.invalid>\r\n"
        b"Date: Mon, 30 Nov 2026 12:00:00 +0000\r\nSubject: poptalk check\r\n"
    )
    mark = SEED_MARK + name.encode("ascii")
    return b"%b%b\r\n\r\n%b" % (header, mark, SEED_BODIES[name])


@probe(Permit.LOGIN)
def seeds(run: ProbeRun) -> None:
    """Look for the messages of `--seed`, and read them."""
    _see_that_mail_stays(run.ask(b"CAPA"))
    for number in sorted(numbers_in(run.ask(b"LIST")))[-MOST_LOOKED_AT:]:
        top = run.ask(b"TOP %d 0" % number)
        if top.refused:
            raise NotApplicable("TOP is refused, which would find the messages of --seed")
        found = re.search(rb"(?im)^" + SEED_MARK + rb"([a-z-]+)\r?$", top.content)
        name = found[1].decode("ascii") if found else ""
        if name in SEED_BODIES:
            run.ask(b"RETR %d" % number, label=name)


PIPELINED = (
    "NOOP",
    "STAT",
    "RETR 0",
    "NOOP",
    "LIST",
    "NOOP",
)
"""Sent in one segment; one of these commands is to be refused."""


@probe(Permit.LOGIN)
def pipelining(run: ProbeRun) -> None:
    """Send several commands in one segment, where the server allows that."""
    _see_that(b"PIPELINING", run.ask(b"CAPA"))
    octets = "".join(f"{line}\r\n" for line in PIPELINED).encode()
    asked = run.connection.ask_all(octets, count=len(PIPELINED))
    for number, (line, spoken) in enumerate(zip(PIPELINED, asked, strict=True), 1):
        run.keep(f"{number} {line}", spoken)


@probe(Permit.LOGIN)
def second_login(run: ProbeRun) -> None:
    """Log in while another session is open, and once more after both have ended."""
    first = run.connection
    second = run.connect()
    try:
        # A lock may refuse it, so that this isn't judged.
        second.log_in(run.request, run.terms.secret)
    except (LocalError, NetError) as error:
        run.keep("second", second.spoken[-1]).failure = str(error)
    else:
        run.keep("second", second.spoken[-1])
        second.ask(b"NOOP")
    run.keep("first", first.ask(b"NOOP"))
    second.quit()


@probe(Permit.LOGIN)
def mechanisms(run: ProbeRun) -> None:
    """Log in by the mechanisms that are offered and take a password; by PLAIN in one line and in two."""
    request, connection = run.request, run.connection
    session = connection.client.session
    # As it was sent before the login.
    offered = tags(next(each for each in connection.spoken if each.sent == b"CAPA"))
    run.finish()
    if request.token:
        raise NotApplicable("the login is by a token, not by a password")
    if b"SASL" not in offered:
        raise NotApplicable("CAPA lists no SASL")
    for name in (each.decode("ascii", "replace").upper() for each in offered[b"SASL"]):
        method = METHODS.get(name)
        if method is None or not method.need.password or (method.readable and session.exposed):
            continue
        for two_step in (False, True) if name == "PLAIN" else (False,):
            label = f"{name} in two lines" if two_step else name
            by = LoginRequest(user=request.user, method=method, two_step=two_step)
            run.log_in(label, by).quit()
            if run.heard[label].failure:
                return  # A server counts failed logins.


# Deleting.


@probe(Permit.LOGIN | Permit.DELETE)
def marking(run: ProbeRun) -> None:
    """Mark a message as deleted, ask for it, and take the mark back."""
    last = _last_message(run)
    run.ask(b"STAT")
    run.ask(b"DELE %d" % last, label="DELE")
    run.ask(b"STAT", label="STAT marked")
    run.ask(b"LIST", label="LIST marked")
    run.ask(b"UIDL", label="UIDL marked")
    for command in ("LIST", "RETR", "DELE"):
        run.ask(f"{command} {last}".encode(), label=f"{command} of the marked")
    run.ask(b"RSET")
    run.ask(b"STAT", label="STAT after RSET")
    run.ask(b"LIST", label="LIST after RSET")
    # On another connection, since servers count mistakes.
    run.finish()
    run.ask(b"DELE %d" % last, label="DELE again")
    run.ask(b"TOP %d 0" % last, label="TOP of the marked")
    run.ask(b"UIDL %d" % last, label="UIDL of the marked")
    run.ask(b"RSET", label="RSET again")
    run.finish()
    run.ask(b"LIST", label="LIST after QUIT")
    run.ask(b"UIDL", label="UIDL after QUIT")


@probe(Permit.LOGIN | Permit.DELETE)
def dropping(run: ProbeRun) -> None:
    """Mark a message as deleted, hang up without QUIT, and look."""
    last = _last_message(run)
    run.ask(b"DELE %d" % last, label="DELE")
    run.connection.drop()
    run.ask(b"LIST", label="LIST afterwards")
    run.ask(b"UIDL", label="UIDL afterwards")


@probe(Permit.LOGIN | Permit.DELETE)
def deleting(run: ProbeRun) -> None:
    """Delete a message for good, and look."""
    last = _last_message(run)
    run.ask(b"DELE %d" % last, label="DELE")
    run.finish(label="QUIT")
    run.ask(b"LIST", label="LIST afterwards")
    run.ask(b"UIDL", label="UIDL afterwards")


def _last_message(run: ProbeRun) -> int:
    """List the mailbox; return the number of the last message.

    Raises:
        NotApplicable: there is none.
    """
    listed = numbers_in(run.ask(b"LIST"))
    run.ask(b"UIDL")
    if not listed:
        raise NotApplicable("the mailbox is empty")
    return max(listed)


# Waiting.


@probe(Permit.LOGIN | Permit.SLOW)
def waiting(run: ProbeRun) -> None:
    """Be silent for almost ten minutes, and send NOOP."""
    run.ask(b"NOOP", label="NOOP before")
    run.connection.linger(run.terms.idle_seconds)
    if run.connection.open:
        run.ask(b"NOOP", label="NOOP afterwards")


# What a server may take amiss.

LENGTHS = (512, 600, 1500, 4096)
"""Octets of long lines, CRLF included."""

LONGEST_PROMISED = 255
"""Octets of the longest command that a server with CAPA takes, CRLF included (RFC 2449 §4)."""


@probe(Permit.INTRUDE)
def long_lines(run: ProbeRun) -> None:
    """Send long lines, each on a connection of its own, and a short one after it."""
    for length in (LONGEST_PROMISED, *LENGTHS):
        command = b"USER " if length == LONGEST_PROMISED else b"NOOP "
        line = command + b"x" * (length - len(command) - 2)
        run.ask(line, label=f"a line of {length}", patience=SILENCE_SECONDS)
        run.connection.linger()
        if run.connection.open:
            run.ask(b"CAPA", label=f"CAPA after {length}")
        run.finish()


@probe(Permit.INTRUDE)
def odd_octets(run: ProbeRun) -> None:
    """Send octets that no command has."""
    for label, line in (
        ("NUL", b"CA\0PA"),
        ("high octets", b"\xff\xfe\xc3"),
        ("escapes", b"X\x1b[31m\x07\x08\x9b"),
    ):
        run.mistake(line, label=label, patience=SILENCE_SECONDS)
        run.finish()


@probe(Permit.INTRUDE)
def bad_responses(run: ProbeRun) -> None:
    """Send responses of AUTH PLAIN that cannot be right."""
    if b"PLAIN" not in (each.upper() for each in tags(run.ask(b"CAPA")).get(b"SASL", ())):
        raise NotApplicable("CAPA lists no SASL PLAIN")
    for label, line in (
        ("bad base64", b"AUTH PLAIN !!!"),
        ("padding inside", b"AUTH PLAIN AAA=BBBB"),
        ("an empty response", b"AUTH PLAIN ="),
        ("no NUL", b"AUTH PLAIN " + encode(b"poptalk-check")),
        ("a line end", b"AUTH PLAIN " + encode(b"\0a\r\n+OK b\0c")),
    ):
        run.finish()
        spoken = run.ask(line, label=label)
        run.connection.linger()
        if spoken.status is not None and run.connection.client.session.core.challenge_open:
            run.ask(b"*", label=f"* after {label}")
    run.finish()
    run.ask(b"AUTH PLAIN", label="AUTH PLAIN")
    if run.connection.client.session.core.challenge_open:
        run.ask(encode(b"\0poptalk-check\0" + b"x" * 2500), label="a long response")
        run.ask(b"CAPA", label="CAPA after a long response")


@probe(Permit.LOGIN | Permit.INTRUDE)
def wrong_passwords(run: ProbeRun) -> None:
    """Log in with a wrong password, and with a name that nobody has."""
    run.ask(b"CAPA")
    run.finish()
    for name, label in ((run.request.user, "user"), ("poptalk-check-nobody", "nobody")):
        connection = run.connect()
        run.keep(f"USER {label}", connection.ask(b"USER " + name.encode()))
        run.keep(f"PASS {label}", connection.ask(b"PASS poptalk-check-wrong"))
        if connection.open:
            run.keep(f"STAT {label}", connection.ask(b"STAT"))
        connection.quit()
