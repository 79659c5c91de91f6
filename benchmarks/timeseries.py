"""Compare the time-series networks of pipelines.toml with the course's code and with baselines.

    benchmarks/timeseries.py choose NAME [train.epochs=20,40 ...]    backtest errors of all combinations
    benchmarks/timeseries.py score NAME... [--course FILE]           test errors of three seeds
    benchmarks/course_timeseries.py ROW                              the course's code; prints the lines of FILE

`choose` never reads the test set: its blocks end where the test set begins. GRISTMILL_DATA names the folder of the
course's files.
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from gristmill.project.project import Project
from gristmill.util.table_io import read_table

ROOT = Path(__file__).parent.parent
GRISTMILL = str(Path(sys.executable).with_name("gristmill"))
SEEDS = (0, 1, 2)
OPPONENTS = {  # pipeline: row of course_timeseries.py
    "synthetic_dense1": "dense1",
    "synthetic_dense": "dense",
    "synthetic_rnn": "rnn",
    "synthetic_bilstm": "bilstm",
    "synthetic_conv_lstm": "conv_lstm",
    "sunspots_dense": "sunspots_dense",
    "sunspots_course": "sunspots_conv_lstm",
    "min_temperatures": "temperatures_conv_lstm",
}


def choose(name: str, choices: list[str]) -> None:
    """Print the backtest error of every combination of the given values."""
    keys = [choice.partition("=")[0] for choice in choices]
    values = [choice.partition("=")[2].split(",") for choice in choices]
    print(f"| {' | '.join([*keys, 'mean MAE', *('block' for _ in range(3))])} |")
    for combination in itertools.product(*values):
        assignments = [f"{key}={value}" for key, value in zip(keys, combination, strict=True)]
        errors = list(backtest(name, assignments))
        told = [f"{statistics.mean(errors):.3f}", *(f"{error:.3f}" for error in errors)]
        print(f"| {' | '.join([*combination, *told])} |", flush=True)


def backtest(name: str, assignments: list[str]) -> Iterator[float]:
    """Yield the mean absolute error of each block of a pipeline's backtest; assignments change settings."""
    from gristmill.domains.timeseries.backtest import backtest as core
    from gristmill.domains.timeseries.ingest import ingest
    from gristmill.domains.timeseries.preprocess import preprocess

    project = Project.open(ROOT, {name: assignments})
    tables: Any = project.catalogue.pipeline(name).tables
    files = [file for place, found in project.data(name).items() if place == "source.path" for file in found.files]
    with tempfile.TemporaryDirectory() as root:
        folders = {what: Path(root, what) for what in ("ingest", "preprocess")}
        for folder in folders.values():
            folder.mkdir()
        ingest(source=tables["source"], ingest=tables["ingest"], paths=tuple(files), out=folders["ingest"])
        preprocess(preprocess=tables["preprocess"], ingest=folders["ingest"], out=folders["preprocess"])
        for window, seed in itertools.product(range(tables["backtest"].windows), range(tables["backtest"].seeds)):
            out = Path(root, f"{window}-{seed}")
            out.mkdir()
            core(
                model=tables["model"],
                train=tables["train"],
                backtest=tables["backtest"],
                window=window,
                seed=seed,
                preprocess=folders["preprocess"],
                out=out,
                scratch=out / "scratch",
                logs=out / "logs",
                on_epoch=lambda epoch: None,
            )
            made = read_table(out / "predictions.parquet")
            yield float((made["y"] - made["model"]).abs().mean())


def score(names: list[str], course: Path | None) -> None:
    """Print the test errors of each pipeline, of the course's code and of the best baseline."""
    lines = course.read_text().splitlines() if course else []
    opponents: dict[str, list[float]] = {}
    for line in map(json.loads, lines):
        opponents.setdefault(line["row"], []).append(line["mae"])
    print("| pipeline | MAE by seed | mean | course's code by seed | mean | best baseline | coverage | train s |")
    print("|---|---|---:|---|---:|---|---:|---:|")
    with tempfile.TemporaryDirectory() as store:
        for name in names:
            found = [run(store, name, f"train.seed={seed}") for seed in SEEDS]
            tests = [result["scores"]["model"]["test"] for result in found]
            theirs = opponents.get(OPPONENTS.get(name, ""), [])
            best = found[0]["scores"]["best_baseline"]
            cells = [
                name,
                *summary([test["mae"] for test in tests]),
                *summary(theirs),
                f"{best} {found[0]['scores']['baselines'][best]['test']['mae']:.3f}",
                "–" if tests[0].get("coverage") is None else f"{statistics.mean(t['coverage'] for t in tests):.1%}",
                f"{statistics.mean(result['stages']['train']['seconds'] for result in found):.0f}",
            ]
            print(f"| {' | '.join(cells)} |", flush=True)


def summary(errors: list[float]) -> tuple[str, str]:
    """Return errors one by one, and their mean."""
    return " ".join(f"{error:.3f}" for error in errors) or "–", f"{statistics.mean(errors):.3f}" if errors else "–"


def run(store: str, name: str, *assignments: str) -> dict[str, Any]:
    """Run a pipeline with changed settings; return the output of the command."""
    words = [word for assignment in assignments for word in ("--set", assignment)]
    command = [GRISTMILL, "-q", "run", name, "--json", *words]
    environment = os.environ | {"GRISTMILL_STORE": store}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="what", required=True)
    chooser = commands.add_parser("choose")
    chooser.add_argument("name")
    chooser.add_argument("choices", nargs="*", metavar="TABLE.KEY=VALUE,VALUE")
    scorer = commands.add_parser("score")
    scorer.add_argument("names", nargs="+")
    scorer.add_argument("--course", type=Path, help="output of course_timeseries.py")
    options = parser.parse_args()
    if options.what == "choose":
        choose(options.name, options.choices)
    else:
        score(options.names, options.course)
