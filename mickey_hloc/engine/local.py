"""The steps on this machine, behind the interface that ``RayEngine`` has as well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mickey_hloc import estimate_poses, extract_features, match_features, match_images
from mickey_hloc.errors import InputError
from mickey_hloc.extract_features import ExtractionReport
from mickey_hloc.features import Extractor
from mickey_hloc.io.cameras import Cameras
from mickey_hloc.io.pairs import Pair
from mickey_hloc.match_features import MatchReport
from mickey_hloc.matching import Matcher
from mickey_hloc.pair_models import PairModel


class Engine:
    """Runs the steps in this process. Use it in a ``with`` block; what it returns is what the steps return."""

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def extract(
        self,
        extractor: Extractor,
        images: Path | str,
        features: Path,
        as_half: bool = True,
        image_list: Path | Sequence[str | Path] | None = None,
        overwrite: bool = False,
        batch_size: int | None = None,
        num_workers: int = 4,
        progress: bool = True,
        cameras: Cameras | None = None,
    ) -> ExtractionReport:
        """See ``extract_features.extract``."""
        if isinstance(images, str):
            raise InputError(f"Images at {images} are read by workers only: give --engine ray, or a local folder.")
        return extract_features.extract(
            extractor, images, features, as_half, image_list, overwrite, batch_size, num_workers, progress, cameras
        )

    def match(
        self,
        matcher: Matcher,
        pairs: Sequence[Pair],
        features: Path,
        matches: Path,
        overwrite: bool = False,
        progress: bool = True,
    ) -> MatchReport:
        """See ``match_features.match``."""
        return match_features.match(matcher, pairs, features, matches, overwrite, progress)

    def match_images(
        self,
        model: PairModel,
        pairs: Sequence[Pair],
        images: Path,
        correspondences: Path,
        overwrite: bool = False,
        progress: bool = True,
        cameras: Cameras | None = None,
    ) -> Path:
        """See ``match_images.main``."""
        return match_images.main(model, pairs, images, correspondences, overwrite, progress, cameras)

    def poses(self, conf: Mapping[str, Any], pairs: Path, **how: Any) -> Path:
        """See ``estimate_poses.main``."""
        return estimate_poses.main(conf, pairs, **how)
