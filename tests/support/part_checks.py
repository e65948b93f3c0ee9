"""What every part of every slot must do with its options, its identity and its name for files."""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

import pytest
import torch

from mickey_hloc.errors import InputError
from mickey_hloc.registry import CheckedOptions, Part

Make = Callable[..., Part]


def check_options(make: Make) -> None:
    """Unknown options and values of the wrong type are refused with a sentence that names them.

    ``host`` of hloc's parts is an argument of the functions that make them.
    """
    part = make()
    assert isinstance(part.options, CheckedOptions)
    known = sorted(field.name for field in fields(part.options))
    with pytest.raises(InputError, match=f"Unknown option 'no_such_option' of {part.kind} .*known: {', '.join(known)}"):
        make(no_such_option=1)
    for option in {*known} - {"host"}:
        for value in (object(), {"no_such_option": 1}, [object()]):
            if isinstance(value, dict) and isinstance(getattr(part.options, option), Mapping):
                continue  # options of a network of hloc's, which knows them when it is built
            with pytest.raises(InputError, match=option) as caught:
                make(**{option: value})
            assert "\n" not in str(caught.value)


def check_identity(make: Make, others: list[dict[str, Any]], same: list[dict[str, Any]]) -> None:
    """Plain, the same for the same options, another one for each of ``others``, and unchanged by ``same``."""
    identity = make().identity()
    assert json.loads(json.dumps(identity)) == identity == make().identity()
    texts = {json.dumps(make(**options).identity(), sort_keys=True) for options in others}
    assert len(texts | {json.dumps(identity, sort_keys=True)}) == len(others) + 1
    for options in same:
        assert make(**options).identity() == identity


def check_tags(make: Make, others: list[dict[str, Any]], same: list[dict[str, Any]]) -> None:
    """A part of a file's name, another one for each of ``others``, and unchanged by ``same``."""
    tags = [make(**options).tag() for options in ({}, *others)]
    assert len(set(tags)) == len(tags), tags
    for tag in tags:
        assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", tag), tag
        assert len(tag) < 100
    assert [make(**options).tag() for options in ({}, *same)] == tags[:1] * (1 + len(same))


def check_copy_and_pickle(part: Part, loaded: str | None, load: Callable[[Part], object]) -> None:
    """A copy has nothing loaded and is the same part; before it is loaded a part goes to other processes."""
    revived = pickle.loads(pickle.dumps(part))
    assert revived.options == part.options
    assert revived.identity() == part.identity()
    load(part)
    copied = part.copy()
    assert type(copied) is type(part)
    assert (copied.name, copied.preset, copied.options) == (part.name, part.preset, part.options)
    assert copied.tag() == part.tag()  # type: ignore[attr-defined]
    if loaded is not None:
        assert vars(part).get(loaded) is not None
        assert vars(copied).get(loaded) is None
    pickle.dumps(copied)


def same_bytes(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Whether two groups of arrays or tensors are equal to the last bit."""
    assert first.keys() == second.keys()
    return all(
        torch.as_tensor(first[key]).numpy().tobytes() == torch.as_tensor(second[key]).numpy().tobytes() for key in first
    )
