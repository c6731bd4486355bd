"""What an operator asks of a pipe and of a shell: to stop at an -ERR, times, certificates that last."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tests.servers import certificates
from tests.servers.recording import RecordingServer, by_keyword
from tests.shell.black_box import at, on_a_terminal, piped
from tests.shell.shells import live, practising

ANSWERS = by_keyword(
    {b"USER": b"+OK\r\n", b"PASS": b"+OK\r\n", b"NOOP": b"+OK\r\n", b"LIST": b"+OK\r\n.\r\n"},
    otherwise=b"-ERR no such message\r\n",
)


def test_after_an_err_the_rest_is_not_sent() -> None:
    lines = b"USER bob\nPASS jones\nRETR 99\nDELE 1\nQUIT\n"
    with RecordingServer(reply=ANSWERS) as server:
        done = piped(lines, *at(server), "--stop-on-err")
    assert server.received == b"USER bob\r\nPASS jones\r\nRETR 99\r\n"
    assert done.code == 1
    assert done.stderr == (
        "poptalk: line 3, RETR, was answered -ERR no such message: the rest was not sent, nor QUIT, so "
        "nothing is deleted\n"
    )


def test_without_an_err_nothing_stops() -> None:
    with RecordingServer(reply=ANSWERS) as server:
        assert piped(b"NOOP\nLIST\n", *at(server), "--stop-on-err").code == 0
    assert server.received == b"NOOP\r\nLIST\r\n"


def test_what_is_sent_at_once_cannot_be_stopped() -> None:
    done = piped(b"", "127.0.0.1", "1", "--stop-on-err", "--pipeline")
    assert done.code == 2
    assert "--pipeline sends everything before an -ERR can stop it" in done.stderr


async def test_times_stand_beside_the_replies() -> None:
    with RecordingServer(reply=ANSWERS) as server:
        async with live(server) as shell:
            await shell.ask("NOOP")
            assert shell.view()[-1] == "S: +OK"
            await shell.enter(":times on", until="the time that each reply took is shown")
            await shell.ask("NOOP")
            assert shell.view()[-1].startswith("S: +OK  ")
            assert shell.view()[-1].endswith(" ms")
            await shell.enter("LIST", until="ms to the end of the reply")
            await shell.enter(":times off", until="is not shown; :times on")


def test_times_in_the_plain_shell() -> None:
    with (
        RecordingServer(reply=ANSWERS) as server,
        on_a_terminal("connect", "--plain", "--times", *at(server)) as pty,
    ):
        pty.wait_for("AUTHORIZATION")
        pty.send("LIST\r")
        pty.wait_for("ms to the end of the reply")


# Certificates.


def secured(identity: certificates.ServerIdentity) -> RecordingServer:
    return RecordingServer(tls=identity.server_context)


def test_a_certificate_that_lasts_and_one_that_does_not(tmp_path: Path) -> None:
    identity = certificates.lasting(tmp_path, 20)
    common = ("--tls", "--ca-file", identity.ca_file, "--expires-within")
    with secured(identity) as server:
        assert piped(b"", *at(server), *common, "15").code == 0
    with secured(identity) as server:
        done = piped(b"", *at(server), *common, "30")
    assert done.code == 1
    assert "poptalk: the certificate of " in done.stderr
    assert "expires in 19 days, on 20" in done.stderr


def test_expiry_is_a_matter_of_tls() -> None:
    done = piped(b"", "127.0.0.1", "1", "--expires-within", "30")
    assert done.code == 2
    assert "--expires-within looks at certificates: say --tls or --starttls" in done.stderr


@pytest.mark.parametrize("trusted", [True, False])
def test_the_chain_is_saved_whether_it_passes_or_not(tmp_path: Path, trusted: bool) -> None:
    identity = certificates.authority(tmp_path)
    file = tmp_path / "chain.pem"
    trust = ("--ca-file", identity.ca_file) if trusted else ()
    with secured(identity) as server:
        done = piped(b"", *at(server), "--tls", *trust, "--save-chain", file)
    assert done.code == (0 if trusted else 4)
    assert file.read_text("ascii").startswith("-----BEGIN CERTIFICATE-----\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    before = file.read_bytes()
    done = piped(b"", "127.0.0.1", "1", "--tls", "--save-chain", file)
    assert done.code == 2
    assert "is there already; name another file" in done.stderr
    assert file.read_bytes() == before


def test_insecure_says_what_it_accepts(tmp_path: Path) -> None:
    identity = certificates.expired(tmp_path)
    with (
        secured(identity) as server,
        on_a_terminal("connect", "--plain", "--tls", "--insecure", *at(server), columns=200) as pty,
    ):
        pty.wait_for("the certificate expired on 2002-01-01")
        pty.wait_for("AUTHORIZATION")
        pty.send(":tls\r")
        pty.wait_for("# key EC secp256r1, 256 bits")
        pty.wait_for("# key pin sha256//")
        pty.wait_for("# serial ")


async def test_open_remembers_its_options() -> None:
    with practising(tls=True, verify=False) as practice:
        async with live(practice) as shell:
            await shell.enter(":close", until="poptalk closed the connection")
            await shell.enter(":open --insecure", until="TLSv1.3")
            destination = shell.shell.destination
            assert destination is not None
            assert destination.tls
            assert not destination.verify
            assert destination.port == practice.port
