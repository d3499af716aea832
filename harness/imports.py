"""The imports that stand in a module, read from its syntax tree or its bytecode."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from modulefinder import ModuleFinder
from types import CodeType

#: What imports a module that is named by a text.
IMPORTERS = ("import_module", "__import__")
#: What asks for one before it is imported, here or by a library.
CALLS = (*IMPORTERS, "find_spec")
#: What may import modules that no text names.
COMPUTED = ("iter_modules", "walk_packages", "spec_from_file_location", "run_path", "run_module")
ALL = "*"


@dataclass(frozen=True, slots=True)
class Imports:
    """What a module imports."""

    found: tuple[tuple[int, str, tuple[str, ...]], ...]
    """Dots before the name, the name, and what is imported from it."""
    is_computed: bool
    """Whether it also imports what cannot be told without running it."""

    def absolute(self, package: str) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Full names of modules, and of what is imported from each.

        Args:
            package: The one that the module lies in, or is.
        """
        for dots, name, names in self.found:
            above = package.split(".")[: -(dots - 1) or None] if dots else []
            yield ".".join([*above, *filter(None, [name])]), names


@lru_cache(maxsize=4096)
def imports_in_source(content: bytes) -> Imports:
    """Read the imports of a source file; one that is not Python has none."""
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError):
        return Imports((), is_computed=False)
    found = [entry for statement in _statements(tree.body) for entry in _entries(statement)]
    is_computed = False
    if any(word.encode() in content for word in (*CALLS, *COMPUTED)):
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        named = [name for call in calls if (name := _imported_by(call)) is not None]
        found += [_relative(name) for name in named if name]
        is_computed = "" in named
    return Imports(tuple(found), is_computed)


@lru_cache(maxsize=4096)
def attributes_in_source(content: bytes) -> frozenset[str]:
    """Names of all attributes that a source file asks for; of bytecode none are known."""
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError):
        return frozenset()
    return frozenset(node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute))


def imports_in_bytecode(code: CodeType | None) -> Imports:
    """Read the imports of a module that is installed without its source."""
    found = []
    for part in _nested(code) if code else ():
        for kind, about in ModuleFinder().scan_opcodes(part):
            if kind == "absolute_import":
                found.append((0, about[1], tuple(about[0] or ())))
            elif kind == "relative_import":
                found.append((about[0], about[2], tuple(about[1] or ())))
    return Imports(tuple(found), is_computed=False)


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """All statements, inside functions too, but those that only type checkers read."""
    for statement in body:
        yield statement
        for name in ("body", "orelse", "finalbody", "handlers", "cases"):
            inside = getattr(statement, name, ())
            if name == "body" and isinstance(statement, ast.If) and _is_for_types(statement.test):
                continue
            yield from _statements(inside if isinstance(inside, list) else [])


def _is_for_types(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", "")
    return name == "TYPE_CHECKING"


def _entries(statement: ast.stmt) -> Iterator[tuple[int, str, tuple[str, ...]]]:
    if isinstance(statement, ast.Import):
        yield from ((0, alias.name, ()) for alias in statement.names)
    elif isinstance(statement, ast.ImportFrom):
        names = tuple(alias.name for alias in statement.names)
        yield statement.level, statement.module or "", names


def _imported_by(call: ast.Call) -> str | None:
    """The module that a call imports; empty = it cannot be told; None = it imports none."""
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if name in COMPUTED:
        return ""
    if name not in CALLS:
        return None
    first = call.args[0] if call.args else None
    if isinstance(first, ast.Constant) and isinstance(first.value, str):
        return first.value
    return "" if name in IMPORTERS else None


def _relative(name: str) -> tuple[int, str, tuple[str, ...]]:
    bare = name.lstrip(".")
    return len(name) - len(bare), bare, ()
