"""What a maildrop is, by what is there and by what people say."""

from __future__ import annotations

from pathlib import Path

import pytest

from poptalk.practice.maildrop import Format, Location, MaildropError, Store, locate
from tests.practice.maildrop.letters import WRITERS

LETTER = b"Subject: hi\n\nhello\n"


@pytest.mark.parametrize("format_", Format)
def test_every_format_is_recognised_and_can_be_named(format_: Format, tmp_path: Path) -> None:
    path = WRITERS[format_](tmp_path / "mail", [LETTER])
    there = Location(path=path, format=format_)
    assert locate(str(path)) == locate(path) == locate(f"{format_.value}:{path}") == there
    assert Store(there).open().maildrop.count == 1


@pytest.mark.parametrize("format_", Format)
def test_every_format_may_be_empty(format_: Format, tmp_path: Path) -> None:
    path = WRITERS[format_](tmp_path / "mail", [])
    assert Store(locate(str(path))).open().maildrop.count == 0


def test_what_could_be_two_things_must_be_named(tmp_path: Path) -> None:
    path = WRITERS[Format.MAILDIR](tmp_path / "mail", [LETTER])
    (path / "1.eml").write_bytes(LETTER)
    (path / "2.eml").write_bytes(LETTER)
    with pytest.raises(MaildropError, match=r"say eml:.*mail or maildir:.*mail\.$"):
        locate(str(path))
    assert Store(locate(f"maildir:{path}")).open().maildrop.count == 1
    assert Store(locate(f"eml:{path}")).open().maildrop.count == 2


def test_a_path_may_look_as_if_it_named_a_format(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    WRITERS[Format.EML](tmp_path / "mbox:letters", [LETTER])
    assert locate("./mbox:letters").format is Format.EML
    assert locate(Path("mbox:letters")).format is Format.EML


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ("nowhere", "does not exist. A maildrop is a folder of .eml files, a Maildir or an mbox."),
        ("mbox:folder", "is not an mbox, because it is not a file."),
        ("eml:file", "is not a folder. An eml maildrop is a folder with .eml files in it."),
        ("maildir:folder", "is not a Maildir, which is a folder with new and cur in it."),
        ("/dev/null", "is neither a folder nor a file, so no mail can be read from it."),
    ],
)
def test_what_cannot_be_is_explained(
    place: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(LETTER)
    with pytest.raises(MaildropError) as caught:
        locate(place)
    assert str(caught.value) == f"{place.rpartition(':')[2]} {sentence}"


def test_a_file_that_is_no_mbox_is_explained(tmp_path: Path) -> None:
    (tmp_path / "letter").write_bytes(LETTER)
    with pytest.raises(
        MaildropError, match='letter is not an mbox, because it does not begin with "Fr'
    ):
        Store(locate(str(tmp_path / "letter")))
