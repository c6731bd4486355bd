"""The web server of a class: its addresses, who may come in, and what a page may do.

It runs in a thread of its own, beside that of the POP3 server.  Other web sites that are open in a
pupil's browser can do nothing here: the Host must be an address or a name of this machine, so that no
other name can be made to lead here (DNS rebinding); requests that change anything must come from our own
page (Origin); and the cookie is sent by our own pages only (SameSite).  What pupils type can do nothing
either: no text ever becomes markup, and the pages' policy lets no script run but ours.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import secrets
import socket
import threading
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from http import HTTPStatus
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Self, cast

from aiohttp import WSCloseCode, WSMsgType, web

from poptalk.classroom.board import Looks
from poptalk.classroom.web.page import CLASS_OVER, WRONG_KEY, Tab
from poptalk.classroom.web.pupils import MOST_PUPILS, NotAdmitted, PagePupil, PagePupils
from poptalk.net.endpoint import is_loopback
from poptalk.practice.limits import ListeningPort, reachable_addresses
from poptalk.terminal.theme import NEUTRAL

if TYPE_CHECKING:
    from types import TracebackType

    from poptalk.classroom.room import ClassRoom

STATIC = Path(__file__).parent / "static"

FILES = {
    "/": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/board": ("board.html", "text/html"),
    "/board.js": ("board.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
"""What the browser gets, by path."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self' ws://{host}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The ws: is for browsers that don't take 'self' to include WebSockets (CSP 3)."""

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

MOST_OCTETS_OF_A_REQUEST = 64 * 1024
"""Octets of a request to join, and of one message of a page: more than the longest line takes."""

MOST_BOARDS = 10
"""Open boards: a projector, the teacher's own screen, and some forgotten ones."""

LOOK_SECONDS = 0.3
"""How often to look for news for the boards."""

BOARD_SECONDS = 5.0
"""How often to send a board how long everyone has been stuck, without other news."""

CLOSE_SECONDS = 2.0
"""How long a page may take to answer a close."""

PINGS_SECONDS = 30.0
"""How often to ask an open page whether it is still there."""

MESSAGES_A_SECOND = 40
"""How much an open page may say: it reports every key, and nobody types faster."""

MOST_LINES_AT_ONCE = 20
"""Lines of one message that are taken; our own page sends them one by one."""

MOST_CONNECTIONS = 3 * MOST_PUPILS
MOST_CONNECTIONS_OF_AN_ADDRESS = MOST_CONNECTIONS // 2
"""As for the practice server: a class may share a router, and a runaway program must leave room."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class WebSite:
    """The pages of a class.

    Args:
        room: the class, its server running.
        hosts: the addresses to listen on.
        port: the port on each of them; 0 for any that is free.

    Attributes:
        room: the class.
        pupils: everyone who has joined by a page.
        board_key: the key that opens the board; for the teacher alone.
    """

    def __init__(self, room: ClassRoom, *, hosts: Sequence[str], port: int = 0) -> None:
        self.pupils = PagePupils(room)
        self.board_key = secrets.token_urlsafe(12)
        self.room = room
        self._boards: dict[Tab, bool] = {}
        """The open boards, each with whether it shows names."""
        self._ready: Future[Callable[[], object]] = Future()
        self._stop: Callable[[], object]
        self._thread = threading.Thread(target=self._live, name="poptalk pages", daemon=True)
        self._hosts = tuple(hosts)
        self._asked_for = port
        own = socket.gethostname().lower()
        self._names = {"localhost", own, f"{own}.local"}
        self._listeners: tuple[ListeningPort, ...] = ()
        # aiohttp logs what strangers send it, and nothing may be written across the terminal's board.
        silent = logging.getLogger("poptalk.pages")
        silent.addHandler(logging.NullHandler())
        silent.propagate = False
        self._runner = web.AppRunner(
            self._app(), handle_signals=False, access_log=None, logger=silent
        )

    # Starting and stopping.

    def listen(self) -> None:
        """Take the ports.

        Raises:
            CannotListen: a port is taken or forbidden, or the address is not one of this machine.
        """
        port = self._asked_for
        for host in self._hosts:
            listener = ListeningPort(host, port, implicit_tls=False)
            port = listener.port
            self._listeners += (listener,)

    def close(self) -> None:
        """Give the ports back."""
        for listener in self._listeners:
            listener.close()

    @property
    def port(self) -> int:
        """The port that was taken."""
        return self._listeners[0].port

    @property
    def _cookie(self) -> str:
        """The name of the cookie; browsers share cookies among all ports of a host (RFC 6265 §8.5)."""
        return f"poptalk-{self.port}"

    @property
    def address(self) -> str:
        """What pupils type into their browsers: an address that others can reach, if there is one."""
        found = [each for host in self._hosts for each in reachable_addresses(host)]
        elsewhere = [each for each in found if not is_loopback(each)]
        host = (*elsewhere, *found, "localhost")[0]
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/"

    def ways_in(self) -> tuple[tuple[str, str], ...]:
        """Return what goes on the blackboard, each with its label."""
        code = self.pupils.code
        return ("browser", self.address), ("code", f"{code[:3]} {code[3:]}")

    @property
    def board_address(self) -> str:
        """The address of the board, with its key; for the teacher alone."""
        return f"{self.address}board#{self.board_key}"

    def __enter__(self) -> Self:
        """Serve the pages in a thread.

        Raises:
            CannotListen: as `listen` does.
        """
        if not self._listeners:
            self.listen()
        self._thread.start()
        self._stop = self._ready.result()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()
        self._thread.join()

    def _live(self) -> None:
        """Serve until `_stop` is called."""

        async def serve() -> None:
            stop = asyncio.Event()
            loop = asyncio.get_running_loop()
            loop.set_exception_handler(self._unforeseen)
            await self._runner.setup()
            for listener in self._listeners:
                await listener.serve(partial(Gate, cast("web.Server", self._runner.server)))
            showing = asyncio.create_task(self._show_board())
            self._ready.set_result(lambda: loop.call_soon_threadsafe(stop.set))
            await stop.wait()
            showing.cancel()
            await self._end()

        try:
            asyncio.run(serve())
        except BaseException as error:
            if self._ready.done():
                raise
            self._ready.set_exception(error)

    def _unforeseen(self, _loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        """Report a fault of poptalk's own, which must not end the class."""
        error = context.get("exception")
        if isinstance(error, Exception):
            self._complain_of(error)

    def _complain_of(self, error: Exception) -> None:
        self.room.pupils.complain(f"A page went wrong, which is poptalk's fault: {error!r}")

    async def _end(self) -> None:
        self.close()
        for board in self._boards:
            board.close(WSCloseCode.GOING_AWAY, CLASS_OVER)
        for pupil in self.pupils:
            await pupil.end()
        await self._runner.cleanup()

    # What there is.

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[self._guard], client_max_size=MOST_OCTETS_OF_A_REQUEST)
        for path, (name, kind) in FILES.items():
            app.router.add_get(path, _file(STATIC.joinpath(name).read_bytes(), kind))
        app.router.add_get("/theme.css", _file(theme_css().encode(), "text/css"))
        app.router.add_get("/session", self._session)
        app.router.add_post("/join", self._join)
        app.router.add_get("/lesson", self._learn)
        app.router.add_get("/class", self._watch)
        app.on_response_prepare.append(self._add_headers)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse requests for another name, or from another site."""
        if not self._is_ours(request.host):
            return _refusal(
                HTTPStatus.MISDIRECTED_REQUEST, "This server has no such name; use its address."
            )
        origin = request.headers.get("Origin")
        acts = request.method not in ("GET", "HEAD") or "Upgrade" in request.headers
        if (acts or origin is not None) and origin != f"http://{request.host}":
            return _refusal(HTTPStatus.FORBIDDEN, "Only this server's own pages may do this.")
        try:
            return await handler(request)
        except web.HTTPException as error:
            return _refusal(HTTPStatus(error.status), f"{error.reason}.")

    def _is_ours(self, host: str) -> bool:
        """Tell whether a Host is an address, which can't be made to lead elsewhere, or our own name."""
        name, port = host, "0"
        if ":" in host and not host.endswith("]"):
            name, _, port = host.rpartition(":")
        try:
            ip_address(name.strip("[]"))
        except ValueError:
            return port.isdigit() and name.lower() in self._names
        return port.isdigit()

    async def _add_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        host = request.host if self._is_ours(request.host) else "localhost"
        response.headers.update(HEADERS)
        response.headers["Content-Security-Policy"] = POLICY.format(host=host)
        # Which versions are installed is nobody's business.
        response.headers["Server"] = "poptalk"

    # The lesson.

    async def _session(self, request: web.Request) -> web.Response:
        """Say whether the browser has joined before."""
        pupil = self.pupils.with_token(request.cookies.get(self._cookie))
        name = None if pupil is None else pupil.name
        return web.json_response({"lesson": self.room.lesson.title, "name": name})

    async def _join(self, request: web.Request) -> web.Response:
        try:
            asked = json.loads(await request.text())
            name, code = asked["name"], asked["code"]
            if not (isinstance(name, str) and isinstance(code, str)):
                raise TypeError
        except (ValueError, TypeError, KeyError, RecursionError):
            return _refusal(HTTPStatus.BAD_REQUEST, "A name and a code are needed.")
        try:
            pupil = await self.pupils.join(name, code, address=request.remote or "")
        except NotAdmitted as error:
            return _refusal(error.status, str(error))
        response = web.json_response({"name": pupil.name})
        response.set_cookie(self._cookie, pupil.token, httponly=True, samesite="Strict", path="/")
        return response

    async def _learn(self, request: web.Request) -> web.StreamResponse:
        """Connect a page with its lesson."""
        pupil = self.pupils.with_token(request.cookies.get(self._cookie))
        if pupil is None:
            return _refusal(HTTPStatus.UNAUTHORIZED, "Join first.")
        return await _hold(request, pupil.come, pupil.go, partial(self._take, pupil))

    def _take(self, pupil: PagePupil, said: object) -> None:
        """Act on what a page says: `{"line": "LIST"}`, `{"typing": "LI"}`, or `{"stop": true}`."""
        shell = pupil.host.shell
        try:
            match said:
                case {"line": str(text)}:
                    for line in _characters(text).splitlines()[:MOST_LINES_AT_ONCE] or [""]:
                        shell.entered(line)
                case {"typing": str(text)}:
                    shell.typed(_characters(text))
                case {"stop": True}:
                    shell.interrupt(cleared=False)
        except Exception as error:  # noqa: BLE001 - one page's fault is not the class's
            shell.view.warn(f"a fault in poptalk: {error!r}; please tell your teacher")
            self._complain_of(error)

    # The board.

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        """Keep a board up to date, if it has the key."""
        if len(self._boards) >= MOST_BOARDS:
            return _refusal(HTTPStatus.SERVICE_UNAVAILABLE, "Too many boards are open.")
        tabs: list[Tab] = []

        def take(said: object) -> None:
            match said:
                case {"key": str(key), "names": bool(names)} if self._opens_board(key):
                    self._boards[tabs[0]] = names
                    tabs[0].put(self._board_text(names=names))
                case _:
                    tabs[0].close(WSCloseCode.POLICY_VIOLATION, WRONG_KEY)

        return await _hold(request, tabs.append, lambda tab: self._boards.pop(tab, None), take)

    def _board_text(self, *, names: bool) -> str:
        """Return the board as JSON, with what pupils need to join.

        Args:
            names: whether to show names, and not numbers in their place.
        """
        board, looks = self.room.pupils.board(), Looks(hides_names=not names)
        shown = partial(looks.without_names, pupils=board.pupils)
        facts = asdict(board)
        for entry, pupil in zip(facts["pupils"], board.pupils, strict=True):
            entry["name"] = looks.name(pupil)
            entry |= {part: shown(entry[part]) for part in ("line", "remark", "trouble")}
        facts["wrong_lines"] = [(shown(line), count) for line, count in board.wrong_lines]
        facts["join"] = " · ".join(
            (*map(" ".join, self.ways_in()), f"password {self.room.password}")
        )
        return json.dumps(facts, default=lambda each: each.value)

    def _opens_board(self, key: str) -> bool:
        return hmac.compare_digest(_characters(key).encode(), self.board_key.encode())

    async def _show_board(self) -> None:
        """Send the boards what is new, and the time now and then."""
        shown, since = -1, 0.0
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            pupils, now = self.room.pupils, asyncio.get_running_loop().time()
            if self._boards and (pupils.version != shown or now - since >= BOARD_SECONDS):
                shown, since = pupils.version, now
                for board, names in tuple(self._boards.items()):
                    board.put(self._board_text(names=names))


async def _hold(
    request: web.Request,
    come: Callable[[Tab], object],
    go: Callable[[Tab], object],
    take: Callable[[object], object],
) -> web.WebSocketResponse:
    """Hold the connection of a tab until either side ends it.

    Args:
        request: the request that opens it.
        come: called with the tab.
        go: called with the tab when it is gone.
        take: called with what the page says.
    """
    ws = web.WebSocketResponse(
        timeout=CLOSE_SECONDS,
        heartbeat=PINGS_SECONDS,
        max_msg_size=MOST_OCTETS_OF_A_REQUEST,
        compress=False,
    )
    await ws.prepare(request)
    tab = Tab(ws)
    sending = asyncio.create_task(tab.send_all())
    come(tab)
    try:
        async for message in ws:
            if message.type is WSMsgType.TEXT:
                take(_read(message.data))
            await asyncio.sleep(1 / MESSAGES_A_SECOND)
    finally:
        go(tab)
        tab.close(WSCloseCode.OK, b"")
        await sending
        if request.transport is not None:
            # What the tab has not taken by now it never will.
            request.transport.abort()
    return ws


def _read(text: str) -> object:
    """Return a value from JSON; None if it isn't JSON, or nested far too deep."""
    with suppress(ValueError, RecursionError):
        return cast("object", json.loads(text))
    return None


def _characters(text: str) -> str:
    """Return a text without lone surrogates, which JSON may have."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _refusal(status: HTTPStatus, sentence: str) -> web.Response:
    return web.json_response({"error": sentence}, status=status)


def _file(content: bytes, kind: str) -> Handler:
    async def give(_request: web.Request) -> web.Response:
        return web.Response(body=content, content_type=kind, charset="utf-8")

    return give


def theme_css() -> str:
    """Return the theme as style rules: the style "ok" is the class `s-ok`."""
    rules = {"bold": "font-weight:bold", "italic": "font-style:italic"}
    rules["underline"] = "text-decoration:underline"
    lines = []
    for name, look in NEUTRAL.items():
        told = [rules.get(word, f"color:var(--{word})") for word in look.split()]
        lines.append(f".s-{name}{{{';'.join(told)}}}\n" if told else "")
    return "".join(lines)


class Gate(asyncio.Protocol):
    """Lets a connection in if there is room for it.

    Args:
        server: makes the protocol of a connection that is let in.
    """

    def __init__(self, server: web.Server) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hand the connection to aiohttp, or end it."""
        assert isinstance(transport, asyncio.Transport)
        present = [each.transport for each in self._server.connections]
        address = _address(transport)
        of_one = sum(_address(each) == address for each in present if each is not None)
        if len(present) >= MOST_CONNECTIONS or of_one >= MOST_CONNECTIONS_OF_AN_ADDRESS:
            transport.abort()
            return
        protocol = self._server()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)


def _address(transport: asyncio.BaseTransport) -> str:
    peer = transport.get_extra_info("peername")
    return peer[0] if isinstance(peer, tuple) else ""
