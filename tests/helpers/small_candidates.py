"""Candidates of time series, fitted as the flow fits them: their artifacts, without Prefect; a pytest plugin.

PYTEST_DONT_REWRITE: it asserts nothing.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from gristmill.domains.common.candidates import CandidateArtifacts, write_candidate
from gristmill.domains.timeseries.data.dataset import Prepared, write
from gristmill.domains.timeseries.settings import Backtest, Train
from gristmill.errors import GristmillError, Unsuitable
from gristmill.settings.base import Settings
from helpers.eager import eagerly
from helpers.small_runs import assembled

SEASON = 6
CUT: dict[str, Any] = {"history": 8, "horizon": 2, "season": SEASON, "test": 12}
BLOCKS = Backtest(windows=2, size=12)


class Tried(NamedTuple):
    """Prepared series, their folder, and candidates fitted on them."""

    data: Prepared
    prepared: Path
    candidates: dict[str, CandidateArtifacts]


@pytest.fixture(scope="session")
def tried(tmp_path_factory: pytest.TempPathFactory) -> Tried:
    """Candidates fitted on two series and on the blocks of a backtest; one fails. They must not be written to."""
    from gristmill.domains.timeseries.models.dense import Dense
    from gristmill.domains.timeseries.models.linear import Linear
    from gristmill.domains.timeseries.models.naive import MovingAverage, Naive, SeasonalNaive

    models = {
        "naive": Naive(kind="naive"),
        "seasonal_naive": SeasonalNaive(kind="seasonal_naive"),
        "moving_average": MovingAverage(kind="moving_average", length=6),
        "too_long": MovingAverage(kind="moving_average", length=500),
        "linear": Linear(kind="linear"),
        "dense": Dense(kind="dense", units=(3,)),
    }
    root, data = tmp_path_factory.mktemp("tried"), assembled(*waves(), validation=24, **CUT)
    (root / "prepared").mkdir()
    write(data, root / "prepared")
    return Tried(data, root / "prepared", fit_candidates(root, root / "prepared", models, BLOCKS))


def waves() -> list[Any]:
    """Return two series with a season, noise and a level that wanders, the second in other units."""
    rng, time = np.random.default_rng(0), np.arange(90)
    waves = np.cos(2 * np.pi / SEASON * time)
    return [
        size * (50 + 6 * waves + 0.5 * rng.normal(size=90).cumsum() + 5 * rng.normal(size=90)) for size in (1, 1000)
    ]


def write_candidate_artifact(
    folder: Path, model: Settings, how: Train | None = None, failure: GristmillError | None = None
) -> None:
    """Write the description that the flow adds to the artifact of a candidate."""
    write_candidate({"model": model, "train": how or Train()}, folder, failure)


def fit_candidates(
    root: Path,
    preprocess: Path,
    models: Mapping[str, Any],
    blocks: Backtest | None = None,
    how: Train | None = None,
    files: Mapping[str, Sequence[Path]] | None = None,
) -> dict[str, CandidateArtifacts]:
    """Fit each model below `root` on prepared series, and on those before each block of a backtest.

    `files` are those of models with code of the user.
    """
    from gristmill.domains.timeseries.backtest import backtest
    from gristmill.domains.timeseries.train import train

    how, made = how or Train(epochs=2, batch_size=128), {}
    for name, model in models.items():
        learn: dict[str, Any] = {"model": model, "train": how, "preprocess": preprocess}
        learn |= {"logs": root / f"{name}.logs", "on_epoch": lambda epoch: None, "files": (files or {}).get(name, ())}
        folder = root / f"{name}.train"
        _fit(train, folder, model, how, learn)
        points = [(window, seed) for window in range(blocks.windows if blocks else 0) for seed in range(blocks.seeds)]
        of_blocks = []
        for window, seed in points:
            of_blocks.append(root / f"{name}.block-{window}-{seed}")
            _fit(backtest, of_blocks[-1], model, how, learn | {"backtest": blocks, "window": window, "seed": seed})
        made[name] = CandidateArtifacts(folder, tuple(of_blocks))
    return made


def _fit(stage: Any, out: Path, model: Any, how: Train, arguments: dict[str, Any]) -> None:
    out.mkdir(parents=True)
    try:
        with eagerly():
            stage(**arguments, out=out, scratch=out.with_suffix(".scratch"))
    except Unsuitable as failure:
        write_candidate_artifact(out, model, how, failure)
    else:
        write_candidate_artifact(out, model, how)
