"""The four kinds of documents: a stranger's letter is text in each, and a dialogue can be copied out."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from poptalk.cli import main
from poptalk.export import FORMATS
from poptalk.export.export import WRITERS, page_of_file, page_of_session
from poptalk.export.look import DARK, LIGHT, Palette
from poptalk.export.page import Page, Passage, Talk
from poptalk.transcript.model import Dialogue
from tests.export.documents import (
    SGR,
    SVG,
    dialogues_of_html,
    events_of_cast,
    rows_of_svg,
    screen_of_cast,
    text_of,
)
from tests.servers.terminal import Pty

LETTER = (
    b"Subject: <script>alert('x')</script> &amp; ]]> </code></pre>\r\n"
    b"From: =?utf-8?q?=1B]0;title=07?= \x1b]0;title\x07 <b@example.org>\r\n"
    b" folded \r\n"
    b"\r\n"
    b"left \xe2\x80\xae right \xe2\x80\x8b\xff\t{brace} \\033[31m\r\n"
    b"```\r\n"
    b"....\r\n"
    b"<!-- --> <wait 2 s> # {0x41}\r\n"
    b"\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\r\n"
)
COMMANDS = ("LIST", "RETR 1", "TOP 1 1", "NONSENSE <script>", "QUIT")


@pytest.fixture
def maildrop(tmp_path: Path) -> Path:
    folder = tmp_path / "mail"
    folder.mkdir()
    (folder / "1.eml").write_bytes(LETTER)
    return folder


@pytest.fixture
def log(maildrop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the log of a session in which the letter was fetched."""
    file = tmp_path / "session.pop3"
    lines = [word for line in COMMANDS for word in ("-e", line)]
    options = ["--maildrop", str(maildrop), "--log", str(file), "--login", "bob"]
    monkeypatch.setenv("POPTALK_PASSWORD", "jones")
    assert main(["connect", *options, *lines]) == 1
    return file


@pytest.fixture
def page(log: Path) -> Page:
    return page_of_file(str(log), explain=True)


def test_what_is_copied_from_a_page_replays(page: Page, maildrop: Path, tmp_path: Path) -> None:
    (copied,) = dialogues_of_html(WRITERS["html"](page))
    (talk,) = page.parts
    assert isinstance(talk, Talk)
    assert copied == talk.text
    again = tmp_path / "copied.pop3"
    again.write_text(copied)
    assert main(["run", "--exact", str(again), "--maildrop", str(maildrop)]) == 0
    # So does what stands between the fences of Markdown, by way of its own reader.
    again.with_suffix(".md").write_text(WRITERS["md"](page))
    part = page_of_file(str(again.with_suffix(".md")), explain=False).parts[0]
    assert isinstance(part, Talk)
    assert part.text == copied


@pytest.mark.parametrize("end", FORMATS)
def test_a_letter_is_text(end: str, page: Page) -> None:
    written = WRITERS[end](page)
    assert all(line.isprintable() for line in written.replace("\t", "").splitlines())
    text = text_of(end, written)
    for seen in (
        "<script>alert('x')</script> &amp; ]]> </code></pre>",
        "{0x1b}]0;title{0x07}",
        "left {0xe280ae} right {0xe2808bff}",
        "<!-- --> <wait 2 s> # {{0x41}}",
        "日本語",
    ):
        assert seen in text or seen.replace("\t", r"\t") in text, seen
    assert "jones" not in text


def test_a_page_is_html_that_does_and_loads_nothing(page: Page) -> None:
    hostile = Passage(
        source="# <script>x</script>\n\n<script>alert(1)</script>\n\n<!-- hidden -->\n\n"
        "![picture](https://example.org/x.png) <img src=x onerror=alert(1)> "
        "[link](javascript:alert(1)) [good](https://example.org/)\n\n```pop3\nS: <b>\n```\n"
    )
    title = "</title><script>\u202e"
    written = WRITERS["html"](Page(title=title, parts=(hostile, *page.parts)))
    assert len(dialogues_of_html(written)) == 2
    tags = set(re.findall(r"<([a-z0-9]+)", written))
    assert tags <= {
        *("html", "head", "meta", "title", "style", "body", "main", "h1", "h2"),
        *("p", "a", "pre", "code", "span", "em", "strong"),
    }
    attributes = re.findall(r"<[a-z0-9]+ ([a-z-]+)=", written)
    assert set(attributes) == {"lang", "charset", "http-equiv", "name", "href", "class"}
    assert re.findall(r"<a [^>]*>", written) == ['<a href="https://example.org/">']
    assert "hidden" not in written
    assert "picture (https://example.org/x.png)" in written


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_each_colour_can_be_read(palette: Palette) -> None:
    shades = [palette.foreground, palette.quiet, *palette.colours.values()]
    assert min(_contrast(shade, palette.background) for shade in shades) >= 4.5


def _contrast(one: str, other: str) -> float:
    """Return the contrast of two colours (WCAG 2.2, "contrast ratio")."""
    low, high = sorted(map(_luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_a_page_is_light_and_dark_and_for_paper(page: Page) -> None:
    written = WRITERS["html"](page)
    light, dark = written.split("@media screen and (prefers-color-scheme: dark)")
    assert LIGHT.background in light
    assert DARK.background in dark
    assert "@media print" in light


def test_a_picture_has_a_size_a_background_and_a_title(page: Page) -> None:
    root = ElementTree.fromstring(WRITERS["svg"](page))
    width, height = (float(root.get(name, "")) for name in ("width", "height"))
    assert root.get("viewBox") == f"0 0 {width:g} {height:g}"
    assert root.findtext(f"{SVG}title") == "session"
    background = root.find(f"{SVG}rect")
    assert background is not None
    assert background.get("fill") == DARK.background
    assert not {element.tag.removeprefix(SVG) for element in root.iter()} & {"script", "animate"}
    bottom = max(float(row.get("y", "")) for row in root.iter(f"{SVG}text"))
    assert bottom < height
    right = max(
        float(span.get("x", "")) + 8.4 * len(span.text or "") for span in root.iter(f"{SVG}tspan")
    )
    assert right <= width


def test_a_long_line_is_folded_in_a_picture() -> None:
    words = " ".join(f"word{number}" for number in range(60))
    page = page_of_session(f"S: +OK {words}\n", title="Long")
    rows = rows_of_svg(WRITERS["svg"](page))[1:]
    assert len(rows) > 4
    assert max(map(len, rows)) < 90


TIMES = """\
# 2026-11-30T23:59:58+01:00 connected to practice:110
S: +OK ready
# 23:59:59.000
C: USER bob
# 00:00:01.500
S: +OK
# 00:01:00.000
C: QUIT
S: +OK bye
"""


def test_a_cast_has_the_times_of_the_log() -> None:
    written = WRITERS["cast"](page_of_session(TIMES, title="Midnight"))
    head = json.loads(written.splitlines()[0])
    assert (head["version"], head["title"], head["idle_time_limit"]) == (2, "Midnight", 3)
    events = events_of_cast(written)
    assert [time for time, _, _ in events] == sorted(time for time, _, _ in events)
    ends = [time for time, _, data in events if data == "\r\n"]
    begun = events[0][0]
    # The line is typed so that Enter comes when it was sent.
    assert ends[0] - begun == pytest.approx(1, abs=0.2)
    assert ends[1] - ends[0] == pytest.approx(61, abs=0.2)
    assert [data for _, kind, data in events if kind == "m"] == ["USER bob", "QUIT"]
    assert screen_of_cast(written).splitlines()[1:] == [
        *("S: +OK ready", "C: USER bob", "S: +OK", "C: QUIT", "S: +OK bye"),
        "",
    ]


def test_a_cast_without_times_is_typed_as_people_type(page: Page) -> None:
    written = WRITERS["cast"](page_of_session("C: STAT\nS: +OK 2 320\n", title="Pace"))
    assert "idle_time_limit" not in json.loads(written.splitlines()[0])
    keys = [time for time, kind, data in events_of_cast(written) if kind == "o"]
    assert 1 < keys[-1] < 5
    assert len(keys) > len("STAT")


def test_asciinema_plays_the_cast(page: Page, tmp_path: Path) -> None:
    pytest.importorskip("asciinema", reason="asciinema is not installed")
    file = tmp_path / "session.cast"
    file.write_text(WRITERS["cast"](page))
    player = [sys.executable, "-m", "asciinema"]
    shown = subprocess.run([*player, "cat", str(file)], capture_output=True, check=True, timeout=30)
    assert SGR.sub("", shown.stdout.decode()).count("C: ") >= len(COMMANDS)
    with Pty([*player, "play", "-s", "1000", "-i", "0.01", str(file)]) as terminal:
        terminal.wait_for("<close connection>")
        assert terminal.wait_exit() == 0


def test_markdown_means_its_title() -> None:
    written = WRITERS["md"](Page(title="*my* <b>_log_ `x`", parts=(Passage(source="Prose."),)))
    assert written == "# \\*my\\* \\<b\\>\\_log\\_ \\`x\\`\n\nProse.\n"


def test_nothing_hidden_gets_into_a_document() -> None:
    page = Page(
        title="a\u202eb",
        summary="c\u200bd",
        parts=(Passage(source="e\u2066f"), Talk(dialogue=Dialogue(steps=()), caption="g\x1b")),
    )
    for end in FORMATS:
        assert not set(WRITERS[end](page)) & set("\u202e\u200b\u2066\x1b")
