"""The course's sunspot network by gristmill, over seeds, beside AR(11) and the course's own code.

    benchmarks/sunspots.py choose    settings judged on the validation part, the last 300 of the first 3,000 months
    benchmarks/sunspots.py score     the catalogue's `sunspots_course` scored on the test part, five seeds
    benchmarks/course_sunspots.py    the opponent, half an hour a seed

Needs the course's file (`data/README.md`). Every run is the real command with `--json`, in a store of its own.
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).parent.parent
GRISTMILL = str(Path(sys.executable).with_name("gristmill"))


def run(store: str, *assignments: str) -> dict[str, Any]:
    """Run `sunspots_course` with settings changed and return what the command printed."""
    words = [word for assignment in assignments for word in ("--set", assignment)]
    command = [GRISTMILL, "-q", "run", "sunspots_course", "--json", *words]
    environment = os.environ | {"GRISTMILL_STORE": store}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def choose(store: str) -> None:
    """Print the validation error of each candidate; the test part is not looked at."""
    print("| epochs | learning rate | seed | validation MAE | AR(11) | train s |\n|---:|---:|---:|---:|---:|---:|")
    for epochs, rate, seed in itertools.product((15, 25, 40), (2e-3, 4e-3, 8e-3), (0, 1)):
        settings = (f"train.epochs={epochs}", f"train.learning_rate={rate}", f"train.seed={seed}")
        found = run(store, "preprocess.validation=300", *settings)
        model = found["scores"]["model"]["validation"]["mae"]
        baseline = found["scores"]["baselines"]["autoregression"]["validation"]["mae"]
        spent = found["stages"]["train"]["seconds"]
        print(f"| {epochs} | {rate:g} | {seed} | {model:.3f} | {baseline:.3f} | {spent:.0f} |", flush=True)


def score(store: str) -> None:
    """Print the test error of each seed, their mean, and the baselines'."""
    found = {seed: run(store, f"train.seed={seed}") for seed in range(5)}
    print("| seed | test MAE | train s |\n|---:|---:|---:|")
    for seed, result in found.items():
        print(
            f"| {seed} | {result['scores']['model']['test']['mae']:.3f} | {result['stages']['train']['seconds']:.0f} |"
        )
    errors = [result["scores"]["model"]["test"]["mae"] for result in found.values()]
    print(f"| mean | {statistics.mean(errors):.3f} | |")
    for name, parts in found[0]["scores"]["baselines"].items():
        print(f"| {name} | {parts['test']['mae']:.3f} | |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("choose", "score"), nargs="?", default="score")
    with TemporaryDirectory() as folder:
        {"choose": choose, "score": score}[parser.parse_args().what](folder)
