"""The scale of a model from metric depth: depth of the source over depth in the model, image by image."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pycolmap
import torch

from mickey_hloc.depth.base import DepthSource
from mickey_hloc.errors import InputError, WeightsError
from mickey_hloc.metric.evidence import Z95, ScaleEvidence
from mickey_hloc.metric.observations import SeenPoints, seen_points, split_in_regions
from mickey_hloc.metric.resampling import resampled_means
from mickey_hloc.metric.robust import MEDIAN_TO_MEAN, between_variance, outliers, spread, t_quantile
from mickey_hloc.model.focal import focal_note, focal_ratio
from mickey_hloc.registry import CheckedOptions, require

MIN_IMAGES = 3  # fewer say nothing of how much images differ
# Chosen on rendered rooms 0 to 7 (exact depth) and 0 to 3 (the bundled model); figures are reported on others.
LEARNED_SHARED_ERROR = 0.2
MEASURED_SHARED_ERROR = 0.003  # the model's: what its points say of the scale and what its cameras say
NUM_REGIONS = 32
MAX_GROUPS = 32


@dataclass(frozen=True)
class DepthScaleOptions(CheckedOptions):
    """Options of the scale from depth.

    Attributes:
        min_points: an image with fewer points of known depth is left out.
        max_points: more points of an image are thinned out to this number.
        min_parallax_deg: points whose rays span less have no depth in the model worth comparing.
        focal_correction: "depth" multiplies learned depth by f / f_train; "none" says by how much it will be off.
        shared_error: standard deviation, as a share, of an error that the source makes alike in all images, which
            nothing in the images can tell. It widens the interval. None: ``LEARNED_SHARED_ERROR`` where the source says
            that its depth was learned, else ``MEASURED_SHARED_ERROR``.
        replicates: of the bootstrap.
        seed: of the draws.
    """

    min_points: int = 10
    max_points: int = 1000
    min_parallax_deg: float = 1.5
    focal_correction: str = "none"
    shared_error: float | None = None
    replicates: int = 400
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "min_points", self.min_points >= 3, "at least 3")
        require(self, "max_points", self.max_points >= self.min_points, "at least min_points")
        require(self, "min_parallax_deg", 0 <= self.min_parallax_deg < 90, "in [0, 90) degrees")
        require(self, "focal_correction", self.focal_correction in ("none", "depth"), "none or depth")
        require(self, "shared_error", self.shared_error is None or 0 <= self.shared_error < 1, "in [0, 1)")
        require(self, "replicates", self.replicates >= 100, "at least 100")
        require(self, "seed", self.seed >= 0, "at least 0")


@dataclass(frozen=True)
class ImageScale:
    """What one image says.

    Attributes:
        name: of the image.
        scale: metres per unit, the median over its points; NaN where it says nothing.
        spread: relative standard deviation of single points about it.
        num_points: points of known depth.
        weight: in the mean, all images together 1; 0 for outliers and for images that say nothing.
        is_outlier: whether it contradicts the other images.
        reason: why it says nothing; empty where it does.
    """

    name: str
    scale: float = math.nan
    spread: float = math.nan
    num_points: int = 0
    weight: float = 0.0
    is_outlier: bool = False
    reason: str = ""


@dataclass(frozen=True)
class DepthScale:
    """The scale from depth: the evidence, and the images behind it by name.

    Attributes:
        evidence: with its interval.
        images: every image with a pose.
        image_spread: relative standard deviation between the images that count.
    """

    evidence: ScaleEvidence
    images: tuple[ImageScale, ...]
    image_spread: float


@dataclass(frozen=True, eq=False)
class _Ratios:
    """Points of an image with the logarithm of metric depth over depth in the model, (N,)."""

    points: SeenPoints
    log_ratios: np.ndarray

    @property
    def median(self) -> float:
        return float(np.median(self.log_ratios))

    @property
    def variance(self) -> float:
        return MEDIAN_TO_MEAN * max(spread(self.log_ratios), 1e-6) ** 2 / len(self.log_ratios)


def depth_scale(
    model: pycolmap.Reconstruction, source: DepthSource, options: DepthScaleOptions | None = None
) -> DepthScale:
    """Metres per unit of a model, from depth at its points.

    In each image the median of log(metric depth / depth in the model) over its points; over the images the mean, each
    weighted by the inverse of its variance, which is its own and that between images. Images that contradict the others
    are left out. The interval is that of ``resampling``, with Student's t for the number of groups of images.

    Args:
        model: any camera model; rigs and frames; image names as the source knows them.
        source: of metric depth along the optical axis.

    Raises:
        InputError: fewer than 2 images with a pose, no points, or no image with enough usable depth.
    """
    chosen = options or DepthScaleOptions()
    if model.num_reg_images() < 2 or model.num_points3D() == 0:
        raise InputError(
            f"The model has {model.num_reg_images()} images with a pose and {model.num_points3D()} points; a scale "
            "needs at least 2 images and points that they see."
        )
    rng = np.random.default_rng(chosen.seed)
    found: dict[str, _Ratios | str] = {
        points.name: _compare(points, source, chosen, rng) for points in seen_points(model)
    }
    usable = {name: ratios for name, ratios in found.items() if isinstance(ratios, _Ratios)}
    if not usable:
        reasons = [str(reason) for reason in found.values()]
        raise InputError(f"None of the {len(found)} images of the model says anything of the scale: {reasons[0]}")
    return _summarise(found, usable, source.spec, _shared_error(source, usable, chosen), chosen, rng)


def _shared_error(source: DepthSource, names: Iterable[str], options: DepthScaleOptions) -> float:
    if options.shared_error is not None:
        return options.shared_error
    learned = any(source.learned_focal(name) is not None for name in names)
    return LEARNED_SHARED_ERROR if learned else MEASURED_SHARED_ERROR


def _compare(
    points: SeenPoints, source: DepthSource, options: DepthScaleOptions, rng: np.random.Generator
) -> _Ratios | str:
    """The ratios of an image, or why there are none."""
    points = points.subset(points.parallax_deg >= options.min_parallax_deg)
    if len(points) > options.max_points:
        points = points.subset(np.sort(rng.choice(len(points), options.max_points, replace=False)))
    if len(points) < options.min_points:
        return f"image '{points.name}' has {len(points)} points with parallax, {options.min_points} are needed"
    try:
        depths = source.depths(points.name, torch.from_numpy(points.keypoints).float()).double().numpy()
        depths = depths * _focal_factor(points, source, options)
    except WeightsError:
        raise
    except InputError as error:  # costs this image only
        return str(error)
    known = np.isfinite(depths)
    if known.sum() < options.min_points:
        return (
            f"depth source '{source.spec}' has a usable depth at {known.sum()} of {len(points)} points of image "
            f"'{points.name}', {options.min_points} are needed"
        )
    return _Ratios(points.subset(known), np.log(depths[known] / points.depths[known]))


def _focal_factor(points: SeenPoints, source: DepthSource, options: DepthScaleOptions) -> float:
    learned = source.learned_focal(points.name)
    if learned is None:
        return 1.0
    ratio = focal_ratio(points.focal_px, learned.training_focal_px, learned.network_scale)
    if options.focal_correction == "depth":
        return 1.0 if ratio is None else ratio
    note = focal_note(ratio, learned.training_focal_px)
    if note is not None:
        warnings.warn(note, UserWarning, stacklevel=2)
    return 1.0


def _summarise(
    found: dict[str, _Ratios | str],
    usable: dict[str, _Ratios],
    spec: str,
    shared_error: float,
    options: DepthScaleOptions,
    rng: np.random.Generator,
) -> DepthScale:
    medians = np.array([ratios.median for ratios in usable.values()])
    variances = np.array([ratios.variance for ratios in usable.values()])
    is_outlier = outliers(medians, variances)
    between = between_variance(medians[~is_outlier], variances[~is_outlier])
    weights = np.where(is_outlier, 0.0, 1.0 / (variances + between + 1e-12))
    weights /= weights.sum()
    mean = float(weights @ medians)
    kept = [ratios for ratios, out in zip(usable.values(), is_outlier, strict=True) if not out]
    log_std = _log_std(kept, weights[~is_outlier], math.sqrt(between), shared_error, options, rng)
    images = {name: ImageScale(name, reason=reason) for name, reason in found.items() if isinstance(reason, str)}
    for (name, ratios), weight, out in zip(usable.items(), weights, is_outlier, strict=True):
        scatter = spread(ratios.log_ratios)
        images[name] = ImageScale(name, math.exp(ratios.median), scatter, len(ratios.points), float(weight), bool(out))
    image_spread = float(np.std(medians[~is_outlier], ddof=1)) if len(kept) > 1 else math.nan
    detail = f"{len(kept)} of {len(found)} images, spread between images {image_spread:.1%}"
    weakness = "" if len(kept) >= MIN_IMAGES else f"only {len(kept)} images say something, {MIN_IMAGES} are needed"
    evidence = ScaleEvidence("depth", spec, mean, log_std, detail, weakness)
    return DepthScale(evidence, tuple(images[name] for name in sorted(images)), image_spread)


def _log_std(
    kept: Sequence[_Ratios],
    weights: np.ndarray,
    between_std: float,
    shared_error: float,
    options: DepthScaleOptions,
    rng: np.random.Generator,
) -> float:
    """Standard deviation of the mean log-scale, such that 1.96 of them are the 95 % interval."""
    if len(kept) < 2:  # nothing says how much images differ; learned depth does by a fifth
        return math.hypot(0.2, shared_error)
    where = np.concatenate([ratios.points.xyz for ratios in kept])
    labels = split_in_regions(where, NUM_REGIONS)
    regions = np.split(labels, np.cumsum([len(ratios.points) for ratios in kept])[:-1])
    groups = _groups(kept)
    means = resampled_means([ratios.log_ratios for ratios in kept], regions, groups, weights, options.replicates, rng)
    count = int(groups.max()) + 1
    # The bootstrap takes the groups it has for all there are, and so misses this much of the variance.
    sampled = float(np.std(means)) * math.sqrt(count / (count - 1))
    least = between_std / math.sqrt(len(kept))
    return math.hypot(max(sampled, least) * t_quantile(0.975, count - 1) / Z95, shared_error)


def _groups(kept: Sequence[_Ratios]) -> np.ndarray:
    """(M,) groups of images that see the same from nearby; each its own where there are few."""
    if len(kept) < 8:
        return np.arange(len(kept))
    views = np.stack([np.median(ratios.points.xyz, axis=0) for ratios in kept])
    return split_in_regions(views, min(MAX_GROUPS, int(len(kept) / 1.5)))
