"""Send SIGKILL at random moments of `gristmill run sunspots`, and check the artifacts and the next run.

Each round has its own seed, so that there is work to interrupt, and few epochs, so that thirty rounds take a quarter
of an hour. The moments are drawn from the duration of a run that was measured first. After the kill, every visible
artifact is hashed. Then the same command must complete, and everything is hashed again. Some kills interrupt the
training. The weights after these rounds are compared with those of an uninterrupted run with the same seed.
"""

import argparse
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from gristmill.project.project import Project

ROOT = Path(__file__).parent.parent
GRISTMILL = str(Path(sys.executable).with_name("gristmill"))
EPOCHS = 4


def command(seed: int) -> list[str]:
    """Return the command of a round."""
    settings = [f"train.epochs={EPOCHS}", f"train.patience={EPOCHS}", f"train.seed={seed}"]
    return [GRISTMILL, "-q", "run", "sunspots", *(word for setting in settings for word in ("--set", setting))]


def start(seed: int, store: str) -> "subprocess.Popen[bytes]":
    """Start a round."""
    environment = os.environ | {"GRISTMILL_STORE": store}
    return subprocess.Popen(command(seed), cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)


def complete(seed: int, store: str) -> float:
    """Run one round to its end; return its seconds."""
    began = time.perf_counter()
    if status := start(seed, store).wait():
        raise SystemExit(f"seed {seed}: the run after the kill ended with status {status}")
    return time.perf_counter() - began


def damaged(store: str) -> list[str]:
    """Return the damage of all artifacts that are visible in the store."""
    os.environ["GRISTMILL_STORE"] = store
    return [verdict.damage for verdict in Project.open(ROOT).verify() if verdict.damage]


def weights(seed: int, store: str) -> str:
    """Return the digest of the weights of the last run of a round."""
    os.environ["GRISTMILL_STORE"] = store
    project = Project.open(ROOT, {"sunspots": [word for word in command(seed) if "=" in word]})
    step = next(step for step in project.plan("sunspots") if step.stage == "train")
    if step.artifact is None:
        raise SystemExit(f"seed {seed}: no trained network in {store}")
    return str(step.artifact.manifest["files"]["weights.npz"]["sha256"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    rounds = parser.parse_args().rounds
    draw = random.Random(1)  # noqa: S311  # moments, not secrets
    with TemporaryDirectory() as store, TemporaryDirectory() as undisturbed:
        length = complete(0, store)
        resumed = []
        for seed in range(1, rounds + 1):
            process = start(seed, store)
            moment = draw.uniform(0, length)
            try:
                process.wait(moment)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            found = damaged(store)
            if list(Path(store).glob("scratch/*/epoch-*")):
                resumed.append(seed)
            seconds = complete(seed, store)
            print(
                f"{seed:2} killed after {moment:4.1f} s, damaged: {found or 'nothing'}; completed in {seconds:.1f} s",
                flush=True,
            )
        print(f"at the end damaged: {damaged(store) or 'nothing'}; cut in mid-training: {resumed}")
        for seed in resumed[:3]:
            complete(seed, undisturbed)
            equal = weights(seed, store) == weights(seed, undisturbed)
            print(f"seed {seed}: weights {'equal' if equal else 'DIFFER FROM'} those of an uninterrupted run")


if __name__ == "__main__":
    main()
