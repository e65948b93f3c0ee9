"""The configuration of a training run: typed, frozen and strict. Defaults are the published settings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, Literal, Protocol

from mickey_hloc.datasets.pair_sources import PairSource, make_source
from mickey_hloc.errors import InputError
from mickey_hloc.model.mickey import MicKeyOptions
from mickey_hloc.registry import require
from mickey_hloc.rooms.augment import AugmentOptions
from mickey_hloc.solvers import Solver, get_solver
from mickey_hloc.training.alignment import AlignmentOptions
from mickey_hloc.training.curriculum import CurriculumOptions
from mickey_hloc.training.homography import HomographyOptions
from mickey_hloc.training.loss import PoseLossOptions

# Figures of a validation by which an epoch can be chosen, and which end of each is the better one.
FIGURES = {
    **dict.fromkeys(("vcre_precision", "vcre_auc", "pose_precision", "pose_auc"), "max"),
    **dict.fromkeys(("loss", "median_vcre_px", "median_translation_m", "median_rotation_deg"), "min"),
    **{"depth_rel_error": "min", "depth_correlation": "max"},
}


def _model(values: Any, where: str) -> MicKeyOptions:
    if not isinstance(values, Mapping):
        raise InputError(f"{where} must be a mapping, got {values!r}.")
    return MicKeyOptions.from_dict(values)


@dataclass(frozen=True)
class DataOptions:
    """Pairs, their size, and how they are loaded.

    Attributes:
        train, val: sources, see ``mickey_hloc.datasets.pair_sources``; their ``kind`` names them, or a class of yours.
        size_wh: (width, height) of all images, pixels.
        batch_size: pairs a step and process.
        pairs_per_epoch: length of an epoch over all processes; drawn evenly over the scenes.
        workers: loading processes.
        cache: folder for the features of a frozen encoder; None = computed each time.
        mirror: mirror half of the pairs left to right.
        photometric: what a camera adds to the images; None = nothing.
        variants: photometric versions of each image, 0 = any number; a cache stores all of them.
    """

    train: PairSource = field(metadata={"build": make_source})
    val: PairSource | None = field(default=None, metadata={"build": make_source})
    size_wh: tuple[int, int] = (540, 720)
    batch_size: int = 8
    pairs_per_epoch: int = 46_000
    workers: int = 8
    cache: str | None = None
    mirror: bool = False
    photometric: AugmentOptions | None = None
    variants: int = 0

    def __post_init__(self) -> None:
        if min(*self.size_wh, self.batch_size, self.pairs_per_epoch) < 1 or min(self.workers, self.variants) < 0:
            raise InputError("data: sizes, batch_size and pairs_per_epoch must be positive, workers not negative.")
        if self.cache is not None and self.photometric is not None and self.variants == 0:
            raise InputError("data: a cache needs a number of photometric variants; set data.variants, e.g. to 4.")


@dataclass(frozen=True)
class OptimizerOptions:
    """Adam, as published, and its schedule.

    Attributes:
        lr, eps, weight_decay: of Adam.
        clip_norm: of the gradient; 0 = not clipped.
        schedule: "constant", or "cosine" down to ``end_share`` of the learning rate.
        warmup_steps: steps of linear growth of the learning rate.
        matching_factor: learning rate of descriptors, scores and dustbin relative to that of offsets and depths.
        encoder_factor: learning rate of the encoder, where it is trained.
    """

    lr: float = 1e-4
    eps: float = 1e-6
    weight_decay: float = 0.0
    clip_norm: float = 5.0
    schedule: Literal["constant", "cosine"] = "constant"
    warmup_steps: int = 0
    end_share: float = 0.02
    matching_factor: float = 1.0
    encoder_factor: float = 1.0

    def __post_init__(self) -> None:
        for name in ("lr", "eps"):
            require(self, name, 0 < getattr(self, name) < math.inf, "a positive number")
        for name in ("weight_decay", "clip_norm", "matching_factor", "encoder_factor"):
            require(self, name, 0 <= getattr(self, name) < math.inf, "0 or a positive number")
        require(self, "warmup_steps", self.warmup_steps >= 0, "0 or more")
        require(self, "end_share", 0 <= self.end_share <= 1, "in [0, 1]")


@dataclass(frozen=True)
class ValidationOptions:
    """How poses are estimated and judged.

    Attributes:
        solver: its name as ``kind``, and its options.
        vcre_share: a pose counts when its VCRE is below this share of the image diagonal.
        pose_m, pose_deg: a pose counts when both errors are smaller.
        pictures: pairs that are drawn.
        every_epochs: number of epochs between two validations.
        best: the figure by which an epoch is chosen to be exported, e.g. "median_vcre_px"; None = the last epoch.
    """

    solver: Mapping[str, Any] = field(default_factory=lambda: {"kind": "probabilistic"})
    vcre_share: float = 0.1
    pose_m: float = 0.25
    pose_deg: float = 5.0
    pictures: int = 4
    every_epochs: int = 1
    best: str | None = None

    def __post_init__(self) -> None:
        if self.best is not None and self.best not in FIGURES:
            raise InputError(f"validation.best must be one of {', '.join(FIGURES)}, got {self.best!r}.")
        for name in ("vcre_share", "pose_m", "pose_deg"):
            require(self, name, getattr(self, name) > 0, "positive")
        require(self, "pictures", self.pictures >= 0, "0 or more")
        require(self, "every_epochs", self.every_epochs >= 1, "at least 1")

    @property
    def best_mode(self) -> str:
        """Whether the best is the "min" or the "max" of its figure."""
        return FIGURES.get(self.best or "", "min")

    def make_solver(self) -> Solver:
        """The solver.

        Raises:
            InputError: an unknown kind or option.
        """
        options = dict(self.solver)
        return get_solver(str(options.pop("kind", "probabilistic")), **options)


@dataclass(frozen=True)
class TrainerOptions:
    """What Lightning's trainer is told; its words are kept.

    Attributes:
        max_epochs: in units of ``data.pairs_per_epoch``.
        accelerator, devices, num_nodes, strategy, precision: see Lightning.
        accumulate: batches a step.
        sync_batchnorm: normalise over all processes' batches (GPUs only).
        log_every_steps: of the scalars.
        keep_epochs: number of epochs between two checkpoints that are kept beside the last; 0 = only the last.
        threads: CPU threads, 0 = torch's choice.
    """

    max_epochs: int = 100
    accelerator: str = "auto"
    devices: int | str = "auto"
    num_nodes: int = 1
    strategy: str = "auto"
    precision: str = "32-true"
    accumulate: int = 1
    sync_batchnorm: bool = False
    log_every_steps: int = 20
    keep_epochs: int = 0
    threads: int = 0

    def __post_init__(self) -> None:
        for name in ("max_epochs", "num_nodes", "accumulate", "log_every_steps"):
            require(self, name, getattr(self, name) >= 1, "at least 1")
        for name in ("keep_epochs", "threads"):
            require(self, name, 0 <= getattr(self, name) < 2**31, "0 or more")


class RunConfig(Protocol):
    """What every training has, whatever it learns."""

    @property
    def optimizer(self) -> OptimizerOptions: ...
    @property
    def validation(self) -> ValidationOptions: ...
    @property
    def trainer(self) -> TrainerOptions: ...


@dataclass(frozen=True)
class TrainConfig:
    """A training run.

    Attributes:
        name: of the run; it lives in ``<output>/<name>``.
        data, loss, curriculum, homography, alignment, optimizer, validation, trainer: see these.
        model: the network.
        encoder_weights: name or file of a frozen encoder's weights (of xfeat_efficientnet: of XFeat's; the other half
            is always the published one); None = the published ones of its kind, or those of the model that
            ``init_from`` names.
        start: "random" heads, or heads that begin with the own matches of the encoder "disk" or "xfeat" (see
            ``encoder_start``).
        focal_correction: what is learned is the depth at ``model.training_focal_px``; the depth of a training image of
            another focal length is the network's times the ratio of the two.
        init_from: what to start from: a checkpoint of the heads (.ckpt of a run, e.g. a warm-up), or a whole model
            (.safetensors, or the name of one).
        export_pool: export the model for images this many times larger, which its convolutional encoder averages down.
        output: folder of runs.
        seed: of everything that is random.
    """

    name: str
    data: DataOptions
    model: MicKeyOptions = field(default_factory=MicKeyOptions, metadata={"build": _model})
    loss: PoseLossOptions = field(default_factory=PoseLossOptions)
    curriculum: CurriculumOptions = field(default_factory=CurriculumOptions)
    homography: HomographyOptions = field(default_factory=HomographyOptions)
    alignment: AlignmentOptions = field(default_factory=AlignmentOptions)
    optimizer: OptimizerOptions = field(default_factory=OptimizerOptions)
    validation: ValidationOptions = field(default_factory=ValidationOptions)
    trainer: TrainerOptions = field(default_factory=TrainerOptions)
    encoder_weights: str | None = None
    start: Literal["random", "disk", "xfeat"] = "random"
    focal_correction: bool = False
    init_from: str | None = None
    export_pool: int = 1
    output: str = "runs"
    seed: int = 0

    def __post_init__(self) -> None:
        parts = PurePath(self.name).parts
        plain = bool(parts) and not PurePath(self.name).is_absolute() and ".." not in parts and "\0" not in self.name
        require(self, "name", plain, "the name of a folder inside output, without '..'")
        require(self, "seed", 0 <= self.seed < 2**32, "at least 0 and below 2^32")
        require(self, "export_pool", self.export_pool >= 1, "at least 1")
