"""A project on a Prefect server: what differs is planned and changed, and what others have made is kept."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate, DeploymentUpdate, WorkPoolCreate
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterDeploymentId
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule
from prefect.exceptions import PrefectHTTPStatusError

from conftest import SMALL
from gristmill.config import catalogue
from gristmill.deployment.prefect_file import trigger_name
from gristmill.errors import RequestError, WorkError
from gristmill.prefect_runtime.changes import difference_lines
from gristmill.prefect_runtime.deploy import Plan, plan

NAME = "deployed"  # a pipeline of these tests only, because they share the server


@pytest.fixture
def client(prefect_api: str) -> Iterator[SyncPrefectClient]:
    """A client of the session's server, which later tests find without the deployments and their scheduled runs."""
    with get_client(sync_client=True) as client:
        before = {each.id for each in client.read_deployments()}
        yield client
        for deployment in client.read_deployments():
            if deployment.id not in before:
                client.delete_deployment(deployment.id)


def planned(project: Path, schedule: str = "", deploy: str = "", name: str = NAME) -> Plan:
    """Return the plan for the small pipeline under a name, with lines in its schedule and tables for its deployment."""
    schedule = f"\n[pipelines.{name}.schedule]\n{schedule}\n"
    (project / "pipelines.toml").write_text(SMALL.replace("pipelines.small", f"pipelines.{name}") + schedule + deploy)
    return plan(catalogue.load(project))


def texts(found: Plan) -> list[str]:
    return [line for change in found.changes for line in str(change).splitlines() if "automation" not in line]


def coming(client: SyncPrefectClient, deployment: DeploymentResponse) -> set[str]:
    """Return the names of the runs that the schedule of a deployment has created."""
    only = FlowRunFilter(deployment_id=FlowRunFilterDeploymentId(any_=[deployment.id]))
    return {run.name for run in client.read_flow_runs(flow_run_filter=only)}


@pytest.mark.slow
def test_a_project_is_created_once_and_later_only_what_differs_is_changed(
    project: Path, client: SyncPrefectClient
) -> None:
    pool = '\n[deploy]\npool = "diff"\n'
    created = planned(project, 'cron = "0 6 * * 1"\non_event = true', pool)
    retrain = f"retrain/{NAME}-retrain"
    assert texts(created) == [
        "+ work pool diff (type process)",
        f"+ deployment timeseries/{NAME}",
        f"+ deployment {retrain}",
    ]
    created.apply()
    assert client.read_work_pool("diff").type == "process"
    made = client.read_deployment_by_name(retrain)
    assert made.pull_steps == [{"prefect.deployments.steps.set_working_directory": {"directory": str(project)}}]
    assert made.parameter_openapi_schema
    assert made.parameter_openapi_schema["properties"]["pipeline"]["enum"] == [NAME]
    assert made.global_concurrency_limit
    assert made.global_concurrency_limit.limit == 1
    assert [(each.slug, each.active) for each in made.schedules] == [("gristmill", True)]
    assert len(client.read_automations_by_name(trigger_name(NAME))) == 1
    assert coming(client, made) == {f"retrain {NAME}"}

    again = planned(project, 'cron = "0 6 * * 1"\non_event = true', pool)
    assert (again.changes, again.unchanged) == ([], 2)

    deploy = (
        f'{pool}job_variables = {{ env = {{ PLACE = "here" }} }}\n[pipelines.{NAME}.deploy]\njob_variables.cpu = 4\n'
    )
    changed = planned(project, 'interval = "6 hours"', deploy)
    assert texts(changed) == [
        f"~ deployment timeseries/{NAME}",
        '    job_variables.env.PLACE: none -> "here"',
        "    job_variables.cpu: none -> 4",
        f"~ deployment {retrain}",
        f'    description: "Retrains the pipeline {NAME}, by cron 0 6 * * 1 (UTC) and… -> '
        f'"Retrains the pipeline {NAME}, every 6 hours. A few years …',
        '    job_variables.env.PLACE: none -> "here"',
        "    job_variables.cpu: none -> 4",
        "    schedule: cron 0 6 * * 1 (UTC) -> interval 6:00:00",
        "    on_event: true -> false",
    ]
    changed.apply()
    assert (planned(project, 'interval = "6 hours"', deploy).changes) == []
    assert client.read_automations_by_name(trigger_name(NAME)) == []
    assert coming(client, made) == {f"retrain {NAME}"}

    moved = planned(project, 'interval = "6 hours"', deploy.replace('"diff"', '"other"'))
    assert str(moved.changes[-1]) == "- automation gristmill: late runs in diff"
    moved.apply()
    assert client.read_automations_by_name("gristmill: late runs in diff") == []
    assert len(client.read_automations_by_name("gristmill: late runs in other")) == 1


def test_the_form_of_a_run_offers_pipelines_and_stages_and_the_server_refuses_others(
    project: Path, client: SyncPrefectClient
) -> None:
    planned(project, name="form").apply()
    made = client.read_deployment_by_name("timeseries/form")
    assert made.parameter_openapi_schema
    fields = made.parameter_openapi_schema["properties"]
    assert (fields["pipeline"]["enum"], fields["pipeline"]["type"]) == (["form"], "string")
    stages, _ = fields["refresh"]["anyOf"]
    assert stages["enum"] == ["ingest", "preprocess", "train", "backtest", "select", "evaluate", "refit", "export"]
    assert [option["type"] for option in fields["jobs"]["anyOf"]] == ["integer", "null"]
    assert [option["type"] for option in fields["budget"]["anyOf"]] == ["number", "null"]
    for parameters in ({"pipeline": "other"}, {"refresh": "tarin"}, {"jobs": "two"}):
        with pytest.raises(PrefectHTTPStatusError, match="409 Conflict"):
            client.create_flow_run_from_deployment(made.id, parameters=parameters)


@pytest.mark.slow
def test_what_somebody_has_added_on_the_server_is_kept(project: Path, client: SyncPrefectClient) -> None:
    name = "kept"
    planned(project, 'cron = "0 6 * * 1"', name=name).apply()
    made = client.read_deployment_by_name(f"retrain/{name}-retrain")
    nightly = DeploymentScheduleCreate(schedule=CronSchedule(cron="0 1 * * *", timezone="UTC"), active=False)
    client.create_deployment_schedules(made.id, [nightly])
    client.update_deployment_schedule(made.id, made.schedules[0].id, active=False)
    client.pause_deployment(made.id)
    own = {"tags": [*made.tags, "team-a"], "parameters": made.parameters | {"overrides": ["train.seed=2"]}}
    client.update_deployment(made.id, DeploymentUpdate(**own))

    changed = planned(project, 'cron = "0 7 * * 1"', name=name)
    assert f"kept: schedule of retrain/{name}-retrain, cron 0 1 * * * (UTC)" in changed.notes
    changed.apply()

    kept: Any = client.read_deployment_by_name(f"retrain/{name}-retrain")
    clocks = {(each.slug, each.schedule.cron, each.active) for each in kept.schedules}
    assert clocks == {("gristmill", "0 7 * * 1", False), (None, "0 1 * * *", False)}
    assert (kept.paused, kept.tags, kept.parameters) == (True, own["tags"], own["parameters"])

    gone = planned(project, name="other")
    assert (
        f"kept: deployment retrain/{name}-retrain, whose pipeline is not in pipelines.toml. If no other project uses "
        f"it: prefect deployment delete retrain/{name}-retrain"
    ) in gone.notes


def test_a_schedule_of_an_earlier_version_becomes_the_one_of_this_version(
    project: Path, client: SyncPrefectClient
) -> None:
    planned(project, name="earlier").apply()
    made = client.read_deployment_by_name("retrain/earlier-retrain")
    client.create_deployment_schedules(made.id, [(CronSchedule(cron="0 6 * * 1", timezone="UTC"), True)])
    planned(project, 'cron = "0 6 * * 1"', name="earlier").apply()
    (schedule,) = client.read_deployment_schedules(made.id)
    assert schedule.slug == "gristmill"


def test_what_gristmill_did_not_make_is_refused(project: Path, client: SyncPrefectClient) -> None:
    flow = client.create_flow_from_name("timeseries")
    client.create_deployment(flow, "theirs", entrypoint="theirs.py:flow")
    with pytest.raises(RequestError, match=r"^the server has a deployment timeseries/theirs that gristmill did not"):
        planned(project, name="theirs")
    client.create_work_pool(WorkPoolCreate(name="typed", type="docker"))
    pool = '\n[deploy]\npool = "typed"\n'
    assert "work pool typed" not in "".join(texts(planned(project, deploy=pool, name="other")))
    with pytest.raises(RequestError, match=r"the work pool typed exists and has the type 'docker', not 'process'"):
        planned(project, deploy=f'{pool}type = "process"\n', name="other")


def test_what_the_server_says_of_a_refusal_is_told(project: Path, client: SyncPrefectClient) -> None:
    template = {
        "job_configuration": {"cpu": "{{ cpu }}"},
        "variables": {"type": "object", "properties": {"cpu": {"type": "integer"}}},
    }
    client.create_work_pool(WorkPoolCreate(name="strict", type="process", base_job_template=template))
    refused = planned(project, deploy='\n[deploy]\npool = "strict"\njob_variables = { cpu = "much" }\n', name="refused")
    with pytest.raises(
        WorkError, match=r"^deployment timeseries/refused: the server refuses it. .*'much' is not valid"
    ):
        refused.apply()


def test_a_secret_that_somebody_has_set_on_the_server_is_not_printed() -> None:
    found = {"env": {"API_TOKEN": "S3CRET", "URL": "https://me:S3CRET@example.org"}}
    assert list(difference_lines("job_variables", found, {"env": {}})) == [
        "job_variables.env.API_TOKEN: … -> none",
        'job_variables.env.URL: "https://…" -> none',
    ]
