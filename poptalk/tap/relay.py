"""One relayed session: what comes from either side goes to the other, unchanged.

A `Relay` looks at what passes for one reason only, STLS.  Its rules:

- Octets are passed on first, and shown afterwards (`Watch`).
- Neither side is read faster than the other takes it, so what is kept here is bounded.
- After STLS nothing of the mail program passes until the answer has come.  After a +OK, TLS begins on
  both sides; what came in the clear after STLS or its answer is shown, but not passed on (RFC 2595 §4).
- If only the server's side is in TLS, STLS is answered here, and never reaches the server.  As many
  programs look for it in the answer to CAPA, it is added there: the only change that is made.
- When a side sends no more, the other one's output is closed; a reset is passed on as a reset.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from poptalk.net.async_connection import dial_in_thread
from poptalk.net.errors import (
    CLOSED_BY_CLIENT,
    CLOSED_BY_SERVER,
    CLOSED_BY_US,
    GAVE_UP_TLS,
    TLS_CUT_BY_SERVER,
    ConnectFailed,
    EndedBy,
    Ending,
    NetError,
    ending_of,
    looks_like_tls,
    not_greeted,
    reason,
    stls_refused,
)
from poptalk.net.tls import TlsLayer, client_layer
from poptalk.net.tls_errors import handshake_timed_out
from poptalk.pop3.commands import Effect, State, parse_command
from poptalk.tap.side import RelaySide

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from poptalk.net.endpoint import Destination
    from poptalk.net.errors import TlsFailed
    from poptalk.tap.watch import Watch

STLS_TAKEN = b"+OK Begin TLS negotiation now\r\n"
"""The answer if the server is in TLS already."""

STLS_IN_TLS = b"-ERR TLS is on already\r\n"
"""The answer if the mail program is in TLS, and the server is not (RFC 2595 §4)."""

LEFT_BEFORE_TLS = Ending(
    by=EndedBy.CLIENT, how="closed the connection before TLS was on", clean=False
)

MAX_LINE_HELD = 8192
"""Octets of a line that are held back to see whether it is an STLS, which must not reach the server."""

MAX_LISTING_HELD = 65_536
"""Octets of an answer to CAPA that are held back to add a line; real ones have a few hundred."""

REMIND_SECONDS = 8.0
"""How long to wait for the greeting before saying what its absence may mean."""


class Relay:
    """One session.

    Args:
        destination: the server.
        context: returns the TLS settings of the mail program's side.
        watch: takes what passes.
        far_context: returns the TLS settings of the server's side.
        implicit_tls: whether the mail program came to the port for TLS.
        timeout: seconds for connecting to the server, and for each handshake.
        ended: called once at the end, with what kept the session from beginning, or None.
    """

    def __init__(
        self,
        destination: Destination,
        context: Callable[[], ssl.SSLContext],
        watch: Watch,
        *,
        far_context: Callable[[], ssl.SSLContext],
        implicit_tls: bool,
        timeout: float,
        ended: Callable[[Relay, NetError | None], None],
    ) -> None:
        self._destination = destination
        self._context = context
        self._far_context = far_context
        self._watch = watch
        self._timeout = timeout
        self._ended = ended
        self._is_finished = False
        self._loop = asyncio.get_running_loop()
        self._implicit_tls = implicit_tls
        self.near = RelaySide(self, tls=self._server_layer() if implicit_tls else None)
        """The mail program's side, a protocol for asyncio."""
        self.far = RelaySide(self)
        """The server's side."""
        self._failure: NetError | None = None
        self._dialling: asyncio.Task[None] | None = None
        self._timers: list[asyncio.TimerHandle] = []
        self._awaiting_stls = False
        """Whether the server has not yet answered an STLS of the mail program."""
        self._held = b""
        """What the mail program has sent meanwhile; or the beginning of a line that may become STLS."""
        self._listing = b""
        """The answer to CAPA, until it is known whether it lists STLS."""
        self._early = b""
        """What the mail program has sent before the server's side was ready."""
        self._greeting: bytes | None = b"" if destination.starttls else None
        """The greeting, until TLS has begun (`--starttls`); None once it has been passed on."""
        self._unreadable = False
        """Whether the mail program and the server speak TLS through us, which we cannot read."""
        self._over = False

    # Opening.

    def connected(self, side: RelaySide) -> None:
        """Dial the server for a new connection of the mail program."""
        if side is self.near:
            assert side.transport is not None
            peer = side.transport.get_extra_info("peername")
            self._watch.came(peer, in_tls=self._implicit_tls)
            self._dialling = self._loop.create_task(self._dial())
            self._later(REMIND_SECONDS, self._remind)
            if self._implicit_tls:
                self._later(self._timeout, self._handshake_overdue, self.near)
            self._settle()

    async def _dial(self) -> None:
        destination = self._destination
        try:
            if destination.tls:
                self.far.tls = self._client_layer(upgrading=False)
            sock = await dial_in_thread(destination.target, self._timeout)
            try:
                await self._loop.create_connection(lambda: self.far, sock=sock)
            except BaseException:
                sock.close()
                raise
        except NetError as error:
            self._give_up(error)
            return
        except OSError as error:
            self._give_up(ConnectFailed(f"{destination} was lost at once: {reason(error)}."))
            return
        if self._over:
            self.far.reset()
            return
        self._watch.opened(encrypted=destination.tls)
        if destination.tls:
            self._later(self._timeout, self._handshake_overdue, self.far)
        self._settle()

    def _later(self, seconds: float, do: Callable[..., object], *arguments: object) -> None:
        self._timers.append(self._loop.call_later(seconds, do, *arguments))

    def _remind(self) -> None:
        if self._implicit_tls and self.near.shaking_hands:
            self._watch.waits_in_clear()
        elif self.far.transport is not None:
            self._watch.remind()

    def _handshake_overdue(self, side: RelaySide) -> None:
        if side.shaking_hands and not self._over:
            near = side is self.near
            peer = "the mail program" if near else str(self._destination)
            upgrading = not (self._implicit_tls if near else self._destination.tls)
            error = handshake_timed_out(peer, self._timeout, upgrading=upgrading)
            self.tls_failed(side, error)

    # What passes.

    def came(self, side: RelaySide, octets: bytes) -> None:
        """Pass octets on, and have them shown."""
        if self._over:
            return
        if side is self.far:
            self._from_far(octets)
        elif self._far_is_ready:
            self._from_near(octets)
        else:
            # It came with the end of the handshake; no more is read until then.
            self._early += octets
        self._settle()

    @property
    def _far_is_ready(self) -> bool:
        """Whether what the mail program says can be passed on."""
        far = self.far
        return far.transport is not None and not far.shaking_hands and self._greeting is None

    def _from_near(self, octets: bytes) -> None:
        in_the_clear = self.near.tls is None
        if self._awaiting_stls:
            self._held += octets
        elif self._unreadable or (in_the_clear and looks_like_tls(octets)):
            self._pass_unread(octets)
        elif self._answers_stls:
            self._pass_lines(octets)
        elif in_the_clear and b"STLS" in (self._watch.core.unfinished[-3:] + octets).upper():
            self._pass_up_to_stls(octets)
        else:
            self.far.write(octets)
            self._watch.client_said(octets)

    def _pass_unread(self, octets: bytes) -> None:
        if not self._unreadable:
            self._unreadable = True
            self._watch.unreadable()
        self.far.write(octets)

    def _pass_up_to_stls(self, octets: bytes) -> None:
        """Pass lines on up to an STLS; what comes after it waits for the answer."""
        while octets:
            stop = octets.find(b"\n") + 1 or len(octets)
            line, octets = octets[:stop], octets[stop:]
            self.far.write(line)
            self._watch.client_said(line)
            if self._watch.core.awaiting_tls:
                self._awaiting_stls = True
                self._held, octets = octets, b""

    @property
    def _answers_stls(self) -> bool:
        """Whether an STLS of the mail program is answered here, since only one side is in TLS."""
        return (self.near.tls is None) is not (self.far.tls is None)

    def _pass_lines(self, octets: bytes) -> None:
        """Pass whole lines on, except STLS."""
        octets = self._held + octets
        self._held = b""
        while octets:
            stop = octets.find(b"\n") + 1
            if not stop and len(octets) < MAX_LINE_HELD and b"STLS".startswith(octets[:4].upper()):
                self._held = octets
                return
            stop = stop or len(octets)
            line, octets = octets[:stop], octets[stop:]
            if self._is_stls(line):
                self._answer_stls(line, octets)
                return
            self.far.write(line)
            self._watch.client_said(line)

    def _is_stls(self, line: bytes) -> bool:
        core = self._watch.core
        if core.unfinished or core.answering_auth:
            return False
        return parse_command(line.rstrip(b"\r\n")).effect is Effect.START_TLS

    def _answer_stls(self, line: bytes, rest: bytes) -> None:
        if self.near.tls is not None:
            self.near.write(STLS_IN_TLS)
            self._watch.answered_here(line, STLS_IN_TLS, why="there is no TLS within TLS")
            if rest:
                self._pass_lines(rest)
            return
        self.near.write(STLS_TAKEN)
        self._watch.answered_here(line, STLS_TAKEN, why="the server is in TLS already")
        self._begin_near_tls(rest)

    def _from_far(self, octets: bytes) -> None:
        watch = self._watch
        if self._unreadable:
            self.near.write(octets)
        elif self._greeting is not None:
            self._upgrade_far(octets)
        elif self._offers_stls:
            self._list_capabilities(octets)
        elif not self._awaiting_stls:
            self.near.write(octets)
            watch.server_said(octets)
            if watch.tls_requested:
                self._unreadable = True
                watch.warn("the server begins TLS within TLS: what follows is passed on unread")
        else:
            residue = watch.residue_after(octets)
            self.near.write(octets[: len(octets) - len(residue)] if residue else octets)
            if watch.tls_requested:
                self._begin_both()
            elif not watch.core.awaiting_tls:
                self._go_on_in_clear()

    @property
    def _offers_stls(self) -> bool:
        """Whether an answer to CAPA is due that should list STLS, as it is answered here."""
        if self.near.tls is not None or self.far.tls is None:
            return False
        core = self._watch.core
        due = core.outstanding
        return (
            core.state is State.AUTHORIZATION
            and len(due) == 1
            and due[0].command.keyword == b"CAPA"
        )

    def _list_capabilities(self, octets: bytes) -> None:
        """Add STLS to the answer to CAPA, once it has come whole."""
        self._listing += octets
        self._watch.server_said(octets)
        if self._offers_stls and len(self._listing) < MAX_LISTING_HELD:
            return
        listing, self._listing = self._listing, b""
        if listing.endswith(b"\r\n.\r\n") and b"\r\nSTLS\r\n" not in listing.upper():
            listing = listing.removesuffix(b".\r\n") + b"STLS\r\n.\r\n"
            self._watch.remark("the tap adds STLS to this list, because it answers it")
        self.near.write(listing)

    # STLS.

    def _begin_both(self) -> None:
        """Begin TLS on both sides, after the server's +OK to STLS."""
        self._awaiting_stls = False
        early, self._held = self._held, b""
        self._begin_far_tls()
        self._begin_near_tls(early)

    def _begin_far_tls(self) -> None:
        try:
            layer = self._client_layer(upgrading=True)
        except NetError as error:
            self._give_up(error)
            return
        self._later(self._timeout, self._handshake_overdue, self.far)
        self.far.begin_tls(layer)

    def _begin_near_tls(self, early: bytes) -> None:
        """Begin TLS on the mail program's side; what it has sent after STLS may be its first octets."""
        if self._over:
            return
        self._later(self._timeout, self._handshake_overdue, self.near)
        self.near.begin_tls(self._server_layer())
        if early:
            self.near.data_received(early)

    def _go_on_in_clear(self) -> None:
        """Pass on what came after an STLS that was refused: that is just another command."""
        self._awaiting_stls = False
        held, self._held = self._held, b""
        if held:
            self._watch.warn(
                f"{len(held):,} octets of the mail program came before the answer to STLS; since it "
                "was refused, they are passed on, in the clear"
            )
            self._from_near(held)

    def _upgrade_far(self, octets: bytes) -> None:
        """Begin TLS with the server by STLS (`--starttls`), before the greeting is passed on."""
        watch, before = self._watch, self._greeting
        assert before is not None
        watch.residue_after(octets)
        if b"\n" not in before:
            self._greeting = before + octets
            if b"\n" not in self._greeting:
                return
            if not self._greeting.upper().startswith(b"+OK"):
                self.near.write(self._greeting)
                self._give_up(not_greeted(self._greeting.rstrip()))
                return
            self._greeting = self._greeting.partition(b"\n")[0] + b"\n"
            self.far.write(b"STLS\r\n")
            watch.said_here(b"STLS\r\n")
        elif watch.tls_requested:
            self._begin_far_tls()
        elif not watch.core.awaiting_tls:
            self._give_up(stls_refused(octets.partition(b"\n")[0].rstrip()))

    def _server_layer(self) -> TlsLayer:
        return TlsLayer(self._context(), server_side=True, peer="the mail program")

    def _client_layer(self, *, upgrading: bool) -> TlsLayer:
        destination = self._destination
        return client_layer(
            destination.tls_settings(),
            peer=str(destination.target),
            upgrading=upgrading,
            context=self._far_context(),
        )

    def handshake_done(self, side: RelaySide) -> None:
        """Show that TLS has begun on a side."""
        assert side.tls is not None
        assert side.tls.facts is not None
        if side is self.near:
            self._watch.near_tls(side.tls.facts)
        else:
            self._watch.far_tls(side.tls.facts)
            greeting, self._greeting = self._greeting, None
            if greeting:
                self.near.write(greeting)
        self._settle()

    def came_in_clear(self, side: RelaySide, octets: bytes) -> None:
        """Show octets in the clear that came where TLS was to begin; they are not passed on."""
        if side is self.far:
            self._watch.injected_by_server(octets)
        elif self._implicit_tls:
            self._watch.spoke_in_clear(octets)
            self._close()
        else:
            self._watch.injected_by_client(octets)

    def tls_failed(self, side: RelaySide, error: TlsFailed) -> None:
        """End the session, because TLS failed on a side."""
        if self._over:
            return
        if side is self.near:
            if not side.over:
                self._watch.near_tls_failed(error)
            self._watch.ended(LEFT_BEFORE_TLS if side.over else GAVE_UP_TLS)
            self._close()
        else:
            self._give_up(error)

    # The end.

    def input_over(self, side: RelaySide, *, clean: bool) -> None:
        """Close the other side's output, because a side sends no more."""
        if self._over:
            return
        if side is self.near:
            if not self._unreadable:
                self._watch.near_over(clean=clean)
        else:
            by_client = self.near.over and clean
            ending = CLOSED_BY_SERVER if clean else TLS_CUT_BY_SERVER
            self._watch.ended(CLOSED_BY_CLIENT if by_client else ending)
            self.near.write(self._listing)
            self.near.finish()
        if self.near.over and self.far.over:
            self._close()
        self._settle()

    def lost(self, side: RelaySide, error: Exception | None) -> None:
        """Pass a reset on, and take note once both sides are gone."""
        if isinstance(error, OSError) and not self._over:
            ending = ending_of(error)
            if side is self.near:
                by = EndedBy.CLIENT if ending.by is EndedBy.SERVER else ending.by
                ending = Ending(by=by, how=ending.how, clean=False)
            self._watch.ended(ending)
            self.stop(reset=True)
        if self.near.lost and (self.far.transport is None or self.far.lost):
            self._finished()

    def room_changed(self, side: RelaySide) -> None:  # noqa: ARG002 - both are looked at
        """Read faster or slower."""
        self._settle()

    def stop(self, *, reset: bool = False) -> None:
        """End the session at once, in good order or with a reset."""
        if not self._over:
            self._watch.ended(CLOSED_BY_US)
        self._over = True
        for side in (self.near, self.far):
            side.reset() if reset else side.close()
        if self._dialling is not None:
            self._dialling.cancel()

    def _close(self) -> None:
        """Close both sides in good order."""
        self._over = True
        self.near.close()
        self.far.close()

    def _give_up(self, error: NetError) -> None:
        """End the session, because there is no server to relay to."""
        if self._over:
            return
        self._failure = error
        self._watch.gave_up(error)
        self._watch.ended(GAVE_UP_TLS if self.far.transport is not None else CLOSED_BY_US)
        if self.far.transport is None:
            # The nearest thing to refusing a connection that was accepted already.
            self.near.reset()
        self._close()

    def _finished(self) -> None:
        if self._is_finished:
            return
        self._is_finished = True
        self._watch.carried(from_client=self.near.octets, from_server=self.far.octets)
        for timer in self._timers:
            timer.cancel()
        self._ended(self, self._failure)

    def _settle(self) -> None:
        """Read each side only as fast as the other one takes it."""
        near, far = self.near, self.far
        if self._over:
            return
        if self._early and self._far_is_ready:
            early, self._early = self._early, b""
            self._from_near(early)
        ready = self._far_is_ready and not self._awaiting_stls
        if near.over and ready:
            self._finish_far()
        near.read_when(near.shaking_hands or (far.takes and ready))
        far.read_when(far.shaking_hands or near.takes)

    def _finish_far(self) -> None:
        """Close the server's side for output, after a line that the mail program has left unfinished."""
        held, self._held = self._held, b""
        if held:
            self.far.write(held)
            self._watch.client_said(held)
        self.far.finish()
