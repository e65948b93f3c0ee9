"""A depth source of the user's, outside of the package, by its dotted path."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from PIL import Image

from mickey_hloc.cli import main
from mickey_hloc.depth import get_depth_source
from mickey_hloc.depth.sample_depths import main as sample_depths
from mickey_hloc.errors import InputError, MickeyHlocError, PartError

MODULE = '''
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from mickey_hloc.depth import DenseDepthSource, DepthSource
from mickey_hloc.registry import CheckedOptions


class Ramp(DepthSource):
    """Depth grows to the right."""

    @dataclass(frozen=True)
    class Options(CheckedOptions):
        slope: float = 0.1
        kind: Literal["up", "down"] = "up"

    def _depths(self, image_name, keypoints):
        return float(self.argument or 1) + self.options.slope * keypoints[:, 0].double()


class Given(DepthSource):
    """Gives what the argument says, right or wrong."""

    def _depths(self, image_name, keypoints):
        n = len(keypoints)
        return {
            "numpy": np.full(n, 2.5),
            "whole": torch.full((n,), 3),
            "holes": torch.tensor([1.0, -1.0, 0.0, torch.inf, torch.nan][:n]),
            "grad": torch.full((n,), 2.0, requires_grad=True),
            "column": torch.ones(n, 1),
            "few": torch.ones(n - 1),
            "none": None,
            "words": ["far"] * n,
        }[self.argument]

    def _depth_map(self, image_name):
        return {"numpy": np.full((6, 8), 2.5), "few": torch.ones(3, 4), "column": torch.ones(6, 8, 1)}[self.argument]


class Flat(DenseDepthSource):
    def _load_map(self, image_name, image_size):
        if self.argument == "flat":
            return torch.ones(48)
        return np.full((3, 4), 1.5)


class NoSource:
    pass
'''
KEYPOINTS = torch.tensor([[0.0, 0.0], [2.0, 1.0], [4.0, 4.0], [6.0, 5.0], [7.0, 0.0]])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for module in ("own_depth.py", "own_package/sources/depth.py"):
        path = tmp_path / "code" / module
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(MODULE)
    (tmp_path / "code/needy_depth.py").write_text("import a_package_that_nobody_has\n")
    monkeypatch.syspath_prepend(str(tmp_path / "code"))
    Image.new("RGB", (8, 6)).save(tmp_path / "a.png")
    yield tmp_path
    for module in [name for name in sys.modules if name.startswith(("own_depth", "own_package"))]:
        del sys.modules[module]


@pytest.mark.parametrize("module", ["own_depth", "own_package.sources.depth"])
def test_a_dotted_path_argument_and_options(folder: Path, module: str) -> None:
    depths = get_depth_source(f"{module}:Ramp:2.5", slope=1).depths("a.png", KEYPOINTS)
    torch.testing.assert_close(depths, torch.tensor([2.5, 4.5, 6.5, 8.5, 9.5]))
    source = get_depth_source(f"{module}:Ramp")
    torch.testing.assert_close(source.depths("a.png", KEYPOINTS[:2]), torch.tensor([1.0, 1.2]))
    assert source.depth_map("a.png") is None
    assert source.identity() == {
        "source": f"{module}:Ramp",
        "argument": "",
        "options": {"slope": 0.1, "kind": "up"},
    }
    with pytest.raises(InputError, match="Option slope of depth source Ramp must be a number"):
        get_depth_source(f"{module}:Ramp", slope="steep")
    with pytest.raises(InputError, match="known: kind, slope"):
        get_depth_source(f"{module}:Ramp", steepness=1)


def test_arguments_may_have_colons_and_files_go_by_checksum(folder: Path) -> None:
    (folder / "a:b.txt").write_text("1")
    source = get_depth_source(f"own_depth:Given:{folder}/a:b.txt")
    assert source.argument == f"{folder}/a:b.txt"
    before = source.identity()
    assert set(before["argument"]) == {"sha256"}
    (folder / "a:b.txt").write_text("2")
    assert source.identity() != before


def test_names_of_the_table_win(folder: Path) -> None:
    (folder / "code/constant.py").write_text(MODULE)
    assert get_depth_source("constant:2").depths("a.png", KEYPOINTS[:1]).item() == 2.0
    with pytest.raises(InputError, match="no number of metres"):
        get_depth_source("constant:Ramp")


def test_what_it_gives_is_made_the_contracts(folder: Path) -> None:
    for argument, expected in {"numpy": 2.5, "whole": 3.0, "grad": 2.0}.items():
        depths = get_depth_source(f"own_depth:Given:{argument}").depths("a.png", KEYPOINTS)
        assert depths.dtype == torch.float32
        assert not depths.requires_grad
        torch.testing.assert_close(depths, torch.full((5,), expected))
    holes = get_depth_source("own_depth:Given:holes").depths("a.png", KEYPOINTS)
    assert holes.isnan().tolist() == [False, True, True, True, True]
    depth_map = get_depth_source("own_depth:Given:numpy", image_dir=folder).depth_map("a.png")
    torch.testing.assert_close(depth_map, torch.full((6, 8), 2.5))
    dense = get_depth_source("own_depth:Flat", image_dir=folder, sampling="truncated")
    torch.testing.assert_close(dense.depth_map("a.png"), torch.full((6, 8), 1.5))
    torch.testing.assert_close(dense.depths("a.png", KEYPOINTS), torch.full((5,), 1.5))


def test_what_breaks_the_contract_is_refused(folder: Path) -> None:
    for argument, message in {
        "few": r"'own_depth:Given:few' gave depths of shape \(4,\) for the 5 keypoints of image 'a.png'",
        "column": r"shape \(5, 1\) for the 5 keypoints",
        "none": "gave depths of type NoneType",
        "words": "gave depths of type list",
    }.items():
        with pytest.raises(PartError, match=message):
            get_depth_source(f"own_depth:Given:{argument}").depths("a.png", KEYPOINTS)
    for argument in ("few", "column"):
        with pytest.raises(PartError, match=r"depth map of shape .* for image 'a\.png' of 8x6 pixels"):
            get_depth_source(f"own_depth:Given:{argument}", image_dir=folder).depth_map("a.png")
    with pytest.raises(PartError, match=r"shape \(48,\).*Flat._load_map must give \(height, width\)"):
        get_depth_source("own_depth:Flat:flat", image_dir=folder).depths("a.png", KEYPOINTS)


def test_paths_that_lead_to_no_depth_source(folder: Path) -> None:
    for spec, message in {
        "own_depth:Absent": "has no Absent",
        "own_depth:NoSource": "derived from mickey_hloc.depth.base.DepthSource",
        "own_package.absent:Ramp": "no module own_package.absent",
        "own_depth": "choose one of: constant:<metres>",
        "own_dpeth:Ramp": r"choose one of: .*package\.module:Class",
        "needy_depth:Ramp": "needs the module a_package_that_nobody_has",
    }.items():
        with pytest.raises(MickeyHlocError, match=message):
            get_depth_source(spec)


def test_steps_and_commands_take_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with h5py.File(folder / "feats.h5", "w") as file:
        file.create_group("a.png")["keypoints"] = KEYPOINTS.numpy()
        file["a.png"]["image_size"] = np.array([8, 6])
    path = sample_depths(folder / "feats.h5", "own_depth:Ramp:2", folder / "depths.h5", progress=False)
    with h5py.File(path) as file:
        np.testing.assert_allclose(file["a.png"]["depths"], [2.0, 2.2, 2.4, 2.6, 2.7], rtol=1e-6)
    assert main(f"depth own_depth:Flat --images {folder} --name own --option remember=2".split()) == 0
    depth_map = get_depth_source("png:own", folder).depth_map("a.png")
    torch.testing.assert_close(depth_map, torch.full((6, 8), 1.5))
    assert main(f"depth own_depth:Flat --images {folder} --name own2 --option slope=2".split()) == 2
    assert "Unknown option 'slope' of depth source Flat" in capsys.readouterr().err
