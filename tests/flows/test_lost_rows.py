"""A source that loses rows stops runs and retrainings before anything is made of what is left."""

from pathlib import Path

import pytest

from conftest import ROOT
from gristmill.errors import DataError, WorkError
from gristmill.project.project import Project
from helpers.support import Command, made, records

pytest_plugins = ["helpers.end_to_end"]
pytestmark = pytest.mark.usefixtures("parity_here", "prefect_api")

LINES = (ROOT / "data/samples/sunspots.csv").read_text().splitlines()


def write(project: Path, months: int) -> None:
    """Write the first so many months of the small project's series."""
    (project / "series.csv").write_text("\n".join(LINES[: months + 1]) + "\n")


@pytest.mark.slow
def test_a_file_that_lost_rows_is_refused_until_it_is_restored_or_accepted(finished: Path, command: Command) -> None:
    write(finished, 200)

    said = command("run", "small")

    assert said.status == 1
    assert (
        "100 of 300 known rows are missing, the first: 1765-09-01 of series 'sunspots' (max_lost = 0.05). Fix the "
        "source, or change the rules"
    ) in " ".join(said.err.split())
    refused = records(finished)[-1]
    assert (refused.outcome, list(refused.stages)) == ("failed", ["ingest"])

    write(finished, 300)
    assert command("run", "small").status == 0  # which finds all that was made

    write(finished, 290)
    assert command("run", "small").status == 0  # the loss of few rows
    write(finished, 200)
    assert command("run", "small", "--accept").status == 0
    assert made(records(finished)[-1]) >= {"preprocess", "train"}
    assert "nothing to do" in command("run", "small").out

    write(finished, 300)
    assert command("run", "small").status == 0
    write(finished, 200)
    said = command("run", "small")
    assert said.status == 1  # although nothing is to be made
    assert "100 of 300 known rows" in said.err
    (side_by_side,) = Project.open(finished).run_all(["small"]).values()
    assert isinstance(side_by_side, WorkError)
    assert "100 of 300 known rows" in str(side_by_side)


@pytest.mark.slow
def test_a_retraining_of_a_file_that_lost_rows_is_refused(finished: Path) -> None:
    from gristmill.flows.retrain import retrain

    write(finished, 250)

    with pytest.raises(DataError, match="50 of 300 known rows are missing"):
        retrain("small", [], str(finished))

    assert list(records(finished)[-1].stages) == ["ingest"]
