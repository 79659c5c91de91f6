"""Measure false alarms and detected changes of `gristmill.retraining`'s drift tests on simulated series.

    benchmarks/alarms.py [--streams 200] [--seed 2] [--peers PYTHON] [--write]

A series arrives in parts of 12 values, and all tests are made after each arrival. The champion forecasts the mean of
the series, so its errors are the deviations from the mean. It has 300 or 1,000 training values, of which the last 60
or 150 are held out. Inputs are the series and up to nine other columns with the same kind of noise: normal or t(3),
independent or a first-order autoregression, with standard deviation 1.

`--peers` is the Python of an environment with river. Its detectors ADWIN, Page-Hinkley and KSWIN read the same errors
and inputs one after the other, first the held-out errors and as many training values of the inputs.
"""

import contextlib
import itertools
import json
import subprocess
from collections.abc import Callable, Iterator, Sequence
from typing import IO, NamedTuple, cast

import numpy as np
import numpy.typing as npt
from measuring import arguments, table, tell
from scipy.signal import lfilter

from gristmill.retraining.drift import combine_signs
from gristmill.retraining.series_drift import series_error_drift, series_input_drift

Array = npt.NDArray[np.float64]

ARRIVAL = 12  # values
ARRIVALS = 50  # of a stream without a change
WITHIN = (1, 2, 4)  # arrivals from the change on
MAX_QUIET = 20  # arrivals before a change
COLUMNS = (1, 2, 5, 10)  # numbers of inputs of streams without a change
CORRELATIONS = (0.0, 0.5, 0.9)
CASES = list(itertools.product((300, 1000), (60, 150)))  # training values, held-out values
BURN_IN = 200
DETECTORS = ("ADWIN", "PageHinkley", "KSWIN")  # of river.drift
CHANGES: dict[str, Callable[[Array], Array]] = {  # from the values of one column since the change
    "level": lambda new: new + 3,
    "variance": lambda new: new * np.sqrt(3),
    "season": lambda new: new + 3 * np.sin(2 * np.pi * np.arange(len(new)) / ARRIVAL)[:, np.newaxis],
    "flatline": lambda new: np.full_like(new, new[0]),
}
NOTE = (
    "*false alarms*: share of streams of 50 arrivals without a change that raise an alarm. The other columns: share of "
    "changes with an alarm within 1, 2 and 4 arrivals. The level rises by three standard deviations, the variance "
    "triples, a wave of amplitude three and period 12 is added, or one value repeats. Changes come after 0 to 20 quiet "
    "arrivals."
)
RIVER = """
import json, sys
from river import drift
for line in sys.stdin:
    before, new, since, name, options = json.loads(line)
    detector = getattr(drift, name)(**options)
    first = None
    for at, value in enumerate(before + new, -len(before)):
        detector.update(value)
        if at >= since and detector.drift_detected:
            first = at
            break
    print(json.dumps(first), flush=True)
"""


class Stream(NamedTuple):
    """Values of a simulated series, (values, columns); the first column is the target."""

    trained: Array
    held_out: int
    new: Array
    change: int = 0  # arrivals before it


def noise(random: np.random.Generator, heavy: bool, correlation: float, shape: tuple[int, int]) -> Array:
    """Return noise with standard deviation 1, (values, columns)."""
    values, columns = shape
    drawn = (values + BURN_IN, columns)
    found = random.standard_t(3, drawn) / np.sqrt(3) if heavy else random.standard_normal(drawn)
    filtered = lfilter([np.sqrt(1 - correlation**2)], [1, -correlation], found, axis=0)
    return np.asarray(filtered[BURN_IN:], np.float64)


def streams(seed: int, heavy: bool, correlation: float, count: int, kind: str | None) -> Iterator[Stream]:
    """Yield streams with one kind of change, or without a change."""
    random = np.random.default_rng((seed, [None, *CHANGES].index(kind)))
    for trained, held_out in itertools.islice(itertools.cycle(CASES), count):
        quiet = int(random.integers(MAX_QUIET, endpoint=True)) if kind else 0
        arrivals = quiet + WITHIN[-1] if kind else ARRIVALS
        columns = int(random.choice(COLUMNS)) if kind is None else 1
        values = noise(random, heavy, correlation, (trained + arrivals * ARRIVAL, columns))
        new = values[trained:]
        if kind:
            new = np.concatenate([new[: quiet * ARRIVAL], CHANGES[kind](new[quiet * ARRIVAL :])])
        yield Stream(values[:trained], held_out, new, quiet)


def own_alarm(stream: Stream) -> int | None:
    """Return the first arrival from the change on after which gristmill's tests raise an alarm."""
    trained, held_out, half = stream.trained, np.abs(stream.trained[-stream.held_out :, 0]), stream.held_out // 2
    for arrival in range(stream.change, len(stream.new) // ARRIVAL):
        new = stream.new[: (arrival + 1) * ARRIVAL]
        errors = series_error_drift([np.abs(new[:, 0])], [held_out[:half], held_out[half:]])
        inputs = [series_input_drift(f"{at}", new[:, at], trained[:, at]) for at in range(trained.shape[1])]
        if combine_signs(errors, inputs).alarms:
            return arrival
    return None


def detector_alarm(ask: Callable[[str], str], name: str) -> Callable[[Stream], int | None]:
    """Return a function like `own_alarm` for a detector of river, which reads the errors and each input."""
    options = {"seed": 1} if name == "KSWIN" else {}

    def first_alarm(stream: Stream) -> int | None:
        known, found = stream.trained[-stream.held_out :], []
        errors = (np.abs(known[:, 0]), np.abs(stream.new[:, 0]))
        for before, new in (errors, *zip(known.T, stream.new.T, strict=True)):
            values = [before.tolist(), new.tolist(), stream.change * ARRIVAL, name, options]
            found.append(json.loads(ask(json.dumps(values))))
        return min((at // ARRIVAL for at in found if at is not None), default=None)

    return first_alarm


@contextlib.contextmanager
def river(python: str) -> Iterator[Callable[[str], str]]:
    """Yield a function that sends a line to river and returns its answer."""
    command = [python, "-c", RIVER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        requests, answers = cast("IO[str]", process.stdin), cast("IO[str]", process.stdout)

        def ask(line: str) -> str:
            print(line, file=requests, flush=True)
            return answers.readline()

        yield ask


def measure(
    first_alarm: Callable[[Stream], int | None], seed: int, noise: tuple[bool, float], count: int
) -> list[Array]:
    """Return the share of false alarms and, for each kind of change, the shares that are found in time."""
    found = [np.array([sum(first_alarm(stream) is not None for stream in streams(seed, *noise, count, None))])]
    for kind in CHANGES:
        arrivals = [(first_alarm(stream), stream.change) for stream in streams(seed, *noise, count, kind)]
        after = np.array([np.inf if alarm is None else alarm - change for alarm, change in arrivals])
        found.append(np.array([(after < within).sum() for within in WITHIN]))
    return [shares / count for shares in found]


def summary(measured: Sequence[Sequence[Array]], noises: Sequence[tuple[bool, float]]) -> str:
    """Return the worst shares of gristmill's tests in words, of all kinds of noise and of normal independent noise."""
    lowest = [min(shares[at][-1] for shares in measured) for at in range(1, len(CHANGES) + 1)]
    normal = [shares[-1] for shares in measured[noises.index((False, 0.0))][1:]]
    most = max(shares[0][0] for shares in measured)
    pairs = [zip(CHANGES, row, strict=True) for row in (lowest, normal)]
    words = [", ".join(f"{share:.0%} ({kind})" for kind, share in row) for row in pairs]
    return (
        f"Of streams without a change, at most {most:.1%} raise an alarm. Within four arrivals, gristmill finds at "
        f"least {words[0]}; with independent normal noise it finds {words[1]}."
    )


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--streams", type=int, default=200, help="streams per cell of the table; peers get a tenth")
    parser.add_argument("--seed", type=int, default=2, help="choose other streams, to develop the tests with")
    parser.add_argument("--peers", metavar="PYTHON", help="Python of an environment with river")
    asked = parser.parse_args()
    noises = list(itertools.product((False, True), CORRELATIONS))
    results = {"gristmill": [measure(own_alarm, asked.seed, each, asked.streams) for each in noises]}
    error = 50 / asked.streams**0.5
    note = f"gristmill: {asked.streams} streams a cell; the standard error of 50% is {error:.1f} points."
    if asked.peers:
        fewer = max(1, asked.streams // 10)
        with river(asked.peers) as ask:
            for name in DETECTORS:
                results[name] = [measure(detector_alarm(ask, name), asked.seed, each, fewer) for each in noises]
        note += f" river, with default settings: {fewer} streams a cell."
    else:
        note += " river was not measured (`--peers`)."
    rows = [
        [
            name,
            "t(3)" if heavy else "normal",
            correlation,
            f"{false[0]:.1%}",
            *(", ".join(f"{share:.0%}" for share in each) for each in found),
        ]
        for name, measured in results.items()
        for (heavy, correlation), (false, *found) in zip(noises, measured, strict=True)
    ]
    columns = ["detector", "noise", "correlation", "false alarms", *CHANGES]
    tell("Alarms", [summary(results["gristmill"], noises), "", *table(columns, rows), "", NOTE, "", note], asked.write)


if __name__ == "__main__":
    main()
