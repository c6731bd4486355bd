"""Judges a line that was sent, and the reply to it, by the turn that a lesson awaits.

A verdict never gives the answer away: hints do that (`task.Hints`).  The author's own words come first,
where a `mistake` block matches.  All other sentences are made from the table of commands, so an author
need not write anything about wrong states, misspelt words and missing arguments.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from poptalk.lesson import feedback
from poptalk.lesson.actions import Answered, SessionState, kinds_of
from poptalk.lesson.document.model import Mistake, Turn, come_before_login
from poptalk.pop3.commands import MASK, ArgumentKind, Command, Effect, State, Verb, parse_command
from poptalk.pop3.replies import Status, StatusLine, parse_status_line
from poptalk.transcript.match import Agreement, Comparison, Difference, match_line, match_reply
from poptalk.transcript.model import Send
from poptalk.transcript.pattern import Bindings, Literal


class JudgementKind(Enum):
    """What a line is, compared with the turn that is awaited."""

    WANTED = "wanted"
    ASIDE = "valid, but not this step"
    EARLY = "wanted later in this step"
    WRONG_ARGUMENTS = "the right word with the wrong arguments"
    WRONG_STATE = "not in this state"
    UNKNOWN = "not a command"
    REFUSED = "the server refused"
    OTHER_REPLY = "the right line, and for a known reason another reply"
    UNJUDGED = "could not judge"
    MISTAKE = "a mistake that the author foresaw"


_WRONG = (JudgementKind.WRONG_ARGUMENTS, JudgementKind.WRONG_STATE, JudgementKind.UNKNOWN)
MISSES = frozenset((*_WRONG, JudgementKind.REFUSED, JudgementKind.MISTAKE))
"""The verdicts that count as mistakes: not what is valid but not asked for, or can't be judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A verdict, and what is said about it."""

    kind: JudgementKind
    text: str = ""
    """At most two lines on 80 columns, inline Markdown; empty if there is nothing to say."""
    reason: str = ""
    """Why, if the command itself doesn't explain it."""
    command: Command | None = None
    status_line: StatusLine | None = None
    bindings: Bindings = field(default_factory=dict)
    """What is captured now: more than before if the line was wanted."""
    mistake: Mistake | None = None
    """The author's block that matched; None for every other kind."""

    @property
    def why(self) -> str:
        """The same in more words."""
        if self.reason or self.command is None or self.status_line is None:
            return self.reason
        return feedback.at_length(self.command, self.status_line)

    @property
    def is_miss(self) -> bool:
        """Whether it counts towards an offer of help."""
        return self.kind in MISSES


def judge(
    turn: Turn,
    answered: Answered,
    bindings: Bindings,
    *,
    mistakes: Sequence[Mistake] = (),
    done: Sequence[Turn] = (),
    later: Sequence[Turn] = (),
    before: SessionState | None = None,
    stray: Collection[int] = (),
    live: bool = False,
    any_case: bool = False,
) -> Judgement:
    """Judge a line by the turn that is awaited.

    Args:
        turn: what the lesson awaits.
        answered: what was sent, and the reply.
        bindings: what the lesson has captured so far, and the known values.
        mistakes: the author's, in their order; the first that matches is used.
        done: what was awaited before, in the same block.
        later: what will be awaited after it, in the same block.
        before: the session before the line was sent; what isn't known of it isn't explained.
        stray: messages that the learner marked, though the lesson did not ask for it.
        live: whether the server is the learner's own, whose mail differs from the lesson's.
        any_case: whether the server may take the user's name in other capital letters.
    """
    case = _Case(turn, answered, bindings, before or SessionState(), done=done, later=later)
    too_late = answered.before is State.TRANSACTION and come_before_login(later)
    may_pass = (answered.complete or turn.may_be_cut_off) and not too_late
    if may_pass and isinstance(case.reply, Agreement):
        return case.verdict(JudgementKind.WANTED, bindings=case.reply.bindings)
    if case.is_another_login and (live or (any_case and case.has_name_in_other_case)):
        # Only the server knows who its users are.
        if case.is_ok:
            return case.verdict(JudgementKind.WANTED)
        return case.wanted_otherwise(stray, live=live)
    if not answered.complete:
        return case.verdict(
            JudgementKind.UNJUDGED, feedback.CUT_OFF, reason=feedback.CUT_OFF_AT_LENGTH
        )
    if verdict := next(filter(None, map(case.mistake, mistakes)), None):
        return verdict
    if case.is_wanted and too_late and case.is_ok:
        text = feedback.logged_in_already(case.command)
        return case.verdict(JudgementKind.WRONG_STATE, text)
    if case.is_wanted:
        return case.wanted_otherwise(stray, live=live)
    return case.something_else()


def judge_free(answered: Answered, *, before: SessionState | None = None) -> Judgement:
    """Judge a line that nothing awaits: explain a mistake, and leave everything else alone."""
    verdict = judge(Turn(act=None), answered, {}, before=before)
    return verdict if verdict.is_miss else Judgement(kind=JudgementKind.ASIDE)


class _Case:
    """One line, the reply to it, and the turn that it is compared with."""

    def __init__(
        self,
        turn: Turn,
        answered: Answered,
        bindings: Bindings,
        before: SessionState,
        *,
        done: Sequence[Turn],
        later: Sequence[Turn],
    ) -> None:
        self._turn, self._done, self._later = turn, done, later
        self._answered, self._bindings, self._before = answered, bindings, before
        self.command = parse_command(answered.line)
        self._status_line = parse_status_line(answered.lines[0] if answered.lines else b"")
        self._bare = b""
        """The line without its quotation marks and final full stop, if only that matches."""
        self.reply = self._match(turn)
        self.is_wanted = self.reply is not None

    @property
    def is_ok(self) -> bool:
        """Whether the reply isn't a refusal."""
        return self._status_line.status in (Status.OK, Status.CHALLENGE)

    @property
    def is_another_login(self) -> bool:
        """Whether a name or a password was awaited, and another one was sent."""
        send, verb = self._turn.act, self.command.verb
        if not isinstance(send, Send) or send.answers_challenge or self._answered.sasl:
            return False
        if verb is None or verb is not send.command.verb:
            return False
        kinds = kinds_of(self.command)
        is_login = ArgumentKind.NAME in kinds or ArgumentKind.PASSWORD in kinds
        return is_login and not self._turn.is_refusal and not self.is_wanted

    @property
    def has_name_in_other_case(self) -> bool:
        """Whether only capital letters in the first argument differ from the awaited line."""
        awaited = self._awaited
        if awaited is None or kinds_of(awaited) != (ArgumentKind.NAME,):
            return False
        names = [each.arguments[:1] for each in (awaited, self.command)]
        one, other = (b"".join(each).decode("utf-8", "replace").casefold() for each in names)
        return one == other

    @property
    def _awaited(self) -> Command | None:
        """The awaited command with the values that are known; what is left open stays in braces."""
        send = self._turn.act
        if not isinstance(send, Send) or send.answers_challenge:
            return None
        texts = (
            part.text
            if isinstance(part, Literal)
            else self._bindings.get(part.name or "", part.source)
            for part in send.step.pattern.parts
        )
        return parse_command("".join(texts).encode("utf-8", "surrogateescape"))

    def _match(self, turn: Turn) -> Comparison | None:
        """Compare line and reply with those of a turn; None if the line is another one."""
        send = turn.act
        if not isinstance(send, Send) or send.answers_challenge is not self._answered.sasl:
            return None
        found = self._match_line(send)
        return match_reply(turn.reply, self._answered.lines, found) if found is not None else None

    def _match_line(self, send: Send) -> Bindings | None:
        """Compare the line with one of the lesson's.

        Extra spaces, quotation marks and a final full stop are ignored, and commented on later.
        """
        sasl, line = self._answered.sasl, self._answered.line
        found = match_line(send.step, line, self._bindings, any_case=not sasl)
        if found is not None or sasl:
            return found
        found = match_line(send.step, feedback.tidied(self.command), self._bindings)
        if found is None and self.command.verb is None:
            bare = feedback.bared(self.command)
            if bare != line and (found := match_line(send.step, bare, self._bindings)) is not None:
                self._bare = bare
        return found

    def verdict(
        self,
        kind: JudgementKind,
        text: str = "",
        *,
        reason: str = "",
        bindings: Bindings | None = None,
    ) -> Judgement:
        """Make a verdict; arguments as for `Judgement`."""
        return Judgement(
            kind=kind,
            text=text,
            reason=reason,
            command=self.command,
            status_line=self._status_line,
            bindings=self._bindings if bindings is None else bindings,
        )

    def mistake(self, mistake: Mistake) -> Judgement | None:
        """Compare with a mistake of the author's; None if it is another one."""
        turn = mistake.turn
        assert isinstance(turn.act, Send)
        found = self._match_line(turn.act)
        if found is None:
            return None
        if found.keys() > self._bindings.keys() and (
            self.is_wanted or self._fits(self._done) or self._fits(self._later)
        ):
            # `LIST {n:int}` is about any other number than those that the block is about.
            return None
        reply = match_reply(turn.reply, self._answered.lines, found)
        if not isinstance(reply, Agreement):
            return None
        text = feedback.filled(
            " ".join(mistake.comment.source.split()), self._without_secrets(reply.bindings)
        )
        # The command of another turn of the block, while this one is due: the author's words hold,
        # but a command that only reads isn't a mistake.
        keyword = self.command.keyword.decode("utf-8", "replace")
        others = [each.keyword for each in (*self._done, *self._later)]
        only_looks = self._looks_around and keyword in others and keyword != self._turn.keyword
        kind = JudgementKind.ASIDE if only_looks else JudgementKind.MISTAKE
        return replace(self.verdict(kind, text), mistake=mistake)

    def _without_secrets(self, found: Bindings) -> Bindings:
        """Mask what a mistake captured of a secret, which doesn't belong in a comment."""
        secret = self.command.secret
        if secret is None and not self._answered.sasl:
            return found
        hidden = self._answered.line if secret is None else self._answered.line[secret.start :]
        text = hidden.decode("utf-8", "surrogateescape")
        mask = MASK.decode("ascii")
        return {
            name: mask if name not in self._bindings and value in text else value
            for name, value in found.items()
        }

    def wanted_otherwise(self, stray: Collection[int], *, live: bool) -> Judgement:
        """Judge a line that is the awaited one, with a reply that isn't."""
        verb, before = self.command.verb, self._answered.before
        if self._status_line.status is Status.ERR:
            if self._bare:
                return self.verdict(JudgementKind.UNKNOWN, feedback.too_much(self.command))
            if verb is not None and before not in verb.states and not self._answered.sasl:
                text = feedback.wrong_state(verb, before, self._before)
                return self.verdict(JudgementKind.WRONG_STATE, f"{text} `:reset` begins again.")
            return self._refused()
        why = str(self.reply) if isinstance(self.reply, Difference) else ""
        if self._turn.is_refusal and not stray:
            return self.verdict(JudgementKind.OTHER_REPLY, feedback.TAKEN, reason=why)
        kind = JudgementKind.OTHER_REPLY if stray else JudgementKind.UNJUDGED
        return self.verdict(kind, feedback.other_reply(stray, live=live), reason=why)

    def _refused(self) -> Judgement:
        text = feedback.refused(self.command, self._status_line, self._before)
        return self.verdict(JudgementKind.REFUSED, text)

    def something_else(self) -> Judgement:
        """Judge a line that isn't the awaited one."""
        if self._answered.sasl:
            return self._sasl_line()
        verb = self.command.verb
        return self._unknown() if verb is None else self._other_command(verb)

    def _other_command(self, verb: Verb) -> Judgement:
        command, before = self.command, self._answered.before
        if self._fits(self._later):
            return self.verdict(JudgementKind.EARLY, feedback.comes_later(command, self._turn))
        if not self.is_ok and before not in verb.states:
            text = feedback.wrong_state(verb, before, self._before)
            return self.verdict(JudgementKind.WRONG_STATE, text)
        if not self.is_ok and feedback.lacks_user(command, self._before):
            return self.verdict(JudgementKind.WRONG_STATE, feedback.PASS_WITHOUT_USER)
        if self.is_ok and verb.effect is not Effect.NAME and self._fits(self._done):
            return self.verdict(JudgementKind.ASIDE, feedback.DONE_ALREADY)
        awaited = self._awaited
        is_awaited_verb = awaited is not None and awaited.verb is verb
        if is_awaited_verb or (not self.is_ok and feedback.arguments_are_wrong(command)):
            return self._wrong_arguments(awaited if is_awaited_verb else None)
        if not self.is_ok:
            return self._refused()
        text = feedback.aside(command, awaited, looks_around=self._looks_around)
        return self.verdict(JudgementKind.ASIDE, text)

    def _wrong_arguments(self, awaited: Command | None) -> Judgement:
        """Judge other arguments than the awaited ones; `awaited` is None for another command."""
        text = feedback.wrong_arguments(self.command, awaited)
        given = len(self.command.arguments)
        if self._looks_around and awaited is not None and len(awaited.arguments) != given:
            # Another form of the command isn't an attempt at the answer.
            return self.verdict(JudgementKind.ASIDE, text)
        return self.verdict(JudgementKind.WRONG_ARGUMENTS, text)

    def _fits(self, others: Sequence[Turn]) -> bool:
        """Tell whether line and reply are those of another turn."""
        return any(isinstance(self._match(other), Agreement) for other in others)

    @property
    def _looks_around(self) -> bool:
        """Whether the line only reads, after the login: that changes nothing, so it is never wrong."""
        verb = self.command.verb
        in_transaction = self._answered.before is self._answered.after is State.TRANSACTION
        return self.is_ok and in_transaction and verb is not None and verb.effect is Effect.NOTHING

    def _unknown(self) -> Judgement:
        if self.is_ok:
            return self.verdict(JudgementKind.ASIDE, feedback.UNKNOWN_TO_US)
        if not self._answered.line:
            # Enter goes on at a pause, so pressing it once too often isn't a mistake.
            return self.verdict(JudgementKind.ASIDE, feedback.EMPTY_LINE)
        if feedback.is_for_poptalk(self.command):
            # Asking for help isn't a mistake.
            return self.verdict(JudgementKind.ASIDE, feedback.unknown(self.command))
        text = feedback.unknown(self.command, secret=self._bindings.get("password"))
        return self.verdict(JudgementKind.UNKNOWN, text, reason=feedback.UNKNOWN_AT_LENGTH)

    def _sasl_line(self) -> Judgement:
        """Judge an answer to a challenge that isn't the awaited one."""
        if self._answered.line == b"*":
            return self.verdict(JudgementKind.ASIDE, feedback.GAVE_UP)
        if self.is_ok:
            return self.verdict(JudgementKind.ASIDE, feedback.OTHER_RESPONSE)
        text = feedback.refused_response(self._answered.line)
        return self.verdict(JudgementKind.WRONG_ARGUMENTS, text)
