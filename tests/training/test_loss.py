"""The probabilistic pose loss against recorded numbers, and its own rules."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from mickey_hloc.errors import InputError
from mickey_hloc.geometry import backproject, project, transform
from mickey_hloc.training.loss import PoseLossOptions, ProbabilisticPoseLoss
from mickey_hloc.training.pair_batch import PairBatch
from mickey_hloc.training.pose_losses import GridOptions
from mickey_hloc.training.sets import CorrespondenceSets


def best_half(losses: Tensor, valid: Tensor) -> Tensor:
    """The curriculum of the recording: the better half of the pairs."""
    weights = torch.zeros_like(losses)
    best = losses.argsort()[: max(len(losses) // 2, 1)]
    weights[best] = 1.0 / len(best)
    return weights


def close(value: Tensor, recorded: np.ndarray, rtol: float = 1e-4) -> bool:
    expected = torch.as_tensor(recorded, dtype=value.dtype)
    return bool((value - expected).abs().max() <= rtol * expected.abs().max())


@pytest.mark.parametrize("curriculum", [False, True])
@pytest.mark.parametrize("null", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equals_the_recorded_training_step(recorded: Path, null: bool, curriculum: bool, dtype: torch.dtype) -> None:
    z = np.load(recorded / "losses.npz")
    train = {k.removeprefix("train/"): z[k] for k in z.files if k.startswith("train/")}
    B = len(train["P"])
    cells = torch.from_numpy(train["samples_outer"]).unflatten(0, (B, -1))
    minimal = torch.from_numpy(train["samples_inner"]).unflatten(0, (*cells.shape[:2], -1))
    leaves = {
        "log_P": torch.from_numpy(train["P"]).to(dtype).add(1e-16).log(),
        **{f"keypoints{i}": torch.from_numpy(train[f"keypoints{i}"]).to(dtype).mT.contiguous() for i in (0, 1)},
        **{f"depths{i}": torch.from_numpy(train[f"depths{i}"])[:, 0].to(dtype) for i in (0, 1)},
    }
    for leaf in leaves.values():
        leaf.requires_grad_()
    T = torch.from_numpy(train["T_0to1"]).to(dtype)
    K = torch.from_numpy(train["K"]).to(dtype).expand(B, 3, 3)
    inputs = {k: v for k, v in leaves.items() if k != "log_P"}
    batch = PairBatch(**inputs, probability=leaves["log_P"].exp(), K0=K, K1=K, R=T[:, :3, :3], t=T[:, :3, 3])
    loss = ProbabilisticPoseLoss(PoseLossOptions(null_hypothesis=null))
    weights = {"pair_weights": best_half} if curriculum else {}
    output = loss(batch, sets=CorrespondenceSets(cells, minimal), **weights)
    output.loss.backward()

    prefix = f"null={null}/curriculum={curriculum}/"
    assert close(output.loss.detach(), train[prefix + "loss"])
    assert torch.equal(output.pair_weights > 0, torch.from_numpy(train[prefix + "pair_used"]) > 0)
    for name, leaf in leaves.items():
        expected = train[prefix + f"grad_{name}"]
        if name.startswith("keypoints"):
            expected = expected.swapaxes(1, 2)
        elif name.startswith("depths"):
            expected = expected[:, 0]
        assert leaf.grad is not None
        assert close(leaf.grad, expected), name
    assert not output.dropped_hypotheses.any()


def make_batch(
    num_keypoints: tuple[tuple[int, int], ...] = ((30, 24), (18, 30)), dtype: torch.dtype = torch.float64, seed: int = 0
) -> PairBatch:
    """Pairs whose first keypoints correspond; probability favours the right cells."""
    g = torch.Generator().manual_seed(seed)
    K = torch.tensor([[300.0, 0, 159.5], [0, 300.0, 119.5], [0, 0, 1]], dtype=dtype)
    lists: dict[str, list[Tensor]] = {k: [] for k in ("keypoints0", "keypoints1", "depths0", "depths1", "probability")}
    poses = []
    for n0, n1 in num_keypoints:
        axis = torch.randn(3, generator=g, dtype=dtype) * 0.1
        skew = torch.tensor([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]], dtype=dtype)
        R, t = torch.linalg.matrix_exp(skew), torch.randn(3, generator=g, dtype=dtype) * 0.2
        k0 = torch.rand(n0, 2, generator=g, dtype=dtype) * torch.tensor([320.0, 240.0])
        d0 = torch.rand(n0, generator=g, dtype=dtype) * 2 + 1.5
        points1 = transform(R, t, backproject(k0, d0, K))
        k1 = torch.rand(n1, 2, generator=g, dtype=dtype) * torch.tensor([320.0, 240.0])
        d1 = torch.rand(n1, generator=g, dtype=dtype) * 2 + 1.5
        m = min(n0, n1)
        k1[:m], d1[:m] = project(points1, K)[:m], points1[:m, 2]
        P = torch.rand(n0, n1, generator=g, dtype=dtype) * 0.02
        P[torch.arange(m), torch.arange(m)] += 1.0
        noisy = 0.03 * torch.randn(d1.shape, generator=g, dtype=dtype)
        for name, value in zip(lists, (k0, k1, d0, d1 + noisy, P), strict=True):
            lists[name].append(value)
        poses.append((R, t))
    Ks = K.expand(len(poses), 3, 3)
    size = torch.tensor([320, 240]).expand(len(poses), 2)
    return PairBatch(
        **lists,
        K0=Ks,
        K1=Ks,
        R=torch.stack([R for R, _ in poses]),
        t=torch.stack([t for _, t in poses]),
        image_size0=size,
        image_size1=size,
    )


SMALL = {"num_sets": 3, "num_samples": 20, "num_hypotheses": 4, "sample_size": 4}


def drawn(batch: PairBatch, options: PoseLossOptions, seed: int = 0) -> CorrespondenceSets:
    return ProbabilisticPoseLoss(options)(batch, torch.Generator().manual_seed(seed)).sets


@pytest.mark.parametrize(("kind", "grid"), [("vcre", "benchmark"), ("vcre", "frustum"), ("pose", "benchmark")])
def test_gradients_on_keypoints_and_depths(kind: str, grid: str) -> None:
    batch = make_batch()
    options = PoseLossOptions(**SMALL, loss=kind, grid=GridOptions(kind=grid), vcre_clip_px=None)
    sets = drawn(batch, options)
    n = len(batch)

    def value(*leaves: Tensor) -> Tensor:
        parts = {"keypoints0": leaves[:n], "keypoints1": leaves[n : 2 * n], "depths0": leaves[2 * n : 3 * n]}
        other = PairBatch(**{**vars(batch), **parts, "depths1": leaves[3 * n :]})
        return ProbabilisticPoseLoss(options)(other, sets=sets).loss

    names = ("keypoints0", "keypoints1", "depths0", "depths1")
    leaves = [x.clone().requires_grad_() for name in names for x in getattr(batch, name)]
    assert torch.autograd.gradcheck(value, leaves, eps=1e-6, atol=1e-6, fast_mode=True)


def test_probability_gradient_is_reinforce_with_baseline() -> None:
    batch = make_batch()
    P = [p.requires_grad_() for p in batch.probability]
    for factor in (None, 6.0):
        options = PoseLossOptions(**SMALL, reinforce_factor=factor)
        output = ProbabilisticPoseLoss(options)(batch, torch.Generator().manual_seed(1))
        grads = torch.autograd.grad(output.loss, P)
        assert torch.allclose(output.advantages.sum(dim=-1), torch.zeros(2, dtype=torch.float64), atol=1e-12)
        for b, (p, grad) in enumerate(zip(P, grads, strict=True)):
            expected = torch.zeros_like(p).flatten()
            per_cell = 1.0 if factor is None else factor / len(batch)
            for q in range(options.num_sets):
                cells = output.sets.cells[b, q]
                expected[cells] += per_cell * output.advantages[b, q] / options.num_sets / (p.flatten()[cells] + 1e-16)
            assert torch.allclose(grad.flatten(), expected, rtol=1e-9)


def test_pairs_do_not_influence_each_other_and_padding_is_harmless() -> None:
    batch = make_batch()
    options = PoseLossOptions(**SMALL)
    alone = []
    for b in range(2):
        one = PairBatch(**{k: v[b : b + 1] for k, v in vars(batch).items()})
        alone.append(ProbabilisticPoseLoss(options)(one, [torch.Generator().manual_seed(b)]).pair_losses[0])
    generators = [torch.Generator().manual_seed(b) for b in range(2)]
    together = ProbabilisticPoseLoss(options)(batch, generators)
    assert torch.allclose(together.pair_losses, torch.stack(alone), rtol=1e-12)

    def padded(tensors: list[Tensor], shape: tuple[int, ...]) -> Tensor:
        out = torch.full((len(tensors), *shape), torch.nan, dtype=torch.float64)
        for row, x in zip(out, tensors, strict=True):
            row[tuple(slice(n) for n in x.shape)] = x
        return out

    sets = together.sets
    column = torch.tensor([24, 30])[:, None, None]
    moved = sets._replace(cells=sets.cells // column * 30 + sets.cells % column)
    whole = PairBatch(
        **{
            **vars(batch),
            "keypoints0": padded(batch.keypoints0, (30, 2)),
            "keypoints1": padded(batch.keypoints1, (30, 2)),
            "depths0": padded(batch.depths0, (30,)),
            "depths1": padded(batch.depths1, (30,)),
            "probability": padded(batch.probability, (30, 30)).nan_to_num(0.0),
        }
    )
    again = ProbabilisticPoseLoss(options)(whole, sets=moved)
    assert torch.allclose(again.pair_losses, together.pair_losses, rtol=1e-12)


def test_same_seed_same_loss() -> None:
    batch, options = make_batch(), PoseLossOptions(**SMALL)
    losses = [ProbabilisticPoseLoss(options)(batch, torch.Generator().manual_seed(s)).loss for s in (3, 3, 4)]
    assert losses[0] == losses[1] != losses[2]


def test_unusable_and_singular_are_dropped_and_counted() -> None:
    batch = make_batch(((30, 24), (18, 30), (20, 20)))
    for values in (batch.depths0[0], batch.keypoints1[2]):
        values[:5] = torch.nan
    batch.depths1[2][:] = torch.nan  # the third pair has nothing left
    batch.keypoints0[1][:, 1], batch.depths0[1][:] = 100.0, 2.0  # the second pair's points lie on a line
    options = PoseLossOptions(**SMALL, null_hypothesis=False)
    leaves = [*batch.keypoints0, *batch.depths0, *batch.keypoints1, *batch.depths1, *batch.probability]
    for leaf in leaves:
        leaf.requires_grad_()
    output = ProbabilisticPoseLoss(options)(batch, torch.Generator().manual_seed(0))
    output.loss.backward()
    assert output.dropped_pairs.tolist() == [False, True, True]
    assert output.dropped_sets[1:].tolist() == [3, 3]
    assert 0 < output.dropped_hypotheses[0] <= 12
    assert output.dropped_hypotheses[1:].tolist() == [12, 12]
    assert torch.isfinite(output.loss)
    assert torch.isfinite(output.pair_losses).tolist() == [True, False, False]
    assert torch.isnan(output.R[1:]).all()
    for leaf in leaves:
        assert leaf.grad is None or torch.isfinite(leaf.grad).all()


def test_nothing_left_gives_a_zero_loss_with_zero_gradient() -> None:
    batch = make_batch()
    batch.probability[0][:] = 0.0
    batch.probability[1][3, 3] = torch.nan
    depth = batch.depths0[0].requires_grad_()
    output = ProbabilisticPoseLoss(PoseLossOptions(**SMALL))(batch, torch.Generator().manual_seed(0))
    output.loss.backward()
    assert output.loss == 0.0
    assert output.dropped_pairs.all()
    assert depth.grad is not None
    assert not depth.grad.any()


def test_a_good_pair_costs_less_than_a_wrong_one_and_the_null_hypothesis_bounds_it() -> None:
    good = make_batch(((60, 60),))
    bad = PairBatch(**{**vars(good), "depths1": [d.flip(0) for d in good.depths1]})
    losses = {}
    for null in (False, True):
        options = PoseLossOptions(num_sets=4, num_samples=50, num_hypotheses=8, null_hypothesis=null)
        for name, batch in (("good", good), ("bad", bad)):
            output = ProbabilisticPoseLoss(options)(batch, torch.Generator().manual_seed(0))
            losses[name, null] = float(output.pair_losses[0])
            assert (output.null_weight > 0).all() == null
    assert losses["good", False] < 0.3 < losses["bad", False]
    assert losses["bad", True] <= max(losses["bad", False], 0.8)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_sets": 0}, "num_sets"),
        ({"sample_size": 2}, "sample_size"),
        ({"sample_size": 9, "num_samples": 8}, "sample_size"),
        ({"loss": "l2"}, "l2"),
    ],
)
def test_wrong_options(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        PoseLossOptions(**options)


def test_wrong_input() -> None:
    batch = make_batch()
    with pytest.raises(ValueError, match="generators or recorded samples"):
        ProbabilisticPoseLoss(PoseLossOptions(**SMALL))(batch)
    with pytest.raises(ValueError, match="depths0 has 1 pairs"):
        PairBatch(**{**vars(batch), "depths0": batch.depths0[:1]})
    no_size = PairBatch(**{**vars(batch), "image_size0": None})
    with pytest.raises(InputError, match="image sizes"):
        ProbabilisticPoseLoss(PoseLossOptions(**SMALL, grid=GridOptions("frustum")))(no_size, torch.Generator())
