"""Measure false alarms and detected shifts of `gristmill.retraining`'s drift tests on simulated series.

    benchmarks/alarms.py [--decisions 2000] [--write]

The champion forecasts the mean of a series, so its errors are the deviations from the mean. Inputs are the target and
other columns with the same kind of noise: normal or t(3), independent or a first-order autoregression, with standard
deviation 1. The champion has 300 or 1,000 training values. The last 60 or 150 are held out. 12 or 24 values are new.
"""

import itertools
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
from measuring import arguments, table, tell
from scipy.signal import lfilter

from gristmill.retraining.drift import combine_signs
from gristmill.retraining.series_drift import series_error_drift, series_input_drift

Array = npt.NDArray[np.float64]

ARRIVAL = 12  # new values
CORRELATIONS = (0.0, 0.5, 0.9)
MAX_COLUMNS = 50
BURN_IN = 200
COLUMNS = (
    "noise",
    "correlation",
    "false alarms",
    *(f"{kind}, {n}" for kind in ("level", "variance", "season") for n in (1, 2)),
)
NOTE = (
    "Share of decisions with an alarm. *false alarms*: 1 to 50 columns, 12 or 24 new values, no change. The other "
    "columns: the level of one column rises by three standard deviations, its variance triples, or it gets a wave of "
    "three standard deviations every 12 values. The alarm is raised within one or two arrivals of 12 values."
)


def noise(random: np.random.Generator, heavy: bool, correlation: float, shape: tuple[int, int]) -> Array:
    """Return noise with standard deviation 1, (values, columns)."""
    values, columns = shape
    drawn = (values + BURN_IN, columns)
    found = random.standard_t(3, drawn) / np.sqrt(3) if heavy else random.standard_normal(drawn)
    filtered = lfilter([np.sqrt(1 - correlation**2)], [1, -correlation], found, axis=0)
    return np.asarray(filtered[BURN_IN:], np.float64)


SHIFTS: dict[str, Callable[[Array], Array]] = {
    "level": lambda new: new + 3,
    "variance": lambda new: new * np.sqrt(3),
    "season": lambda new: new + 3 * np.sin(2 * np.pi * np.arange(len(new)) / ARRIVAL)[:, np.newaxis],
}


def has_alarm(trained: Array, new: Array, held_out: int) -> bool:
    """Return whether a decision raises an alarm; both arrays are (values, columns), the first column is the target."""
    errors, half = np.abs(trained[-held_out:, 0]), held_out // 2
    known, fresh = [errors[:half], errors[half:]], [np.abs(new[:, 0])]
    inputs = [series_input_drift(f"{at}", new[:, at], trained[:, at]) for at in range(trained.shape[1])]
    return bool(combine_signs(series_error_drift(fresh, known), inputs).alarms)


def false_alarms(heavy: bool, correlation: float, decisions: int) -> float:
    """Return the share of decisions about unchanged series that raise an alarm."""
    random, found = np.random.default_rng(1), 0
    cases = itertools.cycle(itertools.product((300, 1000), (60, 150), (ARRIVAL, 2 * ARRIVAL)))
    for (trained, held_out, new), _ in zip(cases, range(decisions), strict=False):
        columns = int(random.integers(1, MAX_COLUMNS, endpoint=True))
        values = noise(random, heavy, correlation, (trained + new, columns))
        found += has_alarm(values[:trained], values[trained:], held_out)
    return found / decisions


def detections(heavy: bool, correlation: float, decisions: int) -> Iterator[float]:
    """Yield, for each kind of shift, the share of decisions that detect it within one arrival, and within two."""
    for shift in SHIFTS.values():
        random, within = np.random.default_rng(2), np.zeros(2)
        cases = itertools.cycle(itertools.product((300, 1000), (60, 150)))
        for (trained, held_out), _ in zip(cases, range(decisions), strict=False):
            values = noise(random, heavy, correlation, (trained + 2 * ARRIVAL, 1))
            new = shift(values[trained:])
            first = has_alarm(values[:trained], new[:ARRIVAL], held_out)
            within += (first, first or has_alarm(values[:trained], new, held_out))
        yield from within / decisions


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--decisions", type=int, default=2000, help="decisions per cell of the table")
    asked = parser.parse_args()
    rows = [
        ["t(3)" if heavy else "normal", correlation, *(f"{share:.1%}" for share in shares)]
        for heavy, correlation in itertools.product((False, True), CORRELATIONS)
        for shares in [
            [false_alarms(heavy, correlation, asked.decisions), *detections(heavy, correlation, asked.decisions)]
        ]
    ]
    tell("Alarms", [*table(COLUMNS, rows), "", NOTE], asked.write)


if __name__ == "__main__":
    main()
