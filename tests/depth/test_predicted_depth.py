"""Depth predicted by networks that use the camera: the truth of a rendered room, whatever the focal length."""

from __future__ import annotations

import sys
import urllib.error
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support import stub_geometry
from support.rendered_scenes import write_view
from support.stub_geometry import Truth
from support.stub_metric3d import DepthModel

from mickey_hloc.depth import get_depth_source
from mickey_hloc.depth.predicted import Metric3dDepth
from mickey_hloc.errors import InputError, MissingDependencyError, WeightsError
from mickey_hloc.io.cameras import Camera, Cameras
from mickey_hloc.io.intrinsics import Intrinsics
from mickey_hloc.rooms import render, sample_pair

NAMES = ("a.png", "b.png")
SIZES = ((210, 154), (149, 203))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("depth")


@pytest.fixture(scope="module")
def truth(folder: Path) -> Truth:
    """Landscape and portrait, with two focal lengths."""
    pair = sample_pair(3, (224, 168))
    poses = [np.asarray(pair.view0.cam_from_world), np.asarray(pair.view1.cam_from_world)]
    Ks, images = [], []
    for name, (width, height), pose, ratio in zip(NAMES, SIZES, poses, (1.0, 1.3), strict=True):
        focal = float(pair.view0.K[0, 0]) * ratio
        K = np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])
        view = render(pair.room, K, (width, height), pose)
        write_view(folder / name, view)
        Ks.append(K)
        images.append(view.image)
    return Truth(pair.room, poses, Ks, images)


def cameras_of(truth: Truth) -> Cameras:
    table = {n: Camera(Intrinsics(K, *size)) for n, K, size in zip(NAMES, truth.Ks, SIZES, strict=True)}
    return Cameras(table, Path("intrinsics.txt"))


@pytest.mark.parametrize("spec", ["da3", "moge", "unidepth"])
def test_metres_of_a_rendered_room_at_two_focal_lengths(
    spec: str, truth: Truth, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub_geometry.install(monkeypatch, truth)
    source = get_depth_source(spec, image_dir=folder, cameras=cameras_of(truth))
    for side, (name, size) in enumerate(zip(NAMES, SIZES, strict=True)):
        found = source.depth_map(name)
        assert found is not None
        ratio = found / truth.depth(side, truth.Ks[side], size)
        assert abs(float(ratio.nanmedian()) - 1) < 0.003
        assert float((ratio - 1).abs().nanquantile(0.8)) < 0.01


def test_metric3d_undoes_its_padding_and_its_canonical_camera(folder: Path, truth: Truth) -> None:
    """1000 px is its focal length: a plane at 5 m is 5 * 1000 / f to it, f of the image as resized into 1064 x 616."""

    network = DepthModel()
    source = Metric3dDepth(image_dir=folder)
    source.cameras = cameras_of(truth)
    source.__dict__["model"] = network
    for name, size, K in zip(NAMES, SIZES, truth.Ks, strict=True):
        scale = min(616 / size[1], 1064 / size[0])
        network.focal_px = K[0, 0] * int(size[0] * scale) / size[0]
        found = source.depth_map(name)
        assert found is not None
        assert float(found.nanmedian()) == pytest.approx(5.0, rel=0.01)
        assert float(found.isnan().float().mean()) < 0.02


def test_another_focal_length_is_another_depth(truth: Truth, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stub_geometry.install(monkeypatch, truth)
    pixel = torch.tensor([[40.0, 50.0]])
    cameras = cameras_of(truth)
    source = get_depth_source("da3", image_dir=folder, cameras=cameras)
    before, identity = source.depths(NAMES[0], pixel), source.identity()
    longer = {
        n: Camera(Intrinsics(np.diag([2, 2, 1]) @ c.intrinsics.K, *s))
        for (n, c), s in zip(cameras.cameras.items(), SIZES, strict=True)
    }
    source.cameras = Cameras(longer, Path("intrinsics.txt"))
    torch.testing.assert_close(source.depths(NAMES[0], pixel), 2 * before)
    assert source.identity() != identity
    assert source.copy().cameras is source.cameras


def test_without_a_focal_length_it_says_what_to_give(truth: Truth, folder: Path) -> None:
    with pytest.raises(InputError, match="needs the focal length of every image: give intrinsics, or the option focal"):
        get_depth_source("moge", image_dir=folder).depth_map(NAMES[0])


@pytest.mark.parametrize(("spec", "module"), [("da3", "depth_anything_3"), ("moge", "moge"), ("unidepth", "unidepth")])
def test_a_missing_package_is_one_sentence_with_licence_and_command(
    spec: str, module: str, truth: Truth, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    source = get_depth_source(spec, image_dir=folder, cameras=cameras_of(truth))
    with pytest.raises(MissingDependencyError, match=r"weights .*(install|pip)") as caught:
        source.depth_map(NAMES[0])
    assert "\n" not in str(caught.value)


def test_metric3d_without_its_package_or_its_code_is_one_sentence(
    truth: Truth, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its code comes from torch's hub and imports mmengine; neither is here."""

    def load(*args: Any, **options: Any) -> Any:
        raise failure

    monkeypatch.setattr(torch.hub, "load", load)
    failure: Exception = ImportError("No module named 'mmengine'")
    source = get_depth_source("metric3d", image_dir=folder, cameras=cameras_of(truth))
    with pytest.raises(MissingDependencyError, match=r"mmengine.*pip install mmengine") as caught:
        source.depth_map(NAMES[0])
    assert "\n" not in str(caught.value)
    failure = urllib.error.URLError("no route to host")
    with pytest.raises(WeightsError, match="depth source metric3d"):
        source.depth_map(NAMES[0])
