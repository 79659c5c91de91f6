"""The flow against a real Prefect server."""

from pathlib import Path

from gristmill.project import Project


def test_a_repeated_flow_run_shows_five_cached_tasks(project: Path, prefect_api: str) -> None:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

    from flows.timeseries import timeseries

    first = timeseries("small", project=str(project))
    again = timeseries("small", project=str(project), return_state=True)

    assert {name: stage["cached"] for name, stage in first["stages"].items()} == dict.fromkeys(first["stages"], False)
    assert list(first["stages"]) == ["ingest", "preprocess", "train", "evaluate", "export"]
    record = again.result()
    assert all(stage["cached"] for stage in record["stages"].values())
    assert [stage["reference"] for stage in record["stages"].values()] == [
        stage["reference"] for stage in first["stages"].values()
    ]
    assert Project.open(project).record("small").references == {
        name: stage["reference"] for name, stage in first["stages"].items()
    }
    with get_client(sync_client=True) as client:
        runs = client.read_task_runs(
            flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[again.state_details.flow_run_id]))
        )
    assert sorted((run.name, run.state_name) for run in runs) == sorted(
        (f"{stage} small", "Cached") for stage in ("ingest", "preprocess", "train", "evaluate", "export")
    )
