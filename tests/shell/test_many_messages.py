""":messages, :delete and :save of several messages, in the three shells."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.servers.recording import RecordingServer, by_keyword
from tests.shell.black_box import at, on_a_terminal, piped
from tests.shell.shells import CTRL_C, live

LOGIN = b"USER bob\nPASS jones\n"
SENDERS = {1: b"Ann <ann@old.example>", 2: b"Bob Jones <bob@club.example>"}


class Maildrop:
    """Answers as a maildrop of so many messages does: the odd ones are Ann's, and of 2020.

    Args:
        count: how many.
        pipelining: whether CAPA lists it.
        top: whether there is TOP.
        refused: the message that DELE does not mark.
    """

    def __init__(
        self, count: int, *, pipelining: bool = True, top: bool = True, refused: int = 0
    ) -> None:
        self.count = count
        self._capabilities = b"TOP\r\n" + b"PIPELINING\r\n" * pipelining
        self._top = top
        self._refused = refused

    def __call__(self, line: bytes) -> bytes:
        word, _, rest = line.partition(b" ")
        number = int(rest.split()[0]) if rest[:1].isdigit() else 0
        match word:
            case b"CAPA":
                return b"+OK\r\n" + self._capabilities + b".\r\n"
            case b"LIST" if not rest:
                rows = (b"%d %d\r\n" % (n, 1000 * n) for n in range(1, self.count + 1))
                return b"+OK\r\n" + b"".join(rows) + b".\r\n"
            case b"TOP" if not self._top:
                return b"-ERR what is TOP?\r\n"
            case b"TOP" | b"RETR" if 0 < number <= self.count:
                return b"+OK\r\n" + self.letter(number) + b".\r\n"
            case b"DELE" if number == self._refused:
                return b"-ERR it is in use\r\n"
        return b"+OK\r\n"

    @staticmethod
    def letter(number: int) -> bytes:
        year = 2020 if number % 2 else 2026
        sender = SENDERS[2 - number % 2]
        return b"From: %s\r\nDate: Mon, 6 Jan %d 12:00:00 +0000\r\nSubject: letter %d\r\n\r\n" % (
            *(sender, year),
            number,
        )


def dropping(count: int, **more: bool | int) -> RecordingServer:
    return RecordingServer(reply=Maildrop(count, **more))  # type: ignore[arg-type]


async def logged_in(shell: object) -> None:
    await shell.ask("USER bob")  # type: ignore[attr-defined]
    await shell.ask("PASS jones")  # type: ignore[attr-defined]


@pytest.mark.parametrize("columns", [40, 80])
async def test_a_table_of_messages(columns: int) -> None:
    with dropping(3) as server:
        async with live(server, columns=columns) as shell:
            await logged_in(shell)
            await shell.enter(":messages", until="# 3 messages, 6.0 kB")
            rows = [line for line in shell.said() if line.startswith("| ")]
            assert len(rows) == 3
            assert all(len(row) <= columns for row in rows)
            assert rows[0].split()[1:3] == ["1", "2020-01-06"]
            assert rows[1].split()[-2:] == ["letter", "2"] or columns == 40
            # What was sent for it is not in the way of what it is for.
            assert not [line for line in shell.said() if line.startswith(("C: TOP", "S: From"))]
            await shell.ask("NOOP")
            assert shell.view()[-2:] == ["C: NOOP", "S: +OK"]
        assert server.received.endswith(
            b"LIST\r\nCAPA\r\nTOP 1 0\r\nTOP 2 0\r\nTOP 3 0\r\nNOOP\r\n"
        )


@pytest.mark.parametrize(
    ("which", "numbers"),
    [
        ("2-4,9", "2 3 4 9"),
        ("8-", "8 9"),
        ("1 3, 5 - 6", "1 3 5 6"),
        ("from 'bob jones' and 1-5", "2 4"),
        ("last 2", "8 9"),
        ("all and larger than 7k", "8 9"),
        ("from ann", "1 3 5 7 9"),
        ('from "bob jones" and 1-5', "2 4"),
        ("subject LETTER 3", "3"),
        ("older than 2025-01-01 and last 4", "7 9"),
        ("older than 52w and larger than 7000", "9"),
    ],
)
def test_which_are_meant(which: str, numbers: str) -> None:
    with dropping(9) as server:
        done = piped(LOGIN + b":messages %s\n" % which.encode(), *at(server), "--local-commands")
    rows = [line.split()[1] for line in done.stderr.splitlines() if line.startswith("| ")]
    assert " ".join(rows) == numbers
    assert done.code == 0


@pytest.mark.parametrize(
    ("which", "sentence"),
    [
        ("30", ":messages: no message matches; the maildrop has 9 messages"),
        ("tuesday", ":messages: tuesday is none of 1-20,30, last 20, all, from TEXT,"),
        ("older than long", ":messages: long is no age: say older than 30d, 4w or 20"),
        ("from", ":messages: from is none of"),
        ('from ""', ':messages: from "" is none of'),
        ("1 and", ":messages: a condition is missing beside and: "),
    ],
)
def test_what_means_none(which: str, sentence: str) -> None:
    with dropping(9) as server:
        done = piped(LOGIN + b":messages %s\n" % which.encode(), *at(server), "--local-commands")
    assert sentence in done.stderr


def test_five_hundred_take_a_moment() -> None:
    with dropping(500) as server:
        begun = time.monotonic()
        done = piped(LOGIN + b":messages\n", *at(server), "--local-commands")
        took = time.monotonic() - begun
    assert ("\n" + done.stderr).count("\n| ") == 500
    assert took < 10  # A second, where nothing else runs; one by one over a network it is minutes.


def test_without_pipelining_each_waits_for_the_one_before() -> None:
    with dropping(60, pipelining=False) as server:
        done = piped(LOGIN + b":messages last 55\n", *at(server), "--local-commands")
    assert done.stderr.count("| ") == 55
    assert server.received.count(b"TOP") == 55


def test_without_top_there_are_sizes_only_and_that_is_said() -> None:
    with dropping(3, top=False, pipelining=False) as server:
        done = piped(
            LOGIN + b":messages\n:messages from ann\n:messages larger than 2k\n",
            *at(server),
            "--local-commands",
        )
    why = "the server does not give the header, TOP 1 0 was answered -ERR what is TOP?"
    said = " ".join(done.stderr.replace("\n#! ", " ").replace("\n# ", " ").split())
    assert f"{why}; so only the sizes are known" in said
    assert f":messages: {why}, so only numbers and sizes choose" in said
    assert "# 3 messages, 6.0 kB" in done.stderr
    assert "# 1 message, 3.0 kB" in done.stderr


def test_before_the_login_nothing_is_sent() -> None:
    with dropping(3) as server:
        done = piped(b":messages\n:delete --yes all\n", *at(server), "--local-commands")
    assert "no message can be fetched before the login" in " ".join(done.stderr.split())
    assert server.received == b""


async def test_ctrl_c_shows_what_has_come() -> None:
    answers = Maildrop(300)
    stuck = [b"TOP 77 0"]

    def rule(line: bytes) -> bytes:
        return b"" if line in stuck else answers(line)

    with RecordingServer(reply=rule) as server:
        async with live(server, rows=100) as shell:
            await logged_in(shell)
            await shell.enter(":messages")
            await shell.until(lambda: b"TOP 101 0" in server.received)
            await shell.until(lambda: shell.shell.session.exchanges.said[-1] is not None)
            shell.send(CTRL_C)
            await shell.see(":messages: given up")
            rows = [line for line in shell.said() if line.startswith("| ")]
            assert len(rows) >= 51


def test_ctrl_c_is_heard_although_the_server_never_pauses() -> None:
    count = 20_000
    with dropping(count, pipelining=False) as server, on_a_terminal(*at(server), "--plain") as pty:
        for line, until in (("USER bob", "S: +OK"), ("PASS jones", "TRANSACTION")):
            pty.send(line + "\r")
            pty.wait_for(until)
        pty.send(":messages\r")
        pty.wait_until(lambda: b"TOP 5 0" in server.received)
        pty.send(CTRL_C)
        pty.wait_for(":messages: given up")
        assert b"TOP %d 0" % (count // 2) not in server.received


# Marking many as deleted.


async def test_it_is_listed_and_asked_before_anything_is_marked() -> None:
    with dropping(5) as server:
        async with live(server) as shell:
            await logged_in(shell)
            await shell.enter(":delete from ann and older than 30d", until="deleted? yes/no: ")
            assert "# DELE would mark 3 messages, 9.0 kB" in shell.said()
            assert b"DELE" not in server.received
            await shell.enter("no", until="# nothing was marked")
            await shell.enter(":delete from ann", until="deleted? yes/no: ")
            await shell.enter("yes", until="# 3 are marked: QUIT is what deletes, RSET takes")
            assert [line for line in shell.view() if "DELE" in line] == [
                *("C: DELE 1", "C: DELE 3", "C: DELE 5")
            ]
        assert server.received.count(b"DELE") == 3


async def test_the_answer_is_not_remembered_and_fits_a_narrow_screen() -> None:
    with dropping(5) as server:
        async with live(server, columns=40) as shell:
            await logged_in(shell)
            await shell.enter(":delete all", until="DELE 5? yes/no: ")
            await shell.type("yes")
            await shell.see("DELE 5? yes/no: yes")
            shell.send("\r")
            await shell.see("5 are marked")
            assert "yes" not in shell.shell.prompt_session.history.get_strings()


def test_it_is_asked_in_the_plain_shell_too() -> None:
    with dropping(5) as server, on_a_terminal("connect", "--plain", *at(server)) as pty:
        for line, until in (
            ("USER bob", "AUTHORIZATION bob@"),
            ("PASS jones", "TRANSACTION bob@"),
            (":messages last 2", "# 2 messages, 9.0 kB"),
            (":delete 2,4", "Mark these 2 as deleted? yes/no:"),
            ("yes", "# 2 are marked"),
            (":quit", ""),
        ):
            pty.send(line + "\r")
            pty.wait_for(until)
        assert pty.wait_exit() == 0
    assert server.received.endswith(b"DELE 2\r\nDELE 4\r\n")


def test_a_script_must_say_yes_itself() -> None:
    with dropping(5) as server:
        done = piped(LOGIN + b":delete 1-2\n:delete --yes 4-5\n", *at(server), "--local-commands")
    assert ":delete: there is nobody to ask here: say :delete --yes to mean it" in done.stderr
    assert server.received.count(b"DELE") == 2
    assert server.received.endswith(b"DELE 4\r\nDELE 5\r\n")


def test_a_refusal_leaves_the_rest_alone() -> None:
    with dropping(5, refused=3) as server:
        done = piped(LOGIN + b":delete --yes all\n", *at(server), "--local-commands")
    said = " ".join(done.stderr.replace("\n#! ", " ").split())
    assert "the server did not mark message 3, and the rest was left alone; 2 of 5 are" in said
    assert server.received.count(b"DELE") == 3


# Saving several.


def test_several_go_to_files_of_their_own(tmp_path: Path) -> None:
    folder = tmp_path / "my mail"
    commands = b":save 1-2,4 %s\n:save last 2 %s\n" % ((str(folder).encode(),) * 2)
    with dropping(5) as server:
        done = piped(LOGIN + commands, *at(server), "--local-commands")
    assert {path.name for path in folder.iterdir()} == {"001.eml", "002.eml", "004.eml"}
    assert (folder / "004.eml").read_bytes() == Maildrop.letter(4)
    assert "3 of 5 messages are in" in done.stderr
    # 5 was not fetched either: a folder gets all of it, or nothing.
    assert "004.eml is there already; name another folder" in "".join(
        done.stderr.replace("\n#! ", " ").splitlines()
    )
    assert server.received.count(b"RETR") == 3


@pytest.mark.parametrize("which", ["1-3", "all", "last 2"])
def test_several_without_a_folder_are_not_a_file(which: str) -> None:
    with dropping(3) as server:
        lines = LOGIN + b"RETR 1\n:save %s\n" % which.encode()
        done = piped(lines, *at(server), "--local-commands")
    assert f"name a folder: :save {which} FOLDER" in done.stderr


# A body that is kept is not fetched again.


async def test_one_message_is_fetched_once(tmp_path: Path) -> None:
    with dropping(5) as server:
        async with live(server, columns=120, rows=60) as shell:
            await logged_in(shell)
            await shell.enter(":structure 2", until="| text/plain")
            await shell.enter(":headers 2", until="| Subject: letter 2")
            await shell.ask("NOOP")
            await shell.enter(":text 2", until="reads it, from the reply to RETR 2:")
            await shell.enter(f":save 2 {tmp_path / '2.eml'}", until="octets written to")
            # Another connection may give the number to another message.
            await shell.enter(":open", until="recording server ready")
            await shell.until(lambda: shell.shell.connected)
            shell.send(":headers 2\r")
            await shell.until(lambda: b"TOP 2 0" in server.received)
        assert server.received.count(b"RETR") == 1


async def test_a_message_that_is_too_large_is_not_fetched_at_all() -> None:
    answers = by_keyword(
        {b"USER": b"+OK\r\n", b"PASS": b"+OK\r\n", b"LIST": b"+OK 3 104857600\r\n"}
    )
    with RecordingServer(reply=answers) as server:
        async with live(server, columns=120) as shell:
            await logged_in(shell)
            await shell.enter(":structure 3", until=":save 3 FILE fetches it")
            await shell.see("message 3 has 104,857,600 octets")
        assert b"RETR" not in server.received
