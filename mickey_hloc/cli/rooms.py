"""``mickey-hloc rooms``: procedural rooms on disk, in Map-free layout, to train from."""

from __future__ import annotations

import argparse
import multiprocessing
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

from mickey_hloc.errors import InputError

_RANGES = {
    "room": {"fov": (60.0, 66.0), "baseline": (0.1, 1.0), "overlap": (0.4, 0.95)},
    "tilted": {"fov": (50.0, 80.0), "baseline": (0.05, 0.9), "overlap": (0.35, 0.95)},
    "near": {"fov": (50.0, 80.0), "baseline": (0.05, 0.8), "overlap": (0.3, 0.95)},
}
_EPILOG = """\
example:
  mickey-hloc rooms data/rooms --rooms 2500 --jobs 2     # about 0.4 s a room and core
  mickey-hloc rooms data/near --style near --size 640 480 --rooms 300
  mickey-hloc train configs/convolutional.yaml data.train.root=data/rooms"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the step."""
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("out", type=Path, metavar="DIR", help="gets train/s00000, train/s00001, ...")
    parser.add_argument("--rooms", type=int, default=1000, metavar="N", help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, metavar="SEED", help="which rooms")
    parser.add_argument("--first", type=int, default=0, metavar="N", help="number of the first room of the seed")
    parser.add_argument("--size", type=int, nargs=2, default=(320, 240), metavar=("W", "H"), help="of the images, px")
    parser.add_argument("--places", type=int, default=2, metavar="N", help="of a room (default: %(default)s)")
    parser.add_argument("--views", type=int, default=4, metavar="N", help="around a place (default: %(default)s)")
    parser.add_argument(
        "--style",
        choices=["room", "tilted", "near"],
        default="room",
        help="tilted: cameras lower, askew, nearer to walls and floors; near: things on all surfaces, and cameras at "
        "0.4 to 3 m from them, looking down at them, askew (default: %(default)s, from farther away)",
    )
    for name, what in (("fov", "of the longer side, degrees"), ("baseline", "metres"), ("overlap", "of views, 0 to 1")):
        usual = ", ".join(f"{style}: {ranges[name][0]:g} {ranges[name][1]:g}" for style, ranges in _RANGES.items())
        parser.add_argument(f"--{name}", type=float, nargs=2, metavar=("LOW", "HIGH"), help=f"{what} ({usual})")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    """Render what is not there yet, then say how many there are."""
    from tqdm import tqdm

    from mickey_hloc.datasets.room_export import ExportOptions, export_scene, hold_options
    from mickey_hloc.io.files import check_writable
    from mickey_hloc.io.signals import starting_workers
    from mickey_hloc.rooms.styles import STYLES

    if min(args.rooms, args.jobs) < 1 or min(args.seed, args.first) < 0:
        raise InputError("--rooms and --jobs must be at least 1, --seed and --first at least 0.")
    try:
        fov, baseline, overlap = (tuple(getattr(args, k) or usual) for k, usual in _RANGES[args.style].items())
        views = replace(STYLES[args.style].options, fov_deg=fov, baseline_m=baseline, overlap=overlap)
    except ValueError as error:
        raise InputError(f"{error}.") from error
    check_writable(args.out, is_file=False)
    options = ExportOptions(args.places, args.views, tuple(args.size), views)
    hold_options(args.out, args.seed, options)
    render = partial(export_scene, args.out / "train", seed=args.seed, options=options)
    (args.out / "train").mkdir(exist_ok=True)
    with ExitStack() as stack:
        with starting_workers():
            pool = multiprocessing.get_context("spawn").Pool(args.jobs, initializer=_begin)
            stack.callback(pool.join)
            stack.callback(pool.terminate)  # all is done, or one failed; joined, or its semaphores are said to leak
        numbers = range(args.first, args.first + args.rooms)
        made = sum(tqdm(pool.imap_unordered(partial(_call, render), numbers), total=args.rooms, unit="room"))
    print(f"{args.rooms} rooms in {args.out / 'train'}, {made} of them new")
    return 0


def _call(render: partial[bool], number: int) -> bool:
    return render(number=number)


def _begin() -> None:
    """The processes share the cores; threads in each would only get in each other's way."""
    import cv2

    from mickey_hloc.io.signals import begin_worker

    begin_worker()
    cv2.setNumThreads(1)
