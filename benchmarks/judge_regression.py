"""Trained relative-pose regressions on the validation pairs of a training's configuration, beside no motion.

python benchmarks/judge_regression.py configs/convolutional.yaml data.val.seed=3 --weights runs/rpr_6d/model.safetensors
"""

import argparse
from pathlib import Path

import numpy as np
import pycolmap
import torch

from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.registry import make_options
from mickey_hloc.training.config import read_config
from mickey_hloc.training.options import TrainConfig
from mickey_hloc.training.validation import PairJudgement, judge_pair, summarise
from mickey_hloc.weights.regression import load_regression

COLUMNS = {
    "vcre_precision": "VCRE<10%",
    "pose_precision": "25cm,5deg",
    "median_vcre_px": "VCRE px",
    "median_translation_m": "t m",
    "median_rotation_deg": "R deg",
}


def main() -> None:
    """Every pair is opened (rooms: rendered) once and shown to all networks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path, help="of a training of metric keypoints: its data.val is judged on")
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    parser.add_argument("--weights", nargs="+", type=Path, required=True)
    args = parser.parse_intermixed_args()
    torch.set_num_threads(1)
    networks = {str(path): load_regression(path) for path in args.weights}
    [size_wh] = {network.options.size_wh for network in networks.values()}
    config = make_options(TrainConfig, read_config(args.config, args.overrides), "")
    if config.data.val is None:
        parser.error("this configuration has no validation pairs")
    pairs = config.data.val.open(size_wh)
    judged: dict[str, list[PairJudgement]] = {name: [] for name in (*networks, "no motion")}
    for index in range(len(pairs)):
        item = pairs[index]
        for name, network in networks.items():
            with torch.no_grad():
                R, t = network(item["image0"][None], item["image1"][None])
            judged[name].append(_judge(torch.cat([R[0], t[0, :, None]], dim=1).double().numpy(), item, size_wh))
        judged["no motion"].append(_judge(np.eye(3, 4), item, size_wh))
    print(f"{len(pairs)} pairs of {size_wh[0]} x {size_wh[1]} px")
    print(f"{'':44s}" + "".join(f"{title:>11s}" for title in COLUMNS.values()))
    for name, of_pairs in judged.items():
        o = config.validation
        figures = summarise(of_pairs, o.vcre_share, o.pose_m, o.pose_deg)
        print(f"{name:44s}" + "".join(f"{figures[key]:11.3f}" for key in COLUMNS))


def _judge(pose: np.ndarray, item: dict[str, torch.Tensor], size_wh: tuple[int, int]) -> PairJudgement:
    estimate = RelativePose(success=True, cam1_from_cam0=pycolmap.Rigid3d(pose), confidence=1.0)
    return judge_pair(estimate, item, size_wh)


if __name__ == "__main__":
    main()
