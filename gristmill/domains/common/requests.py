"""Requests to a server: what their bodies may be, the columns of a row, and an example."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gristmill.export.loaded_bundle import LoadedBundle

TABLES = ("text/csv", "application/x-ndjson")
DATE, TEXT = "2026-01-31", "A text to classify."


@dataclass(frozen=True)
class Column:
    """Column of a row to predict."""

    name: str
    type: str  # of JSON Schema
    about: str
    example: Any


@dataclass(frozen=True)
class Requests:
    """Requests that a domain answers. Without columns, they are not made of rows."""

    content_types: tuple[str, ...] = TABLES  # of bodies that are files
    takes_json: bool = True
    needs_body: bool = True

    def columns(self, bundle: LoadedBundle, ingest: Any, id_column: str | None) -> Sequence[Column]:
        """Return the columns of a row; `id_column` identifies rows, if there is one."""
        return []

    def example(self, columns: Sequence[Column]) -> Mapping[str, Any] | None:
        """Return the body of an example as JSON; None if the example has none, or a file."""
        return {"rows": [{column.name: column.example for column in columns}]} if columns else None

    def text_column(self, ingest: Any) -> str | None:
        """Return the column of a body that is one text; None if a body cannot be one."""
        return None


def identifier(name: str | None) -> list[Column]:
    """Return the column that identifies rows, if there is one."""
    return [Column(name, "string", "identifies the row, for its truth", "1")] if name else []
