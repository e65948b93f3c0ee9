"""Files of relative-pose regression: safetensors with the network's options in the metadata."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from mickey_hloc.errors import WeightsError
from mickey_hloc.io.files import atomic_path
from mickey_hloc.io.json_text import parse_json
from mickey_hloc.model.options import PUBLISHED_ENCODERS
from mickey_hloc.model.regression import PoseRegressor, RegressionOptions
from mickey_hloc.registry import make_options
from mickey_hloc.weights.named import resolve
from mickey_hloc.weights.state_file import unreadable
from mickey_hloc.weights.timm import timm_weights

_KEY = "mickey_hloc_regression"
_ENCODER = "encoder."


def save_regression(model: PoseRegressor, path: Path) -> Path:
    """Write a network; an encoder that others publish is left out."""
    state = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    if model.options.encoder in PUBLISHED_ENCODERS:
        state = {key: value for key, value in state.items() if not key.startswith(_ENCODER)}
    with atomic_path(path) as temporary:
        save_file(state, temporary, metadata={_KEY: json.dumps(dataclasses.asdict(model.options))})
    return path


def load_regression(name: str | os.PathLike[str]) -> PoseRegressor:
    """A network in evaluation mode.

    Args:
        name: a file of ``mickey-hloc train``, or ``hf:owner/name[@revision]``.

    Raises:
        WeightsError: there is none, or it is something else.
    """
    path = resolve(name)
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            described = (file.metadata() or {}).get(_KEY)
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a mapping)
    except (SafetensorError, OSError) as error:
        raise unreadable(path, error) from error
    if described is None:
        raise WeightsError(f"{path} is no relative-pose regression: it has no '{_KEY}' metadata.")
    try:
        options = make_options(RegressionOptions, parse_json(described), where="the network")
        if ":" in options.encoder:
            raise ValueError("its encoder is code outside this package")
        model = PoseRegressor(options)
        if options.encoder == "timm":
            state |= {_ENCODER + key: value for key, value in timm_weights(model.encoder.options).items()}
        model.load_state_dict(state)
    except WeightsError:
        raise
    except (ValueError, RuntimeError, TypeError, OverflowError) as error:
        reason = " ".join(str(error).split())[:200]
        raise WeightsError(f"{path} cannot be used: {reason}") from error
    return model.eval()
