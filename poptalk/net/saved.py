"""Saved servers, which have a name: ``poptalk work`` instead of host, port and options.

They are in ``servers.toml`` in the configuration directory, a table each:

    [work]
    host = "mail.example.org"
    tls = true
    user = "bob"

The keys are named like the options of the command line.  poptalk writes the file only when asked to
(``--save NAME``), and never changes an existing entry.  A password has no place in it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poptalk.config import Table, TomlError, TomlFile, config_directory
from poptalk.net import endpoint
from poptalk.net.endpoint import DIRECT, BadDestination, ConnectOptions, Destination
from poptalk.net.errors import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FILE_NAME = "servers.toml"

Read = Callable[[Table, str], Any]
"""Reads the value of a key into that of a field."""


def _pins(entry: Table, key: str) -> tuple[str, ...]:
    from poptalk.net.tls_settings import parse_pin

    pins = entry.texts(key)
    for pin in pins:
        try:
            parse_pin(pin)
        except ValueError as error:
            raise entry.mistake(key, str(error)) from error
    return tuple(pins)


def _proxy(entry: Table, key: str) -> endpoint.Proxy:
    try:
        proxy = endpoint.parse_proxy(entry.text(key), from_command_line=False)
    except endpoint.BadProxy as error:
        raise entry.mistake(key, str(error)) from error
    if proxy.password is not None:
        raise entry.mistake(
            key,
            "a password has no place in this file; put the proxy's URL into the environment variable "
            f"{endpoint.PROXY_VARIABLE}",
        )
    return proxy


def _family(entry: Table, key: str) -> int:
    number = entry.whole_number(key, least=4, most=6)
    if number not in endpoint.FAMILIES:
        raise entry.mistake(key, "4 or 6 is needed, for that version of IP alone")
    return endpoint.FAMILIES[number]


def _file(entry: Table, key: str) -> str:
    """Read a path: `~` is the home directory, and a relative one starts beside the configuration."""
    # os.path leaves the home of an unknown user as it is written, where pathlib fails.
    return str(servers_file().parent / os.path.expanduser(entry.text(key)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Key:
    """A key of an entry."""

    field: str
    """The field of a destination that it fills."""
    read: Read = Table.text
    write: Callable[[Any], Any] = str
    """Returns the value to write."""


KEYS = {
    "host": _Key(field="host"),
    "port": _Key(
        field="port",
        read=lambda entry, key: entry.whole_number(key, least=1, most=65_535),
        write=int,
    ),
    "socket": _Key(field="path", read=_file, write=os.path.abspath),
    "user": _Key(field="user"),
    "mechanism": _Key(field="mechanism"),
    "tls": _Key(field="tls", read=Table.truth, write=bool),
    "starttls": _Key(field="starttls", read=Table.truth, write=bool),
    "insecure": _Key(
        field="verify",
        read=lambda entry, key: not entry.truth(key),
        write=lambda verify: not verify,
    ),
    "ca-file": _Key(field="ca_file", read=_file, write=os.path.abspath),
    "tls-name": _Key(field="server_name"),
    "pins": _Key(field="pins", read=_pins, write=list),
    "client-cert": _Key(field="client_cert", read=_file, write=os.path.abspath),
    "client-key": _Key(field="client_key", read=_file, write=os.path.abspath),
    "tls-min": _Key(
        field="tls_min", read=lambda entry, key: entry.choice(key, endpoint.TLS_VERSIONS)
    ),
    "family": _Key(
        field="family",
        read=_family,
        write=lambda family: next(
            number for number, each in endpoint.FAMILIES.items() if each == family
        ),
    ),
    "source": _Key(field="source"),
    "proxy": _Key(field="proxy", read=_proxy, write=lambda proxy: proxy.url),
}
"""The fields of a destination that can be saved, each under the name of its option.

There is no key for a key log, which isn't wanted every time.
"""


def servers_file() -> Path:
    """Return the file of saved servers, which need not exist."""
    return config_directory() / FILE_NAME


def find_destination(words: Sequence[str], options: ConnectOptions = DIRECT) -> Destination:
    """Read a target: the name of a saved server, or what `endpoint.parse_destination` takes.

    Args:
        words: the target.
        options: how to reach it; it overrides what is saved wherever it isn't the usual.

    Raises:
        BadDestination: it cannot be read; the sentence says what would be right.
    """
    saved = find_server(words[0], options) if len(words) == 1 else None
    return saved or endpoint.parse_destination(words, options)


def find_server(name: str, options: ConnectOptions = DIRECT) -> Destination | None:
    """Return the server of that name, None if there is none.

    Args:
        name: as it is in the file.
        options: those of the command line; it overrides the file wherever it isn't the usual.

    Raises:
        BadDestination: a mistake in the file, with its line and key.
    """
    path = servers_file()
    if not endpoint.is_plain_name(name) or not path.exists():
        return None
    try:
        file = TomlFile.read(path)
        if name not in file.names:
            return None
        fields = _read_entry(file.table(file.names).table(name, allowed=KEYS))
    except TomlError as error:
        raise BadDestination(str(error)) from error
    given = {field: getattr(options, field) for field in ConnectOptions._fields}
    given = {
        field: value for field, value in given.items() if value != ConnectOptions._defaults[field]
    }
    # --tls on the command line means it instead of STLS, and the other way round.
    if "tls" in given or "starttls" in given:
        fields |= {"tls": False, "starttls": False}
    fields |= {**given, "label": name}
    fields.setdefault("port", endpoint.usual_port(tls=fields.get("tls", False)))
    return endpoint.consistent(Destination(**fields))


def _read_entry(entry: Table) -> dict[str, Any]:
    """Read an entry into the fields of a destination."""
    fields = {KEYS[key].field: KEYS[key].read(entry, key) for key in entry}
    if "host" not in fields and "path" not in fields:
        raise entry.mistake("host", 'missing: name the server, such as host = "mail.example.org"')
    if not fields.setdefault("host", "localhost"):
        raise entry.mistake("host", "it is empty")
    if fields.get("tls") and fields.get("starttls"):
        raise entry.mistake("starttls", endpoint.TLS_TWICE)
    return fields


# Saving.


def save_server(name: str, destination: Destination) -> Path:
    """Save a server under a name, after those that are there; return the file.

    The file is private, mode 0600.

    Args:
        name: letters, digits, hyphen and underscore.
        destination: what to write; a proxy with a password is left out.

    Raises:
        BadDestination: the name cannot be used or is taken, or the file cannot be written.
    """
    if not endpoint.is_plain_name(name):
        raise BadDestination(
            f"{printable(name)!r} cannot be the name of a server: it may have letters, digits, - and _, "
            "and localhost is taken"
        )
    path = servers_file()
    try:
        before = path.read_bytes() if path.exists() else b""
        taken = TomlFile.read(path).line_of([name]) if before else None
        if taken is not None:
            raise BadDestination(
                f"{path}, line {taken}: there is a server named {name} already; change it there, or "
                "choose another name"
            )
        if before:
            before = before.removesuffix(b"\n") + b"\n\n"
        entry = "".join(f"{line}\n" for line in _entry(name, destination))
        _replace(path, before + entry.encode("utf-8"))
    except TomlError as error:
        raise BadDestination(str(error)) from error
    except (OSError, UnicodeEncodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "a word in it is not UTF-8"
        raise BadDestination(f"{path} cannot be written ({why})") from error
    return path


def _replace(path: Path, content: bytes) -> None:
    """Replace a file in one step, so that a crash leaves the old one or the new one."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # The file may be a link into somebody's collection of settings.
    path = path.resolve()
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _entry(name: str, destination: Destination) -> Iterator[str]:
    """Yield the lines of an entry: what isn't the default, and host and port where they matter."""
    yield f"[{name}]"
    for key, row in KEYS.items():
        value = getattr(destination, row.field)
        unused = row.field in ("host", "port") and destination.path is not None
        secret = row.field == "proxy" and value is not None and value.password is not None
        if value != Destination._defaults.get(row.field) and not unused and not secret:
            # JSON writes these values as TOML does, except for DEL.
            written = json.dumps(row.write(value), ensure_ascii=False)
            yield f"{key} = {written}".replace("\x7f", "\\u007F")
