"""Every check fails on its witness alone, and passes on the persona `plain`."""

from __future__ import annotations

from pathlib import Path

import pytest

from poptalk.check import connection, probes
from poptalk.check.model import CHECKS, CheckVerdict, Permit
from poptalk.practice.server import practice_server
from tests.check.checking import MAILBOX, beside, check, problems, seeded, serving
from tests.check.witnesses import ELSEWHERE, FOLLOW, SERVERS

SILENT = {
    "rfc1939/3/reply-comes",
    "rfc1939/3/multiline-end",
    "rfc2449/4/command-255",
    "rfc1939/3/quit-closes",
    "rfc1939/6/quit-closes",
    "rfc1939/6/nothing-after-quit",
}
"""Checks whose witnesses are silent where they should speak or hang up, so waiting long is no use."""


def test_the_persona_plain_passes_everything(tmp_path: Path) -> None:
    with serving(maildrop=seeded(tmp_path)) as destination:
        results = check(destination, mechanism=None)
    assert {each.verdict for each in results.values()} == {CheckVerdict.PASS}


@pytest.mark.parametrize("after_stls", [False, True])
def test_the_persona_plain_passes_in_tls(after_stls: bool) -> None:
    with practice_server(persona="plain", tls=not after_stls, starttls=after_stls) as destination:
        results = check(destination, permit=Permit.LOGIN)
    assert problems(results) == set()
    assert CheckVerdict.UNCLEAR not in {each.verdict for each in results.values()}


def test_every_check_has_a_witness() -> None:
    faults = {each.id for each in CHECKS.values() if each.witness is not None}
    assert faults | SERVERS.keys() | ELSEWHERE == CHECKS.keys()


@pytest.mark.parametrize("name", [name for name in CHECKS if name not in ELSEWHERE])
def test_a_check_fails_on_its_witness_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    row = CHECKS[name]
    if name in SILENT:
        monkeypatch.setattr(probes, "SILENCE_SECONDS", 0.2)
        monkeypatch.setattr(connection, "CLOSE_SECONDS", 0.2)
    maildrop = seeded(tmp_path) if "seeds" in row.probes else MAILBOX
    faults = [row.witness] if row.witness is not None else []
    with serving(SERVERS.get(name), faults=faults, maildrop=maildrop) as destination:
        results = check(destination, beside(row), timeout=0.3 if name in SILENT else 10)
    assert results[name].verdict in (CheckVerdict.FAIL, CheckVerdict.WARN, CheckVerdict.NOTE)
    assert problems(results) == {name, *FOLLOW.get(name, ())}
