"""Values written as TOML."""

import tomllib
from datetime import UTC, date, datetime, time
from typing import Any

import pytest

from gristmill.util.toml import toml_value


@pytest.mark.parametrize(
    "value",
    [
        *(True, 3, 1e-05, 'a "b"\n\\ é', [1, [2.5]], [], {}),
        *({"a b": {"c-d": [{"e": 1}]}, "": 2}, date(2020, 2, 1), datetime(2020, 2, 1, 3, 4, 5, tzinfo=UTC), time(3, 4)),
    ],
)
def test_a_value_written_as_toml_reads_back_as_itself(value: Any) -> None:
    text = toml_value(value)
    assert tomllib.loads(f"value = {text}")["value"] == value
    assert "\n" not in text  # a value is one line, so that it can be an assignment
