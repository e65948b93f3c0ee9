"""A collection through the steps with the bundled model: wall time, CPU time and peak memory of each stage.

    python benchmarks/collection.py                                     # 200 images, 2,000 pairs, about five minutes
    python benchmarks/collection.py --images 500 --pairs 5000 --engine ray --shards 16
    python benchmarks/collection.py --backend onnxruntime

The images are the two photos of the package moved by random homographies, 640 x 480 pixels. Every stage is a process of
its own. Of the extraction on one machine the network's share of the wall time is printed as well.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

SIZE = (640, 480)


def main() -> None:
    """Print one line for each stage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--pairs", type=int, default=2000)
    parser.add_argument("--solver", default="joint")
    parser.add_argument("--backend", default="torch", choices=("torch", "onnxruntime", "openvino"))
    parser.add_argument("--engine", default="local", choices=("local", "ray"))
    parser.add_argument("--shards", type=int, help="of --engine ray")
    parser.add_argument("--threads", type=int, help="of torch in every process (default: torch's)")
    parser.add_argument("--output", type=Path, help="folder that stays (default: one that is removed)")
    parser.add_argument("--network-share", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.network_share is not None:
        network_share(args.network_share)
        return
    with tempfile.TemporaryDirectory() as folder:
        run(args, args.output or Path(folder))


def run(args: argparse.Namespace, folder: Path) -> None:
    """Make the images, run the stages."""
    names = make_images(folder / "images", args.images)
    each = -(-args.pairs // len(names))
    offsets = range(1, each + 1)
    pairs = [(a, names[(i + j) % len(names)]) for i, a in enumerate(names) for j in offsets][: args.pairs]
    (folder / "pairs.txt").write_text("".join(f"{a} {b}\n" for a, b in pairs))
    (folder / "intrinsics.txt").write_text("".join(f"{n} 525 525 319.5 239.5 640 480\n" for n in names))
    engine = ["--engine", args.engine, *([] if args.shards is None else ["--shards", str(args.shards)])]
    extract = ["extract", "images", "--weights", "small", "--backend", args.backend, "--output", "feats.h5", *engine]
    match = ["match", "pairs.txt", "--features", "feats.h5", "--output", "matches.h5", *engine]
    poses = ["poses", "pairs.txt", "--features", "feats.h5", "--matches", "matches.h5", "--solver", args.solver]
    poses += ["--intrinsics", "intrinsics.txt", "--output", "poses.txt", *engine]
    environment = dict(os.environ)
    if args.threads:
        environment["OMP_NUM_THREADS"] = str(args.threads)
    for command, output, count in (
        (extract, "feats.h5", len(names)),
        (match, "matches.h5", len(pairs)),
        (poses, "poses.txt", len(pairs)),
    ):
        stage(command, folder, output, count, environment, share=command is extract and args.engine == "local")


def stage(command: list[str], folder: Path, output: str, count: int, environment: dict[str, str], share: bool) -> None:
    """Run a command in a process of its own and print what it took."""
    start = resource.getrusage(resource.RUSAGE_CHILDREN)
    wall = time.perf_counter()
    program = [__file__, "--network-share"] if share else ["-m", "mickey_hloc.cli"]
    done = subprocess.run(
        [sys.executable, *program, *command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    wall = time.perf_counter() - wall
    end = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1):
        sys.exit(done.stdout + done.stderr)
    cpu = end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime
    file = folder / output
    told = json.loads(done.stdout.splitlines()[-1])["network"] if share else None
    digest = hashlib.sha256(file.read_bytes()).hexdigest()[:12]
    network = f", network {told:.0%} of the loop" if told else ""
    print(
        f"{command[0]}: {count}, {wall:.1f} s ({1000 * wall / count:.0f} ms each), {cpu:.1f} s of CPU, peak of the "
        f"largest process so far {end.ru_maxrss / 1024:.0f} MiB, {file.stat().st_size / count / 1000:.1f} kB each, "
        f"sha256 {digest}{network}",
        flush=True,
    )


def network_share(command: list[str]) -> None:
    """Run ``extract`` in this process and print which share of its loop's wall time the network had, as json."""
    from mickey_hloc import extract_features
    from mickey_hloc.cli import main as run_command

    in_network, in_loop = [], []
    describe, loop = extract_features._describe, extract_features._run

    def timed_describe(*args: object) -> object:
        start = time.perf_counter()
        found = describe(*args)  # type: ignore[arg-type]
        in_network.append(time.perf_counter() - start)
        return found

    def timed_loop(*args: object) -> object:
        start = time.perf_counter()
        found = loop(*args)  # type: ignore[arg-type]
        in_loop.append(time.perf_counter() - start)
        return found

    extract_features._describe, extract_features._run = timed_describe, timed_loop  # type: ignore[assignment]
    status = run_command(command)
    print(json.dumps({"network": sum(in_network) / sum(in_loop)}))
    sys.exit(status)


def make_images(folder: Path, count: int) -> list[str]:
    """Views of the shipped photos by random homographies; names sorted by what they show."""
    from mickey_hloc.datasets.example import load_example

    example, random = load_example(), np.random.default_rng(0)
    photos = itertools.cycle([np.asarray(example.photo0.image), np.asarray(example.photo1.image)])
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for i, photo in zip(range(count), photos, strict=False):
        height, width = photo.shape[:2]
        corners = np.float32([[0, 0], [width, 0], [width, height], [0, height]])
        moved = corners + random.uniform(-0.08, 0.08, (4, 2)).astype(np.float32) * np.float32([width, height])
        scale = np.float32([SIZE[0] / width, SIZE[1] / height])
        H = cv2.getPerspectiveTransform(corners, (moved * scale).astype(np.float32))
        image = cv2.warpPerspective(photo, H, SIZE, borderMode=cv2.BORDER_REFLECT)
        names.append(f"view_{i:05d}.jpg")
        cv2.imwrite(str(folder / names[-1]), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    return names


if __name__ == "__main__":
    main()
