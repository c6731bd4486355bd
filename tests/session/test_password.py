"""Where a password comes from, and what is said where it does not."""

from __future__ import annotations

import os
import re
import shlex
import sys
from pathlib import Path

import pytest

from poptalk.session.password import (
    PASSWORD_VARIABLE,
    NoPassword,
    PasswordSource,
    SourceKind,
    Wanted,
    check_source,
    find_password,
)

SECRET = "s3cret pass"
BOB = Wanted(user="bob", host="mail.example.org")


def found(kind: SourceKind, detail: str = "") -> str:
    return find_password(BOB, PasswordSource(kind=kind, detail=detail), ask=_nobody)


def _nobody(question: str) -> str:
    raise AssertionError(f"nobody should have been asked: {question}")


@pytest.fixture(autouse=True)
def _no_password_around(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PASSWORD_VARIABLE, raising=False)


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    path = tmp_path / "pass word"
    path.touch(mode=0o600)
    path.write_text(f"{SECRET}\r\nnothing else\n")
    return path


def test_without_a_source_the_variable_comes_before_the_question(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    questions: list[str] = []

    def ask(question: str) -> str:
        questions.append(question)
        return "typed"

    assert find_password(BOB, None, ask=ask) == "typed"
    assert questions == ["Password of bob at mail.example.org: "]
    monkeypatch.setenv(PASSWORD_VARIABLE, SECRET)
    assert find_password(BOB, None, ask=_nobody) == SECRET


def test_with_nobody_to_ask_the_sources_are_named() -> None:
    with pytest.raises(NoPassword, match="--password-file"):
        find_password(BOB, None, ask=None)


def test_another_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINE", SECRET)
    assert found(SourceKind.VARIABLE, "MINE") == SECRET
    with pytest.raises(NoPassword, match="YOURS is not set"):
        found(SourceKind.VARIABLE, "YOURS")


def test_a_file_gives_its_first_line(secret_file: Path) -> None:
    assert found(SourceKind.FILE, str(secret_file)) == SECRET


def test_a_byte_order_mark_is_no_part_of_a_password(secret_file: Path) -> None:
    secret_file.write_bytes(b"\xef\xbb\xbf" + SECRET.encode())
    assert found(SourceKind.FILE, str(secret_file)) == SECRET
    secret_file.write_bytes(SECRET.encode("utf-16"))
    with pytest.raises(NoPassword, match="UTF-16"):
        found(SourceKind.FILE, str(secret_file))


def test_a_file_that_others_can_read_is_refused(secret_file: Path) -> None:
    secret_file.chmod(0o644)
    with pytest.raises(NoPassword, match=r"can be read by others: chmod 600 '") as refused:
        found(SourceKind.FILE, str(secret_file))
    assert SECRET not in str(refused.value)


def test_a_pipe_in_place_of_a_file() -> None:
    reading, writing = os.pipe()
    os.write(writing, SECRET.encode() + b"\n")
    os.close(writing)
    try:
        assert found(SourceKind.FILE, f"/dev/fd/{reading}") == SECRET
    finally:
        os.close(reading)


@pytest.mark.parametrize("content", ["", "\n", "\r\nbelow"])
def test_an_empty_first_line_is_no_password(secret_file: Path, content: str) -> None:
    secret_file.write_text(content)
    with pytest.raises(NoPassword, match="first line is empty"):
        found(SourceKind.FILE, str(secret_file))


def test_a_command_gives_its_first_line(secret_file: Path) -> None:
    script = "import sys; print(open(sys.argv[1]).read())"
    command = shlex.join([sys.executable, "-c", script, str(secret_file)])
    assert found(SourceKind.COMMAND, command) == SECRET


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("", "is empty"),
        ("'", "cannot be read"),
        ("/nowhere/at/all", "cannot be run"),
        (f"{sys.executable} -c 'raise SystemExit(3)'", "failed .exit code 3."),
        (f"{sys.executable} -c ''", "first line is empty"),
    ],
)
def test_a_command_that_gives_none(command: str, said: str) -> None:
    with pytest.raises(NoPassword, match=said):
        found(SourceKind.COMMAND, command)


def test_netrc(tmp_path: Path) -> None:
    path = tmp_path / "netrc"
    path.touch(mode=0o600)
    path.write_text(f"machine mail.example.org login bob password '{SECRET.split()[0]}'\n")
    assert found(SourceKind.NETRC, str(path)) == f"'{SECRET.split()[0]}'"
    path.write_text("machine mail.example.org login ann password x\n")
    with pytest.raises(NoPassword, match="password of ann, not of bob"):
        found(SourceKind.NETRC, str(path))
    path.write_text("machine other.example login bob password x\n")
    with pytest.raises(NoPassword, match="no entry for mail"):
        found(SourceKind.NETRC, str(path))
    path.write_text(f"nonsense {SECRET}\n")
    with pytest.raises(NoPassword, match="not a netrc") as refused:
        found(SourceKind.NETRC, str(path))
    assert SECRET.split()[0] not in str(refused.value)
    with pytest.raises(NoPassword, match="cannot be read"):
        found(SourceKind.NETRC, str(tmp_path / "none"))


@pytest.mark.parametrize("named", [True, False])
def test_a_netrc_that_others_can_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    """Both by the rule of password files; Python's netrc has one for ~/.netrc alone."""
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tmp_path / ".netrc"
    path.write_text("machine mail.example.org login bob password x\n")
    path.chmod(0o644)
    detail, shown = (str(path), str(path)) if named else ("", "~/.netrc")
    said = re.escape(f"{shown} can be read by others: chmod 600 {shown}")
    with pytest.raises(NoPassword, match=said):
        found(SourceKind.NETRC, detail)
    with pytest.raises(NoPassword, match=said):
        check_source(PasswordSource(kind=SourceKind.NETRC, detail=detail))
    path.chmod(0o600)
    check_source(PasswordSource(kind=SourceKind.NETRC, detail=detail))
    assert found(SourceKind.NETRC, detail) == "x"
    path.write_bytes(b"machine mail.example.org login bob password \xff\n")
    with pytest.raises(NoPassword, match="is not UTF-8"):
        found(SourceKind.NETRC, detail)


def test_the_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("keyring", reason="the optional package keyring is not here")
    known = {("poptalk:mail.example.org", "bob"): SECRET}
    monkeypatch.setattr("keyring.get_password", lambda service, user: known.get((service, user)))
    assert found(SourceKind.KEYRING) == SECRET
    with pytest.raises(NoPassword, match="keyring set poptalk:h u"):
        find_password(Wanted(user="u", host="h"), PasswordSource(kind=SourceKind.KEYRING), ask=None)


def test_without_the_package_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(NoPassword, match="pip install keyring in the environment"):
        found(SourceKind.KEYRING)
