"""The house: which room may import which, who may print, and what a short run must not load.

The imports are read from the source, so that one inside a function counts too.  What is loaded at run
time is asked of a fresh interpreter.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

import poptalk
from tests.servers.recording import RecordingServer
from tests.servers.terminal import Pty

PACKAGE = Path(poptalk.__file__).parent

ROOMS = (
    "cli",
    "classroom",
    "play",
    "lesson",
    "check",
    "tap",
    "shell",
    "export",
    "diff",
    "run",
    "practice",
    "session",
    "mail",
    "terminal",
    "net",
    "transcript",
    "pop3",
)
"""Each may import those that come after it."""

SHARED = ("config", "exit_codes")
"""What a program ends with, where files lie, and how those are read that people write."""

NO_FILES = ("transcript", "pop3")
"""The rooms that may not use what is shared: they know of no files, and of no program."""

PURE = ("transcript", "pop3")

NOT_PURE = {"asyncio", "socket", "ssl", "time", "random", "os", "threading"}
"""What would bring input, output, time or chance into a core that has them handed in."""

TOOLKIT_ROOMS = ("classroom", "play", "shell", "terminal")

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


def forbidden(modules: Iterable[str], is_wrong: Callable[[str, str], bool]) -> list[str]:
    """List the imports of some modules that are wrong, each as a line for a message."""
    return [
        f"{module} imports {name}"
        for module in modules
        for name in imports(MODULES[module])
        if is_wrong(module, name)
    ]


def is_ours(name: str) -> bool:
    """Tell whether a name is that of a module of poptalk."""
    return name.split(".")[0] == "poptalk"


def test_the_arrows_point_one_way() -> None:
    assert not forbidden(
        in_rooms(*ROOMS),
        lambda module, name: is_ours(name) and room_of(name) not in allowed_rooms(room_of(module)),
    )


def test_what_every_room_may_use_uses_none() -> None:
    shared = [module for module in MODULES if room_of(module) in SHARED]
    assert not forbidden(shared, lambda module, name: is_ours(name) and name != module)


def test_the_package_itself_imports_nothing() -> None:
    assert list(imports(MODULES["poptalk"])) == []


def test_the_core_has_no_input_and_no_output() -> None:
    assert not forbidden(in_rooms(*PURE), lambda _, name: name.split(".")[0] in NOT_PURE)


LAYERS = tuple(f"poptalk.pop3{each}" for each in ("", ".sasl", ".explain", ".client", ".server"))
"""Within the core each may import the first two, and the last three don't import each other."""


def test_the_core_is_built_in_layers() -> None:
    def layer(module: str) -> str:
        return max((each for each in LAYERS if f"{module}.".startswith(f"{each}.")), key=len)

    def is_wrong(module: str, name: str) -> bool:
        if not name.startswith("poptalk.pop3.") or name not in MODULES:
            return False
        below, own = layer(name), layer(module)
        return below != own and (below not in LAYERS[:2] or own == LAYERS[0])

    assert not forbidden(in_rooms("pop3"), is_wrong)


def test_prompt_toolkit_stays_in_its_rooms() -> None:
    others = [module for module in MODULES if room_of(module) not in TOOLKIT_ROOMS]
    assert not forbidden(others, lambda _, name: name.split(".")[0] == "prompt_toolkit")


def test_one_module_prints() -> None:
    assert not [
        f"{module}, {found}"
        for module, tree in MODULES.items()
        if module != PRINTING_MODULE
        for found in _printing(tree)
    ]


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


def listing_modules(*arguments: str) -> list[str]:
    """Return the command that runs poptalk and then writes the modules it loaded to standard error."""
    # Without site: an editable installation and coverage load what poptalk itself does not.
    path = [str(PACKAGE.parent), *(entry for entry in sys.path if entry)]
    code = f"import sys; sys.path[:0] = {path!r}\n{LIST_MODULES}"
    return [sys.executable, "-I", "-S", "-c", code, *arguments]


def run(*arguments: str, typed: bytes = b"") -> tuple[bytes, set[str]]:
    """Run poptalk; return its output, and the top-level names of all modules that it loaded."""
    done = subprocess.run(
        listing_modules(*arguments),
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


@pytest.mark.parametrize("option", [(), ("--plain",)])
def test_a_session_on_a_terminal_loads_no_practice_server(
    tmp_path: Path, option: tuple[str, ...]
) -> None:
    listed = tmp_path / "modules"
    with RecordingServer(closing_keyword=b"QUIT") as server:
        program = listing_modules(server.host, str(server.port), *option)
        redirect = ["sh", "-c", 'exec "$@" 2>"$0"', str(listed), *program]
        with Pty(redirect, env={"XDG_STATE_HOME": str(tmp_path)}) as terminal:
            terminal.wait_for("+OK recording server ready")
            terminal.send("QUIT\r")
            terminal.wait_until(lambda: server.received == b"QUIT\r\n")
            terminal.wait_for("(closed)")
            terminal.send("\x04")
            assert terminal.wait_exit() == 0
    loaded = set(listed.read_text(encoding="utf-8").split())
    assert "poptalk.shell.start" in loaded
    assert {name for name in loaded if room_of(name) in ("practice", "lesson", "run")} == set()
