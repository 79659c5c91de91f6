"""What a report shows of a training."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gristmill.reports.learning import learning_figure, rate_figure, training_note, training_sections
from gristmill.util.table_io import write_document, write_table

EPOCHS = pd.DataFrame({"epoch": [1, 2, 3], "loss": [3.0, 2.0, 1.0], "val_loss": [3.0, 1.0, 2.0]})
ENDED = {"best_epoch": 4, "epochs": 9, "stopped_early": True, "learning_rate": 0.001}


def lines(axes: Any) -> dict[str, Any]:
    """Return the named lines of a panel: label to values."""
    return {str(line.get_label()): np.asarray(line.get_ydata()) for line in axes.lines}


def test_losses_are_drawn_with_the_epoch_that_was_kept() -> None:
    (drawn,) = learning_figure(EPOCHS, 2).axes
    (alone,) = learning_figure(EPOCHS.drop(columns="val_loss"), 3).axes

    assert list(lines(drawn)) == ["training", "validation", "kept"]
    assert lines(drawn)["validation"].tolist() == [3, 1, 2]
    assert list(lines(alone)) == ["training", "kept"]


def test_accuracies_are_drawn_beside_the_losses() -> None:
    both = EPOCHS.assign(accuracy=[0.1, 0.2, 0.3], val_accuracy=[0.2, 0.3, 0.1])

    losses, accuracies = learning_figure(both, 2).axes

    assert losses.get_yscale() == "log"
    assert accuracies.get_yscale() == "linear"
    assert lines(accuracies)["training"].tolist() == [0.1, 0.2, 0.3]
    assert lines(accuracies)["validation"].tolist() == [0.2, 0.3, 0.1]


def test_a_range_test_is_drawn_with_the_rate_it_took() -> None:
    rates = np.geomspace(1e-5, 1, 6)

    (drawn,) = rate_figure(rates, rates + 1, rates + 2, 1e-2).axes
    (sweep,) = rate_figure(rates, rates + 1).axes

    assert list(lines(drawn)) == ["loss", "smoothed", "taken: 0.01"]
    assert list(lines(sweep)) == ["loss"]
    assert drawn.get_xscale() == "log"


def test_the_training_note_names_the_kept_epoch_and_the_rate() -> None:
    note = "9 epochs from a learning rate of 0.001, the weights of epoch 4 were kept."
    assert training_note(ENDED) == f"Training stopped early: {note}"
    assert training_note(ENDED | {"stopped_early": False}) == f"Training ran all its epochs: {note}"


@pytest.mark.parametrize("rates", [[1e-5, 1e-4, 1e-3], [1e-3, 1e-3, 1e-3], [1e-3, 5e-4, 1e-4]])
def test_a_sweep_of_rates_is_drawn(rates: list[float], tmp_path: Path) -> None:
    write_document(tmp_path / "training.json", ENDED)
    write_table(tmp_path / "epochs.parquet", EPOCHS.assign(rate=rates))

    (section,) = training_sections(tmp_path)

    assert len(section.pictures) == (2 if rates[0] < rates[-1] else 1)


def test_a_model_that_was_solved_for_has_no_training(tmp_path: Path) -> None:
    write_document(tmp_path / "training.json", ENDED)
    write_table(tmp_path / "epochs.parquet", EPOCHS.iloc[:0])

    assert list(training_sections(tmp_path)) == []
