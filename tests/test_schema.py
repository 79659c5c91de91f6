"""The command `schema`, and what a schema does to plans, runs and retrainings."""

from pathlib import Path

import pytest
from support import Command, edit, made, planned, records

from gristmill.project import Project
from gristmill.registry import Registry

pytest_plugins = ["end_to_end"]
pytestmark = pytest.mark.usefixtures("parity_here", "prefect_api")


def test_a_schema_is_proposed_held_and_kept_by_the_next_run(finished: Path, command: Command) -> None:
    file = finished / "schemas/small.toml"

    assert planned(Project.open().plan("small")) == {}  # nothing is enforced until the file is asked for
    proposed = command("schema", "small")
    assert (proposed.status, proposed.out) == (0, file.read_text() + "\n")
    assert f"written to {file}" in proposed.err
    assert planned(Project.open().plan("small"))["ingest"] == "with schema"
    held = command("schema", "small")
    assert (held.status, held.out) == (0, f"{proposed.out}Today's data holds it: 300 rows.\n")

    assert command("run", "small").status == 0
    assert made(records(finished)[-1]) == {"ingest"}  # equal data: the rest is fresh
    edit(file, "min = 0", "min = -1")
    assert planned(Project.open().plan("small"))["ingest"] == "settings schema.columns.sunspots.min 0.0 → -1.0"


def test_data_that_breaks_the_schema_stops_a_run_and_a_retraining_and_the_champion_serves_on(
    finished: Path, command: Command
) -> None:
    assert command("promote", "small").status == 0
    assert command("schema", "small").status == 0
    series = finished / "series.csv"
    edit(series, "1749-04,55.7", "1749-04,-999")

    said = (
        f"{series} row 5, column 'sunspots': -999 (1 of 300 cells); schemas/small.toml [columns.sunspots] has min = 0."
    )
    for words in (["run"], ["retrain"], ["schema"]):
        stopped = command(*words, "small")
        assert stopped.status == 1
        assert said in stopped.err
    assert [record.outcome for record in records(finished)[-2:]] == ["failed", "failed"]
    champion = Registry(finished / "data/store").champion("small", verified=True)
    assert champion is not None
    assert champion.number == 1


def test_without_a_run_there_is_nothing_to_propose_from(project: Path, command: Command) -> None:
    refused = command("schema", "small")

    assert refused.status == 2
    assert "has no successful run yet. Run: gristmill run small." in refused.err
    assert not (project / "schemas").exists()


def test_a_run_that_read_the_data_otherwise_is_not_proposed_from(finished: Path, command: Command) -> None:
    edit(finished / "pipelines.toml", 'target = "sunspots"', 'target = "spots"')
    refused = command("schema", "small")

    assert refused.status == 2
    assert "the last run of small read its data by another table 'ingest' than today's" in refused.err
    assert not (finished / "schemas").exists()
