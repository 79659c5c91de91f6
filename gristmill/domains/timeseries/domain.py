"""Time series: forecasts of one or many series."""

from collections.abc import Iterator, Mapping
from typing import Any

from gristmill.domains.timeseries import settings
from gristmill.settings.domain import Domain, Monitored
from gristmill.settings.kinds import Kinds
from gristmill.settings.messages import Problem
from gristmill.settings.schedule import Gate, Schedule
from gristmill.settings.selection import Select, is_auto
from gristmill.settings.stage import MAX_LOST, NETWORKS, TABLES, Stage
from gristmill.util.lazy import Lazy

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
        Stage(
            "ingest",
            core="gristmill.domains.timeseries.ingest:ingest",
            tables=("source", "ingest", "schema"),
            inputs=(),
            libraries=TABLES,
            ignores=MAX_LOST,
        ),
        Stage(
            "preprocess",
            core="gristmill.domains.timeseries.preprocess:preprocess",
            tables=("preprocess",),
            inputs=("ingest",),
            libraries=TABLES,
        ),
        Stage(
            "train",
            core="gristmill.domains.timeseries.train:train",
            tables=("model", "train"),
            inputs=("preprocess",),
            libraries=NETWORKS,
            resumable=True,
            fits=True,
        ),
        Stage(
            "backtest",
            core="gristmill.domains.timeseries.backtest:backtest",
            tables=("model", "train", "backtest"),
            inputs=("preprocess",),
            libraries=NETWORKS,
            axes=(("windows", "window"), ("seeds", "seed")),
            resumable=True,
            fits=True,
        ),
        Stage(
            "select",
            core="gristmill.domains.timeseries.select:select",
            tables=("select",),
            inputs=("preprocess", "train", "backtest"),
            libraries=NETWORKS,
            compares=True,
            when=is_auto,
        ),
        Stage(
            "evaluate",
            core="gristmill.domains.timeseries.evaluate:evaluate",
            tables=("evaluate",),
            inputs=("preprocess", "train", "backtest"),
            libraries=(*NETWORKS, "scipy", "statsmodels"),
            compares=True,
        ),
        Stage(
            "refit",
            core="gristmill.domains.timeseries.refit:refit",
            tables=("model", "train"),
            inputs=("preprocess", "train"),
            libraries=NETWORKS,
            when=lambda tables: bool(tables["export"].refit),
            ignores={"model": ("preset", "candidates")},  # the selection names its members
            resumable=True,
        ),
        Stage(
            "export",
            core="gristmill.domains.timeseries.export:export",
            tables=("export",),
            inputs=("preprocess", "train", "evaluate", "refit"),
            libraries=NETWORKS,
        ),
    ),
    presets=Lazy("gristmill.domains.timeseries.presets:PRESETS"),
    propose_pipeline=Lazy("gristmill.scaffold.timeseries:propose"),
    propose_schema=Lazy("gristmill.domains.timeseries.schema_proposal:propose"),
    few_examples=Lazy("gristmill.domains.timeseries.few_examples:cut"),
    report=Lazy("gristmill.domains.timeseries.report"),
    retraining=Lazy("gristmill.domains.timeseries.retraining:RETRAINING"),
    requests=Lazy("gristmill.domains.timeseries.requests:REQUESTS"),
    predict_options=settings.PredictOptions,
    prediction=Lazy("gristmill.domains.timeseries.predict:PREDICTION"),
    monitored=Monitored(
        Lazy("gristmill.domains.timeseries.monitoring"),
        may_have_id=False,
        identified_by="their series and time",
    ),
    check_tables=_check_tables,
    check_before_training=Lazy("gristmill.domains.timeseries.backtest_blocks:check_before_training"),
)
