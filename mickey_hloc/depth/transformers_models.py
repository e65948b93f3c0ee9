"""Loading networks of the transformers library, every failure in one sentence."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mickey_hloc.errors import MissingDependencyError, WeightsError


def load_config(name: str) -> Any:
    """The configuration of a depth network in a folder or on the hub.

    Raises:
        MissingDependencyError: transformers is not installed.
        WeightsError: no such model, or one of another kind.
    """
    transformers = _library()
    local = Path(name).is_dir()
    if not local and not re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", name):
        raise WeightsError(f"No folder '{name}', nor is it the id of a model on the hub (owner/name).")
    try:
        config = transformers.AutoConfig.from_pretrained(name, local_files_only=local)
    except (OSError, ValueError, RuntimeError, KeyError, ImportError) as error:
        raise _not_loaded(name, error) from error
    if type(config) not in transformers.MODEL_FOR_DEPTH_ESTIMATION_MAPPING:
        raise WeightsError(f"'{name}' is no depth network: its type is '{config.model_type}'.")
    return config


def load_network(name: str, revision: str | None) -> tuple[Any, Any]:
    """The image processor and the network, in evaluation mode and float32.

    Args:
        name: the folder or hub id.
        revision: the commit on the hub; None: a folder, or the newest.

    Raises:
        WeightsError: they cannot be loaded, or weights are missing.
    """
    transformers = _library()
    # Code that comes with a model is never run (trust_remote_code stays False).
    arguments = {"local_files_only": True} if Path(name).is_dir() else {"revision": revision or "main"}
    try:
        processor = transformers.AutoImageProcessor.from_pretrained(name, **arguments)
        model, report = transformers.AutoModelForDepthEstimation.from_pretrained(
            name, output_loading_info=True, **arguments
        )
    except (OSError, ValueError, RuntimeError, KeyError, ImportError, _safetensors_error()) as error:
        raise _not_loaded(name, error) from error
    # transformers only warns here and goes on with random numbers.
    lacking = sorted({str(key) for kind in ("missing_keys", "mismatched_keys") for key in report.get(kind, ())})
    if lacking:
        raise WeightsError(
            f"'{name}' lacks {len(lacking)} weights of its network, such as '{lacking[0]}'; get it again."
        )
    return processor, model.float().eval()


def _library() -> Any:
    try:
        import transformers
    except ImportError as error:
        raise MissingDependencyError(
            "Depth source 'transformers' needs the package: pip install 'mickey-hloc[depth]'."
        ) from error
    return transformers


def _not_loaded(name: str, error: Exception) -> WeightsError:
    first_line = str(error).strip().partition("\n")[0]
    return WeightsError(f"'{name}' cannot be loaded as a depth model of transformers: {first_line}")


def _safetensors_error() -> type[Exception]:
    from safetensors import SafetensorError

    return SafetensorError
