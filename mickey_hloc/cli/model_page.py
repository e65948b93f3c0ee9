"""``--report`` of ``sfm`` and ``scale``: one page on a COLMAP model, and on what its scale rests on."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import pycolmap

from mickey_hloc import __version__
from mickey_hloc.visualization import Page
from mickey_hloc.visualization.model_scene import model_scene

if TYPE_CHECKING:
    from mickey_hloc.scale_reconstruction import ScaledModel


def write_sfm_page(
    path: Path, model: pycolmap.Reconstruction | None, num_images: int, image_dir: Path, command: str = ""
) -> Path:
    """The page of a reconstruction, whose scale is arbitrary."""
    if model is None or model.num_reg_images() == 0:
        statement = f"No model: no two of the {num_images} images have enough matches that agree with one motion."
        page = Page("Structure from motion", statement, success=False)
    else:
        page = Page("Structure from motion", f"{model.num_reg_images()} of {num_images} images are in the model.")
        page.charts(
            [("The model in units of its own: its scale is arbitrary.", model_scene(model, image_dir, "units"))], 560
        )
        _numbers(page, model)
    return page.write(path, f"mickey-hloc {__version__}. {command}".strip())


def write_scale_page(path: Path, found: ScaledModel, image_dir: Path | None, command: str = "") -> Path:
    """The page of a model in metres: the scale with its interval, what each image says, what disagrees."""
    scale, refused = found.scale, found.metric_from_model is None
    low, high = scale.interval_95
    lines = [f"One unit of the model is {scale.scale:.4g} m, 95 % between {low:.4g} and {high:.4g} m."]
    lines += [f"No scale was applied: {scale.weakness}."] if refused else []
    lines += [f"Weak: {scale.weakness}."] if scale.weakness and not refused else []
    lines += [f"Disagreement: {sentence}" for sentence in scale.disagreements]
    page = Page("A model in metres", "\n".join(lines), success=not refused)
    unit = "units" if refused else "m"
    page.charts([("Click two points to measure between them.", model_scene(found.model, image_dir, unit))], 560)
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
    return page.write(path, f"mickey-hloc {__version__}. {command}".strip())


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
