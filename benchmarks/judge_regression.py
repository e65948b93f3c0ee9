"""Trained relative-pose regressions on the same pairs of rooms, beside no motion.

python benchmarks/judge_regression.py runs/rpr_6d/model.safetensors runs/rpr_points/model.safetensors
python benchmarks/judge_regression.py runs/rpr_6d/model.safetensors --size 200 --seed 3 --style near
"""

import argparse
import dataclasses
from pathlib import Path

import numpy as np
import pycolmap
import torch

from mickey_hloc.datasets.synthetic_pairs import SyntheticSource
from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.rooms.cameras import PairOptions
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
    """Every pair is rendered once and shown to all networks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", nargs="+", type=Path)
    parser.add_argument("--size", type=int, default=200, help="pairs (default: 200)")
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--style", help="of the rooms' views (default: that of the rooms)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    networks = {path: load_regression(path) for path in args.weights}
    [size_wh] = {network.options.size_wh for network in networks.values()}
    views = PairOptions() if args.style is None else dataclasses.replace(PairOptions(), style=args.style)
    pairs = SyntheticSource(size=args.size, seed=args.seed, views=views).open(size_wh)
    judged: dict[str, list[PairJudgement]] = {str(path): [] for path in networks} | {"no motion": []}
    for index in range(args.size):
        item = pairs[index]
        for path, network in networks.items():
            with torch.no_grad():
                R, t = network(item["image0"][None], item["image1"][None])
            pose = np.concatenate([R[0].double().numpy(), t[0, :, None].double().numpy()], axis=1)
            judged[str(path)].append(_judge(pose, item, size_wh))
        judged["no motion"].append(_judge(np.eye(3, 4), item, size_wh))
    print(f"{args.size} pairs of {size_wh[0]} x {size_wh[1]} px, seed {args.seed}")
    print(f"{'':44s}" + "".join(f"{title:>11s}" for title in COLUMNS.values()))
    for name, pair_judgements in judged.items():
        figures = summarise(pair_judgements, 0.1, 0.25, 5.0)
        print(f"{name:44s}" + "".join(f"{figures[key]:11.3f}" for key in COLUMNS))


def _judge(pose: np.ndarray, item: dict[str, torch.Tensor], size_wh: tuple[int, int]) -> PairJudgement:
    estimate = RelativePose(success=True, cam1_from_cam0=pycolmap.Rigid3d(pose), confidence=1.0)
    return judge_pair(estimate, item, size_wh)


if __name__ == "__main__":
    main()
