"""What a stranger plants in a maildrop: journals, links, and things that are not files."""

from __future__ import annotations

import gc
import hashlib
import json
import os
import socket
import stat
from collections.abc import Callable, Iterator
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
from poptalk.practice.maildrop import mbox as mbox_module
from poptalk.practice.server import Server
from tests.practice.maildrop.letters import (
    WRITERS,
    contents,
    maildir_name,
    make_store,
    numbered_letters,
    unique_ids,
)
from tests.practice.talking import greeted

LETTERS = [letter.replace(b"\n", b"\r\n") for letter in numbered_letters(3)]
PRECIOUS = b"Subject: precious\n\nNot to be lost, changed or shown.\n"

OF_FOLDERS = (Format.EML, Format.MAILDIR)
"""The formats whose journal has the same name and form."""


@pytest.fixture
def precious(tmp_path: Path) -> Iterator[Path]:
    """Make a file outside the maildrop that must stay as it is."""
    path = tmp_path / "precious.eml"
    path.write_bytes(PRECIOUS)
    path.chmod(0o644)
    before = path.stat()
    yield path
    after = path.stat()
    assert path.read_bytes() == PRECIOUS
    assert (before.st_mode, before.st_uid, before.st_nlink) == (
        after.st_mode,
        after.st_uid,
        after.st_nlink,
    )


def journal_of(mail: Path, format_: Format) -> Path:
    if format_ is Format.MBOX:
        return mail.with_name(f".{mail.name}.poptalk-journal")
    return mail / ".poptalk-journal"


def unique_id_of_file(name: str, octets: bytes) -> str:
    """Return the unique-id that a message in a folder has, which a stranger can work out as well."""
    return hashlib.blake2b(name.encode() + snapshot.canonical(octets)).hexdigest()[:24]


# Journals.


@pytest.mark.parametrize("format_", OF_FOLDERS)
@pytest.mark.parametrize(
    "name",
    [
        "../precious.eml",
        "/precious.eml",
        "./precious.eml",
        "new/../../precious.eml",
        "..",
        ".",
        "",
        "a\0.eml",
        "x" * 300 + ".eml",
        "\ud800.eml",
    ],
)
def test_a_journal_names_nothing_outside_the_maildrop(
    name: str, format_: Format, tmp_path: Path, precious: Path
) -> None:
    mail = WRITERS[format_](tmp_path / "mail", numbered_letters(3))
    name = name.replace("/precious", f"{tmp_path}/precious") if name.startswith("/") else name
    journal = journal_of(mail, format_)
    hashed = unique_id_of_file(name, PRECIOUS) if name.isprintable() else "0"
    journal.write_text(json.dumps({name: hashed}))
    for writable in (False, True):
        with pytest.raises(MaildropError, match=r"mail/\.poptalk-journal is damaged, or isn't"):
            Store(locate(f"{format_.value}:{mail}"), writable=writable).open()
    journal.unlink()
    assert contents(Store(locate(mail)).open().maildrop) == LETTERS


def test_a_journal_of_a_folder_names_messages_only(tmp_path: Path) -> None:
    mail = WRITERS[Format.EML](tmp_path / "mail", numbered_letters(3))
    (mail / "notes.txt").write_bytes(PRECIOUS)
    (mail / ".poptalk-journal").write_text(
        json.dumps({"notes.txt": unique_id_of_file("notes.txt", PRECIOUS)})
    )
    assert contents(Store(locate(mail), writable=True).open().maildrop) == LETTERS
    assert (mail / "notes.txt").read_bytes() == PRECIOUS


DAMAGED = [
    b"",
    b"{",
    b"\xff\xfe",
    b"[]",
    b"null",
    b"7" * 10_000,
    b"[" * 100_000,
    b'"1.eml"',
    b'["000001.eml"]',
    b'{"000001.eml": 1}',
    b'{"000001.eml": null}',
    b'{"000001.eml": {"000001.eml": "x"}}',
    b"1" + bytes(96),
    b"1" + b"\xff" * 96,
    b"1" + b"\0" * 8 + b"\xff" * 200,
    b"2" + bytes(7) + b"\1" + b"\xff" * 88,
    b"2" + b"\xff" * 200,
    b"3" + bytes(96),
]


@pytest.mark.parametrize("octets", DAMAGED, ids=lambda octets: repr(octets[:50]))
@pytest.mark.parametrize("format_", Format)
def test_a_damaged_journal_is_one_sentence_that_names_it(
    octets: bytes, format_: Format, tmp_path: Path
) -> None:
    store = make_store(tmp_path / "mail", numbered_letters(3), format_=format_, writable=True)
    before = {each: each.read_bytes() for each in tmp_path.rglob("*") if each.is_file()}
    journal = journal_of(tmp_path / "mail", format_)
    journal.write_bytes(octets)
    for _ in range(3):
        with pytest.raises(MaildropError) as caught:
            store.open()
        assert str(caught.value).startswith(f"{journal} is damaged, or isn't a journal")
    for writable in (False, True):
        with pytest.raises(MaildropError, match="is damaged"):
            Store(store.location, writable=writable)
    journal.unlink()
    assert {each: each.read_bytes() for each in before} == before
    assert contents(store.open().maildrop) == LETTERS


def make_folder(path: Path) -> None:
    path.mkdir()


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    here = Path.cwd()
    # The path of a socket has 108 octets at most.
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(path.name)
    finally:
        os.chdir(here)


def make_link(path: Path) -> None:
    path.symlink_to(path.parent / "000001.eml")


def make_dangling_link(path: Path) -> None:
    path.symlink_to("/nonexistent/anything")


def make_device_link(path: Path) -> None:
    path.symlink_to("/dev/zero")


NO_FILES = [make_folder, make_fifo, make_socket, make_link, make_dangling_link, make_device_link]


@pytest.mark.parametrize("make", NO_FILES)
@pytest.mark.parametrize("format_", Format)
def test_a_journal_that_is_not_a_file_is_one_sentence(
    make: Callable[[Path], None], format_: Format, tmp_path: Path
) -> None:
    mail = WRITERS[format_](tmp_path / "mail", numbered_letters(3))
    make(journal_of(mail, format_))
    with pytest.raises(MaildropError, match=r"poptalk-journal is damaged"):
        Store(locate(mail))


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give away"
)
@pytest.mark.parametrize("format_", Format)
def test_a_journal_of_another_user_is_not_believed(format_: Format, tmp_path: Path) -> None:
    mail = WRITERS[format_](tmp_path / "mail", numbered_letters(3))
    ids = unique_ids(Store(locate(mail)).open().maildrop)
    name = "000001.eml" if format_ is Format.EML else maildir_name(1)
    journal = journal_of(mail, format_)
    journal.write_text(json.dumps({name: ids[0].decode()}))
    os.chown(journal, 65534, 65534)
    with pytest.raises(
        MaildropError, match="is damaged, or isn't a journal that this program wrote"
    ):
        Store(locate(mail))


def half_done(mail: Path) -> Store:
    """Leave the journal of an mbox from which message 2 is deleted, as a process that is killed does."""
    store = Store(locate(mail), writable=True)
    lease = store.open()
    steps = store.location.storage().remove(lease.maildrop, [2])  # type: ignore[arg-type]
    assert "the name of the journal is on the disk" in steps
    lease.release()
    return Store(locate(mail), writable=True)


@pytest.mark.parametrize("place", [0, 1, 5, 40, 120, -1])
def test_a_journal_of_an_mbox_with_one_octet_changed_changes_nothing(
    place: int, tmp_path: Path
) -> None:
    mail = WRITERS[Format.MBOX](tmp_path / "mail", numbered_letters(3))
    store = half_done(mail)
    before = mail.read_bytes()
    journal = journal_of(mail, Format.MBOX)
    octets = bytearray(journal.read_bytes())
    octets[place] ^= 4
    journal.write_bytes(octets)
    with pytest.raises(MaildropError, match=r"\.mail\.poptalk-journal is damaged"):
        store.open()
    assert mail.read_bytes() == before


@pytest.mark.parametrize("change", [b"", b"Fram ", b"From other\n\nother\n\n"])
def test_a_journal_of_an_mbox_that_was_changed_since_changes_nothing(
    change: bytes, tmp_path: Path
) -> None:
    mail = WRITERS[Format.MBOX](tmp_path / "mail", numbered_letters(3))
    store = half_done(mail)
    with mail.open("r+b") as file:
        file.write(change) if change else file.truncate(10)
    before = mail.read_bytes()
    with pytest.raises(MaildropError, match=r"\.mail\.poptalk-journal is damaged"):
        store.open()
    assert mail.read_bytes() == before


# Links where a writable session makes its own files.


OWN_NAMES = {
    Format.EML: ("mail/.poptalk-journal-unfinished",),
    Format.MAILDIR: ("mail/.poptalk-journal-unfinished",),
    Format.MBOX: (
        ".mail.poptalk-journal-unfinished",
        ".mail.poptalk-draft",
        ".mail.lock.poptalk-draft",
    ),
}


@pytest.mark.parametrize("link", [os.symlink, os.link])
@pytest.mark.parametrize(
    ("format_", "name"), [(format_, name) for format_ in Format for name in OWN_NAMES[format_]]
)
def test_a_link_under_the_name_of_a_file_of_ours_is_not_written_through(
    link: Callable[[Path, Path], None], format_: Format, name: str, tmp_path: Path
) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(PRECIOUS)
    precious.chmod(0o640)
    mail = WRITERS[format_](tmp_path / "mail", numbered_letters(3))
    with Server(maildrop=mail, writable=True) as server, greeted(server) as talk:
        link(precious, tmp_path / name)
        talk.log_in()
        (tmp_path / name).unlink(missing_ok=True)
        # At the login and at the end of the session.
        link(precious, tmp_path / name)
        talk.say(b"DELE 1")
        assert talk.say(b"QUIT").startswith(b"+OK")
    assert precious.read_bytes() == PRECIOUS
    assert stat.S_IMODE(precious.stat().st_mode) == 0o640
    assert contents(Store(locate(mail)).open().maildrop) == LETTERS[1:]


@pytest.mark.parametrize("format_", Format)
def test_a_lock_that_is_a_link_is_refused_and_makes_no_file(
    format_: Format, tmp_path: Path
) -> None:
    mail = WRITERS[format_](tmp_path / "mail", numbered_letters(3))
    lock = mail / ".poptalk-lock" if mail.is_dir() else tmp_path / ".mail.poptalk-lock"
    lock.symlink_to(tmp_path / "made-by-root")
    with pytest.raises(MaildropError, match=r"cannot be used \(Not a regular file: .*poptalk-lock"):
        Store(locate(mail), writable=True).open()
    assert not (tmp_path / "made-by-root").exists()


def test_a_dot_lock_that_is_a_link_is_left_alone(
    tmp_path: Path, precious: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "DELIVERY_SECONDS", 0)
    precious_lock = tmp_path / "mail.lock"
    precious_lock.symlink_to(precious)
    store = make_store(tmp_path / "mail", numbered_letters(3), format_=Format.MBOX, writable=True)
    with pytest.raises(CommitRefused, match=r"mail\.lock is there"):
        store.open().commit([1])
    assert precious_lock.is_symlink()


@pytest.mark.parametrize("format_", Format)
def test_what_is_made_is_private_and_its_names_go(format_: Format, tmp_path: Path) -> None:
    store = make_store(tmp_path / "mail", numbered_letters(3), format_=format_, writable=True)
    modes = {}
    storage = store.location.storage()
    for _ in storage.remove(store.open().maildrop, [1]):  # type: ignore[arg-type]
        for path in tmp_path.rglob("*poptalk-*"):
            modes[path.name] = stat.S_IMODE(path.stat().st_mode)
    assert len(modes) == 3
    assert set(modes.values()) == {0o600}
    assert len(list(tmp_path.rglob("*poptalk-*"))) == 1


@pytest.mark.parametrize("format_", OF_FOLDERS)
def test_a_folder_exchanged_for_a_link_is_not_followed(format_: Format, tmp_path: Path) -> None:
    secret = WRITERS[format_](tmp_path / "secret", [PRECIOUS])
    mail = WRITERS[format_](tmp_path / "mail", numbered_letters(3))
    store = Store(locate(mail), writable=True)
    lease = store.open()
    swapped = mail if format_ is Format.EML else mail / "new"
    swapped.rename(tmp_path / "elsewhere")
    swapped.symlink_to(secret if format_ is Format.EML else secret / "new")
    # The session has the folder that it has listed, wherever that is now.
    assert b"".join(lease.maildrop.chunks(1)) == LETTERS[0]
    lease.release()
    with pytest.raises(MaildropError, match="cannot be used"):
        store.open()
    assert {each.read_bytes() for each in secret.rglob("*") if each.is_file()} == {PRECIOUS}


@pytest.mark.parametrize("format_", list(Format))
def test_a_folder_that_is_made_anew_is_the_maildrop_from_the_next_session_on(
    format_: Format, tmp_path: Path
) -> None:
    mail = tmp_path / "folder" / "mail"
    mail.parent.mkdir()
    WRITERS[format_](mail, numbered_letters(3))
    store = Store(locate(mail))
    lease = store.open()
    mail.parent.rename(tmp_path / "elsewhere")
    mail.parent.mkdir()
    WRITERS[format_](mail, [PRECIOUS])
    assert b"".join(lease.maildrop.chunks(2)) == LETTERS[1]
    assert b"".join(store.open().maildrop.chunks(1)) == PRECIOUS.replace(b"\n", b"\r\n")


def test_folders_are_not_held_open_for_ever(tmp_path: Path) -> None:
    if not Path("/proc/self/fd").exists():
        pytest.skip("this system does not tell which files are open")

    def opened() -> int:
        return sum(os.path.realpath(f"/proc/self/fd/{n}").startswith(str(tmp_path))
                   for n in os.listdir("/proc/self/fd"))  # fmt: skip

    mail = WRITERS[Format.MAILDIR](tmp_path / "mail", numbered_letters(3))
    store = Store(locate(mail))
    for number in range(5):
        (mail / "new").rename(mail / f"old{number}")
        (mail / "new").mkdir()
        lease = store.open()
        lease.release()
    assert opened() == 2
    del store, lease
    gc.collect()
    assert opened() == 0


def test_an_mbox_with_a_second_name_is_not_rewritten(tmp_path: Path) -> None:
    store = make_store(tmp_path / "mail", numbered_letters(3), format_=Format.MBOX, writable=True)
    os.link(tmp_path / "mail", tmp_path / "other")
    before = (tmp_path / "mail").read_bytes()
    with pytest.raises(CommitRefused, match="has another name as well"):
        store.open().commit([1])
    assert (tmp_path / "other").read_bytes() == before
    assert not (tmp_path / "mail.lock").exists()


# Letters that are not files.


@pytest.mark.parametrize("make", NO_FILES)
@pytest.mark.parametrize("writable", [False, True])
@pytest.mark.parametrize("format_", OF_FOLDERS)
def test_what_is_not_a_file_is_not_a_message(
    make: Callable[[Path], None], writable: bool, format_: Format, tmp_path: Path
) -> None:
    mail = WRITERS[format_](tmp_path / "mail", numbered_letters(3))
    make(mail / ("0.eml" if format_ is Format.EML else "new/0.planted"))
    with (
        Server(maildrop=mail, writable=writable) as server,
        greeted(server) as talk,
    ):
        talk.log_in()
        assert talk.say(b"STAT") == b"+OK 3 120"
        talk.say(b"DELE 1")
        assert talk.say(b"QUIT").startswith(b"+OK")


@pytest.mark.parametrize("make", NO_FILES)
@pytest.mark.parametrize("format_", OF_FOLDERS)
def test_a_message_exchanged_for_something_else_is_refused_at_once(
    make: Callable[[Path], None], format_: Format, tmp_path: Path
) -> None:
    mail = WRITERS[format_](tmp_path / "mail", numbered_letters(3))
    with Server(maildrop=mail) as server, greeted(server) as talk:
        talk.log_in()
        letter = mail / ("000001.eml" if format_ is Format.EML else f"new/{maildir_name(1)}")
        letter.unlink()
        make(letter)
        assert talk.say(b"RETR 1").startswith(b"-ERR the message cannot be read")
        assert talk.say(b"TOP 1 0").startswith(b"-ERR the message cannot be read")
        assert talk.say(b"LIST 1").startswith(b"-ERR")
        assert talk.say(b"STAT") == b"+OK 2 80"
        assert talk.say(b"NOOP").startswith(b"+OK")


@pytest.mark.parametrize("make", NO_FILES)
@pytest.mark.parametrize("writable", [False, True])
def test_an_mbox_exchanged_for_something_else_is_refused_at_once(
    make: Callable[[Path], None], writable: bool, tmp_path: Path
) -> None:
    mail = WRITERS[Format.MBOX](tmp_path / "mail", numbered_letters(3))
    with Server(maildrop=mail, writable=writable) as server:
        with greeted(server) as talk:
            talk.log_in()
            mail.unlink()
            make(mail)
            assert talk.say(b"RETR 1").startswith(b"-ERR the message cannot be read")
            talk.say(b"DELE 2")
            expected = b"-ERR some deleted" if writable else b"+OK"
            assert talk.say(b"QUIT").startswith(expected)
        with greeted(server) as talk:
            assert talk.log_in().startswith(b"-ERR trouble on our side")


@pytest.mark.parametrize("make", NO_FILES)
@pytest.mark.parametrize("name", [".mail.poptalk-lock", "mail.lock", ".mail.lock.poptalk-draft"])
def test_locks_that_are_not_files_freeze_nothing(
    make: Callable[[Path], None],
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(locks, "DELIVERY_SECONDS", 0)
    mail = WRITERS[Format.MBOX](tmp_path / "mail", numbered_letters(3))
    with Server(maildrop=mail, writable=True) as server:
        make(tmp_path / name)
        with greeted(server) as talk:
            if talk.log_in().startswith(b"+OK"):
                talk.say(b"DELE 1")
                talk.say(b"QUIT")
    assert mbox_module.FROM + b"bob" in mail.read_bytes()
