"""Named weights: the table, the cache, the download."""

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from support.published import DINOV2, ZIP, published_zip, torch_bytes

from mickey_hloc.errors import InputError, WeightsError
from mickey_hloc.io.checksum import sha256
from mickey_hloc.weights import named as weights
from mickey_hloc.weights.named import NAMES, WEIGHTS, resolve
from mickey_hloc.weights.state_file import load_state_file


def test_the_table():
    assert {"mickey", "mickey_sc", "dinov2_vits14", "dinov2_vitb14", "dinov2_vitl14"} <= set(NAMES)
    for entry in WEIGHTS.values():
        if entry.url is not None:
            assert entry.url.startswith("https://" if not entry.on_hub else "hf:")
    assert WEIGHTS["dinov2_vitl14"].file == "dinov2_vitl14_pretrain.pth"
    assert ("small" in NAMES) == (Path(weights.__file__).parents[1] / "weights" / "small.safetensors").is_file()


def test_the_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("MICKEY_HLOC_CACHE", "~/w")
    assert weights.cache_folder() == Path("~/w").expanduser()
    monkeypatch.delenv("MICKEY_HLOC_CACHE")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "_hub_dir", None, raising=False)
    assert weights.cache_folder() == tmp_path / "hub" / "mickey_hloc"


@pytest.mark.parametrize(
    "variables", [{}, {"XDG_CACHE_HOME": "/x"}, {"XDG_CACHE_HOME": "/x", "TORCH_HOME": "~/y"}, {"TORCH_HOME": "z"}]
)
def test_the_cache_folder_is_the_same_before_and_after_torch_is_loaded(variables):
    code = (
        "import sys; from mickey_hloc.weights.named import cache_folder; before = cache_folder()\n"
        "assert 'torch' not in sys.modules\n"
        "import torch; assert cache_folder() == before, (before, cache_folder())"
    )
    unset = {k: v for k, v in os.environ.items() if k not in ("XDG_CACHE_HOME", "TORCH_HOME", "MICKEY_HLOC_CACHE")}
    environment = {**unset, **variables, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    subprocess.run([sys.executable, "-c", code], env=environment, timeout=120, check=True)


def test_a_name_is_downloaded_once_and_verified_after(mirror, weights_cache):
    path = resolve("mickey", progress=False)
    assert path == weights_cache / "mickey.ckpt"
    assert path.with_name(path.name + ".sha256").read_text() == f"{sha256(path)}  {path.name}\n"
    assert resolve("mickey") == path
    assert len(mirror.requests) == 1


def test_members_of_the_published_zip(mirror, weights_cache):
    path = resolve("mickey_sc", progress=False)
    assert path == weights_cache / "mickey_sc.ckpt"
    assert load_state_file(path)["state_dict"].popitem()[0].startswith("compute_matches.")
    other = resolve("mickey", progress=False)  # came along, so that the zip is neither kept nor asked for again
    assert len(mirror.requests) == 1
    first = [load_state_file(p)["state_dict"] for p in (other, path)]
    key = "compute_matches.extractor.depth_head.resblock1.conv1.weight"
    assert [float(state[key].mean()) for state in first] == [1.0, 2.0]
    assert {p.suffix for p in weights_cache.iterdir()} <= {".ckpt", ".sha256", ".lock", ".txt"}


def test_a_broken_line_is_tried_again(mirror, weights_cache, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    mirror.files[ZIP].cuts = [len(mirror.files[ZIP].body) // 3]
    assert resolve("mickey", progress=False).is_file()
    assert len(mirror.requests) == 2


def test_the_mirror_argument_comes_first(mirror, weights_cache, monkeypatch):
    monkeypatch.setenv("MICKEY_HLOC_MIRROR", "http://127.0.0.1:9/nothing")
    assert resolve("mickey", mirror=mirror.url, progress=False).is_file()


def test_files_placed_by_hand(weights_cache, monkeypatch):
    monkeypatch.setenv("MICKEY_HLOC_MIRROR", "http://127.0.0.1:9")
    weights_cache.mkdir()
    archive = weights_cache / ZIP[1:]
    archive.write_bytes(published_zip(folder=""))
    assert resolve("mickey", progress=False).is_file()
    assert archive.is_file()  # not ours to remove
    weight = weights_cache / DINOV2[1:]
    weight.write_bytes(torch_bytes({"cls_token": torch.ones(1)}))
    assert resolve("dinov2_vits14") == weight
    assert weight.with_name(weight.name + ".sha256").is_file()


def test_a_missing_file_on_the_server(mirror, weights_cache):
    del mirror.files[ZIP]
    with pytest.raises(WeightsError) as caught:
        resolve("mickey", progress=False)
    assert f"{mirror.url}{ZIP}" in str(caught.value)
    assert str(weights_cache / ZIP[1:]) in str(caught.value)
    assert "or choose --weights small, which is bundled and needs no network" in str(caught.value)


def test_a_login_page_is_no_weights(mirror, weights_cache):
    mirror.files[ZIP].body = b"<!DOCTYPE html><title>Please log in</title>"
    with pytest.raises(WeightsError, match=r"<!DOCTYPE html.*login page"):
        resolve("mickey", progress=False)
    assert not {p.suffix for p in weights_cache.iterdir()} & {".ckpt", ".pth", ".zip", ".part", ".sha256"}


def test_local_paths(tmp_path, weights_cache):
    path = tmp_path / "own.ckpt"
    path.write_bytes(b"anything")
    assert resolve(path) == path
    assert resolve(str(path)) == path
    assert [p.name for p in tmp_path.iterdir()] == ["own.ckpt"]  # nothing is written beside a user's file
    with pytest.raises(WeightsError, match="There is no weights file"):
        resolve(str(tmp_path / "missing.ckpt"))
    with pytest.raises(WeightsError, match="is a folder"):
        resolve(tmp_path)
    with pytest.raises(InputError, match="did you mean 'mickey'"):
        resolve("micky")


def test_a_bundled_file(tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "_BUNDLED", tmp_path)
    monkeypatch.setitem(WEIGHTS, "small", weights.NamedWeights("small.safetensors", "small", "Apache-2.0", None))
    save_file({"a": torch.ones(2)}, tmp_path / "small.safetensors")
    assert resolve("small") == tmp_path / "small.safetensors"
    assert [p.name for p in tmp_path.iterdir()] == ["small.safetensors"]


def _resolve_worker(barrier, results) -> None:
    barrier.wait()
    results.put(sha256(resolve("mickey", progress=False)))


def test_two_processes_share_one_archive(mirror, weights_cache):
    context = multiprocessing.get_context("spawn")  # the environment goes along
    barrier, results = context.Barrier(2), context.Queue()
    workers = [context.Process(target=_resolve_worker, args=(barrier, results)) for _ in range(2)]
    for worker in workers:
        worker.start()
    sums = {results.get(timeout=100) for _ in workers}
    for worker in workers:
        worker.join(20)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert sums == {sha256(weights_cache / "mickey.ckpt")}
    assert len(mirror.requests) == 1
