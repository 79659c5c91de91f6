"""The flow of one chunk or block, called in this process as a worker calls it."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from gristmill.errors import WorkError
from gristmill.flows.chunk import chunk
from gristmill.project.project import Project

pytest_plugins = ["helpers.end_to_end"]


@pytest.mark.slow
def test_a_worker_makes_the_requested_artifact_once_and_no_other(finished: Path) -> None:
    project = Project.open(finished)
    references = project.record("small").references
    trained, inputs = references["train"], {"preprocess": references["preprocess"]}
    folder = project.store.path("train", trained["key"])
    shutil.rmtree(folder)

    def request(*overrides: str) -> dict[str, Any]:
        answer: dict[str, Any] = chunk("small", list(overrides), None, "train", trained["key"], inputs, str(finished))
        return answer

    made, again = request(), request()

    assert (made["stage"], made["cached"]) == ("train", False)
    assert made["seconds"] > 0
    assert folder.is_dir()
    assert (again["stage"], again["cached"]) == ("train", True)
    with pytest.raises(WorkError, match="have changed since the run started"):
        request("model.l2=3.0")
