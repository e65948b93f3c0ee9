"""Parts that take two images and give matches with keypoints of their own, and metric depth where they have it."""

from typing import Any

from mickey_hloc.pair_models.base import PairMatches, PairModel, PairModelOptions
from mickey_hloc.registry import Preset, Registry, load_attribute, tables
from mickey_hloc.registry.tables import VISMATCH, VISMATCH_PREFIX

PAIR_MODELS: Registry[PairModel] = Registry(
    "pair model", PairModel, tables.PAIR_MODELS, fallback="mickey_hloc.pair_models:find_pair_model"
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


def find_pair_model(name: str, host: str, known: list[str]) -> Preset:
    """What a name in no table stands for: any other matcher of vismatch, or one of hloc's dense matchers.

    Raises:
        InputError: neither; the message lists the known ones.
    """
    if name.startswith(VISMATCH_PREFIX):
        return Preset(VISMATCH, {"matcher": name.removeprefix(VISMATCH_PREFIX)})
    found: Preset = load_attribute("mickey_hloc.hloc_plugin.parts:find_pair_model")(name, host, known)
    return found


__all__ = ["PAIR_MODELS", "VISMATCH_PREFIX", "PairMatches", "PairModel", "PairModelOptions", "get_pair_model"]
