"""``sfm`` and ``localize-sfm`` from end to end on real images; wrong input is found first."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pycolmap
import pytest
from support.hlocs import TinyConfs, import_host, write_texture

from mickey_hloc import cli
from mickey_hloc.cli.localize_sfm import names_in_results
from mickey_hloc.errors import InputError
from mickey_hloc.hloc_plugin import import_step
from mickey_hloc.io.cameras import read_cameras
from mickey_hloc.io.pairs import read_pairs
from mickey_hloc.io.poses import read_absolute_poses


@pytest.fixture(scope="module")
def scene(data: Path) -> Path:
    """A walk: a folder with intrinsics and many posed images."""
    scenes = {path.parent: len(read_absolute_poses(path)) for path in data.rglob("poses.txt")}
    return max(scenes, key=lambda scene: scenes[scene])


@pytest.fixture
def small_disk(upstream: ModuleType, real_weights: Path) -> Iterator[str]:
    """DISK with few keypoints, to be quick."""
    confs = import_step(upstream, "extract_features").confs
    confs["disk-small"] = {
        "output": "feats-disk-small",
        "model": {"name": "disk", "max_keypoints": 1000},
        "preprocessing": {"grayscale": False, "resize_max": 400},
    }
    yield "disk-small"
    del confs["disk-small"]


def test_model_and_queries(small_disk: str, scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [name for name in read_absolute_poses(scene / "poses.txt") if (scene / name).is_file()]
    first = Path(names[0]).parent
    walk = sorted(name for name in names if Path(name).parent == first)[:13:4]
    (tmp_path / "images.txt").write_text("\n".join(walk))
    methods = ["--feature", small_disk, "--matcher", "NN-mutual"]
    outputs = ["--output", str(tmp_path)]
    K = read_cameras(scene / "intrinsics.txt").get(walk[0]).intrinsics.K
    params = f"{K[0, 0]},{K[1, 1]},{K[0, 2] + 0.5},{K[1, 2] + 0.5}"
    camera = ["--camera-mode", "SINGLE", "--camera-model", "PINHOLE", "--camera-params", params]
    status = cli.main(["sfm", str(scene), *outputs, "--image-list", str(tmp_path / "images.txt"), *camera, *methods])
    said = capsys.readouterr().out
    assert status == 0
    assert f"of {len(walk)} images" in said
    model_dir = Path(re.findall(r" px: (.+)", said)[0])
    model = pycolmap.Reconstruction(str(model_dir))
    assert model.num_reg_images() >= 3
    assert next(iter(model.cameras.values())).params.tolist() == pytest.approx([float(p) for p in params.split(",")])
    assert model.num_points3D() > 50

    between = [name for name in sorted(names) if walk[0] < name < walk[-1] and name not in walk][1:2]
    intrinsics = (scene / "intrinsics.txt").read_text().splitlines()
    (tmp_path / "queries.txt").write_text("\n".join(line for line in intrinsics if line.split()[0] in between))
    arguments = ["localize-sfm", str(scene), "--map-model", str(model_dir), "--queries", str(tmp_path / "queries.txt")]
    assert cli.main([*arguments, *outputs, *methods]) == 0
    assert f"of {len(between)} queries have a pose" in capsys.readouterr().out
    found = read_absolute_poses(next(tmp_path.glob("results-*.txt")))
    assert set(found) <= {Path(name).name for name in between}


def test_no_model_is_an_honest_failure(
    upstream: ModuleType, tiny: TinyConfs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for i in range(2):
        write_texture(tmp_path / "images" / f"{i}.jpg", 200, 150, seed=i)
    model = tiny.feature["model"]
    weights = ["--weights", model["weights"], "--encoder", model["encoder"]]
    assert cli.main(["sfm", str(tmp_path / "images"), "--output", str(tmp_path / "out"), *weights]) == 1
    assert "no model" in capsys.readouterr().out


@pytest.mark.parametrize(
    "text", ["# two names a line\n{}\n", "{}\n\n{}\n", "\ufeff{}\n"], ids=["comment", "blank", "bom"]
)
def test_a_pairs_file_with_more_than_pairs(text: str, upstream: ModuleType, tiny: TinyConfs, tmp_path: Path) -> None:
    """hloc's reconstruction, which takes every line for two names, gets a copy with the pairs alone."""
    for i in range(2):
        write_texture(tmp_path / "images" / f"{i}.jpg", 200, 150, seed=i)
    pairs = tmp_path / "pairs.txt"
    pairs.write_text(text.format(*["0.jpg 1.jpg"] * 2), encoding="utf-8")
    assert read_pairs(pairs) == [("0.jpg", "1.jpg")]
    model = tiny.feature["model"]
    weights = ["--weights", model["weights"], "--encoder", model["encoder"]]
    run = ["sfm", str(tmp_path / "images"), "--output", str(tmp_path / "out"), "--pairs", str(pairs)]
    assert cli.main([*run, *weights]) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--camera-model", "PINHOL"], "did you mean 'PINHOLE'"),
        (["--camera-params", "500,320"], "SIMPLE_RADIAL needs: f, cx, cy, k"),
        (["--camera-params", "a"], "'a' is not a number"),
        (["--matcher", "mikey"], "did you mean 'mickey'"),
        (["--matcher", "lofter"], "did you mean 'loftr'"),
        (["--set", "preprocessing.resize=3"], "Unknown option 'resize'"),
    ],
)
def test_wrong_input_is_found_first(
    arguments: list[str], message: str, upstream: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["sfm", str(tmp_path), "--output", str(tmp_path), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_hloc_that_cannot_reconstruct_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import_host("imcui.hloc", tmp_path)
    monkeypatch.setitem(sys.modules, "imcui.hloc.reconstruction", None)  # as where its packages are too new
    assert cli.main(["sfm", str(tmp_path), "--output", str(tmp_path), "--hloc", "imcui.hloc"]) == 2
    assert "imcui.hloc.reconstruction" in capsys.readouterr().err
    assert cli.main(["sfm", str(tmp_path), "--output", str(tmp_path), "--hloc", "no_such_hloc"]) == 2
    assert "pip install git+https://github.com/cvg/Hierarchical-Localization" in capsys.readouterr().err


def test_queries_keep_apart_in_hlocs_results() -> None:
    assert names_in_results(["a/b/1.jpg", "2.jpg"]) == ({"a/b/1.jpg": "1.jpg", "2.jpg": "2.jpg"}, False)
    assert names_in_results(["a/1.jpg", "b/1.jpg"])[1]
    with pytest.raises(InputError, match="rename"):
        names_in_results(["x/a/1.jpg", "y/a/1.jpg"])
