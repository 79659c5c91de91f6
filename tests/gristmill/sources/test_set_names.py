"""What sources call their parts."""

from pathlib import Path

import pytest

from gristmill.errors import DataError
from gristmill.sources.set_names import part_of_cell, part_of_folder


@pytest.mark.parametrize(
    ("name", "part"), [("TRAIN", "train"), ("val", "validation"), ("Valid", "validation"), ("test", "test")]
)
def test_a_part_has_several_names(name: str, part: str) -> None:
    assert part_of_cell(name, "a.csv row 2", "split") == part
    assert part_of_folder(Path("/in", name, "owl/1.jpg")) == part


def test_another_word_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(DataError) as refused:
        part_of_cell("dev", "a.csv row 2", "split")
    assert str(refused.value) == (
        "a.csv row 2, column 'split': 'dev'. Expected one of train, validation, valid, val, test."
    )
    with pytest.raises(DataError) as refused:
        part_of_folder(Path("/in/dev/owl/1.jpg"))
    assert str(refused.value) == (
        "/in/dev/owl/1.jpg: the folder above its class is 'dev'. Expected train, validation, valid, val, test: rename "
        "it, or leave out the source's parts."
    )
