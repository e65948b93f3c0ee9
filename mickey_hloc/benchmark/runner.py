"""Running a grid: each step once for all combinations that share it, in parallel; a failure costs its own rows only."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from mickey_hloc.benchmark import steps
from mickey_hloc.benchmark.benches import Bench, Numbers
from mickey_hloc.benchmark.grid import Combination, Grid, combinations
from mickey_hloc.benchmark.task import PoseTask
from mickey_hloc.benchmark.timing import matching_ms
from mickey_hloc.errors import MickeyHlocError
from mickey_hloc.features import Extractor
from mickey_hloc.io.signals import begin_worker, starting_workers
from mickey_hloc.two_view.method import Parts


@dataclass
class Outcome:
    """What became of a combination.

    Attributes:
        labels: of method, depth and solver.
        paper: method and depth in the paper's table.
        parts: of the method; None where its names stand for none.
        poses: poses files by part.
        numbers: the scores.
        matching_ms: milliseconds a pair.
        reason: why there are no numbers, in one sentence; empty on success.
    """

    labels: tuple[str, str, str]
    paper: tuple[str, str]
    parts: Parts | None = None
    poses: Mapping[str, Path] = field(default_factory=dict)
    numbers: Numbers = field(default_factory=dict)
    matching_ms: float | None = None
    reason: str = ""


Live = tuple[Outcome, Parts]


@dataclass(frozen=True, eq=False)
class Step:
    """A piece of work that several combinations may share. Attributes: key: what tells it from others of its stage."""

    key: str
    work: Callable[..., Any]
    arguments: tuple[Any, ...]
    outcomes: tuple[Outcome, ...]


def run_grid(grid: Grid, bench: Bench, hloc: str = "hloc", jobs: int = 1) -> list[Outcome]:
    """Run and score all combinations and the submissions of others.

    Args:
        hloc: the hloc that runs what is not ours.
        jobs: processes; each runs networks and solvers of its own.

    Returns:
        A row each, in the order of the grid.

    Raises:
        InputError: images are missing, or others than before.
    """
    bench.task.check_images()
    # Bars of several processes would overwrite each other; and what is there was checked by now.
    task = replace(bench.task, progress=jobs == 1 and bench.task.progress, workers=max(1, bench.task.workers // jobs))
    outcomes = [_resolved(combination) for combination in combinations(grid, hloc)]
    for title, stage in (("features", _features), ("matches", _matches), ("depths", _depths), ("poses", _poses)):
        _run_stage(title, list(stage(task, _alive(outcomes))), jobs, task.outputs / "errors")
    for outcome, parts in _alive(outcomes):
        results = task.outputs / f"results-{task.kind}" / parts.name
        outcome.numbers = _try(outcome, partial(bench.score, outcome.poses, results)) or {}
    for outcome, parts in _alive(outcomes):  # alone, so that nothing disturbs the measurement
        outcome.matching_ms = matching_ms(task, parts, grid.timing_pairs)
    return outcomes + [_submission(label, entry.file, entry.paper, bench) for label, entry in grid.submissions.items()]


def _resolved(combination: Combination) -> Outcome:
    outcome = Outcome(combination.labels, combination.paper)
    outcome.parts = _try(outcome, combination.method.resolve)
    return outcome


def _submission(label: str, file: str, paper: str | None, bench: Bench) -> Outcome:
    outcome = Outcome((label, "", ""), (paper or label, ""))
    outcome.numbers = _try(outcome, lambda: bench.score_file(Path(file))) or {}
    return outcome


def _try(outcome: Outcome, work: Callable[[], Any]) -> Any:
    try:
        return work()
    except MickeyHlocError as error:
        outcome.reason = str(error)
        return None


def _alive(outcomes: Iterable[Outcome]) -> list[Live]:
    """Those that nothing has failed of, with their parts."""
    return [(o, o.parts) for o in outcomes if o.parts is not None and not o.reason]


def _features(task: PoseTask, live: list[Live]) -> Iterable[Step]:
    shared: dict[str, tuple[Extractor, list[Outcome]]] = {}
    for outcome, parts in live:
        for extractor in (parts.extractor, parts.depth_extractor):
            if extractor is not None:
                shared.setdefault(extractor.tag(), (extractor, []))[1].append(outcome)
    for tag, (extractor, users) in shared.items():
        yield Step(tag, steps.make_features, (task, extractor), tuple(users))


def _matches(task: PoseTask, live: list[Live]) -> Iterable[Step]:
    matched = [(outcome, parts) for outcome, parts in live if not parts.on_descriptors]
    yield from _shared(task, matched, steps.make_matches, lambda parts: steps.matches_path(task, parts).stem)


def _depths(task: PoseTask, live: list[Live]) -> Iterable[Step]:
    def key(parts: Parts) -> str:
        extractor = parts.extractor
        keypoints = steps.matches_path(task, parts) if extractor is None else steps.features_path(task, extractor)
        return f"{keypoints.stem}, {parts.depth_tag}"

    # also without depth to sample: files of parts are made from matched images here, once
    wanted = [(o, parts) for o, parts in live if steps.needs_sampling(parts) or parts.extractor is None]
    yield from _shared(task, wanted, steps.make_depths, key)


def _poses(task: PoseTask, live: list[Live]) -> Iterable[Step]:
    yield from _shared(task, live, steps.make_poses, lambda parts: parts.name)


def _shared(task: PoseTask, live: list[Live], work: Callable[..., Any], key: Callable[[Parts], str]) -> Iterable[Step]:
    """A step for each key, of the parts that have it first."""
    users: dict[str, tuple[Parts, list[Outcome]]] = {}
    for outcome, parts in live:
        users.setdefault(key(parts), (parts, []))[1].append(outcome)
    for name, (parts, group) in users.items():
        yield Step(name, work, (task, parts), tuple(group))


def _run_stage(title: str, stage: list[Step], jobs: int, errors: Path) -> None:
    """Run the steps of a stage; what fails marks its combinations."""
    if not stage:
        return
    start = time.monotonic()
    processes = min(jobs, len(stage))
    with _executor(processes) as executor:  # anew: a process that was killed breaks its executor
        with starting_workers() if processes > 1 else nullcontext():
            futures: dict[Future[Any], Step] = {executor.submit(step.work, *step.arguments): step for step in stage}
        for number, future in enumerate(as_completed(futures), start=1):
            step, error = futures[future], future.exception()
            state = "done" if error is None else "failed"
            seconds = time.monotonic() - start
            print(f"[{title} {number}/{len(stage)}] {step.key}: {state}, {seconds:.0f} s", file=sys.stderr)
            for outcome in step.outcomes:
                if error is not None:
                    outcome.reason = _reason(error, f"{title}-{step.key}", errors)
                elif step.work is steps.make_poses:
                    outcome.poses = future.result()


def _reason(error: BaseException, name: str, errors: Path) -> str:
    """One sentence; of what no user caused, the whole story goes to a file."""
    if isinstance(error, MickeyHlocError):
        return str(error)
    path = errors / f"{name.replace('/', '-')}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]} (see {path})."


@contextmanager
def _executor(jobs: int) -> Iterator[Executor]:
    """Where steps run; what is waiting or under way is dropped when the block ends by Ctrl+C, SIGTERM or an error."""
    if jobs == 1:
        executor: Executor = ThreadPoolExecutor(1)
    else:
        context = multiprocessing.get_context("spawn")  # CUDA and HDF5 do not survive a fork
        executor = ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin, initargs=(jobs,))
    try:
        yield executor
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        for worker in multiprocessing.active_children():
            worker.terminate()
        raise
    executor.shutdown()


def _begin(jobs: int) -> None:
    import torch

    begin_worker()
    torch.set_num_threads(max(1, min(torch.get_num_threads(), (os.cpu_count() or 1) // jobs)))
