"""Wording: what was received, what is known, what was probably meant, in one line; and scores."""

from typing import Any, Literal, Self

import pytest
from pydantic import Field, PositiveInt, ValidationError, model_validator

from gristmill.settings import Settings, Share, Sizes
from gristmill.wording import problem_lines, score, suggestion, unknown_pipeline


class Table(Settings):
    history: PositiveInt
    part: PositiveInt | Share = 1
    gaps: Literal["error", "interpolate"] = "error"
    sizes: Sizes = (1,)
    patience: PositiveInt | None = None
    mark: str = Field(default=",", max_length=1)
    names: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _keep_a_rule_of_the_whole(self) -> Self:
        if self.patience and self.patience > self.history:
            raise ValueError("no more patience than history")
        return self


def lines(**values: Any) -> list[str]:
    """The problems of a table whose `history` is sound."""
    try:
        Table.model_validate({"history": 1} | values)
    except ValidationError as error:
        return list(problem_lines(error, Table))
    return []


def test_a_close_name_is_suggested() -> None:
    assert suggestion("model", "dlinaer", ["lstm", "dlinear"]) == (
        "unknown model 'dlinaer'. Did you mean 'dlinear'? Known: dlinear, lstm."
    )


@pytest.mark.parametrize(
    ("received", "known", "said"),
    [
        ("prophet", ["lstm", "dense"], "unknown model 'prophet'. Known: dense, lstm."),
        ("lstm", [], "unknown model 'lstm'. Known: none."),
        (3, ["lstm"], "unknown model 3. Known: lstm."),
        ("a\nb", ["lstm"], "unknown model 'a\\nb'. Known: lstm."),
    ],
)
def test_nothing_is_suggested_where_nothing_is_close(received: Any, known: list[str], said: str) -> None:
    assert suggestion("model", received, known) == said


@pytest.mark.parametrize(
    ("received", "said"),
    [
        ("sunspot", "unknown pipeline 'sunspot'. Did you mean 'sunspots', 'sunspots_dense'? All: gristmill ls."),
        ("mnist", "unknown pipeline 'mnist'. All: gristmill ls."),
    ],
)
def test_of_many_pipelines_the_close_ones_are_named(received: str, said: str) -> None:
    assert unknown_pipeline(received, ["co2", "sunspots_dense", "sunspots"]) == said


def test_what_does_not_hold_of_the_whole_table_names_no_key() -> None:
    assert lines(patience=2) == ["expected no more patience than history."]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"history": "5"}, "history: expected a valid integer. Received: '5' (string)."),
        ({"history": True}, "history: expected a valid integer. Received: True (boolean)."),
        ({"history": 5.0}, "history: expected a valid integer. Received: 5.0 (float)."),
        ({"history": 0}, "history: expected greater than 0. Received: 0 (integer)."),
        ({"history": [1]}, "history: expected a valid integer. Received: [1] (array)."),
        ({"history": {"a": 1}}, "history: expected a valid integer. Received: {'a': 1} (table)."),
        ({"gaps": "drop"}, "gaps: expected 'error' or 'interpolate'. Received: 'drop' (string)."),
        ({"part": -1}, "part: expected greater than 0. Received: -1 (integer)."),
        ({"part": 1.5}, "part: expected a whole number, or a share below 1. Received: 1.5 (float)."),
        ({"part": 2.0}, "part: expected a whole number, or a share below 1. Received: 2.0 (float)."),
        ({"part": "x"}, "part: expected a valid integer or a valid number. Received: 'x' (string)."),
        ({"patience": "x"}, "patience: expected a valid integer. Received: 'x' (string)."),
        ({"sizes": [1, "x"]}, "sizes[1]: expected a valid integer. Received: 'x' (string)."),
        ({"names": 3}, "names: expected a table. Received: 3 (integer)."),
        ({"mark": ";;"}, "mark: expected at most 1 character. Received: ';;' (string)."),
        (
            {"historyy": 1},
            "unknown key 'historyy'. Did you mean 'history'? Known: gaps, history, mark, names, part, patience, sizes.",
        ),
    ],
)
def test_one_problem_is_one_line(values: dict[str, Any], said: str) -> None:
    assert lines(**values) == [said]


def test_a_missing_key_is_named() -> None:
    with pytest.raises(ValidationError) as raised:
        Table.model_validate({})
    assert list(problem_lines(raised.value, Table)) == ["history: missing. It has no default."]


def test_every_problem_has_its_line() -> None:
    found = lines(history=0, part=2.0, gaps=1, sizes=["a", "b"], colour="red")
    assert sorted(line.split(":")[0] for line in found) == [
        "gaps",
        "history",
        "part",
        "sizes[0]",
        "sizes[1]",
        "unknown key 'colour'. Known",
    ]


def test_a_sound_table_has_no_problem() -> None:
    assert lines(part=0.5, sizes=[1, 2]) == []


@pytest.mark.parametrize(
    ("metric", "value", "shown"),
    [
        ("mae", 12.34567, "12.35"),
        ("mae", 0.0, "0"),
        ("rmse", 123456.0, "1.235e+05"),
        ("skill", 0.1234, "+12.3%"),
        ("skill", -0.5, "-50.0%"),
        ("skill", None, "–"),
        ("mape", None, "–"),
    ],
)
def test_a_score_is_shown_the_same_everywhere(metric: str, value: float | None, shown: str) -> None:
    assert score(metric, value) == shown


@pytest.mark.parametrize("key", ["int", "str", "constrained-float", "a[0]"])
def test_an_unknown_key_is_named_whatever_its_name(key: str) -> None:
    (line,) = lines(**{key: 1})
    assert line.startswith(f"unknown key {key!r}.")
