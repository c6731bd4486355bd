"""A class with pages, and a browser without a screen: what it is told, message by message."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import aiohttp

from poptalk.classroom.room import ClassRoom
from poptalk.classroom.web.site import WebSite
from poptalk.lesson.document.parser import load_lesson
from poptalk.lesson.library import find_lesson

SECONDS = 10.0
PASSWORD = "maple47"

Message = dict[str, Any]


@contextmanager
def running(lesson: str, *hosts: str) -> Iterator[WebSite]:
    """Run a class with pages, on 127.0.0.1 unless other addresses are given."""
    document = load_lesson(find_lesson(lesson))
    hosts = hosts or ("127.0.0.1",)
    with (
        ClassRoom(document, password=PASSWORD, host=hosts) as room,
        WebSite(room, hosts=hosts) as site,
    ):
        yield site


class Visitor:
    """Somebody with a browser."""

    def __init__(self, site: WebSite, client: aiohttp.ClientSession) -> None:
        self.site = site
        self.client = client
        self.url = f"http://127.0.0.1:{site.port}"
        self.origin = {"Origin": self.url}

    async def join(self, name: str, code: str | None = None) -> tuple[int, Message]:
        """Send what the form has; return the status and the answer."""
        asked = {"name": name, "code": self.site.pupils.code if code is None else code}
        url = f"{self.url}/join"
        async with self.client.post(url, json=asked, headers=self.origin) as answer:
            return answer.status, await answer.json()

    @asynccontextmanager
    async def tab(self, path: str = "/lesson") -> AsyncIterator[OpenTab]:
        """Open a tab."""
        url = f"{self.url}{path}"
        async with self.client.ws_connect(url, headers=self.origin) as socket:
            yield OpenTab(socket)


class OpenTab:
    """A tab: everything that it was told so far."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.told: list[Message] = []

    async def say(self, **message: object) -> None:
        """Say something as the page does."""
        await self.socket.send_str(json.dumps(message))

    async def enter(self, text: str) -> None:
        """Enter a line, once the prompt is there."""
        await self.until(lambda tab: tab.last("prompt").get("ready", False))
        heard = len(self.told)
        await self.say(line=text)
        await self.until(lambda _: len(self.told) > heard)

    def last(self, kind: str) -> Message:
        """Return what was told last of a kind."""
        return next((each for each in reversed(self.told) if each["kind"] == kind), {})

    @property
    def text(self) -> str:
        """All that can be read, a line a row."""
        return "\n".join(_text(each) for each in self.told)

    async def until(self, met: Callable[[OpenTab], bool]) -> None:
        """Take what is told until something holds."""
        while not met(self):
            try:
                message = await self.socket.receive(timeout=SECONDS)
            except TimeoutError:
                raise AssertionError(f"{self.told[-5:]}\n{self.text}") from None
            assert message.type is aiohttp.WSMsgType.TEXT, (message, self.text)
            self.told.append(json.loads(message.data))

    async def reads(self, *words: str) -> None:
        """Take what is told until some words can be read."""
        await self.until(lambda tab: all(each in tab.text for each in words))

    async def closed(self) -> str:
        """Wait until the class closes the tab; return the reason that it gives."""
        async with asyncio.timeout(SECONDS):
            while True:
                message = await self.socket.receive()
                if message.type is aiohttp.WSMsgType.CLOSE:
                    return str(message.extra)
                if message.type is aiohttp.WSMsgType.TEXT:
                    self.told.append(json.loads(message.data))
                else:
                    return str(self.socket.close_code)


def _text(message: Message) -> str:
    match message:
        case {"kind": "lines", "lines": lines}:
            return "\n".join("".join(text for _, _, text in line) for line in lines)
        case {"kind": "comment", "word": word, "nodes": nodes}:
            return f"{word}: {_plain(nodes)}"
        case {"kind": "prose" | "aside", "nodes": nodes}:
            return _plain(nodes)
        case {"kind": "choices", "choices": choices}:
            return "\n".join(f"{letter}) {_plain(nodes)}" for letter, nodes in choices)
        case {"text": str(text)}:
            return text
    return ""


def _plain(nodes: list[Any]) -> str:
    texts = []
    for node in nodes:
        if isinstance(node, str):
            texts.append(node)
        else:
            texts.append(node[2] if node[0] == "span" else _plain(node[1:]))
    return "".join(texts)
