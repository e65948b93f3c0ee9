"""How good scales from depth are on rendered rooms: errors, intervals, lengths in the model, time.

    python benchmarks/metric_scale.py --rooms 10:60                      # exact models of rooms, 50 of them
    python benchmarks/metric_scale.py --rooms 10:22 --sfm                # models by SfM with pycolmap's SIFT
    python benchmarks/metric_scale.py --rooms 10:22 --sfm --weights small
    python benchmarks/metric_scale.py --size 200                         # time and memory at 200 images

A room is a walk of 12 photos, ``rooms.walk.sample_walk(seed)``. The true scale of a model by SfM is that of the
similarity between its cameras and the true ones. Depth: "true"; "noisy": each point off by a log-normal factor of 20 %
and each image by one of 10 %; MicKey's with ``--weights``. Defaults of the package were chosen on rooms 0 to 9.
"""

import argparse
import resource
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import pycolmap
import torch
from torch import Tensor

from mickey_hloc.datasets.room_models import room_model, visible_edges
from mickey_hloc.depth.base import DepthSource
from mickey_hloc.depth.sampling import sample_depth_map
from mickey_hloc.errors import InputError
from mickey_hloc.geometry import camera_centres
from mickey_hloc.metric.depth_scale import DepthScaleOptions, depth_scale
from mickey_hloc.metric.gps import align
from mickey_hloc.metric.lengths import KnownLength
from mickey_hloc.metric.measuring import measure
from mickey_hloc.rooms import RenderedView, Room
from mickey_hloc.rooms.walk import sample_walk
from mickey_hloc.scale_reconstruction import Evidence, opened_depth

SIZE = (640, 480)
NUM_VIEWS = 12
UNITS_PER_METRE = 2.5


class RoomDepth(DepthSource):
    """The true depth of views, each point and each image off by a log-normal factor."""

    def __init__(
        self, maps: dict[str, np.ndarray], point_std: float = 0.0, image_std: float = 0.0, seed: int = 0
    ) -> None:
        super().__init__()
        self.maps, self.point_std, self.rng = maps, point_std, np.random.default_rng(seed)
        self.factors = {name: np.exp(image_std * self.rng.normal()) for name in sorted(maps)}

    def _depths(self, image_name: str, keypoints: Tensor) -> Tensor:
        depth_map = torch.from_numpy(self.maps[image_name])
        depths = sample_depth_map(depth_map, keypoints, (depth_map.shape[1], depth_map.shape[0]))
        noise = np.exp(self.point_std * self.rng.normal(size=len(depths)))
        return depths * float(self.factors[image_name]) * torch.from_numpy(noise).float()


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rooms", default="10:20", metavar="FIRST:LAST", help="seeds of the rooms")
    parser.add_argument("--sfm", action="store_true", help="models by SfM, not from true geometry")
    parser.add_argument("--weights", help="MicKey's depth as well, e.g. small")
    parser.add_argument("--shared-error", type=float, help="of MicKey's depth (default: that of the package)")
    parser.add_argument("--lengths", type=int, default=6, help="edges measured in each photo")
    parser.add_argument("--folder", type=Path, help="keep photos and models there, and take what is there")
    parser.add_argument("--size", type=int, help="time and memory of the scale of one model of so many images")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    if args.size:
        time_scale(args.size)
        return
    first, last = (int(part) for part in args.rooms.split(":"))
    rows: dict[str, list[tuple[float, bool, float]]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        for seed in range(first, last):
            folder = (args.folder or Path(temporary)) / f"{seed:03d}"
            for name, row in run_room(seed, folder, args):
                rows.setdefault(name, []).append(row)
            print(f"room {seed}: " + ", ".join(f"{k} {v[-1][0]:+.2%}" for k, v in rows.items()), flush=True)
    print("\n| what | count | median error | 90 % below | largest | inside its 95 % interval | median width |")
    print("|---|---|---|---|---|---|---|")
    for name, found in rows.items():
        errors = np.abs([error for error, _, _ in found])
        inside, width = np.mean([i for _, i, _ in found]), np.median([w for _, _, w in found])
        print(
            f"| {name} | {len(found)} | {np.median(errors):.2%} | {np.quantile(errors, 0.9):.2%} "
            f"| {errors.max():.2%} | {inside:.0%} | {width:.1%} |"
        )


def run_room(seed: int, folder: Path, args: argparse.Namespace) -> Iterator[tuple[str, tuple[float, bool, float]]]:
    """The rows of a room: what was tried, its relative error, whether the truth is in its interval, and its width."""
    needs_photos = bool(args.sfm or args.weights)
    views, room = sample_walk(seed, NUM_VIEWS, SIZE if needs_photos else (160, 120))
    names = [f"{number:03d}.png" for number in range(len(views))]
    if needs_photos:
        write_photos(folder / "images", views, names)
    if args.sfm:
        model = sfm(folder, names, views[0].K)
        if model is None:
            return
    else:
        model = room_model(views, names, 150, keypoint_std=0.3, units_per_metre=UNITS_PER_METRE, seed=seed)
    centres = {
        n: camera_centres(v.cam_from_world[:, :3], v.cam_from_world[:, 3]) for n, v in zip(names, views, strict=True)
    }
    true = true_scale(model, centres)
    maps = {name: view.depth for name, view in zip(names, views, strict=True)}
    exact = depth_scale(model, RoomDepth(maps)).evidence
    yield "scale, true depth", judged(exact.scale, exact.interval_95, true)
    noisy = depth_scale(model, RoomDepth(maps, 0.2, 0.1, seed)).evidence
    yield "scale, noisy depth", judged(noisy.scale, noisy.interval_95, true)
    gps = align(model, centres, "true positions").evidence
    yield "scale, positions", judged(gps.scale, gps.interval_95, true)
    if args.weights:
        options = DepthScaleOptions(shared_error=args.shared_error)
        evidence = Evidence(depth=f"mickey:{args.weights}", options=options)
        with opened_depth(evidence, model, folder / "images") as source:
            found = depth_scale(model, source, options).evidence
        yield f"scale, {args.weights}", judged(found.scale, found.interval_95, true)
    yield from measured(model, views, room, names, RoomDepth(maps), true, args.lengths)


def judged(value: float, interval: tuple[float, float], true: float) -> tuple[float, bool, float]:
    """Relative error, whether the truth is inside, relative width."""
    return value / true - 1, bool(interval[0] <= true <= interval[1]), (interval[1] - interval[0]) / true


def measured(
    model: pycolmap.Reconstruction,
    views: Sequence[RenderedView],
    room: Room,
    names: Sequence[str],
    source: DepthSource,
    true: float,
    per_photo: int,
) -> Iterator[tuple[str, tuple[float, bool, float]]]:
    """Edges of furniture and doors, at the true scale."""
    for name, view in zip(names, views, strict=True):
        image = model.find_image_with_name(name)
        if image is None or not image.has_pose:
            continue
        for pixels, length in visible_edges(view, room)[:per_photo]:
            for what, depth in (("length, true depth", source), ("length, points", None)):
                try:
                    found = measure(model, name, pixels, depth=depth)
                except InputError:
                    continue
                low, high = found.interval_95()
                yield what, judged(found.length * true, (low * true, high * true), length)
            known = KnownLength(name, tuple(pixels.ravel()), length)
            try:
                evidence = known.evidence(model, depth=source)
            except InputError:
                continue
            yield "scale, one known length", judged(evidence.scale, evidence.interval_95, true)


def true_scale(model: pycolmap.Reconstruction, centres: dict[str, np.ndarray]) -> float:
    """Metres per unit, by the similarity of the cameras' places."""
    images = [model.images[i] for i in model.reg_image_ids()]
    source = np.array([image.projection_center() for image in images])
    return float(pycolmap.estimate_sim3d(source, np.array([centres[image.name] for image in images])).scale)


def write_photos(folder: Path, views: Sequence[RenderedView], names: Sequence[str]) -> None:
    """The photos, as files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, view in zip(names, views, strict=True):
        cv2.imwrite(str(folder / name), view.image[..., ::-1])


def sfm(folder: Path, names: Sequence[str], K: np.ndarray) -> pycolmap.Reconstruction | None:
    """pycolmap's SIFT, exhaustive matching and incremental mapper; the largest model, None without one."""
    (folder / "sfm").mkdir(exist_ok=True)
    if not any((folder / "sfm").iterdir()):
        database = folder / "database.db"
        params = ",".join(str(value) for value in (K[0, 0], K[1, 1], K[0, 2] + 0.5, K[1, 2] + 0.5))
        reader = pycolmap.ImageReaderOptions(camera_model="PINHOLE", camera_params=params)
        extraction = pycolmap.FeatureExtractionOptions(num_threads=1, use_gpu=False)
        extraction.sift.max_num_features = 2000
        pycolmap.extract_features(
            database,
            folder / "images",
            image_names=list(names),
            camera_mode=pycolmap.CameraMode.SINGLE,
            reader_options=reader,
            extraction_options=extraction,
            device=pycolmap.Device.cpu,
        )
        matching = pycolmap.FeatureMatchingOptions(num_threads=1, use_gpu=False)
        pycolmap.match_exhaustive(database, matching_options=matching, device=pycolmap.Device.cpu)
        options = pycolmap.IncrementalPipelineOptions(
            num_threads=1, random_seed=0, ba_refine_focal_length=False, ba_refine_extra_params=False
        )
        pycolmap.incremental_mapping(database, folder / "images", folder / "sfm", options)
    models = [pycolmap.Reconstruction(str(path)) for path in sorted((folder / "sfm").iterdir()) if path.is_dir()]
    return max(models, key=lambda model: model.num_reg_images(), default=None)


def time_scale(num_images: int) -> None:
    """One model of so many images with 1,000 points each."""
    views, _ = sample_walk(0, NUM_VIEWS, (160, 120))
    many = [views[number % len(views)] for number in range(num_images)]
    names = [f"{number:04d}.png" for number in range(num_images)]
    model = room_model(many, names, max(2, 3000 // num_images), keypoint_std=0.3)
    source = RoomDepth({name: view.depth for name, view in zip(names, many, strict=True)}, 0.2, 0.1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start, cpu = time.perf_counter(), time.process_time()
    depth_scale(model, source)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"{num_images} images, {model.compute_num_observations()} observations: {time.perf_counter() - start:.1f} s, "
        f"{time.process_time() - cpu:.1f} s of CPU, {(after - before) / 1024:.0f} MB more, {after / 1024:.0f} MB in all"
    )


if __name__ == "__main__":
    main()
