"""Who gets which faults: rules as they are written, rules that contradict, and sessions without any."""

from __future__ import annotations

import poplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from poptalk.pop3.commands import parse_command
from poptalk.pop3.replies import stuff
from poptalk.practice.faults.fault import Fault
from poptalk.practice.faults.plan import FAULTS, FaultError, FaultPlan, read_rule
from poptalk.practice.server import Server
from tests.practice.talking import SECONDS, connected, greeted

ACCOUNTS = ("bob", "mrose")

LETTERS = (
    b"Subject: dots\r\n\r\nbefore\r\n.\r\nafter\r\n",
    b"Subject: two\r\n\r\nsecond\r\n",
)

LOGIN = b"USER mrose\r\nPASS tanstaaf\r\n"
DIALOGUE = (
    b"CAPA\r\n" + LOGIN + b"CAPA\r\nSTAT\r\nLIST\r\nLIST 2\r\nUIDL\r\nUIDL 2\r\nRETR 1\r\n"
    b"TOP 1 99\r\nxyzzy\r\nDELE 2\r\nNOOP\r\nQUIT\r\n"
)
"""Whatever a fault can show itself in, without TLS."""

LATER = [name for name, kind in FAULTS.items() if not kind.about.before_login]


# Reading rules.


@pytest.mark.parametrize(
    ("text", "account", "connections", "value"),
    [
        ("no-dot-stuffing", None, None, None),
        ("slow", None, None, 2.0),
        ("slow:5s", None, None, 5.0),
        ("slow:0.5", None, None, 0.5),
        ("bob=slow:200ms", "bob", None, 0.2),
        ("#3=drop-after:0", None, range(3, 4), 0),
        ("#3-5=slow", None, range(3, 6), 2.0),
        ("wrong-octets:-7", None, None, -7),
        ("no-final-dot:uidl", None, None, b"UIDL"),
        ("bad-certificate", None, None, "self-signed"),
        ("#12=bad-certificate:expired", None, range(12, 13), "expired"),
    ],
)
def test_a_rule_is_read(
    text: str, account: str | None, connections: range | None, value: object
) -> None:
    rule = read_rule(text, accounts=ACCOUNTS)
    assert (rule.account, rule.connections, rule.fault.value) == (account, connections, value)
    assert rule.fault.about.name in text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("no-dot-stufing", 'there is no fault "no-dot-stufing"; did you mean "no-dot-stuffing"?'),
        ("xyzzy", 'there is no fault "xyzzy"; poptalk serve --list-faults lists them.'),
        ("", 'there is no fault ""'),
        ("bob=", 'there is no fault ""'),
        ("bbo=slow", 'there is no account "bbo"; there are bob, mrose.'),
        ("#0=slow", "connections are counted from #1."),
        ("#x=slow", "connections are counted from #1."),
        ("#3-=slow", "connections are counted from #1."),
        ("#5-3=slow", "connections are counted from #1."),
        ("no-dot-stuffing:3", "no-dot-stuffing takes nothing after its name."),
        ("slow:", "after the colon comes a time of at most 3600 seconds, such as 2s or 200ms."),
        ("slow:-1s", "comes a time"),
        ("slow:nan", "comes a time"),
        ("slow:2h", "comes a time"),
        ("drop-after:-1", "comes a number of octets from 0 to"),
        ("drop-after:many", "comes a number of octets"),
        ("no-final-dot:XYZZY", "comes a command of POP3, such as RETR."),
        ("bad-certificate:old", "comes one of self-signed, expired, wrong-host, no-intermediate."),
        ("bob=stls-refused", "acts before anyone has given a name"),
        ("bob=bad-certificate", "Give it to all, or to a connection, such as #1."),
    ],
)
def test_a_rule_that_cannot_be_read_is_explained(text: str, words: str) -> None:
    with pytest.raises(FaultError) as caught:
        read_rule(text, accounts=ACCOUNTS)
    assert str(caught.value).startswith(f'Fault "{text}": ')
    assert words in str(caught.value)
    assert str(caught.value).endswith((".", "?"))


@pytest.mark.parametrize("kind", FAULTS.values(), ids=FAULTS)
def test_every_default_can_be_read(kind: type[Fault]) -> None:
    name, parameter = kind.about.name, kind.parameter
    fault = read_rule(name, accounts=()).fault
    assert type(fault) is kind
    if parameter is not None:
        assert fault.value == parameter.read(parameter.default)


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        (("slow", "slow:1s"), "are the same fault twice in one session."),
        (("slow", "bob=slow:1s"), "the same fault twice"),
        (("bob=slow", "#1=slow"), "the same fault twice"),
        (("no-dot-stuffing", "bare-lf"), "contradict each other: both change stuffing"),
        (("stall", "bob=reset"), "both change the end of the connection"),
        (("stls-refused", "#2=stls-stripped"), "both change STLS"),
        (("locked", "login-delay"), "both change the login"),
        (("escape-greeting", "greeting-err"), "both change the greeting"),
        (("double-reply", "late-reply"), "both change the number of replies"),
    ],
)
def test_rules_that_contradict_each_other(rules: tuple[str, ...], words: str) -> None:
    with pytest.raises(FaultError, match=words):
        FaultPlan(rules, accounts=ACCOUNTS)


@pytest.mark.parametrize(
    "rules",
    [
        ("bob=slow", "mrose=slow:1s"),
        ("#1=slow", "#2=slow"),
        ("#1=stall", "#2=reset"),
        ("bob=no-dot-stuffing", "mrose=bare-lf"),
        ("no-dot-stuffing", "no-final-dot", "slow", "uidl-spaces", "uidl-reused"),
    ],
)
def test_rules_that_get_along(rules: tuple[str, ...]) -> None:
    plan = FaultPlan(rules, accounts=ACCOUNTS, seed=5)
    assert str(plan) == f"{', '.join(rules)} (seed 5)"


def test_a_seed_that_nobody_chose_is_told() -> None:
    plan = FaultPlan(["drip"], accounts=ACCOUNTS)
    assert str(plan) == f"drip (seed {plan.seed})"


def test_several_faults_act_on_one_body() -> None:
    plan = FaultPlan(["no-final-dot:TOP", "extra-line", "no-dot-stuffing"], accounts=ACCOUNTS)
    bodies = {
        line: b"".join(plan.begin().body(parse_command(line), [b".x\r\n"], stuff))
        for line in (b"RETR 1", b"TOP 1 0", b"UIDL")
    }
    assert bodies == {
        b"RETR 1": b".x\r\n\r\n.\r\n",
        b"TOP 1 0": b".x\r\n\r\n",
        b"UIDL": b"..x\r\n.\r\n",
    }


# Sessions that asked for nothing.


@contextmanager
def serving(maildrop: Path, *faults: str) -> Iterator[Server]:
    server = Server(
        persona="plain",
        maildrop=maildrop,
        tls_port=0,
        faults=faults,
        timestamp=lambda: b"<1.2@practice.invalid>",
    )
    with server as running:
        yield running


@pytest.fixture(scope="module")
def maildrop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("maildrop")
    for number, letter in enumerate(LETTERS, 1):
        (folder / f"{number}.eml").write_bytes(letter)
    return folder


@pytest.fixture(scope="module")
def faultless(maildrop: Path) -> bytes:
    """Return all octets of a session with a server without faults."""
    with serving(maildrop) as server:
        return whole_session(server)


def whole_session(server: Server) -> bytes:
    with connected(server) as talk:
        talk.sock.sendall(DIALOGUE)
        return talk.rest()


def test_the_dialogue_shows_what_faults_change(faultless: bytes) -> None:
    assert faultless.startswith(b"+OK POP3 server ready")
    assert faultless.count(b"\r\n.\r\n") == 6
    assert b"\r\n..\r\nafter\r\n.\r\n" in faultless
    assert faultless.endswith(b"signing off (1 message left)\r\n")


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_one_connection_is_that_one_s_alone(
    maildrop: Path, faultless: bytes, name: str
) -> None:
    with serving(maildrop, f"#2={name}") as server:
        assert whole_session(server) == faultless
        with socket.create_connection((server.host, server.port), timeout=SECONDS) as second:
            second.sendall(DIALOGUE.replace(b"QUIT\r\n", b""))
            assert whole_session(server) == faultless


@pytest.mark.parametrize("name", LATER)
def test_a_fault_of_one_account_is_that_one_s_alone(
    maildrop: Path, faultless: bytes, name: str
) -> None:
    with serving(maildrop, f"bob={name}") as server, connected(server) as bob:
        bob.sock.sendall(b"USER bob\r\nPASS jones\r\nSTAT\r\nRETR 1\r\n")
        assert whole_session(server) == faultless


@pytest.mark.parametrize("name", LATER)
def test_a_fault_goes_with_a_login_that_fails(maildrop: Path, faultless: bytes, name: str) -> None:
    with serving(maildrop, f"bob={name}") as server, greeted(server) as talk:
        # In one segment, so that what follows is carried out as soon as the refusal is made.
        talk.sock.sendall(b"USER bob\r\nPASS sesame\r\n" + DIALOGUE)
        answers = talk.rest()
    assert answers.endswith(faultless.partition(b"\r\n")[2])


def test_a_fault_of_an_account_begins_with_its_login(maildrop: Path) -> None:
    with serving(maildrop, "bob=lower-case-status") as server, greeted(server) as talk:
        assert talk.say(b"USER bob").startswith(b"+OK")
        assert talk.say(b"PASS sesame").startswith(b"-err")
        assert talk.say(b"USER bob").startswith(b"+OK")
        assert talk.say(b"PASS jones").startswith(b"+ok")
        assert talk.say(b"NOOP") == b"+ok"


@pytest.mark.parametrize("name", ["stls-injection", "stls-refused", "stls-stripped"])
def test_stls_of_another_connection_is_sound(maildrop: Path, name: str) -> None:
    with serving(maildrop, f"#2={name}") as server:
        context = ssl.create_default_context(cafile=server.ca_file)
        for number in (1, 2, 3):
            client = poplib.POP3(server.host, server.port, timeout=SECONDS)
            if number == 2:
                client.close()
                continue
            assert client.stls(context).startswith(b"+OK")
            client.quit()


def test_the_certificate_of_another_connection_is_sound(maildrop: Path) -> None:
    with serving(maildrop, "#2=bad-certificate:wrong-host") as server:
        context = ssl.create_default_context(cafile=server.ca_file)
        port = server.tls_port or 0
        poplib.POP3_SSL(server.host, port, timeout=SECONDS, context=context).quit()
        with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
            poplib.POP3_SSL(server.host, port, timeout=SECONDS, context=context)
        poplib.POP3_SSL(server.host, port, timeout=SECONDS, context=context).quit()
