"""Progress: told to whoever listens, while they listen."""

import pytest

from gristmill.training.progress import Epoch, begin, listening, tell

EPOCH = Epoch(number=1, of=5, loss=0.5, val_loss=None)


def test_a_listener_hears_what_is_told_in_its_block_only() -> None:
    heard: list[tuple[str, Epoch]] = []
    tell("small", EPOCH)
    with listening(lambda pipeline, epoch: heard.append((pipeline, epoch))):
        tell("small", EPOCH)
    tell("small", EPOCH)
    assert heard == [("small", EPOCH)]


def test_every_listener_hears() -> None:
    heard: list[str] = []
    with listening(lambda *_: heard.append("outer")):
        with listening(lambda *_: heard.append("inner")):
            tell("small", EPOCH)
        tell("small", EPOCH)
    assert heard == ["outer", "inner", "outer"]


def test_a_listener_is_gone_after_an_error() -> None:
    heard: list[str] = []
    with pytest.raises(ZeroDivisionError), listening(lambda pipeline, _: heard.append(pipeline)):
        raise ZeroDivisionError
    tell("small", EPOCH)
    assert heard == []


def test_a_listener_hears_of_work_before_it_begins() -> None:
    heard: list[tuple[str, str, bool]] = []
    begin("train")
    with listening(lambda *_: None, lambda *work: heard.append(work)):
        begin("train")
        begin("tensorflow", "loading", logged=False)
    begin("train")
    assert heard == [("train", "started", True), ("tensorflow", "loading", False)]
