"""New mail that arrives while QUIT deletes from an mbox, and after a server was killed there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from poptalk.practice.maildrop import Format, Store, locate, locks
from poptalk.practice.maildrop import store as module
from poptalk.practice.maildrop.locks import Steps
from poptalk.practice.maildrop.mbox import MboxSnapshot
from poptalk.practice.server import Server
from tests.practice.maildrop.letters import (
    content,
    contents,
    from_line,
    make_store,
    numbered_letters,
    unique_ids,
    write_mbox,
)
from tests.practice.talking import SECONDS, greeted

ROUNDS = 20


class Deliverer:
    """A program that delivers into an mbox, in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def begin(self, number: int) -> None:
        """Let it begin to deliver a message, and wait until it has opened the mbox."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{number}\n")
        self._process.stdin.flush()
        self.hear("opened")

    def hear(self, word: str) -> None:
        """Wait until it is that far."""
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == f"{word}\n"


@contextmanager
def delivering(path: Path, order: str) -> Iterator[Deliverer]:
    """Run a program that delivers, with its locks in this order."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.practice.maildrop.delivering", path, order],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    ) as process:
        yield Deliverer(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(SECONDS) == 0


def stop_at(step: str, act: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Do something after that step of each deletion."""

    def carry_out(steps: Steps) -> None:
        for each in steps:
            if each == step:
                act()

    monkeypatch.setattr(module, "carry_out", carry_out)


def new(number: int) -> bytes:
    return b"Subject: new %d\r\n\r\nnew %d\r\n" % (number, number)


def delete_first(server: Server) -> bytes:
    """Delete message 1 in a session, and return the answer to QUIT."""
    with greeted(server) as talk:
        assert talk.log_in().startswith(b"+OK")
        assert talk.say(b"DELE 1").startswith(b"+OK")
        return talk.say(b"QUIT")


@pytest.mark.parametrize(
    "step", ["delivery is stopped", "the journal has its name", "the mbox is cut"]
)
@pytest.mark.parametrize("order", ["fcntl", "dot-lock"])
def test_a_program_that_has_the_mbox_open_and_waits_for_its_locks_loses_nothing(
    order: str, step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_mbox(tmp_path / "mail", numbered_letters(3))
    numbers = iter(range(1, ROUNDS + 1))
    with (
        Server(maildrop=path, writable=True) as server,
        delivering(path, order) as deliverer,
    ):
        stop_at(step, lambda: deliverer.begin(next(numbers)), monkeypatch)
        for number in range(1, ROUNDS + 1):
            assert delete_first(server).startswith(b"+OK")
            deliverer.hear("holding")
            deliverer.hear("delivered")
            there = contents(Store(locate(path)).open().maildrop)
            assert there[-1] == new(number)
            assert len(there) == 3
    assert there == [new(number) for number in range(ROUNDS - 2, ROUNDS + 1)]
    assert not (tmp_path / "mail.lock").exists()


@pytest.mark.parametrize("order", ["fcntl", "dot-lock"])
def test_a_program_that_has_its_first_lock_gets_its_second(
    order: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # We don't keep one lock while we wait for the other.
    path = write_mbox(tmp_path / "mail", numbered_letters(3))
    with (
        Server(maildrop=path, writable=True) as server,
        delivering(path, order) as deliverer,
    ):
        monkeypatch.setattr(locks, "RETRY_SECONDS", 0)
        for number in range(1, ROUNDS + 1):
            deliverer.begin(number)
            deliverer.hear("holding")
            assert delete_first(server).startswith(b"+OK")
            deliverer.hear("delivered")
            assert new(number) in contents(Store(locate(path)).open().maildrop)
    assert contents(Store(locate(path)).open().maildrop) == [
        new(number) for number in range(ROUNDS - 2, ROUNDS + 1)
    ]


@pytest.mark.skipif(shutil.which("mutt") is None, reason="mutt is not installed")
@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="open files cannot be seen here")
def test_mutt_saves_a_message_while_others_are_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_mbox(tmp_path / "mail", numbered_letters(3))
    running: list[subprocess.Popen[bytes]] = []

    def start_mutt() -> None:
        settings = ('sendmail="/bin/true"', f'record="{path}"', "copy=yes", "from=a@example.org")
        mutt = subprocess.Popen(
            ["mutt", "-n", "-F", "/dev/null"]
            + [word for setting in settings for word in ("-e", f"set {setting}")]
            + ["-s", f"mutt {len(running)}", "bob@example.org"],
            stdin=subprocess.DEVNULL,
            env={**os.environ, "HOME": str(tmp_path)},
        )
        running.append(mutt)
        deadline = time.monotonic() + SECONDS
        while str(path) not in open_files(mutt.pid):
            assert time.monotonic() < deadline
            assert mutt.poll() is None

    stop_at("delivery is stopped", start_mutt, monkeypatch)
    with Server(maildrop=path, writable=True) as server:
        for number in range(3):
            assert delete_first(server).startswith(b"+OK")
            assert running[-1].wait(SECONDS) == 0
            there = contents(Store(locate(path)).open().maildrop)
            assert len(there) == 3
            assert b"Subject: mutt %d\r\n" % number in there[-1]


def open_files(pid: int) -> list[str]:
    folder = Path(f"/proc/{pid}/fd")
    try:
        return [os.readlink(each) for each in folder.iterdir()]
    except OSError:
        return []


def test_a_session_that_reads_does_not_free_the_locks(tmp_path: Path) -> None:
    # A lock that belongs to the process would go as soon as any file of it is closed.
    store = make_store(tmp_path / "mail", numbered_letters(3), format_=Format.MBOX, writable=True)
    reading = Store(store.location).open().maildrop
    steps = store.location.storage().remove(store.open().maildrop, [1])  # type: ignore[arg-type]
    assert next(steps) == "delivery is stopped"
    assert content(reading, 1)
    program = (
        "import fcntl, sys; fcntl.lockf(open(sys.argv[1], 'ab'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    )
    other = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "mail"],
        check=False,
        stderr=subprocess.PIPE,
        timeout=60,
    )
    assert b"BlockingIOError" in other.stderr
    list(steps)


# After a crash.

SAME = b"Subject: same\n\nsame\n"


def dead_after(steps: Steps, count: int) -> bool:
    """Take that many steps, and leave the files as they are then; tell whether it came to its end."""
    return any(next(steps, None) is None for _ in range(count))


def state_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def put_back(folder: Path, state: dict[str, bytes]) -> None:
    for path in folder.iterdir():
        path.unlink()
    for name, octets in state.items():
        (folder / name).write_bytes(octets)


def append(path: Path, octets: bytes) -> None:
    """Deliver without regard to locks of a process that is gone."""
    with path.open("ab") as file:
        file.write(octets)


@pytest.mark.parametrize("marked", [(2, 4), (4, 5)])
def test_mail_that_arrives_after_a_crash_is_kept_and_so_after_a_crash_in_clearing_up(
    marked: tuple[int, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Disks that lose what was written are not the matter here, and syncing takes its time.
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)
    letter = from_line(1) + SAME + b"\n"
    folder = tmp_path / "folder"
    folder.mkdir()
    path = folder / "mail"
    # All alike, and what is delivered is what was there: the content shows nothing.
    path.write_bytes(letter * 5)
    location = locate(path)
    storage = location.storage()
    snapshot = storage.scan(None)
    assert isinstance(snapshot, MboxSnapshot)
    whole = state_of(folder)
    left = 5 - len(marked)
    outcomes = []
    for died in range(1, 100):
        put_back(folder, whole)
        steps = storage.remove(snapshot, marked)
        finished = dead_after(steps, died)
        dead = state_of(folder)
        steps.close()  # type: ignore[attr-defined]
        there = 5
        for delivered in (0, len(marked)):
            for died_again in range(1, 100):
                put_back(folder, dead)
                there = len(unique_ids(Store(location).open().maildrop))
                assert there in (5, left)
                append(path, letter * delivered)
                clearing = storage.clear_away()
                finished_again = dead_after(clearing, died_again)
                dead_again = state_of(folder)
                clearing.close()  # type: ignore[attr-defined]
                put_back(folder, dead_again)
                assert Store(location).open().maildrop.count == there + delivered
                append(path, letter)
                # No one holds the locks of a process that is dead.
                Store(location, writable=True).open().release()
                assert path.read_bytes() == letter * (there + delivered + 1)
                if finished_again:
                    break
        outcomes.append(there)
        if finished:
            break
    assert outcomes == sorted(outcomes, reverse=True)
    assert set(outcomes) == {5, left}
