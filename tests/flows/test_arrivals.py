"""Twelve messy arrivals, each with its outcome: the table in docs/how-to/arrivals.md."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gristmill.domains.timeseries.retraining import RETRAINING
from gristmill.errors import DataError
from gristmill.project.project import Project
from gristmill.runs.retraining_record import Retraining
from helpers.support import edit

pytest_plugins = ["helpers.end_to_end"]
pytestmark = pytest.mark.usefixtures("parity_here")

TOML = """
[pipelines.shops]
domain = "timeseries"
source = { kind = "csv", path = "shops.csv" }
ingest = { time = "day", target = "sold", series = "shop" }
preprocess = { history = 7, validation = 20, test = 20, season = 7 }
model = { kind = "linear" }
evaluate = { baselines = ["naive"] }
export = { formats = ["keras"] }
gate = { window = 28 }
"""
KNOWN, NEW = 120, 14  # days that the champion knows, and days that arrive
DAYS = [str(day.date()) for day in pd.date_range("2026-01-01", periods=KNOWN + NEW)]
NOISE = np.random.default_rng(0).normal(0, 2, (len(DAYS), 2)).round(2)

Table = list[list[str]]
Arrive = Callable[..., Retraining]


def rows(days: int = KNOWN + NEW) -> Table:
    """Return the header and the rows of two shops on the first days, day by day."""
    found = [["day", "shop", "sold"]]
    for at, day in enumerate(DAYS[:days]):
        for number, shop in enumerate(("north", "south")):
            found.append([day, shop, f"{100 * (number + 1) + 10 * np.sin(at * 2 * np.pi / 7) + NOISE[at, number]:.2f}"])
    return found


def as_csv(table: Table) -> str:
    return "".join(",".join(row) + "\n" for row in table)


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory, prefect_api: str, parity_here: None) -> Path:
    """A project whose champion knows the first days. It must not be written to: copy it."""
    folder = tmp_path_factory.mktemp("shops")
    (folder / "pipelines.toml").write_text(TOML)
    (folder / "shops.csv").write_text(as_csv(rows(KNOWN)))
    project = Project.open(folder)
    project.run("shops")
    project.promote("shops")
    return folder


@pytest.fixture
def arrive(shops: Path, tmp_path: Path) -> Arrive:
    """Return a function that retrains on an arrival, up to the check for drift."""
    from gristmill.tasks.retraining import check_drift, find_new_rows
    from gristmill.tasks.retraining_run import retraining_run
    from gristmill.tasks.stage_tasks import _work

    shutil.copytree(shops, tmp_path, dirs_exist_ok=True, symlinks=True)

    def call(content: str | Table, ingest: str = "") -> Retraining:
        (tmp_path / "shops.csv").write_text(content if isinstance(content, str) else as_csv(content))
        if ingest:
            edit(tmp_path / "pipelines.toml", 'series = "shop"', f'series = "shop", {ingest}')
        with retraining_run("shops", [], str(tmp_path)) as run:
            _work.fn(run, "ingest", {})
            found = find_new_rows.fn(run, run.record().references["ingest"])
            return check_drift.fn(run, found, run.record().references["ingest"])

    return call


def refused(arrive: Arrive, content: str | Table, ingest: str = "") -> str:
    with pytest.raises(DataError) as raised:
        arrive(content, ingest)
    return str(raised.value)


@pytest.mark.slow
def test_late(arrive: Arrive, tmp_path: Path) -> None:
    """Rows in the middle are missing, and come with the next arrival."""
    table = rows()
    late = [row for row in table if not (row[1] == "south" and row[0] in DAYS[KNOWN + 2 : KNOWN + 5])]

    assert "3 of 268 values of 'sold' are missing at frequency D, the first at 2026-05-03" in refused(arrive, late)
    assert str(arrive(late, 'gaps = "interpolate"').news) == "14 new"
    assert str(arrive(table).news) == "14 new"
    files = tmp_path.glob("data/store/ingest/*/*/series.parquet")
    _, before, now = sorted(files, key=lambda file: file.stat().st_mtime_ns)
    assert str(RETRAINING.new_rows(now.parent, before.parent)) == "3 revised"


@pytest.mark.slow
def test_out_of_order(arrive: Arrive) -> None:
    header, *table = rows()

    found = arrive([header, *table[::2], *table[-1::-2]])  # one shop, and the other from its end on

    assert str(found.news) == "14 new"
    assert found.drift
    assert found.drift.alarms == []


def test_restated(arrive: Arrive) -> None:
    table = rows()
    for row in table[101:111]:
        row[2] = f"{float(row[2]) + 1:.2f}"

    found = arrive(table[: 1 + 2 * KNOWN])
    assert (str(found.news), found.drift, found.verdict) == ("10 revised", None, "waiting")
    assert str(arrive(table).news) == "14 new, 10 revised"


def test_doubled(arrive: Arrive) -> None:
    table = rows()
    twice = [*table, *table[-20:]]

    said = refused(arrive, twice)
    assert "shops.csv rows 250 and 270: both are 2026-05-05 00:00:00 of series 'north' (20 duplicates)" in said
    assert str(arrive(twice, 'duplicates = "first"').news) == "14 new"


@pytest.mark.slow
def test_cut_in_mid_row(arrive: Arrive, tmp_path: Path) -> None:
    content = as_csv(rows())[:-8] + "\n"  # before the last value

    assert "shops.csv row 269: 2 fields, but the header has 3 (1 such row)" in refused(arrive, content)
    found = arrive(content, "quarantine = 0.01")
    assert str(found.news) == "14 new (series without the newest rows: 'south')"
    (file,) = tmp_path.glob("data/store/ingest/*/*/quarantine.csv")
    assert file.read_text().splitlines()[1] == ',269,"2 fields, but the header has 3","2026-05-14,south"'
    assert "the last row does not end with a line break" in refused(
        arrive, as_csv(rows())[:-2]
    )  # within the last value


@pytest.mark.slow
def test_unusable_rows_of_the_source_do_not_prevent_a_forecast(arrive: Arrive, tmp_path: Path) -> None:
    arrive(as_csv(rows())[:-8] + "\n", "quarantine = 0.01")
    project = Project.open(tmp_path)

    assert list(project.predict("shops")["ds"].astype(str)) == ["2026-05-15", "2026-05-14"]
    with pytest.raises(DataError, match="row 269: 2 fields, but the header has 3"):
        project.predict("shops", str(tmp_path / "shops.csv"))


def test_cut_between_rows(arrive: Arrive) -> None:
    said = refused(arrive, rows(KNOWN - 14))
    assert "28 of 240 known rows are missing, the first: 2026-04-17 of series 'north' (max_lost = 0.05)" in said
    assert str(arrive(rows(KNOWN - 3)).news) == "6 removed"


def in_hundredths() -> Table:
    """Return rows of which the new ones have another unit."""
    table = rows()
    for row in table[1 + 2 * KNOWN :]:
        row[2] = f"{100 * float(row[2]):.2f}"
    return table


def test_unit_changed(arrive: Arrive) -> None:
    said = refused(arrive, in_hundredths())

    assert (
        "'sold' is too far from the value before in 28 rows, the first: 11,041 on 2026-05-01 of series 'north'" in said
    )
    assert "'sold' is too far outside the known range, 85.75 to 113.4, in 28 rows" in said


@pytest.mark.slow
def test_a_model_of_the_old_unit_is_not_promoted_on_the_new_one(arrive: Arrive, tmp_path: Path) -> None:
    (tmp_path / "shops.csv").write_text(as_csv(in_hundredths()))
    edit(tmp_path / "pipelines.toml", "window = 28", f"window = {NEW}")

    found = Project.open(tmp_path).retrain("shops", accept=True).retraining

    assert found
    assert found.judgement
    assert found.verdict == "rejected", found
    assert found.judgement.scores["challenger"] >= found.judgement.scores["champion"], found


def test_column_added(arrive: Arrive) -> None:
    table = rows()
    assert str(arrive([["price", *table[0]], *(["1", *row] for row in table[1:])]).news) == "14 new"


def test_column_renamed(arrive: Arrive) -> None:
    _, *table = rows()
    said = refused(arrive, [["day", "shop", "units_sold"], *table])
    assert said.endswith("no column 'sold'. Did you mean 'units_sold'? Columns: 'day', 'shop', 'units_sold'.")


def test_series_added(arrive: Arrive) -> None:
    found = arrive([*rows(), *([day, "west", "50"] for day in DAYS[-10:])])
    assert str(found.news) == "14 new (series added: 'west')"


def test_series_ended(arrive: Arrive) -> None:
    found = arrive([row for row in rows() if row[1] != "south" or row[0] < DAYS[KNOWN + 3]])
    assert str(found.news) == "14 new (series without the newest rows: 'south')"


def test_empty(arrive: Arrive) -> None:
    assert refused(arrive, rows(0)).endswith("shops.csv: no rows. Expected at least one.")
    assert refused(arrive, "").endswith(": the file is empty. Expected a header line and rows.")
