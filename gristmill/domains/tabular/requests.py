"""Requests for rows of a table."""

from collections.abc import Sequence
from typing import Any

from gristmill.domains.common.requests import DATE, TEXT, Column, Requests, identifier
from gristmill.export.kit import REQUEST
from gristmill.export.loaded_bundle import LoadedBundle
from gristmill.util.table_io import read_document

_MAX_NAMES_LISTED = 8


class TableRequests(Requests):
    """Rows with the columns that a model reads; examples come from a row of its test set."""

    def columns(self, bundle: LoadedBundle, ingest: Any, id_column: str | None) -> Sequence[Column]:
        # A test row's inputs, by name, from the bundle's sample request, if it has one.
        request = read_document(bundle.path / REQUEST) if (bundle.path / REQUEST).exists() else {}
        rows = request.get("instances", [])
        sample = rows[0] if rows and isinstance(rows[0], dict) else {}
        columns = identifier(id_column)
        for role, tensor in bundle.signature["inputs"].items():
            for at, name in enumerate(tensor["columns"]):
                names = bundle.signature.get("names", {}).get(name, [])
                listed = ", ".join(map(repr, names[:_MAX_NAMES_LISTED])) + ", …" * (len(names) > _MAX_NAMES_LISTED)
                about = {
                    "numbers": "number; null if missing",
                    "categories": f"category: {listed}",
                    "dates": "ISO date, with a time or without",
                    "texts": "text",
                }[role]
                example = {"numbers": 1.0, "categories": names[0] if names else "", "dates": DATE, "texts": TEXT}[role]
                kind = "number" if role == "numbers" else "string"
                columns.append(Column(name, kind, about, sample[role][at] if role in sample else example))
        return columns


REQUESTS = TableRequests()
