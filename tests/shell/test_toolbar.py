"""The bottom line."""

from poptalk.shell.live import toolbar
from tests.servers.recording import RecordingServer, by_keyword
from tests.shell.shells import CTRL_C, LiveTest, live, practising

ANSWERS = by_keyword(
    {
        b"STAT": b"+OK 1 25\r\n",
        b"LIST": b"+OK\r\n1 1000\r\n2 2000\r\n.\r\n",
        b"DELE": b"+OK\r\n",
        b"RSET": b"+OK\r\n",
    }
)


def bottom(shell: LiveTest) -> str:
    return shell.terminal.lines()[-1]


async def test_it_tells_what_the_replies_have_told() -> None:
    with RecordingServer(reply=ANSWERS) as server:
        async with live(server, columns=120) as shell:
            await shell.until(lambda: bottom(shell) == f"127.0.0.1:{server.port} · clear · :help")
            await shell.ask("STAT")
            await shell.until(lambda: "· 1 message · 25 octets · " in bottom(shell))
            await shell.until(lambda: bottom(shell).endswith(" ms · :help"))
            await shell.ask("LIST")
            await shell.until(lambda: "· 2 messages · 3,000 octets · " in bottom(shell))
            await shell.ask("DELE 1")
            await shell.until(lambda: "· 1 marked for deletion · " in bottom(shell))
            await shell.ask("RSET")
            await shell.until(lambda: "marked" not in bottom(shell))
            await shell.enter(":close", until="not connected · ")


async def test_it_counts_the_seconds_of_a_silence() -> None:
    with RecordingServer(reply=by_keyword({b"STAT": b""})) as server:
        async with live(server) as shell:
            await shell.enter("STAT", until="· waiting 1 s for the reply to STAT · ")
            await shell.see("· waiting 2 s for the reply to STAT · ")
            shell.send(CTRL_C)
            await shell.until(lambda: "waiting" not in bottom(shell))


async def test_it_forgets_what_was_learnt_in_clear() -> None:
    with practising() as practice:
        async with live(practice) as shell:
            await shell.ask("STLS")
            await shell.see("· TLS · ")
            await shell.until(lambda: "message" not in bottom(shell))


async def test_it_leaves_out_what_does_not_fit_and_cuts_nothing() -> None:
    with RecordingServer(reply=ANSWERS) as server:
        async with live(server, columns=120) as shell:
            await shell.ask("LIST")
            whole = toolbar(shell.shell, columns=120)[0][1]
            for columns in range(4, 121):
                shown = toolbar(shell.shell, columns=columns)[0][1]
                assert len(shown) <= columns
                assert whole.startswith(shown)
                if columns >= len("127.0.0.1:65535"):
                    assert shown == whole or whole.startswith(f"{shown} · ")


async def test_it_counts_the_octets_of_a_reply_that_is_coming_in() -> None:
    with RecordingServer(reply=lambda _line: b"+OK\r\n" + b"x" * 998 + b"\r\n") as server:
        async with live(server) as shell:
            await shell.enter("RETR 1", until="receiving, 1,000 octets")
            assert "receiving, 1,000 octets · :help" in bottom(shell)
            await shell.enter(":more", until="the reply is still coming in")
            await shell.enter(":last", until="the reply is still coming in")
