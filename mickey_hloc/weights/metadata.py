"""The image size that weights were trained on, read without loading them."""

from __future__ import annotations

import json
import os

from safetensors import SafetensorError, safe_open

from mickey_hloc.errors import WeightsError
from mickey_hloc.weights.named import WEIGHTS, resolve

PUBLISHED_SIZE_PX = 720
METADATA_KEY = "mickey_hloc"  # of our own files: the model's options as json


def trained_size_px(name_or_path: str | os.PathLike[str]) -> int | None:
    """The longer side of the images that a model was trained on, to which larger images are best shrunk.

    Args:
        name_or_path: as for ``load_model``; published weights are not downloaded for this.

    Returns:
        Pixels; None where any size is as good.

    Raises:
        WeightsError: a file that is missing or cannot be used.
    """
    named = WEIGHTS.get(os.fspath(name_or_path))
    if named is not None and named.url is not None:
        return PUBLISHED_SIZE_PX
    path = resolve(os.fspath(name_or_path))
    if path.suffix != ".safetensors":
        return PUBLISHED_SIZE_PX
    try:
        with safe_open(path, framework="numpy") as file:
            described = json.loads((file.metadata() or {}).get(METADATA_KEY, "{}"))
        size = described.get("training_size_px", PUBLISHED_SIZE_PX)
        return None if size is None else int(size)
    except (SafetensorError, OSError, ValueError, TypeError, AttributeError) as error:
        raise WeightsError(f"{path} is not a checkpoint of this package ({error}); export it again.") from error
