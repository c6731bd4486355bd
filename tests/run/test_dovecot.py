"""The session of RFC 1939 §10 with a real Dovecot, whose maildrop holds the RFC's two messages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from poptalk.cli import main
from poptalk.config import mailbox_directory
from poptalk.pop3.commands import VERBS
from tests.run.test_run import TRANSCRIPTS
from tests.servers.dovecot import Dovecot, dovecot_or_skip

RFC_SESSION = (TRANSCRIPTS / "rfc1939-section-10.pop3").read_text()
RFC_LOGIN = "APOP mrose c4c9334bac560ecc979e58001b3e22fb"


@pytest.fixture(scope="module")
def _with_the_messages_of_the_rfc() -> Iterator[Dovecot]:
    with dovecot_or_skip(mailbox_directory("rfc1939")) as running:
        yield running


@pytest.fixture
def rfc_dovecot(_with_the_messages_of_the_rfc: Dovecot) -> Dovecot:
    """Give the test an unchanged maildrop."""
    _with_the_messages_of_the_rfc.reset("bob")
    return _with_the_messages_of_the_rfc


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the RFC's session with another name, and with a placeholder for the digest."""
    monkeypatch.setenv("POPTALK_PASSWORD", "jones")
    assert RFC_LOGIN in RFC_SESSION
    path = tmp_path / "session.pop3"
    path.write_text(RFC_SESSION.replace(RFC_LOGIN, "APOP {user} {apop}"))
    return path


def run(script: Path, dovecot: Dovecot, *options: str, tls: bool = False) -> int:
    port = dovecot.tls_port if tls else dovecot.port
    url = f"{'pop3s' if tls else 'pop3'}://bob@{dovecot.host}:{port}"
    return main(["run", str(script), url, "--ca-file", str(dovecot.ca_file), *options])


@pytest.mark.parametrize("tls", [False, True], ids=["clear", "tls"])
def test_the_session_of_the_rfc_passes(
    script: Path, rfc_dovecot: Dovecot, tls: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(script, rfc_dovecot, tls=tls) == 0
    assert capfd.readouterr().out.endswith("# 8 exchanges, all as written\n")


def test_what_it_deleted_is_gone(
    script: Path, rfc_dovecot: Dovecot, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(script, rfc_dovecot) == 0
    assert run(script, rfc_dovecot) == 1
    assert capfd.readouterr().out.endswith(
        "# written  S: +OK 2 320\n# came     S: +OK 0 0\n"
        f"# 'messages' is data: {VERBS[b'STAT'].fields[0].meaning} [RFC 1939 §5]\n"
    )


def test_a_replay_that_stops_at_a_difference_deletes_nothing(
    script: Path, rfc_dovecot: Dovecot, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong.pop3"
    wrong.write_text(script.read_text().replace("+OK message 2 deleted", "-ERR not deleted"))
    assert run(wrong, rfc_dovecot) == 1
    assert run(script, rfc_dovecot) == 0


def test_stls_and_a_login_within(script: Path, rfc_dovecot: Dovecot) -> None:
    login = "C: STLS\nS: +OK\nC: <negotiate TLS>\nC: AUTH PLAIN\nS: +\nC: {plain}\nS: +OK\n"
    script.write_text(f"S: +OK\n{login}C: LIST\nS: +OK\nS: 1 120\nS: 2 200\nS: .\n")
    assert run(script, rfc_dovecot) == 0


def test_exact_is_another_matter(
    script: Path, rfc_dovecot: Dovecot, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(script, rfc_dovecot, "--exact", "--quiet") == 1
    said = capfd.readouterr().out.splitlines()
    assert said[1] == "# written  S: +OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>"
    assert said[2].startswith("# came     S: +OK ")
