"""Checkpoints: the published Lightning format and our own (safetensors with the model's options in the metadata)."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from mickey_hloc.errors import InputError, WeightsError
from mickey_hloc.io.files import atomic_path
from mickey_hloc.model import weights
from mickey_hloc.model.encoder import fold_dinov2_registers, read_dinov2_options
from mickey_hloc.model.heads import HeadOptions
from mickey_hloc.model.matching import DualSoftmax
from mickey_hloc.model.mickey import MicKey, MicKeyOptions

METADATA_KEY = "mickey_hloc"

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
_DINOV2_BY_CHANNELS = {384: "dinov2_vits14", 768: "dinov2_vitb14", 1024: "dinov2_vitl14"}


def load_model(
    name_or_path: str | os.PathLike[str],
    encoder: str | os.PathLike[str] | None = None,
    device: str | torch.device | None = None,
    precision: str = "auto",
) -> MicKey:
    """Build a model and load its weights, ready to run.

    Args:
        name_or_path: a name of ``mickey-hloc weights list`` (downloaded on first use), a published checkpoint (.ckpt)
            or one of ours (.safetensors).
        encoder: name or file of the DINOv2 weights, for checkpoints that leave them out. Default: the DINOv2 whose
            width the heads were made for.
        device: default: the GPU where there is one.
        precision: "auto", "fp32", "bf16" or "fp16", see MicKey.

    Returns:
        The model in evaluation mode.

    Raises:
        WeightsError: the weights cannot be found, downloaded, trusted or loaded; the message says why.
    """
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    path = weights.resolve(os.fspath(name_or_path))
    options, state = _read(path)
    if not any(key.startswith("encoder.") for key in state):
        options, encoder_state = _read_encoder(options, state, encoder)
        state = {**state, **encoder_state}
    elif encoder is not None:
        raise InputError(f"{path} contains its encoder; leave out the encoder argument.")
    with torch.device("meta"):
        model = MicKey(options, precision)
    _load_strictly(model, state, path)
    return model.to(device).eval()


def load_matcher(name_or_path: str | os.PathLike[str]) -> DualSoftmax:
    """The matcher of a model alone, for descriptors computed before: no encoder is read or downloaded.

    Args:
        name_or_path: as for ``load_model``.

    Raises:
        WeightsError: the weights cannot be found, downloaded, trusted or loaded; the message says why.
    """
    path = weights.resolve(os.fspath(name_or_path))
    options, state = _read(path)
    dustbin = state.get("matcher.dustbin_score")
    if dustbin is None or dustbin.numel() != 1:
        raise WeightsError(f"{path} is not a complete MicKey checkpoint: the matcher's dustbin value is missing.")
    matcher = DualSoftmax(options.match_temperature)
    matcher.load_state_dict({"dustbin_score": dustbin.reshape(())})
    return matcher.requires_grad_(False).eval()


def save_model(model: MicKey, path: str | os.PathLike[str], include_encoder: bool | None = None) -> Path:
    """Write our own format: safetensors, with the options as json in the metadata.

    Args:
        model: the model.
        path: ends in .safetensors; replaced only when fully written.
        include_encoder: default: only an encoder that was trained with the heads (not a frozen one).
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise InputError(f"{path}: our checkpoints end in .safetensors; rename the file.")
    include = (not model.encoder.frozen) if include_encoder is None else include_encoder
    state = {k: v.detach().cpu().contiguous() for k, v in model.state_dict().items()}
    if not include:
        state = {k: v for k, v in state.items() if not k.startswith("encoder.")}
    metadata = {METADATA_KEY: json.dumps(model.options.to_dict())}
    with atomic_path(path) as temporary:
        save_file(state, temporary, metadata=metadata)
    return path


def save_published(model: MicKey, path: str | os.PathLike[str]) -> Path:
    """Write the published Lightning format (key ``state_dict``, without the encoder), for the reference code.

    Raises:
        InputError: the model has something that format cannot say (a depth activation other than linear).
    """
    o = model.options
    if (o.depth_activation, o.depth_scale_m, o.score_temperature, o.match_temperature) != ("linear", 1.0, 100.0, 0.1):
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


def _read(path: Path) -> tuple[MicKeyOptions, dict[str, Tensor]]:
    return _read_own(path) if path.suffix == ".safetensors" else _read_published(path)


def _read_own(path: Path) -> tuple[MicKeyOptions, dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            described = (file.metadata() or {}).get(METADATA_KEY)
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a mapping)
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            f"{path} is not a readable safetensors file ({error}); download or export it again."
        ) from error
    if described is None:
        raise WeightsError(f"{path} has no '{METADATA_KEY}' metadata: it is not a checkpoint of this package.")
    try:
        return MicKeyOptions.from_dict(json.loads(described)), state
    except (ValueError, TypeError, AttributeError) as error:
        raise WeightsError(f"{path}: its '{METADATA_KEY}' metadata cannot be used: {error}") from error


def _read_published(path: Path) -> tuple[MicKeyOptions, dict[str, Tensor]]:
    """Options off the shapes, and parameters under our names."""
    published = weights.load_state_file(path)
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
        raise WeightsError(f"{path} has unexpected keys: {_listed(unexpected)}.")
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
    return HeadOptions(widths=(w1, w2, w3, w4), num_attention_layers=len(layers), mlp_hidden=mlp_hidden)


def _read_encoder(
    options: MicKeyOptions, state: Mapping[str, Tensor], encoder: str | os.PathLike[str] | None
) -> tuple[MicKeyOptions, dict[str, Tensor]]:
    """The DINOv2 that a checkpoint without encoder needs, and the options with its sizes."""
    if options.encoder != "dinov2":
        raise WeightsError(f"the checkpoint lacks the weights of its '{options.encoder}' encoder; export it with them.")
    channels = state["depth_head.resblock1.conv1.weight"].shape[1]
    if encoder is None:
        if channels not in _DINOV2_BY_CHANNELS:
            raise WeightsError(
                f"no published DINOv2 has {channels} channels: name its weights with the encoder option."
            )
        encoder = _DINOV2_BY_CHANNELS[channels]
    path = weights.resolve(os.fspath(encoder))
    loaded = fold_dinov2_registers(weights.load_state_file(path))
    try:
        sizes = read_dinov2_options(loaded)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    if sizes.channels != channels:
        raise WeightsError(f"{path} has {sizes.channels} channels, but the heads were made for {channels}.")
    values: dict[str, Any] = {**options.to_dict(), "encoder_options": vars(sizes)}
    return MicKeyOptions.from_dict(values), {f"encoder.{key}": value for key, value in loaded.items()}


def _load_strictly(model: MicKey, state: Mapping[str, Tensor], path: Path) -> None:
    expected = model.state_dict()
    missing = sorted(set(expected) - set(state))
    unexpected = sorted(set(state) - set(expected))
    shapes = [
        f"{k} {tuple(state[k].shape)} instead of {tuple(v.shape)}"
        for k, v in expected.items()
        if k in state and state[k].shape != v.shape
    ]
    problems = [
        f"{kind}: {_listed(names)}"
        for kind, names in (("missing keys", missing), ("unexpected keys", unexpected), ("wrong shapes", shapes))
        if names
    ]
    if problems:
        raise WeightsError(f"{path} does not fit the model; {'; '.join(problems)}.")
    tensors = {k: v.clone() if v.dim() == 0 else v for k, v in state.items()}
    model.load_state_dict(tensors, strict=True, assign=True)
    for parameter in model.encoder.parameters():
        parameter.requires_grad_(not model.encoder.frozen)


def _listed(names: list[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
