"""A name chooses a class: tables, dotted paths, fallbacks, and errors that list the choices."""

from __future__ import annotations

import pickle
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mickey_hloc.depth.table import TARGETS
from mickey_hloc.errors import InputError, MickeyHlocError, MissingDependencyError, PartError
from mickey_hloc.registry import (
    CheckedOptions,
    ConfTable,
    Part,
    Preset,
    Registry,
    UnknownNameError,
    file_safe,
    is_dotted_path,
    load_attribute,
    options_tag,
    tables,
    unknown_name,
)

HERE = f"{__name__}:"


class Shape(Part, ABC):
    """A slot of this test."""

    kind = "shape"

    @abstractmethod
    def area(self) -> float: ...


@dataclass(frozen=True)
class Paint(CheckedOptions):
    colour: str = "red"
    layers: int = 1


@dataclass(frozen=True)
class SquareOptions(CheckedOptions):
    side: float = 1.0
    paint: Paint = field(default_factory=lambda: Paint(layers=2))
    device: str | None = None


class Square(Shape):
    Options = SquareOptions

    def area(self) -> float:
        return self.options.side**2


class Outer:
    class Dot(Shape):
        """Has no options."""

        def area(self) -> float:
            return 0.0


class Other(Part):
    """Of another slot."""

    kind = "other thing"


def fallback(name: str, host: str, known: list[str]) -> Preset:
    if name == "from-host":
        return Preset(HERE + "Square", {"side": float(len(host))})
    raise unknown_name("shape", name, [*known, "from-host"])


TABLE = {"square": HERE + "Square", "big": Preset(HERE + "Square", {"side": 10, "paint": {"layers": 9}})}
SHAPES: Registry[Shape] = Registry("shape", Shape, TABLE)
HOSTED: Registry[Shape] = Registry("shape", Shape, TABLE, fallback=HERE + "fallback")


def test_names_presets_and_options() -> None:
    assert SHAPES.names == ["big", "square"]
    assert SHAPES.get("square") is SHAPES.get("big") is Square
    assert SHAPES.create("square").area() == 1
    big = SHAPES.create("big", paint={"colour": "blue"})
    assert (big.name, big.area(), big.options.paint) == ("big", 100, Paint("blue", 9))
    assert SHAPES.create("big", side=2).options == SquareOptions(2.0, Paint("red", 9))
    with pytest.raises(InputError, match="Unknown option 'edge' of shape Square; known: device, paint, side"):
        SHAPES.create("square", edge=1)
    with pytest.raises(InputError, match=r"Option layers of shape Square\.paint must be a whole number"):
        SHAPES.create("square", paint={"layers": "many"})


def test_dotted_paths() -> None:
    dot = SHAPES.create(HERE + "Outer.Dot")
    assert (dot.name, dot.area()) == (HERE + "Outer.Dot", 0.0)
    assert SHAPES.create(HERE + "Square", side=3).area() == 9
    with pytest.raises(InputError, match="Unknown option 'side' of shape Dot; known: none"):
        SHAPES.create(HERE + "Outer.Dot", side=1)


@pytest.mark.parametrize(
    ("name", "whether"),
    [
        ("a:B", True),
        ("a.b.c:D.E", True),
        ("a", False),
        ("a:", False),
        (":B", False),
        ("a.:B", False),
        ("a b:C", False),
        ("a-b:C", False),
        ("a:B:c", False),
        ("png:sensor/x", False),
        ("C:\\x", False),
    ],
)
def test_what_is_a_dotted_path(name: str, whether: bool) -> None:
    assert is_dotted_path(name) is whether


def test_an_unknown_name_lists_the_choices_and_the_nearest() -> None:
    with pytest.raises(UnknownNameError) as caught:
        SHAPES.find("sqare")
    assert str(caught.value) == "Unknown shape 'sqare' (did you mean 'square'?); choose one of: big, square."
    assert caught.value.choices == {"big", "square"}
    revived = pickle.loads(pickle.dumps(caught.value))  # errors come back from other processes
    assert (str(revived), revived.choices) == (str(caught.value), caught.value.choices)
    with pytest.raises(InputError, match="Unknown shape 'xyz'; choose one of: big, square"):
        SHAPES.create("xyz")


def test_a_fallback_is_asked_last_and_told_the_host() -> None:
    assert HOSTED.create("from-host", "abc").area() == 9
    assert HOSTED.create("square", "abc").area() == 1
    assert HOSTED.create(HERE + "Outer.Dot", "abc").area() == 0
    with pytest.raises(InputError, match="did you mean 'from-host'"):
        HOSTED.create("from-hots")


MODULES = {
    "slot_good.py": f"from {__name__} import Square\nclass Mine(Square): pass\n",
    "slot_abstract.py": f"from {__name__} import Shape\nclass Mine(Shape): pass\n",
    "slot_needy.py": "import no_such_package_anywhere\n",
    "slot_asking.py": "raise ImportError('please\\n install   foo')\n",
    "slot_refusing.py": "from mickey_hloc.errors import InputError\nraise InputError('Not today.')\n",
    "slot_buggy.py": "def f():\n    return [][1]\nf()\n",
    "slot_package/__init__.py": "",
    "slot_bad_options.py": f"from {__name__} import Square\nclass Mine(Square):\n    Options = dict\n",
    "slot_bad_init.py": f"from {__name__} import Square\nclass Mine(Square):\n    def __init__(self):\n        1 / 0\n",
}


@pytest.mark.parametrize(
    ("path", "error", "message"),
    [
        ("slot_absent:Mine", InputError, "there is no module slot_absent; install its package or add its folder to"),
        ("slot_package.absent:Mine", InputError, "there is no module slot_package.absent;"),
        ("slot_good:Absent", InputError, "The shape 'slot_good:Absent' cannot be found: the module slot_good has no"),
        ("slot_good:Mine.absent", InputError, r"has no Mine\.absent"),
        (HERE + "Other", InputError, "is no shape, it is a other thing: it must be a class derived from"),
        (HERE + "Paint", InputError, r"is no shape: it must be a class derived from .*test_slots\.Shape"),
        (HERE + "TABLE", InputError, "is no shape: it must be a class derived from"),
        ("slot_needy:Mine", MissingDependencyError, "needs the module no_such_package_anywhere: install it"),
        ("slot_asking:Mine", MissingDependencyError, "cannot be imported: please install foo"),
        ("slot_refusing:Mine", InputError, "Not today"),
        (
            "slot_buggy:Mine",
            PartError,
            r"cannot be imported: IndexError: list index .* \(slot_buggy.py, line 2",
        ),
        ("slot_abstract:Mine", PartError, "Shape Mine is not finished: it must define area"),
        ("slot_bad_options:Mine", PartError, "Shape Mine must define Options, a frozen dataclass"),
        ("slot_bad_init:Mine", PartError, r"Shape Mine broke down: ZeroDivisionError: .* \(slot_bad_init.py, line 4\)"),
    ],
)
def test_a_path_that_leads_to_no_part_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, error: type[MickeyHlocError], message: str
) -> None:
    for name, text in MODULES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    for module in [name for name in sys.modules if name.startswith("slot_")]:
        monkeypatch.delitem(sys.modules, module)
    with pytest.raises(error, match=message) as caught:
        SHAPES.create(path)
    assert "\n" not in str(caught.value)
    assert SHAPES.create("slot_good:Mine", side=2).area() == 4


def test_part_names_identities_and_tags() -> None:
    part = SHAPES.create("square", paint={"layers": 2})
    assert part.identity() == {"side": 1.0, "paint": {"colour": "red", "layers": 2}}
    assert options_tag(part) == []
    changed = SHAPES.create("square", paint={"layers": 3}, device="cuda")
    (tag,) = options_tag(changed)
    assert len(tag) == 8
    assert options_tag(changed, ignored=("paint",)) == options_tag(changed, ignored=("paint.layers",)) == []
    assert options_tag(SHAPES.create("square", device="cuda")) == []
    assert options_tag(SHAPES.create("big")) == []
    assert options_tag(SHAPES.create("big", side=11)) != []
    assert options_tag(SHAPES.create("big", side=11)) == options_tag(SHAPES.create("big", side=11.0))
    copied = changed.copy()
    assert (copied.options, copied.name, copied.preset) == (changed.options, changed.name, changed.preset)
    assert SHAPES.create(HERE + "Square").file_name == file_safe(HERE + "Square")
    assert ":" not in SHAPES.create(HERE + "Square").file_name


def test_a_required_option_is_part_of_the_tag() -> None:
    @dataclass(frozen=True)
    class Required(CheckedOptions):
        side: float
        more: int = 0

    class Need(Square):
        Options = Required

    tags = [options_tag(Need(side=side, more=more))[0] for side, more in ((1, 0), (2, 0), (1, 1))]
    assert len(set(tags)) == 3
    with pytest.raises(InputError, match="shape Need lacks 'side'"):
        Need()


def test_confs_are_made_when_they_are_asked_for() -> None:
    made: list[str] = []

    def make(name: str) -> dict[str, Any]:
        made.append(name)
        return {"name": name}

    confs = ConfTable(SHAPES, make)
    assert (list(confs), len(confs), "square" in confs, "x" in confs) == (["big", "square"], 2, True, False)
    assert isinstance(confs, Mapping)
    made.clear()
    assert confs["big"] == {"name": "big"}
    assert made == ["big"]
    with pytest.raises(KeyError):
        confs["x"]


@pytest.mark.parametrize(
    "table", [tables.FEATURES, tables.MATCHERS, tables.PAIR_MODELS, tables.SOLVERS, TARGETS, tables.PAIR_SOURCES]
)
def test_every_line_of_the_tables_leads_to_a_class(table: Mapping[str, str | Preset]) -> None:
    for name, target in table.items():
        path = target.target if isinstance(target, Preset) else target
        assert is_dotted_path(path), name
        assert isinstance(load_attribute(path), type), name
