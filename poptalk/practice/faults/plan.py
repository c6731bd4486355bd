"""Which session gets which faults: ``--fault`` read, checked, and carried out.

A rule is ``[WHO=]NAME[:PARAMETER]``: ``no-final-dot`` for all, ``bob=slow:2s`` for one account,
``#3=reset`` for the third connection.  A fault for an account begins when somebody gives its name with
a password, whether it is right or not, and ends if he is refused.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from random import Random
from typing import TYPE_CHECKING

from poptalk.practice.accounts import Account
from poptalk.practice.faults.catalogue import FAULTS
from poptalk.practice.faults.fault import Fault
from poptalk.practice.seam import Action, DriverSeam
from poptalk.protocol.commands import Command
from poptalk.protocol.maildrop import Maildrop
from poptalk.protocol.texts import Occasion

if TYPE_CHECKING:
    import ssl

    from poptalk.practice.certificates import Certificates
    from poptalk.protocol.seam import Encode

SEED_BITS = 32
"""Size of a seed that nobody chose: short enough to be typed again."""

_ORDER = {name: place for place, name in enumerate(FAULTS)}


class FaultError(Exception):
    """A fault that cannot be had, explained in one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A fault, and who gets it.

    Args:
        text: as it was given.
        fault: the fault.
        account: the name of the account that it is for, or None.
        connection: the number of the connection that it is for, counted from 1, or None.
    """

    text: str
    fault: Fault
    account: str | None = None
    connection: int | None = None

    def meets(self, other: Rule) -> bool:
        """Tell whether there can be a session to which both apply."""
        if self.account is not None and other.account is not None:
            return self.account == other.account
        if self.connection is not None and other.connection is not None:
            return self.connection == other.connection
        return True


class FaultPlan:
    """What a server does wrong.

    Args:
        rules: as ``--fault`` takes them.
        accounts: the names of those who can log in.
        seed: what chance begins with, None for any number.

    Attributes:
        seed: the number with which everything happens again.

    Raises:
        FaultError: a rule cannot be read, or two contradict each other.
    """

    def __init__(
        self, rules: Iterable[str], *, accounts: Sequence[str], seed: int | None = None
    ) -> None:
        self.rules = tuple(read_rule(text, accounts=accounts) for text in rules)
        self.seed = secrets.randbits(SEED_BITS) if seed is None else seed
        self._numbers = itertools.count(1)
        for one, other in itertools.combinations(self.rules, 2):
            _check_together(one, other)

    def count_from(self, number: int) -> None:
        """Let the next connection be the one of that number."""
        self._numbers = itertools.count(number)

    def begin(self) -> SessionFaults:
        """Return the faults of the next connection."""
        number = next(self._numbers)
        # Of its own for each connection, so that it does not matter who else is there.
        chance = Random(f"{self.seed} {number}")
        always: list[Fault] = []
        by_account: dict[bytes, list[Fault]] = {}
        for rule in self.rules:
            fault = rule.fault.begin(chance)
            if rule.account is not None:
                by_account.setdefault(rule.account.encode(), []).append(fault)
            elif rule.connection in (None, number):
                always.append(fault)
        return SessionFaults(always, by_account)

    def __str__(self) -> str:
        return f"{', '.join(rule.text for rule in self.rules)} (seed {self.seed})"


def read_rule(text: str, *, accounts: Sequence[str]) -> Rule:
    """Read ``[WHO=]NAME[:PARAMETER]``.

    Args:
        text: the rule.
        accounts: the names of those who can log in.

    Raises:
        FaultError: it cannot be read; the sentence says what would be near.
    """
    who, _, what = text.rpartition("=")
    fault = _read_fault(text, what)
    if not who:
        return Rule(text=text, fault=fault)
    if who.startswith("#"):
        return Rule(text=text, fault=fault, connection=_connection_number(text, who[1:]))
    if who not in accounts:
        known = f"there are {', '.join(accounts)}" if accounts else "there is none"
        raise FaultError(f'--fault {text}: there is no account "{who}"; {known}.')
    if fault.before_login:
        raise FaultError(
            f"--fault {text}: {fault.about.name} acts before anybody has said his name, so it "
            "cannot be for one account. Give it to all, or to a connection, such as #1."
        )
    return Rule(text=text, fault=fault, account=who)


def _connection_number(text: str, digits: str) -> int:
    if digits.isascii() and digits.isdigit() and int(digits) > 0:
        return int(digits)
    raise FaultError(f"--fault {text}: connections are counted from #1.")


def _read_fault(text: str, what: str) -> Fault:
    name, colon, given = what.partition(":")
    kind = FAULTS.get(name)
    if kind is None:
        near = get_close_matches(name, FAULTS, n=1)
        hint = f'is "{near[0]}" meant?' if near else "poptalk serve --list-faults lists them."
        raise FaultError(f'--fault {text}: there is no fault "{name}"; {hint}')
    parameter = kind.parameter
    if parameter is None:
        if colon:
            raise FaultError(f"--fault {text}: {name} takes nothing behind its name.")
        return kind()
    try:
        return kind(parameter.read(given if colon else parameter.default))
    except ValueError as error:
        raise FaultError(f"--fault {text}: behind the colon goes {error}.") from error


def _check_together(one: Rule, other: Rule) -> None:
    """Refuse two rules of which a session could have only one."""
    if not one.meets(other):
        return
    if type(one.fault) is type(other.fault):
        raise FaultError(
            f"--fault {one.text} and --fault {other.text} are the same fault twice in one session."
        )
    changed = one.fault.excludes
    if changed is not None and changed == other.fault.excludes:
        raise FaultError(
            f"--fault {one.text} and --fault {other.text} contradict each other: both change "
            f"{changed}, and a session can have only one that does."
        )


class SessionFaults(DriverSeam):
    """The faults of one session as one: each works on what the one before has left.

    Args:
        always: those that act from the beginning.
        by_account: those that act once a name was given, by that name.
    """

    def __init__(self, always: Sequence[Fault], by_account: dict[bytes, list[Fault]]) -> None:
        self._always = _in_order(always)
        self._by_account = by_account
        self._acting = self._always

    def login_attempted(self, name: bytes) -> None:
        """Begin with the faults of an account."""
        self._acting = _in_order([*self._always, *self._by_account.get(name, ())])

    def login_refused(self) -> None:
        """Go back to the faults that are nobody's."""
        self._acting = self._always

    def refused_login(self, account: Account) -> Occasion | None:
        """Return the first reason to refuse a login."""
        reasons = (fault.refused_login(account) for fault in self._acting)
        return next((reason for reason in reasons if reason is not None), None)

    def maildrop(self, maildrop: Maildrop) -> Maildrop:
        """Return what all faults leave of a maildrop."""
        for fault in self._acting:
            maildrop = fault.maildrop(maildrop)
        return maildrop

    def tls_context(self, certificates: Callable[[], Certificates]) -> ssl.SSLContext | None:
        """Return the first settings that a fault wants."""
        wanted = (fault.tls_context(certificates) for fault in self._acting)
        return next((context for context in wanted if context is not None), None)

    def deliver(self, octets: bytes | memoryview) -> Iterator[Action]:
        """Return how octets leave: what passes one fault reaches the next."""
        actions: Iterator[Action] = iter((bytes(octets),))
        for fault in self._acting:
            actions = _passed_on(fault, actions)
        return actions

    def greeting(self, line: bytes) -> bytes:
        """Return what all faults make of the greeting."""
        for fault in self._acting:
            line = fault.greeting(line)
        return line

    def capabilities(self, lines: tuple[bytes, ...], *, logged_in: bool) -> tuple[bytes, ...]:
        """Return what all faults leave of the capabilities."""
        for fault in self._acting:
            lines = fault.capabilities(lines, logged_in=logged_in)
        return lines

    def command(self, command: Command) -> Command:
        """Return what all faults make of a command."""
        for fault in self._acting:
            command = fault.command(command)
        return command

    def refusal(self, command: Command) -> Occasion | None:
        """Return the first reason to refuse a command."""
        reasons = (fault.refusal(command) for fault in self._acting)
        return next((reason for reason in reasons if reason is not None), None)

    def reply(self, command: Command | None, line: bytes) -> bytes:
        """Return what all faults make of the first line of a reply."""
        for fault in self._acting:
            line = fault.reply(command, line)
        return line

    def body(
        self, command: Command | None, chunks: Iterable[bytes], encode: Encode
    ) -> Iterator[bytes]:
        """Return what all faults make of a body: each encodes by asking the one before."""
        for fault in self._acting:
            encode = _encoded_by(fault, command, encode)
        return encode(chunks)


def _in_order(faults: Sequence[Fault]) -> tuple[Fault, ...]:
    """Order faults as the catalogue does."""
    return tuple(sorted(faults, key=lambda fault: _ORDER[fault.about.name]))


def _encoded_by(fault: Fault, command: Command | None, encode: Encode) -> Encode:
    return lambda chunks: fault.body(command, chunks, encode)


def _passed_on(fault: Fault, actions: Iterator[Action]) -> Iterator[Action]:
    for action in actions:
        changed = fault.deliver(action) if isinstance(action, bytes | memoryview) else None
        if changed is None:
            yield action
        else:
            yield from changed
