"""The age of the newest data is compared with the limit of the pipeline."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gristmill.project.project import Project
from gristmill.retraining import arrivals
from gristmill.runs.records import Record
from gristmill.settings.schedule import Freshness
from helpers.small_projects import TOML, WRITERS, read
from helpers.support import edit


def silent(project: Path, record: Record, limit: str) -> datetime | None:
    catalogue = Project.open(project).catalogue
    pipeline = replace(catalogue.pipeline(record.pipeline), freshness=Freshness(max_age_of_data=limit))
    return arrivals.silent_since(catalogue, pipeline, record.references["ingest"])


def test_a_series_is_as_old_as_its_last_observation(project: Path) -> None:
    record, last = read(project, "small"), datetime(1773, 12, 1, tzinfo=UTC)
    age = (datetime.now(UTC) - last).days

    assert silent(project, record, f"{age + 1} days") is None
    assert silent(project, record, f"{age} days") == last


def test_other_data_is_as_old_as_the_first_run_in_a_row_that_read_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pipelines.toml").write_text(TOML)
    days = [datetime(2030, 1, day, tzinfo=UTC) for day in (1, 2, 3, 4)]
    found = []
    for day, batches in zip(days, (1, 2, 2, 2), strict=True):
        WRITERS["tabular"](tmp_path, batches)
        record = read(tmp_path, "tabular", "arrivals.max_lost=1")
        file = tmp_path / f"data/store/runs/tabular/{record.id}.json"
        edit(file, f'"started": "{record.started.isoformat()[:19]}', f'"started": "{day.isoformat()[:19]}')

        class Clock(datetime):
            @classmethod
            def now(cls, tz: object = None, day: datetime = day) -> datetime:  # type: ignore[override]
                return day + timedelta(hours=1)

        monkeypatch.setattr(arrivals, "datetime", Clock)
        found.append(silent(tmp_path, record, "36 hours"))

    *early, last = found
    assert early == [None, None, None]
    assert last
    assert last.replace(microsecond=0) == days[1]
