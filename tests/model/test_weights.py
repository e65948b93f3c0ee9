"""Named weights: the cache, checksums, hostile files, the command."""

import contextlib
import io
import multiprocessing
import os
import pickle
import stat
import warnings
import zipfile
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loopback import Served, serving
from safetensors.torch import save_file

from mickey_hloc import cli
from mickey_hloc.errors import InputError, WeightsError
from mickey_hloc.io.checksum import sha256
from mickey_hloc.io.zip_members import extract_members
from mickey_hloc.model import weights
from mickey_hloc.model.describe import HeadWidths, describe
from mickey_hloc.model.weights import NAMES, WEIGHTS, load_state_file, resolve

DINOV2 = "/dinov2_vits14_pretrain.pth"
ZIP = "/mickey_weights.zip"


def torch_bytes(content: object, **options) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


def checkpoint(value: float) -> dict:
    head = {
        "resblock1.conv1.weight": torch.full((8, 12, 3, 3), value),
        "resblock2.conv1.weight": torch.zeros(6, 8, 3, 3),
        "att_layer.layers.0.q_proj.weight": torch.zeros(6, 6),
        "att_layer.layers.1.q_proj.weight": torch.zeros(6, 6),
    }
    state = {f"compute_matches.extractor.depth_head.{k}": v for k, v in head.items()}
    return {"epoch": 3, "pytorch-lightning_version": "2.0.6", "state_dict": state, "callbacks": {}}


def published_zip(folder: str = "mickey_weights/") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(folder + "curriculum_learning.yaml", "a: 1\n")
        file.writestr(folder + "mickey.ckpt", torch_bytes(checkpoint(1.0)))
        file.writestr(folder + "mickey_sc.ckpt", torch_bytes(checkpoint(2.0)))
        file.writestr("__MACOSX/" + folder + "._mickey.ckpt", b"resource fork")
    return buffer.getvalue()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("MICKEY_HLOC_CACHE", str(folder))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(weights, "_announced", set())
    return folder


@pytest.fixture
def server(cache: Path, monkeypatch: pytest.MonkeyPatch):
    with serving() as running:
        monkeypatch.setenv("MICKEY_HLOC_MIRROR", running.url + "/")
        running.files[ZIP] = Served(published_zip())
        running.files[DINOV2] = Served(torch_bytes({"cls_token": torch.ones(1, 1, 384)}))
        yield running


# --- names, cache, download -------------------------------------------------------------------------------------------


def test_the_table():
    assert {"mickey", "mickey_sc", "dinov2_vits14", "dinov2_vitb14", "dinov2_vitl14"} <= set(NAMES)
    for entry in WEIGHTS.values():
        if entry.url is not None:
            assert entry.url.startswith("https://")
    assert WEIGHTS["dinov2_vitl14"].url.endswith("/dinov2/dinov2_vitl14/dinov2_vitl14_pretrain.pth")
    assert ("small" in NAMES) == (Path(weights.__file__).parents[1] / "weights" / "small.safetensors").is_file()


def test_the_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("MICKEY_HLOC_CACHE", "~/w")
    assert weights.cache_folder() == Path("~/w").expanduser()
    monkeypatch.delenv("MICKEY_HLOC_CACHE")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "_hub_dir", None, raising=False)
    assert weights.cache_folder() == tmp_path / "hub" / "mickey_hloc"


def test_a_name_is_downloaded_once_and_verified_after(server, cache):
    path = resolve("dinov2_vits14", progress=False)
    assert path == cache / DINOV2[1:]
    assert path.with_name(path.name + ".sha256").read_text() == f"{sha256(path)}  {path.name}\n"
    assert resolve("dinov2_vits14") == path
    assert len(server.requests) == 1
    assert load_state_file(path)["cls_token"].shape == (1, 1, 384)


def test_members_of_the_published_zip(server, cache):
    path = resolve("mickey_sc", progress=False)
    assert path == cache / "mickey_sc.ckpt"
    assert load_state_file(path)["state_dict"].popitem()[0].startswith("compute_matches.")
    other = resolve("mickey", progress=False)  # came along, so that the zip is neither kept nor asked for again
    assert len(server.requests) == 1
    first = [load_state_file(p)["state_dict"] for p in (other, path)]
    key = "compute_matches.extractor.depth_head.resblock1.conv1.weight"
    assert [float(state[key].mean()) for state in first] == [1.0, 2.0]
    assert {p.suffix for p in cache.iterdir()} <= {".ckpt", ".sha256", ".lock", ".txt"}


def test_a_broken_line_resumes_through_resolve(server, cache, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    size = len(server.files[ZIP].body)
    server.files[ZIP].cuts = [size // 3]
    assert resolve("mickey", progress=False).is_file()
    assert [(r.first_byte, r.sent) for r in server.requests] == [(None, size // 3), (size // 3, size - size // 3)]


def test_the_mirror_argument_comes_first(server, cache, monkeypatch):
    monkeypatch.setenv("MICKEY_HLOC_MIRROR", "http://127.0.0.1:9/nothing")
    assert resolve("dinov2_vits14", mirror=server.url, progress=False).is_file()


def test_files_placed_by_hand(cache, monkeypatch):
    monkeypatch.setenv("MICKEY_HLOC_MIRROR", "http://127.0.0.1:9")
    cache.mkdir()
    archive = cache / ZIP[1:]
    archive.write_bytes(published_zip(folder=""))
    assert resolve("mickey", progress=False).is_file()
    assert archive.is_file()  # not ours to remove
    weight = cache / DINOV2[1:]
    weight.write_bytes(torch_bytes({"cls_token": torch.ones(1)}))
    assert resolve("dinov2_vits14") == weight
    assert weight.with_name(weight.name + ".sha256").is_file()


def test_a_missing_file_on_the_server(server, cache):
    del server.files[DINOV2]
    with pytest.raises(WeightsError) as caught:
        resolve("dinov2_vits14", progress=False)
    assert f"{server.url}{DINOV2}" in str(caught.value)
    assert str(cache / DINOV2[1:]) in str(caught.value)


@pytest.mark.parametrize("name", ["mickey", "dinov2_vits14"])
def test_a_login_page_is_no_weights(server, cache, name):
    for served in server.files.values():
        served.body = b"<!DOCTYPE html><title>Please log in</title>"
    with pytest.raises(WeightsError, match=r"<!DOCTYPE html.*login page"):
        resolve(name, progress=False)
    assert not {p.suffix for p in cache.iterdir()} & {".ckpt", ".pth", ".zip", ".part", ".sha256"}


def test_local_paths(tmp_path, cache):
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


def test_two_processes_share_one_archive(server, cache):
    context = multiprocessing.get_context("spawn")  # the environment goes along
    barrier, results = context.Barrier(2), context.Queue()
    workers = [context.Process(target=_resolve_worker, args=(barrier, results)) for _ in range(2)]
    for worker in workers:
        worker.start()
    sums = {results.get(timeout=100) for _ in workers}
    for worker in workers:
        worker.join(20)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert sums == {sha256(cache / "mickey.ckpt")}
    assert len(server.requests) == 1


# --- checksums --------------------------------------------------------------------------------------------------------


def test_a_file_changed_after_its_download_is_refused(server, cache):
    path = resolve("dinov2_vits14", progress=False)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="remove it to download it again") as caught:
        resolve("dinov2_vits14")
    assert str(path) in str(caught.value)
    with pytest.raises(WeightsError):  # also by its path
        resolve(path)
    path.unlink()  # what the message says
    assert resolve("dinov2_vits14", progress=False).is_file()


def test_a_new_download_is_held_to_the_first_checksum(server, cache):
    path = resolve("dinov2_vits14", progress=False)
    path.unlink()
    server.files[DINOV2] = Served(torch_bytes({"cls_token": torch.zeros(1, 1, 384)}), etag='"v2"')
    with pytest.raises(WeightsError, match=r"\.sha256 too"):
        resolve("dinov2_vits14", progress=False)
    with pytest.raises(WeightsError):  # and stays refused
        resolve("dinov2_vits14", progress=False)


def test_a_damaged_record(server, cache):
    path = resolve("dinov2_vits14", progress=False)
    record = path.with_name(path.name + ".sha256")
    record.write_text("")
    with pytest.raises(WeightsError, match="holds no checksum"):
        resolve("dinov2_vits14")
    record.write_text(f"SHA256 ({path.name}) = {sha256(path).upper()}\n")  # other tools write it in other ways
    assert resolve("dinov2_vits14") == path


def test_a_cache_that_may_only_be_read(cache, monkeypatch):
    cache.mkdir()
    path = cache / DINOV2[1:]
    path.write_bytes(torch_bytes({"cls_token": torch.ones(1)}))

    def read_only(*args, **keywords):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", read_only)
    with pytest.warns(UserWarning, match="cannot be recorded"):
        assert resolve("dinov2_vits14") == path
    assert [p.name for p in cache.iterdir()] == [path.name]


def test_a_cache_that_cannot_be_written(server, cache):
    cache.write_text("a file where the folder should be")
    with pytest.raises(WeightsError, match=r"Cannot write .*MICKEY_HLOC_CACHE"):
        resolve("dinov2_vits14", progress=False)


# --- licence ----------------------------------------------------------------------------------------------------------


def test_the_licence_is_shown_at_the_first_download_only(server, cache, capsys, monkeypatch):
    resolve("mickey", progress=False)
    shown = capsys.readouterr().err
    assert "NON-COMMERCIAL" in shown
    assert "github.com/nianticlabs/mickey" in shown
    resolve("mickey_sc", progress=False)
    monkeypatch.setattr(weights, "_announced", set())  # as in a later process
    resolve("mickey", progress=False)
    assert capsys.readouterr().err == ""


def test_other_licences_need_no_notice(server, cache, capsys):
    resolve("dinov2_vits14", progress=False)
    assert capsys.readouterr().err == ""


# --- hostile archives -------------------------------------------------------------------------------------------------


def hostile(name: str, content: bytes = b"x", mode: int | None = None) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("mickey.ckpt", torch_bytes(checkpoint(1.0)))
        entry = zipfile.ZipInfo(name)
        if mode is not None:
            entry.create_system, entry.external_attr = 3, mode << 16
        file.writestr(entry, content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "name",
    ["../evil", "a/../../evil", "/evil", "..\\evil", "C:/evil", "C:\\evil", "\\\\host\\evil", "../mickey_sc.ckpt"],
)
def test_names_that_lead_outside_are_refused(server, cache, tmp_path, name):
    before = {p for p in tmp_path.rglob("*") if cache not in p.parents}
    server.files[ZIP] = Served(hostile(name))
    with pytest.raises(WeightsError, match="points outside") as caught:
        resolve("mickey", progress=False)
    assert str(cache / ZIP[1:]) in str(caught.value)
    assert not (cache / "mickey.ckpt").exists()
    assert {p for p in tmp_path.rglob("*") if cache not in p.parents} - {cache} == before - {cache}


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_are_refused(tmp_path, kind):
    path = tmp_path / "a.zip"
    path.write_bytes(hostile("mickey_sc.ckpt", b"/etc/passwd", kind | 0o777))
    with pytest.raises(WeightsError, match="link or a device"):
        extract_members(path, {"mickey_sc.ckpt": tmp_path / "out"}, progress=False)
    assert [p.name for p in tmp_path.iterdir()] == ["a.zip"]


def bomb(size: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("mickey.ckpt", bytes(size))
    return buffer.getvalue()


def test_bombs_are_refused(tmp_path):
    path, out = tmp_path / "a.zip", {"mickey.ckpt": tmp_path / "mickey.ckpt"}
    path.write_bytes(bomb(2_000_000))
    with pytest.raises(WeightsError, match=r"unpacks to 2000000 from \d+ bytes"):
        extract_members(path, out, progress=False)
    path.write_bytes(hostile("mickey_sc.ckpt", bytes(2000)))
    with pytest.raises(WeightsError, match="above 1000"):
        extract_members(path, {"mickey_sc.ckpt": tmp_path / "x"}, max_bytes=1000, progress=False)
    assert [p.name for p in tmp_path.iterdir()] == ["a.zip"]


def test_a_bomb_that_lies_about_its_size_is_stopped(tmp_path):
    content = bytearray(bomb(2_000_000))
    for position in (content.find(b"PK\x03\x04") + 22, content.find(b"PK\x01\x02") + 24):
        assert int.from_bytes(content[position : position + 4], "little") == 2_000_000
        content[position : position + 4] = (5000).to_bytes(4, "little")
    path = tmp_path / "a.zip"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="not a readable zip file"):
        extract_members(path, {"mickey.ckpt": tmp_path / "mickey.ckpt"}, progress=False)
    assert [p.name for p in tmp_path.iterdir()] == ["a.zip"]


def test_too_many_entries_and_twins(tmp_path):
    path, out = tmp_path / "a.zip", {"mickey.ckpt": tmp_path / "mickey.ckpt"}
    with zipfile.ZipFile(path, "w") as file:
        for folder in "ab":
            file.writestr(f"{folder}/mickey.ckpt", b"1")
    with pytest.raises(WeightsError, match="2 files named"):
        extract_members(path, out, progress=False)
    with zipfile.ZipFile(path, "w") as file:
        for number in range(1001):
            file.writestr(str(number), b"")
    with pytest.raises(WeightsError, match="1001 entries"):
        extract_members(path, out, progress=False)


def test_an_archive_without_the_file(server, cache):
    server.files[ZIP] = Served(hostile("readme.txt").replace(b"mickey.ckpt", b"monkey.ckpt"))
    with pytest.raises(WeightsError, match=r"has no mickey\.ckpt"):
        resolve("mickey", progress=False)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damaged_archives_give_the_file_or_an_error(tmp_path, data):
    content = bytearray(hostile("folder/notes.txt"))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path, out = tmp_path / "a.zip", tmp_path / "mickey.ckpt"
    out.unlink(missing_ok=True)
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        found = extract_members(path, {"mickey.ckpt": out}, progress=False)
    except WeightsError:
        found = []
    assert out.exists() == (found == ["mickey.ckpt"])
    if found:
        assert out.read_bytes() == torch_bytes(checkpoint(1.0))  # zipfile compares the CRC
    assert {p.name for p in tmp_path.iterdir()} <= {"a.zip", "mickey.ckpt"}


# --- state files ------------------------------------------------------------------------------------------------------


class Evil:
    """Touches a file when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return (os.system, (f"touch {self.trace}",))


def evil_files(trace: Path) -> dict[str, bytes]:
    state = {"a": torch.ones(2), "b": Evil(trace)}
    return {
        "torch": torch_bytes(state),
        "legacy torch": torch_bytes(state, _use_new_zipfile_serialization=False),
        "lightning": torch_bytes({"state_dict": {"a": torch.ones(2)}, "hyper_parameters": Evil(trace)}),
        "pickle 2": pickle.dumps(state["b"], protocol=2),
        "pickle 4": pickle.dumps(state["b"], protocol=4),
    }


@pytest.mark.parametrize("kind", ["torch", "legacy torch", "lightning", "pickle 2", "pickle 4"])
def test_a_pickle_that_would_run_code_is_refused(tmp_path, kind, capfd):
    trace, path = tmp_path / "trace", tmp_path / "evil.ckpt"
    path.write_bytes(evil_files(trace)[kind])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(WeightsError) as caught:
            load_state_file(path)
    assert str(path) in str(caught.value)
    if "pickle 4" not in kind:
        assert "could run code" in str(caught.value)
    assert not trace.exists()
    assert cli.main(["weights", "info", str(path)]) == 2
    assert len(capfd.readouterr().err.splitlines()) == 1
    assert not trace.exists()


def test_the_evil_files_are_evil(tmp_path):
    """The test above would pass on harmless files as well."""
    path = tmp_path / "evil.ckpt"
    path.write_bytes(evil_files(tmp_path / "trace")["torch"])
    torch.load(path, weights_only=False)
    assert (tmp_path / "trace").exists()


@pytest.mark.parametrize("options", [{}, {"_use_new_zipfile_serialization": False}])
@pytest.mark.parametrize("mmap", [False, True])
def test_good_state_files(tmp_path, options, mmap):
    path = tmp_path / "a.pth"
    state = OrderedDict(a=torch.arange(6.0).reshape(2, 3), b=torch.nn.Parameter(torch.ones(2, dtype=torch.float16)))
    path.write_bytes(torch_bytes(state, **options))
    loaded = load_state_file(path, mmap=mmap)
    assert type(loaded) is dict
    torch.testing.assert_close(loaded["a"], state["a"])
    assert loaded["b"].dtype == torch.float16


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([torch.ones(1)], "holds no weights"),
        ({}, "holds no weights"),
        (torch.ones(2), "holds no weights"),
        ({"state_dict": 3}, "holds no weights"),
        ({"state_dict": {"a": 3}}, "'a' is not a tensor but int"),
        ({"model": {"a": torch.ones(1)}}, "'model' is not a tensor but dict"),
        ({1: torch.ones(1)}, "'1' is not"),
    ],
)
def test_torch_files_without_weights(tmp_path, content, message):
    path = tmp_path / "a.ckpt"
    path.write_bytes(torch_bytes(content))
    with pytest.raises(WeightsError, match=message):
        load_state_file(path)


@pytest.mark.parametrize("content", [b"", b"\x80", b"PK\x03\x04", b"hello world" * 99, b"\x80\x02}q\x00.", bytes(500)])
def test_files_that_are_no_torch_files(tmp_path, content):
    path = tmp_path / "a.ckpt"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"a\.ckpt"):
        load_state_file(path)
    with pytest.raises(WeightsError, match="No such file"):
        load_state_file(tmp_path / "missing.ckpt")
    with pytest.raises(WeightsError, match="directory"):
        load_state_file(tmp_path)


def test_packed_archives_are_no_torch_files(tmp_path):
    path = tmp_path / "mickey_weights.zip"
    path.write_bytes(published_zip())
    with pytest.raises(WeightsError, match="packed zip archive"):
        load_state_file(path)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damaged_torch_files_load_or_raise_weights_errors(tmp_path, data):
    legacy = {"_use_new_zipfile_serialization": False} if data.draw(st.booleans()) else {}
    content = bytearray(torch_bytes({"state_dict": {"a": torch.ones(3, 4)}, "epoch": 1}, **legacy))
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "a.ckpt"
    path.write_bytes(content[: data.draw(st.integers(len(content) // 2, len(content)))])
    with contextlib.suppress(WeightsError):  # no other error, and no crash
        assert isinstance(load_state_file(path), dict)


# --- the command ------------------------------------------------------------------------------------------------------


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    status = cli.main(["weights", *arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_list_download_list(server, cache, capsys):
    status, before, _ = run(capsys, "list")
    assert status == 0
    assert [line.split()[0] for line in before.splitlines()[1:-1]] == list(NAMES)
    assert str(cache) in before
    status, out, err = run(capsys, "download", "dinov2_vits14", "mickey")
    assert status == 0
    assert "NON-COMMERCIAL" in err
    assert f"sha256 {sha256(cache / 'mickey.ckpt')}" in out
    _, after, _ = run(capsys, "list")
    here = {line.split()[0] for line in after.splitlines()[1:-1] if " yes " in line}
    assert here == {"mickey", "mickey_sc", "dinov2_vits14"} | ({"small"} & set(NAMES))


def test_download_of_an_unknown_name_downloads_nothing(server, cache, capsys):
    status, out, err = run(capsys, "download", "mickey", "micky")
    assert (status, out) == (2, "")
    assert "did you mean 'mickey'" in err
    assert server.requests == []


def test_download_from_another_mirror(cache, capsys):
    with serving() as other:
        other.files[DINOV2] = Served(torch_bytes({"a": torch.ones(1)}))
        assert run(capsys, "download", "dinov2_vits14", "--mirror", other.url)[0] == 0


def test_info_of_a_name(server, cache, capsys):
    status, out, _ = run(capsys, "info", "mickey")
    assert status == 0
    assert "weights download mickey" in out
    assert server.requests == []  # looking does not download
    run(capsys, "download", "mickey")
    _, out, _ = run(capsys, "info", "mickey")
    assert "non-commercial" in out
    assert f"{sha256(cache / 'mickey.ckpt')} (as recorded)" in out
    assert "made for 12 channels" in out
    assert "depth_head: widths 8 6, 2 self-attention layers" in out
    assert "pytorch-lightning_version = 2.0.6" in out


def test_info_of_files(tmp_path, capsys):
    encoder = {
        "cls_token": torch.zeros(1, 1, 16),
        "patch_embed.proj.weight": torch.zeros(16, 3, 14, 14),
        **{f"blocks.{i}.norm1.weight": torch.zeros(16) for i in range(12)},
        "scale": torch.zeros(()),
    }
    torch.save(encoder, tmp_path / "a.pth")
    save_file(encoder, tmp_path / "a.safetensors", metadata={"note": "two\nlines \x1b[31m"})
    for name, format_ in (("a.pth", "state dict (torch)"), ("a.safetensors", "safetensors")):
        status, out, _ = run(capsys, "info", str(tmp_path / name))
        assert status == 0
        assert f"format   {format_}" in out
        assert "16 channels, 12 blocks" in out
        assert "\x1b" not in out
        _, out, _ = run(capsys, "info", "--tensors", str(tmp_path / name))
        assert "  blocks.11.norm1.weight  16\n" in out
        assert "  scale  scalar\n" in out
    assert "metadata note = two?lines ?[31m" in out


@pytest.mark.parametrize("suffix", [".ckpt", ".safetensors", ".pth", ".txt"])
def test_info_of_what_is_no_weights_file(tmp_path, capsys, suffix):
    for content in (b"", b"not weights", b"\xff" * 100):
        path = tmp_path / f"a{suffix}"
        path.write_bytes(content)
        status, out, err = run(capsys, "info", str(path))
        assert (status, out) == (2, "")
        assert str(path) in err
        assert len(err.splitlines()) == 1


def test_recorded_checkpoints_are_described(golden):
    description = describe(golden / "mickey_tiny.ckpt")
    assert set(description.heads) == {"det_offset", "depth_head", "det_head", "dsc_head"}
    assert len({head.channels_in for head in description.heads.values()}) == 1
    assert all(isinstance(head, HeadWidths) and len(head.widths) == 4 for head in description.heads.values())
    assert description.encoder is None
    channels, blocks = describe(golden / "encoder.pth").encoder
    assert channels == description.heads["depth_head"].channels_in
    assert blocks > 0
