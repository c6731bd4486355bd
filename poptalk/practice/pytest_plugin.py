"""The pytest plugin: a POP3 server for the tests of other people's mail programs.

``docs/testing.md`` shows how it is used.  pytest loads this file in every run of everybody who has
poptalk installed, so the server is imported by the fixtures, and not before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from poptalk.practice.server import Server

MARKER = (
    "pop3_server(**arguments): what the fixture pop3_server makes its server with, such as "
    "persona, faults, maildrop, accounts; see poptalk.practice.Server"
)


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", MARKER)


@pytest.fixture
def pop3_server(
    request: pytest.FixtureRequest, pop3_server_factory: Callable[..., Server]
) -> Server:
    """Run a POP3 server on loopback, made as ``@pytest.mark.pop3_server(...)`` says."""
    # The marker of the function comes last, and has the last word over that of its class or module.
    arguments: dict[str, Any] = {}
    for marker in reversed(list(request.node.iter_markers("pop3_server"))):
        if marker.args:
            raise pytest.UsageError(
                "pytest.mark.pop3_server takes keyword arguments only, such as persona='dovecot'."
            )
        arguments.update(marker.kwargs)
    return pop3_server_factory(**arguments)


@pytest.fixture
def pop3_server_factory() -> Iterator[Callable[..., Server]]:
    """Return a function that starts a POP3 server; all of them end with the test."""
    with ExitStack() as running:

        def start(**arguments: Any) -> Server:
            from poptalk.practice.server import Server

            return running.enter_context(Server(**{"tls_port": 0, "record": True, **arguments}))

        yield start
