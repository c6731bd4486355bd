"""Servers that have a name: read with their mistakes, written on request alone."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from poptalk.net.endpoint import BadDestination, ConnectOptions, Destination, Proxy, parse_proxy
from poptalk.net.saved import find_destination, find_server, save_server, servers_file


def write(text: str) -> Path:
    path = servers_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_a_name_stands_for_all_that_was_saved() -> None:
    folder = write(
        """
        [work]
        host = "mail.example.org"
        tls = true
        user = "bob"
        mechanism = "PLAIN"
        tls-name = "pop.example.org"
        ca-file = "ca.pem"
        client-cert = "~/mine.pem"
        tls-min = "1.3"
        insecure = true
        family = 6
        source = "::1"
        proxy = "socks5h://proxy.example.org"
        pins = ["sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="]
        """
    ).parent
    work = find_destination(["work"])
    assert (work.host, work.port, work.tls, work.starttls) == ("mail.example.org", 995, True, False)
    assert (work.user, work.mechanism, work.name) == ("bob", "PLAIN", "work")
    assert (work.server_name, work.verify, work.tls_min) == ("pop.example.org", False, "1.3")
    assert work.ca_file == str(folder / "ca.pem")
    assert work.client_cert == str(Path.home() / "mine.pem")
    assert (work.family, work.source, len(work.pins)) == (socket.AF_INET6, "::1", 1)
    assert work.proxy == parse_proxy("socks5h://proxy.example.org:1080")


def test_what_is_typed_goes_before_what_is_saved() -> None:
    write('[work]\nhost = "h"\nstarttls = true\nsource = "127.0.0.1"\ntls-min = "1.3"\n')
    assert find_destination(["work"]).starttls
    typed = find_destination(["work"], ConnectOptions(tls=True, tls_min="1.2"))
    assert (typed.tls, typed.starttls, typed.port) == (True, False, 995)
    assert (typed.tls_min, typed.source) == ("1.2", "127.0.0.1")


def test_a_unix_socket_needs_no_host(tmp_path: Path) -> None:
    write(f'[near]\nsocket = "{tmp_path}/pop3"\n')
    near = find_destination(["near"])
    assert (near.path, near.host, near.name) == (f"{tmp_path}/pop3", "localhost", "near")


@pytest.mark.parametrize(
    "words",
    [["work", "110"], ["pop3://work"], ["work."], ["home"], ["localhost"]],
    ids=" ".join,
)
def test_what_is_no_name_is_a_host(words: list[str]) -> None:
    write('[work]\nhost = "elsewhere"\n["work."]\nhost = "elsewhere"\n[localhost]\nhost = "no"\n')
    assert find_destination(words).host == words[0].removeprefix("pop3://")


def test_without_the_file_every_word_is_a_host() -> None:
    assert find_server("work") is None
    assert not servers_file().parent.exists()


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("[work]\nport = 1\n", 1, "work.host: missing"),
        ('[work]\nhost = ""\n', 2, "work.host: it is empty"),
        ('[work]\nhost = "h"\nport = 0\n', 3, "work.port: a whole number from 1 to 65535"),
        ('[work]\nhost = "h"\n\nprot = 1\n', 4, 'work.prot: no such key; is "port" meant'),
        ('[work]\nhost = "h"\ntls = "yes"\n', 3, "work.tls: true or false is needed"),
        ('[work]\nhost = "h"\ntls = true\nstarttls = true\n', 4, "exclude each other"),
        ('[work]\nhost = "h"\nfamily = 5\n', 3, "4 or 6 is needed"),
        ('[work]\nhost = "h"\ntls-min = "1"\n', 3, "'1' is no value here"),
        ('[work]\nhost = "h"\npins = ["x"]\n', 3, "x isn't a pin"),
        ('[work]\nhost = "h"\nproxy = "ftp://x"\n', 3, "a proxy is written as"),
        ('[work]\nhost = "h"\npassword = "jones"\n', 3, "work.password: no such key"),
        ('[work]\nhost = "h"\nport = \n', 3, "no TOML"),
        ("work = 1\n", 1, "work: a table is needed"),
    ],
)
def test_a_mistake_is_told_with_its_line(text: str, line: int, said: str) -> None:
    path = write(text)
    with pytest.raises(BadDestination) as refused:
        find_destination(["work"])
    assert str(refused.value).startswith(f"{path}, line {line}")
    assert said in str(refused.value)
    assert "jones" not in str(refused.value)


def test_the_password_of_a_proxy_is_refused_and_not_repeated() -> None:
    write('[work]\nhost = "h"\nproxy = "http://bob:jones@proxy.example.org"\n')
    with pytest.raises(BadDestination, match="POPTALK_PROXY") as refused:
        find_destination(["work"])
    assert "jones" not in str(refused.value)


# Saving.

EVERYTHING = Destination(
    host="mail.example.org",
    port=1110,
    user='"bob"\x7f',
    mechanism="PLAIN",
    starttls=True,
    server_name="pop.example.org",
    verify=False,
    ca_file="/etc/ca.pem",
    client_cert="/home/bob/mine.pem",
    client_key="/home/bob/key.pem",
    pins=("sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",),
    tls_min="1.3",
    family=socket.AF_INET,
    source="192.0.2.1",
    proxy=Proxy(scheme="socks5", host="::1", port=1080, user="a b"),
    label="mail.example.org",
)


def test_what_is_saved_is_what_is_found() -> None:
    path = save_server("work", EVERYTHING)
    assert path == servers_file()
    found = find_server("work")
    assert found is not None
    for field in Destination._fields:
        expected = "work" if field == "label" else getattr(EVERYTHING, field)
        assert getattr(found, field) == expected, field


def test_a_unix_socket_is_saved() -> None:
    save_server("near", Destination(host="localhost", port=110, path="/run/pop3"))
    assert 'host = "' not in servers_file().read_text()
    assert find_destination(["near"]).path == "/run/pop3"


def test_the_file_is_for_its_owner_and_keeps_what_is_there() -> None:
    path = write("# mine\n[home]\nhost = 'h' # as it is")
    path.chmod(0o644)
    save_server("work", Destination(host="w", port=110))
    assert path.read_text() == (
        "# mine\n[home]\nhost = 'h' # as it is\n\n[work]\nhost = \"w\"\nport = 110\n"
    )
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(path.parent) == ["servers.toml"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "kept.toml").write_text("")
    servers_file().parent.mkdir(parents=True)
    servers_file().symlink_to(tmp_path / "kept.toml")
    save_server("work", Destination(host="w", port=110))
    assert servers_file().is_symlink()
    assert "[work]" in (tmp_path / "kept.toml").read_text()


def test_the_password_of_a_proxy_is_not_saved() -> None:
    proxy = Proxy(scheme="http", host="p", port=8080, user="bob", password="jones")
    save_server("work", Destination(host="w", port=110, proxy=proxy))
    assert "proxy" not in servers_file().read_text()


@pytest.mark.parametrize("name", ["", "mail.example.org", "a b", "localhost", "[x]", "é"])
def test_what_cannot_be_a_name(name: str) -> None:
    with pytest.raises(BadDestination, match="cannot be the name of a server"):
        save_server(name, Destination(host="w", port=110))
    assert not servers_file().exists()


def test_a_name_that_is_taken_is_not_given_again() -> None:
    path = write('\n[work]\nhost = "h"\n')
    with pytest.raises(BadDestination, match=r"line 2: there is a server named work already"):
        save_server("work", Destination(host="w", port=110))
    assert path.read_text() == '\n[work]\nhost = "h"\n'


def test_a_file_with_a_mistake_is_left_alone() -> None:
    path = write("[work\n")
    with pytest.raises(BadDestination, match="line 1: no TOML"):
        save_server("home", Destination(host="w", port=110))
    assert path.read_text() == "[work\n"


def test_a_folder_that_cannot_be_written_is_explained() -> None:
    servers_file().parent.parent.mkdir(parents=True, exist_ok=True)
    servers_file().parent.write_text("a file where a folder should be")
    with pytest.raises(BadDestination, match="cannot be written"):
        save_server("work", Destination(host="w", port=110))
