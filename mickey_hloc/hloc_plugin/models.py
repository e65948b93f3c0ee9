"""Single models of an installed hloc, without its steps: built by a conf's ``model``, called on tensors.

hloc's steps write their files in place, so a killed run can leave a damaged one that counts as done; with the models
alone, our steps write them (``io/feature_store.py``).
"""

from __future__ import annotations

import contextlib
import sys
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
        with contextlib.redirect_stdout(sys.stderr):  # some print while they download; the tables go to stdout
            model: nn.Module = model_class(dict(conf)).eval()
    except MickeyHlocError:
        raise
    except ImportError as error:
        advice = "; install vismatch with all it needs: pip install vismatch" if conf["name"] == "vismatch" else ""
        raise MissingDependencyError(f"{_title(kind, conf)} cannot be imported ({error}){advice}.") from error
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
    url, place = _failed_download(error)
    reason = " ".join(str(error).split())[:160] or type(error).__name__
    if url is None:
        return f"{title} cannot be loaded ({type(error).__name__}: {reason})."
    return f"{title} needs weights that are not here: download {url} and save it {place}."


def _failed_download(error: BaseException) -> tuple[str | None, str]:
    """Address and place of the file, read off the frames of the download: no library puts them into its error."""
    url, place = None, "where it looks for it"
    chain: BaseException | None = error
    while chain is not None:
        for frame, _ in traceback.walk_tb(chain.__traceback__):
            found = frame.f_locals
            if isinstance(repo := found.get("repo_id"), str):
                name = found.get("filename")
                file = f"/resolve/main/{name}" if isinstance(name, str) else ""
                return f"https://huggingface.co/{repo}{file}", f"in the cache of Hugging Face (hf download {repo})"
            if isinstance(found.get("url"), str) and found["url"].startswith("http"):
                target = found.get("cached_file") or found.get("dst")
                url, place = found["url"], f"as {target}" if target else place
        chain = chain.__cause__ or chain.__context__
    return url, place
