"""Who may log in, and how accounts are given."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from poptalk.pop3.sasl.mechanism import DigestProof, PasswordProof, TokenProof, apop_digest
from poptalk.pop3.server.events import LoginAttempt
from poptalk.practice.accounts import (
    ACCOUNTS,
    BOB,
    MOST_CHARACTERS_OF_A_NAME,
    MOST_NAMES,
    MROSE,
    Account,
    AccountBook,
    AccountError,
    TooManyNames,
    class_password,
    is_public,
    others_can_read,
    parse_account,
    read_accounts,
    read_token,
)

TIMESTAMP = b"<1896.697170952@dbc.mtview.ca.us>"
DIGEST = b"c4c9334bac560ecc979e58001b3e22fb"


@pytest.mark.parametrize(
    ("name", "password", "account"),
    [
        (b"bob", b"jones", BOB),
        (b"mrose", b"tanstaaf", MROSE),
        (b"bob", b"tanstaaf", None),
        (b"bob", b"", None),
        (b"bob", b"jones ", None),
        (b"BOB", b"jones", None),
        (b"nobody", b"jones", None),
        (b"nobody", b"", None),
        (b"", b"", None),
        (b"\xff", b"\xff", None),
    ],
)
def test_by_password(name: bytes, password: bytes, account: Account | None) -> None:
    proof = PasswordProof(password=password)
    assert AccountBook(ACCOUNTS).find(LoginAttempt(name=name, proof=proof)) is account


@pytest.mark.parametrize(
    ("name", "digest", "account"),
    [
        (b"mrose", DIGEST, MROSE),
        (b"bob", DIGEST, None),
        (b"mrose", DIGEST[:31], None),
        (b"mrose", DIGEST.upper(), None),
        (b"mrose", b"\xff" * 32, None),
        (b"nobody", DIGEST, None),
    ],
)
def test_by_the_digest_of_rfc_1939(name: bytes, digest: bytes, account: Account | None) -> None:
    proof = DigestProof(challenge=TIMESTAMP, digest=digest, make=apop_digest)
    assert AccountBook(ACCOUNTS).find(LoginAttempt(name=name, proof=proof)) is account


def found(book: AccountBook, name: str, password: str) -> Account | None:
    proof = PasswordProof(password=password.encode())
    return book.find(LoginAttempt(name=name.encode(), proof=proof))


def test_a_token_is_right_for_every_account_and_for_no_other_name() -> None:
    def by_token(book: AccountBook, name: bytes, token: bytes) -> Account | None:
        return book.find(LoginAttempt(name=name, proof=TokenProof(token=token)))

    book = AccountBook(ACCOUNTS, token="mF_9.B5f-4.1JqM")
    assert by_token(book, b"bob", b"mF_9.B5f-4.1JqM") is BOB
    assert by_token(book, b"mrose", b"mF_9.B5f-4.1JqM") is MROSE
    assert by_token(book, b"nobody", b"mF_9.B5f-4.1JqM") is None
    assert by_token(book, b"bob", b"jones") is None
    assert by_token(AccountBook(ACCOUNTS), b"bob", b"") is None


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_names_and_passwords_are_prepared_by_saslprep(form: str) -> None:
    """RFC 4013 §2, RFC 6856 §2.2: however the client composes an e with an accent."""
    renee = Account(name="renée", password="été x")
    composed = unicodedata.normalize(form, "renée"), unicodedata.normalize(form, "été\xa0x")  # type: ignore[arg-type]
    assert found(AccountBook([renee]), *composed) is renee


@pytest.mark.parametrize("octets", [b"ren\xe9e", b"ren\xc3", "ren\u200fée\ue000".encode()])
def test_octets_that_cannot_be_prepared_are_nobody(octets: bytes) -> None:
    book = AccountBook([Account(name="renée", password="secret")])
    for name, password in ((octets, b"secret"), ("renée".encode(), octets)):
        proof = PasswordProof(password=password)
        assert book.find(LoginAttempt(name=name, proof=proof)) is None


@pytest.mark.parametrize(
    ("accounts", "sentence"),
    [
        ([BOB, MROSE, Account(name="bob", password="x")], '"bob" is given twice'),
        ([Account(name="é", password="x"), Account(name="e\u0301", password="y")], "given twice"),
        ([Account(name="bob\ue000", password="sesame")], "SASLprep forbids"),
        ([Account(name="bob", password="sesame\ue000")], "SASLprep forbids"),
        ([Account(name="", password="sesame")], "is empty"),
    ],
)
def test_accounts_that_cannot_be_used(accounts: list[Account], sentence: str) -> None:
    with pytest.raises(AccountError, match=sentence) as error:
        AccountBook(accounts)
    assert "sesame" not in str(error.value)


def test_only_two_passwords_are_public() -> None:
    assert all(map(is_public, ACCOUNTS))
    assert not is_public(Account(name="bob", password="smith"))
    assert not is_public(Account(name="tim", password="jones"))
    assert "jones" not in repr(BOB)


def test_an_account_on_the_command_line() -> None:
    account = parse_account("tim:tan:staaf ", source="--user")
    assert (account.name, account.password) == ("tim", "tan:staaf ")
    assert found(AccountBook([account]), "tim", "tan:staaf ") is account


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("sesame", "--user: NAME:PASSWORD is needed"),
        (":sesame", "--user: neither the name nor the password may be empty"),
        ("tim:", "may be empty"),
        ("", "no colon"),
        ("tim the bear:sesame", "has no spaces"),
        ("tim:sesame\n", "printable"),
        ("t\0m:sesame", "printable"),
    ],
)
def test_an_account_that_is_none(text: str, sentence: str) -> None:
    with pytest.raises(AccountError, match=sentence) as error:
        parse_account(text, source="--user")
    assert "sesame" not in str(error.value)


def test_accounts_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "users"
    file.write_text("# who may log in\n\ntim:tanstaaf\n  # and\nrenée:a b#c\n", encoding="utf-8")
    accounts = read_accounts(file)
    assert [(a.name, a.password) for a in accounts] == [("tim", "tanstaaf"), ("renée", "a b#c")]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"tim:x\nsesame\n", "users, line 2: NAME:PASSWORD is needed"),
        (b"# nobody\n", "no account in it"),
        (b"tim:sesam\xe9\n", "not UTF-8"),
    ],
)
def test_a_file_of_accounts_that_cannot_be_used(
    content: bytes, sentence: str, tmp_path: Path
) -> None:
    file = tmp_path / "users"
    file.write_bytes(content)
    with pytest.raises(AccountError, match=sentence) as error:
        read_accounts(file)
    assert "sesam" not in str(error.value)
    with pytest.raises(AccountError, match="cannot be read"):
        read_accounts(tmp_path / "none")


def test_a_token_on_the_command_line_and_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("mF_9.B5f-4.1JqM\n")
    assert read_token("mF_9.B5f-4.1JqM") == read_token(f"@{file}") == "mF_9.B5f-4.1JqM"
    for text in ("", "a b", "é", "a\nb"):
        with pytest.raises(AccountError, match="token"):
            read_token(text)
    with pytest.raises(AccountError, match="cannot be read"):
        read_token(f"@{tmp_path / 'none'}")


@pytest.mark.parametrize(("mode", "others"), [(0o600, False), (0o640, True), (0o604, True)])
def test_who_can_read_a_file(mode: int, others: bool, tmp_path: Path) -> None:
    file = tmp_path / "users"
    file.touch()
    file.chmod(mode)
    assert others_can_read(file) is others
    assert not others_can_read(tmp_path / "none")


# A class: whoever has the password has an account.


def test_any_name_with_the_password_is_an_account_and_case_makes_no_difference() -> None:
    teacher = Account(name="Teacher", password="chalk")
    book = AccountBook([teacher], any_name="amber42")
    ada = found(book, "Ada", "amber42")
    assert ada is not None
    assert ada.name == "Ada"
    assert found(book, "ada", "amber42") is ada
    assert found(book, "Ada", "amber43") is None
    assert found(book, "zoë", "amber42") is found(book, "ZOË", "amber42") is not None
    # A name that has a password of its own does not take that of the class.
    assert found(book, "teacher", "amber42") is None
    assert found(book, "teacher", "chalk") is teacher


@pytest.mark.parametrize(
    "name", ["", "a b", "a" * (MOST_CHARACTERS_OF_A_NAME + 1), "a\x1bb", "a\u202eb", "a\tb", "\x00"]
)
def test_a_name_that_is_not_fit_for_a_class(name: str) -> None:
    book = AccountBook([], any_name="amber42")
    assert found(book, name, "amber42") is None
    assert found(book, "a" * MOST_CHARACTERS_OF_A_NAME, "amber42") is not None


def test_names_of_a_class_are_bounded() -> None:
    book = AccountBook([], any_name="amber42")
    for number in range(MOST_NAMES):
        assert found(book, f"pupil{number}", "amber42") is not None
    assert found(book, "late", "amber43") is None
    with pytest.raises(TooManyNames):
        found(book, "late", "amber42")
    assert found(book, "PUPIL7", "amber42") is not None


def test_a_password_for_a_class_can_be_typed_from_a_blackboard() -> None:
    chosen = {class_password() for _ in range(50)}
    assert len(chosen) > 25
    assert all(each.isascii() and each.isalnum() and len(each) < 10 for each in chosen)
