"""A session becomes a lesson: read back, and proved apart from what its author must still write."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path

import pytest

from poptalk.lesson.author.record import Recording, write_lesson
from poptalk.lesson.document.model import Block, Lesson, Prose
from poptalk.lesson.document.parser import read_lesson
from poptalk.lesson.verify.check import check_lesson
from poptalk.net.errors import CLOSED_BY_SERVER, CLOSED_BY_US
from poptalk.pop3.client import ClientSession
from poptalk.pop3.events import Event
from poptalk.practice.accounts import BOB
from poptalk.terminal.markdown import MOST_COLUMNS
from poptalk.transcript.writer import format_dialogue

LOGIN = (("USER bob", "+OK hello"), ("PASS jones", "+OK 3 messages (6183 octets)"))
FAREWELL = ("QUIT", "+OK bye")


TO_COME = Lesson(
    name="a-lesson",
    title="A lesson",
    mailbox="article",
    persona="plain",
    user=BOB.name,
    password=BOB.password,
)


class Author:
    """Somebody who types a session; the server's part is given."""

    def __init__(self, recording: Recording | None = None) -> None:
        self.recording = recording or Recording(account=BOB)
        self.session = ClientSession()
        self.connect()

    def connect(self) -> None:
        self.session = ClientSession()
        self.receive("+OK ready <1.2@host>")

    def send(self, line: str) -> None:
        self._take(self.session.send(line.encode() + b"\r\n"))

    def receive(self, *lines: str) -> None:
        self._take(self.session.receive_data("".join(f"{line}\r\n" for line in lines).encode()))

    def say(self, *exchanges: tuple[str, str]) -> Author:
        """Send lines, each with its reply, whose lines are parted by ` | `."""
        for line, reply in exchanges:
            self.send(line)
            self.receive(*reply.split(" | "))
        return self

    def hang_up(self, *, by_server: bool = False) -> None:
        self._take(self.session.receive_eof())
        self.recording.end(CLOSED_BY_SERVER if by_server else CLOSED_BY_US)

    def _take(self, events: Sequence[Event]) -> None:
        for event in events:
            self.recording.take(event)

    @property
    def text(self) -> str:
        return write_lesson(self.recording, TO_COME)

    @property
    def lesson(self) -> Lesson:
        return read_lesson(self.text, name="a-lesson", path=Path("a-lesson.md"))

    @property
    def dialogues(self) -> list[str]:
        """The dialogue of each step, its lines parted by ` | `."""
        return [
            format_dialogue(block.dialogue).rstrip().replace("\n", " | ")
            for step in self.lesson.steps
            for block in step.blocks()
        ]


@pytest.mark.parametrize(
    ("line", "reply", "dialogue"),
    [
        ("NOOP", "+OK whatever", "C: NOOP | S: +OK"),
        ("noop", "-ERR [SYS/TEMP] not now", "C: noop | S: -ERR"),
        ("STAT", "+OK 3 6183", "C: STAT | S: +OK {messages:int} {octets:int}"),
        ("STAT", "+OK 3 6183 x y", "C: STAT | S: +OK {messages:int} {octets:int} {...}"),
        ("STAT", "+OK", "C: STAT | S: +OK"),
        ("LIST 2", "+OK 2 4255", "C: LIST 2 | S: +OK 2 {octets:int}"),
        ("UIDL 2", "+OK 2 x{y}", "C: UIDL 2 | S: +OK 2 {unique-id}"),
        ("LIST", "+OK 1 message | 1 120 | .", "C: LIST | S: +OK | S: ... | S: ."),
        ("LIST", "+OK | .", "C: LIST | S: +OK | S: ... | S: ."),
        ("RETR 1", "+OK | Subject: <a b> | | ..x | .", "C: RETR 1 | S: +OK | S: ... | S: ."),
        ("USER bob", "+OK", "C: USER {user} | S: +OK"),
        ("USER rose", "+OK", "C: USER rose | S: +OK"),
        ("PASS jones", "+OK", "C: PASS {password} | S: +OK"),
        ("PASS sesame", "-ERR no", "C: PASS {wrong=wrong} | S: -ERR"),
        ("APOP bob 0123", "+OK", "C: APOP {user} {apop} | S: +OK"),
        ("APOP bob 0123", "-ERR", f"C: APOP {{user}} {{wrong={'0' * 32}}} | S: -ERR"),
        ("AUTH PLAIN AGJvYgBqb25lcw==", "+OK", "C: AUTH PLAIN {plain} | S: +OK"),
        ("AUTH PLAIN AGJvYgB4", "-ERR", "C: AUTH PLAIN {wrong=AAAA} | S: -ERR"),
        ("RETR {2}", "421 busy", "C: RETR {{2}} | S: {...}"),
    ],
)
def test_what_becomes_of_an_exchange(line: str, reply: str, dialogue: str) -> None:
    assert Author().say((line, reply)).dialogues == [dialogue]


def test_a_value_has_a_name_of_its_own() -> None:
    author = Author().say(("STAT", "+OK 3 6183"), ("DELE 1", "+OK"), ("STAT", "+OK 2 4280"))
    assert author.dialogues[2] == "C: STAT | S: +OK {messages-2:int} {octets-2:int}"


def test_answers_to_challenges_stay_with_their_command() -> None:
    name, password = (b64encode(word).decode() for word in (b"someone", b"sesame"))
    author = Author()
    author.say(("AUTH LOGIN", "+ VXNlcg=="), (name, "+ UGFzcw=="), (password, "+OK"), FAREWELL)
    assert author.dialogues == [
        "C: AUTH LOGIN | S: + | C: {login=Ym9i} | S: + | C: {login-2=am9uZXM=} | S: +OK",
        "C: QUIT | S: +OK",
    ]


def test_answers_that_differ_each_time_are_marked() -> None:
    author = Author().say(("AUTH SCRAM-SHA-1", "+ "), ("biws", "+ cj0x"), ("Yz0x", "-ERR no"))
    assert "TODO take this step out: the answers of SCRAM-SHA-1" in author.text
    assert len(author.lesson.steps) == 1


def test_pipelined_lines_become_steps_of_their_own() -> None:
    author = Author()
    author.send("NOOP\r\nSTAT")
    author.receive("+OK", "+OK 1 2")
    assert author.dialogues == ["C: NOOP | S: +OK", "C: STAT | S: +OK {messages:int} {octets:int}"]


def test_tls_begins_behind_its_command() -> None:
    assert Author().say(("STLS", "+OK")).dialogues == ["C: STLS | S: +OK | C: <negotiate TLS>"]


# Connections.


def test_a_second_connection_is_opened() -> None:
    author = Author().say(FAREWELL)
    author.hang_up(by_server=True)
    author.connect()
    author.say(("NOOP", "-ERR"))
    assert author.dialogues[1] == "C: <open connection> | S: +OK | C: NOOP | S: -ERR"


@pytest.mark.parametrize("by_server", [False, True])
def test_a_connection_that_ends_without_quit(by_server: bool) -> None:
    author = Author().say(("DELE 1", "+OK"))
    author.hang_up(by_server=by_server)
    assert author.dialogues == ["C: DELE 1 | S: +OK"]
    author.connect()
    author.say(FAREWELL)
    side = "S" if by_server else "C"
    assert author.dialogues == [
        f"C: DELE 1 | S: +OK | {side}: <close connection>",
        "C: <open connection> | S: +OK | C: QUIT | S: +OK",
    ]


def test_a_reply_without_an_end() -> None:
    author = Author()
    author.send("RETR 1")
    author.receive("+OK", "Subject: hi")
    assert author.dialogues == ["C: RETR 1 | S: +OK | S: ... | C: <close connection>"]
    author.hang_up(by_server=True)
    assert author.dialogues == ["C: RETR 1 | S: +OK | S: ... | S: <close connection>"]


# The document.


def test_the_front_matter() -> None:
    lesson = Author().say(*LOGIN, FAREWELL).lesson
    assert (lesson.title, lesson.mailbox, lesson.persona) == ("A lesson", "article", "plain")
    assert (lesson.user, lesson.password, lesson.minutes) == ("bob", "jones", 3)


def test_each_step_has_its_todo_and_a_hint() -> None:
    author = Author().say(*LOGIN)
    assert "TODO a task. What was typed: `PASS jones`." in author.text
    for step in author.lesson.steps:
        (block,) = step.blocks()
        assert "TODO" in block.hints[0].source
    assert [step.slug for step in author.lesson.steps] == ["user", "pass"]


def test_a_command_that_comes_again_is_numbered() -> None:
    author = Author().say(("NOOP", "+OK"), ("RSET", "+OK"), ("NOOP", "+OK"))
    assert [line for line in author.text.splitlines() if line.startswith("## ")] == [
        "## NOOP",
        "## RSET",
        "## NOOP (2)",
    ]


def test_prose_stands_above_the_next_command() -> None:
    author = Author()
    author.recording.prose.append("Say who you are.")
    author.recording.prose.append("With `USER bob`.")
    author.say(*LOGIN)
    author.recording.prose.append("That was it.")
    first, second = author.lesson.steps
    prose = [item.source for item in first.items if isinstance(item, Prose)]
    assert prose == ["Say who you are.\n\nWith `USER bob`."]
    assert "TODO" not in prose[0]
    assert second.items[-1] == Prose(source="That was it.")


@pytest.mark.parametrize(
    "text",
    [
        *(
            "# one",
            "> [!TIP]",
            "```pop3",
            "~~~",
            "- [x] yes -- no",
            "* x",
            "+ x",
            "1. one",
            "2) two",
        ),
        *("<!-- note: x -->", "| a | b |", "---", "***", "===", "[a]: b", "12.", "<b>"),
        f"{'word ' * 14} - [ ] wrapped to where a line begins -- so",
    ],
)
def test_prose_stays_prose(text: str) -> None:
    author = Author()
    author.recording.prose.append(text)
    (step,) = author.say(("NOOP", "+OK")).lesson.steps
    assert [type(item) for item in step.items] == [Prose, Block]
    assert len(next(step.blocks()).hints) == 1


def test_emphasis_at_the_beginning_is_left_alone() -> None:
    author = Author()
    author.recording.prose.append("*Now* you; **all** of it")
    assert "\n*Now* you; **all** of it\n" in author.say(("NOOP", "+OK")).text


def test_no_line_is_too_wide() -> None:
    author = Author()
    author.recording.prose.append("word " * 40)
    author.say(("NOOP", "+OK"), ("AUTH PLAIN", "+ "), ("AGJvYgBqb25lcw==", "+OK"))
    assert max(map(len, author.text.splitlines())) <= MOST_COLUMNS


def test_a_live_server_leaves_no_name_and_no_password_behind() -> None:
    author = Author(Recording(account=BOB, user="rose@mail.example.org"))
    author.say(("USER rose@mail.example.org", "+OK"), ("PASS sesame", "+OK"))
    text = write_lesson(author.recording, TO_COME, where="mail.example.org port 110")
    assert "# Recorded on mail.example.org port 110; does the mailbox have such messages?" in text
    assert "sesame" not in text
    assert "rose" not in text
    assert read_lesson(text, name="t", path=Path("t.md")).user == "bob"


def test_octets_without_a_shape() -> None:
    author = Author()
    author.session.send(b"")
    author.recording.take(*author.session.send(b"STA\x00T \xff\r\n")[:1])
    author.receive("-ERR")
    assert author.dialogues == ["C: STA{0x00}T {0xff} | S: -ERR"]


# The proof.

LISTING = ("LIST", "+OK | 1 1903 | 2 4255 | 3 25 | .")


@pytest.mark.parametrize(
    "exchanges",
    [
        [*LOGIN, ("STAT", "+OK 3 6183"), LISTING, ("TOP 3 0", "+OK | x | | ."), FAREWELL],
        [("STAT", "-ERR"), ("HELLO", "-ERR"), ("", "-ERR"), FAREWELL],
        [("USER bob", "+OK"), ("PASS x", "-ERR"), *LOGIN, ("DELE 3", "+OK"), FAREWELL],
        [("APOP bob 0123456789abcdef0123456789abcdef", "+OK"), ("NOOP", "+OK"), FAREWELL],
        [("AUTH CRAM-MD5", "+ PDEuMkBob3N0Pg=="), ("Ym9iIHg=", "+OK"), ("STAT", "+OK 3 6183")],
        [("AUTH LOGIN", "+ VXNlcg=="), ("Ym9i", "+ UGFzcw=="), ("am9uZXM=", "+OK"), LISTING],
    ],
    ids=["reading", "refused", "deleting", "apop", "cram", "login"],
)
def test_all_that_is_left_is_what_the_author_must_write(
    exchanges: Sequence[tuple[str, str]], tmp_path: Path
) -> None:
    author = Author().say(*exchanges)
    path = tmp_path / "lesson.md"
    path.write_text(author.text)
    faults = check_lesson(path).faults
    assert {fault.code for fault in faults} == {"PT060"}, "\n".join(map(str, faults))
