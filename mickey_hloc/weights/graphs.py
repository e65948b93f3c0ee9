"""Exported networks in the cache of weights, so that each is exported once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from mickey_hloc import __version__
from mickey_hloc.weights.download import locked
from mickey_hloc.weights.named import cache_folder

if TYPE_CHECKING:
    from mickey_hloc.model.mickey import MicKey


def onnx_file(model: MicKey, checksum: str) -> Path:
    """The ONNX file of a network.

    Args:
        checksum: of its weights, encoder included.

    Raises:
        InputError: it cannot be exported.
        MissingDependencyError: the exporter's packages are not installed.
    """
    from mickey_hloc.model.exporting import write_onnx

    torch_version = torch.__version__.partition("+")[0]
    path = cache_folder() / "graphs" / f"{checksum[:16]}-{__version__}-torch{torch_version}.onnx"
    with locked(path.with_name(f"{path.name}.lock")):
        if not path.is_file():
            write_onnx(model, path)
    return path
