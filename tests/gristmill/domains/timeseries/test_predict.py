"""Forecasts of what comes after a file's last row, of one series and of many with several columns."""

import shutil
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest

from gristmill.domains.timeseries.data import dataset
from gristmill.domains.timeseries.forecasts import read_predictions
from gristmill.domains.timeseries.models.linear import Linear
from gristmill.domains.timeseries.models.sequence import Conv
from gristmill.domains.timeseries.settings import Harmonics, Ingest, Preprocess, Train
from gristmill.errors import DataError, RequestError
from gristmill.export import bundle
from gristmill.export.formats import Predictor
from gristmill.export.loaded_bundle import LoadedBundle
from gristmill.sources.tables.csv import Csv
from gristmill.training import saved_network
from gristmill.util.table_io import read_document, read_table, write_document
from helpers.small_runs import CUT, KERAS, MEANING, Folders, Predict, run_stages, with_bundle

pytest_plugins = ["helpers.end_to_end", "helpers.small_runs"]

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
SOURCE = Csv(kind="csv", path="rows.csv")
RECENT = [f"{month:%Y-%m}" for month in pd.date_range("1990-03-01", periods=15, freq="MS")]  # the last is 1991-05
VALUES = np.random.default_rng(0).uniform(10, 90, size=15).round(1)
WHOLE = pd.DataFrame({"month": RECENT, "sunspots": VALUES})


@pytest.fixture(scope="module")
def any_length(tmp_path_factory: pytest.TempPathFactory, series_file: Path, parity_here: None) -> Folders:
    """A run whose model learns quantiles and takes histories of any length, with its bundle."""
    root = tmp_path_factory.mktemp("any")
    how = Train(epochs=2, loss="quantile", quantiles=(0.1, 0.5, 0.9), batch_size=128)
    model = Conv(kind="conv", filters=(3, 3), kernel=4)
    return with_bundle(run_stages(root, SOURCE, MEANING, series_file, CUT, model, how), KERAS)


def window(run: Folders, values: Any) -> Any:
    """Return the last values as the input of an exported model, with NaN before the first."""
    seen = read_document(run["export"] / "signature.json")["history"]
    shown = np.full(seen, np.nan, np.float32)
    last = np.asarray(values, np.float32)[-seen:]
    shown[-len(last) :] = last
    return shown.reshape(1, seen, 1)


@pytest.mark.slow
def test_the_horizon_after_the_last_row_is_forecast(exported: Folders, forecast: Predict) -> None:
    made = forecast(exported, WHOLE)

    assert made.columns.tolist() == ["ds", "sunspots", *(f"sunspots quantile {level}" for level in LEVELS)]
    assert made["ds"].tolist() == [pd.Timestamp("1991-06-01"), pd.Timestamp("1991-07-01")]
    outputs = bundle.load(exported["export"], "keras")(window(exported, VALUES))[0]  # (steps, 1 + levels)
    assert made.iloc[:, 1:].to_numpy() == pytest.approx(outputs, rel=1e-5)
    assert (np.diff(outputs[:, 1:], axis=1) > 0).all()


def test_beyond_the_horizon_forecasts_are_fed_back_and_no_quantile_is_known(
    exported: Folders, forecast: Predict
) -> None:
    network = bundle.load(exported["export"], "keras")
    known = VALUES.astype(np.float32).tolist()
    for _ in range(3):  # two at a time
        known += network(window(exported, known))[0, :, 0].tolist()

    made = forecast(exported, WHOLE, steps=5)

    assert made["ds"].tolist() == pd.date_range("1991-06-01", periods=5, freq="MS").tolist()
    assert made["sunspots"].to_numpy() == pytest.approx(known[15:20], rel=1e-4)
    for level in LEVELS:
        assert made[f"sunspots quantile {level}"].isna().tolist() == [False, False, True, True, True]


def test_a_bundle_of_an_earlier_version_forecasts_without_quantiles(
    exported: Folders, forecast: Predict, tmp_path: Path
) -> None:
    """Its network returns points, and its intervals were in a file of their own."""
    points = saved_network.read(exported["train"])
    points.save(tmp_path / "model.keras")
    signature = read_document(exported["export"] / "signature.json")
    write_document(tmp_path / "signature.json", signature | {"history": 12, "past": 12, "quantiles": None})
    write_document(tmp_path / "intervals.json", {"level": 0.9, "factors": [[1], [1]], "least": [1], "windows": 29})

    made = forecast(exported | {"export": tmp_path}, WHOLE)

    assert made.columns.tolist() == ["ds", "sunspots"]
    assert made["sunspots"].tolist() == pytest.approx(forecast(exported, WHOLE)["sunspots"].tolist(), rel=1e-5)


@pytest.mark.slow
def test_in_a_bundle_of_an_earlier_version_the_median_is_the_forecast(
    exported: Folders, forecast: Predict, tmp_path: Path
) -> None:
    network = keras.models.load_model(exported["export"] / "model.keras")
    keras.Model(network.input, network.output[..., 1:]).save(tmp_path / "model.keras")
    shutil.copy(exported["export"] / "signature.json", tmp_path)

    pd.testing.assert_frame_equal(forecast(exported | {"export": tmp_path}, WHOLE), forecast(exported, WHOLE))


def test_fewer_steps_than_the_horizon_are_its_first(exported: Folders, forecast: Predict) -> None:
    one, both = forecast(exported, WHOLE, steps=1), forecast(exported, WHOLE)

    assert len(one) == 1
    assert one.iloc[0].tolist() == both.iloc[0].tolist()


def test_only_the_last_values_count(exported: Folders, forecast: Predict) -> None:
    recent, changed = WHOLE.iloc[-12:], WHOLE.copy()
    changed.loc[14, "sunspots"] = 999

    found, of_recent, of_changed = (forecast(exported, rows) for rows in (WHOLE, recent, changed))
    assert found["sunspots"].equals(of_recent["sunspots"])
    assert not found["sunspots"].equals(of_changed["sunspots"])
    assert not found.equals(of_recent)  # the local scale sees more


def test_rows_out_of_order_are_put_in_order(exported: Folders, forecast: Predict) -> None:
    assert forecast(exported, WHOLE.iloc[::-1]).equals(forecast(exported, WHOLE))


def test_a_file_shorter_than_the_history_is_refused(exported: Folders, forecast: Predict) -> None:
    with pytest.raises(DataError, match=r"the series has 11 rows, but the model needs 12\. Add earlier rows"):
        forecast(exported, WHOLE.iloc[:11])


def test_a_file_of_another_frequency_is_refused(exported: Folders, forecast: Predict) -> None:
    days = [f"{day:%Y-%m-%d}" for day in pd.date_range("2020-01-01", periods=15)]

    with pytest.raises(DataError, match="row 3: 2020-01-02 00:00:00 is not on the grid of frequency MS"):
        forecast(exported, WHOLE.assign(month=days))


def test_gaps_are_treated_as_the_settings_say(exported: Folders, forecast: Predict) -> None:
    rows = WHOLE.drop(index=7)

    with pytest.raises(DataError, match="the first at 1990-10"):
        forecast(exported, rows)
    filling = MEANING.model_copy(update={"gaps": "interpolate"})
    assert forecast(exported, rows, filling)["ds"].iloc[0] == pd.Timestamp("1991-06-01")


@pytest.mark.slow
def test_learned_quantiles_are_returned(any_length: Folders, forecast: Predict) -> None:
    made = forecast(any_length, WHOLE)

    window = VALUES[-12:].astype(np.float32).reshape(1, 12, 1)
    by_level = bundle.load(any_length["export"], "keras")(window)[0]  # (steps, quantiles)
    for number, level in enumerate((0.1, 0.5, 0.9)):
        assert made[f"sunspots quantile {level}"].to_numpy() == pytest.approx(by_level[:, number], rel=1e-5)
    assert made["sunspots"].equals(made["sunspots quantile 0.5"].rename("sunspots"))


@pytest.mark.slow
def test_a_model_of_any_length_is_shown_as_much_as_asked(any_length: Folders, forecast: Predict) -> None:
    network = bundle.load(any_length["export"], "keras")

    for history in (5, 15):
        made = forecast(any_length, WHOLE, history=history)
        expected = network(VALUES[-history:].astype(np.float32).reshape(1, history, 1))[0, :, 1]
        assert made["sunspots"].to_numpy() == pytest.approx(expected, rel=1e-4)
    with pytest.raises(DataError, match="15 rows, but the model needs 16"):
        forecast(any_length, WHOLE, history=16)


def test_a_model_of_one_length_is_shown_no_other(exported: Folders, forecast: Predict) -> None:
    with pytest.raises(RequestError, match=r"--history 15: this model reads a fixed number of values"):
        forecast(exported, WHOLE, history=15)
    for own in (12, 37):  # of training, and that of the local scale
        assert forecast(exported, WHOLE, history=own).equals(forecast(exported, WHOLE))


NUMBERED = Ingest(time=("n",), target=("y",), series="wave", time_format="integer")
NUMBERED_CUT = Preprocess(history=3, horizon=3, validation=10, test=10, harmonics=(Harmonics(period=5),))
WAVE = np.sin(2 * np.pi * np.arange(80) / 5).round(6)
WAVES = pd.concat([pd.DataFrame({"wave": size, "n": np.arange(7, 87), "y": size * WAVE}) for size in (1, 3)])


@pytest.fixture(scope="module")
def numbered(tmp_path_factory: pytest.TempPathFactory, parity_here: None) -> Folders:
    """The run on two waves of numbered observations with its bundle."""
    root, model = tmp_path_factory.mktemp("numbered"), Linear(kind="linear", l2=1e-6)
    WAVES.to_csv(root / "rows.csv", index=False)
    return with_bundle(run_stages(root, SOURCE, NUMBERED, root / "rows.csv", NUMBERED_CUT, model, Train()), KERAS)


@pytest.mark.slow
def test_numbered_observations_go_on_counting(numbered: Folders, forecast: Predict) -> None:
    """A wave of five observations is known for any number, so it is forecast without error."""
    made = forecast(numbered, WAVES.groupby("wave").head(40), NUMBERED, NUMBERED_CUT, steps=4)

    assert made["ds"].tolist() == [47, 48, 49, 50] * 2
    assert made["y"].to_numpy() == pytest.approx(np.outer([1, 3], WAVE[40:44]).ravel(), abs=1e-3)


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
    return with_bundle(folders, KERAS)


@pytest.mark.slow
def test_each_series_is_forecast_with_its_name_and_every_target(several: Folders, forecast: Predict) -> None:
    made = forecast(several, until("2024-03-28"), SALES, SALES_CUT)

    assert made["unique_id"].tolist() == ["north"] * 3 + ["south"] * 3
    assert made["ds"].tolist() == pd.date_range("2024-03-28", periods=3).tolist() * 2
    names = [
        f"{target}{end}" for target in ("sales", "returns") for end in ("", *(f" quantile {level}" for level in LEVELS))
    ]
    assert made.columns.tolist() == ["unique_id", "ds", *names]
    assert not made.isna().any(axis=None)
    assert set(made[names].dtypes) == {np.dtype(np.float32)}


@pytest.mark.slow
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
        for name, column in (
            ("model", "sales"),
            *((f"quantile {level}", f"sales quantile {level}") for level in LEVELS),
        ):
            assert found[column].to_numpy() == pytest.approx(rows[name].to_numpy(), rel=1e-4), name


def test_all_series_are_forecast_in_one_batch_as_each_by_itself(
    several: Folders, forecast: Predict, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, batches = until("2024-03-20"), []
    early = (rows["shop"] == "south") & (rows["day"] >= "2024-03-18")
    rows.loc[early, ["sales", "returns", "price"]] = np.nan  # the series end on different days
    alone = [forecast(several, rows[rows["shop"] == shop], SALES, SALES_CUT, steps=5) for shop in ("north", "south")]
    predictor = LoadedBundle.predictor

    def counted(loaded: LoadedBundle) -> Predictor:
        model = predictor(loaded)

        def predict(inputs: Any) -> Any:
            batches.append(len(inputs))
            return model(inputs)

        return predict

    monkeypatch.setattr(LoadedBundle, "predictor", counted)

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

    with pytest.raises(DataError) as few:
        forecast(several, cut, SALES, SALES_CUT)
    with pytest.raises(
        DataError, match=r"for 6 times, 2024-03-28 to 2024-04-02, of each of 2 series, .* 6 of these 12"
    ):
        forecast(several, rows, SALES, SALES_CUT, steps=4)
    with pytest.raises(DataError) as none:
        forecast(several, rows[(rows["shop"] == "north") & (rows["day"] < "2024-03-28")], SALES, SALES_CUT)

    assert str(few.value) == (
        "the model needs 'promo' for 3 times, 2024-03-28 to 2024-03-30, of each of 2 series, and the rows hold 4 of "
        "these 6; the first missing is 2024-03-29 of series 'south'. Add rows with these columns filled and the target "
        "empty."
    )
    assert str(none.value) == (
        "the model needs 'promo' for 3 times, 2024-03-28 to 2024-03-30, and the rows hold 0 of these 3. Add rows with "
        "these columns filled and the target empty."
    )


def test_series_too_short_for_the_model_are_left_out_with_one_warning(
    several: Folders, forecast: Predict, caplog: pytest.LogCaptureFixture
) -> None:
    rows = until("2024-03-28")
    young = [rows[(rows["shop"] == "south") & (rows["day"] >= "2024-03-26")].assign(shop=f"k{at}") for at in range(7)]
    together = pd.concat([young[0], rows, *young[1:]])

    made = forecast(several, together, SALES, SALES_CUT)

    pd.testing.assert_frame_equal(made, forecast(several, rows, SALES, SALES_CUT))
    needed = read_document(several["export"] / "signature.json")["past"]
    assert [record.getMessage() for record in caplog.records] == [
        f"7 of 9 series have fewer than {needed} rows and no forecast: 'k0', 'k1', 'k2', 'k3', 'k4', …"
    ]
    with pytest.raises(DataError, match=rf"the longest of 7 series has 2 rows, but the model needs {needed}\. Add"):
        forecast(several, pd.concat(young), SALES, SALES_CUT)


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


@pytest.mark.slow
def test_a_bundle_holds_the_forecast_after_the_end_of_its_first_series(
    several: Folders, numbered: Folders, forecast: Predict
) -> None:
    assert not (several["export"] / "forecast.parquet").exists()  # it has a known column

    kept = read_table(numbered["export"] / "forecast.parquet")

    made = forecast(numbered, WAVES, NUMBERED, NUMBERED_CUT, ingested=numbered["ingest"])
    first = made.iloc[:3].drop(columns="unique_id")
    assert kept["ds"].tolist() == first["ds"].tolist()
    assert kept.columns.tolist() == first.columns.tolist()
    assert kept.iloc[:, 1:].to_numpy() == pytest.approx(first.iloc[:, 1:].to_numpy(), rel=1e-4)
