"""A real Dovecot, started for the tests as an unprivileged user in a directory of its own.

It listens on two free loopback ports, in clear (with STLS) and with TLS from the first octet, and
knows two accounts.  Each has a maildrop made from a folder of ``.eml`` files, which `Dovecot.reset`
restores after a test that deleted messages.  Nothing throttles: no penalty for failed logins, no
limit on connections that a test run could reach.  The answer to a wrong password still takes half
a second, since Dovecot looks at its failed logins no more often than that.

The configuration is that of Dovecot 2.3.  Version 2.4 renamed most settings and is not supported:
`DOVECOT_MISSING` then says so, and the tests that need Dovecot are skipped with that reason.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.servers import certificates
from tests.servers.account import Account

USERS: Mapping[str, str] = {"bob": "jones", "mrose": "tanstaaf"}
LOCKED = "lena"
"""Whose password is right, and who is not let in all the same."""

HOST = "127.0.0.1"

# Debian has its daemons where the PATH of an ordinary account does not lead.
SEARCH_PATH = os.environ.get("PATH", os.defpath) + os.pathsep + "/usr/sbin"
BINARY = shutil.which("dovecot", path=SEARCH_PATH)
SUPPORTED = "2.3."

START_TIMEOUT = 30.0  # seconds; it takes a fraction of one, more on a machine that is busy
GREETING_TIMEOUT = 5.0  # seconds from the connection to the greeting, before another attempt
RETRY_PAUSE = 0.02  # seconds between two attempts to connect
STOP_TIMEOUT = 5.0  # seconds for killed processes to be gone; milliseconds, as a rule
PORT_ATTEMPTS = 5  # a free port may be taken by another between our look and Dovecot's bind

CONFIGURATION = """\
base_dir = {directory}/run
state_dir = {directory}/state
log_path = {directory}/log
instance_name = poptalk-tests
protocols = pop3
listen = {host}
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
default_process_limit = 1000
default_client_limit = 5000
first_valid_uid = 1
first_valid_gid = 1
disable_plaintext_auth = no
auth_mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256 apop
auth_failure_delay = 0
auth_verbose = yes
mail_max_userip_connections = 0
mail_location = maildir:~/Maildir
ssl = yes
ssl_cert = <{certificate}
ssl_key = <{certificate}
passdb {{
  driver = passwd-file
  args = {directory}/passwords
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={directory}/users/%u
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service pop3-login {{
  chroot =
  service_count = 0
  inet_listener pop3 {{
    port = {port}
  }}
  inet_listener pop3s {{
    port = {tls_port}
    ssl = yes
  }}
}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dovecot:
    """A running Dovecot.

    Attributes:
        host: the loopback address that it listens on.
        port: the port for clear text and STLS.
        tls_port: the port for TLS from the first octet.
        ca_file: the authority that its certificate is to be verified with; names: ``localhost``,
            ``127.0.0.1`` and ``::1``.
        users: the password of each account.
    """

    host: str
    port: int
    tls_port: int
    ca_file: Path
    users: Mapping[str, str] = field(default_factory=lambda: USERS)
    _directory: Path
    _maildrop: Path
    _account: Account

    def log(self) -> str:
        """Return what Dovecot has logged so far."""
        path = self._directory / "log"
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def reset(self, user: str) -> None:
        """Give *user* a fresh copy of the maildrop, with new unique-ids.

        A session that is still open keeps the copy it has.
        """
        homes = self._directory / "users"
        fresh = self._directory / f"fresh-{uuid.uuid4().hex}"
        _write_maildir(self._maildrop, fresh / "Maildir")
        self._account.own(fresh)
        stale = self._directory / f"stale-{uuid.uuid4().hex}"
        # Renamed, not removed in place: a process of the last session may still be writing there,
        # and may even make the folder anew between the two steps; then they are taken again.
        for _ in range(MOST_RENAMES):
            with contextlib.suppress(FileNotFoundError):
                (homes / user).rename(stale)
            try:
                fresh.rename(homes / user)
            except OSError as error:
                if error.errno != errno.ENOTEMPTY:
                    raise
                shutil.rmtree(stale, ignore_errors=True)
            else:
                break
        shutil.rmtree(stale, ignore_errors=True)


MOST_RENAMES = 10
"""How often a folder is put in place of one that a dying session makes again."""


def _output_of(*argv: str) -> str:
    finished = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return finished.stdout.decode("utf-8", "replace").strip()


def _missing() -> str | None:
    if BINARY is None:
        return "Dovecot is not installed (Debian: apt-get install dovecot-pop3d)."
    version = _output_of(BINARY, "--version")
    if not version.startswith(SUPPORTED):
        return f"Dovecot {version or 'of unknown version'} is installed; these tests need 2.3."
    # Debian has the POP3 server in a package of its own, beside dovecot-core.
    doveconf = shutil.which("doveconf", path=SEARCH_PATH)
    programs = Path(_output_of(doveconf, "-d", "-h", "libexec_dir")) if doveconf else None
    if programs is None or not (programs / "pop3-login").exists():
        return "Dovecot is installed without POP3 (Debian: apt-get install dovecot-pop3d)."
    try:
        Account.choose()
    except KeyError as error:
        return f"Dovecot needs an account with a name to run as: {error.args[0]}."
    return None


DOVECOT_MISSING: str | None = _missing()
"""Why the tests with a real Dovecot cannot run here; None where they can."""


@contextlib.contextmanager
def dovecot_or_skip(maildrop: Path) -> Iterator[Dovecot]:
    """Run a Dovecot for a fixture; skip its tests, with the reason, where there is none.

    Args:
        maildrop: as for `start_dovecot`.
    """
    if DOVECOT_MISSING is not None:
        pytest.skip(DOVECOT_MISSING)
    # Not below pytest's own directory: that path is long, and closed to other accounts.
    with (
        tempfile.TemporaryDirectory(
            prefix="poptalk-dovecot-", ignore_cleanup_errors=True
        ) as directory,
        start_dovecot(maildrop, Path(directory)) as running,
    ):
        yield running


@contextlib.contextmanager
def start_dovecot(maildrop: Path, directory: Path, *, settings: str = "") -> Iterator[Dovecot]:
    """Run Dovecot until the end of the ``with`` block.

    Args:
        maildrop: a folder of ``.eml`` files; their names give the order of the messages.
        directory: an empty directory with a short path (Dovecot puts sockets there) which, for the
            superuser, the account ``nobody`` can reach: not one below pytest's ``tmp_path``.
        settings: lines of configuration that replace those above.

    Raises:
        RuntimeError: Dovecot did not start; what it said is in the text.
    """
    if DOVECOT_MISSING is not None or BINARY is None:
        raise RuntimeError(DOVECOT_MISSING)
    account = Account.choose()
    directory.chmod(0o711)
    ca_file, certificate = certificates.write_files(directory)
    (directory / "passwords").write_text(
        "".join(f"{user}:{{PLAIN}}{password}\n" for user, password in USERS.items())
        + f"{LOCKED}:{{PLAIN}}jones::::::nologin\n"
    )
    (directory / "users").mkdir()
    account.own(directory)
    port, tls_port, process = _start(BINARY, directory, certificate, account, settings)
    try:
        dovecot = Dovecot(
            host=HOST,
            port=port,
            tls_port=tls_port,
            ca_file=ca_file,
            _directory=directory,
            _maildrop=maildrop,
            _account=account,
        )
        for user in USERS:
            dovecot.reset(user)
        yield dovecot
    finally:
        _stop(process, (port, tls_port))


def _start(
    binary: str, directory: Path, certificate: Path, account: Account, settings: str
) -> tuple[int, int, subprocess.Popen[bytes]]:
    """Start Dovecot on two free ports; return the ports and its master process."""
    output = directory / "output"
    for _attempt in range(PORT_ATTEMPTS):
        port, tls_port = _free_ports()
        configuration = directory / "dovecot.conf"
        configuration.write_text(
            CONFIGURATION.format(
                directory=directory,
                certificate=certificate,
                user=account.user,
                group=account.group,
                host=HOST,
                port=port,
                tls_port=tls_port,
            )
            + settings
        )
        with output.open("ab") as said:
            process = account.popen(
                [binary, "-F", "-c", str(configuration)], stdout=said, stderr=said
            )
        try:
            if _ready(process, port, certificate=None) and _ready(
                process, tls_port, certificate=directory / "ca.pem"
            ):
                return port, tls_port, process
        except BaseException:
            _stop(process, (port, tls_port))
            raise
        _stop(process, (port, tls_port))
        if "Address already in use" not in _said(directory):
            break
    raise RuntimeError(f"Dovecot did not start in {directory}. It said: {_said(directory)}")


def _said(directory: Path) -> str:
    files = (directory / "output", directory / "log")
    return "".join(file.read_text("utf-8", "replace") for file in files if file.exists())


def _free_ports() -> tuple[int, int]:
    with socket.create_server((HOST, 0)) as one, socket.create_server((HOST, 0)) as other:
        return one.getsockname()[1], other.getsockname()[1]


def _ready(process: subprocess.Popen[bytes], port: int, *, certificate: Path | None) -> bool:
    """Wait until a greeting comes from *port*; False if Dovecot ends or the time is up."""
    end = time.monotonic() + START_TIMEOUT
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            if _greeting(port, certificate=certificate).startswith(b"+OK"):
                # If it has ended, another server has taken the port and greets us.
                return process.poll() is None
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(RETRY_PAUSE)
            return False
    return False


def _greeting(port: int, *, certificate: Path | None) -> bytes:
    with socket.create_connection((HOST, port), GREETING_TIMEOUT) as connection:
        if certificate is None:
            return connection.recv(512)
        context = ssl.create_default_context(cafile=str(certificate))
        with context.wrap_socket(connection, server_hostname=HOST) as secured:
            return secured.recv(512)


def _stop(process: subprocess.Popen[bytes], ports: tuple[int, int]) -> None:
    """End the master and everything that it started.

    An orderly end takes Dovecot a second, and nothing of this one is worth it.
    """
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    # Only the master is ours to wait for.  The login process dies a moment later, and until then
    # it holds the listening sockets.
    end = time.monotonic() + STOP_TIMEOUT
    while any(map(_listens, ports)) and time.monotonic() < end:
        pass


def _listens(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), STOP_TIMEOUT).close()
    except OSError:
        return False
    return True


def _write_maildir(maildrop: Path, maildir: Path) -> None:
    """Write the messages of a folder as a Maildir, in the order of their names."""
    for name in ("cur", "new", "tmp"):
        (maildir / name).mkdir(parents=True)
    for number, message in enumerate(sorted(maildrop.glob("*.eml")), 1):
        # A Maildir has bare LF; Dovecot counts and sends CRLF.  Its order is that of the names.
        content = message.read_bytes().replace(b"\r\n", b"\n")
        (maildir / "cur" / f"{1_000_000_000 + number}.M{number}P1.localhost:2,").write_bytes(
            content
        )
