"""Compare the classifiers of pipelines.toml with the course's code, on the same examples, seed by seed in turn.

    benchmarks/classifiers.py measure NAME... [--epochs N] [--course N] [--seeds 42 43 44] >> LINES
    benchmarks/classifiers.py table LINES

`measure` prints one JSON line for each training. GRISTMILL_DATA and TFDS_DATA_DIR name the folders of the data.
`--epochs` sets the epochs of gristmill's side, `--course` those of the course's code (0 leaves it out). By default,
each side trains for its own number of epochs. The store is GRISTMILL_STORE or the project's store, so trials of
course_table.py are cache hits. Seconds are those of the training alone. The course's code trains on all examples that
are not in the test set.
"""

import argparse
import importlib
import itertools
import json
import os
import statistics
import sys
from collections.abc import Iterator
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import course_text
import course_vision
import keras
import pandas as pd
from course_vision import Made
from timeseries import run

from gristmill.config.catalogue import load
from gristmill.training import saved_network
from gristmill.util.table_io import read_table

SEEDS = (42, 43, 44)  # as in a sweep: the seed of pipelines.toml and the next two
EPOCHS = {
    **dict.fromkeys(course_vision.ARRAYS, 5),
    "mnist": 10,
    "horses_or_humans": 15,
    "rock_paper_scissors": 25,
    "cats_dogs": 15,
    "cats_dogs_augmented": 100,
    "cats_dogs_dropout": 100,
    "cats_dogs_transfer": 20,
    **{name: 10 if name.startswith("imdb") else 50 for name in course_text.ROWS},
    "sarcasm": 30,
}
"""Epochs of the course's networks."""

Folders = dict[str, Path]


def gristmill(name: str, seed: int, epochs: int | None, store: str) -> tuple[Made, str, Folders]:
    """Run a pipeline with `gristmill run`; return its scores, its domain and the folders of its artifacts."""
    found = run(store, name, f"train.seed={seed}", *([f"train.epochs={epochs}"] if epochs else []))
    keys = {stage: done["reference"]["key"] for stage, done in found["stages"].items()}
    folders = {stage: Path(store, stage, key[:2], key) for stage, key in keys.items()}
    package = f"gristmill.domains.{found['domain']}"
    data = importlib.import_module(f"{package}.dataset").read(folders["preprocess"])
    probabilities_of = importlib.import_module(f"{package}.predictions").probabilities_of
    made = probabilities_of(saved_network.read(folders["train"]), data, "train")
    learned = float((made.argmax(axis=1) == data.labels("train")).mean())
    test = found["scores"]["model"]["test"]["accuracy"]
    return (learned, test, found["stages"]["train"]["seconds"]), found["domain"], folders


def course(name: str, seed: int, epochs: int, domain: str, folders: Folders) -> Made:
    """Train the course's network for a pipeline."""
    if domain == "text":
        parts = texts_of(folders)
        return course_text.texts(name, seed, epochs, *parts)
    train = course_vision.arrays if name in course_vision.ARRAYS else course_vision.photos
    return train(name, seed, epochs, Path(os.environ["TFDS_DATA_DIR"]))


def texts_of(folders: Folders) -> tuple[course_text.Texts, course_text.Texts]:
    """Return texts and labels outside the test set, and those of the test set."""
    texts = read_table(folders["ingest"] / "texts.parquet").set_index("id")["text"]
    index = read_table(folders["preprocess"] / "index.parquet")
    test = index["part"] == "test"
    return _as_lists(texts, index[~test]), _as_lists(texts, index[test])


def _as_lists(texts: pd.Series, rows: pd.DataFrame) -> course_text.Texts:
    return texts.loc[rows["id"]].tolist(), rows["label"].to_numpy()


def measure(names: list[str], epochs: int | None, opponent: int | None, seeds: list[int]) -> None:
    """Train every pipeline on both sides, and print one line for each training."""
    keras.utils.disable_interactive_logging()  # the generator prints the number of photos
    store = str(load(Path(__file__).parent.parent).store)
    for seed, name in itertools.product(seeds, names):
        made, domain, folders = gristmill(name, seed, epochs, store)
        told(f"{name}, {epochs} epochs" if epochs else name, "gristmill", seed, made)
        rounds = EPOCHS.get(name, 0) if opponent is None else opponent
        if not rounds:
            print(f"{name}: the course has no code to compare with", file=sys.stderr)
        else:
            told(name, f"course's code, {rounds} epochs", seed, course(name, seed, rounds, domain, folders))


def told(name: str, side: str, seed: int, made: Made) -> None:
    """Print the line of one training."""
    line = {"row": name, "side": side, "seed": seed} | dict(zip(("train", "test", "seconds"), made, strict=True))
    line |= {"date": f"{date.today()}", "versions": {library: version(library) for library in ("keras", "tensorflow")}}
    print(json.dumps(line), flush=True)


def table(lines: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the lines of a table with one row for each pipeline and side."""
    yield "| pipeline | by | test accuracy by seed | mean | training accuracy | gap | train s |"
    yield "|---|---|---|---:|---:|---:|---:|"
    order = sorted(lines, key=lambda line: (line["row"], line["side"] != "gristmill", line["side"], line["seed"]))
    for (row, side), group in itertools.groupby(order, key=lambda line: (line["row"], line["side"])):
        found = list(group)
        means = {what: statistics.mean(line[what] for line in found) for what in ("train", "test", "seconds")}
        tests = " ".join(f"{line['test']:.4f}" for line in found)
        yield (
            f"| {row} | {side} | {tests} | {means['test']:.4f} | "
            f"{means['train']:.4f} | {means['train'] - means['test']:.3f} | {means['seconds']:.0f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="what", required=True)
    measurer = commands.add_parser("measure")
    measurer.add_argument("names", nargs="+")
    measurer.add_argument("--epochs", type=int)
    measurer.add_argument("--course", type=int)
    measurer.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    commands.add_parser("table").add_argument("lines", type=Path)
    options = parser.parse_args()
    if options.what == "measure":
        measure(options.names, options.epochs, options.course, options.seeds)
    else:
        sys.stdout.writelines(f"{row}\n" for row in table([*map(json.loads, options.lines.read_text().splitlines())]))


if __name__ == "__main__":
    main()
