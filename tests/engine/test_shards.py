"""How work is cut into shards, and where they are kept; no Ray needed."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mickey_hloc.engine.shards import ShardFolder, split
from mickey_hloc.engine.store import Store, fetched
from mickey_hloc.errors import InputError


@given(st.lists(st.integers(1, 9), min_size=1, max_size=60), st.integers(1, 80))
def test_units_stay_whole_and_in_order(sizes: list[int], count: int) -> None:
    items = iter(range(sum(sizes)))
    units = [[next(items) for _ in range(size)] for size in sizes]
    shards = split(units, count)
    assert [item for shard in shards for item in shard.items] == [item for unit in units for item in unit]
    assert [shard.number for shard in shards] == list(range(len(shards)))
    assert len(shards) <= min(count, len(units))
    assert all(shard.items for shard in shards)
    borders = {unit[0] for unit in units}
    assert all(shard.items[0] in borders for shard in shards)


def test_single_items_are_spread_evenly() -> None:
    assert {len(shard.items) for shard in split([[i] for i in range(100)], 7)} == {14, 15}


@pytest.mark.parametrize("kind", ["folder", "url"])
def test_a_store_keeps_what_a_step_wrote(tmp_path: Path, kind: str) -> None:
    store = Store(tmp_path / "shards" if kind == "folder" else f"file://{tmp_path}/shards")
    assert not store.has("0.h5")
    for text in ("first", "second"):
        with store.working("0.h5", "0.h5") as path:
            assert not path.exists() if text == "first" else path.read_text() == "first"
            path.write_text(text)
    (tmp_path / "scratch").mkdir()
    assert store.local("0.h5", tmp_path / "scratch").read_text() == "second"
    store.write_text("plan.json", "{}")
    assert store.read_text("plan.json") == "{}"
    assert store.read_text("other") is None
    store.remove()
    assert not store.has("0.h5")


def test_what_fails_on_a_worker_is_not_uploaded(tmp_path: Path) -> None:
    store = Store(f"file://{tmp_path}/shards")
    with pytest.raises(ZeroDivisionError), store.working("0.h5", "0.h5") as path:
        path.write_text(str(1 / 0))
    assert not store.has("0.h5")


def test_inputs_of_a_store_are_fetched_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "pairs.txt").write_text("a b\n")
    place = Store(f"file://{tmp_path}/bucket").publish(tmp_path / "pairs.txt")
    assert isinstance(place, str)
    first = fetched(place)
    state = first.stat().st_mtime_ns
    assert first.read_text() == "a b\n"
    assert fetched(place).stat().st_mtime_ns == state
    assert Store(tmp_path / "shards").publish(tmp_path / "pairs.txt") == tmp_path / "pairs.txt"


def test_unknown_urls_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no URL that can be read"):
        Store("nosuch://bucket/shards").has("0.h5")


def test_plan_and_log_are_beside_the_output(tmp_path: Path) -> None:
    folder = ShardFolder(tmp_path / "feats.h5")
    assert folder.old_plan() is None
    folder.write_plan(3, "abc")
    folder.log("shard 0 done")
    assert ShardFolder(tmp_path / "feats.h5").old_plan() == (3, "abc")
    assert "shard 0 done" in (tmp_path / "feats.h5.shards" / "log.txt").read_text()
    folder.remove()
    assert list(tmp_path.iterdir()) == []
