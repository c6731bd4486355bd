"""Whose a connection is, and what the board says of it."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pytest

from poptalk.classroom import pupils
from poptalk.classroom.pupil import Remark
from poptalk.classroom.results import Dialogues
from poptalk.classroom.view import StepState
from poptalk.lesson.document.parser import load_lesson
from poptalk.lesson.library import find_lesson
from poptalk.lesson.ui import start
from poptalk.net.endpoint import Destination
from poptalk.pop3.commands import MASK
from tests.classroom.rooms import PASSWORD, Caller, a_room, seen, wait_until
from tests.shell.black_box import piped

DONE = StepState.DONE


def done(states: tuple[StepState, ...]) -> int:
    """Count the steps that are done."""
    return states.count(DONE)


def test_a_wrong_line_is_on_the_board_with_what_poptalk_says() -> None:
    with a_room("5") as room, Caller(room.server.port) as ada:
        ada.log_in("ada").type("TOP 5 3", "DELETE 5")
        pupil = seen(room, "ada")
        assert (pupil.line, pupil.word) == ("DELETE 5", "not yet")
        assert pupil.remark.endswith("This one is DELE, then the number.")
        assert (pupil.step, pupil.misses, done(pupil.steps)) == ("2 A mark", 1, 1)
        assert room.pupils.board().wrong_lines == (("DELETE 5", 1),)


def test_who_does_what_is_asked_has_no_remark_any_more() -> None:
    with a_room("5") as room, Caller(room.server.port) as ada:
        ada.log_in("ada").type("TOP 5 3", "DELETE 5", "DELE 5")
        pupil = seen(room, "ada")
        assert (pupil.line, pupil.remark, pupil.misses) == ("", "", 0)
        assert pupil.all_misses == 1
        assert [step.done for step in room.pupils.board().steps][:3] == [1, 1, 0]


def test_who_never_gets_past_user_is_seen_by_name() -> None:
    with a_room("5") as room, Caller(room.server.port, "USER ada") as ada:
        assert seen(room, "ada").is_named
        ada.type("PASS wrong", "PASS wrong")
        assert seen(room, "ada").misses == 2


def test_a_connection_without_a_name_is_seen_by_its_address() -> None:
    with a_room("5") as room, Caller(room.server.port, "LIST"):
        (pupil,) = room.pupils.board().pupils
        assert (pupil.name, pupil.is_named, pupil.line) == ("127.0.0.1", False, "LIST")


def test_lines_before_the_name_belong_to_it() -> None:
    with a_room("5") as room, Caller(room.server.port, "LIST", "USER ada"):
        (pupil,) = room.pupils.board().pupils
        assert (pupil.name, pupil.misses) == ("ada", 1)


def test_a_name_that_never_logged_in_gives_way_to_the_next() -> None:
    with a_room("5") as room, Caller(room.server.port, "USER adda", "PASS wrong") as ada:
        ada.log_in("ada")
        (pupil,) = room.pupils.board().pupils
        assert (pupil.name, done(pupil.steps)) == ("ada", 1)


def test_a_name_that_is_refused_after_the_login_changes_nothing() -> None:
    with a_room("5") as room, Caller(room.server.port) as ada:
        ada.log_in("ada").type("USER ben", "TOP 5 3", "DELE 5")
        (pupil,) = room.pupils.board().pupils
        assert (pupil.name, done(pupil.steps)) == ("ada", 2)


def test_who_comes_back_goes_on_whatever_the_capitals() -> None:
    with a_room("5") as room:
        with Caller(room.server.port) as ada:
            ada.log_in("ada").type("TOP 5 3", "DELE 5", "LIST", "RETR 5")
        wait_until(lambda: not seen(room, "ada").is_connected)
        with Caller(room.server.port) as ada:
            ada.log_in("ADA")
            pupil = seen(room, "ada")
            assert pupil.trouble == "Without QUIT no mark lasts, so DELE 5 comes again."
            ada.type("DELE 5", "RSET", "STAT")
            assert done(seen(room, "ada").steps) == 4


def test_what_an_early_quit_deleted_is_there_again() -> None:
    with a_room("5") as room:
        with Caller(room.server.port) as ada:
            ada.log_in("ada").type("TOP 5 3", "DELE 5", "QUIT")
        with Caller(room.server.port) as ada:
            ada.log_in("ada").type("STAT")
            assert ada.last.startswith(b"+OK 6 ")


def test_a_proof_finds_the_maildrop_locked_while_the_pupil_is_logged_in() -> None:
    # Step 4 of lesson 7 is about that; after QUIT the proofs of lesson 5 are not kept waiting.
    with a_room("7") as room, Caller(room.server.port) as ada:
        ada.log_in("ada")
        with Caller(room.proofs.port) as proof:
            proof.type("USER ada", f"PASS {PASSWORD}")
            assert proof.last.startswith(b"-ERR [IN-USE]")
            ada.type("QUIT")
            proof.type("USER ada", f"PASS {PASSWORD}")
            assert proof.last.startswith(b"+OK")


def test_everybody_deletes_their_own_and_the_proofs_hold() -> None:
    lines = ("TOP 5 3", "DELE 5", "LIST", "RETR 5", "RSET", "STAT", "DELE 5", "QUIT")
    with a_room("5") as room:
        for name in ("ada", "ben"):
            with Caller(room.server.port) as pupil:
                pupil.log_in(name).type(*lines)
            # At once, so that the proof has to do without the lock.
            with Caller(room.server.port) as pupil:
                pupil.log_in(name).type("RETR 5", "QUIT")
        wait_until(lambda: room.pupils.board().finished == 2)


def test_a_proof_that_fails_sends_the_pupil_back() -> None:
    with a_room("5") as room, Caller(room.server.port) as ada:
        ada.log_in("ada").type("TOP 5 3", "DELE 5", "LIST", "RETR 5", "RSET", "STAT")
        ada.type("DELE 4", "DELE 5", "QUIT")
        wait_until(lambda: "The step begins again" in seen(room, "ada").remark)
        assert seen(room, "ada").step == "6 For good"
        with Caller(room.server.port) as again:
            assert again.log_in("ada").type("STAT").last.startswith(b"+OK 6 ")


def test_the_same_name_twice_is_refused_and_told() -> None:
    with a_room("5") as room, Caller(room.server.port) as first:
        first.log_in("ada")
        with Caller(room.server.port) as second:
            second.log_in("ada")
            assert second.last.startswith(b"-ERR")
            assert seen(room, "ada").trouble == "the same name is at 127.0.0.1 as well"
            assert seen(room, "ada").misses == 0
        first.type("TOP 5 3", "DELE 5")
        assert done(seen(room, "ada").steps) == 2
        wait_until(lambda: not seen(room, "ada").trouble)


def test_the_second_window_counts_once_the_first_is_closed() -> None:
    with a_room("5") as room, Caller(room.server.port) as first:
        first.log_in("ada")
        with Caller(room.server.port, "USER ada") as second:
            assert "as well" in seen(room, "ada").trouble
            first.close()
            wait_until(lambda: seen(room, "ada").trouble == "This goes on after the login.")
            second.log_in("ada").type("TOP 5 3", "DELE 5")
            assert done(seen(room, "ada").steps) == 2


def test_names_without_end_cost_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pupils, "MOST_PUPILS", 3)
    with a_room("5") as room, Caller(room.server.port) as ada:
        ada.log_in("ada")
        for number in range(5):
            with Caller(room.server.port, f"USER x{number}"):
                pass
            wait_until(lambda: room.pupils.board().connected == 1)
        assert len(room.pupils.board().pupils) == 3
        ada.type("TOP 5 3", "DELE 5")
        assert done(seen(room, "ada").steps) == 2
        # Where all are connected, a further one is served, and not on the board.
        with Caller(room.server.port) as second, Caller(room.server.port) as third:
            with Caller(room.server.port, "USER late") as late:
                assert late.type(f"PASS {PASSWORD}").last.startswith(b"+OK")
            second.type("NOOP")
            third.type("NOOP")
            assert {pupil.name for pupil in room.pupils.board().pupils if pupil.is_named} == {"ada"}


@pytest.mark.parametrize(
    "line", [f"PASS {PASSWORD}", f"USER ada {PASSWORD}", f"PSS {PASSWORD}", "PASS geheim12"]
)
def test_no_secret_reaches_the_board(line: str) -> None:
    with a_room("5") as room, Caller(room.server.port, "USER ada", line, line):
        said = f"{room.pupils.board()!r} {room.pupils.said_by(1)!r}"
        assert MASK.decode() in said
        assert PASSWORD not in said
        assert "geheim" not in said


@pytest.mark.parametrize(
    "name", ["\x1b[2J", "<script>alert(1)</script>", "[bold]ada", "a" * 10_000, "\u202eada", "=cmd"]
)
def test_whatever_a_name_holds_the_board_is_text(name: str) -> None:
    with a_room("5") as room, Caller(room.server.port, f"USER {name}", name, "USER ben"):
        board = room.pupils.board()
        texts = [each for pupil in board.pupils for each in (pupil.name, pupil.line, pupil.remark)]
        for line in room.pupils.said_by(board.pupils[0].number):
            texts += [line.text] if isinstance(line, Remark) else [text for _, text in line]
        for text in texts:
            assert text.isprintable(), text
            assert len(text) < 1000


def test_a_pipe_of_poptalk_is_a_pupil_like_any_other() -> None:
    with a_room("3") as room:
        lines = f"USER ada\nPASS {PASSWORD}\nSTTA\nSTAT\nLIST\nQUIT\n"
        assert piped(lines.encode(), "127.0.0.1", room.server.port).code == 1
        wait_until(lambda: not seen(room, "ada").is_connected)
        pupil = seen(room, "ada")
        assert (pupil.all_misses, done(pupil.steps)) == (1, 3)


def test_whoever_logs_in_by_auth_or_in_tls_has_a_name_as_well() -> None:
    response = b64encode(f"\0ada\0{PASSWORD}".encode()).decode()
    with a_room("9") as room:
        with Caller(room.server.port, f"AUTH PLAIN {response}"):
            assert seen(room, "ada").is_connected
            assert response not in f"{room.pupils.board()!r} {room.pupils.said_by(1)!r}"
        with Caller(room.server.tls_port, tls=True) as ben:
            ben.log_in("ben")
            assert done(seen(room, "ben").steps) == 1


def test_faults_of_one_connection_meet_that_one_of_each_pupil() -> None:
    with a_room("12") as room:
        for name in ("ada", "ben"):
            # Who hangs up and comes back is still at server one, which ignores the argument of LIST.
            for line, reply in (
                ("NOOP", b"+OK"),
                ("LIST 2", b"+OK 3 messages"),
                ("LIST 2", b"+OK 2 "),
            ):
                with Caller(room.server.port) as pupil:
                    assert pupil.log_in(name).type(line).last.startswith(reply)
                wait_until(lambda: not room.pupils.board().connected)


@pytest.mark.parametrize("number", ["3", "5", "6", "8"])
def test_learn_tries_the_password_and_that_is_no_deed_of_the_pupils(
    number: str, tmp_path: Path
) -> None:
    lesson = load_lesson(find_lesson(number))
    with a_room(number) as room:
        dialogues = Dialogues(tmp_path, complain=print)
        room.pupils.came, room.pupils.went = dialogues.begin, dialogues.forget
        server = Destination(host="127.0.0.1", port=room.server.port, user="ada")
        passwords = iter(["wrong", PASSWORD])
        named = start.NamedServer(server, ask=str, ask_unseen=lambda _: next(passwords))
        named.prepare(lesson)
        wait_until(lambda: not room.pupils.board().pupils)
        assert not [*tmp_path.iterdir()]
        # Whoever types the same is a pupil, at the latest after a moment.
        with Caller(room.server.port, "CAPA") as ada:
            ada.log_in("ada").type("UIDL", "NOOP")
            assert seen(room, "ada").line == "NOOP"
        with Caller(room.server.port, "CAPA") as ben:
            ben.log_in("ben")
            wait_until(lambda: "ben" in [pupil.name for pupil in room.pupils.board().pupils])
            assert seen(room, "ben").steps == seen(room, "ada").steps


def test_a_window_that_waited_for_another_is_judged_once() -> None:
    with a_room("5") as room, Caller(room.server.port, "USER ada", "PASS wrong") as first:
        with Caller(room.server.port, "USER ada"):
            pass
        # The greetings of the first, of the second, and of the first once more.
        wait_until(lambda: repr(room.pupils.said_by(1)).count("POP3 server ready") == 3)
        assert seen(room, "ada").all_misses == 1
        first.log_in("ada").type("TOP 5 3", "DELE 5")
        assert done(seen(room, "ada").steps) == 2


def test_who_says_too_much_without_a_name_can_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pupils, "MOST_OCTETS_BEFORE_A_NAME", 100)
    with a_room("5") as room:
        with Caller(room.server.port, *["NOOP"] * 5):
            assert room.pupils.board().connected == 1
        wait_until(lambda: not room.pupils.board().connected)


def test_who_hangs_up_is_away_and_that_is_no_remark() -> None:
    with a_room("5") as room:
        with Caller(room.server.port, "USER ada"):
            pass
        wait_until(lambda: not seen(room, "ada").is_connected)
        assert seen(room, "ada").remark == ""


def test_who_is_put_out_by_the_server_did_not_close_the_connection() -> None:
    with a_room("5") as room:
        with Caller(room.server.port, "USER ada") as ada:
            ada.type(b"STLS\r\nNOOP")  # nothing may follow STLS in the clear
        wait_until(lambda: not seen(room, "ada").is_connected)
        assert "The server closed the connection" in repr(room.pupils.said_by(1)[-1])
