"""The tabular flow, end to end."""

from pathlib import Path

import pandas as pd
import pytest

from gristmill.errors import RequestError
from gristmill.project.project import Project

pytest_plugins = ["helpers.end_to_end"]
pytestmark = pytest.mark.usefixtures("parity_here", "prefect_api")

TOML = """
[pipelines.line]
domain = "tabular"
source = { kind = "inline", x = [-1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 10.0], y = [-3.0, -1.0, 1.0, 3.0, 5.0, 7.0, 19.0] }
ingest = { target = "y", numbers = "x" }
preprocess = { validation = 0, test = 1, split = "last", scale = "none" }
model = { kind = "dense", units = [] }
train = { epochs = 3, optimizer = "sgd", learning_rate = 0.01 }
"""


@pytest.mark.slow
def test_a_line_goes_from_pairs_to_an_exported_network_and_a_report(tmp_path: Path) -> None:
    (tmp_path / "pipelines.toml").write_text(TOML)
    project = Project.open(tmp_path)

    result = project.run("line")

    scores = result.evaluation
    assert scores["headline"]["metric"] == "mae"
    assert result.history["epoch"].tolist() == [1, 2, 3]
    assert set(scores["baselines"]) == {"mean", "least_squares"}
    assert list(result.record.stages) == ["ingest", "preprocess", "train", "evaluate", "export"]
    assert [step.state for step in project.plan("line")] == ["fresh"] * 5
    made = project.predict("line")
    assert made.columns.tolist() == ["x", "predicted"]
    assert made["predicted"].tolist()[-1] == pytest.approx(19 - scores["model"]["test"]["mae"], rel=1e-3)
    asked = pd.DataFrame({"x": [10, 4]})
    asked.to_csv(tmp_path / "x.csv", index=False)
    asked.to_parquet(tmp_path / "x.parquet", index=False)
    for name in ("x.csv", "x.parquet"):
        assert project.predict("line", str(tmp_path / name))["predicted"].tolist() == made["predicted"].tolist()[:-3:-1]
    with pytest.raises(RequestError) as refused:
        project.predict("line", "x.json")
    assert str(refused.value) == (
        "--input x.json: unknown file type '.json'; write each object of an array on its own line of a .jsonl file. "
        "Expected a .csv, .jsonl or .parquet file with the pipeline's columns."
    )
    assert "least_squares" in result.report.read_text()


def test_sets_of_a_number_are_refused_before_the_training(tmp_path: Path) -> None:
    (tmp_path / "pipelines.toml").write_text(TOML)
    project = Project.open(tmp_path, {"line": ["evaluate.coverage=0.9"]})

    with pytest.raises(RequestError, match=r"evaluate\.coverage = 0\.9 is for classes, but the target is a number"):
        project.run("line")

    assert list(next(project.runs.newest_first("line")).stages) == ["ingest", "preprocess"]
