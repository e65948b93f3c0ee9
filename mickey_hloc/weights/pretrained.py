"""Models to and from the Hugging Face hub and folders: what ``MicKey.from_pretrained`` and its like do."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from huggingface_hub import ModelHubMixin

from mickey_hloc.errors import WeightsError
from mickey_hloc.model.mickey import MicKey
from mickey_hloc.model.options import PUBLISHED_ENCODERS
from mickey_hloc.weights.checkpoints import load_model, save_model
from mickey_hloc.weights.hub import FILE, SPEC, hub_file

_OF_LOAD_MODEL = ("encoder", "device", "precision")


class OnHub(
    ModelHubMixin,
    library_name="mickey-hloc",
    tags=["metric-keypoints", "relative-pose"],
    paper_url="https://arxiv.org/abs/2404.06337",
):
    """A model as the hub's mixin sees it; its config is the metadata of its weights file, so there is no other one.

    Not a base of MicKey itself: importing it takes as long as a pose.
    """

    def __init__(self, model: MicKey) -> None:
        self.model = model

    def _save_pretrained(self, save_directory: Path) -> None:
        include = self.model.options.encoder not in PUBLISHED_ENCODERS
        save_model(self.model, save_directory / FILE, include_encoder=include)


def load_pretrained(name: str | os.PathLike[str], revision: str | None = None, **options: Any) -> MicKey:
    """``MicKey.from_pretrained``, see there. The mixin's own asks for a config.json, and fails offline without."""
    text = os.fspath(name)
    loading = {key: options.pop(key) for key in _OF_LOAD_MODEL if key in options}
    if Path(text).is_dir():
        return load_model(Path(text) / FILE, **loading)
    if not Path(text).exists() and "/" in text and SPEC.fullmatch(text):
        spec = text if revision is None else f"{text.partition('@')[0]}@{revision}"
        return load_model(hub_file(spec, **options), **loading)
    return load_model(text, **loading)


def push_to_hub(model: MicKey, repo_id: str, **options: Any) -> str:
    """``MicKey.push_to_hub``, see there."""
    try:
        return str(OnHub(model).push_to_hub(repo_id, **options))
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise WeightsError(f"{repo_id} cannot be pushed to the hub ({type(error).__name__}: {reason}).") from error
