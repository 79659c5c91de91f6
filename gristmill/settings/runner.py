"""The table `[runner]`: where units of work are done, and how many at a time."""

from typing import Literal

from pydantic import PositiveInt, model_validator

from gristmill.settings.base import Settings


class Runner(Settings):
    """How pipelines of one call, trials, blocks of a backtest and chunks of one stage are spread; else they are not."""

    kind: Literal["processes", "dask"] = "processes"  # processes of this machine, or the workers of a Dask cluster
    workers: PositiveInt | None = None  # units at a time, unless --jobs says; the cores, or a cluster's, if not set
    threads: PositiveInt | None = None  # of TensorFlow, NumPy and SciPy, in plain runs too; their own choice if not set
    address: str | None = None  # of a Dask scheduler that runs: "tcp://host:8786"; a cluster on this machine if not set

    @model_validator(mode="after")
    def _refuse_an_address_of_nothing(self) -> "Runner":
        if self.address and self.kind != "dask":
            raise ValueError('address: it is of a Dask cluster. Set kind = "dask", or remove it')
        return self


SEQUENTIAL = Runner(workers=1)  # where there is no such table: one thing after the other
