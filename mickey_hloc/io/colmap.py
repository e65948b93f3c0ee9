"""COLMAP models: where one lies, and reading it."""

from __future__ import annotations

import codecs
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pycolmap

from mickey_hloc.errors import InputError
from mickey_hloc.io.colmap_binary import check_binary_model
from mickey_hloc.io.text import read_rows, read_text, shown

PLACES = ("", "sparse", "sparse/0", "0")  # of a model in a folder that is given
FILES = ("cameras", "images", "points3D", "frames", "rigs")
_LONGEST_IMAGE_LINE = 2000  # characters; longer lines are of points


def has_colmap_model(folder: Path) -> bool:
    """Whether a COLMAP model lies in the folder itself."""
    return any((folder / f"images{end}").is_file() and (folder / f"cameras{end}").is_file() for end in (".bin", ".txt"))


def has_binary(folder: Path) -> bool:
    """Whether the model that lies in the folder is read from its binary files."""
    return (folder / "images.bin").is_file() and (folder / "cameras.bin").is_file()


def find_colmap_model(folder: Path) -> Path | None:
    """The folder of the COLMAP model: the folder itself, or where COLMAP puts it, ``sparse/0``; None without one.

    Raises:
        InputError: there are several.
    """
    found = next((folder / place for place in PLACES if has_colmap_model(folder / place)), None)
    if found is not None and found.name == "0":
        others = sorted(path.name for path in found.parent.iterdir() if path.name != "0" and has_colmap_model(path))
        if others:
            raise InputError(f"{found.parent} has several COLMAP models (0, {', '.join(others)}); name one of them.")
    return found


def read_colmap_model(folder: Path) -> pycolmap.Reconstruction:
    """Read a COLMAP model, binary or text.

    Raises:
        InputError: none lies there, or it is damaged.
    """
    model = find_colmap_model(folder)
    if model is None:
        raise InputError(f"{folder} has no COLMAP model (cameras and images, .bin or .txt).")
    if has_binary(model):
        check_binary_model(model)
    else:
        _check_point_lines(model / "images.txt")
    try:
        with _readable(model) as readable:
            found = pycolmap.Reconstruction(str(readable))
        found.reg_image_ids()  # raises where an image is named that is not there
        return found
    except (ValueError, RuntimeError, IndexError, KeyError, TypeError, MemoryError) as error:
        reason = _text_fault(model) or str(error)
        raise InputError(f"The COLMAP model {model} cannot be read ({reason}).") from error


def check_written(model: pycolmap.Reconstruction, folder: Path) -> None:
    """Refuse a model of which the disk did not take everything: COLMAP writes without looking whether it does.

    Raises:
        InputError: what lies in the folder is not the whole model.
    """
    is_whole = all(path.read_bytes().endswith(b"\n") for path in folder.glob("*.txt"))
    if is_whole:
        try:
            is_whole = _counts(read_colmap_model(folder)) == _counts(model)
        except InputError:
            is_whole = False
    if not is_whole:
        raise InputError(f"The disk of {folder} is full: the model is not whole; make room and run the same again.")


def _counts(model: pycolmap.Reconstruction) -> tuple[int, ...]:
    return model.num_cameras(), model.num_images(), model.num_points3D(), model.compute_num_observations()


@contextmanager
def _readable(model: Path) -> Iterator[Path]:
    """The folder, or a copy of it where its texts begin with a byte-order mark, which COLMAP does not read."""
    texts = [path for path in (model / f"{name}.txt" for name in FILES) if path.is_file()]
    if has_binary(model) or not any(_has_mark(path) for path in texts):
        yield model
        return
    with tempfile.TemporaryDirectory() as copy:
        for path in texts:
            text = read_text(path, "file of a COLMAP model")
            (Path(copy) / path.name).write_text(text, encoding="utf-8", errors="surrogateescape")
        yield Path(copy)


def _has_mark(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(3).startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))


def _text_fault(model: Path) -> str | None:
    """What is wrong with a text model, where COLMAP's own words do not say it."""
    if has_binary(model):
        return None
    known = {name for name in pycolmap.CameraModelId.__members__ if name != "INVALID"}
    cameras = set()
    for number, fields in read_rows(model / "cameras.txt", "file of cameras"):
        cameras.add(fields[0])
        if len(fields) < 5 or fields[1] not in known:
            return f"cameras.txt, line {number}: expected 'id MODEL width height params...' with a model of COLMAP"
    for number, fields in read_rows(model / "images.txt", "file of images"):
        is_image = len(fields) == 10 and fields[8].isdecimal() and not fields[9].lstrip("-").isdecimal()
        if is_image and fields[8] not in cameras:
            where = f"images.txt, line {number}"
            return f"{where}: the camera {fields[8]} of image '{shown(fields[9])}' is not in cameras.txt"
    return None


def _check_point_lines(path: Path) -> None:
    """Refuse a text model where an image has no line of points behind it: COLMAP skips the next image then."""
    lines = enumerate(read_text(path, "file of images").removesuffix("\n").split("\n"), start=1)
    for number, line in lines:
        if not line.strip() or line.strip().startswith("#"):
            continue
        points = next(lines, None)
        if points is None or (len(points[1]) < _LONGEST_IMAGE_LINE and not _are_points(points[1].split())):
            raise InputError(
                f"{path}, line {number}: the line behind an image lists its points, x y id each, and is empty where it "
                "has none; it is missing here."
            )


def _are_points(fields: list[str]) -> bool:
    try:
        return len([float(field) for field in fields]) % 3 == 0
    except ValueError:
        return False
