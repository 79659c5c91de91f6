"""A model card says what a stranger must know, and hubs can read its metadata."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from gristmill.export import model_card
from gristmill.export.model_card import Facts
from gristmill.util.table_io import write_document

SCORES = {
    "model": {"test": {"mae": 2.0, "r2": None}, "validation": {"mae": 2.5, "r2": 0.5}},
    "baselines": {"mean": {"test": {"mae": 3.0, "r2": 0.0}, "validation": {"mae": 3.0, "r2": 0.0}}},
    "best_baseline": "mean",
    "shown": ["mae", "r2"],
    "headline": {"metric": "mae", "model": 2.0, "baseline": 3.0},
    "parity": 0.0,
}
FACTS = Facts(
    title='Prediction of "rent | warm": 1',
    task="tabular-regression",
    use="Predicts rents.",
    parameters=1234,
    data=["Flats in Köln."],
    parts={"train": {"rows": "2,000", "a|b": "1"}, "test": {"rows": "50", "a|b": "2"}},
    limits=["Rents were below 3,000."],
    losses=np.tile([1.0, 3.0], 25),
)


def written(folder: Path, facts: Facts = FACTS, **scores: Any) -> tuple[dict[str, Any], str]:
    """Return the metadata and the text of a card."""
    write_document(folder / "scores.json", SCORES | scores)
    (folder / "weights.npz").write_bytes(b"")
    model_card.write(folder, facts, folder)
    _, metadata, text = (folder / model_card.FILE).read_text(encoding="utf-8").split("---\n", 2)
    return yaml.safe_load(metadata), text


def test_hubs_read_task_and_scores(tmp_path: Path) -> None:
    metadata, _ = written(tmp_path)

    assert metadata == {
        "library_name": "keras",
        "pipeline_tag": "tabular-regression",
        "tags": ["tensorflow", "gristmill"],
        "metrics": ["mae"],
        "model-index": [
            {
                "name": FACTS.title,
                "results": [
                    {
                        "task": {"type": "tabular-regression"},
                        "dataset": {"name": "test set", "type": "custom", "split": "test"},
                        "metrics": [{"type": "mae", "name": "test mae", "value": 2.0}],
                    }
                ],
            }
        ],
    }


def test_people_read_data_scores_limits_and_lineage(tmp_path: Path) -> None:
    _, text = written(tmp_path)

    assert "Predicts rents. The model has 1,234 parameters." in text
    assert "| part | rows | a\\|b |\n| --- | --- | --- |\n| train | 2,000 | 1 |\n| test | 50 | 2 |" in text
    assert "2 for the model, better than the best baseline, `mean`, with 3." in text
    assert "| test set | mae | r2 |\n| --- | --- | --- |\n| `model` | 2 | – |\n| `mean` | 3 | 0 |" in text
    assert "The 95% interval of `mae` on the test set is " in text
    assert "- Rents were below 3,000." in text
    assert "`e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855`" in text  # SHA-256 of an empty file
    assert "no sample request" in text
    assert str(tmp_path) not in text


def test_equal_models_have_equal_cards(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()

    assert written(first) == written(second)


@pytest.mark.parametrize("losses", [np.empty(0), np.array([2.0, 2.0]), np.full(50, 1.9)], ids=["none", "few", "other"])
def test_there_is_no_interval_of_something_else(tmp_path: Path, losses: np.ndarray) -> None:
    facts = Facts(**vars(FACTS) | {"losses": losses})

    assert "interval of" not in written(tmp_path, facts)[1]


@pytest.mark.parametrize(
    ("score", "losses", "block", "low", "high"),
    [
        (2.0, np.tile([1.0, 3.0], 50), 0, 1.803, 2.197),  # 1.96 standard errors of 0.1005
        (2.0, np.repeat([1.0, 3.0], 50), 5, 1.6, 2.4),  # neighbours are alike: wider
        (0.02, np.eye(1, 50)[0], 0, 0.0, 0.0592),  # no loss is below 0
    ],
)
def test_the_interval_of_the_headline(
    tmp_path: Path, score: float, losses: np.ndarray, block: int, low: float, high: float
) -> None:
    facts = Facts(**vars(FACTS) | {"losses": losses, "block": block})

    _, text = written(tmp_path, facts, headline={"metric": "mae", "model": score, "baseline": 3.0})

    found = re.search(r"interval of `mae` on the test set is (\S+) to (\S+), from", text)
    assert found
    assert [float(bound) for bound in found.groups()] == pytest.approx([low, high], abs=0.001 if block == 0 else 0.15)


def test_a_model_that_loses_to_a_baseline_says_so(tmp_path: Path) -> None:
    _, text = written(tmp_path, headline={"metric": "mae", "model": 3.5, "baseline": 3.0})

    assert "- On the test set, the model is not better than the baseline `mean`." in text
