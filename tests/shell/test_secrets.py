"""No secret stays where it could be found: on the screen, in a log, the history, or a sentence.

A hostile server helps to spread each of them: it repeats what it heard, as it came and decoded, in
its reply and once more unasked.  Searched is everything that poptalk writes: each octet on its way to
the terminal, standard error, the log, and every file below the home and the temporary folder.

Two ways out are meant to be: `:reveal`, and standard output that is no terminal, which receives the
octets of the server as they are.
"""

from __future__ import annotations

import base64
import os
import signal
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from poptalk.net.connection import Link
from poptalk.net.endpoint import BadDestination, Target, parse_destination
from poptalk.net.errors import ConnectFailed, ConnectionLost
from tests.servers.recording import RecordingServer, by_keyword
from tests.servers.scripted import Close, Expect, Pause, Reset, ScriptedServer, Send, Step
from tests.servers.terminal import Pty
from tests.shell.black_box import (
    at,
    on_a_terminal,
    piped,
    piped_to_a_terminal,
    without_escapes,
    written_files,
)
from tests.shell.shells import live

PASSWORD = b"Zq7Vx9Wk4Jy"
DIGEST = b"c4c9334bac560ecc979e58001b3e22fb"

TELLING = 6
"""So many characters of a secret in a row are found as well: a screen may hold parts of it."""


def encoded(secret: bytes) -> bytes:
    return base64.b64encode(secret)


PLAIN = encoded(b"\0bob\0" + PASSWORD)


Talk = tuple[tuple[bytes, bytes], ...]
"""Lines, and what a server says to each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A way to log in.

    Attributes:
        talk: what is typed, and what the server says to it.
        secrets: what must not be found.
        log: how the last line is logged.
    """

    talk: Talk
    secrets: tuple[bytes, ...]
    log: str


def echo(line: bytes, *secrets: bytes) -> bytes:
    """Repeat what was heard, as it came and decoded, in a reply and unasked."""
    heard = b" ".join((line, *secrets))
    return b"-ERR not " + heard + b"!\r\n* I say: " + heard + b"\r\n"


def login(
    *talk: tuple[bytes, bytes],
    log: str,
    secrets: tuple[bytes, ...] = (PASSWORD, encoded(PASSWORD)),
) -> Login:
    last = talk[-1][0]
    return Login(
        talk=(*talk[:-1], (last, talk[-1][1] or echo(last, *secrets))),
        secrets=secrets,
        log=log,
    )


LOGINS: dict[str, Login] = {
    "PASS": login((b"USER bob", b"+OK\r\n"), (b"PASS " + PASSWORD, b""), log="C: PASS {password}"),
    "PASS that is taken": login(
        (b"USER bob", b"+OK\r\n"),
        (b"PASS " + PASSWORD, b"+OK welcome, " + PASSWORD + b"\r\n"),
        log="C: PASS {password}",
    ),
    "pass": login((b"pass " + PASSWORD + b" ", b""), log="C: pass {password}"),
    "APOP": login((b"APOP mrose " + DIGEST, b""), log="C: APOP mrose {apop}", secrets=(DIGEST,)),
    "AUTH PLAIN in one line": login(
        (b"AUTH PLAIN " + PLAIN, b""), log="C: AUTH PLAIN {plain}", secrets=(PLAIN, PASSWORD)
    ),
    "AUTH PLAIN in two lines": login(
        (b"AUTH PLAIN", b"+ \r\n"), (PLAIN, b""), log="C: {plain}", secrets=(PLAIN, PASSWORD)
    ),
    "AUTH LOGIN": login(
        (b"AUTH LOGIN", b"+ VXNlcm5hbWU6\r\n"),
        (encoded(b"bobby-tables"), b"+ UGFzc3dvcmQ6\r\n"),
        (encoded(PASSWORD), b""),
        log="C: {login-2}",
        secrets=(encoded(b"bobby-tables"), encoded(PASSWORD), PASSWORD),
    ),
}

SENT = {
    "PASS": rb":send PASS " + PASSWORD + rb"\r\n",
    "PASS and more": rb":send NOOP\r\nPASS " + PASSWORD + rb"\r\nNOOP\r\n",
    "AUTH PLAIN": rb":send AUTH PLAIN " + PLAIN + rb"\r\n",
}
"""Typed as escapes, what is secret is hidden all the same."""


def script(talk: Talk, *others: Step) -> ScriptedServer:
    """Make a server that expects a login, and plays other steps then."""
    steps: list[Step] = [Send(b"+OK ready <1896.697170952@dbc.mtview.ca.us>\r\n")]
    for line, reply in talk:
        steps += [Expect(line + b"\r\n"), Send(reply)]
    return ScriptedServer([*steps, *others])


THE_END = (Expect(b"NOOP\r\n"), Send(b"+OK the end\r\n"), Close())


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, ...]:
    """Give the folders in which poptalk may leave something."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    return tmp_path, Path(os.environ["HOME"])


def found_in(octets: bytes, secrets: tuple[bytes, ...]) -> list[bytes]:
    """Return the telling parts of secrets that stand in octets."""
    parts = (s[i : i + TELLING] for s in secrets for i in range(len(s) - TELLING + 1))
    return [part for part in parts if part in octets]


def assert_secret(secrets: tuple[bytes, ...], *, files: dict[Path, bytes], seen: bytes) -> None:
    """Search what was left and what was seen."""
    for path, content in files.items():
        assert not found_in(content, secrets), f"a secret is in {path}: {content!r}"
    plain = without_escapes(seen)
    assert not found_in(plain, secrets), plain[-2000:]


def the_files(folders: tuple[Path, ...]) -> dict[Path, bytes]:
    """Return all that was written but for what the test itself has written."""
    found = written_files(*folders)
    return {path: data for path, data in found.items() if path.name != "standard-input"}


def type_login(pty: Pty, talk: Talk, server: ScriptedServer) -> None:
    pty.wait_for("AUTHORIZATION")
    for line, reply in talk:
        for key in line:  # One by one: each is drawn before the next is typed.
            pty.send(bytes([key]))
        pty.send(b"\r")
        pty.wait_until(lambda wanted=line: wanted + b"\r\n" in server.received)  # type: ignore[misc]
        # The next line is typed when this is answered: the words of the reply are on the screen.
        word = reply.split(b"\r\n")[-2].split(b" ")[0].decode()
        pty.wait_until(lambda mark=f"S: {word}": mark in pty.text)  # type: ignore[misc]


SHELLS = pytest.mark.parametrize("options", [(), ("--plain",)], ids=["live", "linear"])


@SHELLS
@pytest.mark.parametrize("way", LOGINS)
def test_a_login_in_a_shell(way: str, options: tuple[str, ...], folders: tuple[Path, ...]) -> None:
    tried = LOGINS[way]
    log = folders[0] / "log"
    with (
        script(tried.talk, *THE_END) as server,
        on_a_terminal(*at(server), "--log", log, *options, cwd=folders[0]) as pty,
    ):
        type_login(pty, tried.talk, server)
        pty.send("NOOP\r")
        pty.wait_for("(closed)")
        for local in (b":last\r", b":raw\r", b":why\r", b"\x1b[A\x1b[A\x1b[A", b"\x03\x04"):
            pty.send(local)
        assert pty.wait_exit() == 0
    files = the_files(folders)
    assert_secret(tried.secrets, files=files, seen=bytes(pty.raw))
    assert tried.log in files[log].decode("utf-8").splitlines()
    if not options:
        [history] = [path for path in files if path.name == "history"]
        assert history.stat().st_mode & 0o777 == 0o600
        assert b"NOOP" in files[history]


@pytest.mark.parametrize("way", LOGINS)
def test_a_login_in_a_pipe(way: str, folders: tuple[Path, ...]) -> None:
    tried = LOGINS[way]
    log = folders[0] / "log"
    lines = b"".join(line + b"\n" for line, _ in tried.talk) + b"NOOP\n"
    with script(tried.talk, *THE_END) as server:
        finished = piped(lines, *at(server), "--log", log, cwd=folders[0])
    files = the_files(folders)
    assert_secret(tried.secrets, files=files, seen=finished.stderr.encode())
    assert tried.log in files[log].decode("utf-8").splitlines()
    # It did reach the server, and its echo came out exactly.
    assert tried.talk[-1][1] in finished.stdout


@pytest.mark.parametrize("way", LOGINS)
def test_a_login_in_a_pipe_to_a_terminal(way: str, folders: tuple[Path, ...]) -> None:
    tried = LOGINS[way]
    lines = b"".join(line + b"\n" for line, _ in tried.talk) + b"NOOP\n"
    with (
        script(tried.talk, *THE_END) as server,
        piped_to_a_terminal(lines, *at(server), folder=folders[0]) as pty,
    ):
        pty.wait_exit()
        assert "C: NOOP" in pty.text
    assert_secret(tried.secrets, files=the_files(folders), seen=bytes(pty.raw))


@pytest.mark.parametrize("way", SENT)
async def test_a_secret_among_escapes_is_one_after_each_key(way: str) -> None:
    text = SENT[way].decode()
    begun = min(text.find(secret.decode()) for secret in (PASSWORD, PLAIN) if secret in SENT[way])
    with script(()) as server:
        async with live(server) as shell:
            for typed in range(begun + 1, len(text) + 1):
                assert shell.shell.secret_in_text(text[:typed]) is not None, text[:typed]


@SHELLS
@pytest.mark.parametrize("way", SENT)
def test_a_secret_among_escapes(
    way: str, options: tuple[str, ...], folders: tuple[Path, ...]
) -> None:
    octets = SENT[way].removeprefix(b":send ").replace(rb"\r\n", b"\r\n")
    log = folders[0] / "log"
    steps = [Send(b"+OK\r\n"), Expect(octets), Send(echo(octets.split(b"\r\n")[0]) * 3)]
    with (
        ScriptedServer(steps) as server,
        on_a_terminal(*at(server), "--log", log, *options, cwd=folders[0]) as pty,
    ):
        pty.wait_for("AUTHORIZATION")
        for key in SENT[way]:
            pty.send(bytes([key]))
        pty.send(b"\r")
        pty.wait_for("S: * I say")
        pty.send(b"\x1b[A\x03\x04")
        assert pty.wait_exit() == 0
    assert_secret((PASSWORD, PLAIN), files=the_files(folders), seen=bytes(pty.raw))


@pytest.mark.parametrize("way", SENT)
def test_a_secret_among_escapes_in_a_pipe(way: str, folders: tuple[Path, ...]) -> None:
    octets = SENT[way].removeprefix(b":send ").replace(rb"\r\n", b"\r\n")
    steps = [Send(b"+OK\r\n"), Expect(octets), Send(echo(octets.split(b"\r\n")[0]) * 3), Close()]
    log = folders[0] / "log"
    with ScriptedServer(steps) as server:
        finished = piped(SENT[way] + b"\n", *at(server), "--local-commands", "--log", log)
    assert_secret((PASSWORD, PLAIN), files=the_files(folders), seen=finished.stderr.encode("utf-8"))


# Ends that nobody planned.


def half_typed(way: str) -> tuple[Talk, bytes]:
    """Return what is said before, and the line that is being typed."""
    if way == "PASS":
        return (), b"PASS " + PASSWORD
    return ((b"AUTH PLAIN", b"+ \r\n"),), PLAIN


@SHELLS
@pytest.mark.parametrize("way", ["PASS", "AUTH"])
def test_a_reset_while_a_secret_is_typed(
    way: str, options: tuple[str, ...], folders: tuple[Path, ...]
) -> None:
    before, line = half_typed(way)
    typed = threading.Event()
    log = folders[0] / "log"
    with (
        script(before, Pause(typed), Reset()) as server,
        ScriptedServer([Send(b"+OK another\r\n")]) as other,
        on_a_terminal(*at(server), "--log", log, *options, cwd=folders[0]) as pty,
    ):
        pty.wait_for("AUTHORIZATION")
        for command, _ in before:
            pty.send(command + b"\r")
            pty.wait_for("AUTH 127")
        pty.send(line)
        pty.wait_for("*" * len(PASSWORD))
        typed.set()
        pty.wait_for("(closed)")
        pty.send(b" \r")  # Entered without a connection.
        pty.wait_for("not connected")
        pty.send(f":open {other.host} {other.port}\r")
        pty.wait_for("S: +OK another")
        pty.wait_for("AUTHORIZATION")
        pty.send(b"\x1b[A\x1b[A\x03\x04")
        assert pty.wait_exit() == 0
    assert_secret((PASSWORD, PLAIN), files=the_files(folders), seen=bytes(pty.raw))


@SHELLS
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGHUP])
@pytest.mark.parametrize("way", ["PASS", "AUTH"])
def test_an_end_by_a_signal_while_a_secret_is_typed(
    way: str, number: signal.Signals, options: tuple[str, ...], folders: tuple[Path, ...]
) -> None:
    before, line = half_typed(way)
    log = folders[0] / "log"
    with (
        script(before) as server,
        on_a_terminal(*at(server), "--log", log, *options, cwd=folders[0]) as pty,
    ):
        pty.wait_for("AUTHORIZATION")
        for command, _ in before:
            pty.send(command + b"\r")
            pty.wait_for("AUTH 127")
        pty.send(line)
        pty.wait_for("*" * len(PASSWORD))
        os.kill(pty.process.pid, number)
        pty.wait_exit()
        assert pty.restored or number == signal.SIGKILL
    assert_secret((PASSWORD, PLAIN), files=the_files(folders), seen=bytes(pty.raw))


@SHELLS
def test_an_answer_that_is_half_typed_when_auth_is_refused(
    options: tuple[str, ...], folders: tuple[Path, ...]
) -> None:
    """The refusal overtakes the typing; what was an answer must not turn into a plain line."""
    typed = threading.Event()
    refusal = (Expect(b"AUTH PLAIN\r\n"), Pause(typed), Send(b"-ERR too slow\r\n"))
    with (
        ScriptedServer([Send(b"+OK ready\r\n"), *refusal]) as server,
        on_a_terminal(*at(server), *options, cwd=folders[0]) as pty,
    ):
        pty.wait_for("AUTHORIZATION")
        pty.send(b"AUTH PLAIN\r")
        pty.wait_until(lambda: server.received == b"AUTH PLAIN\r\n")
        pty.send(PLAIN)
        if not options:
            pty.wait_for("*" * len(PASSWORD))
        typed.set()
        pty.wait_for("too slow")
        pty.send(b" \r")
        pty.wait_until(lambda: server.received.count(b"\n") == 2 or "#" in pty.text)
        pty.send(b"\x1b[A\x03\x04")
        assert pty.wait_exit() == 0
    assert_secret((PASSWORD, PLAIN), files=the_files(folders), seen=bytes(pty.raw))


def test_an_answer_behind_an_auth_that_was_refused_in_a_pipe(folders: tuple[Path, ...]) -> None:
    log = folders[0] / "log"
    talk = ((b"AUTH PLAIN", b"-ERR no such mechanism\r\n"), (PLAIN, b"-ERR what?\r\n"))
    with script(talk, *THE_END) as server:
        finished = piped(
            b"AUTH PLAIN\n" + PLAIN + b"\nNOOP\n", *at(server), "--log", log, cwd=folders[0]
        )
    assert finished.code == 1
    assert_secret((PASSWORD, PLAIN), files=the_files(folders), seen=finished.stderr.encode())


# What is meant to be seen.


@SHELLS
def test_reveal_shows_what_crossed_the_wire(options: tuple[str, ...]) -> None:
    with (
        script(LOGINS["PASS"].talk) as server,
        on_a_terminal(*at(server), *options) as pty,
    ):
        type_login(pty, LOGINS["PASS"].talk, server)
        assert PASSWORD.decode() not in pty.text
        pty.send(b":reveal\r")
        pty.wait_for(f"PASS {PASSWORD.decode()}")
        pty.send(b"\x04")
        assert pty.wait_exit() == 0


# Sentences.


def test_errors_with_a_secret_in_flight() -> None:
    with ScriptedServer([Expect(PASSWORD), Reset()]) as server:
        target = Target(host=server.host, port=server.port)
        with Link.open(target, timeout=10) as link:
            link.send(b"PASS " + PASSWORD + b"\r\n")
            assert link.receive() == b""
            with pytest.raises(ConnectionLost) as lost:
                link.send(b"PASS " + PASSWORD + b"\r\n")
    errors: list[BaseException] = [lost.value]
    with pytest.raises(BadDestination) as refused:
        parse_destination([f"pop3://bob:{PASSWORD.decode()}@host"])
    errors.append(refused.value)
    with pytest.raises(ConnectFailed) as failed:
        Link.open(Target(host="127.0.0.1", port=server.port), timeout=10)
    errors.append(failed.value)
    for error in errors:
        while error is not None:
            assert PASSWORD.decode() not in f"{error} {error!r} {error.args!r}"
            error = error.__cause__ or error.__context__  # type: ignore[assignment]


@pytest.mark.parametrize(
    "url",
    [
        "pop3://bob:{}@mail.example.org",
        "pop3s://bob:{}@mail.example.org:995",
        "pop3://:{}@mail.example.org",
        "pop3://bob:{}@mail.example.org:wrong",
        "pop3://bob:{}@[::1",
        "imap://bob:{}@mail.example.org",
        "POP3://bob:{}@mail.example.org/INBOX",
    ],
)
def test_a_password_in_a_url_is_not_repeated(url: str) -> None:
    finished = piped(b"", url.format(PASSWORD.decode()))
    assert finished.code == 2
    assert not found_in(finished.stderr.encode(), (PASSWORD,))
    assert finished.stderr.count("\n") == 1


@SHELLS
def test_an_open_with_a_password_is_not_remembered(
    options: tuple[str, ...], folders: tuple[Path, ...]
) -> None:
    with script(()) as server, on_a_terminal(*at(server), *options, cwd=folders[0]) as pty:
        pty.wait_for("AUTHORIZATION")
        pty.send(b":open pop3://bob:" + PASSWORD + b"@mail.example.org\r")
        pty.wait_for("a password in a URL is refused")
        pty.send(b"\x04")
        assert pty.wait_exit() == 0
    assert_secret((PASSWORD,), files=the_files(folders), seen=bytes(pty.raw))


STRAY = "Zq7Vx9Wk4Jy8Hm"


@pytest.mark.parametrize("line", [STRAY, f"PSAS {STRAY}", f"{STRAY} with blanks"])
@pytest.mark.parametrize("options", [(), ("--plain",)], ids=["live", "linear"])
def test_a_password_without_its_pass(
    line: str, options: tuple[str, ...], folders: tuple[Path, ...], tmp_path: Path
) -> None:
    """It is sent, as everything is, but it is hidden where PASS would be, and it is said why."""
    log = tmp_path / "log"
    answers = by_keyword({b"USER": b"+OK\r\n", b"NOOP": b"-ERR not yet\r\n"})
    with (
        RecordingServer(reply=answers) as server,
        on_a_terminal(*at(server), *options, "--log", log, rows=40) as pty,
    ):
        pty.wait_for("AUTHORIZATION 127.0.0.1>")
        pty.send("USER bob\r")
        pty.wait_for("AUTHORIZATION bob@")
        pty.send(f"{line}\r")
        pty.wait_for("may be a password, so it is hidden")
        pty.send("NOOP\r")
        pty.wait_for("not yet")
        pty.send("\x04")
        assert pty.wait_exit() == 0
        assert f"\r\n{line}\r\n".encode() in server.received
    assert STRAY not in without_escapes(bytes(pty.raw)).decode()
    assert STRAY not in log.read_text()
    assert not [name for name, text in the_files(folders).items() if STRAY.encode() in text]


def test_a_password_after_a_login_that_was_no_login_is_not_remembered(
    folders: tuple[Path, ...],
) -> None:
    """The question for it never came: the mechanism was misspelt."""
    with (
        RecordingServer(reply=by_keyword({b"NOOP": b"-ERR not yet\r\n"})) as server,
        on_a_terminal(*at(server), rows=40) as pty,
    ):
        pty.wait_for("AUTHORIZATION 127.0.0.1>")
        pty.send(f":login bob CRAM\r{STRAY}\rNOOP\r")
        pty.wait_for("not yet")
        pty.send("\x04")
        assert pty.wait_exit() == 0
    kept = b"".join(the_files(folders).values())
    assert b"NOOP" in kept
    assert STRAY.encode() not in kept
