"""What a model's file says about its training and use, read off its header: no tensors, no torch."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from mickey_hloc.errors import WeightsError
from mickey_hloc.io.json_text import parse_json
from mickey_hloc.model.options import MicKeyOptions
from mickey_hloc.weights.named import local_file
from mickey_hloc.weights.state_file import unreadable
from mickey_hloc.weights.table import WEIGHTS

METADATA_KEY = "mickey_hloc"  # of our own files: the model's options as json
_LONGEST_REASON = 300  # characters of a message that may quote the file


@dataclass(frozen=True)
class ModelMetadata:
    """How a model was trained and how it is best used.

    Attributes:
        training_size_px: longer side of the training's images, to which larger ones are best shrunk; None = any size.
        training_focal_px: focal length at which depth was learned, in images of that size; None = many.
        solver: name of the solver that suits the model: letters, digits, - and _, but whether there is such a solver
            is for the caller to check.
        encoder: name of its encoder.
    """

    training_size_px: int | None
    training_focal_px: float | None
    solver: str
    encoder: str = "dinov2"


def read_metadata(name_or_path: str | os.PathLike[str]) -> ModelMetadata:
    """How a model was trained and how it is best used, without loading it.

    >>> read_metadata("mickey")
    ModelMetadata(training_size_px=720, training_focal_px=570.0, solver='probabilistic', encoder='dinov2')
    >>> read_metadata("small").solver
    'joint'

    Args:
        name_or_path: as for ``load_model``. Published weights and other .ckpt files say nothing about themselves, so
            the published settings are theirs; nothing is downloaded.

    Raises:
        WeightsError: a file that is missing or cannot be used.
    """
    named = WEIGHTS.get(os.fspath(name_or_path))
    options = MicKeyOptions()
    if named is None or named.url is None:
        path = local_file(name_or_path)
        if path.suffix == ".safetensors":
            options = parse_options(_header(path), path)
    return ModelMetadata(options.training_size_px, options.training_focal_px, options.solver, options.encoder)


def parse_options(header: Mapping[str, str] | None, path: Path) -> MicKeyOptions:
    """A model's options from the metadata of a safetensors file.

    Args:
        header: the file's metadata, if it has any. path: of the file, for messages.

    Raises:
        WeightsError: it is none of our checkpoints, or has unknown options or wrong values.
    """
    described = (header or {}).get(METADATA_KEY)
    if described is None:
        raise WeightsError(f"{path} has no '{METADATA_KEY}' metadata: it is not a checkpoint of this package.")
    try:
        return MicKeyOptions.from_dict(parse_json(described))
    except (ValueError, OverflowError, RecursionError) as error:  # InputErrors and json's are ValueErrors
        reason = str(error)
        reason = reason if len(reason) <= _LONGEST_REASON else reason[:_LONGEST_REASON] + " ..."
        raise WeightsError(f"{path}: its '{METADATA_KEY}' metadata cannot be used: {reason}") from error


def _header(path: Path) -> dict[str, str] | None:
    try:
        with safe_open(path, framework="numpy") as file:
            header: dict[str, str] | None = file.metadata()
    except (SafetensorError, OSError) as error:
        raise unreadable(path, error) from error
    return header
