"""Facts of a classifier for its model card."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from gristmill.domains.common.classification.export import class_facts
from gristmill.domains.common.classification.labelled import LabelledDataset
from gristmill.scores import FILE, MODEL, summarise
from gristmill.util.table_io import write_document, write_table


@pytest.mark.parametrize("metric", ["log_loss", "balanced_log_loss"])
def test_losses_are_those_of_the_headline(tmp_path: Path, metric: str) -> None:
    index = pd.DataFrame({"id": ["a", "b", "c", "d"], "part": "test", "label": [0, 0, 0, 1]})
    predicted = pd.DataFrame({"label": [*"xxxy"], "p_x": [0.5, 0.5, 0.5, 0.75], "p_y": [0.5, 0.5, 0.5, 0.25]})
    write_table(tmp_path / "predictions.parquet", index.assign(predicted="x", **predicted))
    scored = {name: {"test": {metric: 0.8}} for name in (MODEL, "majority")}
    write_document(tmp_path / FILE, summarise(scored, metric, []))
    words: dict[str, Any] = dict.fromkeys(("title", "noun", "task", "use"), "")

    data = LabelledDataset(index, ["x", "y"])
    facts = class_facts(data, tmp_path, **words, parameters=1, notes=[], limits=[])

    weights = [1, 1, 1, 1] if metric == "log_loss" else [2 / 3, 2 / 3, 2 / 3, 2]  # each class has half of the weight
    losses = [0.6931, 0.6931, 0.6931, 1.3863]
    assert facts.losses == pytest.approx([a * b for a, b in zip(weights, losses, strict=True)], abs=1e-4)
