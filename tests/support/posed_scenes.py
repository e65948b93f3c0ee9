"""What the tests of the steps share: images, a tiny model, and a synthetic scene as files in hloc's layout."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import h5py
import numpy as np
import pycolmap
import torch

from mickey_hloc import estimate_poses
from mickey_hloc.io.matches import pair_key
from mickey_hloc.model.mickey import MicKey, MicKeyOptions
from mickey_hloc.weights.checkpoints import save_model

K = np.array([[300.0, 0, 159.5], [0, 310.0, 119.5], [0, 0, 1]])
SIZE = (320, 240)
IMAGE_SIZES = [(160, 120), (120, 160), (160, 120), (161, 119), (160, 120), (320, 240)]


def write_texture(path: Path, width: int, height: int, seed: int) -> Path:
    """A random image with structure at many scales."""
    random = np.random.default_rng(seed)
    image = np.zeros((height, width, 3), dtype=np.float32)
    for cells in (5, 17, 50):
        coarse = random.random((cells, cells, 3), dtype=np.float32)
        image += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), (image / 3 * 255).clip(0, 255).astype(np.uint8))
    return path


def write_images(folder: Path, sizes: list[tuple[int, int]]) -> list[str]:
    """Textured images ``seq<i % 2>/frame_<i>.jpg`` of the given (width, height)."""
    names = [f"seq{i % 2}/frame_{i:02d}.jpg" for i in range(len(sizes))]
    for i, (name, (width, height)) in enumerate(zip(names, sizes, strict=True)):
        write_texture(folder / name, width, height, seed=i)
    return names


def write_tiny_model(path: Path, seed: int = 0) -> Path:
    """Weights of an untrained MicKey that runs in milliseconds."""
    torch.manual_seed(seed)
    sizes = {"channels": 64, "num_blocks": 1, "patch_size": 14, "mlp_hidden": 64, "grid_size": 8}
    head = {"widths": (16, 16, 16, 16), "num_attention_layers": 1, "mlp_hidden": 32}
    options = MicKeyOptions.from_dict(
        {"encoder_options": sizes, "offset": head, "depth": head, "score": head, "descriptor": head}
    )
    return save_model(MicKey(options), path, include_encoder=True)


@dataclass
class Scene:
    """Files of a synthetic scene, and the truth.

    Attributes:
        names: of the images; all see the same points.
        cam_from_world: by name.
    """

    folder: Path
    names: list[str]
    cam_from_world: dict[str, pycolmap.Rigid3d]

    @property
    def features(self) -> Path:
        return self.folder / "feats.h5"

    @property
    def matches(self) -> Path:
        return self.folder / "matches.h5"

    @property
    def pairs(self) -> Path:
        return self.folder / "pairs.txt"

    @property
    def intrinsics(self) -> Path:
        return self.folder / "intrinsics.txt"

    def truth(self, name0: str, name1: str) -> pycolmap.Rigid3d:
        return self.cam_from_world[name1] * self.cam_from_world[name0].inverse()


def make_scene(folder: Path, num_images: int = 5, num_points: int = 60, seed: int = 0) -> Scene:
    """Random points seen by cameras around them: features with depths, matches and pairs of neighbours.

    Keypoints are shuffled in every image; every tenth match is wrong.
    """
    random = np.random.default_rng(seed)
    points = random.uniform([-1.2, -0.9, 2.0], [1.2, 0.9, 4.0], (num_points, 3))
    names = [f"seq{i % 2}/frame_{i:05d}.jpg" for i in range(num_images)]
    poses, order = {}, {}
    folder.mkdir(parents=True, exist_ok=True)
    scene = Scene(folder, names, poses)
    with h5py.File(scene.features, "w") as file:
        for name in names:
            poses[name] = random_motion(random)
            order[name] = random.permutation(num_points)
            seen = (poses[name] * points)[order[name]]
            group = file.create_group(name)
            group["keypoints"] = (seen @ K.T)[:, :2] / seen[:, 2:]
            group["depths"] = seen[:, 2]
            group["image_size"] = np.array(SIZE)
    pairs = [(names[i], names[j]) for i in range(num_images) for j in range(i + 1, min(i + 3, num_images))]
    with h5py.File(scene.matches, "w") as file:
        for name0, name1 in pairs:
            partner = np.argsort(order[name1])[order[name0]]
            partner[::10] = -1
            partner[5::10] = np.roll(partner[5::10], 1)
            group = file.create_group(pair_key(name0, name1))
            group["matches0"] = partner.astype(np.int16)
            group["matching_scores0"] = np.full(num_points, 0.5, dtype=np.float16)
    scene.pairs.write_text("".join(f"{a} {b}\n" for a, b in pairs))
    camera = " ".join(str(v) for v in (K[0, 0], K[1, 1], K[0, 2], K[1, 2], *SIZE))
    scene.intrinsics.write_text("".join(f"{name} {camera}\n" for name in names))
    return scene


def random_motion(random: np.random.Generator, angle: float = 0.2, distance: float = 0.3) -> pycolmap.Rigid3d:
    """A small motion."""
    axis = random.normal(size=3)
    rotation = pycolmap.Rotation3d(axis / np.linalg.norm(axis) * random.uniform(0, angle))
    return pycolmap.Rigid3d(rotation, random.uniform(-distance, distance, 3))


def motion_error(a: pycolmap.Rigid3d, b: pycolmap.Rigid3d) -> float:
    """Largest difference of the two 3 x 4 matrices."""
    return float(np.abs(np.asarray(a.matrix()) - np.asarray(b.matrix())).max())


def estimate(scene, conf="procrustes", name="poses.txt", **changes):
    """Run the step on a scene's files."""
    options = {"matches": scene.matches, "output": scene.folder / name, "progress": False, **changes}
    conf = estimate_poses.get_conf(conf) if isinstance(conf, str) else conf
    files = {key: options.pop(key, getattr(scene, key)) for key in ("pairs", "features", "intrinsics")}
    return estimate_poses.main(conf, **files, **options)
