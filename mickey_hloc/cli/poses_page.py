"""``--report`` of ``poses``: one page on all pairs of a poses file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mickey_hloc import __version__, estimate_poses
from mickey_hloc.cli.reasons import reasons_by_kind
from mickey_hloc.confidence import strength
from mickey_hloc.geometry import rotation_angle_deg
from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.io.cameras import Cameras
from mickey_hloc.io.images import read_image
from mickey_hloc.io.pairs import Pair
from mickey_hloc.visualization import Page
from mickey_hloc.visualization.charts import histogram
from mickey_hloc.visualization.two_view_pictures import matches_picture

Pictures = list[tuple[str, np.ndarray]]
# Features, cameras, matches, images, features of the second images, device.
Inputs = tuple[Path, Path | Sequence[Path] | Cameras, Path | None, Path, Path | None, str]
PICTURES = 3  # of each kind


def write_poses_page(
    path: Path,
    poses_file: Path,
    poses: Mapping[Pair, RelativePose],
    draw: Callable[[Sequence[Pair]], Pictures] | None = None,
    command: str = "",
) -> Path:
    """Write the page.

    Args:
        poses: of the file.
        draw: pictures of pairs; None: there are none.
        command: how the page was made.
    """
    found = sorted((pair for pair in poses if poses[pair].success), key=lambda pair: -poses[pair].confidence)
    failed = [pair for pair in poses if not poses[pair].success]
    statement = f"{len(found)} of {len(poses)} pairs have a pose."
    if found:
        strengths = [strength(poses[pair].confidence).partition(":")[0].partition(",")[0] for pair in found]
        counts = ", ".join(f"{strengths.count(word)} {word}" for word in dict.fromkeys(strengths))
        statement += f" {counts}."
    page = Page(f"Relative poses: {poses_file.name}", statement, bool(found))
    if found:
        values = np.array([poses[pair].confidence for pair in found])
        distances = np.array([float(np.linalg.norm(poses[pair].t)) for pair in found])
        page.charts(
            [
                ("Confidence is the probability that a pose is right.", histogram(values, "confidence")),
                ("How far the cameras are apart.", histogram(distances, "distance (m)", (0.0, float(distances.max())))),
            ],
            height_px=300,
        )
    if draw is not None:
        _pictures(page, found, [pair for pair in failed if poses[pair].has_estimate], draw)
    elif found:
        page.text("For pictures of the pairs, give --images.")
    if failed:
        page.heading(f"Without a pose: {len(failed)}")
        kinds = reasons_by_kind(poses[pair].reason for pair in failed)
        page.table(["pairs", "reason, e.g."], [[str(len(kind)), kind[0]] for kind in kinds])
    page.heading("Every pair")
    head = ["first", "second", "distance (m)", "rotation (deg)", "confidence", "reason"]
    rows = [_row(pair, poses[pair]) for pair in (*found, *failed)]
    page.table(head, rows, [False, False, True, True, True, False], f"{len(rows)} pairs, the most confident first")
    return page.write(path, f"mickey-hloc {__version__}. {command}".strip())


def draw_pairs(conf: Mapping[str, Any], inputs: Inputs, pairs: Sequence[Pair]) -> Pictures:
    """Captions and pictures of the matches of some pairs, solved once more.

    Raises:
        InputError: a file cannot be used any more.
    """
    features, intrinsics, matches, images, features_ref, device = inputs
    drawn = []
    for pair, problem, pose in estimate_poses.solve_again(
        conf, pairs, features, intrinsics, matches, images, features_ref, device
    ):
        photos = (read_image(images / pair[0], "ignore"), read_image(images / pair[1], "ignore"))
        sure = f"confidence {pose.confidence:.2f}" if pose.success else f"refused: {pose.reason}"
        drawn.append((f"{pair[1]} against {pair[0]}: {sure}", matches_picture(pose, problem, photos)))
    return drawn


def _pictures(
    page: Page, found: Sequence[Pair], refused: Sequence[Pair], draw: Callable[[Sequence[Pair]], Pictures]
) -> None:
    middle = max(0, len(found) // 2 - PICTURES // 2)
    kinds = {
        "Most confident": found[:PICTURES],
        "Typical": found[middle : middle + PICTURES],
        "Least confident": found[::-1][:PICTURES],
        "Refused": refused[:PICTURES],
    }
    seen: set[Pair] = set()
    for title, pairs in kinds.items():
        fresh = [pair for pair in pairs if pair not in seen]
        seen |= set(fresh)
        if fresh:
            page.heading(title)
            page.pictures(draw(fresh))


def _row(pair: Pair, pose: RelativePose) -> list[str]:
    if not pose.success:
        return [*pair, "", "", "", pose.reason]
    degrees = float(rotation_angle_deg(torch.from_numpy(pose.R)))
    return [*pair, f"{np.linalg.norm(pose.t):.3f}", f"{degrees:.2f}", f"{pose.confidence:.3f}", ""]
