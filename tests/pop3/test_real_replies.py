"""Replies that real servers gave: each has an explanation, and the list of those is up to date."""

from __future__ import annotations

from pathlib import Path

import pytest

from poptalk.pop3.replies import Status, parse_status_line
from tests.servers.record import TRANSCRIPTS
from tools import make_explanations
from tools.make_explanations import Explained, explained, recordings

RECORDINGS = recordings()


def test_the_recordings_are_there() -> None:
    names = {path.stem for path in RECORDINGS if path.parent == TRANSCRIPTS}
    assert names >= {"dovecot", "mailutils", "solid"}


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_reply_is_explained(path: Path) -> None:
    replies = list(explained(path))
    assert len(replies) > 10
    for reply in replies:
        assert all(explanation.meaning for explanation in reply.explanations), reply
        assert _says_more_than_yes_or_no(reply), reply


def _says_more_than_yes_or_no(reply: Explained) -> bool:
    """Return whether more than the status indicator is explained."""
    indicator, *others = reply.explanations
    assert parse_status_line(reply.lines[0]).status is not Status.OTHER
    return bool(others) and indicator.clause is not None


def test_the_recordings_hold_no_password() -> None:
    for path in TRANSCRIPTS.glob("*.pop3"):
        sent = [line for line in path.read_text(encoding="utf-8").splitlines() if line[:2] == "C:"]
        assert {line for line in sent if line.startswith("C: PASS")} == {"C: PASS {password}"}
        assert "jones" not in "".join(sent)


def test_the_list_of_explanations_is_up_to_date() -> None:
    written = make_explanations.DOCUMENT.read_text(encoding="utf-8")
    assert written == make_explanations.make_document(), "run python -m tools.make_explanations"


def test_every_explanation_but_those_of_challenges_names_its_clause() -> None:
    for path in RECORDINGS:
        for reply in explained(path):
            if parse_status_line(reply.lines[0]).status is Status.CHALLENGE:
                continue
            for explanation in reply.explanations:
                if make_explanations._entry(explanation)[1]:
                    assert explanation.clause is not None, (path.name, explanation)
