"""What is found out of series by themselves is the same whoever looks at which of them."""

from pathlib import Path

import numpy as np
import pytest
from small_runs import assembled

from gristmill.timeseries import apart, evaluate, prepared
from gristmill.timeseries.models.linear import Linear
from gristmill.timeseries.settings import Evaluate, Train
from gristmill.timeseries.train import train

RANDOM = np.random.default_rng(0)
DATA = assembled(
    *(50 + RANDOM.normal(size=(length, 2)).cumsum(axis=0) for length in (60, 12, 45, 60)),  # the second: no validation
    history=5,
    horizon=2,
    validation=10,
    test=10,
    starts=[0, 48, 15, 0],
)


@pytest.fixture
def some(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have stretches be of 61 observations."""
    monkeypatch.setattr(apart, "SOME", 61)


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [([60, 12, 45, 60], [(0, 2), (2, 4)]), ([500, 10, 10], [(0, 1), (1, 3)]), ([60], [(0, 1)])],
)
@pytest.mark.usefixtures("some")
def test_stretches_hold_all_series_in_their_order(lengths: list[int], expected: list[tuple[int, int]]) -> None:
    ends = np.cumsum(lengths)
    bounds = np.column_stack([ends - lengths, ends])

    assert [(stretch.start, stretch.stop) for stretch in apart.stretches(bounds)] == expected


@pytest.mark.usefixtures("some")
def test_scores_of_series_that_others_looked_at_are_the_same_bytes(tmp_path: Path) -> None:
    folders = {name: tmp_path / name for name in ("preprocess", "train", "alone", "joined")}
    for folder in folders.values():
        folder.mkdir()
    prepared.write(DATA, folders["preprocess"])
    read = {name: folders[name] for name in ("preprocess", "train")}
    train(
        model=Linear(kind="linear"),
        train=Train(),
        preprocess=folders["preprocess"],
        out=folders["train"],
        scratch=tmp_path / "scratch",
        logs=tmp_path / "logs",
        on_epoch=lambda epoch: None,
    )
    asked = {"evaluate": Evaluate(season=4)} | read

    chunks = [tmp_path / f"chunk {number}" for number in range(evaluate.chunks(**asked))]
    for number, folder in enumerate(chunks):
        folder.mkdir()
        evaluate.chunk(**asked, number=number, out=folder)

    alone = evaluate.evaluate(**asked, out=folders["alone"])
    assert evaluate.evaluate(**asked, out=folders["joined"], chunks=chunks) == alone
    made = {path.name: path.read_bytes() for path in folders["alone"].iterdir()}
    assert {path.name: path.read_bytes() for path in folders["joined"].iterdir()} == made
    assert len(chunks) == 2
