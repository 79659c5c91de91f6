"""Replay series that arrive in parts, unchanged and with shifts, through the retraining flow.

    benchmarks/retraining.py [--only SETTING...] [--jobs 2] [--write]

Monthly sunspots, daily temperatures and 200 monthly series of the M3 competition (their training parts only; `make
competitions` writes them) arrive unchanged, and with a shift of level, variance or season at five random times each.
`replays.py` describes what is compared. Finished settings are kept in a folder (`--results`), so you can stop the
benchmark and resume it. GRISTMILL_DATA names the folder of the temperatures.

`--only daily` replays twenty generated daily series with one shift of the level, and counts the arrivals on which the
champion loses to a seasonal naive forecast. `--only development` does so with other seeds, to compare designs.
"""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
os.environ.setdefault("PREFECT_SERVER_LOGGING_LEVEL", "CRITICAL")
sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np
from measuring import ROOT, arguments, table, tell
from replays import (
    CANDIDATES,
    DAILY,
    DEVELOPMENT,
    SERIES,
    SHIFTS,
    Outcome,
    Setting,
    daily_settings,
    replay,
    settings,
)

from gristmill.util.block_bootstrap import standard_error

COLUMNS = (
    "data and shift",
    "replays",
    "never",
    "always",
    "gated",
    "worst",
    "promoted / always",
    "recoveries",
    "alarm after",
    "gated / best candidate",
)
NOTES = (
    "Errors are mean absolute errors of the forecasts of the next arrival, in standard deviations of each series "
    "before the first arrival. All arrivals count. *never* keeps the first model. *always* fits the selected "
    "candidates to all data after each arrival and serves them. *gated* is the champion of `gristmill retrain`. The "
    "three columns are means of the ratios to the better of never and always in each replay. *worst* is the largest "
    "ratio of gated, ± its standard error by a moving-block bootstrap.",
    "*promoted / always* is the share of arrivals after which a challenger was promoted. *recoveries* is the number of "
    "promotions by a recovery, per replay. *alarm after* counts the arrivals from the shift to the first alarm: mean "
    "and largest number; *missed* counts replays without an alarm. *gated / best candidate* is the ratio of the mean "
    "errors from the third arrival after a shift on: mean and largest ratio. The best candidate is the one with the "
    "lowest error over these arrivals, fitted to all data at each arrival.",
)

MAX_RATIO = 1.05  # a forecast loses an arrival if its error exceeds this multiple of the seasonal naive forecast's


def better(outcome: Outcome) -> str:
    """Return which of never and always has the smaller mean error."""
    return min(("never", "always"), key=lambda way: statistics.fmean(outcome.errors[way]))


def ratio(outcome: Outcome, way: str) -> float:
    """Return the mean error of a way relative to the better of never and always."""
    return statistics.fmean(outcome.errors[way]) / statistics.fmean(outcome.errors[better(outcome)])


def uncertainty(outcome: Outcome) -> float:
    """Return the standard error of the ratio of gated, or NaN with too few arrivals."""
    errors = outcome.errors
    found = standard_error(np.subtract(errors["gated"], errors[better(outcome)]))
    return float("nan") if found is None else found / statistics.fmean(errors[better(outcome)])


def alarm_after(setting: Setting, outcome: Outcome) -> int | None:
    """Return the number of arrivals from the shift to the first alarm; 1 is the arrival of the shift itself."""
    return next((at - setting.at + 1 for at in outcome.alarms if at >= setting.at), None)


def against_best(setting: Setting, outcome: Outcome) -> float:
    """Return the error of gated from the third arrival after the shift on, relative to that of the best candidate."""
    late = {way: float(np.mean(errors[setting.at :])) for way, errors in outcome.errors.items()}
    return late["gated"] / min(late[name] for name in CANDIDATES if np.isfinite(late.get(name, np.nan)))


def row(name: str, found: Mapping[Setting, Outcome]) -> list[str]:
    """Return one row of the table."""
    outcomes = list(found.values())
    worst = max(outcomes, key=lambda one: ratio(one, "gated"))
    promoted = sum(one.verdicts.count("promoted") for one in outcomes) / sum(len(one.verdicts) for one in outcomes)
    shifted = {setting: outcome for setting, outcome in found.items() if setting.at}
    return [
        name,
        str(len(found)),
        *(f"{statistics.fmean(ratio(one, way) for one in outcomes):.3f}" for way in ("never", "always", "gated")),
        f"{ratio(worst, 'gated'):.3f} ± {uncertainty(worst):.3f}",
        f"{promoted:.2f}",
        f"{statistics.fmean(len(one.recoveries) for one in outcomes):.1f}",
        _alarms(shifted),
        _against_best(shifted),
    ]


def _alarms(shifted: Mapping[Setting, Outcome]) -> str:
    times = [alarm_after(setting, outcome) for setting, outcome in shifted.items()]
    raised = [time for time in times if time is not None]
    missed = f", {len(times) - len(raised)} missed" if len(raised) < len(times) else ""
    return f"{statistics.fmean(raised):.1f}, {max(raised)}{missed}" if raised else ""


def _against_best(shifted: Mapping[Setting, Outcome]) -> str:
    ratios = [against_best(setting, outcome) for setting, outcome in shifted.items() if setting.kind == "level"]
    return f"{statistics.fmean(ratios):.2f}, {max(ratios):.2f}" if ratios else ""


def rows(found: Mapping[Setting, Outcome]) -> Iterator[list[str]]:
    """Yield one row for each data set and kind of shift, for each kind, and for all."""
    kinds = ("unchanged", *SHIFTS)
    groups = {
        f"{data}, {kind}": [one for one in found if (one.data, one.kind) == (data, kind)]
        for data in SERIES
        for kind in kinds
    }
    groups |= {f"**{kind}**": [one for one in found if one.kind == kind] for kind in kinds}
    for name, members in (groups | {"**all**": [*found]}).items():
        if members:
            yield row(name, {one: found[one] for one in members})


def daily_rows(outcomes: Sequence[Outcome]) -> Iterator[list[str]]:
    """Yield the rows of the table on generated daily series."""

    def lost(outcome: Outcome, way: str) -> int:
        pairs = zip(outcome.errors[way], outcome.errors["seasonal_naive"], strict=True)
        return sum(error > MAX_RATIO * naive for error, naive in pairs)

    def relative(outcome: Outcome, way: str) -> float:
        return statistics.fmean(outcome.errors["gated"]) / statistics.fmean(outcome.errors[way])

    values: dict[str, list[float]] = {
        "arrivals lost by the champion": [lost(outcome, "gated") for outcome in outcomes],
        "arrivals lost by the first model": [lost(outcome, "never") for outcome in outcomes],
        "champion's error / seasonal naive": [relative(outcome, "seasonal_naive") for outcome in outcomes],
        "champion's error / first model's": [relative(outcome, "never") for outcome in outcomes],
        "promotions": [outcome.verdicts.count("promoted") for outcome in outcomes],
        "recoveries": [len(outcome.recoveries) for outcome in outcomes],
    }
    for name, each in values.items():
        error = statistics.stdev(each) / len(each) ** 0.5
        yield [name, f"{statistics.fmean(each):.3g}", f"{error:.2g}", f"{max(each):.3g}"]


def finished(folder: Path, asked: Iterable[Setting]) -> dict[Setting, Outcome]:
    """Return the outcomes of finished settings."""
    found = {}
    for setting in asked:
        file = folder / f"{setting}.json"
        if file.exists():
            found[setting] = Outcome(**json.loads(file.read_text()))
    return found


def run_one(setting: Setting, folder: Path) -> None:
    """Replay a setting in this process; write its outcome."""
    import tensorflow as tf

    from gristmill.prefect_runtime.server import ensure_api
    from gristmill.training.keras_backend import import_keras

    import_keras()
    tf.config.run_functions_eagerly(True)  # tracing a graph takes longer than these small forecasts
    ensure_api()
    outcome = replay(setting, folder)
    (folder / f"{setting}.json").write_text(json.dumps(asdict(outcome)))


def run_all(asked: Iterable[Setting], folder: Path, jobs: int) -> None:
    """Replay each setting in its own process; unchanged data sets first, because the others continue from them."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [one for one in asked if not (folder / f"{one}.json").exists()]
    for stage in ([one for one in missing if not one.at], [one for one in missing if one.at]):
        with ThreadPoolExecutor(jobs) as pool:
            for setting, done in zip(stage, pool.map(lambda one: _in_process(one, folder), stage), strict=True):
                print(setting, "done" if done == 0 else f"exit {done}", flush=True)


def _in_process(setting: Setting, folder: Path) -> int:
    command = [sys.executable, __file__, "--one", str(setting), "--results", str(folder)]
    with (folder / f"{setting}.log").open("w") as log:
        return subprocess.run(command, stdout=log, stderr=log, check=False).returncode


def main() -> None:
    parser = arguments(__doc__)
    names = [*SERIES, "daily"]
    parser.add_argument("--only", nargs="+", default=names, metavar="SETTING", help="names or their prefixes")
    parser.add_argument("--jobs", type=int, default=1, help="replays at a time")
    parser.add_argument("--results", type=Path, default=ROOT / "data/store/retraining", help="folder of the outcomes")
    parser.add_argument("--one", help="replay one setting in this process")
    asked = parser.parse_args()
    usual, daily = list(settings()), [*daily_settings(DAILY), *daily_settings(DEVELOPMENT)]
    known = {str(one): one for one in (*usual, *daily)}
    if asked.one:
        run_one(known[asked.one], asked.results)
        return
    chosen = [one for name, one in known.items() if name.startswith(tuple(asked.only))]
    run_all(chosen, asked.results, asked.jobs)
    if not set(chosen) <= set(daily):
        lines = table(COLUMNS, rows(finished(asked.results, usual)))
        tell("Retraining", [*lines, *(line for note in NOTES for line in ("", note))], asked.write)
    if outcomes := [*finished(asked.results, (one for one in chosen if one in daily)).values()]:
        columns = (f"in each of {len(outcomes)} series", "mean", "standard error", "largest")
        tell("Retraining of daily series", table(columns, daily_rows(outcomes)), asked.write)


if __name__ == "__main__":
    main()
