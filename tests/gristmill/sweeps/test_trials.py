"""Sweeps: what they try, every mistake of every point at once, and who stands where on the leaderboard."""

import math
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from gristmill.config.catalogue import load
from gristmill.errors import RequestError
from gristmill.scores import Headline, Scores
from gristmill.settings.kinds import kinds
from gristmill.settings.selection import Sweep
from gristmill.store.store import Store
from gristmill.sweeps.result import LeaderboardEntry, SweepResult, find_leaders, leaderboard
from gristmill.sweeps.trials import SweepPoint, Trial, TrialScores, point_assignments, sweep_trials
from helpers.support import unnumbered

ROOT = Path(__file__).parents[3]
SWEPT = [name for name, pipeline in load(ROOT).pipelines.items() if pipeline.sweep]


def trials(project: Path, sweep: str, *overrides: str) -> list[Trial]:
    """The trials of the small pipeline with a sweep of these lines of TOML."""
    with (project / "pipelines.toml").open("a") as file:
        file.write(f"\n[pipelines.small.sweep]\n{sweep}\n")
    return sweep_trials(load(project, {"small": overrides}), "small", overrides)


def refusal(project: Path, sweep: str, *overrides: str) -> list[str]:
    """The mistakes that a sweep has."""
    with pytest.raises(RequestError) as refused:
        trials(project, sweep, *overrides)
    return unnumbered(refused.value).splitlines()


def outcome(validation: float | None, test: float = 1.0, higher: bool = False) -> TrialScores:
    """What a trial came to, by its scores."""
    scores = Scores(
        headline=Headline(metric="score", model=test, baseline=0.5, higher_is_better=higher),
        best_baseline="naive",
        model={"validation": {"score": validation}, "test": {"score": test}},
    )
    return TrialScores(scores, 2.0, 1234)


def backtested(mean: float) -> TrialScores:
    """What a trial came to that was judged in a backtest."""
    found = outcome(None)
    blocks = {"forecasters": {"model": {"score": {"mean": mean}}}}
    scores = found.scores.model_copy(update={"model": {"test": {"score": 1.0}}, "backtest": blocks})
    return TrialScores(scores, found.seconds, found.parameters)


def places(project: Path, *tried: Sequence[TrialScores | None]) -> list[LeaderboardEntry]:
    """The leaderboard of points `a`, `b`, … with what each of their seeds came to."""
    pipeline = load(project).pipeline("small")
    points = [SweepPoint((f'model.name="{name}"',), pipeline, name) for name in "abcdefg"[: len(tried)]]
    pairs = [
        (Trial(point, seed), one)
        for point, outcomes in zip(points, tried, strict=True)
        for seed, one in enumerate(outcomes, 42)
    ]
    return leaderboard(pairs)


def swept(project: Path, entries: list[LeaderboardEntry]) -> SweepResult:
    """The result of a sweep with these points."""
    return SweepResult("small", "A & B", entries, Store(project / "store"))


def names(found: list[LeaderboardEntry]) -> list[str]:
    """The points from the best on."""
    return [place.point.label for place in found]


def test_each_point_is_tried_with_each_seed(project: Path) -> None:
    found = trials(project, "seeds = 2\nmodel = [{ kind = 'linear' }, { kind = 'dense', units = [3] }]")
    assert [(trial.pipeline.values()["model"]["kind"], trial.seed) for trial in found] == [
        ("linear", 42),
        ("linear", 43),
        ("dense", 42),
        ("dense", 43),
    ]
    assert [trial.pipeline.values()["train"]["seed"] for trial in found] == [42, 43, 42, 43]
    assert found[3].assignments == ['model={ kind = "dense", units = [3] }', "train.seed=43"]


def test_the_assignments_of_a_trial_give_its_settings(project: Path) -> None:
    shared = ["train.epochs=3", "preprocess.history=8"]
    for trial in trials(project, "seeds = 2\npreprocess.history = [6, 12]\ntrain.loss = ['mse', 'mae']", *shared):
        made = load(project, {"small": [*shared, *trial.assignments]}).pipeline("small")
        assert made.values() == trial.pipeline.values()
        assert made.values()["train"]["epochs"] == 3


def test_seeds_are_counted_from_that_of_the_settings(project: Path) -> None:
    found = trials(project, "seeds = 2\ntrain.seed = [7, 70]", "train.seed=1")
    assert [trial.seed for trial in found] == [7, 8, 70, 71]


def test_a_point_that_comes_twice_is_tried_once(project: Path) -> None:
    assert len(trials(project, "train.epochs = [3, 4, 3]")) == 2


@pytest.mark.parametrize(
    ("sweep", "labels"),
    [
        ("preprocess.validation = [40]\ntrain.epochs = [3, 4]", ["train.epochs=3", "train.epochs=4"]),
        ("preprocess.validation = [40]\ntrain.epochs = [3]", ["preprocess.validation=40, train.epochs=3"]),
        ("points = [{}, { train = { epochs = 3 } }]", ["unchanged", "train.epochs=3"]),
    ],
)
def test_a_label_tells_what_sets_a_point_apart_from_the_others(project: Path, sweep: str, labels: list[str]) -> None:
    assert [trial.point.label for trial in trials(project, sweep)] == labels


def test_a_pipeline_without_a_sweep_has_nothing_to_try(project: Path) -> None:
    with pytest.raises(RequestError) as refused:
        sweep_trials(load(project), "small", [])
    assert unnumbered(refused.value) == (
        "[pipelines.small.sweep] is missing, so there is nothing to try. "
        "Name settings and what to try, such as: model.units = [[128], [512]]"
    )


def test_the_mistakes_of_all_points_are_told_with_the_points_that_have_them(project: Path) -> None:
    known = ", ".join(sorted([*kinds("gristmill.domains.timeseries.models"), "auto"]))
    assert refusal(
        project, "model.kind = ['linear', 'dense', 'dnese']\nmodel.units = [[3]]\ntrain.epochs = [1, 0]"
    ) == [
        '[pipelines.small.sweep] point model.kind="linear", train.epochs=1; model.kind="linear", train.epochs=0: '
        "pipelines.toml [pipelines.small.model] unknown key 'units'. Known: history, kind, l2, normalise, residual.",
        '[pipelines.small.sweep] point model.kind="linear", train.epochs=0; model.kind="dense", train.epochs=0; '
        'model.kind="dnese", train.epochs=0: '
        "pipelines.toml [pipelines.small.train] epochs: expected greater than 0. Received: 0 (integer).",
        '[pipelines.small.sweep] point model.kind="dnese", train.epochs=1; model.kind="dnese", train.epochs=0: '
        "pipelines.toml [pipelines.small.model] kind: unknown model 'dnese'. Did you mean 'dense'? Known: "
        f'{known}. Your own: "file.py:function".',
    ]


def test_an_unknown_key_of_a_point_is_told_with_what_is_meant(project: Path) -> None:
    (line,) = refusal(project, "train.epoch = [3]")
    assert line.startswith(
        "[pipelines.small.sweep] point train.epoch=3: pipelines.toml [pipelines.small.train] unknown key 'epoch'. "
        "Did you mean 'epochs'? Known: batch_size, "
    )


def test_a_sweep_without_anything_to_choose_by_is_refused_once(project: Path) -> None:
    said = (
        "there is no validation set to choose on, and the test set must not be used to choose. "
        "Set preprocess.validation, in the sweep too: preprocess.validation = [0.1], or backtest.windows = 3."
    )
    assert refusal(project, "train.epochs = [3, 4]", "preprocess.validation=0") == [
        f"[pipelines.small.sweep] every point: {said}"
    ]


def test_a_backtest_is_enough_to_choose_by(project: Path) -> None:
    assert len(trials(project, "backtest.windows = [2]\ntrain.epochs = [3, 4]", "preprocess.validation=0")) == 2


@pytest.mark.parametrize(("higher", "order"), [(False, ["b", "c", "a"]), (True, ["a", "c", "b"])])
def test_the_best_mean_on_validation_stands_first(project: Path, higher: bool, order: list[str]) -> None:
    found = places(
        project,
        [outcome(4.0, 1.0, higher), outcome(6.0, 1.0, higher)],
        [outcome(1.0, 9.0, higher), outcome(2.0, 9.0, higher)],
        [outcome(3.0, 0.0, higher), outcome(3.5, 0.0, higher)],
    )
    assert names(found) == order
    assert find_leaders(found) == found[:1]


def test_mean_and_spread_are_those_of_the_seeds(project: Path) -> None:
    (place,) = places(project, [outcome(1.0, 3.0), outcome(2.0, 3.0), outcome(6.0, 9.0)])
    assert (place.mean("validation"), place.mean("test")) == (3.0, 5.0)
    assert place.spread("validation") == pytest.approx(7**0.5)
    (one,) = places(project, [outcome(1.0)])
    assert one.spread("validation") is None


def test_points_with_a_seed_that_failed_or_has_no_score_stand_last_and_are_not_taken(project: Path) -> None:
    found = places(
        project, [outcome(1.0), None], [None, None], [outcome(0.5), outcome(float("nan"))], [outcome(9.0)] * 2
    )
    assert names(found)[0] == "d"
    assert [place.is_complete for place in found] == [True, False, False, True]
    none = places(project, [outcome(1.0), None], [None, None])
    assert find_leaders(none) == []
    assert swept(project, none).summary == "No point has a score with all its seeds."


def test_a_trial_without_a_validation_part_is_judged_by_its_backtest(project: Path) -> None:
    found = places(project, [backtested(3.0)], [backtested(2.0)])
    assert names(found) == ["b", "a"]
    assert swept(project, found).table.headings[1] == "score on backtest"


def test_the_leaderboard_as_a_table(project: Path) -> None:
    found = places(project, [None], [outcome(4.0)], [outcome(2.0)])
    table = swept(project, found).table
    assert table.headings == ["point", "score on validation", "± over seeds", "seeds", "parameters", "fit s"]
    assert table.rows == [
        ["c", "2", "–", "1 of 1", "1,234", "2.0"],
        ["b", "4", "–", "1 of 1", "1,234", "2.0"],
        ["a", "–", "–", "0 of 1", "", ""],
    ]


def test_the_verdict_tells_the_test_score_of_the_best_alone(project: Path) -> None:
    found = places(project, [outcome(4.0, 7.0)] * 2, [outcome(2.0, 0.25), outcome(2.0, 0.75)])
    assert swept(project, found).summary == (
        "Best on validation: b. Its score on the test set is 0.5 ± 0.3536, against 0.5 for naive."
    )


def test_equal_scores_are_decided_by_the_metric_beside_the_headline(project: Path) -> None:
    def classified(loss: float, share: float, beside: str = "f1") -> TrialScores:
        headline = Headline(metric="log_loss", model=loss, baseline=0.5, secondary_metric=beside)
        by_part: dict[str, Any] = {part: {"log_loss": loss, beside: share} for part in ("validation", "test")}
        return TrialScores(Scores(headline=headline, best_baseline="linear", model=by_part), 2.0, 1234)

    found = places(project, [classified(0.3, 0.6)], [classified(0.3, 0.8)], [classified(0.2, 0.1)])
    assert names(find_leaders(found)) == ["c"]  # the loss comes first
    found = places(project, [classified(0.3, 0.6)], [classified(0.3, 0.8)], [classified(0.4, 0.9)])
    assert (names(found), names(find_leaders(found))) == (["b", "a", "c"], ["b"])
    line = "Best on validation: b, by its f1 of 0.8 among 2 points with equal log_loss. Its log_loss on"
    assert swept(project, found).summary.startswith(line)
    for other in (classified(0.3, 0.6), classified(0.3, 0.9, "accuracy")):  # equal, or not comparable
        assert names(find_leaders(places(project, [classified(0.3, 0.6)], [other]))) == ["a", "b"]


def test_points_with_equal_scores_are_not_called_best(project: Path) -> None:
    equal = [outcome(2.0, 0.25)], [outcome(2.0 * (1 + 1e-9), 0.5)]
    result = swept(project, places(project, *equal))
    assert result.summary == (
        "2 points tie for the best score on validation, 2, so no point is marked best. The setting may not affect this "
        "score."
    )
    assert result.best is None
    assert result.table.marks == {}
    assert [row["chosen"] for row in result.as_json()] == [False, False]
    result = swept(project, places(project, [outcome(3.0)], *equal))
    assert result.summary.startswith("2 points tie for the best score on validation")


def test_a_page_is_drawn_even_where_every_trial_failed(project: Path) -> None:
    path = swept(project, places(project, [None])).report
    assert path == project / "store/reports/small.sweep.html"
    assert "No point has a score" in path.read_text()
    assert "<svg" not in path.read_text()
    scored = places(project, [outcome(4.0)], [None])
    page = swept(project, scored).report.read_text()
    assert page.count("<svg") == 1
    assert "A &amp; B" in page


def test_as_json_a_place_has_the_scores_of_every_seed(project: Path) -> None:
    (best,) = swept(project, places(project, [outcome(1.0, 3.0)] * 2)).as_json()
    assert best == {
        "point": ['model.name="a"'],
        "chosen": True,
        "seeds": 2,
        "mean": {"validation": 1.0, "test": 3.0},
        "scores": {"validation": [1.0, 1.0], "test": [3.0, 3.0]},
        "seconds": [2.0, 2.0],
        "parameters": 1234,
    }
    (incomplete,) = swept(project, places(project, [outcome(1.0, 3.0), None])).as_json()
    assert incomplete["scores"] == {"validation": [1.0]}


def test_the_catalogue_has_sweeps() -> None:
    assert len(SWEPT) > 1


@pytest.mark.parametrize("name", SWEPT)
def test_every_sweep_of_the_catalogue_has_points_that_hold(name: str) -> None:
    found = sweep_trials(load(ROOT), name, [])
    assert len({trial.point.label for trial in found}) > 1


def assigned(text: str) -> list[tuple[str, ...]]:
    """The points of a sweep that lines of TOML give."""
    return list(point_assignments(Sweep.model_validate(tomllib.loads(text))))


def drawn(text: str) -> list[Any]:
    """The values that a sweep of one key draws."""
    found = [tomllib.loads(f"value = {point.partition('=')[2]}")["value"] for (point,) in assigned(text)]
    assert found
    return found


def test_a_grid_has_every_combination_the_last_axis_turning_fastest() -> None:
    assert assigned("train.epochs = [1, 2]\nmodel.units = [[3], [4, 5]]") == [
        ("train.epochs=1", "model.units=[3]"),
        ("train.epochs=1", "model.units=[4, 5]"),
        ("train.epochs=2", "model.units=[3]"),
        ("train.epochs=2", "model.units=[4, 5]"),
    ]


def test_whole_tables_are_an_axis_beside_others() -> None:
    assert assigned(
        "model = [{ kind = 'linear' }, { kind = 'dense', units = [3] }]\naugment = [{}]\ntrain.seed = [1]"
    ) == [
        ('model={ kind = "linear" }', "augment={}", "train.seed=1"),
        ('model={ kind = "dense", units = [3] }', "augment={}", "train.seed=1"),
    ]


def test_listed_points_are_those_alone_and_a_table_with_a_kind_is_set_as_a_whole() -> None:
    text = (
        "points = [{}, { train = { epochs = 3, seed = 4 } }, { model = { kind = 'linear' }, train = { epochs = 5 } }]"
    )
    assert assigned(text) == [
        (),
        ("train.epochs=3", "train.seed=4"),
        ('model={ kind = "linear" }', "train.epochs=5"),
    ]


def test_more_draws_leave_the_first_as_they_are() -> None:
    axes = "train.learning_rate = { low = 1e-4, high = 1e-2, log = true }\nmodel.units = [[1], [2], [3]]\n"
    many = assigned(f"draws = 40\n{axes}")
    assert assigned(f"draws = 7\n{axes}") == many[:7]
    assert assigned(f"draws = 7\nseed = 43\n{axes}") != many[:7]
    assert {point[1] for point in many} == {"model.units=[1]", "model.units=[2]", "model.units=[3]"}


def test_whole_numbers_are_drawn_between_whole_ones_both_ends_among_them() -> None:
    numbers = drawn("draws = 200\ntrain.epochs = { low = 3, high = 6 }")
    assert set(numbers) == {3, 4, 5, 6}
    assert set(map(type, numbers)) == {int}
    by_powers = drawn("draws = 400\ntrain.epochs = { low = 1, high = 3, log = true }")
    assert set(by_powers) == {1, 2, 3}


def test_as_many_are_drawn_from_each_power_of_ten_where_a_range_is_logarithmic() -> None:
    numbers = drawn("draws = 3000\ntrain.learning_rate = { low = 1e-5, high = 1e-2, log = true }")
    for power in (-5, -4, -3):
        share = sum(power <= math.log10(number) < power + 1 for number in numbers) / len(numbers)
        assert share == pytest.approx(1 / 3, abs=0.03)
    evenly = drawn("draws = 3000\ntrain.learning_rate = { low = 1e-5, high = 1e-2 }")
    assert sum(number < 5e-3 for number in evenly) / len(evenly) == pytest.approx(0.5, abs=0.03)


def test_a_drawn_fraction_has_four_digits_and_lies_in_its_range() -> None:
    numbers = drawn("draws = 300\ntrain.learning_rate = { low = 0.5, high = 1 }")
    assert all(0.5 <= number <= 1 and number == float(f"{number:.4g}") for number in numbers)


def test_every_point_can_be_set(project: Path) -> None:
    axes = "model = [{ kind = 'dense', units = [3] }]\ntrain.learning_rate = { low = 1e-9, high = 1.0, log = true }"
    for point in assigned(f"draws = 5\n{axes}"):
        values = load(project, {"small": point}).pipeline("small").values()
        assert (values["model"]["units"], values["train"]["learning_rate"] > 0) == ([3], True)
