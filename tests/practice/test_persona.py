"""Personas: those that are shipped, and mistakes in one's own."""

from __future__ import annotations

import poplib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from poptalk.pop3.server.quirks import QUIRKS
from poptalk.pop3.server.texts import Occasion
from poptalk.practice.persona import (
    PersonaError,
    list_personas,
    load_persona,
    parse_persona,
    shipped_personas,
)
from poptalk.practice.server import Server
from poptalk.transcript.placeholders import Known
from tests.practice.replaying import replay
from tests.practice.talking import SECONDS, connected, greeted

PERSONAS = Path(__file__).parents[2] / "poptalk" / "practice" / "personas"
TRANSCRIPTS = Path(__file__).parents[1] / "transcripts" / "personas"

LIKENESSES = (
    "courier", "cyrus", "dovecot", "gmail", "mailutils", "popa3d", "qpopper", "solid",
)  # fmt: skip

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
[habits]
capa = "answered"
unique-ids = "{hex}"
[limits]
failed-logins = 3
"""


# Those that are shipped.


def test_the_shipped_personas_can_be_loaded() -> None:
    assert shipped_personas() == sorted(["exchange", "plain", *LIKENESSES])
    for name in shipped_personas():
        persona = load_persona(name)
        assert persona.name == name
        assert persona.description


def test_each_says_where_its_facts_are_from() -> None:
    for name in LIKENESSES:
        text = (PERSONAS / f"{name}.toml").read_text()
        assert text.startswith("# A likeness of ")
        comment = text.partition("\n\n")[0]
        assert "Heard on Debian 12 (" in comment or "Documented in " in comment


@pytest.mark.parametrize("name", LIKENESSES)
def test_each_says_word_for_word_what_the_real_one_says(name: str) -> None:
    with Server(persona=name) as server, connected(server) as talk:
        known = Known(user="bob", password="jones", host="mail.example")
        replay(TRANSCRIPTS / f"{name}.pop3", talk, known)


@pytest.mark.parametrize("name", shipped_personas())
def test_a_library_of_others_reads_mail_from_each(name: str) -> None:
    with Server(persona=name) as server:
        client = poplib.POP3(server.host, server.port, timeout=SECONDS)
        client.user("bob")
        client.pass_("jones")
        assert client.stat() == (3, 6183)
        assert client.list()[1] == [b"1 1903", b"2 4255", b"3 25"]
        unique_ids = [line.split()[1] for line in client.uidl()[1]]
        assert len(set(unique_ids)) == 3
        assert client.uidl(2).split()[2] == unique_ids[1]
        assert client.retr(3)[1] == [b"Subject: hi", b"", b"Call me."]
        assert client.top(3, 0)[1] == [b"Subject: hi", b""]
        client.dele(1)
        with pytest.raises(poplib.error_proto):
            client.retr(1)
        client.rset()
        client.noop()
        client.quit()


@pytest.mark.parametrize("name", shipped_personas())
def test_what_each_announces_is_what_works(name: str) -> None:
    """RFC 2449 §5: what is announced before the login works after it; STLS only where it is listed."""
    persona = load_persona(name)
    lists = persona.capabilities
    for lines in (lists.clear, lists.tls):
        assert {b"USER", b"TOP", b"UIDL"} <= set(lines)
    assert {b"TOP", b"UIDL"} <= set(lists.clear_logged_in) & set(lists.tls_logged_in)
    assert b"STLS" not in (*lists.tls, *lists.tls_logged_in)


def test_plain_says_what_the_core_says_by_itself() -> None:
    """The file repeats the RFC's words, so that who copies it sees what can be changed."""
    plain = load_persona("plain")
    values = {field: f"<{field}>" for row in Occasion for field in row.fields}
    for occasion in Occasion:
        text = occasion.text
        for field in occasion.fields:
            text = text.replace(f"{{{field}}}", values[field])
        assert plain.texts.fill(occasion, values) == text.encode()


def test_plain_does_what_the_server_does_where_nothing_is_said() -> None:
    plain = load_persona("plain")
    nothing_said = parse_persona(
        GOOD.partition("[habits]")[0], name="nothing", source="nothing.toml"
    )
    assert plain.quirks == nothing_said.quirks
    assert plain.limits == nothing_said.limits
    assert plain.second_session is nothing_said.second_session
    assert plain.login_delay is nothing_said.login_delay


def test_the_schema_names_every_occasion_field_habit_and_value() -> None:
    text = (PERSONAS / "plain.toml").read_text()
    comment = " ".join(line for line in text.splitlines() if line.startswith("#"))
    words = comment.replace(",", " ").replace(";", " ").replace(":", " ").split()
    assert not [o.key for o in Occasion if o.key not in words]
    fields = {field for row in Occasion for field in row.fields}
    assert not [field for field in fields if f"{{{field}}}" not in comment]
    for habit, kind in QUIRKS.items():
        assert habit.replace("_", "-") in words
        assert not [value.value for value in kind if f'"{value.value}"' not in words]
    _, _, behind = text.partition("[habits]\n")
    assert all(f"{habit.replace('_', '-')} = " in behind for habit in QUIRKS)


def test_exchange_speaks_as_in_the_article_and_offers_no_apop() -> None:
    exchange = load_persona("exchange")
    greeting = exchange.texts.fill(Occasion.GREETING, {})
    assert greeting == b"Microsoft Exchange POP3 server version 5.0.1457.10 ready"
    assert exchange.capabilities.clear == (b"TOP", b"UIDL", b"USER", b"STLS")


def test_every_capability_of_authorization_is_announced_after_the_login_too() -> None:
    """RFC 2449 §5, which some of the others do not keep; but STLS means "here and now"."""
    for name in ("exchange", "plain"):
        lists = load_persona(name).capabilities
        assert set(lists.clear) - {b"STLS"} == set(lists.clear_logged_in)
        assert set(lists.tls) == set(lists.tls_logged_in)
        assert b"STLS" not in (*lists.clear_logged_in, *lists.tls)


def test_the_list_for_people_has_them_all() -> None:
    lines = list(list_personas())
    for name in shipped_personas():
        assert f"{name} " in " ".join(line[:12] for line in lines)
        assert any(load_persona(name).description in line for line in lines)
    assert "plain.toml" in lines[-2]
    assert Path(lines[-1].strip(), "plain.toml").is_file()


# One's own.


def test_one_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD)
    persona = load_persona(str(path))
    assert persona.name == "mine"
    assert persona.capabilities.clear_logged_in == (b"TOP", b"EXPIRE 30")
    assert persona.texts.fill(Occasion.GREETING, {}) == b"hello"
    assert persona.limits.failed_logins == 3


def test_what_is_left_out_is_said_as_any_other() -> None:
    text = GOOD.replace(
        'greeting = "hello"', 'any-positive = "fine"\nany-negative = ""\nfarewell = "bye"'
    )
    texts = parse_persona(text, name="my", source="my.toml").texts
    assert texts.fill(Occasion.GREETING, {}) == b"fine"
    assert texts.fill(Occasion.EMPTY_LINE, {}) == b""
    # What has a like is said like that, before it is said like any other.
    assert texts.fill(Occasion.FAREWELL_AFTER_DELETION, {}) == b"bye"


@contextmanager
def mistake(text: str) -> Iterator[list[str]]:
    """Read a persona with a mistake; the list holds what is said of it."""
    said: list[str] = []
    yield said
    with pytest.raises(PersonaError) as caught:
        parse_persona(text, name="my", source="my.toml")
    said.append(str(caught.value))


@pytest.mark.parametrize(
    ("replace", "by", "sentence"),
    [
        ("greeting", "greetings", 'line 4, texts.greetings: no such key; is "greeting" meant? Allowed'),
        ("greeting", "salute", "line 4, texts.salute: no such key; allowed here are any-positive, any-"),
        ("[texts]", "[words]", "line 3, words: no such key; allowed here are description, texts"),
        ("[texts]", "[text]", 'line 3, text: no such key; is "texts" meant?'),
        ('description = "mine"', "", "my.toml, description: missing, and needed here."),
        ('"mine"', "7", "line 2, description: a text in quotation marks is needed"),
        ('"mine"', '""', "line 2, description: one line that says something is needed"),
        ('"hello"', "7", "line 4, texts.greeting: a text in quotation marks is needed"),
        ('"hello"', '"{number}"', "the fields of greeting are {timestamp}"),
        ('"hello"', '"a\\r\\nb"', "line 4, texts.greeting: a text is printable ASCII"),
        ('"hello"', '"gr\u00fc\u00df dich"', "line 4, texts.greeting: a text is printable ASCII"),
        ('"hello"', '"' + "x" * 600 + '"', "line 4, texts.greeting: a text has 491 octets at most"),
        ('"hello"', '"""\nhello"""\nfarewell = 7', "line 6, texts.farewell: a text in quotation"),
        ('greeting = "hello"', 'any-negative = "{number}"', "line 4, texts.any-negative: no fields"),
        ("[capabilities.tls]", "[capabilities.ssl]", "line 8, capabilities.ssl: no such key"),
        ("after-login = []", "", "line 8, capabilities.tls.after-login: missing"),
        ('"EXPIRE 60 USER"', "60", "line 6, capabilities.clear.before-login: a list of texts"),
        ('"EXPIRE 60 USER"', '"TOP"', "clear.before-login: a capability is listed twice"),
        ('"EXPIRE 60 USER"', '" A  B"', 'clear.before-login: " A  B" is not a capability'),
        ('"EXPIRE 60 USER"', '""', "clear.before-login: a capability has 1 to 510 octets"),
        ('"TOP", "EXPIRE 60 USER"', '\n"TOP",\n7', "line 6, capabilities.clear.before-login: a list"),
        ('"answered"', '"unknwon"', "line 12, habits.capa: 'unknwon' is no value here; is \"unk"),
        ('"answered"', '"unknwon"', "meant? Allowed here are answered, unknown."),
        ('"answered"', "true", "habits.capa: True is no value here; allowed here are answered, unknown"),
        ("capa =", "cappa =", 'line 12, habits.cappa: no such key; is "capa" meant?'),
        ('"{hex}"', '"UID"', "line 13, habits.unique-ids: at least one {hex}"),
        ('"{hex}"', '"{digit}"', "line 13, habits.unique-ids: only {hex}"),
        ('"{hex}"', '"a {hex}"', "line 13, habits.unique-ids: a unique-id has no spaces"),
        ('"{hex}"', '"' + "{hex}" * 5 + '"', "line 13, habits.unique-ids: a unique-id has 70 octets"),
        ('unique-ids = "{hex}"', "refusal-seconds = 61", "refusal-seconds: a whole number from 0 to 60"),
        ("= 3", "= true", "line 15, limits.failed-logins: a whole number from 1 to 1000"),
        ("failed-logins = 3", "line-octets = 63", "line 15, limits.line-octets: a whole number from 64"),
        ("[habits]", "[[habits]]", "line 11, habits: a table is needed, with the keys capa"),
        ("[texts]", "[texts", "line 3: no TOML at column 7 (Expected ']'"),
        ("[limits]", "[texts]", "line 14: no TOML at column 7 (Cannot declare ('texts',) twice"),
        ("failed-logins = 3\n", "failed-logins = [", "line 15: no TOML at the end"),
    ],
)  # fmt: skip
def test_mistakes_name_file_line_key_and_what_is_allowed(
    replace: str, by: str, sentence: str
) -> None:
    assert GOOD.count(replace) >= 1
    with mistake(GOOD.replace(replace, by, 1)) as said:
        pass
    assert said[0].startswith("The persona my.toml, ")
    assert sentence in said[0]


def test_a_persona_that_is_not_there_is_explained(tmp_path: Path) -> None:
    with pytest.raises(PersonaError, match='no persona "gmial"; there are courier, cyrus, dovecot'):
        load_persona("gmial")
    with pytest.raises(PersonaError, match="cannot be read"):
        load_persona(str(tmp_path / "none.toml"))
    (tmp_path / "latin.toml").write_bytes(b'# one\ndescription = "\xff"')
    with pytest.raises(PersonaError, match=r"latin\.toml, line 2: not UTF-8"):
        load_persona(str(tmp_path / "latin.toml"))


# The habits that the driver has.


def test_one_session_at_a_time() -> None:
    with Server(persona="mailutils") as server, greeted(server) as first:
        assert first.log_in().startswith(b"+OK")
        with greeted(server) as second:
            assert second.log_in() == b"-ERR [IN-USE] Mailbox in use"
            assert second.log_in(b"mrose", b"tanstaaf").startswith(b"+OK")
        first.say(b"QUIT")
        assert first.rest() == b""
        with greeted(server) as third:
            assert third.log_in().startswith(b"+OK")


def test_a_login_delay_is_kept_or_ignored() -> None:
    kept = GOOD.replace('"EXPIRE 60 USER"', '"USER", "RESP-CODES", "LOGIN-DELAY 60"')
    ignored = kept.replace("[habits]", '[habits]\nlogin-delay = "ignored"')
    for text, answer in ((kept, b"-ERR [LOGIN-DELAY]"), (ignored, b"+OK")):
        persona = parse_persona(text, name="my", source="my.toml")
        with Server(persona=persona) as server:
            for beginning in (b"+OK", answer):
                with greeted(server) as talk:
                    assert talk.log_in().startswith(beginning)


def test_a_refusal_is_slow_only_if_that_is_asked_for() -> None:
    text = GOOD.replace("[habits]", "[habits]\nrefusal-seconds = 1")
    persona = parse_persona(text.replace("EXPIRE 60 ", "", 1), name="my", source="my.toml")
    with Server(persona=persona) as server, greeted(server) as talk:
        talk.sock.settimeout(0.9)
        assert talk.log_in(password=b"wrong").startswith(b"-ERR")
    with Server(persona=persona, slow_refusals=True) as server, greeted(server) as talk:
        talk.sock.settimeout(0.2)
        with pytest.raises(TimeoutError):
            talk.log_in(password=b"wrong")
    with Server(persona=persona, slow_refusals=True) as server, greeted(server) as talk:
        # What is pipelined behind it is answered behind it.
        talk.sock.sendall(b"USER bob\r\nPASS wrong\r\nXYZZY\r\nQUIT\r\n")
        answers = talk.rest().splitlines()
        assert [answer[:4] for answer in answers] == [b"+OK ", b"-ERR", b"-ERR", b"+OK "]


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("dovecot", r"[0-9a-f]{16}"),
        ("courier", r"UID\d{10}-\d{10}"),
        ("cyrus", r"\d{10}\.\d{10}"),
        ("mailutils", r"[0-9a-f]{32}\.\d{10}\.\d{10}"),
        ("gmail", r"GmailId[0-9a-f]{16}"),
    ],
)
def test_unique_ids_look_like_those_of_the_server_and_last(name: str, shape: str) -> None:
    import re

    seen = []
    for _ in range(2):
        with Server(persona=name) as server, greeted(server) as talk:
            talk.log_in()
            assert talk.say(b"UIDL").startswith(b"+OK")
            seen.append([line.split()[1].decode() for line in talk.body()])
    assert seen[0] == seen[1]
    assert all(re.fullmatch(shape, unique_id) for unique_id in seen[0])
