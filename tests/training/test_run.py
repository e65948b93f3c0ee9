"""Whole runs on a tiny world: what they leave, resuming, freezing, caching, mistakes."""

from pathlib import Path

import pytest
import torch
from support.tiny_training import TINY_HEAD, state_of, tiny_values, write_world

pytest.importorskip("lightning")
pytest.importorskip("tensorboard")

from mickey_hloc.cli import main
from mickey_hloc.errors import InputError, WeightsError
from mickey_hloc.registry import make_options
from mickey_hloc.training.curves import read_curves
from mickey_hloc.training.feature_cache import FeatureCache
from mickey_hloc.training.options import TrainConfig
from mickey_hloc.training.run import build_model, make_trainer, train
from mickey_hloc.weights.checkpoints import load_model


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("world")
    write_world(root)
    return root


def test_command_leaves_weights_curves_and_pictures(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import yaml

    config = tmp_path / "tiny.yaml"
    config.write_text(yaml.safe_dump(tiny_values(world, tmp_path / "runs")))
    assert main(["train", str(config), "name=mine", "trainer.max_epochs=1", "optimizer.lr=1e-3"]) == 0
    folder = tmp_path / "runs" / "mine"
    out = capsys.readouterr().out
    assert "vcre_precision" in out
    assert str(folder / "model.safetensors") in out
    assert (folder / "curves.png").stat().st_size > 1000
    curves = read_curves(folder / "tensorboard")
    for tag in (
        "train/loss",
        "train/dropped_hypotheses",
        "val/vcre_auc",
        "val/median_translation_m",
        "val/depth_scale",
    ):
        assert tag in curves, tag
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    assert {tag.split("/")[1] for tag in events.Tags()["images"]} == {"inliers", "depths", "scores", "rewards"}
    model = load_model(folder / "model.safetensors", device="cpu")
    trained = state_of(folder / "checkpoints" / "last.ckpt")
    assert torch.equal(model.matcher.dustbin_score, trained["model.matcher.dustbin_score"])
    assert main(["train", str(config), "no.such_key=1"]) == 2
    assert "no" in capsys.readouterr().err


def test_best_epoch_is_exported_and_lines_tell_of_the_run(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import mickey_hloc.training.callbacks as module

    monkeypatch.setattr(module, "LINE_EVERY_S", 0.0)
    values = tiny_values(world, tmp_path, trainer__max_epochs=3, optimizer__lr=0.3, validation__best="median_vcre_px")
    result = train(values)
    checkpoints = result.folder / "checkpoints"
    best, exported = state_of(checkpoints / "best.ckpt"), load_model(result.model, device="cpu")
    assert torch.equal(exported.matcher.dustbin_score, best["model.matcher.dustbin_score"])
    curve = read_curves(result.folder / "tensorboard")["val/median_vcre_px"][1]
    chosen = torch.load(checkpoints / "best.ckpt", weights_only=True)["epoch"]
    assert curve[chosen] == min(curve)
    lines = capsys.readouterr().out.splitlines()
    assert any("of 6 (" in line and "min left" in line for line in lines)
    assert sum(line.startswith("epoch") and "median_vcre_px" in line for line in lines) == 3
    with pytest.raises(InputError, match=r"validation\.best must be one of vcre_precision"):
        train(tiny_values(world, tmp_path / "b", validation__best="beauty"))


@pytest.mark.parametrize("encoder", ["xfeat", "xfeat_efficientnet"])
def test_an_exported_model_brings_its_encoder(
    encoder: str, world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mickey_hloc.training.initial_weights as module
    from mickey_hloc.model.mickey import MicKey, MicKeyOptions
    from mickey_hloc.weights.checkpoints import save_model

    def nowhere() -> Path:
        raise WeightsError("XFeat's weights are not here")

    monkeypatch.setattr(module, "find_xfeat_weights", nowhere)
    heads = dict.fromkeys(("offset", "depth", "score", "descriptor"), TINY_HEAD)
    torch.manual_seed(0)
    earlier = MicKey(MicKeyOptions.from_dict({"encoder": encoder, **heads}))
    if encoder == "xfeat_efficientnet":  # whose files keep it in half
        earlier.encoder.load_state_dict({k: v.half() for k, v in earlier.encoder.state_dict().items()})
    save_model(earlier, tmp_path / "earlier.safetensors", include_encoder=True)
    model = {"encoder": encoder, "encoder_options": {}, **heads}
    values = tiny_values(world, tmp_path, model=model)
    with pytest.raises(WeightsError, match="not here"):
        build_model(make_options(TrainConfig, values, ""))
    values["init_from"] = str(tmp_path / "earlier.safetensors")
    built = build_model(make_options(TrainConfig, values, ""))
    for key, value in built.state_dict().items():
        assert torch.equal(value, earlier.state_dict()[key]), key


def test_resumed_run_equals_the_undisturbed_one(world: Path, tmp_path: Path) -> None:
    class Killed(RuntimeError):
        pass

    whole = tiny_values(world, tmp_path / "a", trainer__max_epochs=3, optimizer__schedule="cosine")
    train(whole)
    again = tiny_values(world, tmp_path / "b", trainer__max_epochs=3, optimizer__schedule="cosine")
    import mickey_hloc.training.lightning as module

    original = module.PoseTraining.training_step
    steps = 0

    def killed(self: module.PoseTraining, batch: dict[str, object], batch_idx: int) -> torch.Tensor:
        nonlocal steps
        steps += 1
        if steps == 4:  # in the middle of the second epoch
            raise Killed
        return original(self, batch, batch_idx)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module.PoseTraining, "training_step", killed)
        with pytest.raises(Killed):
            train(again)
    train(again)
    first, second = (state_of(tmp_path / name / "tiny/checkpoints/last.ckpt") for name in "ab")
    assert first.keys() == second.keys()
    for key, value in first.items():
        assert torch.allclose(value, second[key], rtol=1e-4, atol=1e-6), key
    with pytest.raises(InputError, match=r"optimizer\.lr"):
        train(
            tiny_values(world, tmp_path / "b", trainer__max_epochs=3, optimizer__schedule="cosine", optimizer__lr=1.0)
        )


def test_frozen_encoder_with_cache(world: Path, tmp_path: Path) -> None:
    model = {
        "encoder": "disk",
        **{
            h: {"widths": [8, 8, 8, 8], "num_attention_layers": 1, "mlp_hidden": 8, "num_attention_heads": 2}
            for h in ("offset", "depth", "score", "descriptor")
        },
        "score_border_cells": 0,
    }
    values = tiny_values(
        world,
        tmp_path / "runs",
        model=model,
        data__cache=str(tmp_path / "cache"),
        data__mirror=True,
        start="disk",
        encoder_weights=str(tmp_path / "disk.pth"),
        trainer__max_epochs=1,
    )
    from kornia.feature import DISK

    torch.manual_seed(0)
    torch.save({"extractor": DISK().state_dict()}, tmp_path / "disk.pth")
    result = train(values)
    state = state_of(result.folder / "checkpoints/last.ckpt")
    assert not any(key.startswith("model.encoder.") for key in state)
    assert load_model(result.model, device="cpu").encoder.frozen
    result.model.unlink()
    assert train(values).model.is_file()  # called again it goes on from a checkpoint without the encoder
    torch.save({"extractor": {k: v + 1 for k, v in DISK().state_dict().items()}}, tmp_path / "disk.pth")
    with pytest.raises(WeightsError, match="frozen encoder has other weights"):
        train(values)
    torch.manual_seed(0)
    torch.save({"extractor": DISK().state_dict()}, tmp_path / "disk.pth")
    config = make_options(TrainConfig, values, "")
    built = build_model(config)
    from mickey_hloc.training.data import PairData

    data = PairData(config.data, built, 0)
    assert isinstance(data.caches[0], FeatureCache)
    item = data.train_data[3]
    assert "image0" not in item
    image = data.caches[0].dataset.image(int(data.train_data.table.pairs[3][0]), False, 0)
    with torch.no_grad():
        assert torch.allclose(item["features0"], built.encode(image[None])[0], rtol=2e-3, atol=2e-2)
    mirrored = data.caches[0].read(0, mirrored=True)
    with torch.no_grad():
        other = built.encode(data.caches[0].dataset.image(0, True, 0)[None])[0]
    assert torch.allclose(mirrored, other, rtol=2e-3, atol=2e-2)
    train({**values, "name": "from_heads", "init_from": str(result.folder / "checkpoints/last.ckpt")})
    with pytest.raises(WeightsError, match="train that stage first"):
        train({**values, "name": "no_heads", "init_from": str(tmp_path / "none.ckpt")})
    with pytest.raises(WeightsError, match="does not fit"):
        train(
            {
                **values,
                "name": "bad",
                "model": {**model, "depth": {**model["depth"], "widths": [8, 8, 8, 16]}},
                "init_from": str(result.folder / "checkpoints/last.ckpt"),
            }
        )


def test_alignment_warm_up_between_homographies_and_poses(world: Path, tmp_path: Path) -> None:
    values = tiny_values(
        world,
        tmp_path / "runs",
        homography__steps=2,
        alignment__steps=2,
        alignment__weight_after=0.5,
        trainer__max_epochs=3,
    )
    result = train(values)
    curves = read_curves(result.folder / "tensorboard")
    assert min(curves["train/homography_loss"][0]) == 0
    assert min(curves["train/alignment_depth"][0]) == 2
    assert min(curves["train/loss"][0]) == 4


def test_homography_warm_up_then_poses(world: Path, tmp_path: Path) -> None:
    values = tiny_values(world, tmp_path / "runs", homography__steps=2, trainer__max_epochs=2, trainer__keep_epochs=1)
    result = train(values)
    kept = {path.name for path in (result.folder / "checkpoints").iterdir()}
    assert kept == {"last.ckpt", "epoch=0000.ckpt", "epoch=0001.ckpt"}
    curves = read_curves(result.folder / "tensorboard")
    assert len(curves["train/homography_loss"][0]) == 2
    assert len(curves["train/loss"][0]) == 2


def test_mixed_precision_keeps_the_loss_in_float32(world: Path, tmp_path: Path) -> None:
    values = tiny_values(world, tmp_path / "runs", trainer__max_epochs=1, trainer__precision="bf16-mixed")
    result = train(values)
    assert 0 < result.figures["loss"] < 1
    state = state_of(result.folder / "checkpoints/last.ckpt")
    assert {v.dtype for v in state.values() if v.is_floating_point()} == {torch.float32}
    assert all(torch.isfinite(v).all() for v in state.values())


def test_own_folder_without_validation(world: Path, tmp_path: Path) -> None:
    values = tiny_values(world, tmp_path / "runs", trainer__max_epochs=1, curriculum={"by": "overlap"})
    folder = {"kind": "folder", "layout": "mapfree", "root": str(world / "train/s00000"), "min_overlap": 0.1}
    values["data"].update(train=folder, val=None)
    result = train(values)
    assert result.figures == {}
    assert result.model.is_file()


def test_export_for_larger_images(world: Path, tmp_path: Path) -> None:
    values = tiny_values(world, tmp_path / "runs", trainer__max_epochs=1, export_pool=2, model__training_focal_px=80.0)
    model = load_model(train(values).model, device="cpu", precision="fp32")
    assert model.encoder.stride == 16
    assert model.options.training_focal_px == 160.0
    images = torch.rand(1, 3, 64, 96)
    plain = build_model(
        make_options(TrainConfig, {**values, "init_from": str(tmp_path / "runs/tiny/checkpoints/last.ckpt")}, "")
    )
    with torch.no_grad():
        large, small = model(images), plain.eval()(torch.nn.functional.avg_pool2d(images, 2))
    assert torch.allclose(large.depths, small.depths, atol=1e-4)
    assert torch.allclose(large.keypoints, 2 * small.keypoints, atol=1e-3)


def test_synthetic_rooms_without_any_data(tmp_path: Path) -> None:
    values = tiny_values(tmp_path, tmp_path / "runs", trainer__max_epochs=1)
    values["data"].update(
        train={"kind": "synthetic", "seed": 1},
        val={"kind": "synthetic", "seed": 2, "size": 1},
        pairs_per_epoch=2,
        size_wh=[64, 48],
    )
    assert "depth_rel_error" in train(values).figures


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data__cache": "x"}, "frozen"),
        ({"encoder_weights": "x.pth"}, "init_from"),
        ({"start": "disk"}, "disk encoder"),
        ({"export_pool": 2, "model": {"encoder": "disk"}}, "convolutional"),
        ({"data__workers": -1}, "workers"),
        ({"optimizer__schedule": "step"}, "constant, cosine"),
        ({"data__batch_size": "many"}, r"batch_size of data must be a whole number"),
        ({"model__widths": 3}, "widths"),
        ({"data__train": 3}, "data.train"),
    ],
)
def test_wrong_configurations(world: Path, tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        train(tiny_values(world, tmp_path / "runs", **changes))


def test_trainer_is_told_what_the_configuration_says(world: Path, tmp_path: Path) -> None:
    values = tiny_values(world, tmp_path, trainer__accumulate=4, optimizer__clip_norm=2.5, trainer__keep_epochs=2)
    config = make_options(TrainConfig, values, "")
    trainer = make_trainer(config, tmp_path)
    assert trainer.accumulate_grad_batches == 4
    assert trainer.gradient_clip_val == 2.5
    assert trainer.max_epochs == 2
    assert len(trainer.checkpoint_callbacks) == 2
