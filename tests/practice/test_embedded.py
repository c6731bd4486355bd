"""The practice server that a shell without a target opens."""

import socket
from pathlib import Path

import pytest

from poptalk.net.endpoint import BadDestination
from poptalk.practice.server import practice_server
from poptalk.shell.start import WELCOME
from tests.shell.black_box import on_a_terminal
from tests.shell.shells import CTRL_D, live


async def test_it_runs_as_long_as_the_context_and_is_the_articles() -> None:
    with practice_server(persona=None, maildrop=None) as destination:
        assert destination.is_loopback
        assert destination.name == "practice"
        async with live(destination, welcome=WELCOME) as shell:
            assert shell.said()[0].startswith("# Welcome to poptalk.")
            for line in ("USER bob", "PASS jones", "STAT"):
                await shell.ask(line)
            assert shell.view()[-1] == "S: +OK 3 6183"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((destination.host, destination.port), 5)


@pytest.mark.parametrize("tls", [False, True])
async def test_its_certificate_is_verified_without_any_option(tls: bool) -> None:
    with practice_server(persona="plain", maildrop=None, tls=tls) as destination:
        async with live(destination) as shell:
            if not tls:
                await shell.ask("STLS")
            await shell.see("certificate verified")
            for line in ("USER mrose", "PASS tanstaaf", "STAT"):
                await shell.ask(line)
            assert shell.view()[-1] == "S: +OK 2 320"


async def test_it_can_be_opened_again_and_is_as_new() -> None:
    with practice_server(persona=None, maildrop=None) as destination:
        async with live(destination) as shell:
            for line in ("USER bob", "PASS jones", "DELE 1", "QUIT"):
                await shell.ask(line)
            await shell.see("(closed)>")
            await shell.enter(":open", until="AUTHORIZATION practice>")
            await shell.until(lambda: shell.shell.session.core.settled)
            for line in ("USER bob", "PASS jones", "STAT"):
                await shell.ask(line)
            assert shell.view()[-1] == "S: +OK 3 6183"


def test_a_folder_and_a_persona_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "1.eml").write_bytes(b"Subject: x\r\n\r\n")
    with on_a_terminal("--persona", "plain", "--maildrop", tmp_path) as pty:
        pty.wait_for("S: +OK POP3 server ready")
        pty.send("USER bob\rPASS jones\rSTAT\r")
        pty.wait_for("S: +OK 1 14")
        pty.send(CTRL_D)
        assert pty.wait_exit() == 0


def test_it_does_wrong_what_it_is_asked_to() -> None:
    with on_a_terminal("--fault", "plus-err", "--fault", "mrose=locked") as pty:
        pty.wait_for("ready")
        pty.send("USER mrose\rPASS tanstaaf\r")
        pty.wait_for("+ERR")
        pty.send(CTRL_D)
        assert pty.wait_exit() == 0


def test_what_cannot_be_used_is_said(tmp_path: Path) -> None:
    with (
        pytest.raises(BadDestination, match="nobody"),
        practice_server(persona="nobody", maildrop=None),
    ):
        pass
    with (
        pytest.raises(BadDestination, match="no-final-dot"),
        practice_server(persona=None, maildrop=None, faults=["no-final-dott"]),
    ):
        pass
    with (
        pytest.raises(BadDestination, match="missing"),
        practice_server(persona=None, maildrop=str(tmp_path / "missing")),
    ):
        pass
