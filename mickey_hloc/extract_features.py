"""Step: images -> features file, in hloc's layout and with hloc's signature, for our own extractors; no hloc needed.

Against hloc's step: images run in batches of one size and are decoded in parallel, a killed run damages nothing and
goes on where it was (``io/feature_store.py`` says how), unreadable images cost only themselves, and features of
different settings are never mixed in one file.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from mickey_hloc.confs import feature_confs
from mickey_hloc.errors import InputError
from mickey_hloc.features import LocalExtractor, get_extractor
from mickey_hloc.io.feature_store import Arrays, FeatureStore
from mickey_hloc.io.image_batches import (
    Decoded,
    Preprocessing,
    Size,
    decoded_batches,
    image_sizes,
    list_images,
    plan_batches,
)
from mickey_hloc.registry import make_options, unknown_name

logger = logging.getLogger(__name__)

MAX_BATCH_PIXELS = 8 * 1024 * 768  # of all images of a batch together: bounds the memory of large images


@dataclass(frozen=True)
class ExtractConf:
    """A named conf of this step, as in hloc.

    Attributes:
        output: name of the features file, without its end.
        model: ``name`` of the extractor and its options.
        preprocessing: how images are read, see Preprocessing.
    """

    output: str
    model: Mapping[str, Any]
    preprocessing: Preprocessing = field(default_factory=Preprocessing)

    @classmethod
    def from_dict(cls, conf: Mapping[str, Any]) -> ExtractConf:
        """From hloc's nested mapping; unknown keys are errors.

        Raises:
            InputError: an unknown or missing key.
        """
        for key in ("output", "model"):
            if key not in conf:
                raise InputError(f"The extraction conf has no '{key}'.")
        if "name" not in conf["model"]:
            raise InputError("The extraction conf's model has no 'name'.")
        preprocessing = make_options(Preprocessing, conf.get("preprocessing", {}), where="preprocessing")
        return make_options(cls, {**conf, "preprocessing": preprocessing}, where="the extraction conf")

    def extractor(self) -> LocalExtractor:
        """The extractor that the conf names."""
        return get_extractor(**self.model)


@dataclass(frozen=True)
class ExtractionReport:
    """What a run did.

    Attributes:
        path: the features file.
        extracted: images whose features were computed now.
        existing: images that had their features already.
        skipped: name -> reason of images that could not be read or processed.
    """

    path: Path
    extracted: int
    existing: int
    skipped: dict[str, str]

    def summary(self) -> str:
        """What was done, and the skipped images one a line."""
        lines = [
            f"{self.extracted} images extracted, {self.existing} were there, {len(self.skipped)} skipped: {self.path}"
        ]
        lines += [f"  skipped {name}: {reason}" for name, reason in sorted(self.skipped.items())]
        return "\n".join(lines)


# As in hloc, by name; make a copy to change one.
confs: dict[str, dict[str, Any]] = {
    **feature_confs(),
    "sift": {
        "output": "feats-sift-r1600",
        "model": {"name": "sift"},
        "preprocessing": {"grayscale": True, "resize_max": 1600},
    },
}


def get_conf(name: str) -> dict[str, Any]:
    """A copy of a named conf.

    Raises:
        InputError: an unknown name; the message lists the known ones.
    """
    if name not in confs:
        raise unknown_name("extraction conf", name, confs)
    return copy.deepcopy(confs[name])


def main(
    conf: Mapping[str, Any],
    image_dir: Path,
    export_dir: Path | None = None,
    as_half: bool = True,
    image_list: Path | Sequence[str | Path] | None = None,
    feature_path: Path | None = None,
    overwrite: bool = False,
    batch_size: int = 8,
    num_workers: int = 4,
) -> Path:
    """hloc's ``extract_features.main`` for our extractors.

    Args:
        conf: as in ``confs``.
        image_dir: the folder that image names are relative to.
        export_dir: where the features file goes, named by the conf.
        as_half: descriptors in 16 bit. Keypoints, scores and depths stay in 32: 16 would damage them.
        image_list: a file of names or the names; all images of the folder where None.
        feature_path: the features file, instead of ``export_dir``.
        overwrite: throw away an existing file.
        batch_size: images at once; fewer where they are large.
        num_workers: threads that decode images.

    Returns:
        The features file. Images that could not be read are missing from it and are named in a warning.

    Raises:
        InputError: wrong input; or the file was made with other settings or weights.
    """
    if feature_path is None and export_dir is None:
        raise InputError("Extraction needs export_dir or feature_path: where does the features file go?")
    path = feature_path or Path(export_dir or "", ExtractConf.from_dict(conf).output + ".h5")
    report = extract(conf, image_dir, path, as_half, image_list, overwrite, batch_size, num_workers)
    if report.skipped:
        logger.warning("%s", report.summary())
    return report.path


def extract(
    conf: Mapping[str, Any],
    image_dir: Path,
    feature_path: Path,
    as_half: bool = True,
    image_list: Path | Sequence[str | Path] | None = None,
    overwrite: bool = False,
    batch_size: int = 8,
    num_workers: int = 4,
    progress: bool = True,
) -> ExtractionReport:
    """The same as ``main``, with a report of what was done and skipped. ``progress``: show bars on stderr."""
    parsed = ExtractConf.from_dict(conf)
    if batch_size < 1 or num_workers < 1:
        raise InputError(f"batch_size is {batch_size} and num_workers {num_workers}; both must be at least 1.")
    image_dir = Path(image_dir)
    names = list_images(image_dir, parsed.preprocessing.globs, image_list)
    extractor = parsed.extractor()
    origin = {
        "extractor": parsed.model["name"],
        **extractor.identity(),
        **{key: value for key, value in asdict(parsed.preprocessing).items() if key != "globs"},
        "as_half": as_half,
    }
    with FeatureStore(Path(feature_path), origin, extractor.datasets, extractor.attributes, overwrite) as store:
        existing = store.done & set(names)
        skipped: dict[str, str] = {}
        if len(existing) < len(names):
            sizes, skipped = image_sizes(image_dir, names, num_workers, progress)
            batches = plan_batches(sizes, parsed.preprocessing, batch_size, MAX_BATCH_PIXELS)
            with tqdm(total=len(sizes), initial=len(existing), desc="features", disable=not progress) as bar:
                skipped |= _run(store, extractor, image_dir, batches, parsed.preprocessing, as_half, num_workers, bar)
        store.finish()
        extracted = len(store.done & set(names)) - len(existing)
    skipped = {name: reason for name, reason in skipped.items() if name not in existing}
    return ExtractionReport(Path(feature_path), extracted, len(existing), skipped)


def _run(
    store: FeatureStore,
    extractor: LocalExtractor,
    image_dir: Path,
    batches: list[list[str]],
    preprocessing: Preprocessing,
    as_half: bool,
    num_workers: int,
    bar: tqdm[Any],
) -> dict[str, str]:
    """Extract what is missing, batch by batch; returns name -> reason of what was skipped."""
    done = store.done
    # A batch with one missing image runs whole, so that its numbers do not depend on what was done before.
    missing = [batch for batch in batches if not done.issuperset(batch)]
    skipped: dict[str, str] = {}
    for decoded in decoded_batches(image_dir, missing, preprocessing, num_workers):
        skipped |= decoded.unreadable
        features: dict[str, Arrays] = {}
        if decoded.names:
            try:
                features = _extract(extractor, decoded, as_half)
            except InputError as error:
                skipped |= dict.fromkeys(decoded.names, str(error))
        new = {name: arrays for name, arrays in features.items() if name not in done}
        store.add(new)
        bar.update(len(new) + sum(name not in done for name in decoded.unreadable))
    return skipped


def _extract(extractor: LocalExtractor, decoded: Decoded, as_half: bool) -> dict[str, Arrays]:
    network_size = (decoded.images.shape[-1], decoded.images.shape[-2])
    found = zip(decoded.names, extractor.extract(decoded.images), decoded.original_sizes, strict=True)
    return {name: to_original_image(arrays, network_size, size, as_half) for name, arrays, size in found}


def to_original_image(arrays: Arrays, network_size: Size, original_size: Size, as_half: bool) -> Arrays:
    """Keypoints of the resized image -> pixels of the original one, as hloc stores them.

    With pixel centres at integers, x' = s (x + 1/2) - 1/2. ``uncertainty`` is one pixel of the resized image.
    """
    scale = np.array(original_size, dtype=np.float32) / np.array(network_size, dtype=np.float32)
    stored: dict[str, np.ndarray] = {key: np.asarray(value, dtype=np.float32) for key, value in arrays.items()}
    stored["keypoints"] = (stored["keypoints"] + 0.5) * scale - 0.5
    if "scales" in stored:
        stored["scales"] = stored["scales"] * scale.mean()
    if as_half and "descriptors" in stored:
        stored["descriptors"] = stored["descriptors"].astype(np.float16)
    stored["image_size"] = np.array(original_size)
    stored["uncertainty"] = scale.mean()
    return stored
