"""``KEY=VALUE`` of the command line."""

import math
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mickey_hloc.errors import InputError
from mickey_hloc.matching.nearest import NearestOptions
from mickey_hloc.registry import make_options, parse_assignments
from mickey_hloc.solvers import get_solver


@pytest.mark.parametrize(
    ("assignments", "values"),
    [
        ([], {}),
        (["a=1"], {"a": 1}),
        (
            ["a=0.5", "b=true", "c=word", "d=null", "e=[1, 2]", "f="],
            {"a": 0.5, "b": True, "c": "word", "d": None, "e": [1, 2], "f": None},
        ),
        (["a=1e-4", "b=inf", "c=.inf"], {"a": "1e-4", "b": "inf", "c": math.inf}),
        (["a='1'", 'b="x y"', "c=x=y"], {"a": "1", "b": "x y", "c": "x=y"}),
        (["a.b=1", "a.c.d=2"], {"a": {"b": 1, "c": {"d": 2}}}),
        (["a={b: 1}", "a.c=2"], {"a": {"b": 1, "c": 2}}),
        (["a.c=2", "a={b: 1}"], {"a": {"b": 1, "c": 2}}),
        (["a=1", "a=2"], {"a": 2}),
        ([" a . b =1"], {"a": {"b": 1}}),
        (["path=/a/b.c"], {"path": "/a/b.c"}),
    ],
)
def test_values_are_yaml_and_keys_may_be_nested(assignments: list[str], values: dict[str, Any]) -> None:
    assert parse_assignments(assignments) == values


@pytest.mark.parametrize(
    ("assignments", "message"),
    [
        (["a"], "'a' is not KEY=VALUE"),
        (["=1"], "'=1' is not KEY=VALUE"),
        (["a..b=1"], "is not KEY=VALUE"),
        ([".a=1"], "is not KEY=VALUE"),
        (["a=[1"], r"The value in 'a=\[1' cannot be read"),
        (["a=!!python/name:os.system"], "cannot be read"),
        (["a=1", "a.b=2"], "'a' was given a value before"),
        (["a.b=2", "a=1"], "'a' was given parts before"),
        (["a.b=2", "a=null"], "'a' was given parts before"),
    ],
)
def test_what_is_no_assignment_is_one_sentence(assignments: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_assignments(assignments)


def test_numbers_that_yaml_takes_for_words_are_numbers_where_an_option_is() -> None:
    assert get_solver("procrustes", **parse_assignments(["max_error_m=1e-2"])).options.max_error_m == 0.01
    assert make_options(NearestOptions, parse_assignments(["max_ratio=1e-1"]), "x").max_ratio == 0.1
    assert make_options(NearestOptions, parse_assignments(["max_ratio=null"]), "x").max_ratio is None
    with pytest.raises(InputError, match=r"Option max_ratio of x must be a number or null, got '0\.9'"):
        make_options(NearestOptions, parse_assignments(["max_ratio='0.9'"]), "x")


KEYS = st.from_regex(r"[a-z_][a-z0-9_]{0,5}", fullmatch=True)
NUMBERS = st.integers() | st.floats(allow_nan=False) | st.booleans()


@given(st.dictionaries(KEYS, NUMBERS | st.text(max_size=8) | st.lists(st.integers(), max_size=3)))
def test_what_yaml_writes_is_read_back(values: dict[str, Any]) -> None:
    written = [f"{key}={yaml.safe_dump(value, default_flow_style=True)}" for key, value in values.items()]
    assert parse_assignments(written) == values
