"""One tiny pipeline per domain, run by the real command: its artifacts are whole, scored, exported and fresh."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from gristmill.project.project import Project
from helpers.finished_projects import DOMAINS
from helpers.support import assert_all_whole

pytest_plugins = ["helpers.end_to_end"]


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_tiny_pipeline_runs_from_raw_data_to_an_exported_model(
    domain: str, finished_project: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(finished_project(domain), tmp_path / "project", symlinks=True))
    project = Project.open(folder)

    for name in DOMAINS[domain][1]:
        result = project.result(name)

        assert result.record.outcome == "succeeded"
        assert list(result.record.stages) == ["ingest", "preprocess", "train", "evaluate", "export"]
        scores = result.evaluation
        assert scores["headline"]["metric"] in scores["model"]["test"]
        assert scores["baselines"]
        assert {path.name for path in result.bundle.iterdir()} >= {"signature.json", "scores.json"}
        assert json.loads((result.bundle / "scores.json").read_text())["parity"] <= 1e-4
        assert "<h2>Scores" in result.report.read_text()
        assert {step.state for step in project.plan(name)} == {"fresh"}
    assert_all_whole(folder / "data/store")
