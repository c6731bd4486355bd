"""`poptalk run` with several dialogues, with values, times, results for build servers, and STLS."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from xml.etree import ElementTree

import pytest

from poptalk.cli import main
from poptalk.run.run import part_words
from tests.run.test_run import SESSION, run
from tests.servers.recording import RecordingServer, by_keyword
from tests.servers.scripted import Answer, Close, Expect, ScriptedServer, Send
from tests.shell.black_box import at

GOOD = "S: +OK\nC: NOOP\nS: +OK\nC: QUIT\nS: +OK\n"
LOGIN = "C: USER bob\nS: +OK\nC: PASS {password}\nS: +OK\n"
OTHER = "S: +OK\nC: NOOP\nS: -ERR\n"


def scripts(folder: Path, **texts: str) -> list[Path]:
    paths = []
    for name, text in texts.items():
        paths.append(folder / f"{name}.pop3")
        paths[-1].write_text(text)
    return paths


# Several dialogues.


def test_each_has_a_connection_and_a_practice_server_of_its_own(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A message that the first deletes is there again for the second."""
    deleting = SESSION.replace("C: QUIT", "C: DELE 1\nS: +OK\nC: QUIT")
    files = scripts(tmp_path, first=deleting, second=deleting)
    assert main(["run", *map(str, files)]) == 0
    said = capfd.readouterr().out.splitlines()
    assert [line for line in said if line.endswith(".pop3:")] == [f"# {file}:" for file in files]
    assert said[-1] == "# 2 dialogues, all as written"


def test_those_behind_one_that_differs_are_run_all_the_same(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    files = scripts(tmp_path, a=GOOD, b=OTHER, c=GOOD)
    with RecordingServer(closing_keyword=b"QUIT") as server:
        assert main(["run", *map(str, [*files, *at(server)])]) == 1
    assert [*server.connections] == [b"NOOP\r\nQUIT\r\n", b"NOOP\r\n", b"NOOP\r\nQUIT\r\n"]
    assert capfd.readouterr().out.splitlines()[-1] == (
        f"# 3 dialogues, 1 not as written: {files[1]}"
    )


def test_nothing_is_sent_where_one_cannot_be_read(tmp_path: Path) -> None:
    files = scripts(tmp_path, good=GOOD, bad="HELO\n")
    with RecordingServer() as server:
        assert run(*files, *at(server)).code == 2
    assert not server.connections


def test_a_lost_connection_is_one_of_the_results(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    files = scripts(tmp_path, a=GOOD, b=GOOD)
    with ScriptedServer([Send(b"+OK\r\n"), Expect(b"NOOP\r\n"), Close()]) as server:
        assert main(["run", *map(str, [*files, *at(server)])]) == 5
    out, err = capfd.readouterr()
    assert out.endswith(f"# 2 dialogues, 2 not as written: {files[0]}, {files[1]}\n")
    assert err.count("while the reply to NOOP was awaited") == 2


def test_a_server_that_is_not_there_is_asked_once(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    files = scripts(tmp_path, a=GOOD, b=GOOD, c=GOOD)
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        assert main(["run", *map(str, files), "127.0.0.1", str(bound.getsockname()[1])]) == 3
    out, err = capfd.readouterr()
    assert out.endswith(f"# 3 dialogues, 1 not as written: {files[0]}; 2 not run\n")
    assert err.count("poptalk: ") == 1


def test_standard_input_can_be_read_once() -> None:
    finished = run("-", "-", lines=GOOD.encode())
    assert finished.code == 2
    assert "which can be read once" in finished.stderr


@pytest.mark.parametrize(
    ("words", "files"),
    [
        (["a"], 1),
        (["a", "mail.example.org", "110"], 1),
        (["a", "b.pop3", "-", "mail.example.org"], 3),
        (["a", "pop3s://me@mail.example.org"], 1),
        (["a", "mail.example.org", "b.pop3"], 1),
    ],
)
def test_where_the_files_end_and_the_server_begins(words: list[str], files: int) -> None:
    assert part_words(words) == (words[:files], words[files:])


def test_what_is_a_file_is_a_file(tmp_path: Path) -> None:
    (file,) = scripts(tmp_path, a=GOOD)
    bare = file.rename(tmp_path / "session")
    assert part_words(["a", str(bare), "host"]) == (["a", str(bare)], ["host"])


# Values.


def test_values_from_the_command_line(tmp_path: Path) -> None:
    text = "S: +OK\nC: USER {user}\nS: +OK\nC: LIST {n}\nS: +OK\nC: XYZ {n} {lines:int=0}\nS: +OK\n"
    (file,) = scripts(tmp_path, a=text)
    with RecordingServer() as server:
        values = ["--var", "user=rose", "--var", "n=7", "--var", "lines=2"]
        assert run(file, *at(server), *values).code == 0
    assert server.received == b"USER rose\r\nLIST 7\r\nXYZ 7 2\r\n"


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("password=jones", "would show a secret"),
        ("plain=AGJvYgBqb25lcw==", "would show a secret"),
        ("scram-sha-256-2=x", "would show a secret"),
        ("n", "--var takes NAME=VALUE"),
        ("=3", "--var takes NAME=VALUE"),
        ("n=3\r\nDELE 1", "a line end or NUL"),
    ],
)
def test_2_values_that_are_refused(tmp_path: Path, value: str, sentence: str) -> None:
    finished = run(*scripts(tmp_path, a=GOOD), "--var", value)
    assert finished.code == 2
    assert sentence in finished.stderr
    assert "jones" not in finished.stderr


# Times.


def test_times_stand_beside_each_reply(tmp_path: Path) -> None:
    text = SESSION.replace("C: QUIT", "C: LIST\nS: +OK\nC: RETR 9\nS: -ERR\nC: QUIT")
    said = run("--times", *scripts(tmp_path, a=text)).stdout.decode().splitlines()
    time = r"  # \d+(\.\d)? ms"
    timed = [re.sub(time + "$", "", line) for line in said if re.search(time + "$", line)]
    assert timed[0].startswith("S: +OK ")
    assert "S: ." in timed
    assert "S: +OK 3 messages (6183 octets)" not in timed
    assert len(timed) == len([line for line in said if line.startswith("C: ")]) + 1
    assert not any("ms" in line for line in said if line.startswith("C: "))


# JUnit.


def test_results_for_a_build_server(tmp_path: Path) -> None:
    files = scripts(tmp_path, good=GOOD, other=OTHER, lost=SESSION)
    answers = {b"NOOP": b"+OK\r\n", b"QUIT": b"+OK\r\n", b"USER": b""}
    with RecordingServer(reply=by_keyword(answers), closing_keyword=b"QUIT") as server:
        options = ["--junit", tmp_path / "results.xml", "--quiet", "--timeout", "0.3"]
        finished = run(*files, *at(server), *options, POPTALK_PASSWORD="x")
    assert finished.code == 1
    root = ElementTree.parse(tmp_path / "results.xml").getroot()
    suites = {suite.get("name"): suite for suite in root}
    found = {
        name: {key: suite.get(key) for key in ("tests", "failures", "errors", "skipped")}
        for name, suite in suites.items()
    }
    assert found == {
        "good": {"tests": "3", "failures": "0", "errors": "0", "skipped": "0"},
        "other": {"tests": "2", "failures": "1", "errors": "0", "skipped": "0"},
        "lost": {"tests": "2", "failures": "0", "errors": "1", "skipped": "0"},
    }
    failed = suites["other"].findall("testcase")[-1]
    assert failed.get("name") == "line 3: NOOP"
    assert failed.get("line") == "3"
    assert failed.get("file") == str(files[1])
    failure = failed.find("failure")
    assert failure is not None
    assert failure.text is not None
    assert failure.text.startswith("Line 3: expected the status indicator '-ERR', but '+OK' came.")
    assert "[RFC 1939 §3]" in failure.text
    assert all(float(case.get("time", "x")) >= 0 for case in root.iter("testcase"))


def test_what_a_server_sends_does_not_break_the_xml(tmp_path: Path) -> None:
    with RecordingServer(reply=lambda _: b"-ERR \x1b\xff\x00 ]]> <&\r\n") as server:
        results = tmp_path / "results.xml"
        assert run(*scripts(tmp_path, a=GOOD), *at(server), "--junit", results).code == 1
    failure = ElementTree.parse(results).getroot().find(".//failure")
    assert failure is not None
    assert "-ERR {0x1bff00} ]]> <&" in failure.get("message", "")
    assert "]]> <&" in failure.get("message", "")


def test_2_results_that_cannot_be_written(tmp_path: Path) -> None:
    finished = run(*scripts(tmp_path, a=GOOD), "--junit", tmp_path / "no" / "results.xml")
    assert finished.code == 2
    assert "cannot be written: No such file or directory" in finished.stderr


# STLS first of all.


@pytest.mark.parametrize("text", [SESSION, SESSION.partition("\n")[2]])
def test_stls_comes_before_the_dialogue(tmp_path: Path, text: str) -> None:
    finished = run("--starttls", *scripts(tmp_path, a=text))
    assert finished.code == 0
    said = [line for line in finished.stdout.decode().splitlines() if line.startswith("C: ")]
    assert said[:2] == ["C: STLS", "C: USER bob"]


def test_stls_is_not_sent_twice(tmp_path: Path) -> None:
    text = SESSION.replace("C: USER", "C: STLS\nS: +OK\nC: <negotiate TLS>\nC: USER")
    finished = run("--starttls", *scripts(tmp_path, a=text))
    assert finished.code == 0
    assert finished.stdout.count(b"C: STLS") == 1


def test_4_stls_is_never_left_out(tmp_path: Path) -> None:
    with RecordingServer(reply=by_keyword({b"USER": b"+OK\r\n"})) as server:
        finished = run(
            "--starttls", *scripts(tmp_path, a=SESSION), *at(server), POPTALK_PASSWORD="x"
        )
    assert finished.code == 4
    assert 'did not take STLS: "-ERR unknown command"' in finished.stderr
    assert server.received == b"STLS\r\n"


# Secrets.


def _repeat(line: bytes) -> bytes:
    return b"-ERR not " + line + b"\r\n" if line.startswith(b"PASS") else b"+OK\r\n"


def test_results_hold_no_password_that_a_server_repeats(tmp_path: Path) -> None:
    results = tmp_path / "results.xml"
    with ScriptedServer([Send(b"+OK\r\n"), Answer(_repeat)]) as server:
        finished = run(
            *scripts(tmp_path, a=LOGIN),
            *at(server),
            "--junit",
            results,
            POPTALK_PASSWORD="Zq7Vx9Wk",
        )
        assert b"PASS Zq7Vx9Wk\r\n" in server.received
    assert finished.code == 1
    assert "but '-ERR not PASS ****' came" in results.read_text()
    assert "Zq7Vx9Wk" not in finished.stdout.decode() + finished.stderr + results.read_text()


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
@pytest.mark.parametrize("what", ["name", "password"])
def test_no_name_and_no_password_ends_a_line(tmp_path: Path, what: str, end: str) -> None:
    """What follows the line end would be a command; in base64 it isn't allowed either."""
    values = {"name": "bob", "password": "jones"} | {what: f"x{end}DELE 1"}
    with RecordingServer() as server:
        dialogue = scripts(tmp_path, a="C: AUTH PLAIN {plain}\n")
        arguments = (*dialogue, *at(server), "--user", values["name"])
        finished = run(*arguments, POPTALK_PASSWORD=values["password"])
    assert finished.code == 2
    assert f"this {what} holds a line end or NUL" in finished.stderr
    assert server.received == b""


def test_no_value_that_a_server_gave_ends_a_line(tmp_path: Path) -> None:
    """A bare CR or NUL may be in a line that came, but not in one that is sent."""
    for end in (b"\r", b"\0"):
        with RecordingServer(greeting=b"+OK a" + end + b"DELE 1\r\n") as server:
            dialogue = scripts(tmp_path, a="S: +OK {what...}\nC: NOOP {what}\n")
            finished = run(*dialogue, *at(server), "--exact")
        assert finished.code == 2
        assert "holds a line end or NUL" in finished.stderr
        assert server.received == b""


# Going on after a difference.

TWO_DIFFERENCES = (
    "S: +OK\nC: STAT\nS: +OK 9 9\nC: NOOP\nS: +OK\nC: LIST 1\nS: +OK 1 9\nC: DELE 1\nS: +OK\n"
    "C: QUIT\nS: +OK\n"
)
ANSWERS = {b"STAT": b"+OK 1 5\r\n", b"LIST": b"+OK 1 5\r\n", b"QUIT": b"+OK\r\n"}


def test_all_differences_are_shown_and_nothing_is_deleted(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (file,) = scripts(tmp_path, a="C: USER bob\nS: +OK\nC: PASS jones\n" + TWO_DIFFERENCES)
    answers = ANSWERS | dict.fromkeys((b"USER", b"PASS", b"NOOP", b"DELE"), b"+OK\r\n")
    with RecordingServer(reply=by_keyword(answers), closing_keyword=b"QUIT") as server:
        assert main(["run", str(file), *map(str, at(server)), "--keep-going"]) == 1
    out = capfd.readouterr().out
    assert out.count("# written") == 2
    assert "QUIT is not sent: after a difference no message is deleted" in out
    assert out.endswith("# 2 differences\n")
    assert server.received.endswith(b"LIST 1\r\nDELE 1\r\n")


def test_a_response_that_nobody_asks_for_stays_here(tmp_path: Path) -> None:
    (file,) = scripts(tmp_path, a="C: AUTH PLAIN\nS: +\nC: {plain}\nS: +OK\nC: NOOP\nS: +OK\n")
    answers = {b"AUTH": b"-ERR no\r\n", b"NOOP": b"+OK\r\n"}
    with RecordingServer(reply=by_keyword(answers)) as server:
        finished = run(file, *at(server), "--keep-going", "--user", "bob", POPTALK_PASSWORD="jones")
    assert finished.code == 1
    assert server.received == b"AUTH PLAIN\r\nNOOP\r\n"


# Another server, after a migration.


def test_loose_compares_messages_and_not_what_a_server_calls_them(tmp_path: Path) -> None:
    text = (
        "S: +OK\nC: STAT\nS: +OK 1 5\nC: CAPA\nS: +OK\nS: TOP\nS: .\nC: UIDL\nS: +OK\nS: 1 a\nS: .\n"
        "C: UIDL 1\nS: +OK 1 a\nC: LIST\nS: +OK\nS: 1 5\nS: .\nC: RETR 1\nS: +OK\nS: x\nS: .\n"
    )
    answers = {
        b"STAT": b"+OK 1 7\r\n",
        b"CAPA": b"-ERR\r\n",
        b"UIDL": b"+OK\r\n1 b\r\n.\r\n",
        b"LIST": b"+OK\r\n1 7\r\n.\r\n",
        b"RETR": b"+OK\r\nx\r\n.\r\n",
    }

    def reply(line: bytes) -> bytes:
        return b"+OK 1 b\r\n" if line == b"UIDL 1" else by_keyword(answers)(line)

    (good,) = scripts(tmp_path, a=text.replace("C: CAPA\nS: +OK\nS: TOP\nS: .\n", ""))
    (fewer,) = scripts(tmp_path, b=text.replace("S: +OK 1 5\nC: CAPA", "S: +OK 2 5\nC: CAPA"))
    (other,) = scripts(tmp_path, c=text.replace("S: x", "S: y"))
    with RecordingServer(reply=reply) as server:
        assert run(good, *at(server)).code == 1
        assert run(good, *at(server), "--loose").code == 0
        assert run(fewer, *at(server), "--loose").code == 1
        answers[b"CAPA"] = b"+OK\r\nUIDL\r\n.\r\n"
        assert run(other, *at(server), "--loose").code == 1


# Times that are too long.


def test_a_reply_that_takes_too_long_is_a_difference(tmp_path: Path) -> None:
    with RecordingServer(reply=lambda _: b"") as server:
        finished = run(*scripts(tmp_path, a=GOOD), *at(server), "--max-time", "0.2")
    assert finished.code == 1
    assert b"expected the end of the reply within 0.2 s" in finished.stdout


def test_2_a_long_wait_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    (file,) = scripts(tmp_path, a="C: NOOP\nS: +OK\nC: <wait 3600 s>\n")
    with RecordingServer() as server:
        finished = run(file, *at(server))
    assert finished.code == 2
    assert f"{file}:3: <wait 3600 s> is longer than 60 s" in finished.stderr
    assert not server.connections


# Logs.


def test_an_echo_that_a_log_has_as_stars(tmp_path: Path) -> None:
    text = "S: +OK\nC: PASS {password}\nS: -ERR not PASS ****\n"
    with ScriptedServer([Send(b"+OK\r\n"), Answer(_repeat)]) as server:
        file = scripts(tmp_path, a=text)
        finished = run(*file, *at(server), "--user", "x", "--exact", POPTALK_PASSWORD="Zq7Vx9Wk")
    assert finished.code == 0, finished.stdout


def test_a_log_with_a_large_message(tmp_path: Path) -> None:
    lines = b"".join(b"%0200d\r\n" % number for number in range(27_000))
    text = "S: +OK\nC: RETR 1\nS: +OK\nS: " + lines.decode().replace("\r\n", "\nS: ") + ".\n"
    with RecordingServer(reply=lambda _: b"+OK\r\n" + lines + b".\r\n") as server:
        assert run(*scripts(tmp_path, a=text), *at(server), "--quiet").code == 0
        wrong = text.replace("0013000\n", "0013001\n")
        finished = run(*scripts(tmp_path, b=wrong), *at(server), "--quiet")
    assert finished.code == 1
    assert b"13000\n" in finished.stdout
