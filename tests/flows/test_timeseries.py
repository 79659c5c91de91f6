"""The flow against a real Prefect server."""

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from gristmill.domains.timeseries import ingest as core
from gristmill.errors import DataError
from gristmill.project.project import Project
from helpers.support import STAGE_NAMES, with_model

pytest_plugins = ["helpers.end_to_end"]
pytestmark = pytest.mark.usefixtures("parity_here")


def task_runs(flow_run: UUID) -> list[Any]:
    """Return what the server knows of the tasks of a flow run."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

    with get_client(sync_client=True) as client:
        return client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[flow_run])))


@pytest.mark.slow
def test_a_repeated_flow_run_shows_a_cached_task_for_every_stage(project: Path, prefect_api: str) -> None:
    from prefect import tags

    from gristmill.flows.timeseries import timeseries

    first = timeseries("small", project=str(project))
    with tags("nightly"):
        again = timeseries("small", project=str(project), return_state=True)

    assert {name: stage["cached"] for name, stage in first["stages"].items()} == dict.fromkeys(first["stages"], False)
    assert list(first["stages"]) == STAGE_NAMES
    record = again.result()
    assert all(stage["cached"] for stage in record["stages"].values())
    assert [stage["reference"] for stage in record["stages"].values()] == [
        stage["reference"] for stage in first["stages"].values()
    ]
    assert Project.open(project).record("small").references == {
        name: stage["reference"] for name, stage in first["stages"].items()
    }
    tasks = task_runs(again.state_details.flow_run_id)
    assert sorted((run.name, run.state_name) for run in tasks) == sorted(
        (f"{name} small", "Cached") for name in STAGE_NAMES
    )
    assert [run.tags for run in tasks] == [[]] * len(STAGE_NAMES)  # a tag would be a limit to ask the server about


@pytest.mark.slow
def test_a_backtest_shows_a_task_for_every_block_and_seed(project: Path, prefect_api: str) -> None:
    from gristmill.flows.timeseries import timeseries

    asked = ["backtest.windows=2", "backtest.seeds=2", "backtest.size=20", 'evaluate.baselines=["naive"]']
    points = ["backtest 1/1", "backtest 1/2", "backtest 2/1", "backtest 2/2"]
    stages = ["ingest", "preprocess", "train", *points, "evaluate", "export"]

    state = timeseries("small", asked, project=str(project), return_state=True)

    assert list(state.result()["stages"]) == stages
    assert sorted((run.name, run.state_name) for run in task_runs(state.state_details.flow_run_id)) == sorted(
        (f"{stage} small", "Completed") for stage in stages
    )

    more = timeseries("small", [*asked, "backtest.windows=3"], project=str(project), return_state=True)

    done = {run.name.removesuffix(" small"): run.state_name for run in task_runs(more.state_details.flow_run_id)}
    assert {name for name, outcome in done.items() if outcome == "Completed"} == {
        "backtest 3/1", "backtest 3/2", "evaluate", "export",
    }  # fmt: skip
    assert {name for name, outcome in done.items() if outcome == "Cached"} == {*stages} - {"evaluate", "export"}


@pytest.mark.slow
def test_the_page_shows_training_and_scores(project: Path, prefect_api: str) -> None:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId

    from gristmill.flows.timeseries import timeseries

    (project / "pipelines.toml").write_text(with_model('kind = "dense"', "epochs = 50\nbatch_size = 256"))

    state = timeseries("small", ["train.epochs=2"], project=str(project), return_state=True)

    flow_run = state.state_details.flow_run_id
    with get_client(sync_client=True) as client:
        artifacts = {
            artifact.key: artifact
            for artifact in client.read_artifacts(
                artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[flow_run]))
            )
        }
        assert client.read_flow_run(flow_run).name == "small"
    assert set(artifacts) == {"small-training", "small-scores"}
    assert artifacts["small-training"].data == 100
    assert artifacts["small-training"].description.startswith("small: epoch 2 of 2, loss ")
    page = artifacts["small-scores"].data
    assert "| **model** |" in page
    assert "| naive |" in page
    assert "data:image/png;base64," in page
    record = Project.open(project, {"small": ["train.epochs=2"]}).record("small")
    assert record.overrides == ["train.epochs=2"]
    assert record.settings["train"]["epochs"] == 2


@pytest.mark.slow
def test_bad_data_is_tried_once_and_ends_the_flow_failed(
    project: Path, prefect_api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gristmill.flows.timeseries import timeseries

    calls = counted(monkeypatch)
    (project / "series.csv").write_text("month,sunspots\n")

    state = timeseries("small", project=str(project), return_state=True)

    assert state.is_failed()
    with pytest.raises(DataError, match=": no rows"):
        state.result()
    assert len(calls) == 1
    assert [(run.name, run.state_name) for run in task_runs(state.state_details.flow_run_id)] == [
        ("ingest small", "Failed")
    ]


@pytest.mark.slow
def test_a_source_that_was_written_to_while_it_was_read_is_read_again(
    project: Path, prefect_api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gristmill.flows.timeseries import timeseries

    monkeypatch.setattr("gristmill.flows.domain.preprocess", stop_here)
    calls = counted(monkeypatch, touch_at_first=project / "series.csv")

    with pytest.raises(Stopped):
        timeseries("small", project=str(project))

    assert len(calls) == 2
    assert len(list(project.glob("data/store/ingest/??/*/manifest.json"))) == 1


class Stopped(Exception):
    """Ends a flow after its first task."""


def stop_here(*arguments: object) -> None:
    """Stand in for a task."""
    raise Stopped


def counted(monkeypatch: pytest.MonkeyPatch, touch_at_first: Path | None = None) -> list[Path]:
    """Have every call of ingest's core noted in the list returned; touch a file at the end of the first."""
    calls: list[Path] = []
    real = core.ingest

    def ingest(**arguments: Any) -> dict[str, int]:
        calls.extend(arguments["paths"])
        counts = real(**arguments)
        if touch_at_first and len(calls) == 1:
            touch_at_first.touch()
        return counts

    monkeypatch.setattr(core, "ingest", ingest)
    return calls
