"""What is to be estimated: images, their cameras, and pairs in parts that are finished one by one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mickey_hloc.engine import Engine
from mickey_hloc.errors import InputError
from mickey_hloc.io.files import atomic_path
from mickey_hloc.io.intrinsics import Intrinsics
from mickey_hloc.io.json_text import parse_json
from mickey_hloc.io.pairs import Pair

IMAGE_SIZES = "images.json"


def pairs_tag(pairs: Sequence[Pair]) -> str:
    """A name for a list of pairs: another list, another folder of poses."""
    text = "\n".join(f"{name0} {name1}" for name0, name1 in pairs)
    return f"{len(pairs)}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


@dataclass(frozen=True, eq=False)
class PoseTask:
    """Pairs of images whose relative poses are wanted.

    Attributes:
        images: the folder that image names are relative to.
        cameras: by image name.
        parts: pairs by part, e.g. by scene; a part is done or not.
        outputs: the folder of everything that is made. Features and matches in it serve any method and any part.
        kind: names the folder of the poses, where the same parts may have other pairs in another run.
        workers: threads that decode images and solve pairs.
        device: where the solver runs; networks take the GPU where there is one.
        overwrite: make everything anew.
        progress: show bars on stderr.
        engine: on which machines the steps run.
    """

    images: Path
    cameras: Mapping[str, Intrinsics]
    parts: Mapping[str, Sequence[Pair]]
    outputs: Path
    kind: str = "pairs"
    workers: int = 2
    device: str = "cpu"
    overwrite: bool = False
    progress: bool = True
    engine: Engine = field(default_factory=Engine)

    @property
    def pairs(self) -> list[Pair]:
        """Of all parts, in their order."""
        return [pair for pairs in self.parts.values() for pair in pairs]

    @property
    def names(self) -> list[str]:
        """The images of all pairs, each once, in their order."""
        return list(dict.fromkeys(name for pair in self.pairs for name in pair))

    def check_images(self) -> None:
        """Refuse to go on with an outputs folder whose images have changed since; their sizes in bytes tell.

        Raises:
            InputError: an image is missing, or another one than before.
        """
        record = self.outputs / IMAGE_SIZES
        known: dict[str, int] = {}
        if record.is_file() and not self.overwrite:
            known = _sizes(record)
        sizes = {}
        for name in self.names:
            path = self.images / name
            if not path.is_file():
                raise InputError(f"No image {path}, which a pair has; unpack the data set completely.")
            sizes[name] = path.stat().st_size
            if known.get(name, sizes[name]) != sizes[name]:
                raise InputError(
                    f"{path} is not the image that {self.outputs} was made from; choose another folder for the "
                    "outputs, or overwrite them."
                )
        if not sizes.items() <= known.items():
            with atomic_path(record) as temporary:
                temporary.write_text(json.dumps({**known, **sizes}, indent=0), encoding="utf-8")


def _sizes(record: Path) -> dict[str, int]:
    try:
        return {str(name): int(size) for name, size in parse_json(record.read_text(encoding="utf-8")).items()}
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise InputError(f"{record} is damaged ({error}); delete it, or overwrite the outputs.") from error
