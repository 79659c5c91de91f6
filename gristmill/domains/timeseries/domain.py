"""Time series: forecasts of one or many series."""

from collections.abc import Iterator, Mapping
from typing import Any

from gristmill.domains.timeseries import settings
from gristmill.settings.arrivals import SeriesArrivals
from gristmill.settings.domain import Domain, Monitored
from gristmill.settings.kinds import Kinds
from gristmill.settings.messages import Problem
from gristmill.settings.schedule import Gate, Schedule
from gristmill.settings.selection import Select
from gristmill.settings.stage import (
    TABLES,
    evaluate_stage,
    export_stage,
    ingest_stage,
    preprocess_stage,
    select_stage,
    train_stage,
)
from gristmill.util.lazy import Lazy

_PACKAGE = "gristmill.domains.timeseries"

# features whose future values are known
_KNOWN_FEATURES = (("ingest", "known"), ("preprocess", "harmonics"), ("preprocess", "calendar"))


def _check_tables(tables: Mapping[str, Any], pipeline: str) -> Iterator[Problem]:
    """Yield problems between tables: blocks or windows that are too short; `pipeline` is the prefix of their names."""
    backtest, horizon = tables["backtest"], tables["preprocess"].horizon
    if backtest.windows and backtest.size and backtest.size < horizon:
        text = (
            f"{backtest.size} is smaller than preprocess.horizon, {horizon}: no forecast fits into a block. Set it to "
            f"at least {horizon}."
        )
        yield Problem(f"{pipeline}.backtest]", text, "size", "size")
    known = [f"{name}.{key}" for name, key in _KNOWN_FEATURES if getattr(tables[name], key)]
    if known and (history := tables["preprocess"].history) < horizon:
        text = (
            f"expected at most preprocess.history, {history}, because the features of {' and '.join(known)} must cover "
            f"every forecast step. Received: {horizon}. Set a shorter horizon or a longer history."
        )
        yield Problem(f"{pipeline}.preprocess]", text, "horizon", "horizon")


TIMESERIES = Domain(
    name="timeseries",
    tables={
        "source": Kinds(("gristmill.sources.tables", "gristmill.sources.series")),
        "ingest": settings.Ingest,
        "arrivals": SeriesArrivals,
        "preprocess": settings.Preprocess,
        "model": Kinds(("gristmill.domains.timeseries.models",), are_models=True),
        "train": settings.Train,
        "backtest": settings.Backtest,
        "select": Select,
        "evaluate": settings.Evaluate,
        "export": settings.Export,
        "gate": Gate,
        "schedule": Schedule,
    },
    schema=settings.Schema,
    stages=(
        ingest_stage(_PACKAGE, *TABLES),
        preprocess_stage(_PACKAGE, *TABLES),
        train_stage(_PACKAGE, "preprocess"),
        train_stage(
            _PACKAGE,
            "preprocess",
            name="backtest",
            tables=("model", "train", "backtest"),
            axes=(("windows", "window"), ("seeds", "seed")),
        ),
        select_stage(_PACKAGE, "backtest"),
        evaluate_stage(_PACKAGE, "backtest", statistics=("scipy", "statsmodels")),
        train_stage(
            _PACKAGE,
            "preprocess",
            "train",
            name="refit",
            fits=False,
            when=lambda tables: bool(tables["export"].refit),
            ignores={"model": ("preset", "candidates")},  # the selection names its members
        ),
        export_stage(_PACKAGE, "refit"),
    ),
    presets=Lazy("gristmill.domains.timeseries.presets:PRESETS"),
    propose_pipeline=Lazy("gristmill.scaffold.timeseries:propose"),
    propose_schema=Lazy("gristmill.domains.timeseries.schema_proposal:propose"),
    few_examples=Lazy("gristmill.domains.timeseries.few_examples:take_few_examples"),
    report=Lazy("gristmill.domains.timeseries.report"),
    retraining=Lazy("gristmill.domains.timeseries.retraining:RETRAINING"),
    requests=Lazy("gristmill.domains.timeseries.predict:REQUESTS"),
    predict_options=settings.PredictOptions,
    prediction=Lazy("gristmill.domains.timeseries.predict:PREDICTION"),
    monitored=Monitored(
        Lazy("gristmill.domains.timeseries.monitoring"),
        may_have_id=False,
        identified_by="their series and time",
    ),
    check_tables=_check_tables,
    check_before_training=Lazy("gristmill.domains.timeseries.backtest:check_before_training"),
)
