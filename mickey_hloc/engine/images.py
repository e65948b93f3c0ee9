"""Which images an extraction is of, in a folder or an object store, and which must stay together."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath

from mickey_hloc.engine.store import Place, file_system
from mickey_hloc.errors import InputError
from mickey_hloc.extract_features import MAX_BATCH_PIXELS, sizes_for_network
from mickey_hloc.features import Extractor
from mickey_hloc.io.cameras import Cameras
from mickey_hloc.io.image_batches import check_inside, image_sizes, list_photos, plan_batches
from mickey_hloc.io.text import read_rows


def listed_images(
    images: Place, extractor: Extractor, image_list: Path | Sequence[str | Path] | None
) -> tuple[list[str], list[str]]:
    """Names of the photos, and of depth images that were left out; those of an object store are told by the workers.

    Raises:
        InputError: see ``list_images``.
    """
    if isinstance(images, Path):
        return list_photos(images, extractor.preprocessing.globs, image_list)
    if isinstance(image_list, Path):
        names = [fields[0] for _, fields in read_rows(image_list, "image list")]
    elif image_list is not None:
        names = [str(name) for name in image_list]
    else:
        names = _found(images, extractor.preprocessing.globs)
    check_inside(Path(images), names)
    return list(dict.fromkeys(names)), []


def _found(url: str, globs: Sequence[str]) -> list[str]:
    fs, root = file_system(url)
    patterns = [glob.lower() for glob in globs]
    names = [PurePosixPath(path).relative_to(root).as_posix() for path in fs.find(root)]
    found = sorted(name for name in names if any(PurePosixPath(name.lower()).match(p) for p in patterns))
    if not found:
        raise InputError(f"{url} has no images: no file fits {', '.join(globs)}.")
    return found


def image_units(
    images: Place,
    names: Sequence[str],
    done: Collection[str],
    extractor: Extractor,
    together: int,
    cameras: Cameras | None,
) -> list[list[str]]:
    """The images that are missing, in the batches that one machine would make; on CPUs every image is one.

    Args:
        together: images that a network on a GPU sees at once.
    """
    if together == 1 or isinstance(images, str):
        return [[name] for name in sorted(names) if name not in done]
    sizes, skipped = image_sizes(images, names, num_workers=8)
    batches = plan_batches(sizes_for_network(extractor, cameras, sizes, skipped), together, MAX_BATCH_PIXELS)
    return [batch for batch in batches if not set(batch) <= set(done)] + [[name] for name in skipped]
