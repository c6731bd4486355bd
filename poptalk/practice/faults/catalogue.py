"""Every fault by its name.

The order is that of the listing, and that in which the faults of one session act: what is said is
changed first, then how it is spelt, then how it travels.  In a body, those that leave out stuffing work
nearest to the wire, so they come first.
"""

from __future__ import annotations

from collections.abc import Mapping

from poptalk.practice.faults import access, bodies, mail, replies, tls, transport
from poptalk.practice.faults.fault import Fault

_KINDS: tuple[type[Fault], ...] = (
    bodies.NoDotStuffing,
    bodies.TopNoDotStuffing,
    bodies.ChunkNoDotStuffing,
    bodies.BareLf,
    bodies.NoFinalDot,
    bodies.ExtraLine,
    mail.UidlReused,
    mail.UidlSpaces,
    mail.WrongOctets,
    mail.LongLine,
    mail.EscapeMail,
    replies.ListIgnoresArgument,
    replies.UidlWithoutNumber,
    replies.CapaChangesAfterLogin,
    replies.EscapeGreeting,
    replies.GreetingErr,
    replies.GreetingBare,
    replies.EchoPassword,
    replies.PlusErr,
    replies.LowerCaseStatus,
    replies.DoubleReply,
    replies.LateReply,
    access.Locked,
    access.LoginDelay,
    tls.StlsInjection,
    tls.StlsRefused,
    tls.StlsStripped,
    tls.BadCertificate,
    transport.SplitTerminator,
    transport.Drip,
    transport.Slow,
    transport.Stall,
    transport.DropAfter,
    transport.Reset,
)

FAULTS: Mapping[str, type[Fault]] = {kind.about.name: kind for kind in _KINDS}
"""Every fault by its name."""
