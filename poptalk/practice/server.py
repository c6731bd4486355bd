"""The practice server: listens, and gives each connection what it needs.

`Server` runs within asyncio, `ThreadedServer` in a thread of its own for programs without it::

    with ThreadedServer(Server(persona="plain")) as server:
        poplib.POP3(server.host, server.port)

It listens on loopback unless told otherwise, because everybody knows the passwords.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import os
import secrets
import socket
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from poptalk.paths import mailbox_directory
from poptalk.practice.accounts import ACCOUNTS, Account, find_account
from poptalk.practice.connection import Connection, Patience
from poptalk.practice.maildrop import Lease, Store, load_folder
from poptalk.practice.options import DEFAULT_PERSONA, LOOPBACK
from poptalk.practice.persona import Persona, load_persona
from poptalk.protocol.server_events import LoginAttempt

if TYPE_CHECKING:
    import ssl

    from poptalk.practice.certificates import Certificates

BACKLOG = 128
"""Connections that the system keeps while we are busy: a class that starts at the same moment."""

TIMESTAMP_HOST = "practice.invalid"
"""The right side of the APOP timestamp; RFC 1939 §7 wants the host, whose name is nobody's business."""

_sessions = itertools.count(1)


def fresh_timestamp() -> bytes:
    """Return an APOP timestamp that was never used: `<process.session.random@host>` (RFC 1939 §7)."""
    unique = f"{os.getpid()}.{next(_sessions)}.{secrets.token_hex(6)}"
    return f"<{unique}@{TIMESTAMP_HOST}>".encode("ascii")


class Server:
    """A POP3 server to practise on.

    Args:
        persona: what it says and offers: a name, the path of a ``.toml`` file, or the persona itself.
        maildrop: a folder of ``.eml`` files for every account; by default each account has the
            mailbox of the lessons that belongs to it.
        accounts: who may log in.
        shared: whether all sessions of an account have the same maildrop, one at a time, and DELE
            lasts until the server ends; otherwise each session has a copy of its own.
        host: the address to listen on.
        port: the port, 0 for any that is free.
        tls_port: the port for implicit TLS, 0 for any that is free, None for none.
        patience: time-outs, and how many connections there may be.
        timestamp: makes the APOP timestamps; a lesson that is to run the same each time fixes it.

    Raises:
        PersonaError: the persona cannot be used.
        MaildropError: the folder cannot be used.
    """

    def __init__(
        self,
        *,
        persona: str | Persona = DEFAULT_PERSONA,
        maildrop: Path | None = None,
        accounts: Sequence[Account] = ACCOUNTS,
        shared: bool = False,
        host: str = LOOPBACK,
        port: int = 0,
        tls_port: int | None = None,
        patience: Patience | None = None,
        timestamp: Callable[[], bytes] = fresh_timestamp,
    ) -> None:
        self.persona = load_persona(persona) if isinstance(persona, str) else persona
        self.accounts = tuple(accounts)
        self.patience = patience or Patience()
        self.host = host
        self._asked_for = (port, tls_port)
        self.new_timestamp = timestamp
        self._stores = _stores(self.accounts, maildrop, shared=shared)
        self._connections: set[Connection] = set()
        self._all_gone: asyncio.Event | None = None
        self._sockets: list[socket.socket] = []
        self._listeners: list[asyncio.Server] = []
        self._certificates: Certificates | None = None
        self._certificates_lock = threading.Lock()
        """A shell in another thread asks for `ca_file` at the moment in which STLS needs the context."""
        self._tls_context: ssl.SSLContext | None = None
        self._directory: tempfile.TemporaryDirectory[str] | None = None

    # Life.

    def listen(self) -> None:
        """Take the ports, so that clients can connect; they are served once the server is entered.

        Raises:
            OSError: a port is taken or forbidden, or the address is not one of this machine.
        """
        port, tls_port = self._asked_for
        try:
            self._sockets.append(_listening_socket(self.host, port))
            if tls_port is not None:
                self._sockets.append(_listening_socket(self.host, tls_port))
        except OSError:
            self._close_sockets()
            raise

    @property
    def port(self) -> int:
        """The port for connections in clear, which STLS can switch to TLS."""
        return _port_of(self._sockets[0])

    @property
    def tls_port(self) -> int | None:
        """The port for implicit TLS, None if there is none."""
        return _port_of(self._sockets[1]) if len(self._sockets) > 1 else None

    async def __aenter__(self) -> Self:
        if not self._sockets:
            self.listen()
        loop = asyncio.get_running_loop()
        for sock, implicit_tls in zip(self._sockets, (False, True), strict=False):
            listener = await loop.create_server(
                functools.partial(Connection, self, implicit_tls=implicit_tls),
                sock=sock,
                backlog=BACKLOG,
            )
            self._listeners.append(listener)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for listener in self._listeners:
            listener.close()
        self._all_gone = asyncio.Event()
        for connection in list(self._connections):
            connection.abort()
        if self._connections:
            await self._all_gone.wait()
        for listener in self._listeners:
            await listener.wait_closed()
        self._listeners.clear()
        self._close_sockets()
        if self._directory is not None:
            self._directory.cleanup()
            self._directory = None

    def _close_sockets(self) -> None:
        for sock in self._sockets:
            sock.close()
        self._sockets.clear()

    # TLS.

    @property
    def ca_file(self) -> str:
        """A PEM file with the authority that signed our certificate; it goes when the server does."""
        certificates = self._make_certificates()
        with self._certificates_lock:
            if self._directory is None:
                self._directory = tempfile.TemporaryDirectory(prefix="poptalk-")
                certificates.write_authority(self._ca_path(self._directory))
            return str(self._ca_path(self._directory))

    @staticmethod
    def _ca_path(directory: tempfile.TemporaryDirectory[str]) -> Path:
        return Path(directory.name, "ca.pem")

    def tls_context(self) -> ssl.SSLContext:
        """Return the settings of the server's side of TLS, made when they are first needed."""
        if self._tls_context is None:
            self._tls_context = self._make_certificates().server_context()
        return self._tls_context

    def _make_certificates(self) -> Certificates:
        with self._certificates_lock:
            if self._certificates is None:
                from poptalk.practice.certificates import Certificates

                self._certificates = Certificates(self.host)
            return self._certificates

    # What connections ask for.

    def find_account(self, attempt: LoginAttempt) -> Account | None:
        """Return the account that an attempt to log in is right for, or None."""
        return find_account(self.accounts, attempt)

    def open_maildrop(self, account: Account) -> Lease:
        """Open an account's maildrop for a session.

        Raises:
            MaildropLocked: it is shared, and another session has it open.
        """
        return self._stores[account].open()

    def admit(self, connection: Connection) -> bool:
        """Take note of a connection; tell whether there is room for it."""
        self._connections.add(connection)
        return len(self._connections) <= self.patience.connections

    def forget(self, connection: Connection) -> None:
        """Take note that a connection is gone."""
        self._connections.discard(connection)
        if self._all_gone is not None and not self._connections:
            self._all_gone.set()


def _stores(
    accounts: Sequence[Account], maildrop: Path | None, *, shared: bool
) -> dict[Account, Store]:
    """Make the maildrops; accounts with the same folder have the same one."""
    folders = {
        account: maildrop if maildrop is not None else mailbox_directory(account.mailbox)
        for account in accounts
    }
    stores = {folder: Store(load_folder(folder), shared=shared) for folder in set(folders.values())}
    return {account: stores[folder] for account, folder in folders.items()}


def _listening_socket(host: str, port: int) -> socket.socket:
    """Bind and listen: the system takes connections from now on, and keeps them for us."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, address = found[0]
    sock = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":
            # Elsewhere the option would let two servers have the same port.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def _port_of(sock: socket.socket) -> int:
    port: int = sock.getsockname()[1]
    return port


class ThreadedServer:
    """A `Server` in a thread of its own, as a context manager.

    Args:
        server: the server; it must not have been entered.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._started = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(
            target=self._run, name="poptalk practice server", daemon=True
        )

    def __enter__(self) -> Server:
        """Start the server and return it, ready for connections.

        Raises:
            OSError: as `Server.listen` does.
        """
        self._server.listen()
        self._thread.start()
        self._started.wait()
        if self._failure is not None:
            raise self._failure
        return self._server

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._loop is not None and self._stop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - it is raised again where the thread was started
            self._failure = error
        finally:
            self._started.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        async with self._server:
            self._started.set()
            await self._stop.wait()
