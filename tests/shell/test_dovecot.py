"""The article's session with Dovecot: in clear, with STLS typed by hand, and with TLS from the start."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from poptalk.net.endpoint import Destination
from poptalk.net.errors import TlsFailed
from poptalk.net.tls_settings import TlsSettings
from tests.servers import certificates
from tests.servers.certificates import OTHER_NAME
from tests.servers.dovecot import Dovecot
from tests.servers.terminal import Pty
from tests.shell.black_box import on_a_terminal, piped
from tests.shell.shells import ARTICLE_SESSION, CTRL_D, LiveTest, in_order, live

LISTING = ("1 1903", "2 4255", "3 25", ".")


def way(dovecot: Dovecot, *, tls: bool = False) -> Destination:
    return Destination(
        host=dovecot.host,
        port=dovecot.tls_port if tls else dovecot.port,
        tls=tls,
        ca_file=str(dovecot.ca_file),
    )


@pytest.fixture(autouse=True)
def _fresh_maildrop(dovecot: Dovecot) -> Iterator[None]:
    """Give each test bob's three messages, and leave them to the next test of another module."""
    dovecot.reset("bob")
    yield
    dovecot.reset("bob")


def maildrop_is_as_after_the_session(dovecot: Dovecot) -> bool:
    """Tell whether message 3, and no other, is gone."""
    done = piped(b"USER bob\nPASS jones\nLIST\nQUIT\n", dovecot.host, dovecot.port).stdout.split(
        b"\r\n"
    )
    return b"1 1903" in done and b"2 4255" in done and b"3 25" not in done


async def type_session(shell: LiveTest) -> None:
    for command, _ in ARTICLE_SESSION:
        await shell.ask(command)
    await shell.see("the server closed the connection")


def assert_is_the_session(lines: Sequence[str], *, mark: str = "S: ") -> None:
    """Look for what the article shows and every server must say."""
    replies = [f"{mark}{line}" for line in LISTING]
    assert in_order([*replies, f"{mark}.", f"{mark}Subject: hi", f"{mark}."], lines)
    assert not [line for line in lines if line.startswith(f"{mark}-ERR")]


@pytest.mark.parametrize("tls", ["none", "stls", "implicit"])
async def test_typed_into_the_live_shell(dovecot: Dovecot, tls: str) -> None:
    async with live(way(dovecot, tls=tls == "implicit"), rows=200) as shell:
        if tls == "stls":
            await shell.ask("STLS")
            await shell.see("certificate verified")
        await shell.see("· TLS ·" if tls != "none" else "· clear ·")
        await type_session(shell)
        assert_is_the_session(shell.view())
        assert ("certificate verified" in shell.text) == (tls != "none")
    assert maildrop_is_as_after_the_session(dovecot)


@pytest.mark.parametrize("arguments", [(), ("--plain",)])
def test_typed_at_a_terminal(dovecot: Dovecot, arguments: tuple[str, ...]) -> None:
    with on_a_terminal(
        *arguments, "--ca-file", dovecot.ca_file, dovecot.host, dovecot.port, rows=200
    ) as pty:
        pty.wait_for("AUTHORIZATION 127.0.0.1>")
        for command in ("STLS", *(command for command, _ in ARTICLE_SESSION)):
            answers = _positive(pty)
            pty.send(f"{command}\r")
            pty.wait_until(lambda answers=answers: _positive(pty) > answers)  # type: ignore[misc]
        pty.wait_for("(closed)>")
        pty.send(CTRL_D)
        assert pty.wait_exit() == 0
        assert pty.restored
        assert_is_the_session(pty.history())
        assert "certificate verified" in pty.text
    assert maildrop_is_as_after_the_session(dovecot)


def _positive(pty: Pty) -> int:
    return sum(line.startswith("S: +OK") for line in pty.history())


@pytest.mark.parametrize("tls", ["none", "stls", "implicit"])
def test_through_a_pipe(dovecot: Dovecot, tls: str) -> None:
    commands = [command for command, _ in ARTICLE_SESSION]
    if tls == "stls":
        commands.insert(0, "STLS")
    port = dovecot.tls_port if tls == "implicit" else dovecot.port
    arguments = ["--ca-file", dovecot.ca_file, *(["--tls"] if tls == "implicit" else [])]
    done = piped(
        "".join(f"{command}\n" for command in commands).encode(), *arguments, dovecot.host, port
    )
    assert (done.code, done.stderr) == (0, "")
    assert_is_the_session(done.stdout.decode("ascii").split("\r\n"), mark="")
    assert maildrop_is_as_after_the_session(dovecot)


async def test_apop_by_hand(dovecot: Dovecot) -> None:
    async with live(way(dovecot)) as shell:
        timestamp = shell.shell.session.core.timestamp
        assert timestamp is not None
        digest = hashlib.md5(timestamp + b"jones", usedforsecurity=False).hexdigest()
        await shell.ask(f"APOP bob {digest}")
        await shell.see("TRANSACTION bob@127.0.0.1>")
        assert digest not in shell.terminal.raw


async def test_auth_plain_by_hand_in_two_lines(dovecot: Dovecot) -> None:
    async with live(way(dovecot)) as shell:
        await shell.ask("AUTH PLAIN")
        await shell.ask("AGJvYgBqb25lcw==")
        await shell.see("TRANSACTION bob@127.0.0.1>")
        assert "AGJv" not in shell.terminal.raw


async def test_a_wrong_password(dovecot: Dovecot) -> None:
    async with live(way(dovecot)) as shell:
        await shell.ask("USER bob")
        await shell.ask("PASS wrong")
        assert "[AUTH]" in shell.view()[-1]
        await shell.see("AUTHORIZATION 127.0.0.1>")


async def test_a_wrong_authority_is_refused_after_stls(dovecot: Dovecot, tmp_path: Path) -> None:
    stranger = certificates.authority(tmp_path).ca_file
    destination = Destination(host=dovecot.host, port=dovecot.port, ca_file=str(stranger))
    async with live(destination) as shell:
        await shell.enter("STLS", until="(closed)>")
        text = " ".join(shell.text.split())
        assert "certificate" in text
        assert "--ca-file" in text


def test_a_wrong_authority_is_refused_with_tls(dovecot: Dovecot, tmp_path: Path) -> None:
    stranger = certificates.authority(tmp_path).ca_file
    done = piped(b"QUIT\n", "--tls", "--ca-file", stranger, dovecot.host, dovecot.tls_port)
    assert (done.code, done.stdout) == (4, b"")
    assert "certificate" in done.stderr


async def test_a_name_that_is_not_in_the_certificate(dovecot: Dovecot) -> None:
    class UnderAnotherName(Destination):
        """A server that is dialled by its address and looked for under a name."""

        def tls_settings(self) -> TlsSettings:
            return TlsSettings(server_name=OTHER_NAME, ca_file=str(dovecot.ca_file))

    door = UnderAnotherName(host=dovecot.host, port=dovecot.tls_port, tls=True)
    with pytest.raises(TlsFailed, match=r"127\.0\.0\.1") as refused:
        async with live(door, greeted=False) as shell:
            await shell.left()
    assert OTHER_NAME in str(refused.value)


@pytest.mark.parametrize("tls", [False, True])
async def test_insecure_takes_any_certificate_and_says_so(dovecot: Dovecot, tls: bool) -> None:
    destination = Destination(
        host=dovecot.host, port=dovecot.tls_port if tls else dovecot.port, tls=tls, verify=False
    )
    async with live(destination) as shell:
        if not tls:
            await shell.ask("STLS")
        await shell.see("certificate NOT verified")
        for line in ("USER bob", "PASS jones"):
            await shell.ask(line)
        await shell.see("TRANSACTION bob@127.0.0.1>")
