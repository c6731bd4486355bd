"""A replay on the screen, with both lines wherever it differs; and the results as JUnit XML."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from poptalk.pop3 import events
from poptalk.pop3.capabilities import parse_capability
from poptalk.pop3.commands import Clause, Command, Field
from poptalk.pop3.explain import (
    ReplyContext,
    cause_of_refusal,
    explain_reply,
    why_login_refused,
)
from poptalk.pop3.redaction import SpokenSecrets
from poptalk.pop3.replies import Status, parse_status_line
from poptalk.run.replay import Agreed, Differed, Occurrence
from poptalk.session.exchanges import ConnectionEnded, ConnectionOpened, Note, TlsEstablished
from poptalk.terminal.render import (
    BodyView,
    Budget,
    NoteKind,
    client_line,
    milliseconds,
    note,
    status_line,
)
from poptalk.terminal.safe import Fragments
from poptalk.transcript.match import Aspect
from poptalk.transcript.model import ClientLine, Dialogue, ServerLine
from poptalk.transcript.octets import octets_of, text_of
from poptalk.transcript.pattern import make_pattern

# Results as JUnit XML, which continuous integration services read.


class Result(Enum):
    """The result of a case; the values are JUnit's elements for it."""

    PASSED = ""
    FAILED = "failure"
    BROKEN = "error"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One thing that was checked."""

    name: str
    result: Result = Result.PASSED
    messages: Sequence[str] = ()
    """What was found; none if it passed."""
    line: int | None = None
    """The line in the file."""
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """One file that was checked."""

    path: Path
    cases: Sequence[Case]
    seconds: float


def junit(suites: Sequence[Suite], *, name: str) -> str:
    """Write suites as a JUnit document.

    Args:
        suites: one for each file.
        name: what checked them.

    Returns:
        XML, with a line end at its end.
    """
    root = Element("testsuites", name=name)
    for suite in suites:
        _add_suite(root, suite)
    indent(root)
    return tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _add_suite(root: Element, suite: Suite) -> None:
    counts = {result: sum(case.result is result for case in suite.cases) for result in Result}
    element = SubElement(
        root,
        "testsuite",
        name=suite.path.stem,
        file=str(suite.path),
        tests=str(len(suite.cases)),
        failures=str(counts[Result.FAILED]),
        skipped=str(counts[Result.SKIPPED]),
        errors=str(counts[Result.BROKEN]),
        time=f"{suite.seconds:.3f}",
    )
    for case in suite.cases:
        _add_case(element, case, suite.path)


def _add_case(suite: Element, case: Case, path: Path) -> None:
    element = SubElement(suite, "testcase", classname=path.stem, name=_writable(case.name))
    if case.line is not None:
        element.set("file", str(path))
        element.set("line", str(case.line))
    if case.seconds is not None:
        element.set("time", f"{case.seconds:.3f}")
    if case.result is not Result.PASSED:
        messages = [_writable(message) for message in case.messages]
        told = SubElement(element, case.result.value, message=messages[0] if messages else "")
        told.text = "\n".join(messages)


def _writable(text: str) -> str:
    """Escape characters that XML 1.0 can't represent: servers send whatever they like."""
    return "".join(
        character
        if character in "\t\n" or (character.isprintable() and character not in "\ufffe\uffff")
        else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


# What a difference means by the RFCs, and which clause says so.


_REPLIES = Clause(rfc=1939, section="3")
_FOR_PEOPLE = Clause(rfc=1939, section="9")
_CODES = Clause(rfc=2449, section="8")
_CAPABILITIES = Clause(rfc=2449, section="5")
_UPDATE = Clause(rfc=1939, section="6")


def views(differed: Differed) -> Iterator[str]:
    """Explain a difference in sentences, each with its clause."""
    for meaning, clause in _views(differed):
        yield f"{meaning} [{clause}]" if clause is not None else meaning


def _views(differed: Differed) -> Iterator[tuple[str, Clause | None]]:
    difference, command = differed.difference, differed.command
    verb = command.verb if command is not None else None
    match difference.aspect:
        case Aspect.FIELD if difference.field is not None:
            yield (
                f"'{difference.field.name}' is data: {difference.field.meaning}",
                verb.clause if verb is not None else None,
            )
        case Aspect.INDICATOR if difference.came is not None and command is not None:
            yield from _of_the_answer(command, octets_of(difference.came), differed.known)
        case Aspect.CODE:
            yield "a response code is for programs, unlike the words after it", _CODES
        case Aspect.STATUS_LINE:
            yield (
                "only the indicator and the fields that a command defines count for programs; the "
                "words are for people",
                _FOR_PEOPLE,
            )
        case Aspect.BODY_LINE if verb is not None:
            yield (
                "the lines of a listing are data"
                if verb.fields
                else "a message is sent as it is stored, octet for octet",
                verb.clause,
            )
        case Aspect.CAPABILITY:
            yield from _of_the_capability(difference.expected)
        case Aspect.MECHANISM:
            yield (
                "the server does not keep to the mechanism, or cannot prove that it knows the "
                "password: nothing that it says can be relied upon",
                None,
            )
        case Aspect.END:
            yield "a reply ends with its one line, or with the lone dot", _REPLIES
        case Aspect.CLOSE:
            yield "a server hangs up after its answer to QUIT", _UPDATE


def _of_the_answer(
    command: Command, line: bytes, known: ReplyContext | None
) -> Iterator[tuple[str, Clause | None]]:
    """Explain an answer whose indicator isn't the expected one."""
    known = known or ReplyContext()
    status_line = parse_status_line(line)
    indicator, *others = explain_reply(command, status_line, known=known)
    codes = [part for part in others if part.part.startswith(b"[")]
    refused = others[-1:] if status_line.status is Status.ERR else []
    verb, login = command.verb, known.login
    if refused and verb and login and not cause_of_refusal(verb, command, known):
        why = list(why_login_refused(status_line, login))
        codes, refused = ([], why) if why else (codes, refused)
    for part in (indicator, *codes, *refused):
        yield part.meaning, part.clause


def _of_the_capability(expected: str) -> Iterator[tuple[str, Clause | None]]:
    capability = parse_capability(octets_of(expected.strip("'")))
    known = capability.registered
    if known is not None:
        yield f"{known.tag.decode('ascii')}: {known.meaning}", known.clause
    else:
        yield "not in the IANA registry of POP3 capabilities", _CAPABILITIES


# The results of a replay for build servers: a case for each exchange, with its seconds.


class Results:
    """Collects the result of each exchange; a password that a server repeats is masked.

    Args:
        clock: seconds, such as ``time.monotonic``.
    """

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._begun = self._since = clock()
        self._cases: list[Case] = []

    def take(self, occurrence: Occurrence, secrets: SpokenSecrets) -> None:
        """Take note of what happens, with the secrets to mask; most of it isn't a result."""
        match occurrence:
            case ConnectionOpened() | events.Sent():
                self._since = self._clock()
            case Agreed():
                expected = occurrence.expected
                self._add(_keyword(expected.answers), expected.steps[0].line)
            case Differed():
                difference = occurrence.difference
                told = octets_of("\n".join((str(difference), *views(occurrence))))
                masked = text_of(secrets.mask(told, answers=occurrence.exchange))
                name = _keyword(occurrence.command)
                self._add(name, difference.line, Result.FAILED, masked.split("\n"))

    def stopped(self, sentence: str) -> None:
        """Take note that the replay was stopped.

        Args:
            sentence: why.
        """
        self._add("the connection", None, Result.BROKEN, (sentence,))

    def suite(self, path: Path) -> Suite:
        """Return everything.

        Args:
            path: the dialogue's file.
        """
        return Suite(path=path, cases=tuple(self._cases), seconds=self._clock() - self._begun)

    def _add(
        self,
        name: str,
        line: int | None,
        result: Result = Result.PASSED,
        messages: Sequence[str] = (),
    ) -> None:
        where = f"line {line}: {name}" if line is not None else name
        seconds = self._clock() - self._since
        case = Case(name=where, result=result, messages=messages, line=line, seconds=seconds)
        self._cases.append(case)


def _keyword(command: Command | None) -> str:
    """Name what was answered; an unknown command may be a secret."""
    if command is None:
        return "the greeting"
    return command.verb.keyword if command.verb is not None else "a line"


class Stopwatch:
    """Measures each exchange, from sending its line to the end of the reply.

    Args:
        clock: seconds, such as ``time.monotonic``.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since = clock()
        self._sent: dict[int, float] = {}

    def take(self, occurrence: Occurrence) -> str | None:
        """Take note of what happens; if it ends an exchange, return the time for people."""
        now = self._clock()
        match occurrence:
            case ConnectionOpened():
                self._since = now
                self._sent.clear()
                return None
            case events.Sent():
                self._sent[occurrence.exchange.number] = now
                return None
            case events.Greeting():
                since = self._since
            case events.Reply(multi_line=True) | events.ReplyEnd(body_octets=0):
                return None
            case events.Challenge() | events.Reply() | events.ReplyEnd():
                since = self._sent.get(occurrence.exchange.number, self._since)
            case _:
                return None
        return milliseconds(now - since)


BODY_ROWS = 100
"""Rows of one reply that are shown: a replay is about the session, not about the messages."""

MOST_UNASKED = 50
"""Lines of an unsolicited chunk that are shown."""

_WRITTEN = "# written  "
_CAME = "# came     "


class Transcript:
    """Shows what happens in a replay.

    Args:
        dialogue: what is replayed, to quote from.
        show: takes lines for the screen.
        columns: cells of a row.
        quiet: whether to show nothing but differences.
        clock: seconds, such as ``time.monotonic``, to show how long each reply took; None not to.
    """

    def __init__(
        self,
        dialogue: Dialogue,
        *,
        show: Callable[[Iterable[Fragments]], None],
        columns: int,
        quiet: bool,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._name = dialogue.name
        self._steps = {step.line: step for step in dialogue.steps}
        self._show = show
        self._columns = columns
        self._quiet = quiet
        self._secrets = SpokenSecrets()
        self._view: BodyView | None = None
        self._watch = Stopwatch(clock) if clock is not None else None

    def take(self, occurrence: Occurrence, secrets: SpokenSecrets) -> None:
        """Show something that happened, if it is visible.

        Args:
            occurrence: what happened.
            secrets: what to mask in lines from the server.
        """
        self._secrets = secrets
        if isinstance(occurrence, Differed):
            self._show(self._difference(occurrence))
        elif not self._quiet:
            time = self._watch.take(occurrence) if self._watch is not None else None
            self._show(_with_time(self._lines(occurrence), time))

    def conclude(self, sentence: str) -> None:
        """Show how it ended."""
        if not self._quiet:
            self._show(note(sentence))

    def _lines(self, occurrence: Occurrence) -> Iterator[Fragments]:
        """Show the lines of the session; `_facts` shows what happens between them."""
        match occurrence:
            case events.Sent():
                yield client_line(occurrence.line, occurrence.secret)
            case events.Greeting() | events.Challenge():
                yield self._status(occurrence.status_line.line)
            case events.Reply():
                yield from self._reply(occurrence)
            case events.BodyChunk() if self._view is not None:
                yield from self._view.feed(occurrence.data)
            case events.ReplyEnd():
                yield from self._end_of_body(complete=True)
            case events.Unsolicited():
                for line in occurrence.data.splitlines()[:MOST_UNASKED]:
                    yield self._status(line)
            case events.Closed():
                yield from self._end_of_body(complete=False)
                if occurrence.partial:
                    yield self._status(occurrence.partial)
            case _:
                yield from self._facts(occurrence)

    def _facts(self, occurrence: Occurrence) -> Iterator[Fragments]:
        match occurrence:
            case ConnectionOpened():
                yield from note(f"connected to {occurrence.where}")
            case TlsEstablished() if occurrence.facts.warning:
                pass  # A note has it, with the summary.
            case TlsEstablished():
                yield from note(occurrence.facts.summary)
            case ConnectionEnded():
                yield from note(str(occurrence.ending))
            case Note():
                yield from note(occurrence.text)

    def _status(
        self,
        line: bytes,
        *,
        of: events.Exchange | None = None,
        fields: tuple[Field, ...] | None = None,
    ) -> Fragments:
        number = of.number if of is not None else None
        return status_line(self._secrets.mask(line, answers=number), fields=fields)

    def _reply(self, reply: events.Reply) -> Iterator[Fragments]:
        verb = reply.exchange.command.verb
        fields = verb.fields if verb is not None else ()
        shown = () if reply.multi_line else fields
        yield self._status(reply.status_line.line, of=reply.exchange, fields=shown)
        if reply.multi_line:
            budget = Budget(row_count=BODY_ROWS, columns=self._columns)
            self._view = BodyView(budget=budget, in_header=not fields, fields=fields)

    def _end_of_body(self, *, complete: bool) -> Iterator[Fragments]:
        view, self._view = self._view, None
        if view is not None:
            yield from view.end(complete=complete)

    # Differences.

    def _difference(self, differed: Differed) -> Iterator[Fragments]:
        difference = differed.difference
        where = f"{self._name}:{difference.line}"
        yield from note(f"{where}: expected {difference.wanted}", kind=NoteKind.WARN)
        if difference.aspect is Aspect.TIME:
            took = "it has not come" if difference.came is None else f"it took {difference.came}"
            yield from note(took, kind=NoteKind.WARN)
            return
        yield [("note", _WRITTEN), *self._written(difference.line, difference.aspect)]
        if difference.came is None:
            yield [("note", _CAME), ("warn", "nothing more")]
        else:
            octets = octets_of(difference.came)
            came = text_of(self._secrets.mask(octets, answers=differed.exchange))
            yield [("note", _CAME), *status_line(octets_of(make_pattern(came).source))]
        if differed.octets_left_out:
            yield from note(
                f"the reply was very long: {differed.octets_left_out:,} octets in its middle were not "
                "searched"
            )
        for view in views(differed):
            yield from note(view, columns=self._columns)

    def _written(self, line: int, aspect: Aspect) -> Fragments:
        """Quote a line of the dialogue; if the dialogue has no line, say so."""
        step = self._steps.get(line)
        if aspect is Aspect.END:
            return [("note", "nothing more")]
        if aspect is Aspect.MECHANISM:
            return [("note", "a challenge that the line after it can answer")]
        if aspect is Aspect.CLOSE:
            return [("note", "S: <close connection>")]
        if isinstance(step, ClientLine):
            return [("note", "no reply, so that any but a refusal will do")]
        return status_line(octets_of(step.pattern.source)) if isinstance(step, ServerLine) else []


def _with_time(lines: Iterable[Fragments], time: str | None) -> Iterator[Fragments]:
    """Append the time to the last line."""
    *others, last = [*lines] or [[]]
    yield from others
    if last:
        yield [*last, ("note", f"  # {time}")] if time is not None else last
