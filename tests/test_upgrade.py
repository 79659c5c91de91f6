"""A store that an earlier version wrote keeps serving: its domain of tables was called `regression`."""

import tarfile
from pathlib import Path

import pandas as pd
import pytest

from gristmill.project.project import Project
from helpers.support import Command

pytest_plugins = ["helpers.end_to_end"]

# The store, the table and its predictions, made by the last version that had the domain (commit 32c5a79).
STORE = Path(__file__).parent / "helpers/store_with_regression_champion.tar.xz"

PIPELINE = """
[pipelines.prices]
domain = "tabular"

[pipelines.prices.source]
kind = "csv"
path = "prices.csv"

[pipelines.prices.ingest]
target = "price"
numbers = ["area", "rooms"]

[pipelines.prices.model]
kind = "dense"
units = [2]

[pipelines.prices.train]
epochs = 40
learning_rate = 0.1
"""


@pytest.fixture
def upgraded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with the store of the earlier version; the current folder of the test."""
    with tarfile.open(STORE) as archive:
        archive.extractall(tmp_path, filter="data")
    (tmp_path / "pipelines.toml").write_text(PIPELINE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_a_champion_of_the_domain_regression_predicts_and_is_replaced(
    upgraded: Path, command: Command, prefect_api: str
) -> None:
    champion = Project.open().registry.champion("prices")
    assert champion
    assert (champion.number, champion.domain) == (1, "tabular")

    assert command("predict", "prices", "--output", "again.csv").status == 0
    again, before = pd.read_csv("again.csv")["predicted"], pd.read_csv("predictions.csv")["price"]
    pd.testing.assert_series_equal(again, before, rtol=1e-6, check_names=False)

    table = pd.read_csv("prices.csv")
    more = [table.assign(area=table["area"] + step, price=table["price"] + 30 * step) for step in (0.25, 0.5, 0.75)]
    pd.concat([table, *more]).to_csv("prices.csv", index=False)
    retrained = command("retrain", "prices")
    assert retrained.status == 0, retrained.err
    champion = Project.open().registry.champion("prices")
    assert champion
    assert champion.number == 2
