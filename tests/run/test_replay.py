"""The replay: what it sends, what it compares, and how it ends, with all kinds of servers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from poptalk.net.endpoint import Destination
from poptalk.net.errors import ConnectFailed, ConnectionLost, TlsFailed
from poptalk.run.replay import Agreed, Differed, ScriptError
from poptalk.session.exchanges import ConnectionEnded, ConnectionOpened, TlsEstablished
from poptalk.transcript.match import Aspect
from poptalk.transcript.placeholders import Known
from tests.run.replays import replayed
from tests.servers import certificates
from tests.servers.recording import RecordingServer, by_keyword
from tests.servers.scripted import (
    Close,
    ExpectLine,
    HalfClose,
    Reset,
    ScriptedServer,
    Send,
    StartTls,
    Step,
)
from tests.shell.shells import place, practising

LOGIN = "C: USER {user}\nS: +OK\nC: PASS {password}\nS: +OK\n"
SHORT = 0.2  # seconds to wait for servers that never speak


def against(script: str, steps: Sequence[Step], *, timeout: float = 5.0) -> object:
    """Replay against a server that plays steps; return the difference."""
    with ScriptedServer(steps) as server:
        return replayed(script, place(server), timeout=timeout).difference


# What is sent.


def test_lines_go_out_with_their_values() -> None:
    script = (
        "S: +OK\nC: USER {user}\nS: +OK {who}\nC: PASS {password}\nC: RETR {n:int=2}\nC: X {who}"
    )
    answers = {b"USER": b"+OK rose\r\n", b"RETR": b"+OK\r\n.\r\n"}
    with RecordingServer(reply=by_keyword(answers, otherwise=b"+OK\r\n")) as server:
        result = replayed(script, place(server))
    assert result.difference is None
    assert result.sent == [b"USER bob", b"PASS jones", b"RETR 2", b"X rose"]
    assert server.received == b"USER bob\r\nPASS jones\r\nRETR 2\r\nX rose\r\n"


def test_a_value_that_a_line_brings_holds_for_later_lines() -> None:
    script = "S: +OK\nC: LIST {n:int=2}\nS: +OK {n} {size:int}\nC: RETR {n}\nS: +OK"
    answers = {b"LIST": b"+OK 2 200\r\n", b"RETR": b"+OK\r\n.\r\n"}
    with RecordingServer(reply=by_keyword(answers)) as server:
        result = replayed(script, place(server))
    assert result.difference is None
    assert result.replay.bindings == {"n": "2", "size": "200"}


def test_bindings_come_in_and_known_values_do_not_go_out() -> None:
    with RecordingServer() as server:
        result = replayed("S: +OK\nC: USER {user}\nC: DELE {n}", place(server), bindings={"n": "7"})
    assert result.sent == [b"USER bob", b"DELE 7"]
    assert result.replay.bindings == {"n": "7"}


def test_lines_without_a_written_reply_wait_for_it() -> None:
    script = "C: NOOP\nC: STAT"
    steps = [Send(b"+OK\r\n"), ExpectLine(), Send(b"+OK\r\n"), ExpectLine(), Send(b"+OK 0 0\r\n")]
    with ScriptedServer(steps) as server:
        result = replayed(script, place(server))
    assert result.difference is None
    assert (result.replay.exchanges, result.replay.compared) == (2, 0)


def test_pipelined_lines_go_out_before_the_answers() -> None:
    script = "S: +OK\nC: NOOP\nC: STAT\nS: +OK\nS: +OK 2 320"
    steps = [Send(b"+OK\r\n"), ExpectLine(), ExpectLine(), Send(b"+OK\r\n+OK 2 320\r\n")]
    assert against(script, steps) is None


def test_the_digest_is_worked_out_from_the_greeting() -> None:
    """RFC 1939 §7 gives this timestamp, this secret and this digest."""
    script = "S: +OK\nC: APOP mrose {apop}\nS: +OK"
    greeting = b"+OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>\r\n"
    with RecordingServer(greeting=greeting) as server:
        replayed(script, place(server), known=Known(user="mrose", password="tanstaaf"))
    assert server.received == b"APOP mrose c4c9334bac560ecc979e58001b3e22fb\r\n"


@pytest.mark.parametrize("mechanism", ["PLAIN", "CRAM-MD5"])
def test_answers_to_challenges_are_worked_out(mechanism: str) -> None:
    script = f"""
        S: +OK
        C: AUTH {mechanism}
        S: + {{...}}
        C: {{{mechanism.lower()}}}
        S: +OK
        C: STAT
        S: +OK 3 6183
    """
    with practising(persona="plain") as practice:
        result = replayed(script, practice)
    assert result.difference is None
    assert result.replay.exchanges == 3


# What is compared.


@pytest.mark.parametrize(
    ("command", "expected", "came", "aspect"),
    [
        ("NOOP", "+OK", "-ERR no", Aspect.INDICATOR),
        ("STAT", "+OK 2 320", "+OK 2 321", Aspect.FIELD),
        ("PASS x", "-ERR [IN-USE]", "-ERR busy", Aspect.CODE),
        ("NOOP", "421 busy", "+OK", Aspect.STATUS_LINE),
        ("LIST", "+OK | 1 120 | .", "+OK | 1 121 | .", Aspect.BODY_LINE),
        ("LIST", "+OK | 1 120", "+OK | 1 120 | .", Aspect.END),
        ("CAPA", "+OK | TOP | .", "+OK | UIDL | .", Aspect.CAPABILITY),
    ],
)
def test_a_difference_in_each_respect(
    command: str, expected: str, came: str, aspect: Aspect
) -> None:
    lines = "".join(f"S: {line}\n" for line in expected.split(" | "))
    reply = came.replace(" | ", "\r\n").encode() + b"\r\n"
    with ScriptedServer([Send(b"+OK\r\n"), ExpectLine(), Send(reply)]) as server:
        result = replayed(f"S: +OK\nC: {command}\n{lines}C: QUIT\nS: +OK\n", place(server))
        assert result.difference is not None
        assert result.difference.aspect is aspect
        assert isinstance(result.occurrences[-1], Differed)
        assert result.sent == [command.encode()]


def test_nothing_more_is_sent_after_a_difference_and_no_quit() -> None:
    script = "S: +OK\nC: DELE 1\nS: +OK\nC: STAT\nS: +OK 1 2\nC: QUIT\nS: +OK"
    answers = {b"DELE": b"+OK\r\n", b"STAT": b"+OK 3 4\r\n", b"QUIT": b"+OK\r\n"}
    with RecordingServer(reply=by_keyword(answers)) as server:
        assert replayed(script, place(server)).difference is not None
    assert server.received == b"DELE 1\r\nSTAT\r\n"


def test_exact_compares_words_for_people() -> None:
    script = "S: +OK ready\nC: NOOP\nS: +OK nothing\n"
    with RecordingServer(greeting=b"+OK ready\r\n") as server:
        assert replayed(script, place(server)).difference is None
        difference = replayed(script, place(server), exact=True).difference
    assert difference is not None
    assert (difference.line, difference.aspect) == (3, Aspect.STATUS_LINE)


def test_a_refusal_without_a_written_reply_is_a_difference() -> None:
    with RecordingServer(reply=by_keyword({b"USER": b"+OK\r\n"})) as server:
        difference = replayed("C: USER bob\nC: PASS x\nC: STAT", place(server)).difference
    assert difference is not None
    assert (difference.line, difference.aspect) == (2, Aspect.INDICATOR)
    assert server.received == b"USER bob\r\nPASS x\r\n"


def test_a_refusing_greeting_without_a_written_one_is_a_difference() -> None:
    with RecordingServer(greeting=b"-ERR too busy\r\n") as server:
        difference = replayed("C: STAT\nS: +OK", place(server)).difference
    assert difference is not None
    assert difference.came == "-ERR too busy"
    assert server.received == b""


def test_a_line_that_answers_nothing_is_a_difference() -> None:
    script = "S: +OK\nC: NOOP\nS: +OK\nC: NOOP\nS: +OK\n"
    steps = [Send(b"+OK\r\n"), ExpectLine(), Send(b"+OK\r\n+OK 2 3\r\n")]
    difference = against(script, steps)
    assert str(difference) == "Line 3: expected the end of the reply, but '+OK 2 3' came."


@pytest.mark.parametrize("written", ["S: 2 lines follow\nS: one\n", "S: <any number of lines>\n"])
def test_lines_that_answer_nothing_may_be_written_down(written: str) -> None:
    script = f"S: +OK\nC: XTND XLST\nS: +OK\n{written}C: NOOP\nS: +OK\n"
    replies = Send(b"+OK\r\n2 lines follow\r\none\r\n")
    steps = [Send(b"+OK\r\n"), ExpectLine(), replies, ExpectLine(), Send(b"+OK\r\n")]
    assert against(script, steps) is None


def test_any_lines_before_one_that_is_written() -> None:
    script = "S: +OK\nC: XTND XLST\nS: +OK\nS: ...\nS: .\nC: NOOP\nS: +OK\n"
    steps = [Send(b"+OK\r\n"), ExpectLine(), Send(b"+OK\r\na\r\nb\r\n.\r\n"), ExpectLine()]
    assert against(script, [*steps, Send(b"+OK\r\n")]) is None


def test_agreements_are_told() -> None:
    with RecordingServer() as server:
        result = replayed("S: +OK\nC: NOOP\nS: +OK", place(server))
    told = (ConnectionOpened, Agreed, ConnectionEnded)
    assert [type(o) for o in result.occurrences if isinstance(o, told)] == [
        ConnectionOpened,
        Agreed,
        Agreed,
        ConnectionEnded,
    ]
    assert (result.replay.exchanges, result.replay.compared) == (1, 2)


# Connections.


def test_each_opening_is_a_connection() -> None:
    script = "C: <open connection>\nS: +OK\nC: <close connection>\n" * 2
    with RecordingServer() as server:
        result = replayed(script, place(server))
        assert len(server.connections) == 2
    assert result.difference is None


def test_opening_closes_what_is_open() -> None:
    script = "S: +OK\nC: <open connection>\nS: +OK\nC: NOOP\nS: +OK"
    with RecordingServer() as server:
        assert replayed(script, place(server)).difference is None
        assert len(server.connections) == 2


def test_the_servers_closing_is_checked() -> None:
    script = "S: +OK\nC: QUIT\nS: +OK\nS: <close connection>\n"
    with RecordingServer(closing_keyword=b"QUIT") as server:
        result = replayed(script, place(server))
    assert result.difference is None
    assert "the server" in str(result.occurrences[-1])


def test_a_server_that_does_not_close() -> None:
    script = "S: +OK\nC: QUIT\nS: +OK\nS: <close connection>\n"
    with RecordingServer() as server:
        difference = replayed(script, place(server), timeout=SHORT).difference
    assert difference is not None
    assert (difference.line, difference.aspect) == (4, Aspect.CLOSE)


def test_a_server_that_speaks_instead() -> None:
    steps = [Send(b"+OK\r\n"), ExpectLine(), Send(b"+OK bye\r\n"), Send(b"+OK still here\r\n")]
    script = "S: +OK\nC: QUIT\nS: +OK\nS: <close connection>\n"
    difference = against(script, steps)
    assert str(difference) == (
        "Line 4: expected the server to close the connection, but '+OK still here' came."
    )


def test_a_wait_hears_what_comes_and_goes_on() -> None:
    script = "S: +OK\nC: <wait 0.05 s>\nC: NOOP\nS: +OK\n"
    with RecordingServer() as server:
        assert replayed(script, place(server)).difference is None


def test_a_wait_between_connections() -> None:
    script = "S: +OK\nC: <close connection>\nC: <wait 0.01 s>\nC: <open connection>\nS: +OK"
    with RecordingServer() as server:
        assert replayed(script, place(server)).difference is None
        assert len(server.connections) == 2


def test_waiting_for_the_server_to_hang_up_is_over_when_it_has() -> None:
    script = "S: +OK\nC: <wait 3600 s>\nS: <close connection>\n"
    assert against(script, [Send(b"+OK\r\n"), Close()]) is None


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ("S: +OK\nC: <close connection>\nC: NOOP", "test.pop3:3: There is no connection here"),
        ("S: +OK\nC: <negotiate TLS>", "test.pop3:2: TLS is negotiated after the .OK to STLS"),
        ("S: +OK\nC: RETR {n}", r"test.pop3:2: '\{n\}' has no value"),
        ("S: +OK\nC: APOP bob {apop}", "test.pop3:2: .* a greeting that holds a <timestamp>"),
    ],
)
def test_what_cannot_be_carried_out(script: str, sentence: str) -> None:
    with RecordingServer() as server, pytest.raises(ScriptError, match=sentence):
        replayed(script, place(server))


# Replies without an end.

UNENDED = "S: +OK\nC: RETR 1\nS: +OK\nS: Subject: hi\nS: ...\n"
HALF_A_LETTER = Send(b"+OK\r\nSubject: hi\r\n\r\nHel")


def test_a_reply_that_never_ends_where_the_client_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("poptalk.run.replay.SILENCE_SECONDS", SHORT)
    steps = [Send(b"+OK\r\n"), ExpectLine(), HALF_A_LETTER]
    assert against(UNENDED + "C: <close connection>\n", steps) is None
    difference = against(UNENDED.replace("hi", "ho") + "C: <close connection>\n", steps)
    assert str(difference) == "Line 4: expected the line 'Subject: ho', but 'Subject: hi' came."


def test_a_reply_that_the_server_cuts_off_as_written() -> None:
    steps = [Send(b"+OK\r\n"), ExpectLine(), HALF_A_LETTER, Close()]
    assert against(UNENDED + "S: <close connection>\n", steps) is None


@pytest.mark.parametrize("end", [Close(), Reset(), HalfClose()], ids=["close", "reset", "half"])
def test_a_reply_that_the_server_cuts_off(end: Step) -> None:
    steps = [Send(b"+OK\r\n"), ExpectLine(), HALF_A_LETTER, end]
    with pytest.raises(
        ConnectionLost, match=r"test.pop3:3: the server .* in the middle of the reply to RETR"
    ):
        against(UNENDED + "S: .\nC: QUIT\n", steps)


def test_a_reply_that_never_ends() -> None:
    steps = [Send(b"+OK\r\n"), ExpectLine(), HALF_A_LETTER]
    sentence = r"test.pop3:3: the lone dot that ends the reply to RETR was awaited. .* 0.2 s"
    with pytest.raises(ConnectionLost, match=sentence):
        against(UNENDED + "S: .\n", steps, timeout=SHORT)


def test_a_reply_that_never_comes() -> None:
    with pytest.raises(ConnectionLost, match=r"test.pop3:3: the reply to STAT was awaited"):
        against("S: +OK\nC: STAT\nS: +OK\n", [Send(b"+OK\r\n")], timeout=SHORT)


def test_a_greeting_that_never_comes() -> None:
    with pytest.raises(ConnectionLost, match=r"test.pop3:1: the greeting was awaited"):
        against("S: +OK\n", [], timeout=SHORT)


def test_a_server_that_hangs_up_before_it_greets() -> None:
    with pytest.raises(ConnectionLost, match=r"STAT was to be sent.* without a greeting"):
        against("C: STAT\n", [Close()])


def test_a_secret_is_not_in_the_sentence() -> None:
    script = "S: +OK\nC: AUTH LOGIN\nS: +\nC: am9uZXM=\nS: +OK\n"
    steps = [Send(b"+OK\r\n"), ExpectLine(), Send(b"+ \r\n"), ExpectLine(), Close()]
    with pytest.raises(ConnectionLost) as caught:
        against(script, steps)
    assert "am9uZXM=" not in str(caught.value)


def test_a_server_that_is_not_there() -> None:
    with RecordingServer() as server:
        gone = place(server)
    with pytest.raises(ConnectFailed):
        replayed("S: +OK", gone)


# TLS.

STLS = "S: +OK\nC: STLS\nS: +OK\n"


@pytest.mark.parametrize("direction", ["C: <negotiate TLS>\n", ""], ids=["written", "implied"])
def test_stls(direction: str) -> None:
    with practising(persona="plain") as practice:
        result = replayed(f"{STLS}{direction}{LOGIN}C: STAT\nS: +OK 3 6183\n", practice)
    assert result.difference is None
    assert [o.facts.verified for o in result.occurrences if isinstance(o, TlsEstablished)] == [True]


def test_implicit_tls() -> None:
    with practising(tls=True) as practice:
        result = replayed(f"S: +OK\n{LOGIN}", practice)
    assert result.difference is None
    assert [o.encrypted for o in result.occurrences if isinstance(o, ConnectionOpened)] == [True]


def test_an_injected_response_ends_the_replay() -> None:
    steps = [Send(b"+OK\r\n"), ExpectLine(), Send(b"+OK\r\n+OK 9 9\r\n")]
    with pytest.raises(TlsFailed, match="response injection"):
        against(f"{STLS}C: <negotiate TLS>\nC: STAT\nS: +OK 9 9\n", steps)


def test_a_certificate_that_is_not_trusted(tmp_path: Path) -> None:
    context = certificates.unknown_issuer(tmp_path).server_context
    steps = [Send(b"+OK\r\n"), ExpectLine(), Send(b"+OK\r\n"), StartTls(context)]
    with ScriptedServer(steps) as server, pytest.raises(TlsFailed):
        replayed(f"{STLS}C: <negotiate TLS>\n", Destination(host=server.host, port=server.port))
