"""SCRAM: the examples in its RFCs, and that an unknown name looks like a wrong password."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode
from collections.abc import Callable
from typing import Any

import pytest
from scramp import ScramClient  # type: ignore[import-untyped]

from poptalk.pop3.sasl.mechanism import Claim, Credentials, Flaw, SaslFailure, ServerMechanism
from poptalk.pop3.sasl.mechanisms import ScramProof, ScramServer
from poptalk.pop3.server.events import LoginAttempt
from poptalk.practice.accounts import ACCOUNTS, BOB, Account, AccountBook
from poptalk.practice.server import Server

PENCIL = Credentials(password=b"pencil", token=b"")

RFC_EXAMPLES = {
    # RFC 5802 §5
    "SCRAM-SHA-1": (
        b64decode("QSXCR+Q6sek8bf92"),
        "3rfcNHYJY1ZVvWVs7j",
        b"n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
        b"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
        b"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
        b"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
    ),
    # RFC 7677 §3
    "SCRAM-SHA-256": (
        b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="),
        "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
        b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
        b"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
    ),
}


def example(name: str) -> tuple[ScramServer, bytes, bytes, bytes, bytes]:
    salt, nonce, *messages = RFC_EXAMPLES[name]
    first, answer, final, last = messages
    mechanism = ScramServer(name, salt_of=lambda _name: salt, nonce=nonce)
    return mechanism, first, answer, final, last


@pytest.mark.parametrize("name", RFC_EXAMPLES)
def test_the_example_of_the_rfc(name: str) -> None:
    mechanism, first, answer, final, last = example(name)
    assert mechanism.client_first
    assert mechanism.challenge() == b""
    assert mechanism.respond(first) == answer
    attempt = mechanism.respond(final)
    assert isinstance(attempt, Claim)
    assert attempt.name == b"user"
    assert attempt.proof.matches(PENCIL)
    assert mechanism.last_challenge(accepted=True) == last


@pytest.mark.parametrize("name", RFC_EXAMPLES)
def test_a_proof_that_is_wrong(name: str) -> None:
    mechanism, first, _, final, _ = example(name)
    mechanism.respond(first)
    attempt = mechanism.respond(final)
    assert isinstance(attempt, Claim)
    assert not attempt.proof.matches(Credentials(password=b"crayon", token=b"pencil"))
    assert mechanism.last_challenge(accepted=False) is None
    assert "pencil" not in repr(attempt)


@pytest.mark.parametrize("name", RFC_EXAMPLES)
@pytest.mark.parametrize(
    ("old", "new"), [(b"r=", b"r=x"), (b"c=biws", b"c=eSws"), (b"p=", b"p=AAAA"), (b",p=", b",q=")]
)
def test_a_final_message_that_was_changed(name: str, old: bytes, new: bytes) -> None:
    mechanism, first, _, final, _ = example(name)
    mechanism.respond(first)
    attempt = mechanism.respond(final.replace(old, new))
    assert isinstance(attempt, Claim)
    assert not attempt.proof.matches(PENCIL)


@pytest.mark.parametrize(
    "first",
    [b"", b"user", b"n,,", b"n,,n=user", b"n,,r=abc", b"n,,n=,r=abc", b"n,,n=user,r=", b"\xff",
     b"p=tls-unique,,n=user,r=abc", b"n,a=bob,n=user,r=abc", b"n,,n=us=er,r=abc", b"x,,n=user,r=abc",
     b"n,,m=1,n=user,r=abc", b"n,,n=user,n=user,r=abc", b"n,,n=user,r=a\x00b"],
)  # fmt: skip
def test_a_first_message_that_is_none(first: bytes) -> None:
    mechanism, *_ = example("SCRAM-SHA-1")
    with pytest.raises(SaslFailure) as failure:
        mechanism.respond(first)
    assert failure.value.flaw is Flaw.MALFORMED


# All mechanisms of the server.


def made(name: bytes) -> ServerMechanism:
    return Server().mechanisms[name]()


def scram_attempt(name: str, user: str, password: str) -> tuple[LoginAttempt, ServerMechanism, Any]:
    """Go through an exchange with scramp's client, up to its proof."""
    mechanism, client = made(name.encode()), ScramClient([name], user, password)
    answer = mechanism.respond(client.get_client_first().encode())
    assert isinstance(answer, bytes)
    client.set_server_first(answer.decode())
    attempt = mechanism.respond(client.get_client_final().encode())
    assert isinstance(attempt, Claim)
    return LoginAttempt(name=attempt.name, proof=attempt.proof), mechanism, client


@pytest.mark.parametrize("name", RFC_EXAMPLES)
def test_scram_with_an_account(name: str) -> None:
    book = AccountBook(ACCOUNTS)
    attempt, mechanism, client = scram_attempt(name, "bob", "jones")
    assert book.find(attempt) is BOB
    final = mechanism.last_challenge(accepted=True)
    assert final is not None
    client.set_server_final(final.decode())
    for user, password in (("bob", "smith"), ("nobody", "jones"), ("mrose", "jones")):
        assert book.find(scram_attempt(name, user, password)[0]) is None


def test_salts_are_the_same_each_time_and_differ_by_name() -> None:
    mechanisms = Server().mechanisms

    def salt(user: bytes) -> bytes:
        answer = mechanisms[b"SCRAM-SHA-256"]().respond(b"n,,n=%b,r=abc" % user)
        assert isinstance(answer, bytes)
        return answer.split(b",")[1]

    assert salt(b"bob") == salt(b"bob") != salt(b"nobody") == salt(b"nobody")


def test_no_nonce_and_no_challenge_comes_twice() -> None:
    numbers = iter(range(10))
    mechanisms = Server(timestamp=lambda: b"<%d@practice.invalid>" % next(numbers)).mechanisms
    assert mechanisms[b"CRAM-MD5"]().challenge() != mechanisms[b"CRAM-MD5"]().challenge()
    first = b"n,,n=bob,r=abc"
    assert mechanisms[b"SCRAM-SHA-1"]().respond(first) != mechanisms[b"SCRAM-SHA-1"]().respond(
        first
    )


# The same work for a name that nobody has and for a wrong password, however long the right one is.


@pytest.mark.parametrize("name", RFC_EXAMPLES)
def test_the_time_tells_no_length_of_a_password(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lengths = (1, 5, 63, 64, 65, 200)
    book = AccountBook([Account(name=f"user{n}", password="x" * n) for n in lengths])
    derive = hashlib.pbkdf2_hmac
    work: list[tuple[str, int, int, int]] = []

    def counting(hash_name: str, key: bytes, salt: bytes, rounds: int) -> bytes:
        work.append((hash_name, len(key), len(salt), rounds))
        return derive(hash_name, key, salt, rounds)

    attempts = [scram_attempt(name, f"user{n}", "wrong")[0] for n in (*lengths, 7)]
    right = [scram_attempt(name, f"user{n}", "x" * n)[0] for n in lengths]
    monkeypatch.setattr(hashlib, "pbkdf2_hmac", counting)
    assert [book.find(attempt) for attempt in attempts] == [None] * 7
    assert len(work) == 7
    assert len(set(work)) == 1
    assert [account.name for account in map(book.find, right) if account] == [
        f"user{n}" for n in lengths
    ]


def counted(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, calls: list[str]) -> None:
    original: Callable[..., Any] = getattr(owner, name)

    def counting(*args: Any, **kwargs: Any) -> Any:
        calls.append(name)
        return original(*args, **kwargs)

    monkeypatch.setattr(owner, name, counting)


def attempts(user: str) -> list[LoginAttempt]:
    """Return an attempt with a wrong password by each mechanism."""
    found = [scram_attempt(name, user, "wrong")[0] for name in RFC_EXAMPLES]
    responses = {
        b"PLAIN": [f"\0{user}\0wrong"],
        b"LOGIN": [user, "wrong"],
        b"CRAM-MD5": [f"{user} {'0' * 32}"],
        b"XOAUTH2": [f"user={user}\1auth=Bearer wrong\1\1"],
        b"OAUTHBEARER": [f"n,a={user},\1auth=Bearer wrong\1\1"],
    }
    for name, lines in responses.items():
        mechanism = made(name)
        *_, answer = [mechanism.respond(line.encode()) for line in lines]
        assert isinstance(answer, Claim)
        found.append(LoginAttempt(name=answer.name, proof=answer.proof))
    return found


def test_an_unknown_name_costs_as_much_as_a_wrong_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test counts what takes time, because a clock would only sometimes show it."""
    book = AccountBook(ACCOUNTS, token="token")
    known, unknown = attempts("bob"), attempts("nobody")
    calls: list[str] = []
    for owner, name in (
        (hashlib, "md5"),
        (hashlib, "sha256"),
        (hashlib, "pbkdf2_hmac"),
        (hmac, "compare_digest"),
        (hmac, "new"),
    ):
        counted(monkeypatch, owner, name, calls)
    for one, other in zip(known, unknown, strict=True):
        work = []
        for attempt in (one, other):
            calls.clear()
            assert book.find(attempt) is None
            work.append(list(calls))
        assert work[0] == work[1] != []
        assert ("pbkdf2_hmac" in work[0]) is isinstance(one.proof, ScramProof)
