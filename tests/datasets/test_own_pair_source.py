"""Sources of training pairs as a slot: names of the table, a source of the user's own, and what a broken one gives."""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from PIL import Image
from support.tiny_training import tiny_values

from mickey_hloc.cli import main
from mickey_hloc.datasets.pair_sources import PAIR_SOURCES, PairSource, TableSource, make_source
from mickey_hloc.datasets.pairs import Draw, PairAugmentation
from mickey_hloc.errors import InputError, MickeyHlocError, PartError
from mickey_hloc.registry import make_options

MODULE = '''
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch.utils.data import Dataset

from mickey_hloc.datasets.pair_sources import PairSource, TableSource
from mickey_hloc.datasets.pairs import Draw, PairTable
from mickey_hloc.io.intrinsics import Intrinsics


@dataclass(frozen=True)
class JsonSource(TableSource):
    """Pairs of a json file: images with focal lengths and places in a row."""

    file: str
    step: int = 1

    def table(self):
        found = json.loads(Path(self.file).read_text())
        count = len(found["names"])
        poses = np.tile(np.eye(3, 4), (count, 1, 1))
        poses[:, 0, 3] = -np.array(found["x_m"])
        pairs = np.array([(i, i + self.step) for i in range(count - self.step)], dtype=np.int64).reshape(-1, 2)
        K = np.array([[found["focal_px"], 0, 31.5], [0, found["focal_px"], 23.5], [0, 0, 1]])
        return PairTable(
            root=Path(self.file).parent,
            names=found["names"],
            intrinsics=[Intrinsics(K, 64, 48)] * count,
            cam_from_world=poses,
            pairs=pairs,
            overlaps=np.full(len(pairs), np.nan, dtype=np.float32),
            scenes=np.zeros(len(pairs), dtype=np.int64),
        )


class Items(Dataset):
    def __init__(self, how, size):
        self.how, self.size = how, size

    def __len__(self):
        return 0 if self.how == "none" else 3

    def __getitem__(self, item):
        number = item.pair if isinstance(item, Draw) else item
        if self.how == "bug":
            return {}["image0"]
        image = torch.full((3, self.size[1], self.size[0]), number / 3)
        made = {"image0": image, "image1": image, "K0": torch.eye(3), "K1": torch.eye(3), "R": torch.eye(3)}
        made |= {"t": torch.zeros(3), "overlap": torch.full((2,), torch.nan), "index": number, "draw": 0}
        changes = {
            "size": {"image1": image[:, 1:]},
            "double": {"R": torch.eye(3).double()},
            "numpy": {"K0": np.eye(3)},
            "lacks": {"image0": 1},
            "nan": {"t": torch.full((3,), torch.nan)},
        }
        return made | changes.get(self.how, {})


@dataclass(frozen=True)
class MadeUp(PairSource):
    how: Literal["good", "none", "bug", "lacks", "size", "double", "numpy", "nan"] = "good"

    def _open(self, size_wh, augmentation):
        return Items(self.how, size_wh)


@dataclass(frozen=True)
class NoTable(TableSource):
    def table(self):
        return []


@dataclass(frozen=True)
class Unfinished(TableSource):
    root: str = ""


class NoSource:
    pass
'''
SIZE = (32, 24)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "own_pairs.py").write_text(MODULE)
    (tmp_path / "needy_pairs.py").write_text("import a_package_that_nobody_has\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    names = [f"{i}.png" for i in range(4)]
    for i, name in enumerate(names):
        Image.new("RGB", (64, 48), (60 * i, 20, 30)).save(tmp_path / name)
    values = {"names": names, "x_m": [0.0, 0.1, 0.3, 0.6], "focal_px": 60.0}
    (tmp_path / "pairs.json").write_text(json.dumps(values))
    yield tmp_path
    for module in ("own_pairs", "needy_pairs"):
        sys.modules.pop(module, None)


def test_every_kind_of_the_table_is_a_strict_source() -> None:
    assert PAIR_SOURCES.names == ["folder", "mapfree", "mixed", "scannet", "synthetic"]
    for kind in PAIR_SOURCES.names:
        cls = PAIR_SOURCES.get(kind)
        assert issubclass(cls, PairSource)
        assert issubclass(cls, TableSource) == (kind != "synthetic")
        required: dict[str, Any] = {
            key: "x" for key in ("root", "list") if key in {field.name for field in fields(cls)}
        }
        if kind == "mixed":
            required["sources"] = ({"kind": "mapfree", "root": "x"},)
        source = make_source({"kind": kind, **required}, "data.train")
        assert isinstance(source, cls)
        assert make_source({"kind": kind, **required}, "data.val") == source == pickle.loads(pickle.dumps(source))
        with pytest.raises(InputError, match=r"Unknown option 'no_such' of data.train; known: "):
            make_source({"kind": kind, **required, "no_such": 1}, "data.train")
        for option in (field.name for field in fields(cls)):
            with pytest.raises(InputError, match=option):
                make_source({"kind": kind, **required, option: object()}, "data.train")
            with pytest.raises(InputError, match=option):
                cls(**{**required, option: object()})
        if required:
            with pytest.raises(InputError, match=r"data\.train lacks|The kind mixed needs sources"):
                make_source({"kind": kind}, "data.train")


def test_a_source_of_ones_own(folder: Path) -> None:
    values = {"kind": "own_pairs:JsonSource", "file": str(folder / "pairs.json"), "step": 2}
    source = make_source(values, "data.train")
    data = source.open(SIZE, PairAugmentation(mirror=True))
    assert len(data) == 2
    assert torch.allclose(data[1]["t"], torch.tensor([-0.5, 0.0, 0.0]))
    assert data[Draw(0, 5)]["image0"].shape == (3, 24, 32)
    assert pickle.loads(pickle.dumps(source)) == source
    made_up = make_source({"kind": "own_pairs:MadeUp"}, "data.train").open(SIZE)
    assert [float(made_up[i]["image0"].max()) for i in range(3)] == pytest.approx([0, 1 / 3, 2 / 3])


def test_in_the_configuration_of_a_training(folder: Path) -> None:
    pytest.importorskip("lightning")
    from mickey_hloc.training.data import PairData
    from mickey_hloc.training.options import TrainConfig

    own = {"kind": "own_pairs:JsonSource", "file": str(folder / "pairs.json")}
    data = {"train": own, "val": {"kind": "own_pairs:MadeUp"}, "size_wh": SIZE, "pairs_per_epoch": 6, "batch_size": 2}
    config = make_options(TrainConfig, {"name": "x", "data": {**data, "workers": 0}}, "")
    loaded = PairData(config.data, None, seed=0)
    batches = list(loaded.train_dataloader())
    assert len(batches) == 3
    assert batches[0]["image0"].shape == (2, 3, 24, 32)
    assert len(list(loaded.val_dataloader())) == 3
    wrong = {"name": "x", "data": {**data, "train": {**own, "steps": 1}}}
    with pytest.raises(InputError, match=r"Unknown option 'steps' of data.train; known: exif_turn, file, judge, step"):
        make_options(TrainConfig, wrong, "")


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("none", "gave NoneType as image0 of its first pair"),
        ("lacks", r"gave int as image0 of its first pair, but it must be torch.float32 \(3, 24, 32\)"),
        ("size", r"gave torch.float32 \(3, 23, 32\) as image1"),
        ("double", r"gave torch.float64 \(3, 3\) as R"),
        ("numpy", "gave ndarray as K0"),
        ("nan", "gave a t that is not finite"),
        ("bug", r"Source of pairs MadeUp broke down: KeyError: 'image0'"),
    ],
)
def test_the_base_refuses_what_a_broken_source_gives(folder: Path, how: str, message: str) -> None:
    with pytest.raises(PartError, match=message):
        make_source({"kind": "own_pairs:MadeUp", "how": how}, "data.train").open(SIZE)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (None, "The kind of data.train is missing; choose one of: folder, mapfree, mixed, scannet, synthetic"),
        (3, "The kind of data.train is missing"),
        ("mapfre", r"The kind of data.train: Unknown source of pairs 'mapfre' \(did you mean 'mapfree'\?\)"),
        ("no_such_module:X", "there is no module no_such_module"),
        ("own_pairs:Absent", "the module own_pairs has no Absent"),
        ("own_pairs:NoSource", r"is no source of pairs: it must be a class derived from .*pair_sources\.PairSource"),
        ("mickey_hloc.features.sift:SiftExtractor", "is no source of pairs, it is a feature"),
        ("needy_pairs:X", "needs the module a_package_that_nobody_has"),
        ("own_pairs:Unfinished", "Source of pairs Unfinished is not finished: it must define table"),
    ],
)
def test_a_kind_that_leads_to_no_source_is_one_sentence(folder: Path, kind: Any, message: str) -> None:
    with pytest.raises(MickeyHlocError, match=message) as caught:
        make_source({} if kind is None else {"kind": kind}, "data.train")
    assert "\n" not in str(caught.value)


def test_a_table_that_is_none(folder: Path) -> None:
    with pytest.raises(PartError, match=r"NoTable\.table returned list, but must return a PairTable"):
        make_source({"kind": "own_pairs:NoTable"}, "data.train").open(SIZE)


def test_on_the_command_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("lightning")
    config = folder / "config.yaml"
    own = {"kind": "own_pairs:MadeUp", "how": "nan"}
    config.write_text(yaml.safe_dump(tiny_values(folder, folder / "runs", data__train=own, data__val=None)))
    assert main(["train", str(config)]) == 2
    assert "Source of pairs MadeUp gave a t that is not finite." in capsys.readouterr().err
    assert main(["train", str(config), "data.train.kind=own_pairs:Absent"]) == 2
    assert "the module own_pairs has no Absent" in capsys.readouterr().err
    assert main(["train", str(config), "data.train.how=good", "trainer.max_epochs=1"]) == 0
    assert (folder / "runs" / "tiny" / "model.safetensors").is_file()
