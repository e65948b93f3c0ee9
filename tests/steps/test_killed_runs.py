"""Signals at random moments, every step: nothing lost, nothing doubled, the final file that of an undisturbed run."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.command_runs import COMMANDS
from support.step_runs import STEPS

LONG = os.environ.get("MICKEY_LONG_TESTS") == "1"
KILLS = int(os.environ.get("MICKEY_KILLS", "20" if LONG else "3"))  # of each step


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("sent", ["SIGKILL", "SIGTERM", "SIGINT"])
def test_signals_at_random_moments_lose_and_double_nothing(tmp_path: Path, sent: str) -> None:
    tests = Path(__file__).parents[1]
    command = [sys.executable, "-m", "support.killed_runs", str(tmp_path), str(KILLS), "0", sent]
    command += STEPS if LONG else [name for name in STEPS if name not in COMMANDS]
    path = os.pathsep.join([str(tests), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    done = subprocess.run(command, capture_output=True, text=True, timeout=3600, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    status = {"SIGKILL": -signal.SIGKILL, "SIGTERM": 143, "SIGINT": 130}[sent]
    results = json.loads(done.stdout)
    for step, result in results.items():
        print(step, result)
        # One that comes before Python has taken over from the shell's default, or after the end, is no kill.
        assert set(result["ended"]) <= {0, status, -signal.Signals[sent]}, step
        assert result["stored"] == sorted(result["stored"])  # no kill throws away what an earlier run has stored
        assert result["same_bytes"], step
        assert result["left_behind"] == [], step
        assert all(not text or "interrupted" in text for text in result["said"]), step
    assert sum(code != 0 for result in results.values() for code in result["ended"]) >= KILLS


@pytest.mark.skipif(not LONG, reason="long form")
@pytest.mark.parametrize(("sent", "status", "said"), [("SIGTERM", 143, ""), ("SIGINT", 130, "interrupted")])
def test_a_signal_to_a_real_command_and_its_processes_is_quiet(
    tmp_path: Path, sent: str, status: int, said: str
) -> None:
    """Ctrl+C goes to all processes of a terminal; pycolmap, imported late, would answer SIGTERM with a stack trace."""
    command = [sys.executable, "-m", "mickey_hloc.cli", "rooms", str(tmp_path / "rooms"), "--rooms", "10000"]
    how = ["--size", "32", "24", "--places", "1", "--views", "2", "--jobs", "2"]
    with subprocess.Popen([*command, *how], stderr=subprocess.PIPE, text=True, start_new_session=True) as run:
        deadline = time.monotonic() + 600
        while not list(tmp_path.glob("rooms/train/s*")) and time.monotonic() < deadline:
            time.sleep(0.05)
        send = os.killpg if sent == "SIGINT" else os.kill
        send(run.pid, signal.Signals[sent])
        _, stderr = run.communicate(timeout=600)
    lines = [line for line in re.split(r"[\r\n]", stderr) if line.strip() and "room" not in line]
    assert run.returncode == status, stderr
    assert all(said and said in line for line in lines), stderr
