"""Programs that run an exported network in place of torch: onnxruntime and OpenVINO. Both are for CPUs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from mickey_hloc.errors import InputError, MissingDependencyError
from mickey_hloc.model.exporting import MIN_CELLS
from mickey_hloc.model.mickey import MetricKeypoints

if TYPE_CHECKING:
    from mickey_hloc.model.mickey import MicKey

Run = Callable[[np.ndarray], list[np.ndarray]]
BACKENDS = ("torch", "onnxruntime", "openvino")


class Backend(ABC):
    """Runs a network from its ONNX file; images that the graph is too large for, by torch.

    Args:
        file: the ONNX file.
        model: the same network.
    """

    def __init__(self, file: Path, model: MicKey) -> None:
        self._model = model
        self._run = self._load(file, torch.get_num_threads())

    @abstractmethod
    def _load(self, file: Path, threads: int) -> Run:
        """A function from an image (1, 3, H, W) float32 to ``OUTPUTS``."""

    def __call__(self, images: Tensor) -> MetricKeypoints:
        """Metric keypoints of a batch of images (B, 3, H, W), float in [0, 1]."""
        stride = self._model.encoder.stride
        rows, columns = images.shape[-2] // stride, images.shape[-1] // stride
        if min(rows, columns) < MIN_CELLS:
            return self._model(images)
        cropped = images[..., : rows * stride, : columns * stride].cpu().float().numpy()
        found = [self._run(np.ascontiguousarray(cropped[i : i + 1])) for i in range(len(cropped))]
        joined = (torch.from_numpy(np.concatenate(of_output)) for of_output in zip(*found, strict=True))
        keypoints, depths, scores, descriptors = joined
        return MetricKeypoints(keypoints, depths, scores, descriptors, grid_shape=(rows, columns))


class OnnxRuntime(Backend):
    """Microsoft's onnxruntime."""

    def _load(self, file: Path, threads: int) -> Run:
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingDependencyError(
                "The backend 'onnxruntime' needs its package: pip install 'mickey-hloc[onnx]'."
            ) from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        return lambda image: list(session.run(None, {"images": image}))


class OpenVino(Backend):
    """Intel's OpenVINO, told to keep float32: on newer CPUs it would take 16 bits by itself."""

    def _load(self, file: Path, threads: int) -> Run:
        try:
            import openvino
        except ImportError as error:
            raise MissingDependencyError("The backend 'openvino' needs its package: pip install openvino.") from error
        how: dict[str, Any] = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
        compiled = openvino.Core().compile_model(str(file), "CPU", how)
        return lambda image: [np.array(value) for value in compiled([image]).values()]


def open_backend(name: str, file: Path, model: MicKey) -> Backend:
    """The backend of that name.

    Raises:
        InputError: the network is on a GPU, or there is no such backend.
        MissingDependencyError: its package is not installed.
    """
    classes: dict[str, type[Backend]] = {"onnxruntime": OnnxRuntime, "openvino": OpenVino}
    if name not in classes:
        raise InputError(f"Unknown backend '{name}'; choose one of: {', '.join(BACKENDS)}.")
    if model.device.type != "cpu":
        raise InputError(f"The backend '{name}' is for CPUs; choose --device cpu, or leave the backend out.")
    return classes[name](file, model)
