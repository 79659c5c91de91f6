"""A source that has lost rows since the last good run stops the run, in each domain."""

import shutil
from pathlib import Path

import pytest

from gristmill.domains.timeseries.ingest import ingest
from gristmill.domains.timeseries.retraining import RETRAINING
from gristmill.domains.timeseries.settings import Ingest
from gristmill.errors import DataError
from gristmill.project.project import Project
from gristmill.sources.tables.csv import Csv
from helpers.small_projects import TOML, WRITERS, read

FIRST = {
    "generation": ("20 of 60 known lines", "'40 and 41 make 81'"),
    "tabular": ("20 of 60 known rows", "area = "),
    "text": ("20 of 60 known examples", "'41'"),
    "vision": ("20 of 60 known examples", "'disc/2-"),
}


@pytest.mark.parametrize("domain", WRITERS)
def test_a_loss_stops_the_run_until_it_is_accepted(domain: str, tmp_path: Path) -> None:
    (tmp_path / "pipelines.toml").write_text(TOML)
    WRITERS[domain](tmp_path, 3)
    first = read(tmp_path, domain)
    shutil.rmtree(tmp_path / "photos", ignore_errors=True)
    WRITERS[domain](tmp_path, 2)
    counted, named = FIRST[domain]

    for _ in range(2):  # the second finds the ingested data in the store
        with pytest.raises(DataError) as raised:
            read(tmp_path, domain)
        assert f"{counted} are missing, the first: {named}" in str(raised.value)
        assert str(raised.value).startswith(str(tmp_path))
        assert f"[pipelines.{domain}.arrivals]. If the data is right: gristmill retrain {domain}" in str(raised.value)
        assert len(str(raised.value).splitlines()) == 1

    accepted = read(tmp_path, domain, "arrivals.max_lost=1")
    assert read(tmp_path, domain).references["ingest"] == accepted.references["ingest"]
    assert accepted.references["ingest"] != first.references["ingest"]


def test_other_settings_of_what_is_read_are_another_data_set(tmp_path: Path) -> None:
    (tmp_path / "pipelines.toml").write_text(TOML)
    WRITERS["tabular"](tmp_path, 3)
    read(tmp_path, "tabular")
    WRITERS["tabular"](tmp_path, 1)

    other = read(tmp_path, "tabular", 'ingest.numbers=["area"]')

    assert other.outcome == "succeeded"
    with pytest.raises(DataError, match="40 of 60 known rows"):
        read(tmp_path, "tabular", "arrivals.max_lost=0.6")
    assert read(tmp_path, "tabular", "arrivals.max_lost=0.7").outcome == "succeeded"


def test_changed_examples_are_not_missing(tmp_path: Path) -> None:
    (tmp_path / "pipelines.toml").write_text(TOML)
    WRITERS["tabular"](tmp_path, 3)
    read(tmp_path, "tabular")
    header, *rows = (tmp_path / "houses.csv").read_text().splitlines()
    (tmp_path / "houses.csv").write_text("\n".join([header, *(f"{row}1" for row in rows[1:])]) + "\n")

    assert read(tmp_path, "tabular").outcome == "succeeded"  # of which one row is gone


def test_observations_that_are_filled_now_are_missing(tmp_path: Path) -> None:
    days = [f"north,2024-01-{day:02d},{day}" for day in range(1, 31)]
    south = [row.replace("north", "south") for row in days]
    settings = Ingest(time=("day",), target=("y",), series="shop", gaps="interpolate", frequency="D")
    folders = {}
    for name, rows in {"before": [*days, *south], "now": [*days, *south[:9], *south[12:25]]}.items():
        (tmp_path / f"{name}.csv").write_text("\n".join(["shop,day,y", *rows]) + "\n")
        folders[name] = tmp_path / name
        folders[name].mkdir()
        paths = (tmp_path / f"{name}.csv",)
        ingest(source=Csv(kind="csv", path="x.csv"), ingest=settings, out=folders[name], paths=paths)

    found = RETRAINING.missing_rows(folders["now"], folders["before"])

    assert (found.count, found.known, found.what, found.first) == (8, 60, "rows", "2024-01-10 of series 'south'")
    assert RETRAINING.missing_rows(folders["before"], folders["now"]).count == 0


def test_moved_times_are_the_reason_why_rows_are_missing(tmp_path: Path) -> None:
    (tmp_path / "pipelines.toml").write_text(
        """
        [pipelines.visits]
        domain = "timeseries"
        source = { kind = "csv", path = "visits.csv" }
        ingest = { time = "at", target = "y" }
        preprocess = { history = 2, horizon = 1 }
        model = { kind = "linear" }
        """
    )
    for hour in (0, 2):
        rows = [f"2024-01-{day:02d} {hour:02d}:00,{day**2}" for day in range(1, 31)]
        (tmp_path / "visits.csv").write_text("\n".join(["at,y", *rows]) + "\n")
        if hour == 0:
            read(tmp_path, "visits")

    with pytest.raises(DataError) as raised:
        read(tmp_path, "visits")

    assert (
        "visits.csv: the new data is set aside, and the last good data stays in use: 30 of 30 known rows are missing, "
        "because all times moved by +2 hours; set ingest.timezone if the source now uses another time zone "
        "(max_lost = 0.05). Fix the source"
    ) in str(raised.value)
    assert read(tmp_path, "visits", "arrivals.max_lost=1").outcome == "succeeded"


def test_a_project_without_runs_has_lost_nothing(tmp_path: Path) -> None:
    (tmp_path / "pipelines.toml").write_text(TOML)
    WRITERS["tabular"](tmp_path, 1)

    assert read(tmp_path, "tabular").outcome == "succeeded"
    assert Project.open(tmp_path).record("tabular").references.keys() == {"ingest"}
