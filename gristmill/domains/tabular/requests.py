"""Requests for rows of a table."""

from collections.abc import Sequence
from typing import Any

from gristmill.domains.common.requests import DATE, TEXT, Column, Requests, identifier
from gristmill.export.kit import REQUEST
from gristmill.export.loaded_bundle import LoadedBundle
from gristmill.util.table_io import read_document

_MAX_NAMES_LISTED = 8
_TYPES = {"numbers": "number", "categories": "string", "dates": "string", "texts": "string"}


class TableRequests(Requests):
    """Rows with the columns that a model reads; examples come from a row of its test set."""

    def columns(self, bundle: LoadedBundle, ingest: Any, id_column: str | None) -> Sequence[Column]:
        known, sample, found = bundle.signature.get("names", {}), _sample(bundle), identifier(id_column)
        for role, taken in bundle.signature["inputs"].items():
            for at, name in enumerate(taken["columns"]):
                names = known.get(name, [])
                listed = ", ".join(map(repr, names[:_MAX_NAMES_LISTED])) + ", …" * (len(names) > _MAX_NAMES_LISTED)
                about = {
                    "numbers": "number; null if missing",
                    "categories": f"category: {listed}",
                    "dates": "ISO date, with a time or without",
                    "texts": "text",
                }[role]
                example = {"numbers": 1.0, "categories": names[0] if names else "", "dates": DATE, "texts": TEXT}[role]
                found.append(Column(name, _TYPES[role], about, sample[role][at] if role in sample else example))
        return found


def _sample(bundle: LoadedBundle) -> dict[str, Any]:
    """Return the inputs of a test row by name, from the sample request of the bundle; empty if it has none."""
    path = bundle.path / REQUEST
    rows = read_document(path).get("instances", []) if path.exists() else []
    return rows[0] if rows and isinstance(rows[0], dict) else {}


REQUESTS = TableRequests()
