"""Measure the seconds of a whole process until gristmill reaches the test score of the course's code.

    benchmarks/quality.py [sunspots fashion cats_dogs imdb] [--seeds 42] [--epochs N] [--write]

The course's code runs in its own process, reads the data, trains for the course's number of epochs and scores the test
set. Then gristmill's pipeline runs from an empty store, including imports, ingest, baselines, export, parity proof and
report. It trains for few epochs first; if its score is worse than the course's, it starts again with more epochs. The
seconds are those of the first run that reaches the score. So the number of epochs is chosen by the test score, which
only a benchmark may do. GRISTMILL_DATA and TFDS_DATA_DIR name the folders of the data. `--epochs` sets the same number
of epochs for both sides, to try the benchmark itself.
"""

import json
import operator
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from measuring import Process, Ran, arguments, process, run, table, tell

HERE = Path(__file__).parent
CONDITIONS = (
    "One run each, one after the other. The seconds are those of the first run that reaches the course's score. "
    "Earlier runs with fewer epochs are shown, but not added."
)


@dataclass(frozen=True)
class Row:
    """Task with a pipeline of gristmill and code of the course."""

    pipeline: str
    opponent: str  # name of the course's network
    epochs: int  # epochs of the course's code
    tries: tuple[int, ...]  # epochs of the pipeline, in the order in which they are tried
    metric: str = "accuracy"
    as_good: Callable[[float, float], bool] = operator.ge


ROWS = {
    "sunspots": Row("sunspots_course", "sunspots_conv_lstm", 500, (5, 15), "mae", operator.le),
    "fashion": Row("fashion_cnn", "fashion_cnn", 5, (2, 3, 5)),
    "cats_dogs": Row("cats_dogs_transfer", "cats_dogs_transfer", 20, (5, 20)),
    "imdb": Row("imdb_average", "imdb_average", 10, (1, 2, 5)),
}


def course(row: Row, seed: int, epochs: int) -> tuple[Process, float]:
    """Run the course's code as a whole process; return the process and its test score."""
    words = [row.opponent, "--seed", str(seed), "--epochs", str(epochs)]
    script = [str(HERE / "course_timeseries.py")] if row.metric == "mae" else [__file__, "--course"]
    done = process([sys.executable, *script, *words])
    return done, float(json.loads(done.printed.splitlines()[-1])[row.metric])


def gristmill(row: Row, seed: int, epochs: int) -> Ran:
    """Run the pipeline from an empty store."""
    with tempfile.TemporaryDirectory() as store:
        return run(row.pipeline, Path(store), f"train.seed={seed}", f"train.epochs={epochs}")


def compared(row: Row, seed: int, epochs: int | None) -> Iterator[list[str]]:
    """Yield a row of the table for the course's code, and for each run of gristmill until one reaches its score."""
    theirs, goal = course(row, seed, epochs or row.epochs)
    yield [row.pipeline, "the course's code", *told(seed, epochs or row.epochs, row.metric, goal, theirs), "–"]
    for many in (epochs,) if epochs else row.tries:
        made = gristmill(row, seed, many)
        score = made.score(row.metric)
        matched = row.as_good(score, goal)
        ratio = f"{theirs.seconds / made.process.seconds:.1f}" if matched else "score not reached"
        yield [row.pipeline, "gristmill", *told(seed, many, row.metric, score, made.process), ratio]
        if matched:
            return


def told(seed: int, epochs: int, metric: str, score: float, done: Process) -> list[str]:
    """Return the cells of both sides."""
    return [str(seed), str(epochs), f"{metric} {score:.4f}", f"{done.seconds:.0f}", f"{done.peak:,.0f}"]


def train_courses(name: str, seed: int, epochs: int) -> None:
    """Train a classifier of the course and print its test accuracy; this is the process that is measured."""
    data_dir = Path(os.environ["TFDS_DATA_DIR"])
    if name.startswith("imdb"):
        import course_text
        import numpy as np
        import tensorflow_datasets as tfds

        parts = tfds.load(
            "imdb_reviews", data_dir=data_dir, download=False, split=["train", "test"], as_supervised=True
        )
        train, test = (list(part.as_numpy_iterator()) for part in parts)
        texts = [
            ([text.decode() for text, _ in part], np.array([label for _, label in part])) for part in (train, test)
        ]
        _, accuracy, _ = course_text.texts(name, seed, epochs, *texts, gap=False)
    else:
        import course_vision

        classifier = course_vision.arrays if name in course_vision.ARRAYS else course_vision.photos
        _, accuracy, _ = classifier(name, seed, epochs, data_dir, gap=False)
    print(json.dumps({"accuracy": accuracy}))


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("names", nargs="*", default=list(ROWS), metavar="|".join(ROWS))
    parser.add_argument("--seeds", "--seed", type=int, nargs="+", default=[42])
    parser.add_argument("--epochs", type=int)
    parser.add_argument(
        "--course", action="store_true", help="train one of the course's networks; used by the benchmark itself"
    )
    asked = parser.parse_args()
    if asked.course:
        return train_courses(asked.names[0], asked.seeds[0], asked.epochs)
    if unknown := set(asked.names) - ROWS.keys():
        parser.error(f"unknown: {', '.join(sorted(unknown))}. Known: {', '.join(ROWS)}.")
    if missing := [name for name in ("GRISTMILL_DATA", "TFDS_DATA_DIR") if name not in os.environ]:
        parser.error(f"{' and '.join(missing)} must be set to the folders of the data")
    found = [
        cells for name in asked.names for seed in asked.seeds for cells in compared(ROWS[name], seed, asked.epochs)
    ]
    columns = ["pipeline", "by", "seed", "epochs", "test score", "whole process s", "peak MiB", "times as fast"]
    return tell("Time to quality", [*table(columns, found), "", CONDITIONS], asked.write)


if __name__ == "__main__":
    main()
