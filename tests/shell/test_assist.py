"""Help while typing: completion on Tab, hints behind the cursor, and never anything unasked."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from poptalk.pop3.commands import VERBS
from poptalk.shell.commands.registry import commands_of
from poptalk.shell.completion import LineCompleter, hint
from tests.servers.recording import RecordingServer, by_keyword
from tests.shell.shells import CTRL_C, ENTER, TAB, LiveTest, live

ANSWERS = by_keyword(
    {
        b"USER": b"+OK\r\n",
        b"PASS": b"+OK\r\n",
        b"LIST": b"+OK\r\n1 1903\r\n2 4255\r\n13 25\r\n.\r\n",
        b"CAPA": b"+OK\r\nSASL PLAIN CRAM-MD5 \x1b[2J\r\n\r\n.\r\n",
        b"DELE": b"+OK\r\n",
        b"RETR": b"+OK\r\n.\r\n",
        b"AUTH": b"+ \r\n",
    }
)


@pytest.fixture
async def shell() -> AsyncIterator[LiveTest]:
    """Run a shell that is logged in."""
    with RecordingServer(reply=ANSWERS) as server:
        async with live(server) as shell:
            await shell.ask("PASS x")
            yield shell


def offered(shell: LiveTest, typed: str) -> list[str]:
    completer = LineCompleter(shell.shell)
    return [
        typed[: len(typed) + found.start_position] + found.text
        for found in completer.get_completions(Document(typed), CompleteEvent())
    ]


async def test_keywords_are_completed_in_any_case(shell: LiveTest) -> None:
    shell.send("re" + TAB)
    await shell.until(lambda: shell.line == "RETR")
    shell.send(CTRL_C + "XT" + TAB)
    await shell.until(lambda: shell.line == "XTND")


async def test_an_empty_line_offers_the_living_commands_legal_ones_first(shell: LiveTest) -> None:
    keywords = offered(shell, "")
    living = {verb.keyword for verb in VERBS.values() if not verb.relic}
    assert set(keywords) == living
    assert keywords.index("STAT") < keywords.index("USER")


async def test_message_numbers_after_list(shell: LiveTest) -> None:
    assert offered(shell, "RETR ") == []
    await shell.ask("LIST")
    assert offered(shell, "RETR ") == ["RETR 1", "RETR 2", "RETR 13"]
    assert offered(shell, "dele 1") == ["dele 1", "dele 13"]
    assert offered(shell, "TOP 2 ") == []
    assert offered(shell, "STAT ") == []
    await shell.ask("DELE 2")
    assert offered(shell, "RETR ") == ["RETR 1", "RETR 13"]
    shell.send("RETR 13" + TAB + ENTER)
    await shell.see("C: RETR 13")


async def test_mechanisms_after_capa(shell: LiveTest) -> None:
    assert offered(shell, "AUTH ") == []
    await shell.ask("CAPA")
    assert offered(shell, "AUTH ")[:2] == ["AUTH PLAIN", "AUTH CRAM-MD5"]
    assert offered(shell, "auth cr") == ["auth CRAM-MD5"]
    shell.send("AUTH " + TAB)
    await shell.see("CRAM-MD5")
    # What the server called a mechanism is harmless in the menu.
    assert "\x1b[2J" not in shell.terminal.raw.replace("\x1b[2J\x1b[H", "")


async def test_local_commands_and_help_topics(shell: LiveTest) -> None:
    assert offered(shell, ":") == [f":{c.name}" for c in commands_of(shell.shell)]
    assert offered(shell, ":rev") == [":reveal"]
    assert offered(shell, ":help re") == [":help RETR"]
    assert offered(shell, ":help :l") == [":help :last", ":help :log", ":help :login"]
    assert offered(shell, ":login bob scram-sha-2") == [":login bob SCRAM-SHA-256"]
    assert offered(shell, ":login b") == []
    assert offered(shell, ":apop bob x") == []
    assert offered(shell, ":why ") == []
    assert offered(shell, "::") == []


async def test_paths(shell: LiveTest, tmp_path: Path) -> None:
    (tmp_path / "letter one.eml").write_bytes(b"")
    assert offered(shell, f":save {tmp_path}/let") == [f":save {tmp_path}/letter one.eml"]
    assert offered(shell, f":log {tmp_path}/let") == [f":log {tmp_path}/letter one.eml"]


async def test_nothing_is_offered_in_a_secret(shell: LiveTest) -> None:
    assert offered(shell, "PASS S") == []
    await shell.enter("AUTH PLAIN", until="S: +")
    assert offered(shell, "ST") == []


async def test_a_tab_where_nothing_can_be_completed_is_a_tab(shell: LiveTest) -> None:
    shell.send("NOOP x" + TAB + "y" + ENTER)
    await shell.see(r"C: NOOP x\ty")


async def test_enter_never_accepts_a_completion_that_was_not_chosen(shell: LiveTest) -> None:
    shell.send("R" + TAB)
    await shell.see("fetch a whole message")
    assert shell.line == "R"
    shell.send(ENTER)
    await shell.see("C: R\n")


async def test_enter_takes_a_chosen_completion_and_sends_it_only_when_pressed_again(
    shell: LiveTest,
) -> None:
    shell.send("R" + TAB)
    await shell.see("fetch a whole message")
    shell.send(TAB)
    await shell.until(lambda: shell.line == "RETR")
    shell.send(ENTER)
    await shell.until(lambda: shell.shell.prompt_session.default_buffer.complete_state is None)
    assert shell.line == "RETR"
    assert "C: RETR" not in shell.text
    shell.send(" 1" + ENTER)
    await shell.see("C: RETR 1")


async def test_nothing_pops_up_while_typing(shell: LiveTest) -> None:
    await shell.ask("LIST")
    for key in "RETR 1":
        await shell.type(key)
    await shell.drawn()
    assert "4,255 octets" not in shell.text
    assert shell.shell.prompt_session.default_buffer.complete_state is None


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("", ""),
        ("ST", ""),
        ("STAT", ""),
        ("RETR", " msg"),
        ("RETR ", "msg"),
        ("RETR 1", ""),
        ("TOP", " msg n"),
        ("TOP 1", " n"),
        ("TOP 1 ", "n"),
        ("list", " [msg]"),
        ("USER", " name   (in AUTHORIZATION)"),
        ("PASS ", "password   (in AUTHORIZATION)"),
        ("XYZZY 1", ""),
        (":open", ""),
        ("::RETR", ""),
    ],
)
async def test_hints(shell: LiveTest, typed: str, expected: str) -> None:
    assert hint(shell.shell, typed) == expected


async def test_the_hint_is_seen_and_not_sent(shell: LiveTest) -> None:
    await shell.type("TOP 1")
    await shell.see("> TOP 1 n")
    shell.send(ENTER)
    await shell.see("C: TOP 1\n")


async def test_hints_know_when_there_is_no_connection(shell: LiveTest) -> None:
    await shell.enter(":close", until="(closed)>")
    await shell.type("RETR 1")
    await shell.see("> RETR 1   (not connected)")
