"""The stubs of other packages have the signatures of the sources that were read, and of the packages where they are.

``public_signatures.json`` says which versions; ``.ci/signatures`` compares it with the newest sources.
"""

from __future__ import annotations

import importlib
import json
import operator
from pathlib import Path
from typing import Any

import pytest
from support import stub_geometry, stub_metric3d
from support.public_signatures import of_function, of_source

RECORDED: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "public_signatures.json").read_text(encoding="utf-8")
)
MODULES = {**stub_geometry.MODULES, **stub_metric3d.MODULES}


@pytest.mark.parametrize("recorded", RECORDED, ids=operator.itemgetter("name"))
def test_a_stub_has_the_public_signature(recorded: dict[str, Any]) -> None:
    first, _, rest = recorded["name"].partition(".")
    stub = MODULES[recorded["module"]][first]
    assert of_function(getattr(stub, rest) if rest else stub) == recorded["signature"]


def test_every_function_of_the_stubs_is_recorded() -> None:
    """Of classes one method at least, beside the constructor that all of them share."""
    members = {(module, name) for module, found in MODULES.items() for name in found}
    only_made = {("mast3r.model", "AsymmetricMASt3R"), ("reloc3r.reloc3r_relpose", "Reloc3rRelpose")}
    assert members - only_made == {(row["module"], row["name"].partition(".")[0]) for row in RECORDED}


@pytest.mark.parametrize("recorded", RECORDED, ids=operator.itemgetter("name"))
def test_an_installed_package_has_the_recorded_signature(recorded: dict[str, Any]) -> None:
    try:
        module = importlib.import_module(recorded["module"])
    except ImportError:
        pytest.skip(f"{recorded['module']} is not installed")
    assert of_function(operator.attrgetter(recorded["name"])(module)) == recorded["signature"]


def test_a_change_is_noticed() -> None:
    source = "class A:\n    def f(self, x, y=1, *more, z='a', **rest): ...\n"
    first = of_source(source, "A.f")
    assert first == [
        ["self", "positional", None],
        ["x", "positional", None],
        ["y", "positional", "1"],
        ["more", "varargs", None],
        ["z", "keyword", "'a'"],
        ["rest", "kwargs", None],
    ]
    for changed in ("y=2", "yy=1", "y"):
        assert of_source(source.replace("y=1", changed), "A.f") != first
    scope: dict[str, Any] = {}
    exec(source, scope)
    assert of_function(scope["A"].f) == first
