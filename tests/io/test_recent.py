"""Images that stay in memory, and the order of pairs that profits from it."""

from itertools import combinations

import numpy as np
import pytest

from mickey_hloc.io.recent import Recent, near_together


def reads(pairs: list[tuple[str, str]], room: int) -> int:
    """How many images are read where ``room`` of them stay in memory."""
    recent: Recent[str, bytes] = Recent(len, budget=room)
    made = []
    for pair in pairs:
        for name in pair:
            recent.get(name, lambda name=name: made.append(name) or b"x")  # type: ignore[misc, func-returns-value]
    return len(made)


def test_the_least_recently_used_value_is_forgotten() -> None:
    recent: Recent[str, bytes] = Recent(len, budget=30)
    for key in ("a", "b", "c", "a", "d"):
        recent.get(key, lambda: b"0123456789")
    made = []
    for key in ("a", "c", "d", "b"):
        recent.get(key, lambda key=key: made.append(key) or b"0123456789")  # type: ignore[misc, func-returns-value]
    assert made == ["b"]
    assert recent.room == 3


def test_both_images_of_a_pair_stay_however_large() -> None:
    recent: Recent[str, bytes] = Recent(len, budget=1)
    for key in ("a", "b"):
        recent.get(key, lambda: b"0123456789")
    assert recent.get("a", lambda: b"again") == b"0123456789"


def test_pairs_whose_images_fit_keep_their_order() -> None:
    pairs = list(combinations("dacb", 2))
    assert near_together(pairs, 4) == pairs


@pytest.mark.parametrize("room", [8, 20, 50])
def test_all_pairs_of_many_images_are_read_block_by_block(room: int) -> None:
    pairs = list(combinations([f"{i:03d}" for i in range(100)], 2))
    np.random.default_rng(0).shuffle(shuffled := list(pairs))
    ordered = near_together([tuple(p) for p in shuffled], room)
    assert sorted(ordered) == sorted(tuple(p) for p in shuffled)
    blocks = -(-100 // (room // 2))
    assert reads(ordered, room) <= (room // 2) * (blocks * (blocks + 1) // 2 + blocks)
    assert reads(ordered, room) < 0.5 * reads([tuple(p) for p in shuffled], room)
