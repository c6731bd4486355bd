"""What poptalk reads out of a message: fields, the tree of parts, the text, the way that it came.

Each row begins with a bar, so that no message can look like a line of the dialogue or of poptalk's own.
Everything in it is a stranger's, and made harmless.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from poptalk.terminal.safe import Fragments, harmless
from poptalk.terminal.width import cells, wrap

if TYPE_CHECKING:
    from poptalk.mail.message import HeaderField, Part
    from poptalk.mail.trace import Hop

BAR = ("note", "| ")

_TAB = 8

_UNITS = (("kB", 10**3), ("MB", 10**6), ("GB", 10**9))

_HANGING = "  "
"""In front of the further rows of what does not fit into one."""

_FEWEST_CELLS = 16
"""Of a row, behind its indentation: deeper parts of a tree are indented no further."""


_LONGEST_NUMBER = 12
"""Characters of a part's number; a longer one is shown by its end."""


def people_size(octets: int) -> str:
    """Write a size as people read it: `903 octets`, `4.3 kB`, `12 MB`."""
    if octets < 1000:
        return "1 octet" if octets == 1 else f"{octets} octets"
    unit, factor = next((each for each in _UNITS if octets < 999.5 * each[1]), _UNITS[-1])
    size = octets / factor
    return f"{size:.1f} {unit}" if size < 9.95 else f"{size:,.0f} {unit}"


def people_time(delay: timedelta) -> str:
    """Write a delay as people read it: `3 s`, `2 min 5 s`, `-1 h 0 min`."""
    seconds = round(abs(delay.total_seconds()))
    sign = "-" if delay < timedelta() and seconds else ""
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{sign}{days} d {hours} h"
    if hours:
        return f"{sign}{hours} h {minutes} min"
    return f"{sign}{minutes} min {seconds} s" if minutes else f"{sign}{seconds} s"


def header_rows(fields: Iterable[HeaderField], *, columns: int) -> Iterator[Fragments]:
    """Show header fields, unfolded and decoded.

    Args:
        fields: in their order.
        columns: cells in a row of the screen.
    """
    for field in fields:
        name = harmless(field.name)
        value = harmless(field.value, joiners=True) + (" (decoded)" if field.encoded else "")
        yield from _hanging([("header", f"{name}: ")], "body", value, columns=columns)


def structure_rows(parts: Iterable[Part], *, columns: int) -> Iterator[Fragments]:
    """Show the tree of parts, numbered as IMAP does it (RFC 3501 §6.4.5).

    Args:
        parts: from the root, each before its own parts.
        columns: cells in a row of the screen.
    """
    counts: list[int] = []
    for part in parts:
        del counts[part.depth :]
        counts += [0] * (part.depth - len(counts))
        if counts:
            counts[-1] += 1
        deepest = max(0, columns - cells(BAR[1]) - _FEWEST_CELLS) // len(_HANGING)
        indent = _HANGING * min(part.depth, deepest)
        number = ".".join(map(str, counts))
        if len(number) > _LONGEST_NUMBER:
            number = f"...{counts[-1]}"
        head: Fragments = [("number", f"{indent}{number} " if number else "")]
        yield from _hanging(
            head, "body", _described(part), columns=columns, hanging=indent + _HANGING
        )
        for defect in part.defects:
            yield from _hanging(
                [("body", indent + _HANGING)], "warn", harmless(defect), columns=columns
            )


def _described(part: Part) -> str:
    """Say what a part is, how it is encoded, how large it is and what it is called."""
    kind = " ".join(filter(None, (part.content_type, part.charset, part.encoding)))
    size = people_size(part.octets)
    if part.decoded_octets != part.octets:
        size += f", decoded {people_size(part.decoded_octets)}"
    name = f', "{part.name}"' if part.name else ""
    return harmless(f"{kind}, {size}{name}")


def text_rows(text: str, *, columns: int) -> Iterator[Fragments]:
    """Show the text of a message; only lines that are too long are parted.

    Args:
        text: with line ends of any kind.
        columns: cells in a row of the screen.
    """
    room = max(1, columns - cells(BAR[1]))
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        shown = harmless(line.expandtabs(_TAB).rstrip(), joiners=True)
        rows = [shown] if cells(shown) <= room else wrap(shown, room)
        for row in rows:
            yield [BAR, ("body", row)] if row else [("note", BAR[1].rstrip())]


def trace_rows(hops: Sequence[Hop], *, columns: int) -> Iterator[Fragments]:
    """Show the way of a message, the first host first.

    Args:
        hops: in the order of time.
        columns: cells in a row of the screen.
    """
    for number, hop in enumerate(hops, 1):
        head: Fragments = [("number", f"{number} ")]
        receiver = hop.receiver or "a host that does not say its name"
        yield from _hanging(head, "body", harmless(receiver), columns=columns)
        sender = f"from {hop.sender}" if hop.sender else ""
        protocol = f"with {hop.protocol}" if hop.protocol else ""
        how = " ".join(filter(None, (sender, protocol)))
        when = hop.when.strftime("%Y-%m-%d %H:%M:%S %z") if hop.when else "no date to be read"
        for text in filter(None, (how, when)):
            yield from _hanging([("body", _HANGING)], "body", harmless(text), columns=columns)
        if hop.delay is not None:
            style = "warn" if hop.delay < timedelta() else "octets"
            yield from _hanging([("body", _HANGING)], style, _delay(hop.delay), columns=columns)


def _delay(delay: timedelta) -> str:
    if delay < timedelta():
        return f"{people_time(delay)}: a clock is wrong, or a field is forged"
    return f"{people_time(delay)} after the one before"


def _hanging(
    head: Fragments, style: str, text: str, *, columns: int, hanging: str = _HANGING
) -> Iterator[Fragments]:
    """Show a text behind a head, its further rows indented.

    A head that would leave less than half of the row stands alone.
    """
    room = max(2, columns - cells(BAR[1]))
    taken = cells("".join(part for _, part in head))
    if taken + cells(text) <= room:
        yield [BAR, *head, (style, text)]
    elif taken > room // 2:
        yield [BAR, *head]
        rows = wrap(text, max(1, room - cells(hanging)))
        yield from ([BAR, (style, hanging + row)] for row in rows)
    else:
        first, *others = wrap(text, max(1, room - max(taken, cells(hanging))))
        yield [BAR, *head, (style, first)]
        yield from ([BAR, (style, hanging + row)] for row in others)
