"""The shape of the house: no circles of imports, few files, one class for each name."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter

import pytest

from tests.test_architecture import MODULES, PACKAGE, is_ours, room_of

MOST_FILES = 150
COMMANDS_OF_THEIR_OWN = ("classroom", "play", "export", "tap", "check")
"""Commands that each cost one folder, and do not count among the files of the house below them."""
MOST_FILES_OF_A_FOLDER = 15

Graph = dict[str, set[str]]
"""What each file, or each folder, imports."""


def imported(tree: ast.Module, *, in_functions: bool) -> Iterator[str]:
    """Yield the modules of poptalk that are imported at run time.

    Args:
        tree: a module.
        in_functions: whether imports inside functions count.
    """
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += node.orelse
            continue
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not in_functions:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if is_ours(alias.name))
        elif isinstance(node, ast.ImportFrom) and node.module and is_ours(node.module):
            # `from poptalk.net import tls` imports the module, and what the package holds otherwise.
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            yield from names & MODULES.keys() or {node.module}
        waiting += ast.iter_child_nodes(node)


def files(*, in_functions: bool) -> Graph:
    """Return what each file imports."""
    return {
        module: set(imported(tree, in_functions=in_functions)) - {module}
        for module, tree in MODULES.items()
    }


def circle(graph: Graph) -> str:
    """Describe a circle of imports; empty for none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        names: list[str] = error.args[1]
        # The library lists each one before what imports it.
        return " imports ".join(reversed(names))
    return ""


def test_no_file_imports_itself_by_a_detour() -> None:
    assert not circle(files(in_functions=False))


def test_a_circle_would_be_found() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}}).count(" imports ") == 3
    assert not circle({"a": {"b", "c"}, "b": {"c"}})


@pytest.mark.parametrize(
    ("source", "at_run_time", "anywhere"),
    [
        ("import poptalk.net.tls", {"poptalk.net.tls"}, {"poptalk.net.tls"}),
        ("def f():\n    from poptalk.net import tls", set(), {"poptalk.net.tls"}),
        ("if TYPE_CHECKING:\n    import poptalk.net.tls", set(), set()),
        ("class A:\n    import poptalk.net.tls", {"poptalk.net.tls"}, {"poptalk.net.tls"}),
    ],
)
def test_what_counts_as_an_import(source: str, at_run_time: set[str], anywhere: set[str]) -> None:
    tree = ast.parse(source)
    assert set(imported(tree, in_functions=False)) == at_run_time
    assert set(imported(tree, in_functions=True)) == anywhere


def folder_of(module: str) -> str:
    """Return the room of a module, such as `poptalk.net`; a folder within a room belongs to it."""
    return ".".join(module.split(".")[:2])


def folders() -> Graph:
    """Return what the files of each folder import from other folders."""
    graph: Graph = defaultdict(set)
    for module, names in files(in_functions=True).items():
        graph[folder_of(module)] |= {folder_of(name) for name in names} - {folder_of(module)}
    return graph


def test_no_file_imports_itself_by_a_detour_inside_functions() -> None:
    assert not circle(files(in_functions=True))


def test_no_folder_imports_itself_by_a_detour() -> None:
    assert not circle(folders())


def test_the_folders_of_the_practice_server_import_only_downwards() -> None:
    below = ["poptalk.practice.faults", "poptalk.practice.maildrop"]
    upwards = [
        (module, name)
        for module, names in files(in_functions=True).items()
        for place, folder in enumerate(below)
        if module.startswith(folder)
        for name in names
        if name.startswith("poptalk.practice") and not name.startswith(tuple(below[place:]))
    ]
    assert upwards == []


def test_no_class_name_exists_twice() -> None:
    homes = defaultdict(list)
    for module, tree in MODULES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                homes[node.name].append(module)
    assert {name: where for name, where in homes.items() if len(where) > 1} == {}


def test_no_folder_is_crowded() -> None:
    counts: dict[str, int] = defaultdict(int)
    for path in PACKAGE.rglob("*.py"):
        counts[str(path.parent.relative_to(PACKAGE))] += 1
    assert {name: n for name, n in counts.items() if n > MOST_FILES_OF_A_FOLDER} == {}


def test_the_house_has_few_files() -> None:
    counted = [each for each in MODULES if room_of(each) not in COMMANDS_OF_THEIR_OWN]
    assert len(counted) <= MOST_FILES
