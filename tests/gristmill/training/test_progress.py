"""Progress is reported to every listener, within its block only."""

from typing import Any

import pytest

from gristmill.training.progress import Epoch, listening, report_epoch, report_work

EPOCH = Epoch(number=1, of=5, loss=0.5, val_loss=None)


class Ear:
    """A listener that writes down what it hears."""

    def __init__(self, heard: list[Any], *name: str) -> None:
        self._heard, self._name = heard, name

    def epoch(self, *told: Any) -> None:
        self._heard.append((*self._name, *told))

    work = epoch


def test_a_listener_hears_what_is_told_in_its_block_only() -> None:
    heard: list[Any] = []
    report_epoch("small", EPOCH)
    with listening(Ear(heard)):
        report_epoch("small", EPOCH)
    report_epoch("small", EPOCH)
    assert heard == [("small", EPOCH)]


def test_every_listener_hears() -> None:
    heard: list[Any] = []
    with listening(Ear(heard, "outer")):
        with listening(Ear(heard, "inner")):
            report_epoch("small", EPOCH)
        report_epoch("small", EPOCH)
    assert [name for name, *_ in heard] == ["outer", "inner", "outer"]


def test_a_listener_is_gone_after_an_error() -> None:
    heard: list[Any] = []
    with pytest.raises(ZeroDivisionError), listening(Ear(heard)):
        raise ZeroDivisionError
    report_epoch("small", EPOCH)
    assert heard == []


def test_a_listener_hears_of_work_before_it_begins() -> None:
    heard: list[Any] = []
    report_work("train")
    with listening(Ear(heard)):
        report_work("train")
        report_work("tensorflow", "loading", logged=False)
    report_work("train")
    assert heard == [("train", "started", True), ("tensorflow", "loading", False)]
