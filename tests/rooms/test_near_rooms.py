"""Rooms that people live in, and cameras as people hold them."""

import json
from pathlib import Path

import numpy as np
import pytest

from mickey_hloc.cli import main
from mickey_hloc.datasets.mapfree_pairs import MapFreeSource
from mickey_hloc.rooms import make_room, render, sample_pair
from mickey_hloc.rooms.cameras import PairOptions, is_free, preview
from mickey_hloc.rooms.furniture import extent
from mickey_hloc.rooms.lived_in import make_lived_in_room
from mickey_hloc.rooms.styles import NEAR, STYLES


def near_views(rooms: int, views: int) -> list[tuple[object, np.ndarray, np.ndarray]]:
    """Rooms, poses and depths of previews."""
    rng, out = np.random.default_rng(0), []
    K = np.array([[500.0, 0, 319.5], [0, 500.0, 239.5], [0, 0, 1]])
    for seed in range(rooms):
        room, found = make_lived_in_room(seed), 0
        while found < views:
            poses = STYLES["near"].poses(rng, room, NEAR)
            if poses is not None:
                found += 1
                out += [(room, pose, preview(room, K, (640, 480), pose)[0]) for pose in poses]
    return out


def test_things_are_added_and_nothing_of_the_room_is_lost() -> None:
    for seed in range(5):
        room = make_lived_in_room(seed)
        bare = make_room(seed, room.theme)
        assert room.boxes[: len(bare.boxes)] == bare.boxes
        assert len(room.boxes) > len(bare.boxes) + 10
        assert room == make_lived_in_room(seed)
        for box in room.boxes[len(bare.boxes) :]:
            low, high = extent([box])
            assert (low >= 0).all()
            assert (high <= np.array(room.size)).all()


def test_things_on_furniture_touch_what_they_stand_on() -> None:
    room = make_lived_in_room(3, "office")
    bare = make_room(3, "office")
    tops = [b.centre[2] + b.size[2] / 2 for b in bare.boxes]
    feet = [b.centre[2] - b.size[2] / 2 for b in room.boxes[len(bare.boxes) :]]
    on_tops = [z for z in feet if z > 0.3 and min(abs(z - t) for t in tops) < 1e-6]
    assert len(on_tops) > 5


def test_near_views_look_down_at_things_from_near() -> None:
    views = near_views(rooms=8, views=8)
    depths = np.concatenate([depth.ravel() for _, _, depth in views])
    assert 1.2 < np.median(depths) < 2.2
    assert 0.1 < (depths < 1.0).mean() < 0.45
    pitch = [np.degrees(np.arcsin(pose[2, 2])) for _, pose, _ in views]
    assert np.median(pitch) < -15.0  # the axis points below the horizon
    roll = [np.degrees(np.arcsin(np.clip(pose[0, 2], -1, 1))) for _, pose, _ in views]
    assert 4.0 < np.std(roll) < 25.0
    for room, pose, _ in views:
        assert is_free(room, -pose[:, :3].T @ pose[:, 3], NEAR.clearance_m - 1e-9)  # type: ignore[arg-type]


def test_tilted_views_are_of_bare_rooms_and_lean() -> None:
    style, rng, rolls = STYLES["tilted"], np.random.default_rng(0), []
    room = style.room(3)
    assert room == make_room(3)
    for _ in range(200):
        for pose in style.poses(rng, room, style.options) or ():
            centre = -pose[:, :3].T @ pose[:, 3]
            assert is_free(room, centre, style.options.clearance_m - 1e-9)
            rolls.append(np.degrees(np.arcsin(np.clip(pose[0, 2], -1, 1))))  # how far the image's x leaves the horizon
    assert len(rolls) > 40
    assert np.abs(rolls).max() > 10


def test_a_near_pair_meets_its_ranges_and_renders() -> None:
    pair = sample_pair(1, (160, 120), NEAR)
    assert NEAR.overlap[0] <= min(pair.overlap0, pair.overlap1) <= NEAR.overlap[1]
    baseline = float(np.linalg.norm(pair.cam1_from_cam0.translation))
    assert NEAR.baseline_m[0] <= baseline <= NEAR.baseline_m[1]
    again = render(pair.room, pair.view0.K, (160, 120), pair.view0.cam_from_world)
    assert np.array_equal(again.image, pair.view0.image)
    assert pair.view0.image.std() > 10


def test_the_command_writes_near_rooms_with_a_focal_length_a_place(tmp_path: Path) -> None:
    command = ["rooms", str(tmp_path), "--style", "near", "--rooms", "2", "--size", "64", "48", "--views", "3"]
    assert main(command) == 0
    assert json.loads((tmp_path / "rooms.json").read_text())["views"]["style"] == "near"
    table = MapFreeSource(str(tmp_path), min_overlap=0.1, max_overlap=0.95).table()
    focal = {round(float(c.K[0, 0]), 3) for c in table.intrinsics}
    assert len(focal) == 4
    assert min(focal) >= 32 / np.tan(np.radians(40.0)) - 1e-3
    assert max(focal) <= 32 / np.tan(np.radians(25.0)) + 1e-3


def test_rooms_made_before_there_were_styles_are_continued(tmp_path: Path) -> None:
    command = ["rooms", str(tmp_path), "--rooms", "1", "--size", "64", "48", "--views", "2"]
    assert main(command) == 0
    record = tmp_path / "rooms.json"
    written = json.loads(record.read_text())
    for key in ("style", "distance_m", "elevation_deg"):
        del written["views"][key]
    record.write_text(json.dumps(written))
    assert main(command) == 0
    assert main([*command, "--style", "near"]) == 2


def test_a_distance_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="distance_m"):
        PairOptions(distance_m=(0.0, 1.0))
