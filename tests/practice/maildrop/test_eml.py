"""Folders of ``.eml`` files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from poptalk.config import mailbox_directory
from poptalk.practice.maildrop import CommitRefused, MaildropError, Store, eml, locate
from tests.practice.maildrop.letters import content, contents, unique_ids


@pytest.mark.parametrize(
    ("mailbox", "sizes"), [("article", [1903, 4255, 25]), ("rfc1939", [120, 200])]
)
def test_the_mailboxes_of_the_lessons_have_exactly_the_sizes_of_their_sources(
    mailbox: str, sizes: list[int]
) -> None:
    maildrop = Store(locate(mailbox_directory(mailbox))).open().maildrop
    assert [maildrop.octets(n) for n in range(1, maildrop.count + 1)] == sizes
    for text in contents(maildrop):
        assert text.isascii()
        assert b"\r\n\r\n" in text
        assert text.count(b"\n") == text.count(b"\r\n") == text.count(b"\r")
        assert max(map(len, text.splitlines())) <= 72


def test_the_second_letter_of_the_article_has_a_lone_dot_in_it() -> None:
    maildrop = Store(locate(mailbox_directory("article"))).open().maildrop
    assert [maildrop.octets(n) > 0 and maildrop.has_dot_lines(n) for n in (1, 2, 3)] == [
        False,
        True,
        False,
    ]
    assert b"\r\n.\r\n" in content(maildrop, 2)


def test_messages_come_in_the_order_of_their_names_and_only_eml_files(tmp_path: Path) -> None:
    for name in ("b.eml", "a.EML", "10.eml", "notes.txt"):
        (tmp_path / name).write_text(f"{name}\n")
    (tmp_path / "folder.eml").mkdir()
    assert contents(Store(locate(tmp_path)).open().maildrop) == [
        b"10.eml\r\n",
        b"a.EML\r\n",
        b"b.eml\r\n",
    ]


def test_unique_ids_depend_on_name_and_content_alone(tmp_path: Path) -> None:
    for name, text in (("1.eml", "same\n"), ("2.eml", "same\n"), ("3.eml", "other\n")):
        (tmp_path / name).write_text(text)
    store = Store(locate(tmp_path))
    first = unique_ids(store.open().maildrop)
    (tmp_path / "1.eml").unlink()
    (tmp_path / "2.eml").write_bytes(b"same\r\n")
    assert unique_ids(store.open().maildrop) == first[1:]
    (tmp_path / "2.eml").write_bytes(b"new content\n")
    assert unique_ids(store.open().maildrop)[0] not in first


def test_the_next_session_sees_what_has_changed_and_this_one_does_not(tmp_path: Path) -> None:
    (tmp_path / "1.eml").write_text("one\n")
    store = Store(locate(tmp_path))
    before = store.open().maildrop
    (tmp_path / "0.eml").write_text("zero\n")
    after = store.open().maildrop
    assert contents(before) == [b"one\r\n"]
    assert contents(after) == [b"zero\r\n", b"one\r\n"]


def test_a_name_that_is_no_utf_8_is_a_name(tmp_path: Path) -> None:
    path = os.path.join(os.fsencode(tmp_path), b"caf\xe9.eml")
    try:
        Path(os.fsdecode(path)).write_bytes(b"hello\n")
    except OSError:
        pytest.skip("this file system takes no such name")
    store = Store(locate(tmp_path), writable=True)
    lease = store.open()
    assert contents(lease.maildrop) == [b"hello\r\n"]
    assert lease.maildrop.unique_id(1).isalnum()
    lease.commit([1])
    assert not os.path.exists(path)


def test_a_file_that_is_no_message_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eml, "MAX_MESSAGE_OCTETS", 10)
    (tmp_path / "film.eml").write_bytes(b"x" * 11)
    with pytest.raises(MaildropError, match=r"film\.eml has 11 octets, too many for a message"):
        Store(locate(tmp_path))


def test_a_message_that_was_changed_is_not_deleted_and_neither_are_the_others(
    tmp_path: Path,
) -> None:
    for name in ("1", "2"):
        (tmp_path / f"{name}.eml").write_text(f"{name}\n")
    store = Store(locate(tmp_path), writable=True)
    lease = store.open()
    (tmp_path / "2.eml").write_text("a letter that came later\n")
    with pytest.raises(CommitRefused, match=r"2\.eml has changed since it was listed"):
        lease.commit([1, 2])
    assert contents(store.open().maildrop) == [b"1\r\n", b"a letter that came later\r\n"]


def test_a_message_that_somebody_else_has_deleted_is_deleted(tmp_path: Path) -> None:
    for name in ("1", "2", "3"):
        (tmp_path / f"{name}.eml").write_text(f"{name}\n")
    store = Store(locate(tmp_path), writable=True)
    lease = store.open()
    (tmp_path / "2.eml").unlink()
    lease.commit([2])
    lease = store.open()
    (tmp_path / "1.eml").unlink()
    lease.commit([1, 2])
    assert store.open().maildrop.count == 0
