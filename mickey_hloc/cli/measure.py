"""``mickey-hloc measure``: a length in a model in metres, in a photo or between two cameras, with its interval."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mickey_hloc.cli.vocabulary import add_depth, add_exif, add_options, slot_options
from mickey_hloc.errors import InputError

if TYPE_CHECKING:
    import pycolmap

    from mickey_hloc.metric.measuring import Length

_EPILOG = """\
examples:
  mickey-hloc measure metric desk.jpg 210 340 815 362                       # by the model's points
  mickey-hloc measure metric desk.jpg 210 340 815 362 --images images --depth png:sensor
  mickey-hloc measure metric desk.jpg door.jpg                              # between the two cameras"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "model", type=Path, metavar="MODEL", help="folder of a COLMAP model, best of `mickey-hloc scale`"
    )
    parser.add_argument("image", metavar="IMAGE", help="name of an image in the model")
    parser.add_argument(
        "where",
        nargs="+",
        metavar="X0 Y0 X1 Y1 | IMAGE1",
        help="two pixels, the centre of the top-left one being 0 0, or the name of a second image",
    )
    parser.add_argument("--images", type=Path, metavar="DIR", help="folder of the images, for depth")
    add_depth(parser)
    add_exif(parser)
    add_options(parser, "the measuring as measure.NAME, of the depth source as depth.NAME", "measure.surface=points")
    parser.add_argument("--json", action="store_true", help="print json")


def run(args: argparse.Namespace) -> int:
    """Exit status 0."""
    from mickey_hloc.io.colmap import read_colmap_model
    from mickey_hloc.metric.measuring import camera_distance
    from mickey_hloc.metric.rewriting import model_folder, read_report

    folder = model_folder(args.model)
    model, scaled = read_colmap_model(folder), read_report(folder)
    if len(args.where) == 1:
        found = camera_distance(model, args.image, args.where[0])
    elif len(args.where) == 4:
        found = _measure_pixels(args, model)
    else:
        raise InputError(f"Give four numbers X0 Y0 X1 Y1 or the name of a second image, not {len(args.where)} words.")
    relative_std = None if scaled is None else float(scaled["relative_std"])
    report(found, relative_std, args.json)
    return 0


def _measure_pixels(args: argparse.Namespace, model: pycolmap.Reconstruction) -> Length:
    import numpy as np

    from mickey_hloc.io.text import parse_numbers
    from mickey_hloc.metric.measuring import MeasureOptions, measure
    from mickey_hloc.registry import make_options
    from mickey_hloc.scale_reconstruction import Evidence, opened_depth

    pixels = np.array(parse_numbers(args.where, "the pixels")).reshape(2, 2)
    given = slot_options(args.set, "measure")
    options = make_options(MeasureOptions, given["measure"], "the measuring")
    if args.depth is None:
        return measure(model, args.image, pixels, options)
    evidence = Evidence(depth=args.depth, depth_options=given["depth"], exif_turn=args.exif)
    with opened_depth(evidence, model, args.images, [args.image]) as source:
        return measure(model, args.image, pixels, options, source)


def report(found: Length, relative_std: float | None, as_json: bool) -> None:
    """Print a length; without the scale's uncertainty it is in the unit of the model."""
    low, high = found.interval_95(relative_std or 0.0)
    if as_json:
        values: dict[str, Any] = {
            "length": found.length,
            "interval_95": [low, high],
            "unit": "model" if relative_std is None else "metres",
            "surface": found.surface,
            "num_points": found.num_points,
            "ends": found.ends.tolist(),
        }
        print(json.dumps(values))
        return
    print(length_in_words(found, relative_std))
    if relative_std is None:
        print("  no scale.json beside the model: its unit is not known; `mickey-hloc scale` brings it to metres")


def length_in_words(found: Length, relative_std: float | None) -> str:
    """A length with its interval, and what it rests on; without the scale's uncertainty in the unit of the model."""
    low, high = found.interval_95(relative_std or 0.0)
    unit = "units of the model" if relative_std is None else "m"
    digits = max(0, min(6, 2 - math.floor(math.log10(max(high - low, 1e-9)))))
    rests = f", {found.num_points} points" if found.num_points else ""
    return (
        f"{found.length:.{digits}f} {unit}, 95 % between {low:.{digits}f} and {high:.{digits}f}\n"
        f"  by {found.surface}{rests}"
    )
