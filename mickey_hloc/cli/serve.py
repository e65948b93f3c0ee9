"""``mickey-hloc serve``: a page in the browser for two photos, or a model of many; for this machine by default."""

from __future__ import annotations

import argparse
import sys

from mickey_hloc.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where the page is, and what it takes."""
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="who reaches it: 127.0.0.1 this machine alone, 0.0.0.0 the whole network (default: %(default)s)",
    )
    parser.add_argument("--port", type=int, default=7860, metavar="PORT", help="of the page (default: %(default)s)")
    parser.add_argument(
        "--max-upload-mb", type=int, default=25, metavar="MB", help="the largest file it takes (default: %(default)s)"
    )
    parser.add_argument(
        "--max-megapixels", type=int, default=50, metavar="MP", help="the largest photo (default: %(default)s)"
    )
    parser.add_argument(
        "--max-photos",
        type=int,
        default=40,
        metavar="N",
        help="of one model, or frames of a video (default: %(default)s)",
    )
    parser.add_argument("--device", help="cpu, cuda, cuda:1, ...; default: the GPU where there is one")


def run(args: argparse.Namespace) -> int:
    """Serve until Ctrl-C."""
    from mickey_hloc.cli.web_page import build_page, launch
    from mickey_hloc.cli.web_uploads import Limits

    if not 0 < args.port < 65536 or args.max_upload_mb < 1 or args.max_megapixels < 1:
        raise InputError("--port is between 1 and 65535, --max-upload-mb and --max-megapixels at least 1.")
    if args.max_photos < 2:
        raise InputError("--max-photos is at least 2.")
    page = build_page(Limits(args.max_megapixels, args.max_upload_mb, args.max_photos), args.device)
    print(f"http://{args.host}:{args.port} (stop with Ctrl-C; photos are not kept)", file=sys.stderr)
    launch(page, args.host, args.port, args.max_upload_mb, block=True)
    return 0
