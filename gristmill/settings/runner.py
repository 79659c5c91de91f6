"""The table `[runner]`: where work runs, and how many workers run at a time."""

from typing import Literal

from pydantic import PositiveInt, model_validator

from gristmill.settings.base import Settings


class Runner(Settings):
    """Parallel runs of pipelines, trials, backtest blocks and chunks of a stage; sequential runs without this table."""

    kind: Literal["processes", "dask"] = "processes"  # processes of this machine, or the workers of a Dask cluster
    workers: PositiveInt | None = None  # worker count; default: cores of this machine or cluster; --jobs overrides it
    threads: PositiveInt | None = None  # threads of TensorFlow, NumPy and SciPy; also applies to sequential runs
    address: str | None = None  # address of a Dask scheduler, "tcp://host:8786"; default: a cluster on this machine

    @model_validator(mode="after")
    def _check_address(self) -> "Runner":
        if self.address and self.kind != "dask":
            raise ValueError('address only with a Dask cluster. Set kind = "dask", or remove it')
        return self


SEQUENTIAL = Runner(workers=1)  # default without the table
