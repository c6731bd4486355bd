"""The live shell as a screen: what a person types and what a server says, and nothing lost of either."""

import asyncio
import threading
from pathlib import Path

import pytest

from poptalk.net.endpoint import Destination
from poptalk.net.errors import ConnectFailed
from poptalk.shell.view import UNSOLICITED_LINES_SHOWN
from tests.servers import certificates
from tests.servers.recording import RecordingServer, by_keyword
from tests.servers.scripted import (
    Answer,
    Close,
    Expect,
    ExpectLine,
    Pause,
    ScriptedServer,
    Send,
    StartTls,
)
from tests.servers.terminal import Pty
from tests.shell.black_box import at, environment, on_a_terminal, poptalk
from tests.shell.shells import (
    BACKSPACE,
    CTRL_BRACKET,
    CTRL_C,
    CTRL_D,
    ENTER,
    LiveTest,
    in_order,
    live,
    place,
    practising,
)

GREETING = Send(b"+OK ready\r\n")
LETTER = b"".join(b"line %03d\r\n" % number for number in range(200))
ANSWERS = by_keyword(
    {
        b"USER": b"+OK\r\n",
        b"PASS": b"+OK\r\n",
        b"STAT": b"+OK 3 6183\r\n",
        b"LIST": b"+OK\r\n1 1903\r\n2 4255\r\n3 25\r\n.\r\n",
        b"RETR": b"+OK\r\n" + LETTER + b".\r\n",
        b"DELE": b"+OK\r\n",
        b"NOOP": b"+OK\r\n",
        b"QUIT": b"+OK bye\r\n",
    }
)


def answering(*, closing_keyword: bytes | None = b"QUIT") -> RecordingServer:
    return RecordingServer(reply=ANSWERS, closing_keyword=closing_keyword)


async def test_a_dialogue_and_its_farewell() -> None:
    with answering() as server:
        async with live(server) as shell:
            for line in ("USER bob", "PASS jones", "LIST", "QUIT"):
                await shell.ask(line)
            await shell.see("the server closed the connection")
            await shell.see("(closed)> ")
            assert shell.view() == [
                "S: +OK recording server ready",
                "C: USER bob",
                "S: +OK",
                "C: PASS ****",
                "S: +OK",
                "C: LIST",
                "S: +OK",
                "S: 1 1903",
                "S: 2 4255",
                "S: 3 25",
                "S: .",
                "C: QUIT",
                "S: +OK bye",
            ]
        assert server.wait_for_end() == b"USER bob\r\nPASS jones\r\nLIST\r\nQUIT\r\n"


async def test_a_reply_that_arrives_while_a_line_is_half_typed() -> None:
    go = threading.Event()
    reply = b"+OK\r\n" + b"".join(b"%d %d\r\n" % (n, n * 100) for n in range(1, 41)) + b".\r\n"
    steps = [GREETING, ExpectLine(), Pause(go), Send(reply), ExpectLine(), Send(b"+OK\r\n")]
    with ScriptedServer(steps) as server:
        async with live(server, rows=60) as shell:
            await shell.enter("LIST")
            await shell.type("RETR 1")
            go.set()
            for key in "2345":
                await shell.type(key)
            await shell.see("S: .\n")
            await shell.see("> RETR 12345")
            listed = [f"S: {n} {n * 100}" for n in range(1, 41)]
            assert shell.view() == ["S: +OK ready", "C: LIST", "S: +OK", *listed, "S: ."]
            assert shell.terminal.cursor.column == len("AUTHORIZATION 127.0.0.1> RETR 12345")
            await shell.enter("", until="C: RETR 12345")
        server.wait_for(lambda received: received == b"LIST\r\nRETR 12345\r\n")


async def test_a_burst_while_typing_loses_no_glyph_of_either_over_the_history() -> None:
    lines = [b"9%04d x" % number for number in range(600)]
    chunks = [
        b"".join(b"%s\r\n" % line for line in lines[at : at + 30]) for at in range(0, 600, 30)
    ]
    steps = [GREETING, ExpectLine(), Send(b"+OK\r\n"), *map(Send, chunks), Send(b".\r\n")]
    with ScriptedServer(steps) as server:
        async with live(server, rows=2000) as shell:
            shell.send("UIDL" + ENTER)
            for key in "TOP 1 0 and more":
                await shell.type(key)
            await shell.see("> TOP 1 0 and more")
            await shell.see("S: .\n")
            expected = [f"S: {line.decode()}" for line in lines]
            assert shell.view() == ["S: +OK ready", "C: UIDL", "S: +OK", *expected, "S: ."]


async def test_an_unsolicited_err_and_close_while_typing() -> None:
    go = threading.Event()
    steps = [GREETING, Pause(go), Send(b"-ERR idle for too long\r\n"), Close()]
    with ScriptedServer(steps) as server:
        async with live(server) as shell:
            await shell.type("RETR 3")
            go.set()
            await shell.see("(closed)> ")
            assert shell.view()[-1] == "S: -ERR idle for too long"
            assert "the server speaks without having been asked" in " ".join(shell.text.split())
            assert "the server closed the connection" in shell.text
            await shell.until(lambda: "not connected" in shell.terminal.lines()[-1])
            assert shell.line == ""
            assert ":open offers it again" in shell.text
            await shell.enter(":why", until="said unasked")


async def test_the_half_typed_line_is_offered_again_after_open() -> None:
    go = threading.Event()
    with ScriptedServer([GREETING, Pause(go), Close()]) as server:
        async with live(server) as shell:
            await shell.type("PASS jones")
            go.set()
            await shell.see(":open offers it again")
            go.clear()
            await shell.enter(":open")
            await shell.until(lambda: shell.line == "PASS jones")
            await shell.see("> PASS *****")
            assert "jones" not in shell.terminal.raw


async def test_an_answer_within_auth_is_not_offered_to_another_connection() -> None:
    go = threading.Event()
    steps = [GREETING, ExpectLine(), Send(b"+ \r\n"), Pause(go), Close()]
    with ScriptedServer(steps) as server:
        async with live(server) as shell:
            await shell.enter("AUTH PLAIN", until="S: +")
            await shell.type("AGJvYgBqb25lcw==")
            go.set()
            await shell.see("(closed)> ")
            await shell.drawn()
            assert shell.line == ""
            assert shell.shell.half_typed == ""
            assert "AGJv" not in shell.terminal.raw


async def test_what_is_typed_while_not_connected_is_offered_after_open() -> None:
    with answering() as server:
        async with live(server) as shell:
            await shell.ask("QUIT")
            await shell.see("(closed)> ")
            await shell.enter("::odd", until="not connected: :open connects again")
            await shell.enter(":open")
            await shell.until(lambda: shell.line == "::odd")
            await shell.enter("", until="C: :odd")


async def test_a_password_is_masked_from_its_first_letter_on() -> None:
    with answering() as server:
        async with live(server) as shell:
            for line in (
                "pass jones",
                "PASS  two words",
                "APOP bob jones",
                ":send PASS jones\\r\\n",
            ):
                await shell.type(line)
                await shell.drawn()
                prompt = shell.terminal.lines()[shell.terminal.cursor.row]
                assert prompt.endswith("*" * 5), prompt
                assert len(prompt) == len("AUTHORIZATION 127.0.0.1> ") + len(line)
                shell.send(CTRL_C)
                await shell.until(lambda: not shell.line)
            for secret in ("jones", "two", "words"):
                assert secret not in shell.terminal.raw


async def test_the_lines_of_an_auth_are_masked_until_its_end() -> None:
    steps = [
        GREETING,
        *(Expect(b"AUTH LOGIN\r\n"), Send(b"+ VXNlcm5hbWU6\r\n")),
        *(Expect(b"Ym9i\r\n"), Send(b"+ UGFzc3dvcmQ6\r\n")),
        *(Expect(b"am9uZXM=\r\n"), Send(b"-ERR no\r\n")),
    ]
    with ScriptedServer(steps) as server:
        async with live(server) as shell:
            await shell.ask("AUTH LOGIN")
            await shell.see("AUTH 127.0.0.1> the answer in base64")
            await shell.ask("Ym9i")
            await shell.type("am9uZXM=")
            await shell.see("> ********")
            await shell.enter("", until="-ERR no")
            await shell.see("AUTHORIZATION 127.0.0.1> ")
            assert in_order(
                ["C: AUTH LOGIN", "S: + VXNlcm5hbWU6", "C: ****", "S: + UGFzc3dvcmQ6", "C: ****"],
                shell.view(),
            )
            for secret in ("Ym9i", "am9u"):
                assert secret not in shell.terminal.raw


async def test_reveal_shows_what_is_typed() -> None:
    with answering() as server:
        async with live(server) as shell:
            await shell.enter(":reveal on", until="secrets are shown from now on")
            await shell.type("PASS jones")
            await shell.see("> PASS jones")
            shell.send(CTRL_C)
            await shell.enter(":reveal off", until="secrets are masked from now on")
            await shell.type("PASS jones")
            await shell.see("> PASS *****")


async def test_a_folded_reply_more_all_last_and_save(tmp_path: Path) -> None:
    with answering() as server:
        async with live(server) as shell:
            await shell.ask("RETR 1")
            await shell.see("# 182 more lines, 1,820 octets")
            assert shell.view()[-2:] == ["S: line 017", "S: ."]
            await shell.enter(":more", until="# 164 more lines, 1,640 octets")
            assert in_order(["S: line 018", "S: line 035", "S: ."], shell.view())
            await shell.enter(":more all", until="line 199")
            bodies = [line for line in shell.view() if "line" in line]
            assert bodies == [f"S: line {number:03d}" for number in range(200)]
            await shell.enter(":more", until="nothing of the last reply is left to show")
            await shell.enter(":last", until="# 182 more lines")
            assert shell.view().count("C: RETR 1") == 2
            file = tmp_path / "letter.eml"
            await shell.enter(f":save {file}", until="2,000 octets written to")
            assert file.read_bytes() == LETTER
            assert file.stat().st_mode & 0o777 == 0o600
            await shell.enter(f":save {file}", until=" exists")  # the path may break the line


async def test_what_was_folded_outlives_the_connection() -> None:
    go = threading.Event()
    steps = [GREETING, ExpectLine(), Send(b"+OK\r\n" + LETTER + b".\r\n"), Pause(go)]
    with ScriptedServer([*steps, Send(b"-ERR idle\r\n"), Close()]) as server:
        async with live(server) as shell:
            await shell.ask("RETR 1")
            go.set()
            await shell.see("(closed)> ")
            await shell.enter(":more", until="line 035")


async def test_ctrl_c_clears_the_line_and_sends_nothing() -> None:
    with answering() as server:
        async with live(server) as shell:
            await shell.type("DELE 1")
            shell.send(CTRL_C)
            await shell.until(lambda: not shell.line)
            await shell.ask("NOOP")
            assert shell.view()[-2:] == ["C: NOOP", "S: +OK"]
        assert server.wait_for_end() == b"NOOP\r\n"


async def test_ctrl_d_deletes_on_a_line_and_leaves_from_an_empty_one() -> None:
    with answering() as server:
        async with live(server) as shell:
            await shell.type("STAT")
            shell.send("\x01" + CTRL_D)
            await shell.until(lambda: shell.line == "TAT")
            shell.send(CTRL_C + CTRL_D)
            await shell.left()
            assert "poptalk closed the connection" in shell.text
            assert "marked" not in shell.text
        assert server.wait_for_end() == b""


async def test_ctrl_d_says_what_it_means_for_marked_messages() -> None:
    with answering() as server:
        async with live(server) as shell:
            for line in ("DELE 1", "DELE 3"):
                await shell.ask(line)
            await shell.see("2 marked for deletion")
            shell.send(CTRL_D)
            await shell.left()
            said = " ".join(shell.text.replace("#!", "").split())
            assert "messages 1, 3 were marked as deleted and stay in the maildrop" in said
        assert server.wait_for_end() == b"DELE 1\r\nDELE 3\r\n"


async def test_quit_with_a_colon_leaves_and_sends_nothing() -> None:
    with answering() as server:
        async with live(server) as shell:
            shell.send(":quit" + ENTER)
            await shell.left()
        assert server.wait_for_end() == b""


async def test_ctrl_bracket_begins_a_local_command() -> None:
    with answering() as server:
        async with live(server, rows=60) as shell:
            shell.send(CTRL_BRACKET + "help :")
            await shell.until(lambda: shell.line == ":help :")
            await shell.enter("", until=":reveal [on|off]")
        assert server.received == b""


async def test_a_paste_of_five_commands_is_five_commands() -> None:
    with answering(closing_keyword=None) as server:
        async with live(server) as shell:
            await shell.type("USER bo")
            paste = "b\rPASS jones\nSTAT\r\nLIST\nNOOP\nRET"
            shell.send(f"\x1b[200~{paste}\x1b[201~")
            await shell.until(lambda: shell.line == "RET")
            await shell.until(lambda: shell.shell.session.core.settled)
            await shell.enter("R 1", until="# 182 more lines")
            sent = [line for line in shell.view() if line.startswith("C:")]
            assert sent == [
                *("C: USER bob", "C: PASS ****", "C: STAT", "C: LIST", "C: NOOP", "C: RETR 1")
            ]
            assert "jones" not in shell.terminal.raw
        expected = b"USER bob\r\nPASS jones\r\nSTAT\r\nLIST\r\nNOOP\r\nRETR 1\r\n"
        assert server.wait_for_end() == expected


async def test_lines_typed_while_stls_is_under_way_wait_for_tls(tmp_path: Path) -> None:
    identity = certificates.authority(tmp_path)
    go = threading.Event()
    steps = [
        GREETING,
        *(
            Expect(b"STLS\r\n"),
            Pause(go),
            Send(b"+OK begin\r\n"),
            StartTls(identity.server_context),
        ),
        Answer(ANSWERS, b"QUIT"),
    ]
    with ScriptedServer(steps) as server:
        destination = Destination(host=server.host, port=server.port, ca_file=str(identity.ca_file))
        async with live(destination) as shell:
            await shell.enter("STLS")
            await shell.enter("USER bob")
            await shell.enter("PASS jones")
            assert shell.view()[-1] == "C: STLS"
            go.set()
            await shell.see("C: PASS ****\nS: +OK")
            await shell.see("certificate verified")
            await shell.see("· TLS ·")
            assert shell.view()[-5:] == [
                *("S: +OK begin", "C: USER bob", "C: PASS ****"),
                *("S: +OK  # USER bob", "S: +OK  # PASS"),
            ]
        assert server.wait_for_end() == b"STLS\r\nUSER bob\r\nPASS jones\r\n"


async def test_an_auth_that_waits_for_tls_keeps_its_answer_secret(tmp_path: Path) -> None:
    identity = certificates.authority(tmp_path)
    go = threading.Event()
    history = tmp_path / "history"
    steps = [
        GREETING,
        *(Expect(b"STLS\r\n"), Pause(go), Send(b"+OK\r\n"), StartTls(identity.server_context)),
        *(Expect(b"AUTH PLAIN\r\n"), Send(b"+ \r\n"), Expect(b"=\r\n"), Send(b"+OK in\r\n")),
    ]
    with ScriptedServer(steps) as server:
        destination = Destination(host=server.host, port=server.port, ca_file=str(identity.ca_file))
        async with live(destination, history=history) as shell:
            for line in ("STLS", "AUTH PLAIN"):
                await shell.enter(line)
            await shell.type("AGJvYgBqb25lcw==")
            await shell.see("> ****************")
            go.set()
            await shell.enter("", until="S: +OK in")
            assert "AGJv" not in shell.terminal.raw
        assert history.read_text() == "STLS\nAUTH PLAIN\n"
    assert server.received.endswith(b"AGJvYgBqb25lcw==\r\n")


async def test_octets_injected_behind_stls_end_the_connection() -> None:
    steps = [GREETING, Expect(b"STLS\r\n"), Send(b"+OK\r\n-ERR injected\r\n")]
    with ScriptedServer(steps) as server:
        async with live(server) as shell:
            await shell.enter("STLS", until="(closed)> ")
            text = " ".join(shell.text.split())
            assert "S: -ERR injected" in text
            assert "RFC 2595 §4" in text
            assert "nothing on it can be trusted" in text


async def test_a_certificate_that_cannot_be_verified_is_shown(tmp_path: Path) -> None:
    identity = certificates.wrong_host(tmp_path)
    steps = [GREETING, Expect(b"STLS\r\n"), Send(b"+OK\r\n"), StartTls(identity.server_context)]
    with ScriptedServer(steps) as server:
        destination = Destination(host=server.host, port=server.port, ca_file=str(identity.ca_file))
        async with live(destination) as shell:
            await shell.enter("STLS", until="(closed)> ")
            assert certificates.OTHER_NAME in shell.text
            assert "--insecure" in shell.text


async def test_open_to_a_dead_port_and_to_another_server() -> None:
    with answering() as gone:
        dead = gone.port
    with answering() as first, answering() as second:
        async with live(first) as shell:
            await shell.enter(f":open 127.0.0.1 {dead}", until="(closed)> ")
            assert "connecting to 127.0.0.1 port" in shell.text
            assert "refused" in shell.text
            await shell.enter(f":open localhost {second.port} ", until="AUTHORIZATION localhost>")
            await shell.ask("NOOP")
        assert first.wait_for_end() == b""
        assert second.wait_for_end() == b"NOOP\r\n"


async def test_ctrl_c_gives_up_connecting(tmp_path: Path) -> None:
    with answering() as server, ScriptedServer([]) as silent:
        async with live(server) as shell:
            await shell.enter(f":open --tls 127.0.0.1 {silent.port}", until="(connecting; ")
            await shell.see("(connecting; Ctrl-C gives up)> ")
            await shell.enter(":open", until="already connecting; Ctrl-C gives up")
            shell.send(CTRL_C)
            await shell.see("gave up connecting")
            await shell.see("(closed)> ")


async def test_giving_up_in_the_same_burst_of_keys_leaves_a_shell_that_connects() -> None:
    with answering() as server:
        async with live(server) as shell:
            await shell.enter(":close", until="(closed)> ")
            shell.send(":open" + ENTER + CTRL_C)
            await shell.see("gave up connecting")
            await shell.see("(closed)> ")
            await shell.enter(":open", until="AUTHORIZATION 127.0.0.1> ")
            await shell.ask("NOOP")
            assert "already connecting" not in shell.text


@pytest.mark.parametrize("closed", [True, False])
async def test_close_gives_up_connecting(*, closed: bool) -> None:
    with answering() as server:
        async with live(server) as shell:
            if closed:
                await shell.enter(":close", until="(closed)> ")
            shell.send(":open" + ENTER + ":close" + ENTER)
            await shell.see("gave up connecting")
            await shell.see("(closed)> ")
            assert ":close: there is no connection" not in shell.text


async def test_open_after_giving_up_in_the_same_burst_of_keys_connects() -> None:
    with answering() as server:
        async with live(server) as shell:
            await shell.enter(":close", until="(closed)> ")
            shell.send(f":open{ENTER}PASS jones{ENTER}:close{ENTER}:open{ENTER}")
            await shell.see("AUTHORIZATION 127.0.0.1> ")
            await shell.until(lambda: shell.line == "PASS jones")
            assert "jones" not in shell.text
            assert b"PASS" not in server.received


async def test_the_first_connection_fails_with_its_own_error() -> None:
    with answering() as gone:
        dead = place(gone)
    with pytest.raises(ConnectFailed):
        async with live(dead, greeted=False) as shell:
            await shell.left()


async def test_the_beginning_of_a_line_shows_after_a_while() -> None:
    go = threading.Event()
    steps = [GREETING, ExpectLine(), Send(b"+OK half"), Pause(go), Send(b" and half\r\n")]
    with ScriptedServer(steps) as server:
        async with live(server) as shell:
            await shell.enter("NOOP", until="S: +OK half (the end of this line is missing)")
            go.set()
            await shell.see("S: +OK half and half")


async def test_a_flood_of_unasked_lines_is_counted() -> None:
    go = threading.Event()
    flood = b"".join(b"* flood %d\r\n" % number for number in range(1000))
    steps = [GREETING, Pause(go), Send(flood), Answer(ANSWERS)]
    with ScriptedServer(steps) as server:
        async with live(server) as shell:
            go.set()
            await shell.see("the server goes on like this")
            await shell.ask("NOOP")
            await shell.see("\nS: +OK")
            shown = [line for line in shell.said() if line.startswith("S: * flood")]
            assert shown == [f"S: * flood {n}" for n in range(UNSOLICITED_LINES_SHOWN)]
            hidden = 1000 - UNSOLICITED_LINES_SHOWN
            assert f"{hidden:,} more unsolicited lines" in shell.text


async def test_colours_of_a_dialogue_and_of_the_line() -> None:
    with answering() as server:
        async with live(server) as shell:
            await shell.ask("STAT")
            await shell.ask("XYZZY")
            await shell.type("LIST 2")
            await shell.see("> LIST 2")
            colour_of = shell.terminal.colour_of
            assert colour_of("+OK recording") == "green"
            assert colour_of("3 6183") == "cyan"
            assert colour_of("6183") == "magenta"
            assert colour_of("-ERR unknown") == "red"
            assert colour_of("LIST 2") == "cyan"
            assert_no_background(shell)


async def test_without_colours_the_marks_remain() -> None:
    with answering() as server:
        async with live(server, color=False) as shell:
            await shell.ask("XYZZY")
            await shell.type(":help")
            await shell.drawn()
            assert shell.terminal.colour_of("-ERR") == "default"
            assert shell.terminal.cell_of("-ERR").bold
            assert shell.terminal.colour_of(":help") == "default"
            assert_no_background(shell)


def assert_no_background(shell: LiveTest) -> None:
    screen = shell.terminal.screen
    for row in screen.buffer.values():
        assert {row[column].bg for column in range(screen.columns)} == {"default"}


async def test_forty_columns_for_a_whole_session_and_every_local_command(tmp_path: Path) -> None:
    with practising() as practice:
        async with live(practice, columns=40, rows=20) as shell:
            for line in ("USER bob", "PASS jones", "LIST", "RETR 2"):
                await shell.ask(line)
            locals_ = [
                *(":help", ":help :", ":help TOP", ":help XTND", ":help :send", ":why", ":raw"),
                *(":raw all", ":more", ":more all", ":last", f":save {tmp_path / 'x'}", ":log"),
                *(f":log {tmp_path / 'l'}", ":log off", ":reveal", ":send NOOP\\r\\n", ":wyh"),
                *(
                    ":close",
                    ":close",
                    ":open",
                    ":open a b c",
                    ":send",
                    ":send NO",
                    ":send OP\\r\\n",
                ),
            ]
            for line in locals_:
                await shell.enter(line)
                await shell.drawn()
            await shell.until(lambda: shell.shell.connected and shell.shell.session.core.settled)
            await shell.ask("QUIT")
            await shell.see("(closed)> ")
            said = shell.said()
            # Of what poptalk says itself, no word is broken at the edge of the screen.
            paragraphs = " ".join(said)
            for sentence in ("number and size of each message, or of one", ":help lists them;"):
                assert sentence in " ".join(paragraphs.replace("#!", "").replace("#", "").split())
            assert "fault in poptalk" not in paragraphs
            assert max(map(len, said)) <= 40


async def test_the_prompt_is_short_where_the_screen_is_narrow() -> None:
    with practising() as practice:
        async with live(practice, columns=40) as shell:
            await shell.ask("USER bob")
            await shell.see("\nAUTHORIZATION> ")
        async with live(practice, columns=70) as shell:
            await shell.ask("USER bob")
            await shell.see("\nAUTHORIZATION bob@practice> ")


async def test_erasing_and_going_on_is_no_matter() -> None:
    with answering() as server:
        async with live(server) as shell:
            await shell.type("STAX")
            shell.send(BACKSPACE + "T" + ENTER)
            await shell.see("C: STAT")
        server.wait_for(lambda received: received == b"STAT\r\n")


async def test_a_user_named_in_the_url_is_offered() -> None:
    with answering() as server:
        destination = Destination(host=server.host, port=server.port, user="bob")
        async with live(destination) as shell:
            await shell.until(lambda: shell.line == "USER bob")
        assert server.received == b""


async def test_two_shells_at_once_do_not_mix() -> None:
    with answering() as server:
        async with live(server) as one, live(server) as other:
            await asyncio.gather(one.ask("NOOP"), other.ask("STAT"))
            assert one.view()[-1] == "S: +OK"
            assert other.view()[-1] == "S: +OK 3 6183"


# Behind a pseudo-terminal: the whole program.


def test_a_terminal_that_never_answers_where_its_cursor_is() -> None:
    with (
        answering() as server,
        Pty(poptalk(*at(server)), env=environment(), answer_after=None) as pty,
    ):
        pty.wait_for("AUTHORIZATION 127.0.0.1>")
        pty.send("LIST\r")
        pty.wait_for("S: 3 25\nS: .")
        pty.send("RETR 1\r")
        pty.wait_for("# 182 more lines")
        assert "WARNING" not in pty.text
        pty.send("QUIT\r")
        pty.wait_for("(closed)>")
        pty.send(CTRL_D)
        assert pty.wait_exit() == 0
        assert pty.restored
    assert server.received == b"LIST\r\nRETR 1\r\nQUIT\r\n"


@pytest.mark.parametrize("seconds", [0.0, 0.1])
def test_a_slow_terminal_does_not_scroll_the_welcome_away(seconds: float) -> None:
    with Pty(poptalk("connect"), env=environment(), answer_after=seconds) as pty:
        # The bottom line comes when the terminal has said where its cursor is.
        pty.wait_for(":help lists")
        pty.wait_until(lambda: "· clear ·" in pty.lines()[-1])
        assert pty.lines()[0].startswith("# Welcome to poptalk.")
        pty.send("NOOP\r")
        pty.wait_for("S: -ERR")
        pty.wait_until(lambda: "· clear ·" in pty.lines()[-1])
        assert pty.lines()[0].startswith("# Welcome to poptalk.")
        pty.send(CTRL_D)
        assert pty.wait_exit() == 0


def test_ctrl_c_while_the_first_connection_is_made_ends_poptalk() -> None:
    with ScriptedServer([]) as silent, on_a_terminal("--tls", *at(silent)) as pty:
        silent.wait_for(lambda received: received.startswith(b"\x16"))
        pty.send(CTRL_C)
        assert pty.wait_exit() == 130
        assert pty.restored
        assert "Traceback" not in pty.text


def test_a_narrow_real_terminal() -> None:
    with on_a_terminal("connect", columns=40, rows=15) as pty:
        pty.wait_for("AUTHORIZATION")
        pty.send("USER bob\rPASS jones\rRETR 2\r")
        pty.wait_for("more lines")
        pty.send(":help\r")
        pty.wait_for("the local ones.")
        pty.send(CTRL_D)
        assert pty.wait_exit() == 0
        assert pty.restored
        assert "jones" not in "\n".join(pty.history()).replace("PASS jones,", "")
