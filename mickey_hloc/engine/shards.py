"""A step's images or pairs in shards, each a resumable file of the step; and a log of what became of them."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from mickey_hloc.engine.store import Place, Store
from mickey_hloc.errors import InputError
from mickey_hloc.io.json_text import parse_json

T = TypeVar("T")
PLAN, LOG = "plan.json", "log.txt"


@dataclass(frozen=True)
class Shard(Generic[T]):
    """A piece of the work. Attributes: number: from 0. items: names of images, or pairs."""

    number: int
    items: Sequence[T]

    @property
    def name(self) -> str:
        """Its files' name, without an end."""
        return f"{self.number:06d}"


def split(units: Sequence[Sequence[T]], count: int) -> list[Shard[T]]:
    """Shards of neighbouring units, which stay whole, with about as many items each.

    Args:
        units: what must not be parted: single items, or the batches of a GPU.
        count: of the shards; fewer where there are fewer units.
    """
    total = sum(len(unit) for unit in units)
    count = max(1, min(count, len(units)))
    shards: list[Shard[T]] = []
    items: list[T] = []
    seen = 0
    for unit in units:
        items.extend(unit)
        seen += len(unit)
        if seen * count >= total * (len(shards) + 1):
            shards.append(Shard(len(shards), items))
            items = []
    return shards


class ShardFolder:
    """The place beside an output where its shards grow, ``<output>.shards/``, or that folder of an object store.

    Args:
        output: the file that the shards become.
        store: another place for the shards.
    """

    def __init__(self, output: Path, store: Place | None = None) -> None:
        self.folder = output.absolute().with_name(f"{output.name}.shards")
        where: Place = self.folder
        if store is not None:
            where = f"{store.rstrip('/')}/{self.folder.name}" if isinstance(store, str) else store / self.folder.name
        self.store = Store(where.absolute() if isinstance(where, Path) else where)
        self._log = self.folder / LOG

    def old_plan(self) -> tuple[int, str] | None:
        """How many shards an earlier run planned, and of what; None where there was none."""
        text = self.store.read_text(PLAN)
        if text is None:
            return None
        try:
            plan = parse_json(text)
            return int(plan["shards"]), str(plan["items"])
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            raise InputError(f"{PLAN} among the shards in {self.folder} is damaged; delete the folder.") from error

    def write_plan(self, count: int, items: str) -> None:
        """Remember the plan for a later run."""
        self.store.write_text(PLAN, json.dumps({"shards": count, "items": items}))

    def log(self, line: str) -> None:
        """Add a line to the log."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}\n")

    def remove(self) -> None:
        """Remove shards, plan and log."""
        self.store.remove()
        Store(self.folder).remove()


def items_digest(items: Iterable[object]) -> str:
    """A checksum of a list of names or pairs."""
    digest = hashlib.sha256()
    for item in items:
        digest.update(f"{item!r}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:16]
