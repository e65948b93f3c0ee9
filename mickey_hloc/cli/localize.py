"""``mickey-hloc localize``: relative poses to posed references -> absolute poses, in hloc's results format."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("poses", type=Path, metavar="POSES", help="poses file of 'mickey-hloc poses'")
    parser.add_argument(
        "--references",
        type=Path,
        required=True,
        metavar="PATH",
        help="their poses: COLMAP model, Map-free poses.txt or folder of scenes, 7-Scenes folder, hloc's results",
    )
    parser.add_argument("--output", type=Path, required=True, metavar="FILE.txt", help="results file, in hloc's format")
    parser.add_argument(
        "--queries", type=Path, metavar="FILE", help="names of the queries, where they are among the references too"
    )
    parser.add_argument("--max-references", type=int, metavar="N", help="use a query's first N pairs (default: all)")
    parser.add_argument("--min-confidence", type=float, default=0.0, metavar="PROBABILITY", help="of a pair, 0 to 1")
    parser.add_argument(
        "--max-rotation-deg", type=float, default=10.0, metavar="DEG", help="between agreeing references"
    )
    parser.add_argument("--max-distance-m", type=float, default=0.5, metavar="M", help="between agreeing references")
    parser.add_argument("--min-inliers", type=int, default=1, metavar="N", help="references that must agree")
    parser.add_argument(
        "--names",
        choices=("full", "folder", "file"),
        default="full",
        help="how they are written (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Exit status 0, or 1 where no query has a pose."""
    from mickey_hloc import localize

    options = localize.LocalizeOptions(
        max_references=args.max_references,
        min_confidence=args.min_confidence,
        max_rotation_deg=args.max_rotation_deg,
        max_distance_m=args.max_distance_m,
        min_inliers=args.min_inliers,
    )
    prepend_camera_name = {"full": None, "folder": True, "file": False}[args.names]
    found = localize.main(args.poses, args.references, args.output, args.queries, options, prepend_camera_name)
    located = [pose for pose in found.values() if pose.cam_from_world is not None]
    rejected = sum(len(pose.references) - len(pose.inliers) for pose in located)
    print(f"{len(located)} of {len(found)} queries have a pose, {rejected} references rejected: {args.output}")
    for query, pose in found.items():
        if pose.cam_from_world is None:
            print(f"  failed {query}: {pose.reason}")
    return 0 if located else 1
