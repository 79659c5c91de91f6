"""View of the prepared series that a model asks for: another history, or another normalisation of its windows."""

from typing import TYPE_CHECKING, Any

from gristmill.domains.timeseries.settings import Normalise
from gristmill.errors import Unsuitable
from gristmill.settings.base import PositiveInt, Settings

if TYPE_CHECKING:
    from gristmill.domains.timeseries.data.dataset import Prepared


MIN_WINDOWS = 2  # whole windows in the training set, for a model that learns from windows
MAX_SEASON = 200  # observations; a longer history is slower and hardly more accurate


class ViewSettings(Settings):
    """Windows of a model, if they differ from those of the pipeline."""

    kind: str
    history: PositiveInt | None = None  # observations that the model sees; those of `preprocess` if not set
    normalise: Normalise | None = None  # how to subtract the level from each window; as in `preprocess` if not set


class NetworkSettings(ViewSettings):
    """Windows of a network."""

    residual: bool | None = None  # forecast the difference from the last value; as in `preprocess` if not set


def view(model: Any, data: "Prepared") -> "Prepared":
    """Return the series as the model asks to see them; a model without these settings sees the pipeline's view.

    Raises:
        Unsuitable: there are too few windows to learn from with the history of the model.
    """
    fields = {name: getattr(model, name, None) for name in ("history", "normalise", "residual")}
    changes = {name: value for name, value in fields.items() if value is not None}
    if not changes:
        return data
    seen = data.view(**changes)
    history, horizon = seen.layout.history, seen.layout.horizon
    if seen.layout.known and history < horizon:
        raise Unsuitable(f"needs a history of at least {horizon} observations for known columns; it has {history}")
    if history > data.layout.history:
        check_complete(seen)
    return seen


def check_complete(data: "Prepared") -> None:
    """Raise `Unsuitable` if there are too few whole windows to learn from."""
    history, horizon, complete = data.layout.history, data.layout.horizon, len(data.complete_origins("train"))
    if complete < MIN_WINDOWS:
        raise Unsuitable(
            f"needs {MIN_WINDOWS} windows of {history} + {horizon} observations in the training set; it has {complete}"
        )


def with_seasonal_history(data: "Prepared", history: int | None) -> "Prepared":
    """Return the series with a history of a season, if none is set and most windows have it."""
    season = data.layout.season or 0
    if history or not data.layout.history < season <= MAX_SEASON:
        return data
    longer = data.view(history=season)
    return longer if 2 * len(longer.complete_origins("train")) > len(data.origins("train")) else data
