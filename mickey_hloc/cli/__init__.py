"""``mickey-hloc <step>``: each step lives in its own file of this package."""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from mickey_hloc import __version__
from mickey_hloc.errors import MickeyHlocError

# A command is a module with ``add_arguments(parser)`` and ``run(args) -> exit status``; modules load when chosen.
COMMANDS = {
    "pose": "metric relative pose of two photos",
    "depth": "write depth maps and correspondences for other people's code",
    "demo": "the pose of two views of a rendered room, beside the truth",
    "extract": "images to a features file in hloc's layout, crash-safe",
    "match": "features and pairs to a matches file, crash-safe, with or without hloc",
    "poses": "metric relative poses of image pairs from features, matches and depth",
    "localize": "absolute poses of queries from relative poses to posed references",
    "sfm": "a COLMAP model from a folder of images, through hloc",
    "evaluate": "score results on Map-free, ScanNet or 7-Scenes",
    "submit": "a Map-free submission zip from poses files",
    "validate": "every problem of a Map-free submission, before it is uploaded",
    "rooms": "procedural rooms on disk, in Map-free layout, to train from",
    "train": "learn metric keypoints from image pairs and their relative poses",
    "weights": "list, download or describe model weights",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one step. Exit status: 0 done, 1 honest failure (no pose, invalid submission), 2 wrong input."""
    parser = argparse.ArgumentParser(prog="mickey-hloc", description="Metric relative poses for hloc.")
    parser.add_argument("--version", action="version", version=f"mickey-hloc {__version__}")
    steps = parser.add_subparsers(dest="command", required=True, metavar="STEP")
    arguments = list(sys.argv[1:] if argv is None else argv)
    for name, summary in COMMANDS.items():
        step = steps.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        if name in arguments:  # the others are only listed: loading them would import what they need
            module = importlib.import_module(f"mickey_hloc.cli.{name.replace('-', '_')}")
            module.add_arguments(step)
            step.set_defaults(run=module.run)
    args = parser.parse_args(arguments)
    try:
        return int(args.run(args))
    except MickeyHlocError as error:
        print(f"mickey-hloc {args.command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output went away, e.g. `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:  # a folder without write permission, a full disk
        print(f"mickey-hloc {args.command}: {error}", file=sys.stderr)
        return 2
