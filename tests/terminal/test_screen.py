"""Ways out: octets to pipes, lines to terminals that are not redrawn, sentences to standard error."""

import errno
import fcntl
import io
import os
import pty
import struct
import subprocess
import sys
import termios
import threading
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poptalk.terminal.render import body_line, client_line, note, status_line
from poptalk.terminal.screen import (
    DEFAULT_COLUMNS,
    LinearScreen,
    RawOutput,
    ScreenClosed,
    abandon,
    complain,
    say,
)
from poptalk.terminal.theme import NEUTRAL

LINES = [status_line(b"+OK hi"), client_line(b"STAT", None)]


class HalfWriter(io.RawIOBase):
    """Takes few octets at a time, or none for now, as a pipe may."""

    def __init__(self, portions: list[int | None]) -> None:
        self.portions = portions
        self.taken = bytearray()

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return 1

    def write(self, data: Any, /) -> int | None:
        portion = self.portions.pop(0) if self.portions else len(data)
        if portion is not None:
            self.taken += bytes(data[:portion])
            return min(portion, len(data))
        return None


class BrokenWriter(io.RawIOBase):
    """Fails with a number of the operating system."""

    def __init__(self, number: int) -> None:
        self.number = number

    def writable(self) -> bool:
        return True

    def write(self, _data: Any, /) -> int:
        raise OSError(self.number, os.strerror(self.number))


@given(st.lists(st.binary()), st.lists(st.integers(min_value=1, max_value=5)))
def test_raw_octets_come_out_as_they_are(chunks: list[bytes], portions: list[int]) -> None:
    stream = HalfWriter(list(portions))
    output = RawOutput(cast(BinaryIO, stream))
    for chunk in chunks:
        output.write(chunk)
    assert stream.taken == b"".join(chunks)


def test_a_raw_write_is_out_when_it_returns() -> None:
    read_end, write_end = os.pipe()
    with open(read_end, "rb") as reader, open(write_end, "wb") as writer:
        RawOutput(writer).write(b"+OK\r\n")
        assert os.read(reader.fileno(), 100) == b"+OK\r\n"


def test_raw_output_waits_for_room_in_a_pipe_that_does_not_block() -> None:
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    data = bytes(range(256)) * 4096  # far more than a pipe holds
    received = bytearray()

    def read_all() -> None:
        with open(read_end, "rb") as reader:
            received.extend(reader.read())

    reading = threading.Thread(target=read_all)
    reading.start()
    with open(write_end, "wb") as writer:
        RawOutput(writer).write(data)
    reading.join(timeout=10)
    assert received == data


def test_a_reader_that_went_away_is_told() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    with open(write_end, "wb") as writer:
        output = RawOutput(writer)
        with pytest.raises(ScreenClosed, match="gone away") as caught:
            output.write(b"x")
    assert caught.value.errno == errno.EPIPE


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_is_told() -> None:
    with open("/dev/full", "wb") as full, pytest.raises(ScreenClosed, match="disk is full"):
        RawOutput(full).write(b"x")


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.EPIPE, "gone away"),
        (errno.ENOSPC, "disk is full"),
        (errno.EIO, "The output was closed"),
        (errno.EPERM, os.strerror(errno.EPERM)),
    ],
)
def test_each_failure_has_its_sentence(number: int, sentence: str) -> None:
    with pytest.raises(ScreenClosed, match=sentence) as caught:
        RawOutput(cast(BinaryIO, BrokenWriter(number))).write(b"x")
    assert caught.value.errno == number
    text = io.TextIOWrapper(io.BufferedWriter(BrokenWriter(number)), encoding="utf-8")
    screen = LinearScreen(text, theme=NEUTRAL, color=True)
    with pytest.raises(ScreenClosed, match=sentence):
        screen.show(LINES)
    with pytest.raises(OSError, match=os.strerror(number)):
        text.close()


def test_a_stream_that_was_closed_here_is_told() -> None:
    stream = io.BytesIO()
    output = RawOutput(stream)
    stream.close()
    with pytest.raises(ScreenClosed, match="was closed") as caught:
        output.write(b"x")
    assert caught.value.errno is None


def test_lines_are_written_once_and_in_order() -> None:
    stream = io.StringIO()
    screen = LinearScreen(stream, theme=NEUTRAL, color=False)
    screen.show(LINES)
    screen.show([])
    screen.show(note("done"))
    assert stream.getvalue() == "S: +OK hi\nC: STAT\n# done\n"


def test_colour_is_only_added() -> None:
    stream = io.StringIO()
    LinearScreen(stream, theme=NEUTRAL, color=True).show(LINES)
    assert "\x1b[32m+OK\x1b[0m" in stream.getvalue()
    screen = pyte.Screen(40, 5)
    screen.set_mode(pyte.modes.LNM)
    pyte.Stream(screen).feed(stream.getvalue())
    assert [line.rstrip() for line in screen.display[:2]] == ["S: +OK hi", "C: STAT"]
    assert screen.buffer[0][3].fg == "green"
    assert screen.buffer[0][7].fg == "default"


def test_a_line_does_not_run_into_a_prompt() -> None:
    stream = io.StringIO()
    screen = LinearScreen(stream, theme=NEUTRAL, color=False)
    screen.prompt([("prompt", "> ")])
    screen.answered()
    screen.show(LINES[:1])
    screen.prompt([("prompt", "> ")])
    assert screen.at_prompt
    screen.show(LINES[:1])
    assert not screen.at_prompt
    screen.show(LINES[:1])
    assert stream.getvalue() == "> S: +OK hi\n> \nS: +OK hi\nS: +OK hi\n"


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("utf-8", "S: café 中 \U0001f600"),
        ("latin-1", r"S: café \u{4e2d} \u{1f600}"),
        ("ascii", r"S: caf\u{e9} \u{4e2d} \u{1f600}"),
    ],
)
def test_a_terminal_that_lacks_a_character(encoding: str, shown: str) -> None:
    octets = io.BytesIO()
    stream = io.TextIOWrapper(octets, encoding=encoding)
    screen = LinearScreen(stream, theme=NEUTRAL, color=False)
    screen.show([body_line("café 中 \U0001f600".encode())])
    assert octets.getvalue().decode(encoding) == f"{shown}\n"


def test_columns_where_there_is_no_terminal() -> None:
    screen = LinearScreen(io.StringIO(), theme=NEUTRAL, color=False)
    assert screen.columns == DEFAULT_COLUMNS


def test_what_is_said_is_harmless_whole_and_out_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    long = "x" * 20_000
    say(f"a \x1b\nb {long}")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == (f"a \\x1b\nb {long}\n", "")
    closed = io.StringIO()
    closed.close()
    with pytest.raises(ScreenClosed, match="was closed"):
        say("x", stream=closed)


def test_a_complaint_is_one_harmless_sentence() -> None:
    stream = io.StringIO()
    complain("The server said '\x1b[2J'.\nIt is odd.", stream=stream)
    assert stream.getvalue() == "poptalk: The server said '\\x1b[2J'.\n  It is odd.\n"


def test_a_complaint_is_wrapped_on_a_terminal() -> None:
    """At blanks: a terminal by itself would break it in the middle of a word."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 24, 0, 0))
    with open(theirs, "w", encoding="utf-8") as stream:
        complain("The certificate is for another host.\nnames    mail.example", stream=stream)
        shown = os.read(ours, 4096).decode("utf-8").splitlines()
    os.close(ours)
    assert shown == [
        "poptalk: The certificate",
        "is for another host.",
        "  names    mail.example",
    ]


def test_a_complaint_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    complain("No.")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "poptalk: No.\n")


def test_a_closed_standard_error_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    complain("No.", stream=closed)
    monkeypatch.setattr(sys, "stderr", None)
    complain("No.")


def test_an_abandoned_output_does_not_fail_at_exit() -> None:
    code = """
import sys
from poptalk.terminal.screen import LinearScreen, ScreenClosed, abandon
from poptalk.terminal.theme import MONO
try:
    while True:
        LinearScreen(sys.stdout, theme=MONO, color=False).show([[("text", "x" * 1000)]])
except ScreenClosed:
    abandon(sys.stdout)
    sys.exit(7)
"""
    program = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert program.stdout is not None
    assert program.stderr is not None
    with program.stderr:
        program.stdout.close()
        assert program.stderr.read() == b""
    assert program.wait(timeout=10) == 7


def test_what_has_no_descriptor_cannot_be_abandoned_but_does_not_fail() -> None:
    abandon(io.StringIO())
