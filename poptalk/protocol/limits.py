"""How much a server puts up with from one client."""

from __future__ import annotations

from poptalk.protocol.values import Value


class Limits(Value):
    """How much a server puts up with."""

    line: int = 1_024
    """Octets of a command line with its line end.  A server with CAPA must take 255 (RFC 2449 §4);
    Dovecot takes about as many before the login."""
    sasl_line: int = 12_288
    """Octets of a response within AUTH with its line end.  Tokens are long, and RFC 5034 §4 sets no
    limit; this is what RFC 4954 §4 asks of SMTP's servers.  Dovecot takes 8,192."""
    discarded: int = 65_536
    """Octets of an overlong line that are thrown away while its end is waited for."""
    overlong_lines: int = 2
    """The overlong line after which the session ends: one may be an accident."""
    errors_before_login: int = 10
    """Negative replies in a row.  Enough for a learner's typing errors, too few for a web browser
    or a guessing machine; Dovecot has 3."""
    errors_after_login: int = 20
    """As Dovecot has it."""
    failed_logins: int = 5
    """In the whole session: a learner may err, and nobody should guess for ever."""
