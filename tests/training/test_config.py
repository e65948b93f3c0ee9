"""Configurations: strict keys and types, bases, overrides, and the files that we ship."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from mickey_hloc.errors import InputError
from mickey_hloc.registry import make_options
from mickey_hloc.training.config import merge, read_config
from mickey_hloc.training.options import TrainConfig

CONFIGS = sorted((Path(__file__).resolve().parents[2] / "configs").glob("*.yaml"))


@dataclass(frozen=True)
class Inner:
    rate: float = 0.1
    sizes: tuple[int, ...] = (1, 2)
    pair: tuple[int, int] = (1, 2)
    kind: Literal["a", "b"] = "a"


@dataclass(frozen=True)
class Outer:
    name: str
    count: int = 1
    flag: bool = False
    limit: float | None = None
    devices: int | str = "auto"
    inner: Inner = field(default_factory=Inner)


def test_nested_values_become_dataclasses() -> None:
    values = {"name": "x", "limit": "1e-4", "devices": 2, "inner": {"rate": 1, "sizes": [3], "pair": [4, 5]}}
    built = make_options(Outer, values, "")
    assert built == Outer("x", limit=1e-4, devices=2, inner=Inner(1.0, (3,), (4, 5)))
    assert isinstance(built.inner.rate, float)
    assert make_options(Outer, {"name": "x", "limit": None}, "").limit is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "lacks 'name'"),
        ({"name": "x", "nmae": 1}, "'nmae'"),
        ({"name": "x", "count": 1.5}, "count of the configuration must be a whole number"),
        ({"name": "x", "count": True}, "count of the configuration must be a whole number"),
        ({"name": "x", "flag": 1}, "flag of the configuration must be true or false"),
        ({"name": 3}, "name of the configuration must be a text"),
        ({"name": "x", "limit": "high"}, "limit of the configuration must be a number"),
        ({"name": "x", "inner": {"rat": 1}}, "inner"),
        ({"name": "x", "inner": 3}, "inner must be a mapping"),
        ({"name": "x", "inner": {"kind": "c"}}, "kind of inner must be one of a, b"),
        ({"name": "x", "inner": {"pair": [1]}}, "list of 2"),
        ({"name": "x", "inner": {"sizes": 4}}, "sizes of inner must be a list"),
        ({"name": "x", "inner": {"sizes": ["a"]}}, "sizes of inner must be a whole number"),
    ],
)
def test_mistakes_are_named(values: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_options(Outer, values, "")


def test_base_file_and_command_line(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("name: base\ndata:\n  train: {kind: a, root: r}\n  size: 3\n")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/mine.yaml").write_text("extends: ../base.yaml\nname: mine\ndata: {size: 4}\n")
    assert read_config(tmp_path / "sub/mine.yaml") == {
        "name": "mine",
        "data": {"train": {"kind": "a", "root": "r"}, "size": 4},
    }
    changed = read_config(tmp_path / "base.yaml", ["data.size=[1, 2]", "data.train.root=x y", "a.b.c=null"])
    assert changed["data"] == {"train": {"kind": "a", "root": "x y"}, "size": [1, 2]}
    assert changed["a"] == {"b": {"c": None}}


def test_another_kind_replaces_the_whole() -> None:
    base = {"train": {"kind": "a", "root": "r"}}
    assert merge(base, {"train": {"kind": "b", "size": 1}}) == {"train": {"kind": "b", "size": 1}}
    assert merge(base, {"train": {"root": "q"}}) == {"train": {"kind": "a", "root": "q"}}


def test_wrong_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="configuration"):
        read_config(tmp_path / "none.yaml")
    loop = tmp_path / "loop.yaml"
    loop.write_text("extends: loop.yaml\n")
    with pytest.raises(InputError, match="extends itself"):
        read_config(loop)
    for text in ("- 1\n", "a: [\n", ""):
        loop.write_text(text)
        with pytest.raises(InputError, match="loop"):
            read_config(loop)
    loop.write_text("a: 1\n")
    for override in ("a", "=1", "a..b=1", "a=[1"):
        with pytest.raises(InputError, match="a"):
            read_config(loop, [override])


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_shipped_configurations_are_valid(path: Path) -> None:
    config = make_options(TrainConfig, read_config(path), "")
    assert config.data.val is not None or config.name in (
        "disk_folder",
        "xfeat_folder",
    )  # one's own images, whatever they are


def test_defaults_are_the_published_settings() -> None:
    config = make_options(TrainConfig, {"name": "x", "data": {"train": {"kind": "mapfree", "root": "r"}}}, "")
    loss, optimizer = config.loss, config.optimizer
    assert (loss.num_sets, loss.num_hypotheses, loss.num_samples, loss.sample_size) == (20, 20, 512, 8)
    assert (loss.inlier_threshold_m, loss.score_threshold_m, loss.score_temperature) == (0.15, 0.3, 20.0)
    assert (loss.null_score_share, loss.null_loss, loss.soft_clip_vcre_px, loss.vcre_clip_px) == (0.35, 0.8, 80, 720)
    assert (config.curriculum.start_share, config.curriculum.step_per_epoch, config.curriculum.end_share) == (
        0.3,
        0.05,
        0.8,
    )
    assert (optimizer.lr, optimizer.eps, optimizer.clip_norm) == (1e-4, 1e-6, 5.0)
    assert (config.data.batch_size, config.data.size_wh) == (8, (540, 720))
