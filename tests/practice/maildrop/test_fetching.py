"""Maildrops through the whole server, with poplib and by hand."""

from __future__ import annotations

import itertools
import poplib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from poptalk.practice.maildrop import Format, MaildropError, mbox
from poptalk.practice.maildrop.locks import Steps
from poptalk.practice.server import Server
from tests.practice.maildrop.letters import (
    LETTERS,
    WRITERS,
    attachment,
    maildir_name,
    numbered_letters,
    write_eml,
    write_maildir,
    write_mbox,
)
from tests.practice.maildrop.opened import files_opened
from tests.practice.talking import SECONDS, greeted


def logged_in(server: Server) -> poplib.POP3:
    client = poplib.POP3(server.host, server.port, timeout=SECONDS)
    client.user("bob")
    client.pass_("jones")
    return client


def fetch(client: poplib.POP3, number: int) -> bytes:
    return b"".join(line + b"\r\n" for line in client.retr(number)[1])


@pytest.fixture(scope="module", params=Format, ids=[each.value for each in Format])
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Server, list[bytes]]]:
    """Serve every kind of letter, and the one of 30 MB behind them."""
    path = tmp_path_factory.mktemp("served") / "mail"
    letters = [*LETTERS.values(), attachment()]
    WRITERS[request.param](path, [stored for stored, _ in letters])
    with Server(maildrop=f"{request.param.value}:{path}") as server:
        yield server, [travels for _, travels in letters]


def test_poplib_fetches_every_message_octet_for_octet(served: tuple[Server, list[bytes]]) -> None:
    server, letters = served
    client = logged_in(server)
    listed = [int(line.split()[1]) for line in client.list()[1]]
    assert listed == list(map(len, letters))
    assert client.stat() == (len(letters), sum(listed))
    for number, travels in enumerate(letters, 1):
        assert fetch(client, number) == travels, number
    client.quit()


def test_poplib_fetches_the_beginning_of_every_message(served: tuple[Server, list[bytes]]) -> None:
    server, letters = served
    client = logged_in(server)
    for number, travels in enumerate(letters, 1):
        lines = travels.split(b"\r\n")
        end = next((at for at, line in enumerate(lines) if not line), len(lines))
        top = b"".join(line + b"\r\n" for line in client.top(number, 0)[1])
        assert top == b"".join(line + b"\r\n" for line in lines[: end + 1])[: len(travels)]
    client.quit()


def test_many_messages_are_listed_in_full(tmp_path: Path) -> None:
    path = write_maildir(tmp_path / "mail", numbered_letters(2500))
    with Server(maildrop=path) as server:
        client = logged_in(server)
        with files_opened(tmp_path) as files:
            unique_ids = client.uidl()[1]
        assert files == []
        assert unique_ids == [b"%d %b" % (n, maildir_name(n).encode()) for n in range(1, 2501)]
        assert len(client.list()[1]) == 2500
        client.quit()


# Messages that are not there any more.


def test_a_message_that_vanished_is_refused_and_the_session_goes_on(tmp_path: Path) -> None:
    path = write_eml(tmp_path / "mail", numbered_letters(3))
    with Server(maildrop=path) as server, greeted(server) as talk:
        talk.log_in()
        (path / "000002.eml").unlink()
        assert talk.say(b"RETR 2") == (
            b"-ERR the message cannot be read: somebody else removed or changed it; log in again"
        )
        # Its size was never known, so it is not listed either.
        assert talk.say(b"STAT") == b"+OK 2 80"
        assert talk.say(b"LIST").startswith(b"+OK")
        assert talk.body() == [b"1 40", b"3 40"]
        assert talk.say(b"UIDL").startswith(b"+OK")
        assert [line[:2] for line in talk.body()] == [b"1 ", b"3 "]
        assert talk.say(b"TOP 2 0").startswith(b"-ERR the message cannot be read")
        assert talk.say(b"DELE 3").startswith(b"+OK")
        assert talk.say(b"STAT") == b"+OK 1 40"
        assert talk.say(b"QUIT").startswith(b"+OK")


def test_a_message_that_changes_while_it_is_sent_ends_the_connection(tmp_path: Path) -> None:
    path = write_eml(tmp_path / "mail", [attachment()[0]])
    with Server(maildrop=path) as server, greeted(server) as talk:
        talk.log_in()
        announced = int(talk.say(b"STAT").split()[2])
        assert talk.say(b"RETR 1").startswith(b"+OK")
        # More is on its way than the system's buffers hold, so the server is not done yet.
        with (path / "000001.eml").open("ab") as file:
            file.write(b"one more line\n")
        rest = talk.rest()
        assert len(rest) <= announced
        assert not rest.endswith(b"\r\n.\r\n")
        with greeted(server) as other:
            other.log_in()
            assert other.say(b"STAT") == b"+OK 1 %d" % (announced + len(b"one more line\r\n"))


def test_a_maildrop_that_vanished_is_refused_at_the_login(tmp_path: Path) -> None:
    path = write_mbox(tmp_path / "mail", numbered_letters(3))
    with Server(maildrop=path) as server, greeted(server) as talk:
        path.unlink()
        assert talk.log_in().startswith(b"-ERR trouble on our side")
        write_mbox(path, numbered_letters(3))
        assert talk.log_in().startswith(b"+OK")


# Deleting for good.


@pytest.mark.parametrize("format_", Format)
def test_quit_deletes_on_the_disk_and_frees_the_maildrop(format_: Format, tmp_path: Path) -> None:
    path = WRITERS[format_](tmp_path / "mail", numbered_letters(3))
    with (
        Server(maildrop=path, writable=True) as server,
        greeted(server) as one,
        greeted(server) as two,
    ):
        one.log_in()
        assert two.log_in(b"mrose", b"tanstaaf").startswith(b"-ERR")
        one.say(b"DELE 1")
        one.say(b"DELE 3")
        assert one.say(b"QUIT").startswith(b"+OK")
        assert two.log_in(b"mrose", b"tanstaaf").startswith(b"+OK")
        assert two.say(b"STAT") == b"+OK 1 40"
        assert two.say(b"QUIT").startswith(b"+OK")
    with Server(maildrop=path) as server:
        client = logged_in(server)
        assert fetch(client, 1) == b"Subject: letter 2\r\n\r\nThis is letter 2.\r\n"
        client.quit()


def test_without_quit_nothing_is_deleted(tmp_path: Path) -> None:
    path = write_mbox(tmp_path / "mail", numbered_letters(3))
    before = path.read_bytes()
    with Server(maildrop=path, writable=True) as server, greeted(server) as talk:
        talk.log_in()
        talk.say(b"DELE 1")
    assert path.read_bytes() == before


def test_a_deletion_that_is_refused_is_answered_as_the_rfc_says(tmp_path: Path) -> None:
    path = write_mbox(tmp_path / "mail", numbered_letters(3))
    with Server(maildrop=path, writable=True) as server, greeted(server) as talk:
        talk.log_in()
        talk.say(b"DELE 1")
        changed = path.read_bytes().replace(b"letter 1", b"LETTER 1")
        path.write_bytes(changed)
        assert talk.say(b"QUIT") == b"-ERR some deleted messages not removed"
        assert talk.rest() == b""
        assert path.read_bytes() == changed
        with greeted(server) as other:
            assert other.log_in().startswith(b"+OK")


@pytest.fixture
def slow_deletion(monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, threading.Event]:
    """Let deletions wait; return what tells that one has begun, and what lets it go on."""
    begun, go_on = threading.Event(), threading.Event()
    remove = mbox.Mbox.remove

    def slowly(self: mbox.Mbox, *arguments: object) -> Steps:
        begun.set()
        assert go_on.wait(SECONDS)
        yield from remove(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(mbox.Mbox, "remove", slowly)
    return begun, go_on


def test_a_slow_disk_holds_up_nobody_else(
    tmp_path: Path, slow_deletion: tuple[threading.Event, threading.Event]
) -> None:
    begun, go_on = slow_deletion
    path = write_mbox(tmp_path / "mail", numbered_letters(3))
    with (
        Server(maildrop=path, writable=True) as server,
        greeted(server) as talk,
        greeted(server) as other,
    ):
        talk.log_in()
        talk.say(b"DELE 1")
        talk.sock.sendall(b"QUIT\r\n")
        assert begun.wait(SECONDS)
        assert other.say(b"CAPA").startswith(b"+OK")
        other.body()
        assert other.log_in().startswith(b"-ERR")
        go_on.set()
        assert talk.line().startswith(b"+OK")
        assert other.log_in().startswith(b"+OK")
        assert other.say(b"STAT") == b"+OK 2 80"


def test_a_client_that_leaves_behind_quit_has_said_quit(
    tmp_path: Path, slow_deletion: tuple[threading.Event, threading.Event]
) -> None:
    begun, go_on = slow_deletion
    path = write_mbox(tmp_path / "mail", numbered_letters(3))
    with Server(maildrop=path, writable=True) as server:
        with greeted(server) as talk:
            talk.log_in()
            talk.say(b"DELE 1")
            talk.sock.sendall(b"QUIT\r\n")
            assert begun.wait(SECONDS)
        go_on.set()
        assert stat_as_soon_as_free(server) == b"+OK 2 80"


def stat_as_soon_as_free(server: Server) -> bytes:
    """Log in again and again until the maildrop is free, and return the answer to STAT."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        with greeted(server) as talk:
            if talk.log_in().startswith(b"+OK"):
                return talk.say(b"STAT")
    raise AssertionError("the maildrop was never given back")


def test_a_server_that_stops_while_it_deletes_comes_to_an_end_with_it(
    tmp_path: Path, slow_deletion: tuple[threading.Event, threading.Event]
) -> None:
    begun, go_on = slow_deletion
    path = write_mbox(tmp_path / "mail", numbered_letters(3))
    threaded = Server(maildrop=path, writable=True)
    with threaded as server, greeted(server) as talk:
        talk.log_in()
        talk.say(b"DELE 1")
        talk.sock.sendall(b"QUIT\r\n")
        assert begun.wait(SECONDS)

        def go_on_once_dropped() -> None:
            assert talk.rest() == b""
            go_on.set()

        waiting = threading.Thread(target=go_on_once_dropped)
        waiting.start()
        threaded.__exit__(None, None, None)
        waiting.join()
        assert path.read_bytes().count(b"Subject") == 2


def test_the_letters_of_the_lessons_are_never_written_to() -> None:
    with pytest.raises(MaildropError, match="name a maildrop of your own as well"):
        Server(writable=True)


def test_unique_ids_are_the_same_over_the_wire_after_a_restart(tmp_path: Path) -> None:
    letters = list(itertools.chain(numbered_letters(3), numbered_letters(3)))
    for format_ in Format:
        path = WRITERS[format_](tmp_path / format_.value, letters)
        seen = []
        for _ in range(2):
            with Server(maildrop=path) as server:
                client = logged_in(server)
                seen.append(client.uidl()[1])
                client.quit()
        assert seen[0] == seen[1]
        assert len(set(seen[0])) == 6
