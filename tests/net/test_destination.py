"""Where a person wants to go."""

import pytest

from poptalk.net.endpoint import (
    BadDestination,
    ConnectOptions,
    Destination,
    UsageError,
    parse_destination,
    parse_proxy,
)


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
    assert parse_destination(["host"], ConnectOptions(tls=True)).port == 995
    assert parse_destination(["host", "110"], ConnectOptions(tls=True)).port == 110
    assert parse_destination(["pop3://host"], ConnectOptions(tls=True)).port == 995


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        ([], "give a host and perhaps a port"),
        (["a", "1", "b"], "give a host and perhaps a port"),
        ([""], "the host is empty"),
        (["[]"], "the host is empty"),
        (["pop3://"], "the host is empty"),
        (["host", "pop3"], "'pop3' isn't a port"),
        (["host", "0"], "'0' isn't a port"),
        (["host", "65536"], "'65536' isn't a port"),
        (["host", "-1"], "'-1' isn't a port"),
        (["host", "\N{ARABIC-INDIC DIGIT ONE}" * 3], "isn't a port"),
        (["host", "9" * 5000], "isn't a port"),
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


@pytest.mark.parametrize(
    ("url", "mechanism"),
    [
        ("pop3://bob@h", None),
        ("pop3://bob;AUTH=*@h", None),
        ("pop3://bob;auth=+apop@h", "APOP"),
        ("pop3s://bob;AUTH=scram-sha-256@h", "SCRAM-SHA-256"),
        ("pop3://;AUTH=PLAIN@h", "PLAIN"),
    ],
)
def test_a_url_may_name_the_mechanism(url: str, mechanism: str | None) -> None:
    assert parse_destination([url]).mechanism == mechanism


def test_a_unix_socket_needs_no_host() -> None:
    found = parse_destination([], ConnectOptions(path="/run/pop3"))
    assert found.target.path == "/run/pop3"
    assert found.name == "/run/pop3"
    assert found.is_loopback
    assert (
        parse_destination(["mail.example.org"], ConnectOptions(path="/run/pop3")).name
        == "mail.example.org"
    )


def test_the_way_goes_into_target_and_terms() -> None:
    proxy = parse_proxy("socks5h://127.0.0.1:1080")
    way = ConnectOptions(
        source="192.0.2.1", proxy=proxy, server_name="mx", pins=("ab" * 32,), tls_min="1.3"
    )
    found = parse_destination(["127.0.0.1"], way)
    assert (found.target.source, found.target.proxy) == ("192.0.2.1", proxy)
    assert not found.is_loopback
    assert str(found) == "127.0.0.1 port 110 through the proxy socks5h://127.0.0.1:1080"
    terms = found.tls_settings()
    assert (terms.server_name, terms.minimum, len(terms.pins)) == ("mx", "1.3", 1)


@pytest.mark.parametrize(
    ("way", "said"),
    [
        (ConnectOptions(tls=True, starttls=True), "exclude each other"),
        (ConnectOptions(client_key="k.pem"), "without --client-cert"),
        (ConnectOptions(pins=("nonsense",)), "isn't a pin"),
    ],
)
def test_ways_that_make_no_sense(way: ConnectOptions, said: str) -> None:
    with pytest.raises(BadDestination, match=said):
        parse_destination(["host"], way).check_tls_files()


def test_a_url_that_cannot_be_read_is_not_quoted() -> None:
    """What looks like its port is the beginning of a password with a slash."""
    with pytest.raises(BadDestination) as refused:
        parse_destination(["pop3://bob:jo/nes@host"])
    assert "'jo'" not in str(refused.value)


@pytest.mark.parametrize("end", ["%0D%0A", "%0A", "%0D", "%00"])
def test_a_name_in_a_url_is_one_line(end: str) -> None:
    """It is offered as a line to be sent: what stands behind a line end would be a command."""
    with pytest.raises(BadDestination, match="has a line end or NUL in it"):
        parse_destination([f"pop3://bob{end}DELE%201@host"])
