"""Models on the Hugging Face hub: ``hf:owner/name[@revision]`` wherever weights are named.

A repository has ``model.safetensors``, whose metadata are the model's options; nothing else of it is read, and no code
of it is run. Environment of huggingface_hub: HF_HOME (cache), HF_HUB_OFFLINE=1 (what is in the cache alone),
HF_ENDPOINT (a mirror), HF_TOKEN (private repositories). A commit of 40 digits as revision pins the file.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from mickey_hloc.errors import WeightsError

PREFIX = "hf:"
FILE = "model.safetensors"
SPEC = re.compile(r"(?:hf:)?([\w][\w.-]*/[\w][\w.-]*)(?:@([\w][\w./-]*))?")


def is_hub_name(name: str | os.PathLike[str]) -> bool:
    """Whether weights are named on the hub."""
    return os.fspath(name).startswith(PREFIX)


def hub_file(name: str, **options: Any) -> Path:
    """The weights file of a model on the hub, downloaded at first use.

    Args:
        name: ``hf:owner/name`` or ``hf:owner/name@revision``: a branch, a tag or a commit.
        options: of ``hf_hub_download``: token, cache_dir, force_download, local_files_only.

    Raises:
        WeightsError: no such model, revision or file, or no way to the hub; the message says which.
    """
    repo, revision = _parts(name)
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    where = repo if revision is None else f"{repo} at {revision}"
    try:
        return Path(hf_hub_download(repo, FILE, revision=revision, **options))
    except LocalEntryNotFoundError as error:
        raise WeightsError(
            f"{where} is not in the cache of the hub, and the hub cannot be reached; get it where there is a network "
            f"(hf download {repo} {FILE}) and copy the cache, or set HF_ENDPOINT to a mirror."
        ) from error
    except (OSError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise WeightsError(f"The hub has no {FILE} of {where} for you ({type(error).__name__}: {reason}).") from error


def cached_hub_file(name: str) -> Path | None:
    """The same file where an earlier download left it; None where there was none."""
    repo, revision = _parts(name)
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repo, FILE, revision=revision)
    return Path(found) if isinstance(found, str) else None


def _parts(name: str) -> tuple[str, str | None]:
    found = SPEC.fullmatch(name)
    if found is None:
        raise WeightsError(f"'{name}' names no model on the hub: write hf:owner/name or hf:owner/name@revision.")
    return found[1], found[2]
