"""The unit of a depth image: said in the spec everywhere, and questioned where what comes out is no scene."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from mickey_hloc import Method, Photo, TwoViewEstimator, cli
from mickey_hloc.depth.png import depth_paths
from mickey_hloc.depth.sources import get_depth_source
from mickey_hloc.errors import InputError
from mickey_hloc.solvers import get_solver
from mickey_hloc.solvers.base import View
from mickey_hloc.two_view.problem import ViewData
from mickey_hloc.two_view.solving import within_tolerance

UNITS = {"": 1000, "@1000": 1000, "@5000": 5000, "@256": 256, "@100": 100, "@1": 1}  # units a metre


def write_photo(folder: Path, metres: np.ndarray, units_per_metre: float, name: str = "a") -> None:
    height, width = metres.shape
    bricks = np.random.default_rng(0).integers(0, 255, (height // 8, width // 8, 1), dtype=np.uint8)
    image = bricks.repeat(8, axis=0).repeat(8, axis=1).repeat(3, axis=2)
    PIL.Image.fromarray(image).save(folder / f"{name}.png")
    depth = np.rint(metres * units_per_metre).astype(np.uint16)
    PIL.Image.fromarray(depth).save(depth_paths(folder / f"{name}.png", "sensor")[0])


@pytest.fixture
def wall() -> np.ndarray:
    """2 to 5 m."""
    return np.linspace(2, 5, 240 * 320).reshape(240, 320)


@pytest.mark.parametrize("unit", UNITS)
def test_each_unit_gives_the_same_metres(unit: str, wall: np.ndarray, tmp_path: Path) -> None:
    write_photo(tmp_path, wall, UNITS[unit])
    found = get_depth_source(f"png:sensor{unit}", image_dir=tmp_path).depth_map("a.png")
    np.testing.assert_allclose(found.numpy(), wall, atol=0.5001 / UNITS[unit])


ASKED = r"image 'a\.png' at .* m in the middle.*another unit\? .*png:<suffix>@1"


def test_metres_read_as_millimetres_are_refused_and_the_unit_is_asked_for(wall: np.ndarray, tmp_path: Path) -> None:
    write_photo(tmp_path, wall, 1)
    source = get_depth_source("png:sensor", image_dir=tmp_path)
    for ask in (lambda: source.depth_map("a.png"), lambda: source.depths("a.png", torch.tensor([[5.0, 5.0]]))):
        with pytest.raises(InputError, match=ASKED):
            ask()


@pytest.mark.parametrize(("unit", "written"), [("@1", 1000), ("@5000", 100), ("@256", 5)])
def test_a_unit_that_was_said_is_believed_with_a_note(
    unit: str, written: float, wall: np.ndarray, tmp_path: Path
) -> None:
    write_photo(tmp_path, wall, written)
    with pytest.warns(UserWarning, match=ASKED):
        found = get_depth_source(f"png:sensor{unit}", image_dir=tmp_path).depth_map("a.png")
    np.testing.assert_allclose(found.numpy(), wall * written / UNITS[unit], rtol=0.1)


def test_a_map_without_any_depth_is_no_question_of_units(tmp_path: Path) -> None:
    write_photo(tmp_path, np.zeros((240, 320)), 1)
    assert torch.isnan(get_depth_source("png:sensor", image_dir=tmp_path).depth_map("a.png")).all()


def test_npz_asks_for_its_unit(wall: np.ndarray, tmp_path: Path) -> None:
    write_photo(tmp_path, wall, 1000)
    np.savez(tmp_path / "depth.npz", a=np.rint(wall).astype(np.uint16))  # whole metres
    with pytest.raises(InputError, match="metres_per_unit"):
        get_depth_source(f"npz:{tmp_path / 'depth.npz'}", image_dir=tmp_path).depth_map("a.png")
    right = get_depth_source(f"npz:{tmp_path / 'depth.npz'}", image_dir=tmp_path, metres_per_unit=1.0)
    assert float(right.depth_map("a.png").max()) == 5


def test_pose_refuses_metres_read_as_millimetres_and_takes_them_with_their_unit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flat = np.full((240, 320), 2.0)
    for name in ("a", "b"):
        write_photo(tmp_path, flat, 1, name)
    run = ["pose", str(tmp_path / "a.png"), str(tmp_path / "b.png"), "--focal", "200", "--feature", "sift", "--depth"]
    assert cli.main([*run, "png:sensor"]) == 2
    assert "png:<suffix>@1 reads metres" in capsys.readouterr().err
    assert cli.main([*run, "png:sensor@1"]) == 0
    assert "tx ty tz (m)" in capsys.readouterr().out


@pytest.mark.parametrize(("solver", "tolerance_m"), [("procrustes", 0.1), ("probabilistic", 0.15), ("pnp", None)])
def test_a_scene_within_the_tolerance_has_no_pose(solver: str, tolerance_m: float | None) -> None:
    def view(depth_m: float) -> ViewData:
        return ViewData("a.jpg", View(torch.rand(9, 2) * 100, torch.full((9,), depth_m), torch.eye(3)))

    chosen = get_solver(solver)
    assert chosen.tolerance_m == tolerance_m
    assert within_tolerance(chosen, [view(2.0), view(2.0)]) == ""
    said = within_tolerance(chosen, [view(2.0), view(0.02)])
    assert ("the depths of a.jpg reach to 0.02 m" in said) is (tolerance_m is not None)


def test_a_scene_of_two_centimetres_is_an_honest_failure() -> None:
    image = np.random.default_rng(0).integers(0, 255, (240, 320, 3), dtype=np.uint8)
    K = np.array([[200.0, 0, 160], [0, 200, 120], [0, 0, 1]])
    photos = Photo("0.png", image, K), Photo("1.png", image, K)
    pose = TwoViewEstimator(Method(feature="sift", depth="constant:0.02")).estimate(*photos).pose
    assert not pose.success
    assert "within the tolerance of the solver procrustes (0.1 m)" in pose.reason
