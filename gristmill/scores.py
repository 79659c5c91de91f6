"""Scores of a model and its baselines: the content of `scores.json`, which evaluate writes and later stages read.

Scores are kept by part of the data (`validation`, `test`) and metric. A score that cannot be computed is None.
"""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict

from gristmill.settings.number_text import format_numbers, whole_percents
from gristmill.util.table_io import read_document, write_document

if TYPE_CHECKING:
    import pandas as pd

FILE = "scores.json"
LEADERBOARD = "leaderboard.parquet"  # candidates and their losses, in the artifact of select
_ROUNDING = 1e-6  # largest relative difference of scores that is due to float32
MODEL = "model"  # name of the model among its baselines
LABELS = ("part", "forecaster", "by", "group", "examples")  # columns of a table of scores that are not metrics

ByMetric = dict[str, float | None]
ByPart = dict[str, ByMetric]
NanIfMissing = Annotated[float, BeforeValidator(lambda value: math.nan if value is None else value)]


def rank(score: float | None, higher_is_better: bool = False) -> tuple[bool, float]:
    """Return a key that sorts scores from best to worst, with missing scores and NaN last.

    >>> sorted([2.0, None, 1.0], key=rank)
    [1.0, 2.0, None]
    """
    if score is None or math.isnan(score):
        return True, 0.0
    return False, -score if higher_is_better else score


def are_equal(first: float, second: float) -> bool:
    """Return whether scores are equal except for rounding."""
    return math.isclose(first, second, rel_tol=_ROUNDING)


class Headline(BaseModel):
    """Headline score: scores of the model and of its best baseline on the test set.

    Candidates are selected by this metric too; `secondary_metric` is shown after it.
    """

    model_config = ConfigDict(frozen=True)

    metric: str
    model: NanIfMissing
    baseline: NanIfMissing
    higher_is_better: bool = False
    secondary_metric: str | None = None
    validation: float | None = None  # the model's score on the validation set; not in the file, see `Scores.summary`
    selected: str | None = None  # the candidates in the model; not in the file, see `Scores.summary`

    @property
    def ranks(self) -> tuple[tuple[bool, float], tuple[bool, float]]:
        """Ranks of the model and its best baseline: lower is better. They are equal if only rounding differs."""
        baseline = self.model if are_equal(self.model, self.baseline) else self.baseline
        return rank(self.model, self.higher_is_better), rank(baseline, self.higher_is_better)

    @property
    def beats_baseline(self) -> bool:
        """Whether the model is better than its best baseline."""
        model, baseline = self.ranks
        return model < baseline

    @property
    def pair(self) -> list[str]:
        """The scores of the model and its best baseline as text."""
        return format_numbers([self.model, self.baseline])

    def as_json(self) -> dict[str, Any]:
        """Return the fields that were set, as JSON values."""
        return self.model_dump(exclude_unset=True)


class Selected(BaseModel):
    """Outcome of the selection among candidates."""

    model_config = ConfigDict(frozen=True)

    members: dict[str, float]  # weights of the candidates in the exported model, the largest first
    metric: str  # the loss that was compared
    on: str  # the data that it was measured on
    loss: float  # loss of the exported model
    best: str  # the best single candidate
    best_loss: float
    tried: int  # number of candidates
    failed: int  # number of candidates that failed
    few_predictions: int | None = None  # number of independent predictions; set only if weights were shrunk

    @property
    def name(self) -> str:
        """The members, with their weights if there are several: `60% theta + 40% ridge`."""
        if len(self.members) == 1:
            return next(iter(self.members))
        percents = whole_percents(self.members.values())
        return " + ".join(f"{percent}% {name}" for percent, name in zip(percents, self.members, strict=True))


class Scores(BaseModel):
    """Content of `scores.json`; subclasses add the fields of a single domain."""

    model_config = ConfigDict(frozen=True)

    model: ByPart
    baselines: dict[str, ByPart] = {}
    candidates: dict[str, ByPart] = {}  # other candidates that were tried; the selection does not use these scores
    selected: Selected | None = None  # with a model of kind "auto"
    best_baseline: str  # on the test set
    shown: list[str] = []  # metrics to show if space is limited
    headline: Headline
    backtest: dict[str, Any] | None = None  # mean and spread of the scores over blocks before the test set
    warnings: list[str] = []  # sentences on why the scores may mislead
    parity: float | None = None  # largest difference between exported and scored predictions; set by export

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the scores from the folder of an evaluation or a bundle."""
        return cls.model_validate(read_document(folder / FILE))

    @property
    def metric(self) -> str:
        """Metric of the headline."""
        return self.headline.metric

    @property
    def higher_is_better(self) -> bool:
        """Whether the metric of the headline is better when it is higher."""
        return self.headline.higher_is_better

    @property
    def best(self) -> ByPart:
        """Scores of the best baseline."""
        return self.baselines[self.best_baseline]

    @property
    def calibrates_baseline(self) -> bool:
        """Whether the model is its best baseline, except that its probabilities are calibrated."""
        model, baseline = self.headline.ranks
        return (
            self.headline.secondary_metric is not None
            and self.selected is not None
            and [*self.selected.members] == [self.best_baseline]
            and model != baseline
        )

    @property
    def test(self) -> float | None:
        """The model's headline score on the test set."""
        return self.model["test"][self.metric]

    @property
    def validation(self) -> float | None:
        """The model's headline score on the validation set; None without one."""
        return self.model.get("validation", {}).get(self.metric)

    @property
    def summary(self) -> Headline:
        """The headline with the model's score on the validation set."""
        selected = {"selected": self.selected.name} if self.selected else {}
        return self.headline.model_copy(update={"validation": self.validation} | selected)

    def best_first(self, part: str) -> Iterator[tuple[str, ByPart]]:
        """Yield the name and scores of the model, then of the baselines that have the part, the best first."""
        baselines = [(name, by_part) for name, by_part in self.baselines.items() if part in by_part]
        yield MODEL, self.model
        yield from sorted(baselines, key=lambda item: rank(item[1][part][self.metric], self.higher_is_better))


def summarise(
    scored: Mapping[str, Mapping[str, Mapping[str, Any]]],
    metric: str,
    shown: Iterable[str],
    higher_is_better: bool | None = None,
    secondary_metric: str | None = None,
    selected: Mapping[str, Any] | None = None,
    others: Collection[str] = (),
    warnings: Iterable[str] = (),
) -> dict[str, Any]:
    """Return the content of `scores.json`: scores of the model and the baselines, the best baseline, the headline.

    `scored` holds the scores by forecaster, part and metric. The headline's `metric` also chooses the best baseline;
    `secondary_metric` is shown after it, and `shown` are the metrics to show where there is no room for all. `selected`
    is the outcome of a selection (`Selected`), and `others` names the candidates that are not baselines. `warnings` are
    sentences on why the scores may mislead. Keys of arguments that are not given are left out.
    """
    baselines = {name: by_part for name, by_part in scored.items() if name != MODEL and name not in others}
    best = min(baselines, key=lambda name: rank(baselines[name]["test"][metric], higher_is_better or False))
    model, baseline = scored[MODEL]["test"][metric], baselines[best]["test"][metric]
    headline: dict[str, Any] = {
        "metric": metric,
        "model": math.nan if model is None else model,
        "baseline": math.nan if baseline is None else baseline,
    }
    if higher_is_better is not None:
        headline["higher_is_better"] = higher_is_better
    if secondary_metric:
        headline["secondary_metric"] = secondary_metric
    selection = {"candidates": {name: scored[name] for name in others}, "selected": dict(selected)} if selected else {}
    return {
        "model": scored[MODEL],
        "baselines": baselines,
        **selection,
        "best_baseline": best,
        "shown": list(shown),
        **({"warnings": sentences} if (sentences := list(warnings)) else {}),
        "headline": headline,
    }


def scores_by_part(table: "pd.DataFrame") -> dict[str, ByPart]:
    """Return the scores of whole parts, by forecaster, part and metric, from a table with a row for each group."""
    scored: dict[str, ByPart] = {}
    for row in table[table["by"] == "all"].to_dict("records"):
        values = {str(key): None if value != value else value for key, value in row.items() if key not in LABELS}
        scored.setdefault(row["forecaster"], {})[row["part"]] = values
    return scored


def write_exported(folder: Path, evaluate: Path, **measured: Any) -> None:
    """Write the scores of an evaluation into the folder of its bundle, with what export measured."""
    write_document(folder / FILE, read_document(evaluate / FILE) | measured)
