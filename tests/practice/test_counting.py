"""Sizes are counted, and an mbox is read, in a thread: the session that needs it waits, and no other."""

from __future__ import annotations

import socket
import struct
import threading
from pathlib import Path

import pytest

from poptalk.practice.connection import ServerConnection
from poptalk.practice.maildrop.mbox import Mbox
from poptalk.practice.maildrop.snapshot import Snapshot
from poptalk.practice.server import Server
from tests.practice.maildrop.letters import numbered_letters, write_maildir, write_mbox
from tests.practice.maildrop.test_fetching import stat_as_soon_as_free
from tests.practice.talking import SECONDS, connected, greeted

COUNT = 5

RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER with a time of zero: the server sees that the client is gone, and not just silent."""


class Gate:
    """Holds up whoever counts a message until it is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.began = threading.Event()
        self.opened = threading.Event()
        self.counted: list[int] = []
        count = Snapshot._count_octets

        def held_up(snapshot: Snapshot, number: int) -> int:
            self.began.set()
            assert self.opened.wait(SECONDS)
            self.counted.append(number)
            return count(snapshot, number)

        monkeypatch.setattr(Snapshot, "_count_octets", held_up)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    return Gate(monkeypatch)


@pytest.fixture
def maildir(tmp_path: Path) -> Path:
    return write_maildir(tmp_path / "mail", numbered_letters(COUNT))


@pytest.mark.parametrize("command", [b"LIST", b"STAT"])
def test_others_are_answered_while_sizes_are_counted(
    command: bytes, gate: Gate, maildir: Path
) -> None:
    with Server(maildrop=maildir) as server, greeted(server) as first, greeted(server) as second:
        assert first.log_in().startswith(b"+OK")
        first.sock.sendall(command + b"\r\nNOOP\r\n")
        assert gate.began.wait(SECONDS)
        assert second.log_in().startswith(b"+OK")
        assert second.say(b"UIDL").startswith(b"+OK")
        assert len(second.body()) == COUNT
        assert gate.counted == []
        gate.opened.set()
        assert first.line().startswith(b"+OK 5 ")
        if command == b"LIST":
            assert len(first.body()) == COUNT
        assert first.line().startswith(b"+OK")
        # What was counted once is known to all.
        assert second.say(b"STAT").startswith(b"+OK 5 ")
        assert gate.counted == list(range(1, COUNT + 1))


def test_a_welcome_with_the_octets_holds_up_nobody_else(gate: Gate, maildir: Path) -> None:
    server = Server(maildrop=maildir, persona="plain")
    with server, greeted(server) as first, connected(server) as second:
        assert first.say(b"USER bob").startswith(b"+OK")
        first.sock.sendall(b"PASS jones\r\n")
        assert gate.began.wait(SECONDS)
        assert second.line().startswith(b"+OK")
        gate.opened.set()
        assert b"5 messages" in first.line()


def test_two_who_need_the_sizes_at_once_count_them_once(gate: Gate, maildir: Path) -> None:
    with Server(maildrop=maildir) as server, greeted(server) as first, greeted(server) as second:
        for talk in (first, second):
            assert talk.log_in().startswith(b"+OK")
            talk.sock.sendall(b"STAT\r\n")
        assert gate.began.wait(SECONDS)
        gate.opened.set()
        assert first.line() == second.line()
        assert sorted(gate.counted) == list(range(1, COUNT + 1))


def test_nobody_counts_for_a_client_that_has_gone(
    gate: Gate, maildir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = threading.Event()

    server = Server(maildrop=maildir)
    forget = server.connections.forget

    def forgotten(connection: ServerConnection) -> None:
        forget(connection)
        ended.set()

    monkeypatch.setattr(server.connections, "forget", forgotten)
    with server:
        with greeted(server) as talk:
            assert talk.log_in().startswith(b"+OK")
            talk.sock.sendall(b"LIST\r\n")
            assert gate.began.wait(SECONDS)
            talk.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        assert ended.wait(SECONDS)
        gate.opened.set()
    # The server has waited for its threads.
    assert gate.counted == [1]


# An mbox is read whole when it has changed.


@pytest.fixture
def reading(monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, threading.Event]:
    """Hold up whoever reads an mbox again; the events tell that it has begun, and let it go on."""
    begun, go_on = threading.Event(), threading.Event()
    scan = Mbox.scan

    def held_up(mbox: Mbox, before: Snapshot | None) -> Snapshot:
        if before is not None:
            begun.set()
            assert go_on.wait(SECONDS)
        return scan(mbox, before)

    monkeypatch.setattr(Mbox, "scan", held_up)
    return begun, go_on


def new_mail(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"From x Thu Jan  1 00:00:00 1970\n\nnew\n\n")


@pytest.mark.parametrize("shared", [False, True])
def test_others_are_answered_while_an_mbox_is_read(
    shared: bool, tmp_path: Path, reading: tuple[threading.Event, threading.Event]
) -> None:
    begun, go_on = reading
    path = write_mbox(tmp_path / "mail", numbered_letters(COUNT))
    server = Server(maildrop=path, shared=shared)
    with server, greeted(server) as first, greeted(server) as second:
        new_mail(path)
        assert first.say(b"USER bob").startswith(b"+OK")
        first.sock.sendall(b"PASS jones\r\nSTAT\r\nQUIT\r\n")
        assert begun.wait(SECONDS)
        assert second.say(b"CAPA").startswith(b"+OK")
        second.body()
        go_on.set()
        assert first.line().startswith(b"+OK")
        assert first.line().startswith(b"+OK 6 ")
        assert first.rest().startswith(b"+OK")
        assert second.log_in().startswith(b"+OK")
        assert second.say(b"STAT").startswith(b"+OK 6 ")


def test_a_client_that_leaves_while_its_mbox_is_read_gives_it_back(
    tmp_path: Path, reading: tuple[threading.Event, threading.Event]
) -> None:
    begun, go_on = reading
    path = write_mbox(tmp_path / "mail", numbered_letters(COUNT))
    with Server(maildrop=path, writable=True) as server, greeted(server) as other:
        new_mail(path)
        with greeted(server) as talk:
            assert talk.say(b"USER bob").startswith(b"+OK")
            talk.sock.sendall(b"PASS jones\r\n")
            assert begun.wait(SECONDS)
            talk.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        # That it has gone is known before this is answered.
        assert other.say(b"CAPA").startswith(b"+OK")
        other.body()
        go_on.set()
        assert stat_as_soon_as_free(server).startswith(b"+OK 6 ")
