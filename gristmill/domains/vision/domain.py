"""Photos: the class of each photo."""

from collections.abc import Mapping
from typing import Any

from gristmill.domains.common.classification.settings import Evaluate, Train
from gristmill.domains.vision import settings
from gristmill.settings.arrivals import Arrivals
from gristmill.settings.domain import Domain, Monitored
from gristmill.settings.kinds import Kinds
from gristmill.settings.schedule import Gate, Schedule
from gristmill.settings.selection import Select
from gristmill.settings.stage import (
    NETWORKS,
    TABLES,
    Stage,
    evaluate_stage,
    export_stage,
    ingest_stage,
    preprocess_stage,
    select_stage,
    train_stage,
)
from gristmill.util.lazy import Lazy

_PACKAGE = "gristmill.domains.vision"

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
        "arrivals": Arrivals,
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
        ingest_stage(_PACKAGE, *_IMAGES, "tensorflow-datasets"),
        preprocess_stage(_PACKAGE, *_IMAGES, chunked=True),
        Stage(
            "features",
            f"{_PACKAGE}.features:features",
            tables=("model",),
            inputs=("preprocess",),
            libraries=NETWORKS,
            when=_has_frozen_base,
            ignores={"model": ("units", "dropout")},
            chunked=True,
            fits=True,
        ),
        train_stage(_PACKAGE, "preprocess", "features", tables=("model", "augment", "train")),
        select_stage(_PACKAGE),
        evaluate_stage(_PACKAGE, "features", statistics=("scipy",)),
        export_stage(_PACKAGE),
    ),
    presets=Lazy("gristmill.domains.vision.presets:PRESETS"),
    propose_pipeline=Lazy("gristmill.scaffold.vision:propose"),
    propose_schema=Lazy("gristmill.domains.vision.schema_proposal:propose"),
    few_examples=Lazy("gristmill.domains.vision.few_examples:take_few_examples"),
    report=Lazy("gristmill.domains.vision.report"),
    retraining=Lazy("gristmill.domains.vision.retraining:RETRAINING"),
    requests=Lazy("gristmill.domains.vision.predict:REQUESTS"),
    predict_options=settings.PredictOptions,
    prediction=Lazy("gristmill.domains.vision.predict:PREDICTION"),
    monitored=Monitored(Lazy("gristmill.domains.common.monitoring"), may_have_id=False, id_columns=("file",)),
    check_before_training=Lazy("gristmill.domains.vision.evaluate:check_before_training"),
)
