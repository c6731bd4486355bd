"""The values that are computed from a session: the examples in the RFCs."""

from base64 import b64encode

from poptalk.transcript.placeholders import PLAIN_FOR, REASONS, Known

GREETING = b"+OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>"


def test_apop_as_in_rfc_1939_section_7() -> None:
    known = Known(user="mrose", password="tanstaaf", greeting=GREETING).bindings()
    assert known["apop"] == "c4c9334bac560ecc979e58001b3e22fb"


def test_cram_md5_as_in_rfc_2195_section_2() -> None:
    challenge = b"+ PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+"
    known = Known(user="tim", password="tanstaaftanstaaf", challenge=challenge).bindings()
    assert known["cram-md5"] == "dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw"


def test_plain_as_in_rfc_4616_section_4() -> None:
    known = Known(user="tim", password="tanstaaftanstaaf").bindings()
    assert known["plain"] == b64encode(b"\0tim\0tanstaaftanstaaf").decode()


def test_everything_has_a_value_in_the_end_and_a_reason_before() -> None:
    everything = Known(
        user="é", password="ü", host="localhost", greeting=GREETING, challenge=b"+ eA=="
    )
    assert everything.bindings().keys() == REASONS.keys() - {PLAIN_FOR}
    assert everything.plain_for("team")
    assert Known(user="bob").plain_for("team") is None
    assert Known().bindings() == {}


def test_no_timestamp_no_apop_and_no_base64_no_cram_md5() -> None:
    for challenge in (None, b"+ not base64!", b"+OK eA==", b"+ \xff"):
        known = Known(user="bob", password="jones", greeting=b"+OK ready", challenge=challenge)
        assert known.bindings().keys() == {"user", "password", "plain"}


def test_the_password_is_not_shown() -> None:
    assert "jones" not in repr(Known(user="bob", password="jones"))
