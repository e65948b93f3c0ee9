"""Features and matchers by name, ours first, then those of an installed hloc."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from types import ModuleType
from typing import Any

from mickey_hloc import extract_features, match_features
from mickey_hloc.confs import VISMATCH_PREFIX, mickey_conf_with, vismatch_conf
from mickey_hloc.errors import InputError, MissingDependencyError
from mickey_hloc.hloc_plugin import import_step, register
from mickey_hloc.io.image_batches import Preprocessing
from mickey_hloc.registry import unknown_name


@dataclass(frozen=True, eq=False)
class MatchingPlan:
    """Attributes: conf: of ``match_features``, or of ``match_images`` where ``on_images``."""

    conf: Mapping[str, Any]
    on_images: bool = False


def is_mickey(conf: Mapping[str, Any]) -> bool:
    """Whether a feature conf is MicKey's."""
    return bool(conf["model"]["name"] == "mickey")


def feature_conf(name: str, weights: str | None, encoder: str | None, host: str) -> dict[str, Any]:
    """The conf of ``extract_features`` for a feature's name.

    Args:
        weights, encoder: of MicKey, names or files.
        host: the hloc package, for names that are not ours.

    Raises:
        InputError: an unknown name, or weights for a feature that is not MicKey's.
        MissingDependencyError: hloc, or what the feature needs, is not installed.
    """
    conf = extract_features.get_conf(name) if name in extract_features.confs else _hosted_feature(name, host)
    if is_mickey(conf):
        return mickey_conf_with(conf, weights, encoder)
    return conf


def matching_plan(name: str, host: str) -> MatchingPlan:
    """The conf of ``match_features`` or ``match_images`` for a matcher's name.

    Raises:
        InputError: an unknown name.
        MissingDependencyError: hloc, or what the matcher needs, is not installed.
    """
    if name in match_features.confs:
        return MatchingPlan(match_features.get_conf(name))
    package = _host(host, "matcher", name, match_features.confs)
    sparse, dense = import_step(package, "match_features").confs, import_step(package, "match_dense").confs
    if name.startswith(VISMATCH_PREFIX):
        # rounding to a grid, 4 px for dense methods, serves tracks only; here correspondences stay as they are
        conf = vismatch_conf(name.removeprefix(VISMATCH_PREFIX), quantize_px=0)
    elif name in sparse or name in dense:
        conf = sparse.get(name) or dense[name]
    else:
        raise unknown_name("matcher", name, {**match_features.confs, **sparse, **dense})
    import_step(package, f"matchers.{conf['model']['name']}")
    model = {"name": "hloc", "host": host, "model": dict(conf["model"])}
    if "max_error" not in conf:
        return MatchingPlan({"output": conf["output"], "model": model})
    preprocessing = conf["preprocessing"]
    chosen = {"preprocessing": _preprocessing(preprocessing), "dfactor": preprocessing.get("dfactor", 8)}
    return MatchingPlan({"output": conf["output"], "model": model, **chosen}, on_images=True)


def _hosted_feature(name: str, host: str) -> dict[str, Any]:
    package = _host(host, "feature", name, extract_features.confs)
    confs = import_step(package, "extract_features").confs
    known = {key: conf for key, conf in confs.items() if not conf["output"].startswith("global-")}
    if name not in known:
        raise unknown_name("feature", name, {**extract_features.confs, **known})
    conf = known[name]
    import_step(package, f"extractors.{conf['model']['name']}")
    model = {"name": "hloc", "host": host, "model": dict(conf["model"])}
    return {"output": conf["output"], "model": model, "preprocessing": _preprocessing(conf["preprocessing"])}


def _host(host: str, kind: str, name: str, ours: Iterable[str]) -> ModuleType:
    try:
        return register(host)
    except MissingDependencyError as error:
        raise MissingDependencyError(
            f"{kind} '{name}' is none of ours ({', '.join(sorted(ours))}), and {error}"
        ) from error


def _preprocessing(conf: Mapping[str, Any]) -> dict[str, Any]:
    """What our step knows of it: imcui.hloc also has keys that squeeze every image into 640 x 480."""
    known = {field.name for field in fields(Preprocessing)}
    return {key: value for key, value in conf.items() if key in known}


def check_weights(method_weights: str | None, uses_mickey: bool) -> None:
    """Weights that nothing uses are a mistake.

    Raises:
        InputError: they are given and MicKey does not run.
    """
    if method_weights is not None and not uses_mickey:
        raise InputError("Neither the feature nor the depth is MicKey's: leave out the weights and the encoder.")
