"""Single models of an installed hloc, without its steps: built by a conf's ``model``, called on tensors.

hloc's steps write their files in place, so a killed run can leave a damaged one that counts as done; with the models
alone, our steps write them (``io/feature_store.py``).
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import nn

from mickey_hloc.errors import MickeyHlocError, MissingDependencyError, WeightsError
from mickey_hloc.hloc_plugin import import_step, register

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
    package = register(host)
    import_step(package, f"{kind}.{conf['name']}")  # a package that it lacks is named here
    dynamic_load = import_step(package, "utils.base_model").dynamic_load
    model_class = dynamic_load(import_step(package, kind), conf["name"])
    try:
        model: nn.Module = model_class(dict(conf)).eval()
    except MickeyHlocError:
        raise
    except ImportError as error:
        raise MissingDependencyError(f"{_title(kind, conf)} of {host} cannot be imported ({error}).") from error
    except (OSError, RuntimeError, ValueError) as error:  # the ways in which downloads and damaged weights fail
        raise WeightsError(_unavailable(_title(kind, conf), error)) from error
    return model.to(device or default_device())


def default_device() -> str:
    """The device that hloc's own steps use."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def _title(kind: Kind, conf: Mapping[str, Any]) -> str:
    detail = [str(conf[key]) for key in ("matcher", "model_name", "features", "weights") if key in conf]
    return f"The {kind.removesuffix('s')} {conf['name']}" + (f" ({', '.join(detail)})" if detail else "")


def _unavailable(title: str, error: Exception) -> str:
    """One sentence: which file is missing and where it comes from, as far as the failed download tells."""
    url, file = _failed_download(error)
    reason = " ".join(str(error).split())[:160] or type(error).__name__
    if url is None:
        return f"{title} cannot be loaded ({type(error).__name__}: {reason})."
    place = f"as {file}" if file else "where it looks for them"
    return f"{title} needs weights that are not here: download {url} and put them {place} (now: {reason})."


def _failed_download(error: Exception) -> tuple[str | None, str | None]:
    """Address and target file, read off the frames of the download: no library puts them into its error."""
    url = file = None
    for frame, _ in traceback.walk_tb(error.__traceback__):
        found = frame.f_locals.get("url")
        if isinstance(found, str) and found.startswith("http"):
            url = found
            target = frame.f_locals.get("cached_file") or frame.f_locals.get("dst")
            file = str(target) if target else file
    return url, file
