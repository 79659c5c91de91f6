"""Rules for arrivals, which are the new content of a source: an arrival that breaks one is set aside."""

from gristmill.settings.base import AnyShare, PositiveFloat, PositiveInt, Settings
from gristmill.settings.schedule import Duration

REPLACED = {"max_lost": "Set it in the table arrivals of the pipeline, [pipelines.NAME.arrivals]."}
"""Keys of the table `ingest` of earlier releases that are rules for arrivals now."""


class Arrivals(Settings):
    """Rules for arrivals of a source. One that breaks a rule is set aside, and the last good data stays in use."""

    max_lost: AnyShare = 0.05  # maximum share of the known data that may be missing


class SeriesArrivals(Arrivals):
    """Rules for arrivals of a source. One that breaks a rule is set aside, and the last good data stays in use.

    Rules of values are judged on the targets and inputs of each series with at least 20 known rows.
    """

    max_revised: AnyShare = 0.1  # maximum share of the known rows whose values may have changed
    max_ahead: Duration = "1 day"  # maximum time by which rows may be ahead of the clock, or one step if that is longer
    max_repeats: PositiveInt | None = (
        None  # maximum number of equal values in a row; twice the longest known number, and 2 more, if not set
    )
    max_step: PositiveFloat = 3.0  # maximum step between two values, as a multiple of the largest known step
    max_beyond: PositiveFloat = 1.0  # maximum distance outside the known range, as a multiple of its width
