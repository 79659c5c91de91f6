"""Messy files (`data/samples/messy`): run without an edit, or refused in a line that names the cell."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from gristmill.data_schema.current_data import ingested_today
from gristmill.project.project import Project
from gristmill.util.table_io import read_table
from helpers.model_servers import served
from helpers.support import Command

pytest_plugins = ["helpers.end_to_end"]

MESSY = Path(__file__).parent.parent / "data/samples/messy"

READ: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {  # domain, settings of source, settings of ingest
    "comments": ("timeseries", {"comment": "#"}, {"target": "rain"}),
    "empty-rows": ("timeseries", {}, {"target": "sold"}),
    "epoch-milliseconds": ("timeseries", {}, {"time_format": "epoch_milliseconds"}),
    "epoch-seconds": ("timeseries", {}, {"time_format": "epoch_seconds"}),
    "excel-sep": ("timeseries", {"skip_rows": 1, "separator": ";", "decimal": ","}, {"target": "Besucher"}),
    "french-spaces": ("timeseries", {"separator": ";", "decimal": ",", "thousands": " "}, {}),
    "german-till": (
        "timeseries",
        {"encoding": "cp1252", "separator": ";", "decimal": ",", "thousands": ".", "units": {"Umsatz": "€"}},
        {"series": "Filiale"},
    ),
    "holidays": ("timeseries", {"values": {"holiday": {"yes": 1, "no": 0}}}, {"target": "sales"}),
    "leak": ("tabular", {}, {"target": "price"}),
    "missing-marks": (
        "tabular",
        {"missing": ["-", "NA", "n/a"], "missing_in": ["colour", "heating", "built"]},
        {"dates": ["built"], "categories": ["colour", "heating", "country", "garden"]},
    ),
    "month-names": ("timeseries", {}, {"time_format": "%d %B %Y"}),
    "months": ("timeseries", {}, {"time_format": "%b %Y"}),
    "percent": (
        "tabular",
        {"units": {"occupancy": "%"}},
        {"numbers": ["rooms", "occupancy"], "categories": ["garden"]},
    ),
    "spaces": ("tabular", {"strip": True}, {"target": "price", "categories": ["town"]}),
    "store-and-item": ("timeseries", {}, {"series": ["store", "item"]}),
    "thousands-only": ("timeseries", {"separator": ";", "decimal": ",", "thousands": "."}, {}),
    "total-row": ("timeseries", {"footer": ["Total", "Source: the till"]}, {"target": "sales"}),
    "twelve-hours": ("timeseries", {}, {"time_format": "%m/%d/%Y %I:%M %p"}),
    "two-headers": ("timeseries", {"header_rows": 2}, {"time": "date day", "target": "energy kWh"}),
    "units": (
        "tabular",
        {"units": {"weight": "kg", "distance": "km", "cost": "EUR"}},
        {"numbers": ["weight", "distance"], "target": "cost"},
    ),
    "us-ledger": ("timeseries", {"thousands": ",", "units": {"Revenue": "$"}}, {"target": "Revenue"}),
    "utf-16": ("timeseries", {"encoding": "utf-16", "separator": "\t"}, {"target": "Bestände"}),
    "yes-no": ("tabular", {}, {"target": "left", "task": "classification"}),
}
REFUSED = {
    "duplicate-names": "columns 2 and 3 are both named 'sold'. Rename one of them.",
    "mixed-dates": "row 31, column 'date': '01/30/2024' among times. Fix it, or remove the row.",
    "mixed-decimals": "row 18, column 'value': expected a number, found '1122,61' (1 such cell). Use only digits",
    "nul-byte": "row 13, column 'shop': a NUL byte (1 such cell). Fix it, or set the source's encoding.",
    "unquoted-thousands": "row 10: 3 fields, but the header has 2 (1 such row). Fix the row, or set the source's sep",
}


@pytest.fixture
def init(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that proposes a pipeline for a messy file, in a folder of its name."""
    monkeypatch.chdir(tmp_path)
    return lambda name: command("init", name, "--data", str(MESSY / f"{name}.csv"))


def test_every_file_is_in_the_table() -> None:
    assert {path.stem for path in MESSY.glob("*.csv")} == {*READ, *REFUSED}


@pytest.mark.parametrize("name", READ)
def test_a_messy_file_is_read_by_the_settings_that_are_proposed(init: Any, tmp_path: Path, name: str) -> None:
    said, (domain, source, ingest) = init(name), READ[name]

    assert (said.status, said.err) == (0, "")
    pipeline = Project.open(tmp_path / name).catalogue.pipeline(name)
    written = tomllib.loads((tmp_path / name / "pipelines.toml").read_text())["pipelines"][name]
    del written["source"]["kind"], written["source"]["path"]
    assert (pipeline.domain, written["source"]) == (domain, source)
    assert ingest.items() <= written["ingest"].items()
    with ingested_today(Project.open(tmp_path / name).catalogue, pipeline) as (_, counts):
        assert counts["rows"] > 50
        assert "dropped" not in counts
        assert "quarantined" not in counts


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_cannot_be_read_is_refused_by_its_cell(init: Any, name: str) -> None:
    said = init(name)

    assert (said.status, said.out) == (1, "")
    assert said.err.startswith(f"error: {MESSY / name}.csv")
    assert REFUSED[name] in said.err
    assert said.err.count("\n") == 1


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_api", "parity_here")
def test_a_messy_file_runs_to_the_end_and_predicts_without_an_edit(
    init: Any, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert init("german-till").status == 0
    monkeypatch.chdir(tmp_path / "german-till")
    said = command("-q", "run", "german-till")

    assert said.status == 0, said.err
    assert command("run", "german-till").out == "german-till: all fresh, nothing to do\n"
    assert command("-q", "predict", "german-till").status == 0


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_api", "parity_here")
def test_a_mark_and_an_empty_cell_are_one_value_in_training_predictions_and_report(
    init: Any, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert init("missing-marks").status == 0
    monkeypatch.chdir(tmp_path / "missing-marks")
    result = Project.open(overrides={"missing-marks": ["model.kind=least_squares"]}).run("missing-marks")
    assert command("promote", "missing-marks", "--run", result.record.id).status == 0

    # Predict rows of which each has another way to say that a cell is empty.
    row = {"area": 90, "colour": "NA", "heating": "n/a", "country": "NA", "garden": "none", "built": "-"}
    empty = row | {"colour": None, "heating": None, "built": None}
    rows = [row, row | {"colour": " NA "}, row | {"heating": ""}, empty, row | {"area": "NA"}, row | {"area": None}]
    Path("rows.jsonl").write_text("".join(f"{json.dumps(cells)}\n" for cells in rows))
    pd.DataFrame(rows).to_csv("rows.csv", index=False)
    pd.DataFrame(rows[:4]).to_parquet("rows.parquet")
    predictions = {}
    for kind in ("csv", "jsonl", "parquet"):
        assert command("predict", "missing-marks", "--input", f"rows.{kind}", "--output", f"{kind}.csv").status == 0
        predictions[kind] = pd.read_csv(f"{kind}.csv")["predicted"].tolist()
    with served(Project.open(), "missing-marks") as server:
        answer = server.predict("missing-marks", json.dumps(rows).encode())["predictions"]
    predictions["http"] = [cells["predicted"] for cells in answer]
    for predicted in predictions.values():
        assert predicted[:4] == pytest.approx([predicted[0]] * 4)
        assert predicted == pytest.approx(predictions["csv"][: len(predicted)])
    assert predictions["csv"][4] == predictions["csv"][5]
    assert predictions["csv"][0] != pytest.approx(predictions["csv"][4])

    # The report varies an empty colour, not NA.
    table = read_table(result.folder("evaluate") / "partial_dependence.parquet")
    names = table.groupby("feature")["name"].agg(set).to_dict()
    assert (names["colour"], names["country"]) == ({"", "blue", "red"}, {"BW", "NA", "ZA"})
