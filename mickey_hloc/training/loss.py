"""The probabilistic pose loss: MicKey section 3.1, as one differentiable module."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn

from mickey_hloc.errors import InputError
from mickey_hloc.training.hypotheses import Hypotheses, best_hypotheses, refined_hypotheses, soft_inlier_counts
from mickey_hloc.training.pair_batch import PairBatch, PoseLossOutput
from mickey_hloc.training.pose_losses import GridOptions, pose_loss, soft_clip, vcre_loss, virtual_points
from mickey_hloc.training.sets import CorrespondenceSets, LiftedSets, draw_sets, lift_sets

# (B,) detached pair losses and (B,) bool "has a loss" -> (B,) weights whose products with the losses sum to the loss.
PairWeights = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class PoseLossOptions:
    """The published settings.

    Attributes:
        num_sets, num_samples: correspondence sets per pair, and correspondences per set.
        num_hypotheses, sample_size: hypotheses per set, and correspondences that start each.
        refinements: of each hypothesis, at most.
        inlier_threshold_m, score_threshold_m: of refinement and of the soft inlier count, metres.
        score_temperature: hypothesis weights are softmax(soft inlier count / this).
        loss: "vcre" or "pose" (rotation in rad + translation in metres).
        vcre_clip_px: projections are clipped to [0, this]; None = not.
        soft_clip_vcre_px, soft_clip_pose: loss = tanh(loss / this); None = the plain loss.
        null_hypothesis: add a hypothesis of fixed score and loss, which bounds what a hopeless pair can do.
        null_score_share: its score as a share of the set's usable correspondences.
        null_loss: its loss.
        reinforce_factor: the REINFORCE gradient of a pair relative to its share of the loss. None = the number of
            pairs used in this process: their gradients are summed while their losses are averaged, as published. A
            number makes the gradient independent of how the pairs are spread over processes.
        grid: virtual points of the VCRE.
    """

    num_sets: int = 20
    num_samples: int = 512
    num_hypotheses: int = 20
    sample_size: int = 8
    refinements: int = 4
    inlier_threshold_m: float = 0.15
    score_threshold_m: float = 0.3
    score_temperature: float = 20.0
    loss: Literal["vcre", "pose"] = "vcre"
    vcre_clip_px: float | None = 720.0
    soft_clip_vcre_px: float | None = 80.0
    soft_clip_pose: float | None = 0.9
    null_hypothesis: bool = True
    null_score_share: float = 0.35
    null_loss: float = 0.8
    reinforce_factor: float | None = None
    grid: GridOptions = field(default_factory=GridOptions)

    def __post_init__(self) -> None:
        for name in ("num_sets", "num_samples", "num_hypotheses"):
            if getattr(self, name) < 1:
                raise InputError(f"The pose loss needs {name} >= 1, got {getattr(self, name)}.")
        if not 3 <= self.sample_size <= self.num_samples:
            raise InputError(
                f"The pose loss needs 3 <= sample_size <= num_samples, got {self.sample_size} and {self.num_samples}."
            )
        if self.loss not in ("vcre", "pose"):
            raise InputError(f"The pose loss must be 'vcre' or 'pose', not {self.loss!r}.")


def mean_over_pairs(pair_losses: Tensor, valid: Tensor) -> Tensor:
    """Equal weights over the pairs that have a loss: (B,), (B,) bool -> (B,)."""
    return valid.to(pair_losses) / valid.sum().clamp(min=1)


class ProbabilisticPoseLoss(nn.Module):
    """Expected pose loss over correspondence sets and hypotheses (MicKey section 3.1).

    Gradient reaches keypoints and depths through each hypothesis's last solve and its score, and the probability
    through REINFORCE with the pair's mean loss as baseline.
    """

    def __init__(self, options: PoseLossOptions | None = None) -> None:
        super().__init__()
        self.options = options or PoseLossOptions()

    def forward(
        self,
        batch: PairBatch,
        generators: Sequence[torch.Generator] | torch.Generator | None = None,
        sets: CorrespondenceSets | None = None,
        pair_weights: PairWeights = mean_over_pairs,
    ) -> PoseLossOutput:
        """The loss of a batch of pairs.

        Args:
            batch: B pairs.
            generators: one for all pairs or one per pair, on the batch's device; needed unless ``sets`` is given.
            sets: recorded samples, used instead of drawing.
            pair_weights: how pair losses make the loss: the curriculum.

        Raises:
            ValueError: neither generators nor recorded samples.
        """
        o = self.options
        if sets is None:
            if generators is None:
                raise ValueError("the pose loss needs generators or recorded samples")
            each = [generators] * len(batch) if isinstance(generators, torch.Generator) else generators
            sets = draw_sets(batch.probability, o.num_sets, o.num_samples, o.num_hypotheses, o.sample_size, each)
        lifted = lift_sets(
            sets,
            batch.probability,
            (batch.keypoints0, batch.keypoints1),
            (batch.depths0, batch.depths1),
            (batch.K0, batch.K1),
        )
        hypotheses, scores = self._hypotheses(lifted, sets)
        losses = self._hypothesis_losses(batch, hypotheses)
        return self._expectation(sets, lifted, hypotheses, scores, losses, pair_weights)

    def _hypotheses(self, lifted: LiftedSets, sets: CorrespondenceSets) -> tuple[Hypotheses, Tensor]:
        """Refined hypotheses and their (B, Q, J) scores; shapes as in ``Hypotheses`` with (B, Q) for S."""
        o = self.options
        B, Q = sets.cells.shape[:2]
        X, Y, usable, minimal = (x.flatten(0, 1) for x in (lifted.X, lifted.Y, lifted.usable, sets.minimal))
        flat = refined_hypotheses(X, Y, usable, minimal, o.inlier_threshold_m, o.refinements)
        scores = soft_inlier_counts(flat.R, flat.t, X, Y, usable, o.score_threshold_m)
        return Hypotheses(*(x.unflatten(0, (B, Q)) for x in flat)), scores.unflatten(0, (B, Q))

    def _hypothesis_losses(self, batch: PairBatch, hypotheses: Hypotheses) -> Tensor:
        """(B, Q, J) losses of the hypotheses against the true poses."""
        o = self.options
        R, t = hypotheses.R, hypotheses.t
        R_gt, t_gt = batch.R.to(R)[:, None, None], batch.t.to(t)[:, None, None]
        if o.loss == "pose":
            return pose_loss(R, t, R_gt, t_gt, o.soft_clip_pose)
        K0, K1 = batch.K0.to(R), batch.K1.to(R)
        grid0 = virtual_points(o.grid, K0, batch.image_size0)[:, None, None]
        grid1 = virtual_points(o.grid, K1, batch.image_size1)[:, None, None]
        K0, K1 = K0[:, None, None], K1[:, None, None]
        errors = vcre_loss(R, t, R_gt, t_gt, K0, K1, grid0, grid1, o.vcre_clip_px)
        return errors if o.soft_clip_vcre_px is None else soft_clip(errors, o.soft_clip_vcre_px)

    def _expectation(
        self,
        sets: CorrespondenceSets,
        lifted: LiftedSets,
        hypotheses: Hypotheses,
        scores: Tensor,
        losses: Tensor,
        pair_weights: PairWeights,
    ) -> PoseLossOutput:
        """Expected loss over hypotheses, then over sets, with the score-function gradient on the probability."""
        valid = hypotheses.valid & torch.isfinite(losses.detach()) & torch.isfinite(scores.detach())
        set_losses, null_weight = self._set_losses(scores, losses, valid, lifted.usable)
        set_valid = valid.any(dim=-1)
        pair_valid = set_valid.any(dim=-1)
        num_sets = set_valid.sum(dim=-1).clamp(min=1)
        pair_losses = torch.where(set_valid, set_losses, 0.0).sum(dim=-1) / num_sets
        shares = pair_weights(pair_losses.detach(), pair_valid)

        # The baseline of REINFORCE is the pair's mean loss, so that a set is judged against the pair's other sets.
        advantages = torch.where(set_valid, set_losses.detach() - pair_losses.detach()[:, None], 0.0)
        reinforced = (shares > 0).to(shares)
        if self.options.reinforce_factor is not None:
            reinforced = shares * self.options.reinforce_factor
        log_probability = lifted.log_probability.sum(dim=-1)
        surrogate = (reinforced * (advantages * log_probability).sum(dim=-1) / num_sets).sum()

        R, t, share = best_hypotheses(hypotheses, scores.detach(), valid, lifted.usable)
        return PoseLossOutput(
            loss=(shares * pair_losses).sum() + (surrogate - surrogate.detach()),
            pair_losses=pair_losses.detach().masked_fill(~pair_valid, torch.nan),
            pair_weights=shares,
            set_losses=set_losses.detach().masked_fill(~set_valid, torch.nan),
            R=R,
            t=t,
            inlier_share=share,
            null_weight=null_weight.detach().mean(dim=-1),
            dropped_hypotheses=(~valid).sum(dim=(-2, -1)),
            dropped_sets=(~set_valid).sum(dim=-1),
            dropped_pairs=~pair_valid,
            sets=sets,
            advantages=advantages,
        )

    def _set_losses(self, scores: Tensor, losses: Tensor, valid: Tensor, usable: Tensor) -> tuple[Tensor, Tensor]:
        """Losses of the sets (B, Q), expected over hypotheses (B, Q, J), and the null hypothesis's weight (B, Q)."""
        o = self.options
        losses = torch.where(valid, losses, 0.0)
        scores = torch.where(valid, scores, -torch.inf)
        if o.null_hypothesis:
            null_score = o.null_score_share * usable.sum(dim=-1, keepdim=True).to(scores)
            scores = torch.cat([scores, null_score], dim=-1)
            losses = torch.cat([losses, torch.full_like(null_score, o.null_loss)], dim=-1)
        scores = torch.where(valid.any(dim=-1, keepdim=True), scores, 0.0)  # a softmax over -inf alone is NaN
        weights = torch.softmax(scores / o.score_temperature, dim=-1)
        null_weight = weights[..., -1] if o.null_hypothesis else torch.zeros_like(weights[..., 0])
        return (weights * losses).sum(dim=-1), null_weight
