"""Running a solver over many pairs: in threads, in order, each pair with its own seed."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

from mickey_hloc.errors import InputError
from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.io.pairs import Pair
from mickey_hloc.solvers import Solver
from mickey_hloc.two_view.stored import ProblemLoader, problem_checksum

INPUT_PROBLEM = "input: "  # begins the reason of pairs that no solver has seen; a later run tries them again


@dataclass(frozen=True)
class SolvedPair:
    """A pair's pose, and a checksum of what it was made from (of the first pair only)."""

    pair: Pair
    pose: RelativePose
    checksum: str | None = None


def solve_pairs(
    loader: ProblemLoader, solver: Solver, pairs: Sequence[Pair], seed: int, num_workers: int
) -> Iterator[SolvedPair]:
    """Solve the pairs in threads (torch releases Python's lock); results come in the order of the pairs.

    A pair whose input is missing or damaged becomes a failure that says so; it costs only itself.
    """

    def solve(pair: Pair) -> SolvedPair:
        try:
            problem = loader.load(*pair)
        except InputError as error:
            return SolvedPair(pair, RelativePose.failure(INPUT_PROBLEM + str(error)))
        pose = solver.solve(problem, pair_seed(seed, *pair))
        return SolvedPair(pair, pose, problem_checksum(problem) if pair == pairs[0] else None)

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


def pair_seed(seed: int, name0: str, name1: str) -> int:
    """A seed that depends on the run's seed and the pair's names only: in [0, 2^63)."""
    digest = hashlib.sha256(f"{seed} {name0} {name1}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def lacks_input(pose: RelativePose) -> bool:
    """Whether a pair failed because its input is missing or damaged."""
    return not pose.success and pose.reason.startswith(INPUT_PROBLEM)
