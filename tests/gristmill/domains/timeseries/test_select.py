"""Weights are chosen on held-out forecasts, never on the test set, and the network is the average."""

import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gristmill.domains.common.candidates import CandidateArtifacts, read_selection
from gristmill.domains.common.ensemble_weights import weighted_average
from gristmill.domains.common.selection import read_leaderboard
from gristmill.domains.timeseries import select as module
from gristmill.domains.timeseries.backtest import block_parts
from gristmill.domains.timeseries.data import dataset
from gristmill.domains.timeseries.fits.ensemble import held_out_forecast
from gristmill.domains.timeseries.forecasts import Forecasts, by_network, read_forecast
from gristmill.domains.timeseries.models.linear import Linear
from gristmill.domains.timeseries.models.naive import MovingAverage, Naive
from gristmill.domains.timeseries.scores.backtest_scores import read_blocks
from gristmill.domains.timeseries.select import independent_forecasts, scaled_loss, select
from gristmill.domains.timeseries.settings import Backtest
from gristmill.errors import RequestError, WorkError
from gristmill.scores import MODEL
from gristmill.settings.selection import Select
from gristmill.training import saved_network
from helpers.small_candidates import BLOCKS, CUT, SEASON, Tried, fit_candidates, waves
from helpers.small_runs import assembled

pytest_plugins = ["helpers.small_candidates"]
pytestmark = pytest.mark.usefixtures("eager")

MODELS: dict[str, Any] = {"naive": Naive(kind="naive"), "linear": Linear(kind="linear")}

Choose = Callable[..., Path]


def on_validation(candidates: Mapping[str, CandidateArtifacts]) -> dict[str, CandidateArtifacts]:
    """Return candidates of a pipeline without a backtest."""
    return {name: replace(one, backtest=()) for name, one in candidates.items()}


@pytest.fixture
def choose(tmp_path: Path) -> Choose:
    """Return a function that selects into a folder of that name and returns it."""

    def call(
        prepared: Path, candidates: Mapping[str, CandidateArtifacts], name: str = "selected", **limits: Any
    ) -> Path:
        out = tmp_path / name
        out.mkdir()
        counts = select(select=Select(**limits), preprocess=prepared, candidates=candidates, out=out)
        found = read_selection(out)
        assert found
        assert (counts["candidates"], counts["members"]) == (len(candidates), len(found["members"]))
        return out

    return call


def weights_of(folder: Path) -> dict[str, float]:
    found = read_selection(folder)
    assert found
    return {member["name"]: member["weight"] for member in found["members"]}


def losses_by_hand(part_of: list[tuple[Any, str, Any, Any]]) -> float:
    """Return the mean over times of the scaled error at each, by loops, of (series, part, origins, forecasts)."""
    by_time: dict[Any, list[float]] = {}
    for number, (data, part, starts, forecast) in enumerate(part_of):
        for row, start in enumerate(starts):
            own = int(data.series_of(np.array([start]))[0])
            first, begin = data.bounds[own, 0], data.part(part)[own, 0]
            past = data.values[first:begin, 0].astype(np.float64)
            unit = np.mean([abs(past[at] - past[at - SEASON]) for at in range(SEASON, len(past))])
            errors = [abs(forecast[row, step, 0] - data.values[start + step, 0]) for step in range(2)]
            by_time.setdefault((number, data.times[start]), []).append(float(np.mean(errors)) / unit)
    return float(np.mean([np.mean(errors) for errors in by_time.values()]))


def test_without_a_backtest_candidates_are_compared_on_validation(tried: Tried, choose: Choose) -> None:
    data, prepared, candidates = tried
    candidates = on_validation(candidates)

    out = choose(prepared, candidates)

    found, table = read_selection(out), read_leaderboard(out).set_index("candidate")
    assert found
    assert (found["on"], found["metric"]) == ("validation", "scaled error")
    starts = data.origins("validation")
    honest = {name: held_out_forecast(candidates[name].train, data) for name in candidates if name != "too_long"}
    for name, forecast in honest.items():
        assert table.loc[name, "loss"] == pytest.approx(losses_by_hand([(data, "validation", starts, forecast)]))
    together = weighted_average(honest, weights_of(out))
    assert found["loss"] == pytest.approx(losses_by_hand([(data, "validation", starts, together)]))
    assert found["loss"] <= table["loss"].min()


def test_with_a_backtest_they_are_compared_on_its_blocks(tried: Tried, choose: Choose) -> None:
    data, prepared, candidates = tried

    out = choose(prepared, candidates)

    found, table = read_selection(out), read_leaderboard(out).set_index("candidate")
    assert found
    assert found["on"] == "backtest"
    for name in ("naive", "linear", "dense"):
        blocks = read_blocks(data, candidates[name].backtest)
        rows = [(one.data, "test", one.forecasts.starts, one.forecasts.by_name[MODEL]) for one in blocks]
        assert len(rows) == 2
        assert table.loc[name, "loss"] == pytest.approx(losses_by_hand(rows), rel=1e-5)


@pytest.mark.slow
def test_networks_of_other_seeds_do_not_count(tried: Tried, choose: Choose, tmp_path: Path) -> None:
    """They forecast the same windows, and a candidate in closed form has none that differ."""
    _, prepared, candidates = tried
    chosen = {"linear": MODELS["linear"]}

    of_two = fit_candidates(tmp_path / "seeds", prepared, chosen, BLOCKS.model_copy(update={"seeds": 2}))

    first = choose(prepared, {name: candidates[name] for name in chosen}, "one")
    second = choose(prepared, of_two, "two")
    assert read_leaderboard(first).equals(read_leaderboard(second))


@pytest.mark.parametrize("blocks", [False, True], ids=["validation", "backtest"])
def test_the_network_forecasts_the_weighted_average_of_its_members(tried: Tried, choose: Choose, blocks: bool) -> None:
    data, prepared, candidates = tried
    candidates = candidates if blocks else on_validation(candidates)

    out = choose(prepared, candidates)

    weights, starts = weights_of(out), data.origins("test")
    assert len(weights) > 1
    assert sum(weights.values()) == pytest.approx(1)
    members = {name: saved_network.read(candidates[name].train) for name in weights}
    each = {name: by_network(network, data.seen_by(network), starts, once=True) for name, network in members.items()}
    network = saved_network.read(out)
    assert by_network(network, data.seen_by(network), starts, once=True) == pytest.approx(
        weighted_average(each, weights), rel=1e-5
    )
    honest = {name: held_out_forecast(candidates[name].train, data) for name in weights}
    kept = read_forecast(out / "validation.parquet", (len(data.origins("validation")), 2, 1))
    assert kept == pytest.approx(weighted_average(honest, weights))


@pytest.mark.parametrize("blocks", [False, True], ids=["validation", "backtest"])
def test_no_byte_changes_with_the_values_of_the_test_set(
    tried: Tried, choose: Choose, tmp_path: Path, blocks: bool
) -> None:
    data, prepared, candidates = tried
    candidates = candidates if blocks else on_validation(candidates)
    other = tmp_path / "permuted"
    shutil.copytree(prepared, other)
    values = data.values.copy()
    for begin, end in data.part("test"):
        values[begin:end] = np.random.default_rng(1).permutation(values[begin:end])
    dataset.write(replace(data, values=values), other)

    first, second = choose(prepared, candidates, "first"), choose(other, candidates, "second")

    assert not np.array_equal(values, data.values)
    made = {path.name: path.read_bytes() for path in first.iterdir()}
    assert {path.name: path.read_bytes() for path in second.iterdir()} == made
    assert {"architecture.json", "weights.npz", "selection.json", "leaderboard.parquet", "training.json"} < set(made)


def test_a_candidate_that_failed_is_listed_last_with_the_reason(tried: Tried, choose: Choose) -> None:
    out = choose(tried.prepared, tried.candidates)

    last = read_leaderboard(out).iloc[-1]
    assert last["candidate"] == "too_long"
    assert last["failed"] == "needs 500 observations in the training set; the longest series has 54"
    assert np.isnan(last["loss"])
    assert last["weight"] == 0


def test_a_candidate_that_failed_in_one_block_is_out(tried: Tried, choose: Choose) -> None:
    _, prepared, candidates = tried
    one_block = (candidates["linear"].backtest[0], candidates["too_long"].backtest[1])

    out = choose(prepared, candidates | {"linear": replace(candidates["linear"], backtest=one_block)})

    assert "linear" not in weights_of(out)
    assert read_leaderboard(out).set_index("candidate").loc["linear", "failed"].startswith("needs 500 observations")


def test_if_all_failed_there_is_an_error_with_every_reason(tried: Tried, choose: Choose) -> None:
    _, prepared, candidates = tried

    with pytest.raises(WorkError, match=r"no candidate is left to select\. too_long: needs 500 observations"):
        choose(prepared, {"too_long": candidates["too_long"]})


def test_without_backtest_and_validation_there_is_nothing_to_choose_on(choose: Choose, tmp_path: Path) -> None:
    (tmp_path / "prepared").mkdir()
    dataset.write(assembled(*waves(), validation=0, **CUT), tmp_path / "prepared")
    candidates = fit_candidates(tmp_path, tmp_path / "prepared", {"naive": MODELS["naive"]})

    with pytest.raises(RequestError, match=r"Set backtest\.windows or preprocess\.validation\."):
        choose(tmp_path / "prepared", candidates)


def test_a_single_forecast_is_not_enough_to_choose_on(choose: Choose, tmp_path: Path) -> None:
    (tmp_path / "prepared").mkdir()
    dataset.write(assembled(waves()[0], validation=2, **CUT), tmp_path / "prepared")
    candidates = fit_candidates(tmp_path, tmp_path / "prepared", MODELS)

    with pytest.raises(RequestError) as raised:
        choose(tmp_path / "prepared", candidates)
    assert str(raised.value) == (
        "candidates must be compared on at least 2 predictions. Found in the validation set: 1. "
        "Increase preprocess.validation or backtest.windows."
    )


@pytest.mark.slow
def test_a_backtest_alone_is_enough(choose: Choose, tmp_path: Path) -> None:
    (tmp_path / "prepared").mkdir()
    dataset.write(assembled(*waves(), validation=0, **CUT), tmp_path / "prepared")

    out = choose(tmp_path / "prepared", fit_candidates(tmp_path, tmp_path / "prepared", MODELS, BLOCKS))

    assert not (out / "validation.parquet").exists()
    assert set(weights_of(out)) <= set(MODELS)


def test_one_member_at_most_is_the_best_candidate_itself(tried: Tried, choose: Choose) -> None:
    _, prepared, candidates = tried

    out = choose(prepared, candidates, max_members=1)

    best = read_leaderboard(out)["candidate"].iloc[0]
    assert weights_of(out) == {best: 1.0}
    assert (out / "weights.npz").read_bytes() == (candidates[best].train / "weights.npz").read_bytes()


def test_what_is_too_large_or_too_slow_is_not_exported(
    tried: Tried, choose: Choose, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, prepared, candidates = tried
    sizes = {
        name: (one.train / "weights.npz").stat().st_size / 1e6 for name, one in candidates.items() if name != "too_long"
    }
    timed: list[str] = []

    def forecast_one(folder: Path, data: Any) -> Any:
        timed.append(folder.name)
        return lambda: None

    monkeypatch.setattr(module, "_forecast_one", forecast_one)
    monkeypatch.setattr("gristmill.domains.common.selection.fastest", lambda call: 0.003)

    small = choose(prepared, candidates, "small", max_size=sizes["naive"])
    assert sum(sizes[name] for name in weights_of(small)) <= sizes["naive"]
    assert timed == []  # no limit of time was set
    fast = choose(prepared, candidates, "fast", max_latency=6.5)
    assert len(weights_of(fast)) <= 2
    assert len(timed) == len(set(timed)) > 0  # each once
    with pytest.raises(WorkError, match=r"naive, .*: a prediction takes 3 ms, more than select\.max_latency = 1;"):
        choose(prepared, candidates, "slow", max_latency=1.0)


def test_the_time_of_a_forecast_is_measured_on_the_training_set(tried: Tried, monkeypatch: pytest.MonkeyPatch) -> None:
    data, _, candidates = tried
    read: list[int] = []
    monkeypatch.setattr(module, "by_network", lambda network, data, starts: read.extend(starts))

    module._forecast_one(candidates["linear"].train, data)()
    assert len(read) == 1
    assert set(read) <= set(data.origins("train"))


def test_a_series_that_never_moved_counts_in_its_own_units() -> None:
    values = np.r_[np.full(60, 5.0), np.arange(20.0)]
    flat = assembled(values, history=4, validation=10, test=10)
    starts = flat.origins("validation")
    truth = flat.targets(starts).astype(np.float64)

    loss = scaled_loss([(flat, "validation", Forecasts(starts, truth))])

    assert loss(truth + 2) == pytest.approx(np.full(len(starts), 2.0))


def test_each_series_counts_alike_if_they_are_split_per_series() -> None:
    """The first series has two windows, one of them in an earlier block; the third never moved, so it has no scale."""
    cut = {"history": 4, "horizon": 2, "season": 1, "test": 2, "split": "per_series"}
    lines = [np.arange(30.0), 10 * np.arange(12.0), np.full(30, 7.0)]
    data = assembled(*lines, **cut)
    blocks = [data.cut_at(block_parts(data, Backtest(windows=2), window, with_validation=False)) for window in (0, 1)]
    items = []
    for block in blocks:
        starts = block.origins("test")
        items.append((block, "test", Forecasts(starts, block.targets(starts).astype(np.float64))))
    owners = [block.series_of(forecasts.starts).tolist() for block, _, forecasts in items]
    truth = np.concatenate([forecasts.truth for *_, forecasts in items])

    errors = np.array([3.0, 20.0, 400.0, 5.0, 400.0])[:, np.newaxis, np.newaxis]  # of windows
    losses = scaled_loss(items)(truth + errors)

    assert owners == [[0, 1, 2], [0, 2]]
    assert losses == pytest.approx([4.0, 2.0])  # mean of 3 and 5, and 20 in units of 10


def test_series_are_compared_one_by_one_if_all_are_forecast_at_one_time() -> None:
    data = assembled(np.arange(30.0), 10 * np.arange(30.0), horizon=2, validation=2, test=2, season=1)
    starts = data.origins("validation")
    truth = data.targets(starts).astype(np.float64)

    losses = scaled_loss([(data, "validation", Forecasts(starts, truth))])(truth + 5)

    assert losses == pytest.approx([5.0, 0.5])


@pytest.mark.parametrize(("horizon", "stride", "count"), [(2, 1, 6), (12, 1, 1), (3, 3, 4), (3, 5, 2)])
def test_forecasts_that_share_no_observation_are_counted_in_the_longest_series(
    horizon: int, stride: int, count: int
) -> None:
    data = assembled(*waves(), validation=12, **CUT | {"horizon": horizon, "stride": stride})
    starts = data.origins("validation")
    kept: list[tuple[int, int]] = []
    for start in starts:
        owner = int(data.series_of(np.array([start]))[0])
        if all(one != owner or start >= other + horizon for one, other in kept):
            kept.append((owner, int(start)))

    found = independent_forecasts(data, Forecasts(starts, data.targets(starts).astype(np.float64)))

    assert found == max(Counter(owner for owner, _ in kept).values()) == count


@pytest.mark.parametrize(("count", "trusted"), [(1, set()), (2, {"boosted_trees"})])
def test_trees_are_trusted_if_there_are_several_series(
    count: int, trusted: set[str], choose: Choose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[set[str]] = []

    def kept(*arguments: Any, **named: Any) -> Any:
        given.append(set(named["trusted"]))
        return weigh(*arguments, **named)

    weigh = module.choose
    monkeypatch.setattr(module, "choose", kept)
    (tmp_path / "prepared").mkdir()
    dataset.write(assembled(*waves()[:count], validation=24, **CUT), tmp_path / "prepared")

    choose(tmp_path / "prepared", fit_candidates(tmp_path, tmp_path / "prepared", {"naive": MODELS["naive"]}))

    assert given == [{"ets", "theta", "tsb"} | trusted]


def test_series_with_many_zeros_are_compared_by_squared_errors(choose: Choose, tmp_path: Path) -> None:
    """Of a series of mostly zeros, whose mean has larger absolute errors than 0."""
    (tmp_path / "prepared").mkdir()
    demand = np.where(np.random.default_rng(0).random(90) < 0.25, 4.0, 0.0)
    dataset.write(assembled(demand, validation=24, **CUT), tmp_path / "prepared")
    models = {"naive": MODELS["naive"], "mean": MovingAverage(kind="moving_average", length=40)}

    fitted = fit_candidates(tmp_path, tmp_path / "prepared", models)
    out = choose(tmp_path / "prepared", fitted)

    data = dataset.read(tmp_path / "prepared")
    past = demand[: data.part("validation")[0, 0]]
    unit = np.mean(np.square(past[SEASON:] - past[:-SEASON]))
    table = read_leaderboard(out).set_index("candidate")
    for name in models:
        errors = held_out_forecast(fitted[name].train, data) - data.targets(data.origins("validation"))
        assert table.loc[name, "loss"] == pytest.approx(np.mean(np.square(errors)) / unit, rel=1e-5)
    assert table["loss"].idxmin() == "mean"
    found = read_selection(out)
    assert found
    assert found["metric"] == "squared scaled error"
