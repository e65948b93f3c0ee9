"""Going on with a run: its checkpoint is vetted before Lightning loads it, which trusts it."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor

from mickey_hloc.errors import WeightsError
from mickey_hloc.io.files import atomic_path
from mickey_hloc.io.locks import sole_writer
from mickey_hloc.weights.published import listed
from mickey_hloc.weights.state_file import load_state_file

# What Lightning's trainer reads of a checkpoint, and of which type.
_PARTS: dict[str, type] = {
    **{"epoch": int, "global_step": int, "pytorch-lightning_version": str, "state_dict": Mapping},
    **{"loops": Mapping, "optimizer_states": list, "lr_schedulers": list},
}


def vet_checkpoint(path: Path, expected: Mapping[str, Tensor]) -> None:
    """Refuse a checkpoint that cannot be gone on from.

    Args:
        expected: the state of the network to train.

    Raises:
        WeightsError: it is damaged, holds more than plain values and tensors, or is of another network.
    """
    advice = "remove it to begin anew, or put an earlier one of the run in its place"
    try:
        loaded = load_state_file(path)
    except WeightsError as error:
        raise WeightsError(f"The run cannot go on: {str(error).rstrip('.')}; {advice}.") from error
    wrong = [key for key, kind in _PARTS.items() if not isinstance(loaded.get(key), kind)]
    if wrong:
        raise WeightsError(f"{path} is no checkpoint of a run: {listed(wrong)} absent or of a wrong type; {advice}.")
    state = loaded["state_dict"]
    differ = sorted(
        set(state) ^ set(expected) | {k for k in set(state) & set(expected) if not _fits(state, expected, k)}
    )
    if differ:
        raise WeightsError(f"{path} does not fit the configured model: {listed(differ)} differ; {advice}.")
    broken = sorted(key for key, value in state.items() if not bool(value.isfinite().all()))
    if broken:
        raise WeightsError(f"{path} has values that are NaN or infinite in {listed(broken)}; {advice}.")


def _fits(state: Mapping[str, Any], expected: Mapping[str, Tensor], key: str) -> bool:
    return bool(state[key].shape == expected[key].shape)


@contextmanager
def sole_training(folder: Path) -> Iterator[None]:
    """Hold a run's folder in the block; the processes of one training hold it together.

    Raises:
        InputError: another training is writing it.
    """
    if getattr(rank_zero_only, "rank", 0):
        yield
        return
    with sole_writer(folder / ".lock", f"the run {folder}"):
        yield


class WholeCheckpoints(TorchCheckpointIO):
    """Checkpoints that appear whole or not at all, in place of the one before.

    Lightning's own way copies them from the disk of temporary files: a kill or a full disk in the middle of the copy
    leaves a run that cannot go on.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a file."""
        content = io.BytesIO()
        torch.save(checkpoint, content)  # on a full disk torch's writer ends with another error than the disk's
        with atomic_path(Path(path)) as temporary, temporary.open("wb") as file:
            file.write(content.getbuffer())
            file.flush()
            os.fsync(file.fileno())
