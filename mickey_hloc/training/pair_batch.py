"""What the pose loss takes and gives: a batch of pairs of views, and its loss with what it is made of."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from mickey_hloc.training.sets import CorrespondenceSets


@dataclass(frozen=True, eq=False)
class PairBatch:
    """B pairs of views with their true poses. Keypoint counts may differ: then lists of tensors, one per pair.

    Attributes:
        keypoints0, keypoints1: (B, N, 2) or B tensors (N, 2), pixels.
        depths0, depths1: (B, N) or B tensors (N,), metres; may be negative.
        probability: (B, N0, N1) or B tensors (N0, N1): P of MicKey Eq. 2, >= 0, not normalised.
        K0, K1: (B, 3, 3).
        R, t: (B, 3, 3) and (B, 3), true cam1_from_cam0, metres.
        image_size0, image_size1: (B, 2) width and height, pixels; needed by the frustum grid.
    """

    keypoints0: Tensor | Sequence[Tensor]
    keypoints1: Tensor | Sequence[Tensor]
    depths0: Tensor | Sequence[Tensor]
    depths1: Tensor | Sequence[Tensor]
    probability: Tensor | Sequence[Tensor]
    K0: Tensor
    K1: Tensor
    R: Tensor
    t: Tensor
    image_size0: Tensor | None = None
    image_size1: Tensor | None = None

    def __post_init__(self) -> None:
        for name in ("keypoints0", "keypoints1", "depths0", "depths1", "probability"):
            if len(getattr(self, name)) != len(self.R):
                raise ValueError(f"{name} has {len(getattr(self, name))} pairs, the poses {len(self.R)}")

    def __len__(self) -> int:
        return len(self.R)


@dataclass(frozen=True, eq=False)
class PoseLossOutput:
    """The loss of a batch and what it is made of. Only ``loss`` carries gradient.

    Attributes:
        loss: scalar; its gradient on the probability is the REINFORCE estimate (MicKey Eq. 11).
        pair_losses: (B,), NaN for dropped pairs. pair_weights: (B,), their part in the loss.
        set_losses: (B, Q), NaN for dropped sets.
        R, t: (B, 3, 3) and (B, 3), the hypothesis with the highest score of each pair; NaN if the pair has none.
        inlier_share: (B,) its soft inlier count / usable correspondences.
        null_weight: (B,) mean weight of the null hypothesis.
        dropped_hypotheses: (B,) int64, drawn on unusable correspondences or singular.
        dropped_sets: (B,) int64, without any hypothesis left. dropped_pairs: (B,) bool, without any set left.
        sets: what was drawn. advantages: (B, Q), loss of each set minus the pair's mean: minus the reward.
    """

    loss: Tensor
    pair_losses: Tensor
    pair_weights: Tensor
    set_losses: Tensor
    R: Tensor
    t: Tensor
    inlier_share: Tensor
    null_weight: Tensor
    dropped_hypotheses: Tensor
    dropped_sets: Tensor
    dropped_pairs: Tensor
    sets: CorrespondenceSets
    advantages: Tensor
