"""``mickey-hloc export``: a network for other programs, as ONNX or torch's own exported program."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("weights", metavar="WEIGHTS", help="named weights, see `mickey-hloc weights list`, or a file")
    parser.add_argument("--encoder", metavar="NAME|FILE", help="DINOv2 weights, for checkpoints that leave them out")
    parser.add_argument(
        "--to", default="onnx", choices=("onnx", "torch-export"), help="the format (default: %(default)s)"
    )
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="default: the name of the weights with .onnx or .pt2 behind it"
    )


def run(args: argparse.Namespace) -> int:
    """Exit status 0."""
    from mickey_hloc.model.exporting import MAX_CELLS, MIN_CELLS, OUTPUTS, write_onnx, write_torch_export
    from mickey_hloc.weights import load_model

    model = load_model(args.weights, encoder=args.encoder, device="cpu", precision="fp32").eval()
    write, end = {"onnx": (write_onnx, ".onnx"), "torch-export": (write_torch_export, ".pt2")}[args.to]
    path = write(model, args.output or Path(Path(args.weights).stem + end))
    stride = model.encoder.stride
    print(f"{path}: images (1, 3, H, W) in [0, 1] to {', '.join(OUTPUTS)}; H and W are multiples of {stride} px,")
    print(f"  from {MIN_CELLS * stride} to {MAX_CELLS * stride} px. Keypoints are in pixels, depths in metres.")
    return 0
