"""Where a person wants to go."""

import pytest

from poptalk.net.destination import BadDestination, Destination, UsageError, parse_destination


@pytest.mark.parametrize(
    ("words", "host", "port", "tls", "user"),
    [
        (["mail.example.org"], "mail.example.org", 110, False, None),
        (["mail.example.org", "1110"], "mail.example.org", 1110, False, None),
        (["::1", "110"], "::1", 110, False, None),
        (["pop3://mail.example.org"], "mail.example.org", 110, False, None),
        (["pop://bob@mail.example.org:2110/"], "mail.example.org", 2110, False, "bob"),
        (["pop3s://mail.example.org"], "mail.example.org", 995, True, None),
        (["POP3S://[::1]:1995"], "::1", 1995, True, None),
        (["pop3://b%40x;AUTH=+APOP@host"], "host", 110, False, "b@x"),
        (["pops://host", "1995"], "host", 1995, True, None),
    ],
)
def test_targets(words: list[str], host: str, port: int, tls: bool, user: str | None) -> None:
    found = parse_destination(words)
    assert (found.host, found.port, found.tls, found.user) == (host, port, tls, user)


def test_tls_changes_the_port_unless_one_is_given() -> None:
    assert parse_destination(["host"], tls=True).port == 995
    assert parse_destination(["host", "110"], tls=True).port == 110
    assert parse_destination(["pop3://host"], tls=True).port == 995


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        ([], "give a host and perhaps a port"),
        (["a", "1", "b"], "give a host and perhaps a port"),
        ([""], "the host is empty"),
        (["[]"], "the host is empty"),
        (["pop3://"], "the host is empty"),
        (["host", "pop3"], "'pop3' is no port"),
        (["host", "0"], "'0' is no port"),
        (["host", "65536"], "'65536' is no port"),
        (["host", "-1"], "'-1' is no port"),
        (["host", "\N{ARABIC-INDIC DIGIT ONE}" * 3], "is no port"),
        (["host", "9" * 5000], "is no port"),
        (["http://host"], "must begin with pop3://"),
        (["pop3://host:port"], "cannot be read"),
        (["pop3://host:99999"], "cannot be read"),
        (["pop3://[::1"], "cannot be read"),
        (["pop3://host/INBOX"], "ends after the port"),
        (["pop3://host?x"], "ends after the port"),
    ],
)
def test_what_is_no_target_is_refused_with_advice(words: list[str], advice: str) -> None:
    with pytest.raises(BadDestination, match=advice):
        parse_destination(words)


def test_a_password_in_a_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(UsageError) as refused:
        parse_destination(["pop3://bob:jones@host"])
    assert "type PASS" in str(refused.value)
    assert "jones" not in str(refused.value)


def test_what_a_destination_is_called() -> None:
    assert str(Destination(host="host", port=110)) == "host port 110"
    assert Destination(host="[::1]", port=110).name == "::1"
    assert Destination(host="127.0.0.1", port=110, label="practice").name == "practice"


@pytest.mark.parametrize(
    ("host", "stays"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("[::1]", True),
        ("192.0.2.1", False),
    ],
)
def test_what_stays_on_this_machine(host: str, stays: bool) -> None:
    assert Destination(host=host, port=110).is_loopback is stays


def test_the_terms_of_tls() -> None:
    settings = Destination(host="[::1]", port=995, verify=False, ca_file="x.pem").tls_settings()
    assert (settings.server_name, settings.verify, settings.ca_file) == ("::1", False, "x.pem")
    assert Destination(host="h", port=1).target.port == 1
