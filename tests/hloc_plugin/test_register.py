"""Registering: once or twice, in one hloc or two, in none; and nothing of the host changes."""

import subprocess
import sys
import types
from pathlib import Path

import pytest
import torch
from support.hlocs import HOSTS, import_host

import mickey_hloc
from mickey_hloc.errors import InputError, MissingDependencyError
from mickey_hloc.features.mickey import DEFAULT_WEIGHTS
from mickey_hloc.hloc_plugin import confs, import_step
from mickey_hloc.hloc_plugin.adapters import MAX_KEYPOINTS, hloc_features
from mickey_hloc.model.mickey import MetricKeypoints

STEPS = ("extract_features", "match_features", "match_dense")


def state(host: types.ModuleType) -> dict[str, object]:
    """Everything that registering could touch."""
    found: dict[str, object] = {}
    for folder in ("extractors", "matchers"):
        found[folder] = list(import_step(host, folder).__path__)
    for step in STEPS:
        module = import_step(host, step)
        found[step] = {**module.confs}
        found[f"{step} itself"] = {k: id(v) for k, v in vars(module).items() if k != "confs"}
    return found


def test_twice_is_once(host: types.ModuleType) -> None:
    before = state(host)
    assert mickey_hloc.register(host) is host
    assert mickey_hloc.register(host.__name__) is host
    assert state(host) == before
    for folder in ("extractors", "matchers"):
        ours = [p for p in import_step(host, folder).__path__ if "mickey_hloc" in p]
        assert len(ours) == 1
        assert Path(ours[0]).name == folder


def test_our_confs_are_there(host: types.ModuleType) -> None:
    features, sparse, dense = (import_step(host, step).confs for step in STEPS)
    assert features["mickey"]["preprocessing"]["resize_max"] == 720
    assert features["mickey-1024"]["preprocessing"]["resize_max"] == 1024
    assert sparse["mickey"]["model"]["weights"] == features["mickey"]["model"]["weights"]
    assert dense["vismatch-roma"]["model"]["matcher"] == "roma"
    outputs = [conf["output"] for conf in features.values()]
    assert len(set(outputs)) == len(outputs)


def test_every_adapter_loads_as_hloc_loads_it(host: types.ModuleType) -> None:
    base = import_step(host, "utils.base_model")
    for folder, name in (("extractors", "mickey"), ("matchers", "mickey_dual_softmax"), ("matchers", "vismatch")):
        model = base.dynamic_load(import_step(host, folder), name)
        assert issubclass(model, base.BaseModel)
        assert model.__module__ == f"{host.__name__}.{folder}.{name}"


def test_two_hlocs_at_once(tmp_path: Path) -> None:
    first, second = (mickey_hloc.register(import_host(name, tmp_path)) for name in HOSTS)
    models = [
        import_step(host, "utils.base_model").dynamic_load(import_step(host, "extractors"), "mickey")
        for host in (first, second)
    ]
    assert models[0] is not models[1]
    assert not issubclass(models[0], import_step(second, "utils.base_model").BaseModel)


@pytest.mark.parametrize("name", HOSTS)
def test_nothing_of_the_host_is_replaced(name: str, tmp_path: Path) -> None:
    import_host(name, tmp_path)
    code = f"""
import importlib, sys
import mickey_hloc
assert not any(module.partition(".")[0] in ("hloc", "imcui", "torch") for module in sys.modules)
steps = [importlib.import_module("{name}." + step) for step in {STEPS}]
before = [(dict(vars(step)), dict(step.confs)) for step in steps]
theirs = list(importlib.import_module("{name}.matchers").__path__)
steps[0].confs["mickey-1024"] = "the user's own"
mickey_hloc.register("{name}")
for step, (attributes, confs) in zip(steps, before):
    assert all(vars(step)[key] is value for key, value in attributes.items())
    assert all(step.confs[key] is value for key, value in confs.items())
assert steps[0].confs["mickey-1024"] == "the user's own"
assert importlib.import_module("{name}.matchers").__path__[:len(theirs)] == theirs
"""
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, timeout=120)


def test_missing_hloc_names_the_install_line() -> None:
    with pytest.raises(MissingDependencyError, match=r"not installed; install it with: pip install git\+https"):
        mickey_hloc.register("no_such_hloc_here")


@pytest.mark.parametrize("name", ["json", "../hloc", "a folder", "hloc."])
def test_what_is_no_hloc_is_refused(name: str) -> None:
    with pytest.raises(InputError):
        mickey_hloc.register(name)


def test_module_that_is_no_hloc_is_refused() -> None:
    with pytest.raises(InputError, match="no part of an hloc"):
        mickey_hloc.register(sys.modules["json"])


def test_confs_do_not_share_state() -> None:
    confs.feature_confs()["mickey"]["model"]["weights"] = "changed"
    assert confs.feature_confs()["mickey"]["model"]["weights"] == DEFAULT_WEIGHTS


def test_other_numbers_go_to_other_files(tmp_path: Path) -> None:
    weights = tmp_path / "model.ckpt"
    weights.write_bytes(b"first training")
    first = confs.mickey_conf(weights)
    outputs = {
        first["output"],
        confs.mickey_conf()["output"],
        confs.mickey_conf(resize_max=None)["output"],
        confs.mickey_conf(weights, resize_max=1024)["output"],
        confs.mickey_conf(weights, encoder="dinov2_vits14")["output"],
        confs.mickey_conf(weights, precision="fp32")["output"],
    }
    matches = {confs.mickey_matcher_conf(weights)["output"], confs.mickey_matcher_conf()["output"]}
    matches.add(confs.mickey_matcher_conf(weights, match_threshold=0.1)["output"])
    weights.write_bytes(b"second training, same path")
    outputs.add(confs.mickey_conf(weights)["output"])
    matches.add(confs.mickey_matcher_conf(weights)["output"])
    assert len(outputs) == 7
    assert len(matches) == 4
    assert all("/" not in output and " " not in output for output in outputs | matches)


@pytest.mark.parametrize(
    "make", [lambda: confs.mickey_conf(resize_max=0), lambda: confs.mickey_matcher_conf(match_threshold=1.5)]
)
def test_impossible_values_are_refused(make: types.FunctionType) -> None:
    with pytest.raises(InputError):
        make()


def test_more_keypoints_than_hloc_can_index() -> None:
    n = MAX_KEYPOINTS + 1
    features = MetricKeypoints(torch.zeros(1, n, 2), torch.zeros(1, n), torch.zeros(1, n), torch.zeros(1, 2, n), (1, n))
    with pytest.raises(InputError, match="lower resize_max"):
        hloc_features(features)
