"""Torch files: good ones, damaged ones, and pickles that would run code."""

import contextlib
import os
import pickle
import warnings
from collections import OrderedDict
from functools import cache
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.published import published_zip, torch_bytes

from mickey_hloc import cli
from mickey_hloc.errors import WeightsError
from mickey_hloc.weights.state_file import load_state_file


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


@cache  # once: torch's old format has addresses in memory in it, so that every file is another
def whole_file(is_legacy: bool) -> bytes:
    legacy = {"_use_new_zipfile_serialization": False} if is_legacy else {}
    return torch_bytes({"state_dict": {"a": torch.ones(3, 4)}, "epoch": 1}, **legacy)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.data())
def test_damaged_torch_files_load_or_raise_weights_errors(tmp_path, data):
    content = bytearray(whole_file(data.draw(st.booleans())))
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "a.ckpt"
    path.write_bytes(content[: data.draw(st.integers(len(content) // 2, len(content)))])
    with contextlib.suppress(WeightsError):  # no other error, and no crash
        assert isinstance(load_state_file(path), dict)
