"""Tables: a number or a class of each row."""

from gristmill.domains.common.classification.settings import Evaluate
from gristmill.domains.tabular import settings
from gristmill.settings.domain import Domain, Monitored
from gristmill.settings.kinds import Kinds
from gristmill.settings.schedule import Gate, Schedule
from gristmill.settings.selection import Select, is_auto
from gristmill.settings.stage import MAX_LOST, NETWORKS, TABLES, Stage
from gristmill.util.lazy import Lazy

TABULAR = Domain(
    name="tabular",
    tables={
        "source": Kinds(("gristmill.sources.tables",)),
        "ingest": settings.Ingest,
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
        Stage(
            "ingest",
            core="gristmill.domains.tabular.ingest:ingest",
            tables=("source", "ingest", "schema"),
            inputs=(),
            libraries=TABLES,
            ignores=MAX_LOST,
        ),
        Stage(
            "preprocess",
            core="gristmill.domains.tabular.preprocess:preprocess",
            tables=("preprocess",),
            inputs=("ingest",),
            libraries=TABLES,
        ),
        Stage(
            "train",
            core="gristmill.domains.tabular.train:train",
            tables=("model", "train"),
            inputs=("preprocess",),
            libraries=NETWORKS,
            resumable=True,
            fits=True,
        ),
        Stage(
            "select",
            core="gristmill.domains.tabular.select:select",
            tables=("select",),
            inputs=("preprocess", "train"),
            libraries=NETWORKS,
            compares=True,
            when=is_auto,
        ),
        Stage(
            "evaluate",
            core="gristmill.domains.tabular.evaluate:evaluate",
            tables=("evaluate",),
            inputs=("preprocess", "train"),
            libraries=NETWORKS,
            compares=True,
        ),
        Stage(
            "export",
            core="gristmill.domains.tabular.export:export",
            tables=("export",),
            inputs=("preprocess", "train", "evaluate"),
            libraries=NETWORKS,
        ),
    ),
    presets=Lazy("gristmill.domains.tabular.presets:PRESETS"),
    propose_pipeline=Lazy("gristmill.scaffold.tabular:propose"),
    propose_schema=Lazy("gristmill.domains.tabular.schema_proposal:propose"),
    few_examples=Lazy("gristmill.domains.tabular.few_examples:cut"),
    report=Lazy("gristmill.domains.tabular.report"),
    retraining=Lazy("gristmill.domains.tabular.retraining:RETRAINING"),
    requests=Lazy("gristmill.domains.tabular.requests:REQUESTS"),
    predict_options=settings.PredictOptions,
    prediction=Lazy("gristmill.domains.tabular.predict:PREDICTION"),
    monitored=Monitored(
        Lazy("gristmill.domains.tabular.monitoring"),
        may_have_id=True,
        roles=("target", "numbers", "categories"),
    ),
    check_before_training=Lazy("gristmill.domains.tabular.evaluate:check_before_training"),
)
