"""Which part of a local command is hidden while it is typed, and kept out of the history."""

from __future__ import annotations

import pytest

from poptalk.shell.shell import secret_in_argument


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (r":b64 \0bob\0jones", ":b64 "),
        (":apop bob", None),
        (":apop bob jones", ":apop bob "),
        (":cram bob jones and more", ":cram bob "),
        (":open pop3://bob:jones@host", ":open pop3://bob:"),
        (":open pop3s://host:995", None),
        (":login bob", None),
        (":login bob sc", None),
        (":login bob PLAIN --two-step", None),
        (":login --oauth bob xoauth2", None),
        (":login 'bob jones' PLAIN", None),
        (":login 'bob jo", None),
        (":login bob jones", ":login bob "),
        (":login bob plain1", ":login bob "),
        (":login bob PLAIN jones", ":login bob PLAIN "),
        (":login bob PLAIN PLAIN", ":login bob PLAIN "),
        (":help PASS", None),
    ],
)
def test_what_is_hidden(line: str, shown: str | None) -> None:
    name, blank, argument = line.partition(" ")
    start = secret_in_argument(name, argument)
    assert (None if start is None else line[: len(name + blank) + start]) == shown
