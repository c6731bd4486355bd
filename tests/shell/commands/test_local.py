"""The local commands: lines that never reach the server."""

from itertools import count
from pathlib import Path

import pytest

from poptalk.pop3.commands import VERBS, Verb
from poptalk.shell.commands.general import LOCAL_COMMANDS
from poptalk.shell.commands.registry import commands_of
from tests.servers.recording import RecordingServer, by_keyword
from tests.shell.shells import LiveTest, in_order, live, practising

LETTER = b"Subject: dots\r\n\r\n..one\r\n...\r\nend\r\n.\r\n"
ANSWERS = by_keyword(
    {
        b"USER": b"+OK\r\n",
        b"PASS": b"+OK [X] welcome, jones\r\n",
        b"APOP": b"-ERR [IN-USE] locked\r\n",
        b"STAT": b"+OK 3 6183 and more\r\n",
        b"LIST": b"+OK\r\n1 1903\r\n2 4255\r\n.\r\n",
        b"RETR": b"+OK\r\n" + LETTER,
        b"CAPA": b"+OK\r\nTOP\r\nX-ODD\r\n.\r\n",
        b"NOOP": b"+OK\n",
        b"AUTH": b"+ \r\n",
    }
)

MARKS = count()
"""Numbers for lines between which a command has said what it has to say, however often it is drawn."""


def answering() -> RecordingServer:
    return RecordingServer(greeting=b"+OK ready <1.2@host>\r\n", reply=ANSWERS)


async def told(shell: LiveTest, line: str) -> str:
    """Enter a local command, and return what it has said, in one line."""
    before, after = (f"mark {next(MARKS)}" for _ in range(2))
    shell.shell.view.remark(before)
    await shell.enter(line)
    shell.shell.view.remark(after)
    await shell.until(lambda: f"# {after}" in shell.said())
    said = shell.said()
    lines = said[said.index(f"# {before}") + 1 : said.index(f"# {after}")]
    return " ".join(word for word in " ".join(lines).split() if word != "#!")


async def test_no_local_command_sends_anything(tmp_path: Path) -> None:
    sending = {"send", "open", "close", "quit", "login", "capa"}
    with answering() as server:
        async with live(server) as shell:
            for name in LOCAL_COMMANDS.keys() - sending:
                await shell.enter(f":{name}")
            await shell.enter(":nonsense")
            await shell.enter(":")
            await shell.drawn()
        assert server.wait_for_end() == b""


async def test_every_local_command_is_in_the_help_with_a_sentence() -> None:
    with answering() as server:
        async with live(server, rows=100) as shell:
            text = await told(shell, ":help :")
            for command in commands_of(shell.shell):
                assert f":{command.usage} {command.summary}" in text
                assert command.summary[0].isupper()
                assert command.details.endswith(".")
            assert ":send TEXT" in await told(shell, ":help :send")
            assert "escapes such as" in await told(shell, ":help send")


async def test_help_lists_what_is_legal_now() -> None:
    with answering() as server:
        async with live(server, rows=60) as shell:
            text = await told(shell, ":help")
            assert "USER name say whose maildrop you want" in text
            assert "In other states: STAT LIST" in text.replace("# ", "")
            assert "Relics: LAST RPOP XTND" in text.replace("# ", "")
            await shell.ask("PASS x")
            text = await told(shell, ":help")
            assert "RETR msg fetch a whole message" in text
            assert "In other states: USER" in text


@pytest.mark.parametrize("row", VERBS.values(), ids=lambda row: row.keyword)
async def test_help_explains_every_command(row: Verb) -> None:
    with answering() as server:
        async with live(server, rows=60) as shell:
            text = await told(shell, f":help {row.keyword.lower()}")
            for part in (row.syntax, row.summary, row.details, str(row.clause)):
                assert " ".join(part.split()) in text.replace(" # ", " "), part
            for state in row.states:
                assert state.value in text
            example = row.example.replace("{password}", "****").replace("{apop}", "****")
            for line in example.splitlines():
                assert " ".join(line.split()) in text
            assert ("relic" in text) == (row.relic is not None)


async def test_help_without_a_session() -> None:
    with answering() as server:
        async with live(server, rows=60) as shell:
            await shell.enter(":close", until="(closed)")
            text = await told(shell, ":help")
            assert "There is no session now; :open begins one." in text.replace("# ", "")
            assert "Legal now" not in text


async def test_help_for_what_is_none() -> None:
    with answering() as server:
        async with live(server) as shell:
            assert "XYZZY is not a command of POP3" in await told(shell, ":help XYZZY")
            assert "Did you mean :help?" in await told(shell, ":hepl")
            assert "to send this line to the server, type ::zz" in await told(shell, ":zz")


async def test_why_explains_what_was_said_field_by_field() -> None:
    with answering() as server:
        async with live(server, rows=60) as shell:
            assert "timestamp, with which a server offers APOP" in await told(shell, ":why")
            await shell.ask("STAT")
            text = await told(shell, ":why")
            assert in_order(
                [
                    "3 # messages in the maildrop",
                    "6183 # their size altogether",
                    "words for people",
                ],
                [text[at : at + n] for n in (28, 29, 16) for at in range(len(text))],
            )
            await shell.ask("LIST")
            text = await told(shell, ":why")
            assert "message 1, octets 1903" in text
            assert ". # the lone dot" in text
            await shell.ask("CAPA")
            text = await told(shell, ":why")
            assert "TOP # the command TOP works [RFC 2449 §6.1]" in text
            assert "X-ODD # not in the IANA registry" in text
            await shell.ask("APOP bob 0123456789abcdef")
            text = await told(shell, ":why")
            assert "negative" in text
            assert "[IN-USE]" in text
            await shell.ask("XYZZY")
            assert "negative" in await told(shell, ":why")
            await shell.ask("AUTH PLAIN")
            assert "a challenge" in await told(shell, ":why")


async def test_why_masks_the_echo_of_a_secret() -> None:
    with answering() as server:
        async with live(server) as shell:
            await shell.ask("PASS jones")
            await shell.see("S: +OK [X] welcome, ****")
            assert "****" in await told(shell, ":why")
            for command in (":raw", ":last"):
                await shell.enter(command)
            await shell.drawn()
            assert "jones" not in shell.terminal.raw


async def test_raw_shows_line_ends_dots_and_stuffing() -> None:
    with answering() as server:
        async with live(server) as shell:
            assert r"S: +OK ready <1.2@host>\r\n" in await told(shell, ":raw")
            await shell.ask("NOOP")
            assert r"C: NOOP\r\n S: +OK\n" in await told(shell, ":raw")
            await shell.ask("RETR 1")
            text = await told(shell, ":raw")
            assert text == (
                r"C: RETR 1\r\n S: +OK\r\n S: Subject: dots\r\n S: \r\n"
                r" S: ..one\r\n # the first dot was stuffed"
                r" S: ...\r\n # the first dot was stuffed"
                r" S: end\r\n S: .\r\n # the final dot"
            )


async def test_raw_of_a_long_reply_is_folded() -> None:
    body = b"+OK\r\n" + b"".join(b"line %03d\r\n" % n for n in range(100)) + b".\r\n"
    with RecordingServer(reply=by_keyword({b"RETR": body})) as server:
        async with live(server) as shell:
            await shell.ask("RETR 1")
            assert "octets more: :raw all shows them" in await told(shell, ":raw")
            await shell.enter(":raw all", until="# the final dot")
            assert [line for line in shell.said() if line.startswith(r"S: line 09")]


async def test_last_shows_command_and_reply_again() -> None:
    with answering() as server:
        async with live(server) as shell:
            assert "S: +OK ready" in await told(shell, ":last")
            await shell.ask("PASS jones")
            assert await told(shell, ":last") == "C: PASS **** S: +OK [X] welcome, ****"
            await shell.ask("RETR 1")
            text = await told(shell, ":last")
            assert text == "C: RETR 1 S: +OK S: Subject: dots S: S: ..one S: ... S: end S: ."


async def test_save_writes_the_message_and_never_over_a_file(tmp_path: Path) -> None:
    file = tmp_path / "with blank.eml"
    with answering() as server:
        async with live(server, columns=200) as shell:
            assert "there is no body to save" in await told(shell, ":save x")
            await shell.ask("RETR 1")
            assert "name a file" in await told(shell, ":save")
            assert "32 octets written" in await told(shell, f":save {file}")
            assert file.read_bytes() == b"Subject: dots\r\n\r\n.one\r\n..\r\nend\r\n"
            assert "File exists" in await told(shell, f":save {file}")
            assert "No such file" in await told(shell, f":save {tmp_path}/no/such")


async def test_save_knows_the_home_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with answering() as server:
        async with live(server, columns=200) as shell:
            await shell.ask("LIST")
            await told(shell, ":save ~/list")
            assert (tmp_path / "list").read_bytes() == b"1 1903\r\n2 4255\r\n"


async def test_send_sends_exactly_these_octets() -> None:
    with answering() as server:
        async with live(server) as shell:
            assert "give what to send" in await told(shell, ":send")
            assert "two hex digits" in await told(shell, r":send \x")
            await told(shell, r":send  STAT \x00\r\n")
            text = await told(shell, r":send USER b\0b")
            assert "8 octets sent; the line is still open" in text
            await told(shell, r":send \n")
            await shell.see(r"C: USER b\x00b")
        assert server.wait_for_end() == b" STAT \x00\r\nUSER b\x00b\n"


async def test_reveal_shows_what_crossed_the_wire() -> None:
    with answering() as server:
        async with live(server) as shell:
            assert "no secret has been sent" in await told(shell, ":reveal")
            await shell.ask("PASS jones")
            assert "jones" not in shell.terminal.raw
            text = await told(shell, ":reveal")
            assert text.startswith("C: PASS jones")
            assert "anybody on the way could read" in text


async def test_reveal_under_tls_does_not_warn() -> None:
    with practising(tls=True) as practice:
        async with live(practice) as shell:
            for line in ("USER bob", "PASS jones"):
                await shell.ask(line)
            assert await told(shell, ":reveal") == "C: PASS jones"


async def test_close_is_no_quit() -> None:
    with answering() as server:
        async with live(server) as shell:
            # The connection ends in its own time, perhaps after the next drawing.
            await shell.enter(":close", until="poptalk closed the connection")
            assert "there is no connection" in await told(shell, ":close")
            assert ":open connects again" in await told(shell, ":send x")
        assert server.wait_for_end() == b""


@pytest.mark.parametrize(
    ("argument", "advice"),
    [
        ("a b c", "give a host and perhaps a port"),
        ("--tsl host", "--tsl is not known here"),
        ("-tls", "-tls is not known here"),
        ("--tls --starttls", "exclude each other: choose one of them"),
        ("host 99999999", "isn't a port"),
        ("pop3://bob:jones@host", "a password in a URL is refused"),
        ("'host", "No closing quotation"),
    ],
)
async def test_open_explains_what_it_wants(argument: str, advice: str) -> None:
    with answering() as server:
        async with live(server) as shell:
            assert advice in await told(shell, f":open {argument}")
            assert shell.shell.connected
