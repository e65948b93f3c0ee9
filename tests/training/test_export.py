"""What an exported model's file says of its training."""

from pathlib import Path
from typing import Any

import pytest
from support.tiny_training import tiny_values

pytest.importorskip("lightning")
pytest.importorskip("tensorboard")

from mickey_hloc.registry import make_options
from mickey_hloc.training.export import export
from mickey_hloc.training.options import TrainConfig
from mickey_hloc.training.run import build_model
from mickey_hloc.weights.checkpoints import load_model
from mickey_hloc.weights.metadata import ModelMetadata, read_metadata


def exported(folder: Path, pool: int = 1, **changes: Any) -> Path:
    """The file of an untrained model of that configuration."""
    config = make_options(TrainConfig, tiny_values(folder, folder, **changes), "")
    return export(build_model(config), folder / "model.safetensors", pool)


@pytest.mark.parametrize(
    ("changes", "solver"),
    [
        ({"validation__solver": {"kind": "joint", "min_inliers": 3}}, "joint"),
        ({"validation__solver": {"num_sets": 2}}, "probabilistic"),
        ({"validation__solver": {"kind": "pnp"}, "model__solver": "joint"}, "pnp"),
        ({"validation__solver": {"kind": "my_package.solvers:Mine"}, "model__solver": "joint"}, "joint"),
    ],
)
def test_it_names_the_solver_of_the_validation(tmp_path: Path, changes: dict[str, Any], solver: str) -> None:
    path = exported(tmp_path, **changes)
    assert read_metadata(path).solver == solver
    assert load_model(path, device="cpu").options.solver == solver


def test_size_and_focal_length_are_those_of_the_images_that_it_is_exported_for(tmp_path: Path) -> None:
    assert read_metadata(exported(tmp_path, model__training_focal_px=80)) == ModelMetadata(
        96, 80.0, "probabilistic", "convolutional"
    )
    assert read_metadata(exported(tmp_path, 2, model__training_focal_px=80)).training_size_px == 192
    assert read_metadata(exported(tmp_path, 2, model__training_focal_px=80)).training_focal_px == 160.0
    assert read_metadata(exported(tmp_path, 2, model__training_focal_px=None)).training_focal_px is None
