"""One-liners: lines that stand on the command line, all lines at once, a line that is cut.

    poptalk work --login me --after-login -e STAT
    poptalk HOST --pipeline --drop-after 1 -e CAPA -e CAPA

What stands on a command line can be read by every user of the machine, so no secret may.
"""

from __future__ import annotations

from poptalk.net.destination import UsageError
from poptalk.protocol.commands import parse_command
from poptalk.protocol.verbs import Effect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from poptalk.net.link import Link
    from poptalk.shell.settings import ConnectOptions

CRLF = b"\r\n"


class GivenLines:
    """Lines of the command line, as `pipe.Lines` gives those of a descriptor.

    Raises:
        UsageError: a line logs in, or is more than one line.
    """

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = [_line(text) for text in lines]

    @property
    def ended(self) -> bool:
        """Whether the last line has been taken."""
        return not self._lines

    def next(self, *, while_waiting: Callable[[], bool], beside: Link) -> bytes | None:
        """Return the next line; None at the end.  Nothing is waited for."""
        del while_waiting, beside
        return self._lines.pop(0) if self._lines else None


def _line(text: str) -> bytes:
    line = text.encode("utf-8", "surrogateescape")
    if set(line) & set(b"\r\n"):
        raise UsageError("-e takes one line at a time, without its end: say -e again for the next")
    command = parse_command(line)
    asks_in = command.verb is not None and command.verb.challenges and command.arguments
    if command.secret is not None or asks_in:
        keyword = command.verb.keyword if command.verb is not None else "a line"
        raise UsageError(
            f"-e refuses {keyword}: what stands on a command line can be read by every user of this "
            "machine; --login USER logs in, and standard input takes any line"
        )
    return line


def check_wishes(options: ConnectOptions, *, in_shell: bool) -> None:
    """Refuse what cannot be together.

    Args:
        options: the command line.
        in_shell: whether lines are typed by hand.

    Raises:
        UsageError: it cannot; the sentence says why.
    """
    if options.after_login and not options.login:
        raise UsageError("--after-login is of no use without --login USER")
    if options.pipeline and options.local_commands:
        raise UsageError("--pipeline sends everything at once, and a local command sends nothing")
    if not in_shell:
        return
    wishes = {
        "--after-login": options.after_login,
        "--pipeline": options.pipeline,
        "--drop-after": options.drop_after is not None,
    }
    for name, wish in wishes.items():
        if wish:
            raise UsageError(f"{name} is for lines that come from a pipe or from -e")


def joined(lines: Sequence[bytes]) -> bytes:
    """Put lines together to be sent at once.

    Raises:
        UsageError: STLS is not the last: nothing may be sent behind it before TLS stands (RFC 2595
            §4).
    """
    for line in lines[:-1]:
        verb = parse_command(line).verb
        if verb is not None and verb.effect is Effect.START_TLS:
            raise UsageError(
                "nothing may be sent behind STLS before TLS stands [RFC 2595 §4]: --starttls begins "
                "TLS before all lines"
            )
    return b"".join(line + CRLF for line in lines)
