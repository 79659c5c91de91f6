"""The description of a pipeline's columns."""

from gristmill.model_server.request_examples import _of_table


def test_categories_are_quoted() -> None:
    signature = {"inputs": {"categories": {"columns": ["state"]}}, "names": {"state": ["", "n/a", "ok, fine", "ok "]}}
    (column,) = _of_table(signature, {})
    assert column.about == "category: '', 'n/a', 'ok, fine', 'ok '"
