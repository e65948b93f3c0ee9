"""Lengths in models of rooms whose lengths are known, and their intervals."""

import numpy as np
import pycolmap
import pytest
from support.room_depth import model_of, names, true_depth, walk

from mickey_hloc.datasets.room_models import visible_edges
from mickey_hloc.errors import InputError
from mickey_hloc.metric.lengths import KnownDistance, KnownLength, RigBaseline
from mickey_hloc.metric.measuring import MeasureOptions, camera_distance, measure
from mickey_hloc.metric.surface import fit_plane

UNITS = 2.5


@pytest.fixture(scope="module")
def model() -> pycolmap.Reconstruction:
    return model_of(walk()[0], points_per_view=300)


@pytest.fixture(scope="module")
def edges() -> list[tuple[str, np.ndarray, float]]:
    """Long edges of furniture and doors, each from one image."""
    views, room = walk()
    return [
        (name, pixels, length)
        for name, view in zip(names(views), views, strict=True)
        for pixels, length in visible_edges(view, room, 0.7)[:5]
    ]


def test_edges_of_furniture_are_as_long_as_they_are(
    model: pycolmap.Reconstruction, edges: list[tuple[str, np.ndarray, float]]
) -> None:
    assert len(edges) > 20
    by_depth, by_points, inside = [], [], 0
    source = true_depth(walk()[0])
    fine = MeasureOptions(window_px=1)  # of images of 160 px
    for name, pixels, length in edges:
        by_depth.append(measure(model, name, pixels, fine, source).length / length - 1)
        found = measure(model, name, pixels)
        low, high = found.interval_95()
        inside += low <= length <= high
        by_points.append(found.length / length - 1)
    assert np.median(np.abs(by_depth)) < 0.015
    assert np.median(np.abs(by_points)) < 0.03
    assert inside > 0.8 * len(edges)


def test_the_scale_of_the_depth_source_does_not_count(model: pycolmap.Reconstruction, edges) -> None:
    name, pixels, _ = edges[0]
    one, other = (measure(model, name, pixels, depth=true_depth(walk()[0], factors={name: f})) for f in (1.0, 3.0))
    assert other.length == pytest.approx(one.length, rel=1e-4)


def test_the_interval_grows_with_the_uncertainty_of_scale_and_pixels(model: pycolmap.Reconstruction, edges) -> None:
    name, pixels, _ = edges[0]
    sure = measure(model, name, pixels, MeasureOptions(pixel_std=0.0))
    unsure = measure(model, name, pixels, MeasureOptions(pixel_std=5.0))
    assert unsure.length == sure.length
    assert unsure.std > sure.std
    low, high = sure.interval_95(0.1)
    assert high - low > 0.3 * sure.length
    assert sure.length == pytest.approx((low + high) / 2)


def test_the_distance_of_two_cameras() -> None:
    views = walk()[0]
    model = model_of(views, units_per_metre=UNITS)
    places = [pycolmap.Rigid3d(view.cam_from_world).inverse().translation for view in views]
    found = camera_distance(model, "000.png", "007.png")
    assert found.length == pytest.approx(UNITS * np.linalg.norm(places[7] - places[0]))


def test_a_plane_is_found_among_wrong_points() -> None:
    rng = np.random.default_rng(0)
    rays = np.concatenate([rng.uniform(-0.5, 0.5, (40, 2)), np.ones((40, 1))], axis=1)
    depths = 1.0 / (rays @ [0.1, -0.2, 0.4])
    depths[:12] *= rng.uniform(1.2, 2.0, 12)
    plane, on_plane = fit_plane(rays, depths, np.ones(40))
    assert on_plane.tolist() == [False] * 12 + [True] * 28
    np.testing.assert_allclose(plane.inverse_depth, [0.1, -0.2, 0.4], atol=1e-6)
    assert plane.depths(np.array([[0.0, 5.0, 1.0]])) == pytest.approx([np.nan], nan_ok=True)


def test_what_cannot_be_measured_is_one_sentence(model: pycolmap.Reconstruction) -> None:
    inside = np.array([[10.0, 10.0], [50.0, 60.0]])
    for name, pixels, options, words in (
        ("other.png", inside, None, "no image 'other.png' with a pose .it has names like '00"),
        ("000.png", np.array([[10.0, 10.0], [500.0, 60.0]]), None, "outside of image '000.png' of 160x120"),
        ("000.png", np.array([[10.0, np.nan], [50.0, 60.0]]), None, "outside of image"),
        ("000.png", np.array([[10.0, 10.0], [10.0, 10.0]]), None, "Both pixels are the same"),
        ("000.png", inside, MeasureOptions(surface="depth"), "needs a depth source"),
    ):
        with pytest.raises(InputError, match=words):
            measure(model, name, pixels, options)
    with pytest.raises(InputError, match="given twice"):
        camera_distance(model, "000.png", "000.png")
    for wrong in ({"surface": "sphere"}, {"pixel_std": -1}, {"window_px": 0}):
        with pytest.raises(InputError):
            MeasureOptions(**wrong)
    model_without_points = model_of(walk()[0], points_per_view=0)
    with pytest.raises(InputError, match="sees 0 points of the model"):
        measure(model_without_points, "000.png", inside)


def test_known_lengths_give_the_scale(edges: list[tuple[str, np.ndarray, float]]) -> None:
    views = walk()[0]
    model = model_of(views, points_per_view=300, units_per_metre=UNITS)
    source = true_depth(views)
    errors = []
    for name, pixels, length in edges[:20]:
        known = KnownLength(name, tuple(pixels.ravel()), length)
        errors.append(known.evidence(model, MeasureOptions(window_px=1), source).scale * UNITS - 1)
    assert np.median(np.abs(errors)) < 0.015
    apart = camera_distance(model, "000.png", "009.png").length
    evidence = KnownDistance("000.png", "009.png", apart / UNITS).evidence(model)
    assert evidence.scale == pytest.approx(1 / UNITS)
    assert "000.png and 009.png" in str(evidence)


def test_the_baseline_of_a_rig_gives_the_scale() -> None:
    pycolmap.set_random_seed(0)
    model = pycolmap.synthesize_dataset(
        pycolmap.SyntheticDatasetOptions(num_rigs=1, num_cameras_per_rig=3, num_frames_per_rig=2)
    )
    rig = model.rigs[1]
    sensors = {sensor.id: sensor for sensor in rig.sensor_ids()}
    places = {i: rig.sensor_from_rig(s).inverse().translation for i, s in sensors.items() if not rig.is_ref_sensor(s)}
    (a, at_a), (b, at_b) = places.items()
    assert RigBaseline(a, b, 0.5).evidence(model).scale == pytest.approx(0.5 / np.linalg.norm(at_a - at_b))
    reference = rig.ref_sensor_id.id
    assert RigBaseline(reference, b, 0.5).evidence(model).scale == pytest.approx(0.5 / np.linalg.norm(at_b))
    with pytest.raises(InputError, match="No rig of the model has the cameras 1 and 9"):
        RigBaseline(1, 9, 0.5).evidence(model)
    for metres in (0.0, -1.0, float("nan")):
        with pytest.raises(InputError, match="positive number of metres"):
            RigBaseline(1, 2, metres)
