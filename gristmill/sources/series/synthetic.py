"""The synthetic series of the course "Sequences, Time Series and Prediction": trend, season and noise."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from gristmill.settings.base import NonNegativeFloat, Number, PositiveInt, Settings
from gristmill.sources.rows import Rows, select_columns


class Synthetic(Settings):
    """A synthetic series in the columns `time` (0, 1, 2, …) and `value`."""

    kind: Literal["synthetic"]
    n: Annotated[int, Field(gt=0, le=10_000_000)] = 1461  # number of observations
    period: PositiveInt = 365  # observations in a season
    baseline: Number = 10.0  # level at the start
    slope: Number = 0.05  # rise from one observation to the next
    amplitude: Number = 40.0  # amplitude of the season
    noise: NonNegativeFloat = 5.0  # standard deviation of the noise
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 42  # seed of the noise

    def read(self, paths: Sequence[Path], texts: Sequence[str], numbers: Sequence[str]) -> Rows:
        """Return the requested columns, computed in float32 as the course does."""
        import numpy as np
        import pandas as pd

        time = np.arange(self.n, dtype=np.float32)
        phase = (time % self.period) / self.period  # (n,) 0 to 1
        pattern = np.where(phase < 0.4, np.cos(phase * 2 * np.pi), np.exp(-3 * phase))
        value = self.baseline + self.slope * time + self.amplitude * pattern
        value += np.random.RandomState(self.seed).randn(self.n) * self.noise
        frame = pd.DataFrame({"time": np.arange(self.n), "value": value.astype(np.float64)})
        return Rows(select_columns(frame, texts, numbers, "the synthetic series"))
