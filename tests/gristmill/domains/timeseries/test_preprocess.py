"""Series are cut, scaled by their training set alone, and laid out with what is known ahead."""

import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gristmill.domains.timeseries import preprocess
from gristmill.domains.timeseries.data import dataset
from gristmill.domains.timeseries.data.dataset import PARTS, Prepared
from gristmill.domains.timeseries.data.windows import history_index
from gristmill.domains.timeseries.settings import Preprocess
from gristmill.errors import DataError
from gristmill.util.table_io import read_table
from helpers.small_runs import Prepare, assembled, months, table_of, write_ingested

pytest_plugins = ["helpers.small_runs"]

VALUES = np.random.default_rng(0).normal(50, 9, size=100)
CUT = {"history": 6, "validation": 20, "test": 10}


def laid_out(table: pd.DataFrame, inputs: Any = (), known: Any = (), **settings: Any) -> Prepared:
    """Return what preprocess makes of a table that ingest wrote."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_ingested(folder, table, inputs, known)
        preprocess.preprocess(preprocess=Preprocess(**settings), ingest=folder, out=folder)
        return dataset.read(folder)


def test_one_series_is_cut_and_laid_out(prepare: Prepare) -> None:
    data = dataset.read(prepare(VALUES, **CUT, horizon=2, stride=3, normalise="last", residual=True))

    expected = assembled(VALUES, **CUT, horizon=2, stride=3, normalise="last", residual=True)
    assert data.parts.tolist() == [[[0, 70], [70, 90], [90, 100]]]
    assert data.layout == expected.layout
    assert np.array_equal(data.values, expected.values)
    assert np.array_equal(data.parts, expected.parts)
    assert data.times.tolist() == expected.times.tolist()


def test_many_series_of_many_columns_lie_one_after_the_other(prepare: Prepare) -> None:
    random = np.random.default_rng(0)
    tables = [random.normal(50, 9, size=(length, 3)) for length in (80, 50)]
    table = table_of(*tables, starts=[0, 25], filled=[7, 90], names="y y1 y2")

    data = dataset.read(prepare(table, inputs=["y2"], **CUT))

    expected = assembled(*tables, starts=[0, 25], filled=[7, 90], inputs=1, **CUT)
    assert data.ids == ["series 0", "series 1"]
    assert data.layout == expected.layout
    assert (data.layout.targets, data.layout.inputs) == (["y", "y1"], ["y2"])
    for name in ("values", "filled", "bounds", "parts"):
        assert np.array_equal(getattr(data, name), getattr(expected, name)), name


def test_the_calendar_after_the_first_series_is_kept_and_known_columns_change_nothing(tmp_path: Path) -> None:
    table, out = table_of(VALUES), tmp_path / "out"
    out.mkdir()
    settings = Preprocess(**CUT, horizon=2, harmonics=[{"period": 12, "pairs": 1}])
    write_ingested(tmp_path, table)
    preprocess.preprocess(preprocess=settings, ingest=tmp_path, out=out)

    after, end = read_table(out / dataset.AFTER_THE_END), table["ds"].iloc[-1]
    assert after["ds"].tolist() == [end + pd.DateOffset(months=1), end + pd.DateOffset(months=2)]
    assert after.filter(like="sin").iloc[:, 0].tolist() == pytest.approx(
        [np.sin(2 * np.pi * at / 12) for at in (100, 101)]
    )
    (out / dataset.AFTER_THE_END).unlink()
    table.insert(3, "holiday", 0.0)
    write_ingested(tmp_path, table, known=["holiday"])
    preprocess.preprocess(preprocess=settings, ingest=tmp_path, out=out)
    assert not (out / dataset.AFTER_THE_END).exists()  # else a new holiday would train the model again


def test_counts_are_of_the_windows(tmp_path: Path) -> None:
    write_ingested(tmp_path, table_of(VALUES, filled=[95]))

    counts = preprocess.preprocess(preprocess=Preprocess(**CUT), ingest=tmp_path, out=tmp_path)

    assert counts == {"train_windows": 64, "validation_windows": 20, "test_windows": 8}
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "after_the_end.parquet", "future.parquet", "layout.json", "parts.parquet", "series.parquet", "summary.json",
    ]  # fmt: skip


@pytest.mark.parametrize("scale", ["standard", "none"])
def test_nothing_fitted_changes_when_values_of_validation_and_test_do(prepare: Prepare, scale: str) -> None:
    changed = VALUES.copy()
    changed[70:] = 1e6 * np.random.default_rng(1).normal(size=30)
    before, after = prepare(VALUES, "before", **CUT, scale=scale), prepare(changed, "after", **CUT, scale=scale)

    first, second = dataset.read(before), dataset.read(after)
    assert first.layout == second.layout  # mean, deviation
    assert (before / "parts.parquet").read_bytes() == (after / "parts.parquet").read_bytes()
    starts = first.origins("train")
    assert np.array_equal(first.histories(starts), second.histories(starts))
    assert np.array_equal(first.targets(starts), second.targets(starts))


def test_a_scale_of_more_than_the_training_part_would_be_noticed(
    prepare: Prepare, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test above finds the mistake it is there for."""
    changed = VALUES.copy()
    changed[70:] += 1e6
    monkeypatch.setattr(preprocess, "fit_scale", lambda values, scale: dataset.fit_scale(everything.pop(), scale))

    everything = [VALUES[:, np.newaxis], changed[:, np.newaxis]]
    before = dataset.read(prepare(changed, "before", **CUT)).layout
    after = dataset.read(prepare(VALUES, "after", **CUT)).layout

    assert before != after


def test_the_scale_changes_with_the_last_training_value(prepare: Prepare) -> None:
    changed = VALUES.copy()
    changed[69] += 100
    before = dataset.read(prepare(VALUES, "before", **CUT)).layout
    after = dataset.read(prepare(changed, "after", **CUT)).layout

    assert after.mean == pytest.approx([before.mean[0] + 100 / 70])
    assert after.deviation > before.deviation


def positions_known_ahead(data: Prepared, starts: Any) -> Any:
    """Return what windows see of a known column that holds its own time, (windows, history)."""
    return data.histories(starts)[:, :, -1]


@pytest.mark.slow
@settings(max_examples=20)
@given(
    lengths=st.lists(st.integers(10, 40), min_size=1, max_size=3),
    horizon=st.integers(1, 6),
    longer=st.integers(0, 5),
    stride=st.integers(1, 4),
    holes=st.sets(st.integers(0, 29), max_size=4),
)
def test_what_is_known_is_seen_a_horizon_ahead_and_never_later_than_the_last_target(
    lengths: list[int], horizon: int, longer: int, stride: int, holes: set[int]
) -> None:
    """Each series holds the positions of its rows in a known column; all its windows tell where they looked."""
    random = np.random.default_rng(0)
    tables = [np.column_stack([random.normal(size=length), np.arange(length)]) for length in lengths]
    filled = [hole for hole in holes if hole < sum(lengths)]
    cut = {"history": horizon + longer, "horizon": horizon, "stride": stride, "validation": 0, "test": horizon}
    try:
        data = laid_out(table_of(*tables, names="y k", filled=filled), known=["k"], **cut, scale="none")
    except DataError:
        assume(False)

    assert data.layout.known == ["k"]
    for part in PARTS:
        starts = data.origins(part)
        own = starts - data.bounds[data.series_of(starts), 0]
        seen = positions_known_ahead(data, starts)
        assert np.array_equal(seen, history_index(own, horizon + longer) + horizon)
        assert (seen <= (own + horizon - 1)[:, np.newaxis]).all()
        assert np.array_equal(seen[:, -horizon:], own[:, np.newaxis] + np.arange(horizon))  # all that is forecast


def test_the_calendar_and_waves_are_known_ahead_too(prepare: Prepare) -> None:
    table = table_of(np.column_stack([VALUES, VALUES]), names="y holiday")
    settings_of = {"calendar": ["month"], "harmonics": [{"period": 12}], "horizon": 3}

    data = dataset.read(prepare(table, known=["holiday"], **CUT, **settings_of))

    names = ["holiday", *(f"month {month}" for month in range(1, 13)), "12.0 sin 1", "12.0 cos 1"]
    assert data.layout.known == names
    starts = data.origins("test")
    at = {name: 1 + column for column, name in enumerate(names)}
    seen = data.histories(starts)
    for window, start in zip(seen, starts, strict=True):
        for step in range(6):
            time = start - 6 + step + 3
            assert window[step, at["holiday"]] == np.float32(VALUES[time])
            assert window[step, at[f"month {months(100)[time].month}"]] == 1
            assert window[step, at["12.0 sin 1"]] == pytest.approx(np.sin(2 * np.pi * time / 12), abs=1e-6)


@pytest.mark.parametrize("scale", ["standard", "none"])
def test_a_constant_training_part_is_refused(prepare: Prepare, scale: str) -> None:
    values = np.concatenate([np.full(70, 7.5), VALUES[70:]])

    with pytest.raises(DataError, match=r"all 70 values of 'y' in the training set are 7.5: there is nothing to"):
        prepare(values, **CUT, scale=scale)


def test_a_constant_input_is_taken(prepare: Prepare) -> None:
    table = table_of(np.column_stack([VALUES, np.full(100, 7.5)]), names="y x")

    layout = dataset.read(prepare(table, inputs=["x"], **CUT)).layout

    assert (layout.mean[1], layout.deviation[1]) == (7.5, 1)


@pytest.mark.parametrize("scale", ["standard", "none"])
@pytest.mark.parametrize("centre", [1e9, -1e9, 1e12])
def test_values_that_vary_less_than_float32_can_tell_are_refused(prepare: Prepare, centre: float, scale: str) -> None:
    apart = "64" if abs(centre) == 1e9 else "65,536"  # numbers of 24 bits: 2**30 / 2**24 and 2**40 / 2**24
    wanted = rf"^the values of 'y' vary by 8\.\d+ around -?[\d,]+, where 32-bit numbers are {apart} "
    with pytest.raises(DataError, match=wanted + r"apart\. Subtract a constant from the target column"):
        prepare(VALUES + centre, **CUT, scale=scale)


@pytest.mark.parametrize(("centre", "factor"), [(1e9, 1e5), (0, 1e-30), (0, 1e30), (1000, 1)])
def test_values_that_float32_can_tell_apart_are_taken(prepare: Prepare, centre: float, factor: float) -> None:
    values = VALUES * factor + centre
    data = dataset.read(prepare(values, **CUT))

    assert data.layout.deviation == pytest.approx([values[:70].std()], rel=1e-3)


def test_a_late_rise_does_not_hide_that_the_training_part_is_too_coarse(prepare: Prepare) -> None:
    values = VALUES + 1e9
    values[90:] += 1e7

    with pytest.raises(DataError, match="32-bit numbers"):
        prepare(values, **CUT)


@pytest.mark.parametrize(
    ("cut", "said"),
    [
        ({"history": 69}, "the train set has 70 observations, too few for a window of history 69 + horizon 1"),
        ({"history": 80, "horizon": 2}, "the train set has 70 observations, too few for a window of history 80 + "),
        ({"horizon": 12, "validation": 10, "test": 20}, "the validation set has 10 observations, fewer than the hor"),
        ({"horizon": 100}, "preprocess.horizon is 100, but the longest series has 100 observations. Set a shorter"),
        ({"horizon": 12}, "the test set has 10 observations, fewer than the horizon of 12"),
    ],
)
def test_a_part_too_short_for_a_window_is_refused(prepare: Prepare, cut: dict[str, int], said: str) -> None:
    with pytest.raises(DataError, match=re.escape(said)):
        prepare(VALUES, **CUT | cut)


def test_equal_series_give_equal_bytes(prepare: Prepare) -> None:
    first, second = (prepare(VALUES, name, **CUT) for name in ("first", "second"))

    written = {path.name: path.read_bytes() for path in first.iterdir()}
    assert {path.name: path.read_bytes() for path in second.iterdir()} == written


def test_the_season_is_found_in_the_longest_training_set_or_is_set(prepare: Prepare) -> None:
    rng, wave = np.random.default_rng(0), np.cos(2 * np.pi / 7 * np.arange(100))
    table = table_of(rng.normal(size=60), 9 * wave + rng.normal(size=100), starts=[40, 0])

    def season(name: str, **settings: int) -> int | None:
        return dataset.read(prepare(table, name, **CUT, **settings)).layout.season

    assert season("found") == 7
    assert season("set", season=12) == 12
    assert season("none", season=0) is None
    assert dataset.read(prepare(VALUES, "noise", **CUT)).layout.season is None


def test_the_season_does_not_change_with_what_comes_after_the_training_set(prepare: Prepare) -> None:
    values = 9 * np.cos(2 * np.pi / 7 * np.arange(100)) + np.random.default_rng(0).normal(size=100)
    begin = dataset.read(prepare(values, "before", **CUT)).part("train")[0, 1]
    values[begin:] = 1e4 * np.sin(2 * np.pi / 5 * np.arange(100 - begin))

    assert dataset.read(prepare(values, "after", **CUT)).layout.season == 7


OWN_ENDS: dict[str, Any] = {"history": 8, "horizon": 2, "season": 0, "test": 4, "split": "per_series"}


def test_short_series_are_forecast_but_have_no_validation_set(tmp_path: Path) -> None:
    table = table_of(*(VALUES[:length] for length in (40, 15, 14, 5, 4, 1)), starts=[0, 3, 7])
    write_ingested(tmp_path, table)

    counts = preprocess.preprocess(preprocess=Preprocess(**OWN_ENDS, validation=3), ingest=tmp_path, out=tmp_path)

    data = dataset.read(tmp_path)
    assert np.diff(data.part("test"))[:, 0].tolist() == [4, 4, 4, 4, 0, 0]
    assert np.diff(data.part("validation"))[:, 0].tolist() == [3, 3, 0, 0, 0, 0]  # 8 observations before it
    assert (counts["test_windows"], counts["validation_windows"]) == (12, 4)
    assert (counts["series_without_test"], counts["series_without_validation"]) == (2, 4)
    assert np.isnan(data.histories(data.origins("test"))[-1, :-3]).all()  # a series of one observation and 4 of test
    assert data.layout.past == 1


def test_known_columns_need_a_horizon_before_the_test_set() -> None:
    """A window has the known columns of all steps to forecast, in its last steps."""
    tables = [VALUES[: 2 * length].reshape(-1, 2) for length in (40, 6, 5)]
    table = table_of(*tables, names="y holiday")

    data = laid_out(table, known=["holiday"], **OWN_ENDS, validation=0)

    assert data.layout.past == 2
    assert np.diff(data.part("test"))[:, 0].tolist() == [4, 4, 0]
    windows = data.histories(data.origins("test"))
    assert np.isfinite(windows[:, -2:, 1]).all()


def test_constant_series_do_not_matter_among_others() -> None:
    table = table_of(VALUES[:40], np.full(40, 3.0), VALUES[:1])

    assert len(laid_out(table, **OWN_ENDS, validation=0).origins("test")) == 6


@pytest.mark.parametrize(
    ("lengths", "changed", "message"),
    [
        ((6, 4), {"test": 6}, "no series is long enough to be tested: the longest has 6 observations, but a test set"),
        ((40, 4), {"test": 4, "horizon": 6}, "the test set has 4 observations, fewer than the horizon of 6"),
        ((14, 9), {"validation": 3}, "no series has room for a validation set .* and 8 observations before it"),
        ((40, 30), {"validation": 1}, r"room for a validation set of at least preprocess\.horizon, 2, and"),
    ],
)
def test_series_that_are_all_too_short_are_refused(
    lengths: tuple[int, ...], changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        laid_out(table_of(*(VALUES[:length] for length in lengths)), **OWN_ENDS | {"validation": 0} | changed)


def test_series_that_begin_late_are_forecast_from_fewer_observations_if_asked() -> None:
    table = table_of(VALUES[:40], VALUES[:6], starts=[0, 34])  # the second begins 2 months before the test set
    cut = {"history": 8, "horizon": 2, "season": 0, "test": 4, "validation": 0}

    whole, short = laid_out(table, **cut), laid_out(table, **cut, min_history=2)

    assert np.diff(whole.part("test"))[:, 0].tolist() == np.diff(short.part("test"))[:, 0].tolist() == [4, 4]
    assert np.bincount(whole.series_of(whole.origins("test"))).tolist() == [3]
    assert np.bincount(short.series_of(short.origins("test"))).tolist() == [3, 3]
    assert short.layout.past == 2
