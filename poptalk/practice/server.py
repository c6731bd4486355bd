"""The practice server: listens, and gives each connection what it needs.

`Server` runs within asyncio (``async with``), or in a thread of its own for programs without it::

    with Server(persona="plain") as server:
        poplib.POP3(server.host, server.port)

It listens on loopback by default, because everyone knows the passwords.
`practice_server` is the one that a shell without a target opens in its own process.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import math
import os
import secrets
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from poptalk.config import mailbox_directory, not_installed
from poptalk.net.endpoint import BadDestination, Destination
from poptalk.pop3.capabilities import parse_capability
from poptalk.pop3.commands import Limits
from poptalk.pop3.sasl.table import server_mechanisms
from poptalk.pop3.server.events import LoginAttempt
from poptalk.pop3.server.texts import Occasion
from poptalk.practice import accounts as users
from poptalk.practice import observers as watching
from poptalk.practice import persona as personas
from poptalk.practice.accounts import Account, AccountBook, AccountError
from poptalk.practice.connection import FOR_A_CLASS, Patience, ServerConnection
from poptalk.practice.faults.fault import ServerHooks
from poptalk.practice.faults.plan import FaultError, FaultPlan
from poptalk.practice.limits import NO_MORE_FILES, ConnectionLimits, Deadlines, ListeningPort
from poptalk.practice.maildrop import Lease, MaildropError, MaildropLocked, Place, Stores
from poptalk.practice.observers import DropReason, MakeObserver, Observer, RecordedSession
from poptalk.practice.persona import DEFAULT_PERSONA, LOOPBACK, Persona, PersonaError

if TYPE_CHECKING:
    import ssl

    from poptalk.net.tls_settings import TlsSettings
    from poptalk.practice.certificates import Certificates

TIMESTAMP_HOST = "practice.invalid"
"""The right side of the APOP timestamp; RFC 1939 §7 wants this host, but its name is private."""

_sessions = itertools.count(1)


def fresh_timestamp() -> bytes:
    """Return a new APOP timestamp: `<process.session.random@host>` (RFC 1939 §7)."""
    unique = f"{os.getpid()}.{next(_sessions)}.{secrets.token_hex(6)}"
    return f"<{unique}@{TIMESTAMP_HOST}>".encode("ascii")


NONCE_OCTETS = 18
"""144 random bits, 24 characters: too many to guess."""


UNUSABLE = (AccountError, FaultError, MaildropError, PersonaError, FileNotFoundError)
"""The exceptions of `Server` for arguments that it cannot use, each explained in one sentence."""


class Server:
    """A POP3 server to practise on.

    Args:
        persona: what it says and offers: a name, the path of a ``.toml`` file, or the persona itself.
        maildrop: a folder of ``.eml`` files, a Maildir or an mbox, for every account; a string can name
            the format first (``mbox:letters``).  By default each account has its own mailbox of the
            lessons.  A function takes the name of an account and returns where its maildrop is; it is
            called once for each name, and again after `start_over`.
        writable: whether QUIT deletes messages from the disk, all that were marked or none; then the
            maildrop is open to one session at a time, of this and any other poptalk.
        accounts: who may log in; by default bob and mrose, or with `any_name` only those who give it.
        any_name: the password with which any further name becomes an account, as in a class; then case
            makes no difference between names.
        token: the OAuth access token with which AUTH XOAUTH2 and OAUTHBEARER let in anyone who has an
            account; None if no token is right.
        shared: whether all sessions of an account have the same maildrop, one at a time, and DELE
            lasts until the server ends; otherwise each session has a copy of its own.
        own: whether each account has a maildrop of its own, one session at a time, and DELE lasts until
            the server ends.
        host: the address to listen on, or several.
        port: the port on each of them, 0 for any that is free.
        tls_port: the port for implicit TLS, 0 for any that is free, None for none.
        patience: time-outs, and how many connections it takes; by default those of a class with `own`
            or `any_name`, all from one address.
        limits: how much a session puts up with; by default as much as the persona.
        slow_refusals: whether a login is refused as slowly as by the real server of the persona: that
            slows guessing down there, and would only make learners and tests wait here.
        timestamp: makes the APOP timestamps, and the challenges of CRAM-MD5; a lesson that must run
            the same each time fixes it.
        clock: seconds that only rise, for the delay between two logins.
        faults: what it does wrong, as ``poptalk serve --fault`` takes it: ``no-final-dot``,
            ``slow:2s``, ``bob=locked``, ``#3=reset``.
        faults_by_name: whether ``#3`` is the third login of each name, not the third connection.
        fault_seed: the seed of chance in faults, None for any number; see `faults`.
        record: whether `sessions` keeps what clients send, for tests.
        observers: makers of further observers of each connection.

    Raises:
        AccountError: an account cannot be used.
        FaultError: there is no such fault, or two contradict each other.
        PersonaError: the persona cannot be used.
        MaildropError: the maildrop cannot be used.
    """

    def __init__(
        self,
        *,
        persona: str | Persona = DEFAULT_PERSONA,
        maildrop: Place | Callable[[str], Place] | None = None,
        writable: bool = False,
        accounts: Sequence[Account] | None = None,
        any_name: str | None = None,
        token: str | None = None,
        shared: bool = False,
        own: bool = False,
        host: str | Sequence[str] = LOOPBACK,
        port: int = 0,
        tls_port: int | None = None,
        patience: Patience | None = None,
        limits: Limits | None = None,
        slow_refusals: bool = False,
        timestamp: Callable[[], bytes] = fresh_timestamp,
        clock: Callable[[], float] = time.monotonic,
        faults: str | Sequence[str] = (),
        faults_by_name: bool = False,
        fault_seed: int | None = None,
        record: bool = False,
        observers: Sequence[MakeObserver] = (),
    ) -> None:
        self.persona = personas.load_persona(persona) if isinstance(persona, str) else persona
        # With any name there are no others: a pupil may be called Bob, too.
        usual = users.ACCOUNTS if any_name is None else ()
        self.accounts = tuple(usual if accounts is None else accounts)
        self.any_name = any_name
        self.is_for_a_class = own or any_name is not None
        self._account_book = AccountBook(self.accounts, token=token, any_name=any_name)
        self._last_logins: dict[str, float] = {}
        """When each account last logged in."""
        self._seconds_between_logins = [
            _login_delay(self.persona, encrypted=encrypted) for encrypted in (False, True)
        ]
        self._clock = clock
        self.mechanisms = server_mechanisms(
            timestamp,
            new_nonce=lambda: secrets.token_urlsafe(NONCE_OCTETS),
            salt_key=secrets.token_bytes(32),
        )
        self.patience = patience or (FOR_A_CLASS if self.is_for_a_class else Patience())
        self.limits = limits or self.persona.limits
        self.refusal_seconds: float = self.persona.refusal_seconds if slow_refusals else 0
        self._hosts = (host,) if isinstance(host, str) else tuple(host)
        self._asked_for = (port, tls_port)
        self._make_timestamp = timestamp
        self._greets_with_timestamp = self.persona.texts.mentions(Occasion.GREETING, "timestamp")
        rules = (faults,) if isinstance(faults, str) else faults
        names = [account.name for account in self.accounts]
        self._make_plan = functools.partial(
            FaultPlan,
            rules,
            accounts=names if any_name is None else None,
            key=self._account_book.key,
            by_name=faults_by_name,
        )
        self.faults = self._make_plan(seed=fault_seed) if rules else None
        self._make_stores = functools.partial(
            Stores,
            _places(self.accounts, maildrop, writable=writable),
            names,
            own=own,
            shared=shared,
            writable=writable,
            one_at_a_time=self.persona.second_session is personas.SecondSession.REFUSED,
        )
        self.stores = self._make_stores()
        if not (names or callable(maildrop)):
            # Report a maildrop that cannot be used now, not at the first login.
            self.stores.of("")
        self._sessions: list[RecordedSession] | None = [] if record else None
        self._make_observers = (*observers, *([self._record] if record else []))
        self._peer_numbers = itertools.count(1)
        self.connections = ConnectionLimits(
            most=self.patience.connections,
            most_of_one_address=self.patience.connections_per_address,
        )
        self.deadlines = Deadlines(self.connections)
        self.listeners: tuple[ListeningPort, ...] = ()
        """The ports that were taken."""
        self._running: Future[None] | None = None
        """The life of the server in a thread of its own."""
        self._stop: Callable[[], object] | None = None
        """Ends that life."""
        self._certificates: Certificates | None = None
        self._certificates_lock = threading.Lock()
        """A shell in another thread asks for `ca_file` while STLS needs the context."""
        self._tls_context: ssl.SSLContext | None = None
        self._directory: tempfile.TemporaryDirectory[str] | None = None

    # Life.

    def listen(self) -> None:
        """Take the ports, so that clients can connect; they are served once the server is entered.

        Raises:
            CannotListen: a port is taken or forbidden, or the address is not one of this machine.
        """
        port, tls_port = self._asked_for
        ports = [(port, False)] + ([] if tls_port is None else [(tls_port, True)])
        try:
            for host in self._hosts:
                for number, implicit_tls in ports:
                    self.listeners += (ListeningPort(host, number, implicit_tls=implicit_tls),)
        except OSError:
            self.take_no_more()
            self.listeners = ()
            raise

    @property
    def host(self) -> str:
        """The address, the first one where there are several."""
        return self._hosts[0]

    @property
    def port(self) -> int:
        """The port on `host` for connections in the clear, which STLS can switch to TLS.

        Raises:
            RuntimeError: the server has not taken its ports yet, or has given them back.
        """
        if not self.listeners:
            raise RuntimeError("The server listens nowhere; enter it, or call listen().")
        return self.listeners[0].port

    @property
    def tls_port(self) -> int:
        """The port on `host` for implicit TLS.

        Raises:
            RuntimeError: there is none, or the server listens nowhere.
        """
        for listener in self.listeners:
            if listener.implicit_tls:
                return listener.port
        raise RuntimeError("The server has no port for TLS; make it with tls_port=0, and enter it.")

    def __enter__(self) -> Self:
        """Run the server in a thread of its own, and return it ready for connections.

        Raises:
            CannotListen: as `listen` does.
        """
        if not self.listeners:
            self.listen()
        ready: Future[Callable[[], object]] = Future()
        self._running = Future()
        threading.Thread(
            target=self._run,
            args=(ready, self._running),
            name="poptalk practice server",
            daemon=True,
        ).start()
        self._stop = ready.result()
        return self

    def __exit__(self, *_error: object) -> None:
        assert self._stop is not None
        assert self._running is not None
        # A loop that has died is closed; the next line raises why.
        with suppress(RuntimeError):
            self._stop()
        self._running.result()

    def _run(self, ready: Future[Callable[[], object]], running: Future[None]) -> None:
        """Run until the function that becomes the result of `ready` is called."""

        async def serve() -> None:
            stop = asyncio.Event()
            loop = asyncio.get_running_loop()
            async with self:
                ready.set_result(functools.partial(loop.call_soon_threadsafe, stop.set))
                await stop.wait()

        try:
            asyncio.run(serve())
        except BaseException as error:  # noqa: BLE001 - it is raised again in the other thread
            (running if ready.done() else ready).set_exception(error)
        else:
            running.set_result(None)

    async def __aenter__(self) -> Self:
        if not self.listeners:
            self.listen()
        for listener in self.listeners:
            await listener.serve(
                functools.partial(ServerConnection, self, implicit_tls=listener.implicit_tls)
            )
        return self

    async def __aexit__(self, *_error: object) -> None:
        self.take_no_more()
        for listener in self.listeners:
            await listener.begun()
        self.listeners = ()
        for connection in self.connections:
            connection.drop(DropReason.STOPPED)
        await self.connections.gone()
        self.deadlines.cancel()
        if self._directory is not None:
            self._directory.cleanup()
            self._directory = None

    async def finish(self, seconds: float) -> None:
        """Take no more connections, and give sessions that are logged in time to end.

        A client that isn't logged in has nothing to lose, and is dropped.

        Args:
            seconds: how long to wait; the sessions that are left end when the server is left.
        """
        self.take_no_more()
        for connection in self.connections:
            if not connection.busy:
                connection.drop(DropReason.STOPPED)
        with suppress(TimeoutError):
            await asyncio.wait_for(self.connections.gone(), seconds)

    @property
    def busy(self) -> int:
        """How many sessions are logged in."""
        return sum(connection.busy for connection in self.connections)

    def take_no_more(self) -> None:
        """Refuse connections from now on; existing ones go on."""
        for listener in self.listeners:
            listener.close()

    # For tests.

    @property
    def sessions(self) -> tuple[RecordedSession, ...]:
        """What clients have sent so far, by session.

        Raises:
            RuntimeError: the server was made without ``record=True``.
        """
        if self._sessions is None:
            raise RuntimeError("Nothing is recorded; make the server with Server(record=True).")
        return tuple(self._sessions)

    def _record(self, peer: watching.Peer) -> Observer:
        session = RecordedSession(address=peer.address)
        self._sessions = [*(self._sessions or ()), session]
        return watching.record_in(session)

    # For lessons, which can begin again.

    def start_over(self) -> None:
        """Forget what sessions deleted, when they logged in, what faults remember; from any thread.

        Sessions that go on keep the maildrop that they have.

        Raises:
            MaildropError: the maildrop cannot be used any more.
        """
        self.stores = self._make_stores()
        self._last_logins = {}
        if self.faults is not None:
            self.faults = self._make_plan(seed=self.faults.seed)

    def count_from(self, number: int) -> None:
        """Give the next connection this number, for faults and for observers."""
        self._peer_numbers = itertools.count(number)
        if self.faults is not None:
            self.faults.count_from(number)

    # TLS.

    @property
    def ca_file(self) -> str:
        """A PEM file with the authority that signed our certificate; it is deleted with the server."""
        certificates = self.certificates()
        with self._certificates_lock:
            made = self._directory is None
            self._directory = self._directory or tempfile.TemporaryDirectory(prefix="poptalk-")
            path = Path(self._directory.name, "ca.pem")
            if made:
                certificates.write_authority(path)
            return str(path)

    def tls_context(self) -> ssl.SSLContext:
        """Return the settings of the server's side of TLS, which are made when first needed."""
        if self._tls_context is None:
            self._tls_context = self.certificates().server_context()
        return self._tls_context

    def certificates(self) -> Certificates:
        """Return the authority that signs our certificates, which is made when first needed."""
        with self._certificates_lock:
            if self._certificates is None:
                from poptalk.practice.certificates import Certificates

                self._certificates = Certificates(*self._hosts)
            return self._certificates

    # What connections ask for.

    def new_timestamp(self) -> bytes | None:
        """Return a new APOP timestamp, None where the greeting shows none."""
        return self._make_timestamp() if self._greets_with_timestamp else None

    def check_login(
        self, attempt: LoginAttempt, hooks: ServerHooks, *, encrypted: bool
    ) -> Account | Occasion:
        """Return the account that an attempt to log in is right for, or why it is refused.

        Args:
            attempt: the attempt.
            hooks: those of its session.
            encrypted: whether it came inside TLS.
        """
        try:
            account = self._account_book.find(attempt)
        except users.TooManyNames:
            return Occasion.TROUBLE_LASTING
        if account is None:
            return attempt.if_wrong
        last = self._last_logins.get(account.name, -math.inf)
        if self._clock() - last < self._seconds_between_logins[encrypted]:
            return Occasion.LOGIN_TOO_SOON
        return hooks.refused_login(account) or account

    def open_maildrop(self, account: Account) -> Lease | Occasion:
        """Open the maildrop of an account, or return why it cannot be opened.

        This may run in any thread, because it can mean reading an mbox.
        """
        try:
            lease = self.stores.of(account.name).open()
        except MaildropLocked:
            return Occasion.MAILDROP_LOCKED
        except OSError:
            return Occasion.TROUBLE_PASSING
        except MaildropError as error:
            full = getattr(error.__cause__, "errno", None) in NO_MORE_FILES
            return Occasion.TROUBLE_PASSING if full else Occasion.TROUBLE_LASTING
        self._last_logins[account.name] = self._clock()
        return lease

    def new_hooks(self) -> ServerHooks:
        """Return the hooks of the next connection, with its faults."""
        return ServerHooks() if self.faults is None else self.faults.begin()

    def observers(self, address: str, port: int, *, implicit_tls: bool) -> tuple[Observer, ...]:
        """Return the observers of a connection from an address and port."""
        if not self._make_observers:
            return ()
        number = next(self._peer_numbers)
        peer = watching.Peer(number=number, host=address, port=port, implicit_tls=implicit_tls)
        return tuple(begin(peer) for begin in self._make_observers)


def _login_delay(persona: Persona, *, encrypted: bool) -> int:
    """Return the seconds that must pass between two logins (LOGIN-DELAY, RFC 2449 §6.5), 0 for none."""
    if persona.login_delay is personas.AnnouncedDelay.IGNORED:
        return 0
    # The delay that is announced after the login is the one for this user.
    for logged_in in (True, False):
        lines = persona.capabilities.lines(encrypted=encrypted, logged_in=logged_in)
        for capability in map(parse_capability, lines):
            seconds = b"".join(capability.parameters[:1])
            if capability.tag == b"LOGIN-DELAY" and seconds.isdigit():
                return int(seconds)
    return 0


def _places(
    accounts: Sequence[Account],
    maildrop: Place | Callable[[str], Place] | None,
    *,
    writable: bool,
) -> Callable[[str], Place]:
    """Return a function that says where the maildrop of an account is."""
    if maildrop is None:
        if writable:
            raise MaildropError(
                "There is nothing to write to: the messages of the lessons must not be deleted, so "
                "name a maildrop of your own as well (--maildrop)."
            )
        mailboxes = {account.name: account.mailbox for account in accounts}
        return lambda name: mailbox_directory(mailboxes.get(name, users.BOB.mailbox))
    return maildrop if callable(maildrop) else lambda _: maildrop


class PracticeDestination(Destination):
    """The practice server of this process."""

    server: Server

    def tls_settings(self) -> TlsSettings:
        """Trust the server's own authority, whose certificate is made when first needed."""
        from poptalk.net.tls_settings import TlsSettings

        return TlsSettings(
            server_name=self.server.host, verify=self.verify, ca_file=self.server.ca_file
        )


@contextmanager
def practice_server(
    *,
    persona: str | None = None,
    maildrop: str | None = None,
    faults: Sequence[str] = (),
    tls: bool = False,
    starttls: bool = False,
    timestamp: Callable[[], bytes] = fresh_timestamp,
    token: str | None = None,
    own: bool = False,
) -> Iterator[PracticeDestination]:
    """Run a practice server for as long as the context lasts.

    Args:
        persona: a name or a file, None for `DEFAULT_PERSONA`.
        maildrop: where the mail is, as `poptalk.practice.maildrop.locate` takes it; None for that of the
            lessons.
        faults: as for `Server`.
        tls: whether to speak TLS from the first octet on.
        starttls: whether the client must begin with STLS.
        timestamp: as for `Server`.
        token: as for `Server`.
        own: as for `Server`; DELE then lasts until the end of the context.

    Raises:
        BadDestination: the persona, the folder or a fault cannot be used.
    """
    try:
        server = Server(
            persona=persona or DEFAULT_PERSONA,
            maildrop=maildrop,
            tls_port=0 if tls else None,
            timestamp=timestamp,
            token=token,
            own=own,
            faults=faults,
        )
    except UNUSABLE as error:
        raise BadDestination(str(error)) from error
    with server:
        yield PracticeDestination(
            host=server.host,
            port=server.tls_port if tls else server.port,
            label="practice",
            tls=tls,
            starttls=starttls,
            server=server,
        )


# The event loop under `poptalk serve`: asyncio's own, or uvloop's where that is installed.
#
# uvloop is an optional extra, ``poptalk[fast]``.  `Server` itself runs on whatever loop it is
# entered in.


LoopFactory = Callable[[], asyncio.AbstractEventLoop]


class LoopMissing(Exception):
    """The loop that was asked for is not installed, explained in one sentence."""


def loop_factory(loop: str) -> LoopFactory:
    """Return a function that makes event loops, for `asyncio.Runner`.

    Args:
        loop: auto, uvloop or asyncio.

    Raises:
        LoopMissing: it is not installed.
    """
    if loop == "asyncio":
        return asyncio.new_event_loop
    try:
        # People who check the types of tests that use `Server` need not have it.
        import uvloop  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        if loop == "uvloop":
            raise LoopMissing(f"--loop uvloop: {not_installed('uvloop')}.") from None
        return asyncio.new_event_loop
    factory: LoopFactory = uvloop.new_event_loop
    return factory
