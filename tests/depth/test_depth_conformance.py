"""What every registered depth source must do. A new one needs an entry in CASES and no test of this kind of its own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from PIL import Image
from support.stub_metric3d import metric3d_vit_small

from mickey_hloc.depth import DEPTH_SOURCES, SPECS, DepthSource, get_depth_source
from mickey_hloc.depth.dense import DenseDepthSource
from mickey_hloc.depth.predicted import DepthAnything3Depth, MogeDepth, UniDepthDepth
from mickey_hloc.depth.sampling import pixel_grid
from mickey_hloc.depth.table import TABLE, name_of, written_as
from mickey_hloc.errors import InputError
from mickey_hloc.registry import CheckedOptions

SIZES = {"seq0/wide.jpg": (81, 47), "tall.png": (33, 90), "square.jpg": (35, 35)}
OUTSIDE = torch.tensor([[-3.0, 5.0], [5.0, -3.0], [1e6, 5.0], [5.0, 1e6], [-1e6, -1e6]])


def plane(keypoints: torch.Tensor) -> torch.Tensor:
    """(N,) metres at (N, 2) pixels."""
    return 1 + 0.01 * keypoints[:, 0] + 0.005 * keypoints[:, 1]


@dataclass(frozen=True)
class Case:
    """Attributes: spec: with {folder} in it. needs: what it cannot be made without. other: options and arguments that
    change its numbers. file: whose content decides them. knows_images: whether it has depth for some images only.
    error_m: how far its depth is from ``plane`` in the images; None: it is something else. usual:
    options that it has here.
    """

    spec: str
    needs: frozenset[str] = frozenset({"image_dir"})
    other: dict[str, Any] = field(default_factory=dict)
    other_spec: str = ""
    file: str = ""
    knows_images: bool = True
    error_m: float | None = 1e-3
    usual: dict[str, Any] = field(default_factory=dict)


FOCAL = {"focal_px": 60.0}
CASES = {
    "da3": Case("da3", other={"focal_px": 70.0}, other_spec="da3:owner/other", error_m=None, usual=FOCAL),
    "moge": Case("moge", other={"focal_px": 70.0}, other_spec="moge:owner/other", usual=FOCAL),
    "unidepth": Case("unidepth", other={"focal_px": 70.0}, other_spec="unidepth:owner/other", usual=FOCAL),
    "metric3d": Case("metric3d", other={"focal_px": 70.0}, other_spec="metric3d:entry", error_m=None, usual=FOCAL),
    "constant": Case("constant:1.5", frozenset(), other_spec="constant:1.6", knows_images=False, error_m=None),
    "mickey": Case(
        "mickey", frozenset({"features"}), {"max_distance_px": 5.0}, "mickey:{folder}/b.h5", "feats.h5", error_m=0.03
    ),
    "npz": Case(
        "npz:{folder}/depth.npz",
        other={"metres_per_unit": 0.5, "sampling": "truncated"},
        other_spec="npz:{folder}/b.npz",
        file="depth.npz",
    ),
    "png": Case("png:sensor", other={"metres_per_unit": 0.0002, "sampling": "truncated"}, other_spec="png:sensor@5000"),
    "transformers": Case(
        "transformers:{folder}/network",
        other={"inverse_scale": 0.5, "inverse_shift": 1.0, "sampling": "truncated"},
        other_spec="transformers:{folder}/network2",
        file="network/model.safetensors",
        error_m=None,
    ),
}
Make = Callable[..., DepthSource]


class PlaneNetwork:
    """Says the plane of every image, in the ways of the packages' networks; ``batch`` axes go before it."""

    def __init__(self, batch: tuple[int, ...] = ()) -> None:
        self.batch = batch

    def infer(self, pixels: torch.Tensor, *_: object, **__: object) -> dict[str, torch.Tensor]:
        height, width = pixels.shape[-2:]
        return {"depth": plane(pixel_grid((width, height))).reshape(*self.batch, height, width)}

    def inference(self, images: list[np.ndarray], **_: object) -> Any:
        return SimpleNamespace(depth=np.full((1, *images[0].shape[:2]), 9.0))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """images/ with depth beside them, an image outside, and one file with depth for each source that reads one."""
    folder = tmp_path_factory.mktemp("depth")
    random, maps = np.random.default_rng(0), {}
    with h5py.File(folder / "feats.h5", "w") as file:
        for name, (width, height) in SIZES.items():
            path = folder / "images" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(random.integers(0, 255, (height, width, 3), dtype=np.uint8)).save(path)
            depth_map = plane(pixel_grid((width, height))).reshape(height, width).numpy()
            maps[name] = depth_map.astype(np.float32)
            Image.fromarray((1000 * depth_map).round().astype(np.uint16)).save(path.with_suffix(".sensor.png"))
            group, keypoints = file.create_group(name), pixel_grid((width, height))[::3]
            group["keypoints"], group["depths"] = keypoints, plane(keypoints)
            group["image_size"] = np.array([width, height])
    np.savez(folder / "depth.npz", **maps)
    np.savez(folder / "b.npz", **{name: 2 * values for name, values in maps.items()})
    with h5py.File(folder / "b.h5", "w") as file:
        file.create_group("tall.png")["keypoints"] = np.zeros((1, 2))
    Image.new("RGB", (20, 10)).save(folder / "outside.jpg")
    return folder


@pytest.fixture(scope="module")
def networks(folder: Path) -> None:
    transformers = pytest.importorskip("transformers")
    for seed, name in enumerate(("network", "network2")):
        torch.manual_seed(seed)
        config = transformers.GLPNConfig(
            hidden_sizes=[8] * 4, depths=[1] * 4, num_attention_heads=[1] * 4, decoder_hidden_size=8, max_depth=10
        )
        transformers.GLPNForDepthEstimation(config).eval().save_pretrained(folder / name)
        transformers.GLPNImageProcessor().save_pretrained(folder / name)


@pytest.fixture(params=DEPTH_SOURCES.names)
def name(request: pytest.FixtureRequest) -> str:
    if request.param == "transformers":
        request.getfixturevalue("networks")
    return request.param


@pytest.fixture
def make(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes the source; keyword arguments replace the usual ones."""

    monkeypatch.setattr(DepthAnything3Depth, "_load", lambda _: PlaneNetwork())
    monkeypatch.setattr(MogeDepth, "_load", lambda _: PlaneNetwork())
    monkeypatch.setattr(UniDepthDepth, "_load", lambda _: PlaneNetwork((1, 1)))
    monkeypatch.setattr(torch.hub, "load", lambda _, entry, pretrain, **__: metric3d_vit_small(pretrain))

    def make(spec: str = CASES[name].spec, **arguments: Any) -> DepthSource:
        usual = {"image_dir": folder / "images", "features": folder / "feats.h5", **CASES[name].usual}
        return get_depth_source(spec.format(folder=folder), **{**usual, **arguments})

    return make


def check_depths(depths: torch.Tensor, count: int) -> None:
    assert depths.shape == (count,)
    assert depths.dtype == torch.float32
    assert bool((depths.isnan() | ((depths > 0) & depths.isfinite())).all())


def test_every_registered_source_is_tested() -> None:
    assert sorted(CASES) == DEPTH_SOURCES.names == sorted(SPECS)


def test_the_table_says_how_it_is_written(name: str) -> None:
    cls = DEPTH_SOURCES.get(name)
    assert issubclass(cls, DepthSource)
    assert issubclass(cls.Options, CheckedOptions)
    assert cls.kind == "depth source"
    assert name_of(cls) == name
    assert written_as(cls) in TABLE
    assert written_as(cls).startswith(name)


@pytest.mark.parametrize("image", SIZES)
def test_depth_at_corners_and_inside(name: str, make: Make, image: str) -> None:
    width, height = SIZES[image]
    right, bottom = width - 1.0, height - 1.0
    keypoints = torch.tensor([[0.0, 0.0], [right, 0.0], [0.0, bottom], [right, bottom], [8.25, 13.5]])
    source = make()
    depths = source.depths(image, keypoints)
    check_depths(depths, 5)
    assert source.depths(image, keypoints.double()).dtype == torch.float32
    torch.testing.assert_close(source.depths(image, keypoints.double()), depths, equal_nan=True)
    error_m = CASES[name].error_m
    if error_m is not None:
        torch.testing.assert_close(depths, plane(keypoints), atol=error_m, rtol=0)


@pytest.mark.parametrize("image", SIZES)
def test_the_depth_map_has_the_images_size_and_the_depth_at_its_pixels(make: Make, image: str) -> None:
    width, height = SIZES[image]
    source = make()
    depth_map = source.depth_map(image)
    assert depth_map.shape == (height, width)
    check_depths(depth_map.flatten(), width * height)
    at_pixels = source.depths(image, pixel_grid((width, height))).reshape(height, width)
    torch.testing.assert_close(depth_map, at_pixels, equal_nan=True)


def test_no_keypoint_one_keypoint_and_none_that_is_finite(make: Make) -> None:
    source = make()
    check_depths(source.depths("tall.png", torch.zeros(0, 2)), 0)
    check_depths(source.depths("tall.png", torch.tensor([[3.0, 4.0]])), 1)
    lost = torch.tensor([[torch.nan, 1.0], [1.0, torch.inf], [-torch.inf, torch.nan]])
    assert bool(source.depths("tall.png", lost).isnan().all())
    for wrong in (torch.zeros(2), torch.zeros(3, 3), torch.zeros(1, 3, 2)):
        with pytest.raises(ValueError, match=r"\(N, 2\)"):
            source.depths("tall.png", wrong)


def test_outside_of_the_image_depth_is_unknown(name: str, make: Make) -> None:
    depths = make().depths("tall.png", OUTSIDE)
    check_depths(depths, len(OUTSIDE))
    if CASES[name].knows_images:
        assert bool(depths[2:].isnan().all())
    if issubclass(DEPTH_SOURCES.get(name), DenseDepthSource):
        assert bool(depths.isnan().all())


def test_a_name_that_leads_out_and_an_absent_image(name: str, make: Make) -> None:
    source = make()
    for image in ("../outside.jpg", "seq0/../../outside.jpg", "absent.jpg"):
        with pytest.raises(InputError, match=image.rpartition("/")[2]):
            source.depth_map(image)
        if CASES[name].knows_images:
            with pytest.raises(InputError, match=image.rpartition("/")[2]):
                source.depths(image, torch.zeros(1, 2))


def test_what_it_needs_is_said(name: str, make: Make) -> None:
    for argument in ("image_dir", "features"):
        if argument in CASES[name].needs:
            with pytest.raises(InputError, match=f"{name}.* needs .*{argument.replace('_dir', '')}"):
                make(**{argument: None})
        else:
            make(**{argument: None})


def test_unknown_options_and_options_of_the_wrong_type_are_refused(name: str, make: Make) -> None:
    known = [f.name for f in fields(DEPTH_SOURCES.get(name).Options)]
    for wrong in ("nonsense", "argument"):
        with pytest.raises(InputError, match=f"'{wrong}'.*known: {', '.join(sorted(known)) or 'none'}"):
            make(**{wrong: 1})
    for option in known:
        with pytest.raises(InputError, match=f"Option {option} of depth source"):
            make(**{option: object()})
        with pytest.raises(InputError, match=f"Option {option} of depth source"):
            make(**{option: [1.0]})


def test_the_identity_is_plain_and_says_what_decides_the_numbers(name: str, make: Make) -> None:
    identity = make().identity()
    assert identity["source"] == name
    assert json.loads(json.dumps(identity)) == identity == make().identity()
    assert str(make().image_dir) not in json.dumps(identity)  # the same on another machine
    others = [make(**{option: value}).identity() for option, value in CASES[name].other.items()]
    others.append(make(CASES[name].other_spec).identity())
    texts = {json.dumps(values, sort_keys=True) for values in (identity, *others)}
    assert len(texts) == len(others) + 1 - (name == "png")  # its other unit is written in two ways
    for option in DEPTH_SOURCES.get(name).without_effect:
        value = {"remember": 2, "device": "cpu", "exif_turn": "ignore"}[option]
        assert make(**{option: value}).identity() == identity


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.file], indirect=True)
def test_the_identity_follows_the_content_of_a_file_not_its_place(
    name: str, make: Make, folder: Path, tmp_path
) -> None:
    file = CASES[name].file
    before = make().identity()
    copied = shutil.copytree(folder, tmp_path / "copy")
    spec, features = CASES[name].spec.format(folder=copied), copied / "feats.h5"
    assert make(spec, features=features).identity() == before
    content = bytearray((copied / file).read_bytes())
    if file.endswith(".npz"):
        np.savez(copied / file, **{"tall.png": np.ones((90, 33))})
    elif file.endswith(".h5"):
        with h5py.File(copied / file, "a") as changed:
            changed["tall.png"]["depths"][0] = 7.0
    else:
        content[-1] ^= 1
        (copied / file).write_bytes(content)
    assert make(spec, features=features).identity() != before
