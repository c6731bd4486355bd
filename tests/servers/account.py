"""The system account that real servers run as in the tests: never the superuser."""

from __future__ import annotations

import grp
import os
import pwd
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A system account.  Dovecot refuses to open mail as the superuser, and the others need not."""

    user: str
    group: str
    uid: int
    gid: int

    @classmethod
    def choose(cls) -> Account:
        """Return the present account, or ``nobody`` for the superuser.

        Raises:
            KeyError: the account or its group has no name.
        """
        superuser = os.geteuid() == 0
        entry = pwd.getpwnam("nobody") if superuser else pwd.getpwuid(os.geteuid())
        group = grp.getgrgid(entry.pw_gid if superuser else os.getegid())
        return cls(user=entry.pw_name, group=group.gr_name, uid=entry.pw_uid, gid=group.gr_gid)

    def own(self, tree: Path) -> None:
        """Give a directory, and all in it, to this account."""
        if os.geteuid() == 0:
            for path in (tree, *tree.rglob("*")):
                os.chown(path, self.uid, self.gid)

    def popen(
        self,
        argv: list[str],
        *,
        stdin: IO[bytes] | int = subprocess.DEVNULL,
        stdout: IO[bytes] | int,
        stderr: IO[bytes] | int,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a program as this account, in a process group of its own."""
        superuser = os.geteuid() == 0
        return subprocess.Popen(
            argv,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env=env,
            user=self.uid if superuser else None,
            group=self.gid if superuser else None,
            extra_groups=[] if superuser else None,
            start_new_session=True,
        )
