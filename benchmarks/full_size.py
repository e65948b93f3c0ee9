"""Time of one pair at the published size (ViT-L/14, 540 x 720, random weights): 16 bit against float32, in one run.

python benchmarks/full_size.py
"""

import argparse
import time

import torch

from mickey_hloc.model.mickey import MicKey, MicKeyOptions, autocast_dtype, cpu_multiplies_bf16
from mickey_hloc.solvers import PoseProblem, View, get_solver


def main() -> None:
    """Print the seconds of every stage, and the ratio of the encoder's."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--runs", type=int, default=2)
    args = parser.parse_args()
    device = torch.device(args.device)
    torch.manual_seed(0)
    model = MicKey(MicKeyOptions()).to(device).eval()
    image0, image1 = torch.rand(2, 1, 3, 720, 540, device=device)
    half = "fp16" if device.type == "cuda" else "bf16"
    if device.type == "cpu" and cpu_multiplies_bf16() is False:
        half = "fp32"  # this CPU has no 16-bit instructions
    seconds = {}
    for precision in dict.fromkeys((half, "fp32")):
        model.precision = precision
        runs = [time_pair(model, image0, image1) for _ in range(args.runs + 1)][1:]  # the first one warms up
        seconds[precision] = {stage: min(run[stage] for run in runs) for stage in runs[0]}
        print(precision, {stage: round(value, 3) for stage, value in seconds[precision].items()})
    if half == "fp32":
        print("This CPU has no bfloat16 instructions: there is nothing to compare float32 with.")
        return
    ratio = seconds["fp32"]["two images"] / seconds[half]["two images"]
    print(f"fp32 / {half}: {ratio:.2f}; precision auto here is {autocast_dtype('auto', device) or 'float32'}")


@torch.inference_mode()
def time_pair(model: MicKey, image0: torch.Tensor, image1: torch.Tensor) -> dict[str, float]:
    """Seconds of the network, of matching and of the solver."""
    start = now(model.device)
    a, b = model(image0), model(image1)
    encoded = now(model.device)
    probability = model.correspondence_probability(a, b)[0]
    matched = now(model.device)
    K = torch.tensor([[570.0, 0, 269.5], [0, 570.0, 359.5], [0, 0, 1]], device=model.device)
    views = [View(k.keypoints[0], k.depths[0].abs() + 1, K) for k in (a, b)]
    get_solver("probabilistic").solve(PoseProblem(*views, probability=probability))
    return {"two images": encoded - start, "matching": matched - encoded, "solver": now(model.device) - matched}


def now(device: torch.device) -> float:
    """The time when the device has nothing left to do, seconds."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


if __name__ == "__main__":
    main()
