"""What a run starts from: published encoders, and the heads of an earlier run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from mickey_hloc.errors import InputError, WeightsError
from mickey_hloc.model.encoder import fold_dinov2_registers
from mickey_hloc.model.mickey import MicKey
from mickey_hloc.model.regression import PoseRegressor
from mickey_hloc.weights.checkpoints import dinov2_name, load_model
from mickey_hloc.weights.disk import find_disk_weights, read_disk_weights
from mickey_hloc.weights.efficientnet import find_efficientnet_weights, read_efficientnet_weights
from mickey_hloc.weights.named import resolve
from mickey_hloc.weights.published import listed
from mickey_hloc.weights.state_file import load_state_file
from mickey_hloc.weights.timm import timm_weights
from mickey_hloc.weights.xfeat import find_xfeat_weights, read_xfeat_weights

_RUN_PREFIX = "model."


def load_encoder(model: MicKey | PoseRegressor, source: str | None) -> None:
    """Load the weights of a frozen encoder; one that is trained starts as it is.

    Args:
        model: the network. source: name or file; None = the published weights of its kind.

    Raises:
        WeightsError: they cannot be found or do not fit.
    """
    kind = model.options.encoder
    state: Mapping[str, Tensor]
    if kind == "dinov2":
        path = resolve(source or dinov2_name(model.encoder.channels))
        state = fold_dinov2_registers(load_state_file(path))
    elif kind == "timm":
        path = Path(source or model.encoder.options.name)
        state = timm_weights(model.encoder.options, source)
    elif kind == "disk":
        path = Path(source) if source is not None else find_disk_weights()
        state = read_disk_weights(path)
    elif kind == "xfeat":
        path = Path(source) if source is not None else find_xfeat_weights()
        state = read_xfeat_weights(path)
    elif kind == "xfeat_efficientnet":
        path = Path(source) if source is not None else find_xfeat_weights()
        state = {**read_xfeat_weights(path), **read_efficientnet_weights(find_efficientnet_weights())}
    elif source is None:
        return
    else:
        raise InputError(f"encoder_weights is for frozen encoders; '{kind}' is trained: use init_from.")
    if model.encoder.stored_in_half:  # so that what is trained on is what the model's file will have
        state = {key: v.half().to(v.dtype) if v.is_floating_point() else v for key, v in state.items()}
    _load(model, {f"encoder.{key}": value for key, value in state.items()}, path, "encoder.")


def load_heads(model: MicKey, path: Path) -> None:
    """Start from the weights of an earlier run (.ckpt) or an exported or published model.

    Raises:
        WeightsError: the file is missing, unreadable, or of another network.
    """
    if path.suffix == ".ckpt":
        if not path.is_file():
            raise WeightsError(f"init_from: no checkpoint {path}; train that stage first.")
        loaded = load_state_file(path)
        state = loaded.get("state_dict", loaded)
        if any(key.startswith(_RUN_PREFIX) for key in state):
            state = {k.removeprefix(_RUN_PREFIX): v for k, v in state.items() if k.startswith(_RUN_PREFIX)}
            _load(model, state, path, "encoder." if model.encoder.frozen else None)
            return
    other = load_model(path, device="cpu")
    _load(model, other.state_dict(), path, None)


def _load(model: MicKey | PoseRegressor, state: Mapping[str, Tensor], path: Path, partial: str | None) -> None:
    """Load strictly. ``partial`` "encoder.": either only these keys are given, or only these may be missing."""
    own = model.state_dict()
    only_encoder = bool(partial) and all(key.startswith("encoder.") for key in state)
    expected = {k for k in own if k.startswith("encoder.")} if only_encoder else set(own)
    missing = {k for k in expected - set(state) if only_encoder or not (partial and k.startswith(partial))}
    problems = sorted(
        missing | (set(state) - expected) | {k for k in expected & set(state) if own[k].shape != state[k].shape}
    )
    if problems:
        raise WeightsError(f"{path} does not fit the configured model: {listed(problems)} differ.")
    model.load_state_dict({**own, **state})
