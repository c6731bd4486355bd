"""What one does wrong at night: one sentence with what is right, exit code 2, no value repeated."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from poptalk.cli import main
from poptalk.practice.server import Server
from tests.servers.recording import RecordingServer, by_keyword
from tests.servers.scripted import Answer, ScriptedServer, Send
from tests.shell.black_box import at, on_a_terminal, piped

SENTENCES = [
    (["h", "--stattls"], "there is no option --stattls: is --starttls meant?"),
    (["h", "--frob"], "is --proxy meant? poptalk connect --help lists all options"),
    (["h", "--login", "b", "--mechanism", "FOO"], '"FOO" is no way to log in: there are SCR'),
    (
        ["check", "--mechanism", "PLAN"],
        '"PLAN" is no way to log in: is PLAIN meant? There are',
    ),
    (["h", "--port", "110"], "the port is a word after the host"),
    (["h", "--user", "bob"], "--login USER logs in"),
    (["h", "--secure"], "TLS from the first octet is --tls, and STLS first of all is --starttls"),
    (["h", "--verbose"], "--explain says what everything means, and --log FILE keeps the dialogue"),
    (["h", "--debug"], "--explain says what everything means, and --log FILE keeps the dialogue"),
    (["h", "-v"], "--explain says what everything means, and --log FILE keeps the dialogue"),
    (["serve", "--debug"], "there is no option --debug: --log FILE keeps the dialogue"),
    (["diff", "a", "b", "-v"], "there is no option -v; poptalk diff --help"),
    (["h", "--ssl"], "TLS from the first octet is --tls"),
    (["h", "--xyzzy"], "there is no option --xyzzy; poptalk connect --help"),
    (["h", "--password-", "x"], "it may be --password-env, --password-file, --password-command"),
    (["h", "--timeout", "0"], "'0' isn't a number of seconds above 0"),
    (["h", "--login"], "--login: expected one argument"),
    (["run"], "the following arguments are required: FILE"),
    (["run", "x.pop3", "--prot", "1"], "there is no option --prot"),
    (["diff", "a"], "required: B"),
    (["serve", "x"], "x is one word too many"),
    (["serve", "--any-name=", "--own"], "the password is empty: leave it and the = out"),
    (["class", "5", "--any-name", ""], "the password is empty: leave it and the = out"),
]


def complaint(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Return what a wrong command line is answered with."""
    with pytest.raises(SystemExit, match="2"):
        main(words)
    said = capsys.readouterr()
    assert not said.out
    return said.err


@pytest.mark.parametrize(("words", "sentence"), SENTENCES)
def test_one_sentence(words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = complaint(words, capsys)
    assert said.startswith("poptalk: ")
    assert sentence in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("option", ["--insecur3", "--inscure", "--insecure-tls", "--nsecure"])
def test_no_option_that_switches_a_check_off_is_suggested(
    option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert f"there is no option {option}; poptalk connect --help" in complaint(
        ["h", option], capsys
    )


def test_a_short_list_of_what_there_is_stays(capsys: pytest.CaptureFixture[str]) -> None:
    assert "usage: poptalk lessons" in complaint(["lessons", "lsit"], capsys)


@pytest.mark.parametrize("words", [["--password", "hunter2"], ["--password=hunter2"]])
def test_a_password_that_was_given_is_not_repeated(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    said = complaint(["mail.example.org", *words], capsys)
    assert "a password on the command line could be read by others" in said
    assert "hunter2" not in said


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["110", "localhost"], "the host comes first, and the port after it: localhost 110"),
        (["localhost", "--log-format", "jsonl"], "--log-format is for --log FILE"),
        (["run", "localhost", "110"], "the dialogue comes first, and the server after it"),
    ],
)
def test_an_order_that_is_wrong(
    words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert sentence in capsys.readouterr().err


def test_a_log_for_programs_is_no_script(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "session.jsonl"
    assert main(["-e", "QUIT", "--log", str(log), "--log-format", "jsonl"]) == 0
    capsys.readouterr()
    assert main(["run", str(log)]) == 2
    assert "is a log as JSON, for programs" in capsys.readouterr().err


def test_host_and_port_in_one_word() -> None:
    with RecordingServer(closing_keyword=b"QUIT") as server:
        assert piped(b"QUIT\n", f"{server.host}:{server.port}").code == 0


def test_the_password_is_asked_for_with_lines_on_the_command_line() -> None:
    keywords = (b"USER", b"PASS", b"NOOP", b"QUIT")
    answers = by_keyword(dict.fromkeys(keywords, b"+OK\r\n"))
    with (
        RecordingServer(reply=answers, closing_keyword=b"QUIT") as server,
        on_a_terminal(*at(server), "--login", "bob", "-e", "NOOP", "-e", "QUIT") as pty,
    ):
        pty.wait_for("Password of bob")
        pty.send("jones\r")
        assert pty.wait_exit() == 0
        assert b"PASS jones\r\nNOOP\r\n" in server.received
    assert b"jones" not in bytes(pty.raw)


@pytest.mark.parametrize(
    ("refusal", "sentence"),
    [
        (
            b"-ERR [AUTH] Unsupported authentication mechanism.\r\n",
            "The server doesn't accept this way to log in; it has no CAPA, which would list others",
        ),
        (
            b"-ERR no\r\n",
            "The server has no CAPA, so it may have no PLAIN at all",
        ),
    ],
    ids=["in words", "without a reason"],
)
def test_a_mechanism_that_is_not_there_is_not_a_wrong_password(
    monkeypatch: pytest.MonkeyPatch, refusal: bytes, sentence: str
) -> None:
    """Dovecot answers a mechanism that it does not know with the code of a wrong password."""
    monkeypatch.setenv("POPTALK_PASSWORD", "jones")
    refuse = Answer(lambda _line: refusal)
    with ScriptedServer([Send(b"+OK ready\r\n"), refuse]) as server:
        finished = piped(b"", *at(server), "--login", "bob", "--mechanism", "PLAIN")
    assert finished.code == 1
    assert sentence in finished.stderr
    assert "wrong password" not in finished.stderr


def test_letters_before_the_login() -> None:
    with (
        RecordingServer(reply=by_keyword({b"TOP": b"-ERR not yet\r\n"})) as server,
        on_a_terminal(*at(server)) as pty,
    ):
        pty.wait_for("AUTHORIZATION")
        pty.send(":headers 1\r")
        pty.wait_for("no message can be fetched before the login")
        pty.send("\x04")
        assert pty.wait_exit() == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("words", [["--help"], ["--version"], ["run", "--help"]], ids=" ".join)
def test_help_on_a_full_disk(words: list[str]) -> None:
    with open("/dev/full", "wb") as full:
        command = [sys.executable, "-m", "poptalk", *words]
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=30, check=False
        )
    assert done.returncode == 1
    assert done.stderr.startswith("poptalk: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(os.name == "nt", reason="the shell of Windows cannot close a stream")
@pytest.mark.parametrize(
    "words",
    [["serve", "--list-faults"], ["serve", "--list-personas"], ["check", "--list"]],
    ids=" ".join,
)
def test_a_list_that_nobody_can_read(words: list[str]) -> None:
    command = ["sh", "-c", 'exec "$@" >&-', "sh", sys.executable, "-m", "poptalk", *words]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (
        1,
        "poptalk: The output was closed before poptalk was started.\n",
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_key_log_on_a_full_disk() -> None:
    options = ("--starttls", "--insecure", "--keylog", "/dev/full")
    with Server() as server:
        finished = piped(b"CAPA\nQUIT\n", server.host, server.port, *options)
    assert finished.code == 4
    assert "the key log cannot be written to" in finished.stderr
