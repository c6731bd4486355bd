"""A recorded line hides its secret, and can be replayed."""

from base64 import b64encode

import pytest

from poptalk.pop3.client import ClientSession
from poptalk.pop3.commands import parse_command
from poptalk.pop3.events import Sent
from poptalk.transcript.pattern import make_pattern, parse_pattern
from poptalk.transcript.placeholders import Known
from poptalk.transcript.redact import mask_command, mask_sasl_line, mask_sent

GREETING = b"+OK ready <1.2@host>"
KNOWN = Known(user="bob", password="jones", greeting=GREETING, challenge=b"+ eA==")
PLAIN = b64encode(b"\0bob\0jones")


@pytest.mark.parametrize(
    ("line", "source"),
    [
        (b"USER bob", "USER bob"),
        (b"PASS jones", "PASS {password}"),
        (b"pass  two words ", "pass {password}"),
        (b"PASS", "PASS"),
        (b"PASS jo{nes}", "PASS {password}"),
        (b"APOP bob 0123456789abcdef", "APOP bob {apop}"),
        (b"AUTH", "AUTH"),
        (b"AUTH PLAIN", "AUTH PLAIN"),
        (b"AUTH PLAIN " + PLAIN, "AUTH PLAIN {plain}"),
        (b"auth plain " + PLAIN, "auth plain {plain}"),
        (b"AUTH PLAIN =", "AUTH PLAIN ="),
        (b"AUTH PLAIN " + b64encode(b"team\0bob\0jones"), "AUTH PLAIN {plain-for=team}"),
        (b"AUTH PLAIN " + b64encode(b"a b\0bob\0jones"), "AUTH PLAIN {plain-for=0x612062}"),
        (b"AUTH PLAIN " + b64encode(b"0xff\0bob\0jones"), "AUTH PLAIN {plain-for=0x30786666}"),
        (b"AUTH PLAIN jones", "AUTH PLAIN {secret-1}"),
        (b"AUTH PLAIN am9uZXM=", "AUTH PLAIN {secret-1}"),
        (b"AUTH EXTERNAL dGVhbQ==", "AUTH EXTERNAL dGVhbQ=="),
        (b"AUTH EXTERNAL jones", "AUTH EXTERNAL {secret-1}"),
        (b"AUTH XOAUTH2 dXNlcj1", "AUTH XOAUTH2 {xoauth2-1}"),
        (b"AUTH b\xe4d dXNlcj1", "AUTH b{0xe4}d {secret-1}"),
        (b"XYZZY {x}", "XYZZY {{x}}"),
        (b"", ""),
    ],
)
def test_mask_command(line: bytes, source: str) -> None:
    assert make_pattern(*mask_command(parse_command(line))).source == source


@pytest.mark.parametrize(
    ("line", "mechanism", "step", "source"),
    [
        (PLAIN, b"PLAIN", 1, "{plain}"),
        (b"Ym9i", b"cram-md5", 1, "{cram-md5}"),
        (b"Ym9i", b"LOGIN", 1, "{login-1}"),
        (b"am9uZXM=", b"LOGIN", 2, "{login-2}"),
        (b"biwsbj1i", b"SCRAM-SHA-256", 1, "{scram-sha-256-1}"),
        (b"Ym9i", b"", 1, "{secret-1}"),
        (b"*", b"PLAIN", 1, "*"),
        (b"STAT", b"PLAIN", 2, "STAT"),
        (b"PASS jones", b"PLAIN", 2, "PASS {password}"),
        (b"dGVhbQ==", b"EXTERNAL", 1, "dGVhbQ=="),
        (b"", b"XOAUTH2", 2, ""),
    ],
)
def test_mask_sasl_line(line: bytes, mechanism: bytes, step: int, source: str) -> None:
    assert make_pattern(*mask_sasl_line(line, mechanism, step=step)).source == source


@pytest.mark.parametrize("line", [b"PASS jones", b"AUTH PLAIN " + PLAIN])
def test_what_is_masked_is_worked_out_again(line: bytes) -> None:
    masked = parse_pattern(make_pattern(*mask_command(parse_command(line))).source)
    assert masked.fill(KNOWN.bindings()).encode() == line


def test_mask_sent_follows_the_client_core() -> None:
    session = ClientSession()
    session.receive_data(GREETING + b"\r\n")
    events = session.send(b"AUTH LOGIN\r\n")
    session.receive_data(b"+ VXNlcm5hbWU6\r\n")
    events += session.send(b"Ym9i\r\n")
    session.receive_data(b"+ UGFzc3dvcmQ6\r\n")
    events += session.send(b"am9uZXM=\r\n")
    session.receive_data(b"-ERR no\r\n")
    events += session.send(b"PASS jones\r\n")
    sent = [event for event in events if isinstance(event, Sent)]
    written = [make_pattern(*mask_sent(e, step=step)).source for step, e in enumerate(sent)]
    assert written == ["AUTH LOGIN", "{login-1}", "{login-2}", "PASS {password}"]
