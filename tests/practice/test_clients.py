"""Mail programs that are not ours fetch every message, octet for octet: in clear, by STLS, in TLS.

What each one changes stands in `tests.servers.mail_programs`, and nothing else may differ.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from poptalk.practice.server import Server
from tests.practice.maildrop.letters import LETTERS, attachment, write_eml
from tests.servers.mail_programs import CLIENTS, SECONDS, Errand, Way


def with_header(letter: bytes, *, line_end: bytes) -> bytes:
    """Return a letter that begins with a header, because programs that read mail make one up otherwise.

    Dots at powers of two stay where they are: there the first line becomes the header.
    """
    if not letter or letter.startswith(b"Subject:"):
        return letter
    first, _, rest = letter.partition(line_end)
    if not first.startswith(b"yy"):
        return b"Subject: letter" + 2 * line_end + letter
    subject = b"Subject: ".ljust(len(first) - len(b"\r\n"), b"y")
    return subject + 2 * line_end + rest


def stored_and_travelling() -> dict[str, tuple[bytes, bytes]]:
    """Return every letter by name, as it is stored and as it travels."""
    letters = {}
    for name, (stored, travelling) in {**LETTERS, "attachment": attachment()}.items():
        line_end = b"\r\n" if b"\r\n" in stored else b"\n"
        letters[name] = (
            with_header(stored, line_end=line_end),
            with_header(travelling, line_end=b"\r\n"),
        )
    return letters


@pytest.fixture(scope="module")
def letters() -> dict[str, tuple[bytes, bytes]]:
    return stored_and_travelling()


@pytest.fixture(scope="module")
def server(
    letters: dict[str, tuple[bytes, bytes]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("clients") / "maildrop"
    write_eml(folder, (stored for stored, _ in letters.values()))
    with Server(maildrop=folder, tls_port=0, record=True) as running:
        yield running


@pytest.mark.parametrize(
    ("name", "way"),
    [
        pytest.param(name, way, id=f"{name}-{way.value.replace(' ', '-')}")
        for name, client in CLIENTS.items()
        for way in Way
        if way in client.ways
    ],
)
def test_every_message_octet_for_octet(
    name: str,
    way: Way,
    server: Server,
    letters: dict[str, tuple[bytes, bytes]],
    tmp_path: Path,
) -> None:
    client = CLIENTS[name]
    if shutil.which(client.program) is None:
        pytest.skip(f"{client.program} is not installed")
    before = len(server.sessions)
    errand = Errand(server=server, way=way, folder=tmp_path, count=len(letters))
    fetched = sorted(map(client.undo, client.fetch(errand)), key=len)
    for letter, (_, travelling) in letters.items():
        if letter not in client.leaves_out:
            wanted = client.stores(travelling)
            # Not `in fetched`, whose failure would print forty megabytes.
            assert any(wanted == one for one in fetched), f"{letter} is missing or changed"
            fetched.remove(wanted)
    left = [one[:200] for one in fetched]
    assert len(left) <= len(client.leaves_out), left
    sessions = server.sessions[before:]
    assert all(session.tls is (way is not Way.CLEAR) for session in sessions if session.user)
    assert any(session.user == "bob" for session in sessions)


@pytest.mark.skipif(shutil.which("nmap") is None, reason="nmap is not installed")
def test_nmap_sees_the_capabilities(server: Server) -> None:
    # In clear alone: in TLS it waits ten seconds for a greeting before it tries a handshake.
    done = subprocess.run(
        ["nmap", "-Pn", "-p", str(server.port), "--script", "+pop3-capabilities", server.host],
        capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    found = re.search(r"pop3-capabilities: (.*)", done.stdout)
    assert found is not None, done.stdout + done.stderr
    assert set(found[1].split()) == {"TOP", "UIDL", "USER", "STLS"}
