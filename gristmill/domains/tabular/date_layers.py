"""Parts of dates in the graph, equal to those of `date_parts.py`, by Keras's own layers."""

import keras
import numpy as np
from keras import ops

_LENGTH = len("2024-03-01T16")  # characters that are read
_DIGITS = {"year": (0, 1, 2, 3), "month": (5, 6), "day": (8, 9), "hour": (11, 12)}  # positions in a date
_DAYS_TO_1970 = 59 - 477  # days from 1 January to 1 March, less the leap days up to 1970


def date_parts(cells: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """Return the parts of ISO dates, float32 (batch, parts), from text (batch,); NaN where a cell is empty.

    Days are counted from 1 March of the year 0, so that a leap day ends a year.
    Source: Reingold & Dershowitz, "Calendrical calculations", Cambridge University Press, 2018, chapter 2.
    """
    split = keras.layers.TextVectorization(
        standardize=None, split="character", vocabulary=[*"0123456789"], output_sequence_length=_LENGTH, name=name
    )
    tokens = split(cells)  # (batch, characters): below 2 for none and others, 2 to 11 for digits
    digits = ops.cast(ops.maximum(tokens - 2, 0), "float32")
    read = {part: _number(digits, positions) for part, positions in _DIGITS.items()}
    late = ops.cast(read["month"] < 2.5, "float32")  # January and February belong to the year before
    year, month = read["year"] - late, read["month"] - 3 + 12 * late
    leap_days = _whole(year, 4) - _whole(year, 100) + _whole(year, 400)
    days = 365 * (year - 1970) + leap_days + _whole(153 * month + 2, 5) + read["day"] - 1 + _DAYS_TO_1970
    weekday = days + 3 - 7 * _whole(days + 3, 7)
    parts = ops.stack([read["year"], read["month"], weekday, read["hour"], days], axis=1)
    return ops.where(tokens[:, :1] < 2, np.float32(np.nan), parts)


def _whole(number: keras.KerasTensor, divisor: int) -> keras.KerasTensor:
    """Return the integer quotient of a whole number; the half keeps it from a rounding error of the division."""
    return ops.floor((number + 0.5) / divisor)


def _number(digits: keras.KerasTensor, positions: tuple[int, ...]) -> keras.KerasTensor:
    """Return the number that digits at some positions make, (batch,)."""
    return sum(10.0 ** (len(positions) - 1 - at) * digits[:, position] for at, position in enumerate(positions))
