"""A dialogue made fit for others: which secrets are masked in it, and what is explained."""

from __future__ import annotations

import pytest

from poptalk.export.reading import read
from poptalk.transcript.parser import parse_dialogue
from poptalk.transcript.writer import format_dialogue


def shown(text: str, *, explain: bool = False) -> str:
    return format_dialogue(read(parse_dialogue(text), explain=explain))


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("C: PASS jones", "C: PASS {password}"),
        ("C: pass two words", "C: pass {password}"),
        ("C: PASS {password=jones}", "C: PASS {password}"),
        ("C: PASS {secret=jones}", "C: PASS {password}"),
        ("C: APOP bob c4c9334bac560ecc979e58001b3e22fb", "C: APOP bob {apop}"),
        ("C: AUTH PLAIN AGJvYgBqb25lcw==", "C: AUTH PLAIN {plain}"),
        ("C: AUTH PLAIN {plain}", "C: AUTH PLAIN {plain}"),
        ("C: AUTH EXTERNAL =", "C: AUTH EXTERNAL ="),
        ("C: AUTH PLAIN\nS: +\nC: AGJvYgBqb25lcw==", "C: AUTH PLAIN\nS: +\nC: {plain}"),
        # Sent blindly, as scripts do; and a password without its PASS.
        ("C: AUTH LOGIN\nC: Ym9i\nC: am9uZXM=", "C: AUTH LOGIN\nC: {login-1}\nC: {login-2}"),
        ("C: USER bob\nS: +OK\nC: hunter2", "C: USER bob\nS: +OK\nC: {secret}"),
        ("C: USER bob\nor PASS jones", "C: USER bob\nor PASS {password}"),
        # What the server repeats, and what a comment tells beforehand.
        ("# it is hunter22\nC: PASS hunter22\nS: -ERR not hunter22", None),
        ("C: PASS hunter22\nS: <the server says hunter22>", None),
        ("C: PASS hunter22\nS: +OK\nC: QUIT\nS: +OK bye hunter22", None),
    ],
)
def test_a_secret_is_masked(written: str, seen: str | None) -> None:
    text = shown(written + "\n")
    assert seen is None or text == seen + "\n"
    assert "hunter2" not in text


@pytest.mark.parametrize(
    "text",
    [
        "S: +OK <1.2@x>\nC: RETR 1\nS: +OK\nS: PASS jones is what he typed\nS: .\n",
        "C: LIST\nS: +OK\nS: ...\nS: .\nC: STAT\nS: +OK {count:int} {octets:int}\n",
        "C: STLS\nS: +OK\nC: <negotiate TLS>\nC: CAPA\nS: +OK\nS: USER\nS: .\n",
        "C: <open connection>\nS: -ERR busy\nS: <close connection>\nC: <open connection>\nS: +OK\n",
        "C: RETR 1\nS: <the POP3 server sends message 1>\nC: QUIT\nC: STAT\nS: +OK\nS: +OK 1 2\n",
        "S: .\nS: unasked{0x0a}\nC: NOOP{0x0a}\nS: +OK{0x0a}\nC: <wait 2 s>\nS: {}...\n",
    ],
)
def test_the_rest_stays_as_it_is(text: str) -> None:
    assert shown(text) == text
    explained = shown(text, explain=True)
    assert [
        line for line in explained.splitlines() if not line.startswith("#")
    ] == text.splitlines()


def test_each_reply_is_explained_as_why_does() -> None:
    text = shown(
        "S: +OK ready\nC: USER bob\nS: +OK\nC: PASS x\nS: -ERR [AUTH] no\nC: RETR 1\nS: -ERR\n",
        explain=True,
    )
    greeting, user, password, early = re_parts(text)
    assert "the greeting, for people" in greeting
    assert "waits for PASS" in user
    assert "[AUTH]" in password
    assert "RETR belongs to TRANSACTION, and this session is in AUTHORIZATION" in early
    assert all(len(line) <= 80 for line in text.splitlines())


def re_parts(text: str) -> list[str]:
    """Return the comments after each reply, each as one line."""
    parts, comments = [], ""
    for line in [*text.splitlines(), "C:"]:
        if line.startswith("#"):
            comments += " " + line.removeprefix("#").strip()
        elif comments:
            parts.append(comments)
            comments = ""
    return parts


def test_what_is_not_known_is_not_claimed() -> None:
    """A dialogue without its beginning may be in any state."""
    text = shown("C: RETR 1\nS: -ERR no such message\n", explain=True)
    assert "AUTHORIZATION" not in text
    challenge = shown("C: AUTH CRAM-MD5\nS: + PDEuMkB4Pg==\nC: *\nS: -ERR\n", explain=True)
    assert "<1.2@x>" in challenge
