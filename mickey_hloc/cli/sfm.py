"""``mickey-hloc sfm``: a folder of images becomes a COLMAP model, through hloc's own steps.

images -> pairs -> features -> matches -> COLMAP model -> the same in metres. A step whose output file exists is not
repeated.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mickey_hloc.cli.hloc_matching import add_matching_arguments
from mickey_hloc.cli.machines import add_engine
from mickey_hloc.cli.reconstruction import Reconstructed, reconstruct
from mickey_hloc.cli.scale import add_evidence
from mickey_hloc.cli.vocabulary import add_output, add_report, check_report, command_line

if TYPE_CHECKING:
    from mickey_hloc.visualization import Page

CAMERA_MODES = ("AUTO", "PER_FOLDER", "PER_IMAGE", "SINGLE")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("images", type=Path, help="folder of the images, or a video")
    add_output(parser, "folder for everything that is made")
    parser.add_argument(
        "--image-list", type=Path, metavar="FILE", help="file with a name a line; default: all images in the folder"
    )
    parser.add_argument(
        "--glob", action="append", metavar="PATTERN", help="pattern of image names, e.g. '*.jpg'; may be repeated"
    )
    add_matching_arguments(parser)
    parser.add_argument(
        "--pairs",
        help="exhaustive, sequential, a retrieval conf, e.g. netvlad, or a pairs file (default: exhaustive, of a video "
        "sequential)",
    )
    parser.add_argument(
        "--num-matched", type=int, default=20, metavar="N", help="similar images, with a retrieval conf"
    )
    parser.add_argument("--overlap", type=int, default=10, metavar="N", help="of the next images, with sequential")
    parser.add_argument("--camera-mode", default="AUTO", choices=CAMERA_MODES, help="which images share a camera")
    parser.add_argument("--camera-model", help="of COLMAP, e.g. PINHOLE; default: SIMPLE_RADIAL")
    parser.add_argument(
        "--camera-params", metavar="F,CX,CY,...", help="its parameters, pixels, kept (default: EXIF, refined)"
    )
    parser.add_argument("--mapper", default="incremental", choices=("incremental", "global"), help="of COLMAP")
    parser.add_argument("--max-frames", type=int, default=500, metavar="N", help="of a video")
    parser.add_argument("--metric", action="store_true", help="write the model in metres as well, see `scale`")
    add_evidence(parser)
    add_engine(parser)
    add_report(parser)


def run(args: argparse.Namespace) -> int:
    """Exit status 0, or 1 where there is no model, or no scale where one was asked for."""
    check_report(args.report)
    found = reconstruct(args)
    if args.report is not None:
        from mickey_hloc.cli.model_page import write_model_page

        print(f"report: {write_model_page(args.report, page_of(found), command_line())}", file=sys.stderr)
    return found.status


def page_of(found: Reconstructed) -> Page:
    """The report: of the model in metres where there is one, else of the model as it is."""
    from mickey_hloc.cli.model_page import scale_page, sfm_page

    if found.scaled is not None:
        return scale_page(found.scaled, found.image_dir, found.names)
    return sfm_page(found.model, found.names, found.image_dir)
