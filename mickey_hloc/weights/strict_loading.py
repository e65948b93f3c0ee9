"""The weights of a file put into a model, or one sentence that says what does not fit."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from mickey_hloc.errors import WeightsError
from mickey_hloc.model.mickey import MicKey
from mickey_hloc.weights.published import listed

_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def load_strictly(model: MicKey, state: Mapping[str, Tensor], path: Path) -> None:
    """Put the tensors of a file into a model, which may still be on the device "meta"; all of them must fit.

    Raises:
        WeightsError: missing or unexpected keys, other shapes or types, or values that are NaN or infinite.
    """
    expected = model.state_dict()
    missing = sorted(set(expected) - set(state))
    unexpected = sorted(set(state) - set(expected))
    shapes = [
        f"{k} {tuple(state[k].shape)} instead of {tuple(v.shape)}"
        for k, v in expected.items()
        if k in state and state[k].shape != v.shape
    ]
    types = [
        f"{k} {str(state[k].dtype).removeprefix('torch.')}"
        for k, v in expected.items()
        if k in state and v.is_floating_point() and state[k].dtype not in _FLOATS
    ]
    found = (
        ("missing keys", missing),
        ("unexpected keys", unexpected),
        ("wrong shapes", shapes),
        ("wrong types", types),
    )
    problems = [f"{kind}: {listed(names)}" for kind, names in found if names]
    if problems:
        raise WeightsError(f"{path} does not fit the model; {'; '.join(problems)}.")
    broken = sorted(k for k, v in state.items() if not bool(v.isfinite().all()))
    if broken:
        raise WeightsError(
            f"{path} has values that are NaN or infinite in {listed(broken)}: its training diverged, or the file is "
            "damaged; export it again."
        )
    tensors = {k: v.to(expected[k].dtype) for k, v in state.items()}
    tensors = {k: v.clone() if v.dim() == 0 else v for k, v in tensors.items()}
    model.load_state_dict(tensors, strict=True, assign=True)
    for parameter in model.encoder.parameters():
        parameter.requires_grad_(not model.encoder.frozen)
