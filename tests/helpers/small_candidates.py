"""Candidates of time series, fitted as the flow fits them: their artifacts, without Prefect.

PYTEST_DONT_REWRITE: it asserts nothing.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gristmill.domains.common.candidates import CandidateArtifacts, write_candidate
from gristmill.domains.timeseries.settings import Backtest, Train
from gristmill.errors import GristmillError, Unsuitable
from gristmill.settings.base import Settings


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

    how, made = how or Train(epochs=2), {}
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
        stage(**arguments, out=out, scratch=out.with_suffix(".scratch"))
    except Unsuitable as failure:
        write_candidate_artifact(out, model, how, failure)
    else:
        write_candidate_artifact(out, model, how)
