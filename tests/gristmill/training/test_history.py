"""Curves as TensorBoard reads them."""

import logging
from pathlib import Path

import pytest
import tensorflow as tf

from gristmill.training.history import Curves, TrainingHistory


def history(losses: list[float], val_losses: list[float]) -> TrainingHistory:
    """Return the history of a training at a constant learning rate."""
    begun = TrainingHistory(epochs=[{"loss": loss, "rate": 0.1} for loss in losses])
    for epoch, loss in zip(begun.epochs, val_losses, strict=False):
        epoch["val_loss"] = loss
    return begun


def points(folder: Path) -> dict[tuple[str, str], list[tuple[int, float]]]:
    """Return (epoch, value) by part and tag, in the order they were written; each part has one file."""
    found: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for part in sorted(folder.iterdir()):
        (file,) = part.iterdir()
        events = [
            tf.compat.v1.Event.FromString(record) for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator()
        ]
        assert events[0].file_version == "brain.Event:2"
        for event in events[1:]:
            for value in event.summary.value:
                found.setdefault((part.name, value.tag), []).append((event.step, pytest.approx(value.simple_value)))
    return found


def test_each_epoch_is_a_point_of_every_curve(tmp_path: Path) -> None:
    begun = history([], [])
    curves = Curves(tmp_path, begun)
    for epoch in range(3):
        begun.epochs.append({"loss": 1.0 / (epoch + 1), "val_loss": 2.0 / (epoch + 1), "rate": 0.1})
        curves.catch_up()
        assert len(points(tmp_path)["train", "epoch_loss"]) == epoch + 1  # at once, not at the end
    assert points(tmp_path) == {
        ("train", "epoch_loss"): [(1, 1.0), (2, 0.5), (3, 1 / 3)],
        ("train", "epoch_learning_rate"): [(1, 0.1), (2, 0.1), (3, 0.1)],
        ("validation", "epoch_loss"): [(1, 2.0), (2, 1.0), (3, 2 / 3)],
    }


def test_without_a_validation_part_there_is_no_curve_of_it(tmp_path: Path) -> None:
    Curves(tmp_path, history([1.0], []))
    assert [path.name for path in tmp_path.iterdir()] == ["train"]


def test_curves_begun_again_replace_those_of_an_earlier_try_and_leave_others(tmp_path: Path) -> None:
    Curves(tmp_path, history([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]))
    Curves(tmp_path / "second seed", history([7.0], []))
    Curves(tmp_path, history([1.0, 2.0], [1.0, 2.0])).catch_up()
    assert points(tmp_path / "second seed")["train", "epoch_loss"] == [(1, 7.0)]
    (tmp_path / "second seed/train").rename(tmp_path / "aside")
    (tmp_path / "second seed").rmdir()
    assert points(tmp_path)["train", "epoch_loss"] == [(1, 1.0), (2, 2.0)]
    assert points(tmp_path)["validation", "epoch_loss"] == [(1, 1.0), (2, 2.0)]


def test_logs_that_cannot_be_written_are_told_once_and_harm_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "train").write_text("a file is in the way")
    begun = history([1.0], [])
    with caplog.at_level(logging.WARNING):
        curves = Curves(tmp_path, begun)
        begun.epochs.append({"loss": 2.0, "rate": 0.1})
        curves.catch_up()
    assert caplog.text.count("the curves for TensorBoard end here") == 1
    assert str(tmp_path) in caplog.text
