"""Read files with random damage: every reader gives what it can read, or one sentence.

    python -m support.mutated_files FOLDER COUNT SEED [KIND ...]

Every kind runs in a process of its own, which is started again behind a file that ends it. Prints json: for every kind
how many were tried, read and refused, and what went wrong otherwise, with an example.
"""

from __future__ import annotations

import json
import multiprocessing
import random
import sys
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import h5py
import numpy as np
import torch

from mickey_hloc.depth.npz import NpzDepth
from mickey_hloc.errors import MickeyHlocError
from mickey_hloc.evaluation.submission import read_submission
from mickey_hloc.io.correspondences import read_correspondences
from mickey_hloc.io.features import FeatureFile
from mickey_hloc.io.matches import MatchFile
from mickey_hloc.io.origin import origin_values
from mickey_hloc.io.stored_arrays import StoredArrays
from mickey_hloc.weights.metadata import read_metadata
from mickey_hloc.weights.state_file import load_state_file
from support.posed_scenes import make_scene, write_tiny_model

TIMEOUT_S = 120
NAMES = ("seq0/frame_00000.jpg", "seq1/frame_00001.jpg")


def mutated(content: bytes, draw: random.Random) -> bytes:
    """A file with a few bits, bytes or runs changed, cut out, doubled or cut off."""
    data = bytearray(content)
    for _ in range(draw.choice((1, 1, 2, 4, 16))):
        place = draw.randrange(max(len(data), 1))
        length = draw.choice((1, 1, 2, 4, 8, 64))
        match draw.randrange(6):
            case 0:
                data[place : place + 1] = bytes([data[place] ^ (1 << draw.randrange(8))]) if data else b""
            case 1:
                data[place : place + length] = draw.randbytes(length)
            case 2:
                data[place : place + length] = draw.choice((b"\xff", b"\x00")) * length
            case 3:
                del data[place : place + length]
            case 4:
                data[place:place] = data[place : place + length]
            case 5:
                if draw.random() < 0.3:
                    del data[place:]
    return bytes(data)


def features_file(folder: Path) -> Path:
    scene = make_scene(folder, num_images=2, num_points=20)
    with h5py.File(scene.features, "a") as file:
        file.attrs["mickey_hloc_origin"] = json.dumps({"extractor": "sift"})
        file.attrs["mickey_training_focal_px"] = 500.0
        for name in NAMES:
            file[name]["descriptors"] = np.ones((8, 20), np.float16)
    return scene.features


def read_features(path: Path) -> None:
    with FeatureFile(path) as file:
        _ = origin_values(file.attributes), file.names()
    for name in NAMES:  # each costs only itself
        with FeatureFile(path) as file, StoredArrays(path) as arrays:
            file.checksum(name)
            if name in file:
                found = file.read(name, descriptors=True)
                assert found.keypoints.dtype == np.float32
            if name in arrays:
                arrays.read(name)


def matches_file(folder: Path) -> Path:
    return make_scene(folder, num_images=2, num_points=20).matches


def read_matches(path: Path) -> None:
    with MatchFile(path) as file:
        _ = origin_values(file.attributes)
        matches, scores = file.read(*NAMES)
        assert matches.dtype == np.int64
        assert scores is None or (scores >= 0).all()
        file.features_checksums(*NAMES)


def npz_file(folder: Path) -> Path:
    path = folder / "depth.npz"
    np.savez(path, **{"frame_1": np.full((6, 8), 2.0, np.float32), "frame_2": np.full((6, 8), 1500, np.uint16)})
    return path


def read_npz(path: Path) -> None:
    source = NpzDepth(path, image_dir=path.parent)
    for name in ("frame_1.png", "frame_2.png"):
        assert source._load_map(name, (8, 6)).shape == (6, 8)


def correspondences_file(folder: Path) -> Path:
    path = folder / "correspondences.npz"
    np.savez_compressed(path, correspondences=np.ones((3, 5, 4), np.float32))
    return path


def submission_file(folder: Path) -> Path:
    path = folder / "submission.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for scene in ("s00460", "s00461"):
            lines = [f"seq1/frame_{i:05d}.jpg 1 0 0 0 0.1 0.2 {i / 10} 0.5\n" for i in range(20)]
            archive.writestr(f"pose_{scene}.txt", "".join(lines))
    return path


def checkpoint_file(folder: Path) -> Path:
    path = folder / "last.ckpt"
    torch.save({"state_dict": {"a.weight": torch.ones(4, 3), "b": torch.zeros(2)}, "epoch": 3}, path)
    return path


def legacy_checkpoint_file(folder: Path) -> Path:
    path = folder / "legacy.pth"
    torch.save({"a.weight": torch.ones(4, 3)}, path, _use_new_zipfile_serialization=False)
    return path


KINDS: dict[str, tuple[Callable[[Path], Path], Callable[[Path], object]]] = {
    "features h5": (features_file, read_features),
    "matches h5": (matches_file, read_matches),
    "depth npz": (npz_file, read_npz),
    "correspondences npz": (correspondences_file, read_correspondences),
    "submission zip": (submission_file, read_submission),
    "checkpoint": (checkpoint_file, load_state_file),
    "legacy checkpoint": (legacy_checkpoint_file, load_state_file),
    "safetensors": (lambda folder: write_tiny_model(folder / "tiny.safetensors"), read_metadata),
}


def _outcome(read: Callable[[Path], object], path: Path) -> str:
    try:
        read(path)
    except MickeyHlocError as error:
        return "refused" if str(error) and "\n" not in str(error) else f"bad message: {error!r}"
    except BaseException as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} ({Path(last.filename).name}, line {last.lineno}): {str(error)[:100]}"
    return "read"


def _work(kind: str, folder: Path, first: int, last: int, seed: int, pipe: Connection) -> None:
    make, read = KINDS[kind]
    whole = make(folder / "whole")
    content, path = whole.read_bytes(), folder / f"mutated{whole.suffix}"
    assert _outcome(read, whole) == "read", _outcome(read, whole)
    for number in range(first, last):
        path.write_bytes(mutated(content, random.Random(f"{kind} {seed} {number}")))
        pipe.send((number, None))
        pipe.send((number, _outcome(read, path)))


def try_kind(kind: str, folder: Path, count: int, seed: int) -> dict[str, object]:
    """Read ``count`` damaged files of a kind."""
    outcomes: Counter[str] = Counter()
    examples: dict[str, int] = {}
    (folder / "whole").mkdir(parents=True, exist_ok=True)
    number = -1
    while number + 1 < count:
        receiver, sender = multiprocessing.Pipe(duplex=False)
        worker = multiprocessing.Process(target=_work, args=(kind, folder, number + 1, count, seed, sender))
        worker.start()
        sender.close()
        try:
            while True:
                if not receiver.poll(TIMEOUT_S):
                    outcome = "hangs"
                    worker.kill()
                    break
                number, outcome = receiver.recv()
                if outcome is not None:
                    outcomes[outcome] += 1
                    examples.setdefault(outcome, number)
        except EOFError:
            worker.join()
            if worker.exitcode == 0:
                break
            if number < 0:
                raise SystemExit(f"the undamaged file of kind '{kind}' cannot be read") from None
            outcome = f"ends the process ({worker.exitcode})"
        outcomes[outcome] += 1
        examples.setdefault(outcome, number)
    good = {"read": outcomes.pop("read", 0), "refused": outcomes.pop("refused", 0)}
    bad = {what: {"count": n, "example": examples[what]} for what, n in outcomes.most_common()}
    return {"tried": number + 1, **good, "bad": bad}


def main() -> None:
    folder, count, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    kinds = sys.argv[4:] or list(KINDS)
    print(json.dumps({kind: try_kind(kind, folder / kind.replace(" ", "_"), count, seed) for kind in kinds}))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
