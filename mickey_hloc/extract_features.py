"""Step: images -> features file, in hloc's layout and with hloc's signature, for our own extractors; no hloc needed.

Against hloc's step: images run in batches of one size and are decoded in parallel, a killed run damages nothing and
goes on where it was (``io/feature_store.py`` says how), unreadable images cost only themselves, and features of
different settings are never mixed in one file.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from mickey_hloc.errors import InputError
from mickey_hloc.features import EXTRACTORS, Extractor, get_extractor
from mickey_hloc.features.base import describe_images
from mickey_hloc.io.cameras import Cameras
from mickey_hloc.io.feature_store import IMAGE_CRC, FeatureStore
from mickey_hloc.io.image_batches import (
    CHOICE_OF_IMAGES,
    Decoded,
    Size,
    decoded_batches,
    image_sizes,
    list_photos,
    plan_batches,
)
from mickey_hloc.io.text import shown
from mickey_hloc.model.device import default_device, usable_device
from mickey_hloc.registry import CheckedOptions, ConfTable, make_options

logger = logging.getLogger(__name__)

MAX_BATCH_PIXELS = 8 * 1024 * 768  # of all images of a batch together: bounds the memory of large images
BATCH_SIZES = {"cpu": 1, "cuda": 8}  # a CPU gains nothing from more


@dataclass(frozen=True)
class ExtractConf(CheckedOptions):
    """A conf of this step, as in hloc.

    Attributes:
        output: name of the features file, without its end.
        model: ``name`` of the extractor and its options.
        preprocessing: how images are read, where it is not the extractor's default, see ``Preprocessing``.
    """

    output: str
    model: Mapping[str, Any]
    preprocessing: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        if "name" not in self.model:
            raise InputError("The extraction conf's model has no 'name'.")

    def extractor(self) -> Extractor:
        """The extractor that the conf describes."""
        options = {**self.model, **({"preprocessing": dict(self.preprocessing)} if self.preprocessing else {})}
        return get_extractor(str(options.pop("name")), **options)


def get_conf(name: str, hloc: str = "hloc", **options: Any) -> dict[str, Any]:
    """The conf of an extractor by name, as in hloc: what is written, by which model, from which images.

    Args:
        name: of ours, a dotted path, or of hloc's ``extract_features``.
        hloc: the hloc whose confs are meant where the name is not ours.
        options: changes to the extractor's options.

    Raises:
        InputError: an unknown name or option; the message lists the known ones.
    """
    extractor = get_extractor(name, hloc, **options)
    size = extractor.preprocessing.resize_max
    host = {} if name in EXTRACTORS.names else {"host": hloc}
    changed = {key: value for key, value in options.items() if key != "preprocessing"}
    return {
        "output": f"feats-{extractor.tag()}",
        "model": {"name": name, **host, **changed},
        "preprocessing": {**options.get("preprocessing", {}), "resize_max": size},
    }


@dataclass(frozen=True)
class ExtractionReport:
    """What a run did.

    Attributes:
        path: the features file.
        extracted: images whose features were computed now.
        existing: images that had their features already.
        skipped: name -> reason of images that could not be read or processed.
        depth_images: names of depth images among the photos, which were left out.
    """

    path: Path
    extracted: int
    existing: int
    skipped: dict[str, str]
    depth_images: list[str] = field(default_factory=list)

    def summary(self) -> str:
        """What was done, and the skipped images one a line."""
        lines = [
            f"{self.extracted} images extracted, {self.existing} were there, {len(self.skipped)} skipped: {self.path}"
        ]
        lines += [f"  skipped {shown(name)}: {reason}" for name, reason in sorted(self.skipped.items())]
        if self.depth_images:
            lines.append(
                f"  left out {len(self.depth_images)} depth images (one channel of 16 bit or more), e.g. "
                f"{self.depth_images[0]}; to take them as photos, name them with --image-list"
            )
        return "\n".join(lines)


confs = ConfTable(EXTRACTORS, get_conf)  # as in hloc, by name


def main(
    conf: Mapping[str, Any],
    image_dir: Path,
    export_dir: Path | None = None,
    as_half: bool = True,
    image_list: Path | Sequence[str | Path] | None = None,
    feature_path: Path | None = None,
    overwrite: bool = False,
    **how: Any,
) -> Path:
    """hloc's ``extract_features.main`` for our extractors.

    Args:
        conf: see ``get_conf``.
        image_dir: the folder that image names are relative to.
        export_dir: where the features file goes, named by the conf.
        as_half: descriptors in 16 bit. Keypoints, scores and depths stay in 32: 16 would damage them.
        image_list: a file of names or the names; all images of the folder where None.
        feature_path: the features file, instead of ``export_dir``.
        overwrite: throw away an existing file.
        how: further arguments of ``extract``.

    Returns:
        The features file. Images that could not be read are missing from it and are named in a warning.

    Raises:
        InputError: wrong input; or the file was made with other settings or weights.
    """
    if feature_path is None and export_dir is None:
        raise InputError("Extraction needs export_dir or feature_path: where does the features file go?")
    parsed = make_options(ExtractConf, conf, "the extraction conf")
    path = feature_path or Path(export_dir or "", parsed.output + ".h5")
    report = extract(conf, image_dir, path, as_half, image_list, overwrite, **how)
    if report.skipped or report.depth_images:
        logger.warning("%s", report.summary())
    return report.path


def extract(
    conf: Mapping[str, Any] | Extractor,
    image_dir: Path,
    feature_path: Path,
    as_half: bool = True,
    image_list: Path | Sequence[str | Path] | None = None,
    overwrite: bool = False,
    batch_size: int | None = None,
    num_workers: int = 4,
    progress: bool = True,
    cameras: Cameras | None = None,
) -> ExtractionReport:
    """The same as ``main``, with a report of what was done and skipped.

    Args:
        conf: see ``get_conf``, or the extractor itself.
        batch_size: images at once; fewer where they are large. Default: 1 on a CPU, 8 on a GPU, where it is part of
            the file's origin; on a CPU it changes no byte.
        num_workers: threads that decode images.
        progress: show bars on stderr.
        cameras: of the images, for extractors that correct for the focal length.
    """
    extractor = (
        conf if isinstance(conf, Extractor) else make_options(ExtractConf, conf, "the extraction conf").extractor()
    )
    batch_size = BATCH_SIZES[default_device()] if batch_size is None else batch_size
    if batch_size < 1 or num_workers < 1:
        raise InputError(f"batch_size is {batch_size} and num_workers {num_workers}; both must be at least 1.")
    image_dir, preprocessing = Path(image_dir), extractor.preprocessing
    names, depth_images = list_photos(image_dir, preprocessing.globs, image_list)
    at_once = usable_device(getattr(extractor.options, "device", None)).type != "cpu"
    origin = origin_of(extractor, as_half, batch_size if at_once else 1)
    with FeatureStore(Path(feature_path), origin, extractor.datasets, extractor.attributes, overwrite) as store:
        existing = store.done & set(names)
        skipped: dict[str, str] = {}
        check_images(store, image_dir, existing)
        if len(existing) < len(names):
            sizes, skipped = image_sizes(image_dir, names, num_workers, progress)
            network_sizes = sizes_for_network(extractor, cameras, sizes, skipped)
            batches = plan_batches(network_sizes, batch_size, MAX_BATCH_PIXELS)
            with tqdm(total=len(network_sizes), initial=len(existing), desc="features", disable=not progress) as bar:
                done = store.done
                # A batch with one missing image runs whole: its numbers do not depend on what was done before.
                missing = [batch for batch in batches if not done.issuperset(batch)]
                decoded = decoded_batches(image_dir, missing, network_sizes, preprocessing, num_workers)
                skipped |= _run(store, extractor, decoded, as_half, at_once, bar)
        store.finish()
        extracted = len(store.done & set(names)) - len(existing)
    skipped = {name: reason for name, reason in skipped.items() if name not in existing}
    return ExtractionReport(Path(feature_path), extracted, len(existing), skipped, depth_images)


def origin_of(extractor: Extractor, as_half: bool, batch_size: int) -> dict[str, Any]:
    """What decides the features of an image, as the file keeps it.

    Args:
        batch_size: images that the network sees together: a GPU chooses its sums by it.
    """
    kept = {key: value for key, value in asdict(extractor.preprocessing).items() if key not in CHOICE_OF_IMAGES}
    origin = {"extractor": extractor.name, **extractor.identity(), **kept, "as_half": as_half}
    return origin | ({"batch_size": batch_size} if batch_size > 1 else {})


def check_images(store: FeatureStore, image_dir: Path, names: Iterable[str]) -> None:
    """Refuse to take features of another image for those of this one; the checksum of its file tells.

    Raises:
        InputError: an image has changed since its features were extracted.
    """
    had = store.attributes_of(names, IMAGE_CRC)
    for name, crc in had.items():
        if crc is not None and int(crc) != zlib.crc32((image_dir / name).read_bytes()):
            raise InputError(
                f"{store.path} was made from another image '{name}'; choose another output or --overwrite it."
            )


def sizes_for_network(
    extractor: Extractor, cameras: Cameras | None, sizes: Mapping[str, Size], skipped: dict[str, str]
) -> dict[str, Size]:
    """At which size the network sees each image; those without a usable camera are added to ``skipped``."""
    found = {}
    for name, size in sizes.items():
        try:
            found[name] = extractor.network_size(size, _focal_px(cameras, name, size))
        except InputError as error:  # costs this image only
            skipped[name] = str(error)
    return found


def _focal_px(cameras: Cameras | None, name: str, size: Size) -> float | None:
    if cameras is None:
        return None
    K = cameras.get(name, size).intrinsics.K
    return float(K[0, 0] + K[1, 1]) / 2


def _run(
    store: FeatureStore,
    extractor: Extractor,
    batches: Iterable[Decoded],
    as_half: bool,
    at_once: bool,
    bar: tqdm[Any],
) -> dict[str, str]:
    """Extract what is missing, batch by batch; returns name -> reason of what was skipped.

    While the network is at a batch, the next ones are decoded, and the one before is written, each in its own thread.
    """
    done = store.done
    skipped: dict[str, str] = {}
    with ThreadPoolExecutor(1) as writer:
        written: Future[None] | None = None
        for decoded in batches:
            found, unusable = _describe(extractor, decoded, as_half, at_once)
            skipped |= decoded.unreadable | unusable
            crcs = dict(zip(decoded.names, decoded.crcs, strict=True))
            new = {n: {**arrays, IMAGE_CRC: np.array(crcs[n])} for n, arrays in found.items() if n not in done}
            if written is not None:
                written.result()
            written = writer.submit(store.add, new)
            bar.update(len(new) + sum(name not in done for name in decoded.unreadable))
        if written is not None:
            written.result()
    return skipped


def _describe(
    extractor: Extractor, decoded: Decoded, as_half: bool, at_once: bool
) -> tuple[dict[str, Mapping[str, np.ndarray]], dict[str, str]]:
    """The arrays of each image of a batch, and the reasons of images that the extractor cannot process.

    Args:
        at_once: the network sees all of them together. On a CPU one after the other is as fast, and gives the same
            numbers whatever the size of the batch.
    """
    images, sizes = decoded.images, decoded.original_sizes
    if at_once and decoded.names:
        try:
            return dict(zip(decoded.names, describe_images(extractor, images, sizes, as_half), strict=True)), {}
        except InputError:
            pass  # which of them it is shows one by one
    found: dict[str, Mapping[str, np.ndarray]] = {}
    unusable: dict[str, str] = {}
    for i, name in enumerate(decoded.names):
        try:
            found[name] = describe_images(extractor, images[i : i + 1], sizes[i : i + 1], as_half)[0]
        except InputError as error:
            unusable[name] = str(error)
    return found, unusable
