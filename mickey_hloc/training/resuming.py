"""Going on with a run: its checkpoint is vetted before Lightning loads it, which trusts it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor

from mickey_hloc.errors import WeightsError
from mickey_hloc.io.locks import file_lock
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
    folder.mkdir(parents=True, exist_ok=True)
    lock = folder / ".lock"
    with ExitStack() as stack:
        stack.enter_context(file_lock(lock, f"the run {folder}"))
        stack.callback(lock.unlink, missing_ok=True)
        yield
