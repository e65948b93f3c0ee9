"""Any depth source as 16-bit PNG files beside the images, for other people's code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from mickey_hloc.depth.base import DepthSource, image_path
from mickey_hloc.depth.png import depth_paths
from mickey_hloc.errors import InputError
from mickey_hloc.io.files import atomic_path
from mickey_hloc.io.image_batches import Preprocessing, list_photos

MAX_MILLIMETRES = 65534  # the largest 16-bit number that is not taken for "no measurement"


@dataclass(frozen=True)
class DepthExport:
    """What was written.

    Attributes:
        written, skipped: number of files.
        known: share of pixels with a depth in the files written.
        failed: images without a depth map, and why.
    """

    written: int
    skipped: int
    known: float
    failed: Mapping[str, str]


def export_depth(
    source: DepthSource,
    image_dir: Path,
    names: Iterable[str],
    suffix: str,
    out_dir: Path | None = None,
    overwrite: bool = False,
    progress: bool = True,
) -> DepthExport:
    """Write the depth map of each image as ``<image>.<suffix>.png``: image size, 16 bit, millimetres, 0 = unknown.

    Files that exist are left alone, so that an interrupted run goes on where it stopped; each appears whole or not.

    Args:
        names: images, relative to ``image_dir``.
        suffix: the depth's name, as ``png:<suffix>`` reads it again; for frame-XXXXXX.color.png the file is
            frame-XXXXXX.depth.<suffix>.png, as the 7-Scenes benchmark names it.
        out_dir: a folder with the same tree as ``image_dir``; default: beside the images.
        overwrite: write also what exists.

    Raises:
        InputError: the source has no depth map for any image, or a name leads out of the folder.
    """
    written, skipped, known = 0, 0, 0.0
    failed: dict[str, str] = {}
    for name in tqdm(list(names), desc="depth maps", unit="image", disable=not progress):
        image_path(image_dir, name)  # refuses a name that leads out
        path = depth_paths((out_dir or image_dir) / name, suffix)[0]
        if path.exists() and not overwrite:
            skipped += 1
            continue
        try:
            depth_map = source.depth_map(name)
            if depth_map is None:
                raise InputError(f"This depth source has no dense depth map for image '{name}'; give --images DIR.")
        except InputError as error:  # costs this image only
            failed[name] = str(error)
            continue
        known += write_depth_png(path, depth_map)
        written += 1
    if failed and not written + skipped:
        raise InputError(next(iter(failed.values())))
    return DepthExport(written, skipped, known / max(1, written), failed)


def write_depth_png(path: Path, depth_map: Tensor) -> float:
    """Write one 16-bit PNG in millimetres; unknown depth and depth that 16 bits cannot hold (> 65.5 m) become 0.

    Args:
        depth_map: (H, W) metres; non-finite or <= 0 means unknown.

    Returns:
        The share of pixels with a depth.
    """
    metres = depth_map.detach().cpu().double().numpy()
    millimetres = np.rint(np.where(np.isfinite(metres), metres, 0.0) * 1000)
    millimetres = np.where((millimetres > 0) & (millimetres <= MAX_MILLIMETRES), millimetres, 0).astype(np.uint16)
    with atomic_path(Path(path)) as temporary:
        Image.fromarray(millimetres).save(temporary, format="PNG")
    return float((millimetres > 0).mean())


def photos(image_dir: Path) -> list[str]:
    """Names of all images below a folder, without depth images, sorted.

    Raises:
        InputError: no such folder, or no photo in it.
    """
    return list_photos(image_dir, Preprocessing().globs, None)[0]
