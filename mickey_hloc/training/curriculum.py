"""Which pairs of a batch are learned from: the easiest share, which grows with training (MicKey section 3.1.3)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from mickey_hloc.errors import InputError

# (B_local, ...) of this process -> (B_global, ...) of all processes, in rank order; the identity on one process.
Gather = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class CurriculumOptions:
    """The published schedule.

    Attributes:
        by: "loss" = the pairs with the smallest loss; "overlap" = those with the largest overlap; "none" = all pairs.
        start_share, end_share: share of a batch in the first epoch, and the largest.
        step_per_epoch: growth of the share.
    """

    by: Literal["loss", "overlap", "none"] = "loss"
    start_share: float = 0.3
    end_share: float = 0.8
    step_per_epoch: float = 0.05

    def __post_init__(self) -> None:
        if self.by not in ("loss", "overlap", "none"):
            raise InputError(f"The curriculum selects by loss, overlap or none, not by {self.by!r}.")
        if not 0 < self.start_share <= self.end_share <= 1:
            raise InputError(
                f"The curriculum needs 0 < start_share <= end_share <= 1, got {self.start_share} and {self.end_share}."
            )
        if self.step_per_epoch < 0:
            raise InputError(f"The curriculum's step_per_epoch must not be negative, got {self.step_per_epoch}.")


class Curriculum:
    """Turns pair losses into the weights with which they make the loss.

    The selection is made among the pairs of all processes, so that the loss does not depend on how a batch is spread
    over them.

    Args:
        options: the schedule.
        gather: collects a tensor from all processes, and its own part begins at ``rank`` times its length.
        rank, world_size: of this process.
    """

    def __init__(
        self,
        options: CurriculumOptions | None = None,
        gather: Gather = lambda values: values,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.options = options or CurriculumOptions()
        self.gather, self.rank, self.world_size = gather, rank, world_size

    def share(self, epoch: float) -> float:
        """Share of the pairs that are used; ``epoch`` counts from 0 and may be a fraction of one."""
        o = self.options
        return 1.0 if o.by == "none" else min(o.start_share + o.step_per_epoch * epoch, o.end_share)

    def pair_weights(self, epoch: float, overlap: Tensor | None = None) -> Callable[[Tensor, Tensor], Tensor]:
        """The rule for one step, as the pose loss wants it.

        Args:
            epoch: for the share.
            overlap: (B,) overlap of each pair in [0, 1]; needed by the overlap curriculum.

        Returns:
            A function of losses (B,) and of which are valid (B,) bool, giving weights (B,): 0 for pairs left out, and
            otherwise the same for all. Averaged over processes they sum to 1, or to 0 where no pair is valid.

        Raises:
            InputError: the overlap curriculum without overlaps.
        """
        if self.options.by == "overlap" and overlap is None:
            raise InputError("The overlap curriculum needs the pairs' overlaps; this data set has none.")
        share = self.share(epoch)

        def weights(losses: Tensor, valid: Tensor) -> Tensor:
            cost = -overlap.to(losses) if self.options.by == "overlap" and overlap is not None else losses
            everyone = self.gather(torch.where(valid, cost, torch.inf).contiguous())
            selected = select_best(everyone, share)
            mine = selected[self.rank * len(losses) : (self.rank + 1) * len(losses)]
            return mine.to(losses) * (self.world_size / selected.sum().clamp(min=1))

        return weights


def select_best(costs: Tensor, share: float) -> Tensor:
    """The cheapest share of pairs, at least one: (B,), infinite = never -> (B,) bool."""
    usable = torch.isfinite(costs)
    # The small number keeps 0.3 * 10 from being rounded down to 2.
    count = max(int(share * len(costs) + 1e-6), 1)
    best = costs.argsort(stable=True)[:count]
    selected = torch.zeros_like(usable)
    selected[best] = True
    return selected & usable
