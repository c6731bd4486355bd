"""A class does a lesson on one server: each name its own mailbox, letters that come later, faults."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import fields as dataclass_fields
from dataclasses import is_dataclass, replace
from pathlib import Path

import pytest

from poptalk.classroom.server import served
from poptalk.cli.main import main
from poptalk.lesson.actions import FeedbackKind
from poptalk.lesson.document.model import Lesson, named_for
from poptalk.lesson.document.parser import load_lesson
from poptalk.lesson.library import find_lesson, lesson_files
from poptalk.lesson.progress import step_hash
from poptalk.lesson.server import ClassLessonServer, LettersSeen, what_its_server_does
from poptalk.lesson.ui import start
from poptalk.lesson.verify.dry_run import DryRunLearner
from poptalk.net.endpoint import Destination, UsageError
from poptalk.practice.limits import reachable_addresses
from poptalk.practice.server import Server
from poptalk.transcript.placeholders import Known
from tests.lesson.drilling import lesson_of
from tests.practice.talking import greeted
from tests.servers.terminal import Pty
from tests.shell.black_box import environment, poptalk

PASSWORD = "amber42"
LESSONS = {lesson.name: lesson for lesson in map(load_lesson, lesson_files())}
CHANGING = load_lesson(find_lesson("5"))

BEFORE_THE_NAME = ("15-why-cant-i-log-in", "16-whom-am-i-talking-to")
"""Lessons in which something is wrong before anyone has given a name."""


@contextmanager
def a_class(lesson: Lesson, *, host: str = "127.0.0.1") -> Iterator[Server]:
    """Run the server of a lesson for any name."""
    with (
        served(lesson) as setting,
        Server(
            host=host,
            accounts=(),
            any_name=PASSWORD,
            own=True,
            tls_port=0,
            observers=[setting.observer],
            **setting.arguments,
        ) as server,
    ):
        yield server


def found(lesson: Lesson, server: Server, name: str) -> tuple[Lesson, ClassLessonServer]:
    """Let `learn` find out what kind of server it is."""
    destination = Destination(host=server.host, port=server.port, user=name, ca_file=server.ca_file)
    server_of_class = start.NamedServer(destination, ask=refuse, ask_unseen=lambda _: PASSWORD)
    named, lesson_server = server_of_class.prepare(lesson)
    assert isinstance(lesson_server, ClassLessonServer)
    return named, lesson_server


def refuse(question: str) -> str:
    """Answer no question: nothing is asked about mail that is nobody's."""
    raise AssertionError(question)


def check(learner: DryRunLearner) -> None:
    """Make sure that a lesson has come to its end as its author wrote it."""
    assert learner.finished
    assert learner.differences == []
    assert learner.surprises == []
    assert [c.text for c in learner.comments if c.kind is FeedbackKind.UNJUDGED] == []


def test_two_pupils_at_once_do_lesson_5_each_in_a_mailbox_of_their_own() -> None:
    with a_class(CHANGING) as server, ExitStack() as leaving:
        learners = {}
        for name in ("Ada", "ben"):
            learners[name] = DryRunLearner(*found(CHANGING, server, name))
            leaving.callback(learners[name].close)
            learners[name].begin()
        # Turn about, so that each deletes and proves while the other is in the middle of it.
        while not all(learner.at_end for learner in learners.values()):
            for learner in learners.values():
                if not learner.at_end:
                    learner.go_on()
        for name, learner in learners.items():
            check(learner)
            said = "\n".join(learner.shown)
            assert f"Log in as `{name}` with `{PASSWORD}` as the password." in said
            assert f"USER {name}\n+OK" in said
            assert "jones" not in said
            assert "`bob`" not in said
        for name in ("ADA", "ben"):
            with greeted(server) as talk:
                talk.log_in(name.encode(), PASSWORD.encode())
                assert talk.say(b"STAT").startswith(b"+OK 5 ")


@pytest.mark.parametrize(
    "lesson",
    [each for each in LESSONS.values() if what_its_server_does(each) is None],
    ids=lambda lesson: lesson.name,
)
def test_every_lesson_that_a_class_can_do_is_done_to_its_end(lesson: Lesson) -> None:
    with a_class(lesson) as server:
        learner = DryRunLearner(*found(lesson, server, "ada"))
        try:
            learner.begin()
            while not learner.at_end:
                learner.go_on()
        finally:
            learner.close()
        check(learner)


def test_what_is_gone_is_said_to_be_gone_and_who_comes_back_goes_on() -> None:
    with a_class(CHANGING) as server:
        learner = DryRunLearner(*found(CHANGING, server, "ada"))
        learner.begin()
        while learner.tutor.step is None or learner.tutor.step.slug != "checkpoint":
            learner.go_on()
        step = learner.tutor.step
        learner.carry_out(learner.tutor.back())
        assert "This server keeps what was deleted" in learner.comments[-1].text
        assert learner.tutor.step is step
        # The present step can be begun again: nothing was deleted since.
        learner.carry_out(learner.tutor.reset())
        assert "begins again" in learner.comments[-1].text
        learner.close()

        named, lesson_server = found(CHANGING, server, "Ada")
        assert lesson_server.seen == LettersSeen(count=5, of=6, as_at_first=False, later=False)
        again = DryRunLearner(named, lesson_server, at="checkpoint")
        try:
            again.begin()
            while not again.at_end:
                again.go_on()
            check(again)
            again.carry_out(again.tutor.back())
            assert "This server keeps what was deleted" in again.comments[-1].text
        finally:
            again.close()


def test_a_lost_connection_is_brought_back_and_deletes_nothing_twice() -> None:
    with a_class(CHANGING) as server:
        learner = DryRunLearner(*found(CHANGING, server, "ada"))
        try:
            learner.begin()
            while learner.tutor.step is None or learner.tutor.step.slug != "for-good":
                learner.go_on()
            learner.go_on()
            learner.hang_up()
            learner.enter("")
            assert "sent again for you" in learner.comments[-1].text
            while not learner.at_end:
                learner.go_on()
            check(learner)
            assert found(CHANGING, server, "ada")[1].seen.count == 5
        finally:
            learner.close()


def test_a_mailbox_that_the_pupil_has_spoilt_is_not_deleted_from_again() -> None:
    with a_class(CHANGING) as server:
        learner = DryRunLearner(*found(CHANGING, server, "ada"))
        try:
            learner.begin()
            while learner.tutor.step is None or learner.tutor.step.slug != "for-good":
                learner.go_on()
            for line in ("DELE 1", "QUIT", ""):
                learner.enter(line)
            learner.carry_out(learner.tutor.reset())
            assert "This server keeps what was deleted" in learner.comments[-1].text
            assert learner.marked == frozenset()
            assert found(CHANGING, server, "ben")[1].seen.as_at_first
        finally:
            learner.close()


def test_letters_that_come_later_come_to_the_one_who_has_quit() -> None:
    lesson = load_lesson(find_lesson("8"))
    with a_class(lesson) as server:
        before = found(lesson, server, "ada")[1].seen
        # Trying the password was no session that letters come after.
        assert found(lesson, server, "ada")[1].seen == before
        with greeted(server) as talk:
            talk.log_in(b"ada", PASSWORD.encode())
            talk.say(b"QUIT")
        after = found(lesson, server, "ada")[1].seen
        assert (before.as_at_first, after.as_at_first) == (True, False)
        assert after.count > before.count
        assert found(lesson, server, "ben")[1].seen == before


def test_a_fault_of_the_second_connection_meets_that_of_each_name() -> None:
    """Lesson 7 has `#2=drop-after:1500`."""
    whole = {}
    with a_class(load_lesson(find_lesson("7"))) as server:
        for name, number in ((b"ada", 1), (b"ben", 1), (b"ada", 2), (b"Ben", 2), (b"ada", 3)):
            with greeted(server) as talk:
                talk.log_in(name, PASSWORD.encode())
                talk.sock.sendall(b"RETR 3\r\nQUIT\r\n")
                whole[name.lower(), number] = b"\r\n.\r\n" in talk.rest()
    assert whole == {
        (b"ada", 1): True,
        (b"ben", 1): True,
        (b"ada", 2): False,
        (b"ben", 2): False,
        (b"ada", 3): True,
    }


@pytest.mark.parametrize("name", BEFORE_THE_NAME)
def test_a_lesson_about_what_comes_before_the_name_is_none_for_a_class(name: str) -> None:
    with pytest.raises(UsageError, match="before anyone has given a name"), served(LESSONS[name]):
        pass
    others = {lesson.name for lesson in LESSONS.values()} - {*BEFORE_THE_NAME}
    for other in others:
        with served(LESSONS[other]):
            pass


@pytest.mark.parametrize(("word", "asks"), [("8", False), ("6", True)])
def test_on_another_machine_its_certificate_is_unknown_and_no_password_crosses_unasked(
    word: str, asks: bool
) -> None:
    """Lesson 8's server has mechanisms that don't show the password, and lesson 6's has none."""
    found_here = reachable_addresses("0.0.0.0")
    if not found_here:
        pytest.skip("this machine has no address but loopback")
    lesson, asked = load_lesson(find_lesson(word)), list[str]()
    with a_class(lesson, host="0.0.0.0") as server:
        destination = Destination(host=found_here[0], port=server.port, user="ada")

        def answer(question: str) -> str:
            asked.append(question)
            return "yes" if len(asked) == 2 else "no"

        def find() -> object:
            named = start.NamedServer(destination, ask=answer, ask_unseen=lambda _: PASSWORD)
            return named.prepare(lesson)[1]

        if asks:
            with pytest.raises(UsageError, match="--ca-file"):
                find()
        assert isinstance(find(), ClassLessonServer)
        assert len(asked) == (2 if asks else 0)


def test_other_mail_is_not_taken_for_the_lessons(tmp_path: Path) -> None:
    letters = Path(start.__file__).parents[3] / "lessons" / "mailboxes" / "letters"
    for letter in letters.glob("*.eml"):
        (tmp_path / letter.name).write_bytes(letter.read_bytes())
    (tmp_path / "9.eml").write_text("Subject: mine\n\nMine.\n")
    asked: list[str] = []

    def no(question: str) -> str:
        asked.append(question)
        return "no"

    for _ in ("one letter more", "no letter at all"):
        with Server(maildrop=tmp_path, persona="plain", any_name=PASSWORD, own=True) as server:
            destination = Destination(host=server.host, port=server.port, user="ada")
            named = start.NamedServer(destination, ask=no, ask_unseen=lambda _: PASSWORD)
            with pytest.raises(UsageError, match="nothing was changed"):
                named.prepare(CHANGING)
        assert "about the messages on its practice server" in asked.pop()
        for letter in tmp_path.iterdir():
            letter.unlink()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["serve", "--lesson", "5", "--persona", "plain"], "leave --persona, --maildrop,"),
        (["serve", "--lesson", "5", "--shared"], "--shared and --writable out"),
        (["serve", "--lesson", "fifty"], 'There is no lesson "fifty"'),
        (["serve", "--lesson", "16"], "poptalk learn 16-whom-am-i-talking-to"),
    ],
)
def test_what_cannot_be_served(
    words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert sentence in " ".join(capsys.readouterr().err.split())


def test_a_name_and_a_password_are_put_in_place_of_the_lessons() -> None:
    text = (
        "## One\n\nBob, bob@mail.example, `bobby`: type `USER bob`, `PASS jones`, `\\0bob\\0jones`.\n\n"
        "```pop3\nC: USER {user}\nS: +OK\n```\n\n> [!TIP]\n> It's bob.\n\n"
        "```pop3 mistake\nC: USER bobby\n```\nNot that: bob\n\n"
        "Who?\n\n- [x] bob -- Yes, bob.\n- [ ] Ted -- No.\n\n> [!TIP]\n> jones\n"
    )
    lesson = replace(lesson_of(text), user="bob", password="jones")
    named = named_for(lesson, Known(user="ada", password="amber42"))
    words = [*strings(named.steps)]
    start = "Bob, bob@mail.example, `bobby`: type"
    for each in (
        f"{start} `USER ada`, `PASS amber42`, `\\0ada\\0amber42`.",
        "It's ada.",
        "Not that: ada",
        "ada",
        "Yes, ada.",
        "amber42",
    ):
        assert each in words
    assert [step_hash(step) for step in named.steps] == [step_hash(step) for step in lesson.steps]


def strings(value: object) -> Iterator[str]:
    """Give every string in a value made of dataclasses and tuples."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        for each in value:
            yield from strings(each)
    elif is_dataclass(value):
        for field in dataclass_fields(value):
            yield from strings(getattr(value, field.name))


# As a pupil sees it.


@contextmanager
def at_a_terminal(tmp_path: Path, server: Server, *words: str) -> Iterator[Pty]:
    """Run `poptalk learn 5` against a server, with a progress of its own."""
    with Pty(
        poptalk("learn", "5", server.host, server.port, *words),
        env=environment(XDG_STATE_HOME=str(tmp_path)),
    ) as pty:
        yield pty


def begin(pupil: Pty, name: str = "Ada") -> None:
    """Give name and password."""
    pupil.wait_for("Name at")
    pupil.send(f"{name}\n")
    pupil.wait_for("Password of")
    pupil.send(f"{PASSWORD}\n")


def test_a_wrong_password_is_asked_for_again_after_a_sentence_of_whole_words(
    tmp_path: Path,
) -> None:
    with a_class(CHANGING) as server, at_a_terminal(tmp_path, server) as pupil:
        pupil.wait_for("Name at")
        pupil.send("Ada\n")
        pupil.wait_for("Password of Ada:")
        pupil.send("amber24\n")
        pupil.wait_for("Password of Ada, once more:")
        said = pupil.text.split("poptalk: ")[1]
        assert 'AUTH SCRAM-SHA-256): "-ERR [AUTH] authentication failed".' in " ".join(said.split())


def test_a_pupil_is_told_what_was_recognised_and_a_second_one_of_that_name_why_not(
    tmp_path: Path,
) -> None:
    with a_class(CHANGING) as server, at_a_terminal(tmp_path, server) as pupil:
        begin(pupil)
        pupil.wait_for("1/7 AUTHORIZATION")
        said = " ".join(pupil.text.split())
        assert "127.0.0.1 has the messages of this lesson, in a mailbox for Ada" in said
        assert "Log in as Ada with amber42 as the password." in said
        pupil.send("USER ada\r")
        pupil.wait_for("done: USER")
        pupil.send(f"PASS {PASSWORD}\r")
        pupil.wait_for("done: PASS")
        with at_a_terminal(tmp_path, server) as other:
            begin(other, "ADA")
            assert other.wait_exit() == 2
            said = " ".join(other.text.split())
            assert "ADA is logged in at 127.0.0.1 already" in said
            assert "take another name" in said


def test_a_lesson_can_be_started_over(tmp_path: Path) -> None:
    with a_class(CHANGING) as server:
        with at_a_terminal(tmp_path, server) as pupil:
            begin(pupil)
            pupil.wait_for("1/7 AUTHORIZATION")
            pupil.send(f"USER Ada\rPASS {PASSWORD}\r")
            pupil.wait_for("done: PASS")
            pupil.send("\r")
            pupil.wait_for("Step 2 of 7")
        with at_a_terminal(tmp_path, server) as pupil:
            begin(pupil)
            pupil.wait_for("Step 2 of 7: resumed; sent again for you: USER, PASS.")
        with at_a_terminal(tmp_path, server, "--again") as pupil:
            begin(pupil)
            pupil.wait_for("1/7 AUTHORIZATION")
