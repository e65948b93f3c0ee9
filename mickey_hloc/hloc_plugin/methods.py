"""Features, matchers and global descriptors by the names of their confs: hloc's, ours, or ``vismatch-<any>``."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any

from mickey_hloc.confs import MATCHER, VISMATCH_PREFIX, mickey_conf_with, mickey_matcher_conf, vismatch_conf
from mickey_hloc.errors import InputError
from mickey_hloc.hloc_plugin import import_step
from mickey_hloc.registry import unknown_name


@dataclass(frozen=True)
class Methods:
    """How images become matches.

    Attributes:
        host: the hloc that runs them.
        feature: conf of its ``extract_features``; None where the matcher makes its own keypoints.
        matcher: conf of its ``match_features``, or of its ``match_dense`` where ``feature`` is None.
    """

    host: ModuleType
    feature: dict[str, Any] | None
    matcher: dict[str, Any]

    @property
    def name(self) -> str:
        """For folders and files."""
        parts = [self.matcher["output"]] if self.feature is None else [self.feature["output"], self.matcher["output"]]
        return "+".join(part.removeprefix("feats-").removeprefix("matches-") for part in parts)


def choose_methods(
    host: ModuleType,
    feature: str | None = None,
    matcher: str | None = None,
    weights: str | None = None,
    encoder: str | None = None,
) -> Methods:
    """Methods by the names of their confs in the host, in ours, or ``vismatch-<any>``.

    Args:
        host: what ``register`` returned.
        feature: default: "mickey", or nothing for a matcher that makes its own keypoints.
        matcher: default: "mickey" for MicKey's features.
        weights: other weights for MicKey, name or file.
        encoder: name or file of the DINOv2 weights, for checkpoints that leave them out.

    Raises:
        InputError: an unknown name, or a combination that cannot work.
        MissingDependencyError: a method needs a package that is not installed.
    """
    matcher_conf = None if matcher is None else _matcher_conf(host, matcher)
    if matcher_conf is not None and "max_error" in matcher_conf:  # of match_dense: no features go in
        if feature is not None or weights is not None:
            raise InputError(f"Matcher {matcher} makes its own keypoints: leave out the feature and its weights.")
        _import_model(host, "matchers", matcher_conf)
        return Methods(host, None, matcher_conf)

    feature_conf = _known(host, "extract_features", "feature", feature or "mickey")
    is_mickey = feature_conf["model"]["name"] == "mickey"
    if is_mickey:
        chosen = weights or feature_conf["model"]["weights"]
        feature_conf = mickey_conf_with(feature_conf, weights, encoder)
        if matcher_conf is None or matcher_conf["model"]["name"] == MATCHER:
            matcher_conf = mickey_matcher_conf(chosen)
    elif weights is not None or encoder is not None:
        raise InputError(f"Feature {feature} does not use MicKey's weights: leave out the weights and the encoder.")
    elif matcher_conf is None or matcher_conf["model"]["name"] == MATCHER:
        raise InputError(
            f"Feature {feature} needs a matcher of its own, e.g. NN-mutual; mickey is for MicKey's features."
        )
    _import_model(host, "extractors", feature_conf)
    _import_model(host, "matchers", matcher_conf)
    return Methods(host, feature_conf, matcher_conf)


def retrieval_conf(host: ModuleType, name: str) -> dict[str, Any]:
    """The conf of a global descriptor.

    Raises:
        InputError: the host has none of that name.
    """
    confs = import_step(host, "extract_features").confs
    known = {key: conf for key, conf in confs.items() if conf["output"].startswith("global-")}
    if name not in known:
        raise unknown_name("way to make pairs", name, {"exhaustive": None, "sequential": None, **known})
    conf: dict[str, Any] = known[name]
    _import_model(host, "extractors", conf)
    return conf


def _matcher_conf(host: ModuleType, name: str) -> dict[str, Any]:
    sparse, dense = import_step(host, "match_features").confs, import_step(host, "match_dense").confs
    if name.startswith(VISMATCH_PREFIX) and name not in dense:
        return vismatch_conf(name.removeprefix(VISMATCH_PREFIX))
    conf: dict[str, Any] | None = sparse.get(name, dense.get(name))
    if conf is None:
        raise unknown_name("matcher", name, {**sparse, **dense})
    return conf


def _known(host: ModuleType, step: str, kind: str, name: str) -> dict[str, Any]:
    confs: dict[str, dict[str, Any]] = import_step(host, step).confs
    if name not in confs:
        raise unknown_name(kind, name, confs)
    return confs[name]


def _import_model(host: ModuleType, folder: str, conf: dict[str, Any]) -> None:
    """A package that a method lacks shows here, before the work, and not in the middle of it."""
    import_step(host, f"{folder}.{conf['model']['name']}")
