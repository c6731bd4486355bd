"""No export of a session holds a secret, whatever the login: not as it was sent, and in no encoding."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from poptalk.export import FORMATS
from poptalk.export.export import WRITERS, page_of_file, page_of_session
from poptalk.net.endpoint import Destination
from poptalk.pop3.commands import State
from poptalk.pop3.events import Challenge, Event, Reply, Sent
from poptalk.practice.accounts import Account
from poptalk.practice.server import Server
from poptalk.transcript.octets import text_of as octets_as_text
from poptalk.transcript.writer import DialogueWriter
from tests.export.documents import text_of
from tests.shell.shells import live

PASSWORD, TOKEN = "S3cr&t<b>~7", "ya29.A-t0ken_of-Bobs"
MECHANISMS = (
    *("USER", "APOP", "PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"),
    *("XOAUTH2", "OAUTHBEARER"),
)
READABLE = ("USER", "PLAIN", "LOGIN")
"""Those in which the password itself is sent."""


def encodings(secret: bytes) -> Iterator[bytes]:
    """Give a secret in the encodings that are usual."""
    yield secret
    yield from (secret.hex().encode(), secret.hex().upper().encode())
    yield quote(secret, safe="").encode()
    # In base64 among other octets, where the first and the last characters depend on those.
    for shift in range(3):
        yield base64.b64encode(bytes(shift) + secret)[4 * (shift > 0) : -4]


def readings(name: str, content: str) -> Iterator[bytes]:
    """Give the ways to read a document: with and without line ends, and its base64 undone."""
    for text in (content, text_of(name, content)):
        yield text.encode()
        yield re.sub(r"\s", "", text).encode()
        for word in re.findall(r"[A-Za-z0-9+/]{8,}", text):
            yield base64.b64decode(word[: len(word) // 4 * 4])


def found_in(name: str, content: str, secrets: set[bytes]) -> set[bytes]:
    """Return the secrets that a document holds."""
    text = b"\0".join(readings(name, content))
    return {each for each in secrets if any(form in text for form in encodings(each))}


class Eavesdropper:
    """What crossed the wire, with everything in it, as a dialogue."""

    def __init__(self, greeting: bytes) -> None:
        self.secrets = {PASSWORD.encode(), TOKEN.encode()}
        self.lines: list[str] = []
        self._writer = DialogueWriter(self.lines.append)
        self._writer.received(greeting)

    def __call__(self, event: Event) -> None:
        match event:
            case Sent():
                self._writer.client(octets_as_text(event.line))
                if event.secret is not None:
                    self._keep(event.line[event.secret.start : event.secret.stop])
            case Challenge() | Reply():
                line = event.status_line.line
                self._writer.received(line)
                if b"v=" in _decoded(event.status_line.text):
                    self._keep(event.status_line.text)

    def _keep(self, secret: bytes) -> None:
        """Keep what must not be seen: proofs and signatures too, on which passwords can be tried."""
        decoded = _decoded(secret)
        if decoded != b"bob" and not decoded.startswith(b"n,,"):  # names and nonces alone
            self.secrets.add(secret)
            parts = re.split(rb"[,\0 ]", decoded)
            self.secrets |= {part for part in parts if part[:2] in (b"p=", b"v=")}


def _decoded(text: bytes) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return b""


@pytest.mark.parametrize("mechanism", MECHANISMS)
async def test_no_secret_in_any_export(
    mechanism: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_token = "AUTH" in mechanism
    monkeypatch.setenv("POPTALK_PASSWORD", TOKEN if is_token else PASSWORD)
    account = Account(name="bob", password=PASSWORD)
    with Server(persona="plain", token=TOKEN, accounts=[account], faults="echo-password") as server:
        assert server.port is not None
        way = Destination(host=server.host, port=server.port)
        async with live(way, columns=200) as shell:
            session = shell.shell.session
            spy = Eavesdropper(session.exchanges.greeting)
            session.listeners.append(spy)
            await shell.enter(f":login bob {mechanism}")
            await shell.until(lambda: session.core.state is State.TRANSACTION)
            await shell.ask("STAT")
            await shell.enter(f":log {tmp_path / 'log.pop3'}", until="log.pop3")
            await shell.enter(f":log --jsonl {tmp_path / 'log.jsonl'}", until="log.jsonl")
            await shell.enter(f":export {tmp_path / 'session.html'}", until="is written")
            assert session.record is not None
            kept = page_of_session(session.record.text(), title="A session", explain=True)
    raw = "".join(spy.lines)
    assert found_in("raw.txt", raw, spy.secrets), "the dialogue itself is full of secrets"
    comment = f"# the password is {PASSWORD}\n" if mechanism in READABLE else ""
    (tmp_path / "raw.txt").write_text(comment + raw)
    page = page_of_file(str(tmp_path / "raw.txt"), explain=True)
    pages = {"raw": page, "kept": kept}
    written = {f"{n}.{end}": WRITERS[end](pages[n]) for n in pages for end in FORMATS}
    written |= {path.name: path.read_text() for path in tmp_path.iterdir() if path.stem != "raw"}
    assert len(written) == 2 * len(FORMATS) + 3
    assert {name: found_in(name, text, spy.secrets) for name, text in written.items()} == {
        name: set() for name in written
    }
    assert all("STAT" in text_of(name, text) for name, text in written.items())
