"""``mickey-hloc pose-graph``: relative poses in metres -> absolute poses of all images, without points."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mickey_hloc.cli.vocabulary import add_options, add_output, slot_options

if TYPE_CHECKING:
    from mickey_hloc.metric.pose_graph import AbsolutePoses

_EPILOG = """\
examples:
  mickey-hloc poses pairs.txt --features feats.h5 --matches matches.h5 --intrinsics intrinsics.txt \\
      --depth png:sensor --images images --output poses.txt
  mickey-hloc pose-graph poses.txt --output graph
  mickey-hloc poses query-pairs.txt --features feats.h5 --matches query-matches.h5 --intrinsics intrinsics.txt \\
      --depth png:sensor --images images --output query-poses.txt
  mickey-hloc localize query-poses.txt --references graph/poses.txt --output results.txt"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("poses", type=Path, metavar="POSES", help="poses file of `mickey-hloc poses`")
    add_output(parser, "folder for poses.txt (name qw qx qy qz tx ty tz, as localize reads it) and trajectory.txt")
    add_options(parser, "the pose graph", "graph.max_rotation_deg=5")


def run(args: argparse.Namespace) -> int:
    """Exit status 0, or 1 where some images have no pose."""
    from mickey_hloc.io.poses import read_poses, write_absolute_poses
    from mickey_hloc.io.trajectory import write_tum
    from mickey_hloc.metric.pose_graph import PoseGraphOptions, average_poses
    from mickey_hloc.registry import make_options

    options = make_options(PoseGraphOptions, slot_options(args.set, "graph")["graph"], "the pose graph")
    found = average_poses(read_poses(args.poses), options)
    path = write_absolute_poses(args.output / "poses.txt", found.cam_from_world)
    write_tum(args.output / "trajectory.txt", found.cam_from_world)
    return report(found, path)


def report(found: AbsolutePoses, path: Path) -> int:
    """Print what the poses rest on."""
    import numpy as np

    cycles = found.cycles
    if cycles.count:
        print(
            f"{cycles.count} triangles of pairs close within {cycles.rotation_deg:.2f} degrees and "
            f"{cycles.translation_m:.3f} m in the median, nine of ten within {cycles.rotation_deg_90:.2f} degrees and "
            f"{cycles.translation_m_90:.3f} m"
        )
    else:
        print("no three pairs form a triangle: nothing checks the poses")
    if found.outliers:
        examples = ", ".join(" ".join(pair) for pair in found.outliers[:3])
        print(f"{len(found.outliers)} pairs contradict the others and were left out, e.g. {examples}")
    stds = [float(np.sqrt(np.trace(c) / 3)) for c in found.position_covariances.values()]
    print(f"{len(found.cam_from_world)} images, standard deviation of a position up to {max(stds):.3f} m: {path}")
    if found.unconnected:
        print(f"no pose: {', '.join(found.unconnected)}: no chain of pairs leads to the others")
    return 1 if found.unconnected else 0
