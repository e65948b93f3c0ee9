"""The import graph of a package, read from its source: nothing is imported, and no import is overlooked."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Arrow:
    """One import of one module of a package by another.

    Attributes:
        source, target: dotted names of modules; a package stands for its ``__init__.py``.
        line: of the import.
    """

    source: str
    target: str
    line: int

    @property
    def entries(self) -> tuple[str, str]:
        """The files or folders at the top of the package that the two modules are of."""
        return entry_of(self.source), entry_of(self.target)

    def __str__(self) -> str:
        return f"{self.source}, line {self.line}: {self.target}"


def entry_of(module: str) -> str:
    """``io`` of ``mickey_hloc.io.poses``; empty for the package itself."""
    return module.split(".")[1] if "." in module else ""


def find_modules(package: Path) -> dict[str, Path]:
    """Files by dotted name, of all modules of a package."""
    modules = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return modules


def imported_names(module: str, path: Path) -> Iterator[tuple[int, str, str]]:
    """Every import of a file, also inside functions and under TYPE_CHECKING: its line, module and name.

    ``import a.b`` gives ``("a.b", "")``, ``from a import b`` gives ``("a", "b")``; relative ones are made absolute.
    """
    parts = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, ""
        elif isinstance(node, ast.ImportFrom):
            start = parts[: len(parts) - node.level + 1] if node.level else []
            base = ".".join([*start, *([node.module] if node.module else [])])
            for alias in node.names:
                yield node.lineno, base, alias.name


def draw_arrows(package: Path) -> list[Arrow]:
    """All imports between modules of a package, but for those of its own ``__init__.py``.

    That file hands out what lies below under short names. Who imports such a name imports the module that it is of.
    """
    modules, top = find_modules(package), package.name
    exports = {name: base for _, base, name in imported_names(top, modules[top]) if base in modules}
    arrows = set()
    for source, path in modules.items():
        if source == top:
            continue
        for line, base, name in imported_names(source, path):
            target = f"{base}.{name}" if f"{base}.{name}" in modules else _nearest(base, modules)
            if target == top:
                target = exports.get(name, top)
            if target not in ("", top, source):
                arrows.add(Arrow(source, target, line))
    return sorted(arrows, key=lambda arrow: (arrow.source, arrow.line, arrow.target))


def _nearest(name: str, modules: Mapping[str, Path]) -> str:
    """The longest beginning of a dotted name that is a module; empty if there is none."""
    while name and name not in modules:
        name = name.rpartition(".")[0]
    return name


def find_circles(arrows: Iterable[Arrow]) -> list[list[str]]:
    """Groups of modules that import each other, directly or through others (strongly connected components)."""
    targets: dict[str, set[str]] = {}
    for arrow in arrows:
        targets.setdefault(arrow.source, set()).add(arrow.target)
    reached = {module: _reachable(module, targets) for module in targets}
    groups = {
        tuple(sorted(other for other in reached[module] if module in reached.get(other, ())))
        for module in targets
        if module in reached[module]
    }
    return [list(group) for group in sorted(groups)]


def _reachable(module: str, targets: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = list(targets[module])
    while waiting:
        other = waiting.pop()
        if other not in found:
            found.add(other)
            waiting += targets.get(other, ())
    return found
