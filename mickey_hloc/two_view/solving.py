"""Solving pairs: one, or many in threads and in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice

from mickey_hloc.confidence.policy import Acceptance
from mickey_hloc.errors import InputError
from mickey_hloc.geometry.predicted_pose import PredictedPose
from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.io.pairs import Pair
from mickey_hloc.solvers import PoseProblem, Solver
from mickey_hloc.solvers.base import one_thread
from mickey_hloc.two_view.problem import Matches, ProblemBuilder, ViewData
from mickey_hloc.two_view.stored import StoredPairs

GUESS_RATIO = 1.5  # by which a guessed focal length may be wrong: lenses of 19 to 42 mm
INPUT_PROBLEM = "input: "  # begins the reason of pairs that no solver has seen; a later run tries them again


@dataclass(frozen=True)
class SolvedPair:
    """A pair's pose, and a checksum of what it was made from; None where its input is missing."""

    pair: Pair
    pose: RelativePose
    checksum: str | None = None


def solve_pair(
    builder: ProblemBuilder,
    solver: Solver,
    data0: ViewData,
    data1: ViewData,
    matches: Matches | None,
    seed: int,
    acceptance: Acceptance,
    prediction: PredictedPose | None = None,
) -> tuple[PoseProblem, RelativePose]:
    """The problem of a pair and its pose ``cam1_from_cam0``, or a failure with its reason.

    Raises:
        InputError: the input cannot be used.
    """
    with one_thread(data0.view.keypoints.device):
        problem = builder.problem(data0, data1, matches, prediction)
        for data in (data0, data1):
            if len(data.view.keypoints) == 0 and not (solver.needs_prediction and prediction):
                return problem, RelativePose.failure(f"{data.name} has no keypoints (is it of a single colour?)")
        too_small = within_tolerance(solver, (data0, data1))
        if too_small:
            return problem, RelativePose.failure(too_small)
        pose = acceptance.judge(solver.solve(problem, seed))
        return problem, with_guessed_focal(pose) if data0.focal_is_guessed or data1.focal_is_guessed else pose


def with_guessed_focal(pose: RelativePose) -> RelativePose:
    """A pose that a guessed focal length made: half the confidence, wider intervals of the distance, and a note."""
    note = "; ".join(filter(None, (pose.note, "the focal length is a guess")))
    wider = [(low / GUESS_RATIO, high * GUESS_RATIO) for low, high in (pose.distance_68_m, pose.distance_95_m)]
    return replace(pose, confidence=pose.confidence / 2, distance_68_m=wider[0], distance_95_m=wider[1], note=note)


def within_tolerance(solver: Solver, views: Sequence[ViewData]) -> str:
    """Why a scene is too small for the solver, whose tolerance holds all of it: every pose would agree; else ""."""
    for data in views:
        depths = data.view.depths[data.view.usable].float()
        if solver.tolerance_m is not None and len(depths) and float(depths.quantile(0.95)) < solver.tolerance_m:
            return (
                f"the depths of {data.name} reach to {float(depths.max()):.2g} m, which is within the tolerance of the "
                f"solver {solver.name} ({solver.tolerance_m:g} m): every pose would agree with them; are they in "
                "another unit, e.g. png:<suffix>@5000?"
            )
    return ""


def solve_pairs(
    stored: StoredPairs, solver: Solver, pairs: Sequence[Pair], seed: int, acceptance: Acceptance, num_workers: int
) -> Iterator[SolvedPair]:
    """Solve the pairs in threads (torch releases Python's lock); results come in the order of the pairs.

    Every pair has the same seed, so that its pose depends on nothing but its own input. A pair whose input is missing
    or damaged becomes a failure that says so; it costs only itself.
    """

    def solve(pair: Pair) -> SolvedPair:
        try:
            data0, data1, matches, prediction = stored.load(*pair)
            _, pose = solve_pair(stored.builder, solver, data0, data1, matches, seed, acceptance, prediction)
        except InputError as error:
            return SolvedPair(pair, RelativePose.failure(INPUT_PROBLEM + str(error)))
        return SolvedPair(pair, pose, stored.builder.checksum(data0, data1, matches, prediction))

    pool = ThreadPoolExecutor(num_workers)
    try:
        upcoming = iter(pairs)
        waiting: deque[Future[SolvedPair]] = deque()
        while True:
            waiting.extend(pool.submit(solve, pair) for pair in islice(upcoming, 2 * num_workers - len(waiting)))
            if not waiting:
                return
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def lacks_input(reason: str) -> bool:
    """Whether a pair failed because its input is missing or damaged; ``reason`` is "" where it did not fail."""
    return reason.startswith(INPUT_PROBLEM)
