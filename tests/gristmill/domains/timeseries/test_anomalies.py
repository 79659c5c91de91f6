"""Values that stand out are flagged, and what merely saw them is not."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.domains.timeseries.data.dataset import Prepared
from gristmill.domains.timeseries.data.windows import Origins
from gristmill.domains.timeseries.intervals.quantiles import Intervals
from gristmill.domains.timeseries.patterns import anomalies
from gristmill.domains.timeseries.patterns.anomalies import flag
from helpers.small_runs import assembled

WAVE = 10 * np.sin(np.arange(120) * 2 * np.pi / 12)
CUT: dict[str, Any] = {"history": 12, "horizon": 2, "test": 60}


def echoing(data: Prepared, starts: Origins) -> Any:
    """Forecast the value a season ago plus half of the last deviation, so that a spike spoils what follows."""
    seen = data.histories(starts)[:, :, : len(data.layout.targets)].astype(np.float64)
    last = WAVE[starts - 1 - data.bounds[data.series_of(starts - 1), 0]][:, np.newaxis, np.newaxis]
    return np.repeat(seen[:, :1] + 0.5 * (seen[:, -1:] - last), 2, axis=1)


def intervals(targets: int = 1) -> Intervals:
    """Return half widths of one mean step of the window, about 3.3 where it steps as the wave does."""
    factors = np.tile([-1.0, 0.0, 1.0], (2, targets, 1))
    return Intervals(
        (0.0005, 0.5, 0.9995), factors, np.full(targets, 3.0), 1, (False,) * targets, (False,) * targets, 100
    )


def spoilt(*spikes: int, size: float = 50.0) -> Prepared:
    """Return the wave with spikes at positions."""
    values = WAVE.copy()
    values[list(spikes)] += size
    return assembled(values, **CUT)


def positions(data: Prepared, found: Any) -> list[int]:
    return [int(data.times.get_loc(time)) for time in found["ds"]]


def test_a_spike_is_found_and_not_its_echo() -> None:
    data = spoilt(80)
    alone = np.abs(data.targets(np.arange(60, 119))[:, 0] - echoing(data, np.arange(60, 119))[:, 0]) > 6

    found = flag(data, "test", echoing, intervals())

    assert alone.sum() > 1  # without care its neighbours stand out too, and the value a season later
    assert positions(data, found) == [80]


def test_a_flagged_value_is_told_with_what_was_expected() -> None:
    data = spoilt(80)

    (row,) = flag(data, "test", echoing, intervals()).to_dict("records")

    half = np.abs(np.diff(data.values[80 - 37 : 80, 0])).mean()
    assert set(row) == {"unique_id", "channel", "ds", "y", "expected", "low", "high"}
    assert (row["unique_id"], row["channel"], row["ds"]) == ("series 0", "y", data.times[80])
    assert row["y"] == pytest.approx(WAVE[80] + 50)
    assert row["expected"] == pytest.approx(WAVE[80], abs=1e-5)
    assert row["low"] == pytest.approx(WAVE[80] - half, abs=1e-4)
    assert row["high"] == pytest.approx(WAVE[80] + half, abs=1e-4)


@pytest.mark.parametrize("spikes", [(70, 90), (80, 81), (80, 81, 82, 95), (60,), (119,), (60, 119)])
def test_all_spikes_are_found_neighbours_and_the_ends_of_the_part_among_them(spikes: tuple[int, ...]) -> None:
    data = spoilt(*spikes)

    assert positions(data, flag(data, "test", echoing, intervals())) == list(spikes)


def test_a_spike_before_the_part_is_not_told() -> None:
    data = spoilt(40)

    assert positions(data, flag(data, "test", echoing, intervals())) == []


def test_nothing_that_stands_out_is_an_empty_table() -> None:
    found = flag(spoilt(), "test", echoing, intervals())

    assert len(found) == 0
    assert found.columns.tolist() == ["unique_id", "channel", "ds", "y", "expected", "low", "high"]


def test_the_series_are_left_as_they_are() -> None:
    data = spoilt(80)
    before = data.values.copy()

    flag(data, "test", echoing, intervals())

    assert np.array_equal(data.values, before)


def test_every_value_of_the_part_is_checked_whatever_stride_and_horizon_but_not_filled_values() -> None:
    spikes = [60, 90, 119]
    values = WAVE.copy()
    values[spikes] += 50
    data = assembled(values, **CUT | {"stride": 7, "horizon": 5}, filled=[118, 119])

    assert positions(data, flag(data, "test", echoing, intervals())) == [60, 90]


def test_a_spike_at_the_end_of_a_series_does_not_hide_one_at_the_begin_of_the_next() -> None:
    """Their positions are neighbours; their windows have nothing to do with each other."""
    first, second = WAVE.copy(), WAVE[:60].copy()
    first[119] += 50
    second[13] += 50
    data = assembled(first, second, **CUT, starts=[0, 60])

    found = flag(data, "test", echoing, intervals())

    assert found["unique_id"].tolist() == ["series 0", "series 1"]
    assert found["ds"].tolist() == [data.times[119], data.times[120 + 13]]


def test_each_channel_is_judged_by_itself() -> None:
    values = np.column_stack([WAVE, WAVE])
    values[80, 1] += 50
    values[100, 0] -= 50
    data = assembled(values, **CUT)

    found = flag(data, "test", echoing, intervals(2))

    assert found["channel"].tolist() == ["y1", "y"]
    assert positions(data, found) == [80, 100]


def test_a_level_that_shifts_for_good_ends_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each round takes the first value that stands out; the level never comes back."""
    monkeypatch.setattr(anomalies, "_MAX_ROUNDS", 5)
    values = WAVE.copy()
    values[80:] += 50

    found = flag(assembled(values, **CUT), "test", echoing, intervals())

    assert found["ds"].tolist() == assembled(values, **CUT).times[80:85].tolist()


def test_only_the_first_step_counts() -> None:
    wide = intervals()
    wide.factors[1] *= 1000

    assert positions(spoilt(80), flag(spoilt(80), "test", echoing, wide)) == [80]


def test_bounds_of_a_target_that_is_never_negative_are_not_either() -> None:
    values = WAVE + 10
    values[80] += 50
    data = assembled(values, **CUT)

    def too_low(data: Prepared, starts: Origins) -> Any:
        return np.full((len(starts), 2, 1), -5.0)

    found = flag(data, "test", too_low, replace(intervals(), nonnegative=(True,)))

    assert len(found) > 0
    assert (found[["expected", "low"]] == 0).all(axis=None)


@given(
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=4),
    marks=st.sets(st.integers(0, 47)),
    left_out=st.sets(st.integers(0, 47)),
    reach=st.integers(1, 8),
)
def test_which_windows_see_a_marked_value_equals_a_loop(
    lengths: list[int], marks: set[int], left_out: set[int], reach: int
) -> None:
    owner_of = np.repeat(np.arange(len(lengths)), lengths)
    starts = np.array([at for at in range(sum(lengths)) if at not in left_out], np.int64)
    owner, marked = owner_of[starts], np.isin(starts, list(marks))

    found = anomalies._follows(marked, starts, owner, reach)

    expected = [
        any(
            marked[other] and owner[other] == owner[mine] and starts[mine] - reach <= starts[other] < starts[mine]
            for other in range(len(starts))
        )
        for mine in range(len(starts))
    ]
    assert found.tolist() == expected
