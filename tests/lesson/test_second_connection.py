"""A proof on the learner's own server takes nothing away from there."""

from __future__ import annotations

import pytest

from poptalk.lesson.driver import SecondConnection
from poptalk.lesson.server import LiveLessonServer
from poptalk.net.connection import Link
from poptalk.net.endpoint import Destination
from poptalk.practice.server import Server
from poptalk.session.client import Client
from poptalk.terminal.render import plain_text
from poptalk.transcript.parser import parse_dialogue
from poptalk.transcript.placeholders import Known

LOGIN = "C: USER {user}\nS: +OK\nC: PASS {password}\nS: +OK\n"
TIMEOUT = 5.0


class Room(LiveLessonServer):
    """A server of the learner's, with the letters of the article."""

    def __init__(self, server: Server, *, live: bool) -> None:
        destination = Destination(host=server.host, port=server.port)
        super().__init__(destination, Known(user="bob", password="jones"))
        self.live = live

    def count(self) -> int:
        """Return how many messages there are."""
        destination = self.aside()
        talk = Client(Link.open(destination.target, timeout=TIMEOUT), destination)
        try:
            talk.greeting()
            for line in (b"USER bob", b"PASS jones"):
                talk.ask(line)
            return int(talk.ask(b"STAT").lines[0].split()[1])
        finally:
            talk.ask(b"QUIT")
            talk.close()


@pytest.mark.parametrize("line", ["DELE 1", "{word=dele} 1"])
def test_it_stops_before_somebodys_letter_is_marked(line: str) -> None:
    dialogue = parse_dialogue(f"{LOGIN}C: {line}\nS: +OK\nC: QUIT\nS: +OK\n", name="t")
    with Server(shared=True) as server:
        lesson_server = Room(server, live=True)
        proof = SecondConnection(dialogue, lesson_server=lesson_server, bindings={})
        proof.run()
        assert proof.difference == "This would delete a message of yours, so it was stopped."
        assert "dele" not in "".join(map(plain_text, proof.lines(columns=80))).lower()
        assert lesson_server.count() == 3


def test_on_the_practice_server_it_may() -> None:
    dialogue = parse_dialogue(f"{LOGIN}C: DELE 1\nS: +OK\nC: QUIT\nS: +OK\n", name="t")
    with Server(shared=True) as server:
        lesson_server = Room(server, live=False)
        proof = SecondConnection(dialogue, lesson_server=lesson_server, bindings={})
        proof.run()
        assert proof.difference is None
        assert lesson_server.count() == 2


def test_what_came_otherwise_is_told_in_a_sentence_and_names_no_file() -> None:
    dialogue = parse_dialogue(f"{LOGIN}C: STAT\nS: +OK 9 {{n:int}}\n", name="/somewhere/lesson.md")
    with Server(shared=True) as server:
        proof = SecondConnection(dialogue, lesson_server=Room(server, live=False), bindings={})
        proof.run()
    rows = list(map(plain_text, proof.lines(columns=80)))
    assert "2nd S: +OK 3 6183" in rows
    assert not any("lesson.md" in row for row in rows)
    assert proof.difference is not None
    assert "+OK 3 6183" in proof.difference
