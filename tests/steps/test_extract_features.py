"""The extraction step: hloc's layout and names, batches that change nothing, bad images skipped, nothing mixed."""

import logging

import h5py
import numpy as np
import PIL.Image
import pytest
import torch
from support.posed_scenes import IMAGE_SIZES, write_texture, write_tiny_model

from mickey_hloc import extract_features
from mickey_hloc.cli import main as cli
from mickey_hloc.errors import InputError, MickeyHlocError
from mickey_hloc.hloc_plugin.confs import mickey_conf
from mickey_hloc.io.cameras import read_cameras
from mickey_hloc.io.features import FeatureFile
from mickey_hloc.io.image_batches import Preprocessing, load_image, plan_batches
from mickey_hloc.io.origin import ORIGIN_KEY
from mickey_hloc.model.stored_constants import stored_matcher
from mickey_hloc.weights.checkpoints import load_model


@pytest.fixture
def conf(tmp_path):
    return mickey_conf(write_tiny_model(tmp_path / "tiny.safetensors"), resize_max=160, precision="fp32")


def read_all(path):
    with h5py.File(path) as file:
        names = ("keypoints", "descriptors", "keypoint_scores", "depths", "image_size")
        return {
            image: {key: file[image][key][()] for key in names if key in file[image]}
            for image in FeatureFile(path).names()
        }


def test_mickey_features_are_those_of_the_network(images, conf, tmp_path):
    folder, names = images
    path = extract_features.main(conf, folder, tmp_path / "out")
    assert path == tmp_path / "out" / f"{conf['output']}.h5"
    found = read_all(path)
    assert sorted(found) == sorted(names)
    model = load_model(conf["model"]["weights"], precision="fp32")
    preprocessing = Preprocessing(resize_max=160)
    for name, (width, height) in zip(names, IMAGE_SIZES, strict=True):
        image, size = load_image(folder / name, preprocessing)
        assert size == (width, height)
        scale = np.array(size) / image.shape[:0:-1]  # x and y differ: resized sizes are whole pixels
        with torch.inference_mode():
            expected = model(torch.from_numpy(image)[None])
        np.testing.assert_allclose(
            found[name]["keypoints"], (expected.keypoints[0].numpy() + 0.5) * scale - 0.5, atol=1e-3
        )
        np.testing.assert_allclose(found[name]["depths"], expected.depths[0], atol=1e-4)
        np.testing.assert_allclose(found[name]["keypoint_scores"], expected.keypoint_scores[0], atol=1e-6)
        np.testing.assert_allclose(found[name]["descriptors"], expected.descriptors[0], atol=1e-3)
        np.testing.assert_array_equal(found[name]["image_size"], size)


def test_16_bit_is_for_descriptors_only(images, conf, tmp_path):
    folder, names = images
    half = read_all(extract_features.main(conf, folder, feature_path=tmp_path / "half.h5"))
    full = read_all(extract_features.main(conf, folder, feature_path=tmp_path / "full.h5", as_half=False))
    for name in names:
        assert half[name]["descriptors"].dtype == np.float16
        assert full[name]["descriptors"].dtype == np.float32
        for key in ("keypoints", "depths", "keypoint_scores"):
            assert half[name][key].dtype == np.float32
            np.testing.assert_array_equal(half[name][key], full[name][key])


def test_the_file_knows_its_matcher(images, conf, tmp_path):
    folder, _ = images
    path = extract_features.main(conf, folder, tmp_path)
    model = load_model(conf["model"]["weights"], precision="fp32")
    with FeatureFile(path) as file:
        matcher = stored_matcher(file.attributes)
    assert matcher.temperature == model.matcher.temperature
    assert matcher.dustbin_score.item() == model.matcher.dustbin_score.item()


def test_keypoints_lie_where_they_are_in_the_original_image(tmp_path):
    """A blob's centre is found at the same place, whether the image was shrunk for the network or not."""
    canvas = np.zeros((480, 640, 3), dtype=np.float64)
    y, x = np.mgrid[:480, :640]
    centres = ((100.3, 90.2), (400.7, 300.4), (521.2, 77.6))
    for centre in centres:
        canvas += 200 * np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * 14.0**2))[..., None]
    PIL.Image.fromarray(canvas.clip(0, 255).astype(np.uint8)).save(tmp_path / "blobs.png")
    found = {}
    for resize_max in (None, 320):
        conf = extract_features.get_conf("sift")
        conf["preprocessing"]["resize_max"] = resize_max
        path = extract_features.main(conf, tmp_path, feature_path=tmp_path / f"{resize_max}.h5")
        found[resize_max] = read_all(path)["blobs.png"]["keypoints"]
    for centre in centres:
        for keypoints in found.values():
            assert np.linalg.norm(keypoints - centre, axis=1).min() < 0.15


def test_batches_have_one_size_and_large_images_run_alone():
    sizes = {f"{i}.jpg": (100, 50) for i in range(5)} | {"big.jpg": (4000, 3000), "big2.jpg": (4000, 3000)}
    batches = plan_batches(sizes, batch_size=3, max_batch_pixels=12_000_000)
    assert batches == [["0.jpg", "1.jpg", "2.jpg"], ["3.jpg", "4.jpg"], ["big.jpg"], ["big2.jpg"]]
    shrunk = {name: Preprocessing(resize_max=100).network_size(size) for name, size in sizes.items()}
    batches = plan_batches(shrunk, batch_size=8, max_batch_pixels=10**9)
    assert [len(batch) for batch in batches] == [5, 2]


def test_interrupted_runs_end_with_the_same_bytes(images, conf, tmp_path, monkeypatch):
    folder, names = images
    options = {"batch_size": 2, "num_workers": 2}
    whole = extract_features.main(conf, folder, feature_path=tmp_path / "whole.h5", **options).read_bytes()
    path = tmp_path / "feats.h5"
    from mickey_hloc.io.feature_store import FeatureStore

    add = FeatureStore.add
    for _ in range(10):

        def stop_after_one(self, features):
            add(self, features)
            raise KeyboardInterrupt

        monkeypatch.setattr(FeatureStore, "add", stop_after_one)
        try:
            extract_features.main(conf, folder, feature_path=path, **options)
        except KeyboardInterrupt:
            continue
        break
    monkeypatch.undo()
    assert path.read_bytes() == whole
    with h5py.File(path, "a") as file:  # a batch with one missing image runs whole, but writes that one only
        del file[names[0]]["depths"]
    report = extract_features.extract(conf, folder, path, **options)
    assert (report.extracted, report.existing) == (1, len(names) - 1)
    assert path.read_bytes() == whole


def test_bad_images_cost_only_themselves(images, conf, tmp_path, caplog, capsys):
    folder, names = images
    content = (folder / names[2]).read_bytes()
    (folder / "truncated.jpg").write_bytes(content[: len(content) // 2])
    (folder / "text.jpg").write_text("no image")
    write_texture(folder / "small.png", 9, 9, seed=0)
    report = extract_features.extract(conf, folder, tmp_path / "feats.h5", batch_size=2)
    assert set(report.skipped) == {"truncated.jpg", "text.jpg", "small.png"}
    assert report.extracted == len(names)
    assert "truncated" in report.skipped["truncated.jpg"]
    assert "as an image" in report.skipped["text.jpg"]
    assert "smaller than one 14 px cell" in report.skipped["small.png"]
    with caplog.at_level(logging.WARNING):
        extract_features.main(conf, folder, feature_path=tmp_path / "feats.h5", batch_size=2)
    assert "skipped text.jpg" in caplog.text
    command = ["extract", str(folder), "--feature", "mickey", "--weights", str(conf["model"]["weights"])]
    assert cli([*command, "--output", str(tmp_path / "cli.h5")]) == 1
    assert "6 images extracted, 0 were there, 3 skipped" in capsys.readouterr().out
    (folder / "text.jpg").unlink()
    (folder / "small.png").unlink()
    write_texture(folder / "truncated.jpg", 160, 120, seed=9)
    assert cli([*command, "--output", str(tmp_path / "cli.h5")]) == 0
    assert "1 images extracted, 6 were there, 0 skipped" in capsys.readouterr().out


def test_features_of_other_weights_or_settings_are_never_mixed(images, conf, tmp_path):
    folder, names = images
    path = extract_features.main(conf, folder, tmp_path, image_list=names[:2])
    before = path.read_bytes()
    other = {**conf, "preprocessing": {**conf["preprocessing"], "resize_max": 140}}
    with pytest.raises(InputError, match="resize_max: 160 there, 140 now"):
        extract_features.main(other, folder, feature_path=path)
    weights = write_tiny_model(tmp_path / "tiny2.safetensors", seed=1)
    other = {**conf, "model": {**conf["model"], "weights": str(weights)}}
    with pytest.raises(InputError, match="weights_sha256"):
        extract_features.main(other, folder, feature_path=path)
    assert path.read_bytes() == before
    (tmp_path / "moved.safetensors").write_bytes((tmp_path / "tiny.safetensors").read_bytes())
    moved = {**conf, "model": {**conf["model"], "weights": str(tmp_path / "moved.safetensors")}}
    extract_features.main(moved, folder, feature_path=path)  # the same weights by another name
    assert len(read_all(path)) == len(names)
    extract_features.main(other, folder, feature_path=path, image_list=names[:1], overwrite=True)
    assert list(read_all(path)) == names[:1]


def test_one_extractor_may_be_named_in_two_ways(images, tmp_path):
    folder, names = images
    path = extract_features.main(extract_features.confs["mickey-small"], folder, tmp_path, image_list=names[:1])
    with FeatureFile(path) as file:
        told = file.attributes[ORIGIN_KEY]
    same = extract_features.get_conf("mickey", weights="small")
    extract_features.main(same, folder, feature_path=path, image_list=names[:2])
    with FeatureFile(path) as file:
        assert file.names() == sorted(names[:2])
        assert file.attributes[ORIGIN_KEY] == told  # what was made from this file goes on with it
    with pytest.raises(InputError, match=r"made otherwise.*resize_max.*choose another output or --overwrite it"):
        extract_features.main(extract_features.get_conf("mickey-1024", weights="small"), folder, feature_path=path)


def test_sift_needs_no_weights(images, tmp_path):
    folder, names = images
    assert cli(["extract", str(folder), "--feature", "sift", "--out", str(tmp_path)]) == 0
    found = read_all(tmp_path / "feats-sift-r1600.h5")
    assert sorted(found) == sorted(names)
    for arrays in found.values():
        assert arrays["descriptors"].shape == (128, len(arrays["keypoints"]))
        assert len(arrays["keypoints"]) > 10


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": {"name": "sift", "max_keypoint": 5}}, "Unknown option 'max_keypoint'.*known:.*max_keypoints"),
        ({"model": {"name": "swift"}}, "feature 'swift' .*did you mean 'sift'"),
        ({"preprocessing": {"resize": 5}}, "Unknown option 'resize' of feature SiftExtractor.preprocessing"),
        ({"preprocessing": {"interpolation": "cv2_best"}}, "Unknown interpolation 'cv2_best'"),
        ({"preprocessing": {"resize_max": 0}}, "Option resize_max must be a number of pixels, or None, got 0"),
        ({"outputs": "x"}, "Unknown option 'outputs' of the extraction conf"),
        ({"model": {}}, "no 'name'"),
    ],
)
def test_wrong_confs_are_explained(images, tmp_path, change, message):
    with pytest.raises(MickeyHlocError, match=message):
        extract_features.main({**extract_features.get_conf("sift"), **change}, images[0], tmp_path)
    assert not list(tmp_path.glob("*.h5*"))


def test_wrong_input_is_explained(images, tmp_path, capsys):
    folder, _ = images
    conf = extract_features.get_conf("sift")
    with pytest.raises(InputError, match="No image folder"):
        extract_features.main(conf, tmp_path / "absent", tmp_path)
    with pytest.raises(InputError, match=r"No image 'a.jpg'"):
        extract_features.main(conf, folder, tmp_path, image_list=["a.jpg"])
    with pytest.raises(InputError, match=r"'../x.jpg' leads out"):
        extract_features.main(conf, folder, tmp_path, image_list=["../x.jpg"])
    with pytest.raises(InputError, match="is empty"):
        extract_features.main(conf, folder, tmp_path, image_list=[])
    with pytest.raises(InputError, match="export_dir or feature_path"):
        extract_features.main(conf, folder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="has no image"):
        extract_features.main(conf, tmp_path / "empty", tmp_path)
    with pytest.raises(MickeyHlocError, match="did you mean 'sift'"):
        extract_features.get_conf("sfit")
    arguments = ["extract", str(folder), "--out", str(tmp_path)]
    assert cli([*arguments, "--feature", "sift", "--weights", "small"]) == 2
    assert cli([*arguments, "--weights", str(tmp_path / "absent.ckpt")]) == 2
    assert capsys.readouterr().err.count("\n") == 2


def test_an_image_list_file_may_hold_intrinsics(images, tmp_path):
    folder, names = images
    (tmp_path / "list.txt").write_text(f"# queries\n{names[1]} PINHOLE 1 2 3 4 5 6\n\n{names[0]}\n{names[1]}\n")
    path = extract_features.main(extract_features.get_conf("sift"), folder, tmp_path, image_list=tmp_path / "list.txt")
    assert sorted(read_all(path)) == sorted(names[:2])


def test_pixels_are_those_of_the_file_not_turned(tmp_path):
    """hloc and COLMAP ignore the EXIF orientation: so do we when told, and refuse the photo otherwise."""
    write_texture(tmp_path / "a.jpg", 160, 120, seed=3)
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    content, block = (tmp_path / "a.jpg").read_bytes(), exif.tobytes()
    marker = b"\xff\xe1" + (len(block) + 2).to_bytes(2, "big") + block
    (tmp_path / "turned.jpg").write_bytes(content[:2] + marker + content[2:])
    with PIL.Image.open(tmp_path / "turned.jpg") as image:
        assert image.getexif()[0x0112] == 6
    conf = extract_features.get_conf("sift")
    report = extract_features.extract(conf, tmp_path, tmp_path / "refused.h5")
    assert list(read_all(report.path)) == ["a.jpg"]
    assert "EXIF orientation 6" in report.skipped["turned.jpg"]
    conf["preprocessing"]["exif_turn"] = "ignore"
    found = read_all(extract_features.main(conf, tmp_path, tmp_path))
    np.testing.assert_array_equal(found["a.jpg"]["keypoints"], found["turned.jpg"]["keypoints"])
    np.testing.assert_array_equal(found["turned.jpg"]["image_size"], [160, 120])


def test_another_image_of_the_same_name_is_never_taken_for_the_old_one(images, tmp_path):
    folder, names = images
    path = tmp_path / "feats.h5"
    extract_features.main(extract_features.get_conf("sift"), folder, feature_path=path)
    before = path.read_bytes()
    extract_features.main(extract_features.get_conf("sift"), folder, feature_path=path)
    write_texture(folder / names[-1], 200, 150, seed=99)
    with pytest.raises(InputError, match=f"made from another image '{names[-1]}'"):
        extract_features.main(extract_features.get_conf("sift"), folder, feature_path=path)
    assert path.read_bytes() == before


def test_every_kind_of_photo_is_taken_and_depth_images_are_left_out_aloud(tmp_path, capsys):
    photos = ["a.jpg", "b.JPEG", "c.webp", "d.tif", "e.TIFF", "f.Png"]
    texture = (np.random.default_rng(0).random((40, 50, 3)) * 255).astype(np.uint8)
    for name in photos:
        PIL.Image.fromarray(texture).save(tmp_path / name)
    for name in ("a.sensor.png", "c.depth.tif"):
        PIL.Image.fromarray(np.full((40, 50), 1500, np.uint16)).save(tmp_path / name)
    for hidden in ("._a.jpg", "__MACOSX/a.jpg"):
        (tmp_path / hidden).parent.mkdir(exist_ok=True)
        (tmp_path / hidden).write_bytes(b"resource fork")
    run = ["extract", str(tmp_path), "--feature", "sift", "--output", str(tmp_path / "f.h5")]
    assert cli(run) == 0
    said = capsys.readouterr().out
    assert "6 images extracted" in said
    assert "left out 2 depth images (one channel of 16 bit or more), e.g. a.sensor.png" in said
    with FeatureFile(tmp_path / "f.h5") as file:
        assert file.names() == photos
    assert cli(run) == 0
    assert "0 images extracted, 6 were there" in capsys.readouterr().out

    (tmp_path / "list.txt").write_text("a.sensor.png\n")
    listed = ["--image-list", str(tmp_path / "list.txt"), "--output", str(tmp_path / "listed.h5")]
    assert cli([*run[:-2], *listed]) == 0
    assert "1 images extracted" in capsys.readouterr().out
    for name in photos:
        (tmp_path / name).unlink()
    assert cli([*run, "--overwrite"]) == 2
    assert "All 2 images in" in capsys.readouterr().err


def test_the_batch_size_changes_no_byte(images, conf, tmp_path):
    folder, _ = images
    one, eight = (
        extract_features.main(conf, folder, feature_path=tmp_path / f"{size}.h5", batch_size=size).read_bytes()
        for size in (1, 8)
    )
    assert one == eight


def test_an_image_without_a_camera_costs_only_itself(images, conf, tmp_path):
    folder, names = images
    with PIL.Image.open(folder / names[0]) as image:
        width, height = image.size
    (tmp_path / "K.txt").write_text(f"{names[0]} 300 300 {width / 2} {height / 2} {width} {height}\n")
    cameras = read_cameras(tmp_path / "K.txt")
    report = extract_features.extract(conf, folder, tmp_path / "f.h5", image_list=names[:2], cameras=cameras)
    assert report.extracted == 1
    assert "no intrinsics of image" in report.skipped[names[1]]
