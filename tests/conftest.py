"""What every test gets: an environment without the developer's own, and a real server on request."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.dovecot import DOVECOT_MISSING, Dovecot, start_dovecot

ARTICLE_MAILDROP = Path(__file__).parent.parent / "lessons" / "mailboxes" / "article"

ARTICLE_OCTETS = (1903, 4255, 25)

XDG_DIRECTORIES = (
    "XDG_CONFIG_HOME",
    "XDG_STATE_HOME",
    "XDG_DATA_HOME",
    "XDG_CACHE_HOME",
    "XDG_RUNTIME_DIR",
)
# Whatever of these a developer has set would change colours, redrawing or poptalk itself.
UNSET = ("NO_COLOR", "FORCE_COLOR")
UNSET_PREFIXES = ("CLICOLOR", "POPTALK_", "PROMPT_TOOLKIT_")


@pytest.fixture(autouse=True)
def _own_environment(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Give the test an empty home, and take away what would change its results."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    for name in XDG_DIRECTORIES:
        monkeypatch.setenv(name, str(home / name.lower()))
    for name in list(os.environ):
        if name in UNSET or name.startswith(UNSET_PREFIXES):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def article_maildrop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder with the three messages of the article, one ``.eml`` file each."""
    if any(ARTICLE_MAILDROP.glob("*.eml")):
        return ARTICLE_MAILDROP
    folder = tmp_path_factory.mktemp("article")
    for number, octets in enumerate(ARTICLE_OCTETS, 1):
        header = b"Subject: message\n\n"
        # POP3 counts CRLF for each of the line ends (RFC 1939 §11): one more here.
        filler = octets - len(header) - header.count(b"\n") - 2
        (folder / f"{number}.eml").write_bytes(header + b"x" * filler + b"\n")
    return folder


@pytest.fixture(scope="session")
def dovecot(article_maildrop: Path) -> Iterator[Dovecot]:
    """Run a real Dovecot for the whole test run; use ``dovecot.reset("bob")`` before deleting."""
    if DOVECOT_MISSING is not None:
        pytest.skip(DOVECOT_MISSING)
    # Not below pytest's own directory: that path is long, and closed to other accounts.
    with (
        tempfile.TemporaryDirectory(
            prefix="poptalk-dovecot-", ignore_cleanup_errors=True
        ) as directory,
        start_dovecot(article_maildrop, Path(directory)) as running,
    ):
        yield running
