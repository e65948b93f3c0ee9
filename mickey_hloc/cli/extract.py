"""``mickey-hloc extract``: images -> features file."""

import argparse
from pathlib import Path

from mickey_hloc.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("images", type=Path, metavar="IMAGES", help="folder that image names are relative to")
    parser.add_argument("--feature", default="mickey", metavar="CONF", help="conf (default: %(default)s)")
    parser.add_argument("--weights", metavar="NAME|FILE", help="MicKey's weights (default: the conf's)")
    parser.add_argument("--encoder", metavar="NAME|FILE", help="DINOv2 weights, for checkpoints without them")
    parser.add_argument("--precision", choices=("auto", "fp32", "bf16", "fp16"), help="of MicKey's encoder")
    parser.add_argument("--resize-max", type=int, metavar="PX", help="shrink larger images to this longer side")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--out", type=Path, metavar="DIR", help="folder of the features file, which the conf names")
    where.add_argument("--output", type=Path, metavar="FILE.h5", help="the features file itself")
    parser.add_argument("--image-list", type=Path, metavar="FILE", help="extract these only, a name a line")
    parser.add_argument("--glob", action="append", metavar="PATTERN", help="extract what fits, as '*.jpg'; repeatable")
    parser.add_argument("--batch-size", type=int, default=8, metavar="N", help="images at once (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=4, metavar="N", help="decoding threads (default: %(default)s)")
    parser.add_argument("--full", action="store_true", help="descriptors in 32 bit instead of 16")
    parser.add_argument("--overwrite", action="store_true", help="throw away an existing file")


def run(args: argparse.Namespace) -> int:
    """Exit status 0, or 1 where images were skipped."""
    from mickey_hloc.confs import mickey_conf_with
    from mickey_hloc.extract_features import extract, get_conf

    conf = get_conf(args.feature)
    preprocessing = conf.setdefault("preprocessing", {})
    if args.resize_max is not None:
        preprocessing["resize_max"] = args.resize_max
    if conf["model"]["name"] == "mickey":
        conf = mickey_conf_with(conf, args.weights, args.encoder, args.precision)
    elif args.weights or args.encoder or args.precision:
        raise InputError(f"Feature {args.feature} is not MicKey: leave out --weights, --encoder and --precision.")
    if args.glob:
        conf["preprocessing"]["globs"] = tuple(args.glob)
    path = args.output or args.out / f"{conf['output']}.h5"
    report = extract(
        conf,
        args.images,
        path,
        as_half=not args.full,
        image_list=args.image_list,
        overwrite=args.overwrite,
        batch_size=args.batch_size,
        num_workers=args.workers,
    )
    print(report.summary())
    return 1 if report.skipped else 0
