"""Pairs as tensors: resizing, mirroring and poses keep the geometry."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mickey_hloc.datasets.fitting import fit_image, fit_intrinsics
from mickey_hloc.datasets.pairs import (
    Draw,
    PairAugmentation,
    PairDataset,
    PairTable,
    join_tables,
)
from mickey_hloc.depth import get_depth_source
from mickey_hloc.errors import InputError
from mickey_hloc.geometry import project, transform
from mickey_hloc.io.intrinsics import Intrinsics
from mickey_hloc.rooms.augment import AugmentOptions


def rotation(axis: np.ndarray) -> np.ndarray:
    x, y, z = axis
    return torch.linalg.matrix_exp(torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=torch.float64)).numpy()


def make_table(folder: Path, count: int = 3, size: tuple[int, int] = (64, 48), seed: int = 0) -> PairTable:
    rng = np.random.default_rng(seed)
    names, poses = [], []
    for i in range(count):
        names.append(f"frame_{i}.png")
        Image.fromarray(rng.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)).save(folder / names[-1])
        poses.append(np.concatenate([rotation(rng.normal(0, 0.2, 3)), rng.normal(0, 0.3, (3, 1))], axis=1))
    camera = Intrinsics(np.array([[60.0, 0, 31], [0, 61.0, 24], [0, 0, 1]]), *size)
    pairs = np.array([[i, j] for i in range(count) for j in range(i + 1, count)])
    M = len(pairs)
    return PairTable(
        folder,
        names,
        [camera] * count,
        np.stack(poses),
        pairs,
        np.linspace(0.2, 0.9, M, dtype=np.float32),
        np.zeros(M, dtype=np.int64),
    )


@settings(max_examples=25, deadline=None)
@given(st.integers(20, 90), st.integers(20, 90), st.integers(8, 60), st.integers(8, 60))
def test_fitted_intrinsics_follow_the_pixels(width: int, height: int, w: int, h: int) -> None:
    """A ramp that holds the ray of each pixel still holds it after the fit."""
    K = np.array([[50.0, 0, width / 2], [0, 55.0, height / 3], [0, 0, 1]])
    u, v = np.meshgrid(np.arange(width), np.arange(height))
    rays = np.stack([(u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1]], axis=-1).astype(np.float32)
    image, K_new = fit_image(rays, (w, h)), fit_intrinsics(Intrinsics(K, width, height), (w, h))
    assert image.shape == (h, w, 2)
    scale = max(w / width, h / height)
    border = int(np.ceil(scale)) + 1  # interpolation stops at the last pixel centre
    u, v = np.meshgrid(np.arange(w), np.arange(h))
    expected = np.stack([(u - K_new[0, 2]) / K_new[0, 0], (v - K_new[1, 2]) / K_new[1, 1]], axis=-1)
    inner = np.s_[border:-border, border:-border]
    if image[inner].size:
        tolerance = 1e-4 if scale >= 1 else 1.0 / (50 * scale) * 0.51  # averaging over uneven pixel areas
        assert np.abs(image[inner] - expected[inner]).max() < tolerance


def test_items_have_the_relative_pose_and_mirroring_mirrors_the_world(tmp_path: Path) -> None:
    table = make_table(tmp_path)
    X = torch.tensor([[0.3, -0.2, 2.0], [-0.5, 0.4, 3.0], [0.1, 0.1, 1.5]])
    in_cam = [transform(*(torch.from_numpy(a).float() for a in (T[:, :3], T[:, 3])), X) for T in table.cam_from_world]
    plain, mirror = PairDataset(table, (32, 24)), PairDataset(table, (32, 24), PairAugmentation(mirror=True))
    for k, (i, j) in enumerate(table.pairs):
        item = plain[k]
        assert torch.allclose(transform(item["R"], item["t"], in_cam[i]), in_cam[j], atol=1e-5)
        seen = [mirror[Draw(k, seed)] for seed in range(8)]
        flipped = [other for other in seen if not torch.equal(other["image0"], item["image0"])]
        assert 0 < len(flipped) < 8
        F = torch.diag(torch.tensor([-1.0, 1.0, 1.0]))
        for other in flipped:
            assert torch.equal(other["image1"], item["image1"].flip(-1))
            u = project(in_cam[j] @ F, other["K1"])
            assert torch.allclose(u[:, 0], 31 - project(in_cam[j], item["K1"])[:, 0], atol=1e-3)
            assert torch.allclose(transform(other["R"], other["t"], in_cam[i] @ F), in_cam[j] @ F, atol=1e-5)
            assert torch.linalg.det(other["R"]) > 0.99
        assert torch.equal(mirror[k]["image0"], item["image0"])  # asked for by number: as it is


def test_photometric_versions(tmp_path: Path) -> None:
    table = make_table(tmp_path)
    few = PairDataset(table, (32, 24), PairAugmentation(photometric=AugmentOptions(), variants=2))
    images = {few[Draw(0, seed)]["image0"].numpy().tobytes() for seed in range(12)}
    assert len(images) == 2
    many = PairDataset(table, (32, 24), PairAugmentation(photometric=AugmentOptions()))
    assert torch.equal(many[Draw(0, 5)]["image0"], many[Draw(0, 5)]["image0"])
    assert len({many[Draw(0, seed)]["image0"].numpy().tobytes() for seed in range(12)}) == 12


def test_judge_is_resized_with_the_image(tmp_path: Path) -> None:
    table = make_table(tmp_path)
    u, v = np.meshgrid(np.arange(64), np.arange(48))
    for name in table.names:
        millimetres = (1000 + 10 * u + 20 * v).astype(np.uint16)
        millimetres[:5] = 0
        Image.fromarray(millimetres).save(tmp_path / name.replace(".png", ".sensor.png"))
    item = PairDataset(table, (32, 24), judge=get_depth_source("png:sensor", image_dir=tmp_path))[0]
    depth = item["depth0"]
    assert depth.shape == (24, 32)
    assert torch.isnan(depth[:2]).all()
    u, v = np.meshgrid(np.arange(32) * 2 + 0.5, np.arange(24) * 2 + 0.5)
    expected = torch.from_numpy(1 + 0.01 * u + 0.02 * v).float()
    assert (depth - expected)[3:].abs().max() < 0.0151  # the nearest pixel is half a pixel away


def test_joined_tables_keep_scenes_apart(tmp_path: Path) -> None:
    table = make_table(tmp_path)
    both = join_tables([table, table])
    assert len(both) == 6
    assert both.scenes.tolist() == [0, 0, 0, 1, 1, 1]
    assert (both.pairs[3:] - 3 == table.pairs).all()
    assert np.allclose(both.relative_pose(4), table.relative_pose(1))
    assert both.name_pair(5) == ("frame_1.png", "frame_2.png")


def test_wrong_input(tmp_path: Path) -> None:
    table = make_table(tmp_path)
    with pytest.raises(InputError, match="no pairs"):
        PairTable(tmp_path, [], [], np.zeros((0, 3, 4)), np.zeros((0, 2)), np.zeros(0), np.zeros(0))
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(tmp_path / "frame_1.png") as image:
        image.save(tmp_path / "frame_1.png", exif=exif)
    with pytest.raises(InputError, match="EXIF orientation 6"):
        PairDataset(table, (32, 24))[0]
    assert PairDataset(table, (32, 24), exif_turn="ignore")[0]["image1"].shape == (3, 24, 32)
    Image.new("RGB", (10, 10)).save(tmp_path / "frame_0.png")
    with pytest.raises(InputError, match="10x10"):
        PairDataset(table, (32, 24))[0]
    with pytest.raises(IndexError):
        PairDataset(table, (32, 24))[3]
