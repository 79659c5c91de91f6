"""Progress is reported to every listener, within its block only."""

import pytest

from gristmill.training.progress import Epoch, listening, report_epoch, report_work

EPOCH = Epoch(number=1, of=5, loss=0.5, val_loss=None)


def ignore(*_: object) -> None:
    """Listen and do nothing."""


def test_a_listener_hears_what_is_told_in_its_block_only() -> None:
    heard: list[tuple[str, Epoch]] = []
    report_epoch("small", EPOCH)
    with listening(lambda pipeline, epoch: heard.append((pipeline, epoch)), ignore):
        report_epoch("small", EPOCH)
    report_epoch("small", EPOCH)
    assert heard == [("small", EPOCH)]


def test_every_listener_hears() -> None:
    heard: list[str] = []
    with listening(lambda *_: heard.append("outer"), ignore):
        with listening(lambda *_: heard.append("inner"), ignore):
            report_epoch("small", EPOCH)
        report_epoch("small", EPOCH)
    assert heard == ["outer", "inner", "outer"]


def test_a_listener_is_gone_after_an_error() -> None:
    heard: list[str] = []
    with pytest.raises(ZeroDivisionError), listening(lambda pipeline, _: heard.append(pipeline), ignore):
        raise ZeroDivisionError
    report_epoch("small", EPOCH)
    assert heard == []


def test_a_listener_hears_of_work_before_it_begins() -> None:
    heard: list[tuple[str, str, bool]] = []
    report_work("train")
    with listening(ignore, lambda *work: heard.append(work)):
        report_work("train")
        report_work("tensorflow", "loading", logged=False)
    report_work("train")
    assert heard == [("train", "started", True), ("tensorflow", "loading", False)]
