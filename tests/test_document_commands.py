"""Every command of README and manual is run, a server of example.org being one on this machine."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from poptalk.practice import Server
from poptalk.practice.accounts import Account
from tests.conftest import ARTICLE_MAILDROP
from tests.practice.test_server import has_ipv6
from tests.servers.terminal import Pty
from tests.test_documents import (
    DOCS_COMMAND,
    MAIN_COMMAND,
    README,
    ROOT,
    TEST_COMMAND,
    blocks,
    shell_lines,
)

SECONDS = 30

NOT_RUN = {
    MAIN_COMMAND: "installs packages; .ci/run runs it in the unpacked sdist",
    TEST_COMMAND: "installs packages and runs this test; .ci/run runs it",
    DOCS_COMMAND: "installs packages; .ci/run builds the manual",
    "poptalk --srv example.org": "asks the DNS; tests/net/test_srv.py brings a server of names",
}
"""What is not run here, and why."""

PASSWORD = "jones"
USERS = ("bob", "me", "bob@example.org", "me@example.org")

PROMPT = r"(^|\S)>( USER bob| ?)$|q leaves\.$"
"""A URL with a user has `USER` typed beforehand; a screen of notes has no prompt."""

UNTIL_STOPPED = ("poptalk serve", "poptalk class", "poptalk tap", "poptalk lessons watch")
"""How commands begin that run until they are stopped."""


def is_typed_at(line: str) -> bool:
    """Tell whether a command opens a prompt."""
    if "|" in line or " -e " in line or line.endswith("--help"):
        return False
    return not re.match(r"poptalk (run|diff|serve|class|export|check|tap|lessons (?!record))", line)


def on_this_machine(line: str, server: Server) -> str:
    """Return a command with its servers, which a reader has, replaced by the one that is here."""
    if " -6 " in line:  # localhost is not everywhere a name of ::1 too.
        clear_ports = [each for each in server.listeners if not each.implicit_tls]
        port = next(each.port for each in clear_ports if each.host == "::1")
        return line.replace("mail.example.org", f"::1 {port}")
    line = re.sub(r"--web(?! \d)", "--web 0", line)  # Several run at once.
    clear, tls = f"localhost:{server.port}", f"localhost:{server.tls_port}"
    line = re.sub(r"pop3s://(\w+@)?\w+\.example\.org", rf"pop3s://\1{tls}", line)
    line = re.sub(r"pop3://(\w+@)?\w+\.example\.org", rf"pop3://\1{clear}", line)
    elsewhere = r"\b(HOST|new:1110|localhost 2110|(mail|old|new)\.example\.org([: ]1110)?)"
    line = re.sub(elsewhere, clear, line)
    if "--tls" in line:
        line = line.replace(clear, tls)
    return line if " diff " in line else re.sub(r" localhost:(\d+)", r" localhost \1", line)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Run the server that all the names in the documents stand for."""
    accounts = [Account(name=name, password=PASSWORD) for name in USERS]
    hosts = ["127.0.0.1", *(["::1"] if has_ipv6() else [])]
    with Server(accounts=accounts, maildrop=ARTICLE_MAILDROP, tls_port=0, host=hosts) as running:
        yield running


@pytest.fixture
def environment(tmp_path: Path, server: Server) -> dict[str, str]:
    """Return an environment in which `poptalk` is this one, and the server is to be trusted."""
    program = tmp_path / "bin" / "poptalk"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m poptalk "$@"\n')
    program.chmod(0o755)
    return {
        **os.environ,
        "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "POPTALK_PASSWORD": PASSWORD,
        "SSL_CERT_FILE": str(server.ca_file),
    }


@pytest.fixture
def desk(tmp_path: Path, server: Server, environment: dict[str, str]) -> Path:
    """Return a folder with the files, and a home with the saved server, that the documents name."""
    (tmp_path / "lessons").symlink_to(ROOT / "lessons")
    (session,) = blocks(README, "pop3")
    (tmp_path / "dialogues").mkdir()
    for name in ("session", "login", "listing", "dialogues/ada"):
        (tmp_path / f"{name}.pop3").write_text(session)
    (tmp_path / "secret").write_text(f"{PASSWORD}\n")
    (tmp_path / "users.txt").write_text("ann:a secret of hers\n")
    for name in ("secret", "users.txt"):
        (tmp_path / name).chmod(0o600)
    (tmp_path / "our-ca.pem").write_bytes(Path(server.ca_file).read_bytes())
    for folder in ("cur", "new", "tmp"):
        (tmp_path / "Maildir" / folder).mkdir(parents=True)
    return tmp_path


def test_what_is_not_run_is_still_there() -> None:
    assert NOT_RUN.keys() <= set(shell_lines())


@pytest.mark.parametrize("line", [line for line in shell_lines() if line not in NOT_RUN])
def test_every_command_of_the_documents_works(
    line: str, desk: Path, environment: dict[str, str], server: Server
) -> None:
    if "my-lesson.md" in line and " new " not in line and " record " not in line:
        (desk / "my-lesson.md").write_bytes((ROOT / "lessons" / "01-hello.md").read_bytes())
        (desk / "mailboxes").symlink_to(ROOT / "lessons" / "mailboxes")
    if " -6 " in line and not has_ipv6():
        pytest.skip("there is no IPv6 loopback here")
    here = on_this_machine(line, server)
    assert not re.search(r"(mail|old|new)\.example", here)
    if re.search(r"\bwork\b", line) and "--save" not in line:
        done = run(f"poptalk localhost {server.port} --save work -e QUIT", desk, environment)
        assert done.returncode == 0, done.stderr
    if line.startswith(UNTIL_STOPPED):
        # Several tests run at once, and the documents name few ports.
        stopped(re.sub(r"-port \d+", "-port 0", here), desk, environment)
    elif is_typed_at(line):
        left(here, desk, environment)
    else:
        done = run(here, desk, environment)
        wanted = 1 if "check --fault" in line else 0
        assert done.returncode == wanted, done.stdout + done.stderr


def run(line: str, desk: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
    """Run a command to its end."""
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", line],
        cwd=desk, env=environment, stdin=subprocess.DEVNULL, capture_output=True,
        timeout=SECONDS, check=False,
    )  # fmt: skip


def stopped(line: str, desk: Path, environment: dict[str, str]) -> None:
    """Run a command until it has said something, and stop it as Ctrl-C does."""
    with subprocess.Popen(
        ["bash", "-c", f"exec {line}"],
        cwd=desk, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as running:  # fmt: skip
        assert running.stdout is not None
        said = running.stdout.readline()
        running.send_signal(signal.SIGINT)
        rest, _ = running.communicate(timeout=SECONDS)
    assert said
    assert running.returncode in (0, 130), said + rest


def left(line: str, desk: Path, environment: dict[str, str]) -> None:
    """Run a command on a terminal, and leave it at its first prompt."""
    argv = ["bash", "-c", f"cd {shlex.quote(str(desk))} && exec {line}"]
    with Pty(argv, columns=100, rows=40, env=environment) as terminal:
        terminal.wait_until(
            lambda: any(re.search(PROMPT, row) for row in terminal.text.splitlines())
        )
        # In a demo a key is not what it says.
        terminal.send("\x04" if " play " in line else "\x15:quit\r")
        assert terminal.wait_exit() == 0, terminal.text
