"""Servers that have a name: ``poptalk work`` in place of host, port and options.

They stand in ``servers.toml`` in the configuration directory, a table each:

    [work]
    host = "mail.example.org"
    tls = true
    user = "bob"

The keys are named as the options of the command line.  poptalk writes the file only when it is told
to (``--save NAME``), and never changes an entry that is there.  A password has no place in it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poptalk.net.destination import (
    DIRECT,
    FAMILIES,
    PROXY_VARIABLE,
    TLS_TWICE,
    TLS_VERSIONS,
    BadDestination,
    BadProxy,
    Destination,
    Proxy,
    Way,
    is_plain_name,
    parse_proxy,
    usual_port,
)
from poptalk.net.errors import printable
from poptalk.paths import config_directory
from poptalk.toml_file import Table, TomlError, TomlFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FILE_NAME = "servers.toml"

TEXTS: Mapping[str, str] = {
    "host": "host",
    "user": "user",
    "mechanism": "mechanism",
    "tls-name": "server_name",
    "source": "source",
}
"""Keys with a text, and the field of a destination that each fills."""

TRUTHS: Mapping[str, str] = {"tls": "tls", "starttls": "starttls"}

FILES: Mapping[str, str] = {
    "ca-file": "ca_file",
    "client-cert": "client_cert",
    "client-key": "client_key",
    "socket": "path",
}
"""Keys with a file: ``~`` is the home directory, and what is relative lies beside the configuration."""

OTHERS = ("port", "insecure", "pins", "tls-min", "proxy", "family")

KEYS = (*TEXTS, *TRUTHS, *FILES, *OTHERS)
"""All of them.  A key log is none: who wants one wants it once."""


def servers_file() -> Path:
    """Return where the named servers are kept; the file need not exist."""
    return config_directory() / FILE_NAME


def find_server(name: str, way: Way = DIRECT) -> Destination | None:
    """Return the server of a name, None if there is none.

    Args:
        name: as it stands in the file.
        way: what the command line says; it goes before the file wherever it is not the usual.

    Raises:
        BadDestination: a mistake in the file, with its line and key.
    """
    path = servers_file()
    if not path.exists():
        return None
    try:
        file = TomlFile.read(path)
        if name not in file.names:
            return None
        kept = _read_entry(file.table(file.names).table(name, allowed=KEYS), folder=path.parent)
    except TomlError as error:
        raise BadDestination(str(error)) from error
    return _join(name, kept, way)


def _join(name: str, kept: dict[str, Any], way: Way) -> Destination:
    usual = {field: getattr(DIRECT, field) for field in Way._fields}
    given = {field: getattr(way, field) for field in Way._fields}
    other = {field: value for field, value in given.items() if value != usual[field]}
    # Who says --tls means it in place of STLS, and the other way round.
    if "tls" in other or "starttls" in other:
        kept = {**kept, "tls": False, "starttls": False}
    fields = {**usual, **kept, **other, "label": name}
    if fields.get("port") is None:
        fields["port"] = usual_port(tls=fields["tls"])
    return Destination(**fields)


def _read_entry(entry: Table, *, folder: Path) -> dict[str, Any]:
    """Read an entry into the fields of a destination."""
    fields: dict[str, Any] = {}
    for key in entry:
        if key in TEXTS:
            fields[TEXTS[key]] = entry.text(key)
        elif key in TRUTHS:
            fields[TRUTHS[key]] = entry.truth(key)
        elif key in FILES:
            fields[FILES[key]] = str(folder / Path(entry.text(key)).expanduser())
        else:
            fields.update(_read_other(entry, key))
    if "host" not in fields and "path" not in fields:
        raise entry.mistake("host", 'missing: name the server, such as host = "mail.example.org"')
    if not fields.setdefault("host", "localhost"):
        raise entry.mistake("host", "it is empty")
    if fields.get("tls") and fields.get("starttls"):
        raise entry.mistake("starttls", TLS_TWICE)
    return fields


def _read_other(entry: Table, key: str) -> dict[str, Any]:
    """Read one of the keys that have a form of their own."""
    if key == "port":
        return {"port": entry.whole_number(key, least=1, most=65_535)}
    if key == "insecure":
        return {"verify": not entry.truth(key)}
    if key == "family":
        number = entry.whole_number(key, least=4, most=6)
        if number not in FAMILIES:
            raise entry.mistake(key, "4 or 6 is needed, for that version of IP alone")
        return {"family": FAMILIES[number]}
    if key == "proxy":
        return {"proxy": _read_proxy(entry, key)}
    if key == "tls-min":
        return {"tls_min": entry.choice(key, TLS_VERSIONS)}
    from poptalk.net.tls_settings import parse_pin

    pins = entry.texts(key)
    for pin in pins:
        try:
            parse_pin(pin)
        except ValueError as error:
            raise entry.mistake(key, str(error)) from error
    return {"pins": tuple(pins)}


def _read_proxy(entry: Table, key: str) -> Proxy:
    try:
        proxy = parse_proxy(entry.text(key), from_command_line=False)
    except BadProxy as error:
        raise entry.mistake(key, str(error)) from error
    if proxy.password is not None:
        raise entry.mistake(
            key,
            "a password has no place in this file; put the proxy's URL into the environment variable "
            f"{PROXY_VARIABLE}",
        )
    return proxy


# Saving.


def save_server(name: str, destination: Destination) -> Path:
    """Write a server under a name, beside those that are there; return the file.

    The file is made for its owner alone, mode 0600.

    Args:
        name: letters, digits, hyphen and underscore.
        destination: what to write; of a proxy with a password nothing is.

    Raises:
        BadDestination: the name cannot be used or is taken, or the file cannot be written.
    """
    if not is_plain_name(name):
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
        if before and not before.endswith(b"\n"):
            before += b"\n"
        entry = "".join(f"{line}\n" for line in _entry(name, destination))
        _replace(path, before + (b"\n" if before else b"") + entry.encode("utf-8"))
    except TomlError as error:
        raise BadDestination(str(error)) from error
    except (OSError, UnicodeEncodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "a word in it is not UTF-8"
        raise BadDestination(f"{path} cannot be written ({why})") from error
    return path


def _replace(path: Path, content: bytes) -> None:
    """Write a file anew in one step, so that a crash leaves the old one or the new one."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # The file may be a link into somebody's collection of such files.
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
    yield f"[{name}]"
    for key, value in _values(destination):
        yield f"{key} = {_toml(value)}"


def _values(destination: Destination) -> Iterator[tuple[str, str | int | list[str]]]:
    """Give the keys of an entry that are other than usual; host and port wherever they count."""
    if destination.path is None:
        yield "host", destination.host
        yield "port", destination.port
    for key, field in (*TEXTS.items(), *TRUTHS.items(), ("tls-min", "tls_min")):
        value = getattr(destination, field)
        if value and field != "host":
            yield key, value
    for key, field in FILES.items():
        if getattr(destination, field):
            yield key, os.path.abspath(getattr(destination, field))
    yield from _other_values(destination)


def _other_values(destination: Destination) -> Iterator[tuple[str, str | int | list[str]]]:
    if not destination.verify:
        yield "insecure", True
    if destination.pins:
        yield "pins", list(destination.pins)
    if destination.proxy is not None and destination.proxy.password is None:
        yield "proxy", destination.proxy.url
    for number, family in FAMILIES.items():
        if destination.family == family:
            yield "family", number


def _toml(value: str | int | list[str]) -> str:
    """Write a value; what JSON writes of these is TOML as well."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
