"""Pairs of a sequence."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mickey_hloc.errors import InputError
from mickey_hloc.io import pairs_from_sequence
from mickey_hloc.io.pairs import read_pairs
from mickey_hloc.io.pairs_from_sequence import sequential_pairs


def test_numbers_are_numbers_and_folders_stay_apart(tmp_path: Path) -> None:
    names = ["b/frame10.jpg", "a/frame1.jpg", "b/frame9.jpg", "a/frame2.jpg", "b/frame100.jpg"]
    assert read_pairs(pairs_from_sequence.main(tmp_path / "pairs.txt", names, overlap=1)) == [
        ("a/frame1.jpg", "a/frame2.jpg"),
        ("b/frame9.jpg", "b/frame10.jpg"),
        ("b/frame10.jpg", "b/frame100.jpg"),
    ]


@given(n=st.integers(2, 30), overlap=st.integers(1, 40))
def test_every_image_with_the_next_ones_once(n: int, overlap: int) -> None:
    pairs = sequential_pairs([f"{i:03d}.jpg" for i in range(n)], overlap)
    steps = [int(b[:3]) - int(a[:3]) for a, b in pairs]
    assert len(set(pairs)) == len(pairs) == sum(min(overlap, n - 1 - i) for i in range(n))
    assert set(steps) == set(range(1, min(overlap, n - 1) + 1))


def test_no_pairs_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="overlap is 0"):
        sequential_pairs(["a.jpg", "b.jpg"], 0)
    with pytest.raises(InputError, match="no pairs"):
        pairs_from_sequence.main(tmp_path / "pairs.txt", ["a/1.jpg", "b/1.jpg"])
    assert not list(tmp_path.iterdir())
