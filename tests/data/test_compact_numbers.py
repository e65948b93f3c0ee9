"""The compact set is what make.py makes of the full one, is small, and holds numbers only."""

from pathlib import Path

import numpy as np
from make import make

MAX_BYTES = 500_000


def recorded_files(folder: Path) -> dict[str, Path]:
    paths = (path for path in folder.rglob("*.*") if path.suffix in {".npz", ".txt", ".json", ".zip"})
    return {path.relative_to(folder).as_posix(): path for path in paths}


def test_it_is_made_from_the_full_set(compact: Path, golden: Path, tmp_path: Path) -> None:
    make(golden, tmp_path)
    made, kept = recorded_files(tmp_path), recorded_files(compact)
    assert set(made) == set(kept)
    for name, path in made.items():
        if path.suffix != ".npz":
            assert path.read_bytes() == kept[name].read_bytes(), name
            continue
        with np.load(path) as again, np.load(kept[name]) as z:
            assert set(again.files) == set(z.files)
            for key in z.files:
                assert_same(again[key], z[key], f"{name}: {key}")


def assert_same(made: np.ndarray, kept: np.ndarray, what: str) -> None:
    """Equal, but for the last digits that another numpy may round otherwise."""
    assert made.dtype == kept.dtype, what
    if kept.dtype.kind == "f":
        np.testing.assert_allclose(made, kept, rtol=1e-5, atol=1e-6 * np.abs(kept).max(), err_msg=what)
    else:
        np.testing.assert_array_equal(made, kept, err_msg=what)


def test_it_is_small_and_has_no_images(compact: Path) -> None:
    kept = recorded_files(compact)
    others = {path.suffix for path in compact.rglob("*.*") if path not in kept.values()}
    assert others <= {".py", ".md", ".pyc"}
    assert sum(path.stat().st_size for path in kept.values()) <= MAX_BYTES
