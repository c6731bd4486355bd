"""Ends that come from outside: SIGTERM and SIGHUP."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from poptalk.shell import start


@pytest.fixture(autouse=True)
def _signals_as_before() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGTERM, before[0])
    signal.signal(signal.SIGHUP, before[1])


def test_a_second_signal_does_not_interrupt_the_tidying_up_and_a_late_one_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 100.0
    monkeypatch.setattr(start, "monotonic", lambda: now)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    start._end_tidily()
    with pytest.raises(SystemExit) as ended:
        signal.raise_signal(signal.SIGTERM)
    assert ended.value.code == 128 + signal.SIGTERM
    signal.raise_signal(signal.SIGTERM)
    now += start.TIDYING_SECONDS
    with pytest.raises(SystemExit):
        signal.raise_signal(signal.SIGTERM)
