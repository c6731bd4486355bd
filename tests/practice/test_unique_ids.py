"""Unique-ids in the form of a certain server."""

from __future__ import annotations

import pytest

from poptalk.practice.persona import FormError, RenamedMaildrop, UniqueIdForm
from tests.pop3.serving import MemoryMaildrop


def test_a_form_is_filled_in_from_what_names_the_message() -> None:
    form = UniqueIdForm("{hex}.{digits}-{hex}")
    made = form.make(b"one")
    first, second = made.split(b".")[0], made.split(b"-")[1]
    assert made == form.make(b"one") != form.make(b"two")
    assert len(made) == 16 + 1 + 10 + 1 + 16
    assert first != second


def test_many_messages_have_as_many_unique_ids() -> None:
    for form in (UniqueIdForm("{hex}"), UniqueIdForm("{digits}.{digits}")):
        assert len({form.make(b"%d" % number) for number in range(20_000)}) == 20_000


def test_nothing_else_of_the_maildrop_changes() -> None:
    plain = MemoryMaildrop()
    renamed = RenamedMaildrop(plain, UniqueIdForm("X{hex}"))
    assert renamed.count == plain.count
    assert renamed.unique_id(2) == UniqueIdForm("X{hex}").make(plain.unique_id(2))
    assert renamed.octets(1) == plain.octets(1)
    assert b"".join(renamed.chunks(1)) == b"".join(plain.chunks(1))
    assert renamed.has_dot_lines(1) is plain.has_dot_lines(1)


@pytest.mark.parametrize(
    ("form", "why"),
    [
        ("", "at least one {hex} or two {digits}"),
        ("{digits}", "at least one {hex} or two {digits}"),
        ("{hex}{", "only {hex}"),
        ("{hex}}", "only {hex}"),
        ("{number}", "only {hex}"),
        ("{hex} ", "no spaces"),
        ("\u00e9{hex}", "printable ASCII"),
        ("{hex}{hex}{hex}{hex}" + "x" * 7, "would have 71 and 4"),
        ("{digits}{digits}{digits}{digits}{digits}", "would have 50 and 5"),
    ],
)
def test_a_form_that_cannot_be_used(form: str, why: str) -> None:
    with pytest.raises(FormError, match=why.replace("{", "[{]").replace("}", "[}]")):
        UniqueIdForm(form)
