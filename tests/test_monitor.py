"""Predictions that are logged, and scored when their truth is known, by the command line."""

import json
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from conftest import ROOT
from gristmill.errors import RequestError
from gristmill.monitoring import prediction_log
from gristmill.monitoring.prediction_columns import BATCH, ID, RUN, VERSION
from gristmill.project.monitoring import error_alarm
from gristmill.project.project import Project
from helpers.scoreboard import Fault
from helpers.support import Command, Forked, edit, heard, records, said, the_error

pytest_plugins = ["helpers.end_to_end"]

KILLS = 200 if Fault.full else 8
LOGGED = "\n[pipelines.{}.monitor]\n{}\n"


def log_predictions(folder: Path, pipeline: str, settings: str = "") -> None:
    with (folder / "pipelines.toml").open("a") as file:
        file.write(LOGGED.format(pipeline, settings))


def write_months(path: Path, count: int) -> None:
    lines = (ROOT / "data/samples/sunspots.csv").read_text().splitlines()
    path.write_text("\n".join(lines[: count + 1]) + "\n")


@pytest.fixture
def copy_of(
    finished_project: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Path]:
    """Return a function that copies the finished project of a domain and changes into it."""

    def copy(domain: str) -> Path:
        shutil.copytree(finished_project(domain), tmp_path, symlinks=True, dirs_exist_ok=True)
        monkeypatch.chdir(tmp_path)
        return tmp_path

    return copy


@pytest.mark.slow
@pytest.mark.usefixtures("parity_here")
def test_forecasts_are_scored_when_their_truth_arrives(
    finished: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_predictions(finished, "small")
    monkeypatch.setenv("COLUMNS", "80")
    assert command("predict", "small").status == 0
    assert command("promote", "small").status == 0
    write_months(finished / "later.csv", 301)
    assert command("predict", "small", "--input", "later.csv", "--steps", "3").status == 0
    logged = Project.open().prediction_log("small").read()
    (run,) = records(finished)
    assert logged[RUN].unique().tolist() == [run.id]
    assert logged[VERSION].tolist() == [pd.NA, pd.NA, 1, 1, 1]

    before = command("monitor", "small")
    write_months(finished / "series.csv", 303)
    assert command("run", "small").status == 0
    said = command("monitor", "small")

    assert (before.status, before.err, said.status, said.err) == (0, "", 0, "")
    first, headings, serving, tested, *others, alarms, report = said.out.splitlines()
    assert re.fullmatch(r"small: 5 predicted values since 20\d\d-\d\d-\d\d, 4 of them scored", first)
    assert before.out.splitlines()[0] == first.replace("4 of", "0 of")
    assert headings.split() == ["predicted", "scored", "not", "scored", "mae", "coverage"]
    assert serving.split()[:4] == ["v1", "5", "4", "1"]  # with the predictions before its promotion
    assert [line.split()[:2] for line in others][:2] == [["day", "1774-01-01"], ["day", "1774-02-01"]]
    assert [line.split()[0] for line in others].count("version") == 2
    assert max(map(len, said.out.splitlines()[:-1])) <= 80
    assert alarms.startswith("alarm   ")
    assert "By day" in Path(report.removeprefix("report  ")).read_text()

    frame = Project.open().monitor("small")
    document = command("monitor", "small", "--json").json
    truth = pd.read_csv("series.csv")["sunspots"].to_numpy(np.float32)[[300, 301, 301, 302]]
    errors = np.abs(truth - logged["sunspots"].iloc[:4])
    assert frame.loc[0, "mae"] == pytest.approx(errors.mean())
    assert document["groups"][0]["mae"] == frame.loc[0, "mae"]
    assert document["serving"].items() >= {"group": "v1", "predicted": 5, "scored": 4}.items()
    assert document["tested"]["mae"] == pytest.approx(float(tested.split()[1]), rel=1e-2)
    assert document["drift"]["alarms"] == [] or alarms != "alarm   none"


def test_what_is_not_logged_cannot_be_monitored(finished: Path, command: Command) -> None:
    assert "are not logged. Add a table [pipelines.small.monitor]." in the_error(command("monitor", "small"))
    assert command("predict", "small").status == 0
    log_predictions(finished, "small")
    assert the_error(command("monitor", "small")).endswith("is logged yet. Run: gristmill predict small.")
    assert "no such file" not in the_error(command("truth", "small", "--file", "missing.csv"))
    assert "arrives with its data" in the_error(command("truth", "small", "--file", "series.csv"))
    assert not (finished / "data/store/predictions").exists()


@pytest.mark.slow
def test_rows_of_a_table_are_scored_by_their_ids(
    copy_of: Callable[[str], Path], command: Command, caplog: pytest.LogCaptureFixture
) -> None:
    folder = copy_of("tabular")
    houses = pd.read_csv(folder / "houses.csv").head(40)
    houses.insert(0, "house", [f"h{number}" for number in range(40)])
    houses.drop(columns="price").to_csv("new.csv", index=False)
    houses[["house", "price"]].to_csv("sold.csv", index=False)
    log_predictions(folder, "houses")
    unscored = command("predict", "houses", "--input", "new.csv")  # without an id, the truth is never known
    assert unscored.out.startswith("house,area,")
    assert "Set id in the table [pipelines.houses.monitor]" in the_error(
        command("truth", "houses", "--file", "sold.csv")
    )
    (folder / "pipelines.toml").write_text((folder / "pipelines.toml").read_text() + 'id = "house"\n')

    predicted = command("predict", "houses", "--input", "new.csv", "--explain")
    unknown = pd.DataFrame({"house": ["x1", "h0"], "price": [1.0, 0.0]})
    unknown.to_csv("unknown.csv", index=False)
    unknown.head(1).to_csv("none.csv", index=False)
    some = command("truth", "houses", "--file", "unknown.csv")
    none = command("truth", "houses", "--file", "none.csv")
    said = command("truth", "houses", "--file", "sold.csv")
    pd.concat([unknown, unknown.assign(price=2.0)]).to_csv("twice.csv", index=False)
    twice = command("truth", "houses", "--file", "twice.csv")

    assert "sold.csv: 1 value replaced earlier truth; the first has the id 'h0'." in said.err
    assert "different values of the id 'h0' (1 such row). Keep one row for each id." in the_error(twice)
    assert predicted.out.splitlines()[0] == "house,area,rooms,predicted,because"
    assert (some.status, some.out) == (0, "houses: the truth of 1 predicted rows was added\n")
    assert "1 of 2 ids were never predicted, the first: 'x1'. These rows are left out." in some.err
    assert the_error(none).endswith("the first: 'x1'. Pass ids that gristmill predict printed.")
    assert (said.status, said.out) == (0, "houses: the truth of 40 predicted rows was added\n")
    found = command("monitor", "houses", "--json").json
    answers = Project.open().prediction_log("houses").read()
    assert answers[ID].iloc[40:].tolist() == houses["house"].tolist()
    assert not any("because" in name or "contribution" in name for name in answers)
    assert (found["groups"][0]["predicted"], found["groups"][0]["scored"]) == (80, 40)
    errors = answers["price"].iloc[40:].to_numpy() - houses["price"].to_numpy()
    assert found["groups"][0]["mae"] == pytest.approx(float(np.abs(errors).mean()))
    assert "no such file" in the_error(command("truth", "houses", "--file", "missing.csv"))
    assert [sign["name"] for sign in found["drift"]["inputs"]] == ["predicted price", "area", "rooms"]

    shutil.rmtree(folder / "data/store/preprocess")
    refused = the_error(command("predict", "houses", "--input", "new.csv", "--explain"))
    assert "Contributions are relative to the training rows in this artifact." in refused


def test_rows_of_ingested_data_have_no_id_and_are_not_logged(copy_of: Callable[[str], Path], command: Command) -> None:
    log_predictions(copy_of("tabular"), "houses", 'id = "house"')
    said = command("predict", "houses")
    assert said.out.startswith("area,")
    assert "these predictions are not logged, because ingested data has no column 'house'" in said.err
    assert Project.open().prediction_log("houses").read().empty


def test_a_fault_of_the_log_does_not_end_a_retraining(finished: Path, caplog: pytest.LogCaptureFixture) -> None:
    log_predictions(finished, "small")
    project = Project.open()
    (run,) = records(finished)
    ingested = project.store.open_verified(run.references["ingest"]).path
    log = project.prediction_log("small")
    log.add(pd.DataFrame({"ds": pd.to_datetime(["1774-01-01"]), "renamed": [1.0]}), run.id, None, "")

    with heard(caplog):
        assert error_alarm(project, "small", ingested) is None
        assert said(caplog) == []
        log.roll()
        (file,) = (finished / "data/store/predictions/small").iterdir()
        file.write_bytes(b"PAR1")
        assert error_alarm(project, "small", ingested) is None
    assert "small: its logged predictions are not checked for errors: " in said(caplog)[0]


@pytest.mark.slow
def test_texts_are_scored_by_their_class(copy_of: Callable[[str], Path], command: Command) -> None:
    folder = copy_of("text")
    log_predictions(folder, "films", 'id = "ticket"')
    reviews = [json.loads(line) for line in (folder / "films.jsonl").read_text().splitlines()[:10]]
    letters = pd.DataFrame(reviews).assign(ticket=range(10))
    letters[["ticket", "review"]].to_csv("new.csv", index=False)
    letters[["ticket", "stars"]].to_parquet("known.parquet")

    assert command("predict", "films", "--text", "What a lovely film!").status == 0
    refused = the_error(command("predict", "films", "--input", "new.csv", "--explain"))
    assert refused == "--explain: a text pipeline does not have this option. Leave it out."
    said = command("predict", "films", "--input", "new.csv")
    assert command("truth", "films", "--file", "known.parquet").status == 0

    found = command("monitor", "films", "--json").json
    logged = Project.open().prediction_log("films").read()
    right = (logged["stars"].iloc[1:] == letters["stars"].map({0: "dull", 1: "good"}).to_numpy()).mean()
    assert said.out.splitlines()[0] == "ticket,review,predicted,probability,p_dull,p_good"
    assert found["groups"][0] == {
        **{"by": "all", "group": "", "predicted": 11, "scored": 10, "accuracy": pytest.approx(right), "coverage": None}
    }
    assert found["tested"].keys() == {"accuracy", "coverage"}

    edit(folder / "pipelines.toml", 'id = "ticket"', "")
    (folder / "inbox").mkdir()
    (folder / "inbox/one.txt").write_text("A lovely film")
    shutil.rmtree(folder / "data/store/predictions")
    assert command("predict", "films", "--input", "inbox").status == 0
    pd.DataFrame({"file": [str(folder / "inbox/one.txt")], "stars": [1]}).to_csv("file.csv", index=False)
    assert command("truth", "films", "--file", "file.csv").status == 0
    assert Project.open().monitor("films").loc[0, "scored"] == 1


def test_photos_are_scored_by_their_files(copy_of: Callable[[str], Path], command: Command) -> None:
    folder = copy_of("vision")
    log_predictions(folder, "shapes")
    assert command("predict", "shapes", "--input", "photos/disc").status == 0
    files = Project.open().prediction_log("shapes").read()["file"]
    pd.DataFrame({"file": files, "label": "disc"}).to_csv("known.csv", index=False)

    assert command("truth", "shapes", "--file", "known.csv").status == 0

    assert Project.open().monitor("shapes").loc[0, ["predicted", "scored"]].tolist() == [16, 16]
    log_predictions(folder, "other")  # not a pipeline
    with pytest.raises(RequestError):
        Project.open()


def test_a_full_disk_leaves_a_prediction_without_an_answer(
    finished: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_predictions(finished, "small")
    (finished / "data/store/predictions").write_text("in the way")

    said = command("predict", "small")

    assert (said.status, said.out) == (1, "")
    assert "the store is not writable" in the_error(said)


def roll_always() -> None:
    """Have each prediction roll the files of those before it, so that kills meet that, too."""
    prediction_log._MAX_FILES = 2


@pytest.mark.slow
@pytest.mark.fault(35)
def test_killed_at_random_moments_every_answered_prediction_is_in_the_log_once(
    finished: Path, forked: Forked, fault: Fault
) -> None:
    log_predictions(finished, "small")
    write_months(finished / "now.csv", 199)
    began = time.monotonic()
    assert forked.run(finished, "predict", "small", "--input", "now.csv") == 0, (finished / "err").read_text()
    length = time.monotonic() - began
    moments, answered, killed = np.random.default_rng(20261128), [199], 0
    while killed < KILLS:
        months = 200 + len(answered) % 100  # each answer is about another month
        write_months(finished / "now.csv", months)
        (finished / "out").write_text("")
        process = forked.start(finished, "predict", "small", "--input", "now.csv", first=roll_always)
        process.join(moments.uniform(0, 1.2 * length))
        killed += process.exitcode is None
        process.kill()
        process.join()
        if (finished / "out").read_text().count("\n") == 3:
            answered.append(months)

    log = Project.open().prediction_log("small")
    before = log.read()
    log.roll()
    after = log.read()

    every = pd.date_range("1749-01-01", periods=400, freq="MS")
    for logged in (before, after):
        batches = logged.groupby(BATCH)["ds"].agg(["min", "size"])
        assert (batches["size"] == 2).all()
        predicted = every.searchsorted(batches["min"]).tolist()
        assert [month for month in set(answered) if predicted.count(month) < answered.count(month)] == []
    assert after[BATCH].tolist() == before[BATCH].tolist()
    fault.tried(killed)
