"""``mickey-hloc weights list | download NAME | info NAME_OR_PATH``."""

import argparse
import itertools
from collections import defaultdict
from pathlib import Path

from mickey_hloc.errors import WeightsError
from mickey_hloc.io.checksum import checksum_file, sha256
from mickey_hloc.weights import named as weights
from mickey_hloc.weights.describe import Description, describe
from mickey_hloc.weights.metadata import METADATA_KEY, read_metadata

_EPILOG = """\
MicKey's files: MICKEY_HLOC_CACHE names their folder (default: mickey_hloc in the folder of torch.hub),
MICKEY_HLOC_MIRROR an address with their archive, asked instead of the publisher. Without a connection, place the
archive or a file of it into that folder by hand; the checksum is recorded at its first use.
DINOv2 comes from the Hugging Face hub: HF_HOME, HF_ENDPOINT (a mirror), HF_HUB_OFFLINE=1; also by hand, as
dinov2_vit{s,b,l}14_pretrain.pth in that folder."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The three actions."""
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    actions = parser.add_subparsers(dest="action", required=True, metavar="list|download|info")
    actions.add_parser("list", help="the named weights, and which of them are here")
    fetch = actions.add_parser("download", help="bring named weights into the cache and verify their checksum")
    fetch.add_argument("names", nargs="+", metavar="NAME", help=f"one of: {', '.join(weights.NAMES)}")
    fetch.add_argument("--mirror", metavar="URL", help="ask this address for MicKey's archive (MICKEY_HLOC_MIRROR)")
    info = actions.add_parser("info", help="format, shapes, widths, checksum and metadata of weights")
    info.add_argument("weights", metavar="NAME_OR_PATH", help="named weights, or a .ckpt, .pth or .safetensors file")
    info.add_argument("--tensors", action="store_true", help="list every tensor with its shape")


def run(args: argparse.Namespace) -> int:
    """Do the chosen action.

    Raises:
        WeightsError: unknown, missing, damaged or untrusted weights.
    """
    if args.action == "list":
        _list()
    elif args.action == "download":
        _download(args.names, args.mirror)
    else:
        _info(args.weights, args.tensors)
    return 0


def _list() -> None:
    rows = [("NAME", "SIZE", "LICENCE", "HERE", "WHAT", "FROM")]
    for name, entry in weights.WEIGHTS.items():
        path = weights.cached_file(name)
        size = _megabytes(path.stat().st_size) if path.is_file() else f"~{entry.size_mb} MB" if entry.size_mb else "?"
        rows.append((name, size, entry.licence, "yes" if path.is_file() else "-", entry.about, entry.url or "bundled"))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    for row in rows:
        print("  ".join([*(text.ljust(width) for text, width in zip(row, widths, strict=False)), row[-1]]))
    print(f"cache: {weights.cache_folder()}")


def _download(names: list[str], mirror: str | None) -> None:
    for name in names:
        weights.require_name(name)  # all of them before the first long download
    for name in names:
        path = weights.resolve(name, mirror)
        print(f"{path}  {_megabytes(path.stat().st_size)}  sha256 {sha256(path)}")


def _info(chosen: str, tensors: bool) -> None:
    entry = weights.WEIGHTS.get(chosen)
    if entry is not None:
        _line("name", f"{chosen}: {entry.about}")
        _line("licence", entry.licence)
        _line("from", entry.url or "this package")
        if not weights.cached_file(chosen).is_file():
            _line("file", f"not here yet: mickey-hloc weights download {chosen}")
            return
    path = weights.resolve(chosen)
    description = describe(path)
    _line("file", f"{path} ({_megabytes(path.stat().st_size)})")
    _line("format", description.format)
    _line("sha256", sha256(path) + (" (as recorded)" if checksum_file(path).is_file() else ""))
    types = ", ".join(f"{count} {dtype}" for dtype, count in sorted(description.dtypes.items()))
    _line("tensors", f"{len(description.shapes)} ({types}), {description.parameters / 1e6:.2f} M numbers")
    _widths(description)
    if METADATA_KEY in description.metadata:
        _use(path)
    for key, value in sorted(description.metadata.items()):
        _line("metadata", f"{_printable(key)} = {_printable(value)}")
    _shapes(description, tensors)


def _widths(description: Description) -> None:
    heads = description.heads
    if description.encoder is not None:
        _line("encoder", "{} channels, {} blocks".format(*description.encoder))
    elif heads and description.contains_encoder:
        _line("encoder", f"inside, {next(iter(heads.values())).channels_in} channels")
    elif heads:
        _line("encoder", f"not inside; made for {next(iter(heads.values())).channels_in} channels")
    for name, head in heads.items():
        blocks = " ".join(map(str, head.widths))
        _line("head", f"{name}: widths {blocks}, {head.attention_layers} self-attention layers")


def _use(path: Path) -> None:
    """How a model of ours was trained and is best used."""
    try:
        model = read_metadata(path)
    except WeightsError as error:  # the file is described as it is, usable or not
        _line("model", _printable(str(error)))
        return
    size = "images of any size" if model.training_size_px is None else f"images of {model.training_size_px} px"
    focal = (
        "any focal length" if model.training_focal_px is None else f"a focal length of {model.training_focal_px:g} px"
    )
    _line("model", f"trained on {size} with {focal}; suitable solver: {model.solver}")


def _shapes(description: Description, every: bool) -> None:
    if every:
        for name, shape in description.shapes.items():
            print(f"  {_printable(name)}  {_sides(shape)}")
        return
    groups: dict[str, list[tuple[int, ...]]] = defaultdict(list)
    for name, shape in description.shapes.items():
        parts = itertools.takewhile(lambda part: not part.isdecimal(), name.split(".")[:-1][:3])
        groups[".".join(parts) or name].append(shape)
    print("shapes   (--tensors lists every one)")
    for group, shapes in groups.items():
        largest = max(shapes, key=lambda shape: (len(shape), shape))
        tensors = f"{len(shapes)} tensor{'s' * (len(shapes) > 1)}"
        print(f"  {_printable(group)}: {tensors}, largest {_sides(largest)}")


def _sides(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "scalar"


def _line(label: str, text: str) -> None:
    print(f"{label:8} {text}")


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def _printable(text: str, longest: int = 300) -> str:
    """Names out of a file may hold terminal control sequences."""
    clean = "".join(character if character.isprintable() else "?" for character in text)
    return clean if len(clean) <= longest else clean[:longest] + " ..."
