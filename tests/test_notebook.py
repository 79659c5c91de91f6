"""The page on Python and the notebook: what they show is run as a reader would, the notebook in a kernel of its own.

`.venv/bin/jupyter execute --inplace docs/how-to/notebook.ipynb`, where the store is empty, stores its outputs anew.
"""

import json
import logging
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from conftest import ONE_BASELINE, ROOT
from helpers.written import blocks

pytest_plugins = ["helpers.end_to_end"]

NOTEBOOK = ROOT / "docs/how-to/notebook.ipynb"
SWEPT = f"{ONE_BASELINE}\n[pipelines.small.sweep]\nmodel.l2 = [0.1, 1.0]\n".replace("small", "sunspots")
LOGGER = logging.getLogger("gristmill")


def outputs(notebook: Any) -> list[list[Any]]:
    """Return what each cell of code put out."""
    return [cell["outputs"] for cell in notebook["cells"] if cell["cell_type"] == "code"]


def shown(notebook: Any, kind: str) -> list[str]:
    """Return everything of a MIME type that the cells show."""
    found = (output.get("data", {}).get(kind) for outs in outputs(notebook) for output in outs)
    return ["".join(text) for text in found if text]


@pytest.fixture
def level_kept() -> Iterator[None]:
    """Leave the level of the logger as it was: the page sets it."""
    before = LOGGER.level
    yield
    LOGGER.setLevel(before)


@pytest.mark.slow
def test_the_python_of_the_page_runs_block_by_block(
    project: Path, prefect_api: str, parity_here: None, level_kept: None
) -> None:
    (project / "pipelines.toml").write_text(SWEPT)
    (project / "data/samples").mkdir(parents=True)
    shutil.copy(project / "series.csv", project / "data/samples/sunspots.csv")
    names: dict[str, Any] = {}

    for block in blocks("how-to/python.md"):
        assert block.language == "python"
        exec(compile(block.text, "docs/how-to/python.md", "exec"), names)  # noqa: S102  # our own documentation

    assert names["result"].scores.index[0] == "model"
    recorded = [names["project"].record("sunspots", run).overrides for run in names["runs"]]
    assert ["evaluate.levels=[0.1, 0.5, 0.9]"] in recorded
    assert names["result"].record.overrides == recorded[0] == []  # all is fresh by the file again
    assert names["first"].record.id == min(names["runs"])
    assert names["swept"].leaderboard["model.l2"].tolist() in ([0.1, 1.0], [1.0, 0.1])
    assert names["swept"].leaderboard["score"].is_monotonic_increasing
    assert names["swept"].best is names["swept"].entries[0]
    assert "<td>model.l2=" in names["swept"]._repr_html_()
    assert repr(names["swept"]).splitlines()[1].startswith("Best on validation: model.l2=")
    assert [version.number for version in names["versions"]] == [1]
    assert LOGGER.isEnabledFor(logging.INFO)


@pytest.mark.slow
def test_the_notebook_runs_in_a_kernel_and_shows_the_run(
    tmp_path: Path, prefect_api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(ROOT / "pipelines.toml", tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PREFECT_API_URL", prefect_api)
    monkeypatch.delenv("PREFECT_LOGGING_LEVEL")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    stored = json.loads(NOTEBOOK.read_text())

    NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()

    assert [[output["output_type"] for output in outs] for outs in outputs(notebook)] == [
        ["execute_result"] for _ in outputs(stored)
    ]  # neither Prefect nor TensorFlow says anything
    run, *_ = shown(notebook, "text/html")
    assert "<strong>co2</strong>" in run
    assert "<td>seasonal_naive</td>" in run
    assert "<svg" in run
    assert shown(notebook, "text/plain")[-1] == "True"


def test_the_stored_notebook_was_run_and_names_no_place_of_a_machine() -> None:
    text = NOTEBOOK.read_text()
    notebook = json.loads(text)

    assert all(cell["execution_count"] for cell in notebook["cells"] if cell["cell_type"] == "code")
    assert [len(outs) for outs in outputs(notebook)] == [1] * len(outputs(notebook))
    assert "gristmill-cell" in shown(notebook, "text/html")[0]
    assert not [place for place in ("/tmp/", "/home/", "/Users/", str(ROOT), sys.prefix) if place in text]  # noqa: S108  # sought
    assert {"kernelspec", "language_info"} == set(notebook["metadata"])
