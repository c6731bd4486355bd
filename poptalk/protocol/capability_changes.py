"""What CAPA said at two moments of a session, and why it may differ, or may not.

Two events change the answer: TLS (RFC 2595 §4) and the login (RFC 2449 §5).  Each difference gets the
sentence of the RFC that allows it or forbids it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum

from poptalk.protocol.capabilities import parse_capability
from poptalk.protocol.values import Value
from poptalk.protocol.verbs import Clause


class Difference(Enum):
    """What has become of a capability."""

    CAME = "+"
    WENT = "-"
    CHANGED = "~"
    STAYED = "="
    """Only reported where it should not have stayed."""


class CapabilityAnswer(Value):
    """What CAPA said at one moment."""

    encrypted: bool
    logged_in: bool
    lines: tuple[bytes, ...] | None
    """Without line ends, byte-stuffing undone; None where the server knows no CAPA."""

    @property
    def moment(self) -> str:
        """When that was, in words."""
        return f"{'in TLS' if self.encrypted else 'in clear'}, {_LOGIN[self.logged_in]} the login"

    def parameters(self) -> dict[bytes, tuple[bytes, ...]]:
        """Return what stands behind each tag; of a tag that comes twice, the last."""
        found = map(parse_capability, self.lines or ())
        return {each.tag: each.parameters for each in found if each.tag}


_LOGIN = {False: "before", True: "after"}


class CapabilityChange(Value):
    """One capability that is not as it was."""

    tag: bytes
    difference: Difference
    before: tuple[bytes, ...]
    """Its parameters; empty where it was not there."""
    after: tuple[bytes, ...]
    why: str
    """Why that may be, or that it may not: one sentence."""
    clause: Clause
    odd: bool = False
    """Whether the server breaks a rule, or should be looked at twice."""


_AFTER_STLS = Clause(rfc=2595, section="4")
_AFTER_LOGIN = Clause(rfc=2449, section="5")
_SASL = Clause(rfc=5034, section="3")


class _Why(Value):
    why: str
    clause: Clause
    odd: bool = False


_Reasons = Mapping["tuple[bytes, Difference]", _Why]

_WITH_TLS: _Reasons = {
    (b"STLS", Difference.WENT): _Why(
        why="as it must be: TLS is on, and there is nothing left to start", clause=_AFTER_STLS
    ),
    (b"STLS", Difference.STAYED): _Why(
        why="TLS is on, and STLS again is refused: a server should not offer it",
        clause=_AFTER_STLS,
        odd=True,
    ),
    (b"SASL", Difference.CHANGED): _Why(
        why="it may: mechanisms that show the password are for TLS only", clause=_SASL
    ),
    (b"SASL", Difference.CAME): _Why(
        why="it may: this server wants no password in clear", clause=_SASL
    ),
    (b"USER", Difference.CAME): _Why(
        why="it may: PASS shows the password, so this server wants TLS first",
        clause=Clause(rfc=2595, section="2.3"),
    ),
}
"""What becomes of capabilities when TLS has begun."""

_AT_ANY_RATE = "the list in clear could be anybody's; what a server says in TLS is what counts"

_WITH_LOGIN: _Reasons = {
    (b"STLS", Difference.WENT): _Why(
        why="as it should be: STLS is listed where it is permitted, which is before the login",
        clause=_AFTER_STLS,
    ),
    (b"STLS", Difference.STAYED): _Why(
        why="STLS is permitted before the login only, and should be listed there only",
        clause=_AFTER_STLS,
        odd=True,
    ),
    (b"SASL", Difference.WENT): _Why(
        why="RFC 5034 says that it must stay, though AUTH is of no use now; many servers drop it",
        clause=_SASL,
        odd=True,
    ),
    (b"USER", Difference.WENT): _Why(
        why="what is listed before the login must be listed after it; many servers drop it",
        clause=_AFTER_LOGIN,
        odd=True,
    ),
    (b"EXPIRE", Difference.CHANGED): _Why(
        why="it may: before the login it is the least of all users, now it is yours",
        clause=Clause(rfc=2449, section="6.7"),
    ),
    (b"LOGIN-DELAY", Difference.CHANGED): _Why(
        why="it may: before the login it is the most of all users, now it is yours",
        clause=Clause(rfc=2449, section="6.5"),
    ),
    (b"IMPLEMENTATION", Difference.CAME): _Why(
        why="it may: a server need not tell strangers what it is",
        clause=Clause(rfc=2449, section="6.9"),
    ),
}
"""What becomes of capabilities at the login."""

_USUAL_WITH_LOGIN = {
    Difference.CAME: _Why(why="it may: some are for TRANSACTION only", clause=_AFTER_LOGIN),
    Difference.WENT: _Why(
        why="what is listed before the login must be listed after it", clause=_AFTER_LOGIN, odd=True
    ),
    Difference.CHANGED: _Why(
        why="only a capability whose definition says so may change at the login",
        clause=_AFTER_LOGIN,
        odd=True,
    ),
}


def compare_capabilities(
    before: CapabilityAnswer, after: CapabilityAnswer
) -> Iterator[CapabilityChange]:
    """Say what is different between two answers to CAPA, in the order of the later one.

    Args:
        before: the earlier answer.
        after: the later one, of the same server; where both were given at like moments, every
            difference is odd.
    """
    old, new = before.parameters(), after.parameters()
    reasons = _reasons(before, after)
    for tag in [*new, *(tag for tag in old if tag not in new)]:
        difference = _difference(old.get(tag), new.get(tag))
        if difference is Difference.STAYED and (tag, difference) not in reasons:
            continue
        reason = reasons.get((tag, difference)) or _usual_reason(difference, before, after)
        yield CapabilityChange(
            tag=tag,
            difference=difference,
            before=old.get(tag, ()),
            after=new.get(tag, ()),
            why=reason.why,
            clause=reason.clause,
            odd=reason.odd,
        )


def _difference(old: Sequence[bytes] | None, new: Sequence[bytes] | None) -> Difference:
    if old is None:
        return Difference.CAME
    if new is None:
        return Difference.WENT
    return Difference.STAYED if sorted(old) == sorted(new) else Difference.CHANGED


def _reasons(before: CapabilityAnswer, after: CapabilityAnswer) -> _Reasons:
    with_login = _WITH_LOGIN if after.logged_in and not before.logged_in else {}
    with_tls = _WITH_TLS if after.encrypted and not before.encrypted else {}
    return {**with_login, **with_tls}


def _usual_reason(
    difference: Difference, before: CapabilityAnswer, after: CapabilityAnswer
) -> _Why:
    if after.encrypted and not before.encrypted:
        return _Why(why=f"it may; {_AT_ANY_RATE}", clause=_AFTER_STLS)
    if after.logged_in and not before.logged_in:
        return _USUAL_WITH_LOGIN[difference]
    return _Why(
        why="nothing has happened in between that could be the reason",
        clause=_AFTER_LOGIN,
        odd=True,
    )
