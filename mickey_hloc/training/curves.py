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
    found = [(e.wall_time, e.step, tag, e.value) for tag in events.Tags()["scalars"] for e in events.Scalars(tag)]
    kept: list[tuple[float, int, str, float]] = []
    for event in sorted(found):
        if kept and event[1] < kept[-1][1] - 1:  # a run went back: what followed there did not become the model
            kept = [earlier for earlier in kept if earlier[1] < event[1]]
        kept.append(event)
    curves: dict[str, tuple[list[int], list[float]]] = {}
    for _, step, tag, value in kept:
        steps, values = curves.setdefault(tag, ([], []))
        steps.append(step)
        values.append(value)
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
        if label == "alignment":
            axes.set_yscale("log")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=100)
    return path
