"""One step of a run; the gradient goes to a file. Started by a test, once per process by Lightning."""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.callbacks import Callback

from mickey_hloc.registry import make_options
from mickey_hloc.training.data import PairData
from mickey_hloc.training.lightning import PoseTraining
from mickey_hloc.training.options import TrainConfig
from mickey_hloc.training.run import build_model, make_trainer


class KeepGradient(Callback):
    """Writes the gradient of the first step."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        if trainer.is_global_zero:
            torch.save({name: p.grad.clone() for name, p in pl_module.named_parameters()}, self.path)


def main(settings: Path) -> None:
    told = json.loads(settings.read_text())
    config = make_options(TrainConfig, told["config"], "")
    torch.manual_seed(0)
    model = build_model(config)
    # Batch statistics are of one process (on GPUs trainer.sync_batchnorm joins them), so they are left out here.
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.train = lambda mode=True: None  # type: ignore[method-assign,assignment]
            module.training = False
    changes = {
        "callbacks": [KeepGradient(Path(told["gradient"]))],
        "max_steps": 1,
        "limit_val_batches": 0 if not told["validate"] else 1.0,
        "num_sanity_val_steps": 0,
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    trainer = make_trainer(config, Path(told["folder"]), **changes)
    trainer.fit(PoseTraining(config, model), datamodule=PairData(config.data, model, config.seed))
    if trainer.is_global_zero:
        figures = {k: float(v) for k, v in trainer.callback_metrics.items()}
        Path(told["figures"]).write_text(json.dumps(figures))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
