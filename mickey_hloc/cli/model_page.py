"""``--report`` of ``sfm`` and ``scale``: one page on a COLMAP model, and on what its scale rests on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pycolmap

from mickey_hloc import __version__
from mickey_hloc.visualization import Page
from mickey_hloc.visualization.model_scene import model_scene

if TYPE_CHECKING:
    from mickey_hloc.scale_reconstruction import ScaledModel

MAX_NAMES = 50  # of images that are not in a model


def write_model_page(path: Path, page: Page, command: str = "") -> Path:
    """Write ``sfm_page`` or ``scale_page``. Args: command: how it was made."""
    return page.write(path, f"mickey-hloc {__version__}. {command}".strip())


def sfm_page(model: pycolmap.Reconstruction | None, names: Sequence[str], image_dir: Path | None) -> Page:
    """The page of a reconstruction, whose scale is arbitrary.

    Args:
        names: of the images that it was made from.
        image_dir: of the images.
    """
    if model is None or model.num_reg_images() == 0:
        statement = f"No model: no two of the {len(names)} images have enough matches that agree with one motion."
        return Page("Structure from motion", statement, success=False)
    page = Page("Structure from motion", f"{model.num_reg_images()} of {len(names)} images are in the model.")
    page.charts(
        [("The model in units of its own: its scale is arbitrary.", model_scene(model, image_dir, "units"))], 560
    )
    _absent(page, model, names)
    _numbers(page, model)
    return page


def scale_page(found: ScaledModel, image_dir: Path | None, names: Sequence[str] = ()) -> Page:
    """The page of a model in metres: the scale with its interval, what each image says, what disagrees.

    Args:
        names: of the images that the model was made from, where they are known.
    """
    scale, refused = found.scale, found.metric_from_model is None
    low, high = scale.interval_95
    lines = [f"{found.model.num_reg_images()} of {len(names)} images are in the model."] if names else []
    lines += [f"One unit of the model is {scale.scale:.4g} m, 95 % between {low:.4g} and {high:.4g} m."]
    lines += [f"No scale was applied: {scale.weakness}."] if refused else []
    lines += [f"Weak: {scale.weakness}."] if scale.weakness and not refused else []
    lines += [f"Disagreement: {sentence}" for sentence in scale.disagreements]
    page = Page("A model in metres", "\n".join(lines), success=not refused)
    caption = (
        "The model in units of its own."
        if refused
        else "The model in metres: its cameras with their photos, its points."
    )
    page.charts([(caption, model_scene(found.model, image_dir, "units" if refused else "m"))], 560)
    _absent(page, found.model, names)
    page.heading("What the scale rests on")
    rows = []
    for evidence, residual in zip(scale.evidence, scale.residuals, strict=True):
        low, high = evidence.interval_95
        interval = f"{low:.4g} to {high:.4g}"
        rows.append([str(evidence), f"{evidence.scale:.4g}", interval, f"{residual:+.1%}", str(evidence.detail)])
    head = ["evidence", "metres per unit", "95 %", "from the scale", "detail"]
    page.table(head, rows, [False, True, True, True, False])
    for alignment in found.alignments:
        if alignment.outliers:
            page.text(f"Left out of {alignment.evidence.what}: {', '.join(alignment.outliers)}")
    if found.depth is not None:
        _images(page, found)
    _numbers(page, found.model)
    return page


def _absent(page: Page, model: pycolmap.Reconstruction, names: Sequence[str]) -> None:
    there = {model.images[i].name for i in model.reg_image_ids()}
    absent = [name for name in names if name not in there]
    if absent:
        page.text(
            f"Not in the model, for too few matches that agree with it: {', '.join(absent[:MAX_NAMES])}"
            + (f" and {len(absent) - MAX_NAMES} more" if len(absent) > MAX_NAMES else "")
        )


def _images(page: Page, found: ScaledModel) -> None:
    """What each image's depth says of the scale; those that contradict the others first."""
    assert found.depth is not None
    common = found.depth.evidence.scale
    images = sorted(found.depth.images, key=lambda image: (not image.is_outlier, bool(image.reason), image.name))
    outliers = [image.name for image in images if image.is_outlier]
    page.heading("Image by image")
    page.text(
        f"Against the others, and left out: {', '.join(outliers)}." if outliers else "No image is against the others."
    )
    rows = []
    for image in images:
        known = math.isfinite(image.scale)
        numbers = [f"{image.scale / common:.3f}", f"{image.spread:.1%}"] if known else ["", ""]
        state = image.reason or ("outlier" if image.is_outlier else "counts")
        rows.append([image.name, *numbers, str(image.num_points), f"{image.weight:.1%}", state])
    head = ["image", "scale over the common one", "spread", "points", "weight", ""]
    page.table(head, rows, [False, True, True, True, True, False])


def _numbers(page: Page, model: pycolmap.Reconstruction) -> None:
    page.heading("Numbers")
    page.numbers(
        {
            "images": model.num_reg_images(),
            "points": model.num_points3D(),
            "images a point": round(model.compute_mean_track_length(), 2),
            "reprojection error (px)": round(model.compute_mean_reprojection_error(), 3),
        }
    )
