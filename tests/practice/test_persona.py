"""Personas: those that are shipped, and mistakes in one's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from poptalk.practice.persona import (
    PersonaError,
    load_persona,
    parse_persona,
    shipped_personas,
)
from poptalk.protocol.texts import WORDINGS, Occasion

GOOD = """
description = "mine"
[texts]
greeting = "hello"
[capabilities.clear]
before-login = ["TOP", "EXPIRE 60 USER"]
after-login = ["TOP", "EXPIRE 30"]
[capabilities.tls]
before-login = []
after-login = []
"""


def test_the_shipped_personas_can_be_loaded() -> None:
    assert shipped_personas() == ["exchange", "plain"]
    for name in shipped_personas():
        persona = load_persona(name)
        assert persona.name == name
        assert persona.description


def test_plain_says_what_the_core_says_by_itself() -> None:
    """The file repeats the RFC's words, so that who copies it sees what can be changed."""
    plain = load_persona("plain")
    values = {field: f"<{field}>" for row in WORDINGS.values() for field in row.fields}
    for occasion, wording in WORDINGS.items():
        text = wording.text
        for field in wording.fields:
            text = text.replace(f"{{{field}}}", values[field])
        assert plain.texts.fill(occasion, values) == text.encode()


def test_the_schema_names_every_occasion() -> None:
    schema = Path(__file__).parents[2] / "poptalk" / "practice" / "personas" / "plain.toml"
    comment = " ".join(line for line in schema.read_text().splitlines() if line.startswith("#"))
    missing = [o.value for o in Occasion if o.value not in comment.replace(",", " ").split()]
    assert not missing
    fields = {field for row in WORDINGS.values() for field in row.fields}
    assert not [field for field in fields if f"{{{field}}}" not in comment]


def test_exchange_speaks_as_in_the_article_and_offers_no_apop() -> None:
    exchange = load_persona("exchange")
    greeting = exchange.texts.fill(Occasion.GREETING, {})
    assert greeting == b"Microsoft Exchange POP3 server version 5.0.1457.10 ready"
    assert exchange.capabilities.clear == (b"TOP", b"UIDL", b"USER", b"STLS")


def test_every_capability_of_authorization_is_announced_after_the_login_too() -> None:
    """RFC 2449 §5; but STLS means "permitted in the current state" (RFC 2595 §4)."""
    for name in shipped_personas():
        lists = load_persona(name).capabilities
        assert set(lists.clear) - {b"STLS"} == set(lists.clear_logged_in)
        assert set(lists.tls) == set(lists.tls_logged_in)
        assert b"STLS" not in (*lists.clear_logged_in, *lists.tls)


def test_one_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD)
    persona = load_persona(str(path))
    assert persona.name == "mine"
    assert persona.capabilities.clear_logged_in == (b"TOP", b"EXPIRE 30")
    assert persona.texts.fill(Occasion.GREETING, {}) == b"hello"


@pytest.mark.parametrize(
    ("replace", "by", "sentence"),
    [
        ("greeting", "greetings", "my.toml, texts.greetings: no such key; allowed here are greeting"),
        ("[texts]", "[words]", "my.toml, words: no such key; allowed here are description, texts"),
        ('description = "mine"', "", "my.toml, description: missing; needed here are"),
        ('"mine"', "7", "my.toml, description: a text in quotation marks is needed"),
        ('"hello"', "7", "my.toml, texts.greeting: a text in quotation marks is needed"),
        ('"hello"', '"{number}"', "my.toml, texts.greeting: .* the fields of greeting are {timestamp}"),
        ('"hello"', '"a\\\\r\\\\nb"', "my.toml, texts.greeting: a text is printable ASCII"),
        ("[capabilities.tls]", "[capabilities.ssl]", "capabilities.ssl: no such key; .* clear, tls"),
        ("after-login = []", "", "my.toml, capabilities.tls.after-login: missing"),
        ('"EXPIRE 60 USER"', "60", "capabilities.clear.before-login: a list of texts is needed"),
        ('"EXPIRE 60 USER"', '"TOP"', "clear.before-login: a capability stands here twice"),
        ('"EXPIRE 60 USER"', '" A  B"', 'clear.before-login: " A  B" is no capability'),
        ('"EXPIRE 60 USER"', '""', "clear.before-login: a capability has 1 to 510 octets"),
        ("[texts]", "[texts", "my.toml is no TOML"),
    ],
)  # fmt: skip
def test_mistakes_name_the_file_the_key_and_what_is_allowed(
    replace: str, by: str, sentence: str
) -> None:
    text = GOOD.replace(replace, by.replace("\\\\", "\\"))
    with pytest.raises(PersonaError, match=sentence):
        parse_persona(text, name="my", source="my.toml")


def test_a_persona_that_is_not_there_is_explained(tmp_path: Path) -> None:
    with pytest.raises(PersonaError, match='no persona "gmail"; there are exchange, plain, or'):
        load_persona("gmail")
    with pytest.raises(PersonaError, match="cannot be read"):
        load_persona(str(tmp_path / "none.toml"))
    (tmp_path / "latin.toml").write_bytes(b'description = "\xff"')
    with pytest.raises(PersonaError, match="UTF-8"):
        load_persona(str(tmp_path / "latin.toml"))
