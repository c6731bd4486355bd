"""`poptalk run` as users run it: a process, a file, and an exit code."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from poptalk.cli import main
from poptalk.net.endpoint import UsageError
from poptalk.pop3.commands import VERBS
from poptalk.run.run import MOST_OCTETS, read_text
from tests.servers import certificates
from tests.servers.recording import RecordingServer, by_keyword
from tests.servers.scripted import Close, Expect, Flood, ScriptedServer, Send
from tests.shell.black_box import TIMEOUT, Finished, at, environment, on_a_terminal, poptalk

TRANSCRIPTS = Path(__file__).parent.parent / "transcripts"

SESSION = """\
S: +OK
C: USER bob
S: +OK
C: PASS {password}
S: +OK
C: STAT
S: +OK 3 6183
C: QUIT
S: +OK
S: <close connection>
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "session.pop3"
    path.write_text(SESSION)
    return path


def run(*arguments: object, lines: bytes = b"", **changes: str) -> Finished:
    """Run the command as a process, without a terminal."""
    done = subprocess.run(
        poptalk("run", *arguments),
        input=lines,
        capture_output=True,
        env=environment(**changes),
        timeout=TIMEOUT,
        check=False,
    )
    return Finished(done.returncode, done.stdout, done.stderr.decode())


# The RFC's own sessions, and other transcripts, on the practice server.


@pytest.mark.parametrize("path", sorted(TRANSCRIPTS.glob("*.pop3")), ids=lambda path: path.stem)
def test_written_sessions_pass(path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(path)]) == 0
    out, err = capfd.readouterr()
    assert out.splitlines()[-1].endswith(", all as written")
    assert err == ""


def test_a_session_pasted_from_the_rfc_agrees_to_the_letter() -> None:
    """The timestamp is the one of its greeting, so that its digest is right (RFC 1939 §10)."""
    finished = run("--exact", TRANSCRIPTS / "rfc1939-section-10.pop3")
    assert finished.code == 0
    said = finished.stdout.decode().splitlines()
    assert "S: +OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>" in said
    assert "C: APOP mrose ****" in said
    assert said[-1] == "# 8 exchanges, all as written"


def test_another_persona_and_another_maildrop(script: Path, tmp_path: Path) -> None:
    (tmp_path / "mail").mkdir()
    (tmp_path / "mail" / "1.eml").write_text("Subject: hi\n\nHello\n")
    script.write_text(SESSION.replace("3 6183", "1 22"))
    assert run(script, "--persona", "dovecot", "--maildrop", tmp_path / "mail").code == 0


def test_the_account_is_the_one_that_the_script_names(script: Path) -> None:
    script.write_text("S: +OK\nC: APOP mrose {apop}\nS: +OK\nC: STAT\nS: +OK 2 320\n")
    assert run(script).code == 0
    assert run(script, "--user", "bob").code == 1


# What is shown.


def test_the_dialogue_is_shown_without_its_secret(script: Path) -> None:
    said = run(script).stdout.decode()
    assert "C: PASS ****\nS: +OK mailbox locked and ready" in said
    assert "jones" not in said
    assert said.endswith("# 4 exchanges, all as written\n")


def test_a_difference_is_shown_line_against_line(script: Path) -> None:
    script.write_text(SESSION.replace("6183", "6208"))
    finished = run(script)
    assert finished.code == 1
    assert finished.stdout.decode().splitlines()[-4:] == [
        f"#! {script}:7: expected the field 'octets' = 6208",
        "# written  S: +OK 3 6208",
        "# came     S: +OK 3 6183",
        f"# 'octets' is data: {VERBS[b'STAT'].fields[1].meaning} [RFC 1939 §5]",
    ]
    assert finished.stderr == ""


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("C: LIST\nS: +OK\nS: 1 1903\nS: .\n", ("S: .", "S: 2 4255")),
        ("C: LIST\nS: +OK\nS: 1 1903\nS: 2 4255\nS: 3 25\n", ("nothing more", "S: .")),
        ("C: STAT\nS: +OK\nS: ...\nC: RETR 9\n", ("no reply, so that any but a refusal will do",)),
        ("C: NOOP\nS: +OK\nS: <close connection>\n", ("S: <close connection>", "nothing more")),
    ],
)
def test_what_was_written_and_what_came(script: Path, written: str, shown: tuple[str, ...]) -> None:
    script.write_text("\n".join(SESSION.splitlines()[:5]) + f"\n{written}")
    said = run(script, "--timeout", "0.5").stdout.decode().splitlines()
    assert f"# written  {shown[0]}" in said
    assert f"# came     {shown[-1]}" in said or shown[0].startswith("no reply")


def test_quiet_shows_differences_only(script: Path) -> None:
    assert run("--quiet", script).stdout == b""
    script.write_text(SESSION.replace("6183", "6208"))
    assert run("--quiet", script).stdout.startswith(b"#! ")


def test_an_echo_of_the_password_is_masked(script: Path) -> None:
    script.write_text("S: +OK\nC: USER bob\nS: +OK\nC: PASS sesame\nS: +OK\n")
    answers = {b"USER": b"+OK\r\n", b"PASS": b"-ERR sesame is wrong\r\n"}
    with RecordingServer(reply=by_keyword(answers)) as server:
        finished = run(script, *at(server))
    assert finished.code == 1
    assert b"-ERR **** is wrong" in finished.stdout
    assert b"sesame" not in finished.stdout + finished.stderr.encode()


def test_what_a_server_sends_is_harmless(script: Path) -> None:
    script.write_text("C: STAT\nS: -ERR\n")
    with RecordingServer(reply=lambda _: b"+OK \x1b]0;x\x07\r\n") as server:
        finished = run(script, *at(server))
    assert rb"\x1b]0;x\x07" in finished.stdout
    assert b"\x1b" not in finished.stdout


def test_colours_where_they_are_asked_for(script: Path) -> None:
    assert b"\x1b[" not in run(script).stdout
    assert b"\x1b[32m+OK" in run(script, "--color", "always").stdout


def test_a_script_without_replies(script: Path) -> None:
    script.write_text("C: USER bob\nC: PASS jones\n")
    finished = run(script)
    assert finished.code == 0
    assert b"2 exchanges, none refused; there are no S: lines to compare with" in finished.stdout


# Where it comes from.


def test_from_standard_input(script: Path) -> None:
    assert run("-", lines=SESSION.encode()).code == 0
    assert b"#! standard input:7: " in run("-", lines=SESSION.replace("618", "0").encode()).stdout


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        (
            "a.pop3",
            b"S: +OK\nHELO\n",
            "a.pop3:2: a line begins with 'C:', 'S:', 'or' or '#': 'HELO'",
        ),
        ("a.pop3", b"S: +OK\nSTAT\n", "write 'C: STAT'."),
        ("a.pop3", b"# nothing\n\n", "has nothing in it to replay: write C: and S: lines"),
        ("a.pop3", b"C: NOOP \xff\n", "is not UTF-8, from octet 8 on"),
        ("a.md", b"# A lesson\n", "is a Markdown document, and run replays one dialogue"),
        ("a.pop3", b"C: RETR {n}\n", "'{n}' has no value, because no line before this one"),
    ],
)
def test_2_what_is_no_script(tmp_path: Path, name: str, content: bytes, sentence: str) -> None:
    (tmp_path / name).write_bytes(content)
    finished = run(tmp_path / name)
    assert finished.code == 2
    assert sentence in finished.stderr
    assert finished.stderr.startswith("poptalk: ")


def test_2_a_file_that_is_not_there_or_too_long(tmp_path: Path) -> None:
    assert "cannot be read: No such file" in run(tmp_path / "no.pop3").stderr
    long = tmp_path / "long.pop3"
    long.write_bytes(b"#" * (MOST_OCTETS + 1))
    finished = run(long)
    assert finished.code == 2
    assert "longer than 67,108,864 octets" in finished.stderr


def test_standard_input_that_is_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("poptalk.run.run.MOST_OCTETS", 10)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"#" * 11)))
    with pytest.raises(UsageError, match=r"^standard input is longer than 10 octets"):
        read_text("-")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--user", "nobody"], "has no account for that user; it has bob and mrose"),
        (["--persona", "nobody"], "nobody"),
        (["host", "--persona", "plain"], "give no target"),
        (["host", "70000"], "isn't a port"),
        (["http://host"], "must begin with pop3://"),
    ],
)
def test_2_what_cannot_be_asked_for(script: Path, arguments: list[str], sentence: str) -> None:
    finished = run(script, *arguments)
    assert finished.code == 2
    assert sentence in finished.stderr


def test_2_no_password_and_nobody_to_ask(script: Path) -> None:
    with RecordingServer() as server:
        finished = run(script, *at(server))
    assert finished.code == 2
    assert (
        "needs a password: there is no terminal to ask for the password at: set POPTALK_PASSWORD"
        in finished.stderr
    )
    assert server.received == b""


def test_2_no_user(script: Path) -> None:
    script.write_text("C: USER {user}\n")
    with RecordingServer() as server:
        assert "needs a user's name: say --user NAME" in run(script, *at(server)).stderr


# A server of one's own.


@pytest.fixture
def answering() -> Iterator[RecordingServer]:
    answers = {
        b"USER": b"+OK\r\n",
        b"PASS": b"+OK\r\n",
        b"STAT": b"+OK 3 6183\r\n",
        b"QUIT": b"+OK\r\n",
    }
    with RecordingServer(reply=by_keyword(answers), closing_keyword=b"QUIT") as running:
        yield running


def test_the_password_comes_from_the_environment(script: Path, answering: RecordingServer) -> None:
    finished = run(script, *at(answering), POPTALK_PASSWORD="open sesame")
    assert finished.code == 0
    assert b"PASS open sesame\r\n" in answering.received
    assert b"sesame" not in finished.stdout


def test_the_user_comes_from_the_command_line_or_the_url(
    script: Path, answering: RecordingServer
) -> None:
    script.write_text(SESSION.replace("bob", "{user}"))
    url = f"pop3://rose@{answering.host}:{answering.port}"
    for arguments in ([url], [*at(answering), "--user", "rose"]):
        assert run(script, *arguments, POPTALK_PASSWORD="x").code == 0
    assert [c.startswith(b"USER rose\r\n") for c in answering.connections] == [True, True]


def test_the_password_is_asked_for_without_echo(script: Path, answering: RecordingServer) -> None:
    with on_a_terminal("run", script, *at(answering), "--user", "bob") as pty:
        pty.wait_for("Password of bob at 127.0.0.1:")
        pty.send(b"sesame\r")
        assert pty.wait_exit() == 0
        assert b"sesame" not in pty.raw
        assert pty.restored
    assert b"PASS sesame\r\n" in answering.received


def test_no_password_is_asked_for_where_none_is_needed(
    script: Path, answering: RecordingServer
) -> None:
    script.write_text(SESSION.replace("{password}", "jones"))
    assert run(script, *at(answering)).code == 0


@pytest.mark.parametrize("option", ["--tls", "STLS"])
def test_tls(script: Path, tmp_path: Path, option: str) -> None:
    """The practice server's own certificate is trusted, and checked."""
    begins = "" if option == "--tls" else "C: STLS\nS: +OK\nC: <negotiate TLS>\n"
    script.write_text(SESSION.replace("C: USER", f"{begins}C: USER"))
    finished = run(script, *([option] if option == "--tls" else []))
    assert finished.code == 0
    assert b"certificate verified" in finished.stdout


# Exit codes.


def test_3_cannot_connect(script: Path) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        assert run(script, "127.0.0.1", bound.getsockname()[1], POPTALK_PASSWORD="x").code == 3


def test_4_a_certificate_that_is_not_trusted(script: Path, tmp_path: Path) -> None:
    context = certificates.unknown_issuer(tmp_path).server_context
    with RecordingServer(tls=context) as server:
        assert run(script, *at(server), "--tls", POPTALK_PASSWORD="x").code == 4
        finished = run(script, *at(server), "--tls", "--insecure", POPTALK_PASSWORD="x")
        assert finished.code == 1
        assert "certificate NOT verified; it came alone, without its issuer" in finished.stderr
        assert finished.stdout.count(b"NOT verified") == 1


def test_5_the_server_hangs_up(script: Path) -> None:
    steps = [Send(b"+OK\r\n"), Expect(b"USER bob\r\n"), Close()]
    with ScriptedServer(steps) as server:
        finished = run(script, *at(server), POPTALK_PASSWORD="x")
    assert finished.code == 5
    assert finished.stderr == (
        f"poptalk: {script}:3: the server closed the connection while the reply to USER was awaited.\n"
    )


def test_5_the_server_falls_silent(script: Path) -> None:
    with ScriptedServer([Send(b"+OK\r\n")]) as server:
        finished = run(script, *at(server), "--timeout", "0.2", POPTALK_PASSWORD="x")
    assert finished.code == 5
    assert "session.pop3:3: the reply to USER was awaited. " in finished.stderr


def test_130_ctrl_c(script: Path) -> None:
    with ScriptedServer([Send(b"+OK\r\n")]) as server:
        process = subprocess.Popen(
            poptalk("run", script, *at(server)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(POPTALK_PASSWORD="x"),
        )
        with process:
            server.wait_for(lambda received: received == b"USER bob\r\n")
            process.send_signal(signal.SIGINT)
            assert process.wait(TIMEOUT) == 130
            assert process.stderr is not None
            assert process.stderr.read() == b""


def test_1_the_reader_of_the_output_has_gone(script: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as stdout:
        done = subprocess.run(
            poptalk("run", script),
            stdout=stdout,
            stderr=subprocess.PIPE,
            env=environment(),
            timeout=TIMEOUT,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == b""


# Long replies.

LINE = b"This line is as long as the lines of a letter use to be, or thereabouts.\r\n"
FLOOD_OCTETS = 100_000_000
MOST_MEMORY = 96 * 1024 * 1024


def test_a_reply_of_100_megabytes_is_folded_and_not_kept(script: Path) -> None:
    script.write_text("S: +OK\nC: RETR 1\nS: +OK\nS: ...\nS: the end\nS: .\nC: QUIT\nS: +OK\n")
    total = FLOOD_OCTETS // len(LINE) * len(LINE)
    steps = [
        Send(b"+OK\r\n"),
        Expect(b"RETR 1\r\n"),
        Send(b"+OK\r\n"),
        Flood(LINE, total),
        Send(b"the end\r\n.\r\n"),
        Expect(b"QUIT\r\n"),
        Send(b"+OK\r\n"),
    ]
    # ru_maxrss would include the memory of this process, which starts the other one.
    measured = (
        "import re, sys\nfrom poptalk.cli import main\ncode = main(sys.argv[1:])\n"
        "peak = re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())\n"
        "print(peak[1], file=sys.stderr)\n"
        "sys.exit(code)"
    )
    with ScriptedServer(steps) as server:
        command = [poptalk()[0], "-c", measured, "run", script, *at(server)]
        done = subprocess.run(
            [*map(str, command)],
            capture_output=True,
            env=environment(),
            timeout=TIMEOUT,
            check=False,
        )
    assert done.returncode == 0, done.stdout[-500:]
    assert int(done.stderr) * 1024 < MOST_MEMORY
    assert len(done.stdout) < 20_000
    assert b" more lines, 99," in done.stdout
