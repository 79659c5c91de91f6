"""What is proposed leaves room, holds what it was proposed from, and is a file that is read back."""

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import ROOT
from gristmill.config.tables import read_schema
from gristmill.data_schema.checks import column_violations
from gristmill.data_schema.current_data import as_toml, propose
from gristmill.data_schema.proposal import SchemaRule, class_rules, name_rules, number_rules, size_rules
from gristmill.domains.generation import ingest as generation
from gristmill.domains.generation import settings as generation_settings
from gristmill.domains.tabular import ingest as tabular
from gristmill.domains.tabular import settings as regression_settings
from gristmill.domains.text import ingest as text
from gristmill.domains.text import settings as text_settings
from gristmill.domains.timeseries import ingest as timeseries
from gristmill.domains.timeseries import settings as timeseries_settings
from gristmill.domains.vision import ingest as vision
from gristmill.domains.vision import settings as vision_settings
from gristmill.errors import DataError
from gristmill.settings.base import Settings
from gristmill.settings.data_schema import Cells
from gristmill.settings.messages import Problem
from gristmill.sources.documents.files import TextFiles
from gristmill.sources.images.arrays import ImageArrays
from gristmill.sources.tables.csv import Csv

SAMPLES = ROOT / "data/samples"
LETTERS = (
    'text,label,from\n"where is it",angry,"B, C"\n"thank you",glad,A\n"I wait",angry,A\n,glad,A\n"so good",glad,\n'
)


def rules(lines: list[SchemaRule]) -> dict[str, Any]:
    return {line.key: line.value for line in lines}


def numbers(*values: float) -> dict[str, Any]:
    return rules(number_rules(pd.Series(values, dtype="float64"), 0.0))


def test_numbers_have_half_of_their_range_on_each_side() -> None:
    assert numbers(-10, 30) == {"type": "number", "min": -30, "max": 50, "missing": 0}
    assert numbers(-1.6, 35.6) == {"type": "number", "min": -21, "max": 55, "missing": 0}


def test_numbers_of_one_sign_keep_it() -> None:
    assert numbers(0.4, 9.5) == {"type": "number", "min": 0, "max": 14.1, "missing": 0}
    assert numbers(-9, -1) == {"type": "number", "min": -13, "max": 0, "missing": 0}


def test_the_first_number_that_is_not_whole_is_no_mistake_and_how_it_would_be_one_is_told() -> None:
    kind, *_ = number_rules(pd.Series([1.0, 2.0]), 0.0)
    assert (kind.value, kind.why) == ("number", 'all whole so far; "integer" rejects fractions')


@pytest.mark.parametrize(("value", "low", "high"), [(8, 4, 12), (0, 0, 1), (-0.5, -0.75, -0.25)])
def test_a_constant_has_half_of_itself_on_each_side(value: float, low: float, high: float) -> None:
    found = numbers(value, value)
    assert (found["min"], found["max"]) == (low, high)


def test_twice_as_many_cells_may_be_empty() -> None:
    assert rules(name_rules(pd.Series(["a"]), 0.1234))["missing"] == 0.247
    assert rules(name_rules(pd.Series(["a"]), 0.9))["missing"] == 1.0


def test_names_are_listed_unless_they_are_many() -> None:
    assert rules(name_rules(pd.Series(["b", "a", "b"]), 0.0)) == {"values": ["a", "b"], "missing": 0}
    assert rules(name_rules(pd.Series([str(at) for at in range(51)]), 0.0)) == {"missing": 0}


def test_sizes_may_halve_and_double_and_classes_halve() -> None:
    assert rules(size_rules(pd.Series([7, 100]), "pixels")) == {"min": 3, "max": 200}
    assert rules(class_rules({"a": 5, "b": 2})) == {"a": 3, "b": 1}


@given(st.lists(st.floats(-1e12, 1e12, allow_subnormal=False), min_size=1, max_size=6))
def test_what_a_proposal_was_made_from_holds_it(values: list[float]) -> None:
    cells = Cells.model_validate(numbers(*values))
    assert list(column_violations(pd.DataFrame({"a": values}, dtype="float64"), {"a": cells}, str)) == []


CASES: dict[str, tuple[Any, Any, Settings, Settings, Path | None]] = {
    "tabular": (
        tabular.ingest,
        regression_settings,
        Csv(kind="csv", path="x"),
        regression_settings.Ingest(target="temp_max", numbers=("wind",), categories=("weather",)),
        SAMPLES / "seattle-weather.csv",
    ),
    "timeseries": (
        timeseries.ingest,
        timeseries_settings,
        Csv(kind="csv", path="x"),
        timeseries_settings.Ingest(time=("month",), target=("sunspots",)),
        SAMPLES / "sunspots.csv",
    ),
    "text": (
        text.ingest,
        text_settings,
        Csv(kind="csv", path="x"),
        text_settings.Ingest(metadata=("from",), missing="drop"),
        None,
    ),
    "vision": (
        vision.ingest,
        vision_settings,
        ImageArrays(kind="arrays", path="x"),
        vision_settings.Ingest(),
        SAMPLES / "digits.npz",
    ),
    "generation": (
        generation.ingest,
        generation_settings,
        TextFiles(kind="files", path="x"),
        generation_settings.Ingest(),
        None,
    ),
}

TOO_NARROW: dict[str, dict[str, Any]] = {
    "tabular": {"columns": {"wind": {"max": 9}}},
    "timeseries": {"columns": {"sunspots": {"max": 200}}},
    "text": {"characters": {"min": 7}},
    "vision": {"width": {"max": 20}},
    "generation": {"characters": {"max": 99}},
}


@pytest.mark.parametrize("domain", CASES)
def test_the_proposed_file_is_read_back_and_holds_the_data_it_came_from(domain: str, tmp_path: Path) -> None:
    ingest, settings, source, meaning, sample = CASES[domain]
    letters = tmp_path / "letters.csv"
    letters.write_text(LETTERS)
    first, second, third = (tmp_path / name for name in "123")
    for folder in (first, second, third, tmp_path / "schemas"):
        folder.mkdir()
    if domain == "vision":
        with np.load(sample) as digits:
            sample = tmp_path / sample.name
            np.savez(sample, **{name: array[::90] for name, array in digits.items()})
    reads = {"source": source, "ingest": meaning, "paths": (sample or letters,)}
    counts = ingest(**reads, out=first)
    proposed = as_toml("it", "all", propose(domain, first, meaning))
    (tmp_path / "schemas/it.toml").write_text(proposed)
    problems: list[Problem] = []
    schema = read_schema(tmp_path, "it", settings.Schema, problems)

    assert problems == []
    assert ingest(**reads, out=second, schema=schema) == counts
    assert {path.name: path.read_bytes() for path in first.iterdir()} == {
        path.name: path.read_bytes() for path in second.iterdir()
    }
    with pytest.raises(DataError, match=r"; schemas/it\.toml \[.*\] .*Fix the data, or edit the schema\."):
        ingest(
            **reads, out=third, schema=settings.Schema.model_validate({"file": "schemas/it.toml"} | TOO_NARROW[domain])
        )


def test_a_proposed_file_is_commented_and_quotes_what_it_must() -> None:
    long = [f"the {at}th name of many" for at in range(9)]
    proposal = {
        "": [SchemaRule("frequency", "MS", "of the times")],
        'columns."a b"': [SchemaRule("values", long, "9 seen")],
    }
    written = as_toml("shop", "9 rows", proposal | {"classes": [SchemaRule("it's", 3, "seen: 5")]})

    assert written.startswith("# Schema of the data of the pipeline shop, proposed from 9 rows,\n")
    assert 'frequency = "MS"  # of the times\n' in written
    assert tomllib.loads(written) == {"frequency": "MS", "columns": {"a b": {"values": long}}, "classes": {"it's": 3}}
    assert max(map(len, written.splitlines())) < 120
