"""What Lightning is asked to do beside training: checkpoints, and a line a minute where nobody sees a progress bar."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback, LearningRateMonitor, ModelCheckpoint

from mickey_hloc.training.options import RunConfig

LINE_EVERY_S = 60.0


class _KeptCheckpoint(ModelCheckpoint):
    """Under a name of its own: Lightning tells callbacks apart by their class and how often they save."""


class BestCheckpoint(ModelCheckpoint):
    """``best.ckpt``: the epoch that was best on the validation pairs.

    Args:
        folder: of the checkpoints. figure: of the validation, see ``summarise``. mode: "min" or "max".
    """

    def __init__(self, folder: Path, figure: str, mode: str) -> None:
        super().__init__(
            folder,
            filename="best",
            monitor=f"val/{figure}",
            mode=mode,
            save_top_k=1,
            enable_version_counter=False,
            save_on_train_epoch_end=False,
        )


class ProgressLines(Callback):
    """A line a minute: how far the run is, its losses, and when it will be done.

    Args:
        every_s: seconds between two lines.
    """

    def __init__(self, every_s: float) -> None:
        self.every_s = every_s
        self._started: tuple[float, int] | None = None
        self._said = -float("inf")

    def on_train_batch_end(self, trainer: lightning.Trainer, *_args: Any) -> None:
        """Say how it goes, if it is time."""
        now = time.monotonic()
        if self._started is None:  # the first step of a run is slow and says little
            self._started = (now, trainer.global_step)
            return
        if now - self._said >= self.every_s and trainer.is_global_zero:
            self._said = now
            print(self._line(trainer, now), flush=True)

    def on_validation_end(self, trainer: lightning.Trainer, *_args: Any) -> None:
        """Say what the validation found."""
        if trainer.is_global_zero and not trainer.sanity_checking:
            print(f"epoch {trainer.current_epoch + 1} validated: {_figures(trainer, 'val/')}", flush=True)

    def _line(self, trainer: lightning.Trainer, now: float) -> str:
        assert self._started is not None
        began, first = self._started
        done, total = trainer.global_step, int(trainer.estimated_stepping_batches)
        seconds = (now - began) / max(done - first, 1)
        left = seconds * (total - done) / 60.0
        place = (
            f"step {done} of {total} ({done / total:.0%}), epoch {trainer.current_epoch + 1} of {trainer.max_epochs}"
        )
        return f"{place}: {_figures(trainer, 'train/')}; {seconds:.2f} s a step, about {left:.0f} min left"


def _figures(trainer: lightning.Trainer, prefix: str) -> str:
    found = {k.removeprefix(prefix): float(v) for k, v in trainer.logged_metrics.items() if k.startswith(prefix)}
    return ", ".join(f"{name} {value:.3g}" for name, value in sorted(found.items())) or "nothing logged yet"


def make_callbacks(config: RunConfig, folder: Path) -> list[Callback]:
    """Those of a run; its checkpoints go to ``folder``."""
    last = ModelCheckpoint(
        folder,
        filename="last",
        save_top_k=1,
        every_n_epochs=1,
        enable_version_counter=False,
        save_on_train_epoch_end=True,
    )
    callbacks: list[Callback] = [last, LearningRateMonitor("step")]
    best = config.validation.best
    if best is not None:
        callbacks.append(BestCheckpoint(folder, best, config.validation.best_mode))
    if config.trainer.keep_epochs:
        callbacks.append(
            _KeptCheckpoint(
                folder,
                filename="{epoch:04d}",
                save_top_k=-1,
                every_n_epochs=config.trainer.keep_epochs,
                save_on_train_epoch_end=True,
            )
        )
    if not sys.stderr.isatty():
        callbacks.append(ProgressLines(LINE_EVERY_S))
    return callbacks
