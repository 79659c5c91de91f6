"""Texts that stand in the settings."""

from typing import Any

import pytest
from pydantic import ValidationError

from gristmill.errors import DataError
from gristmill.settings.base import identity_values
from gristmill.settings.kinds import kinds, settings_of
from gristmill.settings.validation import table_problems
from gristmill.sources.texts.inline import Inline

TOY = {"kind": "inline", "texts": ["I love my dog", "I hate rain"], "labels": [1, "bad"]}


def test_texts_and_labels_are_columns_and_rows_count_from_1() -> None:
    rows = Inline.model_validate(TOY).read((), ["label", "text"], [])
    assert rows.frame.to_dict("list") == {"label": ["1", "bad"], "text": ["I love my dog", "I hate rain"]}
    assert rows.where(1) == "the inline texts row 2"
    assert rows.ids() == ["1", "2"]


def test_parts_are_a_column_where_they_are_given() -> None:
    toy = Inline.model_validate(TOY | {"parts": ["train", "test"]})
    assert toy.columns == ("text", "label", "part")
    assert toy.read((), ["part"], []).frame["part"].tolist() == ["train", "test"]
    with pytest.raises(DataError, match=r"^the inline texts: no column 'part'\. Columns: 'text', 'label'\.$"):
        Inline.model_validate(TOY).read((), ["part"], [])


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"labels": [1]}, "labels: expected as many items as texts, 2, not 1. Received: [1] (array)."),
        (
            {"parts": ["test"]},
            "parts: expected as many items as texts, 2, not 1. Received: ['test'] (array).",
        ),
    ],
)
def test_columns_of_unequal_length_are_refused_with_both_lengths(given: dict[str, Any], line: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Inline.model_validate(TOY | given)
    assert [problem.line for problem in table_problems(caught.value, Inline)] == [line]


@pytest.mark.parametrize("given", [{"texts": []}, {"texts": "a"}, {"labels": [0.5, 1]}, {"parts": ["dev", "test"]}])
def test_what_is_no_array_of_texts_labels_or_parts_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Inline.model_validate(TOY | given)


def test_the_texts_are_in_the_key() -> None:
    assert identity_values(Inline.model_validate(TOY))["texts"] == TOY["texts"]


def test_in_a_text_pipeline_inline_means_texts() -> None:
    packages = ("gristmill.sources.tables", "gristmill.sources.texts")
    assert settings_of("inline", *packages) is Inline
    assert {"csv", "folder", "inline", "jsonl", "parquet", "tfds"} <= set(kinds(*packages))
