"""``--report`` of ``sfm`` and ``scale``: the model in 3-D, its scale, the images that disagree."""

import html
import math
import re
from pathlib import Path

import numpy as np
import pycolmap
import pytest

from mickey_hloc.cli.model_page import scale_page, sfm_page, write_model_page
from mickey_hloc.metric.depth_scale import DepthScale, ImageScale
from mickey_hloc.metric.evidence import MetricScale, ScaleEvidence
from mickey_hloc.scale_reconstruction import ScaledModel
from mickey_hloc.visualization.model_scene import model_scene

pytest.importorskip("plotly")


@pytest.fixture(scope="module")
def model() -> pycolmap.Reconstruction:
    options = pycolmap.SyntheticDatasetOptions()
    options.num_points3D = 50
    return pycolmap.synthesize_dataset(options)


def words_of(path: Path) -> str:
    content = re.sub(r"<(script|style)>.*?</\1>", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]+>", "\n", content))


def test_cameras_and_points_stand_where_the_model_has_them(model: pycolmap.Reconstruction) -> None:
    figure = model_scene(model)
    by_name = {trace.name: trace for trace in figure.data}
    assert len(by_name["points"].x) == 50
    for image in model.images.values():
        trace = by_name[image.name]
        np.testing.assert_allclose([trace.x[0], trace.y[0], trace.z[0]], image.projection_center(), atol=1e-9)


def test_the_scale_its_evidence_and_the_images_against_it(model: pycolmap.Reconstruction, tmp_path: Path) -> None:
    depth = ScaleEvidence("depth", "png:sensor", math.log(2.0), 0.01, "2 images")
    images = (
        ImageScale("a.jpg", 2.0, 0.1, 40, 1.0),
        ImageScale("b.jpg", 3.0, 0.1, 30, 0.0, True),
        ImageScale("c.jpg", reason="3 points have depth"),
    )
    scale = MetricScale(2.0, (1.96, 2.04), (depth,), (0.0,), ("depth and GPS differ",), "")
    found = ScaledModel(scale, DepthScale(depth, images, 0.1), (), model, pycolmap.Sim3d())
    words = words_of(write_model_page(tmp_path / "scale.html", scale_page(found, None)))
    for expected in (
        "One unit of the model is 2 m, 95 % between 1.96 and 2.04 m.",
        "Disagreement: depth and GPS differ",
        "Against the others, and left out: b.jpg.",
        "1.500",
        "3 points have depth",
        "depth png:sensor",
    ):
        assert expected in words
    refused = ScaledModel(MetricScale(2.0, (1, 4), (depth,), (0.0,), (), "too few images"), None, (), model, None)
    page = write_model_page(tmp_path / "refused.html", scale_page(refused, None))
    assert "No scale was applied: too few images." in words_of(page)
    assert '<body class="failed">' in page.read_text(encoding="utf-8")


def test_a_reconstruction_or_none(model: pycolmap.Reconstruction, tmp_path: Path) -> None:
    names = [*(image.name for image in model.images.values()), "lost.jpg"]
    words = words_of(write_model_page(tmp_path / "sfm.html", sfm_page(model, names, tmp_path)))
    assert f"{model.num_reg_images()} of {len(names)} images are in the model." in words
    assert "Not in the model, for too few matches that agree with it: lost.jpg" in words
    none = write_model_page(tmp_path / "none.html", sfm_page(None, ["a", "b", "c"], tmp_path))
    assert "No model: no two of the 3 images" in words_of(none)
