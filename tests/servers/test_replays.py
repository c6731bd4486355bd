"""Logs of sessions with real servers replay against them: all letters of the tests, every login."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from poptalk.cli import main
from tests.run.replays import pipe
from tests.run.test_recorded_sessions import LETTERS
from tests.servers.dovecot import DOVECOT_MISSING, start_dovecot
from tests.servers.unprivileged import PROGRAMS, start

FOLDER = Path(__file__).resolve().parents[1]

LOGINS = {
    "dovecot": ("USER", "APOP", "PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"),
    "mailutils": ("USER", "APOP", "PLAIN", "LOGIN", "CRAM-MD5"),
    "solid": ("USER", "APOP"),
}
"""A server may refuse one: that is written down, and replayed, as well."""


@dataclass
class Running:
    """A server, and how to reach it."""

    name: str
    host: str
    port: int
    ca_file: Path
    stls: bool
    letters: int


@pytest.fixture(scope="module")
def letters() -> Iterator[Path]:
    """Give a folder with every letter that the tests have."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = [*sorted(FOLDER.rglob("*.eml")), *sorted(FOLDER.parent.rglob("mailboxes/*/*.eml"))]
        for number, path in enumerate(found):
            shutil.copyfile(path, folder / f"{number:04}.eml")
        for name, octets in LETTERS.items():
            (folder / f"9-{name}.eml").write_bytes(octets)
        yield folder


@pytest.fixture(scope="module", params=["dovecot", *(program.name for program in PROGRAMS)])
def server(request: pytest.FixtureRequest, letters: Path) -> Iterator[Running]:
    """Run each of them in turn."""
    name = request.param
    count = len(list(letters.iterdir()))
    with ExitStack() as stack:
        # Not below pytest's own directory, which is closed to other accounts.
        directory = Path(
            stack.enter_context(
                tempfile.TemporaryDirectory(prefix="poptalk-", ignore_cleanup_errors=True)
            )
        )
        if name == "dovecot":
            if DOVECOT_MISSING is not None:
                pytest.skip(DOVECOT_MISSING)
            it = stack.enter_context(start_dovecot(letters, directory))
            yield Running(name, it.host, it.port, it.ca_file, True, count)
            return
        program = next(each for each in PROGRAMS if each.name == name)
        if reason := program.missing():
            pytest.skip(reason)
        other = stack.enter_context(start(program, letters, directory))
        running = Running(name, other.host, other.port, other.ca_file, program.stls, count)
        # mailutils writes unique-ids into the messages when it is asked for them first, and after the
        # first RETR that they are old: once for all tests, so that each finds the same maildrop.
        asked = [b"RETR %d" % number for number in range(1, count + 1)]
        lines = [b"USER bob", b"PASS jones", b"UIDL", *asked, b"QUIT"]
        pipe(running, lines, directory / "first.pop3")
        yield running


@pytest.fixture(autouse=True)
def _password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POPTALK_PASSWORD", "jones")


def check(server: Running, log: Path) -> None:
    """Replay a log, and see that nothing differs and that it holds no password."""
    assert "jones" not in log.read_text()
    arguments = [
        server.host,
        str(server.port),
        "--user",
        "bob",
        "--ca-file",
        str(server.ca_file),
        "--quiet",
    ]
    assert main(["run", str(log), *arguments]) == 0


@pytest.mark.parametrize("at_once", [False, True], ids=["one-by-one", "at-once"])
def test_all_letters(
    server: Running, at_once: bool, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    login = [b"USER bob", b"PASS jones"]
    asked = [b"%s %d%s" % (verb, number, more) for number in range(1, server.letters + 1)
             for verb, more in ((b"RETR", b""), (b"TOP", b" 3"))]  # fmt: skip
    lines = [*login, b"STAT", b"LIST", b"UIDL", *asked, b"RETR 0", b"XYZZY \xff\x1b", b"QUIT"]
    log = tmp_path / "log.pop3"
    options = ["--pipeline", "--login", "bob", "--mechanism", "USER"] if at_once else []
    pipe(server, lines[2:] if at_once else lines, log, *options)
    text = log.read_text()
    assert text.count("\nC: RETR") == server.letters + 1
    check(server, log)


@pytest.mark.parametrize("two_step", [False, True], ids=["one-step", "two-steps"])
def test_every_login(server: Running, two_step: bool, tmp_path: Path) -> None:
    for mechanism in LOGINS[server.name]:
        log = tmp_path / f"{mechanism}.pop3"
        options = ["--login", "bob", "--mechanism", mechanism, "-e", "STAT", "-e", "QUIT"]
        pipe(server, [], log, *options, *(["--two-step"] if two_step else []))
        check(server, log)


def test_a_login_after_stls(server: Running, tmp_path: Path) -> None:
    if not server.stls:
        pytest.skip(f"{server.name} has no STLS.")
    log = tmp_path / "log.pop3"
    options = ["--starttls", "--ca-file", str(server.ca_file), "--login", "bob"]
    pipe(server, [b"CAPA", b"STAT", b"QUIT"], log, *options)
    assert "C: <negotiate TLS>\n" in log.read_text()
    check(server, log)
