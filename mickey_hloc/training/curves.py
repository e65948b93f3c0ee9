"""The curves of a run as one picture, from its TensorBoard files."""

from __future__ import annotations

from pathlib import Path

from mickey_hloc.io.files import atomic_path

# What is shown together, and its axis.
PANELS = (
    ("loss", ("train/loss", "train/pair_loss", "val/loss", "train/homography_loss")),
    ("alignment", ("train/alignment_depth", "train/alignment_score", "train/alignment_possible")),
    ("share of pairs", ("val/vcre_precision", "val/pose_precision", "val/vcre_auc", "val/pose_auc", "val/estimated")),
    ("median VCRE (px)", ("val/median_vcre_px",)),
    ("median error", ("val/median_translation_m", "val/median_rotation_deg")),
    ("depth of confident keypoints", ("val/depth_rel_error", "val/depth_correlation", "val/depth_scale")),
    ("share", ("train/inlier_share", "train/null_weight", "train/pairs_used")),
)


def read_curves(folder: Path) -> dict[str, tuple[list[int], list[float]]]:
    """Steps and values of every scalar in a folder of TensorBoard files; what a resume did again replaces the first."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 1})
    events.Reload()
    curves = {}
    for tag in events.Tags()["scalars"]:
        found: list[tuple[int, float]] = []
        for event in events.Scalars(tag):
            while found and found[-1][0] >= event.step:
                found.pop()
            found.append((event.step, event.value))
        curves[tag] = ([step for step, _ in found], [value for _, value in found])
    return curves


def smooth(values: list[float], count: int) -> list[float]:
    """The mean of each value and up to ``count`` - 1 before it."""
    return [sum(values[max(i + 1 - count, 0) : i + 1]) / min(i + 1, count) for i in range(len(values))]


def draw_curves(folder: Path, path: Path) -> Path:
    """Write the panels of a run as a PNG; panels without data are left out."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    curves = read_curves(folder)
    panels = [(label, [tag for tag in tags if tag in curves]) for label, tags in PANELS]
    panels = [(label, tags) for label, tags in panels if tags]
    rows = max(-(-len(panels) // 2), 1)
    figure = Figure(figsize=(12, 3.4 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    for number, (label, tags) in enumerate(panels, start=1):
        axes = figure.add_subplot(rows, 2, number)
        for tag in tags:
            steps, values = curves[tag]
            if tag.startswith("train/"):
                values = smooth(values, 1 + len(values) // 40)
            axes.plot(steps, values, label=tag, linewidth=1.5, marker="." if tag.startswith("val/") else "")
        axes.set_xlabel("step")
        axes.set_ylabel(label)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=100)
    return path
