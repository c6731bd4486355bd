"""What a check is, what it finds, and the table of all checks.

A check looks at what probes have heard, and yields a `Problem` for each thing that is wrong.  It raises
`NotApplicable` where the server doesn't have what it is about, and `NotClear` where nothing can be said.
Most checks only look for one thing in some exchanges of a probe: `wrong_if`, `refused`, `accepted` and
`violates` make their judges.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, Flag, auto
from typing import TYPE_CHECKING, NamedTuple

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
    """Nothing is broken, but some mail programs fail all the same, or an operator may want to know."""


MUST, SHOULD, NOTE = Level


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
    MUST: CheckVerdict.FAIL,
    SHOULD: CheckVerdict.WARN,
    NOTE: CheckVerdict.NOTE,
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
        minor: whether it is worth only a note, whatever the check's level.
        certain: whether it need not be asked for again, because it was seen more than once.
    """

    def __init__(
        self, text: str, *shown: Spoken, minor: bool = False, certain: bool = False
    ) -> None:
        self.text = text
        self.shown = shown
        self.minor = minor
        self.certain = certain


class Seen:
    """What the probes have heard.

    Args:
        heard: the exchanges, by probe and label.
        missing: why a probe was not made, or broke off.
    """

    def __init__(
        self, heard: Mapping[str, Mapping[str, Spoken]], missing: Mapping[str, Exception]
    ) -> None:
        self.heard = heard
        self.missing = missing

    def __call__(self, probe: str, label: str) -> Spoken:
        """Return an exchange of a probe.

        Raises:
            NotApplicable: the probe did not send that.
            NotClear: the probe broke off before.
        """
        found = self.get(probe, label)
        if found is None:
            raise self.missing.get(probe) or NotApplicable(f"{label} was not sent")
        return found

    def get(self, probe: str, label: str) -> Spoken | None:
        """Return an exchange of a probe; None if there is none."""
        return self.heard.get(probe, {}).get(label)

    def all(self, *probes: str, beginning: str = "") -> list[Spoken]:
        """Return the exchanges of some probes, or of all, whose labels begin with these words."""
        return [
            spoken
            for name, labels in self.heard.items()
            if not probes or name in probes
            for label, spoken in labels.items()
            if label.startswith(beginning)
        ]

    def some(self, probe: str, beginning: str) -> list[Spoken]:
        """Return the exchanges of a probe whose labels begin with these words.

        Raises:
            NotApplicable: there are none.
            NotClear: the probe broke off before.
        """
        found = self.all(probe, beginning=beginning)
        if not found:
            raise self.missing.get(probe) or NotApplicable(
                f"there was nothing to send {beginning.strip()} for"
            )
        return found


class Sentence(NamedTuple):
    """A sentence of an RFC."""

    section: str
    """Where it is, as in "RFC 1939 §3"."""
    text: str
    """Word for word; empty where the section says it in other words."""


Judge = Callable[[Seen], Iterable[Problem]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A row of the table of checks."""

    id: str
    """Never changes, and is never used again."""
    level: Level
    sentence: Sentence
    """What the check is about."""
    expects: str
    """What a server does that passes."""
    suffers: str
    """What a mail program suffers otherwise; "it" is that program."""
    probes: tuple[str, ...]
    """What has to be heard for it; empty where everything that was heard is looked at."""
    judge: Judge
    witness: str | None
    """A fault of the practice server that it fails on; None where the tests bring a server."""

    @property
    def clause(self) -> str:
        """The section of the RFC."""
        return self.sentence.section


CHECKS: dict[str, Check] = {}
"""Every check by its id, in the order of the report."""

_ID = re.compile(r"(?:rfc(\d+)/([0-9.]+)|robust)/[a-z0-9-]+")


def check(
    id: str,
    level: Level,
    sentence: Sentence | str,
    *,
    expects: str,
    suffers: str,
    probes: str = "",
    witness: str | None = None,
    judge: Judge | None = None,
) -> Callable[[Judge], Judge]:
    """Add a check to the table: with `judge`, or as the decorator of a function that judges.

    Args:
        id: as in `Check`, like the others.
        level: as in `Check`.
        sentence: as in `Check`; only its text, if it is in the section that `id` names.
        expects: as in `Check`.
        suffers: as in `Check`.
        probes: the names, separated by spaces.
        witness: as in `Check`.
        judge: finds the problems.
    """
    parts = _ID.fullmatch(id)
    assert parts is not None, id
    assert id not in CHECKS, id
    if isinstance(sentence, Sentence):
        about = sentence
    else:
        about = Sentence(f"RFC {parts[1]} §{parts[2]}", sentence)

    def add(judge: Judge) -> Judge:
        CHECKS[id] = Check(
            id=id,
            level=level,
            sentence=about,
            expects=expects,
            suffers=suffers,
            probes=tuple(probes.split()),
            judge=judge,
            witness=witness,
        )
        return judge

    if judge is not None:
        add(judge)
    return add


# Judges that many checks share.


def wrong_if(
    is_wrong: Callable[[Spoken], object], text: str, probe: str, *beginnings: str
) -> Judge:
    """Return a judge that looks for one thing in some exchanges of a probe.

    Args:
        is_wrong: whether an exchange is wrong.
        text: says so; `{name}` stands for the command, `{outcome}` for what came of it.
        probe: whose exchanges.
        beginnings: how their labels begin.
    """

    def judge(seen: Seen) -> Iterable[Problem]:
        for beginning in beginnings:
            for spoken in seen.some(probe, beginning):
                if is_wrong(spoken):
                    said = text.format(name=spoken.name, outcome=spoken.outcome)
                    yield Problem(said, spoken)

    return judge


def refused(probe: str, *beginnings: str) -> Judge:
    """Return a judge that wants a negative answer to each of some commands of a probe."""
    text = "{name} is {outcome}, and not refused"
    return wrong_if(lambda spoken: not spoken.refused, text, probe, *beginnings)


def accepted(probe: str, *beginnings: str) -> Judge:
    """Return a judge that wants a positive answer to each of some commands of a probe."""
    return wrong_if(lambda spoken: not spoken.ok, "{name} is {outcome}", probe, *beginnings)


def violates(*kinds: ViolationKind) -> Judge:
    """Return a judge that finds these violations, in whatever exchanges there are."""

    def judge(seen: Seen) -> Iterable[Problem]:
        for spoken in seen.all():
            for violation in spoken.violations:
                if violation.kind in kinds:
                    detail = f" ({violation.detail})" if violation.detail else ""
                    yield Problem(f"{violation.kind.sentence}{detail}", *spoken.with_context)

    return judge


# Sentences, and rows, that many checks share.

INVALID = Sentence(
    "RFC 1939 §3",
    "A server MUST respond to an unrecognized, unimplemented, or syntactically invalid command by "
    "responding with a negative status indicator.",
)
WRONG_STATE = Sentence(
    "RFC 1939 §3",
    "A server MUST respond to a command issued when the session is in an incorrect state by responding "
    "with a negative status indicator.",
)
COMMAND_END = Sentence("RFC 1939 §3", "All commands are terminated by a CRLF pair.")
REPLY_512 = Sentence(
    "RFC 1939 §3", "Responses may be up to 512 characters long, including the terminating CRLF."
)
BODY_END = Sentence("RFC 1939 §3", "any additional lines are sent, each terminated by a CRLF pair.")
RESPONDS = Sentence("RFC 1939 §5", "After each command, the POP3 server issues a response.")
NO_SUCH_MESSAGE = Sentence("RFC 1939 §5", "-ERR no such message")
SCAN_LISTING = Sentence(
    "RFC 1939 §5",
    "A scan listing consists of the message-number of the message, followed by a single space and the "
    "exact size of the message in octets.",
)
LOCK = Sentence(
    "RFC 1939 §4",
    "the POP3 server then acquires an exclusive-access lock on the maildrop, as necessary to prevent "
    "messages from being modified or removed before the session enters the UPDATE state.",
)
PRINTABLE = Sentence("RFC 2449 §3", 'schar = %x21-5A / %x5C-7F ;printable ASCII, excluding "["')


def refuses_wrong_numbers(name: str, section: str, *, suffers: str) -> None:
    """Add three checks: a command is refused for a number that no message has, or that isn't one.

    Args:
        name: the command's keyword.
        section: of RFC 1939, where the command is.
        suffers: as in `Check`.
    """
    missing = Sentence(f"RFC 1939 §{section}", "-ERR no such message")
    for label, end, text, sentence in (
        ("missing", "missing", "the number after the last", missing),
        ("0", "number-zero", "message 0", INVALID),
        ("x", "not-a-number", "an argument that isn't a number", INVALID),
    ):
        check(
            f"rfc1939/{section}/{name.lower()}-{end}",
            MUST,
            sentence,
            expects=f"{name} is refused for {text}",
            suffers=suffers,
            probes="wrong_numbers",
            judge=refused("wrong_numbers", f"{name} {label}"),
        )
