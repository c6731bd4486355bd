"""The house: which room may import which, who may print, and what a short run must not load.

The imports are read from the source, so that one inside a function counts too.  What is loaded at run
time is asked of a fresh interpreter.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import poptalk
from tests.servers.recording import RecordingServer

PACKAGE = Path(poptalk.__file__).parent

ROOMS = (
    "cli",
    "shell",
    "lesson",
    "compare",
    "script",
    "practice",
    "session",
    "login",
    "terminal",
    "net",
    "mail",
    "notation",
    "protocol",
)
"""Each may import what stands behind it."""

SHARED = ("exit_codes", "paths", "toml_file")
"""What a program ends with, where files lie, and how those are read that people write."""

NO_FILES = ("notation", "protocol")
"""The rooms that may not use what is shared: they know of no files, and of no program."""

PURE = ("notation", "protocol")

NOT_PURE = {"asyncio", "socket", "ssl", "time", "random", "os", "threading"}
"""What would bring input, output, time or chance into a core that has them handed in."""

TOOLKIT_ROOMS = ("shell", "terminal")

PRINTING_MODULE = "poptalk.terminal.screen"

SECONDS = 30

HEAVY = {"asyncio", "ssl", "prompt_toolkit", "pygments"}
"""What `--help` and `--version` must not load."""

HEAVY_FOR_A_PIPE = HEAVY | {
    *("dataclasses", "typing", "inspect", "tempfile", "pathlib", "logging"),
}
"""What a piped session in clear must not load: it is a whole process, to be as quick as poplib's."""


def _modules() -> dict[str, ast.Module]:
    """Return the syntax tree of every module by its name."""
    trees = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        trees[name] = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    return trees


MODULES = _modules()


def imports(tree: ast.AST) -> Iterator[str]:
    """Give the names of the modules that are imported anywhere in a tree."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports name the whole path"
            assert node.module
            yield node.module
            # `from poptalk import paths` imports a module, too.
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from (name for name in names if name in MODULES)


def room_of(module: str) -> str:
    """Return the room of a module, such as `net`; empty for the package itself."""
    return module.split(".")[1] if "." in module else ""


def in_rooms(*rooms: str) -> list[str]:
    """Return the modules of some rooms."""
    return [module for module in MODULES if room_of(module) in rooms]


def allowed_rooms(room: str) -> set[str]:
    """Return the rooms of which modules of a room may import."""
    rooms = {"", *ROOMS[ROOMS.index(room) :]}
    return rooms if room in NO_FILES else rooms | set(SHARED)


def test_every_room_is_known() -> None:
    rooms = {room_of(module) for module in MODULES}
    assert rooms == {"", "__main__", *SHARED, *ROOMS}


@pytest.mark.parametrize("module", in_rooms(*ROOMS))
def test_the_arrows_point_one_way(module: str) -> None:
    used = {name for name in imports(MODULES[module]) if name.split(".")[0] == "poptalk"}
    allowed = allowed_rooms(room_of(module))
    assert {name for name in used if room_of(name) not in allowed} == set()


@pytest.mark.parametrize("module", ["poptalk", *(f"poptalk.{name}" for name in SHARED)])
def test_what_every_room_may_use_uses_none(module: str) -> None:
    assert [name for name in imports(MODULES[module]) if name.startswith("poptalk")] == []


def test_the_package_itself_imports_nothing() -> None:
    assert list(imports(MODULES["poptalk"])) == []


@pytest.mark.parametrize("module", in_rooms(*PURE))
def test_the_core_has_no_input_and_no_output(module: str) -> None:
    assert {name.split(".")[0] for name in imports(MODULES[module])} & NOT_PURE == set()


@pytest.mark.parametrize("module", [m for m in MODULES if room_of(m) not in TOOLKIT_ROOMS])
def test_prompt_toolkit_stays_in_its_rooms(module: str) -> None:
    assert "prompt_toolkit" not in {name.split(".")[0] for name in imports(MODULES[module])}


@pytest.mark.parametrize("module", [m for m in MODULES if m != PRINTING_MODULE])
def test_one_module_prints(module: str) -> None:
    assert list(_printing(MODULES[module])) == []


def _printing(tree: ast.AST) -> Iterator[str]:
    """Give the calls that write to standard output or standard error."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        writes = called.endswith((".write", ".writelines"))
        on_standard_output = writes and called.startswith(("sys.stdout.", "sys.stderr."))
        by_number = called == "os.write" and ast.unparse(node.args[0]) in STANDARD_OUTPUTS
        if called == "print" or on_standard_output or by_number:
            yield f"line {node.lineno}: {called}"


STANDARD_OUTPUTS = {"1", "2", "sys.stdout.fileno()", "sys.stderr.fileno()"}


@pytest.mark.parametrize(
    "source",
    [
        "print('x')",
        "def f():\n    sys.stdout.write('x')",
        "sys.stderr.buffer.write(b'x')",
        "sys.stdout.writelines(['x'])",
        "os.write(1, b'x')",
        "os.write(sys.stdout.fileno(), b'x')",
    ],
)
def test_printing_would_be_found(source: str) -> None:
    assert list(_printing(ast.parse(source)))


def test_writing_to_other_files_is_not_printing() -> None:
    assert list(_printing(ast.parse("os.write(descriptor, b'x'); file.write('x')"))) == []


# What is loaded at run time.

LIST_MODULES = """
import sys
from poptalk.cli import main
try:
    code = main(sys.argv[1:])
except SystemExit as exit:
    code = exit.code or 0
sys.stderr.write(" ".join(sys.modules))
sys.exit(code)
"""


def run(*arguments: str, typed: bytes = b"") -> tuple[bytes, set[str]]:
    """Run poptalk; return its output, and the top-level names of all modules that it loaded."""
    # Without site: an editable installation and coverage load what poptalk itself does not.
    path = [str(PACKAGE.parent), *(entry for entry in sys.path if entry)]
    code = f"import sys; sys.path[:0] = {path!r}\n{LIST_MODULES}"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, *arguments],
        input=typed,
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, {name.split(".")[0] for name in done.stderr.decode().split()}


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_are_light(option: str) -> None:
    output, loaded = run(option)
    assert output.strip()
    assert "poptalk" in loaded
    assert loaded & HEAVY == set()


def test_a_piped_session_is_light() -> None:
    with RecordingServer(closing_keyword=b"QUIT") as server:
        output, loaded = run(server.host, str(server.port), typed=b"NOOP\nQUIT\n")
    assert server.received == b"NOOP\r\nQUIT\r\n"
    assert output.startswith(b"+OK")
    assert "socket" in loaded
    assert loaded & HEAVY_FOR_A_PIPE == set()
