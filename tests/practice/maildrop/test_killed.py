"""``kill -9`` at each point of a writable QUIT: all that was marked is gone, or nothing."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from poptalk.practice.maildrop import Format, Store, locate
from tests.practice.maildrop.dying import MARKED
from tests.practice.maildrop.letters import WRITERS, contents, numbered_letters

SECONDS = 120

ALL = [letter.replace(b"\n", b"\r\n") for letter in numbered_letters(5)]
LEFT = [letter for number, letter in enumerate(ALL, 1) if number not in MARKED]

POINTS = {
    Format.EML: ("the journal is on the disk", "000003.eml is removed", "the journal is removed"),
    Format.MAILDIR: ("the journal has its name", "the removal is on the disk"),
    Format.MBOX: (
        "delivery is stopped",
        "the journal has its name",
        "a part of the mbox has moved up",
        "the mbox is marked",
        "the mbox is cut",
    ),
}
"""Some of the points that must be among those at which the process dies."""


@pytest.fixture(scope="module", params=Format, ids=[each.value for each in Format])
def died_once(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Format, Path]:
    """Return a format, and the folder of what processes left that died, each after another step."""
    format_: Format = request.param
    folder = tmp_path_factory.mktemp(format_.value)
    whole = WRITERS[format_](folder / "whole", numbered_letters(5))
    copies = folder / "copies"
    copies.mkdir()
    subprocess.run(
        [sys.executable, "-m", "tests.practice.maildrop.dying", f"{format_.value}:{whole}", copies],
        check=True,
        cwd=Path(__file__).parents[3],
        timeout=SECONDS,
    )
    return format_, copies


@pytest.fixture
def died(died_once: tuple[Format, Path], tmp_path: Path) -> tuple[Format, dict[str, Path]]:
    """Return the maildrops that were left, by the step; they are the test's own, to be changed."""
    format_, folder = died_once
    copies = Path(shutil.copytree(folder, tmp_path / "copies", symlinks=True))
    steps = sorted(copies.glob("*.step"), key=lambda path: int(path.stem))
    left = {f"{path.stem}: {path.read_text()}": copies / path.stem / "mail" for path in steps}
    return format_, {**left, "survived": copies / str(len(steps)) / "mail"}


def test_every_message_is_there_once_or_the_whole_batch_is_gone(
    died: tuple[Format, dict[str, Path]],
) -> None:
    format_, maildrops = died
    outcomes = {}
    for step, path in maildrops.items():
        location = locate(f"{format_.value}:{path}")
        reader = contents(Store(location).open().maildrop)
        assert reader in (ALL, LEFT), step
        # Whoever opens it to write clears away what was left behind.
        lease = Store(location, writable=True).open()
        assert contents(lease.maildrop) == reader, step
        lease.release()
        assert contents(Store(location).open().maildrop) == reader, step
        assert not [each.name for each in path.parent.rglob("*") if is_left_over(each)], step
        outcomes[step] = "gone" if reader == LEFT else "there"
    # There is one point from which on the messages are gone.
    order = list(outcomes.values())
    assert order == sorted(order, reverse=True)
    assert order[0] == "there"
    assert order[-1] == "gone"
    for point in POINTS[format_]:
        assert any(step.endswith(point) for step in outcomes), outcomes


def is_left_over(path: Path) -> bool:
    return path.name.endswith((".lock", "-draft")) or "journal" in path.name


def test_the_next_session_deletes_as_if_nothing_had_happened(
    died: tuple[Format, dict[str, Path]],
) -> None:
    format_, maildrops = died
    for step, path in maildrops.items():
        store = Store(locate(f"{format_.value}:{path}"), writable=True)
        lease = store.open()
        left = contents(lease.maildrop)
        lease.commit([2])
        assert contents(store.open().maildrop) == left[:1] + left[2:], step
