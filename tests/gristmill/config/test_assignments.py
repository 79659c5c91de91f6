"""Assignments of `--set`; the problems that they cause are tried with whole files in `test_config.py`."""

from gristmill.config.assignments import override


def test_nothing_is_set_in_the_table_that_was_given() -> None:
    table = {"train": {"epochs": 1}}
    assert override(table, ["train.epochs=2", "model.kind=dense"]) == {
        "train": {"epochs": 2},
        "model": {"kind": "dense"},
    }
    assert table == {"train": {"epochs": 1}}
