"""Depth from any metric-depth network of the transformers library, from a local folder or the Hugging Face hub."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from mickey_hloc.depth.base import DepthContext
from mickey_hloc.depth.dense import DenseDepthSource, DenseOptions, as_depth_map, check_positive, image_path
from mickey_hloc.errors import InputError, MissingDependencyError, WeightsError
from mickey_hloc.io.images import read_image

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
    """

    device: str = "auto"
    metric: bool = False
    inverse_scale: float | None = None
    inverse_shift: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.inverse_scale is not None:
            check_positive("inverse_scale", self.inverse_scale)


class TransformersDepth(DenseDepthSource):
    """``transformers:<folder or hub id>``: Depth Anything V2 metric, Depth Pro, ZoeDepth, GLPN, metric DPT.

    The networks predict for the camera that they were trained for, or guess the camera from the image; K is not used.
    """

    Options: ClassVar[type[DenseOptions]] = TransformersOptions
    options: TransformersOptions

    def __init__(self, model: str, image_dir: Path, upright: bool = False, **options: Any) -> None:
        """Load the network.

        Raises:
            MissingDependencyError: transformers is not installed.
            InputError: the model's output is not in metres.
            WeightsError: the model cannot be found or loaded.
        """
        super().__init__(image_dir, upright, **options)
        auto = self.options.device == "auto"
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu") if auto else self.options.device
        self.processor, self.model = _load(model, self.options)
        self.model.to(self.device)

    @classmethod
    def create(cls, argument: str, context: DepthContext, options: dict[str, Any]) -> TransformersDepth:
        if not argument:
            raise InputError("Depth source 'transformers' needs a model; write transformers:<folder or hub id>.")
        if context.image_dir is None:
            raise InputError(f"Depth source 'transformers:{argument}' needs the folder of the images.")
        return cls(argument, context.image_dir, upright=context.upright, **options)

    def load(self, image_name: str, image_size: tuple[int, int]) -> Tensor:
        path = image_path(self.image_dir, image_name)
        image = read_image(path, self.upright)
        try:
            depth_map = self._predict(image)
        except (RuntimeError, ValueError) as error:
            first_line = str(error).strip().partition("\n")[0]
            raise InputError(
                f"The depth network cannot process {path} of {image.shape[1]}x{image.shape[0]}: {first_line}"
            ) from error
        if self.options.inverse_scale is not None:
            depth_map = 1.0 / (self.options.inverse_scale * depth_map + self.options.inverse_shift)
        return as_depth_map(depth_map)

    def _predict(self, image: np.ndarray) -> Tensor:
        """(H, W, 3) uint8 -> (H, W) the network's output at the image's resolution, on the CPU."""
        size = [image.shape[:2]]
        # An array with its axis order said: a very narrow image would otherwise be taken for channels first.
        inputs = self.processor(images=image.copy(), input_data_format="channels_last", return_tensors="pt")
        with torch.inference_mode():
            output = self.model(**inputs.to(self.device))
            sizes = {"source_sizes": size} if self.model.config.model_type == "zoedepth" else {}
            result = self.processor.post_process_depth_estimation(output, target_sizes=size, **sizes)
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


def _load(name: str, options: TransformersOptions) -> tuple[Any, Any]:
    """The image processor and the network, in evaluation mode and float32."""
    try:
        import transformers
    except ImportError as error:
        raise MissingDependencyError(
            "Depth source 'transformers' needs the package: pip install 'mickey-hloc[depth]'."
        ) from error
    local = Path(name).is_dir()
    if not local and not re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", name):
        raise WeightsError(f"No folder '{name}', nor is it the id of a model on the hub (owner/name).")
    # Code that comes with a model is never run (trust_remote_code stays False).
    arguments = {"local_files_only": local}
    try:
        config = transformers.AutoConfig.from_pretrained(name, **arguments)
        if type(config) not in transformers.MODEL_FOR_DEPTH_ESTIMATION_MAPPING:
            raise WeightsError(f"'{name}' is no depth network: its type is '{config.model_type}'.")
        check_metric(config, name, options)
        processor = transformers.AutoImageProcessor.from_pretrained(name, **arguments)
        model, report = transformers.AutoModelForDepthEstimation.from_pretrained(
            name, output_loading_info=True, **arguments
        )
    except InputError:
        raise
    except (OSError, ValueError, RuntimeError, KeyError, ImportError, _safetensors_error()) as error:
        first_line = str(error).strip().partition("\n")[0]
        raise WeightsError(f"'{name}' cannot be loaded as a depth model of transformers: {first_line}") from error
    # transformers only warns here and goes on with random numbers.
    lacking = sorted({str(key) for kind in ("missing_keys", "mismatched_keys") for key in report.get(kind, ())})
    if lacking:
        raise WeightsError(
            f"'{name}' lacks {len(lacking)} weights of its network, such as '{lacking[0]}'; get it again."
        )
    return processor, model.float().eval()


def _safetensors_error() -> type[Exception]:
    from safetensors import SafetensorError

    return SafetensorError
