"""Checks of DELE, RSET and QUIT, and of the lock; most need `--destructive`."""

from __future__ import annotations

from collections.abc import Iterable

from poptalk.check.connection import Spoken
from poptalk.check.framing import STAYS_OPEN
from poptalk.check.model import (
    LOCK,
    MUST,
    NO_SUCH_MESSAGE,
    NOTE,
    Judge,
    NotApplicable,
    NotClear,
    Problem,
    Seen,
    Sentence,
    check,
    refused,
)
from poptalk.check.probes import numbers_in

DELE = Sentence(
    "RFC 1939 §5",
    "The POP3 server marks the message as deleted. Any future reference to the message-number "
    "associated with the message in a POP3 command generates an error.",
)
RSET = Sentence(
    "RFC 1939 §5",
    "If any messages have been marked as deleted by the POP3 server, they are unmarked.",
)
UPDATE = Sentence(
    "RFC 1939 §6",
    "The POP3 server removes all messages marked as deleted from the maildrop and replies as to the "
    "status of this operation.",
)


def _marked(seen: Seen, label: str) -> Spoken:
    """Return what came of a line after DELE was answered with +OK.

    Raises:
        NotApplicable: DELE was refused.
    """
    if not seen("marking", "DELE").ok:
        raise NotApplicable("DELE is refused")
    return seen("marking", label)


check(
    "rfc1939/5/dele",
    MUST,
    DELE,
    expects="DELE is answered with +OK for a message that is there",
    suffers="mail stays on the server until the mailbox is full",
    probes="marking",
    judge=lambda seen: [
        Problem(f"{spoken.name} is {spoken.outcome}", spoken)
        for spoken in [seen("marking", "DELE")]
        if not spoken.ok
    ],
)


@check(
    "rfc1939/5/dele-uncounted",
    MUST,
    "Note that messages marked as deleted are not counted in either total.",
    expects="STAT does not count a message that is marked as deleted",
    suffers="it believes that DELE has failed, and deletes again",
    probes="marking",
)
def _uncounted(seen: Seen) -> Iterable[Problem]:
    before, after = seen("marking", "STAT"), _marked(seen, "STAT marked")
    counts = [int(each.words[0]) for each in (before, after) if b"".join(each.words[:1]).isdigit()]
    if len(counts) == 2 and counts[0] != counts[1] + 1:
        text = f"STAT has {counts[0]} messages before DELE and {counts[1]} after it"
        yield Problem(text, before, seen("marking", "DELE"), after)


@check(
    "rfc1939/5/dele-unlisted",
    MUST,
    "Note that messages marked as deleted are not listed.",
    expects="LIST and UIDL do not have a message that is marked as deleted",
    suffers="it fetches a message that it has just deleted",
    probes="marking",
)
def _unlisted(seen: Seen) -> Iterable[Problem]:
    dele = _marked(seen, "DELE")
    number = max(numbers_in(seen("marking", "LIST")))
    for label in ("LIST marked", "UIDL marked"):
        spoken = seen("marking", label)
        if any(row.split()[:1] == [b"%d" % number] for row in spoken.rows):
            yield Problem(f"{spoken.name} has the message", dele, spoken)


@check(
    "rfc1939/5/dele-no-renumber",
    MUST,
    Sentence(
        "RFC 1939 §4",
        'so that the nth message in a maildrop is assigned a message-number of "n".',
    ),
    expects="the other messages keep their numbers, sizes and unique-ids after DELE",
    suffers="its next DELE deletes another message than it means",
    probes="marking",
)
def _no_renumber(seen: Seen) -> Iterable[Problem]:
    dele = _marked(seen, "DELE")
    for label in ("LIST", "UIDL"):
        before, after = seen("marking", label), seen("marking", f"{label} marked")
        if after.ok and not set(before.rows[:-1]) <= set(after.rows):
            text = f"{label} has other lines for the other messages after DELE"
            yield Problem(text, before, dele, after)


def _refused_when_marked(command: str) -> Judge:
    def judge(seen: Seen) -> Iterable[Problem]:
        spoken = _marked(seen, f"{command} of the marked")
        if not spoken.refused:
            dele = [each for each in spoken.connection.spoken if each.sent.startswith(b"DELE")]
            text = f"{spoken.name}, of a message marked as deleted, is {spoken.outcome}"
            yield Problem(text, *dele[:1], spoken)

    return judge


for _command, _suffers in (
    ("LIST", "it takes the message for another"),
    ("RETR", "it fetches the message again"),
    ("TOP", "it shows the message again"),
    ("UIDL", "it takes the message for a new one"),
):
    check(
        f"rfc1939/5/dele-then-{_command.lower()}",
        MUST,
        DELE,
        expects=f"{_command} is refused for a message that is marked as deleted",
        suffers=_suffers,
        probes="marking",
        judge=_refused_when_marked(_command),
    )
check(
    "rfc1939/5/dele-twice",
    MUST,
    DELE,
    expects="DELE is refused for a message that is marked as deleted already",
    suffers="nothing, as a rule; but it counts one message more than is deleted",
    probes="marking",
    judge=_refused_when_marked("DELE"),
)
for _label, _end, _text in (
    ("missing", "missing", "the number after the last"),
    ("0", "number-zero", "message 0"),
):
    check(
        f"rfc1939/5/dele-{_end}",
        MUST,
        NO_SUCH_MESSAGE,
        expects=f"DELE is refused for {_text}",
        suffers="it believes that something is deleted",
        probes="wrong_numbers",
        judge=refused("wrong_numbers", f"DELE {_label}"),
    )


@check(
    "rfc1939/5/rset",
    MUST,
    RSET,
    expects="after RSET, STAT and LIST are as they were before DELE",
    suffers="what its user has taken back is deleted all the same",
    probes="marking",
)
def _rset(seen: Seen) -> Iterable[Problem]:
    rset = seen("marking", "RSET")
    if not rset.ok:
        yield Problem(f"RSET is {rset.outcome}", rset)
        return
    for label in ("STAT", "LIST"):
        before, after = seen("marking", label), seen("marking", f"{label} after RSET")
        if before.data != after.data:
            yield Problem(f"{label} after RSET is not as before DELE", before, rset, after)


class _Between:
    """LIST and UIDL of two sessions, with what ended the first one in between."""

    def __init__(self, seen: Seen, probe: str, later: str = "afterwards") -> None:
        self.before, self.after = seen(probe, "LIST"), seen(probe, f"LIST {later}")
        self.ids = seen(probe, "UIDL"), seen(probe, f"UIDL {later}")
        self.has_ids = all(spoken.ok for spoken in self.ids)

    def ids_before(self) -> list[bytes]:
        """Return the unique-ids of the first session."""
        return _ids(self.ids[0])

    def lacks(self, ids: Iterable[bytes]) -> bool:
        """Tell whether one of some unique-ids is no longer there."""
        return self.has_ids and not set(ids) <= set(_ids(self.ids[1]))


def _ids(uidl: Spoken) -> list[bytes]:
    return [row.split()[-1] for row in uidl.rows if row.split()]


def _keeps(probe: str, later: str, text: str) -> Judge:
    """Return a judge that wants to find every message in the second session."""

    def judge(seen: Seen) -> Iterable[Problem]:
        found = _Between(seen, probe, later)
        if not (found.before.ok and found.after.ok):
            raise NotClear(f"LIST is {found.after.outcome}")
        fewer = len(found.after.rows) < len(found.before.rows)
        if fewer or found.lacks(found.ids_before()):
            yield Problem(text, found.before, seen(probe, "DELE"), found.after)

    return judge


check(
    "rfc1939/6/rset-quit-keeps",
    MUST,
    RSET,
    expects="what was taken back with RSET is there after QUIT",
    suffers="mail is lost that its user wanted to keep",
    probes="marking",
    judge=_keeps("marking", "after QUIT", "a message is gone after RSET and QUIT"),
)
check(
    "rfc1939/6/drop-keeps",
    MUST,
    "If a session terminates for some reason other than a client-issued QUIT command, the POP3 "
    "session does NOT enter the UPDATE state and MUST not remove any messages from the maildrop.",
    expects="a session that ends without QUIT deletes nothing",
    suffers="mail is lost if the connection breaks before it was stored",
    probes="dropping",
    judge=_keeps("dropping", "afterwards", "a message is gone without QUIT"),
)


@check(
    "rfc1939/6/quit-commits",
    MUST,
    UPDATE,
    expects="QUIT deletes what was marked",
    suffers="it fetches the same mail again, each time",
    probes="deleting",
)
def _commits(seen: Seen) -> Iterable[Problem]:
    found = _Between(seen, "deleting")
    dele, quit_ = seen("deleting", "DELE"), seen("deleting", "QUIT")
    if not dele.ok or not quit_.ok:
        raise NotClear(f"DELE is {dele.outcome}, QUIT {quit_.outcome}")
    # If new mail has come meanwhile, the number of messages says nothing, but the unique-id does.
    there = not found.lacks(found.ids_before()[-1:]) if found.has_ids else not found.ids[0].ok
    if there and len(found.after.rows) == len(found.before.rows):
        text = "the message is there after DELE and QUIT"
        yield Problem(text, found.before, dele, quit_, found.after)


@check(
    "rfc1939/6/quit-only-marked",
    MUST,
    UPDATE,
    expects="QUIT deletes nothing else, and the others keep their unique-ids",
    suffers="mail is lost, or fetched again",
    probes="deleting",
)
def _only_marked(seen: Seen) -> Iterable[Problem]:
    found = _Between(seen, "deleting")
    fewer = len(found.after.rows) < len(found.before.rows) - 1
    others = found.lacks(found.ids_before()[:-1])
    if found.after.ok and (fewer or others):
        shown = found.ids if others else (found.before, found.after)
        yield Problem("other messages are gone, or have other unique-ids", *shown)


@check(
    "rfc1939/6/quit",
    MUST,
    UPDATE,
    expects="QUIT after the login is answered with +OK",
    suffers="it reports an error, and does not know whether anything was deleted",
    probes="listings",
)
def _quit_after_login(seen: Seen) -> Iterable[Problem]:
    for spoken in (seen("listings", "QUIT"), seen.get("reading", "QUIT")):
        if spoken is not None and not spoken.ok:
            yield Problem(f"QUIT is {spoken.outcome}", spoken)


check(
    "rfc1939/6/quit-closes",
    MUST,
    "Whether the removal was successful or not, the server then releases any exclusive-access lock "
    "on the maildrop and closes the TCP connection.",
    expects="the server closes the connection after its answer to QUIT",
    suffers="it hangs, if it waits for the end of the connection",
    probes="listings",
    judge=lambda seen: [
        Problem(STAYS_OPEN, spoken)
        for spoken in [seen("listings", "QUIT")]
        if spoken.ok and not spoken.closed
    ],
)


@check(
    "rfc1939/4/lock",
    NOTE,
    LOCK,
    expects="a second login is refused while a session is open, and the first session goes on; or both "
    'are let in, which the words "as necessary" allow',
    suffers="if a second login ends the first session, two programs that look for mail at the same time "
    "throw each other out",
    probes="second_login",
)
def _lock(seen: Seen) -> Iterable[Problem]:
    first, second = seen("second_login", "first"), seen("second_login", "second")
    if not first.ok:
        text = f"NOOP in the first session, after a second login, is {first.outcome}"
        yield Problem(text, second, first)
