"""The tables of a time-series pipeline in `pipelines.toml`."""

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, field_validator, model_validator

from gristmill.settings import schedule
from gristmill.settings.base import AnyShare, Columns, Fit, OptionalColumn, Settings, Share
from gristmill.settings.data_schema import TableSchema

Part = PositiveInt | Share  # this many observations, or this share of the series
CalendarPart = Literal["hour", "weekday", "weekend", "month"]


class Ingest(Settings):
    """What the source's columns mean."""

    time: Columns  # the column of times, or the columns of year, month, day, hour, minute, second in this order
    target: Columns  # the column of the values to forecast, or several that are forecast together
    series: OptionalColumn = None  # the column that names the series, where a table holds more than one
    inputs: Columns = ()  # columns the model sees beside the targets, but does not forecast
    known: Columns = ()  # columns whose values are known ahead, such as holidays
    time_format: str | None = None  # such as "%d/%m/%Y"; "integer" for numbers, "quarter" for 1974Q1; else guessed
    timezone: str | None = None  # where the clock of times without an offset stands, such as "Europe/Berlin"
    frequency: str | None = None  # pandas alias such as "MS" or "D", a number for integers; inferred if not set
    duplicates: Literal["error", "first", "last", "mean"] = "error"  # which row counts where several have one time
    gaps: Literal["error", "interpolate", "forward_fill", "seasonal", "drop"] = "error"  # missing times, empty values
    max_lost: AnyShare = 0.05  # largest share of the last good run's data that may be missing; more stops the run

    @model_validator(mode="after")
    def _name_each_column_once(self) -> "Ingest":
        if not self.time or not self.target:
            raise ValueError("time and target each name a column at least")
        named = [*self.time, *self.target, *self.inputs, *self.known, *([self.series] if self.series else [])]
        if twice := sorted({name for name in named if named.count(name) > 1}):
            raise ValueError(f"each column in one role; {', '.join(map(repr, twice))} is named more than once")
        return self


class Schema(TableSchema):
    """What the rows must hold, and how far apart they are: `schemas/NAME.toml`."""

    frequency: str | None = None  # as ingest infers it, or has it set: a pandas alias, or a number for integers


class Harmonics(Settings):
    """Sine and cosine waves of a period, known ahead for any time."""

    period: Literal["year", "week", "day"] | PositiveFloat  # of the calendar, or a number of observations
    pairs: PositiveInt = 1  # a sine and a cosine for each of the frequencies 1, 2, … pairs in a period


class Preprocess(Settings):
    """How series are split by time, standardised and cut into windows."""

    history: PositiveInt  # observations the model sees
    horizon: PositiveInt = 1  # observations it forecasts, starting right after history
    stride: PositiveInt = 1  # observations between the starts of two windows
    validation: NonNegativeInt | Share = 0.1  # the part before `test`; choices are made on it; 0 for none
    test: Part = 0.1  # the last part; scored, and never fitted or chosen on
    scale: Literal["standard", "none"] = "standard"  # to mean 0 and deviation 1 of the training part
    normalise: Literal["none", "last", "mean", "reversible"] = "none"  # shift each window by its last value or mean
    residual: bool = False  # forecast the difference to the last value
    harmonics: Annotated[tuple[Harmonics, ...], Field(strict=False)] = ()  # waves that the model sees ahead
    calendar: Annotated[tuple[CalendarPart, ...], Field(strict=False)] = ()  # of each time, that the model sees ahead
    materialize: bool = False  # write the windows as TFRecord shards too, for other programs


class Train(Fit):
    """How the network is trained."""

    loss: Literal["huber", "mae", "mse", "quantile"] = "huber"  # on standardised values
    quantiles: Annotated[tuple[Share, ...], Field(strict=False)] = (0.05, 0.5, 0.95)  # that loss = "quantile" learns
    targets: Literal["last", "sequence"] = "last"  # learn what follows the window, or what follows each of its steps

    @field_validator("quantiles")
    @classmethod
    def _ascend(cls, quantiles: tuple[float, ...]) -> tuple[float, ...]:
        if any(low >= high for low, high in pairwise(quantiles)):
            raise ValueError("levels each above the one before")
        if 0.5 not in quantiles or len(quantiles) < 3 or abs(quantiles[0] + quantiles[-1] - 1) > 1e-9:
            raise ValueError("0.5, the forecast, between two outermost levels as far from it, such as 0.05 and 0.95")
        return quantiles


class Backtest(Settings):
    """Rolling origin: blocks before the test part, each forecast by a network trained on what came before it."""

    windows: NonNegativeInt = 0  # blocks; 0 for no backtest
    size: PositiveInt | None = None  # observations in a block; as many as the test part if not set
    training: Literal["expanding"] | PositiveInt = "expanding"  # on all that came before, or the last so many of it
    gap: NonNegativeInt | None = None  # observations left out between training and block; the horizon if not set
    seeds: PositiveInt = 1  # networks a block, each from another seed


class Evaluate(Settings):
    """The yardsticks beside the model's scores."""

    moving_average: PositiveInt = 3  # observations in the trailing mean
    season: PositiveInt | None = None  # observations in a season; found in the training part if not set
    difference_average: PositiveInt | None = None  # seasonal differences in a trailing mean: one more baseline
    smooth: PositiveInt | None = None  # observations of a season ago in a centred mean: the same with its past smoothed
    ar_order: PositiveInt | None = None  # lags of the autoregression on differences; chosen by AIC if not set
    level: Share = 0.9  # nominal coverage of the intervals, calibrated on data the network was not fitted on
    anomaly_level: Share = 0.99  # values outside the interval of this coverage are flagged


class Export(Settings):
    """What is written for other programs."""

    formats: Annotated[  # of the model, each of them proved
        tuple[Literal["saved_model", "keras"], ...], Field(strict=False, min_length=1)
    ] = ("saved_model", "keras")
    tolerance: PositiveFloat = 1e-4  # largest parity difference, in deviations of the training part
    refit: bool = False  # train once more on everything, by the judged recipe, and export that network


class Schedule(schedule.Schedule):
    """When a pipeline is retrained, and from where."""

    warm_start: bool = False  # challengers begin from the champion's weights


TABLES: dict[str, type[Settings] | str | tuple[str, ...]] = {
    "source": ("gristmill.sources.tables", "gristmill.sources.series"),
    "ingest": Ingest,
    "preprocess": Preprocess,
    "model": "gristmill.domains.timeseries.models",
    "train": Train,
    "backtest": Backtest,
    "evaluate": Evaluate,
    "export": Export,
    "gate": schedule.Gate,
    "schedule": Schedule,
}
"""Table name to its class, or to the package that holds one module a `kind`."""
