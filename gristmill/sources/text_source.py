"""Where labelled texts come from beside tables, one file a kind. Each gives its texts as a table source does."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from gristmill.sources.rows import Rows


class TableSource(Protocol):
    """A source that reads columns of a table."""

    def read(self, paths: Sequence[Path], texts: Sequence[str], numbers: Sequence[str]) -> Rows: ...


@runtime_checkable
class KnowsColumns(Protocol):
    """A source whose columns have fixed names; `part` is one where it knows parts, `id` or `file` names a text."""

    @property
    def columns(self) -> tuple[str, ...]: ...
