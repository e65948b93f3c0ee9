"""A model's options: strict in names, types and ranges, however they are made."""

import json

import pytest

from mickey_hloc.errors import InputError
from mickey_hloc.model.options import HeadOptions, MicKeyOptions, is_plain_name

NARROW = {"widths": [8, 8, 8, 4], "num_attention_layers": 1, "mlp_hidden": 8, "num_attention_heads": 2}


def test_plain_values_and_back() -> None:
    values = {"depth": NARROW, "depth_activation": "exp", "training_focal_px": 80, "solver": "joint"}
    options = MicKeyOptions.from_dict(values)
    assert options.depth == HeadOptions((8, 8, 8, 4), 1, 8, 2)
    assert options.offset == HeadOptions()
    assert isinstance(options.training_focal_px, float)
    assert options.solver == "joint"
    assert MicKeyOptions.from_dict(json.loads(json.dumps(options.to_dict()))) == options


def test_a_file_from_before_the_solver_was_stored_has_the_published_one() -> None:
    values = MicKeyOptions().to_dict()
    del values["solver"]
    assert MicKeyOptions.from_dict(values).solver == "probabilistic"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"colour": 1}, "Unknown option 'colour' of the model; known: .*training_size_px"),
        ({"depth": {"width": [1]}}, r"Unknown option 'width' of the model\.depth; known: .*widths"),
        ({"depth": {**NARROW, "widths": [8, 8]}}, "a list of 4 values"),
        ({"depth": {**NARROW, "widths": [8, 8, 8, "4"]}}, r"widths of the model\.depth must be a whole number"),
        ({"depth": {**NARROW, "widths": [8, 8, 8, 0]}}, "widths must be positive"),
        ({"depth": {**NARROW, "widths": [8, 8, 6, 4]}}, "widths must be a multiple of 4 in the third place"),
        ({"depth": {**NARROW, "num_attention_heads": 3}}, "a divisor of the third width, 8"),
        ({"depth": {**NARROW, "num_attention_heads": 0}}, "num_attention_heads must be 1 or more"),
        ({"depth": {**NARROW, "num_attention_layers": -1}}, "num_attention_layers must be 0 or more"),
        ({"depth": {**NARROW, "mlp_hidden": 0}}, "mlp_hidden must be 1 or more"),
        ({"depth": 3}, r"the model\.depth must be a mapping"),
        ({"depth_activation": "relu"}, "depth_activation of the model must be one of linear, exp, got 'relu'"),
        ({"depth_scale_m": 0}, "depth_scale_m must be a positive number"),
        ({"match_temperature": float("inf")}, "match_temperature must be a positive number"),
        ({"score_border_cells": -1}, "score_border_cells"),
        ({"training_size_px": 0}, "training_size_px must be a positive number"),
        ({"training_size_px": 720.0}, "training_size_px of the model must be a whole number"),
        ({"training_focal_px": -570.0}, "training_focal_px must be a positive number"),
        ({"training_focal_px": float("nan")}, "training_focal_px of the model must be a number"),
        ({"solver": None}, "solver of the model must be a text"),
        ({"encoder_options": [1]}, "encoder_options of the model must be a mapping"),
        ([1], "the model must be a mapping"),
    ],
)
def test_what_is_wrong_is_one_sentence(values: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        MicKeyOptions.from_dict(values)  # type: ignore[arg-type]


def test_constructing_options_checks_them_too() -> None:
    with pytest.raises(InputError, match="solver of MicKeyOptions must be a text"):
        MicKeyOptions(solver=3)  # type: ignore[arg-type]
    assert HeadOptions(widths=[8, 8, 8, 8]).widths == (8, 8, 8, 8)  # type: ignore[arg-type]


def test_a_head_without_attention_needs_no_sizes_of_it() -> None:
    assert HeadOptions((4, 4, 4, 2), 0, 0, 8).mlp_hidden == 0


HOSTILE = ["os:system", "a.b:C", "a.b", "../x", "a b", "", "joint\n", "jo\u0131nt", "x" * 65, "\x1b[31m"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_solver_is_a_plain_name_and_never_a_path(name: str) -> None:
    assert not is_plain_name(name)
    with pytest.raises(InputError, match="solver must be a name of letters, digits, - and _"):
        MicKeyOptions(solver=name)


@pytest.mark.parametrize("name", ["joint", "probabilistic", "my-solver_2", "x" * 64])
def test_plain_names(name: str) -> None:
    assert is_plain_name(name)
