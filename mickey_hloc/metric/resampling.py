"""How much a scale would differ with other images and other things in view: the pigeonhole bootstrap.

Depth errors of one image are of one mind, so are those of neighbouring images, and a surface that a depth source
mistakes is mistaken in every image. Therefore groups of neighbouring images and regions of the scene are drawn anew,
both at once (Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 2007), rather than single depths.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mickey_hloc.metric.robust import weighted_median


def resampled_means(
    log_ratios: Sequence[np.ndarray],
    regions: Sequence[np.ndarray],
    groups: np.ndarray,
    weights: np.ndarray,
    replicates: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """The weighted mean of the images' medians in every replicate.

    Args:
        log_ratios: of each image, (N_i,).
        regions: of each image, (N_i,) the region of the scene of each ratio.
        groups: (M,) the group of each image.
        weights: (M,) of the images.

    Returns:
        (replicates,); replicates that drew nothing are left out.
    """
    num_regions = 1 + max(int(r.max()) for r in regions)
    num_groups = 1 + int(groups.max())
    drawn_regions = rng.multinomial(num_regions, np.full(num_regions, 1 / num_regions), replicates)
    drawn_groups = rng.multinomial(num_groups, np.full(num_groups, 1 / num_groups), replicates)
    sums, totals = np.zeros(replicates), np.zeros(replicates)
    for number, (ratios, region) in enumerate(zip(log_ratios, regions, strict=True)):
        order = np.argsort(ratios, kind="stable")
        medians = weighted_median(ratios[order], drawn_regions[:, region[order]].astype(np.float32))
        share = weights[number] * drawn_groups[:, groups[number]] * np.isfinite(medians)
        sums += share * np.nan_to_num(medians)
        totals += share
    return sums[totals > 0] / totals[totals > 0]
