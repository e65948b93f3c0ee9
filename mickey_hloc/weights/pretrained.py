"""Models to and from the Hugging Face hub and folders: what ``MicKey.from_pretrained`` and its like do."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from mickey_hloc.errors import WeightsError
from mickey_hloc.model.mickey import MicKey
from mickey_hloc.weights.checkpoints import load_model, save_model
from mickey_hloc.weights.hub import FILE, SPEC, hub_file

_CARD = "---\nlibrary_name: mickey-hloc\ntags: [metric-keypoints, relative-pose]\n---\n\nWeights for mickey-hloc.\n"


def load_pretrained(
    name: str | os.PathLike[str], revision: str | None = None, token: str | None = None, **options: str | None
) -> MicKey:
    """``MicKey.from_pretrained``, see there."""
    text = os.fspath(name)
    if Path(text).is_dir():
        return load_model(Path(text) / FILE, **options)  # type: ignore[arg-type]
    if not Path(text).exists() and "/" in text and SPEC.fullmatch(text):
        spec = text if revision is None else f"{text.partition('@')[0]}@{revision}"
        return load_model(hub_file(spec, token), **options)  # type: ignore[arg-type]
    return load_model(text, **options)  # type: ignore[arg-type]


def save_pretrained(model: MicKey, folder: str | os.PathLike[str]) -> Path:
    """``MicKey.save_pretrained``, see there."""
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    card = target / "README.md"
    if not card.exists():
        card.write_text(_CARD, encoding="utf-8")
    return save_model(model, target / FILE, include_encoder=model.options.encoder != "dinov2")


def push_to_hub(model: MicKey, repo_id: str, private: bool | None, token: str | None, message: str) -> str:
    """``MicKey.push_to_hub``, see there."""
    from huggingface_hub import HfApi

    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"), token=token)
    try:
        repo = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
        with tempfile.TemporaryDirectory() as folder:
            save_pretrained(model, folder)
            return str(api.upload_folder(repo_id=repo, folder_path=folder, commit_message=message))
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise WeightsError(f"{repo_id} cannot be pushed to the hub ({type(error).__name__}: {reason}).") from error
