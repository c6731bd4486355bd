"""The turns of a dialogue: what the client does, each with the whole reply to it.

`notation.exchanges` puts the lines of a reply together; here a reply is put beside the line that it
answers, because a lesson awaits, judges, hints at and replays one turn at a time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from poptalk.notation.dialogue import AnyLines, Dialogue, Direction, ServerLine
from poptalk.notation.directions import Action, Side
from poptalk.notation.exchanges import ExpectedReply, Send, exchanges
from poptalk.protocol.replies import Status, parse_status_line
from poptalk.protocol.verbs import Effect


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Something that the client does, and what the server says to it."""

    act: Send | Direction | None
    """None where the server speaks first: the greeting of a connection that stands already."""
    reply: ExpectedReply | None = None
    """None where the dialogue has no answer, so that any will do."""

    @property
    def opens(self) -> bool:
        """Whether the turn is `C: <open connection>`."""
        return isinstance(self.act, Direction) and self.act.action is Action.OPEN

    @property
    def closes(self) -> bool:
        """Whether the turn is `<close connection>`, of either side."""
        return isinstance(self.act, Direction) and self.act.action is Action.CLOSE

    @property
    def hangs_up(self) -> bool:
        """Whether the turn is `C: <close connection>`."""
        return self.closes and isinstance(self.act, Direction) and self.act.side is Side.CLIENT

    def is_endless(self, following: Turn | None) -> bool:
        """Tell whether the reply has no end, so that hanging up, which follows, is all one can do."""
        endless = self.reply is not None and self.may_be_cut_off
        return endless and following is not None and following.hangs_up

    @property
    def is_done_by_somebody(self) -> bool:
        """Whether it takes a person, or a server, to do something: TLS and time need nobody."""
        return isinstance(self.act, Send) or self.opens or self.closes

    @property
    def waits(self) -> bool:
        """Whether the turn is `<wait 2 s>`."""
        return isinstance(self.act, Direction) and self.act.action is Action.WAIT

    @property
    def is_refusal(self) -> bool:
        """Whether the awaited reply is -ERR, so that nothing changes."""
        first = self.reply.steps[0] if self.reply is not None else None
        if not isinstance(first, ServerLine):
            return False
        line = first.payload.encode("utf-8", "surrogateescape")
        return parse_status_line(line).status is Status.ERR

    @property
    def keyword(self) -> str:
        """The keyword of the line; empty for an answer to a challenge, and for a direction."""
        if not isinstance(self.act, Send) or self.act.answers_challenge:
            return ""
        return self.act.command.keyword.decode("utf-8", "replace")

    @property
    def effect(self) -> Effect:
        """What the positive reply to the line changes; NOTHING for a stage direction."""
        verb = self.act.command.verb if isinstance(self.act, Send) else None
        return verb.effect if verb is not None else Effect.NOTHING

    @property
    def may_be_cut_off(self) -> bool:
        """Whether a part of the reply will do: the dialogue leaves its end open."""
        return self.reply is None or isinstance(self.reply.steps[-1], AnyLines)


def turns(dialogue: Dialogue) -> tuple[Turn, ...]:
    """Take a dialogue apart.

    Returns:
        The turns in the order in which the client takes them, replies to pipelined lines
        (RFC 2449 §6.6) beside the line that each answers.  "Any lines" that answer nothing are left
        out: none need come.
    """
    found: list[Turn] = []
    for act in exchanges(dialogue):
        match act:
            case Send() | Direction():
                found.append(Turn(act=act))
            case ExpectedReply():
                _put_reply(found, act)
            case AnyLines():
                pass
    return tuple(found)


def _put_reply(found: list[Turn], reply: ExpectedReply) -> None:
    """Put a reply beside the first line that it can answer, a greeting beside the opening."""
    for index, turn in enumerate(found):
        unanswered = isinstance(turn.act, Send) and turn.reply is None
        if unanswered and isinstance(turn.act, Send) and turn.act.command is reply.answers:
            found[index] = replace(turn, reply=reply)
            return
    if found and found[-1].opens and found[-1].reply is None:
        found[-1] = replace(found[-1], reply=reply)
    else:
        found.append(Turn(act=None, reply=reply))
