"""The arguments that say on which machines a command's steps run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mickey_hloc.errors import InputError

if TYPE_CHECKING:
    from mickey_hloc.engine import Engine


def add_engine(parser: Any) -> None:
    """The choice of this machine or a Ray cluster."""
    parser.add_argument(
        "--engine", default="local", choices=("local", "ray"), help="ray: share the work out to a Ray cluster"
    )
    parser.add_argument(
        "--address",
        metavar="HOST:PORT",
        help="of the Ray cluster, or auto (default: RAY_ADDRESS, else one is started here)",
    )
    parser.add_argument("--shards", type=int, metavar="N", help="pieces of the work (default: by its size)")
    parser.add_argument(
        "--shards-at",
        metavar="DIR|URL",
        help="where shards grow: a folder that all machines see, or an object store, e.g. s3://bucket/folder "
        "(default: beside the output)",
    )


def folder_or_url(text: str) -> Path | str:
    """A folder as a path, the URL of an object store as it is."""
    return text if "://" in text else Path(text)


def chosen_engine(args: argparse.Namespace) -> Engine:
    """The engine of the arguments of ``add_engine``; use it in a ``with`` block.

    Raises:
        InputError: no cluster there, or arguments of Ray without it.
    """
    if args.engine == "local":
        for name in ("address", "shards", "shards_at"):
            if getattr(args, name) is not None:
                raise InputError(f"--{name.replace('_', '-')} is of --engine ray: give that too, or leave it out.")
        from mickey_hloc.engine import Engine

        return Engine()
    from mickey_hloc.engine.on_ray import RayEngine

    return RayEngine(args.address, args.shards, None if args.shards_at is None else folder_or_url(args.shards_at))
