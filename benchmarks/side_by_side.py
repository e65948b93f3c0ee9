"""The same work for the published code and for ours, and times of both in turn; only for ``vs_reference.py``."""

from __future__ import annotations

import itertools
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from quiet import is_quiet
from reference_code import Reference
from torch import Tensor

from mickey_hloc.geometry import pose_errors
from mickey_hloc.model.mickey import MetricKeypoints, MicKey
from mickey_hloc.solvers import PoseProblem, View, get_solver
from mickey_hloc.training.pair_batch import PairBatch

SIZE = (540, 720)
K = torch.tensor([[570.0, 0, 269.5], [0, 570.0, 359.5], [0, 0, 1]])
Work = Callable[[], object]


def images(count: int) -> list[Tensor]:
    """Smooth random images (1, 3, 720, 540)."""
    generator = torch.Generator().manual_seed(1)
    coarse = torch.rand(count, 1, 3, 36, 27, generator=generator)
    return [torch.nn.functional.interpolate(image, (SIZE[1], SIZE[0]), mode="bicubic").clamp(0, 1) for image in coarse]


def both(model: MicKey, image0: Tensor, image1: Tensor) -> tuple[MetricKeypoints, MetricKeypoints]:
    """The keypoints of both images of a pair."""
    return model(image0), model(image1)


def published_pair(reference: Reference, image0: Tensor, image1: Tensor) -> None:
    """One pair by the published code. Random heads give any depth: made positive, for both sides alike."""
    data = reference.images(image0, image1)
    for name in ("depth_kp0", "depth_kp1"):
        data[name] = data[name].abs() + 1
    reference.pose(data, K)


def our_pairs(model: MicKey, photos: list[Tensor]) -> None:
    """All pairs by ours: every image is encoded once."""
    found, solver = [model(photo) for photo in photos], get_solver("probabilistic")
    views = [View(k.keypoints[0], k.depths[0].abs() + 1, K, SIZE) for k in found]
    for i, j in itertools.combinations(range(len(photos)), 2):
        probability = model.correspondence_probability(found[i], found[j])[0]
        solver.solve(PoseProblem(views[i], views[j], probability=probability))


def as_problem(batch: PairBatch) -> PoseProblem:
    """The first pair of a batch, for our solver."""
    view0 = View(batch.keypoints0[0].detach(), batch.depths0[0].detach(), batch.K0[0], SIZE)
    view1 = View(batch.keypoints1[0].detach(), batch.depths1[0].detach(), batch.K1[0], SIZE)
    return PoseProblem(view0, view1, probability=batch.probability[0].detach())


def as_data(batch: PairBatch) -> dict[str, Tensor]:
    """The batch under the published code's names."""
    return {
        "kps0": batch.keypoints0.detach().mT.contiguous(),
        "kps1": batch.keypoints1.detach().mT.contiguous(),
        "depth_kp0": batch.depths0.detach()[:, None],
        "depth_kp1": batch.depths1.detach()[:, None],
        "final_scores": batch.probability.detach(),
        "K": batch.K0[0],
    }


def as_loss_data(batch: PairBatch) -> dict[str, Tensor]:
    """As ``as_data``, with leaves that take gradients and the true poses."""
    data = {k: v.clone().requires_grad_() for k, v in as_data(batch).items() if k != "K"}
    pose = torch.eye(4).repeat(len(batch.R), 1, 1)
    pose[:, :3, :3], pose[:, :3, 3] = batch.R, batch.t
    return data | {"T_0to1": pose, "K_color0": batch.K0, "K_color1": batch.K1, "Kori_color0": batch.K0}


def wrong_by(R: Tensor, t: Tensor, batch: PairBatch) -> tuple[float, float]:
    """Rotation error in degrees and translation error in metres."""
    degrees, metres = pose_errors(R.double(), t.double(), batch.R[0].double(), batch.t[0].double())
    return float(degrees), float(metres)


def with_outliers(batch: PairBatch, share: float, seed: int) -> PairBatch:
    """A share of the pairs of keypoints made wrong: the second keypoint gets another one's place and depth."""
    count = batch.keypoints0.shape[1]
    generator = torch.Generator().manual_seed(seed)
    wrong = torch.randperm(count, generator=generator)[: round(share * count)]
    with torch.no_grad():
        moved = wrong.roll(1)
        batch.keypoints1[:, wrong], batch.depths1[:, wrong] = batch.keypoints1[:, moved], batch.depths1[:, moved]
    return batch


def compare(name: str, published: Work, ours: Work, repeats: int, warm: bool = True) -> None:
    """Time both, one after the other, several times; a ratio only from a machine that is quiet before and after."""
    quiet = is_quiet()
    if warm:
        published(), ours()
    runs = [(seconds(published), seconds(ours)) for _ in range(repeats)]
    report(name, *zip(*runs, strict=True), quiet and is_quiet())  # type: ignore[arg-type, call-arg]


def report(name: str, published: tuple[float, ...], ours: tuple[float, ...], quiet: bool) -> None:
    """Print medians, ranges and, of a quiet machine, the ratio."""
    times = statistics.median(published) / statistics.median(ours)
    ratio = f"{times:.2f}x" if quiet else "no ratio, the machine is busy"
    print(f"{name}: published {spread(published)}, ours {spread(ours)}: {ratio}", flush=True)


class Collection:
    """All pairs of N images by the published code, pair by pair, kept in a file: a later run goes on with it.

    Args:
        path: the file. count: N.
    """

    def __init__(self, path: Path, count: int) -> None:
        self.path, self.key = path, str(count)
        self.pairs = list(itertools.combinations(range(count), 2))

    @property
    def done(self) -> list[dict[str, Any]]:
        """Seconds of each pair that was measured, and whether the machine was quiet."""
        return self._all().get(self.key, [])

    def go_on(self, reference: Reference, photos: list[Tensor], until: float) -> bool:
        """Measure pairs until a time of ``time.monotonic``; whether all are measured."""
        for i, j in self.pairs[len(self.done) :]:
            if time.monotonic() > until:
                return False
            quiet = is_quiet()
            taken = seconds(lambda i=i, j=j: published_pair(reference, photos[i], photos[j]))  # type: ignore[misc]
            everything = self._all()
            everything.setdefault(self.key, []).append({"seconds": taken, "quiet": quiet and is_quiet()})
            self.path.write_text(json.dumps(everything), encoding="utf-8")
        return True

    def _all(self) -> dict[str, list[dict[str, Any]]]:
        return json.loads(self.path.read_text(encoding="utf-8")) if self.path.is_file() else {}


def seconds(work: Work) -> float:
    """How long it takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def spread(values: tuple[float, ...]) -> str:
    """Median and range."""
    return f"{statistics.median(values):.3f} s ({min(values):.3f} to {max(values):.3f})"
