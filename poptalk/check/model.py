"""What a check is, what it finds, and the table of all checks.

A check looks at what probes have heard, and yields a `Problem` for each thing that is wrong.  It raises
`NotApplicable` where the server doesn't have what it is about, and `NotClear` where nothing can be said.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, Flag, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from poptalk.check.connection import Spoken
    from poptalk.pop3.events import ViolationKind


class Permit(Flag):
    """What a probe may do beside connecting and asking; each has to be granted."""

    NOTHING = 0
    LOGIN = auto()
    DELETE = auto()
    """Mark messages as deleted, and delete one."""
    SLOW = auto()
    """Wait for minutes."""
    INTRUDE = auto()
    """Send long lines, odd octets and wrong passwords."""


OPTIONS: Mapping[Permit, str] = {
    Permit.LOGIN: "--login USER",
    Permit.DELETE: "--destructive",
    Permit.SLOW: "--slow",
    Permit.INTRUDE: "--intrusive",
}
"""The options that grant them."""


class Level(Enum):
    """How much a check weighs: the RFCs' words, and less."""

    MUST = "MUST"
    SHOULD = "SHOULD"
    NOTE = "note"
    """Nothing is broken; some mail programs fail all the same, or an operator may want to know."""


class CheckVerdict(Enum):
    """What came of a check."""

    PASS = "pass"
    FAIL = "fail"
    """A MUST is broken."""
    WARN = "warn"
    """A SHOULD is broken."""
    NOTE = "note"
    SKIP = "skip"
    UNCLEAR = "unclear"


VERDICTS: Mapping[Level, CheckVerdict] = {
    Level.MUST: CheckVerdict.FAIL,
    Level.SHOULD: CheckVerdict.WARN,
    Level.NOTE: CheckVerdict.NOTE,
}
"""The verdict where there is a problem."""


class NotApplicable(Exception):
    """The check has nothing to look at; the sentence says why."""


class NotClear(Exception):
    """Nothing can be said; the sentence says why."""


class Problem:
    """Something that is wrong.

    Args:
        text: what, in a few words.
        shown: the exchanges that show it.
        minor: whether it is less than the check's level says, and only worth a note.
        certain: whether it need not be seen again, since it was seen more than once.
    """

    def __init__(
        self, text: str, *shown: Spoken, minor: bool = False, certain: bool = False
    ) -> None:
        self.text = text
        self.shown = shown
        self.minor = minor
        self.certain = certain


class Seen:
    """What the probes have heard, for the checks.

    Args:
        heard: by probe and label.
        missing: why a probe was not made, or has broken off.
    """

    def __init__(
        self, heard: Mapping[str, Mapping[str, Spoken]], missing: Mapping[str, Exception]
    ) -> None:
        self.heard = heard
        self.missing = missing

    def __call__(self, probe: str, label: str) -> Spoken:
        """Return an exchange of a probe.

        Raises:
            NotApplicable: the probe did not ask that.
            NotClear: the probe has broken off before.
        """
        found = self.heard.get(probe, {}).get(label)
        if found is None:
            raise self.missing.get(probe) or NotApplicable(f"{label} was not sent")
        return found

    def get(self, probe: str, label: str) -> Spoken | None:
        """Return an exchange of a probe; None where there is none."""
        return self.heard.get(probe, {}).get(label)

    def all(self, *probes: str, beginning: str = "") -> list[Spoken]:
        """Return all exchanges of some probes, or of all, whose labels begin in a way."""
        return [
            spoken
            for name, labels in self.heard.items()
            if not probes or name in probes
            for label, spoken in labels.items()
            if label.startswith(beginning)
        ]

    def some(self, probe: str, beginning: str) -> list[Spoken]:
        """Return the exchanges of a probe whose labels begin in a way.

        Raises:
            NotApplicable: there are none.
            NotClear: as for calling this.
        """
        found = self.all(probe, beginning=beginning)
        if not found:
            raise self.missing.get(probe) or NotApplicable(
                f"{beginning.strip()} was not sent, since there was nothing to send it for"
            )
        return found


Judge = Callable[[Seen], Iterable[Problem]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A row of the table of checks."""

    id: str
    """Never changes, and is never used again."""
    level: Level
    clause: str
    quote: str
    """The sentence of the RFC."""
    expects: str
    """What a server does that passes."""
    suffers: str
    """What happens to a mail program otherwise."""
    probes: tuple[str, ...]
    """What has to be heard for it; empty where all that was heard is looked at."""
    judge: Judge
    witness: str | None
    """A fault of the practice server that it fails on; None where the tests bring a server."""


CHECKS: dict[str, Check] = {}
"""Every check by its id, in the order of the report."""

_ID = re.compile(r"(rfc\d+/[0-9a-z.]+|robust)/[a-z0-9-]+")


def check(
    id: str,
    level: Level,
    clause: str,
    quote: str,
    *,
    expects: str,
    suffers: str,
    probes: str | Sequence[str] = (),
    witness: str | None = None,
    judge: Judge | None = None,
) -> Callable[[Judge], Judge]:
    """Add a check to the table: with `judge`, or as the decorator of a function that judges.

    Args:
        id: as in `Check`, like the others.
        level: as in `Check`.
        clause: as in `Check`.
        quote: as in `Check`.
        expects: as in `Check`.
        suffers: as in `Check`.
        probes: the names, as words.
        witness: as in `Check`.
        judge: finds the problems.
    """
    names = tuple(probes.split()) if isinstance(probes, str) else tuple(probes)
    assert _ID.fullmatch(id), id
    assert id not in CHECKS, id

    def add(judge: Judge) -> Judge:
        CHECKS[id] = Check(
            id=id,
            level=level,
            clause=clause,
            quote=quote,
            expects=expects,
            suffers=suffers,
            probes=names,
            judge=judge,
            witness=witness,
        )
        return judge

    if judge is not None:
        add(judge)
    return add


# Judges that many checks share.


def violates(*kinds: ViolationKind) -> Judge:
    """Return a judge that finds these violations, in whatever exchanges there are."""

    def judge(seen: Seen) -> Iterable[Problem]:
        for spoken in seen.all():
            for violation in spoken.violations:
                if violation.kind in kinds:
                    detail = f" ({violation.detail})" if violation.detail else ""
                    yield Problem(f"{violation.kind.sentence}{detail}", *spoken.with_context)

    return judge


def refused(probe: str, *beginnings: str) -> Judge:
    """Return a judge that wants a negative answer to each of some commands of a probe."""

    def judge(seen: Seen) -> Iterable[Problem]:
        for beginning in beginnings:
            for spoken in seen.some(probe, beginning):
                if not spoken.refused:
                    yield Problem(f"{spoken.name} is {spoken.outcome}, and not refused", spoken)

    return judge


INVALID = (
    "A server MUST respond to an unrecognized, unimplemented, or syntactically invalid command by "
    "responding with a negative status indicator."
)
"""RFC 1939 §3."""


def refuses_wrong_numbers(name: str, section: str, *, suffers: str) -> None:
    """Add three checks: a command is refused for a number that no message has, or that is none.

    Args:
        name: the command's keyword.
        section: of RFC 1939, where the command stands.
        suffers: as in `Check`.
    """
    for number, end, text in (
        ("missing", "missing", "the number after the last"),
        ("0", "number-zero", "message 0"),
        ("x", "not-a-number", "what is no number"),
    ):
        missing = number == "missing"
        check(
            f"rfc1939/{section}/{name.lower()}-{end}",
            Level.MUST,
            f"RFC 1939 §{section}" if missing else "RFC 1939 §3",
            "-ERR no such message" if missing else INVALID,
            expects=f"{name} is refused for {text}",
            suffers=suffers,
            probes="wrong_numbers",
            judge=refused("wrong_numbers", f"{name} {number}"),
        )


def accepted(probe: str, *beginnings: str) -> Judge:
    """Return a judge that wants a positive answer to each of some commands of a probe."""

    def judge(seen: Seen) -> Iterable[Problem]:
        for beginning in beginnings:
            for spoken in seen.some(probe, beginning):
                if not spoken.ok:
                    yield Problem(f"{spoken.name} is {spoken.outcome}", spoken)

    return judge
