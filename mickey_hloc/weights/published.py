"""The published checkpoint format: a Lightning file whose ``state_dict`` has the heads under other names.

All sizes are read off the shapes. DINOv2 is not inside.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from mickey_hloc.errors import InputError, WeightsError
from mickey_hloc.io.files import atomic_path
from mickey_hloc.model.mickey import MicKey
from mickey_hloc.model.options import HeadOptions, MicKeyOptions
from mickey_hloc.weights.state_file import load_state_file

_EXTRACTOR = "compute_matches.extractor."
# Published prefix -> ours. A head's own names are the published ones.
_PUBLISHED_PREFIXES = {
    _EXTRACTOR + "det_offset.": "offset_head.",
    _EXTRACTOR + "depth_head.": "depth_head.",
    _EXTRACTOR + "det_head.": "score_head.",
    _EXTRACTOR + "dsc_head.": "descriptor_head.",
    "compute_matches.matcher.matching_mat.": "matcher.",
}
# Constants the published score head stores beside its weights.
_SCORE_CONSTANTS = {
    "eps": torch.tensor(1e-16),
    "offset_par1": torch.tensor(0.5),
    "offset_par2": torch.tensor(2.0),
    "ones_kernel": torch.ones(1, 1, 3, 3),
}


def save_published(model: MicKey, path: str | os.PathLike[str]) -> Path:
    """Write the published Lightning format (key ``state_dict``, without the encoder), for the reference code.

    It has no place for what the training was like (size, focal length) nor for the suitable solver: read again, such a
    file has the published ones.

    Raises:
        InputError: the model has something that format cannot say (a depth activation other than linear).
    """
    o = model.options
    constants = (o.depth_activation, o.depth_scale_m, o.score_temperature, o.score_border_cells, o.match_temperature)
    if constants != ("linear", 1.0, 100.0, 3, 0.1):
        raise InputError("The published format has no place for this model's depth activation and temperatures.")
    state: dict[str, Tensor] = {}
    ours_to_published = {ours: published for published, ours in _PUBLISHED_PREFIXES.items()}
    for key, value in model.state_dict().items():
        prefix = next((p for p in ours_to_published if key.startswith(p)), None)
        if prefix is not None:
            state[ours_to_published[prefix] + key[len(prefix) :]] = value.detach().cpu().clone()
    for name, constant in _SCORE_CONSTANTS.items():
        state[_EXTRACTOR + "det_head." + name] = constant
    with atomic_path(Path(path)) as temporary:
        torch.save({"epoch": 0, "global_step": 0, "state_dict": state}, temporary)
    return Path(path)


def read_published(path: Path) -> tuple[MicKeyOptions, dict[str, Tensor]]:
    """Options off the shapes, and parameters under our names.

    Raises:
        WeightsError: this is no MicKey checkpoint, or it has keys that nobody knows.
    """
    published = load_state_file(path)
    published = published.get("state_dict", published)
    state: dict[str, Tensor] = {}
    unexpected: list[str] = []
    for key, value in published.items():
        prefix = next((p for p in _PUBLISHED_PREFIXES if key.startswith(p)), None)
        name = key[len(prefix) :] if prefix else key
        if prefix is None:
            unexpected.append(key)
        elif not (prefix.endswith("det_head.") and name in _SCORE_CONSTANTS):
            state[_PUBLISHED_PREFIXES[prefix] + name] = value
    if not state:
        raise WeightsError(f"{path} is not a MicKey checkpoint: no key starts with '{_EXTRACTOR}'.")
    if unexpected:
        raise WeightsError(f"{path} has unexpected keys: {listed(unexpected)}.")
    return _published_options(state, path), state


def _published_options(state: Mapping[str, Tensor], path: Path) -> MicKeyOptions:
    offset, depth, score, descriptor = (
        _head_options(state, f"{head}_head.", path) for head in ("offset", "depth", "score", "descriptor")
    )
    return MicKeyOptions(offset=offset, depth=depth, score=score, descriptor=descriptor)


def _head_options(state: Mapping[str, Tensor], prefix: str, path: Path) -> HeadOptions:
    layers = {k.removeprefix(prefix).split(".")[2] for k in state if k.startswith(prefix + "att_layer.layers.")}
    try:
        w1, w2, w3, w4 = (state[f"{prefix}resblock{i}.conv1.weight"].shape[0] for i in (1, 2, 3, 4))
        mlp_hidden = state[f"{prefix}att_layer.layers.0.mlp.0.weight"].shape[0] if layers else 0
    except KeyError as error:
        raise WeightsError(f"{path} is not a complete MicKey checkpoint: {error.args[0]} is missing.") from error
    try:
        return HeadOptions(widths=(w1, w2, w3, w4), num_attention_layers=len(layers), mlp_hidden=mlp_hidden)
    except InputError as error:
        raise WeightsError(f"{path}: {error}") from error


def listed(names: list[str], most: int = 8) -> str:
    """Names for a message, not too many."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
