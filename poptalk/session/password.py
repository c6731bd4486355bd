"""Where a password comes from: never from the command line, which every user of the machine can read.

One source may be named.  Without one it is the environment variable POPTALK_PASSWORD, or else the user
is asked at the terminal.  A source that was named and has no password is an error, not a reason to look
elsewhere.  A token counts as a password here.
"""

from __future__ import annotations

import os
import stat
import sys
from enum import Enum

from poptalk.pop3.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from netrc import netrc

    Ask = Callable[[str], str]
    """Asks at the terminal without echo; takes the question."""

PASSWORD_VARIABLE = "POPTALK_PASSWORD"

DEFAULT_NETRC = "~/.netrc"

MOST_OCTETS = 64 * 1024
"""How much of a file or of a command's output is read: tokens have a few thousand octets."""

COMMAND_SECONDS = 120
"""How long a command may take: it may have to ask for a passphrase in a window of its own."""


class NoPassword(Exception):
    """A source has no password; `str(error)` says why, in one sentence without a secret."""


class SourceKind(Enum):
    """The kinds of sources; the values are the options that name them."""

    VARIABLE = "--password-env"
    FILE = "--password-file"
    COMMAND = "--password-command"
    NETRC = "--netrc"
    KEYRING = "--keyring"


class PasswordSource(Value):
    """A source that was named."""

    kind: SourceKind
    detail: str = ""
    """The name of the variable, the path, or the command line; empty for the usual one."""


class Wanted(Value):
    """Whose password is wanted."""

    user: str
    host: str


def find_password(wanted: Wanted, source: PasswordSource | None, *, ask: Ask | None) -> str:
    """Return the password of a user.

    Args:
        wanted: whose.
        source: the one that was named, None for none.
        ask: asks at the terminal; None where there is nobody to ask.

    Raises:
        NoPassword: the source has none, or there is nobody to ask.
    """
    if source is not None:
        return _READERS[source.kind](wanted, source.detail)
    if found := os.environ.get(PASSWORD_VARIABLE):
        return found
    if ask is None:
        raise NoPassword(
            f"there is no terminal to ask for the password at: set {PASSWORD_VARIABLE}, or name a "
            f"source ({', '.join(kind.value for kind in SourceKind)})"
        )
    try:
        given = ask(question(wanted))
    except EOFError:
        given = ""
    if not given:
        raise NoPassword("no password was given")
    return given


def asker() -> Ask | None:
    """Return what asks at the terminal without echo; None where there is no terminal."""
    if sys.stdin is None or not sys.stdin.isatty():
        return None
    from getpass import getpass

    return getpass


def check_source(source: PasswordSource | None) -> None:
    """Look at the file of a password, or at the netrc, to find a mistake before anything is connected.

    Raises:
        NoPassword: it cannot be used.
    """
    read = {SourceKind.FILE: _read_file, SourceKind.NETRC: _read_netrc}
    if source is not None and source.kind in read:
        path = os.path.expanduser(source.detail or DEFAULT_NETRC)
        # A pipe, such as a shell's <(...), can be read only once.
        if not os.path.exists(path) or os.path.isfile(path):
            read[source.kind](source.detail)


def must_be_asked(source: PasswordSource | None) -> bool:
    """Tell whether `find_password` would ask at the terminal.

    Args:
        source: the one that was named, None for none.
    """
    return source is None and not os.environ.get(PASSWORD_VARIABLE)


def question(wanted: Wanted) -> str:
    """Return what the user is asked.

    Args:
        wanted: whose password is wanted.
    """
    return f"Password of {wanted.user} at {wanted.host}: "


def _from_variable(_wanted: Wanted, name: str) -> str:
    found = os.environ.get(name)
    if not found:
        raise NoPassword(f"the environment variable {name} is not set, or empty")
    return found


def _from_file(_wanted: Wanted, path: str) -> str:
    return _read_file(path)


def _read_file(path: str) -> str:
    try:
        with open(os.path.expanduser(path), "rb") as file:
            _refuse_shared(path, os.fstat(file.fileno()).st_mode)
            octets = file.read(MOST_OCTETS)
    except OSError as error:
        raise NoPassword(f"{path} cannot be read ({error.strerror})") from error
    return _first_line(octets, path)


def _refuse_shared(path: str, mode: int) -> None:
    """Refuse a file that others can read, as ssh does with keys; nobody else can read a pipe."""
    if stat.S_ISREG(mode) and mode & (stat.S_IRWXG | stat.S_IRWXO):
        from shlex import quote

        # Within quotation marks a shell would leave the ~ as it is.
        home, name = (path[:2], path[2:]) if path.startswith("~/") else ("", path)
        raise NoPassword(f"{path} can be read by others: chmod 600 {home}{quote(name)}")


def _from_command(_wanted: Wanted, command: str) -> str:
    import shlex
    import subprocess

    try:
        words = shlex.split(command)
    except ValueError as error:
        raise NoPassword(f"the password command cannot be read: {error}") from error
    if not words:
        raise NoPassword("the password command is empty")
    try:
        # Its standard error stays the terminal: it may have something to say.
        finished = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=COMMAND_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise NoPassword(
            f"the password command {words[0]} did not end within {COMMAND_SECONDS} s"
        ) from error
    except OSError as error:
        raise NoPassword(
            f"the password command {words[0]} cannot be run ({error.strerror})"
        ) from error
    if finished.returncode:
        raise NoPassword(
            f"the password command {words[0]} failed (exit code {finished.returncode}); what it printed "
            "was not used"
        )
    return _first_line(finished.stdout[:MOST_OCTETS], words[0])


def _from_netrc(wanted: Wanted, path: str) -> str:
    path = path or DEFAULT_NETRC
    entry = _read_netrc(path).authenticators(wanted.host)
    if entry is None:
        raise NoPassword(f"{path} has no entry for {wanted.host}")
    login, _account, password = entry
    if login and login != wanted.user:
        raise NoPassword(f"{path} has the password of {login}, not of {wanted.user}")
    if not password:
        raise NoPassword(f"{path} has no password for {wanted.host}")
    return password


def _read_netrc(path: str) -> netrc:
    from netrc import NetrcParseError, netrc

    path = path or DEFAULT_NETRC
    where = os.path.expanduser(path)
    try:
        _refuse_shared(path, os.stat(where).st_mode)
        return netrc(where)
    except OSError as error:
        raise NoPassword(f"{path} cannot be read ({error.strerror})") from error
    except UnicodeDecodeError:
        raise NoPassword(f"{path} is not UTF-8") from None
    except NetrcParseError as error:
        # The message may quote what is wrong, and that may be a password.
        raise NoPassword(f"{path}, line {error.lineno}: this is not a netrc") from None


def _from_keyring(wanted: Wanted, _detail: str) -> str:
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError as error:
        from poptalk.config import not_installed

        raise NoPassword(not_installed("keyring")) from error
    try:
        found: str | None = keyring.get_password(f"poptalk:{wanted.host}", wanted.user)
    except KeyringError as error:
        raise NoPassword(
            f"the keyring cannot be opened ({type(error).__name__}): is there one on this machine, and "
            "is it unlocked?"
        ) from error
    if not found:
        raise NoPassword(
            f"the keyring has no password: keyring set poptalk:{wanted.host} {wanted.user}"
        )
    return found


_READERS: dict[SourceKind, Callable[[Wanted, str], str]] = {
    SourceKind.VARIABLE: _from_variable,
    SourceKind.FILE: _from_file,
    SourceKind.COMMAND: _from_command,
    SourceKind.NETRC: _from_netrc,
    SourceKind.KEYRING: _from_keyring,
}


def _first_line(octets: bytes, where: str) -> str:
    line = octets.partition(b"\n")[0].removesuffix(b"\r").removeprefix(b"\xef\xbb\xbf")
    if b"\0" in line:
        raise NoPassword(f"{where} has a NUL in its first line: is it UTF-16? Save it as UTF-8")
    if not line:
        raise NoPassword(f"{where} has no password: its first line is empty")
    return line.decode("utf-8", "surrogateescape")
