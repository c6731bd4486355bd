"""The faults on the command line: the list of them, the seed, and rules that cannot be."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from poptalk.cli.parser import parse
from poptalk.practice.faults.fault import Fault
from poptalk.practice.faults.plan import COLUMNS, FAULTS, list_faults
from poptalk.practice.persona import ServeSettings
from poptalk.practice.serve import serve
from tests.practice.talking import SECONDS

ISSUE = """
    no-dot-stuffing top-no-dot-stuffing bare-lf no-final-dot list-ignores-argument uidl-without-number
    uidl-reused uidl-spaces wrong-octets capa-changes-after-login long-line lower-case-status plus-err
    split-terminator slow stall drop-after reset locked login-delay stls-injection stls-refused
    stls-stripped bad-certificate escape-greeting escape-mail double-reply late-reply echo-password
"""


def served(*words: str) -> tuple[int, list[str]]:
    """Run the command in this process; it must end by itself."""
    said: list[str] = []
    code = serve(ServeSettings(**parse("serve", words)), say=said.append, complain=said.append)
    return code, said


def test_the_list_tells_everything_of_every_fault() -> None:
    code, lines = served("--list-faults")
    assert code == 0
    assert lines == list(list_faults())
    assert max(map(len, lines)) <= COLUMNS
    text = " ".join(" ".join(lines).split())
    for kind in FAULTS.values():
        about = kind.about
        for part in (about.name, about.server, about.seen, about.quote, about.client):
            assert " ".join(part.split()) in text
        assert f'{about.stance} {about.clause}: "' in text


def test_no_fault_of_the_issue_is_missing() -> None:
    assert set(ISSUE.split()) <= set(FAULTS)


@pytest.mark.parametrize("kind", FAULTS.values(), ids=FAULTS)
def test_a_row_is_one_sentence_long(kind: type[Fault]) -> None:
    about = kind.about
    assert about.name == about.name.lower()
    assert len(about.server) <= 80
    assert not about.server.endswith(".")
    assert not about.client.endswith(".")


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        (["slo"], 'there is no fault "slo"; did you mean "slow"?'),
        (["slow", "bob=slow:1s"], "the same fault twice"),
        (["eve=slow"], 'no account "eve"'),
    ],
)
def test_rules_that_cannot_be_are_explained(rules: list[str], words: str) -> None:
    code, (sentence,) = served(*(word for rule in rules for word in ("--fault", rule)))
    assert code == 2
    assert words in sentence


@contextmanager
def running(*words: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "poptalk", "serve", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait(SECONDS)


def test_the_seed_is_printed() -> None:
    with running("--fault", "drip", "--fault", "bob=locked", "--fault-seed", "17") as process:
        assert process.stdout is not None
        rows = iter(process.stdout.readline, "")
        assert any("faults    drip, bob=locked (seed 17)" in row for row in rows)


def test_json_tells_faults_and_seed() -> None:
    with running("--json", "--fault", "drip") as process:
        assert process.stdout is not None
        facts = json.loads(process.stdout.readline())
    assert facts["faults"] == ["drip"]
    assert isinstance(facts["fault_seed"], int)
