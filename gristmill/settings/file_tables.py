"""Tables of the whole file, not of a pipeline: `[defaults]`, `[runner]`, `[notify]` and `[deploy]`.

A pipeline may have a table `[pipelines.NAME.deploy]` too.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from gristmill.settings.base import CacheFolder, PositiveFloat, PositiveInt, Settings, StoreLocation, is_shared
from gristmill.util.urls import find_secret, is_secret_name

Parallel = Annotated[int, Field(gt=0, le=1024)]  # processes or threads

_REFERENCE = re.compile(r"\s*\{\{\s*prefect\.(blocks|variables)\.[\w.-]+\s*\}\}\s*")  # Prefect fills it in


class Defaults(Settings):
    """Settings of all pipelines of the file."""

    store: StoreLocation = "data/store"  # folder of artifacts, or s3://bucket/prefix; GRISTMILL_STORE overrides it
    cache: CacheFolder = "data/store"  # local folder for a store at a URL; GRISTMILL_CACHE overrides it
    cache_gb: PositiveFloat | None = None  # maximum cache size in GB; least recently used files are evicted first
    keep_runs: PositiveInt = 3  # runs of each pipeline whose artifacts `gristmill gc` keeps
    deny: Annotated[tuple[str, ...], Field(strict=False)] = ()  # patterns of columns that no pipeline may name: "*_id"


class Runner(Settings):
    """Parallel pipelines, trials, candidates, backtest blocks and chunks of a stage; without this table, none are."""

    kind: Literal["processes", "dask"] = "processes"  # processes of this machine, or the workers of a Dask cluster
    workers: Parallel | None = None  # worker count; default: cores of this machine or cluster; --jobs overrides it
    threads: Parallel | None = None  # threads of TensorFlow, NumPy and SciPy; also applies to sequential runs
    address: str | None = None  # address of a Dask scheduler, "tcp://host:8786"; default: a cluster on this machine

    @model_validator(mode="after")
    def _check_address(self) -> "Runner":
        if self.address and self.kind != "dask":
            raise ValueError('address only with a Dask cluster. Set kind = "dask", or remove it')
        return self


SEQUENTIAL = Runner(workers=1)  # default without the table


class Notify(Settings):
    """Receiver of messages about runs: an address in an environment variable, or a notification block of Prefect."""

    url_env: str | None = None  # environment variable that holds an apprise URL, such as "OPS_URL"
    block: str | None = None  # notification block of Prefect, TYPE/NAME, such as "slack-webhook/ops"
    rejections: PositiveInt = 5  # number of rejected challengers in a row that triggers a message

    @model_validator(mode="after")
    def _check_receiver(self) -> Self:
        """Check the receiver of the table as a whole: such an error does not print what it holds, maybe a secret."""
        if (self.url_env is None) == (self.block is None):
            raise ValueError("either url_env or block")
        if self.url_env is not None and not re.fullmatch(r"[A-Za-z_]\w*", self.url_env):
            raise ValueError('url_env to name an environment variable, such as "OPS_URL", which holds the URL')
        if self.block is not None and not re.fullmatch(r"[\w-]+/[\w-]+", self.block):
            raise ValueError('block to name a notification block of Prefect, TYPE/NAME, such as "slack-webhook/ops"')
        return self


def _check_git_url(url: str) -> str:
    without_user = re.sub(r"^ssh://[\w.-]+@", "ssh://", url)  # the user of an SSH server, such as git, is no secret
    if secret := find_secret(without_user):
        raise ValueError(f"a URL without {secret}; set credentials to a block, such as github-credentials/shop")
    if not url or url.startswith("-"):
        raise ValueError("a URL such as https://github.com/me/shop.git or git@github.com:me/shop.git")
    return url


def _check_bucket(url: str) -> str:
    if secret := find_secret(url):
        raise ValueError(f"a URL without {secret}; set credentials where the worker starts, such as AWS_ACCESS_KEY_ID")
    if not is_shared(url):
        raise ValueError("the URL of a folder in a bucket, such as s3://bucket/prefix")
    return url


def _check_block(block: str) -> str:
    if not re.fullmatch(r"[a-z0-9-]+/[a-z0-9-]+", block):
        raise ValueError('a block of Prefect, TYPE/NAME, such as "github-credentials/shop" or "secret/token"')
    return block


def _check_json(variables: dict[str, Any]) -> dict[str, Any]:
    try:
        json.dumps(variables, allow_nan=False)
    except (TypeError, ValueError):
        raise ValueError("texts, numbers, booleans, arrays and tables of them, but no dates and no nan") from None
    return variables


Variables = Annotated[dict[str, Any], AfterValidator(_check_json)]


class JobVariables(Settings):
    """Variables of the work pool for the runs of one pipeline."""

    job_variables: Variables = Field(default_factory=dict)  # added to those of [deploy], such as { cpu = 4 }

    @model_validator(mode="after")
    def _check_secrets(self) -> Self:
        """Check the table as a whole: such an error does not print what it holds, maybe a secret."""
        for name, value in _find_texts(self.job_variables):
            if is_secret_name(name) and not value.startswith("/") and not _REFERENCE.fullmatch(value):
                raise ValueError(
                    f"no secret in job_variables {name}, but a reference to a block of Prefect: "
                    '"{{ prefect.blocks.secret.NAME }}"'
                )
            if secret := find_secret(value):
                raise ValueError(f"no URL with {secret} in job_variables {name}")
        return self


class Git(Settings):
    """A git repository that holds the project in its root folder."""

    url: Annotated[str, AfterValidator(_check_git_url)]  # URL to clone, such as "https://github.com/me/shop.git"
    branch: str | None = None  # branch to clone; the default branch if not set
    credentials: Annotated[str, AfterValidator(_check_block)] | None = (
        None  # block TYPE/NAME, "secret/NAME" for a token
    )


class Deploy(JobVariables):
    """Workers of a Prefect server. Without git, bucket and image, they work in the folder that was deployed."""

    pool: Annotated[str, Field(min_length=1)] = "gristmill"  # work pool; --pool overrides it
    type: str = "process"  # type of the work pool if it does not exist yet: process, docker, kubernetes, …
    git: Git | None = None  # repository from which each run clones the project
    bucket: Annotated[str, AfterValidator(_check_bucket)] | None = None  # folder from which each run copies the project
    image: Annotated[str, Field(min_length=1)] | None = (
        None  # image of the containers that the pool starts; it holds the project unless git or bucket
    )
    job_variables: Variables = Field(
        default_factory=dict
    )  # variables of the work pool for all runs, such as { env = { GRISTMILL_DATA = "/data" } }

    @model_validator(mode="after")
    def _check_place(self) -> Self:
        if self.git and self.bucket:
            raise ValueError("either git or bucket")
        if self.image and self.type == "process":
            raise ValueError('a type of work pool that starts containers with image, such as type = "docker"')
        if self.image and "image" in self.job_variables:
            raise ValueError("either image or job_variables image")
        return self


def _find_texts(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the name and value of every text and number, also in nested tables and arrays."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _find_texts(value)
        elif isinstance(value, list):
            for item in value:
                yield from _find_texts({name: item})
        elif isinstance(value, str | int | float) and not isinstance(value, bool):
            yield name, str(value)
