"""Workers of a Ray cluster that take shards one after the other; those that are lost are replaced."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from mickey_hloc.errors import BusyError, InputError, MissingDependencyError

if TYPE_CHECKING:
    from mickey_hloc.engine.jobs import Job, ShardResult
    from mickey_hloc.engine.shards import Shard

MAX_LOSSES = 12  # of the workers of one shard: after that the shard itself is to blame
LOOK_S = 2.0  # between two looks at the cluster's size
PAUSE_S = 1.0  # before a shard is tried again that a lost worker may still be writing


class _Worker:
    """What runs on the cluster. It keeps the last job, with its network."""

    def __init__(self, folder: str, search: Sequence[str]) -> None:
        with contextlib.suppress(OSError):  # relative paths mean the same where the folder is there too
            os.chdir(folder)
        sys.path.extend(path for path in search if path not in sys.path)
        self._job: tuple[str, Any] | None = None

    def ready(self) -> str:
        """Where it runs."""
        import socket

        return f"{socket.gethostname()} (process {os.getpid()})"

    def run(self, key: str, held: Sequence[Any], shard: Shard[Any]) -> ShardResult:
        """One shard of a job, which is fetched once."""
        import ray

        if self._job is None or self._job[0] != key:
            self._job = key, ray.get(held[0])
        result: ShardResult = self._job[1].run(shard)
        return result


class RayPool:
    """Workers of a Ray cluster, one a CPU, or one a GPU where the cluster has some and the job uses them.

    Args:
        address: of the cluster ("auto", host:port, ray://host:port). None: what RAY_ADDRESS says, else a new one on
            this machine that ends with this process.

    Raises:
        InputError: no cluster there.
        MissingDependencyError: Ray is not installed.
    """

    def __init__(self, address: str | None = None) -> None:
        try:
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            import ray
        except ImportError as error:
            raise MissingDependencyError("--engine ray needs Ray: pip install 'mickey-hloc[ray]'.") from error
        self._ray = ray
        self._mine = not ray.is_initialized()
        if self._mine:
            try:
                ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
            except (ConnectionError, RuntimeError, ValueError) as error:
                raise InputError(f"No Ray cluster at {address} ({' '.join(str(error).split())[:200]}).") from error
        self.where: dict[Any, str] = {}  # workers that have answered run there
        self.gpus = 0  # of each worker
        self._idle: list[Any] = []

    def close(self) -> None:
        """Give the workers back."""
        self._drop_actors()
        if self._mine:
            self._ray.shutdown()

    def has_gpus(self) -> bool:
        """Whether the cluster has any."""
        return float(self._ray.cluster_resources().get("GPU", 0)) >= 1

    def slots(self) -> int:
        """How many workers fit on the cluster as it is now."""
        return int(self._ray.cluster_resources().get("GPU" if self.gpus else "CPU", 0))

    def run(
        self, job: Job, shards: Sequence[Shard[Any]], gpus: int, log: Callable[[str], None]
    ) -> Iterator[tuple[Shard[Any], ShardResult]]:
        """The shards with their results, as they are finished.

        Args:
            gpus: of each worker, 0 or 1.
            log: told of every start, end and loss.

        Raises:
            InputError: of the step; or a shard's workers were lost again and again.
        """
        if gpus != self.gpus:
            self._drop_actors()
            self.gpus = gpus
        run = _Run(self._ray, self, job, shards, log)
        try:
            yield from run.results()
        finally:
            run.stop()

    def take_idle(self) -> list[Any]:
        """The workers that an earlier job has left."""
        idle, self._idle = self._idle, []
        return idle

    def keep(self, actor: Any) -> None:
        """Leave a worker to the next job."""
        self._idle.append(actor)

    def start(self) -> Any:
        """A new worker, which answers when it runs."""
        options = {"num_cpus": 1, "num_gpus": self.gpus, "max_restarts": 0}
        actor = self._ray.remote(_Worker).options(**options)
        return actor.remote(os.getcwd(), [path for path in sys.path if path])

    def _drop_actors(self) -> None:
        for actor in self._idle:
            self._ray.kill(actor)
        self._idle = []


class _Run:
    """One job on the workers: who does what, what is left, and who was lost."""

    def __init__(
        self, ray: Any, pool: RayPool, job: Job, shards: Sequence[Shard[Any]], log: Callable[[str], None]
    ) -> None:
        self._ray, self._pool, self._log = ray, pool, log
        self._key, self._held = uuid.uuid4().hex, [ray.put(job)]
        self._todo: deque[tuple[float, Shard[Any]]] = deque((0.0, shard) for shard in shards)
        self._left = len(shards)
        self._idle: list[Any] = pool.take_idle()
        self._busy: dict[Any, tuple[Any, Shard[Any] | None]] = {}  # by answer: who gives it, on which shard
        self._where = pool.where
        self._losses: dict[int, int] = {}
        self._looked = -LOOK_S

    def results(self) -> Iterator[tuple[Shard[Any], ShardResult]]:
        """Until no shard is left."""
        while self._left:
            self._start_workers()
            self._hand_out()
            ready, _ = self._ray.wait(list(self._busy), num_returns=1, timeout=PAUSE_S) if self._busy else ([], [])
            if not self._busy:
                time.sleep(PAUSE_S)
            for answer in ready:
                actor, shard = self._busy.pop(answer)
                result = self._answer(answer, actor, shard)
                if shard is not None and result is not None:
                    self._left -= 1
                    yield shard, result

    def stop(self) -> None:
        """Keep the workers that are idle, end the others."""
        for actor in self._idle:
            self._pool.keep(actor)
        for actor, _ in self._busy.values():
            self._ray.kill(actor)
        self._idle, self._busy = [], {}

    def _start_workers(self) -> None:
        """As many as the cluster has room for, and shards are left."""
        if time.monotonic() - self._looked < LOOK_S:
            return
        self._looked = time.monotonic()
        wanted = min(self._pool.slots(), self._left)
        for _ in range(wanted - len(self._idle) - len(self._busy)):
            actor = self._pool.start()
            self._busy[actor.ready.remote()] = actor, None

    def _hand_out(self) -> None:
        while self._idle and self._todo and self._todo[0][0] <= time.monotonic():
            actor, (_, shard) = self._idle.pop(), self._todo.popleft()
            self._busy[actor.run.remote(self._key, self._held, shard)] = actor, shard
            self._log(f"shard {shard.number} begun by {self._where[actor]}")

    def _answer(self, answer: Any, actor: Any, shard: Shard[Any] | None) -> Any:
        """What a worker has answered; None where it was lost, or could not do it yet."""
        errors = self._ray.exceptions
        try:
            result = self._ray.get(answer)
        except errors.RayTaskError as error:
            if not isinstance(error.cause, BusyError):
                raise error.cause from None
            self._idle.append(actor)
            self._again(shard, str(error.cause))
            return None
        except errors.RayError as error:
            with contextlib.suppress(errors.RayError):
                self._ray.kill(actor)  # it may only have lost its connection: two must not write one shard
            self._looked = -LOOK_S
            where = self._where.pop(actor, "a worker that had not answered yet")
            self._again(shard, f"{where} was lost ({type(error).__name__})")
            return None
        self._idle.append(actor)
        if shard is None:
            self._where[actor] = str(result)
            self._log(f"worker {result}")
        else:
            self._log(f"shard {shard.number} done: {result.done} of {len(shard.items)}")
        return result

    def _again(self, shard: Shard[Any] | None, reason: str) -> None:
        if shard is None:
            self._log(reason)
            return
        losses = self._losses[shard.number] = self._losses.get(shard.number, 0) + 1
        self._log(f"shard {shard.number} again: {reason}")
        if losses > MAX_LOSSES:
            raise InputError(
                f"Shard {shard.number} ({shard.items[0]} to {shard.items[-1]}) could not be finished {losses} times, "
                f"the last time because {reason}; what is finished is kept: look at these images, or give workers more "
                "memory, and run the same again."
            )
        self._todo.append((time.monotonic() + PAUSE_S, shard))
