"""``mickey-hloc <command>``: each command lives in its own file of this package."""

import argparse
import importlib
import os
import signal
import sys
import warnings
from collections.abc import Callable, Sequence

from mickey_hloc import __version__
from mickey_hloc.cli.help import use_everywhere
from mickey_hloc.cli.parsing import CommandParser, check_outputs
from mickey_hloc.cli.terminal import TERMINATED, Terminated, plain, plain_output, styled, terminable
from mickey_hloc.errors import MickeyHlocError
from mickey_hloc.io.files import NO_ROOM

# A command is a module with ``add_arguments(parser)`` and ``run(args) -> exit status``; modules load when chosen.
COMMANDS = {
    "pose": "metric relative pose of two photos",
    "demo": "the pose of two rendered views, or photos, beside the truth; by the bundled model",
    "serve": "a page in the browser: the pose of two photos, or a model of many, with pictures and 3-D",
    "extract": "images to a features file in hloc's layout, crash-safe",
    "match": "features and pairs to a matches file, crash-safe, with or without hloc",
    "poses": "metric relative poses of image pairs from features, matches and depth",
    "localize": "absolute poses of queries from their relative poses to posed references",
    "sfm": "a COLMAP model from a folder of images, through hloc",
    "localize-sfm": "absolute poses of queries against the points of a COLMAP model, through hloc",
    "scale": "a COLMAP or hloc model in metres, from depth, known lengths or GPS",
    "pose-graph": "relative poses in metres to absolute poses of all images, without points",
    "measure": "a length in a model in metres: in a photo, or between two cameras",
    "depth": "write depth maps and correspondences for other people's code",
    "benchmark": "from images to the table: Map-free, ScanNet, 7-Scenes, or a grid of methods",
    "calibrate": "what the confidence of a method means, from pairs whose truth is known",
    "evaluate": "score results on Map-free, ScanNet or 7-Scenes",
    "submit": "a Map-free submission zip from poses files",
    "validate": "every problem of a Map-free submission, before it is uploaded",
    "rooms": "procedural rooms on disk, in Map-free layout, to train from",
    "train": "learn metric keypoints from image pairs and their relative poses",
    "export": "a network for other programs: ONNX, or torch's exported program",
    "weights": "model weights: list, download, info",
}
# The same words everywhere; what earlier versions called them is still understood.
ALIASES = {
    "--outputs": "--output",
    "--out": "--output",
    "--list": "--image-list",
    "--max-rotation": "--max-rotation-deg",
    "--max-distance": "--max-distance-m",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Exit status: 0 done, 1 honest failure (no pose, invalid submission), 2 wrong input."""
    try:
        command, args = parse(sys.argv[1:] if argv is None else argv)
    except KeyboardInterrupt:
        return _interrupted()

    def run() -> int:
        check_outputs(command, args)
        return int(args.run(args))

    return run_command(run, f"mickey-hloc {args.command}")


def parse(argv: Sequence[str]) -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    """The parser of the command that was named, and what was said to it."""
    parser = CommandParser(prog="mickey-hloc", description="Metric relative poses for hloc.")
    parser.add_argument("--version", action="version", version=f"mickey-hloc {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    arguments = [_translated(argument) for argument in argv]
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        if (
            name in arguments or name in os.environ.get("COMP_LINE", "").split()
        ):  # the others are only listed: loading them would import what they need
            module = importlib.import_module(f"mickey_hloc.cli.{name.replace('-', '_')}")
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    use_everywhere(parser)
    complete(parser)
    args = parser.parse_args(arguments)
    return commands.choices[args.command], args


def complete(parser: argparse.ArgumentParser) -> None:
    """Answer a shell that asks for completions; ``eval "$(register-python-argcomplete mickey-hloc)"`` makes it ask."""
    if "_ARGCOMPLETE" in os.environ:
        import argcomplete

        argcomplete.autocomplete(parser)


def run_command(run: Callable[[], int], name: str) -> int:
    """Exit status of a command; a user's error is one sentence, and warnings become notes on stderr."""
    out, err = sys.stdout, sys.stderr
    try:
        with plain_output(out, err), terminable(light=name.endswith(" weights")), warnings.catch_warnings():
            warnings.simplefilter("default", UserWarning)
            warnings.showwarning = _note  # type: ignore[assignment]
            return run()
    except MickeyHlocError as error:
        print(styled(f"{name}: {_in_one_line(error)}", "bad", err), file=err)
        return 2
    except KeyboardInterrupt:
        return _interrupted()
    except Terminated:
        return TERMINATED
    except BrokenPipeError:  # the reader of our output went away, e.g. `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())
        return 141
    except OSError as error:  # a folder without write permission, a full disk
        print(styled(f"{name}: {_told(error)}", "bad", err), file=err)
        return 2


def _interrupted() -> int:
    print("interrupted; run the same again to go on", file=sys.stderr)
    return 128 + signal.SIGINT


def _in_one_line(error: MickeyHlocError) -> str:
    return plain(str(error)).strip().replace("\n", "\\n")  # in names of files


def _told(error: OSError) -> str:
    if error.errno in NO_ROOM:
        where = f" of {error.filename}" if error.filename else ""
        return f"The disk{where} is full; what is finished is kept: make room and run the same again."
    return str(error)


def _translated(argument: str) -> str:
    name, equals, value = argument.partition("=")
    return ALIASES.get(name, name) + equals + value


def _note(message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: object) -> None:
    if issubclass(category, UserWarning) and "mickey_hloc" in filename:
        print(f"note: {message}", file=sys.stderr)
