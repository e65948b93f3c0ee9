"""A run of the step from pairs to poses: its settings, its input files, and the journal of what is done.

One machine has one run; several machines share the pairs out and have one run each (``mickey_hloc.engine``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from mickey_hloc.confidence.policy import Acceptance, feature_family, find_acceptance, origin_of
from mickey_hloc.depth.sources import get_depth_source
from mickey_hloc.errors import InputError
from mickey_hloc.features.base import FAMILY_KEY
from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.io.cameras import Cameras, read_cameras
from mickey_hloc.io.features import DEPTH_KIND_KEY, FeatureFile
from mickey_hloc.io.matches import MatchFile
from mickey_hloc.io.origin import ORIGIN_KEY, origin_text, origin_values
from mickey_hloc.io.pairs import Pair
from mickey_hloc.io.pose_journal import PoseJournal, combined
from mickey_hloc.matching.mickey import dual_softmax
from mickey_hloc.registry import CheckedOptions, require
from mickey_hloc.solvers import Solver, get_solver
from mickey_hloc.two_view.problem import ProblemBuilder, correspondences_for
from mickey_hloc.two_view.solving import SolvedPair, lacks_input, solve_pairs
from mickey_hloc.two_view.stored import StoredPairs


@dataclass(frozen=True)
class PoseConf(CheckedOptions):
    """A conf of this step.

    Attributes:
        output: name of the poses file, without its end.
        solver: ``name`` of the solver and its options.
        correspondences: "matches" from the matches file; "descriptors" for MicKey's full correspondence probability
            from the features file, where no matches file is needed.
        depth: spec of the depth source, see ``mickey_hloc.depth``; None: the depths stored with the keypoints.
        depth_options: options of the depth source.
        focal_correction: "depth": MicKey's depth times f / f_train.
        accept: which estimates become poses: "supported" ones, or "all", ranked by confidence. A refused one stands in
            the comment of its pair.
        accept_options: thresholds of "supported", see ``confidence.AcceptanceOptions``.
        calibration: a file of ``mickey-hloc calibrate``, beside the calibrations of the package.
        family: of features and depth, as calibrations know them; None: as the features and matches files say.
        weights: of MicKey, for "descriptors" where the features file does not tell its temperature and dustbin value
            (files made by hloc's own step).
        seed: of the solver's draws; every pair has the same one.
    """

    output: str
    solver: Mapping[str, Any]
    correspondences: Literal["matches", "descriptors"] = "matches"
    depth: str | None = None
    depth_options: Mapping[str, Any] = field(default_factory=dict)
    focal_correction: Literal["none", "depth", "resize"] = "none"
    accept: Literal["supported", "all"] = "supported"
    accept_options: Mapping[str, Any] = field(default_factory=dict)
    calibration: str | None = None
    family: str | None = None
    weights: str = "mickey"
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "seed", 0 <= self.seed < 2**63, "at least 0 and below 2^63")
        if "name" not in self.solver:
            raise InputError("The poses conf's solver has no 'name'.")


@dataclass(frozen=True)
class PoseFiles:
    """What poses are made from, and where the solver runs; see ``estimate_poses.main``."""

    features: Path
    intrinsics: Path | Sequence[Path] | Cameras
    matches: Path | None = None
    image_dir: Path | None = None
    features_ref: Path | None = None
    device: str = "cpu"


class PoseInputs:
    """A conf's solver, its opened input files and its rule of acceptance; use it in a ``with`` block.

    Raises:
        InputError: a file or an option cannot be used.
    """

    def __init__(self, conf: PoseConf, files: PoseFiles) -> None:
        options = dict(conf.solver)
        self.conf = conf
        self.solver: Solver = get_solver(str(options.pop("name")), **options)
        with ExitStack() as stack:
            self.stored = _open(conf, self.solver, files, stack)
            self.solver = self.solver.suited_to(_depth_kind(self.stored))
            self.acceptance = _acceptance(conf, self.solver, self.stored)
            self._stack = stack.pop_all()

    def __enter__(self) -> PoseInputs:
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()


class PoseRun:
    """The poses of pairs, stored as they are solved; use it in a ``with`` block.

    Args:
        path: the poses file, which ``finish`` writes; until then its journal lies beside it.
        overwrite: throw away what is there.

    Raises:
        InputError: wrong input; or the file was made with other settings, from other input, or has other pairs.
    """

    def __init__(self, conf: PoseConf, files: PoseFiles, path: Path, overwrite: bool = False) -> None:
        self._stack = ExitStack()
        with ExitStack() as stack:
            self.files = files
            self.inputs = stack.enter_context(PoseInputs(conf, files))
            self.journal = stack.enter_context(PoseJournal(path, _origin(self.inputs), overwrite))
            self._stack = stack.pop_all()

    def __enter__(self) -> PoseRun:
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def missing(self, pairs: Sequence[Pair]) -> list[Pair]:
        """The pairs without a stored result, or without input in an earlier run.

        Raises:
            InputError: what is stored has other pairs, or was made from other input.
        """
        _check_journal(self.journal, self.inputs.stored, pairs)
        reasons = self.journal.reasons
        return [pair for pair in pairs if pair not in reasons or lacks_input(reasons[pair])]

    def solve(
        self, pairs: Sequence[Pair], batch_size: int, num_workers: int, done: Callable[[int], Any]
    ) -> dict[Pair, RelativePose]:
        """Solve pairs and store their results, a batch at a time; those that lack their input are returned.

        Args:
            done: told of the number of pairs of each batch.
        """
        unusable: dict[Pair, RelativePose] = {}
        at, conf = self.inputs, self.inputs.conf
        pairs = at.stored.in_reading_order(pairs)
        stream = solve_pairs(at.stored, at.solver, pairs, conf.seed, at.acceptance, num_workers)
        while batch := list(islice(stream, batch_size)):
            unusable |= {solved.pair: solved.pose for solved in batch if lacks_input(solved.pose.reason)}
            _store(self.journal, [solved for solved in batch if solved.pair not in unusable])
            done(len(batch))
        return unusable

    def finish(self, pairs: Sequence[Pair], unusable: Mapping[Pair, RelativePose]) -> None:
        """Write the poses file: these pairs in their order, those in ``unusable`` as they are there."""
        self.journal.finish(pairs, unusable)


def _store(journal: PoseJournal, batch: Sequence[SolvedPair]) -> None:
    inputs = {solved.pair: solved.checksum for solved in batch if solved.checksum is not None}
    journal.add({solved.pair: solved.pose for solved in batch}, inputs)


def _origin(inputs: PoseInputs) -> str:
    """What decides the poses besides the content of the input files, whose checksums are kept for each pair."""
    conf, solver, stored = inputs.conf, inputs.solver, inputs.stored
    files: list[FeatureFile | MatchFile] = [*stored.features]
    files += [] if stored.matches is None else [stored.matches]
    kept: dict[str, Any] = {
        "solver": {**solver.identity(), "name": solver.name},
        "correspondences": conf.correspondences,
        "depth": conf.depth,
        "depth_options": dict(conf.depth_options),
        "focal_correction": conf.focal_correction,
        "acceptance": origin_of(inputs.acceptance),
        "seed": conf.seed,
        "inputs": sorted({str(file.attributes.get(ORIGIN_KEY)) for file in files}),
    }
    softmax = stored.builder.dual_softmax
    if softmax is not None:
        kept["matcher"] = [float(softmax.temperature), softmax.dustbin_score.item()]
    return origin_text(kept)


def _acceptance(conf: PoseConf, solver: Solver, stored: StoredPairs) -> Acceptance:
    family, attributes = conf.family, stored.features[0].attributes
    if family is None:
        matcher = "" if stored.matches is None else str(origin_values(stored.matches.attributes).get("matcher", ""))
        family = feature_family(str(attributes.get(FAMILY_KEY, "")), matcher, _depth_kind(stored))
    return find_acceptance(family, solver.calibrated_as, conf.accept, conf.accept_options, conf.calibration)


def _depth_kind(stored: StoredPairs) -> str:
    """Of the depth source, or of that by which depths were sampled into the features file."""
    sampled = str(stored.features[0].attributes.get(DEPTH_KIND_KEY, ""))
    return sampled if stored.depth is None else stored.depth.depth_kind


def _open(conf: PoseConf, solver: Solver, files: PoseFiles, stack: ExitStack) -> StoredPairs:
    kind = correspondences_for(solver, conf.correspondences == "descriptors")
    file0 = stack.enter_context(FeatureFile(Path(files.features)))
    file1 = file0 if files.features_ref is None else stack.enter_context(FeatureFile(Path(files.features_ref)))
    match_file, softmax = None, None
    if kind == "descriptor_probability":
        softmax = dual_softmax(file0.attributes, conf.weights)
    elif files.matches is None:
        raise InputError(f"Solver '{solver.name}' needs a matches file: give matches.")
    else:
        match_file = stack.enter_context(MatchFile(Path(files.matches)))
    folder = None if files.image_dir is None else Path(files.image_dir)
    given = files.intrinsics
    depth, cameras = None, given if isinstance(given, Cameras) else read_cameras(given)
    if conf.depth is not None:
        depth = get_depth_source(
            conf.depth, image_dir=folder, features=Path(files.features), cameras=cameras, **conf.depth_options
        )
    builder = ProblemBuilder(kind, softmax, solver.uses_depth_maps, conf.focal_correction, files.device)
    return StoredPairs(builder, file0, file1, cameras, depth, match_file)


def _check_journal(journal: PoseJournal, stored: StoredPairs, wanted: Sequence[Pair]) -> None:
    """Refuse to go on with a file that has other pairs, or whose input has changed since."""
    others = journal.finished - set(wanted)
    if others:
        raise InputError(
            f"{journal.path} has {len(others)} pairs that are not in the pairs file, e.g. {' '.join(min(others))}; "
            "choose another output or --overwrite it."
        )
    # A run that ended in the middle of a line leaves the checksum of a pair whose pose is not there.
    had = {pair: checksum for pair, checksum in journal.inputs.items() if pair in journal.reasons}
    solved = {pair for pair in journal.finished if not lacks_input(journal.reasons[pair])}
    now = {pair: _checksum(stored, pair) for pair in journal.reasons if pair in solved or pair in had}
    changed = [pair for pair, checksum in had.items() if now[pair] != checksum]
    in_order = [now[pair] for pair in journal.reasons if pair in solved]
    if changed or (journal.finished_input is not None and combined(in_order) != journal.finished_input):
        whose = f" (those of the pair {' '.join(changed[0])} have changed)" if changed else " (they have changed)"
        raise InputError(
            f"{journal.path} was made from other features, matches, depths or intrinsics{whose}; choose another output "
            "or --overwrite it."
        )
    journal.inputs.update(now)


def _checksum(stored: StoredPairs, pair: Pair) -> str:
    """Of a pair's input; of one whose input cannot be read any more, no checksum at all."""
    try:
        return stored.checksum(*pair)
    except InputError:
        return "gone"
