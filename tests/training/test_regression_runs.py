"""Relative-pose regression from its configuration to a pair model: trained, resumed, saved, asked for a pose."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import save_file
from support.tiny_training import write_world

from mickey_hloc import Method, Photo, TwoViewEstimator, cli
from mickey_hloc.errors import InputError, WeightsError
from mickey_hloc.model.regression import PoseRegressor
from mickey_hloc.pair_models import get_pair_model
from mickey_hloc.registry import make_options
from mickey_hloc.training.config import read_config
from mickey_hloc.training.regression import RegressionConfig, pose_errors
from mickey_hloc.weights.regression import load_regression, save_regression

CONFIGS = Path(__file__).parents[2] / "configs" / "regression"


def tiny_config(root: Path, **changes: object) -> dict[str, object]:
    """A wall and cameras in a row: the network can learn that all motion is sideways."""
    encoder = {"widths": [8, 8, 8], "blocks": [0, 0, 0], "context_widths": [], "context_blocks": []}
    model = {"encoder": "convolutional", "encoder_options": encoder, "channels": 8, "widths": [16, 16], "hidden": 16}
    return {
        "task": "regression",
        "name": "tiny",
        "output": str(root / "runs"),
        "data": {
            "train": {"kind": "mapfree", "root": str(root)},
            "val": {"kind": "mapfree", "root": str(root), "split": "val"},
            "size_wh": [48, 40],
            "batch_size": 5,
            "pairs_per_epoch": 30,
            "workers": 0,
        },
        "model": model,
        "optimizer": {"lr": 5e-3},
        "validation": {"pictures": 0, "best": "median_translation_m"},
        "trainer": {"max_epochs": 20, "accelerator": "cpu", "devices": 1, "log_every_steps": 1, "threads": 1},
        **changes,
    }


def run(root: Path, config: dict[str, object]) -> int:
    path = root / "config.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return cli.main(["train", str(path)])


@pytest.mark.parametrize("form", ["6d", "angles", "points"])
def test_it_learns_saves_and_is_a_pair_model(form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_world(tmp_path)
    config = tiny_config(tmp_path)
    config["model"] = {**config["model"], "form": form}  # type: ignore[dict-item]
    assert run(tmp_path, config) == 0
    assert "median_translation_m" in capsys.readouterr().out
    weights = tmp_path / "runs" / "tiny" / "model.safetensors"
    network = load_regression(weights)
    assert network.options.size_wh == (48, 40)
    data = make_options(RegressionConfig, {k: v for k, v in config.items() if k != "task"}, "").data
    pairs = data.train.open(data.size_wh)
    items = [pairs[i] for i in range(len(pairs))]
    batch = {key: torch.stack([item[key] for item in items]) for key in ("image0", "image1", "R", "t")}
    with torch.no_grad():
        found = network(batch["image0"], batch["image1"])
    still = torch.eye(3).expand_as(batch["R"]), torch.zeros_like(batch["t"])
    learned, nothing = (pose_errors(*pose, batch["R"], batch["t"])[1].mean() for pose in (found, still))
    assert learned < 0.7 * nothing

    model = get_pair_model("regression", weights=str(weights))
    assert model.identity() != get_pair_model("regression").identity()
    images = [
        np.asarray(item * 255, dtype=np.uint8).transpose(1, 2, 0) for item in (batch["image0"][0], batch["image1"][0])
    ]
    K = np.array([[40.0, 0, 23.5], [0, 40, 19.5], [0, 0, 1]])
    method = Method(
        matcher="regression",
        depth="constant:2",
        solver="predicted",
        accept="all",
        matcher_options={"weights": str(weights)},
    )
    pose = TwoViewEstimator(method).estimate(*(Photo(n, i, K) for n, i in zip("ab", images, strict=True))).pose
    assert pose.success, pose.reason
    np.testing.assert_allclose(pose.t, found[1][0].numpy(), atol=0.05)


def test_a_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    write_world(tmp_path)
    config = tiny_config(tmp_path)
    config["trainer"] = {**config["trainer"], "max_epochs": 1}  # type: ignore[dict-item]
    assert run(tmp_path, config) == 0
    first = load_regression(tmp_path / "runs" / "tiny" / "model.safetensors").state_dict()
    assert run(tmp_path, config) == 0  # nothing is left to do
    again = load_regression(tmp_path / "runs" / "tiny" / "model.safetensors").state_dict()
    config["optimizer"] = {"lr": 1e-4}
    assert run(tmp_path, config) == 2  # another run
    assert all(torch.equal(first[key], again[key]) for key in first)


def test_an_unknown_task_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, tiny_config(tmp_path, task="classification")) == 2
    assert "task must be one of keypoints, regression, got 'classification'" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["rpr_6d", "rpr_6d_without_overlap", "rpr_angles", "rpr_points"])
def test_the_configurations_are_whole(name: str) -> None:
    values = read_config(CONFIGS / f"{name}.yaml")
    assert values.pop("task") == "regression"
    config = make_options(RegressionConfig, values, "")
    assert config.name == name
    assert PoseRegressor(config.model).encoder.frozen
    limits = [source.get("min_overlap", 0.0) for source in config.data.train.sources]
    assert limits == ([0.0, 0.0] if "without" in name else [0.3, 0.3])


def test_files_that_are_no_regression(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(WeightsError, match="is no relative-pose regression"):
        load_regression(path)
    for described in (
        "{",
        "[]",
        json.dumps({"encoder": "os:system"}),
        json.dumps({"channels": -1}),
        json.dumps({"x": 1}),
    ):
        save_file({"a": torch.zeros(1)}, path, metadata={"mickey_hloc_regression": described})
        with pytest.raises(WeightsError, match="cannot be used"):
            load_regression(path)
    network = PoseRegressor(make_options(RegressionConfig, _plain(tmp_path), "").model)
    saved = load_regression(save_regression(network, tmp_path / "b.safetensors"))
    assert dataclasses.asdict(saved.options) == dataclasses.asdict(network.options)


def _plain(root: Path) -> dict[str, object]:
    return {key: value for key, value in tiny_config(root).items() if key != "task"}


def test_the_pair_model_without_weights_says_so() -> None:
    K = torch.eye(3)
    with pytest.raises(InputError, match="needs the option weights"):
        get_pair_model("regression").match(torch.rand(3, 40, 48), torch.rand(3, 40, 48), K, K)


def test_errors_have_gradients_at_the_truth_and_opposite_it() -> None:
    R = torch.stack([torch.eye(3), torch.diag(torch.tensor([-1.0, -1.0, 1.0]))]).requires_grad_()
    t = torch.zeros(2, 3, requires_grad=True)
    angle, length = pose_errors(R, t, torch.eye(3).expand(2, 3, 3), torch.zeros(2, 3))
    assert angle.tolist() == pytest.approx([0.0, np.pi], abs=0.03)
    (angle.sum() + length.sum()).backward()
    assert torch.isfinite(R.grad).all()
    assert torch.isfinite(t.grad).all()
