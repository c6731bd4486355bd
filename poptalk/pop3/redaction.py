"""Which octets are secret, and how a server's echo of them is masked.

In a line that we send, a secret is found by its position: the client core knows it (`Command.secret`,
`Sent`, and `is_stray_secret` for lines that aren't commands).  A server may repeat it in the first line
of a reply, or unasked, as it was sent or decoded from base64; it is searched for only there.  The text
of mail is left alone: it isn't an echo.

A mask must not give a secret away by its surroundings ("in**** password" reveals "valid"), nor hide
what isn't secret ("+OK **** is a real hoopy frood" after USER bob and PASS bob).  So (`SpokenSecrets`):

1. A secret that was also said openly before it was sent (in USER, in the greeting, in an earlier
   reply), or that is a word which servers use anyway, is masked only directly after its own command,
   as in "unknown: PASS bob".
2. A short secret, or one that is all digits, is masked as a whole word, and only in the reply to its
   own line: elsewhere it is a count, or an ordinary word.
3. Any other secret is masked as a whole word everywhere on its connection.  Within a longer word it is
   masked too, together with that word, unless it is just a few letters, as "valid" is.
"""

from __future__ import annotations

from binascii import Error, a2b_base64, b2a_base64

from poptalk.pop3.commands import MASK, Command, Span
from poptalk.pop3.events import Challenge

_SHORT = 4
"""Secrets shorter than this are masked only in the reply to their own line."""

_LONG = 8
"""Secrets that are all letters are masked within longer words from this length on."""

_MOST_SECRETS = 1000
"""Secrets kept for a connection; no person sends more, and scripts usually have one."""

_MOST_WORDS = 2000
"""Words kept that were said openly; the oldest go first."""

_USUAL = frozenset(
    b"+ok -err account already and authentication auth bad command credentials denied disabled error "
    b"failed failure for has in invalid incorrect is locked login logon mail mailbox maildrop message "
    b"messages name no not octets ok or pass password please pop pop3 ready refused secret server "
    b"successful sys temp the to too try unknown user username valid welcome wrong you your".split()
)
"""Words that servers use, in lower case: such a password looks like the text around it."""


class SpokenSecrets:
    """The secrets of one connection."""

    def __init__(self) -> None:
        self._spoken: dict[bytes, tuple[int | None, bytes]] = {}
        """For each secret, the exchange that it was sent in, and what came before it in its line; only
        the latter counts if it was also said openly."""
        self._open: dict[bytes, None] = {}
        self._usual: set[bytes] = set()
        """Secrets that were said openly before."""
        self._answered: int | None = None

    def remember(self, secret: bytes, *, exchange: int | None = None, before: bytes = b"") -> None:
        """Keep a secret as it was sent, encoded in base64, and decoded from it (RFC 5034 §4).

        Args:
            secret: its octets.
            exchange: the number of the exchange in which it was sent; None for all of them.
            before: what came before it in its line.
        """
        # A server may strip the spaces at its ends, and repeat the rest.
        forms = {secret, secret.strip()}
        forms |= {b2a_base64(form, newline=False) for form in forms}
        # PLAIN is authzid NUL authcid NUL passwd; only the last part is secret (RFC 4616 §2).
        *names, decoded = (decode_base64(secret) or b"").split(b"\0")
        for name in names:
            self._say(name)
        forms.add(decoded)
        for form in forms - {b""}:
            if form not in self._spoken and (form in self._open or form.lower() in _USUAL):
                self._usual.add(form)
            self._spoken[form] = (exchange, before)
            if len(self._spoken) > _MOST_SECRETS:
                self._usual.discard(oldest := next(iter(self._spoken)))
                del self._spoken[oldest]

    def sent(self, line: bytes, secret: Span | None, *, exchange: int | None = None) -> None:
        """Take note of a line that is sent: its secret, and the words that aren't secret.

        Args:
            line: without its end.
            secret: where the secret is; None if there is none.
            exchange: the number of the exchange.
        """
        start = len(line) if secret is None else secret.start
        for word in line[:start].split()[1:]:
            self._say(word)
        if secret is not None:
            self.remember(line[start : secret.stop], exchange=exchange, before=line[:start])

    def heard(self, line: bytes) -> None:
        """Take note of a line from the server: what it says before a secret is sent isn't an echo."""
        for word in self.mask(line).split():
            self._say(word)
            self._say(word.strip(b".,:;!?\"'()<>[]"))

    def answered(self, exchange: int) -> None:
        """Take note that the reply to an exchange has come: lines masked from now on belong to it."""
        self._answered = exchange

    def hear(self, challenge: Challenge) -> None:
        """Keep the signature with which a server of SCRAM proves itself (RFC 5802 §3).

        It is made from the password, as the client's proof is: together with the nonces and the salt of
        the challenge before, it lets anyone try passwords.
        """
        arguments = challenge.exchange.command.arguments
        signature = challenge.status_line.text
        if not arguments or not arguments[0].upper().startswith(b"SCRAM-"):
            return
        if (decode_base64(signature) or b"").startswith(b"v="):
            self.remember(signature)

    def mask(self, line: bytes, *, answers: int | None = None) -> bytes:
        """Return a reply line with every echo of a secret replaced by `MASK`.

        Args:
            line: octets from the server.
            answers: the number of the exchange that they answer; None for the last one answered.
        """
        number = self._answered if answers is None else answers
        for secret in sorted(self._spoken, key=len, reverse=True):
            if secret in line:
                exchange, before = self._spoken[secret]
                own = exchange is None or number is None or exchange == number
                line = self._mask_one(line, secret, own=own, before=before)
        return line

    def _mask_one(self, line: bytes, secret: bytes, *, own: bool, before: bytes) -> bytes:
        if secret in self._usual:
            return line.replace(before + secret, before + MASK) if before else line
        weak = len(secret) < _SHORT or secret.isdigit()
        if weak and not own:
            return line
        within = not weak and not (secret.isalpha() and len(secret) < _LONG)
        masked, at, hidden = b"", 0, 0
        while (start := line.find(secret, at)) >= 0:
            stop = start + len(secret)
            first, last = _word_around(line, start, stop, hidden)
            if (first, last) != (start, stop) and not within:
                masked += line[at:stop]
            else:
                masked += line[at:first] + MASK
                stop = hidden = last
            at = stop
        return masked + line[at:]

    def _say(self, word: bytes) -> None:
        """Keep a word that was said openly, unless it is already a secret."""
        if word and word not in self._spoken and len(word) <= _LONGEST_WORD:
            self._open[word] = None
            if len(self._open) > _MOST_WORDS:
                del self._open[next(iter(self._open))]


_LONGEST_WORD = 64


def _word_around(line: bytes, start: int, stop: int, least: int) -> tuple[int, int]:
    """Widen a range to whole words: the letters and digits around it, beginning at `least`."""
    while start > least and line[start - 1 : start].isalnum():
        start -= 1
    while line[stop : stop + 1].isalnum():
        stop += 1
    return start, stop


_NEAR = 2
"""Typing errors after which a word is still taken for the keyword of a login."""

_OF_LOGINS = (b"PASS", b"APOP", b"AUTH")
_OF_OTHER_PROTOCOLS = frozenset(
    {b"LOGIN", b"LOGON", b"PASSWORD", b"PASSWD", b"PWD", b"AUTHENTICATE"}
)


def is_stray_secret(
    command: Command, *, login_begun: bool, after_auth: bool, outside: bool = False
) -> bool:
    """Return whether a line that isn't a command is likely to be a secret.

    After an AUTH every line is one, up to the next known command and whatever the server has answered:
    scripts send their responses blindly.  After any other command of a login every line is one until
    the login succeeds: people type or paste a password without PASS, or misspell PASS.  Before all
    that, a line is one if it looks like a misspelt login.

    Args:
        command: the line.
        login_begun: whether a command of a login was sent, and nobody is logged in.
        after_auth: whether an AUTH was sent, and no known command since.
        outside: whether nobody can log in, in the present state.
    """
    if command.verb is not None or command.line in (b"", b"*"):
        return False
    return after_auth or login_begun or (not outside and _looks_like_login(command))


def _looks_like_login(command: Command) -> bool:
    """Return whether a line that isn't a command looks like a misspelt login."""
    words = command.line.upper().split()[:3]
    if _OF_OTHER_PROTOCOLS & set(words[:2]):
        return len(words) > 1
    first = words[0] if words else b""
    if any(first.startswith(keyword) for keyword in _OF_LOGINS):
        return True
    return len(words) > 1 and any(_slips(first, keyword) <= _NEAR for keyword in _OF_LOGINS)


def _slips(word: bytes, keyword: bytes) -> int:
    """Count the octets to add, drop, change or swap to turn a word into a keyword."""
    if abs(len(word) - len(keyword)) > _NEAR:
        return _NEAR + 1
    if len(word) == len(keyword) and sorted(word) == sorted(keyword):
        return 1
    row = list(range(len(keyword) + 1))
    for i, octet in enumerate(word, 1):
        above, row[0] = row[0], i
        for j, wanted in enumerate(keyword, 1):
            cost = min(row[j] + 1, row[j - 1] + 1, above + (octet != wanted))
            above, row[j] = row[j], cost
    return row[-1]


def decode_base64(line: bytes) -> bytes | None:
    """Decode a line of base64 (RFC 5034 §4); return None if it isn't base64 throughout."""
    try:
        return a2b_base64(line, strict_mode=True)
    except (Error, ValueError):
        return None
