"""Which session gets which faults: reads, checks and carries out ``--fault``; ``--list-faults``.

A rule is ``[WHO=]NAME[:PARAMETER]``: ``no-final-dot`` for all, ``bob=slow:2s`` for one account,
``#3=reset`` for the third connection, ``#3-5=login-delay`` for three.  A fault for an account begins
when a client gives its name with a password, right or wrong, and ends if the login is refused.  In a
class each name has a third connection of its own, whose fault begins in the same way.
"""

from __future__ import annotations

import itertools
import re
import secrets
import textwrap
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial, reduce
from importlib import resources
from random import Random
from typing import TYPE_CHECKING, TypeVar

from poptalk.pop3.commands import Command, State
from poptalk.pop3.server.texts import Occasion
from poptalk.pop3.server.transaction import Maildrop
from poptalk.practice.faults import faults
from poptalk.practice.faults.fault import About, Action, Fault, ServerHooks

if TYPE_CHECKING:
    import ssl

    from poptalk.pop3.server.events import Encode
    from poptalk.practice.accounts import Account
    from poptalk.practice.certificates import Certificates


def _load() -> dict[str, type[Fault]]:
    text = resources.files("poptalk.practice.faults").joinpath("faults.toml")
    table = {}
    for name, said in tomllib.loads(text.read_text(encoding="utf-8")).items():
        fault = table[name] = getattr(faults, name.title().replace("-", ""))
        fault.about = About(name=name, **said)
    return table


FAULTS: Mapping[str, type[Fault]] = _load()
"""Every fault by its name, in the order of the list, in which they also act."""


COLUMNS = 80
"""The width of the list: that of most terminals."""

LABEL_COLUMNS = 10

INTRODUCTION = (
    "Faults that the practice server has on demand, each after a case that happened: poptalk serve "
    "--fault NAME. For one account: --fault bob=NAME. For the n-th connection: --fault '#3=NAME', for "
    "several '#3-5=NAME'. A value after a colon replaces the one that is shown. You can combine "
    "several, unless they change the same thing; they act in the order of this list."
)


def list_faults() -> Iterator[str]:
    """Return the lines of the table."""
    yield from textwrap.wrap(INTRODUCTION, COLUMNS)
    for name, kind in FAULTS.items():
        about, parameter = kind.about, kind.parameter
        yield ""
        yield name if parameter is None else f"{name}:{parameter.default}    ({parameter.name})"
        for label, text in (
            ("server", about.server),
            ("seen", about.seen),
            (about.stance, f'{about.clause}: "{about.quote}"'),
            ("client", about.client),
        ):
            yield from textwrap.wrap(
                text,
                COLUMNS,
                initial_indent=f"  {label:<{LABEL_COLUMNS}}",
                subsequent_indent=" " * (LABEL_COLUMNS + 2),
                break_on_hyphens=False,
            )


SEED_BITS = 32
"""The size of a random seed: short enough to type again."""

_ORDER = {name: place for place, name in enumerate(FAULTS)}


class FaultError(Exception):
    """A fault that cannot be used, explained in one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A fault, and who gets it.

    Args:
        text: as it was given.
        fault: the fault.
        account: the name of the account that it is for, or None.
        connections: the numbers of the connections that it is for, counted from 1, or None.
    """

    text: str
    fault: Fault
    account: str | None = None
    connections: range | None = None

    @property
    def is_for_all(self) -> bool:
        """Whether it is for every account and every connection."""
        return self.account is None and self.connections is None

    def overlaps(self, other: Rule) -> bool:
        """Tell whether both can apply to the same session."""
        if self.account is not None and other.account is not None:
            return self.account == other.account
        if self.connections is not None and other.connections is not None:
            one, two = self.connections, other.connections
            return max(one.start, two.start) < min(one.stop, two.stop)
        return True


class FaultPlan:
    """What a server does wrong.

    Args:
        rules: as ``--fault`` takes them.
        accounts: the names of those who can log in, None for any name.
        seed: the seed of chance, None for any number.
        key: returns the key of a name, however a client spells it.
        by_name: whether connections are counted for each name, by its logins.

    Attributes:
        seed: the number with which everything happens again.
        number_of: returns the number of the connection of a name that is about to log in, where they
            are counted by name; by default it counts the logins.

    Raises:
        FaultError: a rule cannot be read, or two contradict each other.
    """

    def __init__(
        self,
        rules: Iterable[str],
        *,
        accounts: Sequence[str] | None,
        seed: int | None = None,
        key: Callable[[bytes], bytes | None] = bytes,
        by_name: bool = False,
    ) -> None:
        self.rules = tuple(read_rule(text, accounts=accounts) for text in rules)
        self._by_name = by_name
        self._logins: Counter[bytes | None] = Counter()
        self.number_of: Callable[[bytes | None], int] = lambda name: self._logins[name] + 1
        for rule in self.rules if by_name else ():
            if rule.connections is not None:
                _check_begins_with_login(rule.text, rule.fault)
        self.seed = secrets.randbits(SEED_BITS) if seed is None else seed
        self._key = key
        self._numbers = itertools.count(1)
        for one, other in itertools.combinations(self.rules, 2):
            _check_together(one, other)

    def count_from(self, number: int) -> None:
        """Give the next connection this number."""
        self._numbers = itertools.count(number)

    def begin(self) -> SessionFaults:
        """Return the faults of the next connection."""
        number = next(self._numbers)
        # Each connection has its own, so that other connections make no difference.
        chance = Random(f"{self.seed} {number}")
        if self._by_name:
            of_all = [rule.fault.begin(chance) for rule in self.rules if rule.is_for_all]
            return SessionFaults(of_all, self._of_name, key=self._key, logged_in=self._count)
        always: list[Fault] = []
        by_account: dict[bytes | None, list[Fault]] = {}
        for rule in self.rules:
            fault = rule.fault.begin(chance)
            if rule.account is not None:
                by_account.setdefault(self._key(rule.account.encode()), []).append(fault)
            elif rule.connections is None or number in rule.connections:
                always.append(fault)
        return SessionFaults(always, lambda name: by_account.get(name, ()), key=self._key)

    def _of_name(self, name: bytes | None) -> list[Fault]:
        """Return the faults of the next connection of a name."""
        number = self.number_of(name)
        chance = Random(f"{self.seed} {name!r} {number}")
        return [
            rule.fault.begin(chance)
            for rule in self.rules
            if not rule.is_for_all
            and (rule.account is None or self._key(rule.account.encode()) == name)
            and (rule.connections is None or number in rule.connections)
        ]

    def _count(self, name: bytes | None) -> None:
        self._logins[name] += 1

    def __str__(self) -> str:
        return f"{', '.join(rule.text for rule in self.rules)} (seed {self.seed})"


def read_rule(text: str, *, accounts: Sequence[str] | None) -> Rule:
    """Read ``[WHO=]NAME[:PARAMETER]``.

    Args:
        text: the rule.
        accounts: the names of those who can log in, None for any name.

    Raises:
        FaultError: it cannot be read; the sentence suggests what was meant.
    """
    who, _, what = text.rpartition("=")
    fault = _read_fault(text, what)
    if not who:
        return Rule(text=text, fault=fault)
    if who.startswith("#"):
        # A range shares what the fault remembers.
        found = re.fullmatch("#([0-9]{1,6})(?:-([0-9]{1,6}))?", who)
        first = int(found[1]) if found is not None else 0
        last = int(found[2] or first) if found is not None else 0
        if not 0 < first <= last:
            raise FaultError(f'Fault "{text}": connections are counted from #1.')
        return Rule(text=text, fault=fault, connections=range(first, last + 1))
    if accounts is not None and who not in accounts:
        known = f"there are {', '.join(accounts)}" if accounts else "there is none"
        raise FaultError(f'Fault "{text}": there is no account "{who}"; {known}.')
    _check_begins_with_login(text, fault)
    return Rule(text=text, fault=fault, account=who)


def _check_begins_with_login(text: str, fault: Fault) -> None:
    if fault.about.before_login:
        raise FaultError(
            f'Fault "{text}": {fault.about.name} acts before anyone has given a name, so it '
            "cannot be for one account. Give it to all, or to a connection, such as #1."
        )


def _read_fault(text: str, what: str) -> Fault:
    name, colon, given = what.partition(":")
    kind = FAULTS.get(name)
    if kind is None:
        near = get_close_matches(name, FAULTS, n=1)
        hint = f'did you mean "{near[0]}"?' if near else "poptalk serve --list-faults lists them."
        raise FaultError(f'Fault "{text}": there is no fault "{name}"; {hint}')
    parameter = kind.parameter
    if parameter is None:
        if colon:
            raise FaultError(f'Fault "{text}": {name} takes nothing after its name.')
        return kind()
    try:
        return kind(parameter.read(given if colon else parameter.default))
    except ValueError as error:
        raise FaultError(f'Fault "{text}": after the colon comes {error}.') from error


def _check_together(one: Rule, other: Rule) -> None:
    """Refuse two rules if a session could get both, but can have only one."""
    if not one.overlaps(other):
        return
    if type(one.fault) is type(other.fault):
        raise FaultError(
            f'Faults "{one.text}" and "{other.text}" are the same fault twice in one session.'
        )
    changed = one.fault.about.excludes
    if changed is not None and changed == other.fault.about.excludes:
        raise FaultError(
            f'Faults "{one.text}" and "{other.text}" contradict each other: both change '
            f"{changed}, and a session can have only one that does."
        )


class SessionFaults(ServerHooks):
    """All faults of one session: each works on the result of the one before.

    Args:
        always: those that act from the beginning.
        of_name: returns those that act once a name was given, by its key.
        key: returns the key of a name.
        logged_in: takes note of a login under a key.
    """

    def __init__(
        self,
        always: Sequence[Fault],
        of_name: Callable[[bytes | None], Sequence[Fault]],
        *,
        key: Callable[[bytes], bytes | None],
        logged_in: Callable[[bytes | None], None] = lambda _: None,
    ) -> None:
        self._always = _in_order(always)
        self._of_name = of_name
        self._key = key
        self._name: bytes | None = None
        self._log_in = logged_in
        self._acting = self._always

    def login_attempted(self, name: bytes) -> None:
        """Begin with the faults of an account."""
        self._name = self._key(name)
        self._acting = _in_order([*self._always, *self._of_name(self._name)])

    def login_refused(self) -> None:
        """Go back to the faults that aren't for an account."""
        self._acting = self._always

    def refused_login(self, account: Account) -> Occasion | None:
        """Return the first reason to refuse a login."""
        return _first(fault.refused_login(account) for fault in self._acting)

    def maildrop(self, maildrop: Maildrop) -> Maildrop:
        """Return the maildrop after all faults; this comes with a login that was right."""
        self._log_in(self._name)
        return reduce(lambda seen, fault: fault.maildrop(seen), self._acting, maildrop)

    def tls_context(self, certificates: Callable[[], Certificates]) -> ssl.SSLContext | None:
        """Return the first settings of a fault."""
        return _first(fault.tls_context(certificates) for fault in self._acting)

    def deliver(self, octets: bytes | memoryview) -> Iterator[Action]:
        """Return how octets leave: what one fault lets pass reaches the next."""
        return reduce(_passed_on, self._acting, iter((bytes(octets),)))

    def greeting(self, line: bytes) -> bytes:
        """Return the greeting after all faults."""
        return reduce(lambda line, fault: fault.greeting(line), self._acting, line)

    def capabilities(self, lines: tuple[bytes, ...], state: State) -> tuple[bytes, ...]:
        """Return the capabilities after all faults."""
        return reduce(lambda lines, fault: fault.capabilities(lines, state), self._acting, lines)

    def command(self, command: Command) -> Command:
        """Return the command after all faults."""
        return reduce(lambda command, fault: fault.command(command), self._acting, command)

    def keeps_residue(self) -> bool:
        """Tell whether any fault keeps what came in the clear after STLS."""
        return any(fault.keeps_residue() for fault in self._acting)

    def refusal(self, command: Command) -> Occasion | None:
        """Return the first reason to refuse a command."""
        return _first(fault.refusal(command) for fault in self._acting)

    def reply(self, command: Command | None, line: bytes) -> bytes:
        """Return the first line of a reply after all faults."""
        return reduce(lambda line, fault: fault.reply(command, line), self._acting, line)

    def body(
        self, command: Command | None, chunks: Iterable[bytes], encode: Encode
    ) -> Iterator[bytes]:
        """Return a body after all faults: each encodes by asking the one before."""
        for fault in self._acting:
            encode = partial(fault.body, command, encode=encode)
        return encode(chunks)


T = TypeVar("T")


def _first(answers: Iterable[T | None]) -> T | None:
    return next((answer for answer in answers if answer is not None), None)


def _in_order(faults: Sequence[Fault]) -> tuple[Fault, ...]:
    """Order faults as the table does."""
    return tuple(sorted(faults, key=lambda fault: _ORDER[fault.about.name]))


def _passed_on(actions: Iterator[Action], fault: Fault) -> Iterator[Action]:
    for action in actions:
        changed = fault.deliver(action) if isinstance(action, bytes | memoryview) else None
        if changed is None:
            yield action
        else:
            yield from changed
