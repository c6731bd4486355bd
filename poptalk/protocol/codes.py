"""The response codes that are registered: why a server said -ERR, in a form for programs.

RFC 2449 §8 lets the text of a reply begin with a code in square brackets.  Six are registered, and a
server that uses them announces it by a capability.
"""

from __future__ import annotations

from poptalk.protocol.values import Value
from poptalk.protocol.verbs import Clause

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class ResponseCode(Value):
    """A row of the registry of response codes."""

    name: bytes
    """In upper case, without brackets, its levels parted by a slash."""
    meaning: str
    capability: bytes
    """The tag of the capability by which a server announces that it uses the code."""
    clause: Clause


_ROWS = (
    ResponseCode(
        name=b"LOGIN-DELAY",
        meaning="the last login was too recent; wait before the next",
        capability=b"RESP-CODES",
        clause=Clause(rfc=2449, section="8.1.1"),
    ),
    ResponseCode(
        name=b"IN-USE",
        meaning="the login was right, but another session has the maildrop open",
        capability=b"RESP-CODES",
        clause=Clause(rfc=2449, section="8.1.2"),
    ),
    ResponseCode(
        name=b"SYS/TEMP",
        meaning=(
            "a fault of the server, which it calls temporary; it says nothing against the name or the "
            "password"
        ),
        capability=b"RESP-CODES",
        clause=Clause(rfc=3206, section="4"),
    ),
    ResponseCode(
        name=b"SYS/PERM",
        meaning="the server has a trouble that somebody must put right",
        capability=b"RESP-CODES",
        clause=Clause(rfc=3206, section="4"),
    ),
    ResponseCode(
        name=b"AUTH",
        meaning="the credentials are at fault: a wrong name or password, an expired account, the like",
        capability=b"AUTH-RESP-CODE",
        clause=Clause(rfc=3206, section="5"),
    ),
    ResponseCode(
        name=b"UTF8",
        meaning="the message holds UTF-8, and the session is not in UTF-8 mode",
        capability=b"UTF8",
        clause=Clause(rfc=6856, section="5"),
    ),
)

RESPONSE_CODES: Mapping[bytes, ResponseCode] = {row.name: row for row in _ROWS}
"""Every registered response code by its name in upper case."""


def find_response_code(code: bytes) -> ResponseCode | None:
    """Find what is registered of a response code.

    Args:
        code: the code without brackets, in any case, such as ``SYS/TEMP/DISK``.

    Returns:
        The row of the code itself, or else of its longest registered beginning: "clients MUST ignore
        unknown hierarchical detail" (RFC 2449 §8).  None for a code that nobody registered.
    """
    levels = code.upper().split(b"/")
    for count in range(len(levels), 0, -1):
        row = RESPONSE_CODES.get(b"/".join(levels[:count]))
        if row is not None:
            return row
    return None
