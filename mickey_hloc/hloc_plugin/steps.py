"""hloc's steps with their inputs checked before the long work starts: the parts of our pipelines."""

from __future__ import annotations

import shutil
import urllib.error
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from mickey_hloc import match_features
from mickey_hloc.engine import Engine
from mickey_hloc.errors import InputError
from mickey_hloc.features import Extractor
from mickey_hloc.hloc_plugin.confs import track_conf
from mickey_hloc.hloc_plugin.host import import_step
from mickey_hloc.io import pairs_from_sequence
from mickey_hloc.io.image_batches import Preprocessing, image_sizes, list_photos
from mickey_hloc.io.images import ExifTurn, check_not_turned, is_depth_image
from mickey_hloc.io.matches import check_distinct
from mickey_hloc.io.pairs import Pair, read_pairs, write_pairs
from mickey_hloc.matching import Matcher
from mickey_hloc.pair_models import PairModel
from mickey_hloc.registry import unknown_name


def find_images(
    image_dir: Path,
    image_list: Path | Sequence[str] | None = None,
    globs: Sequence[str] = Preprocessing().globs,
    exif_turn: ExifTurn = "refuse",
) -> list[str]:
    """The images of a folder, all usable: hloc stops in the middle at one that is not.

    Args:
        image_dir: the folder that names are relative to.
        image_list: a file with a name a line, or the names; what fits ``globs`` where None.
        globs: patterns of file names; depth images that fit them are left out, which a warning says.
        exif_turn: what happens to photos that their EXIF orientation turns, see ``read_image``.

    Raises:
        InputError: none, unreadable ones, photos that EXIF turns, depth maps in a list, names with spaces (pairs files
            separate names by spaces), or two names that differ in "/" and "-" only (matches files store them as one).
    """
    names, depth_images = list_photos(image_dir, globs, image_list)
    if depth_images:
        warnings.warn(
            f"left out {len(depth_images)} depth images (one channel of 16 bit or more), e.g. {depth_images[0]}",
            stacklevel=2,
        )
    _, unreadable = image_sizes(image_dir, names, num_workers=4)
    if unreadable:
        reasons = "; ".join(list(unreadable.values())[:3])
        raise InputError(f"{len(unreadable)} of {len(names)} images are unusable, list the others: {reasons}")
    if exif_turn == "refuse":
        for name in names:
            check_not_turned(image_dir / name)
    depth_map = next((name for name in names if is_depth_image(image_dir / name)), None)
    if depth_map is not None:
        raise InputError(f"{image_dir / depth_map} has 16 bit like a depth map; take it out of the list.")
    for name in names:
        if len(name.split()) != 1:
            raise InputError(f"Image name '{name}' has a space, which hloc's pairs files cannot hold; rename it.")
    check_distinct([(name, name) for name in names])
    return names


def check_shared_cameras(image_dir: Path, names: Sequence[str], mode: str, has_params: bool = False) -> None:
    """Refuse images of several sizes where they shall have one camera: COLMAP would leave the others out.

    Args:
        mode: COLMAP's camera mode: "SINGLE" has one camera for all, "PER_FOLDER" one for each folder.
        has_params: the camera's parameters are given, which are those of one size.

    Raises:
        InputError: two images of one camera have different sizes; the message names both.
    """
    if not has_params and mode not in ("SINGLE", "PER_FOLDER"):
        return
    sizes, _ = image_sizes(image_dir, names, num_workers=4)
    first: dict[str, str] = {}
    for name, (width, height) in sizes.items():
        folder = name.rpartition("/")[0] if mode == "PER_FOLDER" and not has_params else ""
        other = first.setdefault(folder, name)
        if sizes[other] != (width, height):
            whose = "--camera-params are those of one size" if has_params else f"--camera-mode {mode} is for one size"
            raise InputError(
                f"{whose}, but '{other}' is {sizes[other][0]}x{sizes[other][1]} and '{name}' {width}x{height} pixels; "
                "choose images of one size with --image-list, or give --camera-mode AUTO without parameters."
            )


def reconstruct(host: ModuleType, image_dir: Path, names: Sequence[str], **how: Any) -> Any:
    """hloc's reconstruction: a COLMAP model, or None.

    Raises:
        InputError: COLMAP did not take an image.
    """
    try:
        return import_step(host, "reconstruction").main(image_dir=image_dir, image_list=list(names), **how)
    except KeyError as error:  # hloc looks every image up that COLMAP shall have read
        if error.args[:1] and error.args[0] in names:
            raise InputError(
                f"COLMAP could not take the image {image_dir / error.args[0]}; its log above says why: leave the image "
                "out, or convert it to JPEG or PNG."
            ) from error
        raise


def extract(
    extractor: Extractor, image_dir: Path, outputs: Path, names: Sequence[str], engine: Engine | None = None
) -> Path:
    """The features file of an extractor, ours or hloc's, by our step, which a killed run does not damage.

    Args:
        engine: on which machines it runs; this one by default.

    Raises:
        InputError: an image cannot be read, the weights cannot be downloaded.
    """
    path = outputs / f"feats-{extractor.tag()}.h5"
    report = (engine or Engine()).extract(extractor, image_dir, path, image_list=list(names))
    if report.skipped:
        raise InputError(report.summary())
    return report.path


def match(
    host: ModuleType,
    matching: Matcher | PairModel,
    pairs: Path,
    image_dir: Path,
    outputs: Path,
    features: Path | None,
    map_features: Path | None = None,
) -> tuple[Path, Path]:
    """Features and matches: of a matcher by our step, of a pair model by hloc's ``match_dense``, which makes tracks.

    Args:
        host: the hloc that runs pair models.
        features: the features file of all images; None where a pair model makes its own keypoints.
        map_features: what an earlier call returned for the map, when queries are matched: its keypoints stay.

    Returns:
        The features file, of pair models a new one, and the matches file.

    Raises:
        InputError: the weights cannot be downloaded.
    """
    outputs.mkdir(parents=True, exist_ok=True)
    if isinstance(matching, Matcher):
        assert features is not None
        matches = outputs / f"{features.stem}_matches-{matching.tag()}_{pairs.stem}.h5"
        return features, match_features.main(matching, pairs, features, matches)
    conf = track_conf(matching)
    localization = {} if map_features is None else {"features_ref": map_features, "max_kps": None}
    with _downloads(conf):
        dense = import_step(host, "match_dense")
        made: tuple[Path, Path] = dense.main(conf, pairs, image_dir, outputs, **localization)
    return made


def method_name(extractor: Extractor | None, matching: Matcher | PairModel) -> str:
    """Feature and matcher in names of folders and files."""
    return "+".join(part.tag() for part in (extractor, matching) if part is not None)


def make_pairs(
    host: ModuleType,
    how: str,
    image_dir: Path,
    outputs: Path,
    names: Sequence[str],
    references: Sequence[str] | None = None,
    num_matched: int = 20,
    overlap: int = 10,
) -> Path:
    """A pairs file, in ``outputs``.

    Args:
        how: "exhaustive" (each with each), "sequential" (each with the next ``overlap`` ones of its folder), the conf
            of a global descriptor in hloc (each with the ``num_matched`` most similar ones), or an existing pairs file.
        names: the images, or the queries where there are references.
        references: pair the queries with these instead of among themselves.

    Raises:
        InputError: an unknown way, too few images, or a pairs file of other images.
    """
    known = set(names).union(references or ())
    if Path(how).is_file():
        given = read_pairs(Path(how))
        missing = sorted({name for pair in given for name in pair} - known)
        if missing:
            raise InputError(f"{how} has {len(missing)} names that are no images here, e.g. '{missing[0]}'.")
        return _as_hloc_reads(Path(how), given, outputs)
    if len(known) < 2:
        raise InputError(f"{image_dir} has {len(known)} image; pairs need two.")
    outputs.mkdir(parents=True, exist_ok=True)
    prefix = "pairs-" if references is None else "pairs-query-"
    if how == "exhaustive":
        pairs = outputs / f"{prefix}exhaustive.txt"
        import_step(host, "pairs_from_exhaustive").main(pairs, image_list=list(names), ref_list=references)
    elif how == "sequential" and references is None:
        pairs = pairs_from_sequence.main(outputs / f"{prefix}sequential{overlap}.txt", names, overlap)
    else:
        db = list(references or names)
        if num_matched < 1:
            raise InputError(f"num_matched is {num_matched}; each image is paired with at least one.")
        descriptors = global_descriptors(host, how, image_dir, outputs, sorted(known))
        num_matched = min(num_matched, len(db))
        pairs = outputs / f"{prefix}{how}{num_matched}.txt"
        retrieval = import_step(host, "pairs_from_retrieval")
        retrieval.main(descriptors, pairs, num_matched, query_list=list(names), db_list=db)
    return pairs


def _as_hloc_reads(file: Path, pairs: Sequence[Pair], outputs: Path) -> Path:
    """The pairs file itself where it has nothing but its pairs, else a copy of these: hloc splits every line in two.

    Raises:
        InputError: an image is paired with itself.
    """
    itself = next((name for name, other in pairs if name == other), None)
    if itself is not None:
        raise InputError(f"{file} pairs '{itself}' with itself, which COLMAP cannot take; remove that line.")
    plain = "".join(f"{name0} {name1}\n" for name0, name1 in pairs).encode()
    if plain in (file.read_bytes(), file.read_bytes() + b"\n"):
        return file
    return write_pairs(outputs / f"{file.stem}-plain.txt", pairs)


def global_descriptors(host: ModuleType, name: str, image_dir: Path, outputs: Path, names: Sequence[str]) -> Path:
    """hloc's global descriptors of images, for retrieval.

    Raises:
        InputError: the host has no such descriptor, or its weights cannot be downloaded.
    """
    confs = import_step(host, "extract_features").confs
    known = {key: conf for key, conf in confs.items() if conf["output"].startswith("global-")}
    if name not in known:
        raise unknown_name("way to make pairs", name, {"exhaustive", "sequential", *known})
    conf = known[name]
    import_step(host, f"extractors.{conf['model']['name']}")  # a package that it lacks shows here
    with _downloads(conf):
        made: Path = import_step(host, "extract_features").main(conf, image_dir, outputs, image_list=list(names))
    return made


def empty_model_dir(folder: Path) -> Path:
    """A folder without a model of an earlier run: hloc would leave that one in place where a new one fails."""
    for name in ("cameras", "images", "points3D", "frames", "rigs"):
        (folder / f"{name}.bin").unlink(missing_ok=True)
    shutil.rmtree(folder / "models", ignore_errors=True)
    return folder


@contextmanager
def _downloads(conf: dict[str, Any]) -> Iterator[None]:
    try:
        yield
    except urllib.error.URLError as error:
        raise InputError(f"The weights of {conf['model']['name']} cannot be downloaded ({error.reason}).") from error
