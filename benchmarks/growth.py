"""Measure how time and memory grow with the data of each domain, from one to a hundred times as much data.

    benchmarks/growth.py [series table photos documents writing] [--counts 1000 10000 100000] [--write]

The data is generated. `gristmill run` processes it in a new project with a new store, with one epoch of training.
Seconds are those of ingest, preprocess, train and evaluate in the manifests, and those of the whole process; the peak
memory is that of all processes together. The slope between two sizes is log(growth of seconds) / log(growth of data):
1 is proportional, and less than 1 shows the fixed cost of a run. If the cost per additional item is the same between
both pairs of sizes, growth is linear.
"""

import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pandas as pd
from measuring import Ran, arguments, run, table, tell
from PIL import Image

STAGES = ("ingest", "preprocess", "train", "evaluate")
SIDE = 160  # pixels of a photo's side
WORDS = 120  # mean number of words in a document


def made_words(syllables: int) -> list[str]:
    """Return all words of a number of syllables, of which there are ten."""
    ten = ("ba", "ce", "di", "fo", "gu", "ha", "je", "ki", "lo", "mu")
    return list(map("".join, product(ten, repeat=syllables)))


def write_series(folder: Path, count: int) -> None:
    """Write one observation per minute: a daily wave with noise."""
    random = np.random.default_rng(0)
    minutes = pd.date_range("2000-01-01", periods=count, freq="min")
    load = 10 + np.sin(np.arange(count) * 2 * np.pi / 1440) + random.normal(0, 0.1, count)
    pd.DataFrame({"minute": minutes, "load": load.round(3)}).to_csv(folder / "data.csv", index=False)


def write_table(folder: Path, count: int) -> None:
    """Write rows of eight numbers and a colour, and a target that depends on two of the numbers."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(count, 8)).round(3), columns=[f"x{number}" for number in range(8)])
    frame["colour"] = random.choice(["red", "green", "blue"], count)
    frame["y"] = (2 * frame["x0"] - frame["x1"] + random.normal(0, 0.1, count)).round(3)
    frame.to_csv(folder / "data.csv", index=False)


def write_photos(folder: Path, count: int) -> None:
    """Write photos of smooth colours in two classes, warm and cold; every tenth is a PNG file, the others JPEG."""
    random = np.random.default_rng(0)
    for number in range(count):
        colours = random.integers(0, 200, (6, 6, 3), np.uint8)
        colours[..., 2 * (number % 2)] += 50
        form = "png" if number % 20 < 2 else "jpg"
        place = folder / "data" / ("warm", "cold")[number % 2] / f"{number:06}.{form}"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(colours).resize((SIDE, SIDE), Image.Resampling.BILINEAR).save(place)


def write_documents(folder: Path, count: int) -> None:
    """Write texts of generated words with Zipf frequencies; the last fifth of each text depends on its class."""
    random = np.random.default_rng(0)
    vocabulary = made_words(4)
    for number in range(count):
        label = number % 2
        length = random.poisson(WORDS)
        drawn = np.minimum(random.zipf(1.2, length), len(vocabulary) // 2) - 1
        drawn[-length // 5 :] += label * len(vocabulary) // 2
        place = folder / "data" / ("plain", "strange")[label] / f"{number:06}.txt"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(" ".join(vocabulary[word] for word in drawn))


def write_writing(folder: Path, count: int) -> None:
    """Write one text of a number of characters: lines of generated words with Zipf frequencies."""
    random = np.random.default_rng(0)
    vocabulary = made_words(3)
    words = [vocabulary[word] for word in np.minimum(random.zipf(1.3, count // 6), len(vocabulary)) - 1]
    (folder / "data.txt").write_text("\n".join(" ".join(words[at : at + 8]) for at in range(0, len(words), 8)))


@dataclass(frozen=True)
class Growing:
    """Pipeline on generated data of any size."""

    items: str
    once: int  # smallest number of items; ten and a hundred times as many are measured, too
    write: Callable[[Path, int], None]
    pipeline: str


KINDS = {
    "series": Growing(
        "observations of a CSV file",
        100_000,
        write_series,
        """
domain = "timeseries"
source = { kind = "csv", path = "data.csv" }
ingest = { time = "minute", target = "load" }
preprocess = { history = 30, validation = 0.01, test = 0.01, season = 1440 }
model = { kind = "dense", units = [10, 10] }
train = { epochs = 1, batch_size = 1024 }
evaluate = { baselines = ["naive", "drift", "moving_average", { kind = "autoregression", order = 5 }] }
""",
    ),
    "table": Growing(
        "rows of a CSV file",
        10_000,
        write_table,
        """
domain = "tabular"
source = { kind = "csv", path = "data.csv" }
ingest = { target = "y", numbers = ["x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7"], categories = "colour" }
preprocess = { validation = 0.05, test = 0.05 }
model = { kind = "dense", units = [16] }
train = { epochs = 1, batch_size = 1024 }
""",
    ),
    "photos": Growing(
        f"photos of {SIDE} pixels",
        400,
        write_photos,
        f"""
domain = "vision"
source = {{ kind = "folder", path = "data" }}
preprocess = {{ size = {SIDE}, validation = 0.05, test = 0.05 }}
model = {{ kind = "cnn", filters = [8], units = [8] }}
train = {{ epochs = 1 }}
""",
    ),
    "documents": Growing(
        f"documents of {WORDS} words",
        500,
        write_documents,
        """
domain = "text"
source = { kind = "folder", path = "data" }
preprocess = { length = 200, validation = 0.05, test = 0.05 }
model = { kind = "embedding" }
train = { epochs = 1 }
""",
    ),
    "writing": Growing(
        "characters of text",
        20_000,
        write_writing,
        """
domain = "generation"
source = { kind = "files", path = "data.txt" }
preprocess = { length = 64, validation = 0.05, test = 0.05 }
model = { kind = "gru", recurrent = [32] }
train = { epochs = 1 }
""",
    ),
}


def measured(kind: Growing, count: int) -> Ran:
    """Run a pipeline on a number of items."""
    with tempfile.TemporaryDirectory() as below:
        folder = Path(below)
        kind.write(folder, count)
        (folder / "pipelines.toml").write_text(f"[pipelines.growing]{kind.pipeline}")
        return run("growing", folder / "store", folder=folder)


def rows(kind: Growing, counts: list[int]) -> list[list[str]]:
    """Measure one kind of data at each size; return one row of the table for each."""
    found = [measured(kind, count) for count in counts]
    seconds = [sum(made.cores[stage]["seconds"] for stage in STAGES) for made in found]
    peaks = [made.process.peak for made in found]
    slopes = [("–", "–", "–")]
    for (few, many), (sooner, later), (less, more) in zip(*map(pairwise, (counts, seconds, peaks)), strict=True):
        grown = math.log(many / few)
        slopes.append(
            (
                f"{math.log(later / sooner) / grown:.2f}",
                f"{1e6 * (later - sooner) / (many - few):,.1f}",
                f"{math.log(more / less) / grown:.2f}",
            )
        )
    return [
        [
            f"{count:,} {kind.items}",
            *(f"{made.cores[stage]['seconds']:.1f}" for stage in STAGES),
            f"{taken:.1f}",
            slope,
            each,
            f"{made.process.seconds:.0f}",
            f"{made.process.peak:,.0f}",
            wider,
        ]
        for count, made, taken, (slope, each, wider) in zip(counts, found, seconds, slopes, strict=True)
    ]


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("kinds", nargs="*", default=list(KINDS), metavar="|".join(KINDS))
    parser.add_argument(
        "--counts",
        type=int,
        nargs="+",
        help="numbers of items; by default, a first size and ten and a hundred times as many",
    )
    asked = parser.parse_args()
    if unknown := set(asked.kinds) - KINDS.keys():
        parser.error(f"unknown: {', '.join(sorted(unknown))}. Known: {', '.join(KINDS)}.")
    found: list[list[str]] = []
    for name in asked.kinds:
        kind = KINDS[name]
        found += rows(kind, asked.counts or [kind.once * times for times in (1, 10, 100)])
    columns = [
        "data",
        *STAGES,
        "four stages s",
        "slope of s",
        "µs per additional item",
        "whole process s",
        "peak MiB",
        "slope of MiB",
    ]
    tell("Growth", table(columns, found), asked.write)


if __name__ == "__main__":
    main()
