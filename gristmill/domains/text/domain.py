"""Texts: the class of each text."""

from gristmill.domains.text import settings
from gristmill.settings.domain import Domain, Monitored, Options
from gristmill.settings.kinds import Kinds
from gristmill.settings.schedule import Gate, Schedule
from gristmill.settings.selection import Select, is_auto
from gristmill.settings.stage import MAX_LOST, NETWORKS, TABLES, Stage
from gristmill.util.lazy import Lazy

TEXT = Domain(
    name="text",
    tables={
        "source": Kinds(("gristmill.sources.tables", "gristmill.sources.texts")),
        "ingest": settings.Ingest,
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
        Stage(
            "ingest",
            core="gristmill.domains.text.ingest:ingest",
            tables=("source", "ingest", "schema"),
            inputs=(),
            libraries=(*TABLES, "tensorflow", "tensorflow-datasets"),
            ignores=MAX_LOST,
        ),
        Stage(
            "preprocess",
            core="gristmill.domains.text.preprocess:preprocess",
            tables=("preprocess",),
            inputs=("ingest",),
            libraries=NETWORKS,
            chunked=True,
        ),
        Stage(
            "train",
            core="gristmill.domains.text.train:train",
            tables=("model", "train"),
            inputs=("ingest", "preprocess"),
            libraries=NETWORKS,
            resumable=True,
            fits=True,
        ),
        Stage(
            "select",
            core="gristmill.domains.text.select:select",
            tables=("select",),
            inputs=("preprocess", "train"),
            libraries=NETWORKS,
            compares=True,
            when=is_auto,
        ),
        Stage(
            "evaluate",
            core="gristmill.domains.text.evaluate:evaluate",
            tables=("evaluate",),
            inputs=("preprocess", "train", "ingest"),
            libraries=(*NETWORKS, "scipy"),
            compares=True,
        ),
        Stage(
            "export",
            core="gristmill.domains.text.export:export",
            tables=("export",),
            inputs=("preprocess", "train", "evaluate", "ingest"),
            libraries=NETWORKS,
        ),
    ),
    presets=Lazy("gristmill.domains.text.presets:PRESETS"),
    propose_pipeline=Lazy("gristmill.scaffold.text:propose"),
    propose_schema=Lazy("gristmill.domains.text.schema_proposal:propose"),
    few_examples=Lazy("gristmill.domains.text.few_examples:cut"),
    report=Lazy("gristmill.domains.text.report"),
    retraining=Lazy("gristmill.domains.text.retraining:RETRAINING"),
    requests=Lazy("gristmill.domains.text.requests:REQUESTS"),
    predict_options=Options,
    prediction=Lazy("gristmill.domains.text.predict:PREDICTION"),
    monitored=Monitored(
        Lazy("gristmill.domains.common.classification.monitoring"),
        may_have_id=True,
        id_columns=("id", "file"),
        roles=("text", "label"),
    ),
    check_before_training=Lazy("gristmill.domains.text.evaluate:check_before_training"),
)
