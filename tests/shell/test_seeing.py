"""`:tls`, `:capa`, `:explain`, `:b64`, `:apop` and `:cram`: what is there, and what it means."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator
from pathlib import Path

import pytest

from poptalk.net.endpoint import Destination
from poptalk.practice.server import Server
from tests.servers.recording import RecordingServer, by_keyword
from tests.servers.scripted import Answer, ExpectLine, ScriptedServer, Send
from tests.shell.black_box import at, on_a_terminal, piped, said_once
from tests.shell.shells import LiveTest, live

GREETING = b"+OK ready <1896.697170952@dbc.mtview.ca.us>\r\n"
CAPA = b"+OK\r\nUSER\r\nSTLS\r\nSASL PLAIN\r\n.\r\n"


@pytest.fixture
def practice() -> Iterator[Server]:
    with Server(persona="plain") as server:
        yield server


def way(server: Server, *, trusting: bool = True) -> Destination:
    ca_file = server.ca_file if trusting else None
    return Destination(host=server.host, port=server.port, ca_file=ca_file, verify=trusting)


def said(shell: LiveTest) -> str:
    """Return everything that was shown, in one line, without the marks of notes."""
    words = " ".join(shell.said()).split()
    return " ".join(word for word in words if word not in ("#", "#!"))


# TLS.


async def test_tls_in_clear_and_in_tls(practice: Server) -> None:
    async with live(way(practice), rows=60) as shell:
        await shell.enter(":tls", until="there is no TLS")
        assert "STLS begins it, and :capa shows whether" in said(shell)
        await shell.enter(":capa", until="that is what it offers in the clear, before the login")
        await shell.enter(":tls", until="the server offers it")
        await shell.enter("STLS", until="certificate verified")
        await shell.enter(":tls", until="certificate 1 of 1, the server's own:")
        await shell.drawn()
        text = said(shell)
        assert "verified: it is for 127.0.0.1, its dates are good" in text
        assert "names localhost, 127.0.0.1, ::1" in text
        assert "days left" in text
        facts = shell.shell.session.exchanges.facts.tls
        assert facts is not None
        assert hashlib.sha256(facts.chain[0]).hexdigest().upper() in text
        assert f"{facts.version}, {facts.cipher}" in text


async def test_tls_that_proves_nothing_and_none_at_all(practice: Server) -> None:
    async with live(way(practice, trusting=False), rows=60) as shell:
        await shell.enter("STLS", until="certificate NOT verified")
        await shell.enter(":tls", until="#! NOT verified: anyone can make")
        await shell.enter(":close", until="(closed)")
        await shell.enter(":tls", until=":tls: there is no connection")


async def test_tls_after_the_login_is_too_late(practice: Server) -> None:
    async with live(way(practice), rows=60) as shell:
        await shell.ask("USER bob")
        await shell.ask("PASS jones")
        await shell.enter(":tls", until="works in AUTHORIZATION only")


# Capabilities.


async def test_capabilities_are_compared(practice: Server) -> None:
    async with live(way(practice), rows=100) as shell:
        await shell.ask("CAPA")  # Typed by hand, it is kept as well.
        await shell.enter("STLS", until="certificate verified")
        await shell.enter(":capa", until="- STLS")
        await shell.drawn()
        assert "what has changed since CAPA in the clear, before the login: - STLS as it" in said(
            shell
        )
        await shell.enter(":capa", until="nothing has changed since CAPA in TLS, before the login")


async def test_what_is_odd_about_a_difference_is_said() -> None:
    answers = iter([CAPA, b"+OK\r\nUSER\r\nSASL PLAIN LOGIN\r\n.\r\n"])
    with ScriptedServer([Send(GREETING), Answer(lambda _line: next(answers))]) as server:
        async with live(server, rows=40) as shell:
            await shell.ask("CAPA")
            await shell.enter(":capa", until="~ SASL PLAIN -> PLAIN LOGIN")
            assert "odd: nothing has happened in between that could be the reason" in said(shell)


async def test_a_server_without_capa() -> None:
    with RecordingServer(reply=by_keyword({})) as server:
        async with live(server) as shell:
            await shell.enter(":capa", until="this server has no CAPA")


@pytest.mark.parametrize("options", [(), ("--plain",)], ids=["live", "linear"])
def test_stls_that_was_stripped_is_said_aloud(options: tuple[str, ...]) -> None:
    """What was offered in an earlier connection and is missing now was perhaps taken out."""
    answers = iter([CAPA, CAPA.replace(b"STLS\r\n", b"")])

    def rule(line: bytes) -> bytes:
        return next(answers) if line == b"CAPA" else b"+OK\r\n"

    with (
        ScriptedServer([Send(GREETING), Answer(rule)]) as server,
        on_a_terminal(*at(server), *options, rows=40) as pty,
    ):
        pty.wait_for("AUTHORIZATION")
        pty.send("CAPA\r")
        pty.wait_for("S: STLS")
        pty.send(":close\r")
        pty.wait_for("(closed)")
        assert "perhaps" not in pty.text
        pty.send(":open\r")
        pty.wait_until(lambda: pty.text.count("S: +OK ready") == 2)
        pty.send("CAPA\r")
        pty.wait_until(lambda: "has offered STLS before, and doesn't now" in said_once(pty.text))


# Explaining.


async def test_everything_is_explained_until_that_is_off(practice: Server) -> None:
    async with live(way(practice), rows=60) as shell:
        await shell.enter(":explain", until="only :why explains")
        await shell.enter(":explain on", until="everything is explained")
        await shell.ask("USER bob")
        await shell.see("the server has taken the name and waits for PASS")
        await shell.enter(":explain off", until="only :why explains")
        await shell.ask("RSET")
        await shell.drawn()
        assert "negative: the server did not do it" not in shell.text
        await shell.enter(":explain loudly", until="say on or off")


async def test_each_line_of_auth_is_undone_with_stars(practice: Server) -> None:
    response = base64.b64encode(b"\0bob\0jones").decode()
    stars = base64.b64encode(b"\0bob\0********").decode()
    async with live(way(practice), rows=60) as shell:
        await shell.enter(":explain on")
        await shell.ask(f"AUTH PLAIN {response}")
        await shell.see("TRANSACTION")
        text = said(shell)
        assert f"C: AUTH PLAIN {stars} bob the name ******** the password S: +OK" in text
        assert "you are in: the state is now TRANSACTION" in text
        assert "a SASL mechanism" not in text
        assert response not in shell.terminal.raw
        assert "jones" not in shell.terminal.raw


def test_explanations_from_the_start(practice: Server) -> None:
    with on_a_terminal(practice.host, practice.port, "--plain", "--explain", rows=40) as pty:
        pty.wait_for("the greeting, for people")
        pty.send("AUTH LOGIN\r")
        pty.wait_for("the question, in words that mean nothing")
        pty.send("Ym9i\r")
        pty.wait_for("bob  # the name")
        pty.send("am9uZXM=\r")
        pty.wait_for("********  # the password")
        pty.wait_for("TRANSACTION bob@")


def test_in_a_pipe_standard_error_explains(practice: Server) -> None:
    finished = piped(b"USER bob\nQUIT\n", practice.host, practice.port, "--explain")
    assert finished.code == 0
    assert finished.stdout.count(b"\r\n") == 3
    assert b"#" not in finished.stdout
    assert "C: USER bob\n" in finished.stderr
    assert "the server has taken the name and waits for PASS" in finished.stderr


async def test_no_more_is_explained_than_fits(practice: Server) -> None:
    async with live(way(practice), rows=24) as shell:
        await shell.enter(":explain on")
        await shell.ask("CAPA")
        await shell.see("there is more to say: :why does")


# By hand.


async def test_base64_both_ways() -> None:
    with RecordingServer(greeting=GREETING) as server:
        async with live(server, rows=40) as shell:
            await shell.type(r":b64 \0bob\0jones")
            await shell.see(":b64 ****")
            await shell.enter("", until="AGJvYgBqb25lcw==")
            assert "jones" not in shell.terminal.raw
            await shell.enter(":b64 -d AGJvYgDCm2E=", until=r"\x00bob\x00\u{9b}a")
            await shell.enter(":b64 -d AGJ", until="this isn't base64")
            await shell.enter(":b64", until="give a text")
            await shell.enter(r":b64 \q", until=":b64: ")
            assert list(shell.shell.prompt_session.history.get_strings()) == [":b64"]
        assert server.wait_for_end() == b""


@pytest.mark.parametrize("asked", [True, False])
async def test_apop_by_hand(asked: bool) -> None:
    digest = "c4c9334bac560ecc979e58001b3e22fb"  # RFC 1939 §7
    with RecordingServer(greeting=GREETING) as server:
        async with live(server, rows=40) as shell:
            if asked:
                await shell.enter(":apop mrose", until="Password of mrose:")
                await shell.enter("tanstaaf", until=f"APOP mrose {digest}")
            else:
                await shell.type(":apop mrose tanstaaf")
                await shell.see(":apop mrose ********")
                await shell.enter("", until=f"APOP mrose {digest}")
            assert "tanstaaf" not in shell.terminal.raw
            assert "tanstaaf" not in "".join(shell.shell.prompt_session.history.get_strings())
        assert server.wait_for_end() == b""


async def test_cram_by_hand() -> None:
    challenge = b"<1896.697170952@postoffice.reston.mci.net>"  # RFC 2195 §2
    digest = hmac.new(b"tanstaaftanstaaf", challenge, "md5").hexdigest()
    answer = base64.b64encode(f"tim {digest}".encode()).decode()
    steps = [Send(GREETING), ExpectLine(), Send(b"+ " + base64.b64encode(challenge) + b"\r\n")]
    with ScriptedServer([*steps, ExpectLine(), Send(b"+OK in\r\n")]) as server:
        async with live(server, rows=40) as shell:
            await shell.enter(":cram tim", until="there is no challenge")
            await shell.ask("AUTH CRAM-MD5")
            await shell.enter(":cram tim", until="Password of tim:")
            await shell.enter("tanstaaftanstaaf", until=answer)
            await shell.see("AUTH 127.0.0.1>")
            await shell.enter(answer, until="TRANSACTION tim@127.0.0.1>")
            assert "tanstaaf" not in shell.terminal.raw
        assert server.wait_for_end().endswith(answer.encode() + b"\r\n")


async def test_what_cannot_be_worked_out() -> None:
    with RecordingServer() as server:
        async with live(server, rows=40) as shell:
            await shell.enter(":apop bob", until="APOP needs the <timestamp> of a greeting")
            await shell.enter(":cram", until="there is no challenge")


def test_in_a_script_nobody_can_be_asked(tmp_path: Path) -> None:
    with RecordingServer(greeting=GREETING) as server:
        lines = b":apop mrose\n:apop mrose tanstaaf\n:b64 x\n"
        finished = piped(lines, *at(server), "--local-commands", cwd=tmp_path)
        assert "there is nobody to ask: :apop mrose PASSWORD" in finished.stderr
        assert "APOP mrose c4c9334bac560ecc979e58001b3e22fb" in finished.stderr
        assert "eA==" in finished.stderr
        assert finished.stdout == GREETING
