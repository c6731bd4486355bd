"""A lesson in the live shell: what the learner sees, whatever the learner does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from poptalk import __version__
from poptalk.config import state_directory
from poptalk.lesson.library import find_lesson
from poptalk.lesson.server import LiveLessonServer
from poptalk.lesson.ui.controller import SAID_BY_THE_TUTOR, LessonController
from poptalk.lesson.ui.menu import PROGRESS_FILE, Menu
from poptalk.net.endpoint import Destination
from poptalk.pop3.events import ViolationKind
from poptalk.practice.server import Server
from poptalk.terminal.theme import MONO
from poptalk.transcript.placeholders import Known
from tests.servers.terminal import Terminal
from tests.shell.learners import LESSONS, Learner, learning
from tests.shell.shells import CTRL_C, CTRL_D, ENTER, TAB

LOGGED_IN = ("USER bob", "PASS jones")
COUNTED = (*LOGGED_IN, "", "b", "STAT")
WIDTHS = pytest.mark.parametrize("columns", [40, 120])


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def progress() -> list[dict[str, object]]:
    """Return what was kept."""
    text = (state_directory() / PROGRESS_FILE).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


# The whole of it.


@WIDTHS
async def test_a_lesson_from_beginning_to_end(columns: int) -> None:
    async with learning(columns=columns, rows=30) as learner:
        await learner.says("Four steps, and each kind of prompt.")
        await learner.says("Step 1 of 4: Log in")
        assert learner.prompt.startswith("1/4 ")
        await learner.does("USER bob", "PASS jones")
        await learner.says("done: USER (1 of 2).")
        await learner.says("done: PASS (2 of 2).")
        assert learner.prompt == "1/4 Enter goes on>"
        await learner.does("")
        await learner.says("a) two b) three")
        assert learner.prompt == "2/4 answer a-b>"
        await learner.does("a")
        await learner.says("> a not yet: Look again.")
        await learner.does("b", "STAT", "", "DELE 3", "QUIT")
        await learner.says("2nd C: STAT")
        await learner.does("")
        assert "(closed) Enter" in learner.prompt
        await learner.does("", *LOGGED_IN)
        await learner.says("That was all.")
        await learner.says("The lesson is over. Enter shows all lessons")
        assert "jones" not in learner.words.replace("the password is jones", "")
        assert all(len(line) <= columns for line in learner.terminal.lines())


async def test_the_dialogue_stands_above_what_is_said_of_it() -> None:
    async with learning() as learner:
        await learner.does("USER bob")
        lines = learner.said()
        sent = lines.index("C: USER bob")
        assert lines[sent + 1].startswith("S: +OK")
        assert lines[sent + 2] == "done: USER (1 of 2)."


async def test_the_end_of_the_session_stands_above_the_praise() -> None:
    async with learning() as learner:
        await learner.does(*COUNTED, "", "DELE 3", "QUIT")
        words = learner.words
        assert words.index("# the server closed the connection") < words.index("done: QUIT")


async def test_prompts_and_bottom_line_on_a_wide_screen() -> None:
    async with learning(columns=120) as learner:
        assert learner.prompt == "1/4 AUTHORIZATION practice>"
        await learner.does(*LOGGED_IN)
        assert learner.terminal.lines()[-1].startswith("TRANSACTION · practice:")
        assert " · clear · short#log-in · :hint" in learner.terminal.lines()[-1]


# Verdicts.


@WIDTHS
@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (("STAT",), "done: STAT."),
        (("stat",), "done: STAT."),
        (("NOOP",), "is fine here"),
        (("STAT 3",), "not yet: STAT takes no argument"),
        (("USER bob",), "not yet: USER belongs to AUTHORIZATION"),
        (("STTA",), "Did you mean STAT?"),
        (("RETR 9",), "not yet: The server refused"),
        (("LIST",), "not yet: That is the list. STAT only counts."),
        (("XYZ", "XYZ"), "hint: :hint helps."),
        (("XYZ",) * 4, "hint: Four letters."),
        (("XYZ",) * 6, "Shall we do it together?"),
    ],
)
async def test_verdicts(columns: int, lines: tuple[str, ...], said: str) -> None:
    async with learning(columns=columns, rows=40) as learner:
        await learner.does(*LOGGED_IN, "", "b", *lines)
        await learner.says(said)


async def test_what_cannot_be_judged_is_calm() -> None:
    async with learning(LESSONS / "odd.md") as learner:
        await learner.says("poptalk: Sent USER, PASS.")
        await learner.does("STAT")
        await learner.says("could not judge:")
        await learner.does(":skip")
        await learner.until(lambda: learner.controller.finished)


async def test_the_shell_does_not_say_what_the_tutor_says() -> None:
    async with learning() as learner:
        await learner.does("LIST", "XYZ")
        assert "#!" not in learner.words


@pytest.mark.parametrize(("theme", "color"), [(MONO, True), (MONO, False), (None, False)])
async def test_words_not_only_colours(theme: dict[str, str] | None, *, color: bool) -> None:
    options = {"theme": theme} if theme is not None else {}
    async with learning(color=color, **options) as learner:  # type: ignore[arg-type]
        await learner.does("XYZ", "USER bob")
        await learner.says("not yet: ")
        await learner.says("done: USER")
        assert colours(learner.terminal) == {"default"}


async def test_no_background_and_no_bright_black() -> None:
    async with learning() as learner:
        await learner.does("XYZ", "USER bob", ":hint")
        cells = [
            learner.terminal.screen.buffer[row][column]
            for row in range(learner.terminal.screen.lines)
            for column in range(learner.terminal.screen.columns)
        ]
        assert {cell.bg for cell in cells} == {"default"}
        assert colours(learner.terminal) <= {"default", "red", "green", "cyan", "magenta"}


def colours(terminal: Terminal) -> set[str]:
    """Return the foregrounds on the screen."""
    screen = terminal.screen
    return {
        screen.buffer[row][column].fg
        for row in range(screen.lines)
        for column in range(screen.columns)
    }


# What is asked stays on the screen.


async def test_the_task_is_shown_again_once_it_has_scrolled_off() -> None:
    async with learning() as learner:
        await learner.does(*LOGGED_IN, "", "b")
        assert "Here's the task again:" not in learner.words
        await learner.does(*["NOOP"] * 8)
        await learner.says("poptalk: Here's the task again:")
        assert "Send STAT." in learner.text


async def test_the_question_is_shown_again_with_its_choices() -> None:
    async with learning() as learner:
        await learner.does(*LOGGED_IN, "", *["NOOP"] * 12)
        await learner.says("poptalk: Here's the question again:")
        assert "a) two" in learner.text


# Local commands at each kind of prompt.

PROMPTS = {
    "a command": LOGGED_IN[:1],
    "a pause": LOGGED_IN,
    "a question": (*LOGGED_IN, ""),
    "closed": (*COUNTED, "", ":close"),
    "the end": (*COUNTED, "", "DELE 3", "QUIT", "", "", *LOGGED_IN),
}
"""Ways to each kind of prompt."""

ALWAYS = {
    ":map": "4. Checkpoint",
    ":report": "Lesson: short",
    ":last": "",
    ":raw": r"\r\n",
    ":state": "poptalk: ",
    ":hint": "hint: ",
    ":help": ":hint :skip",
    ":help :skip": "Show how it is done",
}
"""What each local command says at every prompt."""


@WIDTHS
@pytest.mark.parametrize("prompt", PROMPTS)
async def test_local_commands_at_every_prompt(prompt: str, columns: int) -> None:
    async with learning(columns=columns, rows=50) as learner:
        await learner.does(*PROMPTS[prompt])
        before = learner.prompt
        for command, said in ALWAYS.items():
            await learner.does(command)
            await learner.says(said)
        await learner.does(":why")
        assert "a fault in poptalk" not in learner.words
        assert learner.prompt == before


@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize(
    ("command", "said"),
    [
        (":reset", "begins again"),
        (":back", "oes on"),
        (":skip", ""),
    ],
)
async def test_going_elsewhere_from_every_prompt(prompt: str, command: str, said: str) -> None:
    async with learning(rows=50) as learner:
        await learner.does(*PROMPTS[prompt], command)
        if command == ":reset":
            await learner.says(said)
        assert "a fault in poptalk" not in learner.words
        await learner.does(":map")
        await learner.says("1. Log in")


async def test_skip_types_the_answer_and_says_why() -> None:
    async with learning() as learner:
        await learner.does(":skip")
        await learner.says("C: USER bob")
        await learner.says("done: USER: say whose maildrop you want")
        await learner.says("C: PASS ****")
        assert learner.prompt == "1/4 Enter goes on>"


async def test_why_explains_the_answer() -> None:
    async with learning() as learner:
        await learner.does("LIST", ":why")
        await learner.says("negative: the server did not do it")


async def test_local_commands_of_lessons_are_refused_in_one_sentence_elsewhere() -> None:
    from tests.shell.shells import live, practising

    with practising() as server:
        async with live(server, rows=80) as shell:
            await shell.enter(":hint", until=":hint is for lessons")
            await shell.enter(":help :", until=":capa")
            assert ":quit" in shell.text
            assert ":skip" not in shell.text


async def test_another_server_is_refused_in_a_lesson() -> None:
    async with learning() as learner:
        await learner.does(":open mail.example.org")
        await learner.says("a lesson has its own server")


# The connection.


async def test_a_cut_is_explained_and_enter_brings_everything_back() -> None:
    async with learning() as learner:
        await learner.does(*COUNTED, "", "DELE 3", ":close")
        await learner.says("closed: You closed the connection in TRANSACTION.")
        await learner.says("message 3 stays")
        await learner.does("STAT")
        await learner.says("Not sent: you are not connected. Press Enter to connect.")
        await learner.does("")
        await learner.says("poptalk: Back where you were; sent again for you: USER, PASS, STAT")
        assert "3/4 TRANSACTION" in learner.prompt


async def test_open_brings_everything_back_as_well() -> None:
    async with learning() as learner:
        await learner.does(*COUNTED, "", ":close", ":open")
        await learner.says("poptalk: Back where you were; sent again for you: USER, PASS, STAT")


async def test_a_quit_too_early_is_explained() -> None:
    async with learning() as learner:
        await learner.does("QUIT")
        await learner.says("closed: QUIT was answered, so the session is over.")
        assert "(closed) Enter" in learner.prompt


async def test_reset_makes_the_mail_anew() -> None:
    async with learning() as learner:
        await learner.does(*COUNTED, "", "DELE 1", ":reset", "LIST 1")
        await learner.says("S: +OK 1 ")


async def test_the_last_step_can_be_done_again() -> None:
    async with learning() as learner:
        await learner.does(*PROMPTS["the end"])
        assert learner.prompt == "(end of the lesson) Enter goes on>"
        await learner.does(":reset")
        assert learner.prompt == "4/4 (closed) Enter opens>"
        await learner.does("", *LOGGED_IN)
        assert learner.prompt == "(end of the lesson) Enter goes on>"


async def test_what_is_replayed_is_not_shown() -> None:
    async with learning() as learner:
        await learner.does(*COUNTED, ":reset")
        await learner.idle()
        dialogue = learner.view()
        assert dialogue.count("C: USER bob") == 1
        await learner.does("b", "STAT")
        assert learner.view().count("C: STAT") == 2


async def test_lines_that_are_pasted_are_sent_one_by_one() -> None:
    async with learning() as learner:
        learner.send("USER bob\rPASS jones\r\rb\rSTAT\r")
        await learner.says("Three letters.")
        marks = [line[:2] for line in learner.view()]
        assert marks == ["S:", *["C:", "S:"] * 3]


async def test_silence_is_explained_while_it_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LessonController, "silences", (0.05, 0.1))
    async with learning(LESSONS / "endless.md") as learner:
        await learner.does(*LOGGED_IN)
        learner.send("LIST\r")
        await learner.says("poptalk: Waiting: no lone dot yet, 4 lines so far.")
        learner.send("NOOP\r")
        await learner.until(lambda: "C: NOOP" in learner.view())
        learner.send(":close\r")
        await learner.until(lambda: learner.controller.finished)


async def test_after_a_silence_a_line_is_wanted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async with learning(LESSONS / "endless.md") as learner:
        await learner.does(*LOGGED_IN)
        # Not before: on a busy machine the login's replies may take as long.
        monkeypatch.setattr(LessonController, "silences", (0.05,))
        assert not learner.controller.wants_a_line(due=True)
        learner.send("LIST\r")
        await learner.says("poptalk: Waiting:")
        assert learner.controller.wants_a_line(due=True)


async def test_what_cannot_be_sent_is_shown_all_the_same() -> None:
    async with learning(LESSONS / "folded.md") as learner:
        await learner.does("USER bob")
        await learner.says(
            "> USER bob closed: Not sent: you are not connected. Press Enter to connect."
        )


async def test_oddities_are_named_where_the_server_has_no_fault() -> None:
    async with learning(LESSONS / "folded.md") as learner:
        dialogue = learner.shell.view
        await learner.does("")
        assert set(dialogue.unremarked) == set(ViolationKind) - {ViolationKind.UNSOLICITED}
        await learner.does("QUIT", "")
        assert set(dialogue.unremarked) == SAID_BY_THE_TUTOR


async def test_an_empty_row_parts_what_others_show_from_the_next_step() -> None:
    async with learning() as learner:
        await learner.does(*LOGGED_IN, ":raw", "")
        rows = [row.rstrip() for row in learner.terminal.history()]
        step = next(at for at, row in enumerate(rows) if row.startswith("Step 2 of 4"))
        assert not rows[step - 1]
        assert rows[step - 2]


async def test_ctrl_c_gives_the_line_back_while_the_server_is_silent() -> None:
    async with learning(LESSONS / "endless.md") as learner:
        await learner.does(*LOGGED_IN)
        learner.send("LIST\r")
        await learner.see("3 148")
        learner.send(CTRL_C + "NOOP\r")
        await learner.until(lambda: "C: NOOP" in learner.view())


# Help while typing.


async def test_neither_tab_nor_grey_words_give_the_answer_away() -> None:
    async with learning() as learner:
        await learner.type("US")
        learner.send(TAB)
        await learner.type("E")
        assert learner.line == "USE"
        await learner.type("R")
        await learner.drawn()
        assert "USER name" not in learner.text
        learner.send(CTRL_C)
        await learner.until(lambda: not learner.line)
        await learner.type(":hin")
        learner.send(TAB)
        await learner.until(lambda: learner.line == ":hint")


async def test_passwords_are_masked_and_revealed() -> None:
    async with learning() as learner:
        await learner.does("USER bob")
        await learner.type("PASS jones")
        await learner.drawn()
        assert "PASS *****" in learner.text
        learner.send(ENTER)
        await learner.says("done: PASS")
        await learner.does(":reveal")
        await learner.says("C: PASS jones")


# What is kept.


async def test_leaving_says_what_is_kept_and_coming_back_goes_on_there() -> None:
    async with learning() as learner:
        await learner.does(*LOGGED_IN, "")
        learner.send(CTRL_D)
        await learner.left()
        await learner.says("poptalk: Step 2 of 4 is kept")
    async with learning() as learner:
        await learner.says("poptalk: Step 2 of 4: resumed; sent again for you: USER, PASS.")
        assert "Step 1 of 4" not in learner.words
        assert learner.prompt == "2/4 answer a-b>"
    kinds = [event["event"] for event in progress() if event.get("step") == "log-in"]
    assert kinds == ["start", "pass"]
    assert "jones" not in json.dumps(progress())


async def test_a_disk_that_takes_nothing_costs_one_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/dev/null")
    async with learning() as learner:
        await learner.does(*LOGGED_IN, "")
        await learner.says("what you do cannot be kept")
        assert learner.words.count("cannot be kept") == 1


async def test_the_menu_is_a_prompt_of_the_same_shell() -> None:
    async with learning() as learner:
        await learner.does(":menu")
        assert isinstance(learner.shell.controller, Menu)
        await learner.until(lambda: not learner.shell.connected)
        await learner.does("1")
        await learner.says("Step 1 of")
        assert isinstance(learner.shell.controller, LessonController)


# Somebody's own server.


def live_room(server: Server) -> LiveLessonServer:
    destination = Destination(host=server.host, port=server.port)
    return LiveLessonServer(destination, Known(user="bob", password="jones"))


async def test_quit_behind_dele_asks_on_a_live_server() -> None:
    with Server(shared=True) as server:
        async with learning(lesson_server=live_room(server)) as learner:
            await learner.does(*COUNTED, "", "DELE 3")
            await learner.does("QUIT")
            assert learner.prompt == "yes or no>"
            await learner.does("no")
            await learner.says("Not sent.")
            await learner.does("STAT")
            await learner.says("S: +OK 2 ")
            await learner.does("QUIT", "yes")
            await learner.says("the server closed the connection")


async def test_quit_in_a_setup_asks_on_a_live_server(tmp_path: Path) -> None:
    front = "title: T\nsummary: S\nminutes: 1\nmailbox: letters\n"
    lines = ("USER {user}", "PASS {password}", "DELE 1", "QUIT")
    block = "".join(f"C: {line}\nS: +OK\n" for line in lines)
    lesson = tmp_path / "lesson.md"
    steps = f"## One\n\nRead.\n\n## Two\n\n```pop3 setup\n{block}```\n"
    lesson.write_text(f"---\n{front}---\n# T\n\n{steps}", encoding="utf-8")
    with Server(shared=True) as server:
        async with learning(lesson, lesson_server=live_room(server)) as learner:
            learner.send(ENTER)
            await learner.says("This QUIT removes 1 message from your server")
            await learner.until(lambda: learner.prompt == "yes or no>")


async def test_on_a_live_server_nothing_is_replayed_but_the_login() -> None:
    with Server(shared=True) as server:
        async with learning(lesson_server=live_room(server)) as learner:
            await learner.does(*COUNTED, "", ":close", "")
            await learner.says("poptalk: Back where you were; sent again for you: USER, PASS.")


async def test_a_server_that_is_not_there_is_said_once() -> None:
    nowhere = LiveLessonServer(
        Destination(host="127.0.0.1", port=1), Known(user="bob", password="jones")
    )
    async with learning(lesson_server=nowhere) as learner:
        await learner.says("refused the connection")
        assert learner.words.count("refused the connection") == 1
        assert "(closed) Enter" in learner.prompt
        learner.send(ENTER + ENTER)
        await learner.until(lambda: learner.words.count("refused the connection") == 3)
        assert "lready connecting" not in learner.words


# What `:report` says.


async def test_a_report_has_the_session_without_its_secrets() -> None:
    async with learning(rows=60) as learner:
        await learner.does("{odd}", "USER bob", "PASS swordfish", ":report")
        report = learner.words.split("Lesson: short#log-in")[1]
        assert "C: USER bob S: +OK" in report
        assert "C: PASS {password}" in report
        assert "C: {{odd}} S: -ERR" in report
        assert "swordfish" not in report
        assert f"poptalk {__version__}" in report


async def test_a_report_names_no_fault() -> None:
    """It may be what the learner is to find out."""
    async with learning(LESSONS / "endless.md", rows=60) as learner:
        await learner.does(":report")
        await learner.says("What I did, and what I expected instead:")
        assert "no-final-dot" not in learner.words


async def test_a_report_has_no_message_behind_an_unstuffed_dot() -> None:
    """The dot itself is what a report is about, so it is in it."""
    async with learning(find_lesson("10"), rows=60) as learner:
        await learner.does("USER bob", "PASS jones", "", "RETR 2", ":report")
        await learner.says("What I did, and what I expected instead:")
        report = learner.words.split("Lesson: 10-the-dot-problem")[1]
        assert "S: <the server sends 454 octets> S: . S: <the server sends" in report
        assert "octets that no command asked for>" in report
        assert "turned the card" not in report


# Without colours, and with them.


def look(learner: Learner, words: str, part: str) -> tuple[object, ...]:
    """Return what a part of the row with some words looks like: its colour, bold and so on."""
    screen = learner.terminal.screen
    row = next(number for number, text in enumerate(screen.display) if words in text)
    cell = screen.buffer[row][screen.display[row].index(part)]
    return cell.fg, cell.bold, cell.italics, cell.underscore


async def test_commands_in_prose_are_marked_without_colours_too() -> None:
    async with learning(find_lesson("3"), color=False) as learner:
        await learner.says("Log in as bob")
        assert look(learner, "Log in as bob", "bob") != look(learner, "Log in as bob", "Log")


@pytest.mark.parametrize("color", [False, True])
async def test_a_remark_does_not_look_like_a_refusal(color: bool) -> None:
    """A lesson may ask for -ERR."""
    async with learning(find_lesson("3"), color=color) as learner:
        await learner.does("LIST")
        await learner.says("not yet:")
        assert look(learner, "not yet:", "not yet") != look(learner, "-ERR", "-ERR")


async def test_ctrl_c_in_the_same_burst_of_keys_as_enter_leaves_a_lesson_that_connects() -> None:
    async with learning() as learner:
        await learner.does(":close")
        learner.send(ENTER + CTRL_C)
        await learner.says("Gave up connecting.")
        await learner.does("", *LOGGED_IN)
        await learner.says("done: PASS (2 of 2).")


async def test_a_lesson_left_in_the_same_burst_of_keys_makes_way_for_the_next() -> None:
    async with learning(None) as learner:
        learner.send(f"8{ENTER}:menu{ENTER}11{ENTER}")
        await learner.says("Step 1 of")
        await learner.idle()
        assert learner.shell.connected
        assert "lready connecting" not in learner.words
        assert "ave up connecting" not in learner.words


# Secrets that can't be sent.

SECRETS = (
    "PASS geheim99",
    "AUTH PLAIN AGJvYgBnZWhlaW05OQ==",
    "APOP bob c4c9334bac560ecc979e58001b3e22fb",
    "PAS geheim99",
)
TELLING = ("geheim", "AGJv", "c4c9")


@pytest.mark.parametrize("at_a_question", [False, True])
async def test_a_secret_without_a_connection_is_masked(*, at_a_question: bool) -> None:
    async with learning(rows=40) as learner:
        if at_a_question:
            await learner.does(*LOGGED_IN, "")
        await learner.does(":close", *SECRETS)
        await learner.says("> PASS ****")
        await learner.says("> AUTH PLAIN ****")
        await learner.says("> APOP bob ****")
        assert not [part for part in TELLING if part in learner.terminal.raw]
        if at_a_question:
            await learner.does("b")
            await learner.says("> b")


async def test_an_answer_to_a_question_after_auth_is_no_secret() -> None:
    async with learning() as learner:
        await learner.does(*LOGGED_IN, "", "AUTH PLAIN AGJvYgBqb25lcw==")
        await learner.type("b")
        await learner.see("2/4 answer a-b> b")
        await learner.does("")
        await learner.says("> b done:")


async def test_a_secret_typed_at_the_menu_is_masked() -> None:
    async with learning(None, rows=40) as learner:
        await learner.does("PASS geheim99")
        await learner.says('There is no lesson "PASS ****".')
        assert "geheim" not in learner.terminal.raw
