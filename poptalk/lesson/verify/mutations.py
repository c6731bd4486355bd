"""What a learner may try in a step: nothing, something else, what is also accepted, each mistake.

The step is begun by itself, as after a break, and all this is tried at each of its turns.  After a try
that has changed the session, another learner goes from the beginning of the step to the same turn.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field

from poptalk.lesson.document import model
from poptalk.lesson.server import LessonServerError, PracticeLessonServer
from poptalk.lesson.session import Cursor
from poptalk.lesson.verify.dry_run import MOST_ACTIONS, DryRunLearner, Stuck
from poptalk.pop3.commands import VERBS
from poptalk.transcript.match import match_line
from poptalk.transcript.model import ClientLine, Send
from poptalk.transcript.pattern import Bindings, Literal, Pattern, PlaceholderKind

# Lines that fit a pattern: what a learner may type who makes a mistake that the author has foreseen.


MOST_INSTANCES = 40
"""How many are tried for one mistake: each costs a line sent, and a few show all there is to see."""

_CANDIDATES = {
    # Message-numbers that a lesson's mailbox has, and some that it doesn't have.
    PlaceholderKind.INT: (*"1234567890", "99"),
    # Names, numbers, nonsense, and other commands.
    PlaceholderKind.WORD: ("nora", "1", "2", "3", "99", "x", *(v.keyword for v in VERBS.values())),
    PlaceholderKind.REST: ("1", "nora", "", "2", " 1", "1 1", "1 0", "x y"),
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
        chosen = iter(values)
        texts = []
        for part in pattern.parts:
            if isinstance(part, Literal):
                texts.append(part.text)
            else:
                known = bindings.get(part.name or "")
                texts.append(next(chosen) if known is None else known)
        line = "".join(texts)
        if pattern.match(line, bindings) is not None:
            yield line


# Riddles: words of a task's `C:` line that neither the text above it nor the server has shown.  An
# earlier lesson may have named a keyword, too.


_GIVEN = ("user", "password")
"""Known placeholders whose values a learner must be given; the others are worked out."""


def riddles(
    step: ClientLine, bindings: Bindings, *, shown: str, earlier: Sequence[str] = ()
) -> Iterator[str]:
    """Give the words of a line that a learner cannot know.

    Args:
        step: the line of the lesson.
        bindings: what was captured so far, and the known values.
        shown: everything that the learner has seen of the lesson so far.
        earlier: the texts of earlier lessons, for keywords.
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
        for word in words:
            spelled = model.WORDS_OF_NUMBERS.get(word, [])
            if not (
                _names(shown, word) or any(_names(shown, each, re.IGNORECASE) for each in spelled)
            ):
                yield word


def _names(text: str, word: str, flags: re.RegexFlag = re.RegexFlag.NOFLAG) -> bool:
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, flags) is not None


# What is proved: a lesson, with the text that it was read from.


ADVICE = frozenset({"PT031", "PT038"})
"""Codes of advice, which an author may have a reason not to follow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedLesson:
    """A lesson to be proved.

    Args:
        lesson: the lesson.
        lines: those of its file, without their ends.
        earlier: the texts of the lessons that come before it, which may have named a command.
    """

    lesson: model.Lesson
    lines: tuple[str, ...] = field(repr=False)
    earlier: tuple[str, ...] = field(default=(), repr=False)

    def fault(self, name: str, line: int, /, **values: object) -> model.LessonFault:
        """Make a finding.

        Args:
            name: one of `poptalk.lesson.document.model.FAULTS`.
            line: where in the file, counted from 1.
            values: what the names in braces stand for.
        """
        text = self.lines[line - 1] if 0 < line <= len(self.lines) else ""
        return model.make_fault(name, self.lesson.path, line, text, values)


Check = Callable[[CheckedLesson], Iterator[model.LessonFault]]
"""Looks at a lesson, and finds what is wrong with it."""


NOTHING = "NOOP"
"""What a learner may send who doesn't do what is asked."""

NO_LINE = "no line could be found that fits it"


@dataclass(frozen=True, slots=True, kw_only=True)
class DueLine:
    """A line of a task, and where the lesson stands when it is due."""

    cursor: Cursor
    send: Send

    def is_where(self, learner: DryRunLearner) -> bool:
        """Tell whether this is the line that a learner has to send now."""
        act = learner.turn.act if learner.turn is not None else None
        return isinstance(act, Send) and act.step is self.send.step


class StepMutations:
    """The proof of one step.

    Args:
        subject: the lesson.
        practice_server: its practice server.
        step: one that a learner who did the whole lesson has passed.
    """

    def __init__(
        self, subject: CheckedLesson, practice_server: PracticeLessonServer, step: model.Step
    ) -> None:
        self._subject = subject
        self._practice_server = practice_server
        self._step = step
        self._learner: DryRunLearner | None = None
        self._spoiled = False
        """Whether a try has changed the session, so that another learner is needed."""
        self._tried = False
        """Whether this learner has tried anything: if they get stuck, that may be the cause."""
        self._due_lines: list[DueLine] = []
        """The lines that the learner has to send."""

    def findings(self) -> Iterator[model.LessonFault]:
        """Find what is wrong with the step (PT021, PT022, PT023, PT026)."""
        try:
            self._find_turns()
            for due in self._due_lines:
                yield from self._try_nothing(due)
                yield from self._try_what_is_accepted(due)
            for block in self._step.blocks(model.BlockKind.TASK):
                yield from self._try_mistakes(block)
        except Stuck as stuck:
            yield self._subject.fault(
                "cannot-resume", stuck.line or self._step.line, advice=stuck.last_words
            )
        finally:
            self._leave()

    # Going to a line that is due.

    def _find_turns(self) -> None:
        """Go through the step alone, and note the lines that have to be sent."""
        learner = self._new_learner()
        while learner.go_to_turn(self._step):
            send = learner.turn.act if learner.turn is not None else None
            # Anything is an answer to a challenge, so nothing else can be tried there.
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
        """Return a learner at a line that is due, where no earlier try can be noticed."""
        learner = self._learner
        if (
            learner is not None
            and not self._spoiled
            and not learner.at_end
            and learner.tutor.step is self._step
            and learner.tutor.cursor <= due.cursor
        ):
            try:
                learner.go_to_turn(self._step, due.cursor)
            except Stuck:
                if not self._tried:
                    raise
            if due.is_where(learner):
                return learner
        learner = self._new_learner()
        learner.go_to_turn(self._step, due.cursor)
        if not due.is_where(learner):
            raise Stuck(due.send.step.line, "it was asked for the first time, and not the second")
        return learner

    def _leave(self) -> None:
        if self._learner is not None:
            self._learner.close()
            self._learner = None

    def _try(self, learner: DryRunLearner, line: str) -> bool:
        """Send a line; tell whether the lesson took it for the one that it awaits."""

        def situation() -> tuple[object, ...]:
            return learner.state, learner.marked, learner.tutor.awaiting

        before = situation()
        moved = learner.send(line)
        self._tried = True
        self._spoiled = situation() != before
        return moved

    # What is tried.

    def _try_nothing(self, due: DueLine) -> Iterator[model.LessonFault]:
        learner, step = self._at(due), due.send.step
        if learner.fall_silent():
            yield self._subject.fault("goes-on-alone", step.line)
            return
        right = [pattern.text.upper() for pattern in (step.pattern, *step.alternatives)]
        if NOTHING not in right and self._try(learner, NOTHING):
            yield self._subject.fault("noop-passes", step.line, source=step.pattern.source)

    def _try_what_is_accepted(self, due: DueLine) -> Iterator[model.LessonFault]:
        for pattern in due.send.step.alternatives:
            learner = self._at(due)
            line = next(instances(pattern, learner.tutor.bindings), None)
            if line is None or not self._try(learner, line):
                values = {"source": pattern.source, "advice": learner.last_told}
                yield self._subject.fault("alternative-refused", due.send.step.line, **values)

    def _try_mistakes(self, block: model.Block) -> Iterator[model.LessonFault]:
        lines = set(map(id, block.dialogue.steps))
        due_lines = [due for due in self._due_lines if id(due.send.step) in lines]
        for mistake in block.mistakes:
            act = mistake.turn.act
            assert isinstance(act, Send)
            verb = act.command.verb
            # It is met where its own command is awaited, or at the end, where the most is possible.
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

    def _why_not_met(self, mistake: model.Mistake, due: DueLine) -> str | None:
        """Make the mistake at a turn; return why its comment wasn't shown, None if it was."""
        assert isinstance(mistake.turn.act, Send)
        reason = NO_LINE
        for line in instances(mistake.turn.act.step.pattern, self._at(due).tutor.bindings):
            learner = self._at(due)
            octets = line.encode("utf-8", "surrogateescape")
            if match_line(due.send.step, octets, learner.tutor.bindings) is not None:
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
            if learner.answered is not None and not learner.answered.complete:
                # A server that breaks down over it does so again, and each time takes long.
                break
        return reason


# One learner does the whole lesson.  Then each step that they passed is proved by itself.


def check_runs(subject: CheckedLesson) -> Iterator[model.LessonFault]:
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
) -> Generator[model.LessonFault, None, list[model.Step]]:
    """Do the lesson from its beginning; return the steps that were passed."""
    steps = subject.lesson.steps
    learner = DryRunLearner(subject.lesson, practice_server)
    count = 0
    try:
        learner.begin()
        for _ in range(MOST_ACTIONS):
            if learner.at_end:
                break
            yield from _riddles(subject, learner)
            count = len(learner.differences)
            learner.go_on()
        else:
            raise Stuck(None, f"it asks for more than {MOST_ACTIONS} things")
    except Stuck as stuck:
        line = stuck.line or (learner.tutor.step.line if learner.tutor.step else 1)
        # The step begins again where its proof fails, which is reported below; the answer has passed.
        if len(learner.differences) == count:
            yield subject.fault("answer-refused", line, advice=stuck.last_words)
    finally:
        learner.close()
    for line, sentence in dict.fromkeys(learner.differences):
        yield subject.fault("proof-fails", line, advice=sentence.rstrip("."))
    yield from _surprises(subject, learner)
    at = len(steps) if learner.at_end else max(0, learner.tutor.cursor.step)
    return list(steps[:at])


def _riddles(subject: CheckedLesson, learner: DryRunLearner) -> Iterator[model.LessonFault]:
    """Find words of the line that is due that the learner hasn't been shown (PT025)."""
    turn = learner.turn
    if turn is None or not isinstance(turn.act, Send):
        return
    shown = "\n".join(learner.shown)
    step, bindings = turn.act.step, learner.tutor.bindings
    for word in riddles(step, bindings, shown=shown, earlier=subject.earlier):
        if subject.lesson.suits_any_mailbox and word == bindings.get("password"):
            continue  # Learners know their own.
        yield subject.fault("riddle", step.line, word=word)


def _surprises(subject: CheckedLesson, learner: DryRunLearner) -> Iterator[model.LessonFault]:
    """Find what poptalk did by itself, and what went otherwise than the lesson says (PT034)."""
    blocks = subject.lesson.blocks(model.BlockKind.SHOW, model.BlockKind.SETUP)
    acts = [turn.act for block in blocks for turn in block.turns]
    steps = [act.step for act in acts if isinstance(act, Send)]
    for sent, came in learner.surprises:
        what, line = "other-greeting", 1
        if sent is not None:
            what, bindings = "other-answer", learner.tutor.bindings
            led = (s for s in steps if match_line(s, sent, bindings) is not None)
            line = next((step.line for step in led), 1)
        yield subject.fault(what, line, came=came.decode("utf-8", "replace"))
