"""A training run from its configuration: build, resume, fit, export."""

from __future__ import annotations

import dataclasses
import re
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning
import torch
import yaml
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.loggers import TensorBoardLogger

from mickey_hloc.errors import InputError
from mickey_hloc.io.files import atomic_path
from mickey_hloc.model.mickey import MicKey
from mickey_hloc.registry import make_options
from mickey_hloc.training.callbacks import make_callbacks
from mickey_hloc.training.config import read_config
from mickey_hloc.training.curves import draw_curves
from mickey_hloc.training.data import PairData
from mickey_hloc.training.encoder_start import start_from_encoder
from mickey_hloc.training.export import export, suitable_solver
from mickey_hloc.training.initial_weights import load_encoder, load_heads
from mickey_hloc.training.lightning import PoseTraining
from mickey_hloc.training.options import RunConfig, TrainConfig
from mickey_hloc.training.resuming import WholeCheckpoints, sole_training, vet_checkpoint

# What may change between a start and a resume: it does not change what is learned.
_FREE = ("output", "validation", "data.workers", "data.cache", "data.val")
_FREE_TRAINER = ("accelerator", "devices", "num_nodes", "strategy", "log_every_steps", "keep_epochs", "threads")


@dataclasses.dataclass(frozen=True)
class RunResult:
    """A finished run.

    Attributes:
        folder: of the run. model: the exported weights. figures: the last validation's.
    """

    folder: Path
    model: Path
    figures: dict[str, float]


def train(values: Mapping[str, Any]) -> RunResult:
    """Train as configured, from the beginning or from the run's last checkpoint.

    Args:
        values: the merged configuration, see ``read_config``.

    Returns:
        Where the run is. ``<output>/<name>`` has config.yaml, checkpoints/last.ckpt, tensorboard/, curves.png and
        model.safetensors: the last epoch's, or the best one's where ``validation.best`` says by which figure.

    Raises:
        InputError: the configuration, the data or the weights cannot be used, or the run was begun with another one.
    """
    config = make_options(TrainConfig, values, "")
    folder = Path(config.output) / config.name
    with sole_training(folder):
        return _train(config, values, folder)


def _train(config: TrainConfig, values: Mapping[str, Any], folder: Path) -> RunResult:
    last = folder / "checkpoints" / "last.ckpt"
    hold_config(folder / "config.yaml", values, resumes=last.is_file())
    if config.export_pool > 1 and config.model.encoder != "convolutional":
        raise InputError("export_pool is for the convolutional encoder.")
    lightning.seed_everything(config.seed, workers=True, verbose=False)
    if config.trainer.threads:
        torch.set_num_threads(config.trainer.threads)
    model = build_model(config)
    data = PairData(config.data, model, config.seed)
    task = PoseTraining(config, model)
    trainer = make_trainer(config, folder)
    if last.is_file():
        vet_checkpoint(last, task.kept(task.state_dict()))
    fit(trainer, task, data, last if last.is_file() else None)
    figures = {k.removeprefix("val/"): float(v) for k, v in trainer.callback_metrics.items() if k.startswith("val/")}
    exported = folder / "model.safetensors"
    if trainer.is_global_zero and not trainer.interrupted:
        best = folder / "checkpoints" / "best.ckpt"
        if config.validation.best is not None and best.is_file():
            load_heads(model, best)
        export(model, exported, config.export_pool)
        draw_curves(folder / "tensorboard", folder / "curves.png")
    return RunResult(folder, exported, figures)


def fit(trainer: lightning.Trainer, task: lightning.LightningModule, data: PairData, last: Path | None) -> None:
    """Train, from a checkpoint where there is one; Ctrl+C ends it as it ends every other command."""
    before = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(task, datamodule=data, ckpt_path=None if last is None else str(last))
    except SystemExit as error:  # what Lightning makes of it
        if trainer.interrupted:
            raise KeyboardInterrupt from error
        raise
    except InputError as error:
        message = _in_worker(str(error))
        if message == str(error):
            raise
        raise InputError(message) from error
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, before)  # Lightning ignores it from then on


def _in_worker(message: str) -> str:
    """The message of an error; of one in a worker of a DataLoader, without the traceback that torch puts in front."""
    found = re.match(r"Caught \w+ in DataLoader worker process.*\n[\w.]+: (.*)\s*$", message, re.DOTALL)
    return found[1].rstrip() if found else message


def build_model(config: TrainConfig) -> MicKey:
    """The network with the encoder's published weights and, from ``init_from``, those of an earlier run.

    Its options, which an export keeps, have the training's image size and the solver of its validation.
    """
    mixed = "32" not in config.trainer.precision
    options = dataclasses.replace(
        config.model, training_size_px=max(config.data.size_wh), solver=suitable_solver(config)
    )
    model = MicKey(options, precision="auto" if mixed else "fp32")
    whole = config.init_from is not None and Path(config.init_from).suffix != ".ckpt"
    if not whole or config.encoder_weights is not None:  # an exported model brings its encoder
        load_encoder(model, config.encoder_weights)
    if config.start != "random":
        start_from_encoder(model, config.start, config.seed)
    if config.init_from is not None:
        load_heads(model, Path(config.init_from))
    return model


def make_trainer(config: RunConfig, folder: Path, **changes: Any) -> lightning.Trainer:
    """Lightning's trainer; ``changes`` override what it is told.

    Raises:
        InputError: Lightning does not know a value, or this machine does not have what it asks for.
    """
    o = config.trainer
    told: dict[str, Any] = {
        "max_epochs": o.max_epochs,
        "accelerator": o.accelerator,
        "devices": o.devices,
        "num_nodes": o.num_nodes,
        "strategy": o.strategy,
        "precision": o.precision,
        "accumulate_grad_batches": o.accumulate,
        "sync_batchnorm": o.sync_batchnorm,
        "gradient_clip_val": config.optimizer.clip_norm or None,
        "log_every_n_steps": o.log_every_steps,
        "check_val_every_n_epoch": config.validation.every_epochs,
        "num_sanity_val_steps": 1,
        "use_distributed_sampler": False,  # ours gives every process its part
        "default_root_dir": folder,
        "logger": TensorBoardLogger(folder, name="", version="tensorboard"),
        "callbacks": make_callbacks(config, folder / "checkpoints"),
        "plugins": WholeCheckpoints(),
        "enable_progress_bar": sys.stderr.isatty(),
    }
    try:
        return lightning.Trainer(**{**told, **changes})
    except (ValueError, TypeError, RuntimeError, ImportError, MisconfigurationException) as error:
        names = "accelerator, devices, num_nodes, strategy, precision"
        told_by = " ".join(str(error).split())[:300].rstrip(".")
        raise InputError(f"The trainer cannot run with these values of {names}: {told_by}.") from error


def hold_config(path: Path, values: Mapping[str, Any], resumes: bool) -> None:
    """Keep the configuration beside the run, and refuse to go on with another one."""
    if resumes and path.is_file():
        before = read_config(path)
        changed = sorted(k for k in _flat(before).items() ^ _flat(values).items() if not _is_free(k[0]))
        if changed:
            keys = ", ".join(sorted({key for key, _ in changed}))
            raise InputError(
                f"{path.parent} was begun with another configuration ({keys} differ); choose another name=..., "
                "or remove that folder to begin anew."
            )
    with atomic_path(path) as temporary:
        temporary.write_text(yaml.safe_dump(dict(values), sort_keys=False), encoding="utf-8")


def _is_free(key: str) -> bool:
    free = (*_FREE, *(f"trainer.{name}" for name in _FREE_TRAINER))
    return any(key == name or key.startswith(f"{name}.") for name in free)


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Dotted keys and their values as text."""
    flat: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat.update(_flat(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = repr(value)
    return flat
