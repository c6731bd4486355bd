"""The practice server over real sockets, with poplib, curl and octets by hand."""

from __future__ import annotations

import poplib
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from poptalk.pop3.replies import timestamp_of
from poptalk.practice.connection import Patience
from poptalk.practice.maildrop import MaildropError
from poptalk.practice.server import Server, fresh_timestamp
from tests.practice.talking import SECONDS, Talk, connected, greeted

ARTICLE = """
+OK Microsoft Exchange POP3 server version 5.0.1457.10 ready
USER bob
+OK name is a valid mailbox
PASS jones
+OK mailbox locked and ready
LIST
+OK 3 messages (6183 octets)
1 1903
2 4255
3 25
.
RETR 2
+OK message follows
[display message 2]
.
TOP 3 10
+OK top of message follows
[display of top 10 lines of message 3]
.
DELE 3
+OK message deleted
QUIT
+OK host closing connection
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(tls_port=0) as running:
        yield running


@pytest.fixture(scope="module")
def context(server: Server) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=server.ca_file)


def test_the_article_word_for_word(server: Server) -> None:
    with connected(server) as talk:
        for line in ARTICLE.strip().splitlines():
            if line.startswith("["):
                body = talk.body()
                assert body[0].startswith((b"Received:", b"Subject: hi"))
                at_dot = True
            elif line == "." and at_dot:
                at_dot = False  # `body` has read it
            elif line.split()[0] in ("USER", "PASS", "LIST", "RETR", "TOP", "DELE", "QUIT"):
                talk.sock.sendall(line.encode() + b"\r\n")
                at_dot = False
            else:
                assert talk.line() == line.encode()
        assert talk.rest() == b""


def poplib_session(client: poplib.POP3) -> None:
    assert client.user("bob") == b"+OK name is a valid mailbox"
    assert client.pass_("jones") == b"+OK mailbox locked and ready"
    assert client.stat() == (3, 6183)
    assert client.list()[1] == [b"1 1903", b"2 4255", b"3 25"]
    _, lines, octets = client.retr(2)
    assert octets == 4255
    assert b"." in lines
    assert client.top(3, 0)[1] == [b"Subject: hi", b""]
    assert len(client.uidl()[1]) == 3
    client.dele(1)
    with pytest.raises(poplib.error_proto, match="already deleted"):
        client.retr(1)
    client.rset()
    assert client.noop() == b"+OK"
    assert client.quit() == b"+OK host closing connection"


def test_poplib_in_clear(server: Server) -> None:
    poplib_session(poplib.POP3(server.host, server.port, timeout=SECONDS))


def test_poplib_with_stls(server: Server, context: ssl.SSLContext) -> None:
    client = poplib.POP3(server.host, server.port, timeout=SECONDS)
    assert "STLS" in client.capa()
    client.stls(context)
    assert "STLS" not in client.capa()
    poplib_session(client)


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_poplib_in_tls(server: Server, context: ssl.SSLContext, name: str) -> None:
    assert server.tls_port is not None
    with socket.create_connection((server.host, server.tls_port), timeout=SECONDS) as sock:
        context.wrap_socket(sock, server_hostname=name).close()
    poplib_session(poplib.POP3_SSL(server.host, server.tls_port, timeout=SECONDS, context=context))


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="there is no IPv6 loopback here")
def test_over_ipv6() -> None:
    with Server(host="::1") as six:
        client = poplib.POP3(six.host, six.port, timeout=SECONDS)
        client.stls(ssl.create_default_context(cafile=six.ca_file))
        poplib_session(client)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("tls", [False, True])
def test_curl(server: Server, tls: bool) -> None:
    target = (
        f"pop3s://localhost:{server.tls_port}" if tls else f"pop3://{server.host}:{server.port}"
    )
    done = subprocess.run(
        ["curl", "--silent", "--show-error", "--user", "bob:jones", "--cacert", server.ca_file,
         "--ipv4", "--noproxy", "*", f"{target}/3"],
        capture_output=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, b"Subject: hi\r\n\r\nCall me.\r\n"), done.stderr


def test_apop_with_a_timestamp_that_is_new_each_time() -> None:
    stamps = {fresh_timestamp() for _ in range(100)}
    assert len(stamps) == 100
    assert all(timestamp_of(b"+OK " + stamp) == stamp for stamp in stamps)
    with Server(persona="plain") as plain:
        first = poplib.POP3(plain.host, plain.port, timeout=SECONDS)
        other = poplib.POP3(plain.host, plain.port, timeout=SECONDS)
        assert first.welcome != other.welcome
        assert first.apop("mrose", "tanstaaf") == (
            b"+OK mrose's maildrop has 2 messages (320 octets)"
        )
        assert first.list()[1] == [b"1 120", b"2 200"]
        with pytest.raises(poplib.error_proto, match=r"\[AUTH\] permission denied"):
            other.apop("mrose", "wrong")
        first.quit()
        other.quit()


def test_rfc_1939_section_10_with_a_fixed_timestamp() -> None:
    stamp = b"<1896.697170952@dbc.mtview.ca.us>"
    with (
        Server(persona="plain", timestamp=lambda: stamp) as plain,
        connected(plain) as talk,
    ):
        assert talk.line() == b"+OK POP3 server ready " + stamp
        digest = b"c4c9334bac560ecc979e58001b3e22fb"
        assert talk.say(b"APOP mrose " + digest) == (
            b"+OK mrose's maildrop has 2 messages (320 octets)"
        )
        assert talk.say(b"RETR 1") == b"+OK 120 octets"
        assert sum(len(line) + 2 for line in talk.body()) == 120
        assert talk.say(b"DELE 1") == b"+OK message 1 deleted"
        assert talk.say(b"DELE 2") == b"+OK message 2 deleted"
        assert talk.say(b"QUIT") == b"+OK dewey POP3 server signing off (maildrop empty)"


# Copies, and one maildrop for all.


def test_each_session_has_a_maildrop_of_its_own(server: Server) -> None:
    with greeted(server) as one, greeted(server) as two:
        one.log_in()
        two.log_in()
        one.say(b"DELE 1")
        assert two.say(b"STAT") == b"+OK 3 6183"
        assert one.say(b"QUIT").startswith(b"+OK")
        assert two.say(b"STAT") == b"+OK 3 6183"
    with greeted(server) as three:
        three.log_in()
        assert three.say(b"STAT") == b"+OK 3 6183"


def test_a_shared_maildrop_is_locked_and_remembers() -> None:
    with Server(persona="plain", shared=True) as shared:
        with greeted(shared) as one, greeted(shared) as two, greeted(shared) as other:
            one.log_in()
            assert two.log_in().startswith(b"-ERR [IN-USE] maildrop already locked")
            assert other.log_in(b"mrose", b"tanstaaf").startswith(b"+OK")
            one.say(b"DELE 3")
            assert one.say(b"QUIT").startswith(b"+OK")
            # The lock is free as soon as QUIT is answered.
            assert two.log_in().startswith(b"+OK")
            assert two.say(b"STAT") == b"+OK 2 6158"
            two.say(b"DELE 1")
        # That session was cut off without QUIT.
        with greeted(shared) as three:
            assert free_at_last(three)
            assert three.say(b"STAT") == b"+OK 2 6158"


def free_at_last(talk: Talk) -> bool:
    """Log in, as soon as the server has noticed that the session before is gone."""
    return any(talk.log_in().startswith(b"+OK") for _ in range(4))


def test_without_response_codes_the_lock_is_said_in_words() -> None:
    with (
        Server(shared=True) as shared,
        greeted(shared) as one,
        greeted(shared) as two,
    ):
        one.log_in()
        assert two.log_in().startswith(b"-ERR maildrop already locked")


def test_accounts_with_the_same_folder_share_it(tmp_path: Path) -> None:
    (tmp_path / "1.eml").write_text("Subject: ours\n\nhello\n")
    with (
        Server(maildrop=tmp_path, shared=True) as shared,
        greeted(shared) as one,
        greeted(shared) as two,
    ):
        one.log_in()
        assert two.log_in(b"mrose", b"tanstaaf").startswith(b"-ERR")


def test_each_account_has_its_own_maildrop_even_with_the_same_folder(tmp_path: Path) -> None:
    (tmp_path / "1.eml").write_text("Subject: yours\n\nhello\n")
    with Server(maildrop=tmp_path, persona="plain", own=True, any_name="amber42") as own:
        with greeted(own) as ada, greeted(own) as ben, greeted(own) as impostor:
            assert ada.log_in(b"ada", b"amber42").startswith(b"+OK")
            assert ben.log_in(b"ben", b"amber42").startswith(b"+OK")
            refusal = b"-ERR [IN-USE] maildrop already locked; is another session open?"
            assert impostor.log_in(b"Ada", b"amber42") == refusal
            ada.say(b"DELE 1")
            assert ada.say(b"QUIT").startswith(b"+OK")
            assert ben.say(b"STAT").startswith(b"+OK 1 ")
            assert impostor.log_in(b"Ada", b"amber42").startswith(b"+OK")
            assert impostor.say(b"STAT") == b"+OK 0 0"
        own.start_over()
        with greeted(own) as ada:
            ada.log_in(b"ada", b"amber42")
            assert ada.say(b"STAT").startswith(b"+OK 1 ")


def test_a_pupil_may_be_called_bob() -> None:
    with Server(any_name="amber42") as server, greeted(server) as talk:
        assert talk.log_in(b"bob", b"jones").startswith(b"-ERR")
        assert talk.log_in(b"bob", b"amber42").startswith(b"+OK")


def test_a_function_says_where_the_maildrop_of_a_name_is(tmp_path: Path) -> None:
    asked = []

    def place(name: str) -> Path:
        asked.append(name)
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.eml").write_text(f"To: {name}\n\nhello\n")
        return tmp_path / name

    with Server(maildrop=place, persona="plain", accounts=(), any_name="amber42") as server:
        for name in (b"ada", b"ben", b"ada"):
            with greeted(server) as talk:
                talk.log_in(name, b"amber42")
                talk.say(b"RETR 1")
                assert talk.body()[0] == b"To: " + name
    assert asked == ["ada", "ben"]


def test_a_maildrop_for_any_name_that_cannot_be_used_is_told_before_anyone_comes(
    tmp_path: Path,
) -> None:
    with pytest.raises(MaildropError, match="does not exist"):
        Server(maildrop=tmp_path / "missing", accounts=(), any_name="amber42")
    with pytest.raises(MaildropError, match="neither shared nor written back"):
        Server(maildrop=tmp_path, own=True, writable=True)


def test_a_class_fits_behind_one_address() -> None:
    with Server(own=True, any_name="amber42") as server, ExitStack() as open_:
        for _ in range(200):
            assert open_.enter_context(connected(server)).line().startswith(b"+OK")


# STLS, and what must not cross it.


def test_octets_behind_stls_are_refused(server: Server) -> None:
    with greeted(server) as talk:
        talk.sock.sendall(b"STLS\r\nCAPA\r\n")
        assert talk.rest() == (
            b"-ERR 6 octets came after STLS, where only TLS may follow the answer; closing\r\n"
        )


def test_octets_in_clear_after_the_answer_to_stls_are_not_carried_out(server: Server) -> None:
    with greeted(server) as talk:
        assert talk.say(b"STLS").startswith(b"+OK")
        talk.sock.sendall(b"CAPA\r\nQUIT\r\n")
        assert b"TOP" not in talk.rest()


def test_implicit_tls_says_nothing_in_clear(server: Server) -> None:
    with connected(server, server.tls_port) as talk:
        talk.sock.sendall(b"CAPA\r\n")
        assert b"+OK" not in talk.rest()


def test_close_notify_comes_before_the_end(server: Server, context: ssl.SSLContext) -> None:
    assert server.tls_port is not None
    with (
        socket.create_connection((server.host, server.tls_port), timeout=SECONDS) as plain,
        context.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False) as sock,
    ):
        sock.sendall(b"QUIT\r\n")
        answer = b"".join(iter(lambda: sock.recv(1000), b""))
        assert answer.endswith(b"+OK host closing connection\r\n")


def test_after_a_failed_handshake_the_next_client_is_greeted(server: Server) -> None:
    with greeted(server) as talk:
        talk.say(b"STLS")
        talk.sock.sendall(b"\x16\x03\x01\x00\x05garbage garbage")
        talk.rest()
    with greeted(server) as other:
        assert other.say(b"CAPA").startswith(b"+OK")
        assert b"STLS" in other.body()


# Clients that behave oddly.


def test_a_session_in_one_segment_with_the_writing_side_closed(server: Server) -> None:
    with greeted(server) as talk:
        talk.sock.sendall(b"USER bob\r\nPASS jones\r\nRETR 2\r\nSTAT\r\n")
        talk.sock.shutdown(socket.SHUT_WR)
        assert talk.rest().endswith(b"\r\n.\r\n+OK 3 6183\r\n")


def test_what_comes_behind_quit_does_not_reset_the_connection(server: Server) -> None:
    with greeted(server) as talk:
        talk.sock.sendall(b"QUIT\r\n" + b"NOOP\r\n" * 100_000)
        assert talk.rest() == b"+OK host closing connection\r\n"


def test_silence_before_the_login_ends_the_connection_without_a_word() -> None:
    patience = Patience(login_seconds=0.05)
    with Server(patience=patience) as hasty, greeted(hasty) as talk:
        assert talk.rest() == b""


def test_silence_after_the_login_ends_the_session_without_update() -> None:
    patience = Patience(idle_seconds=0.3)
    with Server(patience=patience, shared=True) as hasty:
        with greeted(hasty) as talk:
            talk.log_in()
            talk.say(b"DELE 1")
            assert talk.rest() == b""
        with greeted(hasty) as talk:
            talk.log_in()
            assert talk.say(b"STAT") == b"+OK 3 6183"


def test_a_handshake_that_nobody_begins_is_given_up() -> None:
    patience = Patience(handshake_seconds=0.05)
    with Server(patience=patience, tls_port=0) as hasty:
        with connected(hasty, hasty.tls_port) as talk:
            assert talk.rest() == b""
        with greeted(hasty) as talk:
            talk.say(b"STLS")
            assert talk.rest() == b""


def test_too_many_connections_are_turned_away() -> None:
    with (
        Server(persona="plain", patience=Patience(connections=1)) as small,
        greeted(small),
        connected(small) as second,
    ):
        assert second.rest().startswith(b"-ERR [SYS/TEMP] too many connections")


def test_a_client_that_does_not_read_holds_nobody_up(tmp_path: Path) -> None:
    megabytes = 40
    (tmp_path / "1.eml").write_bytes((b"x" * 62 + b"\r\n") * (megabytes * 16384))
    with Server(maildrop=tmp_path) as server, greeted(server) as slow:
        slow.log_in()
        slow.sock.sendall(b"RETR 1\r\nSTAT\r\n")
        with greeted(server) as quick:
            quick.log_in()
            assert quick.say(b"STAT") == b"+OK 1 %d" % (megabytes << 20)
        assert slow.line() == b"+OK message follows"
        left = (megabytes << 20) + len(b".\r\n")
        while left:
            left -= len(slow.file.read1(min(left, 1 << 20)))
        assert slow.line() == b"+OK 1 %d" % (megabytes << 20)


def test_a_maildrop_that_breaks_cuts_the_connection_and_nobody_else_s(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(self: object, number: int) -> Iterator[bytes]:
        yield b"half a message"
        raise OSError("disk")

    monkeypatch.setattr("poptalk.practice.maildrop.snapshot.Snapshot.chunks", broken)
    with Server() as server:
        with greeted(server) as talk:
            talk.log_in()
            talk.sock.sendall(b"RETR 1\r\n")
            assert not talk.rest().endswith(b"\r\n.\r\n")
        with greeted(server) as other:
            assert other.log_in().startswith(b"+OK")


def test_leaving_the_server_ends_every_connection_and_takes_the_ca_file_away() -> None:
    threaded = Server()
    with threaded as server, greeted(server) as talk:
        ca_file = Path(server.ca_file)
        assert ca_file.read_text().startswith("-----BEGIN CERTIFICATE-----")
        threaded.__exit__(None, None, None)
        assert talk.rest() == b""
        assert not ca_file.exists()


def test_a_port_that_is_taken_is_an_oserror(server: Server) -> None:
    with pytest.raises(OSError, match="in use"), Server(port=server.port):
        raise AssertionError("the port was taken twice")


async def test_within_asyncio() -> None:
    import asyncio

    async with Server() as server:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        assert (await reader.readline()).startswith(b"+OK")
        writer.write(b"QUIT\r\n")
        assert await reader.read() == b"+OK host closing connection\r\n"
        writer.close()
        await writer.wait_closed()
