"""Training of relative-pose regression, on the same data as metric keypoints: rotation and translation errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import pycolmap
import torch
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.model.regression import PoseRegressor, RegressionOptions
from mickey_hloc.registry import CheckedOptions, make_options, require
from mickey_hloc.training.curves import draw_curves
from mickey_hloc.training.data import PairData
from mickey_hloc.training.initial_weights import load_encoder
from mickey_hloc.training.optimizer import learning_rate_factor
from mickey_hloc.training.options import DataOptions, OptimizerOptions, TrainerOptions, ValidationOptions
from mickey_hloc.training.resuming import sole_training, vet_checkpoint
from mickey_hloc.training.run import RunResult, fit, hold_config, make_trainer
from mickey_hloc.training.validation import PairJudgement, judge_pair, summarise
from mickey_hloc.weights.regression import save_regression
from mickey_hloc.weights.state_file import load_state_file


@dataclass(frozen=True)
class RegressionConfig(CheckedOptions):
    """A training run of relative-pose regression.

    Attributes:
        name, data, optimizer, validation, trainer, encoder_weights, output, seed: as of ``TrainConfig``; what is
            validated is the predicted pose, so ``validation.solver`` means nothing. "Without overlap" is
            ``data.train.min_overlap: 0``.
        model: the network.
        rotation_weight, translation_weight: of the angle (radians) and the length of the error (metres) in the loss.
    """

    name: str
    data: DataOptions
    model: RegressionOptions = field(default_factory=RegressionOptions)
    optimizer: OptimizerOptions = field(default_factory=OptimizerOptions)
    validation: ValidationOptions = field(default_factory=ValidationOptions)
    trainer: TrainerOptions = field(default_factory=TrainerOptions)
    rotation_weight: float = 1.0
    translation_weight: float = 1.0
    encoder_weights: str | None = None
    output: str = "runs"
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("rotation_weight", "translation_weight"):
            require(self, name, getattr(self, name) >= 0, "0 or more")


def pose_errors(R: Tensor, t: Tensor, true_R: Tensor, true_t: Tensor) -> tuple[Tensor, Tensor]:
    """(B,) radians and metres between poses (B, 3, 3), (B, 3); with a gradient everywhere."""
    chord = torch.sqrt((R - true_R).square().sum(dim=(1, 2)) + 1e-12)  # 2 sqrt(2) sin(angle / 2)
    angle = 2.0 * torch.asin((chord / 8**0.5).clamp(max=1 - 1e-4))
    return angle, torch.sqrt((t - true_t).square().sum(dim=1) + 1e-12)


class RegressionTraining(lightning.LightningModule):
    """Learns a ``PoseRegressor``.

    Args:
        config: the run. model: with the encoder's weights loaded.
    """

    def __init__(self, config: RegressionConfig, model: PoseRegressor) -> None:
        super().__init__()
        self.config, self.model = config, model
        self._judged: list[PairJudgement] = []

    def _pose(self, batch: dict[str, Any]) -> tuple[Tensor, Tensor]:
        if "features0" in batch:
            return self.model.pose_from_features(batch["features0"], batch["features1"])
        R, t = self.model(batch["image0"], batch["image1"])
        return R, t

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        """Weighted mean of both errors."""
        angle, length = (e.mean() for e in pose_errors(*self._pose(batch), batch["R"], batch["t"]))
        loss: Tensor = self.config.rotation_weight * angle + self.config.translation_weight * length
        scalars = {"loss": loss.detach(), "rotation_rad": angle.detach(), "translation_m": length.detach()}
        self.log_dict({f"train/{key}": value for key, value in scalars.items()}, batch_size=len(batch["R"]))
        return loss

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """The pose of one pair against the truth."""
        R, t = (value[0].double().cpu().numpy() for value in self._pose(batch))
        item = {key: value[0] for key, value in batch.items()}
        pose = pycolmap.Rigid3d(np.concatenate([R, t[:, None]], axis=1))
        judged = RelativePose(success=True, cam1_from_cam0=pose, confidence=1.0)
        self._judged.append(judge_pair(judged, item, self.config.data.size_wh))

    def on_validation_epoch_end(self) -> None:
        """The figures of all pairs."""
        o, judged = self.config.validation, self._judged
        self._judged = []
        if not self.trainer.sanity_checking and judged:
            figures = summarise(judged, o.vcre_share, o.pose_m, o.pose_deg)
            self.log_dict({f"val/{name}": value for name, value in figures.items()})

    def configure_optimizers(self) -> Any:
        """Adam over all that is not frozen; the schedule counts steps."""
        o = self.config.optimizer
        parameters = [p for p in self.model.parameters() if p.requires_grad]
        optimizer = torch.optim.Adam(parameters, lr=o.lr, eps=o.eps, weight_decay=o.weight_decay)
        total = int(self.trainer.estimated_stepping_batches)
        schedule = LambdaLR(optimizer, lambda step: learning_rate_factor(step, total, o))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def train_regression(values: Mapping[str, Any]) -> RunResult:
    """Train as configured, from the beginning or from the run's last checkpoint.

    Args:
        values: the merged configuration without ``task``.

    Raises:
        InputError: the configuration, the data or the weights cannot be used.
    """
    config = make_options(RegressionConfig, values, "")
    folder = Path(config.output) / config.name
    with sole_training(folder):
        last = folder / "checkpoints" / "last.ckpt"
        hold_config(folder / "config.yaml", values, resumes=last.is_file())
        lightning.seed_everything(config.seed, workers=True, verbose=False)
        if config.trainer.threads:
            torch.set_num_threads(config.trainer.threads)
        model = PoseRegressor(replace(config.model, size_wh=config.data.size_wh))
        load_encoder(model, config.encoder_weights)
        data = PairData(config.data, model, config.seed)
        trainer = make_trainer(config, folder)
        task = RegressionTraining(config, model)
        if last.is_file():
            vet_checkpoint(last, task.state_dict())
        fit(trainer, task, data, last if last.is_file() else None)
        kept = trainer.callback_metrics.items()
        figures = {key.removeprefix("val/"): float(value) for key, value in kept if key.startswith("val/")}
        exported = folder / "model.safetensors"
        if trainer.is_global_zero and not trainer.interrupted:
            best = folder / "checkpoints" / "best.ckpt"
            if config.validation.best is not None and best.is_file():
                task.load_state_dict(load_state_file(best)["state_dict"])
            save_regression(model, exported)
            draw_curves(folder / "tensorboard", folder / "curves.png")
    return RunResult(folder, exported, figures)
