"""What is new in a series, how the champion would have forecast it, and who forecasts it best."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gristmill.config.candidates import candidates_of
from gristmill.config.catalogue import load
from gristmill.domains.timeseries.models.linear import Linear
from gristmill.domains.timeseries.retraining import RETRAINING
from gristmill.domains.timeseries.settings import Evaluate, Ingest, Preprocess, Train
from gristmill.errors import RequestError
from gristmill.retraining.gate import judge_contest
from gristmill.runs.retraining_record import CHALLENGER, CHAMPION, Champion, DataChanges
from gristmill.scores import Scores
from gristmill.settings.schedule import Gate
from gristmill.sources.tables.csv import Csv
from gristmill.training import saved_network
from gristmill.util.table_io import read_document, read_table, write_table
from helpers.small_runs import (
    CUT,
    KERAS,
    MEANING,
    SAMPLE,
    Folders,
    run_stages,
    table_of,
    with_bundle,
    write_ingested,
)

pytest_plugins = ["helpers.small_runs", "helpers.end_to_end"]
pytestmark = pytest.mark.usefixtures("loaded_once", "eager")

TABLES: dict[str, Any] = {"preprocess": CUT}
NAIVE = Evaluate.model_validate({"baselines": ["naive"]})


def ingested(folder: Path, *series: Any, **shape: Any) -> Path:
    folder.mkdir()
    write_ingested(folder, table_of(*series, **shape))
    return folder


def later(root: Path, months: int, cut: Preprocess = CUT) -> Folders:
    """Return the folders of a run on so many months of sunspots."""
    pd.read_csv(SAMPLE).head(months).to_csv(root / "series.csv", index=False)
    source, file = Csv(kind="csv", path="series.csv"), root / "series.csv"
    return run_stages(root, source, MEANING, file, cut, Linear(kind="linear"), Train(), None, NAIVE)


def ingested_months(root: Path, months: int, change: Any = None) -> Path:
    """Return the folder of so many months of sunspots, changed and ingested."""
    values = pd.read_csv(SAMPLE)["sunspots"].head(months)
    root.mkdir()
    table = table_of((values if change is None else change(values)).to_numpy(), names="sunspots")
    write_ingested(root, table.assign(unique_id="sunspots", ds=pd.date_range("1749-01-01", periods=months, freq="MS")))
    return root


def ingested_shops(root: Path, sales: dict[str, Any]) -> Path:
    """Return the folder of ingested sales of shops day by day."""
    root.mkdir()
    frames = [
        pd.DataFrame({"unique_id": shop, "ds": pd.date_range("2024-01-01", periods=len(sold)), "sales": sold})
        for shop, sold in sales.items()
    ]
    write_ingested(root, pd.concat(frames, ignore_index=True).assign(filled=False), frequency="D")
    return root


def shops(root: Path, sales: dict[str, Any], cut: Preprocess) -> Folders:
    """Return the folders of a run on what shops sold day by day."""
    root.mkdir()
    frames = [
        pd.DataFrame({"shop": shop, "day": pd.date_range("2024-01-01", periods=len(sold)).date, "sales": sold})
        for shop, sold in sales.items()
    ]
    pd.concat(frames).to_csv(root / "rows.csv", index=False)
    source, meaning = Csv(kind="csv", path="rows.csv"), Ingest(time=("day",), target=("sales",), series="shop")
    return run_stages(root, source, meaning, root / "rows.csv", cut, Linear(kind="linear"), Train(), None, NAIVE)


NOISE = dict(
    zip(("large", "small"), (np.random.default_rng(1).normal(size=(2, 240)) + 9) * [[1_000], [1]], strict=True)
)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, parity_here: None) -> Champion:
    """The champion of a run on the first 220 days of two shops, whose model sees 20 days."""
    cut = Preprocess(history=20, validation=20, test=20)
    run = shops(tmp_path_factory.mktemp("served") / "run", {shop: sold[:220] for shop, sold in NOISE.items()}, cut)
    return Champion(with_bundle(run, KERAS), {"preprocess": cut})


def test_without_earlier_data_everything_is_new(tmp_path: Path) -> None:
    found = RETRAINING.new_rows(ingested(tmp_path / "now", np.arange(9), np.arange(4), starts=(0, 7)), None)
    assert (found.later, found.rows, str(found)) == (11, 11, "11 new")


@pytest.mark.fault(23)
def test_rows_are_counted_that_came_or_changed(tmp_path: Path) -> None:
    before = ingested(tmp_path / "before", np.arange(1.0, 11), np.arange(5.0), starts=(0, 2))
    one, other = np.arange(1.0, 13), np.arange(6.0)  # two months more; one month more, before the other's end
    one[[3, 4, 5]] = 0

    found = RETRAINING.new_rows(ingested(tmp_path / "now", one, other, starts=(0, 2)), before)

    assert found == DataChanges(later=2, late=1, revised=3)
    assert str(found) == "2 new, 1 late, 3 revised"
    same = RETRAINING.new_rows(before, before)
    assert (same.rows, str(same)) == (0, "nothing")
    assert RETRAINING.new_rows(before, tmp_path / "now").removed == 1 + 2
    rows = RETRAINING.diff(tmp_path / "now", before)
    assert rows.index.value_counts().to_dict() == {"changed": 3, "added": 3}
    assert list(rows) == ["ds", "unique_id", "y", "y before"]
    assert rows.loc["changed", ["y", "y before"]].to_numpy().tolist() == [[0, 4], [0, 5], [0, 6]]
    assert RETRAINING.diff(before, before).empty


def test_a_filled_value_is_no_row_and_numbers_are_no_dates(tmp_path: Path) -> None:
    before, now = tmp_path / "before", tmp_path / "now"
    for folder, filled in ((before, True), (now, False)):
        folder.mkdir()
        table = table_of(np.arange(10))
        write_ingested(folder, table.assign(filled=(table.index == 4) & filled))
    (tmp_path / "numbers").mkdir()
    write_ingested(tmp_path / "numbers", table_of(np.arange(10)).assign(ds=np.arange(10)))

    assert RETRAINING.diff(now, before).index.tolist() == ["added"]
    assert RETRAINING.diff(tmp_path / "numbers", before).index.value_counts().to_dict() == {"added": 10, "lost": 9}


@pytest.mark.fault(23)
def test_a_series_that_ends_earlier_is_news(tmp_path: Path) -> None:
    before, now = ingested(tmp_path / "before", np.arange(10)), ingested(tmp_path / "now", np.arange(8))
    assert RETRAINING.new_rows(now, before) == DataChanges(later=0, removed=2)


def test_series_that_are_new_or_that_end_before_the_others_are_named(tmp_path: Path) -> None:
    lengths = {"before": [20, 20, 18, 10], "now": [30, 22, 28, 10, *[5] * 6]}  # the fourth ended long ago
    before, now = (ingested(tmp_path / name, *map(np.arange, each)) for name, each in lengths.items())

    found = RETRAINING.new_rows(now, before)

    assert found.added_series == ", ".join(f"'series {at}'" for at in range(4, 9)) + " and 1 others"
    assert str(found).endswith(" and 1 others; series without the newest rows: 'series 1')")


def test_numbers_in_place_of_dates_cannot_be_compared(tmp_path: Path) -> None:
    before = ingested(tmp_path / "before", np.arange(10))
    (tmp_path / "now").mkdir()
    write_ingested(tmp_path / "now", table_of(np.arange(10)).assign(ds=np.arange(10)))

    with pytest.raises(RequestError) as raised:
        RETRAINING.new_rows(tmp_path / "now", before)

    assert str(raised.value) == (
        "the times of the data changed from dates to numbers, or from numbers to dates: champion and challenger "
        "cannot be compared. Run the pipeline, look at its scores, and promote that run: gristmill promote NAME."
    )


def test_the_champion_forecasts_what_came_since_as_it_would_have_then(exported: Folders, tmp_path: Path) -> None:
    found = RETRAINING.drift(
        ingested_months(tmp_path / "now", 230), Champion(exported, TABLES)
    )  # the champion has seen 200

    frame = pd.read_csv(SAMPLE)["sunspots"].to_numpy(np.float32)
    starts = np.arange(200, 229)
    windows = frame[starts[:, np.newaxis] + np.arange(-12, 0)][..., np.newaxis]
    made = np.asarray(saved_network.read(exported["train"])(windows))[..., 0]
    truth = frame[starts[:, np.newaxis] + np.arange(2)]
    unit = frame[:200].std()
    before = read_table(exported["evaluate"] / "predictions.parquet")  # 29 windows of validation and of test
    first_steps = before[before["step"] == 1]
    assert found.errors is not None
    assert found.errors.count == 29
    assert found.errors.mean == pytest.approx(np.abs(made - truth)[:, 0].mean() / unit, rel=1e-4)
    assert found.errors.mean_before == pytest.approx((first_steps["y"] - first_steps["model"]).abs().mean() / unit)
    assert [(column.name, column.test) for column in found.inputs] == [
        ("sunspots", "spread of the last 24 (z statistic)")
    ]
    assert not found.alarms


def test_a_level_shift_is_an_alarm(exported: Folders, tmp_path: Path) -> None:
    def shifted(values: pd.Series) -> pd.Series:
        return values + 300.0 * (values.index >= 200)

    found = RETRAINING.drift(ingested_months(tmp_path / "now", 206, shifted), Champion(exported, TABLES))

    assert found.inputs[0].alarm
    assert len(found.alarms) >= 1


def test_before_a_whole_horizon_has_come_there_is_no_error_but_an_input(exported: Folders, tmp_path: Path) -> None:
    found = RETRAINING.drift(ingested_months(tmp_path / "now", 201), Champion(exported, TABLES))
    assert found.errors is None
    assert len(found.inputs) == 1


@pytest.mark.slow
def test_all_are_judged_on_the_same_new_windows(exported: Folders, tmp_path: Path) -> None:
    gate = Gate(window=25)
    own_ends = TABLES | {"gate": gate, "preprocess": CUT.model_copy(update={"split": "per_series"})}
    assert RETRAINING.overrides(TABLES | {"gate": gate}) == ["preprocess.test=25", "export.refit=true"]
    assert RETRAINING.overrides(own_ends) == [
        "preprocess.test=25",
        "preprocess.split=time_short",
        "export.refit=true",
    ]
    challenger = later(tmp_path, 230, CUT.model_copy(update={"test": gate.window}))

    found = RETRAINING.contest(challenger, Champion(exported, TABLES))

    frame = pd.read_csv(SAMPLE)["sunspots"].to_numpy(np.float32)
    starts = np.arange(205, 229)
    truth = frame[starts[:, np.newaxis] + np.arange(2)]
    windows = frame[starts[:, np.newaxis] + np.arange(-12, 0)][..., np.newaxis]
    assert (found.metric, found.block) == ("mae", 2)
    for name, folder in ((CHAMPION, exported), (CHALLENGER, challenger)):
        made = np.asarray(saved_network.read(folder["train"])(windows))[..., 0]
        assert found.errors[name] == pytest.approx(np.abs(made - truth).mean(axis=1), rel=1e-5)
    assert found.errors["naive"] == pytest.approx(np.abs(frame[starts - 1, np.newaxis] - truth).mean(axis=1))
    scores = read_document(challenger["evaluate"] / "scores.json")
    assert found.errors[CHALLENGER].mean() == pytest.approx(scores["model"]["test"]["mae"])
    assert set(found.errors) == {CHAMPION, CHALLENGER, *scores["baselines"]}


def test_without_a_champion_the_challenger_stands_beside_the_baselines(solved: Folders) -> None:
    found = RETRAINING.contest(solved, None)
    assert CHAMPION not in found.errors
    assert {CHALLENGER, "naive"} < set(found.errors)


@pytest.mark.slow
def test_a_champion_that_sees_more_history_is_judged_where_it_has_it(exported: Folders, tmp_path: Path) -> None:
    cut = Preprocess(history=12, horizon=2, validation=30, test=195)
    challenger = later(tmp_path, 230, cut.model_copy(update={"history": 3, "validation": 10}))

    found = RETRAINING.contest(challenger, Champion(exported, TABLES))

    assert {len(errors) for errors in found.errors.values()} == {229 - 35}
    assert not any(np.isnan(errors).any() for errors in found.errors.values())


@pytest.mark.slow
def test_another_horizon_cannot_be_compared(exported: Folders, tmp_path: Path) -> None:
    challenger = later(tmp_path, 230, CUT.model_copy(update={"horizon": 3}))
    with pytest.raises(
        RequestError, match=r"^the champion forecasts 2 steps, the challenger 3: champion and challenger"
    ):
        RETRAINING.contest(challenger, Champion(exported, TABLES))


def test_other_columns_cannot_be_compared(exported: Folders, tmp_path: Path) -> None:
    now = ingested(tmp_path / "now", np.arange(230.0))
    with pytest.raises(RequestError, match=r"^the champion's targets are \['sunspots'\], those of the data \['y'\]: "):
        RETRAINING.drift(now, Champion(exported, TABLES))


@pytest.mark.slow
@pytest.mark.parametrize(("season", "lag"), [(0, 1), (7, 7)])
def test_series_of_different_scale_are_judged_in_their_own_units(
    season: int, lag: int, tmp_path: Path, served: Champion
) -> None:
    random = np.random.default_rng(0)
    walks = {shop: random.normal(size=80).cumsum() * scale for shop, scale in (("large", 1_000), ("small", 1))}

    challenger = shops(tmp_path / "now", walks, Preprocess(history=7, validation=10, test=15, season=season))
    found = RETRAINING.contest(challenger, served)

    assert found.metric == "mase"
    assert {len(errors) for errors in found.errors.values()} == {15}  # one for each day, the mean of both shops
    rows = read_table(challenger["evaluate"] / "predictions.parquet").query("part == 'test'")
    unit = {shop: np.abs(walk[lag:65] - walk[: 65 - lag]).mean() for shop, walk in walks.items()}
    scaled = (rows["y"] - rows["naive"]).abs() / rows["unique_id"].map(unit)
    assert found.errors["naive"] == pytest.approx(scaled.groupby(rows["ds"]).mean().to_numpy(), rel=1e-4)
    assert found.score(CHALLENGER) == pytest.approx(Scores.read(challenger["evaluate"]).test)


@pytest.mark.slow
def test_series_of_unequal_length_differ_from_a_baseline_as_the_scores_do(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    walks = {shop: random.normal(size=80).cumsum() for shop in "abcd"} | {"e": np.full(80, np.nan)}
    for shop, end in (("b", 70), ("c", 70), ("d", 70)):
        walks[shop][end:] = np.nan
    walks["e"][20:60] = random.normal(size=40).cumsum()
    cut = Preprocess(history=4, horizon=3, stride=3, validation=12, test=18)

    for split, block in (("time", 1), ("per_series", 3)):
        challenger = shops(tmp_path / split, walks, cut.model_copy(update={"split": split}))
        found, scores = RETRAINING.contest(challenger, None), Scores.read(challenger["evaluate"])

        expected = scores.test - scores.baselines["naive"]["test"][scores.metric]
        assert found.differences(CHALLENGER, "naive").mean() == pytest.approx(expected)
        assert found.block == block


@pytest.mark.slow
@pytest.mark.parametrize(("names", "metric"), [(("one",), "rmse"), (("one", "large"), "rmsse")])
def test_sparse_series_are_judged_by_squared_errors_like_the_run(
    names: tuple[str, ...], metric: str, tmp_path: Path, served: Champion
) -> None:
    random = np.random.default_rng(0)
    sales = {
        shop: np.where(random.random(80) < 0.3, random.poisson(4.0, 80) + 1.0, 0.0) * scale
        for shop, scale in (("one", 1), ("large", 100))
        if shop in names
    }

    challenger = shops(tmp_path / "now", sales, Preprocess(history=7, validation=10, test=15, season=7))
    found = RETRAINING.contest(challenger, served)

    scores = Scores.read(challenger["evaluate"])
    assert (found.metric, found.root, scores.metric) == (metric, True, metric)
    rows = read_table(challenger["evaluate"] / "predictions.parquet").query("part == 'test'")
    unit = {shop: np.square(sold[7:65] - sold[:58]).mean() for shop, sold in sales.items()}
    scaled = (rows["y"] - rows["model"]) ** 2 / (rows["unique_id"].map(unit) if metric == "rmsse" else 1.0)
    assert found.errors[CHALLENGER] == pytest.approx(scaled.groupby(rows["ds"]).mean().to_numpy(), rel=1e-4)
    assert found.score(CHALLENGER) == pytest.approx(scores.test)
    assert found.score("naive") == pytest.approx(scores.baselines["naive"]["test"][metric])


@pytest.mark.slow
def test_the_mean_of_sparse_series_is_promoted_over_zero(tmp_path: Path) -> None:
    """The absolute error is smallest for a forecast of 0, which says nothing about the demand."""
    sold = np.tile([0.0, 0.0, 0.0, 4.0], 20)
    challenger = shops(tmp_path / "now", {"one": sold}, Preprocess(history=4, validation=12, test=24))
    file = challenger["evaluate"] / "predictions.parquet"
    rows = read_table(file)
    write_table(file, rows.assign(model=1.0, naive=0.0))

    found = RETRAINING.contest(challenger, None)

    judged = judge_contest(found, Gate(), "naive")
    assert judged.scores[CHALLENGER] == pytest.approx(np.sqrt((3 * 1 + 9) / 4))
    assert judged.scores["naive"] == pytest.approx(2.0)
    assert judged.promoted


@pytest.mark.parametrize("preset", ["quick", "good", "best"])
@pytest.mark.parametrize("split", ["time", "per_series"])
def test_a_retraining_has_the_candidates_of_a_run(split: str, preset: str, tmp_path: Path) -> None:
    (tmp_path / "pipelines.toml").write_text(f"""
[pipelines.shop]
domain = "timeseries"
source = {{ kind = "csv", path = "series.csv" }}
ingest = {{ time = "day", target = "sales", series = "shop" }}
preprocess = {{ history = 8, horizon = 4, split = "{split}", test = 4 }}
model = {{ kind = "auto", preset = "{preset}" }}
""")
    run = load(tmp_path).pipeline("shop")
    challenger = load(tmp_path, {"shop": RETRAINING.overrides(run.tables)}).pipeline("shop")

    candidates = [
        [(one.name, one.tables["model"], one.tables["train"]) for one in candidates_of("timeseries", each.tables)]
        for each in (run, challenger)
    ]

    assert candidates[0] == candidates[1]


@pytest.mark.slow
def test_short_series_are_split_at_the_same_times_and_forecast(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    sales = {"long": random.normal(size=60), "short": random.normal(size=12)}
    sales["short"] = np.concatenate([np.full(48, np.nan), sales["short"]])
    cut = Preprocess(history=20, validation=5, test=10, split="time_short")

    run = shops(tmp_path / "now", sales, cut)

    rows = read_table(run["evaluate"] / "predictions.parquet").query("part == 'test'")
    days = {shop: set(own["ds"]) for shop, own in rows.groupby("unique_id")}
    assert len(days["long"]) == 10
    assert days["short"] == days["long"]


@pytest.mark.slow
def test_a_shift_of_any_series_is_an_alarm(tmp_path: Path, served: Champion) -> None:
    assert not RETRAINING.drift(ingested_shops(tmp_path / "calm", NOISE), served).alarms
    for shop, sold in NOISE.items():
        shifted = np.where(np.arange(240) < 220, sold, sold + 12 * sold[:220].std())
        found = RETRAINING.drift(ingested_shops(tmp_path / shop, NOISE | {shop: shifted}), served)
        assert [column.alarm for column in found.inputs] == [True], shop


@pytest.mark.slow
def test_a_champion_that_sees_more_history_than_there_is_cannot_be_judged(tmp_path: Path, served: Champion) -> None:
    random = np.random.default_rng(0)
    short = {shop: random.normal(size=18) for shop in "cd"}
    challenger = shops(tmp_path / "now", short, Preprocess(history=2, validation=3, test=3))

    with pytest.raises(RequestError, match=r"^no forecast of the judging window has a history as long as the champion"):
        RETRAINING.contest(challenger, served)


@pytest.mark.slow
@pytest.mark.fault(34)
def test_a_forecast_that_is_no_number_is_not_left_out_of_the_mean_over_series(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    walks = {shop: random.normal(size=80).cumsum() for shop in ("one", "other")}
    challenger = shops(tmp_path / "now", walks, Preprocess(history=5, validation=10, test=15))
    file = challenger["evaluate"] / "predictions.parquet"
    rows = read_table(file)
    rows.loc[rows[(rows["part"] == "test") & (rows["unique_id"] == "one")].index[3], "naive"] = np.nan
    write_table(file, rows)

    found = RETRAINING.contest(challenger, None)

    assert not np.isfinite(found.errors["naive"]).all()
    assert np.isfinite(found.errors[CHALLENGER]).all()
