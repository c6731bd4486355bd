"""A command line that cannot be understood: one sentence, exit code 2, and no value repeated."""

from __future__ import annotations

import pytest

from poptalk.cli import main

SENTENCES = [
    (["h", "--stattls"], "there is no option --stattls: is --starttls meant?"),
    (["h", "--port", "110"], "the port is a word behind the host"),
    (["h", "--user", "bob"], "whoever is to log in is named with --login USER"),
    (["h", "--ssl"], "TLS from the first octet is --tls"),
    (["h", "--xyzzy"], "there is no option --xyzzy; poptalk connect --help"),
    (["h", "--password-", "x"], "it may be --password-env, --password-file, --password-command"),
    (["h", "--timeout", "0"], "'0' is no number of seconds above 0"),
    (["h", "--login"], "--login: expected one argument"),
    (["run"], "the following arguments are required: FILE"),
    (["run", "x.pop3", "--prot", "1"], "there is no option --prot"),
    (["diff", "a"], "required: B"),
    (["serve", "x"], "x is a word too many here"),
]


def complaint(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Return what a wrong command line is answered with."""
    with pytest.raises(SystemExit, match="2"):
        main(words)
    said = capsys.readouterr()
    assert not said.out
    return said.err


@pytest.mark.parametrize(("words", "sentence"), SENTENCES)
def test_one_sentence(words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = complaint(words, capsys)
    assert said.startswith("poptalk: ")
    assert sentence in said
    assert said.count("\n") == 1


def test_a_short_list_of_what_there_is_stays(capsys: pytest.CaptureFixture[str]) -> None:
    assert "usage: poptalk lessons" in complaint(["lessons", "lsit"], capsys)


@pytest.mark.parametrize("words", [["--password", "hunter2"], ["--password=hunter2"]])
def test_a_password_that_was_given_is_not_repeated(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    said = complaint(["mail.example.org", *words], capsys)
    assert "a password never stands on the command line" in said
    assert "hunter2" not in said
