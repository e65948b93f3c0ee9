"""The steps that write, each ready to run in a process forked from this one, so that the imports are paid once."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import torch

from mickey_hloc import estimate_poses, extract_features, localize, match_features
from mickey_hloc.cli import run_command
from mickey_hloc.depth import sample_depths
from mickey_hloc.evaluation.submission import Estimate, write_submission
from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.io.colmap import read_colmap_model
from mickey_hloc.io.features import FeatureFile
from mickey_hloc.io.poses import HEADER, read_poses, write_absolute_poses, write_poses
from support import command_runs
from support.command_runs import COMMANDS, Command
from support.posed_scenes import make_scene, write_images

Step = Callable[[Path], object]
STEPS = ("extract", "match", "depths", "poses", "localize", "submit", *COMMANDS)
TIMED = re.compile(r"(^|/)(\.|tensorboard/|colmap\.LOG|curves\.png|config\.yaml$)")
LEFTOVER = re.compile(r"(^|/)\.|\.(tmp|parts|journal|old)$")
# Bars, notes, and what hloc, COLMAP and Lightning say on the way.
_FIRST_WORDS = (
    r"note: |INFO: |Reconstruction:|\t|\[.* hloc |[IW]\d{8} |GPU avail|TPU avail|`Trainer|Loading `|\S* ?Tip: |"
    r"\d+ queries"
)
PROGRESS = re.compile(rf"%\||/s\]|^({_FIRST_WORDS})|^\s*$")


def prepare(name: str, folder: Path, size: int) -> tuple[Step, str]:
    """A step on inputs in ``folder``, and the name of its output; ``size`` says how much there is to do."""
    folder.mkdir(parents=True, exist_ok=True)
    known = {**vars(command_runs), **globals()}
    made: tuple[Step, str] = known[f"_{name}"](folder, size)
    return made


def _extract(folder: Path, size: int) -> tuple[Step, str]:
    images = folder / "images"
    write_images(images, [(160, 120), (120, 160)] * (4 * size))
    conf = extract_features.get_conf("sift")
    return lambda path: extract_features.extract(conf, images, path, batch_size=1, progress=False), "feats.h5"


def _match(folder: Path, size: int) -> tuple[Step, str]:
    scene = make_scene(folder / "scene", num_images=6 * size)
    random = np.random.default_rng(0)
    with h5py.File(scene.features, "a") as file:
        for name in scene.names:
            drawn = random.normal(size=(32, 60))
            file[name]["descriptors"] = (drawn / np.linalg.norm(drawn, axis=0)).astype(np.float32)
    conf = match_features.get_conf("nn-mutual")
    return lambda path: match_features.main(conf, scene.pairs, scene.features, path, progress=False), "matches.h5"


def _depths(folder: Path, size: int) -> tuple[Step, str]:
    scene = make_scene(folder / "scene", num_images=60 * size, num_points=20)
    return lambda path: sample_depths.main(scene.features, "constant:2", path, progress=False), "depths.h5"


def _poses(folder: Path, size: int) -> tuple[Step, str]:
    scene = make_scene(folder / "scene", num_images=6 * size)
    conf = estimate_poses.get_conf("procrustes")
    files = (scene.pairs, scene.features, scene.intrinsics, scene.matches)
    return lambda path: estimate_poses.main(conf, *files, output=path, batch_size=1, progress=False), "poses.txt"


def _localize(folder: Path, size: int) -> tuple[Step, str]:
    scene = make_scene(folder / "scene", num_images=10 * size)
    references = {name: pose for i, (name, pose) in enumerate(scene.cam_from_world.items()) if i % 2 == 0}
    write_absolute_poses(folder / "references.txt", references)
    names = scene.names
    pairs = [(names[i], names[i - 1]) for i in range(1, len(names), 2)]
    write_poses(folder / "poses.txt", {pair: RelativePose(True, scene.truth(*pair), confidence=0.5) for pair in pairs})
    return lambda path: localize.main(folder / "poses.txt", folder / "references.txt", path), "results.txt"


def _submit(folder: Path, size: int) -> tuple[Step, str]:
    scene = make_scene(folder / "scene", num_images=4)
    estimates = [Estimate(pose, 0.5) for pose in scene.cam_from_world.values()]
    frames = {f"seq1/frame_{i:05d}.jpg": estimates[i % 4] for i in range(200)}
    scenes = {f"s{i:05d}": frames for i in range(5 * size)}
    return lambda path: write_submission(path, scenes), "submission.zip"


@dataclass(frozen=True)
class Ended:
    """How a child ended: its exit status, or minus the signal that ended it, and what it printed to stderr."""

    status: int
    said: str

    @property
    def complaints(self) -> list[str]:
        """What it printed besides progress, and Python's word on a forked child that ends without its cleaning up."""
        said = re.sub(r"[^\n]*resource_tracker.py:[^\n]*\n\s*warnings.warn\([^\n]*\n?", "", self.said)
        return [line for line in re.split(r"[\r\n]", said) if not PROGRESS.search(line)]


def run_in_child(
    step: Step,
    path: Path,
    sent: int | None = None,
    after_s: float = 0.0,
    before: Callable[[], None] | None = None,
) -> Ended:
    """Run a step as its command would in a forked process.

    Args:
        sent: a signal that is sent to it after ``after_s``.
        before: called in the child first.
    """
    told, tell = os.pipe()  # no file: the disk may be full, or files may not grow
    fcntl.fcntl(tell, fcntl.F_SETPIPE_SZ, 1 << 20)
    child = os.fork()
    if child == 0:
        status = 99  # an exception: a traceback for a user
        started = False
        try:
            os.dup2(tell, 2)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            sys.stderr = os.fdopen(2, "w", closefd=False)
            torch.set_num_threads(1)
            if before is not None:
                before()
            started = True
            status = step(path) if isinstance(step, Command) else run_command(lambda: int(step(path) is None), "step")
            sys.stderr.flush()
        except KeyboardInterrupt:
            status = 99 if started else 128 + signal.SIGINT
        finally:
            if status == 99:
                import traceback

                traceback.print_exc()
                sys.stderr.flush()
            os._exit(status)
    if sent is not None:
        time.sleep(after_s)
        os.kill(child, sent)
    _, status = os.waitpid(child, 0)
    code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
    os.close(tell)
    os.set_blocking(told, False)  # a process that the child has left behind may still hold the other end
    with open(told, "rb") as pipe:
        return Ended(code, (pipe.read() or b"").decode(errors="replace"))


def content(path: Path) -> dict:
    """What an output holds, by image, pair or file; an unreadable file raises."""
    if path.is_dir():
        return {f"{inner} {key}": v for inner in _files(path) for key, v in _in_file(path / inner).items()}
    return _in_file(path) if path.exists() else {}


def same_in_every_run(path: Path) -> dict[str, bytes]:
    """The bytes of an output, file or folder, that do not depend on interruptions.

    Not those of logs, of checkpoints, which have times in them, and of COLMAP's models, which no two runs make alike.
    """
    if not path.is_dir():
        return {path.name: path.read_bytes()}
    return {
        inner: (path / inner).read_bytes() for inner in _files(path) if not inner.endswith((".ckpt", ".db", ".bin"))
    }


def _files(folder: Path) -> list[str]:
    """Names of the files of an output folder; not hidden ones, logs, and what names the folder."""
    names = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()]
    return [name for name in names if not TIMED.search(name)]


def _in_file(path: Path) -> dict:
    if path.name == "poses.txt" and path.read_text().startswith(HEADER):
        return {pair: pose.quaternion_wxyz.tolist() for pair, pose in read_poses(path).items()}
    if path.suffix == ".ckpt":
        return {f"epoch {i}": b"" for i in range(torch.load(path, weights_only=True)["epoch"] + 1)}
    if path.suffix == ".bin":  # whole, as read_colmap_model has seen
        return {path.name: read_colmap_model(path.parent).num_reg_images() > 2}
    if path.suffix == ".db":
        return {}
    if path.suffix != ".h5":
        return {"bytes": path.read_bytes()}
    with h5py.File(path) as file:
        return {n: {k: v[()].tobytes() for k, v in file[n].items()} for n in FeatureFile(path).names()}


def stored(path: Path) -> int:
    """How much is safe, in the output and in what lies beside it or in it while it is written."""
    beside = [*path.parent.glob(path.name + ".*"), *(path.rglob("*") if path.is_dir() else ())]
    names, lines = set(content(path)), 0
    for found in beside:
        if found.suffix == ".parts":  # of a file in a folder: named as in the folder
            prefix = f"{found.relative_to(path).with_suffix('')} " if path.is_dir() else ""
            names.update(prefix + name for part in found.glob("*.h5") for name in _in_file(part))
        elif found.suffix == ".journal":
            lines += sum(not line.startswith(b"#") for line in found.read_bytes().splitlines())
    return len(names) + lines


def left_beside(path: Path) -> list[str]:
    """What lies in an output's folder besides it, or in the output without belonging to it."""
    inner = [p.relative_to(path).as_posix() for p in path.rglob("*")] if path.is_dir() else []
    return sorted(p.name for p in path.parent.iterdir() if p.name != path.name) + sorted(
        name for name in inner if LEFTOVER.search(name)
    )


SIGKILL, SIGTERM, SIGINT = signal.SIGKILL, signal.SIGTERM, signal.SIGINT
