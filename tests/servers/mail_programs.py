"""Mail programs that are not ours, and how each is made to fetch every message from a server.

Most of them store mail with LF, and some change it by themselves.  What each one changes stands with
it below, and nothing else may differ.
"""

from __future__ import annotations

import os
import poplib
import pty
import re
import shutil
import ssl
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol

SECONDS = 60


class Way(Enum):
    """How a client reaches the server."""

    CLEAR = "in clear"
    STLS = "by STLS"
    TLS = "in TLS"


ALL_WAYS = frozenset(Way)


class Reachable(Protocol):
    """A server, or what stands in front of one."""

    @property
    def host(self) -> str: ...

    @property
    def port(self) -> int:
        """The port in the clear."""

    @property
    def tls_port(self) -> int | None:
        """The port for TLS."""

    @property
    def ca_file(self) -> str:
        """The authority to trust."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """What a client is sent for: to the server, on a way, to store what it finds in a folder."""

    server: Reachable
    way: Way
    folder: Path
    count: int

    @property
    def port(self) -> int:
        """The port to go to."""
        assert self.server.tls_port is not None
        return self.server.tls_port if self.way is Way.TLS else self.server.port

    @property
    def inbox(self) -> Path:
        """A folder for what was fetched."""
        inbox = self.folder / "inbox"
        inbox.mkdir(exist_ok=True)
        return inbox

    def run(self, *command: str, config: str = "", stdin: bytes = b"") -> bytes:
        """Run a program, which must succeed, with a configuration that only we can read.

        Args:
            command: ``CONFIG`` in it stands for the file.
            config: what the file holds.
            stdin: what the program is given to read.
        """
        file = self.folder / "config"
        file.touch(mode=0o600)
        file.write_text(config)
        done = subprocess.run(
            [word.replace("CONFIG", str(file)) for word in command],
            input=stdin, capture_output=True, timeout=SECONDS, check=False,
            env={**os.environ, "HOME": str(self.folder), "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
        assert done.returncode == 0, (done.stdout[-2000:], done.stderr[-2000:])
        return done.stdout

    def fetched(self) -> list[bytes]:
        """Return what lies in the inbox."""
        return [path.read_bytes() for path in self.inbox.rglob("*") if path.is_file()]


# The clients.


def with_poplib(errand: Errand) -> list[bytes]:
    context = ssl.create_default_context(cafile=errand.server.ca_file)
    if errand.way is Way.TLS:
        client: poplib.POP3 = poplib.POP3_SSL(
            errand.server.host, errand.port, timeout=SECONDS, context=context
        )
    else:
        client = poplib.POP3(errand.server.host, errand.port, timeout=SECONDS)
    if errand.way is Way.STLS:
        client.stls(context)
    client.user("bob")
    client.pass_("jones")
    numbers = range(1, client.stat()[0] + 1)
    messages = [b"".join(line + b"\r\n" for line in client.retr(number)[1]) for number in numbers]
    client.quit()
    return messages


def with_curl(errand: Errand) -> list[bytes]:
    scheme = "pop3s" if errand.way is Way.TLS else "pop3"
    errand.run(
        "curl", "--silent", "--show-error", "--noproxy", "*", "--user", "bob:jones",
        "--cacert", errand.server.ca_file, *(["--ssl-reqd"] if errand.way is Way.STLS else []),
        f"{scheme}://{errand.server.host}:{errand.port}/[1-{errand.count}]",
        "--output", f"{errand.inbox}/#1",
    )  # fmt: skip
    return errand.fetched()


def with_openssl(errand: Errand) -> list[bytes]:
    commands = ["USER bob", "PASS jones", *(f"RETR {n + 1}" for n in range(errand.count)), "QUIT"]
    answers = errand.run(
        "openssl", "s_client", "-quiet", "-verify_return_error", "-CAfile", errand.server.ca_file,
        *(["-starttls", "pop3"] if errand.way is Way.STLS else []),
        "-connect", f"{errand.server.host}:{errand.port}",
        stdin="".join(command + "\r\n" for command in commands).encode(),
    )  # fmt: skip
    # Undone by hand, as the RFC has it, and not by code of ours that has the same idea of stuffing.
    bodies = re.findall(rb"(?s)\+OK message follows\r\n(|.*?\r\n)\.\r\n", answers)
    return [re.sub(rb"(?m)^\.", b"", body) for body in bodies]


def with_mpop(errand: Errand) -> list[bytes]:
    for part in ("new", "cur", "tmp"):
        (errand.inbox / part).mkdir()
    tls = "" if errand.way is Way.CLEAR else f"tls_trust_file {errand.server.ca_file}\n"
    errand.run(
        "mpop", "--quiet", "--file=CONFIG", "a",
        config=f"account a\nhost {errand.server.host}\nport {errand.port}\nuser bob\n"
        f"password jones\nauth user\nkeep on\nreceived_header off\n"
        f"uidls_file {errand.folder}/uidls\ndelivery maildir {errand.inbox}\n"
        f"tls {'off' if errand.way is Way.CLEAR else 'on'}\n"
        f"tls_starttls {'on' if errand.way is Way.STLS else 'off'}\n{tls}",
    )  # fmt: skip
    return errand.fetched()


def delivery(errand: Errand) -> str:
    """Return a shell command that stores what it reads in a file of its own."""
    return f"cat > $(mktemp {errand.inbox}/XXXXXXXX)"


def with_fetchmail(errand: Errand) -> list[bytes]:
    # It knows no addresses in certificates.
    checked = f"sslproto 'TLS1.2+' sslcertfile {errand.server.ca_file} sslcommonname localhost"
    tls = {Way.CLEAR: "sslproto ''", Way.STLS: checked, Way.TLS: f"ssl {checked}"}[errand.way]
    errand.run(
        "fetchmail", "--silent", "--nosyslog", "--pidfile", f"{errand.folder}/pid",
        "--fetchmailrc", "CONFIG",
        config="set no bouncemail\nset invisible\n"
        f"poll {errand.server.host} service {errand.port} protocol pop3 user bob password jones "
        f'mda "/bin/sh -c \'{delivery(errand)}\'" fetchall keep no rewrite {tls}\n',
    )  # fmt: skip
    return errand.fetched()


def with_getmail(errand: Errand) -> list[bytes]:
    in_tls = errand.way is Way.TLS
    errand.run(
        "getmail", "--getmaildir", str(errand.folder), "--rcfile", "CONFIG",
        config=f"[retriever]\ntype = SimplePOP3{'SSL' if in_tls else ''}Retriever\n"
        f"server = {errand.server.host}\nport = {errand.port}\nusername = bob\npassword = jones\n"
        f"{f'ca_certs = {errand.server.ca_file}' if in_tls else ''}\n"
        "[destination]\ntype = MDA_external\npath = /bin/sh\nallow_root_commands = true\n"
        f'unixfrom = false\narguments = ("-c", "{delivery(errand)}")\n'
        "[options]\nread_all = true\ndelete = false\ndelivered_to = false\nreceived = false\n"
        "verbose = 0\n",
    )  # fmt: skip
    return errand.fetched()


def with_mutt(errand: Errand) -> list[bytes]:
    """Let mutt copy what it finds into a Maildir; its keys are pressed by its configuration."""
    scheme = "pops" if errand.way is Way.TLS else "pop"
    config = errand.folder / "muttrc"
    config.write_text(
        f'set folder="{errand.folder}" ssl_ca_certificates_file="{errand.server.ca_file}"\n'
        f"set ssl_starttls={'yes' if errand.way is Way.STLS else 'no'}\n"
        f"set ssl_force_tls={'no' if errand.way is Way.CLEAR else 'yes'}\n"
        "set mbox_type=maildir confirmcreate=no move=no delete=no sleep_time=0\n"
        'set pop_authenticators="user"\n'
        # An empty letter, which mutt takes for an error, is left out: it has no size.
        f'push "<tag-pattern>~z 1-<enter><tag-prefix><copy-message>{errand.folder}/copy<enter>'
        '<exit>"\n'
    )
    screen, keyboard = pty.openpty()
    try:
        with subprocess.Popen(
            ["mutt", "-n", "-F", str(config), "-f",
             f"{scheme}://bob:jones@{errand.server.host}:{errand.port}"],
            stdin=keyboard, stdout=keyboard, stderr=keyboard, start_new_session=True,
            env={**os.environ, "HOME": str(errand.folder), "TERM": "xterm", "LC_ALL": "C.UTF-8"},
        ) as process:  # fmt: skip
            os.close(keyboard)
            shown = read_to_the_end(screen)
            assert process.wait(SECONDS) == 0, shown[-2000:]
    finally:
        os.close(screen)
    shutil.move(errand.folder / "copy", errand.inbox)
    return errand.fetched()


def read_to_the_end(screen: int) -> bytes:
    """Read what a program shows until it ends: one that is not read stops."""
    shown = b""
    while True:
        try:
            piece = os.read(screen, 65536)
        except OSError:
            # Linux tells the end of a terminal like this.
            return shown
        if not piece:
            return shown
        shown += piece


# What they change.


def lf(letter: bytes) -> bytes:
    """End lines as they are stored on Unix."""
    return letter.replace(b"\r\n", b"\n")


def as_curl_stores(letter: bytes) -> bytes:
    """Change nothing, but make an empty line of an empty letter."""
    return letter or b"\r\n"


def as_fetchmail_stores(letter: bytes) -> bytes:
    """Take every CR away, also where it is no line end."""
    return letter.replace(b"\r", b"")


def as_getmail_stores(letter: bytes) -> bytes:
    """Put a Return-Path in front; CR alone becomes a line end."""
    return b"Return-Path: <unknown>\n" + (lf(letter).replace(b"\r", b"\n") or b"\n")


def as_mutt_stores(letter: bytes) -> bytes:
    """End a line at a NUL."""
    return re.sub(rb"\0[^\n]*", b"", lf(letter))


def without_header_of_mutt(stored: bytes) -> bytes:
    """Take away the fields that mutt adds."""
    header, empty_line, body = stored.partition(b"\n\n")
    return re.sub(rb"\n(?:Content-Length|Lines|Status): [^\n]*", b"", header) + empty_line + body


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A mail program.

    Args:
        program: what is to be installed.
        fetch: goes and returns what the program stored, in any order.
        stores: what it makes of a letter as it travelled.
        undo: takes away what it adds to every letter.
        leaves_out: letters that it cannot store as they are.
        ways: those that it knows.
    """

    program: str
    fetch: Callable[[Errand], list[bytes]]
    stores: Callable[[bytes], bytes] = lf
    undo: Callable[[bytes], bytes] = bytes
    leaves_out: frozenset[str] = frozenset()
    ways: frozenset[Way] = ALL_WAYS


CLIENTS = {
    "poplib": Client(program="python3", fetch=with_poplib, stores=bytes),
    "curl": Client(program="curl", fetch=with_curl, stores=as_curl_stores),
    # In clear there is no s_client.
    "openssl": Client(
        program="openssl", fetch=with_openssl, stores=bytes, ways=ALL_WAYS - {Way.CLEAR}
    ),
    "mpop": Client(program="mpop", fetch=with_mpop),
    # In place of an empty letter it writes one of its own.
    "fetchmail": Client(
        program="fetchmail",
        fetch=with_fetchmail,
        stores=as_fetchmail_stores,
        leaves_out=frozenset({"empty"}),
    ),
    # It does not know STLS.
    "getmail6": Client(
        program="getmail",
        fetch=with_getmail,
        stores=as_getmail_stores,
        ways=ALL_WAYS - {Way.STLS},
    ),
    "mutt": Client(
        program="mutt",
        fetch=with_mutt,
        stores=as_mutt_stores,
        undo=without_header_of_mutt,
        leaves_out=frozenset({"empty"}),
    ),
}
