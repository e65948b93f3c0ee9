"""Read a file of weights that nobody vouches for: tensors and plain values only, nothing in it runs."""

import pickle
import re
import struct
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mickey_hloc.errors import WeightsError

_ZIP_START = b"PK\x03\x04"  # how torch itself tells its format from that before 1.6, a bare pickle
# What torch.load raises on damaged or hostile input, besides UnpicklingError.
_DAMAGE = (
    RuntimeError,  # also RecursionError and NotImplementedError
    EOFError,
    ValueError,  # also UnicodeDecodeError
    LookupError,
    AttributeError,
    TypeError,
    AssertionError,
    ArithmeticError,
    MemoryError,
    struct.error,
    zipfile.BadZipFile,
)


def load_state_file(path: Path, mmap: bool = False, key: str = "state_dict") -> dict[str, Any]:
    """Load a torch file on the CPU with ``weights_only=True``, or a safetensors file.

    Args:
        path: a state dict (.pth), a Lightning checkpoint (.ckpt, weights under ``state_dict``) or .safetensors.
        mmap: map the tensors from the file instead of reading them, where the format allows it.
        key: under which the weights may lie.

    Returns:
        What the file holds, as it is: parameter names to tensors, or a dict whose entry ``key`` is that.

    Raises:
        WeightsError: not a torch file, damaged, holds objects whose loading could run code, or holds no weights.
    """
    import torch  # slow to import, and the table of names is of use without it

    path = Path(path)
    if path.suffix == ".safetensors":
        return _load_safetensors(path)
    try:
        if not is_torch_file(path):
            raise WeightsError(f"{path} is not a torch file of weights.")
        zipped = _start(path) == _ZIP_START
        if zipped:
            _vet_records(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's remarks on odd pickles; the outcome is judged below
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=mmap and zipped)
    except WeightsError:
        raise
    except OSError as error:
        raise WeightsError(f"Cannot read weights from {path}: {error.strerror or error}.") from error
    except pickle.UnpicklingError as error:
        raise WeightsError(_unpickling_message(path, str(error))) from error
    except _DAMAGE as error:
        raise WeightsError(f"{path} is not a torch file, or is damaged; download or copy it again.") from error
    _require_weights(path, content, key)
    return dict(content)


def _load_safetensors(path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception) -> WeightsError:
    """The error for a file that is no safetensors file."""
    return WeightsError(f"{path} is not a readable safetensors file ({error}); download or export it again.")


def is_torch_file(path: Path) -> bool:
    """Whether a file begins like one; it may still be damaged."""
    start = _start(path)
    return start == _ZIP_START or start[:1] == b"\x80"


def _start(path: Path) -> bytes:
    with open(path, "rb") as file:
        return file.read(len(_ZIP_START))


def _vet_records(path: Path) -> None:
    """torch stores its records plainly, so packed or overlapping ones are bombs."""
    with zipfile.ZipFile(path) as file:
        entries = file.infolist()
    declared = sum(entry.file_size for entry in entries)
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries) or declared > path.stat().st_size:
        raise WeightsError(
            f"{path} is a packed zip archive, which torch never writes; if it contains a checkpoint, unpack it first."
        )


def _unpickling_message(path: Path, torch_says: str) -> str:
    found = re.search(r"GLOBAL ([\w.]+)", torch_says)
    if found is None:
        return f"{path} is not a torch file of weights, or is damaged; download or copy it again."
    return (
        f"{path} is refused because it holds more than weights: loading its '{found[1]}' could run code; get it from "
        f"a source you trust, or save its state_dict alone."
    )


def _require_weights(path: Path, content: object, key: str) -> None:
    from torch import Tensor

    weights = content.get(key, content) if isinstance(content, Mapping) else None
    if not isinstance(weights, Mapping) or not weights:
        raise WeightsError(f"{path} holds no weights (a dict of named tensors, or one under '{key}').")
    for name, value in weights.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise WeightsError(
                f"{path} is no checkpoint: its entry {str(name)[:80]!r} is not a tensor but {type(value).__name__}."
            )
