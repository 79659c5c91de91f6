"""Text generation: models that continue a text."""

from gristmill.domains.generation import settings
from gristmill.settings.domain import Domain
from gristmill.settings.kinds import Kinds
from gristmill.settings.schedule import Gate, Schedule
from gristmill.settings.selection import Select, is_auto
from gristmill.settings.stage import MAX_LOST, NETWORKS, TABLES, Stage
from gristmill.util.lazy import Lazy

GENERATION = Domain(
    name="generation",
    tables={
        "source": Kinds(("gristmill.sources.documents",)),
        "ingest": settings.Ingest,
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
        Stage(
            "ingest",
            core="gristmill.domains.generation.ingest:ingest",
            tables=("source", "ingest", "schema"),
            inputs=(),
            libraries=TABLES,
            ignores=MAX_LOST,
        ),
        Stage(
            "preprocess",
            core="gristmill.domains.generation.preprocess:preprocess",
            tables=("preprocess",),
            inputs=("ingest",),
            libraries=NETWORKS,
        ),
        Stage(
            "train",
            core="gristmill.domains.generation.train:train",
            tables=("model", "train"),
            inputs=("preprocess",),
            libraries=NETWORKS,
            resumable=True,
            fits=True,
        ),
        Stage(
            "select",
            core="gristmill.domains.generation.select:select",
            tables=("select",),
            inputs=("preprocess", "train"),
            libraries=NETWORKS,
            compares=True,
            when=is_auto,
        ),
        Stage(
            "evaluate",
            core="gristmill.domains.generation.evaluate:evaluate",
            tables=("evaluate",),
            inputs=("preprocess", "train"),
            libraries=NETWORKS,
            compares=True,
        ),
        Stage(
            "export",
            core="gristmill.domains.generation.export:export",
            tables=("export",),
            inputs=("preprocess", "train", "evaluate"),
            libraries=NETWORKS,
        ),
    ),
    presets=Lazy("gristmill.domains.generation.presets:PRESETS"),
    propose_pipeline=Lazy("gristmill.scaffold.generation:propose"),
    propose_schema=Lazy("gristmill.domains.generation.schema_proposal:propose"),
    few_examples=Lazy("gristmill.domains.generation.few_examples:cut"),
    report=Lazy("gristmill.domains.generation.report"),
    retraining=Lazy("gristmill.domains.generation.retraining:RETRAINING"),
    requests=Lazy("gristmill.domains.generation.requests:REQUESTS"),
    predict_options=settings.PredictOptions,
    generate=Lazy("gristmill.domains.generation.generate:generate"),
)
