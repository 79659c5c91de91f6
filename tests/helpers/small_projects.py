"""A pipeline of examples in each domain that trains in seconds, and what writes its data, batch by batch."""

import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from gristmill.runs.records import Record
from helpers.small_photos import write_photos

TOML = """
[pipelines.generation]
domain = "generation"
source = { kind = "files", path = "text.txt" }
preprocess = { length = 10 }
model = { kind = "gru", dimensions = 4, recurrent = [8] }
train = { epochs = 2, batch_size = 8, learning_rate = 0.05 }
evaluate = { order = 3, temperatures = [0.8], sample = 20 }

[pipelines.tabular]
domain = "tabular"
source = { kind = "csv", path = "houses.csv" }
ingest = { target = "price", numbers = ["area", "rooms"] }
model = { kind = "dense", units = [4] }
train = { epochs = 4, batch_size = 8, learning_rate = 0.05 }

[pipelines.text]
domain = "text"
source = { kind = "jsonl", path = "films.jsonl" }
ingest = { text = "review", label = "stars" }
preprocess = { length = 6, validation = 0.2, test = 0.25 }
model = { kind = "embedding", dimensions = 4, units = [] }
train = { epochs = 2, batch_size = 16, learning_rate = 0.05 }

[pipelines.vision]
domain = "vision"
source = { kind = "folder", path = "photos" }
preprocess = { size = 16, test = 0.25, validation = 0.25 }
model = { kind = "dense", units = [8] }
train = { epochs = 2, batch_size = 8, learning_rate = 0.01 }
export = { formats = ["keras"] }
"""


def read(project: Path, pipeline: str, *overrides: str) -> Record:
    """Run a pipeline up to ingest."""
    from gristmill.tasks import stage_tasks
    from gristmill.tasks.run import recorded_run

    with recorded_run(pipeline, list(overrides), None, str(project)) as run:
        stage_tasks._work.fn(run, "ingest", {})
    return run.record()


def table_of(domain: str, name: str) -> str:
    """Return the table of a domain's pipeline under another name."""
    found = re.search(rf"^\[pipelines\.{domain}\].*?(?=^\[|\Z)", TOML, re.MULTILINE | re.DOTALL)
    assert found
    return found[0].replace(f"pipelines.{domain}", f"pipelines.{name}")


def write_houses(folder: Path, batches: int) -> None:
    random = np.random.default_rng(0)
    area, rooms = random.uniform([40, 1], [200, 7], (20 * batches, 2)).T
    houses = pd.DataFrame({"area": area, "rooms": rooms, "price": 2.0 * area + 10 * rooms})
    houses.sample(frac=1, random_state=batches).to_csv(folder / "houses.csv", index=False)  # in whatever order


def write_films(folder: Path, batches: int) -> None:
    words = [
        (label, word) for label, kind in enumerate(("dull clumsy stale", "lovely moving")) for word in kind.split()
    ]
    every = [
        {"review": f"{opening} {word} {noun}", "stars": label}
        for opening, noun, (label, word) in itertools.product(["a", "the", "so", "no"], ["film", "plot", "cast"], words)
    ]
    rows = every[: 20 * batches]
    (folder / "films.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_pictures(folder: Path, batches: int) -> None:
    for batch in range(batches):
        write_photos(folder / f"new {batch}", ["disc", "square"], 10, seed=batch)
        for path in (folder / f"new {batch}").rglob("*.jpg"):
            (folder / "photos" / path.parent.name).mkdir(parents=True, exist_ok=True)
            path.rename(folder / "photos" / path.parent.name / f"{batch}-{path.name}")


def write_text(folder: Path, batches: int) -> None:
    lines = [f"{number} and {number + 1} make {2 * number + 1}\n" for number in range(20 * batches)]
    (folder / "text.txt").write_text("".join(lines))


WRITERS: dict[str, Callable[[Path, int], None]] = {
    "generation": write_text,
    "tabular": write_houses,
    "text": write_films,
    "vision": write_pictures,
}
