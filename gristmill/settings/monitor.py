"""The table `monitor`: whether the predictions of a pipeline's model are logged, and for how long."""

from gristmill.settings.base import OptionalColumn, Settings
from gristmill.settings.schedule import Duration


class Monitor(Settings):
    """Log of predictions, which are scored when the truth is known. Without this table, nothing is logged."""

    keep: Duration = "365 days"  # age at which logged predictions and their truth are deleted
    id: OptionalColumn = None  # column that identifies a row, where `predict` reads a table of rows or texts
