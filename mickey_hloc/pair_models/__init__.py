"""Parts that take two images and give matches with keypoints of their own, and metric depth where they have it."""

from typing import Any

from mickey_hloc.pair_models.base import PairMatches, PairModel, PairModelOptions
from mickey_hloc.registry import Preset, Registry

VISMATCH_PREFIX = "vismatch-"
_VISMATCH = "mickey_hloc.pair_models.vismatch:VismatchPairModel"

# The matchers of the paper's tables and today's; any other one of the package goes by vismatch-<name> as well.
VISMATCH_NAMES = (
    *("sift-nn", "orb-nn", "superglue", "silk", "dedode", "xfeat", "r2d2"),
    *("sift-lightglue", "superpoint-lightglue", "disk-lightglue", "aliked-lightglue"),
    *("loftr", "eloftr", "aspanformer", "matchformer", "roma", "tiny-roma", "romav2", "duster", "master"),
)

PAIR_MODELS: Registry[PairModel] = Registry(
    "pair model",
    PairModel,
    {VISMATCH_PREFIX + name: Preset(_VISMATCH, {"matcher": name}) for name in VISMATCH_NAMES},
    fallback="mickey_hloc.pair_models:_find",
)


def get_pair_model(name: str, host: str = "hloc", **options: Any) -> PairModel:
    """A pair model by name, e.g. ``get_pair_model("vismatch-roma")``.

    Args:
        name: of ``PAIR_MODELS``, ``vismatch-<any>``, a dotted path, or a conf of hloc's ``match_dense``.
        host: the hloc whose confs are meant where the name is not ours.
        options: of the model.

    Raises:
        InputError: an unknown name or option, or a value of the wrong type; the message lists the known ones.
        MissingDependencyError: hloc, or what the model needs, is not installed.
    """
    return PAIR_MODELS.create(name, host, **options)


def _find(name: str, host: str, known: list[str]) -> Preset:
    """Any other matcher of vismatch, or one of hloc's dense matchers."""
    if name.startswith(VISMATCH_PREFIX):
        return Preset(_VISMATCH, {"matcher": name.removeprefix(VISMATCH_PREFIX)})
    import importlib

    found: Preset = importlib.import_module("mickey_hloc.hloc_plugin.parts").find_pair_model(name, host, known)
    return found


__all__ = ["PAIR_MODELS", "PairMatches", "PairModel", "PairModelOptions", "VISMATCH_PREFIX", "get_pair_model"]
