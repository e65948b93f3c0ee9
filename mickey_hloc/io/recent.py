"""What was read last stays in memory, up to a number of bytes; and pairs of images in an order that profits from it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

from mickey_hloc.io.pairs import Pair

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
BUDGET = 128 << 20  # bytes


class Recent(Generic[K, V]):
    """Values by key; the ones that were used least recently are forgotten when they take too much memory.

    Args:
        size: of a value, in bytes.
        budget: bytes of all values together; the last two stay in any case, as a pair needs both of its images.
    """

    def __init__(self, size: Callable[[V], int], budget: int = BUDGET) -> None:
        self._size, self._budget = size, budget
        self._values: OrderedDict[K, V] = OrderedDict()
        self._bytes = 0

    def get(self, key: K, make: Callable[[], V]) -> V:
        """The value of a key, made where it is not in memory."""
        if key not in self._values:
            self._values[key] = value = make()
            self._bytes += self._size(value)
            while self._bytes > self._budget and len(self._values) > 2:
                self._bytes -= self._size(self._values.popitem(last=False)[1])
        self._values.move_to_end(key)
        return self._values[key]

    @property
    def room(self) -> int:
        """About how many values fit into the memory, judged by those that are there."""
        return max(2, self._budget * len(self._values) // max(self._bytes, 1))


def near_together(pairs: Sequence[Pair], room: int) -> list[Pair]:
    """The pairs in an order in which few images are read again, where ``room`` of them stay in memory.

    Images are taken in blocks of half the room, and all pairs of two blocks follow each other: each image of the
    second block is read once and meets the whole first one. Pairs whose images all fit keep their order.
    """
    number: dict[str, int] = {}
    for pair in pairs:
        for name in pair:
            number.setdefault(name, len(number))
    if len(number) <= room:
        return list(pairs)
    block = max(1, room // 2)

    def place(pair: Pair) -> tuple[int, int, int, int]:
        low, high = sorted((number[pair[0]], number[pair[1]]))
        forth = 1 if (low // block) % 2 == 0 else -1  # and back: the last block of a row begins the next
        return low // block, forth * (high // block), high, low

    return sorted(pairs, key=place)
