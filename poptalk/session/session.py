r"""One session with a server, which every command drives; it knows neither asyncio nor blocking.

A driver reads keys, a file or a script, and waits: the live and the plain prompt, the pipe, `run`,
`diff`, the lessons.  Who calls what, and when::

    session = Session(clock=time.monotonic)
    session.observe({Reply: view.on_reply})         # its observers are called with each event

    session.opened(transport, destination, encrypted=...)       # the driver has connected
    session.send_line(b"STAT")                      # transport.send(b"STAT\r\n"), then Sent
    session.received(data)                          # the driver has read: Reply, ReplyEnd ...
    session.ended(ending)                           # the transport has ended

`send_line` and `send` are called for a person, a script, or a procedure
(see `procedure`), which `run` begins and `received` carries on.  `ClientSession`, the protocol core,
says what the octets mean; the session adds what is done about it, once for all drivers:

- it warns, once per connection, before a password crosses the network in the clear, and of what is wrong
  with a certificate that was accepted unchecked;
- after a +OK to STLS it begins TLS, and ends the connection if octets in the clear follow that +OK;
- while STLS is unanswered, lines wait; they are dropped if the server refuses it;
- it masks secrets that were sent in what comes back (`secrets`);
- it keeps what was said (`exchanges`) and logs it (`log`).

The session speaks to a transport with three methods, `Transport`.  Failures go to the driver: `failed`
is called, or, if there is none, the error is raised.
"""

from __future__ import annotations

from poptalk.net.endpoint import bare_host
from poptalk.net.errors import ConnectionLost, TlsFailed, printable
from poptalk.pop3.client import ClientSession
from poptalk.pop3.commands import State
from poptalk.pop3.events import BodyChunk, Challenge, Greeting, Reply, ReplyEnd, Sent, TlsRequested
from poptalk.pop3.redaction import SpokenSecrets
from poptalk.session.exchanges import (
    ConnectionEnded,
    ConnectionOpened,
    Exchanges,
    Note,
    TlsEstablished,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Protocol, TypeVar

    from poptalk.net.endpoint import Destination
    from poptalk.net.errors import Ending, NetError
    from poptalk.net.tls import TlsFacts
    from poptalk.net.tls_settings import TlsSettings
    from poptalk.pop3.events import Event, Exchange
    from poptalk.session.log import FileLog, SessionRecord
    from poptalk.session.procedure import Plan, Procedure, Then

if TYPE_CHECKING:
    E = TypeVar("E", bound=Exception)

    class Transport(Protocol):
        """What carries the octets: `net.connection.Link` or `net.async_connection.AsyncConnection`."""

        def send(self, data: bytes) -> None:
            """Send octets; ConnectionLost where nothing is taken any more."""

        def start_tls(self, settings: TlsSettings) -> TlsFacts | None:
            """Begin TLS; None where `Session.tls_established` will be called with the facts.

            TlsFailed where it does not come about.
            """

        def close(self) -> None:
            """Close the connection without a word."""


STEADY_OCTETS = 32
"""Octets a second that a body must bring: a tenth of the slowest modem's, and more than a drip."""

PASSWORD_IN_THE_CLEAR = (
    "this password crosses the network in the clear; STLS or --tls would protect it"
)
"""Said before it is sent, and never a reason to hold it back (RFC 8314 §4.1)."""

MAY_BE_A_PASSWORD = (
    "this isn't a command and may be a password, so it is hidden; PASS belongs in front of one, and "
    ":reveal shows it"
)


def name_of(exchange: Exchange) -> str:
    """Return the words for a command in sentences: with its arguments, if no secret may be in it."""
    command = exchange.command
    if command.verb is None:
        return "this line"
    if command.verb.challenges or command.secret is not None:
        return command.verb.keyword
    return printable(command.line.decode("utf-8", "backslashreplace").strip(), 40)


_BEFORE_LOGIN = (State.GREETING, State.AUTHORIZATION)


def not_sent_in_the_clear(count: int) -> str:
    """Say that so many lines which waited for TLS are dropped."""
    if count == 1:
        what = "the line that waited for TLS was not sent: send it again if it may"
    else:
        what = f"the {count} lines that waited for TLS were not sent: send them again if they may"
    return f"the server refused STLS, so {what} cross the network in the clear"


class Session:
    """A session with a server; lives as long as its driver, and outlasts connections.

    Args:
        clock: gives seconds.
        keep: whether the bodies of replies are kept; a pipe that shows nothing needs none.
        whole: whether bodies are kept whole (see `Exchanges`).
        complain: called if the log cannot be written; None notes it like anything else.
        tls_at_once: whether TLS begins as soon as STLS is answered; otherwise `begin_tls` begins it.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        keep: bool = True,
        whole: bool = True,
        complain: Callable[[str], None] | None = None,
        tls_at_once: bool = True,
    ) -> None:
        self.core = ClientSession()
        self.exchanges = Exchanges(clock=clock, whole=whole)
        self.secrets = self.exchanges.spoken
        self.listeners: list[Callable[[Event], None]] = []
        """Called with each event, after the observers and the log."""
        self._observers: dict[type[Event], list[Callable[..., None]]] = {}
        self.log: FileLog | None = None
        self.record: SessionRecord | None = None
        """The session so far; None in a pipe, which keeps nothing."""
        self.destination: Destination | None = None
        self.transport: Transport | None = None
        """None while there is no connection."""
        self.ending: Ending | None = None
        """How the last connection ended; None while it is open."""
        self.refused = False
        """Whether any command was answered with anything but +OK."""
        self.held: list[bytes] = []
        """Lines that wait until a connection or TLS has been made."""
        self.stls_refused = False
        """Whether the last thing sent was STLS, and the server refused it."""
        self.connecting = False
        """Whether lines have to wait for a connection."""
        self.tls_request: TlsRequested | None = None
        """Set once STLS was answered with +OK, until TLS begins."""
        self.procedure: Procedure | None = None
        """What poptalk is doing by itself."""
        self.user: str | None = None
        """Who is to log in, for sentences; None for nobody, or for the user in the destination."""
        self.stage = ""
        """How far a login, or TLS before it, has got; empty if none is going on."""
        self.sent_by_poptalk = False
        """Whether poptalk itself is sending, not the user."""
        self.in_thread: Callable[[Callable[[], None], Callable[[], None]], None] = _at_once
        """Does slow work, then calls a function."""
        self.changed: Callable[[], None] | None = None
        """Called when a procedure continues, asks a question, or ends."""
        self.failed: Callable[[NetError], None] | None = None
        """Called with errors of the transport; if None they are raised."""
        self.clock = clock
        self._since = clock()
        """When what is awaited was asked for, or last made progress."""
        self.octets_since = 0
        """Octets that came since then."""
        self._complain = complain
        self._tls_at_once = tls_at_once
        self._warned = False
        self.observe(self.exchanges.takers)
        if not keep:
            del self._observers[BodyChunk]

    def observe(self, takers: Mapping[type[Event], Callable[..., None]]) -> None:
        """Have functions called with events.

        Args:
            takers: the functions, by the type of event they take.
        """
        for kind, take in takers.items():
            self._observers.setdefault(kind, []).append(take)

    # The connection.

    def opened(
        self, transport: Transport, destination: Destination | None, *, where: str, encrypted: bool
    ) -> None:
        """Begin the session of a new connection.

        Args:
            transport: what carries its octets.
            destination: where it leads.
            where: host and port, for the log.
            encrypted: whether TLS was established before the greeting.
        """
        self.core = self.exchanges.core = ClientSession(encrypted=encrypted)
        self.transport = transport
        self.destination = destination
        self.ending = None
        self.tls_request = None
        self.secrets = self.exchanges.spoken = SpokenSecrets()
        self._warned = self.stls_refused = False
        self._since, self.octets_since = self.clock(), 0
        self._tell([ConnectionOpened(where=where, encrypted=encrypted)])

    def received(self, data: bytes) -> None:
        """Take octets from the server, and act on them."""
        core, last = self.core, self.exchanges.last
        answered, awaited_tls = core.answered, core.awaiting_tls
        self._tell(core.receive_data(data))
        self.octets_since += len(data)
        if self.exchanges.last is not last or core.answered != answered:
            self._since, self.octets_since = self.clock(), 0
        if self.tls_request is not None and self._tls_at_once:
            self.begin_tls()
        elif awaited_tls and not core.awaiting_tls:
            self.stls_refused = True
            if self.held:
                # They were typed to be protected by TLS.
                count, self.held = len(self.held), []
                self.note(not_sent_in_the_clear(count), warning=True)
        if self.procedure is not None:
            self.carry_on()

    def ended(self, ending: Ending) -> None:
        """Take note of the end of the connection; calling this again does no harm."""
        if self.core.state is State.CLOSED:
            return
        self.ending = ending
        self.transport = None
        self._tell([*self.core.receive_eof(), ConnectionEnded(ending=ending)])
        if self.procedure is not None:
            self.procedure.lose(ConnectionLost(f"{ending}."))

    # Sending.

    def send_line(self, line: bytes) -> bool:
        """Send a line and CRLF; it waits while a connection or TLS is being set up.

        Returns:
            False if there is no connection; the line is not sent then.
        """
        if self.connecting or self.core.awaiting_tls:
            if self.core.awaiting_tls and not self.held:
                self.note("what is typed after STLS waits until TLS has begun")
            self.held.append(line)
        elif self.transport is None:
            return False
        else:
            self.send(line + b"\r\n")
        return True

    def send(self, data: bytes, events: Sequence[Event] | None = None) -> None:
        """Send octets exactly as they are.

        Args:
            data: the octets.
            events: what `prepare` returned for them; None if they were not prepared.

        Raises:
            ConnectionLost: the server takes nothing any more, and `failed` is None.
        """
        if events is None:
            events = self.prepare(data)
        failure = None
        self.stls_refused = False
        try:
            if self.transport is None:
                where = f"The connection to {self.destination} has ended"
                raise ConnectionLost(f"{where}: {self.ending}.")
            self.transport.send(data)
        except ConnectionLost as error:
            failure = error
        self._tell(events)
        if failure is not None:
            self._fail(failure)

    def prepare(self, data: bytes) -> Sequence[Event]:
        """Warn of what is about to be sent; return the events that `send` takes."""
        if self.core.settled:
            self._since, self.octets_since = self.clock(), 0
        events = self.core.send(data)
        for event in events:
            if isinstance(event, Sent):
                if self.core.state in _BEFORE_LOGIN or event.secret is not None:
                    self.secrets.sent(event.line, event.secret, exchange=event.exchange.number)
                if event.secret is not None:
                    self._secret_sent(event)
        return events

    def _secret_sent(self, sent: Sent) -> None:
        """Warn before a secret leaves, where that is due."""
        if self.exposed and not self._warned and _is_readable(sent):
            self._warned = True
            self.note(PASSWORD_IN_THE_CLEAR, warning=True)
        if not sent.sasl and sent.exchange.command.verb is None:
            self.note(MAY_BE_A_PASSWORD)

    @property
    def who(self) -> str:
        """Who logs in where, for sentences: "bob at 192.0.2.1:110", or the server alone."""
        destination = self.destination
        if destination is None:
            return ""
        host = bare_host(destination.host)
        place = f"[{host}]:{destination.port}" if ":" in host else f"{host}:{destination.port}"
        if destination.path is not None:
            place = str(destination.target)
        user = self.user or destination.user
        return f"{printable(user)} at {place}" if user else place

    def staged(self, error: E) -> E:
        """Add to an error who was logging in where, and how far that had got."""
        stage = self.stage or self.who
        if stage and stage not in str(error):
            error.args = (f"{error} ({stage})", *error.args[1:])
        return error

    @property
    def exposed(self) -> bool:
        """Whether what is sent leaves this machine without TLS."""
        is_loopback = self.destination is not None and self.destination.is_loopback
        return not (self.core.encrypted or is_loopback)

    # How long the server may take: one rule for all drivers.

    def time_left(self, timeout: float | None) -> float | None:
        """Return the seconds that the server has left for what is awaited.

        A greeting, a status line or a challenge must be complete within the time-out, counted from when
        it was asked for, or from the end of the reply before it.  A body must bring `STEADY_OCTETS` a
        second in each time-out.  So a server that sends an octet now and then cannot hold anyone for
        ever.

        Args:
            timeout: seconds; None for no limit.

        Returns:
            A negative number if it is overdue; all of the time-out if nothing is owed.
        """
        if timeout is None or (self.core.settled and not self.core.in_handshake):
            return timeout
        if self.core.in_body and self.octets_since >= STEADY_OCTETS * timeout:
            self._since, self.octets_since = self.clock(), 0
        return self._since + timeout - self.clock()

    @property
    def awaited(self) -> str:
        """What the server owes: "the greeting", "the reply to RETR 1", "TLS"."""
        if self.core.in_handshake:
            return "TLS to begin"
        outstanding = self.core.outstanding
        return f"the reply to {name_of(outstanding[0])}" if outstanding else "the greeting"

    # TLS after STLS (RFC 2595 §4).

    def begin_tls(self) -> None:
        """Begin TLS, after STLS was answered with +OK.

        Raises:
            TlsFailed: TLS failed, and `failed` is None; the connection is closed.
        """
        request, self.tls_request = self.tls_request, None
        assert request is not None
        assert self.transport is not None
        assert self.destination is not None
        try:
            if request.residue:
                from poptalk.net.errors import injected

                raise injected(request.residue)
            facts = self.transport.start_tls(self.destination.tls_settings())
        except TlsFailed as error:
            self.transport.close()
            self.tls_failed(error)
        else:
            if facts is not None:
                self.tls_established(facts)

    def tls_established(self, facts: TlsFacts) -> None:
        """Take note that TLS has begun, and send what waited for it."""
        upgraded = not self.core.encrypted
        events: Sequence[Event] = self.core.tls_established() if upgraded else ()
        self._tell([*events, TlsEstablished(facts=facts, upgraded=upgraded)])
        if facts.warning:
            self.note(facts.warning, warning=True)
        if upgraded:
            self.carry_on()
            held, self.held = self.held, []
            for line in held:
                self.send_line(line)

    def tls_failed(self, error: TlsFailed) -> None:
        """Take note that TLS failed; the end of the connection follows."""
        told = self.procedure is not None and self.procedure.fail(error)
        if not told:
            self._fail(error)

    def _fail(self, error: NetError) -> None:
        if self.failed is None:
            raise error
        self.failed(error)

    # Procedures.

    def run(self, plan: Plan, *, name: str, then: Then | None = None) -> Procedure:
        """Begin a procedure.

        Args:
            plan: its steps.
            name: what it is called, such as ``login``.
            then: called at its end with the error that ended it, or None; without it an error is
                noted.
        """
        from poptalk.session.procedure import Procedure

        procedure = self.procedure = Procedure(self, plan, name=name, then=then)
        self.carry_on()
        return procedure

    def carry_on(self) -> None:
        """Continue the procedure, if there is one."""
        if self.procedure is not None:
            self.procedure.carry_on()
        if self.changed is not None:
            self.changed()

    # Telling the observers.

    def note(self, text: str, *, warning: bool = False) -> None:
        """Have a sentence of poptalk's own shown."""
        self._tell([Note(text=text, warning=warning)])

    def _tell(self, events: Sequence[Event]) -> None:
        for event in events:
            self._take_note(event)
            for take in self._observers.get(type(event), ()):
                take(event)
            if self.log is not None:
                self._write_log(self.log, event)
            for listener in tuple(self.listeners):
                listener(event)

    def _take_note(self, event: Event) -> None:
        """Keep what the session itself needs to know of an event."""
        secrets = self.secrets
        if isinstance(event, ReplyEnd):
            self.refused = self.refused or not event.ok
        elif isinstance(event, TlsRequested):
            self.tls_request = event
        elif isinstance(event, Greeting):
            secrets.heard(event.status_line.line)
        elif isinstance(event, Challenge):
            secrets.heard_challenge(event)
            secrets.answered(event.exchange.number)
        elif isinstance(event, Reply):
            secrets.answered(event.exchange.number)
            if self.core.state in _BEFORE_LOGIN:
                secrets.heard(event.status_line.line)

    def _write_log(self, log: FileLog, event: Event) -> None:
        """Write to the log; a full disk ends the log, not the session."""
        try:
            log(event)
        except OSError as error:
            self.log = None
            log.abandon()
            sentence = f"logging to {log.name} has stopped: {error.strerror}; the session goes on"
            if self._complain is not None:
                self._complain(sentence)
            else:
                self.note(sentence, warning=True)

    def close(self) -> None:
        """Free what is kept, and close the log."""
        self.exchanges.close()
        if self.record is not None:
            self.record.close()
        if self.log is not None:
            self.log.abandon()


def _at_once(work: Callable[[], None], then: Callable[[], None]) -> None:
    work()
    then()


def _is_readable(sent: Sent) -> bool:
    """Whether a line shows the password itself, not a hash of it."""
    verb = sent.exchange.command.verb
    if verb is None or verb.keyword == "PASS":
        return True
    if not verb.challenges:
        return False
    from poptalk.pop3.sasl.table import METHODS

    method = METHODS.get(sent.exchange.command.arguments[0].decode("ascii", "replace").upper())
    return method is None or method.readable
