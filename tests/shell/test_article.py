"""The session of the article "Trivial uses of Telnet - POP3", typed into poptalk.

The article omits the lone dots, and its total is a misprint: 1903 + 4255 + 25 = 6183.
"""

from tests.shell.black_box import on_a_terminal, piped
from tests.shell.shells import ARTICLE_GREETING, ARTICLE_SESSION, CTRL_D, in_order, live, practising


def expected_lines(*, masked: str) -> list[str]:
    """Return the article's lines with the marks of a dialogue."""
    lines = [f"S: {ARTICLE_GREETING}"]
    for command, reply in ARTICLE_SESSION:
        lines.append(f"C: {masked if command.startswith('PASS') else command}")
        lines += (f"S: {line}" for line in reply)
    return lines


async def test_typed_into_the_live_shell() -> None:
    with practising() as practice:
        async with live(practice, rows=200) as shell:
            for command, _ in ARTICLE_SESSION:
                await shell.ask(command)
            await shell.see("the server closed the connection")
            lines = shell.view()
    expected = expected_lines(masked="PASS ****")
    assert in_order(expected, lines)
    # Between the article's lines stand those of the two letters, and nothing else.
    letters = [line for line in lines if line not in expected]
    assert len(lines) == len(expected) + len(letters)
    before = expected.index("S: +OK message follows")
    assert lines[:before] == expected[:before]
    assert lines[-4:] == expected[-4:]
    assert "S: Subject: hi" in letters
    assert "S: Call me." in letters


async def test_the_letters_are_as_long_as_the_listing_says() -> None:
    with practising() as practice:
        async with live(practice) as shell:
            for line in ("USER bob", "PASS jones"):
                await shell.ask(line)
            for number, octets in ((1, 1903), (2, 4255), (3, 25)):
                await shell.ask(f"RETR {number}")
                kept = shell.shell.session.exchanges.last
                assert kept is not None
                assert sum(map(len, kept.content())) == octets


def test_typed_at_a_terminal_into_poptalk_without_a_target() -> None:
    with on_a_terminal("connect", rows=200) as pty:
        pty.wait_for("AUTHORIZATION practice>")
        dots = 0
        for command, reply in ARTICLE_SESSION:
            pty.send(f"{command}\r")
            # The prompt is there all the time: what is waited for is the whole reply.
            pty.wait_for(f"S: {reply[0]}")
            dots += "." in reply
            pty.wait_until(lambda dots=dots: pty.history().count("S: .") == dots)  # type: ignore[misc]
            prompt = "TRANSACTION" if command not in ("USER bob", "QUIT") else ""
            pty.wait_until(lambda prompt=prompt: prompt in _prompt(pty.text))  # type: ignore[misc]
        pty.wait_for("(closed)>")
        pty.send(CTRL_D)
        assert pty.wait_exit() == 0
        assert in_order(expected_lines(masked="PASS ****"), pty.history())


def _prompt(text: str) -> str:
    """Return the last line that is a prompt."""
    prompts = [line for line in text.splitlines() if line.endswith(">") and line[0] not in "CS#"]
    return prompts[-1] if prompts else ""


def test_typed_into_the_shell_that_never_redraws() -> None:
    with on_a_terminal("connect", "--plain", rows=200) as pty:
        pty.wait_for("AUTHORIZATION practice>")
        seen = [f"S: {ARTICLE_GREETING}"]
        for command, reply in ARTICLE_SESSION:
            pty.send(f"{command}\r")
            # A last line such as "." has been there before.
            seen.extend(f"S: {line}" for line in reply)
            pty.wait_until(lambda: in_order(seen, pty.history()))
            pty.wait_until(lambda: pty.lines()[pty.cursor.row].endswith(">"))
        pty.send(CTRL_D)
        assert pty.wait_exit() == 0
        assert in_order(seen, pty.history())
        assert "TRANSACTION bob@practice> DELE 3" in pty.history()


def test_through_a_pipe() -> None:
    typed = "".join(f"{command}\n" for command, _ in ARTICLE_SESSION).encode()
    done = piped(typed)
    assert (done.code, done.stderr) == (0, "")
    lines = done.stdout.decode("ascii").split("\r\n")
    replies = [line for _, reply in ARTICLE_SESSION for line in reply]
    assert in_order([ARTICLE_GREETING, *replies], lines)
