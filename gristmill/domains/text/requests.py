"""Requests for texts to classify."""

from collections.abc import Sequence
from typing import Any

from gristmill.domains.common.requests import TABLES, TEXT, Column, Requests, identifier
from gristmill.export.loaded_bundle import LoadedBundle


class TextRequests(Requests):
    """Rows with a text each, or one text as it is."""

    def columns(self, bundle: LoadedBundle, ingest: Any, id_column: str | None) -> Sequence[Column]:
        return [*identifier(id_column), Column(ingest.text, "string", "the text to classify", TEXT)]

    def text_column(self, ingest: Any) -> str | None:
        column: str = ingest.text
        return column


REQUESTS = TextRequests((*TABLES, "text/plain"))
