"""From plain values to typed options: every type that an option can have, and a sentence for every wrong value."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Optional, Union

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mickey_hloc.errors import InputError, PartError
from mickey_hloc.registry import CheckedOptions, NoOptions, make_options, require

if TYPE_CHECKING:
    from decimal import Decimal


@dataclass(frozen=True)
class Inner(CheckedOptions):
    size: int = 3
    share: float = 0.5


@dataclass(frozen=True)
class Everything(CheckedOptions):
    flag: bool = False
    count: int = 1
    ratio: float = 0.5
    word: str = "x"
    path: Path = Path("p")
    choice: Literal["a", "b"] = "a"
    level: Literal[1, 2] = 1
    maybe: float | None = None
    old: Optional[int] = None  # noqa: UP045
    either: Union[int, str] = 1  # noqa: UP007
    size: int | Literal["trained"] | None = None
    pair: tuple[int, float] = (1, 2.0)
    names: tuple[str, ...] = ()
    items: list[float] = field(default_factory=list)
    sequence: Sequence[str] = ()
    bare: tuple = ()
    free: Mapping[str, Any] = field(default_factory=dict)
    typed: Mapping[str, float] = field(default_factory=dict)
    inner: Inner = field(default_factory=lambda: Inner(size=7))
    optional_inner: Inner | None = None
    anything: Any = None
    derived: int = field(default=5, init=False)


def make(**values: Any) -> Everything:
    return make_options(Everything, values, "part x")


RIGHT = [
    ("flag", True, True),
    ("count", -3, -3),
    ("count", np.int64(4), 4),
    ("ratio", 2, 2.0),
    ("ratio", 0.25, 0.25),
    ("ratio", "1e-4", 1e-4),
    ("ratio", " 1E3 ", 1e3),
    ("ratio", "inf", math.inf),
    ("ratio", "-inf", -math.inf),
    ("ratio", ".inf", math.inf),
    ("ratio", "+Infinity", math.inf),
    ("ratio", np.float32(0.5), 0.5),
    ("word", "1", "1"),
    ("word", Path("a/b"), "a/b"),
    ("path", "a/b", Path("a/b")),
    ("path", Path("a"), Path("a")),
    ("choice", "b", "b"),
    ("level", 2, 2),
    ("maybe", None, None),
    ("maybe", 3, 3.0),
    ("maybe", "1e-4", 1e-4),
    ("old", None, None),
    ("old", 3, 3),
    ("either", 3, 3),
    ("either", "three", "three"),
    ("size", None, None),
    ("size", 5, 5),
    ("size", "trained", "trained"),
    ("pair", [1, 2], (1, 2.0)),
    ("names", ["a", "b"], ("a", "b")),
    ("names", (), ()),
    ("items", (1, "2e0"), [1.0, 2.0]),
    ("sequence", ["a"], ("a",)),
    ("bare", [1, "a"], (1, "a")),
    ("free", {"a": [1]}, {"a": [1]}),
    ("typed", {"a": 1}, {"a": 1.0}),
    ("inner", {"share": 1}, Inner(7, 1.0)),
    ("inner", {}, Inner(7, 0.5)),
    ("inner", Inner(1, 0.1), Inner(1, 0.1)),
    ("optional_inner", {"size": 2}, Inner(2, 0.5)),
    ("optional_inner", None, None),
    ("anything", {1: 2}, {1: 2}),
]


@pytest.mark.parametrize(("name", "value", "expected"), RIGHT)
def test_a_value_becomes_the_declared_type(name: str, value: Any, expected: Any) -> None:
    for options in (make(**{name: value}), Everything(**{name: value})):
        found = getattr(options, name)
        assert found == expected
        assert type(found) is type(expected)


WRONG = [
    ("flag", 1, "true or false, got 1"),
    ("flag", "true", "true or false, got 'true'"),
    ("count", True, "a whole number, got True"),
    ("count", 1.0, "a whole number, got 1.0"),
    ("count", "3", "a whole number, got '3'"),
    ("count", "1e3", "a whole number, got '1e3'"),
    ("count", None, "a whole number, got None"),
    ("ratio", "0.9", "a number, got '0.9'"),
    ("ratio", True, "a number, got True"),
    ("ratio", np.True_, "a number, got"),
    ("ratio", "nan", "a number, got 'nan'"),
    ("ratio", math.nan, "a number, got nan"),
    ("ratio", "hello", "a number, got 'hello'"),
    ("ratio", 10**400, "a number, got 1000"),
    ("ratio", [1.0], r"a number, got \[1.0\]"),
    ("word", 1, "a text, got 1"),
    ("word", None, "a text, got None"),
    ("path", 1, "a path, got 1"),
    ("choice", "c", "one of a, b, got 'c'"),
    ("level", True, "one of 1, 2, got True"),
    ("level", 1.0, "one of 1, 2, got 1.0"),
    ("maybe", "none", "a number or null, got 'none'"),
    ("maybe", True, "a number or null, got True"),
    ("old", 1.5, "a whole number or null, got 1.5"),
    ("either", 1.5, "a whole number or a text, got 1.5"),
    ("size", "large", "a whole number or trained or null, got 'large'"),
    ("pair", [1], "a list of 2 values"),
    ("pair", [1.5, 2], "a whole number, got 1.5"),
    ("pair", "ab", "a list, got 'ab'"),
    ("names", "ab", "a list, got 'ab'"),
    ("names", ["a", 1], "a text, got 1"),
    ("items", 1.0, "a list, got 1.0"),
    ("items", ["0.5"], "a number, got '0.5'"),
    ("sequence", "ab", "a list, got 'ab'"),
    ("free", [1], r"a mapping of names to values, got \[1\]"),
    ("typed", {"a": "b"}, "Option typed.a of .* must be a number, got 'b'"),
    ("inner", 3, "inner must be a mapping of names to values, got 3"),
    ("inner", {"size": "a"}, "Option size of .*inner must be a whole number"),
    ("inner", {"sizes": 1}, "Unknown option 'sizes' of .*inner; known: share, size"),
    ("optional_inner", {"sizes": 1}, "Unknown option 'sizes' of .*optional_inner; known: share, size"),
    ("optional_inner", 3, "a mapping of names to values or null, got 3|optional_inner must be a mapping"),
]


@pytest.mark.parametrize(("name", "value", "message"), WRONG)
def test_a_wrong_value_is_one_sentence_that_names_the_option(name: str, value: Any, message: str) -> None:
    for make_it in (make, Everything):
        with pytest.raises(InputError, match=message) as caught:
            make_it(**{name: value})
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="part x"):
        make(**{name: value})


def test_unknown_keys_are_listed_with_the_known_ones() -> None:
    with pytest.raises(InputError) as caught:
        make_options(Inner, {"sizes": 1, "shares": 2, 3: 4}, "matcher y")
    assert str(caught.value) == "Unknown option '3', 'shares', 'sizes' of matcher y; known: share, size."
    with pytest.raises(InputError, match="Unknown option 'x' of solver z; known: none"):
        make_options(NoOptions, {"x": 1}, "solver z")
    with pytest.raises(InputError, match="Unknown option 'derived'"):
        make(derived=1)
    with pytest.raises(InputError, match=r"solver z must be a mapping of names to values, got \[1\]"):
        make_options(Inner, [1], "solver z")


def test_missing_keys_are_named_and_a_whole_configuration_has_no_owner() -> None:
    @dataclass(frozen=True)
    class Needs(CheckedOptions):
        first: str
        second: int
        third: int = 0

    with pytest.raises(InputError, match="the step lacks 'first', 'second'"):
        make_options(Needs, {"third": 1}, "the step")
    with pytest.raises(InputError, match="Option first of the configuration must be a text"):
        make_options(Needs, {"first": 1, "second": 1}, "")


def test_a_nested_mapping_changes_the_fields_own_default() -> None:
    assert make(inner={"share": 0.25}).inner == Inner(7, 0.25)
    assert make().inner == Inner(7, 0.5)
    assert make(optional_inner={"share": 0.25}).optional_inner == Inner(3, 0.25)


def test_a_field_may_be_built_and_what_is_built_stays() -> None:
    def build(value: Any, where: str) -> Inner:
        if not isinstance(value, Mapping):
            raise InputError(f"{where} wants a mapping.")
        return Inner(size=len(value))

    @dataclass(frozen=True)
    class Built(CheckedOptions):
        inner: Any = None
        made: Inner = field(default_factory=Inner, metadata={"build": build})
        none: Inner | None = field(default=None, metadata={"build": build})

    # the class of ``made`` is looked up by its name at the top of this module
    assert make_options(Built, {"made": {"a": 1, "b": 2}}, "x") == Built(made=Inner(2))
    assert make_options(Built, {"made": Inner(9), "none": None}, "x") == Built(made=Inner(9))
    with pytest.raises(InputError, match=r"x\.made wants a mapping"):
        make_options(Built, {"made": 3}, "x")


def test_require_says_what_it_must_be() -> None:
    require(Inner(), "size", True, "positive")
    with pytest.raises(InputError, match="Option size must be positive, got 3"):
        require(Inner(), "size", False, "positive")


def test_types_that_cannot_be_looked_up_are_the_parts_fault() -> None:
    @dataclass(frozen=True)
    class Hidden(CheckedOptions):
        amount: Decimal

    for make_it in (lambda: Hidden(1), lambda: make_options(Hidden, {"amount": 1}, "x")):
        with pytest.raises(PartError, match=r"Hidden declare a type that cannot be looked up: name 'Decimal'"):
            make_it()


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*Everything.__dataclass_fields__, "unknown"]), plain, max_size=3))
def test_any_yaml_gives_options_or_an_input_error(values: dict[str, Any]) -> None:
    try:
        options = make_options(Everything, values, "x")
    except InputError:
        return
    same = {name: getattr(options, name) for name in values}
    assert make_options(Everything, same, "x") == options
    assert type(options.count) is int
    assert type(options.ratio) is float
    assert not math.isnan(options.ratio)
    assert type(options.flag) is bool
    assert isinstance(options.inner, Inner)


@given(st.floats(allow_nan=False))
def test_numbers_survive_as_numbers_and_as_texts_with_an_exponent(value: float) -> None:
    assert make(ratio=value).ratio == value
    if math.isfinite(value):
        assert make(ratio=f"{value:.17e}").ratio == value
