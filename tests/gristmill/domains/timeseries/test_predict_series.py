"""Forecasts of many series of several columns, some of them known ahead, are those that were scored."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gristmill.domains.timeseries import dataset
from gristmill.domains.timeseries.forecasts import read_predictions
from gristmill.domains.timeseries.models.linear import Linear
from gristmill.domains.timeseries.settings import Export, Harmonics, Ingest, Preprocess, Train
from gristmill.errors import DataError
from gristmill.export import bundle
from gristmill.export.formats import Predictor
from gristmill.sources.tables.csv import Csv
from helpers.small_runs import Folders, Predict, run_stages, with_bundle

pytest_plugins = ["helpers.end_to_end", "helpers.small_runs"]

SOURCE = Csv(kind="csv", path="rows.csv")
SALES = Ingest(
    time=("day",), target=("sales", "returns"), series="shop", inputs=("price",), known=("promo",), frequency="D"
)
SALES_CUT = Preprocess(
    history=8,
    horizon=3,
    validation=12,
    test=12,
    normalise="mean",
    calendar=("weekday",),
    harmonics=(Harmonics(period=9),),
)


def shops() -> pd.DataFrame:
    """Return two shops, one of which opens later, with sales that follow a promotion."""
    random, frames = np.random.default_rng(0), []
    for shop, start, days in (("north", 0, 90), ("south", 20, 70)):
        promo = random.integers(0, 2, days).astype(float)
        frame = pd.DataFrame(
            {
                "shop": shop,
                "day": [
                    f"{day:%Y-%m-%d}" for day in pd.date_range("2024-01-01", periods=days) + pd.Timedelta(days=start)
                ],
                "sales": (20 + 10 * promo + random.normal(size=days)).round(2),
                "returns": (5 + random.normal(size=days)).round(2),
                "price": random.uniform(1, 2, days).round(2),
                "promo": promo,
            }
        )
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def until(day: str) -> pd.DataFrame:
    """Return the shops as they are known on the eve of a day: later rows hold the promotion alone."""
    table = shops()
    later = table["day"] >= day
    table.loc[later, ["sales", "returns", "price"]] = np.nan
    return table


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory, parity_here: None) -> Folders:
    """The run on the shops with its bundle."""
    root = tmp_path_factory.mktemp("several")
    shops().to_csv(root / "rows.csv", index=False)
    folders = run_stages(root, SOURCE, SALES, root / "rows.csv", SALES_CUT, Linear(kind="linear"), Train())
    return with_bundle(folders, Export(formats=("keras",)))


def test_each_series_is_forecast_with_its_name_and_every_target(several: Folders, forecast: Predict) -> None:
    made = forecast(several, until("2024-03-28"), SALES, SALES_CUT)

    assert made["unique_id"].tolist() == ["north"] * 3 + ["south"] * 3
    assert made["ds"].tolist() == pd.date_range("2024-03-28", periods=3).tolist() * 2
    names = [f"{target}{end}" for target in ("sales", "returns") for end in ("", " low", " high")]
    assert made.columns.tolist() == ["unique_id", "ds", *names]
    assert not made.isna().any(axis=None)


@pytest.mark.parametrize("origin", [0, 4, 9])
def test_a_forecast_is_the_one_that_was_scored_of_the_same_past(
    several: Folders, forecast: Predict, origin: int
) -> None:
    """Windows, scale, what is known ahead and intervals are those of training, seen from a file."""
    data, scored = dataset.read(several["preprocess"]), read_predictions(several["evaluate"], "test")
    day = data.times[data.part("test")[0, 0] + origin]

    made = forecast(several, until(f"{day:%Y-%m-%d}"), SALES, SALES_CUT)

    for shop in ("north", "south"):
        own = scored[(scored["unique_id"] == shop) & (scored["channel"] == "sales")]
        first = int(np.flatnonzero((own["ds"] == day) & (own["step"] == 1))[0])
        rows = own.iloc[first : first + 3]
        found = made[made["unique_id"] == shop]
        assert rows["ds"].tolist() == found["ds"].tolist()
        for name, column in (("model", "sales"), ("low", "sales low"), ("high", "sales high")):
            assert found[column].to_numpy() == pytest.approx(rows[name].to_numpy(), rel=1e-4), name


def test_all_series_are_forecast_in_one_batch_as_each_by_itself(
    several: Folders, forecast: Predict, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, batches = until("2024-03-20"), []
    early = (rows["shop"] == "south") & (rows["day"] >= "2024-03-18")
    rows.loc[early, ["sales", "returns", "price"]] = np.nan  # the series end on different days
    alone = [forecast(several, rows[rows["shop"] == shop], SALES, SALES_CUT, steps=5) for shop in ("north", "south")]
    load = bundle.load

    def counted(export: Path, form: str) -> Predictor:
        model = load(export, form)

        def predict(inputs: Any) -> Any:
            batches.append(len(inputs))
            return model(inputs)

        return predict

    monkeypatch.setattr(bundle, "load", counted)

    made = forecast(several, rows, SALES, SALES_CUT, steps=5)

    assert batches == [2, 2]  # five steps are two horizons
    pd.testing.assert_frame_equal(made, pd.concat(alone, ignore_index=True), rtol=1e-6)
    assert made.groupby("unique_id")["ds"].min().tolist() == [pd.Timestamp("2024-03-20"), pd.Timestamp("2024-03-18")]


def test_what_is_known_of_the_future_counts(several: Folders, forecast: Predict) -> None:
    rows = until("2024-03-28")
    with_promotion = rows.assign(promo=rows["promo"].where(rows["day"] < "2024-03-28", 1.0))
    without = rows.assign(promo=rows["promo"].where(rows["day"] < "2024-03-28", 0.0))

    gain = (
        forecast(several, with_promotion, SALES, SALES_CUT)["sales"]
        - forecast(several, without, SALES, SALES_CUT)["sales"]
    )

    assert gain.min() > 5  # a promotion sells ten more


def test_a_future_that_is_not_known_for_all_steps_is_refused(several: Folders, forecast: Predict) -> None:
    rows = until("2024-03-28")
    cut = rows[~((rows["shop"] == "south") & (rows["day"] > "2024-03-28"))]

    with pytest.raises(
        DataError, match=r"series 'south': 'promo' must be known for all steps to forecast, but 2024-03-29"
    ):
        forecast(several, cut, SALES, SALES_CUT)
    with pytest.raises(
        DataError, match=r"series 'north': 'promo' must be known .* but 2024-03-31 .*Add rows with these"
    ):
        forecast(several, rows, SALES, SALES_CUT, steps=4)


def test_beyond_the_horizon_inputs_stay_at_their_last_value_and_what_is_known_goes_on(
    several: Folders, forecast: Predict
) -> None:
    """Step by step by hand: forecast three days, take them as observed, forecast the next three."""
    rows = until("2024-03-20")
    first = forecast(several, rows, SALES, SALES_CUT)
    for shop in ("north", "south"):
        known = (rows["shop"] == shop) & (rows["day"] < "2024-03-20")
        filled = (rows["shop"] == shop) & (rows["day"] >= "2024-03-20") & (rows["day"] < "2024-03-23")
        rows.loc[filled, ["sales", "returns"]] = first.loc[first["unique_id"] == shop, ["sales", "returns"]].to_numpy()
        rows.loc[filled, "price"] = rows.loc[known, "price"].iloc[-1]
    second = forecast(several, rows, SALES, SALES_CUT)

    made = forecast(several, until("2024-03-20"), SALES, SALES_CUT, steps=6)

    for shop in ("north", "south"):
        later = made[made["unique_id"] == shop].iloc[3:]
        expected = second[second["unique_id"] == shop]
        assert later["ds"].tolist() == expected["ds"].tolist()
        for target in ("sales", "returns"):
            assert later[target].to_numpy() == pytest.approx(expected[target].to_numpy(), rel=1e-4)
