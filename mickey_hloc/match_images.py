"""Step: images and pairs -> keypoints and matches, by methods that match images without keypoints of their own.

Every pair keeps its correspondences as they are. hloc's ``match_dense`` rounds them to a grid, so that tracks form
through several pairs; for relative poses that only costs accuracy.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from mickey_hloc.errors import InputError
from mickey_hloc.io.cameras import Cameras
from mickey_hloc.io.hdf5 import open_for_reading
from mickey_hloc.io.image_batches import CHOICE_OF_IMAGES, check_inside
from mickey_hloc.io.images import read_image
from mickey_hloc.io.matches import check_distinct, pair_key
from mickey_hloc.io.pair_store import PairStore
from mickey_hloc.io.pairs import Pair
from mickey_hloc.pair_models import PAIR_MODELS, PairModel, get_pair_model
from mickey_hloc.pair_models.base import match_photos
from mickey_hloc.registry import CheckedOptions, ConfTable, make_options

logger = logging.getLogger(__name__)

BATCH = 8  # pairs between two writings
IMAGES_CRC = "images_crc"  # dataset of a pair: checksums of the files of both images
REQUIRED = ("keypoints0", "keypoints1", "scores", "sizes")


@dataclass(frozen=True)
class ImageMatchConf(CheckedOptions):
    """A conf of this step.

    Attributes:
        output: name of the files, without their end.
        model: ``name`` of the pair model and its options.
        preprocessing: how images are read, where it is not the model's default, see ``Preprocessing``.
    """

    output: str
    model: Mapping[str, Any]
    preprocessing: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        if "name" not in self.model:
            raise InputError("The matching conf's model has no 'name'.")

    def pair_model(self) -> PairModel:
        """The pair model that the conf describes."""
        options = {**self.model, **({"preprocessing": dict(self.preprocessing)} if self.preprocessing else {})}
        return get_pair_model(str(options.pop("name")), **options)


def get_conf(name: str, hloc: str = "hloc", **options: Any) -> dict[str, Any]:
    """The conf of a pair model by name.

    Args:
        name: of ours, ``vismatch-<any>``, a dotted path, or of hloc's ``match_dense``.
        hloc: the hloc whose confs are meant where the name is not ours.
        options: changes to the model's options.

    Raises:
        InputError: an unknown name or option; the message lists the known ones.
    """
    model = get_pair_model(name, hloc, **options)
    changed = {key: value for key, value in options.items() if key != "preprocessing"}
    host = {} if name in PAIR_MODELS.names or name.startswith("vismatch-") else {"host": hloc}
    conf = {"output": f"matches-{model.tag()}", "model": {"name": name, **host, **changed}}
    return conf | ({"preprocessing": options["preprocessing"]} if "preprocessing" in options else {})


confs = ConfTable(PAIR_MODELS, get_conf)  # by name


def main(
    conf: Mapping[str, Any] | PairModel,
    pairs: Sequence[Pair],
    image_dir: Path,
    correspondences: Path,
    overwrite: bool = False,
    progress: bool = True,
    cameras: Cameras | None = None,
) -> Path:
    """Match pairs of images; ``io.pair_keypoints.as_features_and_matches`` turns the result into hloc's files.

    Args:
        conf: as in ``confs``, or the pair model itself.
        pairs: names relative to ``image_dir``.
        correspondences: the file to write. Pairs that it has in either order are not matched again.
        overwrite: throw away an existing file.
        progress: show a bar on stderr.
        cameras: of the images, for models that use them.

    Returns:
        The file: per pair ``keypoints0``, ``keypoints1`` (M, 2) px of the original images, ``scores`` (M,), ``sizes``
        (2, 2), width and height, and, of models that have depth, ``depths0``, ``depths1`` (M,) metres; of models that
        use cameras ``intrinsics`` (2, 3, 3), of models that predict the pose what ``PredictedPose.arrays`` gives.
        Pairs with an unreadable image are missing and are named in a warning.

    Raises:
        InputError: wrong input, or the file was made otherwise.
    """
    return checked(correspondences, match(conf, pairs, image_dir, correspondences, overwrite, progress, cameras))


def checked(correspondences: Path, unreadable: Mapping[str, int]) -> Path:
    """The file of a run; the pairs that are not in it are counted in warnings, by reason."""
    for reason, count in unreadable.items():
        logger.warning("%d pairs are not matched: %s", count, reason)
    return Path(correspondences)


def origin_of(model: PairModel) -> dict[str, Any]:
    """What decides the correspondences of a pair besides its images, as the file keeps it."""
    kept = {key: value for key, value in asdict(model.preprocessing).items() if key not in CHOICE_OF_IMAGES}
    return {"matcher": model.name, **model.identity(), **kept}


def match(
    conf: Mapping[str, Any] | PairModel,
    pairs: Sequence[Pair],
    image_dir: Path,
    correspondences: Path,
    overwrite: bool = False,
    progress: bool = True,
    cameras: Cameras | None = None,
) -> dict[str, int]:
    """The same as ``main``; returns why pairs could not be matched, and how many."""
    model = (
        conf if isinstance(conf, PairModel) else make_options(ImageMatchConf, conf, "the matching conf").pair_model()
    )
    check_distinct(pairs)
    check_inside(image_dir, (name for pair in pairs for name in pair))
    unreadable: dict[str, int] = {}
    with PairStore(Path(correspondences), origin_of(model), REQUIRED, overwrite) as store:
        todo = missing_pairs(store, model, pairs, image_dir, cameras)
        with tqdm(total=len(pairs), initial=len(pairs) - len(todo), desc="matches", disable=not progress) as bar:
            for start in range(0, len(todo), BATCH):
                found = {}
                for pair in todo[start : start + BATCH]:
                    try:
                        arrays = match_pair(model, image_dir, pair, cameras)
                        found[pair_key(*pair)] = {**arrays, IMAGES_CRC: _images_crc(image_dir, pair)}
                    except InputError as error:
                        unreadable[str(error)] = unreadable.get(str(error), 0) + 1
                    bar.update()
                store.add(found)
        store.finish()
    return unreadable


def missing_pairs(
    store: PairStore, model: PairModel, pairs: Sequence[Pair], image_dir: Path, cameras: Cameras | None
) -> list[Pair]:
    """The pairs that are not stored yet.

    Raises:
        InputError: those that are were made from other images or cameras.
    """
    todo = store.missing(pairs)
    others = set(todo)
    _check_images(store.path, image_dir, [pair for pair in pairs if pair not in others])
    if model.uses_cameras:
        _check_cameras(store.path, pairs, cameras)
    return todo


def _images_crc(image_dir: Path, pair: Pair) -> np.ndarray:
    """Checksums (2,) of the files of a pair's images."""
    return np.array([zlib.crc32((Path(image_dir) / name).read_bytes()) for name in pair], dtype=np.uint32)


def _check_images(correspondences: Path, image_dir: Path, pairs: Sequence[Pair]) -> None:
    """Refuse to take matches of other images for those of these; the checksums of their files tell.

    Raises:
        InputError: an image has changed since it was matched.
    """
    if not correspondences.exists():
        return
    now: dict[str, int] = {}
    with open_for_reading(correspondences, "matches file") as file:
        for pair in pairs:
            order = next((p for p in (pair, pair[::-1]) if pair_key(*p) in file), None)
            if order is None or IMAGES_CRC not in file[pair_key(*order)]:
                continue  # in a part that is not merged yet, or of an earlier version
            for name, crc in zip(order, file[pair_key(*order)][IMAGES_CRC][()].tolist(), strict=True):
                path = Path(image_dir) / name
                if name not in now and path.is_file():
                    now[name] = zlib.crc32(path.read_bytes())
                if now.get(name, crc) != crc:
                    raise InputError(
                        f"{correspondences} was made from another image '{name}'; choose another output or overwrite "
                        "it."
                    )


def match_pair(model: PairModel, image_dir: Path, pair: Pair, cameras: Cameras | None = None) -> dict[str, np.ndarray]:
    """The arrays of a pair's group, in pixels of the original images.

    Args:
        cameras: of the images, for models that use them.

    Raises:
        InputError: an image cannot be read, or the model cannot process it.
    """
    photos = [read_image(Path(image_dir) / name, model.preprocessing.exif_turn) for name in pair]
    if not model.uses_cameras or cameras is None:
        return match_photos(model, photos)
    intrinsics = _intrinsics(cameras, pair)
    return {**match_photos(model, photos, list(intrinsics)), "intrinsics": intrinsics}


def _intrinsics(cameras: Cameras, pair: Pair) -> np.ndarray:
    return np.stack([np.asarray(cameras.get(name).intrinsics.K, dtype=np.float64) for name in pair])


def _check_cameras(path: Path, pairs: Sequence[Pair], cameras: Cameras | None) -> None:
    """Refuse pairs that were matched with other intrinsics.

    Raises:
        InputError: there are some; the message names a pair. Or there are no cameras.
    """
    if cameras is None:
        raise InputError("This pair model uses the intrinsics of the images: give cameras.")
    if not path.exists():
        return
    with open_for_reading(path, "correspondences file") as file:
        for pair in pairs:
            order = next((p for p in (pair, pair[::-1]) if pair_key(*p) in file), None)
            if order is None or np.array_equal(file[pair_key(*order)]["intrinsics"][()], _intrinsics(cameras, order)):
                continue
            raise InputError(
                f"{path} was made with other intrinsics (those of {' '.join(pair)} have changed); choose another "
                "output or --overwrite it."
            )
