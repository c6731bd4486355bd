"""`:login` and `--login`: every mechanism, in a pipe, in the live and in the linear shell."""

from __future__ import annotations

import base64
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from poptalk.net.endpoint import Destination
from poptalk.practice.server import Server
from tests.servers.dovecot import Dovecot
from tests.servers.recording import RecordingServer, by_keyword
from tests.servers.scripted import Close, Expect, ExpectLine, ScriptedServer, Send
from tests.servers.terminal import Pty
from tests.shell.black_box import at, on_a_terminal, piped, said_once
from tests.shell.shells import CTRL_C, live

PASSWORD, TOKEN = "jones", "ya29.a-token"
MECHANISMS = {
    "USER": PASSWORD,
    "APOP": PASSWORD,
    "PLAIN": PASSWORD,
    "LOGIN": PASSWORD,
    "CRAM-MD5": PASSWORD,
    "SCRAM-SHA-1": PASSWORD,
    "SCRAM-SHA-256": PASSWORD,
    "XOAUTH2": TOKEN,
    "OAUTHBEARER": TOKEN,
}
DOVECOTS = ("USER", "APOP", "PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256")
STAT = b"STAT\nQUIT\n"

CAPA = b"+OK\r\nUSER\r\nSASL PLAIN CRAM-MD5\r\n.\r\n"


@pytest.fixture
def practice() -> Iterator[Server]:
    with Server(persona="plain", token=TOKEN) as server:
        yield server


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def where(server: Server | Dovecot) -> tuple[str, str]:
    return server.host, str(server.port)


def way(server: Server) -> Destination:
    return Destination(host=server.host, port=server.port)


# In a pipe.


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_each_mechanism_in_a_pipe(
    mechanism: str, practice: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POPTALK_PASSWORD", MECHANISMS[mechanism])
    finished = piped(STAT, *where(practice), "--login", "bob", "--mechanism", mechanism)
    assert finished.code == 0
    assert finished.stderr == ""
    *_, logged_in, stat, _farewell, _ = finished.stdout.split(b"\r\n")
    assert logged_in.startswith(b"+OK bob")
    assert stat == b"+OK 3 6183"
    assert finished.stdout.startswith(b"+OK")


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_each_refusal_in_a_pipe(
    mechanism: str, practice: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POPTALK_PASSWORD", "wr0ng-secret")
    finished = piped(STAT, *where(practice), "--login", "bob", "--mechanism", mechanism)
    assert finished.code == 1
    assert "the server did not let you in" in finished.stderr
    assert b"-ERR" in finished.stdout
    assert b"6183" not in finished.stdout
    assert "wr0ng" not in finished.stderr


@pytest.mark.parametrize("mechanism", DOVECOTS)
def test_each_mechanism_of_dovecot(
    mechanism: str, dovecot: Dovecot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POPTALK_PASSWORD", PASSWORD)
    finished = piped(STAT, *where(dovecot), "--login", "bob", "--mechanism", mechanism)
    assert finished.code == 0
    assert finished.stderr == ""
    assert b"+OK 3 6183\r\n" in finished.stdout


def test_the_best_that_dovecot_offers(dovecot: Dovecot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POPTALK_PASSWORD", PASSWORD)
    options = ("--starttls", "--ca-file", dovecot.ca_file, "--login", "bob")
    finished = piped(STAT, *where(dovecot), *options, "--log", "log")
    assert finished.code == 0
    log = Path("log").read_text("utf-8").splitlines()
    sent = [line for line in log if line.startswith("C:") and not line.startswith("C: {")]
    assert sent[1:4] == ["C: STLS", "C: <negotiate TLS>", "C: CAPA"]
    assert sent[4].startswith("C: AUTH SCRAM-SHA-256 ")


def test_two_steps_where_they_are_asked_for(
    practice: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POPTALK_PASSWORD", PASSWORD)
    options = ("--login", "bob", "--mechanism", "plain", "--two-step")
    finished = piped(STAT, *where(practice), *options, "--log", "log")
    assert finished.code == 0
    assert "C: AUTH PLAIN\n" in Path("log").read_text("utf-8")


def test_a_line_that_would_be_too_long_goes_in_two(monkeypatch: pytest.MonkeyPatch) -> None:
    token = "t" * 300
    response = base64.b64encode(f"user=bob\x01auth=Bearer {token}\x01\x01".encode())
    steps = [Send(b"+OK\r\n"), Expect(b"AUTH XOAUTH2\r\n"), Send(b"+ \r\n")]
    monkeypatch.setenv("POPTALK_PASSWORD", token)
    with ScriptedServer([*steps, Expect(response + b"\r\n"), Send(b"+OK in\r\n")]) as server:
        options = ("--login", "bob", "--mechanism", "XOAUTH2")
        finished = piped(b"", *at(server), *options)
        assert finished.code == 0
        assert finished.stdout == b"+OK\r\n+ \r\n+OK in\r\n"


def test_a_server_without_capa_has_refused_the_script_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("POPTALK_PASSWORD", PASSWORD)
    replies = {b"USER": b"+OK\r\n", b"PASS": b"+OK\r\n", b"STAT": b"+OK 0 0\r\n"}
    with RecordingServer(reply=by_keyword(replies)) as server:
        finished = piped(b"STAT\n", *at(server), "--login", "bob")
        assert finished.code == 0
        assert server.received == b"CAPA\r\nUSER bob\r\nPASS jones\r\nSTAT\r\n"


def test_without_a_password_nothing_is_sent(practice: Server) -> None:
    finished = piped(STAT, *where(practice), "--login", "bob")
    assert finished.code == 2
    assert "POPTALK_PASSWORD" in finished.stderr
    assert finished.stdout.count(b"\r\n") == 1  # The greeting.


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--mechanism", "PLAIN"), "--mechanism is for --login USER"),
        (("--oauth",), "--oauth is for --login USER"),
        (("--login", "bob", "--mechanism", "PLAN"), "is PLAIN meant?"),
        (("--login", "bob", "--mechanism", "PLAIN", "--oauth"), "PLAIN takes no token"),
        (("--login", "bob", "--mechanism", "LOGIN", "--two-step"), "--two-step is for"),
        (("--login", "bo\nb"), "line end or NUL"),
        (("--login", "b", "--netrc", "--keyring"), "not allowed with"),
    ],
)
def test_what_cannot_be(options: tuple[str, ...], said: str, practice: Server) -> None:
    finished = piped(STAT, *where(practice), *options)
    assert finished.code == 2
    assert said in finished.stderr
    assert b"6183" not in finished.stdout


def test_nothing_that_suits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POPTALK_PASSWORD", PASSWORD)
    replies = {b"CAPA": b"+OK\r\nSTLS\r\nSASL GSSAPI\r\n.\r\n"}
    with RecordingServer(reply=by_keyword(replies)) as server:
        finished = piped(b"STAT\n", *at(server), "--login", "bob")
        assert finished.code == 1
        assert "SASL GSSAPI" in finished.stderr
        assert "perhaps it wants TLS first" in finished.stderr
        assert server.received == b"CAPA\r\n"


def test_what_a_login_finds_odd_is_said_aside(
    practice: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POPTALK_PASSWORD", "no-token")
    options = ("--login", "bob", "--mechanism", "OAUTHBEARER")
    finished = piped(STAT, *where(practice), *options)
    assert '#! the server\'s reason: {"status":"invalid_token"}' in finished.stderr


# Where the password comes from.


def sources(folder: Path) -> dict[str, tuple[str, ...]]:
    """Make the sources that need nothing installed."""
    secret, netrc = folder / "secret", folder / "netrc"
    secret.write_text("jones\n")
    netrc.write_text("machine 127.0.0.1 login bob password jones\n")
    secret.chmod(0o600)
    netrc.chmod(0o600)
    command = shlex.join([sys.executable, "-c", "print('jones')"])
    return {
        "variable": ("--password-env", "MY_SECRET"),
        "file": ("--password-file", str(secret)),
        "command": ("--password-command", command),
        "netrc": ("--netrc", str(netrc)),
    }


@pytest.mark.parametrize("kind", ["variable", "file", "command", "netrc"])
def test_each_source(
    kind: str, tmp_path: Path, practice: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_SECRET", PASSWORD)
    finished = piped(STAT, *where(practice), "--login", "bob", *sources(tmp_path)[kind])
    assert finished.code == 0, finished.stderr
    assert b"+OK 3 6183" in finished.stdout


def test_a_source_serves_the_shell_too(tmp_path: Path, practice: Server) -> None:
    with on_a_terminal(*where(practice), *sources(tmp_path)["command"]) as pty:
        pty.wait_for("AUTHORIZATION")
        pty.send(":login bob CRAM-MD5\r")
        pty.wait_for("TRANSACTION bob@127.0.0.1>")


# In the shells.

SHELLS = pytest.mark.parametrize("options", [(), ("--plain",)], ids=["live", "linear"])


def answer(pty: Pty, password: str) -> None:
    """Type a password where it is asked for."""
    pty.wait_for("Password of bob at 127.0.0.1:")
    pty.send(password)
    pty.wait_for(f"127.0.0.1: {'*' * len(password)}")
    pty.send("\r")


@SHELLS
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_each_mechanism_in_a_shell(
    mechanism: str, options: tuple[str, ...], practice: Server
) -> None:
    secret = MECHANISMS[mechanism]
    with on_a_terminal(*where(practice), *options, rows=40) as pty:
        pty.wait_for("AUTHORIZATION")
        pty.send(f":login bob {mechanism.lower()}\r")
        answer(pty, secret)
        pty.wait_for("# bob is logged in")
        pty.wait_for("TRANSACTION bob@127.0.0.1>")
        pty.send(":last\rSTAT\r")
        pty.wait_for("S: +OK 3 6183")
        assert secret.encode() not in pty.raw
        assert base64.b64encode(secret.encode()) not in pty.raw


@SHELLS
def test_at_once_with_starttls(options: tuple[str, ...], practice: Server) -> None:
    arguments = ("--starttls", "--ca-file", practice.ca_file, "--login", "bob", *options)
    with on_a_terminal(*where(practice), *arguments, rows=40) as pty:
        answer(pty, PASSWORD)
        pty.wait_for("TRANSACTION bob@127.0.0.1>")
        text = said_once(pty.text)
        assert "SCRAM-SHA-256: the best in TLS of 7 that SASL lists" in text
        assert text.index("C: STLS") < text.index("C: CAPA") < text.index("C: AUTH SCRAM")


@SHELLS
def test_a_refusal_and_another_try(options: tuple[str, ...], practice: Server) -> None:
    with on_a_terminal(*where(practice), *options, rows=40) as pty:
        pty.wait_for("AUTHORIZATION")
        pty.send(":login bob PLAIN\r")
        answer(pty, "wrong1")
        pty.wait_for(":login: the server did not let you in")
        pty.send("NOOP\r")
        pty.wait_for("C: NOOP" if not options else "NOOP")
        pty.send(":login bob USER\r")
        pty.wait_until(lambda: pty.text.rstrip().count("Password of bob") >= 1)
        pty.send(PASSWORD + "\r")
        pty.wait_for("TRANSACTION bob")


@SHELLS
def test_a_server_that_hangs_up_after_its_refusal(options: tuple[str, ...]) -> None:
    """As Solid POP3 does: the sentence is there all the same."""
    steps = [Send(b"+OK ready\r\n"), ExpectLine(), Send(b"+OK\r\n"), ExpectLine()]
    with ScriptedServer([*steps, Send(b"-ERR no\r\n"), Close()]) as server:
        host, port = at(server)
        with on_a_terminal(host, port, *options, columns=160) as pty:
            pty.wait_for("AUTHORIZATION")
            pty.send(":login bob USER\r")
            answer(pty, "wrong1")
            pty.wait_for("the server closed the connection")
            said = f'the server did not let you in (bob at {host}:{port}, USER, PASS): "-ERR no"'
            # It comes before or after that, as the server goes while CAPA is asked or before.
            pty.wait_until(lambda: said in said_once(pty.text.replace("\n#! ", " ")))


@SHELLS
def test_an_empty_answer_sends_nothing(options: tuple[str, ...]) -> None:
    with RecordingServer() as server, on_a_terminal(*at(server), *options) as pty:
        pty.wait_for("AUTHORIZATION")
        pty.send(":login bob\r")
        pty.wait_for("Password of bob")
        pty.send("\r")
        pty.wait_for("no password was given, and nothing was sent")
        pty.send(":login bob\r")
        pty.wait_until(
            lambda: pty.text.count("Password of bob") + pty.text.count(":login bob") >= 1
        )
        pty.send("abc" + CTRL_C)
        pty.wait_for(":login: given up")
        pty.send("\x04")
        assert pty.wait_exit() == 0
    assert server.received == b""


@SHELLS
def test_a_server_that_proves_nothing_is_left(options: tuple[str, ...]) -> None:
    """SCRAM: an +OK without the server's own proof is worth nothing (RFC 5802 §5)."""
    steps = [Send(b"+OK ready\r\n"), ExpectLine(), Send(b"+OK welcome\r\n")]
    with ScriptedServer(steps) as server, on_a_terminal(*at(server), *options) as pty:
        pty.wait_for("AUTHORIZATION")
        pty.send(":login bob SCRAM-SHA-256\r")
        answer(pty, PASSWORD)
        pty.wait_until(lambda: "has not proved that it knows the password" in said_once(pty.text))
        pty.wait_for("(closed)>")
        assert "is logged in" not in pty.text


def test_a_server_that_proves_nothing_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POPTALK_PASSWORD", PASSWORD)
    steps = [Send(b"+OK ready\r\n"), ExpectLine(), Send(b"+OK welcome\r\n")]
    with ScriptedServer(steps) as server:
        options = ("--login", "bob", "--mechanism", "SCRAM-SHA-1")
        finished = piped(STAT, *at(server), *options)
        assert finished.code == 1
        assert "has not proved" in finished.stderr
        assert b"STAT" not in server.received


async def test_the_wrong_state_and_words_that_are_none(practice: Server) -> None:
    async with live(way(practice), rows=40) as shell:
        for line, said in (
            (":login", "say who"),
            (":login bob PLAIN x", "say who"),
            (":login bob PLAN", "is PLAIN meant?"),
            (":login bob --fast", "--fast is not known here"),
            (":login 'bob", "No closing quotation"),
        ):
            await shell.enter(line, until=said)
        await shell.ask("USER bob")
        await shell.ask("PASS jones")
        await shell.enter(":login bob", until="Password of")
        await shell.enter("jones", until="a login belongs in AUTHORIZATION")


async def test_a_warning_where_it_crosses_in_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POPTALK_PASSWORD", PASSWORD)
    monkeypatch.setattr("poptalk.net.endpoint.is_loopback", lambda _host: False)
    replies = {b"CAPA": CAPA, b"USER": b"+OK\r\n", b"PASS": b"+OK\r\n", b"AUTH": b"-ERR no\r\n"}
    with RecordingServer(reply=by_keyword(replies)) as server:
        async with live(server, rows=40) as shell:
            await shell.enter(":login bob", until="did not let you in")
            assert "CRAM-MD5: the best in the clear of 2 that SASL lists" in said_once(shell.text)
            assert "crosses the network" not in shell.text
            await shell.enter(":login bob USER", until="is logged in")
            assert "this password crosses the network in the clear" in said_once(shell.text)


async def test_the_prompt_knows_who_logged_in_by_hand(practice: Server) -> None:
    response = base64.b64encode(b"\0bob\0jones").decode()
    async with live(way(practice), rows=40) as shell:
        await shell.ask(f"AUTH PLAIN {response}")
        await shell.see("TRANSACTION bob@127.0.0.1>")


async def test_a_name_is_never_a_password_that_was_asked_for_first() -> None:
    """A server that asks for the password first must not bring it into the prompt."""
    steps = [Send(b"+OK\r\n"), ExpectLine(), Send(b"+ UGFzc3dvcmQ6\r\n"), ExpectLine()]
    steps += [Send(b"+ VXNlcm5hbWU6\r\n"), ExpectLine(), Send(b"+OK in\r\n")]
    with ScriptedServer(steps) as server:
        async with live(server) as shell:
            await shell.enter(":explain on")
            await shell.ask("AUTH LOGIN")
            await shell.enter("c2VjcmV0", until="S: + VXNlcm5hbWU6")
            await shell.enter("Ym9i", until="S: +OK in")
            await shell.see("TRANSACTION 127.0.0.1>")
            assert "secret" not in shell.terminal.raw
            assert "c2VjcmV0" not in shell.terminal.raw


async def test_an_ok_before_the_name_was_asked_for_is_no_login() -> None:
    """LOGIN takes two responses; the next line may be a secret, and is masked, too."""
    steps = [Send(b"+OK\r\n"), ExpectLine(), Send(b"+ UGFzc3dvcmQ6\r\n"), ExpectLine()]
    steps += [Send(b"+OK in\r\n"), ExpectLine(), Send(b"-ERR no\r\n")]
    with ScriptedServer(steps) as server:
        async with live(server, rows=40) as shell:
            await shell.enter(":explain on")
            await shell.ask("AUTH LOGIN")
            await shell.enter("am9uZXM=", until="S: +OK in")
            await shell.see("AUTH 127.0.0.1>")
            said = said_once(shell.text)
            assert said.count("this +OK cannot be a login") == 1
            assert "TRANSACTION" not in shell.text
            await shell.enter("aGlkZGVu", until="S: -ERR no")
            assert "aGlkZGVu" not in shell.terminal.raw
            assert "jones" not in shell.terminal.raw
            assert "am9uZXM=" not in shell.terminal.raw
