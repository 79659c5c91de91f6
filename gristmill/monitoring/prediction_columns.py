"""Columns of predictions, and those that the log adds to them, whose names begin with `@`."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

PREDICTED = "predicted"  # class or number that is predicted for a row; the log names it after the target
BECAUSE = "because"  # largest contributions to the prediction of a row; others follow, of which none is logged

BATCH = "@batch"  # id of everything that one call predicted
ANSWERED = "@answered"  # time of the answer, UTC
VERSION = "@version"  # number of the model's version; missing if it was not promoted
RUN = "@run"  # the run that made the model
INPUTS = "@inputs"  # digest of what the model predicted from
ID = "@id"  # id of a row, to which its truth refers

TRUTH = "@truth"  # in files of the truth, with `ID`, and in compared rows
DAY = "@day"  # of compared rows: the time that a value is for, or was answered
SCORE = "@score"  # of compared rows: the mean is the score of a group; missing where the truth is not known
COVERED = "@covered"  # of compared rows: whether the interval covers the truth; missing without an interval
LEVEL = "@level"  # of compared rows: the share of values that the interval should cover; missing without an interval

PERIODS = ("day", "month")  # groups of compared rows that are in the order of time


def position_of_reasons(rows: "pd.DataFrame") -> int | None:
    """Return the position of the first column of contributions to predictions; None if there is none."""
    names = list(map(str, rows))
    after = names.index(PREDICTED) if PREDICTED in names else len(names)
    return names.index(BECAUSE, after) if BECAUSE in names[after:] else None
