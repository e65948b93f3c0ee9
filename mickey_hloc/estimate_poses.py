"""Step: pairs, features (and matches), intrinsics and metric depth -> metric relative poses of the pairs.

The companion of hloc's ``match_features``: the same pairs file and the same features and matches files, whoever made
them. Pairs run in batches; a killed run goes on where it was (``io/pose_journal.py`` says how), and neither the order
of the pairs nor interruptions change a pose.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from tqdm import tqdm

from mickey_hloc.confs import DEFAULT_WEIGHTS
from mickey_hloc.depth import get_depth_source
from mickey_hloc.errors import InputError
from mickey_hloc.features.mickey import stored_matcher
from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.io.cameras import read_cameras
from mickey_hloc.io.features import FeatureFile
from mickey_hloc.io.matches import MatchFile
from mickey_hloc.io.origin import origin_text
from mickey_hloc.io.pairs import Pair, read_pairs
from mickey_hloc.io.pose_journal import PoseJournal
from mickey_hloc.registry import make_options, unknown_name
from mickey_hloc.solvers import SOLVERS, Solver, get_solver
from mickey_hloc.two_view.solving import SolvedPair, lacks_input, solve_pairs
from mickey_hloc.two_view.stored import Correspondences, ProblemLoader, problem_checksum
from mickey_hloc.weights.checkpoints import load_matcher


@dataclass(frozen=True)
class PoseConf:
    """A named conf of this step.

    Attributes:
        output: name of the poses file, without its end.
        solver: ``name`` of the solver and its options.
        correspondences: "matches" from the matches file; "descriptors" for MicKey's full correspondence probability
            from the features file, where no matches file is needed.
        depth: spec of the depth source, see ``mickey_hloc.depth.SPECS``; None: the depths stored with the keypoints.
        weights: of MicKey, for "descriptors" where the features file does not tell its temperature and dustbin value
            (files made by hloc's own step).
        seed: another seed, other draws.
    """

    output: str
    solver: Mapping[str, Any]
    correspondences: str = "matches"
    depth: str | None = None
    weights: str = DEFAULT_WEIGHTS
    seed: int = 0

    def __post_init__(self) -> None:
        if self.correspondences not in ("matches", "descriptors"):
            raise InputError(f"Unknown correspondences '{self.correspondences}'; choose matches or descriptors.")
        if "name" not in self.solver:
            raise InputError("The poses conf's solver has no 'name'.")

    @classmethod
    def from_dict(cls, conf: Mapping[str, Any]) -> PoseConf:
        """From a plain mapping; unknown keys are errors.

        Raises:
            InputError: an unknown or missing key.
        """
        for key in ("output", "solver"):
            if key not in conf:
                raise InputError(f"The poses conf has no '{key}'.")
        return make_options(cls, conf, where="the poses conf")

    def problem_kind(self, solver: Solver) -> Correspondences:
        """What the solver's problems are made from.

        Raises:
            InputError: the solver cannot use what the conf names.
        """
        if self.correspondences == "matches":
            return "matches" if solver.needs == "matches" else "match_probability"
        if solver.needs != "probability":
            raise InputError(f"Solver '{self.solver['name']}' needs matches; set correspondences to matches.")
        return "descriptor_probability"


# By name, as in hloc: MicKey's own features, and every solver on any features and matches.
confs: dict[str, dict[str, Any]] = {
    "mickey": {"output": "poses-mickey", "solver": {"name": "probabilistic"}, "correspondences": "descriptors"},
    **{name: {"output": f"poses-{name}", "solver": {"name": name}} for name in SOLVERS.names},
}


def get_conf(name: str) -> dict[str, Any]:
    """A copy of a named conf.

    Raises:
        InputError: an unknown name; the message lists the known ones.
    """
    if name not in confs:
        raise unknown_name("poses conf", name, confs)
    return copy.deepcopy(confs[name])


def main(
    conf: Mapping[str, Any],
    pairs: Path,
    features: Path,
    intrinsics: Path,
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
            queries with intrinsics, or a COLMAP model.
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
    parsed = PoseConf.from_dict(conf)
    if batch_size < 1 or num_workers < 1:
        raise InputError(f"batch_size is {batch_size} and num_workers {num_workers}; both must be at least 1.")
    wanted = read_pairs(Path(pairs))
    path = _output_path(parsed, export_dir, output)
    solver = get_solver(**parsed.solver)
    with ExitStack() as stack:
        loader = _open_loader(parsed, solver, features, features_ref, matches, intrinsics, image_dir, device, stack)
        journal = stack.enter_context(PoseJournal(path, _origin(parsed, solver, loader), overwrite))
        _check_journal(journal, loader, wanted)
        missing = [pair for pair in wanted if pair not in journal.poses or lacks_input(journal.poses[pair])]
        unusable: dict[Pair, RelativePose] = {}
        done = len(wanted) - len(missing)
        with tqdm(total=len(wanted), initial=done, desc="poses", unit="pair", disable=not progress) as bar:
            stream = solve_pairs(loader, solver, missing, parsed.seed, num_workers)
            while batch := list(islice(stream, batch_size)):
                unusable |= {solved.pair: solved.pose for solved in batch if lacks_input(solved.pose)}
                usable = {solved.pair: solved.pose for solved in batch if solved.pair not in unusable}
                journal.add(usable, _witness(batch))
                bar.update(len(batch))
        journal.finish(wanted, unusable)
    return path


def _output_path(conf: PoseConf, export_dir: Path | None, output: Path | None) -> Path:
    if output is not None:
        return Path(output)
    if export_dir is None:
        raise InputError("Estimating poses needs export_dir or output: where does the poses file go?")
    return Path(export_dir) / f"{conf.output}.txt"


def _origin(conf: PoseConf, solver: Solver, loader: ProblemLoader) -> str:
    """What decides the poses besides the input files, whose content is checked on a pair instead."""
    options = {**vars(solver.options), "name": conf.solver["name"]}
    kept: dict[str, Any] = {
        "solver": options,
        "correspondences": conf.correspondences,
        "depth": conf.depth,
        "seed": conf.seed,
    }
    if loader.matcher is not None:
        kept["matcher"] = [float(loader.matcher.temperature), loader.matcher.dustbin_score.item()]
    return origin_text(kept)


def _open_loader(
    conf: PoseConf,
    solver: Solver,
    features: Path,
    features_ref: Path | None,
    matches: Path | None,
    intrinsics: Path,
    image_dir: Path | None,
    device: str,
    stack: ExitStack,
) -> ProblemLoader:
    kind = conf.problem_kind(solver)
    file0 = stack.enter_context(FeatureFile(Path(features)))
    file1 = file0 if features_ref is None else stack.enter_context(FeatureFile(Path(features_ref)))
    match_file, matcher = None, None
    if kind == "descriptor_probability":
        matcher = (stored_matcher(file0.attributes) or load_matcher(conf.weights)).to(device)
    elif matches is None:
        raise InputError(f"Solver '{conf.solver['name']}' needs a matches file: give matches.")
    else:
        match_file = stack.enter_context(MatchFile(Path(matches)))
    folder = None if image_dir is None else Path(image_dir)
    depth = None if conf.depth is None else get_depth_source(conf.depth, image_dir=folder, features=Path(features))
    cameras, dense = read_cameras(Path(intrinsics)), solver.uses_depth_maps
    return ProblemLoader(file0, file1, cameras, depth, kind, match_file, matcher, depth_maps=dense, device=device)


def _check_journal(journal: PoseJournal, loader: ProblemLoader, wanted: Sequence[Pair]) -> None:
    """Refuse to go on with a file that has other pairs, or whose input has changed since."""
    others = journal.finished - set(wanted)
    if others:
        raise InputError(
            f"{journal.path} has {len(others)} pairs that are not in the pairs file, e.g. {' '.join(min(others))}; "
            "choose another output or overwrite it."
        )
    if journal.witness is not None:
        pair, checksum = journal.witness
        if problem_checksum(loader.load(*pair)) != checksum:
            raise InputError(
                f"{journal.path} was made from other features, matches, depths or intrinsics (those of the pair "
                f"{' '.join(pair)} have changed); choose another output or overwrite it."
            )


def _witness(batch: Sequence[SolvedPair]) -> tuple[Pair, str] | None:
    return next(((s.pair, s.checksum) for s in batch if s.checksum is not None), None)
