"""A log for machines: one JSON object a line, for each line that was said and what lies between.

Every object has `time` (ISO 8601), `ms` (milliseconds since the log was begun) and `event`:

- `open`: `server`, `tls`
- `tls`: `version`, `cipher`, `verified`, `pinned`, `name`, `sha256` (of the certificate), `upgraded`
- `client`: `line`, secrets as stars; `sasl` where it answers a challenge of AUTH
- `server`: `line`, `octets`; `status` where the line has one, and `code`
- `end`: of a reply: `ok`, and of one with several lines `octets` after the first
- `close`: `by`, `how`, `clean`

A `line` is without its CRLF; where it ended in LF alone, that LF is there.  A line that is not UTF-8
also has `base64`, its exact octets; its `line` has U+FFFD for each octet that is not text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from poptalk.protocol.commands import MASK
from poptalk.protocol.replies import Status, parse_status_line
from poptalk.shell.log import FileLog, Now, now_here
from poptalk.terminal.safe import harmless
from poptalk.transcript.octets import json_line, json_object, text_of

if TYPE_CHECKING:
    from poptalk.net.errors import Ending
    from poptalk.net.tls import TlsFacts
    from poptalk.protocol.events import ReplyEnd, Sent

Field = str | int | float | bool | None


class JsonLog(FileLog):
    """A log as JSON Lines."""

    def __init__(self, name: str, *, now: Now = now_here) -> None:
        super().__init__(name, now=now)
        self._begun = now()

    def opened(self, where: str, *, encrypted: bool) -> None:
        """Write where to."""
        self._put("open", {"server": harmless(where), "tls": encrypted})

    def tls(self, facts: TlsFacts, *, upgraded: bool) -> None:
        """Write all the facts."""
        self._put(
            "tls",
            {
                "version": facts.version,
                "cipher": facts.cipher,
                "verified": facts.verified,
                "pinned": facts.pinned,
                "name": facts.server_name,
                "sha256": hashlib.sha256(facts.chain[0]).hexdigest() if facts.chain else None,
                "upgraded": upgraded,
            },
        )

    def client(self, event: Sent, *, stand_in: bytes | None = None) -> None:
        """Write the line with stars in place of its secret."""
        line = event.line
        if event.secret is not None:
            shown = MASK if stand_in is None else stand_in
            line = line[: event.secret.start] + shown + line[event.secret.stop :]
        own_end = event.end if event.end != b"\r\n" else b""
        said: dict[str, Field] = {**json_line(line + own_end)}
        if event.sasl:
            said["sasl"] = True
        self._put("client", said)

    def server_line(self, line: bytes) -> None:
        """Write the line, and what it begins with."""
        parsed = parse_status_line(line.removesuffix(b"\n"))
        said: dict[str, Field] = {**json_line(line), "octets": len(parsed.line)}
        if parsed.status is not Status.OTHER:
            said["status"] = parsed.status.value
        if parsed.code is not None:
            said["code"] = text_of(parsed.code)
        self._put("server", said)

    def _line(self, line: bytes) -> None:
        octets = len(line.removesuffix(b"\n"))
        self._put("server", {**json_line(line), "octets": octets}, flush=False)

    def reply_end(self, event: ReplyEnd) -> None:
        """Write how large the reply was."""
        said: dict[str, Field] = {"ok": event.ok}
        if event.body_octets:
            said["octets"] = event.body_octets
        self._put("end", said)

    def ended(self, ending: Ending) -> None:
        """Write whose doing it was."""
        self._put("close", {"by": ending.by.value, "how": ending.how, "clean": ending.clean})

    def _put(self, event: str, fields: Mapping[str, Field], *, flush: bool = True) -> None:
        now = self._now()
        since = (now - self._begun).total_seconds() * 1000
        head = {"time": now.isoformat(timespec="milliseconds"), "ms": round(since, 3)}
        self._file.write(json_object({**head, "event": event, **fields}) + "\n")
        if flush:
            self._file.flush()
