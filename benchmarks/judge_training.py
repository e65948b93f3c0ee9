"""A trained model on its validation pairs, beside the best constant depth, the true depth, and no motion.

    python benchmarks/judge_training.py configs/disk_redkitchen.yaml --weights runs/disk_redkitchen/model.safetensors
    python benchmarks/judge_training.py configs/convolutional.yaml --weights small data.size_wh=[640,480]

All rows but the last use the same matches. True depth is the sensor's, or the renderer's; it only judges.
"""

import argparse
import dataclasses
from pathlib import Path

import torch

from mickey_hloc.registry import make_options
from mickey_hloc.training.baselines import judge_with_baselines
from mickey_hloc.training.config import read_config
from mickey_hloc.training.data import PairData
from mickey_hloc.training.options import TrainConfig
from mickey_hloc.training.run import build_model
from mickey_hloc.weights.checkpoints import load_model

COLUMNS = (
    ("vcre_precision", "VCRE<10%", 9),
    ("estimated", "estimated", 10),
    ("median_vcre_px", "VCRE px", 8),
    ("median_translation_m", "t m", 7),
    ("median_rotation_deg", "R deg", 7),
    ("pose_precision", "25cm,5deg", 10),
    ("depth_rel_error", "rel.err", 8),
    ("depth_correlation", "corr.", 7),
    ("depth_scale", "scale", 7),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    parser.add_argument("--weights", required=True, help="an exported model, a bundled one's name, or a run's .ckpt")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_intermixed_args()
    torch.set_num_threads(args.threads)
    config = make_options(TrainConfig, read_config(args.config, args.overrides), "")
    if args.weights.endswith(".ckpt"):
        model = build_model(dataclasses.replace(config, init_from=args.weights)).eval()
    else:
        model = load_model(args.weights, device="cpu", precision="fp32")
    if config.data.val is None:
        parser.error("this configuration has no validation pairs")
    data = config.data.val.open(config.data.size_wh)
    if config.data.cache is not None:
        prepared = PairData(config.data, model, config.seed)
        prepared.caches[-1].build()
        data = prepared.val_data
    items = [data[i] for i in range(len(data))]
    solver = config.validation.make_solver()
    rows = judge_with_baselines(model, items, solver, config.validation, config.seed)
    print(f"{len(items)} pairs of {config.data.size_wh[0]} x {config.data.size_wh[1]} px")
    print(f"{'':16s}" + "".join(f"{title:>{width}s}" for _, title, width in COLUMNS))
    for row, figures in rows.items():
        values = (f"{figures[key]:{width}.3f}" if key in figures else " " * width for key, _, width in COLUMNS)
        print(f"{row:16s}" + "".join(values))


if __name__ == "__main__":
    main()
