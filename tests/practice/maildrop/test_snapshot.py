"""What all formats have in common: nothing is read before it is needed, or sent if it is not right."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from poptalk.pop3.server.transaction import Maildrop, MessageUnavailable
from poptalk.practice.maildrop import Format, Store, snapshot
from poptalk.practice.maildrop.eml import EmlSnapshot
from poptalk.practice.maildrop.snapshot import Selection, Snapshot
from tests.practice.maildrop.letters import (
    LETTERS,
    content,
    contents,
    make_store,
    numbered_letters,
    unique_ids,
)
from tests.practice.maildrop.opened import files_opened

LONG_AGO = 1_000_000_000

LARGE = b"Subject: large\n\n" + b"a line of a large letter\n" * 50_000


def opened(path: Path, letters: list[bytes], format_: Format) -> Maildrop:
    store = make_store(path, letters, format_=format_)
    # So that a change shows in the time of change, however coarse the clock is.
    for file in [path, *path.rglob("*")]:
        os.utime(file, (LONG_AGO, LONG_AGO))
    return store.open().maildrop


@pytest.mark.parametrize("format_", Format)
def test_every_letter_travels_octet_for_octet(format_: Format, tmp_path: Path) -> None:
    maildrop = opened(tmp_path / "mail", [stored for stored, _ in LETTERS.values()], format_)
    assert maildrop.count == len(LETTERS)
    for number, (name, (_, travels)) in enumerate(LETTERS.items(), 1):
        assert content(maildrop, number) == travels, name
        assert maildrop.octets(number) == len(travels), name
        assert maildrop.has_dot_lines(number) is (b"\n." in b"\n" + travels), name
        assert content(maildrop, number) == travels, name


@pytest.mark.parametrize("format_", Format)
def test_unique_ids_are_legal_unique_and_stay(format_: Format, tmp_path: Path) -> None:
    letters = [b"same\n", b"same\n", b"same\r\n", b"other\n", b""]
    store = make_store(tmp_path / "mail", letters, format_=format_)
    ids = unique_ids(store.open().maildrop)
    assert len(set(ids)) == len(letters)
    assert all(1 <= len(uid) <= 70 and all(0x21 <= o <= 0x7E for o in uid) for uid in ids)
    assert unique_ids(Store(store.location).open().maildrop) == ids


@pytest.mark.parametrize("format_", [Format.EML, Format.MAILDIR])
def test_opening_a_maildrop_opens_no_message(format_: Format, tmp_path: Path) -> None:
    store = make_store(tmp_path / "mail", numbered_letters(2000), format_=format_)
    with files_opened(tmp_path) as files:
        maildrop = store.open().maildrop
        Store(store.location).open()
        assert maildrop.count == 2000
        if format_ is Format.MAILDIR:
            assert len(set(unique_ids(maildrop))) == 2000
    # What is being deleted is asked for, and not there.
    assert {os.path.basename(file) for file in files} <= {".poptalk-journal"}


@pytest.mark.parametrize("format_", Format)
def test_sizes_are_counted_once_for_all_sessions(format_: Format, tmp_path: Path) -> None:
    store = make_store(tmp_path / "mail", numbered_letters(50), format_=format_)

    def sizes() -> list[int]:
        maildrop = store.open().maildrop
        return [maildrop.octets(number) for number in range(1, 51)]

    first = sizes()
    with files_opened(tmp_path / "mail") as files:
        assert sizes() == first
    assert [file for file in files if "journal" not in file] in ([], ["mail"])


@pytest.mark.parametrize("format_", Format)
def test_a_message_is_read_in_blocks_while_it_is_sent(format_: Format, tmp_path: Path) -> None:
    maildrop = opened(tmp_path / "mail", [LARGE], format_)
    blocks = list(maildrop.chunks(1))
    assert b"".join(blocks) == LARGE.replace(b"\n", b"\r\n")
    assert len(blocks) > 4
    assert max(map(len, blocks)) < 2 * snapshot.BLOCK_OCTETS


@pytest.mark.parametrize("format_", Format)
def test_a_message_that_nobody_reads_to_its_end_is_closed(format_: Format, tmp_path: Path) -> None:
    maildrop = opened(tmp_path / "mail", [LARGE], format_)
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    chunks = maildrop.chunks(1)
    del chunks
    after = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    assert after == before


# Somebody else changes the files.


def file_of(path: Path) -> Path:
    """Return the one file that holds mail."""
    return path if path.is_file() else next(each for each in path.rglob("*") if each.is_file())


def shorten(file: Path) -> None:
    os.truncate(file, file.stat().st_size - 7)


def lengthen(file: Path) -> None:
    with file.open("ab") as more:
        more.write(b"one more line\n")


def overwrite(file: Path) -> None:
    with file.open("r+b") as other:
        other.seek(-20, os.SEEK_END)
        other.write(b"X" * 10)


def vanish(file: Path) -> None:
    file.unlink()


@pytest.mark.parametrize("change", [shorten, lengthen, overwrite, vanish])
@pytest.mark.parametrize("format_", [Format.EML, Format.MBOX])
def test_a_message_that_was_changed_is_not_sent(
    change: Callable[[Path], None], format_: Format, tmp_path: Path
) -> None:
    maildrop = opened(tmp_path / "mail", [LARGE], format_)
    assert maildrop.octets(1)
    change(file_of(tmp_path / "mail"))
    if format_ is Format.MBOX and change is lengthen:
        # What was listed is still there.
        assert content(maildrop, 1) == LARGE.replace(b"\n", b"\r\n")
        return
    with pytest.raises(MessageUnavailable, match="Message 1 "):
        maildrop.chunks(1)


@pytest.mark.parametrize("change", [shorten, lengthen])
def test_a_maildir_s_message_with_another_size_breaks_off_and_is_counted_anew(
    change: Callable[[Path], None], tmp_path: Path
) -> None:
    store = make_store(tmp_path / "mail", [LARGE], format_=Format.MAILDIR)
    maildrop = store.open().maildrop
    announced = maildrop.octets(1)
    change(file_of(tmp_path / "mail"))
    chunks = maildrop.chunks(1)
    sent: list[bytes] = []
    with pytest.raises(MessageUnavailable, match=f"have the {announced} octets"):
        sent += chunks
    assert sum(map(len, sent)) <= announced
    again = store.open().maildrop
    assert again.octets(1) == len(content(again, 1)) != announced


@pytest.mark.parametrize("change", [shorten, lengthen, overwrite])
@pytest.mark.parametrize("format_", Format)
def test_a_change_while_a_message_is_sent_breaks_it_off(
    change: Callable[[Path], None], format_: Format, tmp_path: Path
) -> None:
    maildrop = opened(tmp_path / "mail", [LARGE], format_)
    announced = maildrop.octets(1)
    chunks = iter(maildrop.chunks(1))
    sent = [next(chunks)]
    change(file_of(tmp_path / "mail"))
    if format_ is Format.MBOX and change is lengthen:
        assert b"".join([*sent, *chunks]) == LARGE.replace(b"\n", b"\r\n")
        return
    with pytest.raises(MessageUnavailable):
        sent += chunks
    assert sum(map(len, sent)) <= announced


@pytest.mark.parametrize("format_", Format)
def test_a_file_that_is_removed_while_it_is_sent_is_sent(format_: Format, tmp_path: Path) -> None:
    maildrop = opened(tmp_path / "mail", [LARGE], format_)
    chunks = maildrop.chunks(1)
    vanish(file_of(tmp_path / "mail"))
    assert b"".join(chunks) == LARGE.replace(b"\n", b"\r\n")


@pytest.mark.parametrize("format_", [Format.EML, Format.MAILDIR])
def test_a_message_that_vanished_uncounted_has_no_size(format_: Format, tmp_path: Path) -> None:
    maildrop = opened(tmp_path / "mail", [b"hello\n"], format_)
    vanish(file_of(tmp_path / "mail"))
    with pytest.raises(MessageUnavailable, match=r"cannot be read \(No such file"):
        maildrop.octets(1)


def test_a_selection_numbers_anew(tmp_path: Path) -> None:
    snapshot = make_store(tmp_path / "mail", numbered_letters(4), format_=Format.EML)._snapshot
    some = Selection(snapshot, [2, 4])
    assert some.count == 2
    assert contents(some) == [content(snapshot, 2), content(snapshot, 4)]
    assert unique_ids(some) == [snapshot.unique_id(2), snapshot.unique_id(4)]
    assert some.octets(2) == snapshot.octets(4)
    assert some.has_dot_lines(1) is snapshot.has_dot_lines(2)
    assert some.number_in_other(2) == 4


@pytest.mark.parametrize("format_", Format)
def test_the_octets_in_all_are_known_once_all_are_counted(format_: Format, tmp_path: Path) -> None:
    maildrop = opened(tmp_path / "mail", list(numbered_letters(3)), format_)
    assert isinstance(maildrop, Snapshot)
    sizes = [len(content(maildrop, number)) for number in (1, 2, 3)]
    # An mbox is read through when it is opened.
    assert maildrop.octets_in_all() in (None, sum(sizes))
    maildrop.count_octets(lambda: True)
    assert maildrop.octets_in_all() == sum(sizes)
    assert Selection(maildrop, [1, 3]).octets_in_all() == sizes[0] + sizes[2]


def test_counting_stops_when_nobody_wants_it(tmp_path: Path) -> None:
    maildrop = opened(tmp_path / "mail", list(numbered_letters(3)), Format.MAILDIR)
    assert isinstance(maildrop, Snapshot)
    maildrop.count_octets(lambda: not maildrop.is_counted(2))
    assert [maildrop.is_counted(number) for number in (1, 2, 3)] == [True, True, False]
    assert maildrop.octets_in_all() is None
    assert Selection(maildrop, [1, 2]).octets_in_all() is None


def test_what_cannot_be_read_is_left_out_and_the_octets_in_all_stay_unknown(tmp_path: Path) -> None:
    maildrop = opened(tmp_path / "mail", list(numbered_letters(3)), Format.EML)
    assert isinstance(maildrop, EmlSnapshot)
    (tmp_path / "mail" / maildrop.listing[1][0]).unlink()
    maildrop.count_octets(lambda: True)
    assert [maildrop.is_counted(number) for number in (1, 2, 3)] == [True, False, True]
    assert maildrop.octets_in_all() is None
