"""What every test gets: an environment without the developer's own, and a real server on request."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.servers.dovecot import Dovecot, dovecot_or_skip

ARTICLE_MAILDROP = Path(__file__).parent.parent / "lessons" / "mailboxes" / "article"

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


WITHOUT_POSIX = "--without-posix"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that tests poptalk as if on Windows; see tests/servers/without_posix."""
    parser.addoption(
        WITHOUT_POSIX,
        action="store_true",
        help="take away from the poptalk that tests start what Windows does not have",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Undo what `nohup` and `&` leave, which programs that tests start would inherit; be patient."""
    # An installed poptalk has its bytecode; to compile it for each of a thousand starts takes minutes.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    # A busy machine is no fault of the program: a test that hangs meets pytest's own limit.
    settings.register_profile(
        "patient", deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile("patient")
    if config.getoption(WITHOUT_POSIX):
        folders = [str(Path(__file__).parent / "servers" / "without_posix")]
        folders += filter(None, [os.environ.get("PYTHONPATH")])
        os.environ["PYTHONPATH"] = os.pathsep.join(folders)


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
def article_maildrop() -> Path:
    """Return the folder with the three messages of the article, one ``.eml`` file each."""
    return ARTICLE_MAILDROP


@pytest.fixture(scope="session")
def _running_dovecot(article_maildrop: Path) -> Iterator[Dovecot]:
    """Run a real Dovecot for the whole test run."""
    with dovecot_or_skip(article_maildrop) as running:
        yield running


@pytest.fixture
def dovecot(_running_dovecot: Dovecot) -> Dovecot:
    """Give the test a real Dovecot whose maildrops nobody has changed."""
    for user in _running_dovecot.users:
        _running_dovecot.reset(user)
    return _running_dovecot
