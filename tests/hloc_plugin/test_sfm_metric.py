"""``sfm --metric``: photos of a rendered room become a model in metres, by both mappers, whose scale is the room's."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pycolmap
import pytest
from support.rendered_scenes import write_view

from mickey_hloc.cli import main
from mickey_hloc.rooms import RenderedView
from mickey_hloc.rooms.walk import sample_walk

MATCHING = ["--feature", "sift", "--matcher", "nn-ratio", "--glob", "*.jpg", "--camera-mode", "SINGLE"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[RenderedView]]:
    """Photos with true depth beside them, and what they show."""
    folder = tmp_path_factory.mktemp("photos")
    views, _ = sample_walk(0, 6, (480, 360))
    for number, view in enumerate(views):
        write_view(folder / f"{number}.jpg", view)
    return folder, views


@pytest.mark.parametrize("mapper", ["incremental", "global"])
def test_photos_become_a_model_in_metres(
    upstream: ModuleType,
    photos: tuple[Path, list[RenderedView]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    mapper: str,
) -> None:
    folder, views = photos
    K = views[0].K
    params = f"{K[0, 0]},{K[1, 1]},{K[0, 2] + 0.5},{K[1, 2] + 0.5}"
    camera = ["--camera-model", "PINHOLE", "--camera-params", params]
    command = ["sfm", str(folder), "--output", str(tmp_path), *MATCHING, *camera, "--mapper", mapper]
    assert main(command) == 0
    assert "the model has no scale" in capsys.readouterr().out
    assert main([*command, "--metric", "--depth", "png:sensor"]) == 0
    assert "points in metres" in capsys.readouterr().out
    [metric] = tmp_path.glob("metric-*")
    model = pycolmap.Reconstruction(str(metric))
    assert model.num_reg_images() == 6
    true = [pycolmap.Rigid3d(view.cam_from_world).inverse().translation for view in views]
    found = [model.find_image_with_name(f"{number}.jpg").projection_center() for number in range(6)]
    for i, j in ((0, 5), (1, 4), (0, 3)):  # six small photos over a metre place their cameras to about a centimetre
        assert np.linalg.norm(found[i] - found[j]) == pytest.approx(np.linalg.norm(true[i] - true[j]), rel=0.03)


def test_what_is_missing_shows_before_the_long_work(
    upstream: ModuleType, photos: tuple[Path, list[RenderedView]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["sfm", str(photos[0]), "--output", str(tmp_path / "out"), *MATCHING, "--metric"]
    assert main(command) == 2
    assert "--metric needs something that says the scale" in capsys.readouterr().err
    (tmp_path / "walk.txt").write_text("no video")
    assert main(["sfm", str(tmp_path / "walk.txt"), "--output", str(tmp_path / "out"), *MATCHING]) == 2
    assert "neither a folder of images nor a video" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
