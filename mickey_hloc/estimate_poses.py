"""Step: pairs, features (and matches), intrinsics and metric depth -> metric relative poses of the pairs.

The companion of hloc's ``match_features``: the same pairs file and the same features and matches files, whoever made
them. Pairs run in batches; a killed run goes on where it was (``io/pose_journal.py`` says how), and neither the order
of the pairs nor interruptions change a pose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from mickey_hloc.errors import InputError
from mickey_hloc.features.base import FAMILY_KEY
from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.io.cameras import Cameras
from mickey_hloc.io.features import FeatureFile
from mickey_hloc.io.matches import MatchFile, check_distinct
from mickey_hloc.io.pairs import Pair, read_pairs
from mickey_hloc.model.stored_constants import SOLVER_KEY
from mickey_hloc.registry import ConfTable, file_safe, make_options
from mickey_hloc.solvers import SOLVERS, PoseProblem
from mickey_hloc.two_view.pose_run import PoseConf, PoseFiles, PoseInputs, PoseRun
from mickey_hloc.two_view.solving import solve_pair


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
    solve: Callable[[PoseRun, Sequence[Pair]], dict[Pair, RelativePose]] | None = None,
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
        solve: solves the missing pairs in another way, e.g. on other machines; it stores their results in the run's
            journal and returns the pairs without input.

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
        _check_not_swapped(Path(features), wanted)
    path = _output_path(parsed, export_dir, output)
    files = PoseFiles(features, intrinsics, matches, image_dir, features_ref, device)
    with PoseRun(parsed, files, path, overwrite) as run:
        missing = run.missing(wanted)
        if solve is None:
            done = len(wanted) - len(missing)
            with tqdm(total=len(wanted), initial=done, desc="poses", unit="pair", disable=not progress) as bar:
                unusable = run.solve(missing, batch_size, num_workers, bar.update)
        else:
            unusable = solve(run, missing)
        run.finish(wanted, unusable)
    return path


def _check_not_swapped(features: Path, pairs: Sequence[Pair]) -> None:
    with FeatureFile(features), MatchFile(features) as stored:
        if any(pair in stored for pair in pairs[:10]):
            raise InputError(f"{features} holds matches, not features: are --features and --matches swapped?")


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
    with PoseInputs(parsed, PoseFiles(features, intrinsics, matches, image_dir, features_ref, device)) as inputs:
        stored = inputs.stored
        for pair in pairs:
            data0, data1, matched, prediction = stored.load(*pair)
            found = solve_pair(
                stored.builder, inputs.solver, data0, data1, matched, parsed.seed, inputs.acceptance, prediction
            )
            yield (pair, *found)


def _output_path(conf: PoseConf, export_dir: Path | None, output: Path | None) -> Path:
    if output is not None:
        return Path(output)
    if export_dir is None:
        raise InputError("Estimating poses needs export_dir or output: where does the poses file go?")
    return Path(export_dir) / f"{conf.output}.txt"
