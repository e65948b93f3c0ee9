"""Two processes with half a batch each take the step that one process takes with the whole batch."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from support.tiny_training import tiny_values, write_world

pytest.importorskip("lightning")
SCRIPT = Path(__file__).parents[1] / "support" / "two_processes.py"


def one_step(folder: Path, world: Path, processes: int) -> tuple[dict[str, torch.Tensor], dict[str, float]]:
    folder.mkdir()
    values = tiny_values(
        world,
        folder,
        data__batch_size=4 // processes,
        loss__reinforce_factor=4.0,
        curriculum={"by": "loss", "start_share": 0.75, "end_share": 0.8},
        optimizer__clip_norm=0.0,
        trainer__devices=processes,
        trainer__strategy="ddp" if processes > 1 else "auto",
        trainer__max_epochs=1,
        validation__pictures=0,
    )
    told = {
        "config": values,
        "folder": str(folder),
        "gradient": str(folder / "gradient.pt"),
        "figures": str(folder / "figures.json"),
        "validate": True,
    }
    (folder / "settings.json").write_text(json.dumps(told))
    hidden = ("MASTER_", "WORLD_SIZE", "LOCAL_RANK", "NODE_RANK", "PL_", "PYTEST_")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(hidden)} | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(SCRIPT), str(folder / "settings.json")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return torch.load(folder / "gradient.pt", weights_only=True), json.loads((folder / "figures.json").read_text())


def test_same_gradient_and_same_figures(tmp_path: Path) -> None:
    world = tmp_path / "world"
    write_world(world)
    alone, figures_alone = one_step(tmp_path / "alone", world, 1)
    together, figures_together = one_step(tmp_path / "together", world, 2)
    assert alone.keys() == together.keys()
    assert any(float(g.abs().max()) > 0 for g in alone.values())
    for name, gradient in alone.items():
        scale = max(float(gradient.abs().max()), 1e-6)
        assert float((together[name] - gradient).abs().max()) < 1e-4 * scale, name
    for name in ("val/vcre_precision", "val/median_translation_m", "val/estimated"):
        assert figures_together[name] == pytest.approx(figures_alone[name], rel=1e-3), name
