"""`Server` as a context manager and the pytest plugin, as docs/testing.md promises them."""

from __future__ import annotations

import asyncio
import os
import poplib
import re
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from poptalk.practice import Server
from tests.practice.talking import SECONDS, greeted

ROOT = Path(__file__).parent.parent.parent
DOCUMENT = ROOT / "docs" / "testing.md"
PLUGIN = "poptalk.practice.pytest_plugin"


def examples() -> list[str]:
    """Return the Python blocks of the document."""
    return re.findall(r"^```python\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)


def run_pytest(folder: Path, test_file: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a test file in a process of its own, with the plugin and no other."""
    (folder / "test_it.py").write_text(test_file)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", PLUGIN, "-p", "no:cacheprovider", "-W", "error",
         "--strict-markers", *options, "test_it.py"],
        cwd=folder, capture_output=True, text=True, timeout=3 * SECONDS, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )  # fmt: skip


def test_the_example_of_the_document(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, examples()[0])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


def test_the_example_without_pytest(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", examples()[1]],
        cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


EVERYTHING = """
import poplib, ssl
from pathlib import Path
import pytest

pytestmark = pytest.mark.pop3_server(persona="plain")

def test_the_module_s_marker(pop3_server):
    client = poplib.POP3(pop3_server.host, pop3_server.port, timeout=10)
    assert client.welcome.startswith(b"+OK POP3 server ready <")
    client.quit()

@pytest.mark.pop3_server(shared=True)
def test_a_marker_of_its_own_adds_to_it(pop3_server):
    for left in (3, 2):
        client = poplib.POP3(pop3_server.host, pop3_server.port, timeout=10)
        assert b"hoopy" in client.user("bob")
        client.pass_("jones")
        assert client.stat()[0] == left
        client.dele(1)
        client.quit()
    assert [session.commands[-2:] for session in pop3_server.sessions] == 2 * [[b"DELE 1", b"QUIT"]]

def test_tls(pop3_server):
    context = ssl.create_default_context(cafile=pop3_server.ca_file)
    client = poplib.POP3_SSL(pop3_server.host, pop3_server.tls_port, timeout=10, context=context)
    assert pop3_server.sessions[0].tls
    client.quit()

def test_several(pop3_server_factory, tmp_path):
    (tmp_path / "1.eml").write_bytes(b"hello")
    one, other = pop3_server_factory(), pop3_server_factory(maildrop=tmp_path)
    assert one.port != other.port
    client = poplib.POP3(other.host, other.port, timeout=10)
    client.user("bob")
    client.pass_("jones")
    assert client.retr(1)[1] == [b"hello"]
    client.quit()
    assert one.sessions == ()
    assert other.sessions[0].user == "bob"
"""


def test_markers_tls_and_the_factory(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, EVERYTHING)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout


def test_a_marker_with_a_positional_argument_is_explained(tmp_path: Path) -> None:
    done = run_pytest(
        tmp_path,
        "import pytest\n@pytest.mark.pop3_server('plain')\ndef test_it(pop3_server): pass\n",
    )
    assert done.returncode != 0
    assert "takes keyword arguments only" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            "faults=['no-final-dott']",
            'Fault "no-final-dott": there is no fault "no-final-dott"; did',
        ),
        ("faults='bob=nosuch'", 'Fault "bob=nosuch": there is no fault "nosuch"'),
        ("fault=['reset']", "A POP3 server has no argument fault; did you mean faults?"),
        ("persona='dovecott'", 'There is no persona "dovecott"'),
        ("maildrop='/nonexistent/folder'", "/nonexistent/folder does not exist."),
    ],
)
@pytest.mark.parametrize("marked", [True, False])
def test_what_cannot_be_used_is_said_in_one_line(
    arguments: str, sentence: str, marked: bool, tmp_path: Path
) -> None:
    test = f"@pytest.mark.pop3_server({arguments})\ndef test_it(pop3_server): pass\n"
    if not marked:
        test = f"def test_it(pop3_server_factory): pop3_server_factory({arguments})\n"
    done = run_pytest(tmp_path, f"import pytest\n{test}")
    assert done.returncode == 1
    said = done.stdout.splitlines()
    assert any(line.startswith(sentence) for line in said)
    assert not [line for line in said if line.startswith(("E ", ">"))]
    assert len(said) < 20


TYPED = """
import poplib
import ssl

from poptalk.practice import Server


def test_one(pop3_server: Server) -> None:
    context = ssl.create_default_context(cafile=pop3_server.ca_file)
    poplib.POP3_SSL(pop3_server.host, pop3_server.tls_port, context=context, timeout=10).quit()


def test_more(pop3_server_factory: type[Server]) -> None:
    server = pop3_server_factory(persona="plain", faults=["slow:1ms"])
    poplib.POP3(server.host, server.port, timeout=10).quit()
    assert server.sessions[0].commands == [b"QUIT"]
"""


def test_the_fixtures_have_types(tmp_path: Path) -> None:
    pytest.importorskip("mypy", reason="mypy is not installed")
    done = run_pytest(tmp_path, TYPED)
    assert done.returncode == 0, done.stdout
    wrong = TYPED.replace("faults=", "fault=").replace("persona=", "shared=")
    (tmp_path / "wrong.py").write_text(wrong)
    # In one go, because most of the time goes into reading poptalk itself.
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", os.devnull, "test_it.py", "wrong.py"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "MYPYPATH": str(ROOT)},
    )  # fmt: skip
    told = checked.stdout + checked.stderr
    assert 'Unexpected keyword argument "fault"' in told
    assert 'Argument "shared"' in told
    assert "test_it.py" not in told
    assert "(checked 2 source files)" in told


def test_without_tls_there_is_no_port_for_it() -> None:
    with Server() as server, pytest.raises(RuntimeError, match="tls_port=0"):
        assert server.tls_port


def test_the_plugin_costs_nothing_until_it_is_used(tmp_path: Path) -> None:
    done = run_pytest(
        tmp_path,
        "import sys\n"
        "def test_it():\n"
        "    loaded = [name for name in sys.modules if name.startswith('poptalk')]\n"
        f"    assert loaded == ['poptalk', 'poptalk.practice', '{PLUGIN}']\n",
    )
    assert done.returncode == 0, done.stdout


def test_with() -> None:
    with Server(record=True) as server, greeted(server) as talk:
        assert talk.log_in().startswith(b"+OK")
        talk.say(b"QUIT")
        (session,) = server.sessions
        assert (session.user, session.tls) == ("bob", False)
        assert session.address.startswith("127.0.0.1:")
        assert session.commands == [b"USER bob", b"PASS jones", b"QUIT"]
    assert session.ended == "QUIT was answered"


async def test_async_with() -> None:
    async with Server(tls_port=0, record=True) as server:
        context = ssl.create_default_context(cafile=server.ca_file)
        _, writer = await asyncio.open_connection(server.host, server.port)
        writer.close()
        await writer.wait_closed()
        reader, writer = await asyncio.open_connection(server.host, server.tls_port, ssl=context)
        assert (await reader.readline()).startswith(b"+OK")
        assert [session.tls for session in server.sessions] == [False, True]
        writer.close()
        await writer.wait_closed()


def test_responses_within_auth_are_recorded() -> None:
    with Server(record=True, persona="plain") as server, greeted(server) as talk:
        assert talk.say(b"AUTH PLAIN") == b"+ "
        assert talk.say(b"AGJvYgBqb25lcw==").startswith(b"+OK")
        assert server.sessions[0].commands == [b"AUTH PLAIN", b"AGJvYgBqb25lcw=="]
        assert server.sessions[0].user == "bob"


def test_without_a_record_there_are_no_sessions_to_look_at() -> None:
    with Server() as server, pytest.raises(RuntimeError, match="record=True"):
        assert server.sessions


def test_a_server_that_is_not_entered_has_no_port() -> None:
    server = Server()
    with pytest.raises(RuntimeError, match="enter it"):
        assert server.port
    with server:
        poplib.POP3(server.host, server.port, timeout=SECONDS).quit()
    with pytest.raises(RuntimeError, match="enter it"):
        assert server.port
