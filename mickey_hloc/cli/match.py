"""``mickey-hloc match``: features and pairs -> matches file, crash-safe."""

import argparse
from pathlib import Path

from mickey_hloc.cli.machines import add_engine, chosen_engine
from mickey_hloc.cli.vocabulary import add_hloc, add_matcher, add_options, add_output, slot_options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("pairs", type=Path, metavar="PAIRS", help="hloc's pairs file: 'name0 name1' a line")
    parser.add_argument("--features", type=Path, required=True, metavar="FILE.h5", help="features in hloc's layout")
    add_matcher(parser)
    add_options(parser, "the matcher", "max_ratio=0.8")
    add_hloc(parser)
    add_output(parser, "the matches file", "FILE.h5")
    parser.add_argument("--overwrite", action="store_true", help="throw away an existing file")
    add_engine(parser)


def run(args: argparse.Namespace) -> int:
    """Exit status 0, or 1 where pairs have no features."""
    from mickey_hloc import match_features
    from mickey_hloc.errors import InputError
    from mickey_hloc.io.matches import MatchFile
    from mickey_hloc.io.pairs import read_pairs
    from mickey_hloc.matching import Matcher
    from mickey_hloc.two_view.method import Method

    options = slot_options(args.set, "matcher")["matcher"]
    name = args.matcher or match_features.default_matcher(args.features)
    matcher = Method(matcher=name, matcher_options=options, hloc=args.hloc).find_matching()
    if not isinstance(matcher, Matcher):
        raise InputError(
            f"Matcher {name} makes its own keypoints and takes no features; `mickey-hloc benchmark` and "
            "`mickey-hloc sfm` run it."
        )
    pairs = read_pairs(args.pairs)
    with chosen_engine(args) as engine:
        done = engine.match(matcher, pairs, args.features, args.output, overwrite=args.overwrite)
    counts = []
    if done.path.exists():
        with MatchFile(done.path) as matches:
            counts = [len(matches.read(*pair)[0]) for pair in pairs if pair in matches]
    mean = sum(counts) / max(len(counts), 1)
    written = str(done.path) if done.path.exists() else "no matches file is written"
    print(f"{len(counts)} of {len(pairs)} pairs matched, {mean:.0f} matches each: {written}")
    for reason, skipped in match_features.by_reason(done.skipped).items():
        print(f"  {len(skipped)} without input, e.g. {' '.join(skipped[0])}: {reason}")
    return 1 if done.skipped else 0
