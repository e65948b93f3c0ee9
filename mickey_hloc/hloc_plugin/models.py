"""Single models of an installed hloc, without its steps: built by a conf's ``model``, called on tensors.

hloc's steps write their files in place, so a killed run can leave a damaged one that counts as done; with the models
alone, our steps write them (``io/feature_store.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from torch import nn

from mickey_hloc.hloc_plugin.host import import_host, import_step
from mickey_hloc.model.device import usable_device
from mickey_hloc.weights.foreign import loading

Kind = Literal["extractors", "matchers"]


def load_hloc_model(host: str, kind: Kind, conf: Mapping[str, Any], device: str | None = None) -> nn.Module:
    """One of hloc's models, ready to be called with its dict of tensors.

    Args:
        host: the hloc package, e.g. "hloc" or "imcui.hloc".
        kind: which of its folders.
        conf: ``name`` and options, the ``model`` of one of its confs.
        device: default: the GPU where there is one.

    Raises:
        MissingDependencyError: hloc, or a package that the model needs, is not installed.
        WeightsError: its weights are not there and cannot be downloaded; the message says which file and from where.
    """
    model_class = _model_class(host, kind, conf["name"])
    with loading(_title(kind, conf)):
        model: nn.Module = model_class(dict(conf)).eval()
    return model.to(usable_device(device))


def needs_features(host: str, matcher: str) -> bool:
    """Whether one of hloc's matchers takes the features of two images, and not the images alone.

    Raises:
        MissingDependencyError: see ``load_hloc_model``.
    """
    return not {"image0", "image1"}.issuperset(_model_class(host, "matchers", matcher).required_inputs)


def _model_class(host: str, kind: Kind, name: str) -> Any:
    package = import_host(host)
    import_step(package, f"{kind}.{name}")  # a package that it lacks is named here
    dynamic_load = import_step(package, "utils.base_model").dynamic_load
    return dynamic_load(import_step(package, kind), name)


def _title(kind: Kind, conf: Mapping[str, Any]) -> str:
    detail = [str(conf[key]) for key in ("matcher", "model_name", "features", "weights") if key in conf]
    return f"The {kind.removesuffix('s')} {conf['name']}" + (f" ({', '.join(detail)})" if detail else "")
