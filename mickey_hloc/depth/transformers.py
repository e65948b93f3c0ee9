"""Depth from any metric-depth network of the transformers library, from a local folder or the Hugging Face hub."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from mickey_hloc.depth.dense import DenseDepthSource, DenseOptions, require_positive
from mickey_hloc.depth.transformers_models import load_config, load_network
from mickey_hloc.errors import InputError
from mickey_hloc.io.checksum import folder_checksum
from mickey_hloc.io.images import ExifTurn, read_image
from mickey_hloc.model.device import usable_device

# Model types whose every published model gives metres; the others say it in their configuration or not at all.
METRIC_TYPES = frozenset({"depth_pro", "glpn", "tipsv2_dpt", "zoedepth"})
# DPT's configuration does not say what was learned; these were fine-tuned on metric depth (DINOv2, section 7.4).
METRIC_DPT = re.compile(r"dpt-dinov2-(small|base|large|giant)-(nyu|kitti)")
NO_DEPTH = {
    "chmv2": "it gives the height of trees in satellite images",
    "prompt_depth_anything": "it completes a sensor's depth, which is not part of an image",
}


@dataclass(frozen=True)
class TransformersOptions(DenseOptions):
    """Options of ``transformers:``.

    Attributes:
        device: "auto" takes the GPU where there is one.
        metric: True says that this model's output is in metres although its configuration does not say so, for
            example a DPT fine-tuned by yourself.
        inverse_scale, inverse_shift: depth = 1 / (inverse_scale * output + inverse_shift) metres, for models of
            inverse depth whose scale and shift are known, such as DPT-hybrid fine-tuned on NYU or KITTI.
        exif_turn: what happens to a photo that its EXIF orientation turns: "refuse" it, or "ignore" the orientation
            and predict from the pixels as stored.
    """

    device: str = "auto"
    metric: bool = False
    inverse_scale: float | None = None
    inverse_shift: float = 0.0
    exif_turn: ExifTurn = "refuse"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.inverse_scale is not None:
            require_positive(self, "inverse_scale")


class TransformersDepth(DenseDepthSource):
    """``transformers:<folder or hub id>``: Depth Anything V2 metric, Depth Pro, ZoeDepth, GLPN, metric DPT.

    The networks predict for the camera that they were trained for, or guess the camera from the image; K is not used.
    The configuration is read when the source is made, the weights when they are first needed.

    Raises:
        MissingDependencyError: transformers is not installed.
        InputError: the model's output is not in metres, or the device cannot be used.
        WeightsError: the model cannot be found or loaded.
    """

    Options: ClassVar[type] = TransformersOptions
    options: TransformersOptions
    costly = True
    without_effect = frozenset({"remember", "device", "exif_turn"})

    def __init__(
        self, argument: str = "", /, image_dir: Path | None = None, features: Path | None = None, **options: Any
    ) -> None:
        super().__init__(argument, image_dir=image_dir, features=features, **options)
        if not argument:
            raise self._needs_argument()
        self.config = load_config(argument)
        check_metric(self.config, argument, self.options)

    @cached_property
    def device(self) -> torch.device:
        """Where the network runs."""
        return usable_device(None if self.options.device == "auto" else self.options.device)

    @cached_property
    def _network(self) -> tuple[Any, Any]:
        """The image processor and the network."""
        device = self.device
        processor, model = load_network(self.argument, self._revision)
        return processor, model.to(device)

    @property
    def _revision(self) -> str | None:
        """The commit that the configuration was read at; None for folders."""
        return getattr(self.config, "_commit_hash", None)

    def _argument_identity(self) -> Any:
        if Path(self.argument).is_dir():
            return {"sha256": folder_checksum(Path(self.argument))}
        return {"model": self.argument, "revision": self._revision}

    @property
    def unit_is_said(self) -> bool:
        """A network for metres says so itself."""
        return True

    def _load_map(self, image_name: str, image_size: tuple[int, int]) -> Tensor:
        path = self.image_path(image_name)
        image = read_image(path, self.options.exif_turn)
        _ = self._network  # what is wrong with it is no fault of the image
        try:
            depth_map = self._predict(image)
        except (RuntimeError, ValueError) as error:
            first_line = str(error).strip().partition("\n")[0]
            raise InputError(
                f"The depth network cannot process {path} of {image.shape[1]}x{image.shape[0]}: {first_line}"
            ) from error
        if self.options.inverse_scale is not None:
            depth_map = 1.0 / (self.options.inverse_scale * depth_map + self.options.inverse_shift)
        return depth_map

    def _predict(self, image: np.ndarray) -> Tensor:
        """(H, W, 3) uint8 -> (H, W) the network's output at the image's resolution, on the CPU."""
        processor, model = self._network
        size = [image.shape[:2]]
        # An array with its axis order said: a very narrow image would otherwise be taken for channels first.
        inputs = processor(images=image.copy(), input_data_format="channels_last", return_tensors="pt")
        with torch.inference_mode():
            output = model(**inputs.to(self.device))
            sizes = {"source_sizes": size} if model.config.model_type == "zoedepth" else {}
            result = processor.post_process_depth_estimation(output, target_sizes=size, **sizes)
        # A clone made outside of inference mode: the caller's arithmetic may need gradients elsewhere.
        return result[0]["predicted_depth"].float().cpu().clone().reshape(image.shape[:2])


def check_metric(config: Any, name: str, options: TransformersOptions) -> None:
    """Refuse a model whose output is not in metres.

    Args:
        config: the model's transformers configuration.
        name: the folder or hub id.

    Raises:
        InputError: with the reason and what to do.
    """
    kind = config.model_type
    if kind in NO_DEPTH:
        raise InputError(f"'{name}' ({kind}) is no depth source here: {NO_DEPTH[kind]}.")
    if options.metric or options.inverse_scale is not None or kind in METRIC_TYPES:
        return
    remedy = "choose a metric model, or give inverse_scale and inverse_shift if they are known"
    declared = getattr(config, "depth_estimation_type", None)
    if declared == "relative":
        raise InputError(f"'{name}' ({kind}) predicts relative depth, known up to scale and shift only; {remedy}.")
    known = METRIC_DPT.search(f"{name} {getattr(config, '_name_or_path', '')}")
    if declared != "metric" and not (kind == "dpt" and known):
        raise InputError(
            f"'{name}' ({kind}) does not say that its depth is in metres; models of this type usually predict inverse "
            f"depth up to scale and shift: {remedy}, or set metric=true if you know it."
        )
