"""The network as a graph for other programs: torch.export's own file, or ONNX; images of any size, one at a time."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from mickey_hloc.errors import InputError, MissingDependencyError
from mickey_hloc.io.files import atomic_path

if TYPE_CHECKING:
    from mickey_hloc.model.mickey import MicKey

OUTPUTS = ("keypoints", "depths", "keypoint_scores", "descriptors")  # as in MetricKeypoints, without the batch's axis
MIN_CELLS, MAX_CELLS = 16, 512  # of a side; a smaller image has fewer levels of context, which is another graph
OPSET = 18


class ImageNetwork(nn.Module):
    """The network with plain tensors: an image (1, 3, H, W) in [0, 1] to ``OUTPUTS``, each with the batch's axis."""

    def __init__(self, model: MicKey) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        found = self.model(images)
        return found.keypoints, found.depths, found.keypoint_scores, found.descriptors


def exported(model: MicKey) -> torch.export.ExportedProgram:
    """The network as torch.export's program, for images whose sides are whole cells, 16 to 512 of them.

    Raises:
        InputError: its encoder has parts that depend on the size in ways which torch cannot write down.
    """
    stride = model.encoder.stride
    example = torch.rand(1, 3, 20 * stride, 27 * stride, device=model.device)
    rows, columns = (torch.export.Dim(name, min=MIN_CELLS, max=MAX_CELLS) for name in ("rows", "columns"))
    sizes = {"images": {2: stride * rows, 3: stride * columns}}
    precision, model.precision = model.precision, "fp32"
    try:
        with torch.no_grad():
            return torch.export.export(ImageNetwork(model).eval(), (example,), dynamic_shapes=sizes, strict=False)
    except (RuntimeError, ValueError, AssertionError, TypeError) as error:
        told = " ".join(str(error).split())[:200]
        raise InputError(
            f"A network with the encoder '{model.options.encoder}' cannot be exported for images of any size ({told})."
        ) from error
    finally:
        model.precision = precision


def write_torch_export(model: MicKey, path: Path) -> Path:
    """Write the file of ``torch.export.save``; ``torch.export.load(path).module()(image)`` runs it."""
    program = exported(model)
    with atomic_path(path) as temporary:
        buffer = io.BytesIO()
        torch.export.save(program, buffer)
        temporary.write_bytes(buffer.getvalue())
    return path


def write_onnx(model: MicKey, path: Path) -> Path:
    """Write an ONNX file with the input ``images`` and the outputs ``OUTPUTS``.

    Raises:
        InputError: see ``exported``.
        MissingDependencyError: the exporter's packages are not installed.
    """
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError("Writing ONNX needs its packages: pip install 'mickey-hloc[onnx]'.") from error
    program = exported(model)
    with _quiet():
        written = torch.onnx.export(
            program, dynamo=True, verbose=False, opset_version=OPSET, input_names=["images"], output_names=list(OUTPUTS)
        )
    assert written is not None
    with atomic_path(path) as temporary:
        written.save(str(temporary), include_initializers=True)
    return path


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter tells its own developers much."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
