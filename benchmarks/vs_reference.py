"""The published MicKey code and ours side by side: same random full-size weights, same machine, alternating in one run.

    python benchmarks/vs_reference.py --rows floors parity network      # each row by itself takes a few minutes
    python benchmarks/vs_reference.py --rows solver --repeats 7
    python benchmarks/vs_reference.py --rows collection --images 10 20  # goes on where it was until all pairs are done
    python benchmarks/vs_reference.py --reference FOLDER_OF_THE_PUBLISHED_CODE

Prints medians with their range and ratios (published / ours). No ratio is printed while other programs keep the
machine busy. Needs the published code: see ``reference_code.py``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from loss_step import make_batch, resident_mib
from quiet import busy_share, copy_gb_per_s, is_quiet, matrix_gflops, peak_mib, reset_peak
from reference_code import Reference, find_reference
from side_by_side import (
    Collection,
    as_data,
    as_loss_data,
    as_problem,
    both,
    compare,
    images,
    our_pairs,
    published_pair,
    report,
    seconds,
    with_outliers,
    wrong_by,
)

from mickey_hloc.model.mickey import MicKey
from mickey_hloc.solvers import get_solver
from mickey_hloc.training.loss import ProbabilisticPoseLoss

ROWS = ("floors", "parity", "network", "solver", "errors", "loss", "pair", "collection", "memory")


def main() -> None:
    """Print one line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", type=Path, help="folder of the published code (default: the imcui package's)")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--repeats", type=int, default=5, help="runs of each side, alternating (default: %(default)s)")
    parser.add_argument("--images", type=int, nargs="+", default=[5, 10], help="sizes of collections (default: 5 10)")
    parser.add_argument("--state", type=Path, default=Path("vs_reference.json"), help="where collections go on")
    parser.add_argument("--minutes", type=float, default=7.0, help="of a run of collections (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=40, help="problems whose errors are compared")
    parser.add_argument("--loss-pairs", type=int, default=8, help="pairs of the loss's step (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--child", choices=("ours", "published"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    folder = find_reference(args.reference)
    if args.child:
        print(json.dumps(memory_of(args.child, folder)))
        return
    print(f"{args.threads} threads; others use {busy_share():.0%} of the machine")
    bench = Bench(folder, args)
    for row in args.rows:
        getattr(bench, row)()


class Bench:
    """The rows of the comparison; the networks are built once, when first needed."""

    def __init__(self, folder: Path, args: argparse.Namespace) -> None:
        self.folder, self.args = folder, args
        self._sides: tuple[Reference, MicKey] | None = None

    @property
    def sides(self) -> tuple[Reference, MicKey]:
        """The published network and ours, with the same weights."""
        if self._sides is None:
            reference = Reference(self.folder)
            with tempfile.TemporaryDirectory() as temporary:
                self._sides = reference, reference.ours(Path(temporary))
        return self._sides

    def floors(self) -> None:
        """What the machine can do at most."""
        print(f"floors: matrix product {matrix_gflops():.0f} GFLOP/s, copy {copy_gb_per_s():.1f} GB/s")

    @torch.inference_mode()
    def parity(self) -> None:
        """Largest difference of every output, as a share of the output's largest value."""
        reference, model = self.sides
        image0, image1 = images(2)
        theirs, a, b = reference.images(image0, image1), model(image0), model(image1)
        pairs = {
            "keypoints": (theirs["kps0"][0].T, a.keypoints[0]),
            "depths": (theirs["depth_kp0"].flatten(), a.depths[0]),
            "scores": (theirs["scr0"].flatten(), a.keypoint_scores[0]),
            "descriptors": (theirs["dsc0"][0], a.descriptors[0]),
            "probability": (theirs["final_scores"][0], model.correspondence_probability(a, b)[0]),
        }
        worst = {name: float((x - y).abs().max() / x.abs().max()) for name, (x, y) in pairs.items()}
        print("parity:", ", ".join(f"{name} {value:.1e}" for name, value in worst.items()))

    @torch.inference_mode()
    def network(self) -> None:
        """Both images of a pair, to keypoints."""
        reference, model = self.sides
        image0, image1 = images(2)
        extractor = reference.model.compute_matches.extractor
        for precision in ("fp32", "auto"):
            model.precision = precision
            compare(
                f"network, {precision}",
                lambda: (extractor(image0), extractor(image1)),
                lambda: both(model, image0, image1),
                self.args.repeats,
            )
        model.precision = "fp32"
        print(f"network, fp32: {both_tflop(model):.2f} TFLOP for both images, attention included")

    @torch.inference_mode()
    def solver(self) -> None:
        """The test-time solver on 1,938 x 1,938 keypoints."""
        reference, _ = self.sides
        data, problem = as_data(make_batch(1, 1938, "cpu")), as_problem(make_batch(1, 1938, "cpu"))
        solver = get_solver("probabilistic")
        compare("solver", lambda: reference.pose(data, data["K"]), lambda: solver.solve(problem), self.args.repeats)

    @torch.inference_mode()
    def errors(self) -> None:
        """The solver's errors over seeds and shares of wrong correspondences."""
        reference, _ = self.sides
        solvers = {
            "ours": get_solver("probabilistic"),
            "ours, as published": get_solver("probabilistic", published=True),
        }
        for share in (0.0, 0.3, 0.6, 0.8):
            found: dict[str, list[tuple[float, float]]] = {"published": [], **{name: [] for name in solvers}}
            for seed in range(self.args.seeds if share == 0 else max(1, self.args.seeds // 4)):
                batch = with_outliers(make_batch(1, 1938, "cpu", seed), share, seed)
                torch.manual_seed(seed)
                found["published"].append(wrong_by(*reference.pose(as_data(batch), batch.K0[0]), batch))
                for name, solver in solvers.items():
                    pose = solver.solve(as_problem(batch), seed)
                    found[name].append(wrong_by(torch.tensor(pose.R), torch.tensor(pose.t), batch))
            for name, errors in found.items():
                degrees, metres = (statistics.median(values) for values in zip(*errors, strict=True))
                print(f"errors, {share:.0%} wrong, {name}: {degrees:.3f} deg, {1000 * metres:.1f} mm", flush=True)

    def loss(self) -> None:
        """A training step of the pose loss, forward and backward."""
        reference, _ = self.sides
        batch = make_batch(self.args.loss_pairs, 1938, "cpu")
        data, module, generator = as_loss_data(batch), ProbabilisticPoseLoss(), torch.Generator()

        def ours() -> None:
            for name in ("keypoints0", "keypoints1", "depths0", "depths1", "probability"):
                getattr(batch, name).grad = None
            module(batch, generator).loss.backward()

        work = lambda: reference.loss_step(data)  # noqa: E731
        compare(f"loss, {self.args.loss_pairs} pairs", work, ours, self.args.repeats, warm=False)

    @torch.inference_mode()
    def pair(self) -> None:
        """From two images in memory to the pose."""
        reference, model = self.sides
        photos = images(2)
        compare("pair", lambda: published_pair(reference, *photos), lambda: our_pairs(model, photos), self.args.repeats)

    @torch.inference_mode()
    def collection(self) -> None:
        """All pairs of N images: the published code reads both images of every pair anew."""
        until = time.monotonic() + 60 * self.args.minutes
        for count in self.args.images:
            reference, model = self.sides
            photos, published = images(count), Collection(self.args.state, count)
            if not published.go_on(reference, photos, until):
                print(f"all pairs of {count} images: {len(published.done)} of {len(published.pairs)} so far; run again")
                return
            quiet = is_quiet()
            ours = seconds(lambda: our_pairs(model, photos))  # noqa: B023
            quiet = quiet and is_quiet() and all(pair["quiet"] for pair in published.done)
            total = sum(pair["seconds"] for pair in published.done)
            report(f"all pairs of {count} images", (total,), (ours,), quiet)

    def memory(self) -> None:
        """Peak memory of a process that does one pair, and what the solver adds."""
        found = {}
        for side in ("published", "ours"):
            command = [sys.executable, __file__, "--child", side, "--reference", str(self.folder)]
            output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            found[side] = json.loads(output.splitlines()[-1])
            print(f"memory, {side}: " + ", ".join(f"{key} {value:.0f} MiB" for key, value in found[side].items()))
        print("memory, ratios: " + ", ".join(f"{k} {v / found['ours'][k]:.2f}" for k, v in found["published"].items()))


def both_tflop(model: MicKey) -> float:
    """Operations of matrix products for two images, 10^12, counted by torch."""
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    # The counter does not know the CPU's flash attention: its products are counted as those of plain attention.
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        both(model, *images(2))
    return counter.get_total_flops() / 1e12


@torch.inference_mode()
def memory_of(side: str, folder: Path) -> dict[str, float]:
    """In a process of its own: peak memory of a pair, and how far a solver raises it above its input, MiB."""
    reference = Reference(folder)
    with tempfile.TemporaryDirectory() as temporary:
        model = reference.ours(Path(temporary))
    batch = make_batch(1, 1938, "cpu")
    data, problem, solver = as_data(batch), as_problem(batch), get_solver("probabilistic")
    reset_peak()
    before = resident_mib()
    reference.pose(data, data["K"]) if side == "published" else solver.solve(problem)
    extra = peak_mib() - before
    photos = images(2)
    before = resident_mib()
    reset_peak()
    published_pair(reference, *photos) if side == "published" else our_pairs(model, photos)
    return {"solver above its input": extra, "pair above both networks": peak_mib() - before}


if __name__ == "__main__":
    main()
