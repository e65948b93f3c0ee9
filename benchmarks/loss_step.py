"""Time and peak memory of one step of the pose loss, against the same mathematics written set by set.

    python benchmarks/loss_step.py                       # published settings: 8 pairs, 1,938 keypoints a side
    python benchmarks/loss_step.py --pairs 2 --keypoints 300 --repeats 5

Each implementation runs in its own process: forward and backward on the same inputs. Memory is the peak resident size
of that process, and how far it rises above the size with only the inputs in memory; with ``--device cuda``, the GPU's.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time

import torch
from torch import Tensor

from mickey_hloc.geometry import backproject, kabsch, transform
from mickey_hloc.training.loss import PoseLossOptions, ProbabilisticPoseLoss
from mickey_hloc.training.pair_batch import PairBatch
from mickey_hloc.training.pose_losses import soft_clip, vcre_loss

LEAVES = ("keypoints0", "keypoints1", "depths0", "depths1", "probability")


def make_batch(num_pairs: int, num_keypoints: int, device: str, seed: int = 0) -> PairBatch:
    """Pairs of a 540 x 720 camera whose i-th keypoints correspond, with a probability that mostly says so."""
    g = torch.Generator().manual_seed(seed)
    B, N = num_pairs, num_keypoints
    K = torch.tensor([[560.0, 0, 269.5], [0, 560.0, 359.5], [0, 0, 1]]).expand(B, 3, 3)
    R = torch.linalg.matrix_exp(0.2 * (A := torch.randn(B, 3, 3, generator=g)) - 0.2 * A.transpose(1, 2))
    t = 0.3 * torch.randn(B, 3, generator=g)
    keypoints0 = torch.rand(B, N, 2, generator=g) * torch.tensor([540.0, 720.0])
    depths0 = 1.5 + 3 * torch.rand(B, N, generator=g)
    points1 = transform(R, t, backproject(keypoints0, depths0, K))
    image = points1 @ K.transpose(1, 2)
    noise = 0.05 * torch.randn(B, N, generator=g)
    scores = torch.softmax(torch.randn(B, N, generator=g), dim=-1)
    P = torch.rand(B, N, N, generator=g).pow_(8).mul_(1e-3)
    P.diagonal(dim1=1, dim2=2).add_(0.5)
    P.mul_(scores[:, :, None]).mul_(scores[:, None, :])
    values = {
        "keypoints0": keypoints0,
        "keypoints1": image[..., :2] / image[..., 2:].clamp(min=0.3),
        "depths0": depths0,
        "depths1": points1[..., 2] + noise,
        "probability": P,
        "K0": K,
        "K1": K,
        "R": R,
        "t": t,
    }
    batch = PairBatch(**{name: value.to(device) for name, value in values.items()})
    for name in LEAVES:
        getattr(batch, name).requires_grad_()
    return batch


def set_by_set(batch: PairBatch, o: PoseLossOptions) -> Tensor:
    """The loss as one would write it down: a loop over sets, sampling from all of P, points copied per hypothesis."""
    P = batch.probability
    B, _, N1 = P.shape
    log_P = torch.log(P + 1e-16).flatten(1)
    pair = torch.arange(B, device=P.device)[:, None]
    set_losses, log_probabilities = [], []
    for _ in range(o.num_sets):
        cells = torch.multinomial(P.detach().flatten(1), o.num_samples)
        X = backproject(batch.keypoints0[pair, cells // N1], batch.depths0[pair, cells // N1], batch.K0)
        Y = backproject(batch.keypoints1[pair, cells % N1], batch.depths1[pair, cells % N1], batch.K1)
        weights = P.detach().flatten(1).gather(1, cells)
        minimal = torch.multinomial(weights.repeat_interleave(o.num_hypotheses, 0), o.sample_size)
        X, Y = (x[:, None].expand(B, o.num_hypotheses, -1, 3) for x in (X, Y))
        mask = torch.zeros(X.shape[:3], dtype=torch.bool, device=P.device)
        mask.scatter_(2, minimal.unflatten(0, (B, -1)), True)
        R, t = kabsch(X, Y, refined_support(X.detach(), Y.detach(), mask, o))
        residuals = ((transform(R, t, X) - Y).square().sum(dim=-1) + 1e-6).sqrt()
        t_s = o.score_threshold_m
        scores = torch.sigmoid(5 / t_s * (t_s - residuals)).sum(dim=-1)
        poses = (R, t, batch.R[:, None], batch.t[:, None], batch.K0[:, None], batch.K1[:, None])
        losses = soft_clip(vcre_loss(*poses, clip_px=o.vcre_clip_px), o.soft_clip_vcre_px or 1.0)
        null = torch.ones_like(scores[:, :1])
        scores = torch.cat([scores, null * o.null_score_share * o.num_samples], dim=1)
        losses = torch.cat([losses, null * o.null_loss], dim=1)
        set_losses.append((torch.softmax(scores / o.score_temperature, dim=1) * losses).sum(dim=1))
        log_probabilities.append(log_P.gather(1, cells).sum(dim=1))
    losses = torch.stack(set_losses, dim=1)
    advantages = (losses - losses.mean(dim=1, keepdim=True)).detach()
    surrogate = (advantages * torch.stack(log_probabilities, dim=1)).mean(dim=1).sum()
    return losses.mean() + surrogate - surrogate.detach()


def refined_support(X: Tensor, Y: Tensor, mask: Tensor, o: PoseLossOptions) -> Tensor:
    """(B, J, k) bool: the correspondences that gave each hypothesis's best pose."""
    support, current = mask, mask
    most = torch.full(mask.shape[:2], o.sample_size, device=mask.device)
    growing = torch.ones_like(most, dtype=torch.bool)
    for _ in range(o.refinements):
        R, t = kabsch(X, Y, current)
        inliers = (transform(R, t, X) - Y).norm(dim=-1) < o.inlier_threshold_m
        count = inliers.sum(dim=-1)
        growing = growing & (count > most)
        support = torch.where(growing[..., None], current, support)
        most = torch.where(growing, count, most)
        current = torch.where(growing[..., None], inliers, current)
    return support


def measure(args: argparse.Namespace) -> dict[str, float]:
    """One implementation in this process: seconds of the median step, MiB at the peak and above the inputs."""
    torch.manual_seed(0)
    torch.set_num_threads(args.threads)
    batch = make_batch(args.pairs, args.keypoints, args.device)
    options = PoseLossOptions()
    module = ProbabilisticPoseLoss(options)
    generator = torch.Generator(args.device).manual_seed(0)
    before, cuda = resident_mib(), args.device.startswith("cuda")
    if cuda:
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated() / 2**20
    seconds, values = [], []
    for _ in range(args.repeats):
        for name in LEAVES:
            getattr(batch, name).grad = None
        start = time.perf_counter()
        loss = module(batch, generator).loss if args.child == "vectorised" else set_by_set(batch, options)
        loss.backward()
        values.append(float(loss))
        seconds.append(time.perf_counter() - start)
    peak = torch.cuda.max_memory_allocated() / 2**20 if cuda else peak_mib()
    return {"seconds": statistics.median(seconds), "peak_mib": peak, "extra_mib": peak - before, "loss": values[0]}


def resident_mib() -> float:
    """Resident size now."""
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * resource.getpagesize() / 2**20


def peak_mib() -> float:
    """Largest resident size so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--keypoints", type=int, default=1938)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--child", choices=("vectorised", "set_by_set"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(measure(args)))
        return
    results = {}
    for child in ("vectorised", "set_by_set"):
        command = [sys.executable, __file__, *sys.argv[1:], "--child", child]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        results[child] = json.loads(output.splitlines()[-1])
        print(child, " ".join(f"{key}={value:.3f}" for key, value in results[child].items()))
    ours, theirs = results["vectorised"], results["set_by_set"]
    for key in ("seconds", "peak_mib", "extra_mib"):
        print(f"ratio of {key}: {theirs[key] / ours[key]:.2f}")


if __name__ == "__main__":
    main()
