"""Maildrops made of folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from poptalk.paths import lessons_directory, mailbox_directory, state_directory
from poptalk.practice import maildrop as module
from poptalk.practice.maildrop import (
    MaildropError,
    MaildropLocked,
    Message,
    Store,
    canonical,
    load_folder,
)


def content(message: Message) -> bytes:
    return b"".join(message.chunks())


@pytest.mark.parametrize(
    ("mailbox", "sizes"), [("article", [1903, 4255, 25]), ("rfc1939", [120, 200])]
)
def test_the_mailboxes_of_the_lessons_have_exactly_the_sizes_of_their_sources(
    mailbox: str, sizes: list[int]
) -> None:
    messages = load_folder(mailbox_directory(mailbox))
    assert [message.octets for message in messages] == sizes
    for message in messages:
        text = content(message)
        assert len(text) == message.octets
        assert text.isascii()
        assert b"\r\n\r\n" in text
        assert text.count(b"\n") == text.count(b"\r\n") == text.count(b"\r")
        assert max(map(len, text.splitlines())) <= 72


def test_the_second_letter_has_a_lone_dot_in_it() -> None:
    messages = load_folder(mailbox_directory("article"))
    assert [message.has_dot_lines for message in messages] == [False, True, False]
    assert b"\r\n.\r\n" in content(messages[1])


@pytest.mark.parametrize(
    ("stored", "travels"),
    [
        (b"a\nb\n", b"a\r\nb\r\n"),
        (b"a\r\nb\r\n", b"a\r\nb\r\n"),
        (b"a\r\nb\n", b"a\r\nb\r\n"),
        (b"no end", b"no end\r\n"),
        (b"half an end\r", b"half an end\r\n"),
        (b"a\rb\n", b"a\rb\r\n"),
        (b"", b""),
        (b"\n", b"\r\n"),
    ],
)
@pytest.mark.parametrize("block", [1, 2, 3, 1000])
def test_line_ends_are_made_crlf_whatever_the_blocks(
    stored: bytes, travels: bytes, block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BLOCK_OCTETS", block)
    (tmp_path / "1.eml").write_bytes(stored)
    (message,) = load_folder(tmp_path)
    assert content(message) == travels
    assert message.octets == len(travels)


def test_canonical_is_done_only_once() -> None:
    assert canonical(canonical(b"a\nb\r\nc\n")) == b"a\r\nb\r\nc\r\n"


@pytest.mark.parametrize(
    ("stored", "dots"),
    [(b".a\n", True), (b"a\n.\n", True), (b"a.\n", False), (b"a\n.", True), (b"a\n", False)],
)
def test_dots_at_the_beginning_of_a_line_are_found_across_blocks(
    stored: bytes, dots: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "1.eml").write_bytes(stored)
    for block in (1, 2, 3, 100):
        monkeypatch.setattr(module, "BLOCK_OCTETS", block)
        assert load_folder(tmp_path)[0].has_dot_lines is dots


def test_messages_come_in_the_order_of_their_names_and_only_eml_files(tmp_path: Path) -> None:
    for name in ("b.eml", "a.EML", "10.eml", "notes.txt"):
        (tmp_path / name).write_text(f"{name}\n")
    assert [content(m) for m in load_folder(tmp_path)] == [
        b"10.eml\r\n",
        b"a.EML\r\n",
        b"b.eml\r\n",
    ]


def test_unique_ids_depend_on_name_and_content_alone(tmp_path: Path) -> None:
    for name, text in (("1.eml", "same\n"), ("2.eml", "same\n"), ("3.eml", "other\n")):
        (tmp_path / name).write_text(text)
    first = [message.unique_id for message in load_folder(tmp_path)]
    assert len(set(first)) == 3
    assert all(1 <= len(uid) <= 70 and all(0x21 <= o <= 0x7E for o in uid) for uid in first)
    (tmp_path / "1.eml").unlink()
    (tmp_path / "2.eml").write_bytes(b"same\r\n")
    assert [message.unique_id for message in load_folder(tmp_path)] == first[1:]


def test_a_large_message_is_kept_outside_of_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAPPED_OCTETS", 1000)
    (tmp_path / "1.eml").write_bytes(b"line\n" * 200_000)
    (message,) = load_folder(tmp_path)
    assert not isinstance(message.content, bytes)
    assert max(map(len, message.chunks())) == module.BLOCK_OCTETS
    # Whatever happens to the file, the message is whole.
    (tmp_path / "1.eml").write_bytes(b"")
    assert content(message) == b"line\r\n" * 200_000


def test_a_folder_that_cannot_be_used_is_explained(tmp_path: Path) -> None:
    with pytest.raises(
        MaildropError, match=r"nowhere is no folder that can be read\. A maildrop is"
    ):
        load_folder(tmp_path / "nowhere")
    (tmp_path / "folder.eml").mkdir()
    with pytest.raises(MaildropError, match=r"cannot be read \(Is a directory"):
        load_folder(tmp_path)


def test_a_file_that_is_no_message_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_MESSAGE_OCTETS", 10)
    (tmp_path / "film.eml").write_bytes(b"x" * 11)
    with pytest.raises(MaildropError, match="too many for a message"):
        load_folder(tmp_path)


def three() -> tuple[Message, ...]:
    return load_folder(mailbox_directory("article"))


def test_private_sessions_do_not_see_each_other() -> None:
    store = Store(three(), shared=False)
    one, two = store.open(), store.open()
    one.commit({1, 3})
    one.release()
    assert two.maildrop.count == store.open().maildrop.count == 3


def test_a_shared_maildrop_is_open_to_one_session_and_remembers() -> None:
    store = Store(three(), shared=True)
    one = store.open()
    with pytest.raises(MaildropLocked):
        store.open()
    one.commit({1, 3})
    one.release()
    two = store.open()
    assert [two.maildrop.octets(1)] == [4255]
    # Releasing twice does not take the lock away from somebody else.
    one.release()
    with pytest.raises(MaildropLocked):
        store.open()


def test_where_things_lie() -> None:
    assert (lessons_directory() / "mailboxes" / "article").is_dir()
    assert state_directory().name == "poptalk"
    with pytest.raises(FileNotFoundError, match=r'no mailbox "nowhere".*article, rfc1939'):
        mailbox_directory("nowhere")
    with pytest.raises(FileNotFoundError, match="no mailbox"):
        mailbox_directory("../mailboxes/article")
