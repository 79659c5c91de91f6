"""The course's series, to the bit."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from pydantic import ValidationError

from gristmill.errors import DataError
from gristmill.sources.series.synthetic import Synthetic


def values(**settings: Any) -> npt.NDArray[np.float64]:
    found: npt.NDArray[np.float64] = (
        Synthetic(kind="synthetic", **settings).read((), ["time"], ["value"]).frame["value"].to_numpy()
    )
    return found


def test_it_begins_with_the_values_of_the_course() -> None:
    expected = [52.48357, 49.35275, 53.314735, 57.711823, 48.934444]
    assert values()[:5].tolist() == np.array(expected, np.float32).tolist()


def test_its_errors_are_those_of_the_course() -> None:
    """Naive forecasts after day 1000, as the course's notebooks print them."""
    steps = np.diff(values()[999:])
    assert (f"{np.mean(steps**2):.4f}", f"{np.mean(np.abs(steps)):.4f}") == ("61.8275", "5.9379")


def test_it_is_computed_in_float32() -> None:
    assert values().dtype == np.float64
    assert (values() == values().astype(np.float32)).all()


def test_rows_are_numbered_from_0() -> None:
    rows = Synthetic(kind="synthetic", n=3).read((), ["time"], ["value"])
    assert rows.frame["time"].tolist() == [0, 1, 2]
    assert rows.frame["time"].dtype == np.int64
    assert rows.where(2) == "the synthetic series row 2"


def test_without_noise_it_is_trend_and_pattern() -> None:
    time = np.arange(20)
    phase = (time % 8) / 8
    pattern = np.where(phase < 0.4, np.cos(2 * np.pi * phase), np.exp(-3 * phase))
    made = values(n=20, period=8, baseline=1.0, slope=2.0, amplitude=3.0, noise=0.0)
    assert made == pytest.approx(1 + 2 * time + 3 * pattern, rel=1e-5)


def test_the_noise_has_its_seed_and_deviation() -> None:
    assert (values(seed=1) == values(seed=1)).all()
    assert (values(seed=1) != values(seed=2)).any()
    assert (values(noise=3.0) - values(noise=0.0)).std() == pytest.approx(3, rel=0.1)


def test_another_column_is_refused() -> None:
    with pytest.raises(DataError, match=r"the synthetic series: no column 'y'\. Columns: 'time', 'value'\."):
        Synthetic(kind="synthetic").read((), ["time"], ["y"])


@pytest.mark.parametrize("settings", [{"n": 0}, {"period": 0}, {"noise": -1.0}, {"seed": -1}, {"path": "a.csv"}])
def test_settings_out_of_range_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Synthetic(kind="synthetic", **settings)
