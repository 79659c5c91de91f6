"""What preprocess wrote is what every later stage reads."""

from pathlib import Path

import numpy as np
import pandas as pd

from gristmill.timeseries import prepared
from gristmill.timeseries.prepared import Layout, Prepared

LAYOUT = Layout(
    target="sunspots",
    frequency="MS",
    history=4,
    horizon=2,
    stride=1,
    parts={"train": (0, 12), "validation": (12, 16), "test": (16, 20)},
    mean=9.5,
    deviation=0.1 + 0.2,  # a number that only a full repr brings back
)
SERIES = Prepared(
    pd.date_range("1749-01-01", periods=20, freq="MS", name="ds"), np.arange(100, 120, dtype=np.float32), LAYOUT
)


def test_reading_gives_back_what_was_written(tmp_path: Path) -> None:
    prepared.write(SERIES, tmp_path)

    found = prepared.read(tmp_path)

    assert found.layout == LAYOUT
    assert list(found.layout.parts) == ["train", "validation", "test"]
    assert found.values.dtype == np.float32
    assert np.array_equal(found.values, SERIES.values)
    assert found.times.tolist() == SERIES.times.tolist()


def test_windows_hold_the_values_that_their_positions_name() -> None:
    assert SERIES.origins("test").tolist() == [16, 17, 18]
    assert SERIES.histories("test").tolist() == [[112, 113, 114, 115], [113, 114, 115, 116], [114, 115, 116, 117]]
    assert SERIES.targets("test").tolist() == [[116, 117], [117, 118], [118, 119]]


def test_no_value_is_a_target_of_two_parts() -> None:
    judged = {part: set(SERIES.targets(part).ravel()) for part in LAYOUT.parts}

    assert judged["train"] == set(range(104, 112))
    assert judged["validation"] == set(range(112, 116))
    assert judged["test"] == set(range(116, 120))


def test_windows_see_no_value_of_a_later_part() -> None:
    assert SERIES.histories("train").max() < 112
    assert SERIES.histories("validation").max() < 116
