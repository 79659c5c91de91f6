"""Sizes of the parts that `init` proposes for series, and errors that name the options for which there is no room."""

from typing import NoReturn

from gristmill.domains.timeseries.data.split import part_size
from gristmill.errors import DataError
from gristmill.scaffold.proposal import Asked

_MIN_TIMES_FOR_SMALL_PARTS = 200  # fewer times get larger parts
_MIN_BEFORE_HORIZON = 3  # observations of a training set before its last forecast, for two windows of two values


def part_share(count: int) -> float:
    """Return the share of `count` observations that a part takes."""
    return 0.2 if count < _MIN_TIMES_FOR_SMALL_PARTS else 0.15


def validation_size(count: int, horizon: int) -> float:
    """Return a share of `count` observations, or the horizon if that is more."""
    return part_share(count) if round(part_share(count) * count) >= horizon else horizon


def check_test(count: int, test: float, horizon: int) -> None:
    """Raise an error if no forecast fits into the test set that the user asked for."""
    held_out = part_size(count, test)
    if held_out < horizon:
        raise DataError(
            f"--test {test:g} holds {held_out} of {count} times, fewer than the horizon of {horizon}. Use a larger "
            "--test, or a shorter --horizon."
        )


def check_times(count: int, horizon: int, asked: Asked) -> None:
    """Raise an error if `count` times have no room for what the user asked for."""

    def sizes(horizon: int) -> tuple[int, int, int]:
        validation = validation_size(count, horizon)
        test = asked.test or validation
        return part_size(count, validation), part_size(count, test), horizon + _MIN_BEFORE_HORIZON

    validation, test, training = sizes(horizon)
    fitting = next((shorter for shorter in range(horizon, 0, -1) if sum(sizes(shorter)) <= count), 0)
    if fitting == horizon:
        return
    options = [f"--horizon {fitting} or less"] * (asked.horizon is not None and fitting > 0)
    options += ["a smaller --test"] * (asked.test is not None)
    raise DataError(
        f"{count} times are too few for a horizon of {horizon}: the test set takes {test}, the validation set "
        f"{validation}, and training needs {training}. Use {' or '.join(options)}."
    )


def refuse_short(longest: int, least: int, horizon: int, test: int) -> NoReturn:
    """Raise an error for series whose longest has no room for a block, `least` values before it, and a test set."""
    fitting = (longest - least) // 2
    shorter = f"Use --horizon {fitting} --test {fitting}, or longer series." if fitting > 0 else "Use longer series."
    raise DataError(
        f"the longest series has {longest} values, but models are compared on series with {least} before a block of "
        f"{horizon} (the horizon) and a test set of {test}: {least + horizon + test} in all. {shorter}"
    )
