"""A single model is never better than a baseline of its own kind: both are fitted on the same examples."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gristmill.config.domains import domain_of
from gristmill.domains.common import folds
from gristmill.domains.common.classification.settings import Evaluate as EvaluateClasses
from gristmill.domains.common.classification.settings import Train as TrainClasses
from gristmill.domains.generation.models.ngram import Ngram
from gristmill.domains.generation.settings import Evaluate as EvaluateText
from gristmill.domains.generation.settings import Preprocess
from gristmill.domains.generation.settings import Train as TrainText
from gristmill.domains.tabular.models.linear import LeastSquares, Logistic
from gristmill.domains.tabular.settings import Train as TrainRows
from gristmill.domains.text.models.linear import NbLinear
from gristmill.domains.text.settings import Evaluate as EvaluateTexts
from gristmill.domains.text.settings import Train as TrainTexts
from gristmill.domains.timeseries.models.classical import Autoregression
from gristmill.domains.timeseries.settings import Evaluate as EvaluateSeries
from gristmill.domains.timeseries.settings import Train as TrainSeries
from gristmill.domains.vision.models.linear import LinearPixels
from gristmill.domains.vision.settings import Augment
from gristmill.scores import Scores
from helpers.eager import eagerly

pytestmark = pytest.mark.usefixtures("few_folds")

Tables = dict[str, Any]


def write_series(folder: Path) -> Tables:
    from gristmill.domains.timeseries.data import dataset
    from helpers.small_runs import assembled

    values = np.random.default_rng(0).normal(size=120).cumsum() + 100
    dataset.write(assembled(values, history=6, horizon=2, validation=20, test=20), folder)
    evaluate = EvaluateSeries.model_validate({"baselines": ["naive", "autoregression"]})
    return {"model": Autoregression(kind="autoregression"), "train": TrainSeries(), "evaluate": evaluate}


def write_table(folder: Path) -> Tables:
    from gristmill.domains.tabular import dataset
    from helpers.small_tables import prepared

    dataset.write(prepared(), folder)
    return {"model": LeastSquares(kind="least_squares"), "train": TrainRows(), "evaluate": EvaluateClasses()}


def write_classes(folder: Path) -> Tables:
    from gristmill.domains.tabular import dataset
    from helpers.small_tables import prepared

    dataset.write(prepared(classes=3), folder)
    return {"model": Logistic(kind="logistic"), "train": TrainRows(), "evaluate": EvaluateClasses()}


def write_texts(folder: Path) -> Tables:
    from helpers import small_scored_texts

    ingested = folder.with_name("ingested")
    ingested.mkdir()
    counts = {"train": 40, "validation": 20, "test": 40}
    small_scored_texts.write_texts({"ingest": ingested, "preprocess": folder}, ["bad", "fair", "good"], counts)
    return {"model": NbLinear(kind="nb_linear"), "train": TrainTexts(), "evaluate": EvaluateTexts()}


def write_photos(folder: Path) -> Tables:
    from helpers.small_prepared import coloured, write_prepared

    write_prepared(
        folder, {"train": coloured(30), "validation": coloured(15, 1), "test": coloured(30, 2)}, ["r", "g", "b"]
    )
    model = LinearPixels(kind="linear_pixels")
    return {"model": model, "train": TrainClasses(), "evaluate": EvaluateClasses(), "augment": Augment()}


def write_documents(folder: Path) -> Tables:
    from helpers.small_writers import write_prepared

    write_prepared(folder, Preprocess(length=8))
    evaluate = EvaluateText(order=3, temperatures=(1.0,), sample=4)
    return {"model": Ngram(kind="ngram", order=3), "train": TrainText(), "evaluate": evaluate}


DOMAINS: list[tuple[str, Callable[[Path], Tables], str]] = [
    ("timeseries", write_series, "autoregression"),
    ("tabular", write_table, "least_squares"),
    ("tabular", write_classes, "logistic"),
    ("text", write_texts, "nb_linear"),
    ("vision", write_photos, "linear_pixels"),
    ("generation", write_documents, "3-gram"),
]


def scores_of(domain: str, tables: Tables, root: Path) -> Scores:
    """Train and evaluate in a domain on what is prepared in the folder `prepared`."""
    prepared, trained, evaluated = (root / name for name in ("prepared", "trained", "evaluated"))
    trained.mkdir()
    evaluated.mkdir()
    read = {"preprocess": prepared} | ({"ingest": root / "ingested"} if domain == "text" else {})
    settings = {name: table for name, table in tables.items() if name != "evaluate"}
    fitting: Tables = {"scratch": root / "scratch", "logs": root / "logs", "on_epoch": lambda epoch: None}
    stages = {stage.name: stage for stage in domain_of(domain).stages}
    with eagerly():
        stages["train"].load()(**settings, **read, **fitting, out=trained)
        stages["evaluate"].load()(evaluate=tables["evaluate"], **read, train=trained, out=evaluated)
    return Scores.read(evaluated)


def check_equal(scores: Scores, kind: str) -> None:
    for part, of_model in scores.model.items():
        known = {metric: score for metric, score in of_model.items() if score is not None}
        assert known == pytest.approx({metric: scores.baselines[kind][part][metric] for metric in known}, rel=1e-6)
    assert not scores.headline.beats_baseline


@pytest.mark.slow
@pytest.mark.parametrize(("domain", "write", "kind"), DOMAINS)
def test_a_model_scores_as_the_baseline_of_its_kind(
    domain: str, write: Callable[[Path], Tables], kind: str, tmp_path: Path
) -> None:
    (tmp_path / "prepared").mkdir()
    tables = write(tmp_path / "prepared")

    check_equal(scores_of(domain, tables, tmp_path), kind)


@pytest.mark.slow
@pytest.mark.parametrize(("domain", "write", "kind"), DOMAINS[2:5])
def test_they_also_share_class_weights_and_the_validation_set_of_many_examples(
    domain: str, write: Callable[[Path], Tables], kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folds, "MIN_EXAMPLES_WITHOUT_FOLDS", 10)
    (tmp_path / "prepared").mkdir()
    tables = write(tmp_path / "prepared")
    tables["train"] = tables["train"].model_copy(update={"class_weights": "balanced"})

    scores = scores_of(domain, tables, tmp_path)

    check_equal(scores, kind)
    assert "majority" in scores.baselines  # although the majority class takes no weights
