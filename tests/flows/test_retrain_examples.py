"""The retrain flow on what is no series: rows of a table, texts, photos, and a text that grows."""

import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_photos import write_photos

from gristmill.project import Project
from gristmill.registry import Registry
from gristmill.runs import Record

pytest_plugins = ["end_to_end"]
pytestmark = [pytest.mark.usefixtures("parity_here", "prefect_api"), pytest.mark.slow]

TOML = """
[pipelines.generation]
domain = "generation"
source = { kind = "files", path = "text.txt" }
preprocess = { length = 10 }
model = { kind = "gru", dimensions = 4, recurrent = [8] }
train = { epochs = 2, batch_size = 8, learning_rate = 0.05 }
evaluate = { order = 3, temperatures = [0.8], sample = 20 }

[pipelines.regression]
domain = "regression"
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


RULES = """
[pipelines.{domain}.gate]
window = 4

[pipelines.{domain}.schedule]
min_new = 2
"""


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
    "regression": write_houses,
    "text": write_films,
    "vision": write_pictures,
}


@pytest.mark.parametrize("domain", WRITERS)
def test_a_model_of_examples_is_kept_fresh(domain: str, tmp_path: Path) -> None:
    from flows.retrain import retrain

    def retrained(*overrides: str) -> Record:
        return Record.model_validate(retrain(domain, list(overrides), str(tmp_path)))

    def told(record: Record) -> tuple[str | None, str]:
        assert record.retraining is not None
        return record.retraining.verdict, record.retraining.why

    (tmp_path / "pipelines.toml").write_text(TOML + RULES.format(domain=domain))
    registry = Registry(Project.open(tmp_path).catalogue.store)
    WRITERS[domain](tmp_path, 2)

    first = retrained()

    assert told(first)[0] == "promoted"
    assert list(first.stages) == ["ingest", "preprocess", "train", "evaluate", "export"]
    champion = registry.champion(domain)
    assert champion is not None
    assert (champion.number, champion.references) == (1, first.references)
    assert told(retrained()) == ("nothing new", "0 rows that no retraining has judged, fewer than 2")

    WRITERS[domain](tmp_path, 3)
    waiting = retrained("gate.window=21")
    assert told(waiting)[0] == "waiting"
    assert waiting.retraining is not None
    assert waiting.retraining.news.model_dump() == {"later": 20, "late": 0, "revised": 0, "removed": 0}
    assert waiting.retraining.drift is not None
    assert waiting.retraining.drift.errors is not None
    assert waiting.retraining.drift.errors.count == (1 if domain == "generation" else 20)  # piece of 500 characters
    untrained = retrained("gate.window=20")
    assert told(untrained)[0] == "waiting"
    assert re.fullmatch(
        r"\d+ rows of the test part can be judged, .*; gate\.window asks for 20\. .*", told(untrained)[1]
    )
    assert list(untrained.stages) == ["ingest", "preprocess"]

    rejected = retrained("gate.margin=0.999")
    judged = retrained()

    assert told(rejected)[0] == "rejected"
    assert "export" not in rejected.stages
    assert judged.retraining is not None
    assert judged.retraining.judgement is not None
    scores = judged.retraining.judgement.scores
    assert {"challenger", "champion"} < set(scores)
    better = scores["challenger"] < scores["champion"]
    assert told(judged)[0] == ("promoted" if better else "rejected")
    champion = registry.champion(domain)
    assert champion is not None
    assert champion.number == (2 if better else 1)
    assert told(retrained()) == ("nothing new", "0 rows that no retraining has judged, fewer than 2")
    if domain != "generation":
        assert len(Project.open(tmp_path).predict(domain)) == 60
