import os
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from PIL import ExifTags, Image

from mickey_hloc.depth import get_depth_source
from mickey_hloc.depth.mickey import DepthSamples, MickeyDepth
from mickey_hloc.depth.npz import frame_keys
from mickey_hloc.depth.png import read_depth_png
from mickey_hloc.depth.sampling import pixel_grid
from mickey_hloc.errors import InputError

WIDTH, HEIGHT = 32, 24
MM = (1000 + 10 * np.arange(WIDTH)[None] + 5 * np.arange(HEIGHT)[:, None]).astype(np.uint16)
KEYPOINTS = torch.tensor([[0.0, 0.0], [3.5, 10.25], [31.0, 23.0]])
EXPECTED = 1 + 0.01 * KEYPOINTS[:, 0] + 0.005 * KEYPOINTS[:, 1]


def write_image(path: Path, width: int = WIDTH, height: int = HEIGHT) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, height), (90, 120, 30)).save(path)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    write_image(folder / "seq0/frame_00000.jpg")
    Image.fromarray(MM).save(folder / "seq0/frame_00000.sensor.png")
    return folder


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("kinect", "choose one of: constant:<metres>"),
        ("kinect:v2", "Unknown depth source 'kinect:v2'; choose one of: constant:<metres>.* package.module:Class"),
        ("pngg:sensor:x", "Unknown depth source"),
        ("", "choose one of"),
        ("constant", "number of metres"),
        ("constant:far", "number of metres"),
        ("constant:-1", "positive"),
        ("constant:nan", "positive"),
        ("png", "cannot be part"),
        ("png:../x", "cannot be part"),
        ("png:@5000", "cannot be part"),
        ("png:sensor@", "number of units in a metre"),
        ("png:sensor@mm", "number of units in a metre"),
        ("png:sensor@0", "number of units in a metre"),
        ("png:sensor@-5000", "number of units in a metre"),
        ("png:sensor@inf", "number of units in a metre"),
        ("png:sensor@nan", "number of units in a metre"),
        ("png:sensor@1e-320", "number of units in a metre"),
        ("npz", "npz:<file>"),
        ("npz:absent.npz", "No depth file absent.npz"),
        ("mickey", "features file"),
    ],
)
def test_wrong_specs(spec: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        get_depth_source(spec, tmp_path)


def test_missing_image_folder_and_unknown_options(tmp_path: Path) -> None:
    for spec in ("png:sensor", "npz:x.npz"):
        with pytest.raises(InputError, match="image folder"):
            get_depth_source(spec)
    with pytest.raises(InputError, match="known: metres_per_unit"):
        get_depth_source("png:sensor", tmp_path, metres_per_step=1)
    with pytest.raises(InputError, match="Unknown option 'metres' of depth source ConstantDepth; known: none"):
        get_depth_source("constant:1", tmp_path, metres=1)
    with pytest.raises(InputError, match="sampling of depth source PngDepth must be one of bilinear, truncated"):
        get_depth_source("png:sensor", tmp_path, sampling="nearest")


def test_png_values_and_unknown(images: Path) -> None:
    source = get_depth_source("png:sensor", images)
    torch.testing.assert_close(source.depths("seq0/frame_00000.jpg", KEYPOINTS), EXPECTED, atol=1e-6, rtol=0)
    holes = MM.copy()
    holes[0, 0], holes[5, 5] = 0, 65535
    Image.fromarray(holes).save(images / "seq0/frame_00000.holes.png")
    depth_map = get_depth_source("png:holes", images).depth_map("seq0/frame_00000.jpg")
    assert int(depth_map.isnan().sum()) == 2
    assert bool(depth_map[0, 0].isnan())
    halved = get_depth_source("png:sensor", images, metres_per_unit=0.0005)
    torch.testing.assert_close(halved.depths("seq0/frame_00000.jpg", KEYPOINTS), EXPECTED / 2, atol=1e-6, rtol=0)
    truncated = get_depth_source("png:sensor", images, sampling="truncated").depths("seq0/frame_00000.jpg", KEYPOINTS)
    assert truncated[1].item() == pytest.approx(MM[10, 3] / 1000)


def test_the_unit_of_png_files_in_the_spec(images: Path) -> None:
    def depths(spec: str, **options: float) -> torch.Tensor:
        return get_depth_source(spec, images, **options).depths("seq0/frame_00000.jpg", KEYPOINTS)

    for units in (5000, 256, 1000, 1):  # TUM, KITTI, millimetres, metres
        torch.testing.assert_close(depths(f"png:sensor@{units}"), EXPECTED * 1000 / units, rtol=1e-6, atol=0)
        assert torch.equal(depths(f"png:sensor@{units}"), depths("png:sensor", metres_per_unit=1 / units))
    with pytest.raises(InputError, match=r"'png:sensor@5000' and the option metres_per_unit both"):
        depths("png:sensor@5000", metres_per_unit=0.0002)
    same = [get_depth_source(spec, images).identity() for spec in ("png:sensor", "png:sensor@1000")]
    assert same[0] == same[1] != get_depth_source("png:sensor@5000", images).identity()


def test_png_of_another_resolution(images: Path) -> None:
    Image.fromarray(MM[:12, :16]).save(images / "seq0/frame_00000.half.png")
    source = get_depth_source("png:half", images)
    depths = source.depths("seq0/frame_00000.jpg", torch.tensor([[0.5, 0.5], [10.5, 4.5]]))
    torch.testing.assert_close(depths, torch.tensor([1.0, 1.06]), atol=1e-6, rtol=0)
    assert source.depth_map("seq0/frame_00000.jpg").shape == (HEIGHT, WIDTH)


def test_names_of_seven_scenes_and_scannet(tmp_path: Path) -> None:
    write_image(tmp_path / "frame-000007.color.png")
    Image.fromarray(MM).save(tmp_path / "frame-000007.depth.dpt.png")
    (tmp_path / "frame-000007.depth.pgm").write_bytes(
        b"P5\n%d %d\n20000\n" % (WIDTH, HEIGHT) + (MM + 1).astype(">u2").tobytes()
    )
    for spec, expected in (("png:dpt", 1.0), ("png:depth", 1.001)):
        depth = get_depth_source(spec, tmp_path).depths("frame-000007.color.png", KEYPOINTS[:1])
        assert depth.item() == pytest.approx(expected)
    with pytest.raises(InputError, match=r"frame-000007\.depth\.kbr\.png"):
        get_depth_source("png:kbr", tmp_path).depths("frame-000007.color.png", KEYPOINTS)


def test_bad_png_files(images: Path) -> None:
    path = images / "seq0/frame_00000.bad.png"
    source = get_depth_source("png:bad", images)

    def refused(message: str) -> None:
        with pytest.raises(InputError, match=message) as raised:
            source.depths("seq0/frame_00000.jpg", KEYPOINTS)
        assert "frame_00000.bad.png" in str(raised.value)

    refused("16-bit PNG, millimetres")
    Image.fromarray((MM // 16).astype(np.uint8)).save(path)
    refused("type L, not a 16-bit grey PNG")
    Image.new("RGB", (WIDTH, HEIGHT)).save(path)
    refused("type RGB")
    Image.fromarray((MM // 16).astype(np.uint8)).save(path, format="JPEG")
    refused("JPEG")
    Image.fromarray(MM.T.copy()).save(path)
    refused("shapes do not fit")
    whole = (images / "seq0/frame_00000.sensor.png").read_bytes()
    for keep in (0, 10, 40, len(whole) // 2, len(whole) - 30):
        path.write_bytes(whole[:keep])
        refused("truncated")
    path.write_bytes(b"P5\n")
    refused("not a readable PNG|not a 16-bit")
    with pytest.raises(InputError, match="No depth file"):
        read_depth_png(images / "absent.png")
    with pytest.raises(InputError, match="PGM"):
        read_depth_png(images / "absent.pgm")


def test_depth_of_a_photo_that_exif_turns_belongs_to_the_pixels_as_stored(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # stored lying, meant to be turned by a quarter
    for name in ("photo.jpg", "photo.tif"):
        Image.new("RGB", (WIDTH, HEIGHT)).save(tmp_path / name, exif=exif)
    Image.fromarray(MM).save(tmp_path / "photo.stored.png")
    Image.fromarray(np.rot90(MM, -1).copy()).save(tmp_path / "photo.turned.png")
    for name in ("photo.jpg", "photo.tif"):
        for spec in ("png:stored", "constant:2"):
            assert get_depth_source(spec, tmp_path).depth_map(name).shape == (HEIGHT, WIDTH)
        depths = get_depth_source("png:stored", tmp_path).depths(name, torch.tensor([[5.0, 2.0]]))
        assert depths.item() == pytest.approx(MM[2, 5] / 1000)
        with pytest.raises(InputError, match="shapes do not fit"):
            get_depth_source("png:turned", tmp_path).depth_map(name)


def test_names_stay_in_the_image_folder(images: Path) -> None:
    write_image(images.parent / "outside.jpg")
    with pytest.raises(InputError, match="leads out"):
        get_depth_source("png:sensor", images).depths("../outside.jpg", KEYPOINTS)


def test_maps_are_remembered_but_not_all(images: Path) -> None:
    source = get_depth_source("png:sensor", images, remember=1)
    source.depths("seq0/frame_00000.jpg", KEYPOINTS)
    write_image(images / "b.jpg")
    Image.fromarray(MM).save(images / "b.sensor.png")
    os.remove(images / "seq0/frame_00000.sensor.png")
    source.depths("seq0/frame_00000.jpg", KEYPOINTS)  # still in memory
    source.depths("b.jpg", KEYPOINTS)
    with pytest.raises(InputError, match="No depth file"):
        source.depths("seq0/frame_00000.jpg", KEYPOINTS)


def test_npz_keys_units_and_damage(images: Path, tmp_path: Path) -> None:
    assert "scene0707_00/frame-000015" in frame_keys("scene0707_00/sens/frame-000015.color.jpg")
    path = tmp_path / "depth.npz"
    image = "seq0/frame_00000.jpg"
    for key, values in {
        "frame_00000": MM,
        "seq0/frame_00000.jpg": MM[None] / 1000,
        "seq0/frame_00000": MM[..., None],
    }.items():
        np.savez(path, **{key: values})
        depths = get_depth_source(f"npz:{path}", images).depths(image, KEYPOINTS)
        torch.testing.assert_close(depths, EXPECTED, atol=1e-6, rtol=0)
    for key, values, message in (
        ("other", MM, "such as 'other'"),
        ("frame_00000", MM[0], "wanted numbers"),
        ("frame_00000", np.array([["a"]]), "which is not read"),
        ("frame_00000", MM.T, "shapes do not fit"),
        ("frame_00000", np.array([{}], dtype=object), "which is not read"),
    ):
        np.savez(path, **{key: values})
        with pytest.raises(InputError, match=message):
            get_depth_source(f"npz:{path}", images).depths(image, KEYPOINTS)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match="not a readable npz"):
        get_depth_source(f"npz:{path}", images)


def test_mickey_depths_of_stored_keypoints_and_others(tmp_path: Path) -> None:
    keypoints = 14 * (pixel_grid((6, 8)) + 0.3)
    stored = 1 + 0.01 * keypoints[:, 0]
    stored[5], stored[9] = -1.0, torch.nan
    source = MickeyDepth({"a.jpg": DepthSamples(keypoints, stored, (90, 120))})
    same = source.depths("a.jpg", keypoints)
    assert same.isnan().nonzero()[:, 0].tolist() == [5, 9]
    torch.testing.assert_close(same.nan_to_num(), stored.clamp(min=0).nan_to_num())
    between = source.depths("a.jpg", torch.tensor([[40.0, 60.0]]))
    assert between.item() == pytest.approx(1.4, abs=0.01)
    assert source.depth_map("a.jpg").shape == (120, 90)
    whole = source.depths("a.jpg", pixel_grid((90, 120))).reshape(120, 90)
    assert float((source.depth_map("a.jpg") - whole).abs().nanmean()) < 0.01
    with pytest.raises(InputError, match=r"b\.jpg"):
        source.depths("b.jpg", keypoints)


def test_bad_features_files(tmp_path: Path) -> None:
    path = tmp_path / "feats.h5"
    source = get_depth_source(f"mickey:{path}")
    with pytest.raises(InputError, match="No features file"):
        source.depths("a.jpg", KEYPOINTS)
    path.write_bytes(b"not hdf5")
    with pytest.raises(InputError, match="features"):
        source.depths("a.jpg", KEYPOINTS)
    with h5py.File(path, "w") as file:
        file.create_group("a.jpg")["keypoints"] = np.zeros((3, 2))
        file.create_group("b.jpg")["keypoints"] = np.zeros((3, 2))
        file["b.jpg"]["depths"] = np.zeros(4)
    with pytest.raises(InputError, match="has no depths for image"):
        source.depths("a.jpg", KEYPOINTS)
    with pytest.raises(InputError, match="does not fit"):
        source.depths("b.jpg", KEYPOINTS)
    with pytest.raises(InputError, match="no features of image"):
        source.depths("c.jpg", KEYPOINTS)


def test_real_sensor_depth(data: Path) -> None:
    depth_files = sorted(data.rglob("*.sensor.png"))
    if not depth_files:
        pytest.skip("no sensor depth in this data")
    path = depth_files[0]
    name = path.name.replace(".sensor.png", ".jpg")
    source = get_depth_source("png:sensor", path.parent)
    depth_map = source.depth_map(name)
    with Image.open(path.with_name(name)) as image:
        assert depth_map.shape == (image.height, image.width)
    known = depth_map[~depth_map.isnan()]
    assert len(known) > 0.1 * depth_map.numel()
    assert 0.05 < known.median().item() < 50
