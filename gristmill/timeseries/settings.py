"""The tables of a time-series pipeline in `pipelines.toml`."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from gristmill.settings import Fit, Settings, Share

Part = PositiveInt | Share  # this many observations, or this share of the series


class Ingest(Settings):
    """What the source's columns mean."""

    time: str  # column of times
    target: str  # column of the values to forecast
    time_format: str | None = None  # of the times, such as "%d/%m/%Y"; guessed from the first row if not set
    frequency: str | None = None  # pandas alias such as "MS" or "D"; inferred if not set
    gaps: Literal["error", "interpolate"] = "error"  # what to do about missing times and empty values


class Preprocess(Settings):
    """How a series is split by time, standardised and cut into windows."""

    history: PositiveInt  # observations the model sees
    horizon: PositiveInt = 1  # observations it forecasts, starting right after history
    stride: PositiveInt = 1  # observations between the starts of two windows
    validation: NonNegativeInt | Share = 0.1  # the part before `test`; choices are made on it; 0 for none
    test: Part = 0.1  # the last part; scored, and never fitted or chosen on
    scale: Literal["standard", "none"] = "standard"  # to mean 0 and deviation 1 of the training part


class Train(Fit):
    """How the network is trained."""

    loss: Literal["huber", "mae", "mse"] = "huber"  # on standardised values


class Evaluate(Settings):
    """The yardsticks beside the model's scores."""

    moving_average: PositiveInt = 3  # observations in the trailing mean
    season: PositiveInt | None = None  # observations in a season; sets a seasonal naive forecast beside the model
    ar_order: PositiveInt | None = None  # lags of the autoregression on differences; chosen by AIC if not set


class Export(Settings):
    """What is written for other programs."""

    formats: Annotated[tuple[Literal["saved_model", "keras"], ...], Field(strict=False, min_length=1)] = (
        "saved_model",
        "keras",
    )
    tolerance: PositiveFloat = 1e-4  # largest parity difference, in deviations of the training part


TABLES: dict[str, type[Settings] | str] = {
    "source": "gristmill.sources",
    "ingest": Ingest,
    "preprocess": Preprocess,
    "model": "gristmill.timeseries.models",
    "train": Train,
    "evaluate": Evaluate,
    "export": Export,
}
"""Table name to its class, or to the package that holds one module a `kind`."""
