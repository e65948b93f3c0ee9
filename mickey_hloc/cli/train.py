"""``mickey-hloc train``: a training run from a configuration file; called again, it goes on where it stopped."""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path

from mickey_hloc.cli.vocabulary import add_options
from mickey_hloc.errors import InputError, MissingDependencyError

_EPILOG = """\
examples:
  mickey-hloc train configs/disk_folder.yaml --set data.train.root=photos --set data.train.model=photos/sparse
  mickey-hloc train configs/mapfree_curriculum.yaml --set data.train.root=mapfree --set data.val.root=mapfree
  tensorboard --logdir runs"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the step."""
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("config", type=Path, metavar="CONFIG", help="yaml file, see configs/")
    add_options(parser, "the configuration", "optimizer.lr=1e-3 --set name=second_try")
    parser.add_argument("overrides", nargs="*", help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """Train, then say where the weights and the curves are.

    Raises:
        InputError: the configuration or what it names cannot be used.
        MissingDependencyError: Lightning or TensorBoard is not installed.
    """
    missing = [name for name in ("lightning", "tensorboard") if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingDependencyError(f"Training needs {' and '.join(missing)}: pip install 'mickey-hloc[train]'.")
    from mickey_hloc.training.config import read_config
    from mickey_hloc.training.regression import train_regression
    from mickey_hloc.training.run import train

    values = read_config(args.config, [*args.overrides, *args.set])
    tasks = {"keypoints": train, "regression": train_regression}
    task = str(values.pop("task", "keypoints"))
    if task not in tasks:
        raise InputError(f"task must be one of {', '.join(tasks)}, got '{task}'.")
    result = tasks[task](values)
    for name, value in sorted(result.figures.items()):
        print(f"{name:24s} {value:.4f}")
    print(f"weights: {result.model}")
    print(f"curves:  {result.folder / 'curves.png'} (tensorboard --logdir {result.folder})")
    return 0
