"""Private, shared and writable maildrops, and who may have them open."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from poptalk.practice.maildrop import Format, MaildropError, MaildropLocked, Store, locate
from poptalk.practice.maildrop import store as module
from tests.practice.maildrop.letters import (
    WRITERS,
    contents,
    make_store,
    numbered_letters,
    write_eml,
)

LETTERS = [letter.replace(b"\n", b"\r\n") for letter in numbered_letters(3)]


def everything_below(path: Path) -> dict[str, bytes]:
    return {str(each): each.read_bytes() for each in path.rglob("*") if each.is_file()}


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("format_", Format)
def test_nothing_on_the_disk_changes_unless_asked_for(
    format_: Format, shared: bool, tmp_path: Path
) -> None:
    path = WRITERS[format_](tmp_path / "mail", numbered_letters(3))
    before = everything_below(tmp_path)
    lease = Store(locate(path), shared=shared).open()
    assert not lease.writes
    lease.commit([1, 3])
    assert everything_below(tmp_path) == before


@pytest.mark.parametrize("format_", Format)
def test_private_sessions_do_not_see_each_other(format_: Format, tmp_path: Path) -> None:
    store = make_store(tmp_path / "mail", numbered_letters(3), format_=format_)
    one, two = store.open(), store.open()
    one.commit([1, 3])
    one.release()
    assert two.maildrop.count == store.open().maildrop.count == 3


@pytest.mark.parametrize("format_", Format)
def test_a_shared_maildrop_is_open_to_one_session_and_remembers(
    format_: Format, tmp_path: Path
) -> None:
    path = WRITERS[format_](tmp_path / "mail", numbered_letters(3))
    store = Store(locate(path), shared=True)
    one = store.open()
    with pytest.raises(MaildropLocked):
        store.open()
    one.commit([1])
    two = store.open()
    assert contents(two.maildrop) == LETTERS[1:]
    # Releasing twice does not take the lock away from somebody else.
    one.release()
    with pytest.raises(MaildropLocked):
        store.open()
    # Message 2 of a maildrop that lacks the first is the third.
    two.commit([2])
    assert contents(store.open().maildrop) == LETTERS[1:2]


@pytest.mark.parametrize("format_", Format)
def test_a_writable_maildrop_is_open_to_one_session_of_all_stores(
    format_: Format, tmp_path: Path
) -> None:
    store = make_store(tmp_path / "mail", numbered_letters(3), format_=format_, writable=True)
    other = Store(store.location, writable=True)
    lease = store.open()
    assert lease.writes
    with pytest.raises(MaildropLocked):
        store.open()
    with pytest.raises(MaildropLocked):
        other.open()
    # Reading needs no lock.
    assert Store(store.location).open().maildrop.count == 3
    lease.commit([1, 3])
    assert contents(other.open().maildrop) == LETTERS[1:2]


HOLD = """
import sys
from poptalk.practice.maildrop import Store, locate
lease = Store(locate(sys.argv[1]), writable=True).open()
print("open", flush=True)
sys.stdin.read()
"""


def test_another_process_is_kept_out_until_this_one_dies(tmp_path: Path) -> None:
    store = make_store(tmp_path / "mail", numbered_letters(1), format_=Format.EML, writable=True)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "mail")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(MaildropLocked):
            store.open()
        other.kill()
        other.wait()
        store.open().release()


def test_a_lease_that_is_released_deletes_nothing(tmp_path: Path) -> None:
    store = make_store(tmp_path / "mail", numbered_letters(3), format_=Format.EML, writable=True)
    store.open().release()
    assert contents(store.open().maildrop) == LETTERS


# Trouble.


@pytest.mark.parametrize("format_", Format)
def test_a_disk_that_fails_before_the_point_of_no_return_deletes_nothing(
    format_: Format, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_store(tmp_path / "mail", numbered_letters(3), format_=format_, writable=True)
    lease = store.open()

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            lease.commit([1, 2])
    # The lock is free "whether the removal was successful or not" (RFC 1939 §6).
    lease = store.open()
    assert contents(lease.maildrop) == LETTERS
    lease.commit([2])
    assert contents(store.open().maildrop) == [LETTERS[0], LETTERS[2]]


@pytest.mark.parametrize("format_", [Format.EML, Format.MAILDIR])
def test_a_disk_that_fails_after_it_is_no_way_back(
    format_: Format, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_store(tmp_path / "mail", numbered_letters(3), format_=format_, writable=True)
    lease = store.open()
    unlink: Callable[..., None] = os.unlink

    def fails(path: str, **keywords: int) -> None:
        if "journal" not in path:
            raise OSError(errno.EIO, "Input/output error")
        unlink(path, **keywords)

    with monkeypatch.context() as patched:
        patched.setattr(os, "unlink", fails)
        with pytest.raises(OSError, match="Input/output error"):
            lease.commit([1, 2])
    assert contents(Store(store.location).open().maildrop) == LETTERS[2:]
    assert contents(store.open().maildrop) == LETTERS[2:]
    assert len([each for each in (tmp_path / "mail").rglob("*") if "journal" in each.name]) == 0


def test_a_new_message_under_the_name_of_a_deleted_one_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_store(tmp_path / "mail", numbered_letters(2), format_=Format.EML, writable=True)
    lease = store.open()

    def dies(steps: object) -> None:
        for step in steps:  # type: ignore[attr-defined]
            if step == "the journal has its name":
                break

    with monkeypatch.context() as patched:
        patched.setattr(module, "carry_out", dies)
        lease.commit([1])
    (tmp_path / "mail" / "000001.eml").write_bytes(b"a new letter\n")
    assert contents(Store(store.location).open().maildrop) == [b"a new letter\r\n", LETTERS[1]]
    assert contents(store.open().maildrop) == [b"a new letter\r\n", LETTERS[1]]


def test_everything_is_on_the_disk_before_it_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = []
    fsync, rename, truncate = os.fsync, os.rename, os.ftruncate

    def synced(descriptor: int) -> None:
        done.append(f"sync {os.path.basename(os.readlink(f'/proc/self/fd/{descriptor}'))}")
        fsync(descriptor)

    def renamed(path: str, target: str, **keywords: int) -> None:
        done.append(f"rename {path}")
        rename(path, target, **keywords)

    def truncated(descriptor: int, octets: int) -> None:
        done.append("cut")
        truncate(descriptor, octets)

    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("this system does not tell the names of open files")
    for format_ in (Format.EML, Format.MBOX):
        store = make_store(
            tmp_path / format_.value, numbered_letters(2), format_=format_, writable=True
        )
        lease = store.open()
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", synced)
            patched.setattr(os, "rename", renamed)
            patched.setattr(os, "ftruncate", truncated)
            lease.commit([1])
    assert done == [
        "sync .poptalk-journal-unfinished",
        "rename .poptalk-journal-unfinished",
        "sync eml",
        "sync eml",
        "sync eml",
        "sync .mbox.poptalk-journal-unfinished",
        "rename .mbox.poptalk-journal-unfinished",
        f"sync {tmp_path.name}",
        "sync mbox",
        "sync .mbox.poptalk-journal",
        "cut",
        "sync mbox",
        f"sync {tmp_path.name}",
    ]


def test_a_maildrop_that_is_gone_is_explained_and_leaves_no_lock(tmp_path: Path) -> None:
    store = make_store(
        tmp_path / "mail", numbered_letters(1), format_=Format.MAILDIR, writable=True
    )
    (tmp_path / "mail" / "new").rename(tmp_path / "mail" / "old")
    for _ in range(2):
        with pytest.raises(MaildropError, match=r"cannot be used \(No such file or dir.*/new\)"):
            store.open()
    (tmp_path / "mail" / "old").rename(tmp_path / "mail" / "new")
    assert store.open().maildrop.count == 1


def test_a_maildrop_that_cannot_be_written_to_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_eml(tmp_path / "mail", numbered_letters(1))
    monkeypatch.setattr(os, "access", lambda *_arguments: False)
    with pytest.raises(
        MaildropError, match=r"cannot be written to: .*mail belongs to another user"
    ):
        Store(locate(path), writable=True)
    assert Store(locate(path)).open().maildrop.count == 1


def test_a_system_without_locks_can_only_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_eml(tmp_path / "mail", numbered_letters(1))
    monkeypatch.setattr("poptalk.practice.maildrop.locks.fcntl", None)
    with pytest.raises(MaildropError, match="has no fcntl locks; leave --writable out"):
        Store(locate(path), writable=True)
