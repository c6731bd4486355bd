"""Mail programs fetch what they fetch without a tap, from real servers, however TLS comes."""

from __future__ import annotations

import poplib
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from poptalk.net.endpoint import Destination
from poptalk.pop3.events import ViolationKind
from tests.servers.dovecot import Dovecot
from tests.servers.mail_programs import CLIENTS, Errand, Way
from tests.servers.unprivileged import MAILUTILS, SOLID, Program, start
from tests.tap.running import RunningTap


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """What a mail program sees of a tap."""

    host: str
    port: int
    tls_port: int | None
    ca_file: str


@contextmanager
def tapped(destination: Destination, folder: Path) -> Iterator[tuple[RunningTap, Front]]:
    """Run a tap in front of a server."""
    with RunningTap(destination) as tap:
        authority = str(tap.write_ca(folder))
        yield tap, Front(host=tap.host, port=tap.port, tls_port=tap.tls_port, ca_file=authority)


def messages(port: int) -> list[bytes]:
    """Fetch all messages of a server without a tap, twice: mailutils notes the first time in them."""
    _messages(port)
    return _messages(port)


def _messages(port: int) -> list[bytes]:
    client = poplib.POP3("127.0.0.1", port, timeout=20)
    client.user("bob")
    client.pass_("jones")
    count = len(client.uidl()[1])
    found = [client.retr(number + 1)[1] for number in range(count)]
    client.quit()
    return [b"".join(line + b"\r\n" for line in lines) for lines in found]


def fetch(name: str, front: Front, way: Way, wanted: list[bytes], folder: Path) -> str:
    """Have a program fetch all messages; return what is wrong, nothing where all is well."""
    program = CLIENTS[name]
    if shutil.which(program.program) is None:
        return ""
    folder.mkdir()
    errand = Errand(server=front, way=way, folder=folder, count=len(wanted))
    fetched = sorted(map(program.undo, program.fetch(errand)))
    # mailutils sends fields of its own, of the kind that mutt adds and `undo` takes away.
    stored = sorted(program.undo(program.stores(message)) for message in wanted)
    return "" if fetched == stored else f"{name}: {fetched!r}, not {stored!r}"


WITHOUT = {"openssl"}
"""It is made for the texts of the practice server."""

WITHOUT_APOP = {"curl"}
"""It insists on APOP where the greeting has a timestamp, also where no secret is kept for that."""


def fetch_with_all(
    front: Front,
    way: Way,
    wanted: list[bytes],
    folder: Path,
    *,
    at_once: int,
    without: set[str] = WITHOUT,
) -> None:
    """Send all programs that know a way; servers that lock the maildrop have them one by one."""
    names = [name for name in CLIENTS if way in CLIENTS[name].ways and name not in without]
    with ThreadPoolExecutor(at_once) as pool:
        wrong = pool.map(
            lambda name: fetch(name, front, way, wanted, folder / name), names, timeout=60
        )
        assert not list(filter(None, wrong))


WAYS = {
    "clear to clear": (Way.CLEAR, False),
    "STLS to STLS": (Way.STLS, False),
    "TLS to TLS": (Way.TLS, True),
    "clear to TLS": (Way.CLEAR, True),
    "STLS to TLS": (Way.STLS, True),
    "TLS to clear": (Way.TLS, False),
}


@pytest.mark.parametrize("name", WAYS)
def test_dovecot(dovecot: Dovecot, name: str, tmp_path: Path) -> None:
    way, tls = WAYS[name]
    destination = Destination(
        host=dovecot.host,
        port=dovecot.tls_port if tls else dovecot.port,
        tls=tls,
        ca_file=str(dovecot.ca_file),
    )
    wanted = messages(dovecot.port)
    assert len(wanted) == 3
    with tapped(destination, tmp_path) as (tap, front):
        fetch_with_all(front, way, wanted, tmp_path, at_once=3)
    assert "jones" not in tap.shown
    # Dovecot's CAPA has neither USER nor SASL after the login (RFC 2449 §5 wants them in both states).
    assert set(tap.tap.totals.violations) <= {ViolationKind.CAPABILITIES_DIFFER}, tap.shown
    assert tap.tap.totals.messages >= 3 * 4


@pytest.fixture(scope="module", params=[MAILUTILS, SOLID], ids=["mailutils", "solid"])
def other(request: pytest.FixtureRequest, article_maildrop: Path) -> Iterator[Destination]:
    program: Program = request.param
    if reason := program.missing():
        pytest.skip(reason)
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="poptalk-tap-"))
        running = stack.enter_context(start(program, article_maildrop, Path(folder)))
        yield Destination(host=running.host, port=running.port, ca_file=str(running.ca_file))


@pytest.mark.parametrize("way", [Way.CLEAR, Way.STLS, Way.TLS], ids=lambda way: way.name)
def test_other_servers(
    other: Destination, way: Way, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if way is Way.STLS and "solid" in request.node.name:
        pytest.skip("it has no STLS")
    wanted = messages(other.port)
    with tapped(other, tmp_path) as (tap, front):
        fetch_with_all(front, way, wanted, tmp_path, at_once=1, without=WITHOUT | WITHOUT_APOP)
    assert "jones" not in tap.shown
