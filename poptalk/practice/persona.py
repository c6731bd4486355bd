"""Personas: what a server says and offers, as data.

A persona is a TOML file; ``personas/plain.toml`` explains every key.  A mistake in one is reported
with the file, the key and what would be allowed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from poptalk.protocol.capabilities import (
    MAX_CAPABILITY_OCTETS,
    CapabilityLists,
    parse_capability,
)
from poptalk.protocol.texts import Occasion, TextError, Texts

_SITUATIONS = {
    ("clear", "before-login"): "clear",
    ("clear", "after-login"): "clear_logged_in",
    ("tls", "before-login"): "tls",
    ("tls", "after-login"): "tls_logged_in",
}
"""Where each list of capabilities stands in the file, and the field that it fills."""


class PersonaError(Exception):
    """A persona that cannot be used, explained in one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Persona:
    """What a server says and offers.

    Args:
        name: the name of its file, without the suffix.
        description: one line for people.
        texts: its words by occasion.
        capabilities: its answers to CAPA.
    """

    name: str
    description: str
    texts: Texts
    capabilities: CapabilityLists


def shipped_personas() -> list[str]:
    """Return the names of the personas that come with poptalk."""
    files = resources.files("poptalk.practice").joinpath("personas").iterdir()
    return sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml"))


def load_persona(persona: str) -> Persona:
    """Load a persona that comes with poptalk, or one from a file.

    Args:
        persona: a name such as ``plain``, or the path of a file that ends in ``.toml``.

    Raises:
        PersonaError: there is no such persona, or its file has a mistake.
    """
    shipped = shipped_personas()
    if persona in shipped:
        file = resources.files("poptalk.practice").joinpath("personas", f"{persona}.toml")
        return parse_persona(
            file.read_text(encoding="utf-8"), name=persona, source=f"{persona}.toml"
        )
    if not persona.endswith(".toml"):
        raise PersonaError(
            f'There is no persona "{persona}"; there are {", ".join(shipped)}, '
            "or give the path of a file that ends in .toml."
        )
    path = Path(persona)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise PersonaError(f"The persona {path} cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise PersonaError(f"The persona {path} is not UTF-8, as TOML must be.") from error
    return parse_persona(text, name=path.stem, source=str(path))


def parse_persona(text: str, *, name: str, source: str) -> Persona:
    """Read a persona.

    Args:
        text: the content of its file.
        name: the name of the persona.
        source: what to call the file in a message.

    Raises:
        PersonaError: for a mistake, with the file, the key and what would be allowed.
    """
    import tomllib

    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PersonaError(f"{source} is no TOML: {error}.") from error
    file = _Table(content, source=source, path="", allowed=["description", "texts", "capabilities"])
    return Persona(
        name=name,
        description=file.text("description"),
        texts=_texts(file),
        capabilities=_capabilities(file),
    )


class _Table:
    """A table of the file, which knows its place for messages.

    Args:
        content: keys and values.
        source: the file.
        path: the keys that lead here, joined by dots.
        allowed: the keys that may stand here.
    """

    def __init__(
        self, content: Mapping[str, Any], *, source: str, path: str, allowed: list[str]
    ) -> None:
        self.content = content
        self._source = source
        self._path = path
        self._allowed = allowed
        for key in content:
            if key not in allowed:
                raise self.mistake(key, f"no such key; allowed here are {', '.join(allowed)}")

    def mistake(self, key: str, why: str) -> PersonaError:
        """Return the error for a key of this table."""
        place = f"{self._path}.{key}" if self._path else key
        return PersonaError(f"{self._source}, {place}: {why}.")

    def _get(self, key: str) -> Any:
        if key not in self.content:
            raise self.mistake(key, f"missing; needed here are {', '.join(self._allowed)}")
        return self.content[key]

    def text(self, key: str) -> str:
        """Return a text."""
        value = self._get(key)
        if not isinstance(value, str):
            raise self.mistake(key, 'a text in quotation marks is needed, such as "ready"')
        return value

    def texts(self, key: str) -> list[str]:
        """Return a list of texts."""
        value = self._get(key)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.mistake(key, 'a list of texts is needed, such as ["TOP", "UIDL"]')
        return value

    def table(self, key: str, *, allowed: list[str]) -> _Table:
        """Return a table within this one."""
        value = self._get(key)
        if not isinstance(value, dict):
            raise self.mistake(key, f"a table is needed, with the keys {', '.join(allowed)}")
        path = f"{self._path}.{key}" if self._path else key
        return _Table(value, source=self._source, path=path, allowed=allowed)


def _texts(file: _Table) -> Texts:
    table = file.table("texts", allowed=[occasion.value for occasion in Occasion])
    own: dict[Occasion, str] = {}
    for key in table.content:
        own[Occasion(key)] = table.text(key)
        try:
            Texts({Occasion(key): own[Occasion(key)]})
        except TextError as error:
            raise table.mistake(key, str(error)) from error
    return Texts(own)


def _capabilities(file: _Table) -> CapabilityLists:
    layers = file.table("capabilities", allowed=["clear", "tls"])
    lists = {
        field: _capability_lines(layers.table(layer, allowed=["before-login", "after-login"]), when)
        for (layer, when), field in _SITUATIONS.items()
    }
    return CapabilityLists(**lists)


def _capability_lines(table: _Table, when: str) -> tuple[bytes, ...]:
    lines = table.texts(when)
    for line in lines:
        if not line.isascii() or not line.isprintable() or line != " ".join(line.split()):
            raise table.mistake(
                when, f'"{line}" is no capability: printable ASCII, words parted by single blanks'
            )
        if not line or len(line) + 2 > MAX_CAPABILITY_OCTETS:
            raise table.mistake(
                when, f"a capability has 1 to {MAX_CAPABILITY_OCTETS - 2} octets (RFC 2449 §5)"
            )
    encoded = tuple(line.encode("ascii") for line in lines)
    tags = [parse_capability(line).tag for line in encoded]
    if len(set(tags)) < len(tags):
        raise table.mistake(when, "a capability stands here twice")
    return encoded
