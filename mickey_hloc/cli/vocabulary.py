"""The arguments that several commands have: one word for one thing. Nothing heavy is imported: help must be fast."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mickey_hloc.errors import InputError, MissingDependencyError
from mickey_hloc.registry import parse_assignments, tables

if TYPE_CHECKING:
    from mickey_hloc.io.cameras import Cameras
    from mickey_hloc.io.photo_cameras import Focal
    from mickey_hloc.two_view.method import Method

_SLOTS = ("feature", "matcher", "depth", "solver", "accept", "scale", "measure", "graph")


def add_feature(parser: Any, default: str | None = "mickey") -> None:
    """The choice of the keypoints."""
    names = ", ".join(sorted(tables.FEATURES))
    parser.add_argument(
        "--feature",
        default=default,
        metavar="NAME",
        help=f"{names}, a conf of hloc's extract_features, or package.module:Class (default: mickey)",
    )
    parser.add_argument(
        "--weights",
        metavar="NAME|FILE",
        help="of MicKey, see `mickey-hloc weights list` (default: what the feature says, else mickey)",
    )
    parser.add_argument("--encoder", metavar="NAME|FILE", help="DINOv2 weights, for checkpoints that leave them out")
    parser.add_argument(
        "--precision", choices=("auto", "fp32", "bf16", "fp16"), help="of MicKey's encoder (default: auto)"
    )
    parser.add_argument(
        "--backend",
        choices=("torch", "onnxruntime", "openvino"),
        help="what runs MicKey on a CPU (default: torch); the others need the extra 'onnx', and openvino its package",
    )


def add_exif(parser: Any) -> None:
    """What happens to photos that their EXIF data turn."""
    parser.add_argument(
        "--exif",
        default="refuse",
        choices=("refuse", "ignore"),
        help="photos that their EXIF orientation turns: refuse them, or ignore it and use the pixels as stored",
    )


def add_intrinsics(parser: Any, required: bool = True) -> None:
    """The cameras of the images, in any of the formats, one or several files and folders."""
    parser.add_argument(
        "--intrinsics",
        type=Path,
        action="append",
        required=required,
        metavar="PATH",
        help="cameras: a file of lines 'name fx fy cx cy w h', hloc's queries 'name MODEL w h params', a Map-free "
        "folder or a COLMAP model; repeatable, for a model and its queries",
    )


def focal_length(text: str) -> Focal:
    """Pixels, or "auto"."""
    try:
        return "auto" if text == "auto" else float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not PX, nor auto") from None


def add_focal(
    parser: Any, kind: Callable[[str], Any] = focal_length, metavar: str = "PX", whose: str = "of all photos"
) -> None:
    """A focal length instead of cameras."""
    parser.add_argument(
        "--focal",
        type=kind,
        metavar=metavar,
        help=f"focal length in pixels: {whose}; auto: that of EXIF, else a guess, which is said and lowers the "
        "confidence",
    )


def guessed_cameras(image_dir: Path | None, names: Iterable[str], focal: Focal) -> Cameras:
    """The cameras that ``--focal`` stands for; says on stderr where they come from.

    Raises:
        InputError: no folder of the images, or names that lead out of it.
    """
    from mickey_hloc.io.photo_cameras import photo_cameras

    if image_dir is None:
        raise InputError("--focal needs the photos, for their sizes and EXIF data: give --images DIR.")
    cameras, notes = photo_cameras(image_dir, names, focal)
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    return cameras


def add_matcher(parser: Any, default: str | None = None) -> None:
    """The choice of the matcher."""
    names = ", ".join(sorted(tables.MATCHERS))
    parser.add_argument(
        "--matcher",
        default=default,
        metavar="NAME",
        help=f"{names}, a conf of hloc's match_features or match_dense, vismatch-<name>, or package.module:Class "
        f"(default: {default or 'what suits the feature'})",
    )


def add_depth(parser: Any) -> None:
    """The choice of the depth source."""
    from mickey_hloc.depth.table import SPECS_WITH_IMAGES

    specs = ", ".join(SPECS_WITH_IMAGES.values())
    parser.add_argument(
        "--depth", metavar="SPEC", help=f"{specs}, or package.module:Class (default: the feature's own)"
    )


def add_solver(parser: Any) -> None:
    """The choice of the solver."""
    parser.add_argument(
        "--solver",
        metavar="NAME",
        help=f"{', '.join(tables.SOLVERS)}, or package.module:Class (default: what the weights of MicKey say, "
        "else procrustes)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="SEED", help="of the solver's draws (default: %(default)s)"
    )


def add_acceptance(parser: Any, default: str) -> None:
    """Which estimates become poses."""
    parser.add_argument(
        "--accept",
        default=default,
        choices=("supported", "all"),
        help="supported: refuse weak estimates; all: keep every one, ranked by confidence (default: %(default)s)",
    )
    parser.add_argument(
        "--calibration", metavar="FILE.json", help="of `mickey-hloc calibrate`, beside those of the package"
    )


def add_options(parser: Any, what: str, example: str) -> None:
    """Options by KEY=VALUE."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help=f"an option of {what}, e.g. {example}; repeatable",
    )
    for alias in ("--solver-option", "--option"):
        parser.add_argument(alias, action="append", dest="set", help=argparse.SUPPRESS)


def add_hloc(parser: Any) -> None:
    """The choice of the host."""
    parser.add_argument("--hloc", default="hloc", help="which hloc runs what is not ours (default: %(default)s)")


def add_output(parser: Any, help: str, metavar: str = "DIR", default: Path | None = None) -> None:
    """Where the result goes; required unless there is a default."""
    parser.add_argument(
        "--output", type=Path, required=default is None, default=default, metavar=metavar, help=help, dest="output"
    )


def add_report(parser: Any) -> None:
    """One page of the result."""
    parser.add_argument(
        "--report", type=Path, metavar="FILE.html", help="write one page with words, tables, pictures and 3-D there"
    )


def check_report(path: Path | None) -> None:
    """Refuse a report that could not be written, before the long work.

    Raises:
        InputError: no .html, or a folder.
        MissingDependencyError: plotly is not installed.
    """
    if path is None:
        return
    if path.suffix.lower() not in (".html", ".htm") or path.is_dir():
        raise InputError(f"--report {path}: a report is a page; give it a name that ends in .html.")
    if find_spec("plotly") is None:
        raise MissingDependencyError("Reports need plotly: pip install 'mickey-hloc[report]'.")


def command_line() -> str:
    """The command as it was given, for what says how it was made."""
    return shlex.join(["mickey-hloc", *sys.argv[1:]])


def add_method(parser: argparse.ArgumentParser, accept: str = "supported") -> None:
    """A whole method: feature, matcher, depth, solver and their options."""
    group = parser.add_argument_group("method")
    add_feature(group, default=None)
    add_exif(group)
    add_matcher(group)
    add_depth(group)
    add_solver(group)
    group.add_argument(
        "--focal-correction",
        default="none",
        choices=("none", "depth", "resize"),
        help="of MicKey's depth where the focal length is not that of its training (default: %(default)s)",
    )
    add_acceptance(group, accept)
    add_options(group, "the solver, or with feature., matcher., depth., accept. in front of these", "max_error_m=0.05")
    add_hloc(group)


def chosen_method(args: argparse.Namespace) -> Method:
    """The method of the arguments of ``add_method``.

    Raises:
        InputError: ``--set`` is no assignment.
    """
    from mickey_hloc.two_view.method import Method

    options = slot_options(args.set, "solver")
    return Method(
        **matching_of(args, options),
        depth=args.depth,
        solver=args.solver,
        depth_options=options["depth"],
        solver_options=options["solver"],
        device=args.device,
        focal_correction=args.focal_correction,
        accept=args.accept,
        accept_options=options["accept"],
        calibration=args.calibration,
        seed=args.seed,
    )


def matching_of(args: argparse.Namespace, options: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The part of a ``Method`` that says what features and matches are; ``options``: of ``slot_options``."""
    names = ("feature", "matcher", "weights", "encoder", "precision", "backend", "hloc")
    chosen = {name: getattr(args, name) for name in names} | {"exif_turn": args.exif}
    return chosen | {f"{slot}_options": options[slot] for slot in ("feature", "matcher")}


def slot_options(assignments: list[str], default: str) -> dict[str, dict[str, Any]]:
    """Options by slot: ``feature.resize=1`` is the feature's, and what names no slot is that of ``default``.

    Raises:
        InputError: no assignment.
    """
    options: dict[str, dict[str, Any]] = {slot: {} for slot in _SLOTS}
    for key, value in parse_assignments(assignments).items():
        if key in _SLOTS:
            if not isinstance(value, Mapping):
                raise InputError(f"'{key}={value}' names no option of the {key}; write {key}.NAME=VALUE.")
            options[key] |= value
        else:
            options[default][key] = value
    return options


def parse_size(text: str) -> tuple[int, int]:
    """(width, height) of a text like 1296x968."""
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise argparse.ArgumentTypeError(f"a width and a height like 1296x968 are needed, got '{text}'")
    return int(width), int(height)
