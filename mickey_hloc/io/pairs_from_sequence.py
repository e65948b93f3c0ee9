"""Step: the pairs of a video or a walk, which hloc has no step for: every image with the next ones of its folder."""

import re
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path, PurePosixPath

from mickey_hloc.errors import InputError
from mickey_hloc.io.pairs import Pair, write_pairs


def main(output: Path, image_list: Sequence[str], overlap: int = 10) -> Path:
    """Write a pairs file.

    Args:
        output: the pairs file.
        image_list: names of the images. Numbers in them count as numbers: frame2 comes before frame10.
        overlap: how many of the following images each one is paired with.

    Raises:
        InputError: an overlap below 1, or no folder with two images.
    """
    pairs = sequential_pairs(image_list, overlap)
    if not pairs:
        raise InputError(f"No folder has two of the {len(image_list)} images, so a sequence has no pairs.")
    return write_pairs(output, pairs)


def sequential_pairs(names: Sequence[str], overlap: int = 10) -> list[Pair]:
    """The pairs of ``main``, in the order of the sequence."""
    if overlap < 1:
        raise InputError(f"overlap is {overlap}; each image is paired with at least the next one.")
    pairs = []
    for _, group in groupby(sorted(set(names), key=_natural_key), key=_folder):
        sequence = list(group)
        pairs += [(name, other) for i, name in enumerate(sequence) for other in sequence[i + 1 : i + 1 + overlap]]
    return pairs


def _folder(name: str) -> str:
    return PurePosixPath(name).parent.as_posix()


def _natural_key(name: str) -> tuple[str, list[tuple[int, str]], str]:
    """By folder, then by the name with its numbers compared as numbers; the name itself decides between 1 and 01."""
    parts = re.split(r"(\d+)", PurePosixPath(name).name)
    return _folder(name), [(int(part), "") if part.isdecimal() else (-1, part) for part in parts], name
