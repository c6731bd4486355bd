"""A message on the screen: its fields, the tree of its parts, its text, the path that it took.

Each row begins with a bar, so that no message can look like a line of the dialogue or of poptalk.
Everything in it comes from a stranger, and is made harmless.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta

from poptalk.mail import message
from poptalk.mail.header import HeaderField, Summary, header_fields, read_header
from poptalk.mail.words import TimeLimit, TooLong
from poptalk.terminal.safe import Fragments, cells, cut, harmless, wrap

BAR = ("note", "| ")

_TAB = 8

_UNITS = (("kB", 10**3), ("MB", 10**6), ("GB", 10**9))

_HANGING = "  "
"""Before the second and further rows of text that doesn't fit into one."""

_FEWEST_CELLS = 16
"""Cells of a row after its indentation: deeper parts of a tree aren't indented any further."""

_LONGEST_NUMBER = 12
"""Characters of a part's number; of a longer one only the end is shown."""


AS_IT_IS = "RETR shows it as it is, and :save keeps it in a file"


def view(
    name: str, octets: bytes, *, columns: int, deadline: TimeLimit | None = None
) -> list[Fragments]:
    """Show a message in one of the `VIEWS`, whatever the octets are, and within two seconds.

    Args:
        name: that of the view.
        octets: the message, byte-stuffing undone; "headers" and "trace" need only the header.
        columns: cells in a row of the screen.
        deadline: when to give up; None for the usual time from now.
    """
    deadline = deadline or TimeLimit()
    rows: list[Fragments] = []
    try:
        for row in VIEWS[name](octets, columns, deadline):
            rows.append(row)
            deadline.check()
    except TooLong:
        what = "the rest of it" if rows else "it"
        rows += _remark(f"reading {what} takes too long; {AS_IT_IS}", columns)
    except Exception as error:  # noqa: BLE001 - nothing in a message may end the session
        shown = harmless(repr(error), limit=200)
        rows += _remark(f"this message could not be read: {shown}; {AS_IT_IS}", columns)
    return rows


def _remark(text: str, columns: int) -> Iterator[Fragments]:
    return _hanging([], "note", harmless(text), columns=columns)


def _headers(octets: bytes, columns: int, _deadline: TimeLimit) -> Iterator[Fragments]:
    header = read_header(octets)
    for remark in header.remarks:
        yield from _remark(remark, columns)
    if not header.fields:
        yield from _remark("no header field", columns)
    yield from header_rows(header_fields(header), columns=columns)


def _structure(octets: bytes, columns: int, deadline: TimeLimit) -> Iterator[Fragments]:
    tree = [*message.parts(message.parse(octets, deadline=deadline))]
    yield from structure_rows(tree, columns=columns)
    if len(tree) == message.MOST_PARTS:
        yield from _remark(f"{message.MOST_PARTS} parts are shown, and there are more", columns)


def _text(octets: bytes, columns: int, deadline: TimeLimit) -> Iterator[Fragments]:
    found = message.readable_text(message.parse(octets, deadline=deadline))
    if found is None:
        none = "no part of it is text, attachments apart; :structure shows what there is"
        yield from _remark(none, columns)
        return
    for remark in found.remarks:
        yield from _remark(remark, columns)
    if not found.text.strip():
        yield from _remark("its text is empty", columns)
        return
    yield from text_rows(found.text.strip("\r\n"), columns=columns)


def _trace(octets: bytes, columns: int, _deadline: TimeLimit) -> Iterator[Fragments]:
    hops = message.trace(read_header(octets))
    if not hops:
        yield from _remark("no Received field: nobody says how it came", columns)
    yield from trace_rows(hops, columns=columns)
    if len(hops) == message.MOST_HOPS:
        yield from _remark(
            f"{message.MOST_HOPS} Received fields are read; there may be more", columns
        )


VIEWS: dict[str, Callable[[bytes, int, TimeLimit], Iterator[Fragments]]] = {
    "headers": _headers,
    "structure": _structure,
    "text": _text,
    "trace": _trace,
}


def people_size(octets: int) -> str:
    """Format a size for people: `903 octets`, `4.3 kB`, `12 MB`."""
    if octets < 1000:
        return "1 octet" if octets == 1 else f"{octets} octets"
    unit, factor = next((each for each in _UNITS if octets < 999.5 * each[1]), _UNITS[-1])
    size = octets / factor
    return f"{size:.1f} {unit}" if size < 9.95 else f"{size:,.0f} {unit}"


def people_time(delay: timedelta) -> str:
    """Format a delay for people: `3 s`, `2 min 5 s`, `-1 h 0 min`."""
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
        fields: those of the header, in order.
        columns: cells in a row of the screen.
    """
    for field in fields:
        name = harmless(field.name)
        said = ["decoded"] * field.encoded + [harmless(remark) for remark in field.remarks]
        value = harmless(field.value, joiners=True) + (f" ({'; '.join(said)})" if said else "")
        yield from _hanging([("header", f"{name}: ")], "body", value, columns=columns)


def structure_rows(parts: Iterable[message.Part], *, columns: int) -> Iterator[Fragments]:
    """Show the tree of parts, numbered as in IMAP (RFC 3501 §6.4.5).

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


def _described(part: message.Part) -> str:
    """Describe a part: its type, its encoding, its size and its name."""
    kind = " ".join(filter(None, (part.content_type, part.charset, part.encoding)))
    size = people_size(part.octets)
    if part.decoded_octets != part.octets:
        size += f", decoded {people_size(part.decoded_octets)}"
    name = f', "{part.name}"' if part.name else ""
    return harmless(f"{kind}, {size}{name}")


def text_rows(text: str, *, columns: int) -> Iterator[Fragments]:
    """Show the text of a message; only lines that are too long are wrapped.

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


def trace_rows(hops: Sequence[message.Hop], *, columns: int) -> Iterator[Fragments]:
    """Show the path of a message, beginning with the first host.

    Args:
        hops: in chronological order.
        columns: cells in a row of the screen.
    """
    for number, hop in enumerate(hops, 1):
        head: Fragments = [("number", f"{number} ")]
        receiver = hop.receiver or "a host that does not say its name"
        yield from _hanging(head, "body", harmless(receiver), columns=columns)
        known_by = hop.sender or ""
        address = f"[{hop.address}]" if hop.address and hop.address not in known_by else ""
        known = (
            ("from", " ".join(filter(None, (hop.sender, address)))),
            ("with", hop.protocol),
            ("id", hop.queue_id),
            ("for", hop.recipient),
        )
        how = " ".join(f"{word} {value}" for word, value in known if value)
        when = hop.when.strftime("%Y-%m-%d %H:%M:%S %z") if hop.when else "no date to be read"
        for text in filter(None, (how, when)):
            yield from _hanging([("body", _HANGING)], "body", harmless(text), columns=columns)
        if hop.delay is not None:
            style, said = "octets", " after the one before"
            if hop.delay < timedelta():
                style, said = "warn", ": a clock is wrong, or a field is forged"
            text = people_time(hop.delay) + said
            yield from _hanging([("body", _HANGING)], style, text, columns=columns)


def _hanging(
    head: Fragments, style: str, text: str, *, columns: int, hanging: str = _HANGING
) -> Iterator[Fragments]:
    """Show a text after a head, with its further rows indented.

    A head that takes more than half of the row gets one of its own.
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


# A table of messages.

_NARROW = 60
"""In rows with fewer cells, dates have no time of day."""
_FEWEST_OF_A_TEXT = 3


def summary_rows(summaries: Sequence[Summary], *, columns: int) -> Iterator[Fragments]:
    """Show messages in a table of number, date, size, sender and subject, a row each.

    Args:
        summaries: those of the messages, in the order of the rows.
        columns: cells in a row of the screen.
    """
    form, date_cells, size_cells = ("%Y-%m-%d %H:%M", 16, 10)
    if columns < _NARROW:
        form, date_cells, size_cells = ("%Y-%m-%d", 10, 6)
    number_cells = max((len(str(each.number)) for each in summaries), default=1)
    rest = columns - cells(BAR[1]) - number_cells - date_cells - size_cells - 4
    sender_cells = max(_FEWEST_OF_A_TEXT, rest // 3)
    subject_cells = max(_FEWEST_OF_A_TEXT, rest - sender_cells)
    for each in summaries:
        size = "" if each.size is None else people_size(each.size)
        if len(size) > size_cells:
            size = f"{(each.size or 0) / 1000:.1f} kB"
        yield [
            BAR,
            ("number", f"{each.number:>{number_cells}} "),
            ("body", _cell(_local(each, form), date_cells)),
            ("octets", f"{size:>{size_cells}} "),
            ("body", _cell(each.sender, sender_cells)),
            ("body", _cell(each.subject, subject_cells).rstrip()),
        ]


def _local(each: Summary, form: str) -> str:
    """Format a date in the local time zone, so that the dates in a table can be compared."""
    if each.when is None:
        return each.date or "no date"
    try:
        return each.when.astimezone().strftime(form)
    except (OSError, OverflowError, ValueError):
        return each.when.strftime(form)


def _cell(text: str, width: int) -> str:
    shown = harmless(text)
    if cells(shown) > width:
        shown = cut(shown, width - 1) + "\N{HORIZONTAL ELLIPSIS}"
    return shown + " " * (width + 1 - cells(shown))
