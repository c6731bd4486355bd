"""Who may come in, what they get, and that it is text."""

from __future__ import annotations

import asyncio
import json
import poplib
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import aiohttp
import pytest

from poptalk.classroom.web import page, pupils, site
from poptalk.classroom.web.site import WebSite
from tests.classroom.web.pages import PASSWORD, SECONDS, Message, OpenTab, Visitor, running
from tests.practice.test_server import has_ipv6

STEPS_BEFORE_GOING_BACK = 9

MARKUP = "<img/src=x/onerror=alert(1)>"


@pytest.fixture
def looking() -> Iterator[WebSite]:
    """Run a class with lesson 3."""
    with running("3") as running_site:
        yield running_site


@pytest.fixture
async def ada(looking: WebSite) -> AsyncIterator[Visitor]:
    """Give a browser that has not joined yet."""
    jar = aiohttp.CookieJar(unsafe=True)  # of an address without a name
    async with aiohttp.ClientSession(cookie_jar=jar) as client:
        yield Visitor(looking, client)


@pytest.fixture
async def grace(looking: WebSite) -> AsyncIterator[Visitor]:
    """Give another browser."""
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as client:
        yield Visitor(looking, client)


# Coming in.


async def test_the_code_on_the_blackboard_lets_in_and_a_cookie_lets_back_in(ada: Visitor) -> None:
    assert await ada.join("Ada", "wrong") == (
        403,
        {"error": "That isn't the code. It is on the blackboard: six digits."},
    )
    code = ada.site.pupils.code
    url, asked = f"{ada.url}/join", {"name": " Ada ", "code": f"{code[:3]} {code[3:]}"}
    async with ada.client.post(url, json=asked, headers=ada.origin) as answer:
        assert await answer.json() == {"name": "Ada"}
        cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    async with ada.client.get(f"{ada.url}/session") as answer:
        assert await answer.json() == {"lesson": "Looking", "name": "Ada"}


async def test_wrong_codes_are_counted_by_address(ada: Visitor) -> None:
    for _ in range(pupils.MOST_WRONG_CODES):
        assert (await ada.join("Ada", "000"))[0] == 403
    assert (await ada.join("Ada"))[0] == 429


@pytest.mark.parametrize(
    "name", ["", "Ada Byron", "A\x1b[31mda", "A\nda", "a" * 10_000, "A\u202eda", "\ud800"]
)
async def test_what_cannot_be_a_name_is_refused(ada: Visitor, name: str) -> None:
    status, said = await ada.join(name)
    assert status == 400
    assert "one word" in said["error"]


async def test_without_a_code_there_is_no_lesson(ada: Visitor) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError, match="401"):
        async with ada.tab():
            pass


async def test_a_name_is_taken_while_its_page_is_open(ada: Visitor, grace: Visitor) -> None:
    await ada.join("Ada")
    async with ada.tab() as tab:
        await tab.reads("You've done this before.")
        status, said = await grace.join("ADA")
        assert (status, "page open under this name" in said["error"]) == (409, True)
    async with asyncio.timeout(SECONDS):
        while (await grace.join("ADA"))[0] != 200:
            await asyncio.sleep(0.01)  # until the class has seen the tab go
    # The first browser's cookie is of no use any more.
    with pytest.raises(aiohttp.WSServerHandshakeError, match="401"):
        async with ada.tab():
            pass


async def test_a_full_class_forgets_who_has_left_and_no_one_else(
    ada: Visitor, grace: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pupils, "MOST_PUPILS", 1)
    await ada.join("Ada")
    async with ada.tab() as tab:
        await tab.reads("You've done this before.")
        assert await grace.join("Grace") == (503, {"error": "The class is full."})
    async with asyncio.timeout(SECONDS):
        while (await grace.join("Grace"))[0] != 200:
            await asyncio.sleep(0.01)


# Other sites, other names, too much.


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("127.0.0.1:80; script-src *", 421),
        ("localhost.evil.example:80", 421),
        ("", 421),
        ("localhost", 200),
        ("[::1]:80", 200),
        ("192.168.1.2:8080", 200),
        (socket.gethostname(), 200),
    ],
)
async def test_only_an_address_or_a_name_of_this_machine_leads_here(
    ada: Visitor, host: str, status: int
) -> None:
    async with ada.client.get(ada.url, headers={"Host": host}) as answer:
        assert answer.status == status


@pytest.mark.parametrize("origin", [{}, {"Origin": "http://evil.example"}, {"Origin": "null"}])
async def test_another_sites_page_may_do_nothing(ada: Visitor, origin: dict[str, str]) -> None:
    asked = {"name": "Ada", "code": ada.site.pupils.code}
    async with ada.client.post(f"{ada.url}/join", json=asked, headers=origin) as answer:
        assert answer.status == 403
    await ada.join("Ada")
    for path in ("/lesson", "/class"):
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            await ada.client.ws_connect(f"{ada.url}{path}", headers=origin)


@pytest.mark.parametrize("path", ["/", "/board", "/page.js", "/session", "/nowhere", "/join"])
async def test_every_answer_forbids_what_is_not_ours(ada: Visitor, path: str) -> None:
    async with ada.client.get(f"{ada.url}{path}") as answer:
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert f"connect-src 'self' ws://127.0.0.1:{ada.site.port};" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert "aiohttp" not in str(answer.headers)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"name": "%s"}' % (b"x" * 70_000), 413),
        (b"[" * 60_000, 400),
        (b'{"name": "Ada"}', 400),
        (b'{"name": 1, "code": 2}', 400),
        (b"\xff", 400),
    ],
)
async def test_a_form_that_is_none_is_refused(ada: Visitor, body: bytes, status: int) -> None:
    async with ada.client.post(f"{ada.url}/join", data=body, headers=ada.origin) as answer:
        assert answer.status == status
        assert (await answer.json())["error"]


async def test_a_message_that_is_too_long_ends_the_connection(ada: Visitor) -> None:
    await ada.join("Ada")
    async with ada.tab() as tab:
        await tab.socket.send_str("x" * (site.MOST_OCTETS_OF_A_REQUEST + 1))
        await tab.closed()
        assert tab.socket.close_code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG


@pytest.mark.parametrize(
    "said", ["", "{", "[1]", '{"line": 1}', '{"typing": null}', '{"stop": 1}', "[" * 60_000]
)
async def test_what_no_page_says_is_passed_over(ada: Visitor, said: str) -> None:
    await ada.join("Ada")
    async with ada.tab() as tab:
        await tab.socket.send_str(said)
        await tab.say(line='STAT "\udcff\ud800"')
        await tab.reads("S: -ERR")


async def test_one_address_leaves_room_for_others(
    ada: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site, "MOST_CONNECTIONS_OF_AN_ADDRESS", 2)
    here = ("127.0.0.1", ada.site.port)
    with ExitStack() as held:
        for _ in range(3):
            last = held.enter_context(socket.create_connection(here, timeout=SECONDS))
        assert await asyncio.to_thread(last.recv, 1) == b""


async def test_a_tab_that_reads_nothing_is_closed(
    ada: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "MOST_WAITING", 20_000)
    await ada.join("Ada")
    async with ada.tab() as tab:
        await tab.say(line=":help :\n" * 20)
        assert await tab.closed() == "too slow"


# The lesson.


async def test_a_pupil_learns_with_mistakes_goes_and_comes_back(ada: Visitor) -> None:
    await ada.join("Ada")
    async with ada.tab() as tab:
        await tab.enter("USER Ada")
        await tab.enter("PASS wrong")
        await tab.reads("C: PASS ****", "not yet: Refused, and now the server")
        await tab.enter("USER ADA")
        await tab.enter(f"PASS {PASSWORD}")
        await tab.reads("done: PASS (2 of 2).")
        await tab.enter("")
        await tab.reads("Step 2 of 6", "STAT is short for status.")
        assert tab.text.count(PASSWORD) == tab.text.count(f"Log in as Ada with {PASSWORD}") == 1
        assert [each["text"] for each in tab.told if each["kind"] == "typed"] == [
            "USER Ada",
            "USER ADA",
        ]
        assert "Capital" not in tab.text
        before = _kept(tab)
    async with ada.tab() as tab:
        await tab.until(lambda tab: tab.last("ready") != {})
        assert _kept(tab) == before
        await tab.enter("STAT")
        await tab.reads("done: STAT.")


def _kept(tab: OpenTab) -> list[Message]:
    return [each for each in tab.told if each["kind"] in ("lines", "comment", "prose", "typed")]


async def test_what_answers_the_pupil_stands_beside_the_dialogue(ada: Visitor) -> None:
    await ada.join("Ada")
    async with ada.tab() as tab:
        await tab.enter(":map")
        await tab.until(lambda tab: "you are here" in str(tab.last("aside")))
        await tab.enter(":task")
        await tab.until(lambda tab: tab.last("again") != {})
        await tab.enter(":skip")
        await tab.until(lambda tab: "Enter goes on" in tab.last("prompt")["text"])
        await tab.enter(":skip")
        await tab.until(lambda tab: "is short for status" in str(tab.last("prose")))


@pytest.mark.parametrize("lesson", ["5", "8"])
async def test_deletions_and_later_letters_are_those_of_the_lesson(lesson: str) -> None:
    jar = aiohttp.CookieJar(unsafe=True)
    with running(lesson) as room:
        async with aiohttp.ClientSession(cookie_jar=jar) as client:
            ada = Visitor(room, client)
            await ada.join("Ada")
            async with ada.tab() as tab:
                lost, skipped = False, 0
                while "The lesson is over" not in tab.text:
                    if "TRANSACTION" in tab.last("prompt").get("text", "") and not lost:
                        lost = True
                        await tab.enter(":close")
                        await tab.reads("poptalk closed the connection")
                    await tab.enter(":skip")
                    skipped += 1
                    if skipped % STEPS_BEFORE_GOING_BACK == 0:
                        await tab.enter(":back")
                        await tab.enter("")
        assert [pupil.is_finished for pupil in room.room.pupils.board().pupils] == [True]
        assert "could not judge" not in tab.text


async def test_a_second_tab_takes_over(ada: Visitor) -> None:
    await ada.join("Ada")
    async with ada.tab() as first, ada.tab() as second:
        assert await first.closed() == "another tab"
        await second.enter("USER Ada")
        await second.reads("done: USER")


async def test_lines_are_text_whatever_is_in_them(ada: Visitor) -> None:
    await ada.join(MARKUP)
    async with ada.tab() as tab:
        await tab.enter(f"{MARKUP} \x1b]0;title\x07 \u202e")
        await tab.reads(f"C: {MARKUP} \\x1b]0;title\\x07 \\u{{202e}}")
        await tab.enter("<b>" * 3_400)
        await tab.reads("C: <b><b>", "octets")
        await tab.enter("x" * 20_000)
        await tab.reads("not sent: 20,000 characters are too many for one line")
        spans = [text for each in tab.told for line in each.get("lines", ()) for text in line]
        assert all(len(span) == 3 and span[0] == "span" for span in spans)


async def test_what_is_secret_is_masked_while_it_is_typed(ada: Visitor) -> None:
    await ada.join("Ada")
    async with ada.tab() as tab:
        await tab.enter("USER Ada")
        await tab.say(typing="PASS m")
        await tab.until(lambda tab: tab.last("mask") == {"kind": "mask", "start": 5, "text": 6})
        await tab.enter("AUTH PLAIN")
        await tab.reads("S: +")
        await tab.until(lambda tab: bool(tab.last("prompt")["secret"]))


@pytest.mark.parametrize(
    "line", [":log {}/x", ":save {}/x", ":report {}/x", ":export {}/x.html", ":login Ada", ":menu"]
)
async def test_commands_that_leave_the_lesson_are_not_there(
    ada: Visitor, tmp_path: Path, line: str
) -> None:
    await ada.join("Ada")
    async with ada.tab() as tab:
        await tab.enter(line.format(tmp_path))
        await tab.reads("there is no local command")
        await tab.enter(":open evil.example")
        await tab.reads("a lesson has its own server")
        await tab.enter(":quit")
        await tab.reads("close this page to leave")
    assert not [*tmp_path.iterdir()]


async def test_who_is_gone_for_a_while_gives_the_maildrop_free(
    ada: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pupils, "GRACE_SECONDS", 0.05)
    await ada.join("Ada")
    async with ada.tab() as tab:
        await tab.enter("USER Ada")
        await tab.enter(f"PASS {PASSWORD}")
        await tab.reads("done: PASS")
    await asyncio.to_thread(_log_in, ada.site, "Ada")
    async with ada.tab() as tab:
        await tab.reads("the page was closed, and the connection with it", "Enter connects again.")
        await tab.enter("")
        await tab.until(lambda tab: "(closed)" in tab.last("prompt")["text"])
        await tab.enter("")
        await tab.reads("sent again for you")


def _log_in(running_site: WebSite, name: str) -> None:
    """Log in with another program, as soon as the maildrop is free; leave two steps done."""
    server = running_site.room.server
    while True:
        client = poplib.POP3(server.host, server.port, timeout=SECONDS)
        client.user(name)
        try:
            client.pass_(PASSWORD)
        except poplib.error_proto:
            client.close()
            continue
        client.stat()
        client.quit()
        return


async def test_who_began_with_another_program_goes_on_in_the_page(ada: Visitor) -> None:
    await asyncio.to_thread(_log_in, ada.site, "ada")
    await ada.join("Ada")
    async with ada.tab() as tab:
        await tab.reads("Step 3 of 6")
        assert "Step 1 of 6" not in tab.text


@pytest.mark.parametrize("hosts", [["0.0.0.0"], ["::1", "127.0.0.1"]])
async def test_a_class_on_other_addresses_knows_its_pages_by_name(hosts: list[str]) -> None:
    if "::1" in hosts and not has_ipv6():
        pytest.skip("there is no IPv6 loopback here")
    jar = aiohttp.CookieJar(unsafe=True)
    with running("3", *hosts) as room:
        async with aiohttp.ClientSession(cookie_jar=jar) as client:
            ada = Visitor(room, client)
            await ada.join("Ada")
            async with ada.tab() as tab:
                await tab.enter("STATT")
                await tab.reads("S: -ERR")
        assert [pupil.name for pupil in room.room.pupils.board().pupils] == ["Ada"]


# The board.


async def test_the_board_wants_its_key(ada: Visitor) -> None:
    for key in ("", "wrong", "\udcff"):
        async with ada.tab("/class") as tab:
            await tab.say(key=key, names=False)
            assert await tab.closed() == "key"


async def test_the_board_shows_a_mistake_within_a_second(ada: Visitor, grace: Visitor) -> None:
    await ada.join(MARKUP)
    async with ada.tab() as tab, grace.tab("/class") as board:
        await board.say(key=ada.site.board_key, names=True)
        await _board(board)
        await tab.enter("STATT")
        async with asyncio.timeout(1):
            while True:
                pupil = next(iter((await _board(board))["pupils"]), {"line": ""})
                if pupil["line"]:
                    break
        # Known before any USER, since it was the page that connected.
        assert (pupil["name"], pupil["line"]) == (MARKUP, "STATT")
        assert pupil["steps"] == ["due", *["to do"] * 5]


async def _board(tab: OpenTab) -> dict[str, list[dict[str, object]]]:
    message = await tab.socket.receive(timeout=SECONDS)
    found: dict[str, list[dict[str, object]]] = json.loads(message.data)
    return found
