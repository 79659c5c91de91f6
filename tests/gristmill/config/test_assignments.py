"""Assignments of `--set`; the problems that they cause are tried with whole files in `test_catalogue.py`."""

from gristmill.config.pipelines_file import override


def test_nothing_is_set_in_the_table_that_was_given() -> None:
    table = {"train": {"epochs": 1}}
    assert override(table, ["train.epochs=2", "model.kind=dense"]) == {
        "train": {"epochs": 2},
        "model": {"kind": "dense"},
    }
    assert table == {"train": {"epochs": 1}}


def test_another_kind_in_place_of_auto_begins_without_the_keys_of_the_file() -> None:
    table = {"model": {"kind": "auto", "preset": "quick"}}
    assert override(table, ["model.units=[4]", "model.kind=dense"])["model"] == {"kind": "dense", "units": [4]}
    assert override(table, ["model.kind=auto", "model.preset=good"])["model"] == {"kind": "auto", "preset": "good"}
    assert override({"model": {"kind": "dense", "units": [4]}}, ["model.kind=auto"])["model"] == {"kind": "auto"}
    assert override({"model": {"kind": "dense", "units": [4]}}, ["model.kind=conv"])["model"] == {
        "kind": "conv",
        "units": [4],
    }
