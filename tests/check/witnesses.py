"""What each check fails on: a fault of the practice server, or a server that is wrong in just that.

A `Wrong` changes single replies of the practice server.  Where one mistake breaks two rules, or the
client can no longer ask, the checks that necessarily fail with it are named in `FOLLOW`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from poptalk.pop3.commands import Command, State, parse_command
from poptalk.pop3.server.transaction import Maildrop
from poptalk.practice.faults.fault import Action, EarlyEnd, Pause, ServerHooks
from poptalk.practice.maildrop.snapshot import AnotherMaildrop

Edit = Callable[[bytes], bytes]
"""Changes octets that the server is about to send."""


class Wrong(ServerHooks):
    """A session that is wrong in one thing.

    Args:
        at: a pattern for the whole command line that it is wrong about.
        reply: changes the first line of the reply, its CRLF included.
        body: changes a body as it goes over the wire, the lone dot included.
        instead: the line that is carried out instead of the one that came.
        logged_in: whether that is so only after the login (True), only before it (False) or always.
        first: how many of such commands are answered rightly before that.
        greeting: changes the greeting.
        capabilities: changes the lines of CAPA.
        after: what is sent, or happens, after the reply.
        drop: changes the maildrop.
        empty: whether an empty line is what it is wrong about.
        accept: whether it says +OK, and a lone dot where the command has several lines.
        only: which of such commands alone is answered wrongly, from 1.
        when: what the right reply has to look like for that.
    """

    def __init__(
        self,
        at: bytes = b"",
        *,
        reply: Edit | None = None,
        body: Edit | None = None,
        instead: bytes | None = None,
        logged_in: bool | None = None,
        first: int = 0,
        greeting: Edit | None = None,
        capabilities: Callable[[tuple[bytes, ...], bool], Iterable[bytes]] | None = None,
        after: Iterable[Action] = (),
        drop: Callable[[Maildrop], Maildrop] | None = None,
        empty: bool = False,
        accept: bool = False,
        only: int | None = None,
        when: bytes = b".*",
    ) -> None:
        self._at = re.compile(at, re.IGNORECASE | re.DOTALL)
        self._reply = reply
        self._body = body
        self._instead = instead
        self._logged_in = logged_in
        self._first = first
        self._greeting = greeting
        self._capabilities = capabilities
        self._after = tuple(after)
        self._drop = drop
        self._empty = empty
        self._accept = accept
        self._only = only
        self._when = re.compile(when, re.DOTALL)
        self._is_in = False
        self._seen = 0
        self._due = False
        self._now: Command | None = None

    def _meant(self, command: Command | None) -> bool:
        is_set = bool(self._at.pattern) or self._empty
        if command is None or not is_set or not self._at.fullmatch(command.line):
            return False
        return self._logged_in is None or self._logged_in is self._is_in

    def maildrop(self, maildrop: Maildrop) -> Maildrop:
        self._is_in = True
        return self._drop(maildrop) if self._drop is not None else maildrop

    def greeting(self, line: bytes) -> bytes:
        return self._greeting(line) if self._greeting is not None else line

    def capabilities(self, lines: tuple[bytes, ...], state: State) -> tuple[bytes, ...]:
        if self._capabilities is None:
            return lines
        return tuple(self._capabilities(lines, state is State.TRANSACTION))

    def command(self, command: Command) -> Command:
        self._now = command
        if self._meant(command):
            self._seen += 1
            if self._instead is not None and self._is_wrong(command):
                return parse_command(self._instead)
        return command

    def _is_wrong(self, command: Command | None) -> bool:
        now = self._now if self._instead is not None else command
        if self._only is not None and self._seen != self._only:
            return False
        return self._meant(now) and self._seen > self._first

    def reply(self, command: Command | None, line: bytes) -> bytes:
        if not self._is_wrong(command) or not self._when.fullmatch(line):
            return line
        self._due = True
        if self._accept and command is not None:
            return b"+OK\r\n.\r\n" if command.multi_line else b"+OK\r\n"
        return self._reply(line) if self._reply is not None else line

    def body(
        self, command: Command | None, chunks: Iterable[bytes], encode: Any
    ) -> Iterator[bytes]:
        octets = b"".join(encode(chunks))
        if self._body is not None and self._is_wrong(command):
            octets = self._body(octets)
        yield octets

    def deliver(self, octets: bytes | memoryview) -> Iterator[Action]:
        yield octets
        if self._due:
            self._due = False
            yield from self._after


def replace(old: bytes, new: bytes, count: int = 1) -> Edit:
    return lambda octets: octets.replace(old, new, count)


def say(octets: bytes) -> Edit:
    return lambda _: octets


def taken(at: bytes, **more: Any) -> Wrong:
    """Answer with +OK what should be refused."""
    return Wrong(at, accept=True, **more)


def refusing(at: bytes, **more: Any) -> Wrong:
    """Refuse what should be answered."""
    return Wrong(at, instead=b"XNONE", **more)


class OtherMaildrop(AnotherMaildrop):
    """A maildrop that changes what it says of one message."""

    def __init__(
        self,
        maildrop: Maildrop,
        *,
        unique_id: Edit | None = None,
        content: Edit | None = None,
    ) -> None:
        super().__init__(maildrop)
        self._unique_id = unique_id
        self._content = content

    def unique_id(self, number: int) -> bytes:
        unique_id = super().unique_id(number)
        return self._unique_id(unique_id) if self._unique_id else unique_id

    def chunks(self, number: int) -> Iterable[bytes]:
        octets = b"".join(super().chunks(number))
        yield self._content(octets) if self._content else octets


def other(**edits: Edit) -> Wrong:
    return Wrong(drop=lambda maildrop: OtherMaildrop(maildrop, **edits))


COUNTER = [0]


def counted(unique_id: bytes) -> bytes:
    """Return another unique-id each time."""
    COUNTER[0] += 1
    return unique_id[:8] + b"%d" % COUNTER[0]


class Changing(Wrong):
    """A message that is another each time, and as long."""

    def __init__(self) -> None:
        super().__init__(rb"RETR 1", body=replace(b"Coffee", b"Cocoa!"), first=1)


class WrongSizeInUtf8(Wrong):
    """LIST has other sizes after UTF8."""

    def __init__(self) -> None:
        super().__init__(rb"LIST", body=replace(b"1 24", b"1 26"))
        self._is_utf8 = False

    def command(self, command: Command) -> Command:
        self._is_utf8 |= command.line == b"UTF8"
        return super().command(command)

    def _is_wrong(self, command: Command | None) -> bool:
        return self._is_utf8 and super()._is_wrong(command)


def empty_line(*, logged_in: bool) -> Wrong:
    """Say +OK to an empty line."""
    return Wrong(rb"", reply=say(b"+OK\r\n"), logged_in=logged_in, empty=True)


def added(*lines: bytes) -> Callable[[tuple[bytes, ...], bool], Iterable[bytes]]:
    return lambda offered, _: (*offered, *lines)


def without(tag: bytes, *, logged_in: bool) -> Callable[[tuple[bytes, ...], bool], Iterable[bytes]]:
    def edit(offered: tuple[bytes, ...], is_in: bool) -> Iterable[bytes]:
        return [line for line in offered if is_in is not logged_in or not line.startswith(tag)]

    return edit


STAT = b"STAT"

SERVERS: Mapping[str, Callable[[], Wrong]] = {
    "rfc1939/4/greeting-single": lambda: Wrong(greeting=lambda line: line + b"+OK again\r\n"),
    "rfc1939/3/crlf": lambda: Wrong(rb"NOOP", reply=replace(b"\r\n", b"\n")),
    "rfc1939/3/listing-crlf": lambda: Wrong(rb"LIST", body=replace(b"\r\n", b"\n")),
    "rfc1939/3/reply-512": lambda: Wrong(
        rb"NOOP", reply=say(b"+OK " + b"x" * 600 + b"\r\n"), logged_in=True
    ),
    "rfc1939/4/quit": lambda: Wrong(rb"QUIT", reply=say(b"-ERR\r\n"), logged_in=False),
    "rfc1939/3/quit-closes": lambda: Wrong(rb"QUIT", instead=b"USER x", logged_in=False),
    "rfc1939/6/nothing-after-quit": lambda: Wrong(rb"QUIT", instead=b"USER x", logged_in=False),
    "robust/bare-cr": lambda: Wrong(rb".*\r.*", reply=say(b"+OK one\r\n+OK two\r\n")),
    "rfc1939/3/idle-ten-minutes": lambda: Wrong(
        rb"NOOP", after=(Pause(seconds=0.02), EarlyEnd.CLOSE)
    ),
    "rfc1939/3/idle-silent": lambda: Wrong(rb"NOOP", after=(Pause(seconds=0.02), b"-ERR idle\r\n")),
    # Syntax and states.
    "rfc1939/3/keyword-case": lambda: Wrong(rb"(?-i:cApA)", instead=b"XNONE"),
    "rfc1939/3/unknown-command": lambda: taken(rb"XYZZY.*", logged_in=False),
    "rfc1939/3/unknown-command-after-login": lambda: taken(rb"XYZZY", logged_in=True),
    "robust/unknown-command-goes-on": lambda: Wrong(rb"XYZZY", after=(EarlyEnd.CLOSE,)),
    "rfc1939/3/empty-line": lambda: empty_line(logged_in=False),
    "rfc1939/3/empty-line-after-login": lambda: empty_line(logged_in=True),
    "rfc1939/7/user-argument": lambda: taken(rb"USER"),
    "rfc1939/7/pass-needs-user": lambda: taken(rb"PASS poptalk-check", logged_in=False),
    "rfc1939/7/apop-argument": lambda: taken(rb"APOP( name)?", logged_in=False),
    **{
        f"rfc1939/{section}/{name.lower()}-before-login": partial(
            taken, name.encode() + rb"( .*)?", logged_in=False
        )
        for name, section in (
            ("STAT", "5"),
            ("LIST", "5"),
            ("UIDL", "7"),
            ("RETR", "5"),
            ("TOP", "7"),
            ("DELE", "5"),
            ("NOOP", "5"),
            ("RSET", "5"),
        )
    },
    **{
        f"rfc1939/7/{name.lower()}-after-login": partial(
            taken, name.encode() + rb" .*", logged_in=True
        )
        for name in ("USER", "PASS", "APOP")
    },
    "rfc1939/7/auth-after-login": lambda: taken(rb"AUTH .*", logged_in=True),
    "rfc1939/5/retr-argument": lambda: taken(rb"RETR"),
    "rfc1939/5/dele-argument": lambda: taken(rb"DELE"),
    "rfc1939/7/top-argument": lambda: taken(rb"TOP( 1)?", logged_in=True),
    "rfc1939/3/arity-none": lambda: taken(rb"(STAT|NOOP|RSET) x"),
    "rfc2449/4/command-255": lambda: Wrong(rb"USER x+", after=(), reply=say(b"")),
    "robust/long-line": lambda: Wrong(
        rb"NOOP x{500,}", reply=say(b"-ERR too long\r\n-ERR unknown\r\n")
    ),
    "robust/nul": lambda: taken(rb"CA\0PA"),
    "robust/high-octets": lambda: taken(rb"\xff.*"),
    "robust/control-echo": lambda: Wrong(rb"X\x1b.*", reply=say(b"-ERR X\x1b[31m?\r\n")),
    # Listings.
    "rfc1939/5/stat-format": lambda: Wrong(STAT, reply=say(b"+OK two messages\r\n")),
    "rfc1939/5/stat-nothing-more": lambda: Wrong(STAT, reply=replace(b"\r\n", b" octets\r\n")),
    "rfc1939/5/stat-count": lambda: Wrong(STAT, reply=replace(b"+OK 3 ", b"+OK 4 ")),
    "rfc1939/5/stat-sum": lambda: Wrong(STAT, reply=say(b"+OK 3 1\r\n"), logged_in=True),
    "rfc1939/5/list-ok": lambda: refusing(rb"LIST"),
    "rfc1939/5/list-format": lambda: Wrong(rb"LIST", body=replace(b"1 24", b"1  24")),
    "rfc1939/5/list-nothing-more": lambda: Wrong(rb"LIST", body=replace(b"1 24", b"1 24 octets")),
    "rfc1939/4/numbering": lambda: Wrong(rb"LIST", body=replace(b"1 24", b"1 24\r\n1 24")),
    "rfc1939/4/leading-zeros": lambda: Wrong(rb"LIST", body=replace(b"1 24", b"01 24")),
    "rfc1939/5/list-one-agrees": lambda: Wrong(rb"LIST 1", reply=say(b"+OK 1 25\r\n")),
    **{
        f"rfc1939/{section}/{name.lower()}-{what}": partial(taken, name.encode() + b" " + which)
        for name, section, tail in (
            ("LIST", "5", b""),
            ("UIDL", "7", b""),
            ("RETR", "5", b""),
            ("TOP", "7", b" 0"),
        )
        for what, which in (
            ("missing", b"4" + tail),
            ("number-zero", b"0" + tail),
            ("not-a-number", b"x" + tail),
        )
    },
    "rfc1939/5/dele-missing": lambda: taken(rb"DELE 4"),
    "rfc1939/5/dele-number-zero": lambda: taken(rb"DELE 0"),
    "rfc1939/5/list-negative": lambda: taken(rb"LIST -1"),
    "rfc1939/5/list-two-arguments": lambda: taken(rb"LIST 1 2"),
    "robust/number-wrap": lambda: Wrong(rb"LIST 4294967297", instead=b"LIST 1"),
    "robust/digits-and-letters": lambda: Wrong(rb"LIST 1x", instead=b"LIST 1"),
    "rfc1939/3/separator": lambda: Wrong(rb"LIST  1", instead=b"LIST 2"),
    "rfc1939/7/uidl-format": lambda: Wrong(
        rb"UIDL", body=lambda octets: octets.replace(b"\r\n", b" x\r\n", 1)
    ),
    "rfc1939/7/uidl-charset": lambda: other(unique_id=lambda each: b"\xfc" + each[:10]),
    "rfc1939/7/uidl-length": lambda: other(unique_id=lambda unique_id: unique_id * 4),
    "rfc1939/7/uidl-unique": lambda: other(unique_id=say(b"same")),
    "rfc1939/7/uidl-one-agrees": lambda: Wrong(rb"UIDL 1", reply=say(b"+OK 1 another\r\n")),
    "rfc1939/7/uidl-same-messages": lambda: Wrong(
        rb"UIDL", body=lambda octets: b"\r\n".join(octets.split(b"\r\n")[:-3]) + b"\r\n.\r\n"
    ),
    "rfc1939/7/uidl-persists": lambda: other(unique_id=counted),
    "rfc1939/4/listing-stable": lambda: Wrong(rb"LIST", body=replace(b"1 24", b"1 25"), first=1),
    "rfc1939/5/noop": lambda: Wrong(rb"NOOP", reply=say(b"-ERR\r\n")),
    # Messages.
    "rfc1939/5/retr": lambda: refusing(rb"RETR 2", logged_in=True),
    "rfc1939/4/retr-stable": Changing,
    "rfc1939/3/nothing-after-dot": lambda: Wrong(rb"RETR 1", body=lambda octets: octets + b"\r\n"),
    "rfc1939/7/top-zero": lambda: Wrong(rb"TOP 2 0", instead=b"TOP 2 1"),
    "rfc1939/7/top-count": lambda: Wrong(rb"TOP 2 3", instead=b"TOP 2 4"),
    "rfc1939/7/top-empty-line": lambda: Wrong(rb"TOP 1 0", body=say(b"Subject: hi\r\n.\r\n")),
    "rfc1939/7/top-beginning": lambda: Wrong(rb"TOP 2 3", instead=b"TOP 3 3"),
    "rfc1939/7/top-more": lambda: Wrong(rb"TOP 2 1000000", instead=b"TOP 2 3"),
    "rfc1939/5/after-message": lambda: Wrong(rb"NOOP", reply=say(b"-ERR\r\n"), logged_in=True),
    "rfc1939/7/top-lines": lambda: taken(rb"TOP 1 -1"),
    # Deleting.
    "rfc1939/5/dele": lambda: refusing(rb"DELE 3"),
    "rfc1939/5/dele-uncounted": lambda: Wrong(STAT, reply=say(b"+OK 3 1477\r\n")),
    "rfc1939/5/dele-unlisted": lambda: Wrong(
        rb"LIST", only=2, body=replace(b".\r\n", b"3 583\r\n.\r\n")
    ),
    "rfc1939/5/dele-no-renumber": lambda: Wrong(rb"LIST", only=2, body=replace(b"2 870", b"2 583")),
    "rfc1939/5/dele-then-list": lambda: taken(rb"LIST 3"),
    "rfc1939/5/dele-then-retr": lambda: taken(rb"RETR 3"),
    "rfc1939/5/dele-then-top": lambda: taken(rb"TOP 3 0"),
    "rfc1939/5/dele-then-uidl": lambda: taken(rb"UIDL 3"),
    "rfc1939/5/dele-twice": lambda: Wrong(rb"DELE 3", first=1, reply=say(b"+OK\r\n")),
    "rfc1939/5/rset": lambda: Wrong(rb"RSET", reply=say(b"-ERR\r\n"), logged_in=True),
    "rfc1939/6/quit": lambda: Wrong(rb"QUIT", reply=say(b"-ERR\r\n"), logged_in=True),
    "rfc1939/6/quit-closes": lambda: Wrong(rb"QUIT", instead=b"NOOP", logged_in=True),
    "rfc1939/4/lock": lambda: Wrong(rb"NOOP", reply=say(b"-ERR\r\n"), logged_in=True),
    # Capabilities.
    "rfc2449/3/capa-syntax": lambda: Wrong(
        rb"CAPA", body=replace(b"TOP", b"TOP  \xfc"), logged_in=False
    ),
    "rfc2449/6/capa-known": lambda: Wrong(capabilities=added(b"EXPIRENEVER")),
    "rfc2449/5/capa-512": lambda: Wrong(capabilities=added(b"XLONG " + b"x" * 600)),
    "rfc2449/5/capa-once": lambda: Wrong(capabilities=added(b"TOP")),
    "rfc2449/5/capa-both-states": lambda: refusing(rb"CAPA", logged_in=True),
    "rfc2449/5/capa-stable": lambda: Wrong(
        rb"CAPA", first=2, body=replace(b"EXPIRE NEVER\r\n", b"")
    ),
    "rfc5034/3/sasl-kept": lambda: Wrong(capabilities=without(b"SASL", logged_in=True)),
    "rfc2449/5/capa-late": lambda: Wrong(capabilities=without(b"UIDL", logged_in=False)),
    "rfc2449/6.1/top-promise": lambda: Wrong(rb"TOP .*", reply=say(b"-ERR\r\n"), instead=b"XNONE"),
    "rfc2449/6.8/uidl-promise": lambda: refusing(rb"UIDL( .*)?"),
    "rfc2449/6.6/pipelining-order": lambda: Wrong(rb"STAT", instead=b"NOOP", logged_in=True),
    "rfc2449/6.5/login-delay-syntax": lambda: Wrong(
        rb"CAPA", body=replace(b".\r\n", b"LOGIN-DELAY soon\r\n.\r\n")
    ),
    "rfc2449/6.7/expire-syntax": lambda: Wrong(
        rb"CAPA", body=replace(b"EXPIRE NEVER", b"EXPIRE soon")
    ),
    "rfc2449/6.9/implementation": lambda: Wrong(
        rb"CAPA", body=replace(b"IMPLEMENTATION poptalk", b"IMPLEMENTATION")
    ),
    "rfc1939/4/some-login": lambda: Wrong(
        rb"CAPA", greeting=say(b"+OK\r\n"), body=say(b"TOP\r\nUIDL\r\n.\r\n")
    ),
    # TLS.
    "rfc2595/4/still-authorization": lambda: taken(rb"STAT", logged_in=False),
    "rfc2595/4/not-twice": lambda: Wrong(rb"STLS", first=1, reply=say(b"+OK\r\n"), instead=b"NOOP"),
    "rfc2595/4/capa-inside": lambda: Wrong(
        rb"CAPA", logged_in=True, body=replace(b".\r\n", b"STLS\r\n.\r\n")
    ),
    "rfc2595/4/stls-after-login": lambda: Wrong(rb"STLS", reply=say(b"+OK\r\n"), logged_in=True),
    "rfc2595/4/stls-argument": lambda: taken(rb"STLS 1"),
    # AUTH.
    "rfc5034/3/mechanism-names": lambda: Wrong(
        rb"CAPA", body=replace(b"SASL PLAIN", b"SASL plain+ PLAIN")
    ),
    "rfc5034/4/unknown-mechanism": lambda: taken(rb"AUTH X-POPTALK-NONE"),
    "rfc5034/4/after-unknown-mechanism": lambda: Wrong(
        rb"AUTH X-POPTALK-NONE", after=(EarlyEnd.CLOSE,)
    ),
    "rfc5034/4/empty-challenge": lambda: Wrong(rb"AUTH PLAIN", reply=say(b"+\r\n"), when=rb"\+ .*"),
    "rfc5034/4/challenge-clean": lambda: Wrong(
        rb"AUTH LOGIN", reply=say(b"+ Username:\r\n"), when=rb"\+ .*"
    ),
    "rfc5034/4/ok-for-challenge": lambda: Wrong(
        rb"AUTH PLAIN", reply=say(b"+OK\r\n"), when=rb"\+ .*"
    ),
    "rfc2195/2/challenge-fresh": lambda: Wrong(
        rb"AUTH CRAM-MD5", reply=say(b"+ PDFAYT4=\r\n"), when=rb"\+ .*"
    ),
    "rfc5034/4/cancel": lambda: Wrong(
        rb"AUTH (PLAIN|LOGIN|CRAM-MD5)", reply=say(b"+OK\r\n"), when=rb"-ERR.*", logged_in=False
    ),
    "rfc5034/4/after-cancel": lambda: Wrong(
        rb"AUTH (PLAIN|LOGIN|CRAM-MD5)", after=(EarlyEnd.CLOSE,), when=rb"-ERR.*"
    ),
    "rfc5034/4/long-response": lambda: Wrong(
        rb"AUTH PLAIN", after=(EarlyEnd.CLOSE,), when=rb"-ERR.*", logged_in=False
    ),
    "rfc5034/4/login-works": lambda: refusing(rb"AUTH PLAIN( .*)?", logged_in=False),
    "rfc1939/7/apop-timestamp-syntax": lambda: Wrong(greeting=say(b"+OK <no id@here>\r\n")),
    "rfc1939/7/apop-timestamp-fresh": lambda: Wrong(greeting=say(b"+OK <1@here>\r\n")),
    "rfc5034/4/bad-base64": lambda: taken(rb"AUTH PLAIN !!!"),
    "rfc4616/2/nul-count": lambda: taken(rb"AUTH PLAIN cG9wdGFsay1jaGVjaw=="),
    "robust/line-end-in-response": lambda: Wrong(
        rb"AUTH PLAIN \w{12,}=*", reply=say(b"-ERR a\r\n+OK b\r\n"), logged_in=False
    ),
    "rfc1939/7/wrong-password": lambda: taken(rb"PASS poptalk-check-wrong"),
    "rfc3206/7/no-oracle": lambda: Wrong(
        rb"USER poptalk-check-nobody", reply=say(b"+OK never heard\r\n")
    ),
    "rfc3206/6/auth-on-wrong-password": lambda: Wrong(
        rb"PASS poptalk-check-wrong", reply=say(b"-ERR no\r\n")
    ),
    "rfc3206/5/auth-for-credentials-only": lambda: Wrong(
        rb"AUTH X-POPTALK-NONE", reply=say(b"-ERR [AUTH] no\r\n")
    ),
    # UTF8 and LANG.
    "rfc6856/2/utf8-after-login": lambda: taken(rb"UTF8", logged_in=True),
    "rfc6856/2.1/utf8-argument": lambda: taken(rb"UTF8 x"),
    "rfc6856/2.1/ascii-without-utf8": lambda: Wrong(
        rb"(RETR|TOP) 1.*", body=replace(b"hi", b"\xc3\xbc")
    ),
    "rfc6856/2.1/size-in-utf8-mode": WrongSizeInUtf8,
    "rfc6856/3.2/lang-listing": lambda: Wrong(rb"LANG", body=replace(b"English", b"Engl\xefsh")),
    "rfc6856/3.2/lang-listed": lambda: refusing(rb"LANG en"),
    "rfc6856/3.2/lang-unknown": lambda: taken(rb"LANG x-poptalk-none"),
    "rfc6856/3.2/lang-reply": lambda: Wrong(rb"LANG en", reply=say(b"+OK\r\n")),
    "rfc6856/3.2/texts-in-utf8": lambda: Wrong(rb"LANG en", reply=say(b"+OK en \xfc\r\n")),
    "rfc2449/8/code-syntax": lambda: Wrong(
        rb"NOOP", reply=say(b"+OK [ not a code\r\n"), logged_in=True
    ),
    "rfc2449/8/code-registered": lambda: Wrong(
        rb"NOOP", reply=say(b"+OK [SOON] yes\r\n"), logged_in=True
    ),
}


ELSEWHERE = frozenset(
    {
        "robust/octet-by-octet",
        "robust/bare-lf",
        "rfc2595/4/no-second-greeting",
        "rfc2595/4/isolation",
        "rfc1939/6/rset-quit-keeps",
        "rfc1939/6/drop-keeps",
        "rfc1939/6/quit-commits",
        "rfc1939/6/quit-only-marked",
    }
)
"""Checks whose servers are in tests of their own."""

FOLLOW: Mapping[str, tuple[str, ...]] = {
    # Without any stuffing neither message of --seed arrives whole.
    "rfc1939/3/dots-kept": ("rfc1939/3/dots-between-chunks",),
    # No reply to STAT is none of the right ones.
    "rfc1939/3/reply-comes": ("rfc1939/5/stat-format", "rfc1939/5/stat-before-login"),
    # The whole listing comes after the one line of LIST 2.
    "rfc1939/5/list-one": ("rfc1939/5/one-reply",),
    # UIDL 1 has the unique-id in the first line of its reply.
    "rfc1939/7/uidl-charset": ("rfc2449/3/reply-printable",),
    # A message that ends early is shorter, and so is what TOP sends of it.
    "rfc1939/3/dot-stuffing": ("rfc1939/3/dot-stuffing-top", "rfc1939/5/size-exact"),
    "rfc1939/3/dot-stuffing-top": ("rfc1939/7/top-more",),
    "rfc1939/3/body-crlf": ("rfc1939/5/size-exact",),
    # One fault takes back some capabilities, and announces others late.
    "rfc2449/5/capa-superset": ("rfc5034/3/sasl-kept", "rfc2449/5/capa-late"),
    # What keeps a line keeps half of one.
    "rfc2595/4/injection-line": ("rfc2595/4/injection-half-line",),
    "rfc2595/4/injection-half-line": ("rfc2595/4/injection-line",),
    "robust/line-end-in-response": ("rfc1939/5/one-reply",),
    # RSET was refused and done all the same: the marks are unknown from then on.
    "rfc1939/5/rset": ("rfc1939/5/stat-count",),
}
"""The checks that cannot pass where another fails, and why."""
