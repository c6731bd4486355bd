"""What the board looks like, row by row; `screen` puts it on a terminal.

Nothing is said by colour alone, and where the terminal has no block characters letters stand for them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from poptalk.classroom.pupil import Remark
from poptalk.classroom.view import BoardView, PupilView, StepState
from poptalk.net.endpoint import is_loopback
from poptalk.terminal.safe import Fragments, cells, cut, hanging, wrap

NOBODY_SECONDS = 60.0
"""How long nobody may come until the usual causes are named: by then the first has typed the address."""

WIDE = 60
"""Columns from which on there is room for words."""

BLOCKS = {StepState.DONE: "█", StepState.DUE: "▒", StepState.TO_DO: "░"}
LETTERS = {StepState.DONE: "#", StepState.DUE: ">", StepState.TO_DO: "."}
_STYLES = {StepState.DONE: "done", StepState.DUE: "notyet", StepState.TO_DO: "text"}

INDENT = "    "
"""In front of what belongs to the pupil above."""

MOST_BLOCKS = 20
"""A lesson with more steps gets numbers."""


@dataclass(slots=True, kw_only=True)
class Looks:
    """How the board is to look.

    Args:
        columns: cells of a row.
        rows: how many there are.
        blocks: what stands for the state of a step.
        hides_names: whether numbers stand for names.
        selected: the number of the pupil who is looked at; None for nobody.
    """

    columns: int = 80
    rows: int = 24
    blocks: dict[StepState, str] = field(default_factory=lambda: BLOCKS)
    hides_names: bool = False
    selected: int | None = None

    def name(self, pupil: PupilView) -> str:
        """Return what stands for a pupil."""
        return pupil.hidden_name if self.hides_names else pupil.name

    def without_names(self, text: str, pupils: Iterable[PupilView]) -> str:
        """Replace names in what was typed, where they are hidden."""
        names = {pupil.name.casefold(): pupil.hidden_name for pupil in pupils}
        if not (self.hides_names and names):
            return text
        longest_first = sorted(map(re.escape, names), key=len, reverse=True)
        pattern = re.compile(rf"(?<!\w)(?:{'|'.join(longest_first)})(?!\w)", re.IGNORECASE)
        return pattern.sub(lambda found: names.get(found[0].casefold(), "..."), text)


def draw(view: BoardView, looks: Looks) -> list[Fragments]:
    """Return the rows of the board; a last one for the keys is `keys`."""
    head = _head(view, looks)
    room = looks.rows - len(head)
    pupils = view.pupils
    numbers = [pupil.number for pupil in pupils]
    first = 0
    if looks.selected in numbers:
        # As far up as lets the one who is looked at be seen; a pupil takes a row at least.
        at = numbers.index(looks.selected)
        first, needed = at, len(_pupil(pupils[at], view, looks)) + 1
        while first and (needed := needed + len(_pupil(pupils[first - 1], view, looks))) <= room:
            first -= 1
    shown: list[Fragments] = []
    for index, pupil in enumerate(pupils[first:], first):
        entry = _pupil(pupil, view, looks)
        is_last = index == len(pupils) - 1
        if len(shown) + len(entry) > room - (not is_last):
            shown.append([("note", f"  and {len(pupils) - index} more below")])
            break
        shown += entry
    return [_fitting(row, looks.columns) for row in head + shown][: looks.rows]


def _head(view: BoardView, looks: Looks) -> list[Fragments]:
    columns = looks.columns
    is_wide = columns >= WIDE
    through = f"{view.finished} through"
    count = f"{view.connected} here, {through}, {_clock(view.seconds)}"
    title = cut(view.lesson, columns - cells(count) - 2)
    gap = " " * max(1, columns - cells(title) - cells(count))
    tallies = [f"{step.number}:{step.through}" for step in view.steps]
    words = "through step  " if is_wide else "through  "
    steps = wrap(words + "  ".join(tallies), columns)
    rows: list[Fragments] = [[("heading", title), ("text", gap + count)]]
    rows += [[("text", row)] for row in steps[:2]]
    if view.wrong_lines:
        wrong = ", ".join(
            f"{looks.without_names(line, view.pupils)} ({times})"
            for line, times in view.wrong_lines
        )
        rows.append([("notyet", "wrong lines  " if is_wide else "wrong  "), ("text", wrong)])
    return [*rows, []]


def _pupil(pupil: PupilView, view: BoardView, looks: Looks) -> list[Fragments]:
    """Return a row for a pupil, and one or two more where something is to be said."""
    is_wide = looks.columns >= WIDE
    is_selected = pupil.number == looks.selected
    name, width = looks.name(pupil), 14 if is_wide else 9
    # Without a name there is nothing to count, so its address has the room of the blocks.
    width += 0 if pupil.is_named else len(pupil.steps)
    name = cut(name, width)
    line = looks.without_names(pupil.line, view.pupils)
    remark = looks.without_names(pupil.remark, view.pupils)
    row: Fragments = [
        ("prompt", "> " if is_selected else "  "),
        ("heading" if is_selected else "text", name + " " * (width - cells(name) + 1)),
        *(_blocks(pupil, looks) if pupil.is_named else []),
        ("text", f" {_state(pupil):>8}"),
        ("notyet" if pupil.misses else "text", f" {_misses(pupil, is_wide=is_wide)}"),
    ]
    if line:
        row.append(("typed", f" {line}"))
    rows = [row]
    if is_selected and pupil.step:
        rows.append([("note", f"{INDENT}at {pupil.step}")])
    if remark:
        style = "aside" if pupil.word == "note" else "notyet"
        if is_selected:
            text = f"{pupil.word}: {remark}"
            rows += _wrapped("text", text, looks.columns, indent=INDENT)
        else:
            rows.append([("text", INDENT), (style, f"{pupil.word}:"), ("text", f" {remark}")])
    if pupil.trouble:
        rows.append([("warn", f"{INDENT}#! {pupil.trouble}")])
    return rows


def _blocks(pupil: PupilView, looks: Looks) -> Fragments:
    if len(pupil.steps) > MOST_BLOCKS:
        return [("text", f"{pupil.steps.count(StepState.DONE)}/{len(pupil.steps)}")]
    return [(_STYLES[state], looks.blocks[state]) for state in pupil.steps]


def _state(pupil: PupilView) -> str:
    if pupil.is_finished:
        return "through"
    return ("" if pupil.is_connected else "away ") + _short(pupil.stuck_seconds)


def _misses(pupil: PupilView, *, is_wide: bool) -> str:
    misses = pupil.all_misses if pupil.is_finished else pupil.misses
    if not misses:
        return " " * (8 if is_wide else 3)
    return f"{misses:>2} wrong" if is_wide else f"{misses:>2}x"


def _short(seconds: float) -> str:
    """Write how long something lasts in three or four cells."""
    if seconds < 60:
        return f"{seconds:.0f}s"
    return f"{seconds // 60:.0f}m" if seconds < 3600 else f"{seconds / 3600:.0f}h"


def _clock(seconds: float) -> str:
    minutes, left = divmod(int(seconds), 60)
    return (
        f"{minutes // 60}:{minutes % 60:02}:{left:02}" if minutes >= 60 else f"{minutes}:{left:02}"
    )


def nobody(
    join: Sequence[str], hosts: Sequence[str], port: int, seconds: float, looks: Looks
) -> list[Fragments]:
    """Return what is shown while nobody has come: how to join, and later the usual causes.

    Args:
        join: what is on the blackboard.
        hosts: the addresses that the server listens on.
        port: its port.
        seconds: since the class began.
        looks: see there.
    """
    rows = joining(join, looks)
    if seconds < NOBODY_SECONDS:
        return [[("heading", "Nobody yet.")], [], *rows]
    causes = [
        f"A firewall on this machine may refuse port {port}: allow connections to it.",
        "The address may be another one: compare it with this machine's network settings.",
        "A Wi-Fi for guests often keeps its machines apart (client isolation): take another network, "
        "or a phone's hotspot.",
    ]
    if all(map(is_loopback, hosts)):
        causes = [
            f"The server listens on {hosts[0]}, which only this machine can reach: begin again with "
            "--listen 0.0.0.0",
            *causes[:1],
        ]
    found: list[Fragments] = [[("heading", "Nobody yet. The usual causes:")]]
    for cause in causes:
        found += _wrapped("text", f"- {cause}", looks.columns)
    test = f"To see whether it works at all, type here: telnet {hosts[0]} {port}"
    found += _wrapped("text", test, looks.columns)
    return [*found, [], *rows][: looks.rows]


def joining(join: Sequence[str], looks: Looks, *, has_page: bool = False) -> list[Fragments]:
    """Return what is on the blackboard, and how pupils get onto the board.

    Args:
        join: what is on the blackboard.
        looks: see there.
        has_page: whether the board is a web page as well.
    """
    rows: list[Fragments] = []
    for line in join:
        if cells(line) <= looks.columns:
            rows.append([("text", line)])
        else:
            indent = line[: len(line) - len(line.lstrip())]
            rows += _wrapped("text", line, looks.columns, indent=indent)
    hint = "Send USER and a name, and you are on the board by that name."
    if has_page:
        hint += " The board is a web page as well: w on the board says where."
    return [*rows, *_wrapped("note", hint, looks.columns)][: looks.rows]


def as_page(address: str, looks: Looks) -> list[Fragments]:
    """Return where the board is as a web page."""
    text = "The board as a web page. The address opens it to anyone who has it, names included:"
    rows: list[Fragments] = [*_wrapped("text", text, looks.columns), []]
    rows += [[("typed", row)] for row in wrap(address, looks.columns)]
    return rows[: looks.rows]


def exchange(
    pupil: PupilView, said: Sequence[Fragments | Remark], view: BoardView, looks: Looks
) -> list[Fragments]:
    """Return the end of a pupil's exchange, with poptalk's comments."""
    title = f"{looks.name(pupil)}  {pupil.step or 'through'}"
    rows: list[Fragments] = []
    for each in said[-looks.rows :]:
        if isinstance(each, Remark):
            text = f"{each.kind.value}: {each.text}"
            rows += _wrapped("aside", text, looks.columns, indent="   ")
        else:
            rows += _broken(each, looks.columns)
    if looks.hides_names:
        rows = [
            [(style, looks.without_names(text, view.pupils)) for style, text in row] for row in rows
        ]
    head: list[Fragments] = [[("heading", cut(title, looks.columns))], []]
    return head + rows[-(looks.rows - len(head)) :]


def keys(columns: int) -> Fragments:
    """Return the row that says what the keys do."""
    words = (
        "j how to join   Enter look at one   n names   Up Down choose   q leave"
        if columns > 72
        else "j join  Enter look  n names  Up/Down  q leave"
        if columns >= 46
        else "j join Enter look n names q leave"
    )
    return [("toolbar", cut(words, columns))]


def _broken(line: Fragments, columns: int) -> list[Fragments]:
    """Break a line of a dialogue into rows."""
    rows: list[Fragments] = [[]]
    for style, text in hanging(line, columns):
        first, *others = text.split("\n")
        rows[-1].append((style, first))
        rows += [[(style, other)] for other in others]
    return rows


def _wrapped(style: str, text: str, columns: int, *, indent: str = "") -> list[Fragments]:
    """Break a sentence into rows."""
    return [[(style, indent + row)] for row in wrap(text, max(1, columns - len(indent)))]


def _fitting(row: Fragments, columns: int) -> Fragments:
    """Cut a row that is too long."""
    left = columns
    fitting: Fragments = []
    for style, text in row:
        shown = cut(text, left) if cells(text) > left else text
        fitting.append((style, shown))
        left -= cells(shown)
        if left <= 0:
            break
    return fitting
