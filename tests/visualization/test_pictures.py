import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mickey_hloc.errors import InputError
from mickey_hloc.visualization import draw_depth_map, draw_matches, draw_score_map, save_image
from mickey_hloc.visualization.canvas import Scale, colormap, render, robust_limits

random = np.random.default_rng(0)


def photo(width: int, height: int) -> np.ndarray:
    return random.integers(0, 255, (height, width, 3), dtype=np.uint8)


def matches(count: int, size0: tuple[int, int], size1: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return random.uniform(0, size0, (count, 2)), random.uniform(0, size1, (count, 2)), random.random(count) < 0.5


@pytest.mark.parametrize(
    ("size0", "size1"), [((640, 480), (640, 480)), ((640, 480), (270, 360)), ((31, 57), (2000, 900)), ((1, 1), (5, 3))]
)
@pytest.mark.parametrize("count", [0, 1, 900])
def test_matches_of_all_sizes_and_counts(size0: tuple[int, int], size1: tuple[int, int], count: int) -> None:
    keypoints0, keypoints1, inliers = matches(count, size0, size1)
    picture = draw_matches(
        photo(*size0), photo(*size1), keypoints0, keypoints1, inliers, values=random.random(count), title="a\nb"
    )
    assert picture.dtype == np.uint8
    assert picture.ndim == 3
    assert picture.shape[2] == 3
    if size0 == size1 == (640, 480):
        assert picture.shape[0] >= 480
        assert picture.shape[1] >= 1280


def test_photos_stay_pixel_by_pixel_under_a_rendered_title() -> None:
    image = photo(320, 200)
    picture = render(image, lambda axes: None, "title", Scale(colormap("viridis"), 0, 1, "m"), "note")
    height, width = image.shape[:2]
    tops = [y for y in range(picture.shape[0] - height + 1) if np.array_equal(picture[y : y + height, :width], image)]
    assert len(tops) == 1
    assert tops[0] > 0


def test_a_line_joins_the_two_keypoints() -> None:
    black = np.zeros((480, 640, 3), np.uint8)
    first, second = np.array([[100.0, 100.0]]), np.array([[300.0, 100.0]])
    picture = draw_matches(black, black, first, second, np.array([True])).astype(int)
    bright = np.argwhere(picture[:480].min(axis=2) < picture[:480].max(axis=2) - 40)  # yellow
    assert bright[:, 0].min() > 90
    assert bright[:, 0].max() < 110
    assert bright[:, 1].min() == pytest.approx(100, abs=5)
    assert bright[:, 1].max() == pytest.approx(640 + 6 + 300, abs=5)
    middle = picture[98:103, 400].max(axis=0)
    assert middle[0] > 150  # the line is there half way


def test_outliers_are_fainter_than_inliers() -> None:
    black = np.zeros((480, 640, 3), np.uint8)
    first, second = np.array([[100.0, 100.0]]), np.array([[300.0, 100.0]])
    inlier = draw_matches(black, black, first, second, np.array([True]))[:480].sum(dtype=np.int64)
    outlier = draw_matches(black, black, first, second, np.array([False]))[:480].sum(dtype=np.int64)
    nothing = draw_matches(black, black, first[:0], second[:0], np.zeros(0, bool))[:480].sum(dtype=np.int64)
    assert nothing < outlier < 0.5 * (inlier + nothing)


def test_values_choose_the_colour_and_unknown_is_grey() -> None:
    black = np.zeros((480, 640, 3), np.uint8)
    keypoints = np.array([[50.0, 100.0], [50.0, 200.0], [50.0, 300.0]])
    values = np.array([1.0, 3.0, np.nan])
    picture = draw_matches(black, black, keypoints, keypoints, np.ones(3, bool), values, limits=(1, 3)).astype(int)
    near, far, unknown = (picture[y, 50] for y in (100, 200, 300))
    assert near[0] > 200 > far[1]
    assert np.ptp(unknown) < 10
    assert unknown.min() > 100


def test_same_input_gives_the_same_picture_also_in_threads() -> None:
    images = photo(320, 240), photo(200, 300)
    arguments = matches(50, (320, 240), (200, 300))
    expected = draw_matches(*images, *arguments, title="same")
    results: list[np.ndarray] = []
    threads = [
        threading.Thread(target=lambda: results.append(draw_matches(*images, *arguments, title="same")))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 3
    assert all(np.array_equal(expected, result) for result in results)


def test_the_arrays_given_are_not_changed() -> None:
    image, depths = photo(64, 48), random.random((48, 64))
    copies = image.copy(), depths.copy()
    draw_depth_map(image, None, depths)
    draw_score_map(image, None, depths)
    np.testing.assert_array_equal(image, copies[0])
    np.testing.assert_array_equal(depths, copies[1])


@pytest.mark.parametrize("draw", [draw_depth_map, draw_score_map])
@pytest.mark.parametrize("size", [(640, 480), (33, 90), (3000, 20), (1, 1)])
def test_maps_dense_sparse_empty_and_unknown(draw: Callable[..., np.ndarray], size: tuple[int, int]) -> None:
    image = photo(*size)
    keypoints = random.uniform(0, size, (200, 2))
    for arguments in (
        (keypoints, random.random(200)),
        (keypoints, np.full(200, np.nan)),
        (keypoints[:1], np.ones(1)),
        (np.zeros((0, 2)), np.zeros(0)),
        (None, random.random((size[1], size[0]))),
        (None, random.random((3, 4))),
        (None, np.full((3, 4), np.nan)),
        (None, np.zeros((3, 4))),
    ):
        picture = draw(image, *arguments, title="t")
        assert picture.dtype == np.uint8
        assert picture.shape[2] == 3


def test_depth_is_coloured_where_known_only() -> None:
    grey = np.full((480, 640, 3), 100, np.uint8)
    depths = np.full((48, 64), 2.0)
    depths[:, 32:] = np.nan
    depths[:10, :32] = -1.0
    picture = draw_depth_map(grey, None, depths).astype(int)[:480, :640]
    colored = np.ptp(picture, axis=2) > 20
    assert colored[110:, :310].all()
    assert not colored[:, 330:].any()
    assert not colored[:95].any()


def test_scores_are_shown_relative_to_their_mean() -> None:
    image, keypoints = photo(64, 48), random.uniform(0, 48, (30, 2))
    scores = random.random(30)
    np.testing.assert_array_equal(
        draw_score_map(image, keypoints, scores), draw_score_map(image, keypoints, scores * 2.0**-20)
    )


def test_limits_ignore_a_few_extremes() -> None:
    values = np.concatenate([np.linspace(1, 2, 200), [1000.0, np.nan, np.inf]])
    low, high = robust_limits(values)
    assert 1 <= low < high <= 2
    assert robust_limits(np.array([np.nan])) == (0.0, 1.0)
    low, high = robust_limits(np.array([3.0]))
    assert low < 3 < high


def test_titles_are_text_and_fit() -> None:
    image = photo(640, 480)
    plain = draw_depth_map(image, None, np.ones((4, 4)))
    dollars = draw_depth_map(image, None, np.ones((4, 4)), title="a_$\\frac{$.jpg")  # no mathematics in file names
    long = draw_depth_map(image, None, np.ones((4, 4)), title="a word " * 60)
    assert plain.shape[0] < dollars.shape[0] < long.shape[0]
    assert plain.shape[1] == long.shape[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image0": np.zeros((4, 4), np.uint8)}, "image0 must be"),
        ({"image1": np.zeros((4, 4, 3))}, "image1 must be"),
        ({"keypoints0": np.zeros((2, 2))}, "wanted keypoints"),
        ({"values": np.zeros(2)}, "values must have shape"),
    ],
)
def test_wrong_arrays_are_refused(change: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {
        "image0": photo(8, 8),
        "image1": photo(8, 8),
        "keypoints0": np.zeros((3, 2)),
        "keypoints1": np.zeros((3, 2)),
        "inliers": np.ones(3, bool),
    }
    with pytest.raises(ValueError, match=message):
        draw_matches(**(arguments | change))
    with pytest.raises(ValueError, match="wanted keypoints"):
        draw_depth_map(photo(8, 8), np.zeros((3, 2)), np.zeros(2))
    with pytest.raises(ValueError, match="a map must have"):
        draw_depth_map(photo(8, 8), None, np.zeros(2))


def test_saving_makes_folders_and_whole_files(tmp_path: Path) -> None:
    image = photo(30, 20)
    path = save_image(tmp_path / "a/b/picture.png", image)
    with Image.open(path) as read:
        np.testing.assert_array_equal(np.asarray(read), image)
    save_image(tmp_path / "picture.JPG", image)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "picture.JPG"]
    with pytest.raises(InputError, match="a picture is written as"):
        save_image(tmp_path / "picture.xyz", image)
    with pytest.raises(ValueError, match="uint8"):
        save_image(path, image.astype(float))
    with Image.open(path) as read:
        np.testing.assert_array_equal(np.asarray(read), image)


def test_pyplot_is_never_imported() -> None:
    code = (
        "import sys, numpy as np; from mickey_hloc.visualization import draw_depth_map;"
        "draw_depth_map(np.zeros((20, 20, 3), np.uint8), None, np.ones((2, 2)));"
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
