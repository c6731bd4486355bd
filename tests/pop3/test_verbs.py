"""The table of commands: every row is plausible, and explains its own example."""

import re
from pathlib import Path

import pytest

from poptalk.pop3.capabilities import CAPABILITIES
from poptalk.pop3.commands import (
    VERBS,
    ArgumentKind,
    Clause,
    Effect,
    FieldKind,
    MultiLine,
    State,
    Verb,
)
from poptalk.pop3.replies import Status, parse_status_line
from poptalk.transcript.model import ClientLine, ExpectedReply, ServerLine, exchanges
from poptalk.transcript.parser import parse_dialogue

RFCS_WITH_VERBS = {1081, 1082, 1225, 1460, 1939, 2449, 2595, 5034, 6856}

rows = pytest.mark.parametrize("verb", VERBS.values(), ids=lambda verb: verb.keyword)


def test_all_commands_of_the_issue_are_there() -> None:
    living = b"USER PASS APOP AUTH CAPA STLS UTF8 LANG STAT LIST RETR DELE NOOP RSET TOP UIDL QUIT"
    relics = b"LAST RPOP XTND"
    assert {verb.name for verb in VERBS.values() if not verb.relic} == set(living.split())
    assert {verb.name for verb in VERBS.values() if verb.relic} == set(relics.split())


@rows
def test_a_row_is_sane(verb: Verb) -> None:
    assert VERBS[verb.name] is verb
    # RFC 1939 §3: keywords are three or four letters; UTF8 came later.
    assert re.fullmatch(rb"[A-Z0-9]{3,4}", verb.name)
    assert verb.states <= {State.AUTHORIZATION, State.TRANSACTION}
    assert verb.states
    assert verb.clause.rfc in RFCS_WITH_VERBS
    # The oldest RFCs have no numbered sections.
    assert re.fullmatch(r"[0-9]+(\.[0-9]+)*", verb.clause.section) or verb.relic
    assert verb.capability is None or verb.capability in CAPABILITIES
    assert verb.challenges == (verb.name == b"AUTH")


@rows
def test_its_arguments_are_sane(verb: Verb) -> None:
    *first, _last = verb.arguments or (None,)
    assert not any(argument.rest for argument in first if argument is not None)
    optional = [argument.optional for argument in verb.arguments]
    assert optional == sorted(optional), "an optional argument stands before one that is needed"
    names = [argument.name for argument in verb.arguments]
    assert len(set(names)) == len(names)
    secret_kinds = {ArgumentKind.PASSWORD, ArgumentKind.DIGEST, ArgumentKind.INITIAL_RESPONSE}
    for argument in verb.arguments:
        assert argument.secret == (argument.kind in secret_kinds)
    if verb.multi_line is MultiLine.WITHOUT_ARGUMENT:
        assert optional[0]


@rows
def test_its_fields_are_sane(verb: Verb) -> None:
    assert not [field for field in verb.fields[:-1] if field.kind is FieldKind.REST]
    for field in verb.fields:
        assert field.name
        assert not field.meaning.endswith(".")


@rows
def test_its_words_are_for_people(verb: Verb) -> None:
    assert verb.summary[0].islower()
    assert not verb.summary.endswith(".")
    assert "\n" not in verb.summary + verb.details
    assert verb.details[0].isupper() or verb.details[0].isdigit() or verb.details[0] in "n"
    assert verb.details.endswith(".")
    assert verb.relic is None or not verb.relic.endswith(".")


@rows
def test_its_example_is_a_dialogue_that_uses_it(verb: Verb) -> None:
    dialogue = parse_dialogue(verb.example, name=verb.keyword)
    sent = [step.payload.split()[0] for step in dialogue.steps if isinstance(step, ClientLine)]
    assert verb.keyword in sent
    for reply in exchanges(dialogue):
        if not isinstance(reply, ExpectedReply) or reply.answers is None:
            continue
        if reply.answers.verb is not verb:
            continue
        first = reply.steps[0]
        assert isinstance(first, ServerLine)
        status = parse_status_line(first.payload.encode())
        goes_on = status.status is Status.OK and reply.answers.multi_line
        assert (len(reply.steps) > 1) == goes_on
        if goes_on:
            end = reply.steps[-1]
            assert isinstance(end, ServerLine)
            assert end.payload == "."
        elif status.status is Status.OK:
            for field, word in zip(verb.fields, status.words, strict=False):
                if field.kind in (FieldKind.MESSAGE, FieldKind.COUNT, FieldKind.OCTETS):
                    assert word.isdigit()


def test_syntax_and_clause_as_people_write_them() -> None:
    assert VERBS[b"TOP"].syntax == "TOP msg n"
    assert VERBS[b"AUTH"].syntax == "AUTH [mechanism] [initial-response]"
    assert VERBS[b"QUIT"].keyword == "QUIT"
    assert str(Clause(rfc=1939, section="7")) == "RFC 1939 §7"


def test_one_command_for_each_great_effect() -> None:
    by_effect = {
        effect: [verb.keyword for verb in VERBS.values() if verb.effect is effect]
        for effect in Effect
        if effect is not Effect.NOTHING
    }
    assert by_effect == {
        Effect.NAME: ["USER"],
        Effect.LOGIN: ["PASS", "APOP", "AUTH", "RPOP"],
        Effect.START_TLS: ["STLS"],
        Effect.MARK: ["DELE"],
        Effect.UNMARK_ALL: ["RSET"],
        Effect.FAREWELL: ["QUIT"],
    }


def test_nothing_else_lists_the_commands() -> None:
    """A module that names more than a handful of commands in one line has a second table."""
    import poptalk

    package = Path(poptalk.__file__).parent
    keywords = re.compile(rf"""b?["']({"|".join(verb.keyword for verb in VERBS.values())})["']""")
    for file in package.rglob("*.py"):
        if file.name == "verbs.py":
            continue
        for number, line in enumerate(file.read_text().splitlines(), 1):
            assert len(keywords.findall(line)) < 4, f"{file.name}:{number}"
