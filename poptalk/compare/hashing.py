"""Hashing a message as it comes: its header and its body apart."""

from __future__ import annotations

import hashlib
import re

from poptalk.compare.survey import Digests

_EMPTY_LINE = re.compile(rb"\n\r?\n")
"""The end of the header.  Some servers forget CR; the line is empty nevertheless."""

_BEFORE = b"\n"
"""What stands before a message, so that one without a header begins with its empty line."""


class Hashing:
    """The hash of one message, fed piece by piece."""

    def __init__(self) -> None:
        self._header = hashlib.sha256()
        self._body = hashlib.sha256()
        self._in_body = False
        self._last = _BEFORE
        self._octets = 0

    def feed(self, data: bytes) -> None:
        """Take the next octets of the message, byte-stuffing undone, cut anywhere."""
        self._octets += len(data)
        if self._in_body:
            self._body.update(data)
            return
        joined = self._last + data
        found = _EMPTY_LINE.search(joined)
        if found is None:
            self._header.update(data)
            self._last = joined[-2:]
            return
        end = found.end() - len(self._last)
        self._header.update(data[:end])
        self._body.update(data[end:])
        self._in_body = True

    def digests(self) -> Digests:
        """Return what has come of it so far."""
        return Digests(header=self._header.digest(), body=self._body.digest(), octets=self._octets)
