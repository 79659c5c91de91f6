"""Tables of a time-series pipeline in `pipelines.toml`."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from gristmill.domains.timeseries.models.classical import Autoregression, Ets
from gristmill.domains.timeseries.models.naive import Differencing, Drift, MovingAverage, Naive, SeasonalNaive
from gristmill.settings.arrivals import REPLACED
from gristmill.settings.base import (
    AnyShare,
    Columns,
    Fit,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    QuantileLevels,
    Repeats,
    Settings,
    Share,
)
from gristmill.settings.data_schema import TableSchema
from gristmill.settings.domain import Options

CalendarPart = Literal["hour", "weekday", "weekend", "month"]
Normalise = Literal["none", "last", "mean", "reversible"]


class Ingest(Settings):
    """Roles of the source's columns, and repairs of the series."""

    retired: ClassVar = REPLACED

    time: Columns  # column of times, or columns of year, month, day, …, or of date and time of day, in this order
    target: Columns  # column of the values to forecast, or several columns that are forecast together
    series: Columns = ()  # column of series names, or columns that together name a series; none for a single series
    inputs: Columns = ()  # columns that the model sees in addition to the targets, but does not forecast
    known: Columns = ()  # columns with values known ahead, such as holidays
    time_format: str | None = (
        None  # "%d/%m/%Y", integer, quarter, week, decimal_year, excel_days, epoch_seconds or epoch_milliseconds
    )
    timezone: str | None = None  # timezone of times without an offset, such as "Europe/Berlin"
    frequency: str | None = None  # pandas alias such as "MS" or "D", or a number for integers; inferred if not set
    duplicates: Literal["error", "first", "last", "mean"] = "error"  # row to use if several have the same time
    gaps: Literal["error", "interpolate", "forward_fill", "seasonal", "drop"] = "error"  # how to handle missing values
    quarantine: AnyShare = 0.0  # maximum share of unusable rows to set aside; with more, a run fails

    @model_validator(mode="after")
    def _check_columns(self) -> "Ingest":
        if not self.time or not self.target:
            raise ValueError("at least one column each as time and target")
        if self.time_format == "integer" and self.timezone:
            raise ValueError("no timezone for numbered observations")
        named = [*self.time, *self.target, *self.inputs, *self.known, *self.series]
        if twice := sorted({name for name in named if named.count(name) > 1}):
            raise ValueError(f"each column in one role; {', '.join(map(repr, twice))} is named more than once")
        return self


class Schema(TableSchema):
    """Rules for the rows and their frequency: `schemas/NAME.toml`."""

    frequency: str | None = None  # frequency that ingest infers or is set to: a pandas alias, or a number for integers


class Harmonics(Settings):
    """Sine and cosine waves of a period, known for any time."""

    period: Literal["year", "week", "day"] | PositiveFloat  # calendar period, or a number of observations
    pairs: Annotated[int, Field(gt=0, le=1000)] = 1  # pairs of sine and cosine, with 1, 2, … waves in a period


class Preprocess(Settings):
    """Split, standardisation and windows."""

    retired: ClassVar = {"materialize": "Remove it: windows are always created during training."}

    history: PositiveInt  # observations that the model sees
    min_history: PositiveInt | None = None  # fewest observations to forecast from; history, or 1 unless split is time
    horizon: PositiveInt = 1  # observations to forecast, starting right after the history
    stride: PositiveInt = 1  # observations between the starts of two windows
    split: Literal["time", "time_short", "per_series"] = "time"  # cut all at the same times, or each before its own end
    validation: NonNegativeInt | Share = 0.1  # size of the validation set, before the test set; 0 for none
    test: PositiveInt | Share = 0.1  # size of the test set at the end, used for scores only
    season: NonNegativeInt | None = None  # observations in a season, 0 for none; found in the training set if not set
    scale: Literal["standard", "none"] = "standard"  # standard: mean 0 and deviation 1 in the training set
    normalise: Normalise = "none"  # subtract the level from each window
    residual: bool = False  # forecast the difference from the last value
    harmonics: Annotated[tuple[Harmonics, ...], Field(strict=False)] = ()  # waves to add as known features
    calendar: Annotated[tuple[CalendarPart, ...], Field(strict=False)] = ()  # calendar parts to add as known features


class Train(Fit):
    """Training of the network."""

    loss: Literal["huber", "mae", "mse", "quantile"] = "huber"  # loss on standardised values
    quantiles: QuantileLevels = (0.05, 0.5, 0.95)  # levels of the quantiles that loss = "quantile" learns
    targets: Literal["last", "sequence"] = "last"  # forecast after the window only, or after each step


class Backtest(Settings):
    """Backtest: blocks before the test set, each forecast by a network trained on the data before the block."""

    windows: Annotated[int, Field(ge=0, le=1000)] = 0  # number of blocks; 0 for no backtest
    size: PositiveInt | None = None  # observations in a block; those of the test set if not set
    training: Literal["expanding"] | PositiveInt = "expanding"  # all observations before the block, or this many
    gap: NonNegativeInt | None = None  # observations between training and block; horizon, or 0 with split per_series
    seeds: Repeats = 1  # networks for each block, with different seeds


Baseline = Annotated[
    Naive | SeasonalNaive | Drift | MovingAverage | Differencing | Ets | Autoregression, Field(discriminator="kind")
]
_by_name = BeforeValidator(
    lambda value: {"kind": value} if isinstance(value, str) else value, json_schema_input_type=str | Baseline
)
Baselines = Annotated[tuple[Annotated[Baseline, _by_name], ...], Field(strict=False)]
BASELINES = (
    Naive(kind="naive"),
    SeasonalNaive(kind="seasonal_naive"),
    Drift(kind="drift"),
    MovingAverage(kind="moving_average"),
    Ets(kind="ets"),
    Autoregression(kind="autoregression"),
)


class Evaluate(Settings):
    """Baselines, quantiles and anomalies."""

    retired: ClassVar = {
        "level": "Use levels instead, the list of quantiles to forecast.",
        **dict.fromkeys(
            ("season", "moving_average", "difference_average", "smooth", "ar_order"),
            'Set it in baselines, such as { kind = "moving_average", length = 30 }.',
        ),
    }

    baselines: Baselines = BASELINES  # kinds, or tables such as { kind = "moving_average", length = 30 }
    levels: QuantileLevels = tuple(tenths / 10 for tenths in range(1, 10))  # levels of the quantiles to forecast
    anomaly_level: Share = 0.99  # values outside the interval of this coverage are anomalies

    @field_validator("baselines")
    @classmethod
    def _with_the_reference(cls, baselines: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return baselines with the naive one, which is the reference of skill."""
        return baselines if BASELINES[0] in baselines else (BASELINES[0], *baselines)


Formats = Annotated[tuple[Literal["saved_model", "keras"], ...], Field(strict=False, min_length=1)]


class Export(Settings):
    """Formats of the exported model."""

    formats: Formats = ("saved_model", "keras")  # formats to write; each is verified
    tolerance: PositiveFloat = 1e-4  # maximum parity difference, in standard deviations of the training set
    refit: bool = False  # retrain on all data with the tested settings, and export that network


class PredictOptions(Options):
    """Options of a forecast."""

    steps: int | None = Field(None, ge=1)  # number of values to forecast; the horizon if not set
    history: int | None = Field(None, ge=1)  # past values to use, if the model accepts any number; as in training

    max_served: ClassVar[Mapping[str, int]] = {"steps": 1_000, "history": 100_000}
