"""Names, addresses, and the sentences about those that do not answer."""

from __future__ import annotations

import errno
import socket
import threading
import time
from typing import Any

import pytest

from poptalk.net.dial import Address, Deadline, connect_failed, dial, host_name
from poptalk.net.endpoint import Target, is_loopback
from poptalk.net.errors import ConnectFailed
from tests.servers.recording import RecordingServer

V4 = Address(family=socket.AF_INET, sockaddr=("127.0.0.1", 110))
V6 = Address(family=socket.AF_INET6, sockaddr=("::1", 110, 0, 0))


def failure(host: str, port: int = 110, *, family: int = 0, timeout: float = 5) -> str:
    with pytest.raises(ConnectFailed) as caught:
        dial(Target(host=host, port=port, family=family), timeout=timeout)
    return str(caught.value)


def answer(monkeypatch: pytest.MonkeyPatch, *found: tuple[int, tuple[Any, ...]]) -> None:
    """Make every name stand for these addresses."""
    real = socket.getaddrinfo

    def getaddrinfo(host: bytes, port: int, *rest: int) -> list[Any]:
        if rest[-1] & socket.AI_NUMERICHOST:
            return real(host, port, *rest)
        return [
            (family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", address)
            for family, address in found
        ]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_name_and_an_address_connect(host: str) -> None:
    with (
        RecordingServer() as server,
        dial(Target(host=host, port=server.port, family=socket.AF_INET), timeout=5) as sock,
    ):
        assert sock.getpeername() == ("127.0.0.1", server.port)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.gettimeout() is None


@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_an_ipv6_address_connects_with_brackets_and_without(host: str, ipv6: str) -> None:
    with (
        RecordingServer(host=ipv6) as server,
        dial(Target(host=host, port=server.port), timeout=5) as sock,
    ):
        assert sock.family == socket.AF_INET6


def test_a_refused_port_says_so(refused_port: int) -> None:
    assert failure("127.0.0.1", refused_port) == (
        f"127.0.0.1 port {refused_port} refused the connection: nothing listens there. "
        "Is the port right? POP3 is 110, POP3 over TLS is 995."
    )


def test_the_next_address_is_tried(monkeypatch: pytest.MonkeyPatch, refused_port: int) -> None:
    with RecordingServer() as server:
        answer(
            monkeypatch,
            (socket.AF_INET, ("127.0.0.1", refused_port)),
            (socket.AF_INET, ("127.0.0.1", server.port)),
        )
        with dial(Target(host="mail.example.org", port=110), timeout=5) as sock:
            assert sock.getpeername()[1] == server.port


def test_a_failure_names_every_address(monkeypatch: pytest.MonkeyPatch, refused_port: int) -> None:
    answer(
        monkeypatch,
        (socket.AF_INET, ("127.0.0.1", refused_port)),
        (socket.AF_INET, ("127.0.0.2", refused_port)),
        (socket.AF_INET, ("127.0.0.1", refused_port)),
    )
    assert failure("mail.example.org").startswith(
        "mail.example.org port 110 cannot be reached: 127.0.0.1 refused the connection, "
        "127.0.0.2 refused the connection: nothing listens there."
    )


def test_reasons_of_several_kinds_stand_side_by_side() -> None:
    target = Target(host="mail.example.org", port=110)
    unreachable = OSError(errno.ENETUNREACH, "Network is unreachable")
    failed = connect_failed(target, [(V6, unreachable), (V4, TimeoutError())], timeout=7)
    assert str(failed).startswith(
        "mail.example.org port 110 cannot be reached: ::1 is out of reach (network is "
        "unreachable), 127.0.0.1 did not answer: it is down, or a firewall"
    )


def test_one_address_that_does_not_answer() -> None:
    failed = connect_failed(Target(host="127.0.0.1", port=110), [(V4, TimeoutError())], timeout=7.5)
    assert str(failed).startswith(
        "127.0.0.1 port 110 did not answer within 7.5 s: it is down, or a firewall"
    )


@pytest.mark.parametrize(
    ("code", "advice"),
    [(errno.EHOSTUNREACH, "there is no route to it"), (errno.EPERM, "a local firewall")],
)
def test_one_address_that_is_out_of_reach(code: int, advice: str) -> None:
    target = Target(host="mail.example.org", port=110)
    error = OSError(code, "Whatever the system says")
    sentence = str(connect_failed(target, [(V4, error)], timeout=None))
    assert sentence.startswith("mail.example.org port 110 (address 127.0.0.1) is out of reach (")
    assert advice in sentence


@pytest.mark.parametrize(
    ("host", "says"),
    [
        ("", "The host is empty"),
        ("a..b", "between two dots there are 1 to 63"),
        ("x" * 64, "between two dots there are 1 to 63"),
        (".".join(["x" * 60] * 5), "at most 253"),
        ("two words", "isn't a host name"),
        ("bob@example.org", "isn't a host name"),
        ("nul\0", "isn't a host name"),
        ("\udc80", "isn't a host name"),
        ("b\u00fccher..example", "international domain name"),
    ],
)
def test_a_malformed_host_is_a_sentence(host: str, says: str) -> None:
    sentence = failure(host)
    assert says in sentence
    assert sentence.isprintable()


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("stra\u00dfe.de", b"xn--strae-oqa.de"),
        ("\u03b2\u03cc\u03bb\u03bf\u03c2.com", b"xn--nxasmm1c.com"),
        ("B\u00fccher.example", b"xn--bcher-kva.example"),
        ("Mail.Example.org", b"Mail.Example.org"),
    ],
)
def test_an_international_name_goes_by_idna_2008(host: str, name: bytes) -> None:
    assert host_name(Target(host=host, port=110)) == name


@pytest.mark.parametrize("port", [-1, 0, 65536, 10**20])
def test_a_port_out_of_range_is_a_sentence(port: int) -> None:
    assert failure("localhost", port).startswith(f"There is no port {port}: ")


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (socket.EAI_NONAME, "No host named mail.example.org is known here"),
        (socket.EAI_AGAIN, "cannot be looked up now (temporary"),
    ],
)
def test_a_name_that_is_not_found(monkeypatch: pytest.MonkeyPatch, code: int, says: str) -> None:
    def getaddrinfo(_host: bytes, _port: int, *rest: int) -> list[Any]:
        numeric = rest[-1] & socket.AI_NUMERICHOST
        raise socket.gaierror(socket.EAI_NONAME if numeric else code, "Temporary or not")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert says in failure("mail.example.org")


def test_an_address_of_the_other_family() -> None:
    sentence = failure("127.0.0.1", family=socket.AF_INET6)
    assert sentence.startswith("127.0.0.1 has no IPv6 address")
    assert "-4" in sentence


def test_a_name_service_that_hangs_is_left_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()

    def getaddrinfo(_host: bytes, _port: int, *rest: int) -> list[Any]:
        if not rest[-1] & socket.AI_NUMERICHOST:
            released.wait(30)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    begin = time.monotonic()
    try:
        assert "the name service does not answer" in failure("mail.example.org", timeout=0.05)
    finally:
        released.set()
    assert time.monotonic() - begin < 5


def test_a_silent_address_leaves_time_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[float | None] = []

    class SilentSocket(socket.socket):
        def connect(self, address: Any, /) -> None:
            given.append(self.gettimeout())
            raise TimeoutError

    answer(monkeypatch, (socket.AF_INET, ("192.0.2.1", 110)), (socket.AF_INET, ("192.0.2.2", 110)))
    monkeypatch.setattr(socket, "socket", SilentSocket)
    assert "192.0.2.1 did not answer, 192.0.2.2 did not answer:" in failure("x", timeout=60)
    first, second = given
    assert first is not None
    assert second is not None
    assert first <= 30 < second


def test_a_deadline_never_means_not_to_block() -> None:
    assert Deadline(None).left() is None
    assert Deadline(None).share(3) is None
    left = Deadline(-1).left()
    assert left is not None
    assert left > 0


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "LOCALHOST.", "a.localhost", "127.0.0.1", "127.9.8.7"),
        *("::1", "[::1]", "::ffff:127.0.0.1", "::1%lo"),
    ],
)
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        *("", "localhost.example.org", "mylocalhost", "127.0.0.1.example.org", "\0", "\udc80"),
        *("128.0.0.1", "0.0.0.0", "::2", "::", "7f::", "::ffff:192.0.2.1"),
    ],
)
def test_not_loopback(host: str) -> None:
    assert not is_loopback(host)
