"""Real POP3 servers that want to be root, run as an ordinary account: GNU mailutils and Solid POP3.

Both were made for inetd: a process for each connection, which is its standard input and output.  Here
the superserver is a thread.  What they ask the system, who bob is and whether they may become him, two
preloaded libraries answer (nss_wrapper and uid_wrapper): so they meet accounts that exist in a file of
the test's, and change to them without ever having a privilege.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers import certificates
from tests.servers.account import Account
from tests.servers.packages import HINT, find_library, find_program, library_path

HOST = "127.0.0.1"
USERS: Mapping[str, str] = {"bob": "jones"}
JOIN_TIMEOUT = 10.0  # seconds for the superserver to end; it takes milliseconds
FIRST_UID = 20_000  # of accounts that the servers alone believe in

NSS_WRAPPER = "libnss_wrapper.so"
UID_WRAPPER = "libuid_wrapper.so"
PAM_WRAPPER = "libpam_wrapper.so"
"""Optional: the tests take longer without it."""

PAM_SERVICE = """\
auth required pam_unix.so nodelay
account required pam_unix.so
"""
"""PAM without its two seconds after a wrong password."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A server program.

    Attributes:
        name: what people call it, and the name of its transcript.
        binary: the file.
        configure: writes its configuration into a directory and returns its arguments.
        service_accounts: accounts that it becomes before anybody has logged in.
        stls: whether it has STLS.
    """

    name: str
    binary: str
    configure: Callable[[Path], list[str]]
    service_accounts: tuple[str, ...] = ()
    stls: bool = False

    def missing(self) -> str | None:
        """Say why it cannot run here; None if it can."""
        if find_program(self.binary) is None:
            return f"{self.name} is not there ({HINT})."
        if find_library(NSS_WRAPPER) is None or find_library(UID_WRAPPER) is None:
            return f"{self.name} needs nss_wrapper and uid_wrapper ({HINT})."
        try:
            Account.choose()
        except KeyError as error:
            return f"{self.name} needs an account with a name to run as: {error.args[0]}."
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class RealServer:
    """A server that runs.

    Attributes:
        program: what it is.
        host: the loopback address that it listens on.
        port: its port, in clear and with STLS if it has that.
        ca_file: the authority that its certificate is to be verified with.
        users: the password of each account.
    """

    program: Program
    host: str
    port: int
    ca_file: Path
    users: Mapping[str, str] = field(default_factory=lambda: USERS)


def _configure_mailutils(directory: Path) -> list[str]:
    (directory / "mailutils.conf").write_text(
        f"""\
auth {{
  authentication clear; authentication generic; authentication system;
  authorization clear; authorization generic; authorization system;
}};
mailbox {{ mailbox-pattern "{directory}/spool/${{user}}"; }};
logging {{ syslog no; }};
tls-file-checks {{ key-file none; cert-file none; ca-file none; }};
tls {{
  ssl-certificate-file "{directory}/server.pem";
  ssl-key-file "{directory}/server.pem";
}};
tls-mode ondemand;
mode inetd;
"""
    )
    return [f"--config-file={directory}/mailutils.conf"]


def _configure_solid(directory: Path) -> list[str]:
    (directory / "solid.conf").write_text(
        f"""\
<Global>
MailDropName "{directory}/spool/%s"
UserOverride no
AddBulletins no
</Global>
"""
    )
    return ["-f", f"{directory}/solid.conf"]


MAILUTILS = Program(name="mailutils", binary="pop3d", configure=_configure_mailutils, stls=True)
SOLID = Program(
    name="solid",
    binary="solid-pop3d",
    configure=_configure_solid,
    service_accounts=("spop3d",),
)
PROGRAMS = (MAILUTILS, SOLID)


@contextlib.contextmanager
def start(program: Program, maildrop: Path, directory: Path) -> Iterator[RealServer]:
    """Run a server until the end of the ``with`` block.

    Args:
        program: which.
        maildrop: a folder of ``.eml`` files; their names give the order of the messages.
        directory: an empty directory which, for the superuser, the account ``nobody`` can reach: not
            one below pytest's ``tmp_path``.

    Raises:
        RuntimeError: it cannot run here.
    """
    reason, binary = program.missing(), find_program(program.binary)
    if reason is not None or binary is None:
        raise RuntimeError(reason)
    account = Account.choose()
    directory.chmod(0o711)
    ca_file, _certificate = certificates.write_files(directory)
    _write_accounts(directory, program)
    _write_mboxes(directory / "spool", maildrop)
    argv = [str(binary), *program.configure(directory)]
    account.own(directory)
    with Superserver(
        argv, account=account, env=_environment(directory), log=directory / "log"
    ) as it:
        yield RealServer(program=program, host=HOST, port=it.port, ca_file=ca_file)


class Superserver:
    """Starts a process for each connection, as inetd does.

    Args:
        argv: the server and its arguments.
        account: who runs it.
        env: its whole environment.
        log: a file for what it says on standard error.
    """

    def __init__(
        self, argv: list[str], *, account: Account, env: Mapping[str, str], log: Path
    ) -> None:
        self._argv = argv
        self._account = account
        self._env = env
        self._log = log
        self._listener = socket.create_server((HOST, 0))
        self._processes: list[subprocess.Popen[bytes]] = []
        self._thread = threading.Thread(target=self._serve)
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Superserver:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        # This ends accept() in the thread; to close the listener would not.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(JOIN_TIMEOUT)
        self._listener.close()
        for process in self._processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _serve(self) -> None:
        while True:
            try:
                connection, _peer = self._listener.accept()
            except OSError:
                return
            # These servers write a reply in small pieces, of which each would wait 40 ms for the
            # acknowledgement of the one before.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with connection, self._log.open("ab") as log:
                descriptor = connection.fileno()
                process = self._account.popen(
                    self._argv, stdin=descriptor, stdout=descriptor, stderr=log, env=self._env
                )
            self._processes.append(process)


def _environment(directory: Path) -> dict[str, str]:
    wrappers = filter(None, map(find_library, (NSS_WRAPPER, UID_WRAPPER, PAM_WRAPPER)))
    return {
        "PATH": os.defpath,
        "LD_LIBRARY_PATH": library_path(),
        "LD_PRELOAD": ":".join(map(str, wrappers)),
        "NSS_WRAPPER_PASSWD": f"{directory}/passwd",
        "NSS_WRAPPER_GROUP": f"{directory}/group",
        "NSS_WRAPPER_SHADOW": f"{directory}/shadow",
        "PAM_WRAPPER": "1",
        "PAM_WRAPPER_SERVICE_DIR": f"{directory}/pam.d",
        "UID_WRAPPER": "1",
        "UID_WRAPPER_ROOT": "1",
    }


def _write_accounts(directory: Path, program: Program) -> None:
    """Write what a server takes for the accounts of the machine."""
    home = directory / "home"
    home.mkdir()
    passwd, shadow = ["root:x:0:0::/:/bin/sh"], []
    for number, name in enumerate((*program.service_accounts, *USERS), FIRST_UID):
        digest = _digest(USERS[name]) if name in USERS else "x"
        # PAM looks here, and mailutils into the shadow file.
        passwd.append(f"{name}:{digest}:{number}:{FIRST_UID}::{home}:/bin/sh")
        shadow.append(f"{name}:{digest}:19000:0:99999:7:::")
    (directory / "passwd").write_text("".join(f"{line}\n" for line in passwd))
    (directory / "shadow").write_text("".join(f"{line}\n" for line in shadow))
    (directory / "pam.d").mkdir()
    for service in ("other", SOLID.binary):
        (directory / "pam.d" / service).write_text(PAM_SERVICE)
    (directory / "group").write_text(f"root:x:0:\nmail:x:8:\nusers:x:{FIRST_UID}:\n")


def _digest(password: str) -> str:
    """Hash a password as in /etc/passwd."""
    command = ["openssl", "passwd", "-6", "-salt", "poptalk", "-stdin"]
    done = subprocess.run(command, input=password.encode(), capture_output=True, check=True)
    return done.stdout.decode("ascii").strip()


def _write_mboxes(spool: Path, maildrop: Path) -> None:
    """Write the messages of a folder into an mbox for each user, in the order of their names."""
    spool.mkdir()
    messages = [
        path.read_bytes().replace(b"\r\n", b"\n") for path in sorted(maildrop.glob("*.eml"))
    ]
    envelope = b"From nobody@localhost Mon Nov 23 10:00:00 2026\n"
    for user in USERS:
        with (spool / user).open("wb") as file:
            for message in messages:
                file.write(envelope + message.replace(b"\nFrom ", b"\n>From ") + b"\n")
