"""What a server puts up with: each limit is answered, told once, and hurts nobody else."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from poptalk.pop3.commands import Limits
from poptalk.pop3.server.events import EndReason
from poptalk.pop3.server.session import MAX_INPUT_WAITING, MAX_REPLIES_AT_ONCE
from poptalk.practice import connection as connection_module
from poptalk.practice.connection import Patience
from poptalk.practice.observers import DropReason, How, Observer, Peer
from poptalk.practice.server import Server
from tests.practice.talking import SECONDS, Talk, connected, greeted


class Endings:
    """How sessions ended, in the order in which they did."""

    def __init__(self) -> None:
        self.told: list[How] = []
        self._one_more = threading.Semaphore(0)

    def begin(self, peer: Peer) -> Observer:
        endings = self

        class EarlyEnd(Observer):
            def ended(self, how: How) -> None:
                endings.told.append(how)
                endings._one_more.release()

        return EarlyEnd()

    def ended_within(self, seconds: float) -> bool:
        """Tell whether one more session ends within a time."""
        return self._one_more.acquire(timeout=seconds)

    def wait_for(self, count: int) -> list[How]:
        """Wait until so many more sessions have ended, and return what was told."""
        for _ in range(count):
            assert self._one_more.acquire(timeout=SECONDS), "the session did not end"
        return self.told


@pytest.fixture
def endings() -> Endings:
    return Endings()


@contextmanager
def with_a_bystander(server: Server) -> Iterator[None]:
    """Hold a session that goes on before, during and after what somebody else suffers."""
    with greeted(server) as bystander:
        bystander.log_in()
        yield
        assert bystander.say(b"STAT").startswith(b"+OK ")


def use_up(talk: Talk, line: bytes, limit: int) -> bytes:
    """Send a wrong line until the server has had enough; return its last words."""
    for _ in range(limit - 1):
        assert talk.say(line).startswith(b"-ERR")
    talk.sock.sendall(line + b"\r\n")
    return talk.rest()


def test_errors_before_and_after_the_login(endings: Endings) -> None:
    limits = Limits()
    assert (limits.errors_before_login, limits.errors_after_login) == (10, 20)
    with Server(observers=[endings.begin]) as server, with_a_bystander(server):
        with greeted(server) as talk:
            last = use_up(talk, b"HELO", limits.errors_before_login)
        assert last == b"-ERR too many errors one after the other; closing\r\n"
        with greeted(server) as talk:
            talk.log_in()
            last = use_up(talk, b"RETR 99", limits.errors_after_login)
        assert last == b"-ERR too many errors one after the other; closing\r\n"
        assert endings.wait_for(2) == [EndReason.TOO_MANY_ERRORS] * 2


def test_a_good_command_is_a_new_beginning() -> None:
    with Server(limits=Limits(errors_before_login=3)) as server, greeted(server) as talk:
        for _ in range(3):
            talk.say(b"HELO")
            talk.say(b"HELO")
            assert talk.say(b"USER bob").startswith(b"+OK")


def test_failed_logins(endings: Endings) -> None:
    limits = Limits()
    with Server(persona="plain", observers=[endings.begin]) as server:
        with greeted(server) as talk:
            for _ in range(limits.failed_logins - 1):
                assert talk.log_in(b"bob", b"wrong").startswith(b"-ERR [AUTH] invalid password")
            assert talk.log_in(b"bob", b"wrong").startswith(b"-ERR [AUTH] too many logins failed")
            assert talk.rest() == b""
        assert endings.wait_for(1) == [EndReason.TOO_MANY_LOGINS]


def test_long_lines(endings: Endings) -> None:
    limits = Limits()
    too_long = b"x" * (limits.line - 1)
    with Server(observers=[endings.begin]) as server, with_a_bystander(server):
        with greeted(server) as talk:
            assert talk.say(b"x" * (limits.line - 2)).startswith(b"-ERR unknown command")
            assert talk.say(too_long).startswith(b"-ERR line too long")
            # Its rest is not taken for a command, and one may be an accident.
            assert talk.say(b"USER bob").startswith(b"+OK")
            talk.sock.sendall(too_long + b"\r\n")
            assert talk.rest().startswith(b"-ERR line too long")
        assert endings.wait_for(1) == [EndReason.LINE_TOO_LONG]


def test_a_line_without_an_end_is_given_up(endings: Endings) -> None:
    limits = Limits()
    with Server(observers=[endings.begin]) as server, with_a_bystander(server):
        with greeted(server) as talk:
            talk.sock.sendall(b"x" * (limits.discarded + 2 * limits.line))
            assert talk.rest().startswith(b"-ERR line too long")
        assert endings.wait_for(1) == [EndReason.LINE_TOO_LONG]


def test_a_response_within_auth_may_be_longer_than_a_command() -> None:
    limits = Limits()
    assert limits.sasl_line > limits.line
    with Server(persona="plain") as server:
        with greeted(server) as talk:
            assert talk.say(b"AUTH PLAIN") == b"+ "
            assert talk.say(b"A" * (limits.sasl_line - 4)).startswith(b"-ERR that is no")
        with greeted(server) as talk:
            assert talk.say(b"AUTH PLAIN") == b"+ "
            assert talk.say(b"A" * limits.sasl_line).startswith(b"-ERR line too long")
            assert talk.say(b"NOOP").startswith(b"-ERR log in first")


def test_the_inactivity_timer_is_no_shorter_than_the_rfc_allows() -> None:
    # "Such a timer MUST be of at least 10 minutes' duration" (RFC 1939 §3).
    assert Patience().idle_seconds >= 600


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="only Linux shows its timers")
def test_a_machine_that_is_gone_without_a_word_is_noticed_within_a_minute() -> None:
    with Server() as server, greeted(server) as talk:
        ours, theirs = talk.sock.getpeername()[1], talk.sock.getsockname()[1]
        ends = rf":{ours:04X} \w+:{theirs:04X} .. \w+:\w+ (\w+):(\w+) "
        found = re.search(ends, Path("/proc/net/tcp").read_text())
    assert found is not None
    timer, ticks = (int(each, 16) for each in found.groups())
    assert timer == 2, "keepalive, proc(5)"
    assert 0 < ticks < 60 * os.sysconf("SC_CLK_TCK")


def test_no_login_in_time_however_much_is_said(endings: Endings) -> None:
    patience = Patience(login_seconds=0.2)
    with Server(patience=patience, observers=[endings.begin]) as server, greeted(server) as talk:
        try:
            while talk.say(b"USER bob"):
                pass
        except ConnectionError:
            # The end of the connection came between sending and reading.
            pass
        assert endings.wait_for(1) == [DropReason.NO_LOGIN]


def test_silence_is_answered_with_silence(endings: Endings) -> None:
    patience = Patience(idle_seconds=0.1)
    with Server(patience=patience, observers=[endings.begin]) as server, greeted(server) as talk:
        talk.log_in()
        # "without removing any messages or sending any response to the client" (RFC 1939 §3).
        assert talk.rest() == b""
        assert endings.wait_for(1) == [DropReason.IDLE]


def test_no_handshake_in_time(endings: Endings) -> None:
    patience = Patience(handshake_seconds=0.1)
    with Server(patience=patience, tls_port=0, observers=[endings.begin]) as server:
        with connected(server, server.tls_port) as talk:
            assert talk.rest() == b""
        with greeted(server) as talk:
            talk.say(b"STLS")
            assert talk.rest() == b""
        assert endings.wait_for(2) == [DropReason.NO_HANDSHAKE] * 2


# Connections.


def free_place(server: Server) -> bytes:
    """Connect until there is a place again, which is when the server has seen the last one go."""
    for _ in range(1000):
        with connected(server) as talk:
            if (greeting := talk.line()).startswith(b"+OK"):
                return greeting
    raise AssertionError("the place was never free again")


def test_connections_in_all(endings: Endings) -> None:
    patience = Patience(connections=2)
    with Server(patience=patience, observers=[endings.begin]) as server:
        with greeted(server) as one, greeted(server) as two:
            for _ in range(3):
                with connected(server) as third:
                    assert third.rest() == b"-ERR too many connections; close one and try again\r\n"
            assert endings.wait_for(3) == [EndReason.TURNED_AWAY] * 3
            assert one.log_in().startswith(b"+OK")
            assert two.log_in().startswith(b"+OK")
        assert free_place(server)


def test_connections_from_one_address() -> None:
    patience = Patience(connections_per_address=1)
    with Server(host="0.0.0.0", patience=patience) as server, greeted(server):
        with connected(server) as second:
            assert second.rest().startswith(b"-ERR too many connections")
        # The whole of 127.0.0.0/8 is this machine.
        with (
            socket.create_connection(
                ("127.0.0.1", server.port), timeout=SECONDS, source_address=("127.0.0.2", 0)
            ) as sock,
            sock.makefile("rb") as other,
        ):
            assert other.readline().startswith(b"+OK")


def test_those_who_are_turned_away_are_not_waited_for(endings: Endings) -> None:
    small = Server(patience=Patience(connections=1), observers=[endings.begin])
    with small as server, greeted(server), connected(server):
        # The client has closed nothing, and still the server has forgotten it.
        assert endings.wait_for(1) == [EndReason.TURNED_AWAY]


def test_where_tls_comes_first_nobody_is_told() -> None:
    small = Server(patience=Patience(connections=1), tls_port=0)
    with small as server, greeted(server), connected(server, server.tls_port) as talk:
        assert talk.rest() == b""


# Readers that are slow.


@pytest.fixture
def large_maildrop(tmp_path: Path) -> Path:
    (tmp_path / "1.eml").write_bytes((b"x" * 62 + b"\r\n") * 300_000)
    return tmp_path


def buffered(server: Server) -> list[int]:
    """Return the octets that are queued in this process, connection by connection."""
    return [each._transport.get_write_buffer_size() for each in server.connections]


def test_little_is_queued_for_a_reader_who_does_not_read(large_maildrop: Path) -> None:
    from poptalk.pop3.server.session import CHUNK_OCTETS

    most = connection_module.MAX_QUEUED_OCTETS + CHUNK_OCTETS
    with Server(maildrop=large_maildrop) as server, greeted(server) as slow:
        slow.log_in()
        slow.sock.sendall(b"RETR 1\r\n")
        assert slow.line() == b"+OK message follows"
        with greeted(server) as other:
            # By the time that this one is answered the other has been given all that it gets.
            assert other.log_in().startswith(b"+OK")
            assert 0 < max(buffered(server)) <= most
            # Nor are commands read for ever.
            slow.sock.settimeout(0.2)
            with pytest.raises(TimeoutError):
                slow.sock.sendall(b"NOOP\r\n" * 3_000_000)
            assert max(each._session.reader.waiting for each in server.connections) < (
                MAX_INPUT_WAITING + 300_000
            )
            assert other.say(b"NOOP") == b"+OK"


def test_a_reader_who_takes_nothing_is_dropped_in_the_end(
    large_maildrop: Path, endings: Endings
) -> None:
    patience = Patience(idle_seconds=0.1)
    with (
        Server(maildrop=large_maildrop, patience=patience, observers=[endings.begin]) as server,
        greeted(server) as slow,
    ):
        slow.log_in()
        slow.sock.sendall(b"RETR 1\r\n")
        assert endings.wait_for(1) == [DropReason.IDLE]


def test_a_slow_reader_gets_everything_though_quit_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, endings: Endings
) -> None:
    monkeypatch.setattr(connection_module, "LINGER_SECONDS", 0.02)
    # Small enough to be handed to the transport at once, too large for the buffers of the system.
    (tmp_path / "1.eml").write_bytes((b"x" * 62 + b"\r\n") * 900)
    server = Server(maildrop=tmp_path, observers=[endings.begin])
    server.listen()
    server.listeners[0].socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    with server, socket.socket() as sock:
        sock.settimeout(SECONDS)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect((server.host, server.port))
        sock.sendall(b"USER bob\r\nPASS jones\r\nRETR 1\r\nQUIT\r\n")
        assert not endings.ended_within(0.3)
        assert buffered(server)[0] > 0
        with sock.makefile("rb") as file:
            assert file.read().endswith(b"x\r\n.\r\n+OK host closing connection\r\n")
        assert endings.wait_for(1) == [EndReason.QUIT]


# Clients that send thousands of commands at once.


async def test_one_who_sends_thousands_of_commands_does_not_keep_the_others_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection_module, "TURN_SECONDS", 0)
    answered: list[int] = []

    class Answers(Observer):
        def __init__(self, peer: Peer) -> None:
            self.number = peer.number

        def sent(self, octets: bytes | memoryview) -> None:
            answered.append(self.number)

    many = 5_000
    async with Server(observers=[Answers]) as server:
        greedy, _ = greedy_streams = await asyncio.open_connection(server.host, server.port)
        other, _ = other_streams = await asyncio.open_connection(server.host, server.port)
        assert (await greedy.readline()).startswith(b"+OK")
        assert (await other.readline()).startswith(b"+OK")
        # The loop runs again only when the commands of both are there.
        greedy_streams[1].write(b"USER bob\r\n" * many)
        other_streams[1].write(b"USER bob\r\n")
        assert (await other.readline()).startswith(b"+OK")
        for _ in range(many):
            assert (await greedy.readline()).startswith(b"+OK")
        greedy_streams[1].close()
        other_streams[1].close()
    assert answered.index(2, 2) < len(answered) - many // MAX_REPLIES_AT_ONCE // 2


async def test_a_loop_without_readers_serves_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows' own loop is one."""

    def add_reader(*_: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr(asyncio.get_running_loop(), "add_reader", add_reader)
    async with Server() as server:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        assert (await reader.readline()).startswith(b"+OK ")
        port = server.port
        server.take_no_more()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(server.host, port)
        writer.close()


async def test_a_connection_that_cannot_be_begun_is_closed_and_the_next_is_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_file() -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    async with Server() as server:
        with monkeypatch.context() as patch:
            patch.setattr(server, "new_hooks", no_file)
            reader, writer = await asyncio.open_connection(server.host, server.port)
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()
        reader, writer = await asyncio.open_connection(server.host, server.port)
        assert (await reader.readline()).startswith(b"+OK ")
        writer.close()
        await writer.wait_closed()


async def test_a_server_that_stops_drops_connections_that_it_has_just_accepted() -> None:
    async with Server() as server:
        clients = [socket.create_connection((server.host, server.port)) for _ in range(20)]
        # One turn of the loop: they are accepted, and not yet greeted.
        await asyncio.sleep(0)
    for client in clients:
        with client:
            client.settimeout(SECONDS)
            try:
                while client.recv(4096):
                    pass
            except ConnectionResetError:
                pass
