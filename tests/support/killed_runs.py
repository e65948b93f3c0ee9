"""Run every step again and again, ending it by a signal at random moments, then once to the end.

    python -m support.killed_runs FOLDER KILLS SEED [SIGNAL [STEP ...]]

After every kill the output is opened and compared with that of an undisturbed run. Prints json: for every step and kill
how much was stored, how the runs ended, and whether the final file is the undisturbed one, byte by byte.
"""

import json
import random
import signal
import sys
import time
from pathlib import Path

from mickey_hloc.io.signals import on_sigterm
from support.step_runs import STEPS, Step, content, left_beside, prepare, run_in_child, same_in_every_run, stored


def kill_often(step: Step, name: str, folder: Path, kills: int, draw: random.Random, sent: int) -> dict:
    start = time.monotonic()
    first = run_in_child(step, folder / "undisturbed" / name)
    assert first.status == 0, first.said
    duration_s = time.monotonic() - start
    whole = content(folder / "undisturbed" / name)
    path = folder / "killed" / name
    done, ended, said = [], [], set()
    for _ in range(kills):
        # Short enough that the work is not over before the last kill.
        run = run_in_child(step, path, sent, draw.uniform(0, 1.2 * duration_s / kills))
        found = content(path)
        assert all(whole[key] == value for key, value in found.items()), "an output differs from the undisturbed one"
        done.append(stored(path))
        ended.append(run.status)
        said.update(run.complaints)
    last = run_in_child(step, path)
    assert last.status == 0, last.said
    same = same_in_every_run(path) == same_in_every_run(folder / "undisturbed" / name)
    outcome = {"ended": ended, "said": sorted(said), "stored": done, "of": len(whole)}
    return outcome | {"same_bytes": same, "left_behind": left_beside(path)}


def main() -> None:
    folder, kills, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    sent = signal.Signals[sys.argv[4] if len(sys.argv) > 4 else "SIGKILL"]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # in a shell's background it is ignored
    on_sigterm(signal.SIG_DFL)  # not pycolmap's stack trace, in children that are not yet commands
    draw = random.Random(seed)
    results = {}
    for step_name in sys.argv[5:] or STEPS:
        step, name = prepare(step_name, folder / step_name, kills)
        results[step_name] = kill_often(step, name, folder / step_name, kills, draw, sent)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
