"""Rooms, pairs and the data set: seeds, real sizes, options, workers, wrong input."""

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from support.bare_rooms import bare_room, intrinsics
from torch.utils.data import DataLoader

from mickey_hloc.cli import main
from mickey_hloc.datasets.synthetic import SyntheticRooms
from mickey_hloc.errors import InputError, MickeyHlocError
from mickey_hloc.geometry import backproject, kabsch, pose_errors
from mickey_hloc.rooms import PairOptions, RenderedPair, RoomError, make_room, render, sample_pair
from mickey_hloc.rooms.augment import AugmentOptions, augment
from mickey_hloc.rooms.cameras import covisible, is_free, look
from mickey_hloc.rooms.furniture import extent
from mickey_hloc.rooms.scene import Box, Material

SIZE = (96, 72)
THEMES = ["living", "office", "bedroom", "kitchen", "bathroom", "storage"]


def camera_centre(cam_from_world: np.ndarray) -> np.ndarray:
    return -cam_from_world[:, :3].T @ cam_from_world[:, 3]


def test_same_seed_same_bytes_other_seed_other_pair() -> None:
    first, again, other = (sample_pair(seed, SIZE) for seed in (7, 7, 8))
    for name in ("view0", "view1"):
        assert getattr(first, name).image.tobytes() == getattr(again, name).image.tobytes()
        assert getattr(first, name).depth.tobytes() == getattr(again, name).depth.tobytes()
        assert getattr(first, name).image.tobytes() != getattr(other, name).image.tobytes()
    assert np.array_equal(first.cam1_from_cam0.matrix(), again.cam1_from_cam0.matrix())
    assert first.room == again.room
    assert first.room != other.room


@pytest.mark.parametrize("theme", THEMES)
def test_rooms_have_real_sizes(theme: str) -> None:
    for seed in range(8):
        room = make_room(seed, theme)
        assert min(room.size[:2]) >= 2.5
        assert max(room.size[:2]) <= 8.0
        assert 2.3 <= room.size[2] <= 3.4
        low, high = extent(list(room.boxes))
        assert (low > -1e-5).all()
        assert (high < np.array(room.size) + 1e-5).all()
        for box in room.boxes:
            if box.front is not None and box.front.kind == "door":
                assert 0.7 < box.size[0] < 1.15
                assert 1.9 < box.size[2] < 2.25
            if box.front is not None and box.front.kind == "socket":
                assert box.size[2] == pytest.approx(0.08)


def test_rooms_carry_scale_cues_and_differ() -> None:
    rooms = [make_room(seed) for seed in range(30)]
    kinds = [{material.kind for material in room.shell} for room in rooms]
    assert len({kind for room in kinds for kind in room}) >= 7
    assert len({room.theme for room in rooms}) >= 4
    doors = [any(b.front is not None and b.front.kind == "door" for b in room.boxes) for room in rooms]
    assert np.mean(doors) > 0.8
    assert min(len(room.boxes) for room in rooms) >= 8


@pytest.mark.parametrize("seed", range(4))
def test_pairs_keep_their_options(seed: int) -> None:
    options = PairOptions(baseline_m=(0.3, 0.6), rotation_deg=(5.0, 20.0), overlap=(0.5, 0.8), height_m=(1.0, 1.5))
    pair = sample_pair(seed, SIZE, options)
    angle = np.degrees(pair.cam1_from_cam0.rotation.angle())
    assert 5.0 - 1e-6 <= angle <= 20.0 + 1e-6
    centres = [camera_centre(view.cam_from_world) for view in (pair.view0, pair.view1)]
    assert 0.3 - 1e-9 <= np.linalg.norm(centres[1] - centres[0]) <= 0.6 + 1e-9
    assert 1.0 <= centres[0][2] <= 1.5
    for centre, overlap, view in zip(centres, (pair.overlap0, pair.overlap1), (pair.view0, pair.view1), strict=True):
        assert is_free(pair.room, centre, options.clearance_m)
        assert 0.5 <= overlap <= 0.8
        assert np.median(view.depth) > options.min_median_depth_m - 0.1
        fov = 2 * np.degrees(np.arctan(0.5 * SIZE[0] / view.K[0, 0]))
        assert options.fov_deg[0] <= fov <= options.fov_deg[1]


def test_two_cameras_where_asked() -> None:
    pair = sample_pair(3, SIZE, PairOptions(same_focal=False))
    assert pair.view0.K[0, 0] != pair.view1.K[0, 0]
    assert np.array_equal(*[view.K for view in [sample_pair(3, SIZE).view0] * 2])


def test_impossible_options_are_an_error() -> None:
    options = PairOptions(baseline_m=(1.2, 1.2), overlap=(0.9999, 1.0), max_tries=2)
    with pytest.raises(RoomError, match="No pair of views"):
        sample_pair(0, SIZE, options, room=make_room(0))
    with pytest.raises(ValueError, match="low <= high"):
        PairOptions(overlap=(0.9, 0.4))
    with pytest.raises(ValueError, match="fov_deg"):
        PairOptions(fov_deg=(10.0, 190.0))
    with pytest.raises(RoomError, match="at least 0"):
        sample_pair(-1, SIZE)
    with pytest.raises(RoomError, match=r"did you mean 'kitchen'.*storage"):
        make_room(0, "kitchn")
    assert not issubclass(RoomError, MickeyHlocError)


@pytest.mark.parametrize("pairs_per_room", [1, 2])
def test_the_data_set_says_in_the_same_words_that_options_are_impossible(pairs_per_room: int) -> None:
    options = PairOptions(baseline_m=(1.2, 1.2), overlap=(0.9999, 1.0), max_tries=1)
    with pytest.raises(RoomError) as by_rooms:
        sample_pair(0, SIZE, options)
    with pytest.raises(InputError) as by_data_set:
        SyntheticRooms(2, size_wh=SIZE, options=options, pairs_per_room=pairs_per_room).pair(0)
    assert str(by_data_set.value) == str(by_rooms.value)


def test_the_command_line_says_it_in_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--room", "-1", "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.count("A room needs a seed of at least 0") == 1
    assert not (tmp_path / "out").exists()


def test_covisible_in_known_cases() -> None:
    K = intrinsics(*SIZE, 80.0)
    pose = look(np.array([0.5, 1.5, 1.2]), 0.0, 0.0, 0.0)
    empty, occluder = bare_room(), Box((2.0, 1.5, 1.25), (0.1, 3.0, 2.5), 0.0, Material("paint", ((0.5, 0.5, 0.5),)))
    depth = render(empty, K, SIZE, pose).depth
    identity, behind = np.eye(4)[:3], np.diag([-1.0, 1.0, -1.0, 1.0])[:3]
    assert covisible(depth, K, depth, K, identity).all()
    assert not covisible(depth, K, depth, K, behind).any()
    hidden = render(bare_room(occluder), K, SIZE, pose).depth
    assert covisible(hidden, K, depth, K, identity).all()
    far = depth > hidden + 0.05
    assert far.any()
    assert not covisible(depth, K, hidden, K, identity)[far].any()


def kabsch_ransac(X: torch.Tensor, Y: torch.Tensor, threshold_m: float = 0.05) -> tuple[torch.Tensor, torch.Tensor]:
    """Best of 300 three-point alignments, refined on its inliers."""
    generator = torch.Generator().manual_seed(0)
    triples = torch.stack([torch.randperm(len(X), generator=generator)[:3] for _ in range(300)])
    R, t = kabsch(X[triples], Y[triples])
    inliers = (X @ R.transpose(-1, -2) + t[:, None] - Y).norm(dim=-1) < threshold_m
    mask = inliers[inliers.sum(dim=1).argmax()]
    for _ in range(4):
        R_best, t_best = kabsch(X, Y, mask)
        mask = (X @ R_best.T + t_best - Y).norm(dim=-1) < threshold_m
    return R_best, t_best


def sift_translation_error(pair: RenderedPair) -> float:
    """Metres; SIFT, ratio test, exact depth at the nearest pixel, Kabsch."""
    sift = cv2.SIFT_create(1500)
    keypoints, descriptors = zip(
        *(sift.detectAndCompute(cv2.cvtColor(v.image, cv2.COLOR_RGB2GRAY), None) for v in (pair.view0, pair.view1)),
        strict=True,
    )
    near = cv2.BFMatcher().knnMatch(*descriptors, k=2)
    matches = [a for a, b in near if a.distance < 0.8 * b.distance]
    points = []
    for side, view in enumerate((pair.view0, pair.view1)):
        at = np.array([keypoints[side][m.trainIdx if side else m.queryIdx].pt for m in matches])
        depth = torch.from_numpy(view.depth[tuple(np.rint(at).astype(int).T[::-1])]).double()
        points.append(backproject(torch.from_numpy(at), depth, torch.from_numpy(view.K)))
    R, t = kabsch_ransac(*points)
    truth = torch.from_numpy(np.array(pair.cam1_from_cam0.matrix()))
    return float(pose_errors(R, t, truth[:, :3], truth[:, 3])[1])


def test_sift_with_exact_depth_recovers_the_pose() -> None:
    errors = [sift_translation_error(sample_pair(seed)) for seed in range(5)]
    assert np.median(errors) < 0.02


def test_dataset_items() -> None:
    dataset = SyntheticRooms(3, seed=5, size_wh=SIZE)
    item = dataset[1]
    assert item["image0"].shape == item["image1"].shape == (3, SIZE[1], SIZE[0])
    assert item["image0"].dtype == torch.float32
    assert 0.0 <= float(item["image0"].min()) < float(item["image0"].max()) <= 1.0
    assert item["depth0"].shape == (SIZE[1], SIZE[0])
    assert torch.allclose(item["R"] @ item["R"].T, torch.eye(3), atol=1e-5)
    pair = dataset.pair(1)
    assert np.allclose(item["t"], pair.cam1_from_cam0.translation, atol=1e-6)
    assert torch.equal(item["K1"], torch.from_numpy(pair.view1.K).float())
    assert item["overlap"].tolist() == pytest.approx([pair.overlap0, pair.overlap1])
    assert not torch.equal(item["image0"], SyntheticRooms(3, seed=6, size_wh=SIZE)[1]["image0"])
    assert not torch.equal(item["image0"], dataset[2]["image0"])
    with pytest.raises(IndexError):
        dataset[3]
    with pytest.raises(ValueError, match="at least"):
        SyntheticRooms(0)


def test_workers_make_the_same_items() -> None:
    dataset = SyntheticRooms(4, seed=1, size_wh=(48, 36), augmentation=AugmentOptions(), pairs_per_room=2)
    loaded = list(DataLoader(dataset, batch_size=2, num_workers=2))
    assert [index for batch in loaded for index in batch["index"].tolist()] == [0, 1, 2, 3]
    for batch in loaded:
        for k, index in enumerate(batch["index"].tolist()):
            fresh = SyntheticRooms(4, 1, (48, 36), augmentation=AugmentOptions(), pairs_per_room=2)[index]
            assert torch.equal(batch["image1"][k], fresh["image1"])
            assert torch.equal(batch["t"][k], fresh["t"])


def test_pairs_share_a_room_where_asked() -> None:
    dataset = SyntheticRooms(4, seed=2, size_wh=(48, 36), pairs_per_room=2)
    rooms = [dataset.pair(k).room.seed for k in range(4)]
    assert rooms[0] == rooms[1] != rooms[2] == rooms[3]
    # A room in which the options cannot be met is left for another one.
    crowded = SyntheticRooms(2, 2, (48, 36), PairOptions(clearance_m=0.9, max_tries=20), pairs_per_room=2)
    assert crowded.pair(0).overlap0 >= 0.4


def test_augmentation_is_seeded_and_photometric() -> None:
    image = sample_pair(0, SIZE).view0.image
    original = image.copy()
    assert np.array_equal(augment(image, 3), augment(image, 3))
    assert not np.array_equal(augment(image, 3), augment(image, 4))
    assert np.array_equal(image, original)
    still = AugmentOptions((0, 0), (1, 1), 0.0, (1, 1), (0, 0), noise=(0, 0), share=0.0)
    assert np.abs(augment(image, 1, still).astype(int) - image).max() <= 1
    darker = augment(image, 1, dataclasses.replace(still, exposure_stops=(-1, -1)))
    assert darker.mean() == pytest.approx(0.5 * image.mean(), rel=0.02)
    for seed in range(20):
        blurred = augment(image, seed, dataclasses.replace(still, share=1.0, motion_px=(1, 60)))
        assert blurred.mean() == pytest.approx(image.mean(), rel=0.05)
    with pytest.raises(ValueError, match="uint8"):
        augment(image.astype(np.float32), 0)
