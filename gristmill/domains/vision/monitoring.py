"""Live scores of classified photos."""

from typing import Any

from gristmill.domains.common.classification.monitoring import live_rows

__all__ = ["live_rows", "truth_column"]


def truth_column(ingest: Any) -> str:
    """Return the column of the truth in a file."""
    return "label"
