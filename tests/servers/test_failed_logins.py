"""Every login that fails, on real servers: who, where, how, the server's words, and nothing else."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.servers.dovecot import DOVECOT_MISSING, LOCKED, start_dovecot
from tests.servers.unprivileged import MAILUTILS, PROGRAMS, SOLID, start
from tests.shell.black_box import environment, on_a_terminal, poptalk, said_once

# Dovecot trusts whoever has its own address, and so a client on the loopback unless it has another.
SETTINGS = "disable_plaintext_auth = yes\n"
FROM_ELSEWHERE = ("--source", "127.0.0.2")
FROM_HERE = ("--source", "127.0.0.1")

BLAMED = (
    r"the credentials|wrong (name or )?password|expired|password (is|was) (wrong|refused|right)"
)
NO_MECHANISM = r"(has|offers|knows|lists) no [A-Z]|not take this (mechanism|way)"
CODES = re.compile(r"(\[[A-Z]+\]) # [^\[]+\[RFC")
"""What a response code of the server's means, as registered; it is no claim of the program's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A login that a server refuses."""

    server: str
    mechanism: str
    words: str
    """The server's sentence, or the end of it."""
    forbidden: str
    """What nobody can know."""
    user: str = "bob"
    password: str = "wrong"
    options: tuple[str, ...] = field(default=FROM_HERE)

    def __str__(self) -> str:
        return f"{self.server}-{self.mechanism}-{self.words}".replace(" ", "-")


WRONG = tuple(
    Failure(server=server, mechanism=name, words=words, forbidden=NO_MECHANISM)
    for server, names, words in (
        (
            "dovecot",
            ("USER", "APOP", "PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"),
            "Authentication failed.",
        ),
        ("mailutils", ("USER", "APOP"), "Bad login"),
        ("solid", ("USER", "APOP"), "authentication failed"),
    )
    for name in names
)
UNKNOWN = (
    Failure(
        server="dovecot",
        mechanism="XOAUTH2",
        words="Unsupported authentication mechanism.",
        forbidden=BLAMED,
        options=("--oauth", *FROM_HERE),
    ),
    Failure(server="mailutils", mechanism="PLAIN", words="Not implemented", forbidden=BLAMED),
    Failure(
        server="solid",
        mechanism="PLAIN",
        words="command not implemented yet",
        forbidden=BLAMED,
    ),
)
NOT_IN_THE_CLEAR = tuple(
    Failure(
        server="dovecot",
        mechanism=name,
        password="jones",
        words=words,
        forbidden=BLAMED,
        options=FROM_ELSEWHERE,
    )
    for name, words in (
        ("USER", "Plaintext authentication disallowed on non-secure (SSL/TLS) connections."),
        ("PLAIN", "Plaintext authentication disabled."),
        ("LOGIN", "Plaintext authentication disabled."),
    )
)
NOT_LET_IN = (
    Failure(
        server="dovecot",
        mechanism="SCRAM-SHA-256",
        user=LOCKED,
        password="jones",
        words="Login disabled for this user",
        forbidden=rf"wrong (name or )?password|{NO_MECHANISM}",
    ),
)
FAILURES = (*WRONG, *UNKNOWN, *NOT_IN_THE_CLEAR, *NOT_LET_IN)


@pytest.fixture(scope="module")
def servers(article_maildrop: Path) -> Iterator[dict[str, tuple[str, int]]]:
    """Start the servers that can run here."""
    with tempfile.TemporaryDirectory(prefix="poptalk-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)
        for each in ("dovecot", *(program.name for program in PROGRAMS)):
            (folder / each).mkdir()
        found: dict[str, tuple[str, int]] = {}
        with ExitStack() as stack:
            if DOVECOT_MISSING is None:
                dovecot = start_dovecot(article_maildrop, folder / "dovecot", settings=SETTINGS)
                it = stack.enter_context(dovecot)
                found["dovecot"] = it.host, it.port
            for program in (MAILUTILS, SOLID):
                if program.missing() is None:
                    other = stack.enter_context(
                        start(program, article_maildrop, folder / program.name)
                    )
                    found[program.name] = other.host, other.port
            yield found


def arguments(failure: Failure, servers: dict[str, tuple[str, int]]) -> list[str]:
    if failure.server not in servers:
        pytest.skip(f"{failure.server} cannot run here.")
    host, port = servers[failure.server]
    login = ["--login", failure.user, "--mechanism", failure.mechanism]
    return [host, str(port), *login, *failure.options]


def check(failure: Failure, said: str, server: tuple[str, int]) -> None:
    """See that a text says what happened, and no more."""
    host, port = server
    who = f"({failure.user} at {host}:{port}, {failure.mechanism}"
    stage = r"(USER|PASS|(line \d of )?AUTH [-\w]+)"
    refusal = rf'{re.escape(who)}(, {stage})?\): "-ERR [^"]*{re.escape(failure.words)}"'
    assert re.search(refusal, said), said
    claimed = re.search(failure.forbidden, CODES.sub("", said.replace(failure.words, "")))
    assert claimed is None, said


@pytest.mark.parametrize("failure", FAILURES, ids=str)
@pytest.mark.parametrize("options", [[], ["--after-login"]], ids=["cron", "after-login"])
def test_output_thrown_away(
    failure: Failure, options: list[str], servers: dict[str, tuple[str, int]]
) -> None:
    """As from cron: standard error is all there is."""
    done = subprocess.run(
        poptalk(*arguments(failure, servers), *options),
        input=b"STAT\nQUIT\n",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment(POPTALK_PASSWORD=failure.password),
        check=False,
    )
    assert done.returncode == 1
    check(failure, said_once(done.stderr.decode()), servers[failure.server])


@pytest.mark.parametrize("failure", FAILURES, ids=str)
def test_in_the_shell(
    failure: Failure, servers: dict[str, tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POPTALK_PASSWORD", failure.password)
    with on_a_terminal(*arguments(failure, servers), columns=160) as shell:
        shell.wait_for(failure.words)
        shell.send(":why\r")
        shell.wait_for("words for people")
        shell.read(0.5)
        said = said_once(shell.text.replace("\n#! ", "\n"))
    check(failure, said, servers[failure.server])


def test_base64_that_is_none(servers: dict[str, tuple[str, int]]) -> None:
    if "dovecot" not in servers:
        pytest.skip("dovecot cannot run here.")
    host, port = servers["dovecot"]
    done = subprocess.run(
        poptalk(host, port, "--explain"),
        input=b"AUTH PLAIN !!!\nQUIT\n",
        capture_output=True,
        env=environment(),
        check=False,
    )
    said = said_once((done.stdout + done.stderr).decode())
    assert re.search("base64", said, re.IGNORECASE)
    assert re.search(BLAMED, CODES.sub("", said)) is None, said
