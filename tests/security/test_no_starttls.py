"""The 41 POP3 cases by which NO STARTTLS (USENIX Security 2021) tested mail programs, and some more.

Its authors had a server of their own for them, whose cases for clients lie in the repository
Email-Analysis-Toolkit/fake-mail-server under testcases/pop3.  Here each is built anew as a row of
`CASES`, under the name that it has there.  poptalk survives a case when nothing crosses in clear that
should not, nothing that was said in clear is believed once TLS stands, what happened is said in a
sentence, and the exit code tells it.
"""

from __future__ import annotations

import ssl
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

import pytest

from poptalk.cli import main
from tests.servers.certificates import ServerIdentity, authority
from tests.servers.loopback import Channel, LoopbackServer
from tests.servers.scripted import keyword_of
from tests.shell.black_box import Finished, at, on_a_terminal, piped, said_once

LINE_LIMIT = 10  # seconds that poptalk waits for an answer; none of the cases lets it wait

OK = b"+OK\r\n"
GREETING = b"+OK ready when you are\r\n"
TIMESTAMP = b"<41.1629158400@mail.example>"
BEGIN = b"+OK now the handshake\r\n"
REFUSED = b"-ERR there is no STLS here\r\n"
UNKNOWN = b"-ERR what is that\r\n"

USUAL = (b"TOP", b"USER", b"SASL PLAIN LOGIN", b"RESP-CODES", b"PIPELINING", b"UIDL")
WITH_STLS = (b"STLS", *USUAL)

EVERYTHING = (
    *(b"TOP", b"USER", b"SASL PLAIN LOGIN CRAM-MD5 GSSAPI EXTERNAL", b"RESP-CODES"),
    *(b"LOGIN-DELAY 15 USER", b"LOGIN-DELAY 15", b"PIPELINING", b"EXPIRE NEVER USER"),
    *(b"EXPIRE 0", b"EXPIRE 1337", b"UIDL", b"IMPLEMENTATION x", b"STLS", b"AUTH-RESP-CODE"),
    *(b"UTF8", b"UTF8 USER", b"LANG"),
)

EVERY_MECHANISM = b"SASL " + b" ".join(
    b"ANONYMOUS APOP CRAM-MD5 CRAM_MD5 CRAM- CRAM-SHA1 DIGEST-MD5 EXTERNAL GSSAPI KERBEROS_V4 LOGIN "
    b"LOGICRAM-MD5 NTLM OAUTHBEARER OTP PLAIN RPA SCRAM-SHA-1 SCRAM-SHA-256 SKEY TOKEN XOAUTH2 "
    b"X-PLAIN-SUBMIT X-ZIMBRA AUTH=CRAM-MD5 POP3AUTH=LOGIN".split()
)

ESCAPE = b"\x1b[31;1;4mready\x1b[0m"


class Outcome(Enum):
    """What has to come of ``--starttls``: the exit code and the sentence."""

    SECURED = (0, "")
    NOT_WELCOME = (4, "so STLS was not sent")
    REFUSED = (4, "The server did not take STLS")
    INJECTED = (4, "response injection")
    NO_TLS = (4, "went on in the clear after its +OK to STLS")


@dataclass(frozen=True, kw_only=True)
class Case:
    """A server, and what has to come of talking to it.

    Attributes:
        name: as in the collection.
        outcome: of ``--starttls``.
        greeting: its octets, line end included.
        capabilities: the list in clear; None answers CAPA with an error.
        capabilities_in_tls: the list in TLS.
        stls: all that is sent in answer to STLS.
        handshake: whether a handshake follows.
        replies: to commands in clear, by keyword, in place of what a server would say.
    """

    name: str
    outcome: Outcome
    greeting: bytes = GREETING
    capabilities: tuple[bytes, ...] | None = WITH_STLS
    capabilities_in_tls: tuple[bytes, ...] | None = USUAL
    stls: bytes = BEGIN
    handshake: bool = True
    replies: Mapping[bytes, bytes] = field(default_factory=dict)


def _greeting(name: str, text: bytes, *, ok: bool = True) -> Case:
    return Case(
        name=f"others/greeting/{name}",
        outcome=Outcome.SECURED if ok else Outcome.NOT_WELCOME,
        greeting=(b"+OK " if ok else b"-ERR ") + text + b"\r\n",
        capabilities=(),
    )


def _no_stls(name: str, **differences: object) -> Case:
    """Make a case in which STLS is refused."""
    return Case(
        **{"name": name, "outcome": Outcome.REFUSED, "stls": REFUSED, "handshake": False}
        | differences  # type: ignore[arg-type]
    )


NO_CAPA = {b"CAPA": UNKNOWN}
PERMANENT = b"[sys/perm] call somebody\r\n"

CASES = (
    # An answer in clear behind the +OK to STLS, for a command that comes in TLS.
    Case(
        name="Buffering/B_1",
        outcome=Outcome.INJECTED,
        stls=BEGIN + b"+OK\r\nPLAIN\r\nLOGIN\r\n.\r\n",
    ),
    Case(
        name="Buffering/B_2",
        outcome=Outcome.INJECTED,
        stls=BEGIN + "¹³¹²³¹²³¹²³¹²³²".encode(),
    ),
    _no_stls("Negotiation/O_1", capabilities=USUAL),
    _no_stls("Negotiation/O_2"),
    _no_stls("Negotiation/O_3", replies=NO_CAPA, capabilities=()),
    Case(
        name="Negotiation/O_4",
        outcome=Outcome.SECURED,
        greeting=b"+OK ready " + TIMESTAMP + b"\r\n",
        capabilities=(b"USER", b"SASL PLAIN", b"STLS"),
        capabilities_in_tls=(b"USER", b"SASL PLAIN"),
    ),
    _no_stls("others/P_1-unfinished", greeting=b"+OK ready " + TIMESTAMP + b"\r\n"),
    Case(
        name="others/X_1-unfinished",
        outcome=Outcome.NOT_WELCOME,
        greeting=b"+Who cares?\r\n",
        capabilities=(b"+Not me", b"STLS"),
        stls=b"+If you must.\r\n",
    ),
    _no_stls("others/X_1", capabilities=(EVERY_MECHANISM,)),
    Case(
        name="others/auth/capa_err_auth_err",
        outcome=Outcome.SECURED,
        replies={**NO_CAPA, b"AUTH": UNKNOWN},
    ),
    Case(
        name="others/auth/capa_err_auth_ok_all",
        outcome=Outcome.SECURED,
        replies={
            **NO_CAPA,
            b"AUTH": b"+OK\r\nSASL PLAIN LOGIN\r\nPLAIN\r\nLOGIN\r\n+APOP\r\nCRAM-MD5\r\n.\r\n",
        },
    ),
    Case(
        name="others/auth/capa_err_auth_ok_empty",
        outcome=Outcome.SECURED,
        replies={**NO_CAPA, b"AUTH": b"+OK\r\n.\r\n"},
    ),
    Case(
        name="others/auth/capa_err_quit_err_sys_perm",
        outcome=Outcome.SECURED,
        replies={**NO_CAPA, b"QUIT": b"-ERR " + PERMANENT},
    ),
    Case(
        name="others/auth/capa_err_quit_ok_sys_perm",
        outcome=Outcome.SECURED,
        replies={**NO_CAPA, b"QUIT": b"+OK " + PERMANENT},
    ),
    Case(name="others/capa/capa_err", outcome=Outcome.SECURED, replies=NO_CAPA),
    Case(
        name="others/capa/capa_err_code_sys_perm",
        outcome=Outcome.SECURED,
        replies={b"CAPA": b"-ERR " + PERMANENT},
    ),
    Case(name="others/capa/capa_ok_all", outcome=Outcome.SECURED, capabilities=EVERYTHING),
    Case(name="others/capa/capa_ok_empty", outcome=Outcome.SECURED, capabilities=()),
    Case(
        name="others/capa/capa_ok_sasl_no_stls",
        outcome=Outcome.SECURED,
        capabilities=(b"USER", b"SASL PLAIN LOGIN CRAM-MD5 GSSAPI EXTERNAL"),
    ),
    Case(
        name="others/code",
        outcome=Outcome.SECURED,
        greeting=b"+OK [in-use] ready\r\n",
    ),
    Case(name="others/greeting/greeting_1", outcome=Outcome.SECURED),
    Case(
        name="others/greeting/greeting_2",
        outcome=Outcome.NOT_WELCOME,
        greeting=b"-ERR ready when you are\r\n",
    ),
    _greeting("ok", b"ready"),
    _greeting("ok_escape", ESCAPE),
    _greeting("ok_sys_perm", b"[sys/perm] ready"),
    _greeting("ok_sys_temp", b"[sys/temp] ready"),
    _greeting("ok_timestamp", b"ready " + TIMESTAMP),
    _greeting("err", b"ready", ok=False),
    _greeting("err_escape", ESCAPE, ok=False),
    _greeting("err_sys_perm", b"[sys/perm] ready", ok=False),
    _greeting("err_sys_temp", b"[sys/temp] ready", ok=False),
    _greeting("err_timestamp", b"ready " + TIMESTAMP, ok=False),
    Case(
        name="others/quit/greeting_err_quit_err",
        outcome=Outcome.NOT_WELCOME,
        greeting=b"-ERR go away\r\n",
        capabilities=(b"STLS",),
        replies={b"QUIT": b"-ERR no, stay\r\n"},
    ),
    Case(
        name="others/quit/greeting_err_quit_ok",
        outcome=Outcome.NOT_WELCOME,
        greeting=b"-ERR go away\r\n",
        capabilities=(b"STLS",),
    ),
    _no_stls(
        "others/quit/greeting_ok_capa_stls_stls_err_quit_err",
        capabilities=(b"STLS",),
        replies={b"QUIT": b"-ERR no, stay\r\n"},
    ),
    _no_stls("others/quit/greeting_ok_capa_stls_stls_err_quit_ok", capabilities=(b"STLS",)),
    _no_stls("others/stls/greeting_ok_capa_ok_stls_err", capabilities=(b"STLS",)),
    _no_stls(
        "others/stls/greeting_ok_capa_ok_stls_err_sys_perm",
        capabilities=(b"STLS",),
        stls=b"-ERR " + PERMANENT,
    ),
    Case(
        name="others/stls/greeting_ok_capa_ok_stls_ok",
        outcome=Outcome.NO_TLS,
        capabilities=(b"STLS",),
        handshake=False,
    ),
    Case(
        name="others/stls/greeting_ok_capa_ok_stls_ok_sys_perm",
        outcome=Outcome.NO_TLS,
        capabilities=(b"STLS",),
        stls=b"+OK " + PERMANENT,
        handshake=False,
    ),
    Case(
        name="others/unsolicited/multi_line_scan_listing",
        outcome=Outcome.SECURED,
        greeting=b"+OK 2 messages (320 octets)\r\n1 120\r\n2 200\r\n.\r\n",
        capabilities=(),
    ),
)

HOW_MANY = 41

INJECTIONS = {
    "an answer to CAPA": b"+OK\r\nUSER\r\nX-FROM-THE-WAY\r\n.\r\n",
    "a refusal": b"-ERR [AUTH] wrong\r\n",
    "a challenge": b"+ \r\n",
    "a login that went well": b"+OK logged in\r\n",
    "half a line": b"+OK ",
    "an empty line": b"\r\n",
    "one octet": b"\0",
}
"""Further things that somebody on the way may put behind the +OK to STLS."""

MORE_CASES = tuple(
    Case(name=f"injected: {name}", outcome=Outcome.INJECTED, stls=BEGIN + octets)
    for name, octets in INJECTIONS.items()
)

CLIENT_HELLO = b"\x16"
"""The first octet of a TLS record with a handshake in it (RFC 8446 §5.1)."""


class Server(LoopbackServer):
    """Plays a case to each client.

    Attributes:
        in_clear: what came before TLS, or everything where TLS was never there.
        in_tls: the lines that came in TLS.
    """

    def __init__(self, case: Case, context: ssl.SSLContext) -> None:
        super().__init__()
        self._case = case
        self._context = context
        self._before_tls: bytes | None = None
        self.in_tls: list[bytes] = []

    @property
    def in_clear(self) -> bytes:
        return self.received if self._before_tls is None else self._before_tls

    def converse(self, channel: Channel) -> None:
        channel.send(self._case.greeting)
        while True:
            line = channel.receive_until(b"\n").removesuffix(b"\n").removesuffix(b"\r")
            keyword = keyword_of(line)
            if self._before_tls is not None:
                self.in_tls.append(line)
                channel.send(self._answer_in_tls(line))
            elif keyword == b"STLS":
                channel.send(self._case.stls)
                self._begin_tls(channel)
            else:
                channel.send(self._answer(keyword))
            if keyword == b"QUIT":
                channel.close()
                return

    def _begin_tls(self, channel: Channel) -> None:
        if self._case.handshake:
            self._before_tls = channel.received
            channel.start_tls(self._context)
        elif self._case.stls.startswith(b"+OK"):
            hello = channel.receive()
            assert not hello or hello.startswith(CLIENT_HELLO)
            channel.send(UNKNOWN)

    def _answer(self, keyword: bytes) -> bytes:
        """Answer a command in clear: to whatever one should not send here, with a welcome."""
        if keyword in self._case.replies:
            return self._case.replies[keyword]
        return _listing(self._case.capabilities) if keyword == b"CAPA" else OK

    def _answer_in_tls(self, line: bytes) -> bytes:
        keyword = keyword_of(line)
        if keyword == b"CAPA":
            return _listing(self._case.capabilities_in_tls)
        return b"+ \r\n" if line.upper() == b"AUTH PLAIN" else OK


def _listing(capabilities: tuple[bytes, ...] | None) -> bytes:
    if capabilities is None:
        return UNKNOWN
    return b"".join(line + b"\r\n" for line in (b"+OK", *capabilities, b"."))


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> ServerIdentity:
    return authority(tmp_path_factory.mktemp("identity"))


@pytest.fixture
def server(case: Case, identity: ServerIdentity) -> Iterator[Server]:
    with Server(case, identity.server_context) as running:
        yield running


every_case = pytest.mark.parametrize("case", [*CASES, *MORE_CASES], ids=lambda case: case.name)

NEVER = (
    b"jones",
    *(b64encode(secret) for secret in (b"jones", b"\0bob\0jones", b"bob\0bob\0jones")),
)
"""The password, in each form in which it could cross in clear."""


def test_there_are_41() -> None:
    assert len({case.name for case in CASES}) == HOW_MANY == len(CASES)


Run = Callable[..., Finished]


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> Run:
    """Run the command line in this process, with lines on standard input.

    A process for each of so many cases would take most of a minute.
    """

    def run_main(lines: bytes, *arguments: object) -> Finished:
        typed = tmp_path / "typed"
        typed.write_bytes(lines)
        with typed.open() as standard_input, monkeypatch.context() as patch:
            patch.setattr("sys.stdin", standard_input)
            code = main([str(argument) for argument in arguments])
        said = capfdbinary.readouterr()
        return Finished(code, said.out, said.err.decode("utf-8"))

    return run_main


def _options(identity: ServerIdentity) -> tuple[object, ...]:
    return "--ca-file", identity.ca_file, "--timeout", LINE_LIMIT


@every_case
def test_starttls_goes_on_in_tls_or_not_at_all(
    case: Case, server: Server, identity: ServerIdentity, run: Run
) -> None:
    done = run(b"NOOP\nQUIT\n", *at(server), "--starttls", *_options(identity))
    code, sentence = case.outcome.value
    assert done.code == code, done
    assert sentence in said_once(done.stderr)
    _nothing_but_stls_in_clear(case, server)
    if case.outcome is Outcome.SECURED:
        assert server.in_tls == [b"NOOP", b"QUIT"]
    else:
        assert server.in_tls == []
        assert len(done.stderr.split()) > 5, "it is said in a sentence"


def _nothing_but_stls_in_clear(case: Case, server: Server) -> None:
    sent = server.in_clear
    if case.outcome is Outcome.NOT_WELCOME:
        assert sent == b""
        return
    assert sent.startswith(b"STLS\r\n")
    rest = sent.removeprefix(b"STLS\r\n")
    # A server that says +OK and does nothing is sent the first message of the handshake.
    assert rest == b"" or (case.outcome is Outcome.NO_TLS and rest.startswith(CLIENT_HELLO))


@every_case
def test_a_login_crosses_in_tls_or_not_at_all(
    case: Case, server: Server, identity: ServerIdentity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POPTALK_PASSWORD", "jones")
    arguments = (*at(server), "--starttls", "--login", "bob", *_options(identity))
    done = piped(b"STAT\nQUIT\n", *arguments)
    code, sentence = case.outcome.value
    assert done.code == code, done
    assert sentence in said_once(done.stderr)
    _nothing_but_stls_in_clear(case, server)
    assert not any(secret in server.in_clear for secret in NEVER)
    if case.outcome is Outcome.SECURED:
        assert server.in_tls[-2:] == [b"STAT", b"QUIT"]
        assert any(secret in line for secret in NEVER for line in server.in_tls)
        # A timestamp from before TLS may be anybody's.
        assert not any(line.startswith(b"APOP") for line in server.in_tls)
    else:
        assert server.in_tls == []


@every_case
def test_typed_stls_believes_nothing_that_was_said_in_clear(
    case: Case, server: Server, identity: ServerIdentity, run: Run
) -> None:
    done = run(b"CAPA\nSTLS\nCAPA\nQUIT\n", *at(server), *_options(identity))
    if case.outcome in (Outcome.INJECTED, Outcome.NO_TLS):
        code, sentence = case.outcome.value
        assert done.code == code
        assert sentence in said_once(done.stderr)
    if server.in_tls or case.outcome in (Outcome.INJECTED, Outcome.NO_TLS):
        assert server.in_clear.startswith(b"CAPA\r\nSTLS\r\n")
        assert server.in_tls in ([], [b"CAPA", b"QUIT"])
    elif case.handshake:
        # It waits for a handshake, though it has not said +OK; poptalk rightly begins none.
        assert server.in_clear == b"CAPA\r\nSTLS\r\n"
        dropped = "were not sent in the clear" in said_once(done.stderr)
        assert done.code == (1 if dropped else 5)
        assert dropped or "not finished" in done.stderr
    else:
        # What comes after an STLS that is refused may have been meant for TLS.
        assert server.in_clear == b"CAPA\r\nSTLS\r\n"
        assert done.code == 1
        assert "were not sent in the clear" in said_once(done.stderr)
    # What was injected is seen, and answers nothing.
    assert done.stdout.startswith(case.greeting)


SHOWN = {
    "Buffering/B_1": "they are not read as a reply (22 octets)",
    "Negotiation/O_1": "S: -ERR there is no STLS here",
    "Negotiation/O_4": "certificate verified",
    "others/greeting/err_escape": r"S: -ERR \x1b[31;1;4mready\x1b[0m",
    "others/greeting/ok_escape": r"S: +OK \x1b[31;1;4mready\x1b[0m",
    "others/quit/greeting_err_quit_ok": "this server turns us away",
    "others/stls/greeting_ok_capa_ok_stls_ok": "TLS did not come about",
    "others/unsolicited/multi_line_scan_listing": "the server speaks without having been asked",
}
"""What a person reads, of some cases, beside the sentence with which poptalk leaves."""


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.name in SHOWN], ids=lambda case: case.name
)
@pytest.mark.parametrize("plain", [(), ("--plain",)], ids=["live", "plain"])
def test_a_person_at_a_terminal_is_told(
    case: Case, server: Server, identity: ServerIdentity, plain: tuple[str, ...]
) -> None:
    code, sentence = case.outcome.value
    arguments = (*at(server), "--starttls", *plain, *_options(identity))
    with on_a_terminal(*arguments) as pty:
        if case.outcome is Outcome.SECURED:
            pty.wait_for("certificate verified")
            pty.send("QUIT\r")
            pty.wait_for("(closed)")
            pty.send(":quit\r")
        assert pty.wait_exit() == code
        shown = said_once(" ".join(line.removeprefix("#! ") for line in pty.history()))
        assert sentence in shown
        assert SHOWN[case.name] in shown
        # The server's own escape sequences: a colour that the shell itself has not.
        assert ESCAPE not in pty.raw
    _nothing_but_stls_in_clear(case, server)
    assert server.in_tls == ([b"QUIT"] if case.outcome is Outcome.SECURED else [])
