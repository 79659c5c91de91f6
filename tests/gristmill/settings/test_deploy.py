"""The tables of deployments: where the project is, and no secret besides references to Prefect's blocks."""

from typing import Any

import pytest
from pydantic import ValidationError

from gristmill.settings.file_tables import Deploy, JobVariables
from gristmill.settings.validation import table_problems

URL = "https://github.com/me/shop.git"


def refusal(values: dict[str, Any], table: type[JobVariables] = Deploy) -> str:
    """Return why a table is refused, as it is printed."""
    with pytest.raises(ValidationError) as caught:
        table.model_validate(values)
    return "\n".join(str(problem) for problem in table_problems(caught.value, table, "[deploy]"))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"git": {"url": "https://me:S3CRET@a.org/b.git"}}, "git: expected a URL without a user or a password; set "),
        ({"git": {"url": "https://a.org/b.git?token=S3CRET"}}, "git: expected a URL without the parameter 'token'"),
        ({"git": {"url": URL, "credentials": "S3CRET"}}, "git: expected a block of Prefect, TYPE/NAME, such as"),
        ({"git": {"branch": "main"}}, "git: missing. It has no default."),
        ({"git": {"url": "--upload-pack=x"}}, "git: expected a URL such as https://github.com/me/shop.git or git@"),
        ({"git": {"url": URL}, "bucket": "s3://a/b"}, "expected either git or bucket."),
        ({"bucket": "s3://key:S3CRET@a/b"}, "bucket: expected a URL without a user or a password; set credentials "),
        ({"bucket": "data/shop"}, "bucket: expected the URL of a folder in a bucket, such as s3://bucket/prefix."),
        ({"bucket": "memory://a/b"}, "bucket: expected the URL of a folder in a bucket, such as s3://bucket/prefix."),
        ({"bucket": "https://a.org/b"}, "bucket: expected the URL of a folder in a bucket, such as s3://bucket/prefix"),
        ({"image": "shop"}, 'expected a type of work pool that starts containers with image, such as type = "docker".'),
        ({"image": "a", "type": "docker", "job_variables": {"image": "b"}}, "expected either image or job_variables "),
        (
            {"job_variables": {"env": {"API_TOKEN": "S3CRET"}}},
            "expected no secret in job_variables API_TOKEN, but a ref",
        ),
        ({"job_variables": {"env": {"FEED": "https://me:S3CRET@a.org"}}}, "expected no URL with a user or a password "),
    ],
)
def test_a_mistake_is_told_without_a_secret(values: dict[str, Any], said: str) -> None:
    told = refusal(values)
    assert told.startswith(f"[deploy] {said}")
    assert "S3CRET@" not in told
    assert "token=S3CRET" not in told


def test_the_job_variables_of_a_pipeline_hold_no_secret_either() -> None:
    told = refusal({"job_variables": {"env": {"DB_PASSWORD": "S3CRET"}}}, JobVariables)
    assert told.startswith("[deploy] expected no secret in job_variables DB_PASSWORD")
    assert "S3CRET" not in told


@pytest.mark.parametrize("url", [URL, "git@github.com:me/shop.git", "ssh://git@a.org:22/b.git", "file:///srv/shop"])
def test_a_repository_is_at_any_url_without_a_secret(url: str) -> None:
    assert Deploy.model_validate({"git": {"url": url}}).git


def test_a_reference_to_a_block_is_no_secret() -> None:
    env = {"API_TOKEN": "{{ prefect.blocks.secret.token }}", "TOKENIZERS_PARALLELISM": "false"}
    assert Deploy.model_validate({"job_variables": {"env": env, "cpu": 4}}).job_variables == {"env": env, "cpu": 4}
