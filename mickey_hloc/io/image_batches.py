"""Images for extraction: found, grouped by the size the network sees, decoded in parallel, resized as hloc does."""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

import cv2
import numpy as np
import PIL.Image
import torch
from torch import Tensor
from tqdm import tqdm

from mickey_hloc.errors import InputError
from mickey_hloc.io.images import ExifTurn, is_depth_image, read_image, read_image_size
from mickey_hloc.io.text import is_utf8, read_rows, shown
from mickey_hloc.registry import CheckedOptions, require

Size = tuple[int, int]  # width, height
_Loaded = tuple[np.ndarray, Size, int]  # the image as the network sees it, its file's size and checksum
CHOICE_OF_IMAGES = ("globs", "exif_turn")  # fields of Preprocessing that say which images are read, not how


@dataclass(frozen=True)
class Preprocessing(CheckedOptions):
    """hloc's ``preprocessing`` settings, with its meanings.

    Attributes:
        globs: patterns of the image files, in upper or lower case, searched in all sub-folders; used where no list of
            images is given.
        grayscale: the network sees grey images.
        resize_max: px, larger images are shrunk to this longer side. None: no resizing. "trained": the size that the
            network was trained on; extractors look it up.
        resize_force: smaller images are enlarged to it as well.
        interpolation: "cv2_area", "cv2_linear", "cv2_cubic", "pil_linear", ...; OpenCV's or Pillow's names.
        exif_turn: photos that their EXIF orientation turns: "refuse" them, or "ignore" it and use the stored pixels.
    """

    globs: Sequence[str] = ("*.jpg", "*.jpeg", "*.png", "*.webp", "*.tif", "*.tiff")
    grayscale: bool = False
    resize_max: int | Literal["trained"] | None = None
    resize_force: bool = False
    interpolation: str = "cv2_area"
    exif_turn: ExifTurn = "refuse"

    def __post_init__(self) -> None:
        super().__post_init__()
        positive = not isinstance(self.resize_max, int) or self.resize_max >= 1
        require(self, "resize_max", positive, "a number of pixels, or None")
        _interpolation(self.interpolation)

    def network_size(self, size: Size) -> Size:
        """(width, height) after resizing."""
        longest = max(size)
        if isinstance(self.resize_max, str):
            raise ValueError("resize_max 'trained' was not looked up")
        if self.resize_max is None or not (self.resize_force or longest > self.resize_max):
            return size
        scale = self.resize_max / longest
        width, height = (max(1, round(side * scale)) for side in size)
        return width, height


class Decoded(NamedTuple):
    """A batch of images of one size.

    Attributes:
        names: of those that could be read.
        images: (B, 3 or 1, H, W) float32 in [0, 1].
        original_sizes: (width, height) of each before resizing.
        unreadable: name -> reason for the others.
        crcs: checksums of the files.
    """

    names: list[str]
    images: Tensor
    original_sizes: list[Size]
    unreadable: dict[str, str]
    crcs: list[int]


def list_images(image_dir: Path, globs: Sequence[str], image_list: Path | Sequence[str | Path] | None) -> list[str]:
    """Names of the images, relative to the folder with forward slashes, each once.

    Args:
        image_list: a file with a name a line (what follows the name is ignored), or the names themselves; all files
            that fit ``globs`` where None, sorted, without hidden ones and the folders of macOS' archives.

    Raises:
        InputError: no such folder, list or image, or nothing found.
    """
    if not image_dir.is_dir():
        raise InputError(f"No image folder {image_dir}.")
    if image_list is None:
        found = _found_by(image_dir, globs)
        if not found:
            raise InputError(f"{image_dir} has no images: no file fits {', '.join(globs)}.")
        return found
    if isinstance(image_list, (str, Path)):
        names = [fields[0] for _, fields in read_rows(Path(image_list), "image list")]
    else:
        names = [name.as_posix() if isinstance(name, Path) else str(name) for name in image_list]
    if not names:
        raise InputError(f"The list of images {image_list if isinstance(image_list, (str, Path)) else ''} is empty.")
    check_inside(image_dir, names)
    for name in names:
        if not (image_dir / name).is_file():
            raise InputError(f"No image '{name}' in {image_dir}, but the list of images has it.")
    return list(dict.fromkeys(names))


def check_inside(image_dir: Path, names: Iterable[str]) -> None:
    """Refuse names that lead out of the image folder.

    Raises:
        InputError: one does.
    """
    for name in names:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise InputError(f"Image name '{name}' leads out of {image_dir}; names are relative to the image folder.")


def list_photos(
    image_dir: Path, globs: Sequence[str], image_list: Path | Sequence[str | Path] | None
) -> tuple[list[str], list[str]]:
    """The same without depth images that only fit ``globs``, and these: they lie beside the photos of many data sets.

    Raises:
        InputError: see ``list_images``; or there are depth images only.
    """
    names = list_images(image_dir, globs, image_list)
    depth = [] if image_list is not None else [name for name in names if is_depth_image(image_dir / name)]
    photos = [name for name in names if name not in set(depth)]
    if not photos:
        raise InputError(
            f"All {len(depth)} images in {image_dir}, e.g. '{depth[0]}', have one channel of 16 bit or more, like "
            "depth maps; to take them as photos, name them with --image-list."
        )
    return photos, depth


def _found_by(image_dir: Path, globs: Sequence[str]) -> list[str]:
    found = {path for glob in globs for path in image_dir.rglob(glob)}
    patterns = [glob.lower() for glob in globs]
    for path in image_dir.rglob("*"):
        lower = PurePosixPath(path.relative_to(image_dir).as_posix().lower())
        if any(lower.match(pattern) for pattern in patterns):
            found.add(path)
    names = (path.relative_to(image_dir) for path in found if not path.is_dir())
    return sorted(
        name.as_posix() for name in names if not any(part.startswith(".") or part == "__MACOSX" for part in name.parts)
    )


def plan_batches(network_sizes: Mapping[str, Size], batch_size: int, max_batch_pixels: int) -> list[list[str]]:
    """Batches of images that have the same size for the network, larger images in smaller batches.

    The plan depends on all images and not on which are done already: a resumed run sees the same batches as an
    undisturbed one, and therefore computes the same numbers to the last bit.
    """
    by_size: dict[Size, list[str]] = {}
    for name, size in network_sizes.items():
        by_size.setdefault(size, []).append(name)
    batches = []
    for (width, height), names in by_size.items():
        count = max(1, min(batch_size, max_batch_pixels // max(1, width * height)))
        batches += [names[i : i + count] for i in range(0, len(names), count)]
    return batches


def image_sizes(
    image_dir: Path, names: Sequence[str], num_workers: int, progress: bool = False
) -> tuple[dict[str, Size], dict[str, str]]:
    """(width, height) of each image from its header, in the order of names; and name -> reason of unreadable ones."""

    def size_or_reason(name: str) -> Size | str:
        if not is_utf8(name):
            return f"the name '{shown(name)}' is not UTF-8, which HDF5 files hold names in; rename the image."
        try:
            return read_image_size(image_dir / name)
        except InputError as error:
            return str(error)

    with ThreadPoolExecutor(max(1, num_workers)) as pool:
        found = tqdm(pool.map(size_or_reason, names), total=len(names), desc="image sizes", disable=not progress)
        results = dict(zip(names, found, strict=True))
    sizes = {name: result for name, result in results.items() if not isinstance(result, str)}
    return sizes, {name: result for name, result in results.items() if isinstance(result, str)}


def decoded_batches(
    image_dir: Path,
    batches: Sequence[list[str]],
    network_sizes: Mapping[str, Size],
    preprocessing: Preprocessing,
    num_workers: int,
    ahead: int = 2,
) -> Iterator[Decoded]:
    """Decode the batches in order, in threads (decoders release Python's lock), ``ahead`` batches before their use."""

    def decode(name: str) -> _Loaded | str:
        try:
            path = image_dir / name
            return *load_image(path, preprocessing, network_sizes[name]), zlib.crc32(path.read_bytes())
        except InputError as error:
            return str(error)

    pool = ThreadPoolExecutor(max(1, num_workers))
    try:
        upcoming = iter(batches)
        waiting: deque[list[tuple[str, Future[_Loaded | str]]]] = deque()
        while True:
            for batch in islice(upcoming, ahead + 1 - len(waiting)):
                waiting.append([(name, pool.submit(decode, name)) for name in batch])
            if not waiting:
                return
            yield _collect({name: future.result() for name, future in waiting.popleft()})
    finally:
        pool.shutdown(cancel_futures=True)


def load_image(path: Path, preprocessing: Preprocessing, network_size: Size | None = None) -> tuple[np.ndarray, Size]:
    """Read and resize one image.

    Args:
        network_size: (width, height) after resizing. Default: what ``preprocessing`` says.

    Returns:
        (3 or 1, h, w) float32 in [0, 1], and (width, height) of the file.

    Raises:
        InputError: it cannot be read, or only in part, or its EXIF data turn it.
    """
    image = read_image(path, preprocessing.exif_turn)
    size = (image.shape[1], image.shape[0])
    return prepare_image(image, preprocessing, network_size or preprocessing.network_size(size)), size


def prepare_image(image: np.ndarray, preprocessing: Preprocessing, network_size: Size) -> np.ndarray:
    """(H, W, 3) uint8 RGB -> (3 or 1, h, w) float32 in [0, 1], as the network sees it at (width, height)."""
    if preprocessing.grayscale:
        image = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    resized = _resize(image.astype(np.float32), network_size, preprocessing.interpolation)
    planes = resized[None] if resized.ndim == 2 else resized.transpose(2, 0, 1)
    return np.ascontiguousarray(planes) / np.float32(255)


def _collect(results: dict[str, _Loaded | str]) -> Decoded:
    good = {name: result for name, result in results.items() if not isinstance(result, str)}
    images = torch.from_numpy(np.stack([image for image, _, _ in good.values()])) if good else torch.zeros(0, 3, 1, 1)
    if torch.cuda.is_available():
        images = images.pin_memory()  # goes to the GPU while the CPU does other things
    unreadable = {name: result for name, result in results.items() if isinstance(result, str)}
    sizes, crcs = [size for _, size, _ in good.values()], [crc for _, _, crc in good.values()]
    return Decoded(list(good), images, sizes, unreadable, crcs)


def _interpolation(name: str) -> int:
    library, _, method = name.partition("_")
    if library == "cv2" and hasattr(cv2, f"INTER_{method.upper()}"):
        return int(getattr(cv2, f"INTER_{method.upper()}"))
    if library == "pil" and hasattr(PIL.Image.Resampling, "BILINEAR" if method == "linear" else method.upper()):
        return int(PIL.Image.Resampling["BILINEAR" if method == "linear" else method.upper()])
    raise InputError(f"Unknown interpolation '{name}'; it is cv2_area, cv2_linear, pil_linear or the like.")


def _resize(image: np.ndarray, size: Size, interpolation: str) -> np.ndarray:
    height, width = image.shape[:2]
    if (width, height) == size:
        return image
    method = _interpolation(interpolation)
    if interpolation.startswith("pil_"):
        resized = PIL.Image.fromarray(image.astype(np.uint8)).resize(size, resample=PIL.Image.Resampling(method))
        return np.asarray(resized, dtype=np.float32)
    if method == cv2.INTER_AREA and (width < size[0] or height < size[1]):
        method = cv2.INTER_LINEAR  # area averaging is made for shrinking
    return np.asarray(cv2.resize(image, size, interpolation=method))
