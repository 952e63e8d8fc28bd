"""What other rooms call says what it takes and what it fails with; types that say it themselves need no words."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import opensearch_strata

PACKAGE = Path(opensearch_strata.__file__).parent
ROOMS_OF_ROOMS = {"archive", "history", "definition", "connections", "errors"}
WITHOUT_SHAPE = re.compile(
    r"(str|bytes|int|float|bool|Any|dict|list|tuple|set|frozenset|Sequence|Mapping|Iterable|Iterator|Collection|Callable"
    r"|Body|State)\b(?!\[Owner)"
)
"""Types that do not say what is in them: texts, numbers, collections."""
ELSEWHERE = re.compile(r"^(See|What) :func:")
"""How a docstring begins that leaves its parameters to another one."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def module_of(path: Path) -> str:
    """Dotted name below the package."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


def room_of(module: str) -> str:
    """The room that a module is in."""
    first, *rest = module.split(".")
    return f"{first}.{rest[0]}" if first in ROOMS_OF_ROOMS and rest else first


MODULES = {module_of(path): ast.parse(path.read_text("utf-8")) for path in PACKAGE.rglob("*.py")}


def called_from_elsewhere() -> set[str]:
    """``module.name`` of what a module of another room imports."""
    return {
        f"{source}.{alias.name}"
        for module, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("opensearch_strata.")
        for source in [str(node.module).removeprefix("opensearch_strata.")]
        for alias in node.names
        if room_of(source) != room_of(module)
    }


def functions(body: list[ast.stmt], name: str) -> Iterator[tuple[str, Function]]:
    """Functions and methods whose names do not begin with an underscore, with their full names."""
    for node in body:
        if isinstance(node, Function) and not node.name.startswith("_"):
            yield f"{name}.{node.name}", node
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from functions(node.body, f"{name}.{node.name}")


def undescribed(function: Function) -> list[str]:
    """Parameters of a type without shape about which the docstring says nothing."""
    text = ast.get_docstring(function) or ""
    given = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return [
        parameter.arg
        for parameter in given
        if parameter.annotation
        and WITHOUT_SHAPE.match(ast.unparse(parameter.annotation))
        and not re.search(rf":param {parameter.arg}:|``{parameter.arg}``", text)
        and not ELSEWHERE.match(text)
    ]


def raised(node: ast.AST) -> Iterator[str]:
    """Names of the exceptions that a function itself raises; not those of functions inside it."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function | ast.Lambda | ast.ClassDef):
            continue
        if isinstance(child, ast.Raise) and child.exc is not None:
            what = child.exc.func if isinstance(child.exc, ast.Call) else child.exc
            yield from (part.id for part in ast.walk(what) if isinstance(part, ast.Name) and part.id[:1].isupper())
        yield from raised(child)


def test_what_other_rooms_call_says_what_each_parameter_is() -> None:
    public = called_from_elsewhere()
    assert "reader.read" in public
    missing = {
        name: found
        for module, tree in MODULES.items()
        for name, function in functions(tree.body, module)
        if ".".join(name.split(".")[: module.count(".") + 2]) in public and (found := undescribed(function))
    }
    assert missing == {}


def test_a_function_names_the_exceptions_that_it_raises() -> None:
    """But for commands, whose docstrings are what ``--help`` shows, and methods that a protocol describes."""
    missing = {
        name: sorted(found)
        for module, tree in MODULES.items()
        for name, function in functions(tree.body, module)
        if not module.startswith("cli.commands.") and (text := ast.get_docstring(function))
        if (found := set(raised(function)) - {*re.findall(r":raises (\w+):", text), "AssertionError"})
    }
    assert missing == {}
