"""The accounts of the practice server, and whether a login is right.

By default they are those of the article and of RFC 1939, whose passwords are public knowledge.  Others
come from a file, or from the command line, where every user of the machine can read them in the list of
processes.  A class needs only one password: each name that comes with it becomes an account.
"""

from __future__ import annotations

import secrets
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from poptalk.pop3.sasl.mechanism import Credentials, PasswordProof
from poptalk.pop3.server.events import LoginAttempt


class AccountError(Exception):
    """An account or a token that cannot be used, explained in one sentence without its secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A user of the practice server.

    Args:
        name: as USER gives it.
        password: kept as it is, because APOP and CRAM-MD5 need it so (RFC 1939 §13, RFC 2195 §4).
        mailbox: the mailbox of the lessons that is this user's maildrop, unless another one is given.
    """

    name: str
    password: str = field(repr=False)
    mailbox: str = "article"


BOB = Account(name="bob", password="jones", mailbox="article")
"""The user of the article "Trivial uses of Telnet - POP3"."""

MROSE = Account(name="mrose", password="tanstaaf", mailbox="rfc1939")
"""The user of RFC 1939's examples, whose maildrop has two messages of 120 and 200 octets."""

ACCOUNTS = (BOB, MROSE)

_PUBLIC = frozenset((account.name, account.password) for account in ACCOUNTS)


def is_public(account: Account) -> bool:
    """Tell whether the password is public knowledge, so that it may be shown."""
    return (account.name, account.password) in _PUBLIC


MOST_NAMES = 1_000
"""Names that can become accounts: enough for several schools; each costs a maildrop."""

MOST_CHARACTERS_OF_A_NAME = 32
"""Room for first and last name, beside other things on a line."""


class TooManyNames(Exception):
    """The password of the class was right, but there are `MOST_NAMES` accounts already."""


class AccountBook:
    """The accounts that logins are checked against.

    With a password for any name, case makes no difference between names, however they log in: some of
    25 pupils type ``Ada`` today and ``ada`` tomorrow.  The account keeps the spelling that came first.

    Args:
        accounts: who may log in, each name once.
        token: the OAuth access token that is right for every account, None for none.
        any_name: the password with which a name without an account becomes one, None for none.

    Raises:
        AccountError: a name is given twice, or something cannot be prepared by SASLprep.
    """

    def __init__(
        self, accounts: Iterable[Account], *, token: str | None = None, any_name: str | None = None
    ) -> None:
        self.key = prepare if any_name is None else _folded
        """Returns the key of a name in the book, None if it cannot have one."""
        self._any_name = any_name
        # What a name without an account, or a missing token, is compared with: no proof can be right,
        # and trying takes as long as with an account.
        unguessable = secrets.token_hex(32).encode("ascii")
        self._token = unguessable if token is None else token.encode()
        self._newcomers = Credentials(password=unguessable, token=unguessable)
        if any_name is not None:
            self._newcomers = self._credentials("any name", any_name)
        self._accounts: dict[bytes, tuple[Account, Credentials]] = {}
        for account in accounts:
            self._add(account)

    def _credentials(self, name: str, password: str) -> Credentials:
        prepared = prepare(password.encode())
        if not prepared or not self.key(name.encode()):
            raise AccountError(
                f'The account "{name}" has a name or a password that is empty or holds '
                "characters that SASLprep forbids (RFC 4013 §2.3); try letters and digits."
            )
        return Credentials(password=prepared, token=self._token)

    def _add(self, account: Account) -> None:
        credentials = self._credentials(account.name, account.password)
        key = self.key(account.name.encode())
        assert key is not None
        if key in self._accounts:
            raise AccountError(f'The account "{account.name}" is given twice; once is enough.')
        self._accounts[key] = (account, credentials)

    def find(self, attempt: LoginAttempt) -> Account | None:
        """Return the account that an attempt to log in is right for, or None.

        A name without an account takes as long as a wrong password, because the proof is tried anyway.

        Raises:
            TooManyNames: a new account would be made, but there are too many already.
        """
        key = self.key(attempt.name) or b""
        account, credentials = self._accounts.get(key, (None, self._newcomers))
        proof = attempt.proof
        if isinstance(proof, PasswordProof) and not proof.password.isascii():
            proof = PasswordProof(password=prepare(proof.password) or b"")
        if not proof.matches(credentials):
            return None
        return account or self._newcomer(attempt.name)

    def _newcomer(self, octets: bytes) -> Account | None:
        """Make an account for a name that came with the password; None if the name won't do."""
        name = (prepare(octets) or b"").decode()
        if self._any_name is None or not is_fit_for_a_class(name):
            return None
        if len(self._accounts) >= MOST_NAMES:
            raise TooManyNames
        account = Account(name=name, password=self._any_name)
        self._add(account)
        return account


def is_fit_for_a_class(name: str) -> bool:
    """Tell whether a name can become an account: printable, one word, not too long."""
    return name.isprintable() and 0 < len(name) <= MOST_CHARACTERS_OF_A_NAME and not name.count(" ")


def _folded(octets: bytes) -> bytes | None:
    """Prepare a name, and let case make no difference."""
    name = prepare(octets)
    return None if name is None else name.decode("utf-8", "replace").casefold().encode()


_WORDS = (
    "amber aspen birch brook cedar coral delta ember fern garden harbor hazel island juniper kiwi lemon "
    "maple meadow nectar olive orchid pepper quartz river saffron tulip umbra violet willow zebra"
)


def class_password() -> str:
    """Choose a password for a class: a word and two digits, easy to type from a blackboard."""
    return f"{secrets.choice(_WORDS.split())}{secrets.randbelow(90) + 10}"


def prepare(octets: bytes) -> bytes | None:
    """Prepare a name or a password for comparison: SASLprep (RFC 4013, RFC 6856 §2.2).

    Args:
        octets: as they crossed the wire.

    Returns:
        The same for ASCII; None if they aren't UTF-8, or hold a character that is forbidden.
    """
    if octets.isascii():
        return octets
    # Imported only when needed, because the library loads ssl.
    from scramp import ScramException  # type: ignore[import-untyped]
    from scramp.utils import saslprep  # type: ignore[import-untyped]

    try:
        prepared: str = saslprep(octets.decode())
    except (UnicodeDecodeError, ScramException):
        return None
    return prepared.encode()


# From the command line.


def parse_account(text: str, *, source: str) -> Account:
    """Read ``NAME:PASSWORD``; the password may hold further colons.

    Args:
        text: what was given.
        source: where it was given, for a message.

    Raises:
        AccountError: it cannot be used.
    """
    name, colon, password = text.partition(":")
    if not colon:
        # All of it may be a password, so none of it is repeated.
        raise AccountError(f"{source}: NAME:PASSWORD is needed, and there is no colon in it.")
    if not name or not password:
        raise AccountError(f"{source}: neither the name nor the password may be empty.")
    if not (name + password.replace(" ", "")).isprintable() or " " in name:
        # USER and PASS could not carry them (RFC 1939 §3).
        raise AccountError(
            f"{source}: a name is printable and has no spaces, a password is printable."
        )
    return Account(name=name, password=password)


def read_accounts(path: Path) -> list[Account]:
    """Read accounts from a file: one ``name:password`` a line; ``#`` begins a comment line.

    Raises:
        AccountError: the file cannot be read or has no account, or a line, which it names, cannot be
            used.
    """
    accounts = [
        parse_account(line, source=f"{path}, line {number}")
        for number, line in enumerate(_read(path).split("\n"), 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if not accounts:
        raise AccountError(f"{path} has no account in it; write one name:password a line.")
    return accounts


def read_token(text: str) -> str:
    """Return a token that was given as it is, or in a file as ``@FILE``.

    Raises:
        AccountError: the file cannot be read, or there is no token.
    """
    token = _read(Path(text[1:])).strip() if text.startswith("@") else text
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise AccountError(
            "The token for XOAUTH2 and OAUTHBEARER cannot be used: it is printable ASCII without "
            "spaces (RFC 6750 §2.1)."
        )
    return token


def others_can_read(path: Path) -> bool:
    """Tell whether other users of this machine can read a file; False where files have no such mode."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return bool(mode & (stat.S_IRGRP | stat.S_IROTH))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise AccountError(f"{path} cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise AccountError(f"{path} is not UTF-8; save it as such.") from error
