"""Wrong options, hostile checkpoints and a second training on one folder: one sentence before anything is trained."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from support.tiny_training import tiny_values

pytest.importorskip("lightning")
pytest.importorskip("tensorboard")

from mickey_hloc.errors import InputError, WeightsError
from mickey_hloc.registry import make_options
from mickey_hloc.training.options import TrainConfig
from mickey_hloc.training.resuming import WholeCheckpoints, sole_training, vet_checkpoint
from mickey_hloc.training.run import _in_worker, make_trainer

EXPECTED = {"a.weight": torch.zeros(2, 3)}
WHOLE = {
    **{"epoch": 1, "global_step": 2, "pytorch-lightning_version": "2.4.0", "state_dict": EXPECTED},
    **{"loops": {}, "optimizer_states": [], "lr_schedulers": []},
}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("optimizer__lr", -1e-4, "lr must be a positive number"),
        ("optimizer__lr", "fast", "lr .*must be a number"),
        ("optimizer__lr", float("inf"), "lr must be a positive number"),
        ("optimizer__clip_norm", -1, "clip_norm must be 0"),
        ("seed", -1, "seed must be at least 0"),
        ("seed", 2**32, "seed must be at least 0"),
        ("seed", "x", "seed .*must be a whole number"),
        ("trainer__max_epochs", 0, "max_epochs must be at least 1"),
        ("trainer__threads", -2, "threads must be 0 or more"),
        ("trainer__accumulate", 0, "accumulate must be at least 1"),
        ("validation__every_epochs", 0, "every_epochs must be at least 1"),
        ("name", "../../escape", "name must be the name of a folder inside output"),
        ("name", "/tmp/escape", "name must be the name of a folder inside output"),
        ("name", "", "name must be the name of a folder inside output"),
        ("export_pool", 0, "export_pool must be at least 1"),
    ],
)
def test_wrong_values_are_named(tmp_path: Path, key: str, value: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_options(TrainConfig, tiny_values(tmp_path, tmp_path / "runs", **{key: value}), "")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("accelerator", "abacus"),
        ("accelerator", "tpu"),
        ("precision", "3-bit"),
        ("strategy", "hope"),
        ("devices", "many"),
        ("devices", 0),
    ],
)
def test_what_lightning_does_not_know_is_one_sentence(tmp_path: Path, key: str, value: object) -> None:
    values = tiny_values(tmp_path, tmp_path / "runs", **{f"trainer__{key}": value})
    with pytest.raises(InputError, match="trainer cannot run with these values") as caught:
        make_trainer(make_options(TrainConfig, values, ""), tmp_path)
    assert "\n" not in str(caught.value)


def test_a_whole_checkpoint_is_gone_on_from(tmp_path: Path) -> None:
    torch.save(WHOLE, tmp_path / "last.ckpt")
    vet_checkpoint(tmp_path / "last.ckpt", EXPECTED)


class Evil:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> tuple:
        return (open, (self.path, "w"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content, folder: content[: len(content) // 2], "cannot go on.*begin anew"),
        (lambda content, folder: b"", "cannot go on.*begin anew"),
        ({"epoch": "one"}, "epoch absent or of a wrong type"),
        ({"loops": None, "optimizer_states": 3}, "loops, optimizer_states absent|optimizer_states, loops absent"),
        ({"state_dict": {"a.weight": torch.zeros(3, 2)}}, "does not fit the configured model: a.weight"),
        ({"state_dict": {"b": torch.zeros(3)}}, "does not fit the configured model: a.weight, b"),
        ({"state_dict": {"a.weight": torch.full((2, 3), torch.nan)}}, "NaN or infinite in a.weight"),
        ({"hyper_parameters": "evil"}, "could run code"),
    ],
)
def test_a_damaged_or_hostile_checkpoint_is_refused(tmp_path: Path, change: object, message: str) -> None:
    path, trace = tmp_path / "last.ckpt", tmp_path / "trace"
    if isinstance(change, dict):
        changes = {key: Evil(trace) if value == "evil" else value for key, value in change.items()}
        torch.save({**WHOLE, **changes}, path)
    else:
        torch.save(WHOLE, path)
        path.write_bytes(change(path.read_bytes(), tmp_path))
    with pytest.raises(WeightsError, match=message):
        vet_checkpoint(path, EXPECTED)
    assert not trace.exists()


def test_two_trainings_do_not_share_a_folder(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom mickey_hloc.training.resuming import sole_training\n"
        "from mickey_hloc.errors import InputError\n"
        "try:\n    sole_training(Path(sys.argv[1])).__enter__()\nexcept InputError as error:\n    print(error)\n"
    )
    with sole_training(tmp_path / "run"):
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "run")], capture_output=True, text=True, check=True
        )
        assert "Another process is writing the run" in done.stdout
    assert not (tmp_path / "run").exists()


def test_a_checkpoint_appears_whole_or_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "checkpoints" / "last.ckpt"
    WholeCheckpoints().save_checkpoint({"epoch": 1}, path)

    def full_disk(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        WholeCheckpoints().save_checkpoint({"epoch": 2}, path)
    assert torch.load(path, weights_only=True) == {"epoch": 1}
    assert list(path.parent.iterdir()) == [path]


def test_an_error_of_a_loading_process_is_one_sentence() -> None:
    told = "Caught InputError in DataLoader worker process 0.\nOriginal Traceback (most recent call last):\n  File x\n"
    assert _in_worker(told + "mickey_hloc.errors.InputError: a.jpg does not exist.\n") == "a.jpg does not exist."
    assert _in_worker("a.jpg does not exist.") == "a.jpg does not exist."
