"""Maildirs."""

from __future__ import annotations

import mailbox
import os
import time
from pathlib import Path

import pytest

from poptalk.pop3.server.transaction import MessageUnavailable
from poptalk.practice.maildrop import Format, Store, locate, maildir
from tests.practice.maildrop.letters import (
    content,
    contents,
    maildir_name,
    make_store,
    numbered_letters,
    unique_ids,
)
from tests.practice.maildrop.opened import files_opened


def canonical_letters(count: int) -> list[bytes]:
    return [letter.replace(b"\n", b"\r\n") for letter in numbered_letters(count)]


def test_python_s_mailbox_finds_the_same_messages(tmp_path: Path) -> None:
    store = make_store(tmp_path / "mail", numbered_letters(9), format_=Format.MAILDIR)
    theirs = mailbox.Maildir(tmp_path / "mail", create=False)
    ours = store.open().maildrop
    assert sorted(theirs.iterkeys()) == sorted(each.decode() for each in unique_ids(ours))
    for number in range(1, 10):
        stored = theirs.get_bytes(ours.unique_id(number).decode())
        assert content(ours, number) == stored.replace(b"\n", b"\r\n")


def test_messages_come_in_the_order_of_their_delivery(tmp_path: Path) -> None:
    for folder in ("new", "cur"):
        (tmp_path / folder).mkdir()
    for name in ("new/20.a", "cur/3.b:2,S", "new/100.c", "cur/20.A:2,", "new/odd"):
        (tmp_path / name).write_text(f"{name}\n")
    (tmp_path / "new" / ".hidden").write_text("no message\n")
    (tmp_path / "cur" / "folder").mkdir()
    assert unique_ids(Store(locate(tmp_path)).open().maildrop) == [
        b"odd",
        b"3.b",
        b"20.A",
        b"20.a",
        b"100.c",
    ]


def test_flags_change_no_unique_id_and_no_number(tmp_path: Path) -> None:
    store = make_store(tmp_path / "mail", numbered_letters(4), format_=Format.MAILDIR)
    during = store.open().maildrop
    ids = unique_ids(during)
    name = maildir_name(1)
    (tmp_path / "mail" / "new" / name).rename(tmp_path / "mail" / "cur" / f"{name}:2,")
    # The session that is open finds the file where it is now.
    assert content(during, 1) == canonical_letters(1)[0]
    (tmp_path / "mail" / "cur" / f"{name}:2,").rename(tmp_path / "mail" / "cur" / f"{name}:2,RS")
    assert contents(during) == canonical_letters(4)
    assert unique_ids(store.open().maildrop) == ids
    assert contents(store.open().maildrop) == canonical_letters(4)


def test_a_message_that_is_being_moved_is_there_once_and_goes_as_a_whole(tmp_path: Path) -> None:
    store = make_store(
        tmp_path / "mail", numbered_letters(2), format_=Format.MAILDIR, writable=True
    )
    name = maildir_name(1)
    os.link(tmp_path / "mail" / "new" / name, tmp_path / "mail" / "cur" / f"{name}:2,S")
    lease = store.open()
    assert lease.maildrop.count == 2
    lease.commit([1])
    assert [path.name for path in (tmp_path / "mail").glob("*/1*")] == [f"{maildir_name(2)}:2,S"]


def test_a_folder_that_has_not_changed_is_not_listed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_store(tmp_path / "mail", numbered_letters(3), format_=Format.MAILDIR)
    long_ago = 1_000_000_000_123_456_789
    for folder in maildir.FOLDERS:
        os.utime(tmp_path / "mail" / folder, ns=(long_ago, long_ago))
    first = store.open().maildrop
    with monkeypatch.context() as patched:
        patched.delattr(os, "scandir")
        assert store.open().maildrop is first
    (tmp_path / "mail" / "new" / "9999999999.new").write_text("new\n")
    assert store.open().maildrop.count == 4


def test_a_folder_that_has_just_changed_is_listed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maildir, "CLOCK_GRAIN_NS", 10**15)
    now = time.time_ns() | 1
    store = make_store(tmp_path / "mail", [], format_=Format.MAILDIR)
    new = tmp_path / "mail" / "new"
    for number in range(1, 30):
        (new / f"{number}.host").write_text("new\n")
        # As if the clock had not moved.
        os.utime(new, ns=(now, now))
        assert store.open().maildrop.count == number


def test_sizes_survive_new_mail(tmp_path: Path) -> None:
    store = make_store(tmp_path / "mail", numbered_letters(20), format_=Format.MAILDIR)
    before = store.open().maildrop
    sizes = [before.octets(number) for number in range(1, 21)]
    (tmp_path / "mail" / "new" / "1.first").write_text("earlier than all\n")
    with files_opened(tmp_path / "mail") as files:
        after = store.open().maildrop
        assert [after.octets(number) for number in range(1, 22)] == [18, *sizes]
    assert [file for file in files if "journal" not in file] == ["1.first"]


@pytest.mark.parametrize(
    ("name", "unique_id"),
    [
        ("1.M2P3.host", b"1.M2P3.host"),
        ("1.M2P3.host,S=12,W=14", b"1.M2P3.host,S=12,W=14"),
        ("x" * 70, b"x" * 70),
    ],
)
def test_a_name_that_is_legal_is_the_unique_id(name: str, unique_id: bytes) -> None:
    assert maildir.unique_id_of_name(name) == unique_id


@pytest.mark.parametrize("name", ["x" * 71, "a b", "caf\u00e9", "tab\t", "bad\udce9", "line\n"])
def test_a_name_that_is_not_legal_is_hashed(name: str) -> None:
    unique_id = maildir.unique_id_of_name(name)
    assert len(unique_id) == 24
    assert unique_id.isalnum()
    assert unique_id != maildir.unique_id_of_name(name + "x")


# Sizes in names.


def store_of_one(folder: Path, name: str, stored: bytes) -> Store:
    for part in maildir.FOLDERS:
        (folder / part).mkdir()
    (folder / "cur" / name).write_bytes(stored)
    return Store(locate(folder))


@pytest.mark.parametrize("name", ["1.host,S=10,W=12:2,S", "1.host,W=12", "1.host,W=12,S=10:2,"])
def test_a_size_in_the_name_is_believed(name: str, tmp_path: Path) -> None:
    maildrop = store_of_one(tmp_path, name, b"line\nline\n").open().maildrop
    assert maildrop.octets(1) == 12
    # Nobody has read the message, so nobody can know.
    assert maildrop.has_dot_lines(1)
    assert content(maildrop, 1) == b"line\r\nline\r\n"


@pytest.mark.parametrize(
    ("stored", "told", "travels"),
    [(b"line\nend", 9, b"line\r\nend\r\n"), (b"end\r", 4, b"end\r\n"), (b"", 0, b"")],
)
def test_a_size_in_the_name_knows_no_line_end_that_is_added(
    stored: bytes, told: int, travels: bytes, tmp_path: Path
) -> None:
    maildrop = store_of_one(tmp_path, f"1.host,W={told}:2,", stored).open().maildrop
    assert maildrop.octets(1) == len(travels)
    assert content(maildrop, 1) == travels


@pytest.mark.parametrize("told", [11, 13, 0, 999])
def test_a_size_in_the_name_that_is_wrong_is_found_out(told: int, tmp_path: Path) -> None:
    store = store_of_one(tmp_path, f"1.host,W={told}:2,", b"line\nline\n")
    maildrop = store.open().maildrop
    assert maildrop.octets(1) == told
    with pytest.raises(MessageUnavailable, match=f"have the {told} octets"):
        content(maildrop, 1)
    maildrop = store.open().maildrop
    assert maildrop.octets(1) == 12
    assert content(maildrop, 1) == b"line\r\nline\r\n"


# Deleting.


def test_new_mail_and_flags_survive_a_deletion(tmp_path: Path) -> None:
    mail = tmp_path / "mail"
    store = make_store(mail, numbered_letters(4), format_=Format.MAILDIR, writable=True)
    lease = store.open()
    name = maildir_name(1)
    (mail / "new" / name).rename(mail / "cur" / f"{name}:2,S")
    (mail / "cur" / f"{maildir_name(4)}:2,S").rename(mail / "cur" / f"{maildir_name(4)}:2,FS")
    (mail / "new" / "9999999999.new").write_text("new\n")
    lease.commit([1, 2])
    assert sorted(str(path.relative_to(mail)) for path in mail.glob("*/*")) == [
        f"cur/{maildir_name(4)}:2,FS",
        f"new/{maildir_name(3)}",
        "new/9999999999.new",
    ]
