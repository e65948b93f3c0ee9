"""Loading models, and our own checkpoint format: safetensors with the model's options in the metadata."""

import dataclasses
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from mickey_hloc.errors import InputError, WeightsError
from mickey_hloc.io.files import atomic_path
from mickey_hloc.model.device import usable_device
from mickey_hloc.model.encoder import fold_dinov2_registers, read_dinov2_options
from mickey_hloc.model.encoders.timm import TimmOptions
from mickey_hloc.model.matching import DualSoftmax
from mickey_hloc.model.mickey import MicKey, autocast_dtype
from mickey_hloc.model.options import MicKeyOptions
from mickey_hloc.registry import make_options
from mickey_hloc.weights.metadata import METADATA_KEY, parse_options
from mickey_hloc.weights.named import resolve
from mickey_hloc.weights.published import listed, read_published
from mickey_hloc.weights.state_file import load_state_file, unreadable
from mickey_hloc.weights.strict_loading import load_strictly
from mickey_hloc.weights.table import WEIGHTS
from mickey_hloc.weights.timm import timm_weights

_FIRST_WEIGHT = "depth_head.resblock1.conv1.weight"  # it says how many channels the encoder has
_DINOV2_BY_CHANNELS = {384: "dinov2_vits14", 768: "dinov2_vitb14", 1024: "dinov2_vitl14"}


def load_model(
    name_or_path: str | os.PathLike[str],
    encoder: str | os.PathLike[str] | None = None,
    device: str | torch.device | None = None,
    precision: str = "auto",
) -> MicKey:
    """Build a model and load its weights, ready to run.

    Args:
        name_or_path: a name of ``mickey-hloc weights list`` (downloaded on first use), ``hf:owner/name[@revision]`` of
            the hub, a published checkpoint (.ckpt) or one of ours (.safetensors).
        encoder: name or file of the encoder's weights, for checkpoints that leave them out. Default: the DINOv2 whose
            width the heads were made for, or timm's weights of the encoder that the checkpoint names.
        device: default: the GPU where there is one.
        precision: "auto", "fp32", "bf16" or "fp16", see MicKey.

    Returns:
        The model in evaluation mode.

    Raises:
        WeightsError: the weights cannot be found, downloaded, trusted or loaded; the message says why.
        InputError: the device does not exist or has no use for the precision.
    """
    device = usable_device(device)
    autocast_dtype(precision, device)  # a precision that the device lacks is found before anything is loaded
    path = resolve(_of_model(name_or_path))
    options, state = _read(path)
    _require_trusted_encoder(options.encoder, path)
    if not any(key.startswith("encoder.") for key in state):
        options, encoder_state = _read_encoder(options, state, encoder, path)
        state = {**state, **encoder_state}
    elif encoder is not None:
        raise InputError(f"{path} contains its encoder; leave out the encoder argument.")
    try:
        with torch.device("cpu" if options.encoder == "timm" else "meta"):  # timm has tensors that no file has
            model = MicKey(options, precision)
    except InputError as error:
        raise WeightsError(f"{path}: {error}") from error
    except (RuntimeError, OverflowError) as error:  # of sizes beyond all bounds
        raise WeightsError(f"{path} describes a model that cannot be built ({error}); export it again.") from error
    load_strictly(model, state, path)
    return model.to(device).eval()


def load_matcher(name_or_path: str | os.PathLike[str]) -> DualSoftmax:
    """The matcher of a model alone, for descriptors computed before: no encoder is read or downloaded.

    Args:
        name_or_path: as for ``load_model``.

    Raises:
        WeightsError: the weights cannot be found, downloaded, trusted or loaded; the message says why.
    """
    path = resolve(_of_model(name_or_path))
    options, state = _read(path)
    dustbin = state.get("matcher.dustbin_score")
    if dustbin is None or dustbin.numel() != 1:
        raise WeightsError(f"{path} is not a complete MicKey checkpoint: the matcher's dustbin value is missing.")
    matcher = DualSoftmax(options.match_temperature)
    matcher.load_state_dict({"dustbin_score": dustbin.reshape(())})
    return matcher.requires_grad_(False).eval()


def _of_model(name_or_path: str | os.PathLike[str]) -> str:
    name = os.fspath(name_or_path)
    if name in WEIGHTS and WEIGHTS[name].is_encoder:
        models = ", ".join(other for other, entry in WEIGHTS.items() if not entry.is_encoder)
        raise WeightsError(f"'{name}' is an encoder alone, without MicKey's heads; choose one of: {models}.")
    return name


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
    elif model.encoder.stored_in_half:
        halved = {k: v.half() for k, v in state.items() if k.startswith("encoder.") and v.is_floating_point()}
        lost = [k for k, v in halved.items() if not torch.equal(v.isfinite(), state[k].isfinite())]
        if lost:
            raise WeightsError(f"{path}: float16, in which this encoder is stored, has no room for {listed(lost)}.")
        state |= halved
    metadata = {METADATA_KEY: json.dumps(model.options.to_dict())}
    with atomic_path(path) as temporary:
        temporary.touch()
        mode = temporary.stat().st_mode
        save_file(state, temporary, metadata=metadata)
        temporary.chmod(mode)  # safetensors makes files that only their owner may read
    return path


def dinov2_name(channels: int) -> str:
    """The name of the published DINOv2 of that width.

    Raises:
        WeightsError: there is none.
    """
    if channels not in _DINOV2_BY_CHANNELS:
        raise WeightsError(
            f"no published DINOv2 has {channels} channels: name the file of its weights with the option encoder "
            "(encoder_weights in a training configuration)."
        )
    return _DINOV2_BY_CHANNELS[channels]


def _read(path: Path) -> tuple[MicKeyOptions, dict[str, Tensor]]:
    return _read_own(path) if path.suffix == ".safetensors" else read_published(path)


def _read_own(path: Path) -> tuple[MicKeyOptions, dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            options = parse_options(file.metadata(), path)
            return options, {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a mapping)
    except (SafetensorError, OSError) as error:
        raise unreadable(path, error) from error


def _require_trusted_encoder(encoder: str, path: Path) -> None:
    """A file may not have a module imported: an encoder by dotted path is one whose module the user has imported."""
    module, dotted, _ = encoder.partition(":")
    if dotted and module not in sys.modules:
        raise WeightsError(
            f"{path} names {encoder[:80]!r} as its encoder, which is code outside this package; if you trust it, "
            "import its module before you load the file."
        )


def _read_encoder(
    options: MicKeyOptions, state: Mapping[str, Tensor], encoder: str | os.PathLike[str] | None, checkpoint: Path
) -> tuple[MicKeyOptions, dict[str, Tensor]]:
    """The published encoder that a checkpoint without one needs, and the options with its sizes."""
    if options.encoder == "timm":
        own = make_options(TimmOptions, options.encoder_options, where=f"{checkpoint}: the encoder timm")
        return options, {f"encoder.{key}": value for key, value in timm_weights(own, encoder).items()}
    if options.encoder != "dinov2":
        raise WeightsError(f"{checkpoint} lacks the weights of its '{options.encoder}' encoder; export it with them.")
    first = state.get(_FIRST_WEIGHT)
    if first is None or first.dim() != 4:
        raise WeightsError(f"{checkpoint} is not a complete MicKey checkpoint: {_FIRST_WEIGHT} is missing.")
    channels = first.shape[1]
    path = resolve(os.fspath(dinov2_name(channels) if encoder is None else encoder))
    loaded = fold_dinov2_registers(load_state_file(path))
    try:
        sizes = read_dinov2_options(loaded)
    except InputError as error:
        raise WeightsError(f"{path}: {error}") from error
    if sizes.channels != channels:
        raise WeightsError(f"{path} has {sizes.channels} channels, but the heads were made for {channels}.")
    options = dataclasses.replace(options, encoder_options=dataclasses.asdict(sizes))
    return options, {f"encoder.{key}": value for key, value in loaded.items()}
