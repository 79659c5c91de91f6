"""Exponential smoothing as linear operators: errors and forecasts of a window for a grid of smoothing constants.

For given constants every additive model is linear in the window, the initial state included: the one with the least
squared error is a linear map as well. So the recursion is run on the identity, once for each point of the grid.

Sources: Hyndman & Khandakar, "Automatic time series forecasting: the forecast package for R", Journal of Statistical
Software 27(3), 2008 (exponential smoothing); Assimakopoulos & Nikolopoulos, "The theta model", International Journal of
Forecasting 16(4), 2000; Fiorucci et al., "Models for optimising the theta method and their relationship to state space
models", ibid. 32(4), 2016. The grids were chosen on the last blocks of the training sets of the M1, M3 and tourism
competitions.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
import numpy.typing as npt

from gristmill.training.deadline import check_deadlines

Matrix = npt.NDArray[np.float64]

LEVELS = (0.05, 0.2, 0.4, 0.7, 0.95)  # weight of the newest value in the level
TRENDS = (0.0, 0.1)  # weight of the newest slope in the trend, as a share of the weight in the level
DAMPING = (1.0, 0.95, 0.8)  # factor of the trend from step to step; 1 is not used on logs, where growth explodes
SEASONS = (0.02, 0.2)  # weight of the newest value in the season, as a share of what the level leaves
THETAS = (1.0, 2.0, 4.0)  # factor of the curvature in the values that are smoothed; 1 keeps the values
CACHED = 4  # grids that are kept: the parts and blocks of a run ask for the same few, and one has up to 16 MB
WAVES = 3  # sine and cosine pairs of a season that is too long for a state of its own


@dataclass(frozen=True)
class Members:
    """Models of a grid as operators on windows of `steps` values."""

    errors: Matrix  # (members, steps, steps): one step ahead, from values
    ahead: Matrix  # (members, horizon, steps): forecasts, from values
    parameters: Matrix  # (members,), the number of fitted numbers
    on_logs: npt.NDArray[np.bool_]  # (members,), whether the model is used on logs
    season: Matrix | None = None  # (steps + horizon, history): season that is taken out before and added after


@lru_cache(CACHED)
def ets_members(steps: int, horizon: int, season: int = 1) -> Members:
    """Return level, trend and damped-trend models; with a season longer than 1, each with this additive season."""
    models = []
    for level, share in product(LEVELS, SEASONS if season > 1 else (0.0,)):
        for trend, damping in [(None, 1.0), *product(TRENDS, DAMPING)]:
            slope = None if trend is None else trend * level
            maps = operators(steps, horizon, level, slope, damping, share * (1 - level), season)
            models.append((*maps, trend is None or damping < 1))
    return _members(models)


@lru_cache(CACHED)
def theta_members(steps: int, horizon: int) -> Members:
    """Return simple exponential smoothing around shares of the line through the window, for each theta and level."""
    time = np.vander(np.arange(steps + horizon), 2)
    line = time @ np.linalg.pinv(time[:steps])  # (steps + horizon, steps)
    models = []
    for level, theta in product(LEVELS, THETAS):
        errors, ahead, parameters = operators(steps, horizon, level)
        share = 1 - 1 / theta
        errors, ahead = errors - share * errors @ line[:steps], ahead + share * (line[steps:] - ahead @ line[:steps])
        models.append((errors, ahead, parameters + (theta > 1), True))
    return _members(models)


def _members(models: list[tuple[Matrix, Matrix, int, bool]]) -> Members:
    errors, ahead, parameters, on_logs = zip(*models, strict=True)
    return Members(np.array(errors), np.array(ahead), np.array(parameters, np.float64), np.array(on_logs))


def operators(
    steps: int,
    horizon: int,
    level: float,
    trend: float | None = None,
    damping: float = 1.0,
    seasonal: float = 0.0,
    season: int = 1,
) -> tuple[Matrix, Matrix, int]:
    """Return errors one step ahead and forecasts of a window, as maps of its values, and the number of parameters.

    The model is additive. `trend` is None for a model without trend, and a season of 1 is none.

    Returns:
        (steps, steps), (horizon, steps) and the number of smoothing constants, initial states and the variance.
    """
    check_deadlines()
    observe, advance, gain = _state_space(level, trend, damping, seasonal, season)
    states = len(gain)
    state = np.eye(states, states + steps)  # as a map of the initial state and the values, like all below
    errors = np.zeros((steps, states + steps))
    for step in range(steps):
        errors[step] = -observe @ state
        errors[step, states + step] += 1
        state = advance @ state + np.outer(gain, errors[step])
    ahead = np.zeros((horizon, states + steps))
    for step in range(horizon):
        ahead[step] = observe @ state
        state = advance @ state
    of_state, of_values = np.split(errors, [states], axis=1)
    initial = -np.linalg.pinv(of_state, rcond=1e-8) @ of_values  # the state with the least squared error
    fitted = 2 + (2 if trend is not None else 0) + (damping < 1) + (season if season > 1 else 0)
    return of_values + of_state @ initial, ahead[:, states:] + ahead[:, :states] @ initial, fitted


def _state_space(
    level: float, trend: float | None, damping: float, seasonal: float, season: int
) -> tuple[Matrix, Matrix, Matrix]:
    """Return observation, transition and gain of a state of level, trend and the last season, newest first."""
    before = 1 if trend is None else 2
    states = before + (season if season > 1 else 0)
    observe, advance, gain = np.zeros(states), np.zeros((states, states)), np.zeros(states)
    observe[0], advance[0, 0], gain[0] = 1, 1, level
    if trend is not None:
        observe[1], advance[:2, 1], gain[1] = damping, damping, trend
    if season > 1:
        observe[-1], gain[before] = 1, seasonal
        advance[before:, before:] = np.roll(np.eye(season), 1, axis=0)
    return observe, advance, gain


def season_operator(history: int, horizon: int, season: int, waves: bool) -> Matrix:
    """Return the map of a window to its season and to that of the steps ahead, (history + horizon, history).

    The season is the mean of each position in it after a centred moving average is taken out, as in classical
    decomposition; or, with `waves`, the least-squares sine and cosine waves next to a line.
    """
    time = np.arange(-history, horizon)
    if waves:
        angles = 2 * np.pi / season * np.outer(time, np.arange(1, WAVES + 1))
        design = np.column_stack([np.cos(angles), np.sin(angles), np.ones(len(time)), time / history])
        fit = np.linalg.pinv(design[:history])
        return np.asarray(design[:, :-2] @ fit[:-2])
    half = season // 2
    weights = np.ones(season) / season if season % 2 else np.r_[0.5, np.ones(season - 1), 0.5] / season
    inner = np.arange(half, history - half)
    rest = np.eye(history)[inner]
    for row, centre in enumerate(inner):
        rest[row, centre - half : centre + half + 1] -= weights
    figure = np.array([rest[(inner - history) % season == place].mean(axis=0) for place in range(season)])
    return np.asarray((figure - figure.mean(axis=0))[time % season])
