"""Compare the training of text networks with length buckets and with texts padded to one length.

    benchmarks/texts_training.py NAME... [--set TABLE.KEY=VALUE ...] [--epochs N] [--seeds 0 1 2]

Both run in turn, seed by seed, in one process, on the same tokens and with the same settings except `train.batches`.
Seconds are those of the fastest epoch after the first one, in which TensorFlow traces its graph. CPU seconds are
shown, too, because seconds depend on the load of the machine. The accuracy is the test accuracy after the last epoch.
GRISTMILL_DATA and TFDS_DATA_DIR name the folders of the data, as for `gristmill run`.
"""

import argparse
import os
import statistics
import tempfile
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from timeseries import ROOT, SEEDS

from gristmill.domains.text import dataset
from gristmill.domains.text.ingest import ingest
from gristmill.domains.text.preprocess import preprocess
from gristmill.domains.text.train import probabilities_of, train
from gristmill.project.project import Project
from gristmill.training import saved_network

WAYS = ("padded", "bucketed")


@dataclass(frozen=True)
class Trained:
    """Speed and accuracy of one training."""

    seconds: float  # fastest epoch
    processor: float  # CPU seconds of all cores, fastest epoch
    accuracy: float  # on the test set


def prepare(name: str, assignments: list[str], root: Path) -> tuple[dict[str, Any], list[Path]]:
    """Write the tokens of a pipeline to `root`; return its tables and the files of its own model, if any."""
    project = Project.open(ROOT, {name: assignments})
    tables: Any = project.catalogue.pipeline(name).tables
    files: dict[str, list[Path]] = {"source": [], "model": []}
    for place, found in project.data(name).items():
        files[place.partition(".")[0]] += found.files
    for folder in ("ingest", "preprocess"):
        (root / folder).mkdir()
    source, paths = tables["source"], tuple(files["source"])
    ingest(source=source, ingest=tables["ingest"], paths=paths, out=root / "ingest")
    preprocess(preprocess=tables["preprocess"], ingest=root / "ingest", out=root / "preprocess")
    return tables, files["model"]


def trained(tables: dict[str, Any], files: list[Path], root: Path, way: str, seed: int, epochs: int | None) -> Trained:
    """Train once on the tokens in `root`."""
    marks = [(time.perf_counter(), time.process_time())]
    changes = {"batches": way, "seed": seed} | ({"epochs": epochs} if epochs else {})
    with tempfile.TemporaryDirectory() as made:
        out = Path(made, "train")
        out.mkdir()
        train(
            model=tables["model"],
            train=tables["train"].model_copy(update=changes),
            ingest=root / "ingest",
            preprocess=root / "preprocess",
            out=out,
            scratch=Path(made, "scratch"),
            logs=Path(made, "logs"),
            on_epoch=lambda epoch: marks.append((time.perf_counter(), time.process_time())),
            files=files,
        )
        data, network = dataset.read(root / "preprocess"), saved_network.read(out)
        right = probabilities_of(network, data, "test").argmax(axis=1) == data.labels("test")
    epochs_taken = list(pairwise(marks[1:])) or [(marks[0], marks[1])]
    seconds, processor = (min(after[at] - before[at] for before, after in epochs_taken) for at in (0, 1))
    return Trained(seconds, processor, float(right.mean()))


def measure(name: str, assignments: list[str], epochs: int | None, seeds: list[int]) -> None:
    """Print one row for each way, and their ratio."""
    with tempfile.TemporaryDirectory() as folder:
        tables, files = prepare(name, assignments, Path(folder))
        data = dataset.read(Path(folder, "preprocess"))
        mean = data.sequences("train").lengths.mean()
        found: dict[str, list[Trained]] = {way: [] for way in WAYS}
        for seed in seeds:
            for way in WAYS:
                found[way].append(trained(tables, files, Path(folder), way, seed, epochs))
    label = f"{name}, {data.layout.length} tokens (mean {mean:.0f})"
    for way, made in found.items():
        cells = [label, way, f"{seconds_of(made):.1f}", f"{min(one.processor for one in made):.1f}"]
        accuracies = [one.accuracy for one in made]
        by_seed = " ".join(f"{accuracy:.4f}" for accuracy in accuracies)
        print(f"| {' | '.join([*cells, by_seed, f'{statistics.mean(accuracies):.4f}'])} |")
    ratio = seconds_of(found["padded"]) / seconds_of(found["bucketed"])
    print(f"| {label} | times as fast | {ratio:.1f} | | | |", flush=True)


def seconds_of(made: list[Trained]) -> float:
    """Return the seconds of the fastest epoch."""
    return min(one.seconds for one in made)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+")
    parser.add_argument("--set", action="append", default=[], metavar="TABLE.KEY=VALUE", dest="assignments")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    options = parser.parse_args()
    print("| pipeline | batches | s per epoch | CPU s | test accuracy by seed | mean |")
    print("|---|---|---:|---:|---|---:|")
    for name in options.names:
        measure(name, options.assignments, options.epochs, options.seeds)


if __name__ == "__main__":
    main()
