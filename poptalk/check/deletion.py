"""Checks of DELE, RSET and QUIT, and of the lock; most need `--destructive`."""

from __future__ import annotations

from collections.abc import Iterable

from poptalk.check.connection import Spoken
from poptalk.check.model import (
    Judge,
    Level,
    NotApplicable,
    NotClear,
    Problem,
    Seen,
    check,
    refused,
)
from poptalk.check.probes import numbers_in

DELE = (
    "The POP3 server marks the message as deleted. Any future reference to the message-number "
    "associated "
    "with the message in a POP3 command generates an error."
)
MARKED = "Note that messages marked as deleted are not counted in either total."
NOT_LISTED = "Note that messages marked as deleted are not listed."
RSET = "If any messages have been marked as deleted by the POP3 server, they are unmarked."
UPDATE = (
    "The POP3 server removes all messages marked as deleted from the maildrop and replies as to the "
    "status "
    "of this operation."
)
NO_UPDATE = (
    "If a session terminates for some reason other than a client-issued QUIT command, the POP3 session "
    "does NOT enter the UPDATE state and MUST not remove any messages from the maildrop."
)

check(
    "rfc1939/5/dele",
    Level.MUST,
    "RFC 1939 §5",
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


def _marked(seen: Seen, label: str, probe: str = "marking") -> Spoken:
    """Return what came after DELE was answered with +OK.

    Raises:
        NotApplicable: DELE was refused.
    """
    if not seen(probe, "DELE").ok:
        raise NotApplicable("DELE is refused")
    return seen(probe, label)


@check(
    "rfc1939/5/dele-uncounted",
    Level.MUST,
    "RFC 1939 §5",
    MARKED,
    expects="STAT does not count a message that is marked as deleted",
    suffers="it believes that DELE has failed, and deletes again",
    probes="marking",
)
def _uncounted(seen: Seen) -> Iterable[Problem]:
    before, dele, after = (
        seen("marking", "STAT"),
        seen("marking", "DELE"),
        _marked(seen, "STAT marked"),
    )
    counts = [spoken.words[0] for spoken in (before, after) if spoken.words]
    readable = len(counts) == 2 and all(count.isdigit() for count in counts)
    if readable and int(counts[0]) != int(counts[1]) + 1:
        yield Problem(
            f"STAT has {int(counts[0])} messages before and {int(counts[1])} after DELE",
            before,
            dele,
            after,
        )


@check(
    "rfc1939/5/dele-unlisted",
    Level.MUST,
    "RFC 1939 §5",
    NOT_LISTED,
    expects="LIST and UIDL do not have a message that is marked as deleted",
    suffers="it fetches a message that it has just deleted",
    probes="marking",
)
def _unlisted(seen: Seen) -> Iterable[Problem]:
    _marked(seen, "DELE")
    number = max(numbers_in(seen("marking", "LIST")))
    for label in ("LIST marked", "UIDL marked"):
        spoken = _marked(seen, label)
        if any(row.split()[:1] == [b"%d" % number] for row in spoken.rows):
            yield Problem(f"{spoken.name} has the message", seen("marking", "DELE"), spoken)


@check(
    "rfc1939/5/dele-no-renumber",
    Level.MUST,
    "RFC 1939 §4",
    'so that the nth message in a maildrop is assigned a message-number of "n".',
    expects="the other messages keep their numbers, sizes and unique-ids after DELE",
    suffers="its next DELE deletes another message than it means",
    probes="marking",
)
def _no_renumber(seen: Seen) -> Iterable[Problem]:
    for label in ("LIST", "UIDL"):
        before, after = seen("marking", label), _marked(seen, f"{label} marked")
        missing = [row for row in before.rows[:-1] if row not in after.rows]
        if after.ok and missing:
            yield Problem(
                f"{label} has other lines for the other messages after DELE",
                before,
                seen("marking", "DELE"),
                after,
            )


def _refused_when_marked(*commands: str) -> Judge:
    def judge(seen: Seen) -> Iterable[Problem]:
        for command in commands:
            spoken = _marked(seen, f"{command} of the marked")
            if not spoken.refused:
                dele = [each for each in spoken.connection.spoken if each.sent.startswith(b"DELE")]
                text = f"{spoken.name}, of a message marked as deleted, is {spoken.outcome}"
                yield Problem(text, *dele[:1], spoken)

    return judge


_OF_ONE_MESSAGE = {
    "LIST": "it takes the message for another",
    "RETR": "it fetches the message again",
    "TOP": "it shows the message again",
    "UIDL": "it takes the message for a new one",
}
for _command, _suffers in _OF_ONE_MESSAGE.items():
    check(
        f"rfc1939/5/dele-then-{_command.lower()}",
        Level.MUST,
        "RFC 1939 §5",
        DELE,
        expects=f"{_command} is refused for a message that is marked as deleted",
        suffers=_suffers,
        probes="marking",
        judge=_refused_when_marked(_command),
    )
check(
    "rfc1939/5/dele-twice",
    Level.MUST,
    "RFC 1939 §5",
    DELE,
    expects="DELE is refused for a message that is marked as deleted already",
    suffers="nothing, as a rule; but it counts one message more than is deleted",
    probes="marking",
    judge=_refused_when_marked("DELE"),
)
for _label, _id, _text in (
    ("missing", "missing", "the number after the last"),
    ("0", "number-zero", "message 0"),
):
    check(
        f"rfc1939/5/dele-{_id}",
        Level.MUST,
        "RFC 1939 §5",
        "-ERR no such message",
        expects=f"DELE is refused for {_text}",
        suffers="it believes that something is deleted",
        probes="wrong_numbers",
        judge=refused("wrong_numbers", f"DELE {_label}"),
    )


@check(
    "rfc1939/5/rset",
    Level.MUST,
    "RFC 1939 §5",
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
        part = slice(2) if label == "STAT" else slice(0)
        if (before.words[part], before.rows) != (after.words[part], after.rows):
            yield Problem(f"{label} is another after RSET", before, rset, after)


def _ids(spoken: Spoken) -> list[bytes]:
    return [row.split()[-1] for row in spoken.rows if row.split()]


def _kept(seen: Seen, probe: str, after: str, text: str) -> Iterable[Problem]:
    before, later = seen(probe, "LIST"), seen(probe, f"LIST {after}")
    ids = seen(probe, "UIDL"), seen(probe, f"UIDL {after}")
    if not (before.ok and later.ok):
        raise NotClear(f"LIST is {later.outcome}")
    missing = ids[0].ok and ids[1].ok and set(_ids(ids[0])) - set(_ids(ids[1]))
    if len(later.rows) < len(before.rows) or missing:
        yield Problem(text, before, seen(probe, "DELE"), later)


check(
    "rfc1939/6/rset-quit-keeps",
    Level.MUST,
    "RFC 1939 §5",
    RSET,
    expects="what was taken back with RSET is there after QUIT",
    suffers="mail is lost that its user wanted to keep",
    probes="marking",
    judge=lambda seen: _kept(
        seen, "marking", "after QUIT", "a message is gone after RSET and QUIT"
    ),
)
check(
    "rfc1939/6/drop-keeps",
    Level.MUST,
    "RFC 1939 §6",
    NO_UPDATE,
    expects="a session that ends without QUIT deletes nothing",
    suffers="mail is lost when the connection breaks before it was stored",
    probes="dropping",
    judge=lambda seen: _kept(seen, "dropping", "afterwards", "a message is gone without QUIT"),
)


@check(
    "rfc1939/6/quit-commits",
    Level.MUST,
    "RFC 1939 §6",
    UPDATE,
    expects="QUIT deletes what was marked",
    suffers="it fetches the same mail again, each time",
    probes="deleting",
)
def _commits(seen: Seen) -> Iterable[Problem]:
    before, after = seen("deleting", "LIST"), seen("deleting", "LIST afterwards")
    dele, quit_ = seen("deleting", "DELE"), seen("deleting", "QUIT")
    if not dele.ok or not quit_.ok:
        raise NotClear(f"DELE is {dele.outcome}, QUIT {quit_.outcome}")
    ids = seen("deleting", "UIDL"), seen("deleting", "UIDL afterwards")
    still = bool(ids[0].ok and ids[1].ok and set(_ids(ids[0])[-1:]) & set(_ids(ids[1])))
    # Mail may have come meanwhile: then only the unique-id tells.
    if len(after.rows) == len(before.rows) and (still or not ids[0].ok):
        yield Problem("the message is there after DELE and QUIT", before, dele, quit_, after)


@check(
    "rfc1939/6/quit-only-marked",
    Level.MUST,
    "RFC 1939 §6",
    UPDATE,
    expects="QUIT deletes nothing else, and the others keep their unique-ids",
    suffers="mail is lost, or fetched again",
    probes="deleting",
)
def _only_marked(seen: Seen) -> Iterable[Problem]:
    before, after = seen("deleting", "LIST"), seen("deleting", "LIST afterwards")
    ids = seen("deleting", "UIDL"), seen("deleting", "UIDL afterwards")
    fewer = len(after.rows) < len(before.rows) - 1
    others = ids[0].ok and ids[1].ok and set(_ids(ids[0])[:-1]) - set(_ids(ids[1]))
    if after.ok and (fewer or others):
        shown = ids if others else (before, after)
        yield Problem("other messages are gone, or have other unique-ids", *shown)


def _quit_after_login(seen: Seen) -> Iterable[Problem]:
    for probe in ("listings", "reading"):
        spoken = seen.get(probe, "QUIT")
        if spoken is not None and not spoken.ok:
            yield Problem(f"QUIT is {spoken.outcome}", spoken)
    seen("listings", "QUIT")


check(
    "rfc1939/6/quit",
    Level.MUST,
    "RFC 1939 §6",
    UPDATE,
    expects="QUIT after the login is answered with +OK",
    suffers="it reports an error, and does not know if anything was deleted",
    probes="listings",
    judge=_quit_after_login,
)


@check(
    "rfc1939/6/quit-closes",
    Level.MUST,
    "RFC 1939 §6",
    "Whether the removal was successful or not, the server then releases any exclusive-access lock on "
    "the "
    "maildrop and closes the TCP connection.",
    expects="the server closes the connection after its answer to QUIT",
    suffers="one that waits for the end of the connection hangs",
    probes="listings",
)
def _closes(seen: Seen) -> Iterable[Problem]:
    spoken = seen("listings", "QUIT")
    if spoken.ok and not spoken.closed:
        yield Problem("the connection stands five seconds after QUIT", spoken)


@check(
    "rfc1939/4/lock",
    Level.NOTE,
    "RFC 1939 §4",
    "the POP3 server then acquires an exclusive-access lock on the maildrop, as necessary to prevent "
    "messages from being modified or removed before the session enters the UPDATE state.",
    expects="a second login is refused while a session is open, and the first goes on; or both are "
    "let in, "
    "which the words as necessary allow",
    suffers="where a second login ends the first session, two programs that look for mail at the same "
    "time "
    "throw each other out",
    probes="second_login",
)
def _lock(seen: Seen) -> Iterable[Problem]:
    first = seen("second_login", "first")
    if not first.ok:
        yield Problem(
            f"NOOP in the first session, after a second login, is {first.outcome}",
            seen("second_login", "second"),
            first,
        )
