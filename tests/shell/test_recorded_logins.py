"""A recorded session with each login there is: it replays as it stands, and holds no secret."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from poptalk.cli import main
from poptalk.practice.accounts import BOB
from poptalk.practice.server import Server
from poptalk.transcript.model import ClientLine
from poptalk.transcript.parser import parse_dialogue
from tests.servers.dovecot import Dovecot
from tests.servers.recording import RecordingServer
from tests.shell.black_box import at

MECHANISMS = (
    *("USER", "APOP", "PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"),
    *("XOAUTH2", "OAUTHBEARER"),
)
WITH_INITIAL_RESPONSE = ("PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256", "XOAUTH2", "OAUTHBEARER")
OFFERED_BY_DOVECOT = MECHANISMS[:-2]

PASSWORD = BOB.password
"""Also the token of the practice server here."""


@pytest.fixture(autouse=True)
def _password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POPTALK_PASSWORD", PASSWORD)


@pytest.fixture
def practice() -> Iterator[tuple[str, ...]]:
    with Server(persona="plain", token=PASSWORD) as server:
        yield server.host, str(server.port)


def record(log: Path, *options: str) -> int:
    return main(
        ["connect", "--login", "bob", "-e", "STAT", "-e", "QUIT", "--log", str(log), *options]
    )


def hides_its_secrets(text: str) -> bool:
    """Tell whether no line has the password, as it is or in base64 of any alignment."""
    hidden = [base64.b64encode(b"x" * shift + PASSWORD.encode())[4:-4] for shift in range(3)]
    decoded = [_decoded(word) for word in text.split()]
    return not any(
        secret in piece
        for piece in (text.encode(), *decoded)
        for secret in (PASSWORD.encode(), *(each for each in hidden if each))
    )


def _decoded(word: str) -> bytes:
    try:
        return base64.b64decode(word, validate=True)
    except ValueError:
        return b""


@pytest.mark.parametrize(
    ("mechanism", "options"),
    [
        *((mechanism, []) for mechanism in MECHANISMS),
        *((mechanism, ["--two-step"]) for mechanism in WITH_INITIAL_RESPONSE),
    ],
)
def test_each_login_replays(
    mechanism: str,
    options: list[str],
    practice: tuple[str, ...],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    log = tmp_path / "session.pop3"
    assert record(log, *practice, "--mechanism", mechanism, *options) == 0
    text = log.read_text()
    assert hides_its_secrets(text)
    assert log.stat().st_mode & 0o777 == 0o600
    capfd.readouterr()
    assert main(["run", str(log), *practice, "--user", "bob"]) == 0
    out, err = capfd.readouterr()
    assert out.splitlines()[-1].endswith(", all as written")
    assert err == ""
    assert hides_its_secrets(out)


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_each_login_replays_on_a_practice_server_of_its_own(
    mechanism: str, practice: tuple[str, ...], tmp_path: Path
) -> None:
    log = tmp_path / "session.pop3"
    assert record(log, *practice, "--mechanism", mechanism) == 0
    assert main(["run", str(log)]) == 0


@pytest.mark.parametrize(
    ("mechanism", "tls"),
    [
        *((mechanism, False) for mechanism in OFFERED_BY_DOVECOT),
        # A timestamp from before TLS is no good behind it.
        *((mechanism, True) for mechanism in OFFERED_BY_DOVECOT if mechanism != "APOP"),
    ],
)
def test_dovecot(
    mechanism: str, tls: bool, dovecot: Dovecot, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "session.pop3"
    where = [dovecot.host, str(dovecot.port), "--ca-file", str(dovecot.ca_file)]
    starttls = ["--starttls"] if tls else []
    assert record(log, *where, *starttls, "--mechanism", mechanism) == 0
    assert hides_its_secrets(log.read_text())
    assert main(["run", str(log), *where, "--user", "bob"]) == 0
    assert capfd.readouterr().out.splitlines()[-1].endswith(", all as written")


def test_external_holds_nothing_and_replays(tmp_path: Path) -> None:
    """No password is asked for: who it is, the server knows from elsewhere (RFC 4422 §A)."""
    log = tmp_path / "session.pop3"
    with RecordingServer(closing_keyword=b"QUIT") as server:
        where = list(map(str, at(server)))
        assert record(log, *where, "--mechanism", "EXTERNAL") == 0
        assert main(["run", str(log), *where]) == 0
    said = [s.payload for s in parse_dialogue(log.read_text()).steps if isinstance(s, ClientLine)]
    assert said == ["AUTH EXTERNAL =", "STAT", "QUIT"]
    first, second = server.connections
    assert first.endswith(second)


def test_two_logins_in_one_recording(practice: tuple[str, ...], tmp_path: Path) -> None:
    """The responses of the second are made of its own challenges, and of nothing from the first."""
    log = tmp_path / "session.pop3"
    for mechanism in ("SCRAM-SHA-256", "CRAM-MD5", "SCRAM-SHA-256"):
        assert record(log, *practice, "--mechanism", mechanism) == 0
    assert main(["run", str(log), *practice, "--user", "bob"]) == 0


def test_a_server_that_proves_nothing_is_not_believed(
    practice: tuple[str, ...], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """SCRAM: it knows what to ask, and nothing of the password (RFC 5802 §3)."""
    log = tmp_path / "session.pop3"
    assert record(log, *practice, "--mechanism", "SCRAM-SHA-256") == 0
    capfd.readouterr()
    with RecordingServer(reply=an_impostor) as server:
        assert main(["run", str(log), *map(str, at(server)), "--user", "bob"]) == 1
    out = capfd.readouterr().out
    assert "expected a challenge of the mechanism" in out
    assert "or cannot prove that it knows the" in out
    assert hides_its_secrets(out)
    assert b"STAT" not in server.received


def an_impostor(line: bytes) -> bytes:
    """Answer as SCRAM lays it down, with a proof made of nothing."""
    if line == b"CAPA":
        return b"+OK\r\n.\r\n"
    response = base64.b64decode(line.split()[-1])
    if response.startswith(b"n,,"):
        nonce = response.partition(b"r=")[2]
        return b"+ " + base64.b64encode(b"r=" + nonce + b"x,s=c2FsdA==,i=4096") + b"\r\n"
    return b"+ " + base64.b64encode(b"v=" + base64.b64encode(bytes(32))) + b"\r\n"


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_no_secret_in_a_log_for_machines(
    mechanism: str, practice: tuple[str, ...], tmp_path: Path
) -> None:
    log = tmp_path / "session.jsonl"
    assert record(log, *practice, "--mechanism", mechanism, "--log-format", "jsonl") == 0
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert hides_its_secrets("\n".join(str(line.get("line", "")) for line in lines))
    assert log.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("log_format", ["notation", "jsonl"])
@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-1", "SCRAM-SHA-256"])
def test_the_signature_of_the_server_is_a_secret_as_well(
    mechanism: str, log_format: str, practice: tuple[str, ...], tmp_path: Path
) -> None:
    """With the nonces and the salt of the challenge before it, passwords could be tried on it."""
    log = tmp_path / "session"
    assert record(log, *practice, "--mechanism", mechanism, "--log-format", log_format) == 0
    words = log.read_text().replace('"', " ").split()
    challenges = [text for word in words if (text := _decoded(word)).startswith((b"r=", b"v="))]
    assert [text[:2] for text in challenges] == [b"r="]
