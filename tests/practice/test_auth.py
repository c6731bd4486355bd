"""AUTH over sockets: curl with every mechanism, tokens, delays between logins, options of serve."""

from __future__ import annotations

import functools
import json
import shutil
import signal
import subprocess
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from scramp import ScramClient  # type: ignore[import-untyped]

from poptalk.cli.parser import parse
from poptalk.pop3.capabilities import CapabilityLists
from poptalk.pop3.replies import parse_status_line
from poptalk.pop3.sasl.mechanism import LoginRefused, applicant
from poptalk.pop3.sasl.table import METHODS, begin_login
from poptalk.practice.maildrop import MaildropError, Store
from poptalk.practice.persona import Persona, ServeSettings, load_persona
from poptalk.practice.serve import serve
from poptalk.practice.server import Server
from tests.practice.talking import SECONDS, Talk, connected, greeted

TOKEN = "mF_9.B5f-4.1JqM"
PLAIN_BOB = b64encode(b"\0bob\0jones")

PASSWORD_MECHANISMS = ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"]
# What curl would send with LOGIN at once is refused: there the server begins (RFC 5034 §4).
CLIENT_FIRST_MECHANISMS = ["PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256"]
TOKEN_MECHANISMS = ["XOAUTH2", "OAUTHBEARER"]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(persona="plain", token=TOKEN, tls_port=0) as running:
        yield running


def with_capabilities(*lines: bytes) -> Persona:
    """Return the plain persona with other capabilities, the same in every situation."""
    plain = load_persona("plain")
    capabilities = CapabilityLists(
        clear=lines, clear_logged_in=lines, tls=lines, tls_logged_in=lines
    )
    return Persona(
        name=plain.name,
        description=plain.description,
        texts=plain.texts,
        capabilities=capabilities,
    )


# curl.


@functools.cache
def curl_features() -> str:
    if shutil.which("curl") is None:
        return ""
    done = subprocess.run(["curl", "--version"], capture_output=True, text=True, check=True)
    return done.stdout


def curl(server: Server, *options: str, tls: bool = False) -> subprocess.CompletedProcess[bytes]:
    """Fetch bob's third letter; the dialogue is on standard error."""
    if not curl_features():
        pytest.skip("curl is not installed")
    port, scheme = (server.tls_port, "pop3s") if tls else (server.port, "pop3")
    return subprocess.run(
        ["curl", "--silent", "--show-error", "--verbose", "--ipv4", "--noproxy", "*",
         "--cacert", server.ca_file, *options, f"{scheme}://localhost:{port}/3"],
        capture_output=True, timeout=SECONDS, check=False,
    )  # fmt: skip


def need_mechanism(mechanism: str) -> None:
    features = next((x for x in curl_features().splitlines() if x.startswith("Features:")), "")
    if mechanism.startswith("SCRAM") and "gsasl" not in features:
        pytest.skip("this curl is built without SCRAM (libgsasl)")


@pytest.mark.parametrize(
    ("mechanism", "options"),
    [
        *((mechanism, []) for mechanism in PASSWORD_MECHANISMS),
        *((mechanism, ["--sasl-ir"]) for mechanism in CLIENT_FIRST_MECHANISMS),
    ],
)
@pytest.mark.parametrize("tls", [False, True])
def test_curl_by_password(server: Server, mechanism: str, options: list[str], tls: bool) -> None:
    need_mechanism(mechanism)
    how = ["--login-options", f"AUTH={mechanism}", *options]
    done = curl(server, "--user", "bob:jones", *how, tls=tls)
    assert done.returncode == 0, done.stderr
    assert done.stdout == b"Subject: hi\r\n\r\nCall me.\r\n"
    assert f"> AUTH {mechanism}".encode() in done.stderr
    refused = curl(server, "--user", "bob:smith", *how, tls=tls)
    assert refused.returncode == 67
    assert b"-ERR [AUTH] authentication failed" in refused.stderr


@pytest.mark.parametrize("options", [[], ["--sasl-ir"]])
@pytest.mark.parametrize("mechanism", TOKEN_MECHANISMS)
def test_curl_by_token(mechanism: str, options: list[str]) -> None:
    # Where it may choose, curl takes OAUTHBEARER whatever it is told.
    persona = with_capabilities(b"SASL " + mechanism.encode(), b"RESP-CODES")
    how = ["--user", "bob:", "--login-options", f"AUTH={mechanism}", *options]
    with Server(persona=persona, token=TOKEN) as server:
        done = curl(server, *how, "--oauth2-bearer", TOKEN)
        assert done.returncode == 0, done.stderr
        assert done.stdout == b"Subject: hi\r\n\r\nCall me.\r\n"
        assert f"> AUTH {mechanism}".encode() in done.stderr
        refused = curl(server, *how, "--oauth2-bearer", "stale")
        assert refused.returncode == 67


def test_curl_left_to_choose(server: Server) -> None:
    done = curl(server, "--user", "bob:jones", "--login-options", "AUTH=*")
    assert done.returncode == 0, done.stderr


# By hand.


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-1", "SCRAM-SHA-256"])
@pytest.mark.parametrize("at_once", [False, True])
def test_scram_over_a_socket(server: Server, mechanism: str, at_once: bool) -> None:
    client = ScramClient([mechanism], "mrose", "tanstaaf")
    first = b64encode(client.get_client_first().encode())
    command = f"AUTH {mechanism}".encode()
    with greeted(server) as talk:
        if at_once:
            answer = talk.say(command + b" " + first)
        else:
            assert talk.say(command) == b"+ "
            answer = talk.say(first)
        client.set_server_first(challenge(answer))
        answer = talk.say(b64encode(client.get_client_final().encode()))
        client.set_server_final(challenge(answer))
        # The client alone knows by now; the outcome follows its empty line (RFC 5034 §4).
        assert talk.say(b"") == b"+OK mrose's maildrop has 2 messages (320 octets)"


@pytest.fixture(scope="module")
def class_server() -> Iterator[Server]:
    with Server(persona="plain", any_name="amber42", own=True) as running:
        yield running


def log_in_by(mechanism: str, talk: Talk, name: str, password: str) -> None:
    """Read the greeting, and log in as the client side of a mechanism does."""
    who = applicant(name, password, host="127.0.0.1", port=110)
    timestamp = talk.line().rpartition(b" ")[2]
    login = begin_login(METHODS[mechanism], who, timestamp=timestamp)
    line = next(login)
    with suppress(StopIteration):
        while True:
            line = login.send(parse_status_line(talk.say(line)))


@pytest.mark.parametrize("mechanism", ["USER", "APOP", *PASSWORD_MECHANISMS])
def test_a_new_name_with_the_password_of_the_class(class_server: Server, mechanism: str) -> None:
    """A letter that is deleted under one spelling of a name is gone under the other."""
    for name, messages in ((f"Ada-{mechanism}", b"+OK 3 "), (f"ADA-{mechanism}", b"+OK 2 ")):
        with connected(class_server) as talk:
            log_in_by(mechanism, talk, name, "amber42")
            assert talk.say(b"STAT").startswith(messages)
            assert talk.say(b"DELE 1").startswith(b"+OK")
            assert talk.say(b"QUIT").startswith(b"+OK")
    with connected(class_server) as talk, pytest.raises(LoginRefused):
        log_in_by(mechanism, talk, f"Eve-{mechanism}", "amber43")


def challenge(line: bytes) -> str:
    assert line.startswith(b"+ ")
    return b64decode(line[2:], validate=True).decode()


def test_a_client_that_doubts_the_server_leaves_no_lock() -> None:
    with Server(persona="plain", shared=True) as shared:
        client = ScramClient(["SCRAM-SHA-256"], "bob", "jones")
        first = b64encode(client.get_client_first().encode())
        with greeted(shared) as doubter, greeted(shared) as other:
            client.set_server_first(challenge(doubter.say(b"AUTH SCRAM-SHA-256 " + first)))
            doubter.say(b64encode(client.get_client_final().encode()))
            assert other.log_in().startswith(b"-ERR [IN-USE]")
            assert doubter.say(b"*") == b"-ERR authentication cancelled"
            assert other.log_in().startswith(b"+OK")


def test_without_a_token_none_is_right() -> None:
    with Server(persona="plain") as tokenless, greeted(tokenless) as talk:
        response = b64encode(f"user=bob\1auth=Bearer {TOKEN}\1\1".encode())
        reason = talk.say(b"AUTH XOAUTH2 " + response)
        assert json.loads(challenge(reason)) == {"status": "401", "schemes": "bearer"}
        assert talk.say(b"") == b"-ERR [AUTH] authentication failed"


def test_cram_md5_challenges_differ(server: Server) -> None:
    with greeted(server) as talk:
        challenges = set()
        for _ in range(3):
            challenges.add(talk.say(b"AUTH CRAM-MD5"))
            assert talk.say(b"*") == b"-ERR authentication cancelled"
        assert len(challenges) == 3


# The delay between logins, and trouble.


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def quits_after_login(server: Server, password: bytes = b"jones") -> bytes:
    with greeted(server) as talk:
        answer = talk.log_in(password=password)
        talk.say(b"QUIT")
        return answer


def test_login_delay_is_kept() -> None:
    clock = Clock()
    persona = with_capabilities(b"USER", b"RESP-CODES", b"AUTH-RESP-CODE", b"LOGIN-DELAY 60")
    with Server(persona=persona, clock=clock) as server:
        assert quits_after_login(server).startswith(b"+OK")
        clock.now += 59
        assert (
            quits_after_login(server) == b"-ERR [LOGIN-DELAY] too soon after the last login, wait"
        )
        # Who does not know the password is not told, and another user does not wait.
        assert quits_after_login(server, b"wrong").startswith(b"-ERR [AUTH]")
        with greeted(server) as talk:
            assert talk.log_in(b"mrose", b"tanstaaf").startswith(b"+OK")
        clock.now += 1
        assert quits_after_login(server).startswith(b"+OK")


@pytest.mark.parametrize(
    "lines", [(b"USER",), (b"USER", b"LOGIN-DELAY"), (b"USER", b"LOGIN-DELAY x")]
)
def test_without_a_delay_nobody_waits(lines: tuple[bytes, ...]) -> None:
    with Server(persona=with_capabilities(*lines), clock=Clock()) as server:
        assert quits_after_login(server).startswith(b"+OK")
        assert quits_after_login(server).startswith(b"+OK")


@pytest.mark.parametrize(
    ("trouble", "code"), [(OSError("disk"), b"SYS/TEMP"), (MaildropError("gone"), b"SYS/PERM")]
)
def test_a_maildrop_that_cannot_be_opened(
    trouble: Exception, code: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_store: Store) -> None:
        raise trouble

    monkeypatch.setattr(Store, "open", fail)
    with Server(persona="plain") as server, greeted(server) as talk:
        assert talk.say(b"AUTH PLAIN " + PLAIN_BOB).startswith(b"-ERR [%b]" % code)
        assert talk.log_in().startswith(b"-ERR [%b]" % code)


def test_response_codes_are_given_where_they_are_announced_only() -> None:
    with Server(persona=with_capabilities(b"USER", b"SASL PLAIN")) as server:

        def wrong(talk: Talk) -> bytes:
            return talk.say(b"AUTH PLAIN " + b64encode(b"\0bob\0wrong"))

        with greeted(server) as talk:
            assert wrong(talk) == b"-ERR authentication failed"


# The options of serve.


def served(*options: str) -> tuple[int, list[str], list[str]]:
    """Run the command and end it at once; return the exit code, what it said, its complaints."""
    said: list[str] = []
    complaints: list[str] = []

    def say(line: str) -> None:
        if not said:
            signal.raise_signal(signal.SIGINT)
        said.append(line)

    code = serve(ServeSettings(**parse("serve", options)), say=say, complain=complaints.append)
    return code, said, complaints


def test_who_may_log_in_replaces_those_whom_everybody_knows(tmp_path: Path) -> None:
    file = tmp_path / "users"
    file.write_text("ann:open sesame\n")
    file.chmod(0o600)
    code, said, complaints = served(
        "--json", "--user", "tim:tanstaaf", "--users", str(file), "--user", "bob:jones"
    )
    assert (code, complaints) == (0, [])
    # Whoever started the server has the passwords, and output is kept.
    assert json.loads(said[0])["accounts"] == {"tim": None, "bob": "jones", "ann": None}


def test_the_table_hides_passwords() -> None:
    table = "\n".join(served("--quiet", "--user", "mrose:tanstaaf", "--user", "tim:sesame")[1])
    assert "mrose/tanstaaf, tim/****" in table
    assert "sesame" not in table


def test_secrets_that_others_can_read_are_warned_about(tmp_path: Path) -> None:
    users, token = tmp_path / "users", tmp_path / "token"
    users.write_text("tim:sesame\n")
    token.write_text("sesame\n")
    for file in (users, token):
        file.chmod(0o644)
    code, _, complaints = served("--json", "--users", str(users), "--token", f"@{token}")
    assert code == 0
    assert [line.rpartition("chmod 600 ")[2] for line in complaints] == [
        f"{users} ends that.",
        f"{token} ends that.",
    ]


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--user", "sesame", "--user: NAME:PASSWORD is needed"),
        ("--users", "/dev/null/missing", "/dev/null/missing cannot be read"),
        ("--token", "", "cannot be used"),
        ("--token", "@/dev/null/missing", "/dev/null/missing cannot be read"),
    ],
)
def test_options_that_cannot_be_used(option: str, value: str, sentence: str) -> None:
    code, said, complaints = served(option, value)
    assert (code, said) == (2, [])
    assert sentence in complaints[0]


def test_who_gives_accounts_of_his_own_is_not_warned_that_everybody_knows_them() -> None:
    public = served("--json", "--listen", "0.0.0.0")
    own = served("--json", "--listen", "0.0.0.0", "--user", "tim:sesame")
    assert "public knowledge" in public[2][0]
    assert own[2] == []
