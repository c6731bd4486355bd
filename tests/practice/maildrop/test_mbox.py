"""Mboxes."""

from __future__ import annotations

import mailbox
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from poptalk.practice.maildrop import (
    CommitRefused,
    Format,
    MaildropError,
    Store,
    locate,
    locks,
    snapshot,
)
from poptalk.practice.maildrop import mbox as module
from tests.practice.maildrop.letters import (
    LETTERS,
    contents,
    from_line,
    make_store,
    numbered_letters,
    unique_ids,
    write_mbox,
)


def store_of(path: Path, octets: bytes, *, writable: bool = False) -> Store:
    path.write_bytes(octets)
    return Store(locate(path), writable=writable)


def letters(count: int) -> list[bytes]:
    return [letter.replace(b"\n", b"\r\n") for letter in numbered_letters(count)]


def test_python_s_mailbox_finds_the_same_messages(tmp_path: Path) -> None:
    # It takes a message apart at a From line that no empty line stands before.
    stored = [stored for name, (stored, _) in LETTERS.items() if name != "from-in-the-body"]
    path = write_mbox(tmp_path / "mail", stored)
    theirs = mailbox.mbox(path, create=False)
    ours = contents(Store(locate(path)).open().maildrop)
    assert len(theirs) == len(ours) == len(stored)
    for key, message in zip(theirs.iterkeys(), ours, strict=True):
        with theirs.get_file(key) as file:
            read = file.read()
        assert snapshot.canonical(read) == message
    theirs.close()


MESSAGES = [
    (b"From a\nx\n\nFrom b\ny\n\n", [b"x\r\n", b"y\r\n"]),
    (b"From a\r\nx\r\n\r\nFrom b\r\ny\r\n\r\n", [b"x\r\n", b"y\r\n"]),
    (b"From a\nx\n\n\nFrom b\ny\n\n\n", [b"x\r\n\r\n", b"y\r\n\r\n"]),
    (b"From a\n\nFrom b\n\nFrom c\n", [b"", b"", b""]),
    (b"From a\nx\nFrom b\ny\n", [b"x\r\nFrom b\r\ny\r\n"]),
    (b"From a\nx\n\nFromage\n\nfrom b\n", [b"x\r\n\r\nFromage\r\n\r\nfrom b\r\n"]),
    (b"From a\nx\n\n>From b\ny", [b"x\r\n\r\n>From b\r\ny\r\n"]),
    (b"From a\nx\n\nFrom b", [b"x\r\n", b""]),
    (b"From a", [b""]),
    (b"From a\n\n", [b""]),
    (b"", []),
]


@pytest.mark.parametrize(("octets", "messages"), MESSAGES)
@pytest.mark.parametrize("block", [1, 2, 5, 6, 7, 8, 9, 1000])
def test_messages_are_told_apart_whatever_the_blocks(
    octets: bytes,
    messages: list[bytes],
    block: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(snapshot, "BLOCK_OCTETS", block)
    assert contents(store_of(tmp_path / "mail", octets).open().maildrop) == messages


def test_unique_ids_of_equal_messages_differ_by_the_line_in_front_or_by_a_number(
    tmp_path: Path,
) -> None:
    octets = b"From a\nx\n\nFrom a\nx\n\nFrom b\nx\n\nFrom a\nx\n\n"
    ids = unique_ids(store_of(tmp_path / "mail", octets).open().maildrop)
    assert ids[1] == ids[0] + b".2"
    assert ids[3] == ids[0] + b".3"
    assert ids[2][:24] != ids[0]


def test_an_mbox_that_has_not_changed_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_mbox(tmp_path / "mail", numbered_letters(3))
    os.utime(path, (1_000_000_000, 1_000_000_000))
    store = Store(locate(path))
    before = store.open().maildrop
    assert store.open().maildrop is before
    with path.open("ab") as file:
        file.write(from_line(4) + b"new\n\n")
    assert contents(store.open().maildrop) == [*letters(3), b"new\r\n"]
    assert contents(before) == letters(3)


def test_an_mbox_that_is_written_to_all_the_time_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_mbox(tmp_path / "mail", numbered_letters(3))
    read = module._read

    def disturbed(*arguments: object) -> object:
        snapshot = read(*arguments)  # type: ignore[arg-type]
        with path.open("ab") as file:
            file.write(from_line(9) + b"more\n\n")
        return snapshot

    monkeypatch.setattr(module, "_read", disturbed)
    with pytest.raises(MaildropError, match="is written to all the time"):
        Store(locate(path))


# Deleting.


def test_the_rest_of_the_file_stays_octet_for_octet_and_so_do_its_rights(tmp_path: Path) -> None:
    parts = [b"From a\r\nx\r\n\r\n", b"From b\n\xff\0\n\n\n", b"From c\n\n", b"From d\nno end"]
    for gone in range(4):
        path = tmp_path / f"{gone}"
        store = store_of(path, b"".join(parts), writable=True)
        path.chmod(0o640)
        store.open().commit([gone + 1])
        assert path.read_bytes() == b"".join(parts[:gone] + parts[gone + 1 :])
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
    everything = tmp_path / "0"
    Store(locate(everything), writable=True).open().commit([1, 2, 3])
    assert everything.read_bytes() == b""


def test_a_symbolic_link_stays_one(tmp_path: Path) -> None:
    path = write_mbox(tmp_path / "mail", numbered_letters(2))
    (tmp_path / "link").symlink_to(path)
    Store(locate(tmp_path / "link"), writable=True).open().commit([1])
    assert (tmp_path / "link").is_symlink()
    assert contents(Store(locate(path)).open().maildrop) == letters(2)[1:]


def test_mail_that_came_meanwhile_survives(tmp_path: Path) -> None:
    store = make_store(tmp_path / "mail", numbered_letters(3), format_=Format.MBOX, writable=True)
    lease = store.open()
    box = mailbox.mbox(tmp_path / "mail")
    box.lock()
    box.add(b"Subject: new\n\nnew\n")
    box.flush()
    box.close()
    lease.commit([1, 3])
    assert contents(store.open().maildrop) == [letters(3)[1], b"Subject: new\r\n\r\nnew\r\n"]


def insert(octets: bytes) -> bytes:
    return b"From new\nfirst\n\n" + octets


def change(octets: bytes) -> bytes:
    return octets.replace(b"letter 2", b"LETTER 2")


def drop_first(octets: bytes) -> bytes:
    return octets[octets.index(b"\n\nFrom ") + 2 :]


def grow_last(octets: bytes) -> bytes:
    return octets + b"more of the last\n"


@pytest.mark.parametrize("happens", [insert, change, drop_first, grow_last])
def test_an_mbox_that_was_changed_otherwise_is_left_alone(
    happens: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    path = tmp_path / "mail"
    store = make_store(path, numbered_letters(3), format_=Format.MBOX, writable=True)
    lease = store.open()
    changed = happens(path.read_bytes())
    path.write_bytes(changed)
    with pytest.raises(CommitRefused, match="has changed since it was listed, so nothing was del"):
        lease.commit([1])
    assert path.read_bytes() == changed
    assert sorted(each.name for each in tmp_path.iterdir()) == [".mail.poptalk-lock", "mail"]


def test_a_change_in_spite_of_the_locks_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "mail"
    store = make_store(path, numbered_letters(3), format_=Format.MBOX, writable=True)
    source, snapshot = store.location.storage(), store.open().maildrop
    assert isinstance(snapshot, module.MboxSnapshot)
    steps = source.remove(snapshot, [1])
    assert "the journal is begun" in steps
    with path.open("ab") as file:
        file.write(from_line(4) + b"new\n\n")
    with pytest.raises(CommitRefused, match="in spite of its locks"):
        list(steps)
    assert contents(Store(locate(path)).open().maildrop) == [*letters(3), b"new\r\n"]
    assert sorted(each.name for each in tmp_path.iterdir()) == [".mail.poptalk-lock", "mail"]


# Locks.


def test_a_delivery_in_progress_is_waited_for_and_then_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "DELIVERY_SECONDS", 0.02)
    monkeypatch.setattr(locks, "RETRY_SECONDS", 0.001)
    store = make_store(tmp_path / "mail", numbered_letters(3), format_=Format.MBOX, writable=True)
    lease = store.open()
    lock = tmp_path / "mail.lock"
    lock.write_text("4711\n")
    with pytest.raises(
        CommitRefused, match=r"mail\.lock is there: another program is using the mbox"
    ):
        lease.commit([1])
    assert lock.read_text() == "4711\n"
    store.open().release()
    # It is not ours, so it is not taken away.
    assert lock.exists()
    lock.unlink()
    store.open().commit([1])
    assert contents(store.open().maildrop) == letters(3)[1:]


def test_a_delivery_that_ends_in_time_is_no_hindrance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_store(tmp_path / "mail", numbered_letters(3), format_=Format.MBOX, writable=True)
    lock = tmp_path / "mail.lock"
    lock.write_text("4711\n")
    waited = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        lock.unlink()

    monkeypatch.setattr(time, "sleep", sleep)
    store.open().commit([1])
    assert waited == [locks.RETRY_SECONDS]
    assert not lock.exists()


LOCKED = 42

TAKE_FCNTL_LOCK = f"""
import fcntl, sys
with open(sys.argv[1], "r+b") as file:
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit({LOCKED})
"""


def test_nobody_delivers_while_the_mbox_is_rewritten(tmp_path: Path) -> None:
    path = tmp_path / "mail"
    store = make_store(path, numbered_letters(3), format_=Format.MBOX, writable=True)
    snapshot = store.open().maildrop
    assert isinstance(snapshot, module.MboxSnapshot)
    steps = store.location.storage().remove(snapshot, [1])
    assert next(steps) == "delivery is stopped"
    assert (tmp_path / "mail.lock").read_bytes() == b"%d\npoptalk\n" % os.getpid()
    # Those who know no dot-lock meet the other one; it does not count within a process.
    other = subprocess.run([sys.executable, "-c", TAKE_FCNTL_LOCK, path], check=False, timeout=60)
    assert other.returncode == LOCKED
    *_, last = steps
    assert last == "delivery goes on"
    assert not (tmp_path / "mail.lock").exists()


def test_a_lock_that_was_not_finished_is_cleared_away(tmp_path: Path) -> None:
    store = make_store(tmp_path / "mail", numbered_letters(3), format_=Format.MBOX, writable=True)
    draft = tmp_path / ".mail.lock.poptalk-draft"
    draft.write_bytes(b"4711\n")
    store.open().release()
    assert not draft.exists()
