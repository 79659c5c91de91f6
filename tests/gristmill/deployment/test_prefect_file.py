"""What of a project runs on a Prefect server: the content of `prefect.yaml`."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import ROOT, SMALL
from gristmill.config import catalogue
from gristmill.deployment import prefect_file as deployments
from gristmill.errors import RequestError
from gristmill.settings.schedule import Schedule


def deployed(project: Path, schedule: str = "", tables: str = "", pool: str | None = None) -> list[dict[str, Any]]:
    """Return the deployments of the small pipeline with these lines in its schedule, as Prefect reads them."""
    (project / "pipelines.toml").write_text(f"{SMALL}\n[pipelines.small.schedule]\n{schedule}\n{tables}")
    content = deployments.prefect_yaml(catalogue.load(project), pool)
    found: list[dict[str, Any]] = yaml.safe_load(content)["deployments"]
    return found


def test_the_repositorys_file_is_current() -> None:
    """Written by `gristmill deploy --write-only`."""
    assert (ROOT / "prefect.yaml").read_text() == deployments.prefect_yaml(catalogue.load(ROOT))


def test_a_pipeline_has_a_deployment_to_run_it_and_one_to_retrain_it(project: Path) -> None:
    env = {
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
        "PREFECT_LOGGING_EXTRA_LOGGERS": "gristmill",
        "DO_NOT_TRACK": "1",
    }
    work_pool = {"name": "gristmill", "job_variables": {"env": env}}
    assert deployed(project) == [
        {
            "name": "small",
            "description": "Brings the pipeline small up to date. A few years of sunspots",
            "tags": ["gristmill", "timeseries", "small"],
            "entrypoint": "gristmill.prefect_runtime.entrypoints.timeseries",
            "parameters": {"pipeline": "small"},
            "schedules": [],
            "triggers": [],
            "work_pool": work_pool,
        },
        {
            "name": "small-retrain",
            "description": "Retrains the pipeline small, when asked. A few years of sunspots",
            "tags": ["gristmill", "timeseries", "small"],
            "entrypoint": "gristmill.prefect_runtime.entrypoints.retrain",
            "parameters": {"pipeline": "small"},
            "schedules": [],
            "triggers": [],
            "concurrency_limit": {"limit": 1, "collision_strategy": "ENQUEUE"},
            "work_pool": work_pool,
        },
    ]


@pytest.mark.parametrize(
    ("lines", "clock"),
    [
        (
            'cron = "0 6 * * 1"\ntimezone = "Europe/Berlin"',
            {"cron": "0 6 * * 1", "timezone": "Europe/Berlin", "slug": "gristmill"},
        ),
        ('interval = "6 hours"', {"interval": 21600, "anchor_date": "2020-01-01T00:00:00+00:00", "slug": "gristmill"}),
        (
            'rrule = "FREQ=MONTHLY;BYDAY=1MO"',
            {"rrule": "FREQ=MONTHLY;BYDAY=1MO", "timezone": "UTC", "slug": "gristmill"},
        ),
    ],
)
def test_a_schedule_is_the_retrainings_alone(project: Path, lines: str, clock: dict[str, Any]) -> None:
    run, retrain = deployed(project, lines)
    assert (run["schedules"], retrain["schedules"]) == ([], [clock])


def test_prefect_takes_every_clock_as_it_stands(project: Path) -> None:
    from prefect.cli.deploy._models import PrefectYamlModel

    for lines in ('cron = "0 6 * * MON"', 'interval = "1 second"', 'rrule = "FREQ=DAILY;BYHOUR=6"'):
        assert PrefectYamlModel.model_validate({"deployments": deployed(project, lines)}).deployments[1].schedules


def test_an_event_about_the_pipelines_data_retrains_it_and_no_other(project: Path) -> None:
    run, retrain = deployed(project, "on_event = true")
    assert run["triggers"] == []
    assert retrain["triggers"] == [
        {
            "name": "gristmill: retrain small when its data is updated",
            "type": "event",
            "expect": ["gristmill.data.updated"],
            "match": {"prefect.resource.id": "gristmill.pipeline.small"},
        }
    ]


def test_another_work_pool_is_named_in_every_deployment(project: Path) -> None:
    assert [one["work_pool"]["name"] for one in deployed(project, pool="gpus")] == ["gpus", "gpus"]


@pytest.mark.parametrize(
    ("lines", "step"),
    [
        (
            'git = { url = "git@github.com:me/shop.git" }',
            {"prefect.deployments.steps.git_clone": {"repository": "git@github.com:me/shop.git"}},
        ),
        (
            'git = { url = "https://a.org/b.git", branch = "main", credentials = "github-credentials/shop" }',
            {
                "prefect.deployments.steps.git_clone": {
                    "repository": "https://a.org/b.git",
                    "branch": "main",
                    "credentials": "{{ prefect.blocks.github-credentials.shop }}",
                }
            },
        ),
        (
            'git = { url = "https://a.org/b.git", credentials = "secret/token" }',
            {
                "prefect.deployments.steps.git_clone": {
                    "repository": "https://a.org/b.git",
                    "access_token": "{{ prefect.blocks.secret.token }}",
                }
            },
        ),
        (
            'bucket = "s3://bucket/shop"',
            {"prefect.deployments.steps.pull_from_remote_storage": {"url": "s3://bucket/shop"}},
        ),
        (
            'type = "docker"\nimage = "shop:1"',
            {"prefect.deployments.steps.set_working_directory": {"directory": "/project"}},
        ),
    ],
)
def test_a_run_fetches_the_project_as_the_table_says(project: Path, lines: str, step: dict[str, Any]) -> None:
    assert [each["pull"] for each in deployed(project, tables=f"[deploy]\n{lines}\n")] == [[step], [step]]


def test_job_variables_of_a_pipeline_are_added_to_those_of_the_project(project: Path) -> None:
    tables = """
[deploy]
pool = "cluster"
type = "kubernetes"
image = "shop:1"
job_variables = { cpu = 1, env = { GRISTMILL_DATA = "/data", TOKEN = "{{ prefect.blocks.secret.token }}" } }
[pipelines.small.deploy]
job_variables = { cpu = 4, env = { TF_NUM_THREADS = "4" } }
"""
    for deployment in deployed(project, tables=tables):
        assert deployment["work_pool"] == {
            "name": "cluster",
            "job_variables": {
                "image": "shop:1",
                "env": deployments.RUN_ENVIRONMENT
                | {
                    "DO_NOT_TRACK": "1",
                    "GRISTMILL_DATA": "/data",
                    "TOKEN": "{{ prefect.blocks.secret.token }}",
                    "TF_NUM_THREADS": "4",
                },
                "cpu": 4,
            },
        }


def test_what_somebody_has_added_to_the_file_is_kept(project: Path) -> None:
    (project / deployments.PREFECT_FILE).write_text(
        "name: shop\n"
        "build:\n- prefect_docker.deployments.steps.build_docker_image: {image_name: shop}\n"
        "deployments:\n"
        "- {name: report, entrypoint: 'report.py:report', tags: [gristmill]}\n"
        "- {name: gone, entrypoint: gristmill.prefect_runtime.entrypoints.text, tags: [gristmill, text, gone]}\n"
        "- {name: mine, entrypoint: gristmill.prefect_runtime.entrypoints.timeseries, tags: [mine]}\n"
    )
    content = deployments.prefect_yaml(catalogue.load(project))
    found = yaml.safe_load(content)
    assert [each["name"] for each in found["deployments"]] == ["small", "small-retrain", "report", "mine"]
    assert found["name"] == "shop"
    assert found["build"] == [{"prefect_docker.deployments.steps.build_docker_image": {"image_name": "shop"}}]
    (project / deployments.PREFECT_FILE).write_text(content)
    assert deployments.prefect_yaml(catalogue.load(project)) == content


@pytest.mark.parametrize("content", ["deployments: [", "- a list", "deployments: a text"])
def test_a_file_that_is_not_prefects_is_not_overwritten(project: Path, content: str) -> None:
    (project / deployments.PREFECT_FILE).write_text(content)
    with pytest.raises(RequestError, match=r"prefect.yaml: .* Fix or delete it.$"):
        deployments.prefect_yaml(catalogue.load(project))


def test_the_file_says_where_it_comes_from_and_holds_no_place_of_this_machine(project: Path) -> None:
    content = deployments.prefect_yaml(catalogue.load(project))
    assert content.startswith("# Generated from pipelines.toml by `gristmill deploy`, which replaces the deployments ")
    assert str(project) not in content
    assert content == deployments.prefect_yaml(catalogue.load(project))


def test_a_description_fills_in_no_secret(project: Path) -> None:
    text = (project / "pipelines.toml").read_text()
    (project / "pipelines.toml").write_text(
        text.replace("A few years of sunspots", "{{ prefect.blocks.secret.password }}")
    )
    run, retrain = yaml.safe_load(deployments.prefect_yaml(catalogue.load(project)))["deployments"]
    assert run["description"].endswith("up to date. { { prefect.blocks.secret.password }}")
    assert retrain["description"].endswith("when asked. { { prefect.blocks.secret.password }}")


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({}, "when asked"),
        ({"cron": "0 6 * * 1", "timezone": "Europe/Berlin"}, "by cron 0 6 * * 1 (Europe/Berlin)"),
        ({"interval": "6 hours"}, "every 6 hours"),
        ({"rrule": "FREQ=DAILY"}, "by the rule FREQ=DAILY (UTC)"),
        ({"on_event": True}, "when its data is updated"),
        ({"interval": "1 day", "on_event": True}, "every 1 day and when its data is updated"),
    ],
)
def test_when_a_pipeline_is_retrained_is_told_in_words(values: dict[str, Any], told: str) -> None:
    assert deployments.describe_schedule(Schedule(**values)) == told
