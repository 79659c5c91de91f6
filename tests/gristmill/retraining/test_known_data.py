"""Where a pipeline's own source is broken, its model predicts from what was read last, and says so."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from gristmill.training.keras_backend import import_keras
from helpers.support import Command, edit, records

pytest_plugins = ["helpers.end_to_end"]
pytestmark = pytest.mark.usefixtures("parity_here", "prefect_api")

Change = Callable[[list[str]], list[str]]

BROKEN: dict[str, tuple[Change, str]] = {
    "a bad cell": (lambda rows: [*rows[:50], "1753-02,much", *rows[51:]], "row 51, column 'sunspots': not a finite"),
    "a ragged row": (lambda rows: [*rows[:50], rows[50] + ",1", *rows[51:]], "row 51: 3 fields, but the header has 2"),
    "a gap": (lambda rows: [*rows[:50], *rows[51:]], "1753-02"),
    "lost rows": (lambda rows: rows[:201], "100 of 300 known rows are missing"),
    "no rows": (lambda rows: rows[:1], "series.csv: no rows"),
}


@pytest.mark.parametrize(
    "kind", [kind if kind == "lost rows" else pytest.param(kind, marks=pytest.mark.slow) for kind in BROKEN]
)
def test_a_broken_source_is_replaced_by_what_was_read_last(finished: Path, command: Command, kind: str) -> None:
    import_keras()  # else the first prediction reports that it is loaded
    change, why = BROKEN[kind]
    file, (run, *_) = finished / "series.csv", records(finished)
    before = command("-q", "predict", "small")
    assert (before.status, before.err) == (0, "")
    file.write_text("\n".join(change(file.read_text().splitlines())) + "\n")

    said = command("-q", "predict", "small")

    assert (said.status, said.out) == (0, before.out)
    assert len(said.err.splitlines()) == 1
    assert why in said.err
    assert said.err.strip().endswith(f"Predicting from the data that run {run.id} read on {run.started:%Y-%m-%d}.")
    if kind != "lost rows":  # whoever asks for the file gets what is in it
        assert command("predict", "small", "--input", "series.csv").status == 1


@pytest.mark.slow
def test_the_champion_goes_on_from_the_newest_data_that_was_read(finished: Path, command: Command) -> None:
    assert command("promote", "small").status == 0
    file = finished / "series.csv"
    rows = file.read_text().splitlines()
    file.write_text("\n".join([*rows, "1774-01,50.0", "1774-02,51.0"]) + "\n")
    assert command("run", "small").status == 0
    before = command("predict", "small").out
    assert "1774-03-01" in before
    newest = records(finished)[-1]

    file.unlink()
    said = command("predict", "small")

    assert (said.status, said.out) == (0, before)
    assert "no such file" in said.err
    assert f"the data that run {newest.id} read" in said.err
    for record in (finished / "data/store/runs/small").glob("*.json"):
        record.unlink()
    assert "1774-01-01" in command("predict", "small").out  # from what the champion was trained on


def test_where_nothing_was_read_of_a_source_it_is_refused(finished: Path, command: Command) -> None:
    edit(finished / "pipelines.toml", 'path = "series.csv"', 'path = "other.csv"')

    said = command("predict", "small")

    assert (said.status, said.out) == (1, "")
    assert "no such file 'other.csv'" in said.err
    edit(finished / "pipelines.toml", 'path = "other.csv"', 'path = "series.csv"')
    (finished / "series.csv").unlink()
    shutil.rmtree(finished / "data/store/ingest")
    said = command("predict", "small")
    assert (said.status, said.out) == (1, "")
    assert "no such file 'series.csv'" in said.err
