"""What is reported of real servers, each looked up in the RFCs by hand."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from poptalk.check.model import CheckVerdict, Permit
from poptalk.net.endpoint import Destination
from tests.check.checking import check
from tests.servers.dovecot import Dovecot
from tests.servers.unprivileged import MAILUTILS, SOLID, Program, start

DOVECOT = {
    # RFC 1939 §3: USER needs its name, and a command that lacks it is syntactically invalid.
    "rfc1939/7/user-argument": "fail",
    # RFC 2449 §5: USER and SASL are announced before the login, and so MUST be after it.
    "rfc2449/5/capa-superset": "fail",
    "rfc5034/3/sasl-kept": "fail",
    # RFC 3206 §5: [AUTH] is for credentials, and a mechanism is none.
    "rfc3206/5/auth-for-credentials-only": "warn",
    "rfc1939/3/arity-none": "note",
    "rfc2595/4/stls-argument": "note",
}
"""Of Dovecot 2.3.19."""

OF_MAILUTILS = {
    # RFC 1939 §3: "LIST 1x" is syntactically invalid, and is answered for message 1.
    "robust/digits-and-letters": "fail",
    # RFC 1939 §7: TOP 3 1 sends the empty line after the header twice.
    "rfc1939/7/top-count": "fail",
    "rfc1939/7/top-beginning": "fail",
    "rfc1939/7/top-more": "fail",
    # RFC 1939 §7: the number of lines is non-negative, and TOP 1 -1 sends the whole message.
    "rfc1939/7/top-lines": "fail",
    # RFC 2449 §6.7: EXPIRENEVER for EXPIRE NEVER.
    "rfc2449/6/capa-known": "warn",
    # RFC 2595 §4: STLS is listed where it is permitted, which is not after the login.
    "rfc2595/4/capa-inside": "fail",
}
"""Of GNU mailutils 3.15."""

OF_SOLID = {
    # It takes 2**32 + 1 for 1, and 1x, too.
    "robust/number-wrap": "fail",
    "robust/digits-and-letters": "fail",
    "rfc1939/7/top-lines": "fail",
    "rfc1939/3/arity-none": "note",
    "rfc1939/5/list-two-arguments": "note",
    "robust/bare-lf": "note",
}
"""Of Solid POP3 0.15."""

MOST_SECONDS = 20.0


def found(destination: Destination) -> dict[str, str]:
    """Return what is wrong, with the verdicts."""
    results = check(
        destination,
        permit=Permit.LOGIN,
        mechanism="USER",
        timeout=30,
        patience=0.1,
    )
    passed = (CheckVerdict.PASS, CheckVerdict.SKIP, CheckVerdict.UNCLEAR)
    return {
        name: each.verdict.value for name, each in results.items() if each.verdict not in passed
    }


def test_of_dovecot_nothing_is_reported_that_is_not_so(dovecot: Dovecot) -> None:
    destination = Destination(host=dovecot.host, port=dovecot.port, ca_file=str(dovecot.ca_file))
    begun = time.monotonic()
    assert found(destination) == DOVECOT
    assert time.monotonic() - begun < MOST_SECONDS


def test_dovecot_in_tls(dovecot: Dovecot) -> None:
    destination = Destination(
        host=dovecot.host, port=dovecot.tls_port, ca_file=str(dovecot.ca_file), tls=True
    )
    # There is no STLS there, and so no STLS 1.
    assert found(destination) == {
        name: verdict for name, verdict in DOVECOT.items() if "stls" not in name
    }


@contextmanager
def running(program: Program, maildrop: Path) -> Iterator[Destination]:
    reason = program.missing()
    if reason is not None:
        pytest.skip(reason)
    # Not below pytest's own directory, which is closed to other accounts.
    with (
        tempfile.TemporaryDirectory(prefix="poptalk-check-", ignore_cleanup_errors=True) as folder,
        start(program, maildrop, Path(folder)) as server,
    ):
        yield Destination(host=server.host, port=server.port, ca_file=str(server.ca_file))


@pytest.mark.parametrize(
    ("program", "expected"),
    [(MAILUTILS, OF_MAILUTILS), (SOLID, OF_SOLID)],
    ids=["mailutils", "solid"],
)
def test_of_others_nothing_is_reported_that_is_not_so(
    article_maildrop: Path,
    program: Program,
    expected: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("poptalk.check.probes.SILENCE_SECONDS", 1.0)
    with running(program, article_maildrop) as destination:
        assert found(destination) == expected
