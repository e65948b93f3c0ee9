"""The training step of metric keypoints, for Lightning: one process, many, or many machines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import lightning
import numpy as np
import torch
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from mickey_hloc.errors import WeightsError
from mickey_hloc.model.mickey import MetricKeypoints, MicKey
from mickey_hloc.training.alignment import alignment_loss
from mickey_hloc.training.curriculum import Curriculum
from mickey_hloc.training.feature_cache import weights_sha256
from mickey_hloc.training.homography import warm_up_loss
from mickey_hloc.training.loss import ProbabilisticPoseLoss
from mickey_hloc.training.optimizer import learning_rate_factor, parameter_groups
from mickey_hloc.training.options import TrainConfig
from mickey_hloc.training.pair_batch import PairBatch, PoseLossOutput
from mickey_hloc.training.pictures import pair_pictures
from mickey_hloc.training.validation import PairJudgement, depth_samples, estimate_pose, judge_pair, summarise

Batch = dict[str, Any]
ENCODER_PREFIX = "model.encoder."
_ENCODER_SHA256 = "encoder_sha256"  # of a checkpoint


class PoseTraining(lightning.LightningModule):
    """Learns a MicKey model from pairs and their relative poses.

    Args:
        config: the run. model: with the encoder's weights loaded.
    """

    def __init__(self, config: TrainConfig, model: MicKey) -> None:
        super().__init__()
        self.config, self.model = config, model
        self.loss = ProbabilisticPoseLoss(config.loss)
        self.solver = config.validation.make_solver()
        self._judged: list[PairJudgement] = []
        self._val_losses: list[float] = []

    def keypoints(self, batch: Batch, learn_matching: bool = True) -> tuple[MetricKeypoints, MetricKeypoints]:
        """Metric keypoints of both images of each pair, from images or cached features."""
        kind = "features" if "features0" in batch else "image"
        both = torch.cat([batch[f"{kind}0"], batch[f"{kind}1"]])
        features = both if kind == "features" else self.model.encode(both)
        features = features.contiguous(memory_format=torch.channels_last)  # faster on CPUs
        found = self.model.keypoints_from_features(features, learn_matching).float()
        B = len(batch["R"])
        a, b = found[:B], found[B:]
        trained_px = self.model.options.training_focal_px
        if not self.training or not self.config.focal_correction or trained_px is None:
            return a, b
        focals = ((batch[key][:, 0, 0] * batch[key][:, 1, 1]).sqrt() for key in ("K0", "K1"))
        a, b = (replace(k, depths=k.depths * (f / trained_px)[:, None]) for k, f in zip((a, b), focals, strict=True))
        return a, b

    def pose_loss(self, batch: Batch, a: MetricKeypoints, b: MetricKeypoints) -> PoseLossOutput:
        """The pose loss under the curriculum; in float32 whatever the network's precision is."""
        with torch.autocast(self.device.type, enabled=False):
            w, h = self.config.data.size_wh
            size = torch.tensor([w, h], device=self.device).expand(len(batch["R"]), 2)
            pairs = PairBatch(
                keypoints0=a.keypoints,
                keypoints1=b.keypoints,
                depths0=a.depths,
                depths1=b.depths,
                probability=self.model.correspondence_probability(a, b),
                K0=batch["K0"],
                K1=batch["K1"],
                R=batch["R"],
                t=batch["t"],
                image_size0=size,
                image_size1=size,
            )
            generators = [self._generator(int(draw)) for draw in batch["draw"]]
            overlap = batch["overlap"].amin(dim=-1)
            known = overlap if bool(torch.isfinite(overlap).all()) else None
            if self.training:
                return self.loss(
                    pairs, generators, pair_weights=self._curriculum().pair_weights(self.current_epoch, known)
                )
            return self.loss(pairs, generators)

    def _curriculum(self) -> Curriculum:
        world_size = self.trainer.world_size

        def gather(values: Tensor) -> Tensor:
            collected = self.all_gather(values)  # (world_size, B)
            assert isinstance(collected, Tensor)
            return collected.flatten()

        if world_size == 1:
            return Curriculum(self.config.curriculum)
        return Curriculum(self.config.curriculum, gather, self.global_rank, world_size)

    def _generator(self, draw: int) -> torch.Generator:
        """Of one pair: the same whichever process has it, and after a resume."""
        seed = np.random.SeedSequence([self.config.seed, draw]).generate_state(2, np.uint32)
        return torch.Generator(self.device).manual_seed(int(seed[0]) << 32 | int(seed[1]))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of a batch, logged with what was dropped."""
        if self.global_step < self.config.homography.steps:
            return self._homography_step(batch)
        if self.global_step < self.config.homography.steps + self.config.alignment.steps:
            learn_matching = self.global_step % self.config.alignment.matching_every == 0
            return self._alignment_loss(batch, *self.keypoints(batch, learn_matching), learn_matching)
        a, b = self.keypoints(batch)
        output = self.pose_loss(batch, a, b)
        B = len(batch["R"])
        scalars = {
            "loss": output.loss.detach(),
            "pair_loss": output.pair_losses.nanmean(),
            "pairs_used": (output.pair_weights > 0).float().mean(),
            "inlier_share": output.inlier_share.nanmean(),
            "null_weight": output.null_weight.mean(),
            "curriculum_share": torch.tensor(self._curriculum().share(self.current_epoch)),
        }
        counts = {
            "dropped_hypotheses": output.dropped_hypotheses.sum(),
            "dropped_sets": output.dropped_sets.sum(),
            "dropped_pairs": output.dropped_pairs.sum(),
        }
        self.log_dict({f"train/{k}": v.float() for k, v in {**scalars, **counts}.items()}, batch_size=B)
        self.log("loss", output.loss.detach(), prog_bar=True, logger=False)
        weight = self.config.alignment.weight_after
        return output.loss + weight * self._alignment_loss(batch, a, b) if weight else output.loss

    def _homography_step(self, batch: Batch) -> Tensor:
        """Descriptors learn from warps of the first images."""
        seed = int(batch["draw"][0]) + 1
        loss = warm_up_loss(self.model, batch["image0"], self.config.homography, seed)
        self.log("train/homography_loss", loss.detach(), prog_bar=True, batch_size=len(batch["image0"]))
        return loss

    def _alignment_loss(
        self, batch: Batch, a: MetricKeypoints, b: MetricKeypoints, learn_matching: bool = True
    ) -> Tensor:
        """All heads learn from what the true poses say about single matches."""
        with torch.autocast(self.device.type, enabled=False):
            K, pose = (batch["K0"], batch["K1"]), (batch["R"], batch["t"])
            with torch.set_grad_enabled(learn_matching):
                probability = self.model.match(a, b)
            o, first = self.config.alignment, self.global_step
            parts = alignment_loss(a, b, probability, K, pose, o, first, learn_matching)
        left_out = () if learn_matching else ("matching", "score")
        scalars = {f"train/alignment_{k}": v.detach() for k, v in parts._asdict().items() if k not in left_out}
        self.log_dict(scalars, batch_size=len(batch["R"]))
        self.log("depth", parts.depth.detach(), prog_bar=True, logger=False)
        return parts.total(self.config.alignment)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Loss, pose and depth of one pair."""
        a, b = self.keypoints(batch)
        output = self.pose_loss(batch, a, b)
        with torch.autocast(self.device.type, enabled=False):
            self._judge(batch, a, b, output)

    def _judge(self, batch: Batch, a: MetricKeypoints, b: MetricKeypoints, output: PoseLossOutput) -> None:
        """Keep what is to be said of one pair until all are seen."""
        item = {key: value[0] for key, value in batch.items()}
        pose = estimate_pose(self.solver, (a, b), self.model.matcher, item, self.config.data.size_wh, self.config.seed)
        depths = [
            depth_samples(k.keypoints[0], k.depths[0], k.keypoint_scores[0], item[f"depth{side}"].cpu())
            for side, k in enumerate((a, b))
            if f"depth{side}" in item
        ]
        truth = np.concatenate(depths) if depths else None
        self._judged.append(judge_pair(pose, item, self.config.data.size_wh, truth))
        self._val_losses.append(float(output.pair_losses[0]))
        self._add_pictures(item, a, b, pose, output)

    def _add_pictures(self, item: Batch, a: MetricKeypoints, b: MetricKeypoints, pose: Any, output: Any) -> None:
        boards = [getattr(logger, "experiment", None) for logger in self.loggers]
        board = next((b for b in boards if hasattr(b, "add_image")), None)
        index = int(item["index"])
        if board is None or "image0" not in item or not self._is_pictured(index):
            return
        for name, picture in pair_pictures(item, a, b, pose, output).items():
            board.add_image(f"{index}/{name}", picture, self.global_step, dataformats="HWC")

    def _is_pictured(self, index: int) -> bool:
        """Evenly spread over the validation pairs."""
        wanted = self.config.validation.pictures
        total = len(self.trainer.datamodule.val_data)  # type: ignore[attr-defined]
        return wanted > 0 and index in set(np.linspace(0, total - 1, wanted).astype(int).tolist())

    def on_validation_epoch_end(self) -> None:
        """All processes' pairs together, as if one process had judged them."""
        o, judged, losses = self.config.validation, self._judged, self._val_losses
        if self.trainer.world_size > 1:
            gathered: list[Any] = [None] * self.trainer.world_size
            torch.distributed.all_gather_object(gathered, (judged, losses))
            judged = [j for part, _ in gathered for j in part]
            losses = [loss for _, part in gathered for loss in part]
        self._judged, self._val_losses = [], []
        if self.trainer.sanity_checking or not judged:
            return
        figures = {"loss": float(np.nanmean(losses)), **summarise(judged, o.vcre_share, o.pose_m, o.pose_deg)}
        self.log_dict({f"val/{name}": value for name, value in figures.items()}, rank_zero_only=False)

    def configure_optimizers(self) -> Any:
        """Adam over the heads, and the encoder unless it is frozen; the schedule counts steps."""
        o = self.config.optimizer
        optimizer = torch.optim.Adam(parameter_groups(self.model, o), lr=o.lr, eps=o.eps, weight_decay=o.weight_decay)
        total = int(self.trainer.estimated_stepping_batches)
        schedule = LambdaLR(optimizer, lambda step: learning_rate_factor(step, total, o))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """A frozen encoder is left out: its weights are known by name, and checked by their sum."""
        checkpoint["state_dict"] = self.kept(checkpoint["state_dict"])
        checkpoint[_ENCODER_SHA256] = weights_sha256(self.model.encoder)

    def kept(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What a checkpoint keeps of ``state_dict()``."""
        frozen = self.model.encoder.frozen
        return {k: v for k, v in state.items() if not (frozen and k.startswith(ENCODER_PREFIX))}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """A frozen encoder keeps the weights that it has.

        Raises:
            WeightsError: they are not those that the run was begun with.
        """
        if self.model.encoder.frozen:
            own_sha256 = weights_sha256(self.model.encoder)
            if checkpoint.get(_ENCODER_SHA256, own_sha256) != own_sha256:  # versions before did not write it
                raise WeightsError(
                    "The frozen encoder has other weights than when the run began: give it those again, or begin anew."
                )
            own = {f"{ENCODER_PREFIX}{k}": v for k, v in self.model.encoder.state_dict().items()}
            checkpoint["state_dict"] = {**own, **checkpoint["state_dict"]}
