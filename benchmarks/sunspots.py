"""The course's sunspot network by gristmill, over seeds, beside AR(11) and the course's own code.

    benchmarks/sunspots.py choose    candidates judged on three rolling validation blocks before the test part
    benchmarks/sunspots.py score     the catalogue's `sunspots_course` scored on the test part, five seeds
    benchmarks/course_sunspots.py    the opponent, half an hour a seed

Needs the course's file (`data/README.md`). `choose` cuts the test part off before it starts; `score` is the real
command.
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pandas as pd

from gristmill import network as networks
from gristmill.places import locate
from gristmill.project import Project
from gristmill.tables import read_table, write_document, write_table
from gristmill.timeseries.ingest import ingest
from gristmill.timeseries.prepared import read
from gristmill.timeseries.preprocess import preprocess
from gristmill.timeseries.scores import mae
from gristmill.timeseries.train import train

TEST = 235
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
    """Print the validation error of each candidate: trained up to a block of 300 months, judged on it, three times."""
    catalogue = Project.open(ROOT).catalogue
    tables = catalogue.pipeline("sunspots_course").tables
    folder = Path(store)
    (ingested := folder / "ingest").mkdir()
    ingest(
        source=tables["source"],
        ingest=tables["ingest"],
        path=locate(tables["source"].path, catalogue.root, "source"),
        out=ingested,
    )
    before_test = read_table(ingested / "series.parquet").iloc[:-TEST]
    print("| epochs | learning rate | seed | MAE to 2400 | to 2700 | to 3000 | mean |")
    print("|---:|---:|---:|---:|---:|---:|---:|")
    for seed, epochs, rate in itertools.product((0, 1), (15, 25), (1e-3, 2e-3, 4e-3, 8e-3)):
        settings = tables["train"].model_copy(update={"epochs": epochs, "learning_rate": rate, "seed": seed})
        errors = [judge(before_test.iloc[:end], tables, settings) for end in (2400, 2700, 3000)]
        row = " | ".join(f"{error:.3f}" for error in [*errors, statistics.mean(errors)])
        print(f"| {epochs} | {rate:g} | {seed} | {row} |", flush=True)


def judge(series: pd.DataFrame, tables: Mapping[str, Any], settings: Any) -> float:
    """Return the error on the last 300 months of a series of a network trained on what came before."""
    with TemporaryDirectory() as folder:
        raw, prepared, trained, scratch = (Path(folder, name) for name in ("raw", "prepared", "trained", "scratch"))
        for made in (raw, prepared, trained):
            made.mkdir()
        write_table(raw / "series.parquet", series)
        write_document(raw / "summary.json", {"target": "sunspots", "frequency": "ME"})
        cut = tables["preprocess"].model_copy(update={"validation": 0, "test": 300})
        preprocess(preprocess=cut, ingest=raw, out=prepared)
        train(
            model=tables["model"],
            train=settings,
            preprocess=prepared,
            out=trained,
            scratch=scratch,
            on_epoch=print_nothing,
        )
        data = read(prepared)
        forecast = networks.read(trained).predict(data.histories("test"), batch_size=1024, verbose=0)
        return mae(data.targets("test").astype(float), forecast.astype(float))


def print_nothing(epoch: object) -> None:
    """Keep silent about an epoch."""


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
