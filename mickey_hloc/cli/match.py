"""``mickey-hloc match``: features and pairs -> matches file, crash-safe."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("pairs", type=Path, metavar="PAIRS", help="hloc's pairs file: 'name0 name1' a line")
    parser.add_argument("--features", type=Path, required=True, metavar="FILE.h5", help="features in hloc's layout")
    parser.add_argument(
        "--matcher",
        default="nn-ratio",
        metavar="CONF",
        help="nn-ratio, nn-mutual, mickey, or a conf of hloc's match_features (default: %(default)s)",
    )
    parser.add_argument("--output", type=Path, required=True, metavar="FILE.h5", help="the matches file")
    parser.add_argument("--hloc", default="hloc", help="which hloc runs what is not ours (default: %(default)s)")
    parser.add_argument("--overwrite", action="store_true", help="throw away an existing file")


def run(args: argparse.Namespace) -> int:
    """Exit status 0, or 1 where pairs have no features."""
    from mickey_hloc import match_features
    from mickey_hloc.benchmark.method_confs import matching_plan
    from mickey_hloc.errors import InputError
    from mickey_hloc.io.matches import MatchFile
    from mickey_hloc.io.pairs import read_pairs

    plan = matching_plan(args.matcher, args.hloc)
    if plan.on_images:
        raise InputError(f"Matcher {args.matcher} makes its own keypoints and takes no features; hloc runs it.")
    pairs = read_pairs(args.pairs)
    path = match_features.main(plan.conf, pairs, args.features, args.output, overwrite=args.overwrite)
    with MatchFile(path) as matches:
        counts = [len(matches.read(*pair)[0]) for pair in pairs if pair in matches]
    mean = sum(counts) / max(len(counts), 1)
    print(f"{len(counts)} of {len(pairs)} pairs matched, {mean:.0f} matches each: {path}")
    return 0 if len(counts) == len(pairs) else 1
