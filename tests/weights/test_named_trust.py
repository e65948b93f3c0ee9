"""What the weights store does not trust: changed files, hostile archives; and the licence it shows."""

import os

import pytest
import torch
from support.loopback import Served
from support.published import DINOV2, ZIP, hostile, published_zip, torch_bytes

from mickey_hloc.errors import WeightsError
from mickey_hloc.io.checksum import sha256
from mickey_hloc.weights import named as weights
from mickey_hloc.weights.named import resolve


def test_a_file_changed_after_its_download_is_refused(mirror, weights_cache):
    path = resolve("mickey", progress=False)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="remove it to download it again") as caught:
        resolve("mickey")
    assert str(path) in str(caught.value)
    with pytest.raises(WeightsError):  # also by its path
        resolve(path)
    path.unlink()  # what the message says
    assert resolve("mickey", progress=False).is_file()


def test_a_new_download_is_held_to_the_first_checksum(mirror, weights_cache):
    path = resolve("mickey", progress=False)
    path.unlink()
    mirror.files[ZIP] = Served(published_zip(first=3.0), etag='"v2"')
    with pytest.raises(WeightsError, match=r"\.sha256 too"):
        resolve("mickey", progress=False)
    with pytest.raises(WeightsError):  # and stays refused
        resolve("mickey", progress=False)


def test_a_damaged_record(mirror, weights_cache):
    path = resolve("mickey", progress=False)
    record = path.with_name(path.name + ".sha256")
    record.write_text("")
    with pytest.raises(WeightsError, match="holds no checksum"):
        resolve("mickey")
    record.write_text(f"SHA256 ({path.name}) = {sha256(path).upper()}\n")  # other tools write it in other ways
    assert resolve("mickey") == path


def test_a_cache_that_may_only_be_read(weights_cache, monkeypatch):
    weights_cache.mkdir()
    path = weights_cache / DINOV2[1:]
    path.write_bytes(torch_bytes({"cls_token": torch.ones(1)}))

    def read_only(*args, **keywords):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", read_only)
    with pytest.warns(UserWarning, match="cannot be recorded"):
        assert resolve("dinov2_vits14") == path
    assert [p.name for p in weights_cache.iterdir()] == [path.name]


def test_a_cache_that_cannot_be_written(mirror, weights_cache):
    weights_cache.write_text("a file where the folder should be")
    with pytest.raises(WeightsError, match=r"Cannot write .*MICKEY_HLOC_CACHE"):
        resolve("mickey", progress=False)


def test_the_licence_is_shown_at_the_first_download_only(mirror, weights_cache, capsys, monkeypatch):
    resolve("mickey", progress=False)
    shown = capsys.readouterr().err
    assert "NON-COMMERCIAL" in shown
    assert "github.com/nianticlabs/mickey" in shown
    resolve("mickey_sc", progress=False)
    monkeypatch.setattr(weights, "_announced", set())  # as in a later process
    resolve("mickey", progress=False)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "name",
    ["../evil", "a/../../evil", "/evil", "..\\evil", "C:/evil", "C:\\evil", "\\\\host\\evil", "../mickey_sc.ckpt"],
)
def test_names_that_lead_outside_are_refused(mirror, weights_cache, tmp_path, name):
    before = {p for p in tmp_path.rglob("*") if weights_cache not in p.parents}
    mirror.files[ZIP] = Served(hostile(name))
    with pytest.raises(WeightsError, match="points outside") as caught:
        resolve("mickey", progress=False)
    assert str(weights_cache / ZIP[1:]) in str(caught.value)
    assert not (weights_cache / "mickey.ckpt").exists()
    assert {p for p in tmp_path.rglob("*") if weights_cache not in p.parents} - {weights_cache} == before - {
        weights_cache
    }


def test_an_archive_without_the_file(mirror, weights_cache):
    mirror.files[ZIP] = Served(hostile("readme.txt").replace(b"mickey.ckpt", b"monkey.ckpt"))
    with pytest.raises(WeightsError, match=r"has no mickey\.ckpt"):
        resolve("mickey", progress=False)
