"""A method by names, and the parts that these names stand for: the one place where the former become the latter."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from mickey_hloc.confidence.policy import Acceptance, feature_family, find_acceptance
from mickey_hloc.depth.sources import kind_of_depth, split_spec
from mickey_hloc.depth.table import SPECS_WITH_IMAGES
from mickey_hloc.errors import InputError
from mickey_hloc.features import EXTRACTORS, Extractor
from mickey_hloc.features.mickey import MickeyExtractor
from mickey_hloc.matching import MATCHERS, Matcher
from mickey_hloc.matching.mickey import DualSoftmaxMatcher
from mickey_hloc.pair_models import PAIR_MODELS, VISMATCH_PREFIX, PairModel
from mickey_hloc.registry import CheckedOptions, UnknownNameError, is_dotted_path, require, unknown_name
from mickey_hloc.solvers import SOLVERS, Solver

_MATCHING_FILES = (".h5", ".hdf5")


@dataclass(frozen=True)
class Method(CheckedOptions):
    """A way from two images to their metric relative pose, by the names of its parts.

    Attributes:
        feature: ours ("mickey", "mickey-small", "sift"), a dotted path, or a conf of hloc's ``extract_features``.
            Default: "mickey", or none for a pair model.
        matcher: ours ("nn-ratio", "nn-mutual", "mickey"), a dotted path, a conf of hloc's ``match_features``, or a pair
            model: "vismatch-<name>" or a conf of hloc's ``match_dense``. Default: what suits the feature.
        depth: a depth source, see ``mickey_hloc.depth``; "mickey" or "mickey:<weights>" runs MicKey for it. Default:
            the depth of the feature's own keypoints.
        solver: see ``mickey_hloc.solvers``. Default: what the model of the feature says, else "procrustes".
        feature_options, matcher_options, depth_options, solver_options: options of these parts.
        weights, encoder: of MicKey, names or files.
        precision: of MicKey's encoder.
        backend: what runs MicKey on a CPU; default: torch.
        device: of the networks. Default: the GPU where there is one.
        focal_correction: for MicKey's depth: "depth" multiplies it by f / f_train, "resize" resizes the images so that
            their focal length becomes that of the training.
        exif_turn: photos that their EXIF orientation turns: "refuse" them, or "ignore" it and use the stored pixels.
        accept: which estimates become poses: "supported" ones, or "all", ranked by confidence.
        accept_options: thresholds of "supported", see ``confidence.AcceptanceOptions``.
        calibration: a file of ``mickey-hloc calibrate``, beside the calibrations of the package.
        hloc: the hloc that runs what is not ours.
        seed: of the solver's draws; the same seed gives the same pose.

    Example:
        >>> method = Method(feature="sift", depth="png:sensor", solver_options={"max_error_m": 0.05})
        >>> parts = method.resolve()
        >>> parts.matcher.name, parts.solver.name, parts.solver.options.max_error_m
        ('nn-ratio', 'procrustes', 0.05)
        >>> Method(feature="sift").resolve()
        Traceback (most recent call last):
        ...
        mickey_hloc.errors.InputError: sift has no depth of its own: choose a source, ...
    """

    feature: str | None = None
    matcher: str | None = None
    depth: str | None = None
    solver: str | None = None
    feature_options: Mapping[str, Any] = field(default_factory=dict)
    matcher_options: Mapping[str, Any] = field(default_factory=dict)
    depth_options: Mapping[str, Any] = field(default_factory=dict)
    solver_options: Mapping[str, Any] = field(default_factory=dict)
    weights: str | None = None
    encoder: str | None = None
    precision: Literal["auto", "fp32", "bf16", "fp16"] | None = None
    backend: Literal["torch", "onnxruntime", "openvino"] | None = None
    device: str | None = None
    focal_correction: Literal["none", "depth", "resize"] = "none"
    exif_turn: Literal["refuse", "ignore"] = "refuse"
    accept: Literal["supported", "all"] = "supported"
    accept_options: Mapping[str, Any] = field(default_factory=dict)
    calibration: str | None = None
    hloc: str = "hloc"
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "seed", 0 <= self.seed < 2**63, "at least 0 and below 2^63")

    def resolve(self) -> Parts:
        """The parts; every name and option is checked here, before the long work. No weights are loaded.

        Raises:
            InputError: an unknown name or option, or parts that cannot work together.
            MissingDependencyError: a part needs a package that is not installed.
        """
        extractor, matching = self._named_parts()
        name = self.solver or ("procrustes" if extractor is None else extractor.default_solver)
        solver = SOLVERS.create(name, **self.solver_options)
        on_descriptors = isinstance(extractor, MickeyExtractor) and matching is None and solver.needs == "probability"
        if extractor is not None and matching is None and not on_descriptors:
            matching = self._default_matcher(extractor)
        pair_model = matching if isinstance(matching, PairModel) else None
        depth, depth_extractor = self._depth(extractor, pair_model)
        if solver.needs_prediction and not (pair_model and pair_model.predicts_pose):
            raise InputError(
                f"Solver {solver.name} takes the pose that a pair model predicts: choose such a matcher, e.g. mast3r."
            )
        self._check_weights(extractor, depth_extractor)
        matcher = matching if isinstance(matching, Matcher) else None
        return Parts(
            self, extractor, matcher, pair_model, depth, depth_extractor, solver.suited_to(kind_of_depth(depth))
        )

    def resolve_matching(self) -> tuple[Extractor | None, Matcher | PairModel]:
        """Feature and matcher alone, for what needs neither depth nor solver; no extractor beside a pair model.

        Raises:
            InputError, MissingDependencyError: see ``resolve``.
        """
        extractor, matching = self._named_parts()
        self._check_weights(extractor, None)
        if matching is None:
            assert extractor is not None
            matching = self._default_matcher(extractor)
        return extractor, matching

    def _named_parts(self) -> tuple[Extractor | None, Matcher | PairModel | None]:
        """The extractor, and the matcher or pair model where one is named."""
        matching = None if self.matcher is None else self.find_matching()
        if isinstance(matching, PairModel):
            if self.feature is not None:
                raise InputError(f"Matcher {self.matcher} makes its own keypoints: leave out the feature.")
            return None, matching
        extractor = self._extractor(self.feature or "mickey", None, self.feature_options)
        if isinstance(matching, DualSoftmaxMatcher) and not isinstance(extractor, MickeyExtractor):
            raise InputError(f"Matcher {matching.name} is for MicKey's features; choose another for {self.feature}.")
        return extractor, matching

    def _check_weights(self, extractor: Extractor | None, depth_extractor: Extractor | None) -> None:
        if (self.weights or self.encoder) and not isinstance(extractor, MickeyExtractor) and depth_extractor is None:
            raise InputError("Neither the feature nor the depth is MicKey's: leave out the weights and the encoder.")
        if self.focal_correction == "resize" and not isinstance(extractor, MickeyExtractor) and depth_extractor is None:
            raise InputError(
                "focal_correction=resize (--focal-correction resize) resizes what MicKey sees, and neither the feature "
                "nor the depth is MicKey's: leave it out."
            )

    def _extractor(self, name: str, weights: str | None, own: Mapping[str, Any]) -> Extractor:
        cls = EXTRACTORS.get(name, self.hloc)
        has_device = "device" in getattr(cls.Options, "__dataclass_fields__", {})  # SIFT runs no network
        options: dict[str, Any] = {"device": self.device} if self.device is not None and has_device else {}
        if issubclass(cls, MickeyExtractor):
            chosen = {"weights": weights or self.weights, "encoder": self.encoder, "precision": self.precision}
            chosen["backend"] = self.backend
            options |= {key: value for key, value in chosen.items() if value is not None}
            options |= {"focal_correction": "resize"} if self.focal_correction == "resize" else {}
        extractor = EXTRACTORS.create(name, self.hloc, **self._as_stored({**options, **own}))
        _ = extractor.preprocessing  # a file of weights that is not there shows here
        return extractor

    def _as_stored(self, options: dict[str, Any]) -> dict[str, Any]:
        """Options of a part that reads images, with what is said about EXIF."""
        if self.exif_turn == "refuse":
            return options
        return {**options, "preprocessing": {"exif_turn": self.exif_turn, **options.get("preprocessing", {})}}

    def find_matching(self) -> Matcher | PairModel:
        """The matcher of features or the pair model that ``matcher`` names: the table that has the name tells.

        Raises:
            InputError, MissingDependencyError: see ``resolve``.
        """
        name, options = self.matcher or "", dict(self.matcher_options)
        if name in MATCHERS.names:
            return MATCHERS.create(name, **options)
        if name in PAIR_MODELS.names or name.startswith(VISMATCH_PREFIX):
            return PAIR_MODELS.create(name, self.hloc, **self._as_stored(options))
        if is_dotted_path(name):
            if issubclass(find_user_matching(name), Matcher):
                return MATCHERS.create(name, **options)
            return PAIR_MODELS.create(name, **options)
        try:
            MATCHERS.find(name, self.hloc)
        except UnknownNameError as unknown:
            try:
                PAIR_MODELS.find(name, self.hloc)
            except UnknownNameError as error:
                raise unknown_name("matcher", name, unknown.choices | error.choices) from None
            return PAIR_MODELS.create(name, self.hloc, **self._as_stored(options))
        return MATCHERS.create(name, self.hloc, **options)

    def _default_matcher(self, extractor: Extractor) -> Matcher:
        if extractor.default_matcher is None:
            raise InputError(f"Feature {extractor.name} needs a matcher: choose one, e.g. nn-mutual.")
        options = dict(self.matcher_options)
        if isinstance(extractor, MickeyExtractor):
            options = {"weights": extractor.options.weights, **options}
        return MATCHERS.create(extractor.default_matcher, **options)

    def _depth(self, extractor: Extractor | None, pair_model: PairModel | None) -> tuple[str | None, Extractor | None]:
        """The spec of the depth source, None for the feature's own; and MicKey, where it runs for its depth alone."""
        has_own = "depths" in extractor.datasets if extractor is not None else bool(pair_model and pair_model.has_depth)
        if self.depth is None:
            if not has_own:
                choices = ", ".join(SPECS_WITH_IMAGES.values())
                raise InputError(f"{self.feature or self.matcher} has no depth of its own: choose a source, {choices}.")
            return None, None
        name, argument = split_spec(self.depth)
        if name != "mickey" or argument.endswith(_MATCHING_FILES):
            return self.depth, None
        if isinstance(extractor, MickeyExtractor) and argument in ("", extractor.options.weights):
            return None, None
        own = self.feature_options if isinstance(extractor, MickeyExtractor) else {}  # else they are another feature's
        return "mickey", self._extractor("mickey", argument or self.weights, own)


def find_user_matching(path: str) -> type[Matcher] | type[PairModel]:
    """A user's own matcher or pair model by its dotted path.

    Raises:
        InputError: no such class, or it is neither.
    """
    try:
        return MATCHERS.get(path)
    except InputError as error:
        try:
            return PAIR_MODELS.get(path)
        except InputError:
            raise error from None


@dataclass(frozen=True, eq=False)
class Parts:
    """A method with its names resolved. Exactly one of ``extractor`` and ``pair_model`` is there.

    Attributes:
        method: the names that it was made from.
        extractor: of the keypoints.
        matcher: of their features; None: the solver works on MicKey's correspondence probability.
        pair_model: makes keypoints and matches of two images.
        depth: spec of the depth source; None: depth is stored with the keypoints.
        depth_extractor: MicKey, where it runs for its depth alone.
        solver: of the pose.
    """

    method: Method
    extractor: Extractor | None
    matcher: Matcher | None
    pair_model: PairModel | None
    depth: str | None
    depth_extractor: Extractor | None
    solver: Solver

    @property
    def on_descriptors(self) -> bool:
        """Whether the solver works on MicKey's full correspondence probability (Eq. 2)."""
        return self.extractor is not None and self.matcher is None

    @property
    def family(self) -> str:
        """What calibrations know features, matches and depth by, e.g. "small", "disk+lightglue@measured"."""
        if self.pair_model is not None:
            return feature_family(self.pair_model.name, "", self.depth_kind)
        family = "" if self.extractor is None else self.extractor.family
        return feature_family(family, "" if self.matcher is None else self.matcher.name, self.depth_kind)

    @property
    def depth_kind(self) -> str:
        """Of the depth source, see ``DepthSource.depth_kind``; "" where the depth is the features' own."""
        return kind_of_depth(self.depth)

    @cached_property
    def acceptance(self) -> Acceptance:
        """How estimates become poses."""
        m = self.method
        return find_acceptance(self.family, self.solver.calibrated_as, m.accept, m.accept_options, m.calibration)

    @property
    def depth_tag(self) -> str:
        """The depth source in names of files."""
        options = [_file_safe(f"{key}{value}") for key, value in sorted(self.method.depth_options.items())]
        if self.depth_extractor is not None:
            return "-".join([self.depth_extractor.tag(), *options])
        spec = "own" if self.depth is None else _file_safe(self.depth.removeprefix("png:")).strip("-.")
        return "-".join([spec, *options])

    @cached_property
    def name(self) -> str:
        """The method in names of folders and files."""
        made_by = [part.tag() for part in (self.extractor, self.matcher, self.pair_model) if part is not None]
        options = [f"{key}{value}" for key, value in sorted(self.method.solver_options.items())]
        accepted = [f"accept.{key}{value}" for key, value in sorted(self.method.accept_options.items())]
        accepted += ["supported"] if self.method.accept == "supported" else []
        focal = [f"focal-{self.method.focal_correction}"] if self.method.focal_correction != "none" else []
        more = [*accepted, *focal]
        seed = [f"seed{self.method.seed}"] if self.method.seed else []
        solver = "-".join(_file_safe(tag) for tag in [self.solver.name, *options, *more, *seed])
        return "+".join([*made_by, self.depth_tag, solver])


def _file_safe(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._]+", "-", text)
