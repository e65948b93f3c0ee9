"""What a pipeline runs, by names; and the confs of the steps that these names stand for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mickey_hloc import estimate_poses
from mickey_hloc.benchmark.method_confs import MatchingPlan, check_weights, feature_conf, is_mickey, matching_plan
from mickey_hloc.confs import DEFAULT_WEIGHTS, mickey_conf
from mickey_hloc.depth import SPECS
from mickey_hloc.errors import InputError
from mickey_hloc.solvers import get_solver


@dataclass(frozen=True)
class Method:
    """A way from two images to their metric relative pose.

    Attributes:
        feature: a conf of ours ("mickey", "sift", ...) or of hloc's ``extract_features``. Default: "mickey", or nothing
            for a matcher that makes its own keypoints.
        matcher: a conf of ours ("nn-ratio", "nn-mutual", "mickey"), of hloc's ``match_features`` or ``match_dense``,
            or vismatch-<name>. Default: for "mickey" and "sift" their own.
        depth: a depth source, see ``mickey_hloc.depth.SPECS``; "mickey" or "mickey:<weights>" runs MicKey for it.
            Default: the depth of MicKey's own keypoints.
        solver: see ``mickey_hloc.solvers.SOLVERS``. Default: "probabilistic" for MicKey, else "procrustes".
        options: of that solver.
        weights, encoder: of MicKey, names or files.
        hloc: the hloc that runs what is not ours.
        seed: of the solver's draws.
    """

    feature: str | None = None
    matcher: str | None = None
    depth: str | None = None
    solver: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    weights: str | None = None
    encoder: str | None = None
    hloc: str = "hloc"
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Plan:
    """The confs of the steps.

    Attributes:
        feature: of ``extract_features``; None where the matcher makes its own keypoints.
        matching: how pairs are matched; None: the solver works on MicKey's descriptors.
        depth: spec of the depth source that is sampled at the keypoints; None: it is stored with them.
        depth_feature: of ``extract_features``, where MicKey runs for its depth alone.
        pose: of ``estimate_poses``; its ``output`` names the method.
    """

    feature: Mapping[str, Any] | None
    matching: MatchingPlan | None
    depth: str | None
    depth_feature: Mapping[str, Any] | None
    pose: Mapping[str, Any]

    @property
    def name(self) -> str:
        """For folders and files."""
        return str(self.pose["output"])

    @property
    def depth_tag(self) -> str:
        """The depth source in names of files."""
        if self.depth_feature is not None:
            return short(self.depth_feature)
        return (
            "own"
            if self.depth is None
            else re.sub(r"[^A-Za-z0-9._]+", "-", self.depth.removeprefix("png:")).strip("-.")
        )

    @property
    def dense_depth(self) -> bool:
        """Whether the solver looks at whole depth maps, so that samples at keypoints will not do."""
        return get_solver(**self.pose["solver"]).uses_depth_maps


def make_plan(method: Method) -> Plan:
    """Choose the confs; every name is checked here, before the long work.

    Raises:
        InputError: an unknown name, or a combination that cannot work.
        MissingDependencyError: a method needs a package that is not installed.
    """
    matching = None if method.matcher is None else matching_plan(method.matcher, method.hloc)
    own_keypoints = matching is not None and matching.on_images
    if own_keypoints and method.feature is not None:
        raise InputError(f"Matcher {method.matcher} makes its own keypoints: leave out the feature.")
    name = None if own_keypoints else method.feature or "mickey"
    feature = None if name is None else feature_conf(name, method.weights, method.encoder, method.hloc)
    on_mickey = feature is not None and is_mickey(feature)
    solver_name = method.solver or ("probabilistic" if on_mickey and matching is None else "procrustes")
    solver = get_solver(solver_name, **method.options)
    on_descriptors = on_mickey and matching is None and solver.needs == "probability"
    if matching is None and not on_descriptors:
        matching = matching_plan(_default_matcher(name), method.hloc)
    depth, depth_feature = _depth(method, name, on_mickey)
    check_weights(method.weights or method.encoder, on_mickey or depth_feature is not None)
    pose = {
        "solver": {"name": solver_name, **method.options},
        "correspondences": "descriptors" if on_descriptors else "matches",
        "seed": method.seed,
    }
    plan = Plan(feature, matching, depth, depth_feature, pose)
    parts = [short(feature)] if feature is not None else []
    parts += [short(matching.conf)] if matching is not None else []
    parts += [plan.depth_tag, _solver_tag(solver_name, method)]
    output = {"output": "+".join(parts)}
    estimate_poses.PoseConf.from_dict(pose | output)
    return Plan(feature, matching, depth, depth_feature, pose | output)


def short(conf: Mapping[str, Any]) -> str:
    """A conf's ``output`` without hloc's prefix."""
    return str(conf["output"]).removeprefix("feats-").removeprefix("matches-")


def _default_matcher(feature: str | None) -> str:
    if feature == "sift":
        return "nn-ratio"
    if feature is not None and feature.startswith("mickey"):
        return "mickey"
    raise InputError(f"Feature {feature} needs a matcher: choose one, e.g. nn-mutual.")


def _depth(method: Method, feature: str | None, on_mickey: bool) -> tuple[str | None, Mapping[str, Any] | None]:
    if method.depth is None:
        if not on_mickey:
            raise InputError(
                f"{feature or method.matcher} has no depth of its own: choose a depth source, "
                f"{', '.join(SPECS.values())}."
            )
        return None, None
    name, _, argument = method.depth.partition(":")
    if name not in SPECS:
        raise InputError(f"Unknown depth source '{method.depth}'; choose one of: {', '.join(SPECS.values())}.")
    if name != "mickey" or Path(argument).suffix == ".h5":
        return method.depth, None
    if on_mickey and argument in ("", method.weights):
        return None, None
    weights = argument or method.weights
    return "mickey", mickey_conf(weights or DEFAULT_WEIGHTS, method.encoder)


def _solver_tag(name: str, method: Method) -> str:
    options = [f"{key}{value}" for key, value in sorted(method.options.items())]
    tags = [name, *options, *([f"seed{method.seed}"] if method.seed else [])]
    return "-".join(re.sub(r"[^A-Za-z0-9._]+", "-", tag) for tag in tags)
