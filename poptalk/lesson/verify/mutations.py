"""What a learner may try in a step: nothing, something else, what is accepted as well, each mistake.

The step is begun by itself, as after a break, and tried at each of its turns.  After a try that has
changed the session, another learner goes from the beginning of the step to the same turn.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field

from poptalk.lesson.document.model import (
    WORDS_OF_NUMBERS,
    Block,
    BlockKind,
    Lesson,
    LessonFault,
    Mistake,
    Step,
    make_fault,
)
from poptalk.lesson.server import LessonServerError, PracticeLessonServer
from poptalk.lesson.session import Cursor
from poptalk.lesson.verify.dry_run import MOST_ACTIONS, DryRunLearner, Stuck
from poptalk.pop3.commands import VERBS
from poptalk.transcript.match import match_line
from poptalk.transcript.model import ClientLine, Send
from poptalk.transcript.pattern import Bindings, Literal, Pattern, PlaceholderKind

# Lines that fit a pattern: what a learner may type who makes a mistake that the author foresaw.


MOST_INSTANCES = 40
"""How many are tried for one mistake: each costs a line sent, and a few show what there is to see."""

NUMBERS = ("1", "2", "3", "4", "5", "6", "7", "8", "9", "0", "99")
"""Message-numbers that there are in a lesson's mailbox, and some that there are not."""

WORDS = ("nora", "1", "2", "3", "99", "x", *(verb.keyword for verb in VERBS.values()))
"""Names, numbers, and commands in the place of others; and nonsense."""

RESTS = ("1", "nora", "", "2", " 1", "1 1", "1 0", "x y")


_CANDIDATES = {
    PlaceholderKind.INT: NUMBERS,
    PlaceholderKind.WORD: WORDS,
    PlaceholderKind.REST: RESTS,
}


def instances(pattern: Pattern, bindings: Bindings) -> Iterator[str]:
    """Give lines that fit a pattern, the likeliest first; at most MOST_INSTANCES.

    Args:
        pattern: the `C:` line of a mistake.
        bindings: what the lesson has captured so far, and the known values.
    """
    free = [part for part in pattern.placeholders if part.name not in bindings]
    choices = [(part.default,) if part.default else _CANDIDATES[part.kind] for part in free]
    for values in itertools.islice(itertools.product(*choices), MOST_INSTANCES):
        line = _filled(pattern, bindings, dict(zip(map(id, free), values, strict=True)))
        if pattern.match(line, bindings) is not None:
            yield line


def _filled(pattern: Pattern, bindings: Bindings, values: dict[int, str]) -> str:
    """Put values into a pattern; `{...}` has no name, so they are told apart as objects."""
    texts = []
    for part in pattern.parts:
        if isinstance(part, Literal):
            texts.append(part.text)
        else:
            texts.append(values[id(part)] if id(part) in values else bindings[part.name or ""])
    return "".join(texts)


# Riddles: words of a task's `C:` line that neither the text above it nor the server has shown.  A
# keyword may also have been named in a lesson that comes before.


_GIVEN = ("user", "password")
"""Known placeholders that a learner must be told; the others are worked out."""


def riddles(
    step: ClientLine, bindings: Bindings, *, shown: str, earlier: Sequence[str] = ()
) -> Iterator[str]:
    """Give the words of a line that a learner cannot know.

    Args:
        step: the line of the lesson.
        bindings: what was captured so far, and the known values.
        shown: everything that the learner has seen of the lesson so far.
        earlier: the texts of the lessons before, for keywords.
    """
    parts = step.pattern.parts
    first = parts[0].text.split(" ")[0] if parts and isinstance(parts[0], Literal) else None
    if first and not any(_names(text, first, re.IGNORECASE) for text in (shown, *earlier)):
        yield first
    for part in parts:
        if isinstance(part, Literal):
            words = part.text.split()[part is parts[0] :]
        else:
            words = [bindings[part.name]] if part.name in _GIVEN and part.name in bindings else []
        yield from (word for word in words if not _stands_in(shown, word))


def _stands_in(shown: str, word: str) -> bool:
    spelled = WORDS_OF_NUMBERS.get(word, [])
    return _names(shown, word) or any(_names(shown, each, re.IGNORECASE) for each in spelled)


def _names(text: str, word: str, flags: re.RegexFlag = re.RegexFlag.NOFLAG) -> bool:
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, flags) is not None


# What is proved: a lesson, together with the text that it was read from.


ADVICE = frozenset({"PT031", "PT038"})
"""Codes of what may be otherwise for a reason: told, and no reason to fail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedLesson:
    """A lesson to be proved.

    Args:
        lesson: as the reader gave it.
        lines: of its file, without their ends.
        earlier: the texts of the lessons that come before it, which may have named a command.
    """

    lesson: Lesson
    lines: tuple[str, ...] = field(repr=False)
    earlier: tuple[str, ...] = field(default=(), repr=False)

    def fault(self, name: str, line: int, /, **values: object) -> LessonFault:
        """Make a finding.

        Args:
            name: one of `poptalk.lesson.document.model.FAULTS`.
            line: where in the file, counted from 1.
            values: what the names in braces stand for.
        """
        text = self.lines[line - 1] if 0 < line <= len(self.lines) else ""
        return make_fault(name, self.lesson.path, line, text, values)


Check = Callable[[CheckedLesson], Iterator[LessonFault]]
"""Looks at a lesson, and finds what is wrong with it."""


NOTHING = "NOOP"
"""What a learner may send who does nothing of what is asked."""

NO_LINE = "no line could be found that fits it"


@dataclass(frozen=True, slots=True, kw_only=True)
class DueLine:
    """A line of a task, and where the lesson stands when it is due."""

    cursor: Cursor
    send: Send

    @property
    def step(self) -> ClientLine:
        """The line as the lesson has it."""
        return self.send.step


class StepMutations:
    """The proof of one step.

    Args:
        subject: the lesson.
        practice_server: its practice server.
        step: one that a learner who did the whole lesson has passed.
    """

    def __init__(
        self, subject: CheckedLesson, practice_server: PracticeLessonServer, step: Step
    ) -> None:
        self._subject = subject
        self._practice_server = practice_server
        self._step = step
        self._learner: DryRunLearner | None = None
        self._spoiled = False
        """Whether a try has changed the session, so that another learner is due."""
        self._tried = False
        """Whether this learner has tried anything: if they get stuck, that may be the cause."""
        self._due_lines: list[DueLine] = []
        """The lines that the learner is to send."""

    def findings(self) -> Iterator[LessonFault]:
        """Find what is wrong with the step (PT021, PT022, PT023, PT026)."""
        try:
            self._find_turns()
            for due in self._due_lines:
                yield from self._try_nothing(due)
                yield from self._try_what_is_accepted(due)
            for block in self._step.blocks(BlockKind.TASK):
                yield from self._try_mistakes(block)
        except Stuck as stuck:
            yield self._subject.fault(
                "cannot-resume", stuck.line or self._step.line, advice=stuck.last_words
            )
        finally:
            self._leave()

    # Going to a line that is due.

    def _find_turns(self) -> None:
        """Go through the step alone, and note the lines that are to be sent."""
        learner = self._new_learner()
        while learner.go_to_turn(self._step):
            send = learner.turn.act if learner.turn is not None else None
            # Whatever answers a challenge is an answer: nothing else can be tried there.
            if isinstance(send, Send) and not send.answers_challenge:
                self._due_lines.append(DueLine(cursor=learner.tutor.cursor, send=send))
            learner.go_on()

    def _new_learner(self) -> DryRunLearner:
        self._leave()
        self._learner = DryRunLearner(
            self._subject.lesson, self._practice_server, at=self._step.slug
        )
        self._spoiled = self._tried = False
        self._learner.begin()
        return self._learner

    def _at(self, due: DueLine) -> DryRunLearner:
        """Stand at a line that is due, where nothing that was tried before can be noticed."""
        learner = self._learner
        if learner is not None and not self._spoiled and self._is_before(learner, due):
            try:
                learner.go_to_turn(self._step, due.cursor)
            except Stuck:
                if not self._tried:
                    raise
            if _is_at(learner, due):
                return learner
        learner = self._new_learner()
        learner.go_to_turn(self._step, due.cursor)
        if not _is_at(learner, due):
            raise Stuck(due.step.line, "it was asked for at the first time, and not at the second")
        return learner

    def _is_before(self, learner: DryRunLearner, due: DueLine) -> bool:
        return (
            not learner.over
            and learner.tutor.step is self._step
            and learner.tutor.cursor <= due.cursor
        )

    def _leave(self) -> None:
        if self._learner is not None:
            self._learner.close()
            self._learner = None

    def _try(self, learner: DryRunLearner, line: str) -> bool:
        """Send a line; tell whether the lesson took it for the one that it awaits."""
        before = learner.situation
        moved = learner.send(line)
        self._tried = True
        self._spoiled = learner.situation != before
        return moved

    # What is tried.

    def _try_nothing(self, due: DueLine) -> Iterator[LessonFault]:
        learner = self._at(due)
        if learner.fall_silent():
            yield self._subject.fault("goes-on-alone", due.step.line)
            return
        if any(
            pattern.text.upper() == NOTHING
            for pattern in (due.step.pattern, *due.step.alternatives)
        ):
            return
        if self._try(learner, NOTHING):
            yield self._subject.fault("noop-passes", due.step.line, source=due.step.pattern.source)

    def _try_what_is_accepted(self, due: DueLine) -> Iterator[LessonFault]:
        for pattern in due.step.alternatives:
            learner = self._at(due)
            line = next(instances(pattern, learner.tutor.bindings), None)
            if line is None or not self._try(learner, line):
                yield self._subject.fault(
                    "alternative-refused",
                    due.step.line,
                    source=pattern.source,
                    advice=learner.last_told,
                )

    def _try_mistakes(self, block: Block) -> Iterator[LessonFault]:
        due_lines = [
            due for due in self._due_lines if any(each is due.step for each in block.dialogue.steps)
        ]
        for mistake in block.mistakes:
            act = mistake.turn.act
            assert isinstance(act, Send)
            verb = act.command.verb
            # It is met where its own command is awaited, or at the end, where most is possible.
            last_first = sorted(due_lines, key=lambda due: due.cursor, reverse=True)
            reasons = []
            for due in sorted(last_first, key=lambda due: due.send.command.verb is not verb):
                reason = self._why_not_met(mistake, due)
                if reason is None:
                    break
                reasons.append(reason)
            else:
                yield self._subject.fault(
                    "mistake-never-met", mistake.line, reason=reasons[0] if reasons else NO_LINE
                )

    def _why_not_met(self, mistake: Mistake, due: DueLine) -> str | None:
        """Make the mistake at a turn; say what came in its place, None if it had its say."""
        assert isinstance(mistake.turn.act, Send)
        reason = NO_LINE
        for line in instances(mistake.turn.act.step.pattern, self._at(due).tutor.bindings):
            learner = self._at(due)
            if _is_answer(learner, due.step, line):
                reason = f"'{line}' is the answer itself" if reason == NO_LINE else reason
                continue
            self._try(learner, line)
            verdict = learner.tutor.verdict
            if verdict is not None and verdict.mistake is mistake:
                return None
            if verdict is not None and verdict.mistake is not None:
                first = verdict.mistake.line
                reason = f"'{line}' is met by the one in line {first}, which comes first"
            elif reason == NO_LINE:
                reason = f"'{line}' gets: {learner.last_told}"
            if learner.waits_in_vain:
                # A server that breaks down over it does so again, and each time takes long.
                break
        return reason


def _is_at(learner: DryRunLearner, due: DueLine) -> bool:
    act = learner.turn.act if learner.turn is not None else None
    return isinstance(act, Send) and act.step is due.step


def _is_answer(learner: DryRunLearner, step: ClientLine, line: str) -> bool:
    octets = line.encode("utf-8", "surrogateescape")
    return match_line(step, octets, learner.tutor.bindings) is not None


# One learner does the whole lesson.  Then each step that was passed is proved by itself.


def check_runs(subject: CheckedLesson) -> Iterator[LessonFault]:
    """Find what is wrong with a lesson when it is run (PT020 to PT029)."""
    try:
        with PracticeLessonServer(subject.lesson) as practice_server:
            passed = yield from _whole_lesson(subject, practice_server)
            for step in passed:
                yield from StepMutations(subject, practice_server, step).findings()
    except LessonServerError as error:
        sentence = error.sentence.rstrip(".")
        yield subject.fault("no-server", error.line, problem=sentence)


def _whole_lesson(
    subject: CheckedLesson, practice_server: PracticeLessonServer
) -> Generator[LessonFault, None, list[Step]]:
    """Do the lesson from its beginning; return the steps that were passed."""
    steps = subject.lesson.steps
    learner = DryRunLearner(subject.lesson, practice_server)
    differences, count = learner.dry_run.differences, 0
    try:
        learner.begin()
        for _ in range(MOST_ACTIONS):
            if learner.over:
                break
            yield from _riddles(subject, learner)
            count = len(differences)
            learner.go_on()
        else:
            raise Stuck(None, f"it asks for more than {MOST_ACTIONS} things")
    except Stuck as stuck:
        line = stuck.line or (learner.tutor.step.line if learner.tutor.step else 1)
        # The step begins again where its proof fails, which is told below; the answer has passed.
        if len(differences) == count:
            yield subject.fault("answer-refused", line, advice=stuck.last_words)
    finally:
        learner.close()
    for line, sentence in dict.fromkeys(differences):
        yield subject.fault("proof-fails", line, advice=sentence.rstrip("."))
    yield from _surprises(subject, learner)
    at = len(steps) if learner.over else max(0, learner.tutor.cursor.step)
    return list(steps[:at])


def _riddles(subject: CheckedLesson, learner: DryRunLearner) -> Iterator[LessonFault]:
    """Find words of the line that is due which the learner has not been shown (PT025)."""
    turn = learner.turn
    if turn is None or not isinstance(turn.act, Send):
        return
    shown = "\n".join(learner.dry_run.shown)
    step, bindings = turn.act.step, learner.tutor.bindings
    for word in riddles(step, bindings, shown=shown, earlier=subject.earlier):
        if subject.lesson.suits_any_mailbox and word == bindings.get("password"):
            continue  # A learner knows their own.
        yield subject.fault("riddle", step.line, word=word)


def _surprises(subject: CheckedLesson, learner: DryRunLearner) -> Iterator[LessonFault]:
    """Find what poptalk itself did, and what went otherwise than the lesson says (PT034)."""
    for sent, came in learner.dry_run.surprises:
        line = 1 if sent is None else _line_that_sends(subject, sent, learner.tutor.bindings)
        yield subject.fault(
            "other-answer" if sent else "other-greeting",
            line,
            came=came.decode("utf-8", "replace"),
        )


def _line_that_sends(subject: CheckedLesson, sent: bytes, bindings: Bindings) -> int:
    """Find the line of a `show` or `setup` block that has led to a line; 1 where there is none."""
    for block in subject.lesson.blocks(BlockKind.SHOW, BlockKind.SETUP):
        for turn in block.turns:
            act = turn.act
            if isinstance(act, Send) and match_line(act.step, sent, bindings) is not None:
                return act.step.line
    return 1
