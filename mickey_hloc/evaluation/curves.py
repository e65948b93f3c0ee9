"""Precision-recall curves as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mickey_hloc.io.files import atomic_path

Curve = tuple[np.ndarray, np.ndarray, float]  # precision, recall, area, of evaluation.metrics.precision_recall


def save_precision_recall(path: Path, panels: Mapping[str, Mapping[str, Curve]]) -> Path:
    """Draw one panel a criterion and one line a method.

    Args:
        path: a .png.
        panels: curves by the panel's title and the method's name.
    """
    from matplotlib.figure import Figure  # without pyplot: no window, no global state

    figure = Figure(figsize=(5.5 * len(panels), 4.8), layout="constrained")
    for index, (title, curves) in enumerate(panels.items()):
        axes = figure.add_subplot(1, len(panels), index + 1)
        for name, (precision, recall, area) in curves.items():
            # the area's steps: each precision holds back to the recall before it
            axes.step(
                np.append(0.0, recall), np.append(precision[:1], precision), where="pre", label=f"{name}: {area:.3f}"
            )
            axes.plot(recall[-1:], precision[-1:], "o", color=axes.lines[-1].get_color(), markersize=4)
        axes.set(title=title, xlabel="recall: share of frames kept", ylabel="precision", xlim=(0, 1.02), ylim=(0, 1.02))
        axes.grid(alpha=0.3)
        axes.legend(title="method: area under the curve", loc="lower left", fontsize=8)
    with atomic_path(Path(path)) as temporary:
        figure.savefig(temporary, dpi=120, format="png", metadata={"Software": None})
    return Path(path)
