"""HTML, format=flowed and calendars as people read them."""

from __future__ import annotations

import pytest

from poptalk.mail.words import MOST_HTML, TimeLimit, TooLong, words_of


def html(text: str) -> str:
    return words_of("text/html", text, lambda _: "", TimeLimit(60)).text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("<head><title>T</title><style>p{}</style><p>no end of the head", "no end of the head"),
        ("<p>a<br>b<br><br>c", "a\nb\n\nc"),
        ("<ul><li>one<li>two</ul>after", "* one\n* two\nafter"),
        ("<ol start=3><li>c<li>d<ul><li>e</ul><li>f</ol>g", "3. c\n4. d\n  * e\n5. f\ng"),
        ("<table><tr><th>a</th><th>b</th></tr><tr><td>1<td>2</table>", "a  b\n1  2"),
        ("a<hr>b", f"a\n{'-' * 20}\nb"),
        ("<a href='http://x.example'>http://x.example</a>", "http://x.example"),
        ("<a href='mailto:a@b'>a@b</a>", "a@b"),
        ("<a href=http://x.example>never closed", "never closed <http://x.example>"),
        ("<a href=u1>one <a href=u2>two</a>", "one <u1> two <u2>"),
        ("<a href=u1>one</a><a href=u2>two</a>.", "one <u1> two <u2>."),
        ("pre\u034f\u200b\u00adview", "preview"),
        ("<img alt='A picture' src=x>", "[A picture]"),
        ("<img src=x>words", "words"),
        ("<pre>a  b\n  c</pre>d", "a  b\n  c\nd"),
        ("<script>x<p></script>seen<style>p", "seen"),
        ("a&nbsp;&amp;&#228;&lt;b&gt;", "a &ä<b>"),
        ("one\n\n<i>two</i>\nthree", "one two three"),
        ("<!-- hidden --><b>b</b>old", "bold"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
    ],
)
def test_html(source: str, text: str) -> None:
    assert html(source) == text


def test_html_without_end_is_cut_with_a_remark() -> None:
    words = words_of("text/html", "<p>a</p>" * MOST_HTML, lambda _: "", TimeLimit(60))
    assert words.remarks == ("only the first 262,144 characters of the HTML are read",)


def test_html_can_be_stopped() -> None:
    deadline = TimeLimit(60)
    deadline.stop()
    with pytest.raises(TooLong):
        words_of("text/html", "<p>a", lambda _: "", deadline)


@pytest.mark.parametrize(
    ("text", "delsp", "expected"),
    [
        ("one \r\ntwo\r\nthree", "", "one two\nthree"),
        ("one \r\ntwo", "yes", "onetwo"),
        (" >stuffed\r\n From x", "", ">stuffed\nFrom x"),
        ("> quoted \r\n> more\r\nnot", "", "> quoted more\nnot"),
        (">> deeper \r\n> less", "", ">> deeper \n> less"),
        ("flows \r\n-- \r\nBob", "", "flows \n-- \nBob"),
        ("", "", ""),
    ],
)
def test_flowed(text: str, delsp: str, expected: str) -> None:
    parameters = {"format": "flowed", "delsp": delsp}
    found = words_of("text/plain", text, lambda name: parameters.get(name, ""), TimeLimit(60))
    assert found.text == expected


CALENDAR = """\
BEGIN:VCALENDAR\r
METHOD:REQUEST\r
BEGIN:VTIMEZONE\r
DTSTART:19700101T000000\r
END:VTIMEZONE\r
BEGIN:VEVENT\r
SUMMARY;LANGUAGE=en:Planning\\, with\r
  tea\r
DTSTART;TZID="Europe/Berlin":20260105T100000\r
DTEND:20260105T110000Z\r
ORGANIZER;CN=Ann:MAILTO:ann@example.org\r
ATTENDEE;CN="Bob; B.";ROLE=CHAIR:mailto:bob@example.org\r
DESCRIPTION:one\\ntwo\r
BEGIN:VALARM\r
DESCRIPTION:not this\r
END:VALARM\r
END:VEVENT\r
END:VCALENDAR\r
"""


def test_a_calendar_in_words() -> None:
    found = words_of("text/calendar", CALENDAR, lambda _: "", TimeLimit(60))
    assert found.text == (
        "Method: REQUEST\n\n"
        "What: Planning, with tea\n"
        "From: Mon 2026-01-05 10:00 (Europe/Berlin)\n"
        "To: Mon 2026-01-05 11:00 UTC\n"
        "Organizer: Ann <ann@example.org>\n"
        "Attendee: Bob; B. <bob@example.org>\n"
        "Description: one\ntwo"
    )


def test_a_calendar_that_is_none_stays_as_it_is() -> None:
    assert words_of("text/calendar", "hello", lambda _: "", TimeLimit(60)).text == "hello"
