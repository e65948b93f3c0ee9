"""Imports go downward only; hloc is known in one place; the top of the package stays small."""

from pathlib import Path

import pytest
from support.import_graph import Arrow, draw_arrows, entry_of, find_circles, find_modules, imported_names

import mickey_hloc

PACKAGE = Path(mickey_hloc.__file__).parent
# From the bottom to the top. What stands in one line may import each other, but not in a circle.
LAYERS = (
    "errors",
    "registry",
    "geometry",
    "rooms",
    "io",
    "model",
    "weights",
    "features",
    "matching",
    "pair_models",
    "depth",
    "solvers",
    "confidence",
    "metric",
    "two_view",
    "visualization",
    "datasets",
    "evaluation",
    "extract_features match_features match_images estimate_poses localize scale_reconstruction",
    "engine",
    "hloc_plugin",
    "benchmark",
    "training",
    "cli",
)
LEVELS = {entry: level for level, entries in enumerate(LAYERS) for entry in entries.split()}
MAX_ENTRIES = 30
HOSTS = {"hloc", "imcui"}


def upward(arrows: list[Arrow], levels: dict[str, int]) -> list[str]:
    """The imports of something further up, or of something without a layer."""
    return [
        str(arrow)
        for arrow in arrows
        for source, target in [arrow.entries]
        if source != target and levels.get(target, len(levels)) > levels.get(source, len(levels))
    ]


def listed(items: list[str]) -> str:
    return "\n  ".join(["", *items])


@pytest.fixture(scope="module")
def arrows() -> list[Arrow]:
    return draw_arrows(PACKAGE)


def test_every_file_and_folder_at_the_top_has_a_layer_and_there_are_few() -> None:
    entries = sorted(p.name for p in PACKAGE.iterdir() if p.name not in ("py.typed", "__pycache__"))
    homeless = [name for name in entries if name != "__init__.py" and name.removesuffix(".py") not in LEVELS]
    assert not homeless, f"give each a place in LAYERS, or move it: {', '.join(homeless)}"
    assert len(entries) <= MAX_ENTRIES, f"{len(entries)} entries at the top of the package: {', '.join(entries)}"


def test_imports_go_downward(arrows: list[Arrow]) -> None:
    assert len(arrows) > 100
    found = upward(arrows, LEVELS)
    assert not found, f"{len(found)} imports go upward:{listed(found)}"


def test_no_modules_import_each_other(arrows: list[Arrow]) -> None:
    circles = [" <-> ".join(circle) for circle in find_circles(arrows)]
    assert not circles, f"{len(circles)} circles of imports:{listed(circles)}"


def test_only_the_plugin_knows_hloc() -> None:
    found = [
        f"{module}, line {line}: {base} {name}".rstrip()
        for module, path in find_modules(PACKAGE).items()
        if entry_of(module) != "hloc_plugin"
        for line, base, name in imported_names(module, path)
        if HOSTS & {*base.split("."), name}
    ]
    assert not found, f"only hloc_plugin may import hloc:{listed(found)}"


@pytest.mark.parametrize(
    ("entry", "allowed"),
    [
        ("geometry", set()),
        ("rooms", {"geometry"}),
        ("evaluation", {"errors", "geometry", "io", "datasets"}),
        ("metric", {"errors", "geometry", "io", "registry", "depth", "model"}),
    ],
)
def test_the_lower_floors_know_little(arrows: list[Arrow], entry: str, allowed: set[str]) -> None:
    found = [str(a) for a in arrows if a.entries[0] == entry and a.entries[1] not in {entry, *allowed}]
    assert not found, f"{entry} may import {', '.join(sorted(allowed)) or 'nothing of ours'} only:{listed(found)}"


@pytest.fixture
def small_package(tmp_path: Path) -> Path:
    """A package with one fault of each kind."""
    files = {
        "__init__.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pkg.high import work as work\n",
        "low/__init__.py": "",
        "low/a.py": "import os\nfrom pkg.low import b\n\ndef f():\n    from pkg.high import work\n",
        "low/b.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .a import f\n",
        "low/c.py": "from pkg import work\nimport pkg.low.b as short\nNAME = 'pkg.high:work'\n",
        "high.py": "from . import low\nfrom pkg import __version__\nimport pkg.new\n\ndef work(): ...\n",
        "new.py": "",
    }
    for name, text in files.items():
        path = tmp_path / "pkg" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "pkg"


def test_the_graph_has_every_import_and_nothing_else(small_package: Path) -> None:
    assert [str(arrow) for arrow in draw_arrows(small_package)] == [
        "pkg.high, line 1: pkg.low",
        "pkg.high, line 3: pkg.new",
        "pkg.low.a, line 2: pkg.low.b",
        "pkg.low.a, line 5: pkg.high",
        "pkg.low.b, line 3: pkg.low.a",
        "pkg.low.c, line 1: pkg.high",
        "pkg.low.c, line 2: pkg.low.b",
    ]


def test_upward_imports_and_circles_are_found(small_package: Path) -> None:
    arrows = draw_arrows(small_package)
    found = upward(arrows, {"low": 0, "high": 1})
    assert found == ["pkg.high, line 3: pkg.new", "pkg.low.a, line 5: pkg.high", "pkg.low.c, line 1: pkg.high"]
    assert find_circles(arrows) == [["pkg.low.a", "pkg.low.b"]]
