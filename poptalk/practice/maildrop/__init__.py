"""Maildrops: a folder of ``.eml`` files, a Maildir or an mbox, opened for a session.

Mail stays where it is.  A maildrop is listed when a session opens it.  A message is read when its size
or its unique-id is first asked for (then both are remembered), and again, block by block, when it is
sent.  Octets are never parsed and written again: only the line end changes, which is CRLF on the wire
however it is stored.  Only regular files are read: a symbolic link in a maildrop is not followed, and a
FIFO isn't a message, so a stranger who owns the folder can neither show other files nor stop the server.

- `store.locate` recognises what is at a path; `eml`, `maildir` and `mbox` know one format each.
- `snapshot` has what they share: messages as they were found, sizes, blocks.  It keeps the promise of
  this package: as many octets are sent as were announced, or the connection is cut.
- `store` hands out leases, and has the maildrops of all accounts.  A private store gives each session
  a maildrop of its own, so that a whole class can be bob at once, and nothing is ever removed.  A shared
  one gives the same maildrop to one session at a time, "an exclusive-access lock" (RFC 1939 §4), and
  the next session does not find what one deletes; each account can have a store of this kind.  A
  writable one is shared too, among all processes, and deletes on the disk.
- `locks` and its journal make that deletion whole: all messages of a QUIT are removed or none, even if
  the process dies, and no mail is lost that other programs deliver meanwhile, if they take the locks.
"""

from poptalk.practice.maildrop.snapshot import CommitRefused, MaildropError, MaildropLocked
from poptalk.practice.maildrop.store import Format, Lease, Location, Place, Store, Stores, locate

__all__ = [
    "CommitRefused",
    "Format",
    "Lease",
    "Location",
    "MaildropError",
    "MaildropLocked",
    "Place",
    "Store",
    "Stores",
    "locate",
]
