"""Step: images and pairs -> keypoints and matches, by methods that match images without keypoints of their own.

Every pair keeps its correspondences as they are. hloc's ``match_dense`` rounds them to a grid, so that tracks form
through several pairs; for relative poses that only costs accuracy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from mickey_hloc.errors import InputError
from mickey_hloc.io.image_batches import Preprocessing, load_image
from mickey_hloc.io.matches import pair_key
from mickey_hloc.io.pair_store import PairStore
from mickey_hloc.io.pairs import Pair
from mickey_hloc.matching import ImageMatcher, get_image_matcher
from mickey_hloc.registry import make_options

BATCH = 8  # pairs between two writings
REQUIRED = ("keypoints0", "keypoints1", "scores", "sizes")


@dataclass(frozen=True)
class ImageMatchConf:
    """A named conf of this step.

    Attributes:
        output: name of the files, without their end.
        model: matcher and options.
        preprocessing: how images are read.
        dfactor: images are resized to multiples of it, pixels.
    """

    output: str
    model: Mapping[str, Any]
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    dfactor: int = 1

    @classmethod
    def from_dict(cls, conf: Mapping[str, Any]) -> ImageMatchConf:
        """From a nested mapping; unknown keys are errors.

        Raises:
            InputError: see above.
        """
        preprocessing = make_options(Preprocessing, conf.get("preprocessing", {}), where="preprocessing")
        return make_options(cls, {**conf, "preprocessing": preprocessing}, where="the matching conf")

    def matcher(self) -> ImageMatcher:
        """The matcher that the conf names."""
        return get_image_matcher(**self.model)


def main(
    conf: Mapping[str, Any],
    pairs: Sequence[Pair],
    image_dir: Path,
    correspondences: Path,
    overwrite: bool = False,
    progress: bool = True,
) -> Path:
    """Match pairs of images; ``io.pair_keypoints.as_features_and_matches`` turns the result into hloc's files.

    Args:
        conf: see ImageMatchConf.
        pairs: names relative to ``image_dir``.
        correspondences: the file to write. Pairs that it has in either order are not matched again.
        overwrite: throw away an existing file.
        progress: show a bar on stderr.

    Returns:
        The file: per pair ``keypoints0``, ``keypoints1`` (M, 2) px of the original images, ``scores`` (M,) and
        ``sizes`` (2, 2), width and height. Pairs with an unreadable image are missing.

    Raises:
        InputError: wrong input, or the file was made otherwise.
    """
    parsed = ImageMatchConf.from_dict(conf)
    matcher = parsed.matcher()
    kept = {key: value for key, value in asdict(parsed.preprocessing).items() if key != "globs"}
    origin = {"matcher": conf["model"]["name"], **matcher.identity(), **kept, "dfactor": parsed.dfactor}
    with PairStore(Path(correspondences), origin, REQUIRED, overwrite) as store:
        todo = store.missing(pairs)
        with tqdm(total=len(pairs), initial=len(pairs) - len(todo), desc="matches", disable=not progress) as bar:
            for start in range(0, len(todo), BATCH):
                found = {}
                for pair in todo[start : start + BATCH]:
                    arrays = _match(matcher, parsed, image_dir, pair)
                    if arrays is not None:
                        found[pair_key(*pair)] = arrays
                    bar.update()
                store.add(found)
        store.finish()
    return Path(correspondences)


def _match(matcher: ImageMatcher, conf: ImageMatchConf, image_dir: Path, pair: Pair) -> dict[str, np.ndarray] | None:
    try:
        (image0, size0), (image1, size1) = (load_for_matching(image_dir / name, conf) for name in pair)
    except InputError:  # the pose step says which image the pair lacks
        return None
    keypoints0, keypoints1, scores = matcher.match(image0, image1)
    return {
        "keypoints0": to_original(keypoints0, image0, size0),
        "keypoints1": to_original(keypoints1, image1, size1),
        "scores": scores.numpy(),
        "sizes": np.array([size0, size1]),
    }


def load_for_matching(path: Path, conf: ImageMatchConf) -> tuple[Tensor, tuple[int, int]]:
    """(3 or 1, H, W) float32 in [0, 1] with sides that are multiples of ``dfactor``, and the file's (width, height).

    Raises:
        InputError: it cannot be read.
    """
    image, size = load_image(path, conf.preprocessing)
    height, width = (max(side // conf.dfactor, 1) * conf.dfactor for side in image.shape[1:])
    if (height, width) != image.shape[1:]:
        image = np.stack([cv2.resize(plane, (width, height), interpolation=cv2.INTER_AREA) for plane in image])
    return torch.from_numpy(image), size


def to_original(keypoints: Tensor, image: Tensor, size: tuple[int, int]) -> np.ndarray:
    """(M, 2) px of the resized image -> of the original one; pixel centres are at integers."""
    scale = np.array(size, dtype=np.float32) / np.array([image.shape[2], image.shape[1]], dtype=np.float32)
    return (keypoints.numpy() + np.float32(0.5)) * scale - np.float32(0.5)
