"""A login that fails, as a person or cron meets it: who, where, how far, the server's words, and why."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Sequence

import pytest

from tests.servers.scripted import (
    Close,
    Expect,
    ExpectLine,
    Pause,
    Reset,
    ScriptedServer,
    Send,
    Step,
)
from tests.shell.black_box import at, environment, on_a_terminal, poptalk, said_once

GREETING = Send(b"+OK ready\r\n")
NAMED = ("--login", "bob", "--mechanism")
CAPA = Expect(b"CAPA\r\n")
SILENCE = Pause(until=threading.Event())
"""Until the client has had enough."""


def cron(steps: Sequence[Step], *options: str) -> tuple[int, str, bytes]:
    """Log in with the output thrown away; return the exit code, standard error, and what was sent."""
    with ScriptedServer(steps) as server:
        done = subprocess.run(
            poptalk(*at(server), *options),
            input=b"STAT\nQUIT\n",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment(POPTALK_PASSWORD="Zq7Vx9Wk4Jy"),
            check=False,
            timeout=30,
        )
        said = done.stderr.decode().replace(f"127.0.0.1:{server.port}", "HOST:PORT")
        return done.returncode, said, server.received


def refused(reply: bytes, *more: Step) -> list[Step]:
    return [GREETING, ExpectLine(), Send(reply), *more]


@pytest.mark.parametrize(
    ("capabilities", "said"),
    [
        (b"+OK\r\nUSER\r\nSASL LOGIN\r\n.\r\n", "CAPA lists no PLAIN here, but USER, LOGIN"),
        (b"+OK\r\nSTLS\r\n.\r\n", "CAPA lists no PLAIN here, but STLS: perhaps it comes with TLS"),
        (b"-ERR what?\r\n", "the server has no CAPA, so it may have no PLAIN at all"),
    ],
)
def test_capa_is_asked_after_a_named_mechanism_was_refused(capabilities: bytes, said: str) -> None:
    """The refusal itself may not say why."""
    code, stderr, sent = cron(
        refused(b"-ERR no\r\n", CAPA, Send(capabilities), Close()), *NAMED, "PLAIN"
    )
    assert code == 1
    assert '(bob at HOST:PORT, PLAIN, AUTH PLAIN): "-ERR no".' in stderr
    assert said.lower() in stderr.lower()
    assert sent.count(b"CAPA\r\n") == 1


@pytest.mark.parametrize(
    "reply",
    [
        b"-ERR [SYS/TEMP] come back tomorrow\r\n",
        b"-ERR [IN-USE] busy\r\n",
        b"-ERR Plaintext authentication disallowed\r\n",
        b"-ERR Account suspended\r\n",
    ],
)
def test_it_is_not_asked_where_the_server_gives_the_reason(reply: bytes) -> None:
    code, stderr, sent = cron(refused(reply, Close()), *NAMED, "PLAIN")
    assert code == 1
    assert reply.decode().strip() in stderr
    assert b"CAPA" not in sent


@pytest.mark.parametrize("end", [Close(), Reset()], ids=["close", "reset"])
def test_a_server_that_hangs_up_after_its_refusal_is_quoted(end: Step) -> None:
    code, stderr, _sent = cron(refused(b"-ERR no\r\n", end), *NAMED, "PLAIN")
    assert code == 1
    assert '(bob at HOST:PORT, PLAIN, AUTH PLAIN): "-ERR no".' in stderr


def test_so_is_one_that_falls_silent_after_it() -> None:
    code, stderr, _sent = cron(
        refused(b"-ERR no\r\n", CAPA, SILENCE), *NAMED, "PLAIN", "--timeout", "0.3"
    )
    assert code == 1
    assert '"-ERR no".' in stderr


def test_in_a_shell_a_refusal_is_explained_although_the_server_hangs_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The password is hashed in a thread, and the connection ends meanwhile."""
    monkeypatch.setenv("POPTALK_PASSWORD", "wrong")
    steps = [GREETING, ExpectLine(), Send(b"-ERR Account suspended\r\n"), Close()]
    with (
        ScriptedServer(steps) as server,
        on_a_terminal(*at(server), *NAMED, "SCRAM-SHA-256", columns=200) as shell,
    ):
        shell.wait_for("closed the connection")
        shell.wait_for("about the account")
        assert "the server did not let you in (bob at" in said_once(shell.text)


def test_why_is_about_the_refusal_and_not_about_the_capa_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("POPTALK_PASSWORD", "jones")
    steps = refused(b"-ERR no\r\n", CAPA, Send(b"+OK\r\nSASL LOGIN\r\n.\r\n"))
    with (
        ScriptedServer(steps) as server,
        on_a_terminal(*at(server), *NAMED, "PLAIN", columns=200) as shell,
    ):
        shell.wait_for("CAPA lists no PLAIN here, but LOGIN")
        shell.send(":why\r")
        shell.wait_for("words for people")
        shell.wait_for("CAPA lists no PLAIN here, but LOGIN; --mechanism")


STAGES: dict[str, tuple[list[Step], tuple[str, ...], int, str]] = {
    "hung up before the greeting": ([Close()], (), 5, "(bob at HOST:PORT)"),
    "half a greeting": (
        [Send(b"+OK re"), SILENCE],
        ("--timeout", "0.3"),
        5,
        "(bob at HOST:PORT)",
    ),
    "not welcome": (
        [Send(b"-ERR closed for today\r\n"), Close()],
        (),
        1,
        'the greeting was "-ERR closed for today" and not +OK, so nobody can log in here (bob at '
        "HOST:PORT)",
    ),
    "hung up at CAPA": ([GREETING, CAPA, Close()], (), 5, "(bob at HOST:PORT, CAPA)"),
    "hung up at USER": (
        [GREETING, ExpectLine(), Close()],
        ("--mechanism", "USER"),
        5,
        "(bob at HOST:PORT, USER)",
    ),
    "hung up at PASS": (
        [GREETING, ExpectLine(), Send(b"+OK\r\n"), ExpectLine(), Reset()],
        ("--mechanism", "USER"),
        5,
        "(bob at HOST:PORT, USER, PASS)",
    ),
    "silent at PASS": (
        [GREETING, ExpectLine(), Send(b"+OK\r\n"), ExpectLine(), SILENCE],
        ("--mechanism", "USER", "--timeout", "0.3"),
        5,
        "(bob at HOST:PORT, USER, PASS)",
    ),
    "silent at AUTH": (
        [GREETING, ExpectLine(), SILENCE],
        ("--mechanism", "LOGIN", "--timeout", "0.3"),
        5,
        "(bob at HOST:PORT, LOGIN, AUTH LOGIN)",
    ),
    "STLS refused": (
        refused(b"-ERR not here\r\n"),
        ("--starttls",),
        4,
        '"-ERR not here". Nothing else was sent',
    ),
    "STLS refused, who": (refused(b"-ERR\r\n"), ("--starttls",), 4, "(bob at HOST:PORT, STLS)"),
    "hung up at STLS": (
        [GREETING, ExpectLine(), Close()],
        ("--starttls",),
        4,
        "(bob at HOST:PORT, STLS)",
    ),
    "silent at STLS": (
        [GREETING, ExpectLine(), SILENCE],
        ("--starttls", "--timeout", "0.3"),
        4,
        "(bob at HOST:PORT, STLS)",
    ),
    "silent in the handshake": (
        [
            GREETING,
            ExpectLine(),
            Send(b"+OK go\r\n"),
            Expect(b"\x16\x03"),
            SILENCE,
        ],
        ("--starttls", "--timeout", "0.3"),
        4,
        "(bob at HOST:PORT, STLS)",
    ),
    "injected": (
        [GREETING, ExpectLine(), Send(b"+OK go\r\n+OK you are in\r\n")],
        ("--starttls",),
        4,
        "(bob at HOST:PORT, STLS)",
    ),
    "silence in place of TLS": (
        [SILENCE],
        ("--tls", "--timeout", "0.3"),
        4,
        "(bob at HOST:PORT, TLS)",
    ),
    "TLS that does not come": (
        [GREETING],
        ("--tls",),
        4,
        "(bob at HOST:PORT, TLS)",
    ),
}


@pytest.mark.parametrize("case", STAGES)
def test_each_stage_names_server_user_and_step(case: str) -> None:
    steps, options, expected, said = STAGES[case]
    code, stderr, _sent = cron(steps, "--login", "bob", *options)
    assert code == expected, stderr
    assert said in stderr
    assert "Zq7Vx9Wk4Jy" not in stderr


def test_a_connection_that_is_refused_names_the_user_too() -> None:
    with ScriptedServer([]) as server:
        refused_port = server.port
    done = subprocess.run(
        poptalk("127.0.0.1", refused_port, "--login", "bob"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=environment(POPTALK_PASSWORD="Zq7Vx9Wk4Jy"),
        check=False,
    )
    assert done.returncode == 3
    assert f"(bob at 127.0.0.1:{refused_port}, connecting)" in done.stderr.decode()


# Logins that a script sends itself: the answers are on standard output, which cron may throw away.


def piped_away(lines: bytes, steps: Sequence[Step], *options: str) -> tuple[int, str]:
    with ScriptedServer(steps) as server:
        done = subprocess.run(
            poptalk(*at(server), *options),
            input=lines,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment(),
            check=False,
            timeout=30,
        )
        said = done.stderr.decode().replace(f"127.0.0.1:{server.port}", "HOST:PORT")
        return done.returncode, said


@pytest.mark.parametrize(
    ("lines", "replies", "said"),
    [
        (
            b"USER bob\nPASS Zq7Vx9Wk4Jy\n",
            (b"+OK\r\n", b"-ERR Zq7Vx9Wk4Jy is not it\r\n"),
            '(bob at HOST:PORT, USER, PASS): "-ERR **** is not it".',
        ),
        (b"USER bob\n", (b"-ERR who?\r\n",), '(bob at HOST:PORT, USER): "-ERR who?"'),
        (
            b"AUTH PLAIN !!!\n",
            (b"-ERR invalid base64\r\n",),
            '(HOST:PORT, PLAIN, AUTH PLAIN): "-ERR invalid base64". The server could not read',
        ),
        (
            b"AUTH LOGIN\nAGJvYg==\n",
            (b"+ \r\n", b"-ERR no\r\n"),
            '(HOST:PORT, LOGIN, AUTH LOGIN): "-ERR no".',
        ),
        (b"AUTH Zq7Vx9Wk4Jy\n", (b"-ERR no\r\n",), '(HOST:PORT, AUTH): "-ERR no".'),
        (b"APOP bob 1234\n", (b"-ERR no\r\n",), '(bob at HOST:PORT, APOP): "-ERR no".'),
    ],
)
def test_a_piped_login_that_is_refused_says_so_where_nobody_sees_the_answers(
    lines: bytes, replies: Sequence[bytes], said: str
) -> None:
    steps: list[Step] = [GREETING]
    for reply in replies:
        steps += [ExpectLine(), Send(reply)]
    code, stderr = piped_away(lines + b"QUIT\n", [*steps, ExpectLine(), Send(b"+OK\r\n"), Close()])
    assert code == 1
    assert said in stderr
    assert "Zq7Vx9Wk4Jy" not in stderr


def test_one_that_comes_about_at_last_is_not_explained() -> None:
    lines = b"USER bob\nPASS a\nUSER bob\nPASS b\nQUIT\n"
    steps: list[Step] = [GREETING]
    for reply in (b"+OK\r\n", b"-ERR no\r\n", b"+OK\r\n", b"+OK\r\n", b"+OK\r\n"):
        steps += [ExpectLine(), Send(reply)]
    said = 'poptalk: PASS was refused: "-ERR no".\n'
    assert piped_away(lines, [*steps, Close()]) == (1, said)
