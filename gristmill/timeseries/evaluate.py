"""Evaluate: the model's forecasts beside the baselines', on the validation and the test part."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from gristmill import network as networks
from gristmill.tables import write_document, write_table
from gristmill.timeseries import prepared
from gristmill.timeseries.baselines import Forecast, baselines
from gristmill.timeseries.prepared import MODEL, Prepared
from gristmill.timeseries.scores import scores, skill
from gristmill.timeseries.settings import Evaluate
from gristmill.timeseries.windows import target_index


def evaluate(*, evaluate: Evaluate, preprocess: Path, train: Path, out: Path) -> dict[str, int]:
    """Forecast every window of the validation and the test part and score what came out.

    Writes `predictions.parquet` (part, ds, step, y, and one column a forecaster) and `scores.json`.

    Args:
        evaluate: which baselines.
        preprocess: folder of the prepared series.
        train: folder of the trained network.
        out: folder to write to.
    """
    data = prepared.read(preprocess)
    network = networks.read(train)
    parts = [part for part in ("validation", "test") if len(data.origins(part))]
    names = list(baselines(evaluate, data.layout.parts[parts[0]][0]))  # those that every part has the past for
    forecasts = {part: forecast_part(data, part, network, evaluate, names) for part in parts}
    write_table(
        out / "predictions.parquet",
        pd.concat([as_rows(data, part, made) for part, made in forecasts.items()], ignore_index=True),
    )
    write_document(out / "scores.json", score_parts(data, forecasts))
    return {f"{part}_windows": len(data.origins(part)) for part in parts}


def forecast_part(
    data: Prepared, part: str, network: keras.Model, settings: Evaluate, names: list[str]
) -> dict[str, Forecast]:
    """Return the forecasts of the model and of each baseline for a part's windows: (windows, horizon) each."""
    series, begin = data.values.astype(np.float64), data.layout.parts[part][0]
    made = {MODEL: network.predict(data.histories(part), batch_size=1024, verbose=0).astype(np.float64)}
    chosen = baselines(settings, begin)
    for name in names:
        made[name] = chosen[name](series, data.origins(part), data.layout.horizon)
    return made


def score_parts(data: Prepared, forecasts: dict[str, dict[str, Forecast]]) -> dict[str, Any]:
    """Return `model.<part>.<metric>`, `baselines.<name>.<part>.<metric>` and the best baseline of the test part."""
    scored = {
        part: {
            name: scores(data.targets(part).astype(np.float64), forecast, past(data, part))
            for name, forecast in made.items()
        }
        for part, made in forecasts.items()
    }
    names = [name for name in scored["test"] if name != MODEL]
    best = min(names, key=lambda name: scored["test"][name]["mae"] or 0.0)
    reference = scored["test"][best]["mae"] or 0.0
    for part in scored.values():
        for name in part:
            part[name]["skill"] = skill(part[name]["mae"] or 0.0, part[best]["mae"] or 0.0)
    return {
        "model": {part: by_name[MODEL] for part, by_name in scored.items()},
        "baselines": {name: {part: by_name[name] for part, by_name in scored.items()} for name in names},
        "best_baseline": best,
        "headline": {"metric": "mae", "model": scored["test"][MODEL]["mae"], "baseline": reference},
    }


def past(data: Prepared, part: str) -> Forecast:
    """Return the values before a part: what was known when it began."""
    return data.values[: data.layout.parts[part][0]].astype(np.float64)


def as_rows(data: Prepared, part: str, made: dict[str, Forecast]) -> pd.DataFrame:
    """Return a part's forecasts with one row a window and step."""
    positions = target_index(data.origins(part), data.layout.horizon)
    return pd.DataFrame(
        {
            "part": part,
            "ds": data.times[positions.ravel()],
            "step": np.tile(np.arange(1, data.layout.horizon + 1), len(positions)),
            "y": data.targets(part).ravel(),
            **{name: forecast.ravel() for name, forecast in made.items()},
        }
    )
