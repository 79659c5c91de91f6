"""The columns of rows that a server is asked to predict."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from gristmill.domains.tabular.predict import REQUESTS


def test_categories_are_quoted(tmp_path: Path) -> None:
    signature = {"inputs": {"categories": {"columns": ["state"]}}, "names": {"state": ["", "n/a", "ok, fine", "ok "]}}
    bundle = cast(Any, SimpleNamespace(signature=signature, path=tmp_path))
    (column,) = REQUESTS.columns(bundle, None, None)
    assert column.about == "category: 'n/a', 'ok, fine', 'ok '; null if missing"
