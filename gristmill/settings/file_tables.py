"""Tables of the whole file, not of a pipeline: `[defaults]`, `[runner]` and `[notify]`."""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from gristmill.settings.base import CacheFolder, PositiveFloat, PositiveInt, Settings, StoreLocation

Parallel = Annotated[int, Field(gt=0, le=1024)]  # processes or threads


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
