"""Tables: a number or a class of each row."""

from gristmill.domains.common.classification.settings import Evaluate
from gristmill.domains.tabular import settings
from gristmill.settings.arrivals import Arrivals
from gristmill.settings.domain import Domain, Monitored
from gristmill.settings.kinds import Kinds
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

_PACKAGE = "gristmill.domains.tabular"

TABULAR = Domain(
    name="tabular",
    tables={
        "source": Kinds(("gristmill.sources.tables",)),
        "ingest": settings.Ingest,
        "arrivals": Arrivals,
        "preprocess": settings.Preprocess,
        "model": Kinds(("gristmill.domains.tabular.models",), are_models=True),
        "train": settings.Train,
        "select": Select,
        "evaluate": Evaluate,
        "export": settings.Export,
        "gate": Gate,
        "schedule": Schedule,
    },
    schema=settings.Schema,
    stages=(
        ingest_stage(_PACKAGE, *TABLES),
        preprocess_stage(_PACKAGE, *TABLES),
        train_stage(_PACKAGE, "preprocess"),
        select_stage(_PACKAGE),
        evaluate_stage(_PACKAGE),
        export_stage(_PACKAGE),
    ),
    presets=Lazy("gristmill.domains.tabular.presets:PRESETS"),
    propose_pipeline=Lazy("gristmill.scaffold.tabular:propose"),
    propose_schema=Lazy("gristmill.domains.tabular.schema_proposal:propose"),
    few_examples=Lazy("gristmill.domains.tabular.few_examples:take_few_examples"),
    report=Lazy("gristmill.domains.tabular.report"),
    retraining=Lazy("gristmill.domains.tabular.retraining:RETRAINING"),
    requests=Lazy("gristmill.domains.tabular.predict:REQUESTS"),
    predict_options=settings.PredictOptions,
    prediction=Lazy("gristmill.domains.tabular.predict:PREDICTION"),
    monitored=Monitored(
        Lazy("gristmill.domains.tabular.monitoring"),
        may_have_id=True,
        roles=("target", "numbers", "categories"),
    ),
    check_before_training=Lazy("gristmill.domains.tabular.evaluate:check_before_training"),
)
