"""Personas: a server's texts, capabilities, habits and limits, as data.

A persona is a TOML file; ``personas/plain.toml`` explains every key.  A mistake is reported with the
file, the line, the key and what would be allowed.  `UniqueIdForm` makes unique-ids that look like those
of another server.  The settings of `poptalk serve` are here too.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from poptalk.config import Table, TomlError, TomlFile
from poptalk.pop3.capabilities import MAX_CAPABILITY_OCTETS, CapabilityLists, parse_capability
from poptalk.pop3.commands import Limits
from poptalk.pop3.replies import Status
from poptalk.pop3.server.quirks import QUIRKS, Quirks
from poptalk.pop3.server.texts import OCCASIONS, Occasion, TextError, Texts
from poptalk.pop3.server.transaction import Maildrop
from poptalk.pop3.values import Value
from poptalk.practice.maildrop.snapshot import AnotherMaildrop

# Unique-ids.  Courier's look like UID3-1795430507, Cyrus's like 1795430588.3.  A form says how they
# look; their content is still made from the message's own unique-id, so it is the same in every session
# (RFC 1939 §7).  Running numbers like those of real servers would be used again for another message once
# a maildrop is copied.


MAX_UNIQUE_ID_OCTETS = 70
"""RFC 1939 §7."""

MOST_FIELDS = 4
"""A field takes 64 bits of a hash, which should not be a long one."""

_DIGITS = 10
_FIELDS = {"{hex}": "0123456789abcdef", "{digits}": "0123456789"}
"""The fields, each with an example of its content."""


class FormError(ValueError):
    """A form that cannot be used, explained in one sentence."""


class UniqueIdForm:
    """How unique-ids look.

    Args:
        form: text with fields: ``{hex}`` is 16 hex digits, ``{digits}`` 10 decimal ones.  It needs at
            least one ``{hex}`` or two ``{digits}``, or two of 100,000 messages would share a unique-id.

    Raises:
        FormError: the form cannot be used.
    """

    def __init__(self, form: str) -> None:
        pieces = re.split(r"(\{[^{}]*\})", form)
        fields = pieces[1::2]
        if any(field not in _FIELDS for field in fields) or set("{}") & set("".join(pieces[::2])):
            raise FormError("only {hex} (16 hex digits) and {digits} (10 digits) may be in braces")
        if fields.count("{hex}") * 2 + fields.count("{digits}") < 2:
            raise FormError("at least one {hex} or two {digits} are needed, to tell messages apart")
        example = "".join(_FIELDS.get(piece, piece) for piece in pieces)
        if not all(0x21 <= ord(character) <= 0x7E for character in example):
            raise FormError("a unique-id has no spaces, and printable ASCII only (RFC 1939 §7)")
        if len(fields) > MOST_FIELDS or len(example) > MAX_UNIQUE_ID_OCTETS:
            raise FormError(
                f"a unique-id has {MAX_UNIQUE_ID_OCTETS} octets at most (RFC 1939 §7), made from "
                f"{MOST_FIELDS} fields at most; this one would have {len(example)} and {len(fields)}"
            )
        self._pieces = pieces

    def make(self, unique_id: bytes) -> bytes:
        """Return the unique-id in this form that replaces `unique_id`."""
        hashed = hashlib.blake2b(unique_id, digest_size=8 * MOST_FIELDS).digest()
        out = list(self._pieces)
        for at in range(1, len(out), 2):
            taken, hashed = hashed[:8], hashed[8:]
            number = int.from_bytes(taken, "big") % 10**_DIGITS
            out[at] = taken.hex() if out[at] == "{hex}" else f"{number:0{_DIGITS}}"
        return "".join(out).encode("ascii")


class RenamedMaildrop(AnotherMaildrop):
    """A maildrop whose unique-ids have another form.

    Args:
        maildrop: the maildrop.
        form: the form.
    """

    def __init__(self, maildrop: Maildrop, form: UniqueIdForm) -> None:
        super().__init__(maildrop)
        self._form = form

    def octets_in_all(self) -> int | None:
        """Return the size of all messages together, None while some have not been counted."""
        return self._maildrop.octets_in_all()

    def unique_id(self, number: int) -> bytes:
        """Return the unique-id of a message."""
        return self._form.make(super().unique_id(number))


def in_the_form_of(persona: Persona, maildrop: Maildrop) -> Maildrop:
    """Return a maildrop with unique-ids that look like those of a persona."""
    return maildrop if persona.unique_ids is None else RenamedMaildrop(maildrop, persona.unique_ids)


_SITUATIONS = {
    ("clear", "before-login"): "clear",
    ("clear", "after-login"): "clear_logged_in",
    ("tls", "before-login"): "tls",
    ("tls", "after-login"): "tls_logged_in",
}
"""The place of each list of capabilities in the file, and the field that it fills."""

_ANY = {"any-positive": Status.OK, "any-negative": Status.ERR}
"""The keys for all occasions of one kind that have no text of their own."""

_LIMITS = {
    "line-octets": ("line", 64, 65_536),
    "overlong-lines": ("overlong_lines", 1, 1_000),
    "errors-before-login": ("errors_before_login", 1, 1_000),
    "errors-after-login": ("errors_after_login", 1, 1_000),
    "failed-logins": ("failed_logins", 1, 1_000),
}
"""The keys of the limits, each with its field and its least and greatest value."""

_CORE_QUIRKS = {field.replace("_", "-"): field for field in QUIRKS}
"""The keys of the habits of the core, each with its field."""

_DRIVER_QUIRKS = ("second-session", "login-delay", "refusal-seconds", "unique-ids")
"""The keys of the habits of the driver."""

MAX_REFUSAL_SECONDS = 60
"""The longest delay of a refused login: few clients wait longer for an answer."""

E = TypeVar("E", bound=Enum)


class SecondSession(Enum):
    """What happens to a login while the same account has a session."""

    LET_IN = "let-in"
    REFUSED = "refused"
    """`[IN-USE]`, though each session of this server could have a maildrop of its own."""


class AnnouncedDelay(Enum):
    """Whether a server keeps to the LOGIN-DELAY that it announces (RFC 2449 §6.5)."""

    KEPT = "kept"
    IGNORED = "ignored"


class PersonaError(Exception):
    """A persona that cannot be used, explained in one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Persona:
    """How a server speaks, what it offers and how it behaves.

    Args:
        name: the name of its file, without the suffix.
        description: one line for people.
        texts: what it says, by occasion.
        capabilities: its answers to CAPA.
        quirks: the habits that the core has.
        limits: how much it tolerates.
        second_session: what happens to a login while the same account has a session.
        login_delay: whether it keeps to the LOGIN-DELAY that it announces.
        refusal_seconds: how long the real server takes to refuse a login.
        unique_ids: the form of its unique-ids, None for those of the maildrop.
    """

    name: str
    description: str
    texts: Texts
    capabilities: CapabilityLists
    quirks: Quirks = Quirks()  # noqa: RUF009 - it is frozen
    limits: Limits = Limits()  # noqa: RUF009 - it is frozen
    second_session: SecondSession = SecondSession.LET_IN
    login_delay: AnnouncedDelay = AnnouncedDelay.KEPT
    refusal_seconds: int = 0
    unique_ids: UniqueIdForm | None = None


def shipped_personas() -> list[str]:
    """Return the names of the personas that come with poptalk."""
    files = resources.files("poptalk.practice").joinpath("personas").iterdir()
    return sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml"))


def list_personas() -> Iterator[str]:
    """Return the lines that ``poptalk serve --list-personas`` prints."""
    names = shipped_personas()
    columns = max(map(len, names))
    for name in names:
        yield f"{name:<{columns}}  {load_persona(name).description}"
    yield f"{'FILE.toml':<{columns}}  one of your own; plain.toml explains every key, copy it from"
    yield f"{'':<{columns}}  {resources.files('poptalk.practice').joinpath('personas')}"


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
        return parse_persona(file.read_text("utf-8"), name=persona, source=f"{persona}.toml")
    if not persona.endswith(".toml"):
        raise PersonaError(
            f'There is no persona "{persona}"; there are {", ".join(shipped)}, '
            "or give the path of a file that ends in .toml."
        )
    path = Path(persona)
    try:
        return _persona(TomlFile.read(path), name=path.stem)
    except TomlError as error:
        raise PersonaError(f"The persona {error}") from error


def parse_persona(text: str, *, name: str, source: str) -> Persona:
    """Read a persona.

    Args:
        text: the content of its file.
        name: the name of the persona.
        source: what to call the file in a message.

    Raises:
        PersonaError: there is a mistake; the text has the file, the line, the key and what is allowed.
    """
    try:
        return _persona(TomlFile(text, source=source), name=name)
    except TomlError as error:
        raise PersonaError(f"The persona {error}") from error


def _persona(toml: TomlFile, *, name: str) -> Persona:
    file = toml.table(["description", "texts", "capabilities", "habits", "limits"])
    description = file.text("description")
    if not description.isprintable() or not description:
        raise file.mistake("description", "one line that says something is needed")
    habits = file.optional_table("habits", allowed=[*_CORE_QUIRKS, *_DRIVER_QUIRKS])
    limits = file.optional_table("limits", allowed=_LIMITS)
    quirks: dict[str, Any] = {
        field: _choice(habits, key, kind)
        for (key, field), kind in zip(_CORE_QUIRKS.items(), QUIRKS.values(), strict=True)
    }
    refusal_seconds = 0
    if "refusal-seconds" in habits:
        refusal_seconds = habits.whole_number("refusal-seconds", least=0, most=MAX_REFUSAL_SECONDS)
    return Persona(
        name=name,
        description=description,
        texts=_texts(file.table("texts", allowed=[*_ANY, *OCCASIONS])),
        capabilities=_capabilities(file),
        quirks=Quirks(**quirks),
        limits=Limits(
            **{
                field: limits.whole_number(key, least=least, most=most)
                for key, (field, least, most) in _LIMITS.items()
                if key in limits
            }
        ),
        second_session=_choice(habits, "second-session", SecondSession),
        login_delay=_choice(habits, "login-delay", AnnouncedDelay),
        refusal_seconds=refusal_seconds,
        unique_ids=_unique_ids(habits),
    )


def _texts(table: Table) -> Texts:
    own = {OCCASIONS[key]: table.text(key) for key in table if key not in _ANY}
    for occasion, text in own.items():
        _check_text(table, occasion.key, {occasion: text})
    for key, status in _ANY.items():
        if key not in table:
            continue
        text = table.text(key)
        if "{" in text:
            raise table.mistake(key, "no fields here, as occasions differ in what they have")
        left_out = {
            occasion: text
            for occasion in Occasion
            if occasion.status is status and not {occasion.key, occasion.like} & set(table)
        }
        _check_text(table, key, left_out)
        own |= left_out
    return Texts(own)


def _check_text(table: Table, key: str, texts: Mapping[Occasion, str]) -> None:
    try:
        Texts(texts)
    except TextError as error:
        raise table.mistake(key, str(error)) from error


def _choice(table: Table, key: str, kind: type[E]) -> E:
    """Return the value of a habit; the first of its kind is the default."""
    values = [each.value for each in kind]
    return kind(table.choice(key, values) if key in table else values[0])


def _unique_ids(table: Table) -> UniqueIdForm | None:
    if "unique-ids" not in table:
        return None
    try:
        return UniqueIdForm(table.text("unique-ids"))
    except FormError as error:
        raise table.mistake("unique-ids", str(error)) from error


def _capabilities(file: Table) -> CapabilityLists:
    layers = file.table("capabilities", allowed=["clear", "tls"])
    lists = {
        field: _capability_lines(layers.table(layer, allowed=["before-login", "after-login"]), when)
        for (layer, when), field in _SITUATIONS.items()
    }
    return CapabilityLists(**lists)


def _capability_lines(table: Table, when: str) -> tuple[bytes, ...]:
    lines = table.texts(when)
    for line in lines:
        if not line.isascii() or not line.isprintable() or line != " ".join(line.split()):
            raise table.mistake(
                when,
                f'"{line}" is not a capability, which is printable words with single spaces',
            )
        if not line or len(line) + 2 > MAX_CAPABILITY_OCTETS:
            raise table.mistake(
                when, f"a capability has 1 to {MAX_CAPABILITY_OCTETS - 2} octets (RFC 2449 §5)"
            )
    encoded = tuple(line.encode("ascii") for line in lines)
    tags = [parse_capability(line).tag for line in encoded]
    if len(set(tags)) < len(tags):
        raise table.mistake(when, "a capability is listed twice")
    return encoded


# The settings of `poptalk serve`, and their defaults.  The table of options repeats some of them in its
# help, because a session with another server loads nothing of this folder; a test compares the two.


LOOPBACK = "127.0.0.1"
"""Where the practice server listens by default, since everyone knows the passwords."""

DEFAULT_PERSONA = "exchange"
"""How it speaks by default: as in the article that poptalk is built on."""


class ServeSettings(Value):
    """The options of `poptalk serve`; `--help` says what each field means."""

    lesson: str | None = None
    persona: str = DEFAULT_PERSONA
    maildrop: str | None = None
    faults: tuple[str, ...] = ()
    fault_seed: int | None = None
    users: tuple[str, ...] = ()
    """Accounts as NAME:PASSWORD."""
    user_files: tuple[str, ...] = ()
    any_name: str | None = None
    """The password of a class; empty to have one chosen."""
    token: str | None = None
    shared: bool = False
    own: bool = False
    writable: bool = False
    listen: tuple[str, ...] = (LOOPBACK,)
    port: int = 0
    tls_port: int = 0
    slow_refusals: bool = False
    connections: int | None = None
    loop: str = "auto"
    list_personas: bool = False
    list_faults: bool = False
    quiet: bool = False
    log: str | None = None
    json: bool = False
