"""The command `schema`, and what a schema does to plans, runs and retrainings."""

from pathlib import Path

import pytest

from gristmill.project.project import Project
from gristmill.registry.registry import Registry
from gristmill.store.store import Store
from helpers.support import Command, edit, made, planned, records

pytest_plugins = ["helpers.end_to_end"]
pytestmark = pytest.mark.usefixtures("parity_here", "prefect_api")


@pytest.mark.slow
def test_a_schema_is_proposed_held_and_kept_by_the_next_run(finished: Path, command: Command) -> None:
    file = finished / "schemas/small.toml"

    assert planned(Project.open().plan("small")) == {}  # nothing is enforced until the file is asked for
    proposed = command("schema", "small", "--write")
    assert (proposed.status, proposed.out) == (0, file.read_text() + "\n")
    assert f"written to {file}" in proposed.err
    assert planned(Project.open().plan("small"))["ingest"] == "with schema"
    held = command("schema", "small")
    assert (held.status, held.out) == (0, f"{proposed.out}Today's data follows the schema: 300 rows.\n")

    assert command("run", "small").status == 0
    assert made(records(finished)[-1]) == {"ingest"}  # equal data: the rest is fresh
    edit(file, "min = 0", "min = -1")
    assert planned(Project.open().plan("small"))["ingest"] == "settings schema.columns.sunspots.min 0.0 → -1.0"


@pytest.mark.slow
def test_data_that_breaks_the_schema_stops_a_run_and_a_retraining_and_the_champion_serves_on(
    finished: Path, command: Command
) -> None:
    assert command("promote", "small").status == 0
    assert command("schema", "small", "--write").status == 0
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
    champion = Registry(Store(finished / "data/store")).champion("small", verified=True)
    assert champion is not None
    assert champion.number == 1


def test_a_schema_is_written_where_it_is_asked_for_and_only_once(finished: Path, command: Command) -> None:
    file = finished / "schemas/small.toml"

    missing = command("schema", "small")
    assert (missing.status, missing.out, file.exists()) == (2, "", False)
    assert missing.err == f"error: {file}: does not exist. Have one proposed: gristmill schema small --write.\n"

    file.parent.mkdir()
    file.write_text('frequency = "MS"\n')
    refused = command("schema", "small", "--write")
    assert (refused.status, refused.out, file.read_text()) == (2, "", 'frequency = "MS"\n')
    assert refused.err == f"error: {file}: exists already. Edit it, or remove it to have another one proposed.\n"


@pytest.mark.slow
def test_a_schema_is_proposed_from_the_data_that_is_named_today(finished: Path, command: Command) -> None:
    months = (finished / "series.csv").read_text().splitlines()
    (finished / "other.csv").write_text("\n".join([*months[:200], "1765-08,1234.5"]) + "\n")
    assert command("run", "small", "--set", "source.path=other.csv").status == 0
    file = finished / "schemas/small.toml"

    command("schema", "small", "--write")
    assert "proposed from 300 rows," in file.read_text()  # not what the last run read
    assert "seen: 1,234.5" not in file.read_text()

    file.unlink()
    edit(finished / "pipelines.toml", "series.csv", "other.csv")
    command("schema", "small", "--write")
    assert "proposed from 200 rows," in file.read_text()
    assert "seen: 1,234.5" in file.read_text()


def test_a_schema_is_proposed_before_the_first_run(project: Path, command: Command) -> None:
    assert command("schema", "small", "--write").status == 0
    assert "proposed from 300 rows," in (project / "schemas/small.toml").read_text()

    (project / "schemas/small.toml").unlink()
    (project / "series.csv").unlink()
    refused = command("schema", "small", "--write")
    assert refused.status == 1
    assert not (project / "schemas/small.toml").exists()
