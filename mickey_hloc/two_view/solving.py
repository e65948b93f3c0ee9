"""Solving pairs: one, or many in threads and in order."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from mickey_hloc.confidence import (
    AcceptanceOptions,
    Calibration,
    Policy,
    accept,
    read_calibrations,
    shipped_calibrations,
)
from mickey_hloc.errors import InputError
from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.io.pairs import Pair
from mickey_hloc.registry import make_options
from mickey_hloc.solvers import PoseProblem, Solver
from mickey_hloc.solvers.base import BREAKDOWNS
from mickey_hloc.two_view.problem import Matches, ProblemBuilder, ViewData
from mickey_hloc.two_view.stored import StoredPairs

INPUT_PROBLEM = "input: "  # begins the reason of pairs that no solver has seen; a later run tries them again


@dataclass(frozen=True)
class SolvedPair:
    """A pair's pose, and a checksum of what it was made from; None where its input is missing."""

    pair: Pair
    pose: RelativePose
    checksum: str | None = None


@dataclass(frozen=True)
class Acceptance:
    """How estimates become poses, see ``confidence.accept``.

    Attributes:
        calibration: of the method.
        policy: "supported" refuses weak estimates; "all" takes every one, for benchmarks that rank by confidence.
        options: thresholds of "supported".
    """

    calibration: Calibration
    policy: Policy = "supported"
    options: AcceptanceOptions = field(default_factory=AcceptanceOptions)


def feature_family(features: str, matcher: str) -> str:
    """What calibrations know features and their matches by: matchers made for one feature have its name in theirs."""
    return matcher if "+" in matcher else features


def find_acceptance(
    family: str, solver: Solver, policy: Policy, options: Mapping[str, Any], calibration: str | None = None
) -> Acceptance:
    """The acceptance of a method.

    Args:
        family: of its features, e.g. "small", "sift", "disk+lightglue".
        options: see AcceptanceOptions.
        calibration: a json file with further calibrations. None: those of the package alone.

    Raises:
        InputError: an unknown option, or a file that cannot be used.
    """
    known = shipped_calibrations()
    if calibration is not None:
        known = known.merged(read_calibrations(Path(calibration)))
    return Acceptance(known.find(family, solver.name), policy, make_options(AcceptanceOptions, options, "accept"))


def origin_of(acceptance: Acceptance) -> dict[str, Any]:
    """Everything that decides which estimates are accepted and with which confidence, as plain values."""
    calibration = hashlib.sha256(repr(acceptance.calibration).encode()).hexdigest()[:16]
    return {"accept": acceptance.policy, **asdict(acceptance.options), "calibration": calibration}


def solve_pair(
    builder: ProblemBuilder,
    solver: Solver,
    data0: ViewData,
    data1: ViewData,
    matches: Matches | None,
    seed: int,
    acceptance: Acceptance,
) -> tuple[PoseProblem, RelativePose]:
    """The problem of a pair and its pose ``cam1_from_cam0``, or a failure with its reason.

    Raises:
        InputError: the input cannot be used.
    """
    problem = builder.problem(data0, data1, matches)
    for data in (data0, data1):
        if len(data.view.keypoints) == 0:
            return problem, RelativePose.failure(f"{data.name} has no keypoints (is it of a single colour?)")
    return problem, solve(solver, problem, seed, acceptance)


def solve(solver: Solver, problem: PoseProblem, seed: int, acceptance: Acceptance) -> RelativePose:
    """The pose of a problem, judged; numbers that a solver breaks down on cost this pair only."""
    try:
        estimate = solver.solve(problem, seed)
        return accept(estimate, acceptance.calibration, acceptance.policy, acceptance.options)
    except BREAKDOWNS as error:
        return RelativePose.failure(f"the solver broke down on these numbers ({str(error).splitlines()[0]})")


def solve_pairs(
    stored: StoredPairs, solver: Solver, pairs: Sequence[Pair], seed: int, acceptance: Acceptance, num_workers: int
) -> Iterator[SolvedPair]:
    """Solve the pairs in threads (torch releases Python's lock); results come in the order of the pairs.

    Every pair has the same seed, so that its pose depends on nothing but its own input. A pair whose input is missing
    or damaged becomes a failure that says so; it costs only itself.
    """

    def solve(pair: Pair) -> SolvedPair:
        try:
            data0, data1, matches = stored.load(*pair)
            _, pose = solve_pair(stored.builder, solver, data0, data1, matches, seed, acceptance)
        except InputError as error:
            return SolvedPair(pair, RelativePose.failure(INPUT_PROBLEM + str(error)))
        return SolvedPair(pair, pose, stored.builder.checksum(data0, data1, matches))

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


def lacks_input(pose: RelativePose) -> bool:
    """Whether a pair failed because its input is missing or damaged."""
    return not pose.success and pose.reason.startswith(INPUT_PROBLEM)
