"""Positions of cameras: exact ones give the scale and the upright model, wrong ones are said to be wrong."""

from pathlib import Path

import numpy as np
import pycolmap
import pytest
from PIL import Image
from support.room_depth import model_of, names, walk

from mickey_hloc.errors import InputError
from mickey_hloc.metric.gps import align, enu_from_gps, read_exif_gps, read_gps, read_positions
from mickey_hloc.scale_reconstruction import Evidence, scale_model

UNITS = 2.5


def truth() -> dict[str, np.ndarray]:
    views = walk()[0]
    return {
        name: pycolmap.Rigid3d(view.cam_from_world).inverse().translation
        for name, view in zip(names(views), views, strict=True)
    }


@pytest.fixture
def model() -> pycolmap.Reconstruction:
    return model_of(walk()[0], units_per_metre=UNITS)


def write(path: Path, table: dict[str, np.ndarray]) -> Path:
    path.write_text(
        "".join(f"{name} {x!r} {y!r} {z!r}\n" for name, (x, y, z) in table.items()).replace("np.float64", "")
    )
    path.write_text(path.read_text().replace("(", "").replace(")", ""))
    return path


def test_positions_scale_the_model_and_put_it_where_they_are(model: pycolmap.Reconstruction, tmp_path: Path) -> None:
    path = write(tmp_path / "positions.txt", truth())
    found = scale_model(model, Evidence(positions=path))
    assert found.scale.scale == pytest.approx(1 / UNITS, rel=1e-4)
    assert not found.scale.disagreements
    for name, place in truth().items():
        np.testing.assert_allclose(model.find_image_with_name(name).projection_center(), place, atol=2e-3)


def test_noise_is_in_the_interval_and_a_wild_position_is_left_out(model: pycolmap.Reconstruction) -> None:
    inside = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        noisy = {name: place + 0.03 * rng.normal(size=3) for name, place in truth().items()}
        noisy["004.png"] = noisy["004.png"] + [3.0, -2.0, 0.0]
        found = align(model, noisy, "positions")
        assert found.outliers[:1] == ("004.png",) or "004.png" in found.outliers
        low, high = found.evidence.interval_95
        inside += low <= 1 / UNITS <= high
    assert inside >= 35


def test_swapped_axes_and_a_wrong_unit_are_disagreements(model: pycolmap.Reconstruction) -> None:
    swapped = {name: place[[1, 0, 2]] for name, place in truth().items()}
    found = align(model, swapped, "swapped")
    assert "swapped" in found.evidence.contradiction
    assert not found.is_turned
    up_is_second = {name: place[[0, 2, 1]] for name, place in truth().items()}
    assert align(model, up_is_second, "y up").evidence.contradiction
    assert not align(model, truth(), "true").evidence.contradiction


def test_cameras_on_a_line_give_the_scale_but_no_rotation(model: pycolmap.Reconstruction) -> None:
    positions = {name: place for name, place in truth().items() if name in ("000.png", "001.png", "002.png")}
    with pytest.raises(InputError, match="positions of 2 of the model's 10 images; 3 are needed"):
        align(model, dict(list(positions.items())[:2]), "few")
    with pytest.raises(InputError, match="at one place"):
        align(model, {name: np.zeros(3) for name in names(walk()[0])}, "standing")


def test_degrees_become_metres_east_north_and_up() -> None:
    places = {
        "a": np.array([47.0, 8.0, 400.0]),
        "b": np.array([47.001, 8.0, 400.0]),
        "c": np.array([47.0, 8.001, 410.0]),
    }
    enu = enu_from_gps(places)
    np.testing.assert_allclose(enu["a"], 0, atol=1e-6)
    np.testing.assert_allclose(enu["b"], [0, 111.2, 0], atol=0.2)
    np.testing.assert_allclose(enu["c"], [76.06, 0, 10], atol=0.2)
    assert enu_from_gps({}) == {}


def test_positions_in_exif_data(model: pycolmap.Reconstruction, tmp_path: Path) -> None:
    """Places far apart, as EXIF has no millimetres: a hundred times the room."""
    views = walk()[0]
    for name, place in truth().items():
        write_gps(tmp_path / name.replace(".png", ".jpg"), 100 * place)
    Image.new("RGB", (16, 12)).save(tmp_path / "no-gps.jpg")
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    jpgs = [name.replace(".png", ".jpg") for name in names(views)]
    found = read_exif_gps(tmp_path, [*jpgs, "no-gps.jpg", "broken.jpg", "absent.jpg"])
    assert sorted(found) == jpgs
    positions = {name.replace(".jpg", ".png"): place for name, place in found.items()}
    assert align(model, positions, "GPS in EXIF").evidence.scale == pytest.approx(100 / UNITS, rel=5e-3)
    with pytest.raises(InputError, match="leads out of"):
        read_exif_gps(tmp_path, ["../x.jpg"])


def write_gps(path: Path, enu: np.ndarray) -> None:
    latitude = -33.0 + enu[1] / 110916.0
    longitude = -70.0 + enu[0] / (111320.0 * np.cos(np.radians(33.0)))
    exif = Image.Exif()
    exif[0x8825] = {
        1: "S",
        2: (0.0, 0.0, abs(latitude) * 3600),
        3: "W",
        4: (abs(longitude), 0.0, 0.0),
        5: b"\x00",
        6: 500.0 + enu[2],
    }
    Image.new("RGB", (16, 12)).save(path, exif=exif)


def test_wrong_files_are_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "gps.txt"
    for text, words in (
        ("a.jpg 1 2\n", "line 1: expected 'name x y z', got 3 fields"),
        ("# name lat lon alt\na.jpg 1 2 x\n", "line 2: 'x' is not a number"),
        ("a.jpg 1 2 3\na.jpg 1 2 3\n", "'a.jpg' is there twice"),
        ("a.jpg 2600000 1200000 400\n", "latitude 2.6e.06 .* or give positions in metres"),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=words):
            read_gps(path)
    with pytest.raises(InputError, match="No file of positions"):
        read_positions(tmp_path / "absent.txt")
