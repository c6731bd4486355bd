"""The shape of the house: nothing imports itself by a detour."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter

import pytest

from tests.test_architecture import MODULES, is_ours

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
