"""Analyses of single series are the same however they are divided into chunks."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gristmill.domains.timeseries import dataset, evaluate, per_series
from gristmill.domains.timeseries.dataset import Prepared
from gristmill.domains.timeseries.models.linear import Linear
from gristmill.domains.timeseries.settings import Evaluate, Train
from gristmill.domains.timeseries.train import train
from helpers.small_runs import assembled

RANDOM = np.random.default_rng(0)
CUT = {"history": 5, "horizon": 2, "validation": 10, "test": 10}
WALKS = [50 + RANDOM.normal(size=(length, 2)).cumsum(axis=0) for length in (60, 12, 45, 60)]
DATA = assembled(*WALKS, **CUT, season=4, starts=[0, 48, 15, 0])
"""The second series, a chunk of its own in the tests, has no validation window."""


def zoned(data: Prepared) -> Prepared:
    """Return the same series in the hours of a zone."""
    hours = pd.date_range("2024-03-30", periods=len(data.times), freq="h", tz="Europe/Berlin")
    return replace(data, times=pd.Index(hours))


def counted(data: Prepared) -> Prepared:
    """Return the same series by whole numbers."""
    return replace(data, times=pd.Index(np.arange(len(data.times))))


def test_chunks_of_long_series_have_fewer() -> None:
    def cut(length: int, count: int) -> int:
        ends = length * np.arange(1, count + 1)
        return len(per_series.chunk_slices(np.column_stack([ends - length, ends])))

    assert (cut(60, 1_000), cut(60, 10_000), cut(500, 200), cut(50_000, 200)) == (1, 9, 6, 6)


@pytest.mark.parametrize("data", [DATA, zoned(DATA), counted(DATA)], ids=["months", "zoned hours", "numbers"])
def test_scores_of_series_analysed_in_chunks_are_the_same_bytes(
    data: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(per_series, "SHORT_SERIES_PER_CHUNK", 1)  # every series by itself
    folders = {name: tmp_path / name for name in ("preprocess", "train", "alone", "joined")}
    for folder in folders.values():
        folder.mkdir()
    dataset.write(data, folders["preprocess"])
    train(
        model=Linear(kind="linear"),
        train=Train(),
        preprocess=folders["preprocess"],
        out=folders["train"],
        scratch=tmp_path / "scratch",
        logs=tmp_path / "logs",
        on_epoch=lambda epoch: None,
    )
    asked = {"evaluate": Evaluate(baselines=()), "preprocess": folders["preprocess"]}

    chunks = [tmp_path / f"chunk {number}" for number in range(evaluate.chunks(**asked))]
    for number, folder in enumerate(chunks):
        folder.mkdir()
        evaluate.chunk(**asked, number=number, out=folder)

    alone = evaluate.evaluate(**asked, train=folders["train"], out=folders["alone"])
    assert evaluate.evaluate(**asked, train=folders["train"], out=folders["joined"], chunks=chunks) == alone
    made = {path.name: path.read_bytes() for path in folders["alone"].iterdir()}
    assert {path.name: path.read_bytes() for path in folders["joined"].iterdir()} == made
    assert len(chunks) == 4
