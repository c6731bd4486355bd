"""Every fault, and a client that stumbles over it as the listing says.

The table `STUMBLES` has a row for each: the fault, the client, and what is seen.  What a client that
waits in vain sees is its own time-out, behind which nothing is measured: it may be as long as it likes.
"""

from __future__ import annotations

import poplib
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from poptalk.pop3.client import ClientSession
from poptalk.pop3.events import Violation, ViolationKind
from poptalk.practice.faults.plan import FAULTS
from poptalk.practice.server import Server
from tests.practice.talking import SECONDS, connected

PATIENCE = 0.3
"""Seconds that a client waits for what never comes."""

LETTERS = (
    b"Subject: dots\r\n\r\nbefore\r\n.\r\nafter\r\n",
    b"Subject: two\r\n\r\nsecond\r\n",
)

BODY = LETTERS[0].removesuffix(b"\r\n").split(b"\r\n")

DOT_LINE = LETTERS[0].index(b".\r\n")

HANGS = "it waits in vain"
"""What is seen of a client that runs into its time-out."""


@pytest.fixture(scope="module")
def maildrop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("maildrop")
    for number, letter in enumerate(LETTERS, 1):
        (folder / f"{number}.eml").write_bytes(letter)
    return folder


@contextmanager
def serving(maildrop: Path, *faults: str, shared: bool = False) -> Iterator[Server]:
    server = Server(
        persona="plain",
        maildrop=maildrop,
        shared=shared,
        tls_port=0,
        faults=faults,
        fault_seed=7,
        timestamp=lambda: b"<1.2@practice.invalid>",
    )
    with server as running:
        yield running


@pytest.fixture(autouse=True)
def _close_what_clients_leave_open(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close their connections: poplib forgets its own when it does not like the greeting."""
    left: list[socket.socket] = []
    connect = socket.create_connection

    def remember(*arguments: Any, **options: Any) -> socket.socket:
        left.append(connect(*arguments, **options))
        return left[-1]

    monkeypatch.setattr(socket, "create_connection", remember)
    yield
    for sock in left:
        sock.close()


# Clients: each does one thing and returns what it sees.


def opened(server: Server, *, patience: float = SECONDS) -> poplib.POP3:
    return poplib.POP3(server.host, server.port, timeout=patience)


def logged_in(server: Server, *, name: str = "bob", patience: float = SECONDS) -> poplib.POP3:
    client = opened(server, patience=patience)
    client.user(name)
    client.pass_({"bob": "jones", "mrose": "tanstaaf"}[name])
    return client


def seen(action: Callable[[], Any]) -> Any:
    """Return what an action returns, or what poplib says went wrong."""
    try:
        return action()
    except TimeoutError:
        return HANGS
    except (poplib.error_proto, OSError, ValueError, IndexError) as error:
        return f"{type(error).__name__}: {error}"


def fetches(server: Server) -> Any:
    """Fetch message 1, then see whether the next command is answered."""
    client = logged_in(server)
    return client.retr(1)[1], seen(client.noop)


def previews(server: Server) -> Any:
    client = logged_in(server)
    whole = client.retr(1)[1]
    return whole == BODY, client.top(1, 99)[1]


def waits(action: Callable[[poplib.POP3], Any]) -> Callable[[Server], Any]:
    """Do something after the login, with little patience."""
    return lambda server: seen(lambda: action(logged_in(server, patience=PATIENCE)))


def does(action: Callable[[poplib.POP3], Any]) -> Callable[[Server], Any]:
    """Do something after the login."""
    return lambda server: seen(lambda: action(logged_in(server)))


def counts(server: Server) -> Any:
    """Compare the size announced with the octets that came, as poplib counts them."""
    client = logged_in(server)
    return client.retr(2)[2] - announced_size(client)


def announced_size(client: poplib.POP3) -> int:
    listing: Any = client.list(2)  # octets, whatever the type stubs say
    return int(listing.split()[2])


def asks_for_one_size(server: Server) -> Any:
    client = logged_in(server)
    size = seen(lambda: announced_size(client))
    return size, seen(client.noop)


def looks_again_later(server: Server) -> Any:
    """Fetch and delete message 1, and look the next day for what was not seen yet."""
    client = logged_in(server)
    known = client.uidl()[1][0].split()[1]
    client.dele(1)
    client.quit()
    again = logged_in(server)
    return [line.split()[1] == known for line in again.uidl()[1]], again.retr(1)[1][0]


def asks_twice_for_capabilities(server: Server) -> Any:
    before = set(opened(server).capa())
    after = set(logged_in(server).capa())
    return sorted(after - before), sorted(before - after & before - {"STLS"})


def tries_a_wrong_password(server: Server) -> Any:
    client = opened(server)
    client.user("bob")
    return seen(lambda: client.pass_("sesame"))


def greeting(server: Server) -> Any:
    return seen(lambda: opened(server, patience=PATIENCE).getwelcome())


def tries_apop(server: Server) -> Any:
    return seen(lambda: opened(server).apop("bob", "jones"))


def logs_in(server: Server) -> Any:
    return seen(lambda: logged_in(server) and "in")


def logs_in_twice(server: Server) -> Any:
    return logs_in(server), logs_in(server)


def logs_in_after_stls(server: Server) -> Any:
    context = ssl.create_default_context(cafile=server.ca_file)
    client = opened(server)
    before = "USER" in client.capa()
    client.stls(context)
    after = "USER" in client.capa()
    client.user("bob")
    answer = seen(lambda: client.pass_("jones")[:3])
    client.quit()
    return before, after, answer


def switches_to_tls(server: Server) -> Any:
    context = ssl.create_default_context(cafile=server.ca_file)
    client = opened(server)
    return "STLS" in client.capa(), seen(lambda: client.stls(context))


def opens_in_tls(server: Server) -> Any:
    context = ssl.create_default_context(cafile=server.ca_file)
    port = server.tls_port or 0
    return seen(lambda: poplib.POP3_SSL(server.host, port, timeout=SECONDS, context=context))


def poptalk_core_switches_to_tls(server: Server) -> Any:
    """Return what poptalk's own client core finds odd about the answer to STLS."""
    session = ClientSession()
    with connected(server) as talk:
        session.receive_data(talk.line() + b"\r\n")
        session.send(b"STLS\r\n")
        talk.sock.sendall(b"STLS\r\n")
        events = session.receive_data(talk.sock.recv(4096))
    return [event.kind for event in events if isinstance(event, Violation)]


def has_a_command_put_in_front_of_its_first(server: Server) -> Any:
    """Return what is answered inside TLS although nothing was asked there."""
    context = ssl.create_default_context(cafile=server.ca_file)
    with connected(server) as talk:
        talk.line()
        talk.sock.sendall(b"STLS\r\nUSER mallory\r\n")
        talk.line()
        with context.wrap_socket(talk.sock, server_hostname=server.host) as inside:
            return inside.recv(4096)


def first_segment(server: Server) -> Any:
    """Take the first segment for the greeting, as a careless client does."""
    with socket.create_connection((server.host, server.port), timeout=SECONDS) as sock:
        return sock.recv(4096)


def curl(
    *options: str, letter: int = 1, patience: float = SECONDS
) -> Callable[[Server], tuple[int, bytes, bytes]]:
    """Fetch a message with curl; return its exit code and its two streams."""

    def run(server: Server) -> tuple[int, bytes, bytes]:
        done = subprocess.run(
            ["curl", "--silent", "--show-error", "--noproxy", "*", "--user", "bob:jones",
             "--max-time", str(patience), "--cacert", server.ca_file, *options,
             f"pop3://{server.host}:{server.port}/{letter}"],
            capture_output=True, timeout=2 * SECONDS, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout, done.stderr

    return run


def of_curl(
    *options: str, letter: int = 1, patience: float = SECONDS
) -> Callable[[Server], tuple[int, bytes]]:
    """Do the same; return the exit code and the message."""
    return lambda server: curl(*options, letter=letter, patience=patience)(server)[:2]


CURL_HANGS, CURL_NO_TLS, CURL_BAD_CERTIFICATE = 28, 64, 60
CURL_ODD_REPLY, CURL_RECEIVE_ERROR = 8, 56


class Matching:
    """Equal to every text in which a pattern is found."""

    def __init__(self, pattern: str | bytes) -> None:
        self.pattern = pattern

    def __eq__(self, other: object) -> bool:
        if isinstance(self.pattern, bytes):
            return isinstance(other, bytes) and bool(re.search(self.pattern, other))
        return isinstance(other, str) and bool(re.search(self.pattern, other))

    def __hash__(self) -> int:
        return hash(self.pattern)

    def __repr__(self) -> str:
        return f"text with {self.pattern!r}"


SHORTENED = ([b"Subject: dots", b"", b"before"], Matching("error_proto: .*after"))
"""The end of the message is taken for the next reply."""

STUMBLES: list[tuple[str, Callable[[Server], Any], Any]] = [
    ("no-dot-stuffing", fetches, SHORTENED),
    ("top-no-dot-stuffing", previews, (True, [b"Subject: dots", b"", b"before"])),
    (f"chunk-no-dot-stuffing:{DOT_LINE}", fetches, SHORTENED),
    ("bare-lf", fetches, SHORTENED),
    ("bare-lf", of_curl(letter=2, patience=1), (CURL_HANGS, Matching(rb"two\n\nsecond\n"))),
    ("no-final-dot", waits(lambda client: client.retr(1)), HANGS),
    ("no-final-dot", of_curl(patience=1), (CURL_HANGS, Matching(rb"after"))),
    ("no-final-dot:UIDL", waits(lambda client: client.uidl()), HANGS),
    ("extra-line", counts, 2),
    ("uidl-spaces", does(lambda client: client.uidl()[1][0].split(b" ")[:2]), [b"1", b""]),
    ("wrong-octets", counts, 2),
    ("wrong-octets:100", counts, -100),
    ("long-line", does(lambda client: client.retr(1)), "error_proto: line too long"),
    ("escape-mail", of_curl(), (0, Matching(rb"\x1b\[2J"))),
    (
        "list-ignores-argument",
        asks_for_one_size,
        (Matching("ValueError: .*messages"), Matching("error_proto: .*1 35")),
    ),
    ("uidl-without-number", does(lambda client: client.uidl(2).split()[2]), Matching("IndexError")),
    ("capa-changes-after-login", asks_twice_for_capabilities, (["TOP", "UIDL"], ["SASL", "USER"])),
    ("escape-greeting", greeting, Matching(rb"\x1b\[31")),
    ("greeting-err", greeting, Matching("error_proto: b'-ERR POP3 server ready")),
    ("greeting-bare", tries_apop, Matching("error_proto: -ERR APOP not supported by server")),
    ("echo-password", tries_a_wrong_password, Matching('error_proto: .*you sent "sesame"')),
    ("plus-err", tries_a_wrong_password, Matching(rb"^\+ERR ")),
    ("lower-case-status", of_curl(), (CURL_ODD_REPLY, b"")),
    ("double-reply", tries_a_wrong_password, Matching(rb"^\+OK ")),
    ("late-reply", waits(lambda client: client.stat()), HANGS),
    ("locked", logs_in, Matching(r"error_proto: b'-ERR \[IN-USE\]")),
    ("app-password", logs_in, Matching("error_proto: .*Application-specific password required")),
    ("token-only", logs_in, Matching("error_proto: .*unknown user name or bad password")),
    ("cleartext-refused", logs_in, Matching("error_proto: .*Cleartext authentication disallowed")),
    ("cleartext-refused", logs_in_after_stls, (False, True, b"+OK")),
    ("locked:unsaid", logs_in, Matching("error_proto: .*invalid password")),
    ("login-delay", logs_in_twice, ("in", Matching(r"error_proto: b'-ERR \[LOGIN-DELAY\]"))),
    ("stls-injection", of_curl("--ssl-reqd"), (CURL_ODD_REPLY, b"")),
    ("stls-injection", poptalk_core_switches_to_tls, [ViolationKind.RESPONSE_INJECTION]),
    (
        "stls-executes-residue",
        has_a_command_put_in_front_of_its_first,
        Matching(rb"^\+OK .*mallory"),
    ),
    ("stls-refused", switches_to_tls, (True, Matching("error_proto: b'-ERR "))),
    ("stls-refused", of_curl("--ssl"), (0, LETTERS[0])),  # in clear
    ("stls-stripped", of_curl("--ssl"), (0, LETTERS[0])),  # in clear
    ("stls-stripped", of_curl("--ssl-reqd"), (CURL_NO_TLS, b"")),
    ("bad-certificate", switches_to_tls, (True, Matching("self-signed certificate "))),
    ("bad-certificate:self-signed", opens_in_tls, Matching("self-signed certificate ")),
    ("bad-certificate:no-intermediate", opens_in_tls, Matching("unable to get local issuer")),
    ("bad-certificate:expired", opens_in_tls, Matching("certificate has expired")),
    ("bad-certificate:wrong-host", opens_in_tls, Matching("IP address mismatch")),
    ("bad-certificate:expired", of_curl("--ssl-reqd"), (CURL_BAD_CERTIFICATE, b"")),
    ("split-terminator:3600s", waits(lambda client: client.retr(2)), HANGS),
    ("drip:3600s", first_segment, Matching(rb"\A[^\n]{1,16}\Z")),
    ("slow:3600s", greeting, HANGS),
    ("stall:150", waits(lambda client: client.retr(1)), HANGS),
    ("drop-after:150", does(lambda client: client.retr(1)), "error_proto: -ERR EOF"),
    ("reset:60", of_curl(), (CURL_RECEIVE_ERROR, b"")),
]
"""The fault, the client, and what is seen."""


@pytest.mark.parametrize(
    ("fault", "client", "sight"),
    STUMBLES,
    ids=[f"{number}-{fault}" for number, (fault, _, _) in enumerate(STUMBLES)],
)
def test_a_client_stumbles_as_the_listing_says(
    maildrop: Path, fault: str, client: Callable[[Server], Any], sight: Any
) -> None:
    if "curl" in client.__qualname__ and shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    with serving(maildrop, fault) as server:
        assert client(server) == sight


def test_a_reused_unique_id_hides_a_letter(maildrop: Path) -> None:
    with serving(maildrop, "uidl-reused", shared=True) as server:
        assert looks_again_later(server) == ([True], b"Subject: two")
    with serving(maildrop, shared=True) as server:
        assert looks_again_later(server) == ([False], b"Subject: two")


def test_no_fault_is_missing_here() -> None:
    shown = {fault.partition(":")[0] for fault, _, _ in STUMBLES} | {"uidl-reused"}
    assert shown == set(FAULTS)
