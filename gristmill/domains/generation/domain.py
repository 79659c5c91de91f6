"""Text generation: models that continue a text."""

from gristmill.domains.generation import settings
from gristmill.settings.arrivals import Arrivals
from gristmill.settings.domain import Domain
from gristmill.settings.kinds import Kinds
from gristmill.settings.schedule import Gate, Schedule
from gristmill.settings.selection import Select
from gristmill.settings.stage import (
    NETWORKS,
    TABLES,
    evaluate_stage,
    export_stage,
    ingest_stage,
    preprocess_stage,
    select_stage,
    train_stage,
)
from gristmill.util.lazy import Lazy

_PACKAGE = "gristmill.domains.generation"

GENERATION = Domain(
    name="generation",
    tables={
        "source": Kinds(("gristmill.sources.documents",)),
        "ingest": settings.Ingest,
        "arrivals": Arrivals,
        "preprocess": settings.Preprocess,
        "model": Kinds(("gristmill.domains.generation.models",), are_models=True),
        "train": settings.Train,
        "select": Select,
        "evaluate": settings.Evaluate,
        "export": settings.Export,
        "gate": Gate,
        "schedule": Schedule,
    },
    schema=settings.Schema,
    stages=(
        ingest_stage(_PACKAGE, *TABLES),
        preprocess_stage(_PACKAGE, *NETWORKS),
        train_stage(_PACKAGE, "preprocess"),
        select_stage(_PACKAGE),
        evaluate_stage(_PACKAGE),
        export_stage(_PACKAGE),
    ),
    presets=Lazy("gristmill.domains.generation.presets:PRESETS"),
    propose_pipeline=Lazy("gristmill.scaffold.generation:propose"),
    propose_schema=Lazy("gristmill.domains.generation.schema_proposal:propose"),
    few_examples=Lazy("gristmill.domains.generation.few_examples:take_few_examples"),
    report=Lazy("gristmill.domains.generation.report"),
    retraining=Lazy("gristmill.domains.generation.retraining:RETRAINING"),
    requests=Lazy("gristmill.domains.generation.generate:REQUESTS"),
    predict_options=settings.PredictOptions,
    generate=Lazy("gristmill.domains.generation.generate:generate"),
)
