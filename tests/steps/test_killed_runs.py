"""``kill -9`` at random moments: nothing lost, nothing doubled, the final file that of an undisturbed run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

KILLS = int(os.environ.get("MICKEY_KILLS", "3"))  # a few in CI; 20 and more when the writers change


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_kills_at_random_moments_lose_and_double_nothing(tmp_path):
    tests = Path(__file__).parents[1]
    command = [sys.executable, "-m", "support.killed_runs", str(tmp_path), str(KILLS), "0"]
    path = os.pathsep.join([str(tests), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for step, result in json.loads(done.stdout).items():
        print(step, result)
        assert result["killed"] >= 1  # the others came after the end
        assert result["stored"] == sorted(result["stored"])  # no kill throws away what an earlier run has stored
        assert result["same_bytes"]
        assert result["left_behind"] == []
