"""What the tests inside hloc share."""

import importlib
import importlib.util
import os
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import cv2
import numpy as np
import pytest

HOSTS = ("imcui.hloc", "hloc")


class TinyConfs(NamedTuple):
    feature: dict
    matcher: dict


def import_host(name: str, folder: Path) -> ModuleType:
    """The hloc of that name, skipping where it is not installed; imcui writes a log file into the working folder."""
    if importlib.util.find_spec(name.partition(".")[0]) is None:
        pytest.skip(f"{name} is not installed")
    before = Path.cwd()
    os.chdir(folder)
    try:
        return importlib.import_module(name)
    finally:
        os.chdir(before)


def write_texture(path: Path, width: int, height: int, seed: int) -> Path:
    """A random image with structure at many scales."""
    random = np.random.default_rng(seed)
    image = np.zeros((height, width, 3), dtype=np.float32)
    for cells in (4, 16, 64):
        coarse = random.random((cells, cells, 3), dtype=np.float32)
        image += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), (image / 3 * 255).clip(0, 255).astype(np.uint8))
    return path
