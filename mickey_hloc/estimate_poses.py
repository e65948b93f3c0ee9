"""Step: pairs, features (and matches), intrinsics and metric depth -> metric relative poses of the pairs.

The companion of hloc's ``match_features``: the same pairs file and the same features and matches files, whoever made
them. Pairs run in batches; a killed run goes on where it was (``io/pose_journal.py`` says how), and neither the order
of the pairs nor interruptions change a pose.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from tqdm import tqdm

from mickey_hloc.confidence.policy import Acceptance, feature_family, find_acceptance, origin_of
from mickey_hloc.depth.sources import get_depth_source
from mickey_hloc.errors import InputError
from mickey_hloc.features.base import FAMILY_KEY
from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.io.cameras import Cameras, read_cameras
from mickey_hloc.io.features import DEPTH_KIND_KEY, FeatureFile
from mickey_hloc.io.matches import MatchFile, check_distinct
from mickey_hloc.io.origin import ORIGIN_KEY, origin_text, origin_values
from mickey_hloc.io.pairs import Pair, read_pairs
from mickey_hloc.io.pose_journal import PoseJournal, combined
from mickey_hloc.matching.mickey import dual_softmax
from mickey_hloc.model.stored_constants import SOLVER_KEY
from mickey_hloc.registry import CheckedOptions, ConfTable, file_safe, make_options, require
from mickey_hloc.solvers import SOLVERS, PoseProblem, Solver, get_solver
from mickey_hloc.two_view.problem import ProblemBuilder, correspondences_for
from mickey_hloc.two_view.solving import (
    SolvedPair,
    lacks_input,
    solve_pair,
    solve_pairs,
)
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


def get_conf(name: str, **options: Any) -> dict[str, Any]:
    """A conf by name: every solver on any features and matches, or "mickey" on MicKey's own features.

    Args:
        options: of the solver.

    Raises:
        InputError: an unknown name; the message lists the known ones.
    """
    if name == "mickey":
        return {**get_conf("probabilistic", **options), "output": "poses-mickey", "correspondences": "descriptors"}
    SOLVERS.create(name, **options)
    return {"output": f"poses-{file_safe(name)}", "solver": {"name": name, **options}}


def default_solver(features: Path, matches: Path | None) -> str:
    """The solver that suits a features file: what its model says of itself, else "procrustes".

    Raises:
        InputError: no such file, or that solver needs matches and there are none.
    """
    with FeatureFile(Path(features)) as file:
        told, family = file.attributes.get(SOLVER_KEY), file.attributes.get(FAMILY_KEY)
    name = str(told) if told in SOLVERS.names else "procrustes"
    if matches is not None:
        return name
    if SOLVERS.get(name).needs == "probability" or (told is None and family is None):  # hloc's files say nothing
        return "mickey"
    raise InputError(
        f"The solver '{name}', which suits the features in {features}, needs matches: run `mickey-hloc match` and give "
        "its file with --matches, or choose --solver probabilistic."
    )


confs = ConfTable(SOLVERS, get_conf)  # by name


def main(
    conf: Mapping[str, Any],
    pairs: Path,
    features: Path,
    intrinsics: Path | Sequence[Path] | Cameras,
    matches: Path | None = None,
    image_dir: Path | None = None,
    export_dir: Path | None = None,
    output: Path | None = None,
    features_ref: Path | None = None,
    overwrite: bool = False,
    batch_size: int = 32,
    num_workers: int = 2,
    device: str = "cpu",
    progress: bool = True,
) -> Path:
    """Estimate ``cam1_from_cam0`` of every pair.

    Args:
        conf: as in ``confs``.
        pairs: hloc's pairs file, ``name0 name1`` a line.
        features: features file in hloc's layout.
        intrinsics: what ``read_cameras`` understands: lines ``name fx fy cx cy w h``, a Map-free folder, hloc's list of
            queries with intrinsics, or a COLMAP model; or several of these; or the cameras themselves.
        matches: matches file in hloc's layout, unless the conf works on descriptors.
        image_dir: the folder of the images, for depth sources that lie beside them.
        export_dir: where the poses file goes, named by the conf.
        output: the poses file, instead of ``export_dir``.
        features_ref: features file of the second images, where it is another one.
        overwrite: throw away an existing file.
        batch_size: pairs between two writings.
        num_workers: pairs that are solved at the same time.
        device: where the solver runs.
        progress: show a bar on stderr.

    Returns:
        The poses file: for each pair a pose, or a comment that says why there is none.

    Raises:
        InputError: wrong input; or the file was made with other settings, from other input, or has other pairs.
    """
    parsed = make_options(PoseConf, conf, "the poses conf")
    if batch_size < 1 or num_workers < 1:
        raise InputError(f"batch_size is {batch_size} and num_workers {num_workers}; both must be at least 1.")
    wanted = read_pairs(Path(pairs))
    if matches is not None:
        check_distinct(wanted)
    path = _output_path(parsed, export_dir, output)
    options = dict(parsed.solver)
    solver = get_solver(str(options.pop("name")), **options)
    with ExitStack() as stack:
        files = _Files(features, features_ref, matches, intrinsics, image_dir)
        stored = _open(parsed, solver, files, device, stack)
        journal = stack.enter_context(PoseJournal(path, _origin(parsed, solver, stored), overwrite))
        _check_journal(journal, stored, wanted)
        missing = [pair for pair in wanted if pair not in journal.reasons or lacks_input(journal.reasons[pair])]
        unusable: dict[Pair, RelativePose] = {}
        done = len(wanted) - len(missing)
        with tqdm(total=len(wanted), initial=done, desc="poses", unit="pair", disable=not progress) as bar:
            acceptance = _acceptance(parsed, solver, stored)
            stream = solve_pairs(stored, solver, missing, parsed.seed, acceptance, num_workers)
            while batch := list(islice(stream, batch_size)):
                unusable |= {solved.pair: solved.pose for solved in batch if lacks_input(solved.pose.reason)}
                _store(journal, [solved for solved in batch if solved.pair not in unusable])
                bar.update(len(batch))
        journal.finish(wanted, unusable)
    return path


def solve_again(
    conf: Mapping[str, Any],
    pairs: Sequence[Pair],
    features: Path,
    intrinsics: Path | Sequence[Path] | Cameras,
    matches: Path | None = None,
    image_dir: Path | None = None,
    features_ref: Path | None = None,
    device: str = "cpu",
) -> Iterator[tuple[Pair, PoseProblem, RelativePose]]:
    """The problems and poses of some pairs, as ``main`` had them, for pictures of what a poses file does not have.

    Args: as of ``main``.

    Raises:
        InputError: a file cannot be used.
    """
    parsed = make_options(PoseConf, conf, "the poses conf")
    options = dict(parsed.solver)
    solver = get_solver(str(options.pop("name")), **options)
    with ExitStack() as stack:
        stored = _open(parsed, solver, _Files(features, features_ref, matches, intrinsics, image_dir), device, stack)
        acceptance = _acceptance(parsed, solver, stored)
        for pair in pairs:
            data0, data1, matched, prediction = stored.load(*pair)
            found = solve_pair(stored.builder, solver, data0, data1, matched, parsed.seed, acceptance, prediction)
            yield (pair, *found)


@dataclass(frozen=True)
class _Files:
    """What the poses are made from; see ``main``."""

    features: Path
    features_ref: Path | None
    matches: Path | None
    intrinsics: Path | Sequence[Path] | Cameras
    image_dir: Path | None


def _store(journal: PoseJournal, batch: Sequence[SolvedPair]) -> None:
    inputs = {solved.pair: solved.checksum for solved in batch if solved.checksum is not None}
    journal.add({solved.pair: solved.pose for solved in batch}, inputs)


def _output_path(conf: PoseConf, export_dir: Path | None, output: Path | None) -> Path:
    if output is not None:
        return Path(output)
    if export_dir is None:
        raise InputError("Estimating poses needs export_dir or output: where does the poses file go?")
    return Path(export_dir) / f"{conf.output}.txt"


def _origin(conf: PoseConf, solver: Solver, stored: StoredPairs) -> str:
    """What decides the poses besides the content of the input files, whose checksums are kept for each pair."""
    files: list[FeatureFile | MatchFile] = [*stored.features]
    files += [] if stored.matches is None else [stored.matches]
    kept: dict[str, Any] = {
        "solver": {**solver.identity(), "name": solver.name},
        "correspondences": conf.correspondences,
        "depth": conf.depth,
        "depth_options": dict(conf.depth_options),
        "focal_correction": conf.focal_correction,
        "acceptance": origin_of(_acceptance(conf, solver, stored)),
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
        sampled = str(attributes.get(DEPTH_KIND_KEY, ""))
        kind = sampled if stored.depth is None else stored.depth.depth_kind
        family = feature_family(str(attributes.get(FAMILY_KEY, "")), matcher, kind)
    return find_acceptance(family, solver.calibrated_as, conf.accept, conf.accept_options, conf.calibration)


def _open(conf: PoseConf, solver: Solver, files: _Files, device: str, stack: ExitStack) -> StoredPairs:
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
    builder = ProblemBuilder(kind, softmax, solver.uses_depth_maps, conf.focal_correction, device)
    return StoredPairs(builder, file0, file1, cameras, depth, match_file)


def _check_journal(journal: PoseJournal, stored: StoredPairs, wanted: Sequence[Pair]) -> None:
    """Refuse to go on with a file that has other pairs, or whose input has changed since."""
    others = journal.finished - set(wanted)
    if others:
        raise InputError(
            f"{journal.path} has {len(others)} pairs that are not in the pairs file, e.g. {' '.join(min(others))}; "
            "choose another output or overwrite it."
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
            "or overwrite it."
        )
    journal.inputs.update(now)


def _checksum(stored: StoredPairs, pair: Pair) -> str:
    """Of a pair's input; of one whose input cannot be read any more, no checksum at all."""
    try:
        return stored.checksum(*pair)
    except InputError:
        return "gone"
