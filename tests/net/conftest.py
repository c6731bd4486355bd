"""A sound identity of a server, made once: a key takes a few milliseconds."""

from __future__ import annotations

import socket

import pytest

from tests.servers.certificates import ServerIdentity, authority


@pytest.fixture(scope="session")
def identity(tmp_path_factory: pytest.TempPathFactory) -> ServerIdentity:
    return authority(tmp_path_factory.mktemp("identity"))


@pytest.fixture
def ipv6() -> str:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as error:
        pytest.skip(f"this machine has no IPv6 loopback address: {error}")
    return "::1"


@pytest.fixture
def refused_port() -> int:
    """Return a port where nothing listens: it was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
