"""SRV records, asked of a name server that is a few lines long."""

from __future__ import annotations

import random

import dns.rcode
import pytest

from poptalk.net.endpoint import BadDestination
from poptalk.net.errors import ConnectFailed
from poptalk.net.srv import Service, find_service
from tests.servers.name_server import SECONDS, Zone, name_server

pytest.importorskip("dns.resolver", reason="dnspython is not installed (poptalk[srv])")


def find(zone: Zone, domain: str = "example.org", *, tls: bool | None = None) -> Service:
    with name_server(zone) as server:
        return find_service(domain, timeout=SECONDS, tls=tls, resolver=server.resolver())


BOTH: Zone = {
    "_pop3s._tcp.example.org": ["10 0 995 pop.example.org."],
    "_pop3._tcp.example.org": ["0 0 110 old.example.org."],
}


def test_tls_at_once_is_preferred_whatever_the_priorities() -> None:
    found = find(BOTH)
    assert (found.host, found.port, found.tls) == ("pop.example.org", 995, True)
    assert found.remarks == (
        "_pop3s._tcp.example.org is pop.example.org port 995 (priority 10, weight 0)",
        "the certificate must be for pop.example.org",
    )


def test_either_can_be_asked_for() -> None:
    assert find(BOTH, tls=True).port == 995
    clear = find(BOTH, tls=False)
    assert (clear.host, clear.port, clear.tls) == ("old.example.org", 110, False)


def test_a_target_of_a_dot_is_not_offered() -> None:
    found = find({**BOTH, "_pop3s._tcp.example.org": ["0 0 0 ."]})
    assert (found.host, found.tls) == ("old.example.org", False)
    assert 'not offered (its target is ".")' in found.remarks[0]


def test_a_name_outside_of_the_domain_is_pointed_out() -> None:
    found = find({"_pop3s._tcp.example.org": ["0 0 995 notexample.org."]})
    assert "outside of example.org" in found.remarks[1]
    assert "before a password goes there" in found.remarks[1]


def test_a_mail_address_is_understood() -> None:
    assert find(BOTH, "bob@example.org").host == "pop.example.org"
    assert find(BOTH, "example.org.").host == "pop.example.org"


def test_a_long_list_is_cut_short() -> None:
    records = [f"{n} 0 995 pop{n}.example.org." for n in range(8)]
    found = find({"_pop3s._tcp.example.org": records})
    assert found.host == "pop0.example.org"
    assert found.remarks[0].endswith("pop4.example.org port 995 (priority 4, weight 0), and 3 more")


@pytest.mark.parametrize(
    "zone",
    [
        {},
        {"_pop3s._tcp.example.org": [], "_pop3._tcp.example.org": []},
        {"_pop3s._tcp.example.org": ["0 0 0 ."], "_pop3._tcp.example.org": ["0 0 0 ."]},
    ],
    ids=["no such name", "no such record", "not offered"],
)
def test_a_domain_without_a_server_is_explained(zone: Zone) -> None:
    with pytest.raises(ConnectFailed, match="names no POP3 server that would do") as failed:
        find(zone)
    assert "_pop3s._tcp.example.org" in str(failed.value)
    assert "_pop3._tcp.example.org" in str(failed.value)


def test_a_name_service_in_trouble_is_explained() -> None:
    with pytest.raises(ConnectFailed, match="cannot be looked up now"):
        find({"_pop3s._tcp.example.org": dns.rcode.SERVFAIL})


def test_a_name_service_that_is_silent_is_given_up() -> None:
    with (
        name_server({"_pop3s._tcp.example.org": None}) as server,
        pytest.raises(ConnectFailed, match="not found in time"),
    ):
        find_service("example.org", timeout=0.2, resolver=server.resolver())
    assert "_pop3s._tcp.example.org." in server.asked


@pytest.mark.parametrize("domain", ["", "a..b", "x" * 64 + ".org"])
def test_what_is_no_domain_is_refused(domain: str) -> None:
    with pytest.raises(BadDestination, match=r"cannot be looked up.*example\.org"):
        find({}, domain)


# The order of RFC 2782.


@pytest.mark.parametrize(
    ("share", "first"),
    [(0.1, {"light", "heavy"}), (0.5, {"heavy"}), (0.9, {"light", "heavy"})],
)
def test_priority_comes_first_and_weight_is_a_share(
    share: float, first: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [
        "20 100 995 last.example.org.",
        "10 1 995 light.example.org.",
        "10 3 995 heavy.example.org.",
    ]
    monkeypatch.setattr(random, "uniform", lambda low, high: low + share * (high - low))
    # The set of records has no order of its own, so either share may come first; the middle is in the
    # larger one in both orders.
    hosts = set()
    for _ in range(64):
        hosts.add(find({"_pop3s._tcp.example.org": records}).host.partition(".")[0])
        if hosts == first:
            break
    assert hosts == first
