"""The command `poptalk tap`: listens, relays sessions, and sums up at the end."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from poptalk.exit_codes import EXIT_CANNOT_CONNECT, EXIT_NO, EXIT_OK, EXIT_TLS, EXIT_USAGE
from poptalk.net.certificate import fingerprint
from poptalk.net.endpoint import (
    DEFAULT_TIMEOUT,
    UsageError,
    bare_host,
    is_loopback,
    target_words,
)
from poptalk.net.errors import NetError, TlsFailed, printable, reason
from poptalk.net.tls_settings import client_context
from poptalk.pop3.values import Value
from poptalk.practice.certificates import Certificates
from poptalk.practice.limits import CannotListen, ListeningPort
from poptalk.practice.persona import LOOPBACK
from poptalk.practice.serve import OutOfFiles, StopSignals
from poptalk.tap.printer import Printer
from poptalk.tap.relay import Relay
from poptalk.tap.view import Shown
from poptalk.tap.watch import Totals, Watch, log_name
from poptalk.terminal.render import note
from poptalk.terminal.safe import wrap
from poptalk.terminal.screen import LinearScreen, ScreenClosed

if TYPE_CHECKING:
    import ssl

    from poptalk.net.endpoint import Destination
    from poptalk.tap.side import RelaySide
    from poptalk.terminal.safe import Fragments
    from poptalk.terminal.screen import ColorFlag

ORGANIZATION = "poptalk tap"
"""The organization in the certificates that mail programs see."""

GOODBYE_SECONDS = 2.0
"""How long sessions may take to deliver what was relayed, once the tap is stopped."""

Say = Callable[[str], None]


class TapSettings(Value):
    """What `poptalk tap` was asked for; `--help` says what each field means."""

    explain: bool = False
    raw: bool = False
    bodies: str = "head"
    reveal: bool = False
    once: bool = False
    tls_port: int = 0
    save_ca: str | None = None
    log: str | None = None
    log_format: str = "notation"
    color: ColorFlag = "auto"
    timeout: float = DEFAULT_TIMEOUT


class Listen(Value):
    """Where to listen."""

    host: str = LOOPBACK
    port: int = 0


def part_words(words: Sequence[str]) -> tuple[Listen, Sequence[str]]:
    """Split `[LISTEN] HOST [PORT]` into where to listen, and the target.

    A number at the end is the port of the host before it, so the first of two words is LISTEN if the
    second isn't a number.

    Raises:
        UsageError: LISTEN cannot be read.
    """
    is_listen = bool(words) and words[0].isdigit()
    if len(words) == 3 or (len(words) == 2 and not words[1].isdigit()):
        is_listen = True
    if not is_listen:
        return Listen(), words
    return _listen(words[0]), words[1:]


def _listen(word: str) -> Listen:
    host, port = LOOPBACK, word
    if not word.isdigit():
        parts = target_words(word)
        host, port = (bare_host(parts[0]), parts[1]) if len(parts) == 2 else ("", "")
    if not (host and port.isascii() and port.isdigit() and int(port) <= 65_535):
        raise UsageError(
            f"{printable(word)!r} is no place to listen at: give PORT or HOST:PORT, such as 1110 or "
            "127.0.0.1:1110, and the server after it"
        )
    return Listen(host=host, port=int(port))


class Tap:
    """Listens on two ports, and relays what comes to a server.

    Args:
        settings: what was asked for.
        listen: where to listen.
        destination: the server.
        printer: writes what is shown.
        stop: called at the end of the first session, if `once` is set.

    Attributes:
        totals: what has passed.
        failure: what kept the last session from beginning; None if it began.

    Raises:
        CannotListen: it cannot listen on a port.
        UsageError: the authority's certificate cannot be written.
    """

    def __init__(
        self,
        settings: TapSettings,
        listen: Listen,
        destination: Destination,
        printer: Printer,
        *,
        stop: Callable[[], None],
    ) -> None:
        self.totals = Totals()
        self.failure: NetError | None = None
        self.settings = settings
        self.destination = destination
        self._printer = printer
        self._stop = stop
        self._relays: set[Relay] = set()
        self._nobody = asyncio.Event()
        self._nobody.set()
        names = (listen.host, bare_host(destination.host))
        self.certificates = Certificates(*names, organization=ORGANIZATION)
        if settings.save_ca is not None:
            _save_authority(self.certificates, settings.save_ca)
        self.clear = ListeningPort(listen.host, listen.port, implicit_tls=False)
        try:
            self.tls = ListeningPort(listen.host, settings.tls_port, implicit_tls=True)
        except CannotListen:
            self.clear.close()
            raise

    @cached_property
    def _context(self) -> ssl.SSLContext:
        context = self.certificates.server_context()
        if self.destination.keylog is not None:
            context.keylog_filename = self.destination.keylog
        return context

    @cached_property
    def _far_context(self) -> ssl.SSLContext:
        return client_context(self.destination.tls_settings())

    async def serve(self) -> None:
        """Take connections from now on."""
        for port in (self.clear, self.tls):
            await port.serve(partial(self._begin, implicit_tls=port.implicit_tls))

    async def close(self) -> None:
        """Take no more connections, and end all sessions."""
        self.clear.close()
        self.tls.close()
        for relay in tuple(self._relays):
            relay.stop()
        try:
            await asyncio.wait_for(self._nobody.wait(), GOODBYE_SECONDS)
        except TimeoutError:
            for relay in tuple(self._relays):
                relay.stop(reset=True)
            await self._nobody.wait()

    def _begin(self, *, implicit_tls: bool) -> RelaySide:
        """Begin a session; return the side that takes the mail program's connection."""
        settings, number = self.settings, self.totals.sessions + 1
        if settings.once:
            self.clear.close()
            self.tls.close()
        name = settings.log
        watch = Watch(
            number,
            self.destination,
            Shown(**{field: getattr(settings, field) for field in Shown._fields}),
            self._printer,
            self.totals,
            ports=(self.clear.port, self.tls.port),
            log=name and log_name(name, None if settings.once else number),
            log_format=settings.log_format,
        )
        relay = Relay(
            self.destination,
            lambda: self._context,
            watch,
            far_context=lambda: self._far_context,
            implicit_tls=implicit_tls,
            timeout=settings.timeout,
            ended=self._ended,
        )
        self._relays.add(relay)
        self._nobody.clear()
        return relay.near

    def _ended(self, relay: Relay, failure: NetError | None) -> None:
        self._relays.discard(relay)
        self.failure = failure
        if not self._relays:
            self._nobody.set()
        if self.settings.once:
            self._stop()


def tap(settings: TapSettings, listen: Listen, destination: Destination, *, complain: Say) -> int:
    """Relay sessions until Ctrl-C, SIGTERM, or, with `once`, the end of the first one.

    Args:
        settings: what was asked for.
        listen: where to listen.
        destination: the server.
        complain: writes a sentence on standard error.

    Returns:
        The exit code: 0 when stopped; 1 if a port is taken; with `once`, 3 if the server could not be
        reached, and 4 if TLS with it failed.

    Raises:
        UsageError: a file cannot be written.
        ScreenClosed: nothing can be shown any more.
    """
    _check_log(settings.log)
    screen = LinearScreen.of_output(color=settings.color)
    return asyncio.run(_run(settings, listen, destination, screen, complain))


def _save_authority(certificates: Certificates, name: str) -> None:
    try:
        certificates.write_authority(Path(name))
    except OSError as error:
        raise UsageError(
            f"--save-ca: {printable(name)} cannot be written ({reason(error)})"
        ) from error


def _check_log(name: str | None) -> None:
    """Find out before the first session whether logs can be written."""
    if name is None:
        return
    folder = os.path.dirname(name) or "."
    if not os.path.isdir(folder) or not os.access(folder, os.W_OK) or os.path.isdir(name):
        raise UsageError(f"--log: {printable(name)} cannot be written; is its folder there?")


async def _run(
    settings: TapSettings,
    listen: Listen,
    destination: Destination,
    screen: LinearScreen,
    complain: Say,
) -> int:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(OutOfFiles(complain))
    signals = StopSignals()
    closed: list[ScreenClosed] = []

    def gone(error: ScreenClosed) -> None:
        closed.append(error)
        loop.call_soon_threadsafe(signals.stop.set)

    printer = Printer(screen, closed=gone)
    try:
        tap = Tap(settings, listen, destination, printer, stop=signals.stop.set)
        await _relay_until(signals.stop, tap, printer, complain)
    except CannotListen as error:
        complain(_why_not(error))
        return EXIT_NO if error.is_address else EXIT_USAGE
    finally:
        printer.close()
    if closed:
        raise closed[0]
    if settings.once and tap.failure is not None:
        return EXIT_TLS if isinstance(tap.failure, TlsFailed) else EXIT_CANNOT_CONNECT
    return EXIT_OK


async def _relay_until(stop: asyncio.Event, tap: Tap, printer: Printer, complain: Say) -> None:
    """Say what to put into the mail program, relay sessions, and sum up."""
    host = tap.clear.host
    if not is_loopback(host):
        complain(
            f"Warning: everyone who can reach {host} can use this tap, and it sees what they say, mail "
            "and passwords included."
        )
    printer.show(_welcome(tap, columns=printer.columns))
    await tap.serve()
    await stop.wait()
    await tap.close()
    if printer.is_terminal:
        printer.show([[]])  # below the echo of Ctrl-C
    printer.show(
        line for text in tap.totals.lines() for line in note(text, columns=printer.columns)
    )


def _welcome(tap: Tap, *, columns: int) -> list[Fragments]:
    """Say what to put into the mail program."""
    destination, settings = tap.destination, tap.settings
    encrypted = (
        "in TLS" if destination.tls else "by STLS" if destination.starttls else "in the clear"
    )
    saved = () if settings.save_ca is None else (("  saved in   ", printable(settings.save_ca)),)
    head = "Put this into the mail program, and leave user and password as they are:"
    rows = (
        ("  server     ", tap.clear.host),
        ("  port       ", f"{tap.clear.port}, without TLS or with STARTTLS"),
        ("  TLS port   ", f"{tap.tls.port}, for SSL/TLS"),
        ("  authority  ", "to be trusted; its SHA-256:"),
        ("    ", fingerprint(tap.certificates.authority).replace(":", "")),
        *saved,
        ("  relays to  ", f"{destination}, {encrypted}"),
        ("", "Ctrl-C ends the tap."),
    )
    lines = note(head, columns=columns)
    for label, text in rows:
        # Values to be copied have no spaces, and stay in one row.
        wrapped = wrap(text, max(1, columns - len(label) - 2)) if " " in text else [text]
        for number, row in enumerate(wrapped):
            lines.append([("note", f"# {' ' * len(label) if number else label}{row}")])
    return lines


def _why_not(error: CannotListen) -> str:
    if not error.is_address:
        return (
            f"{error.host} is no address of this machine; 127.0.0.1 is the usual one to listen at."
        )
    port = f" port {error.port}" if error.port else ""
    reserved = "Ports below 1024 are often reserved. " if 0 < error.port < 1024 else ""
    return (
        f"{error.host}{port} cannot be listened on ({reason(error)}). Is another program there "
        f"already? {reserved}Without a port a free one is taken."
    )
