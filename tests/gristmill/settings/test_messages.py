"""Wording: what was received, what is known, what was probably meant, in one line; and scores."""

from typing import Any, Literal, Self, get_args

import pytest
from pydantic import Field, ValidationError, model_validator
from pydantic_core.core_schema import ErrorType

from gristmill.settings import validation
from gristmill.settings.base import PositiveInt, Settings, Share, Sizes
from gristmill.settings.messages import close_names, unknown_name, unknown_pipeline
from gristmill.settings.number_text import format_number, format_numbers, score, score_rows
from gristmill.settings.validation import table_problems


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
        return [problem.line for problem in table_problems(error, Table)]
    return []


def test_a_close_name_is_suggested() -> None:
    assert unknown_name("model", "dlinaer", ["lstm", "dlinear"]) == (
        "unknown model 'dlinaer'. Did you mean 'dlinear'? Known: dlinear, lstm."
    )


@pytest.mark.parametrize(
    ("received", "known"),
    [
        ("dlinaer", "dlinear"),
        ("preproces", "preprocess"),
        ("preproc", "preprocess"),
        ("batchsize", "batch_size"),
        ("lerning_rte", "learning_rate"),
        ("Epochs", "epochs"),
        ("max_epochs", "epochs"),
        ("max_epoch", "epochs"),
        ("targt_col", "target"),
        ("numeric", "numbers"),
        ("rate", "learning_rate"),
        ("forecast_horizon", "horizon"),
        ("hist", "history"),
        ("gur", "gru"),
        ("rpeprocess", "preprocess"),
        ("--jbos", "--jobs"),
        ("-job", "--jobs"),
        ("--as-off", "--as-of"),
    ],
)
def test_a_misspelling_a_beginning_and_a_word_are_close(received: str, known: str) -> None:
    assert close_names(received, ["zzz", known, "--zzz"]) == [known]


@pytest.mark.parametrize(
    ("received", "known"),
    [
        ("--plot", "--input"),
        ("--report", "--port"),
        ("--set", "--test"),
        ("--json", "--jobs"),
        ("--host", "--port"),
        ("lags", "flags"),
        ("rain", "train"),
        ("lr", "learning_rate"),
        ("age", "image"),
        ("prophet", "drop"),
        ("metrics", "time"),
        ("", "x"),
        ("--", "--x"),
    ],
)
def test_letters_in_common_are_not_enough(received: str, known: str) -> None:
    assert close_names(received, [known]) == []


def test_the_most_similar_names_come_first() -> None:
    assert close_names("lstmm", ["conv_lstm", "lstmm_2", "lstm"], limit=2) == ["lstm", "lstmm_2"]


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
    assert unknown_name("model", received, known) == said


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
        ({"part": 10**26}, f"part: expected less than or equal to 2147483647. Received: {10**26} (integer)."),
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
    assert list(map(str, table_problems(raised.value, Table, "it"))) == ["it history: missing. It has no default."]


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
        ("rmse", 123456.0, "123,456"),
        ("skill", 0.1234, "+12.3%"),
        ("skill", -0.5, "-50.0%"),
        ("skill", None, "–"),
        ("mape", None, "–"),
    ],
)
def test_a_score_is_shown_the_same_everywhere(metric: str, value: float | None, shown: str) -> None:
    assert score(metric, value) == shown


@pytest.mark.parametrize(
    ("value", "digits", "shown"),
    [
        (12680.4, 4, "12,680"),
        (29086.4, 5, "29,086"),
        (17.2614, 5, "17.261"),
        (9.99996, 4, "10"),
        (0.46731, 4, "0.4673"),
        (17.0, 4, "17"),
        (100.0, 2, "100"),
        (1e-5, 3, "0.00001"),
        (-0.25, 4, "-0.25"),
        (1.388e-17, 4, "0"),
        (-1.388e-17, 4, "0"),
        (3.2e-8, 4, "3.2e-08"),  # a loss; with all its zeros nobody could read it
        (1.5e18, 4, "1.5e+18"),
        (float("nan"), 4, "nan"),
    ],
)
def test_a_number_is_shown_as_people_write_it(value: float, digits: int, shown: str) -> None:
    assert format_number(value, digits) == shown


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([12.918, 29.9, None], ["12.92", "29.90", "–"]),
        ([29086.0, 17.261], ["29,086.0", "17.3"]),
        ([0.902, 0.875, 0.01818], ["0.9020", "0.8750", "0.0182"]),
        ([1.1831, 0.46731], ["1.1831", "0.4673"]),
        ([0.0503, 1.388e-17, -1.388e-17], ["0.0503", "0.0000", "0.0000"]),
        ([5.021, 3e-7], ["5.021", "0.000"]),  # next to nothing compared with 5: no decimals for it
        ([14.22, 0.01234], ["14.2200", "0.0123"]),
        ([0.5, 0.25], ["0.50", "0.25"]),
        ([3.0, 4.0], ["3", "4"]),
        ([4.2e-9, 1e-17], ["4.2e-09", "0"]),
        ([float("nan"), 2.5], ["nan", "2.5"]),
        ([None], ["–"]),
        ([], []),
    ],
)
def test_the_numbers_of_a_column_have_the_same_decimals(values: list[float | None], shown: list[str]) -> None:
    assert format_numbers(values) == shown


def test_a_sign_stands_before_every_number_of_a_column() -> None:
    assert format_numbers([0.5, -0.25, 0.0], sign=True) == ["+0.50", "-0.25", "+0.00"]


def test_each_metric_of_a_table_of_scores_has_its_own_decimals() -> None:
    named = [("model", {"mae": 12680.4, "skill": 0.25}), ("naive", {"mae": 14000.0, "skill": None})]
    assert score_rows(["mae", "skill", "mape"], named) == [
        ["model", "12,680", "+25.0%", "–"],
        ["naive", "14,000", "–", "–"],
    ]


@pytest.mark.parametrize("key", ["int", "str", "constrained-float", "a[0]"])
def test_an_unknown_key_is_named_whatever_its_name(key: str) -> None:
    (line,) = lines(**{key: 1})
    assert line.startswith(f"unknown key {key!r}.")


def test_pydantic_has_every_type_of_error_that_has_a_text() -> None:
    assert validation._EXPECTED.keys() <= set(get_args(ErrorType))


def test_another_error_of_pydantic_is_shown_in_its_words() -> None:
    detail: Any = {"type": "date_type", "msg": "Input should be a valid date"}
    assert validation.expected_value(detail) == "Input should be a valid date"
