"""Photos: the class of each photo."""

from collections.abc import Mapping
from typing import Any

from gristmill.domains.common.classification.settings import Evaluate, Train
from gristmill.domains.vision import settings
from gristmill.settings.domain import Domain, Monitored, Options
from gristmill.settings.kinds import Kinds
from gristmill.settings.schedule import Gate, Schedule
from gristmill.settings.selection import Select, is_auto
from gristmill.settings.stage import MAX_LOST, NETWORKS, TABLES, Stage
from gristmill.util.lazy import Lazy

_IMAGES = (*TABLES, "pillow", "tensorflow")


def _has_frozen_base(tables: Mapping[str, Any]) -> bool:
    """Return whether an image has the same features throughout a training: neither the base nor the image changes."""
    model, changes = tables["model"], tables["augment"].model_dump(exclude={"fill"}, exclude_defaults=True)
    return model.kind == "frozen" or (model.kind == "transfer" and model.frozen and not changes)


VISION = Domain(
    name="vision",
    tables={
        "source": Kinds(("gristmill.sources.images",)),
        "ingest": settings.Ingest,
        "preprocess": settings.Preprocess,
        "augment": settings.Augment,
        "model": Kinds(("gristmill.domains.vision.models",), are_models=True),
        "train": Train,
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
            core="gristmill.domains.vision.ingest:ingest",
            tables=("source", "ingest", "schema"),
            inputs=(),
            libraries=(*_IMAGES, "tensorflow-datasets"),
            ignores=MAX_LOST,
        ),
        Stage(
            "preprocess",
            core="gristmill.domains.vision.preprocess:preprocess",
            tables=("preprocess",),
            inputs=("ingest",),
            libraries=_IMAGES,
            chunked=True,
        ),
        Stage(
            "features",
            core="gristmill.domains.vision.features:features",
            tables=("model",),
            inputs=("preprocess",),
            libraries=NETWORKS,
            when=_has_frozen_base,
            ignores={"model": ("units", "dropout")},
            chunked=True,
            fits=True,
        ),
        Stage(
            "train",
            core="gristmill.domains.vision.train:train",
            tables=("model", "augment", "train"),
            inputs=("preprocess", "features"),
            libraries=NETWORKS,
            resumable=True,
            fits=True,
        ),
        Stage(
            "select",
            core="gristmill.domains.vision.select:select",
            tables=("select",),
            inputs=("preprocess", "train"),
            libraries=NETWORKS,
            compares=True,
            when=is_auto,
        ),
        Stage(
            "evaluate",
            core="gristmill.domains.vision.evaluate:evaluate",
            tables=("evaluate",),
            inputs=("preprocess", "train", "features"),
            libraries=(*NETWORKS, "scipy"),
            compares=True,
        ),
        Stage(
            "export",
            core="gristmill.domains.vision.export:export",
            tables=("export",),
            inputs=("preprocess", "train", "evaluate"),
            libraries=NETWORKS,
        ),
    ),
    presets=Lazy("gristmill.domains.vision.presets:PRESETS"),
    propose_pipeline=Lazy("gristmill.scaffold.vision:propose"),
    propose_schema=Lazy("gristmill.domains.vision.schema_proposal:propose"),
    few_examples=Lazy("gristmill.domains.vision.few_examples:cut"),
    report=Lazy("gristmill.domains.vision.report"),
    retraining=Lazy("gristmill.domains.vision.retraining:RETRAINING"),
    requests=Lazy("gristmill.domains.vision.requests:REQUESTS"),
    predict_options=Options,
    prediction=Lazy("gristmill.domains.vision.predict:PREDICTION"),
    monitored=Monitored(
        Lazy("gristmill.domains.common.classification.monitoring"), may_have_id=False, id_columns=("file",)
    ),
    check_before_training=Lazy("gristmill.domains.vision.evaluate:check_before_training"),
)
