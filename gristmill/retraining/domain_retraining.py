"""What a domain does in a retraining: it finds new and lost data, watches for drift, and compares models."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gristmill.runs.retraining_record import Champion, DataChanges, Drift, Folders, LostRows
from gristmill.settings.base import Settings

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from gristmill.retraining.gate import Contest


class DomainRetraining(ABC):
    """The methods that each domain has, and those that not all of them need."""

    @abstractmethod
    def new_rows(self, ingest: Path, before: Path | None) -> DataChanges:
        """Return what is new, revised or removed in ingested data, compared with earlier data if there is any."""

    @abstractmethod
    def diff(self, ingest: Path, before: Path) -> "pd.DataFrame":
        """Return the rows that were added, changed or lost."""

    @abstractmethod
    def missing_rows(self, ingest: Path, before: Path) -> LostRows:
        """Count the earlier rows that are missing."""

    def broken_rules(self, ingest: Path, before: Path, rules: Any, clock: datetime) -> dict[str, str]:
        """Return which rules for arrivals, except on lost rows, new data breaks given earlier data, and how."""
        return {}

    def draw_arrival(self, ingest: Path, before: Path) -> "list[Figure]":
        """Draw new data beside earlier data."""
        return []

    def contradicted_rules(self, ingest: Path, rules: Any) -> dict[str, str]:
        """Return which rules for arrivals ingested data breaks by itself, and how."""
        return {}

    @abstractmethod
    def drift(self, ingest: Path, champion: Champion) -> Drift:
        """Score the champion on data that it has not seen, and compare this with its training data."""

    @abstractmethod
    def contest(self, challenger: Folders, champion: Champion | None, steps: int | None = None) -> "Contest":
        """Return the errors of challenger, baselines and champion on the challenger's test set.

        With `steps`, only these first steps of each forecast count.
        """

    def judgeable(self, challenger: Folders, champion: Champion | None) -> int | None:
        """Count the test examples that no model was trained on; None if the test set is the judging window."""
        return None

    def overrides(self, tables: Mapping[str, Any]) -> list[str]:
        """Return the settings that a challenger overrides, as assignments."""
        return []

    def recovery_tables(self, tables: Mapping[str, Settings], rows: int) -> dict[str, Settings] | None:
        """Return the tables of a pipeline that compares simple models on the newest rows; None if there is none."""
        return None

    def newest_time(self, ingest: Path, settings: Any) -> datetime | None:
        """Return the time of the newest ingested row, None if rows have no time; `settings` is the table `ingest`."""
        return None
