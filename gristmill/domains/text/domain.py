"""Texts: the class of each text."""

from gristmill.domains.text import settings
from gristmill.settings.arrivals import Arrivals
from gristmill.settings.domain import Domain, Monitored, Options
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

_PACKAGE = "gristmill.domains.text"

TEXT = Domain(
    name="text",
    tables={
        "source": Kinds(("gristmill.sources.tables", "gristmill.sources.texts")),
        "ingest": settings.Ingest,
        "arrivals": Arrivals,
        "preprocess": settings.Preprocess,
        "model": Kinds(("gristmill.domains.text.models",), are_models=True),
        "train": settings.Train,
        "select": Select,
        "evaluate": settings.Evaluate,
        "export": settings.Export,
        "gate": Gate,
        "schedule": Schedule,
    },
    schema=settings.Schema,
    stages=(
        ingest_stage(_PACKAGE, *TABLES, "tensorflow", "tensorflow-datasets"),
        preprocess_stage(_PACKAGE, *NETWORKS, chunked=True),
        train_stage(_PACKAGE, "ingest", "preprocess"),
        select_stage(_PACKAGE),
        evaluate_stage(_PACKAGE, "ingest", statistics=("scipy",)),
        export_stage(_PACKAGE, "ingest"),
    ),
    presets=Lazy("gristmill.domains.text.presets:PRESETS"),
    propose_pipeline=Lazy("gristmill.scaffold.text:propose"),
    propose_schema=Lazy("gristmill.domains.text.schema_proposal:propose"),
    few_examples=Lazy("gristmill.domains.text.few_examples:take_few_examples"),
    report=Lazy("gristmill.domains.text.report"),
    retraining=Lazy("gristmill.domains.text.retraining:RETRAINING"),
    requests=Lazy("gristmill.domains.text.predict:REQUESTS"),
    predict_options=Options,
    prediction=Lazy("gristmill.domains.text.predict:PREDICTION"),
    monitored=Monitored(
        Lazy("gristmill.domains.common.monitoring"),
        may_have_id=True,
        id_columns=("id", "file"),
        roles=("text", "label"),
    ),
    check_before_training=Lazy("gristmill.domains.text.evaluate:check_before_training"),
)
