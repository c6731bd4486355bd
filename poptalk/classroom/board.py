"""What the board looks like, row by row; `screen` puts it on a terminal.

Nothing is said by colour alone, and where the terminal has no block characters letters stand for them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from poptalk.classroom.pupil import Remark
from poptalk.classroom.server import address_here
from poptalk.classroom.view import BoardView, PupilView, StepState
from poptalk.net.endpoint import is_loopback
from poptalk.terminal.markdown import broken
from poptalk.terminal.safe import Fragments, cells, cut, wrap

NOBODY_SECONDS = 60.0
"""How long nobody may join before the usual causes are listed: typing an address takes a while."""

WIDE = 60
"""Columns from which there is room for words."""

BLOCKS = {StepState.DONE: "█", StepState.DUE: "▒", StepState.TO_DO: "░"}
LETTERS = {StepState.DONE: "#", StepState.DUE: ">", StepState.TO_DO: "."}
_STYLES = {StepState.DONE: "done", StepState.DUE: "notyet", StepState.TO_DO: "text"}

INDENT = "    "
"""In front of the rows that belong to the pupil above."""

MOST_BLOCKS = 20
"""A lesson with more steps gets a count in their place."""

KEYS = (
    "j how to join   Enter look at one   n names   Up Down choose   q leave",
    "j join  Enter look  n names  Up/Down  q leave",
    "j join Enter look n names q leave",
)
"""What the keys do; the first that fits is shown."""

_LABEL = re.compile(r" *(?:\w+ {2,})?")
"""What a row of the blackboard begins with: spaces, and perhaps a name in a column of its own."""


@dataclass(slots=True, kw_only=True)
class Looks:
    """How the board looks.

    Args:
        columns: cells of a row.
        rows: how many there are.
        blocks: the character for each state of a step.
        hides_names: whether to show numbers in place of names.
        selected: the number of the selected pupil; None for nobody.
    """

    columns: int = 80
    rows: int = 24
    blocks: dict[StepState, str] = field(default_factory=lambda: BLOCKS)
    hides_names: bool = False
    selected: int | None = None

    def name(self, pupil: PupilView) -> str:
        """Return the name to show for a pupil."""
        return pupil.hidden_name if self.hides_names else pupil.name

    def without_names(self, text: str, pupils: Iterable[PupilView]) -> str:
        """Return a text with pupils' names replaced, if names are hidden."""
        names = {pupil.name.casefold(): pupil.hidden_name for pupil in pupils}
        if not (self.hides_names and names):
            return text
        longest_first = sorted(map(re.escape, names), key=len, reverse=True)
        pattern = re.compile(rf"(?<!\w)(?:{'|'.join(longest_first)})(?!\w)", re.IGNORECASE)
        return pattern.sub(lambda found: names.get(found[0].casefold(), "..."), text)


def draw(view: BoardView, looks: Looks) -> list[Fragments]:
    """Return the rows of the board, without the last one, which is `keys`."""
    head = _head(view, looks)
    room = looks.rows - len(head)
    pupils = view.pupils
    numbers = [pupil.number for pupil in pupils]
    first = 0
    if looks.selected in numbers:
        # Scroll no further than the selected pupil requires.
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
    return [broken(row, looks.columns, [])[0] for row in head + shown][: looks.rows]


def _head(view: BoardView, looks: Looks) -> list[Fragments]:
    columns = looks.columns
    is_wide = columns >= WIDE
    count = f"{view.connected} here, {view.finished} finished, {_clock(view.seconds)}"
    title = cut(view.lesson, columns - cells(count) - 2)
    gap = " " * max(1, columns - cells(title) - cells(count))
    tallies = [f"{step.number}:{step.done}" for step in view.steps]
    words = "past step  " if is_wide else "past  "
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
    """Return a row for a pupil, and further rows for what there is to say about them."""
    is_wide = looks.columns >= WIDE
    is_selected = pupil.number == looks.selected
    name, width = looks.name(pupil), 14 if is_wide else 9
    # Without a name nothing is counted, so the address gets the room of the blocks.
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
            rows += _wrapped("text", f"{pupil.word}: {remark}", looks.columns, indent=INDENT)
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
        return "finished"
    return ("" if pupil.is_connected else "away ") + _short(pupil.stuck_seconds)


def _misses(pupil: PupilView, *, is_wide: bool) -> str:
    misses = pupil.all_misses if pupil.is_finished else pupil.misses
    if not misses:
        return " " * (8 if is_wide else 3)
    return f"{misses:>2} wrong" if is_wide else f"{misses:>2}x"


def _short(seconds: float) -> str:
    """Write a duration in three or four cells."""
    if seconds < 60:
        return f"{seconds:.0f}s"
    return f"{seconds // 60:.0f}m" if seconds < 3600 else f"{seconds / 3600:.0f}h"


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def nobody(
    join: Sequence[str], hosts: Sequence[str], port: int, seconds: float, looks: Looks
) -> list[Fragments]:
    """Return what to show until the first pupil joins: how to join, and after a while the usual causes.

    Args:
        join: the rows of the blackboard.
        hosts: the addresses that the server listens on.
        port: its port.
        seconds: since the class began.
        looks: how it looks.
    """
    rows = joining(join, looks)
    if seconds < NOBODY_SECONDS:
        return [[("heading", "Nobody yet.")], [], *rows][: looks.rows]
    causes = [
        f"A firewall on this machine may block port {port}: allow connections to it.",
        "The address may be wrong: compare it with this machine's network settings.",
        "Guest Wi-Fi often keeps its machines apart (client isolation): use another network, or a "
        "phone's hotspot.",
    ]
    if all(map(is_loopback, hosts)):
        causes = [
            f"The server listens on {hosts[0]}, which only this machine can reach: start again with "
            "--listen 0.0.0.0",
            *causes[:1],
        ]
    here = address_here(hosts[0])
    found: list[Fragments] = [[("heading", "Nobody yet. The usual causes:")]]
    for text in (
        *(f"- {cause}" for cause in causes),
        f"To see whether it works at all, type on this machine: telnet {here} {port}",
    ):
        found += _wrapped("text", text, looks.columns)
    return [*found, [], *rows][: looks.rows]


def joining(join: Sequence[str], looks: Looks, *, has_page: bool = False) -> list[Fragments]:
    """Return the blackboard, and how pupils get onto the board.

    Args:
        join: the rows of the blackboard.
        looks: how it looks.
        has_page: whether the board is a web page as well.
    """
    rows: list[Fragments] = []
    for line in join:
        label = _LABEL.findall(line)[0]
        first, *others = wrap(line[len(label) :], max(1, looks.columns - len(label)))
        rows.append([("text", label + first)])
        rows += [[("text", " " * len(label) + other)] for other in others]
    hint = "Send USER and a name, and you are on the board by that name."
    if has_page:
        hint += " The board is a web page as well: w on the board says where."
    return [*rows, *_wrapped("note", hint, looks.columns)][: looks.rows]


def as_page(address: str, looks: Looks) -> list[Fragments]:
    """Return the address of the board as a web page."""
    text = "The board as a web page. Anyone who has this address can open it, names included:"
    rows: list[Fragments] = [*_wrapped("text", text, looks.columns), []]
    rows += [[("typed", row)] for row in wrap(address, looks.columns)]
    return rows[: looks.rows]


def exchange(
    pupil: PupilView, said: Sequence[Fragments | Remark], view: BoardView, looks: Looks
) -> list[Fragments]:
    """Return the end of a pupil's dialogue, with poptalk's comments."""
    title = f"{looks.name(pupil)}  {pupil.step or 'finished'}"
    rows: list[Fragments] = []
    for each in said[-looks.rows :]:
        if isinstance(each, Remark):
            text = f"{each.kind.value}: {each.text}"
            rows += _wrapped("aside", text, looks.columns, indent="   ")
        else:
            rows += broken(each, looks.columns, [("text", "   ")])
    if looks.hides_names:
        rows = [
            [(style, looks.without_names(text, view.pupils)) for style, text in row] for row in rows
        ]
    head: list[Fragments] = [[("heading", cut(title, looks.columns))], []]
    return head + rows[-(looks.rows - len(head)) :]


def keys(columns: int) -> Fragments:
    """Return the row that says what the keys do."""
    words = next((each for each in KEYS if len(each) <= columns), KEYS[-1])
    return [("toolbar", cut(words, columns))]


def _wrapped(style: str, text: str, columns: int, *, indent: str = "") -> list[Fragments]:
    """Break a sentence into rows."""
    return [[(style, indent + row)] for row in wrap(text, max(1, columns - len(indent)))]
