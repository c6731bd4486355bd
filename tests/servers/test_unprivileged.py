"""Real servers other than Dovecot: poptalk talks to each, in a pipe and by a script."""

from __future__ import annotations

import poplib
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.unprivileged import MAILUTILS, PROGRAMS, RealServer, start
from tests.shell.black_box import piped

TIMEOUT = 20.0

SESSION = b"USER bob\nPASS jones\nSTAT\nLIST\nUIDL\nTOP 3 1\nRETR 3\nDELE 1\nRSET\nQUIT\n"


@pytest.fixture(scope="module", params=PROGRAMS, ids=lambda program: program.name)
def server(request: pytest.FixtureRequest, article_maildrop: Path) -> Iterator[RealServer]:
    """Run each of them in turn."""
    program = request.param
    if reason := program.missing():
        pytest.skip(reason)
    # Not below pytest's own directory, which is closed to other accounts.
    with (
        tempfile.TemporaryDirectory(prefix=f"poptalk-{program.name}-") as directory,
        start(program, article_maildrop, Path(directory)) as running,
    ):
        yield running


def test_a_library_of_others_can_talk_to_it(server: RealServer) -> None:
    client = poplib.POP3(server.host, server.port, timeout=TIMEOUT)
    client.user("bob")
    client.pass_("jones")
    assert client.stat()[0] == 3
    client.quit()


def test_a_wrong_password_is_refused(server: RealServer) -> None:
    done = piped(b"USER bob\nPASS wrong\n", server.host, server.port)
    assert done.code == 1
    assert b"-ERR" in done.stdout


def test_a_whole_session_goes_through_a_pipe(server: RealServer) -> None:
    done = piped(SESSION, server.host, server.port)
    assert done.code == 0, done
    assert done.stdout.count(b"+OK") == len(SESSION.splitlines()) + 1
    assert b"\r\n1 " in done.stdout


def test_a_script_is_replayed(
    server: RealServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POPTALK_PASSWORD", "jones")
    script = tmp_path / "session.pop3"
    script.write_text(
        "S: +OK\nC: USER {user}\nS: +OK\nC: PASS {password}\nS: +OK\n"
        "C: STAT\nS: +OK 3 {octets}\nC: QUIT\nS: +OK\n"
    )
    done = piped(b"", "run", "--user", "bob", script, server.host, server.port)
    assert done.code == 0, done


def test_stls_is_done_where_it_is_offered(server: RealServer) -> None:
    if not server.program.stls:
        done = piped(b"STLS\nQUIT\n", server.host, server.port)
        assert b"-ERR" in done.stdout
        return
    lines = b"CAPA\nSTLS\nCAPA\nUSER bob\nPASS jones\nSTAT\nQUIT\n"
    done = piped(lines, server.host, server.port, "--ca-file", server.ca_file)
    assert done.code == 0, done
    before, after = done.stdout.split(b"\r\n.\r\n")[:2]
    assert b"STLS" in before
    assert b"STLS" not in after.splitlines()


def test_mailutils_has_a_certificate_that_is_checked(article_maildrop: Path) -> None:
    if reason := MAILUTILS.missing():
        pytest.skip(reason)
    with (
        tempfile.TemporaryDirectory(prefix="poptalk-mailutils-") as directory,
        start(MAILUTILS, article_maildrop, Path(directory)) as running,
    ):
        done = piped(b"STLS\nQUIT\n", running.host, running.port)
        assert done.code == 4
        client = poplib.POP3(running.host, running.port, timeout=TIMEOUT)
        client.stls(ssl.create_default_context(cafile=str(running.ca_file)))
        client.quit()


def test_a_login_is_done_by_name_and_password(
    server: RealServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POPTALK_PASSWORD", "jones")
    # Both greet with a timestamp, and have no secret for APOP.  Nor is a size looked at: mailutils
    # writes unique-ids into the messages.
    login = ("--login", "bob", "--mechanism", "USER")
    done = piped(b"STAT\nQUIT\n", server.host, server.port, *login)
    assert done.code == 0, done
    assert b"+OK 3 " in done.stdout


def test_starttls_is_required_and_then_logged_in(
    server: RealServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POPTALK_PASSWORD", "jones")
    arguments = (server.host, server.port, "--starttls", "--login", "bob")
    done = piped(b"STAT\nQUIT\n", *arguments, "--ca-file", server.ca_file)
    if server.program.stls:
        assert done.code == 0, done
        assert b"+OK 3 " in done.stdout
    else:
        assert done.code == 4
        assert "did not take STLS" in done.stderr
