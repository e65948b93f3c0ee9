"""``mickey-hloc extract``: images -> features file."""

import argparse
from pathlib import Path
from typing import Any

from mickey_hloc.cli.machines import add_engine, chosen_engine, folder_or_url
from mickey_hloc.cli.vocabulary import (
    add_exif,
    add_feature,
    add_focal,
    add_hloc,
    add_intrinsics,
    add_options,
    add_output,
    guessed_cameras,
    slot_options,
)
from mickey_hloc.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument(
        "images",
        type=folder_or_url,
        metavar="IMAGES",
        help="folder that image names are relative to; with --engine ray also the URL of one in an object store",
    )
    add_feature(parser)
    add_exif(parser)
    add_options(parser, "the feature", "max_keypoints=2048")
    add_hloc(parser)
    parser.add_argument("--device", help="of the network: cpu, cuda, cuda:1, ... (default: the GPU, if there is one)")
    parser.add_argument("--resize-max", type=int, metavar="PX", help="shrink larger images to this longer side")
    parser.add_argument(
        "--focal-correction",
        choices=("none", "resize"),
        help="resize: MicKey sees images at the focal length of its training; needs --intrinsics or --focal",
    )
    camera = parser.add_mutually_exclusive_group()
    add_intrinsics(camera, required=False)
    add_focal(camera)
    parser.add_argument("--image-list", type=Path, metavar="FILE", help="extract these only, a name a line")
    parser.add_argument("--glob", action="append", metavar="PATTERN", help="extract what fits, as '*.jpg'; repeatable")
    add_output(parser, "the features file, or the folder it goes to under the feature's name", "FILE.h5|DIR")
    parser.add_argument("--batch-size", type=int, metavar="N", help="images at once (default: 1, on a GPU 8)")
    parser.add_argument("--workers", type=int, default=4, metavar="N", help="decoding threads (default: %(default)s)")
    parser.add_argument("--full", action="store_true", help="descriptors in 32 bit instead of 16")
    parser.add_argument("--overwrite", action="store_true", help="throw away an existing file")
    add_engine(parser)


def run(args: argparse.Namespace) -> int:
    """Exit status 0, or 1 where images were skipped."""
    from mickey_hloc.features import EXTRACTORS
    from mickey_hloc.features.mickey import MickeyExtractor
    from mickey_hloc.io.cameras import read_cameras
    from mickey_hloc.io.image_batches import list_photos

    options: dict[str, Any] = slot_options(args.set, "feature")["feature"]
    if args.focal_correction == "resize" and args.intrinsics is None and args.focal is None:
        raise InputError(
            "The focal correction 'resize' needs the focal length of every image: give intrinsics, or --focal PX "
            "(auto: EXIF's, else a guess)."
        )
    for_mickey = ("weights", "encoder", "precision", "backend", "focal_correction")
    chosen = {key: getattr(args, key) for key in for_mickey if getattr(args, key) is not None}
    if chosen and not issubclass(EXTRACTORS.get(args.feature, args.hloc), MickeyExtractor):
        names = ", ".join(f"--{key.replace('_', '-')}" for key in chosen)
        raise InputError(f"Feature {args.feature} is not MicKey: leave out {names}.")
    has_device = "device" in getattr(EXTRACTORS.get(args.feature, args.hloc).Options, "__dataclass_fields__", {})
    options |= chosen | ({"device": args.device} if args.device is not None and has_device else {})
    changes = {"resize_max": args.resize_max, "globs": args.glob, "exif_turn": args.exif}
    changes = {key: value for key, value in changes.items() if value is not None}
    if changes:
        options["preprocessing"] = {**options.get("preprocessing", {}), **changes}
    extractor = EXTRACTORS.create(args.feature, args.hloc, **options)
    cameras = None if args.intrinsics is None else read_cameras(args.intrinsics)
    if args.focal is not None:
        if isinstance(args.images, str):
            raise InputError(f"--focal reads every image here, but they are at {args.images}: give --intrinsics.")
        photos, _ = list_photos(args.images, extractor.preprocessing.globs, args.image_list)
        cameras = guessed_cameras(args.images, photos, args.focal)
    is_file = args.output.suffix in (".h5", ".hdf5")
    with chosen_engine(args) as engine:
        report = engine.extract(
            extractor,
            args.images,
            args.output if is_file else args.output / f"feats-{extractor.tag()}.h5",
            as_half=not args.full,
            image_list=args.image_list,
            overwrite=args.overwrite,
            batch_size=args.batch_size,
            num_workers=args.workers,
            cameras=cameras,
        )
    print(report.summary())
    return 1 if report.skipped else 0
