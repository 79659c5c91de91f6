"""Messages about real retrainings are sent once each; those of killed ones are in test_kill.py."""

from pathlib import Path

import pytest

from conftest import ONE_BASELINE, ROOT
from gristmill.errors import DataError
from gristmill.project.project import Project
from helpers.support import Command, edit
from helpers.webhook import TABLE, Webhook

pytest_plugins = ["helpers.end_to_end", "helpers.webhook"]
pytestmark = pytest.mark.usefixtures("parity_here")

RULES = f"""{TABLE}
rejections = 2

[pipelines.small.freshness]
max_age_of_data = "2 days"

[pipelines.small.gate]
window = 24
"""
ROWS = (ROOT / "data/samples/sunspots.csv").read_text().splitlines()
PATIENCE = 200  # seconds, for anything but a message


def write_months(project: Path, months: int, normal: int) -> None:
    """Write so many months, those after the first normal ones far too high."""
    lines = [f"{line.partition(',')[0]},{900 + at}" if at > normal else line for at, line in enumerate(ROWS)]
    (project / "series.csv").write_text("\n".join(lines[: months + 1]) + "\n")


@pytest.mark.slow
def test_each_outcome_is_reported_once(project: Path, prefect_api: str, command: Command, webhook: Webhook) -> None:
    (project / "pipelines.toml").write_text(ONE_BASELINE + RULES)

    assert command("retrain", "small", "--set", "preprocess.history=400").status == 1  # somebody tries something
    assert webhook.received == []

    assert command("retrain", "small").status == 0
    assert command("retrain", "small").status == 0  # without Prefect, for nothing is new
    assert sorted(webhook.subjects) == ["small: no new data", "small: version 1 promoted"]

    edit(project / "pipelines.toml", "window = 24", "window = 24\nmargin = 0.999")
    for months in (330, 331, 332):
        write_months(project, months, normal=months)
        assert command("retrain", "small").status == 3
    assert webhook.subjects[2:] == ["small: 2 challengers rejected in a row"]

    for months in (340, 341):
        write_months(project, months, normal=332)
        assert command("retrain", "small").status == 1
    assert webhook.subjects[3:] == ["small: new data set aside"]
    command("retrain", "small", "--accept")
    told = webhook.subjects[3:]
    assert told[1] == "small: drift"
    assert len(told) == len(set(told))

    (project / "series.csv").write_text("month,sunspots\n")
    assert command("retrain", "small").status == 1
    assert command("retrain", "small").status == 1
    (project / "series.csv").unlink()
    assert command("retrain", "small").status == 1
    assert webhook.subjects[3 + len(told) :] == ["small: retraining failed"] * 2
    assert "Error: DataError: " in webhook.received[-1][1]


def test_a_retraining_whose_data_is_missing_is_told(project: Path, webhook: Webhook) -> None:
    with (project / "pipelines.toml").open("a") as file:
        file.write(TABLE)
    (project / "series.csv").unlink()

    for _ in range(2):
        with pytest.raises(DataError) as raised:
            Project.open(project).retrain("small")

    ((subject, body),) = webhook.received
    assert subject == "small: retraining failed"
    assert f"Error: DataError: {raised.value}\n" in body
