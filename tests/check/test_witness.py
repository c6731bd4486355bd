"""Every check fails on its witness alone, and passes on the persona `plain`."""

from __future__ import annotations

from pathlib import Path

import pytest

from poptalk.check import connection, probes
from poptalk.check.model import CHECKS, CheckVerdict
from tests.check.checking import MAILBOX, beside, check, problems, seeded, serving
from tests.check.witnesses import ELSEWHERE, FOLLOW, SERVERS


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "SILENCE_SECONDS", 0.15)
    monkeypatch.setattr(connection, "CLOSE_SECONDS", 0.1)


def test_the_persona_plain_passes_everything(tmp_path: Path) -> None:
    with serving(maildrop=seeded(tmp_path)) as destination:
        results = check(destination, mechanism=None, timeout=5)
    assert {each.verdict for each in results.values()} == {CheckVerdict.PASS}


def test_every_check_has_a_witness() -> None:
    faults = {each.id for each in CHECKS.values() if each.witness is not None}
    assert faults | SERVERS.keys() | ELSEWHERE == CHECKS.keys()


@pytest.mark.parametrize("name", [name for name in CHECKS if name not in ELSEWHERE])
def test_a_check_fails_on_its_witness_alone(tmp_path: Path, name: str) -> None:
    row = CHECKS[name]
    maildrop = seeded(tmp_path) if "seeds" in row.probes else MAILBOX
    faults = [row.witness] if row.witness is not None else []
    with serving(SERVERS.get(name), faults=faults, maildrop=maildrop) as destination:
        results = check(destination, beside(row))
    assert results[name].verdict in (CheckVerdict.FAIL, CheckVerdict.WARN, CheckVerdict.NOTE)
    assert problems(results) == {name, *FOLLOW.get(name, ())}
