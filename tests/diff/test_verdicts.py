"""Two surveys of one mailbox, and the verdicts."""

from __future__ import annotations

from poptalk.diff.compare import Outcome, Verdict, compare, pair_up
from poptalk.diff.fetch import Digests, Message, Survey


def message(
    number: int, *, octets: int = 100, unique_id: bytes | None = b"", body: bytes | None = None
) -> Message:
    return Message(
        number=number,
        octets=octets,
        unique_id=b"id%d" % number if unique_id == b"" else unique_id,
        digests=None if body is None else Digests(header=b"h", body=body),
    )


def survey(*messages: Message, place: str = "old", count: int | None = None) -> Survey:
    return Survey(
        place=place,
        count=len(messages) if count is None else count,
        octets=sum(each.octets or 0 for each in messages),
        messages=messages,
        has_unique_ids=any(each.unique_id for each in messages),
    )


def verdicts(left: Survey, right: Survey) -> dict[str, Verdict]:
    return {verdict.subject: verdict for verdict in compare(left, right)}


def differing(left: Survey, right: Survey) -> set[str]:
    return {
        subject
        for subject, verdict in verdicts(left, right).items()
        if verdict.outcome is Outcome.DIFFERS
    }


THREE = (message(1, body=b"a"), message(2, body=b"b"), message(3, body=b"c"))


def test_the_same_is_the_same() -> None:
    found = verdicts(survey(*THREE), survey(*THREE, place="new"))
    assert {verdict.outcome for verdict in found.values()} == {Outcome.SAME}
    assert "content" in found


def test_a_message_that_is_missing() -> None:
    found = verdicts(survey(*THREE), survey(*THREE[:2], place="new"))
    differ = {name for name, each in found.items() if each.outcome is Outcome.DIFFERS}
    assert differ == {"messages", "set of unique-ids", "content"}
    assert found["sizes"].outcome is Outcome.UNKNOWN
    lost = "old: no message on new is recognised as message 3"
    assert found["content"].details == (lost,)
    assert found["sizes"].details == (f"{lost}, so its size was not compared",)


def test_a_size_differs_whether_or_not_the_content_was_fetched() -> None:
    """Messages that cannot be paired are compared all the same, with each other."""
    for fetched in (False, True):
        left = survey(message(1, octets=100, body=b"a" if fetched else None))
        other = message(1, octets=120, unique_id=b"x", body=b"b" if fetched else None)
        assert "sizes" in differing(left, survey(other, place="new"))


def test_nothing_is_the_same_of_which_nothing_was_compared() -> None:
    left = survey(message(1, body=b"a"))
    right = survey(message(1, unique_id=b"x", body=b"b"), place="new")
    found = verdicts(left, right)
    assert found["content"].outcome is Outcome.DIFFERS
    assert (found["content"].left, found["content"].right) == ("0 compared", "2 unmatched")
    assert found["order"].outcome is Outcome.UNKNOWN
    assert found["sizes"].outcome is Outcome.UNKNOWN


def test_a_letter_with_another_unique_id_is_recognised_by_its_content() -> None:
    left = survey(message(1, body=b"a"), message(2, body=b"b"))
    right = survey(message(1, body=b"a"), message(2, unique_id=b"x", body=b"b"), place="new")
    assert pair_up(left, right).by == "unique-id and content"
    assert differing(left, right) == {"set of unique-ids"}


def test_a_message_that_one_server_does_not_give_is_a_difference() -> None:
    left, right = survey(message(1), message(2, body=b"b")), survey(*THREE[:2], place="new")
    content = verdicts(left, right)["content"]
    assert content.outcome is Outcome.DIFFERS
    assert "message 1 did not come from both servers, so it was not compared" in content.details


def test_messages_that_have_changed_places() -> None:
    left = survey(message(1, unique_id=b"a"), message(2, unique_id=b"b"))
    right = survey(message(1, unique_id=b"b"), message(2, unique_id=b"a"))
    assert differing(left, right) == {"order"}
    assert "message 1 has become 2" in verdicts(left, right)["order"].details


def test_a_missing_message_in_the_middle_moves_nothing() -> None:
    left = survey(*THREE)
    right = survey(message(1, unique_id=b"id1"), message(2, unique_id=b"id3"))
    assert "order" not in differing(left, right)


def test_other_sizes() -> None:
    left = survey(*(message(n, octets=100) for n in range(1, 8)))
    right = survey(*(message(n, octets=101) for n in range(1, 8)))
    sizes = verdicts(left, right)["sizes"]
    assert sizes.outcome is Outcome.DIFFERS
    assert sizes.details[0] == "message 1: 100 and 101 octets"
    assert sizes.details[-1] == "and 4 more"


def test_without_common_unique_ids_the_content_tells_which_is_which() -> None:
    left = survey(message(1, body=b"a"), message(2, body=b"b"))
    right = survey(
        message(1, unique_id=b"x", body=b"b"), message(2, unique_id=b"y", body=b"a"), place="new"
    )
    assert pair_up(left, right).by == "content"
    assert differing(left, right) == {"set of unique-ids", "order"}


def test_with_nothing_to_go_by_the_place_is_all_there_is() -> None:
    left = survey(message(1), message(2))
    right = survey(
        message(1, unique_id=None), message(2, unique_id=None), message(3, unique_id=None)
    )
    found = verdicts(left, right)
    assert found["order"].outcome is Outcome.UNKNOWN
    assert found["set of unique-ids"].outcome is Outcome.UNKNOWN
    assert found["messages"].outcome is Outcome.DIFFERS


def test_illegal_unique_ids_are_named() -> None:
    bad = survey(
        message(1, unique_id=b"has blank"[:3] + b" x"),
        message(2, unique_id=b"x" * 71),
        message(3, unique_id=b"twice"),
        message(4, unique_id=b"twice"),
        message(5, unique_id=None),
    )
    details = " ".join(verdicts(bad, bad)["unique-ids are legal"].details)
    for said in ("octets that are not allowed", "has 71 octets", "messages 3, 4 have", "5 has no"):
        assert said in details


def test_a_header_that_was_added_to_is_told_from_another_body() -> None:
    def with_digests(number: int, header: bytes, body: bytes) -> Message:
        digests = Digests(header=header, body=body)
        return Message(number=number, octets=1, unique_id=b"%d" % number, digests=digests)

    left = survey(with_digests(1, b"h", b"b"), with_digests(2, b"h", b"b"))
    right = survey(with_digests(1, b"other", b"b"), with_digests(2, b"h", b"other"))
    content = verdicts(left, right)["content"]
    assert content.outcome is Outcome.DIFFERS
    assert content.details == (
        "the body of message 2 is not the same",
        "only the header of message 1 is not the same",
    )


def test_stat_that_does_not_fit_list() -> None:
    found = verdicts(survey(*THREE, count=4), survey(*THREE))
    assert found["messages"].details == ("old: STAT counts 4, LIST has 3 lines",)
