"""MicKey as an extractor: metric keypoints with depths, scores and descriptors."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from mickey_hloc.errors import InputError
from mickey_hloc.features.base import SHOWN_PREPROCESSING, Extractor, ExtractorOptions
from mickey_hloc.io.checksum import sha256
from mickey_hloc.io.features import TRAINING_FOCAL_KEY
from mickey_hloc.io.image_batches import Preprocessing, Size
from mickey_hloc.model.encoder import ENCODERS
from mickey_hloc.model.mickey import MetricKeypoints, MicKey
from mickey_hloc.model.stored_constants import DUSTBIN_KEY, SOLVER_KEY, TEMPERATURE_KEY
from mickey_hloc.registry import file_safe, options_tag
from mickey_hloc.weights.metadata import ModelMetadata, read_metadata
from mickey_hloc.weights.named import resolve

DEFAULT_WEIGHTS = "mickey"
TRAINED: Literal["trained"] = "trained"
_SHOWN = ("weights", "encoder", "precision", "focal_correction", "backend")  # stand in the tag themselves


@dataclass(frozen=True)
class MickeyOptions(ExtractorOptions):
    """Options of MicKey.

    Attributes:
        preprocessing: ``resize_max`` "trained" is the size of the images that the weights were trained on.
        weights: name or file.
        encoder: name or file of the DINOv2 weights, for checkpoints that leave them out.
        precision: of the encoder, see ``MicKey``.
        backend: what runs the network on a CPU: torch, or another program on its exported graph (in float32).
        device: default: the GPU where there is one.
        focal_correction: "resize": images are resized so that their focal length becomes that of the training, whatever
            ``resize_max`` says.
    """

    preprocessing: Preprocessing = field(default_factory=lambda: Preprocessing(resize_max=TRAINED))
    weights: str = DEFAULT_WEIGHTS
    encoder: str | None = None
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    backend: Literal["torch", "onnxruntime", "openvino"] = "torch"
    device: str | None = None
    focal_correction: Literal["none", "resize"] = "none"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.backend != "torch" and self.precision in ("bf16", "fp16"):
            raise InputError(f"The backend '{self.backend}' computes in float32: leave the precision out.")


class MickeyExtractor(Extractor):
    """All cells of MicKey's grid, scored; nothing is selected."""

    Options = MickeyOptions
    datasets: ClassVar[frozenset[str]] = frozenset({"descriptors", "keypoint_scores", "depths"})
    default_matcher = "mickey"

    @cached_property
    def model(self) -> MicKey:
        """The network, loaded when it is first asked for."""
        from mickey_hloc.weights.checkpoints import load_model

        o: MickeyOptions = self.options
        return load_model(o.weights, encoder=o.encoder, device=o.device, precision=o.precision)

    @cached_property
    def network(self) -> Callable[[Tensor], MetricKeypoints]:
        """What turns images into metric keypoints: the model, or another program that runs its graph."""
        o: MickeyOptions = self.options
        if o.backend == "torch":
            return self.model
        from mickey_hloc.model.backends import open_backend
        from mickey_hloc.weights.graphs import onnx_file

        checksum = sha256(resolve(o.weights)) if o.encoder is None else _joint_checksum(o.weights, o.encoder)
        return open_backend(o.backend, onnx_file(self.model, checksum), self.model)

    @cached_property
    def metadata(self) -> ModelMetadata:
        """What the weights say of their training."""
        return read_metadata(self.options.weights)

    @cached_property
    def preprocessing(self) -> Preprocessing:
        """How images are read and resized, with the training's size looked up."""
        preprocessing: Preprocessing = self.options.preprocessing
        if preprocessing.resize_max == TRAINED:
            return dataclasses.replace(preprocessing, resize_max=self.metadata.training_size_px)
        return preprocessing

    @property
    def family(self) -> str:
        """The name of the weights; of a file of weights its name, which no calibration of the package knows."""
        return Path(self.options.weights).stem

    @property
    def default_solver(self) -> str:
        return self.metadata.solver

    def network_size(self, image_size: Size, focal_px: float | None = None) -> Size:
        trained = self.metadata.training_focal_px
        if self.options.focal_correction == "none" or trained is None:
            return self.preprocessing.network_size(image_size)
        if focal_px is None:
            raise InputError("The focal correction 'resize' needs the focal length of every image: give intrinsics.")
        width, height = (max(1, round(side * trained / focal_px)) for side in image_size)
        return width, height

    def _extract(self, images: Tensor) -> list[dict[str, np.ndarray]]:
        with torch.inference_mode():
            found = self.network(images.to(self.model.device, non_blocking=True))
        names = ("keypoints", "depths", "keypoint_scores", "descriptors")
        arrays = {name: getattr(found, name).float().cpu().numpy() for name in names}
        return [{name: arrays[name][i] for name in names} for i in range(len(images))]

    def identity(self) -> dict[str, Any]:
        o: MickeyOptions = self.options
        encoder = None if o.encoder is None else sha256(resolve(o.encoder))
        precision = ENCODERS.get(self.metadata.encoder).settled(o.precision)
        identity = {"weights_sha256": sha256(resolve(o.weights)), "encoder_sha256": encoder, "precision": precision}
        identity |= {} if o.backend == "torch" else {"backend": o.backend}
        return identity | ({} if o.focal_correction == "none" else {"focal_correction": o.focal_correction})

    def attributes(self) -> dict[str, float | str]:
        matcher, trained = self.model.matcher, self.model.options.training_focal_px
        constants = {**super().attributes(), TEMPERATURE_KEY: float(matcher.temperature)}
        constants |= {DUSTBIN_KEY: matcher.dustbin_score.item(), SOLVER_KEY: self.metadata.solver}
        return constants if trained is None else {**constants, TRAINING_FOCAL_KEY: float(trained)}

    def tag(self) -> str:
        """Weights, their encoder, size and precision; a file of weights also by a part of its checksum."""
        o: MickeyOptions = self.options
        tags = [weights_tag(o.weights), *([] if o.encoder is None else [_file_tag(o.encoder)])]
        tags += options_tag(self, ignored=(*SHOWN_PREPROCESSING, *_SHOWN))
        if o.focal_correction == "resize":
            tags.append("focal")
        else:
            size = self.preprocessing.resize_max
            tags.append("full" if size is None else f"r{size}")
        tags += [] if o.precision == "auto" else [o.precision]
        return "-".join(tags + ([] if o.backend == "torch" else [o.backend]))


def _joint_checksum(*names: str) -> str:
    """One checksum of several files of weights."""
    return hashlib.sha256("".join(sha256(resolve(name)) for name in names).encode()).hexdigest()


def weights_tag(weights: str) -> str:
    """Weights in names of files: a name as it is; a file also by its bytes, as training writes to one path again."""
    tag = _file_tag(weights)
    return tag if tag.startswith("mickey") else f"mickey-{tag}"


def _file_tag(name: str) -> str:
    path = Path(name)
    return f"{file_safe(path.stem)}-{sha256(path)[:8]}" if path.is_file() else file_safe(name)
