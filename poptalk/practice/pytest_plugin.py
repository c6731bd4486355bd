"""The pytest plugin: a POP3 server for the tests of other people's mail programs.

``docs/testing.md`` shows how to use it.  pytest loads this file in every run of everyone who has poptalk
installed, so the fixtures import the server, and the module doesn't.
"""

from __future__ import annotations

from collections.abc import Iterator
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
def pop3_server(request: pytest.FixtureRequest, pop3_server_factory: type[Server]) -> Server:
    """Run a POP3 server on loopback, made as ``@pytest.mark.pop3_server(...)`` says."""
    # The marker of the function comes last, and has the last word over that of its class or module.
    arguments: dict[str, Any] = {}
    for marker in reversed(list(request.node.iter_markers("pop3_server"))):
        if marker.args:
            pytest.fail(
                "pytest.mark.pop3_server takes keyword arguments only, such as persona='dovecot'.",
                pytrace=False,
            )
        arguments.update(marker.kwargs)
    return pop3_server_factory(**arguments)


@pytest.fixture
def pop3_server_factory() -> Iterator[type[Server]]:
    """Make `poptalk.practice.Server` with TLS and a record, and started; all end with the test."""
    import inspect
    from difflib import get_close_matches

    from poptalk.practice.server import UNUSABLE, Server

    known = inspect.signature(Server).parameters

    with ExitStack() as running:

        class StartedServer(Server):
            def __init__(self, **arguments: Any) -> None:
                for name in arguments.keys() - known.keys():
                    near = get_close_matches(name, known, n=1)
                    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}."
                    pytest.fail(f"A POP3 server has no argument {name}; {hint}", pytrace=False)
                problem = ""
                try:
                    super().__init__(**{"tls_port": 0, "record": True, **arguments})
                except UNUSABLE as error:
                    problem = str(error)
                if problem:  # Below the handler: a failure in it would be shown with both.
                    pytest.fail(problem, pytrace=False)
                running.enter_context(self)

        yield StartedServer
