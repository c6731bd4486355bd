"""Each way in which a certificate can be wrong: a sentence of its own, and exit code 4."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from tests.servers import certificates
from tests.servers.certificates import LOOPBACK_NAMES, ServerIdentity
from tests.servers.recording import RecordingServer, by_keyword
from tests.servers.scripted import Answer, ExpectLine, ScriptedServer, Send, StartTls
from tests.shell.black_box import at, on_a_terminal, piped, said_once

PIN = ("--pin", "AB" * 32)


def missing_intermediate(directory: Path) -> ServerIdentity:
    """Make a server that sends its certificate, and not the one of the authority in between."""
    root = trustme.CA()
    ca_file = directory / "root.pem"
    root.cert_pem.write_to_path(str(ca_file))
    leaf = root.create_child_ca().issue_cert(*LOOPBACK_NAMES)
    alone = directory / "alone.pem"
    alone.write_bytes(leaf.private_key_pem.bytes() + leaf.cert_chain_pems[0].bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(alone)
    return ServerIdentity(ca_file, context)


CASES: dict[str, tuple[Callable[[Path], ServerIdentity], tuple[str, ...], str]] = {
    "self-signed": (certificates.self_signed, (), "is self-signed, so no authority vouches for it"),
    "unknown root": (certificates.unknown_issuer, (), "which is unknown here"),
    "wrong host": (certificates.wrong_host, (), "is for another host"),
    "expired": (certificates.expired, (), "has expired"),
    "not yet valid": (certificates.not_yet_valid, (), "is not yet valid"),
    "revoked by pin": (certificates.authority, PIN, "is not the one that was pinned"),
    "missing intermediate": (missing_intermediate, (), "certificates in between"),
}


@pytest.mark.parametrize("case", CASES)
def test_at_once(case: str, tmp_path: Path) -> None:
    make, options, sentence = CASES[case]
    identity = make(tmp_path)
    with RecordingServer(tls=identity.server_context) as server:
        finished = piped(b"PASS x\n", *at(server), "--tls", "--ca-file", identity.ca_file, *options)
    assert finished.code == 4
    assert sentence in said_once(finished.stderr)
    assert "SHA-256" in finished.stderr
    assert finished.stdout == b""
    assert server.received == b""


@pytest.mark.parametrize("case", CASES)
def test_after_stls_in_a_shell(case: str, tmp_path: Path) -> None:
    make, options, sentence = CASES[case]
    identity = make(tmp_path)
    tls = StartTls(identity.server_context)
    with ScriptedServer([Send(b"+OK\r\n"), ExpectLine(), Send(b"+OK\r\n"), tls]) as server:
        arguments = ("--starttls", "--ca-file", identity.ca_file, *options)
        with on_a_terminal(*at(server), *arguments, columns=400) as pty:
            assert pty.wait_exit() == 4
            assert sentence in said_once(pty.text)
            assert "SHA-256" in pty.text
    assert server.received == b"STLS\r\n"


def test_a_client_certificate(tmp_path: Path) -> None:
    """The server lets in whoever shows one of its authority, and nobody else; EXTERNAL goes by it."""
    identity = certificates.authority(tmp_path)
    club = trustme.CA()
    mine = club.issue_cert("bob@club.example")
    file, key, cert = (tmp_path / name for name in ("both.pem", "key.pem", "cert.pem"))
    mine.private_key_and_cert_chain_pem.write_to_path(str(file))
    mine.private_key_pem.write_to_path(str(key))
    mine.cert_chain_pems[0].write_to_path(str(cert))
    context = identity.server_context
    context.verify_mode = ssl.CERT_REQUIRED
    club.configure_trust(context)
    login = ("--login", "bob", "--mechanism", "EXTERNAL")
    for shown in (("--client-cert", file), ("--client-cert", cert, "--client-key", key)):
        with RecordingServer(tls=context) as server:
            options = ("--tls", "--ca-file", identity.ca_file, *shown, *login)
            finished = piped(b"NOOP\n", *at(server), *options)
            assert finished.code == 0, finished.stderr
            assert server.wait_for_end() == b"AUTH EXTERNAL =\r\nNOOP\r\n"


def test_a_pin_is_enough_of_a_check_besides_insecure(tmp_path: Path) -> None:
    identity = certificates.self_signed(tmp_path)
    with RecordingServer(tls=identity.server_context) as server:
        refused = piped(b"", *at(server), "--tls", "--insecure", *PIN)
        assert refused.code == 4
        [line] = [line for line in refused.stderr.splitlines() if "SHA-256  " in line]
        pin = line.split()[-1]
        finished = piped(b"NOOP\n", *at(server), "--tls", "--insecure", "--pin", pin)
        assert (finished.code, finished.stderr) == (0, "")


@pytest.mark.parametrize("option", ["--tls", "--starttls"])
def test_insecure_says_in_a_pipe_too_what_is_wrong(option: str, tmp_path: Path) -> None:
    """Once for each connection, however its lines come; the prompt says it in the same words."""
    context = certificates.self_signed(tmp_path).server_context
    said = "certificate NOT verified; it is self-signed: no authority vouches for it\n"
    for lines, given in ((b"NOOP\n", ()), (b"", ("-e", "NOOP")), (b"NOOP\n", ("--log", "log"))):
        begins = [
            Send(b"+OK\r\n"),
            ExpectLine(),
            Send(b"+OK\r\n"),
            StartTls(context),
            Answer(by_keyword({}, otherwise=b"+OK\r\n")),
        ]
        at_once = option == "--tls"
        with RecordingServer(tls=context) if at_once else ScriptedServer(begins) as server:
            finished = piped(lines, *at(server), option, "--insecure", *given, cwd=tmp_path)
        assert finished.code == 0
        assert finished.stderr.startswith("poptalk: TLSv1.3, ")
        assert finished.stderr.endswith(said)
        assert finished.stderr.count("\n") == 1


def test_the_name_in_the_certificate_can_be_another(tmp_path: Path) -> None:
    identity = certificates.wrong_host(tmp_path)
    with RecordingServer(tls=identity.server_context) as server:
        options = ("--tls", "--ca-file", identity.ca_file, "--tls-name", certificates.OTHER_NAME)
        assert piped(b"NOOP\n", *at(server), *options).code == 0


def test_the_least_version_and_the_key_log(tmp_path: Path) -> None:
    identity = certificates.authority(tmp_path)
    identity.server_context.maximum_version = ssl.TLSVersion.TLSv1_2
    keylog = tmp_path / "keys"
    with RecordingServer(tls=identity.server_context) as server:
        options = ("--tls", "--ca-file", identity.ca_file, "--keylog", keylog)
        assert piped(b"NOOP\n", *at(server), *options).code == 0
        assert "\nCLIENT_RANDOM " in keylog.read_text()
        assert keylog.stat().st_mode & 0o777 == 0o600
        finished = piped(b"NOOP\n", *at(server), *options, "--tls-min", "1.3")
        assert finished.code == 4


@pytest.mark.parametrize("option", ["--client-cert", "--client-key", "--keylog"])
def test_files_that_cannot_be_used_are_found_out_first(option: str, tmp_path: Path) -> None:
    finished = piped(b"", "127.0.0.1", "--tls", option, tmp_path / "no" / "file")
    assert finished.code in (2, 4)
    assert "cannot be" in finished.stderr or "of no use" in finished.stderr
