"""Weights of candidates: on predictions whose best average is known."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from gristmill.domains.common import selection as selection_module
from gristmill.domains.common.candidates import CandidateArtifacts, read_selection, write_candidate
from gristmill.domains.common.ensemble_weights import Predictions, ensemble_weights, greedy_weights
from gristmill.domains.common.selection import read_leaderboard, summary_of
from gristmill.domains.tabular.models.mean import Mean
from gristmill.domains.timeseries.models.linear import Linear
from gristmill.errors import RequestError, Unsuitable, WorkError
from gristmill.settings.selection import Select

RANDOM = np.random.default_rng(3)
TRUTH = RANDOM.normal(size=400)
NOISE = {name: RANDOM.normal(size=400) for name in ("a", "b", "c")}
choose = partial(selection_module.choose, predict_one=lambda name: dict)


def losses(predictions: Predictions) -> Predictions:
    return np.abs(predictions - TRUTH)


def artifacts(folder: Path, *names: str, failed: tuple[str, ...] = (), size: int = 10) -> dict[str, CandidateArtifacts]:
    """Return candidates with weights of a size in bytes, some of them failed."""
    made = {}
    for name in names:
        (folder / name).mkdir(parents=True)
        (folder / name / "weights.npz").write_bytes(b"0" * size)
        (folder / name / "training.json").write_text('{"best_epoch": null}')
        failure = Unsuitable("needs more values") if name in failed else None
        write_candidate({"model": Linear(kind="linear")}, folder / name, failure)
        made[name] = CandidateArtifacts(folder / name)
    return made


class TestGreedyWeights:
    def test_a_candidate_that_others_cannot_improve_is_alone(self) -> None:
        found = {"good": TRUTH + 0.01 * NOISE["a"], "bad": TRUTH + 5 + NOISE["b"]}
        assert greedy_weights(found, losses) == {"good": 1.0}

    def test_independent_errors_are_averaged(self) -> None:
        found = {name: TRUTH + noise for name, noise in NOISE.items()}
        weights = greedy_weights(found, losses)
        assert set(weights) == {"a", "b", "c"}
        assert sum(weights.values()) == pytest.approx(1)
        assert all(0.2 < weight < 0.5 for weight in weights.values())
        average = sum(weight * found[name] for name, weight in weights.items())
        assert losses(average).mean() < 0.7 * min(losses(one).mean() for one in found.values())

    def test_a_weak_candidate_with_an_opposite_error_gets_a_small_share(self) -> None:
        found = {"near": TRUTH + 1, "far": TRUTH - 4}
        weights = greedy_weights(found, losses)
        assert weights["near"] > 0.7
        assert losses(sum(weight * found[name] for name, weight in weights.items())).mean() < 0.2

    def test_of_equal_candidates_the_cheaper_one_is_taken(self) -> None:
        found = {"cheap": TRUTH + 1.0005, "dear": TRUTH + 1.0}
        assert greedy_weights(found, losses) == {"cheap": 1.0}
        assert greedy_weights({"dear": TRUTH + 0.99, "cheap": TRUTH + 1.0}, losses) == {"dear": 1.0}

    def test_members_are_limited(self) -> None:
        found = {name: TRUTH + noise for name, noise in NOISE.items()}
        assert len(greedy_weights(found, losses, lambda names: len(names) <= 2)) == 2

    def test_a_perfect_candidate_ends_the_search(self) -> None:
        assert greedy_weights({"perfect": TRUTH, "other": TRUTH + 1}, losses) == {"perfect": 1.0}


class TestShrinkage:
    """Of weights that were chosen on 8 independent predictions."""

    FOUND: ClassVar = {name: TRUTH + noise for name, noise in NOISE.items()} | {"best": TRUTH + 0.7 * NOISE["b"]}

    def loss(self, weights: dict[str, float]) -> float:
        return float(losses(sum(weight * self.FOUND[name] for name, weight in weights.items())).mean())

    def test_many_predictions_leave_the_greedy_weights(self) -> None:
        assert ensemble_weights(self.FOUND, losses, 100, trusted=["c"]) == greedy_weights(self.FOUND, losses)

    @pytest.mark.parametrize(("independent", "counted"), [(8, 20), (15, 15), (25, 9)])
    def test_the_share_of_trusted_candidates_follows_from_numbers_and_losses(
        self, independent: int, counted: int
    ) -> None:
        found = {name: self.FOUND[name] for name in ("a", "c")} | {"alone": TRUTH + 0.475 * (NOISE["a"] + NOISE["c"])}
        weights = ensemble_weights(found, losses, independent, trusted=["a", "c", "not tried"])

        prior = losses((found["a"] + found["c"]) / 2).mean()
        share = counted / prior / (counted / prior + independent / losses(found["alone"]).mean())
        assert weights == pytest.approx({"alone": 1 - share, "a": share / 2, "c": share / 2})

    def test_members_with_a_tiny_weight_are_left_out(self) -> None:
        weights = ensemble_weights(self.FOUND, losses, 1, trusted=["a", "c"])  # greedy ones have a share of about 1/21

        assert set(greedy_weights(self.FOUND, losses)) - {"a", "c"}
        assert weights == pytest.approx({"a": 0.5, "c": 0.5}, abs=0.03)
        assert sum(weights.values()) == pytest.approx(1)

    def test_without_a_trusted_candidate_the_weights_of_members_become_more_equal(self) -> None:
        greedy, few = greedy_weights(self.FOUND, losses), ensemble_weights(self.FOUND, losses, 8)

        assert set(few) == set(greedy)
        assert sum(few.values()) == pytest.approx(1)
        assert 0 < np.ptp(list(few.values())) < np.ptp(list(greedy.values())) / 2
        assert self.loss(greedy) < self.loss(few) < self.loss(dict.fromkeys(greedy, 1 / len(greedy)))

    def test_an_average_that_is_much_worse_has_little_share(self) -> None:
        found = {"near": TRUTH + 0.5 + 0.1 * NOISE["a"], "far": TRUTH - 4}
        greedy, few = greedy_weights(found, losses), ensemble_weights(found, losses, 8)
        assert greedy["near"] - few["near"] < 0.05

    def test_the_loss_stays_close_to_that_of_the_best_candidate(self) -> None:
        found = {"good": TRUTH + 0.5, "bad": TRUTH + 1}
        weights = ensemble_weights(found, losses, 2, ["bad"])

        assert 0.05 < weights["bad"] <= 0.1  # 0.83 by numbers and losses alone
        assert losses(sum(weight * found[name] for name, weight in weights.items())).mean() <= 0.55

    def test_a_perfect_candidate_stays_alone(self) -> None:
        assert ensemble_weights({"perfect": TRUTH, "a": TRUTH + 1}, losses, 8, trusted=["a"]) == {"perfect": 1.0}

    def test_limits_hold_with_the_trusted_candidates(self) -> None:
        at_most_two = ensemble_weights(self.FOUND, losses, 8, ["c"], lambda names: len(names) <= 2)
        alone = ensemble_weights(self.FOUND, losses, 8, ["c"], lambda names: len(names) <= 1)

        assert set(at_most_two) == {"best", "c"}
        assert alone == {"best": 1.0}


class TestConstants:
    """The same prediction for all items, which would draw an average towards the mean."""

    FAR: ClassVar = {"constant": np.zeros(400), "model": 3 * TRUTH}  # the mean of both has the lower loss

    def test_a_constant_is_no_member_of_an_average(self) -> None:
        found = self.FAR | {"model": 1.9 * TRUTH}
        assert set(greedy_weights(found, losses)) == {"constant", "model"}
        for independent in (8, 400):
            assert ensemble_weights(found, losses, independent, ["constant"], constants=["constant"]) == {"model": 1.0}

    def test_the_best_constant_is_selected_alone_if_nothing_is_better(self) -> None:
        found = self.FAR | {"worse": np.ones(400)}
        assert ensemble_weights(found, losses, 400, constants=["worse", "constant"]) == {"constant": 1.0}
        assert ensemble_weights({"constant": np.zeros(400)}, losses, 8, constants=["constant"]) == {"constant": 1.0}

    def test_an_average_that_is_worse_than_its_best_member_gives_no_way_to_a_constant(self) -> None:
        found = {"constant": TRUTH + 1.03, "good": TRUTH + 1, "bad": TRUTH + 2}
        weights = ensemble_weights(found, losses, 2, trusted=["bad"], constants=["constant"])
        assert set(weights) == {"good", "bad"}


class TestManyMembers:
    @pytest.mark.parametrize("step", [0, 1e-6])
    def test_of_more_than_twenty_equal_members_the_first_are_left(self, step: float) -> None:
        found = {f"{at:02}": TRUTH + 1 + step * at for at in range(25)}
        weights = ensemble_weights(found, losses, 1, trusted=list(found))
        assert list(weights) == [f"{at:02}" for at in range(18)]  # the greedy member has more than an equal share
        assert sum(weights.values()) == pytest.approx(1)
        assert min(weights.values()) >= 0.05


def slow(name: str) -> Callable[[], object]:
    """Return a call that gives the time it is said to take."""
    return lambda: 10.0


class TestChoose:
    def test_the_leaderboard_and_the_members_are_written(self, tmp_path: Path) -> None:
        names = ("a", "b", "gone")
        candidates = artifacts(tmp_path, *names, failed=("gone",))
        predictions = {name: TRUTH + NOISE[name] for name in ("a", "b")}
        selection = choose(candidates, predictions, losses, Select(), metric="mae", on="validation")
        out = tmp_path / "out"
        out.mkdir()
        selection.write(candidates, out)
        written, table = read_selection(out), read_leaderboard(out)
        assert written is not None
        assert [member["name"] for member in written["members"]] == list(selection.weights)
        assert written["members"][0]["settings"]["model"]["kind"] == "linear"
        assert table["candidate"].tolist()[-1] == "gone"
        assert table["failed"].tolist() == ["", "", "needs more values"]
        assert table["loss"].iloc[0] == min(losses(one).mean() for one in predictions.values())
        assert (table["standard_error"].iloc[:2] > 0).all()
        assert table["weight"].sum() == pytest.approx(1)
        summary = summary_of(out)
        assert summary is not None
        assert (summary["tried"], summary["failed"], summary["best"]) == (3, 1, table["candidate"].iloc[0])
        assert summary["loss"] < summary["best_loss"]

    @pytest.mark.parametrize(
        ("settings", "members"),
        [
            (Select(max_members=1), 1),
            (Select(max_size=2.5e-5), 2),
            (Select(max_latency=25), 2),
            (Select(), 3),
        ],
    )
    def test_limits_hold(self, settings: Select, members: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(selection_module, "fastest", lambda call: call() / 1000)
        found = {name: TRUTH + noise for name, noise in NOISE.items()}
        candidates = artifacts(tmp_path, *found)
        selection = choose(candidates, found, losses, settings, metric="mae", on="validation", predict_one=slow)
        assert len(selection.weights) == members

    def test_a_candidate_over_a_limit_is_listed_with_the_reason_after_the_others(self, tmp_path: Path) -> None:
        found = {"worse": TRUTH + 2, "best": TRUTH + 1}
        candidates = artifacts(tmp_path / "small", "worse") | artifacts(tmp_path / "large", "best", size=10_000)
        selection = choose(candidates, found, losses, Select(max_size=0.001), metric="mae", on="validation")

        assert selection.leaderboard["candidate"].tolist() == ["worse", "best"]
        assert "max_size" in selection.leaderboard["failed"].iloc[1]
        assert selection.leaderboard["loss"].tolist() == pytest.approx([2, 1])

    def test_a_constant_is_known_by_its_description(self, tmp_path: Path) -> None:
        found = {"mean": np.zeros(400), "a": 1.9 * TRUTH}
        candidates = artifacts(tmp_path, "a")
        (tmp_path / "mean").mkdir()
        write_candidate({"model": Mean(kind="mean")}, tmp_path / "mean")
        candidates["mean"] = CandidateArtifacts(tmp_path / "mean")

        selection = choose(candidates, found, losses, Select(), metric="mae", on="validation")

        assert candidates["mean"].is_constant
        assert not candidates["a"].is_constant
        assert selection.weights == {"a": 1.0}

    def test_fixed_weights_are_taken_as_they_are(self, tmp_path: Path) -> None:
        found = {name: TRUTH + noise for name, noise in NOISE.items()}
        candidates = artifacts(tmp_path, *found)
        fixed = Select(weights={"b": 3.0, "a": 1.0}, max_members=1)
        selection = choose(candidates, found, losses, fixed, metric="mae", on="validation", block=50)
        assert selection.weights == {"b": 0.75, "a": 0.25}
        assert selection.loss == pytest.approx(losses(0.75 * found["b"] + 0.25 * found["a"]).mean())

    @pytest.mark.parametrize(
        ("settings", "independent", "few"),
        [(Select(), 12, 12), (Select(), None, None), (Select(weights={"a": 1.0}), 12, None)],
    )
    def test_few_predictions_are_recorded_if_weights_were_shrunk(
        self, settings: Select, independent: int | None, few: int | None, tmp_path: Path
    ) -> None:
        found = {name: TRUTH + noise for name, noise in NOISE.items()}
        candidates = artifacts(tmp_path, *found)
        choose(candidates, found, losses, settings, metric="mae", on="validation", independent=independent).write(
            candidates, tmp_path
        )
        summary = summary_of(tmp_path)
        assert summary is not None
        assert summary["few_predictions"] == few

    def test_fixed_weights_of_unknown_or_failed_candidates_are_errors(self, tmp_path: Path) -> None:
        candidates, found = artifacts(tmp_path, "theta", "ridge", failed=("ridge",)), {"theta": TRUTH}

        def chosen(**weights: float) -> str:
            with pytest.raises((RequestError, WorkError)) as error:
                choose(candidates, found, losses, Select(weights=weights), metric="mae", on="validation")
            return str(error.value)

        assert (
            chosen(teta=1.0) == "select.weights: unknown candidate 'teta'. Did you mean 'theta'? Known: ridge, theta."
        )
        assert chosen(theta=1.0, ridge=1.0) == "select.weights: ridge cannot be used: needs more values."

    def test_a_candidate_whose_loss_is_not_finite_is_left_out(self, tmp_path: Path) -> None:
        found = {"a": TRUTH + NOISE["a"], "b": np.full(400, np.nan)}
        selection = choose(artifacts(tmp_path, *found), found, losses, Select(), metric="mae", on="validation")
        assert selection.weights == {"a": 1.0}

    def test_without_a_candidate_every_reason_is_listed(self, tmp_path: Path) -> None:
        candidates = artifacts(tmp_path, "a", "b", "c", failed=("a",))
        found = {"b": np.full(400, np.inf), "c": TRUTH}
        with pytest.raises(WorkError) as error:
            choose(candidates, found, losses, Select(max_size=1e-6), metric="mae", on="validation")
        assert str(error.value) == (
            "no candidate is left to select. a: needs more values; b: its loss is not finite; "
            "c: its weights take 0.00001 MB, more than select.max_size = 0.000001"
        )

    def test_a_reason_that_is_true_of_all_candidates_is_said_once(self, tmp_path: Path) -> None:
        candidates = artifacts(tmp_path, "a", "b", failed=("a", "b"))
        with pytest.raises(WorkError) as error:
            choose(candidates, {}, losses, Select(), metric="mae", on="validation")
        assert str(error.value) == "no candidate is left to select. All of them: needs more values"

    def test_one_prediction_is_not_enough_to_choose_on(self, tmp_path: Path) -> None:
        candidates = artifacts(tmp_path, "a", "b")
        found = {"a": np.zeros(1), "b": np.ones(1)}

        def chosen(settings: Select, on: str, **more: Any) -> Any:
            return choose(candidates, found, np.abs, settings, metric="mae", on=on, **more)

        with pytest.raises(RequestError, match=r" Found in the validation set: 1\. Increase preprocess\.validation\.$"):
            chosen(Select(), "validation")
        with pytest.raises(RequestError, match=r" Found in the backtest: 1\. Increase backtest\.windows\.$"):
            chosen(Select(), "backtest", independent=2, remedy="backtest.windows")
        found = {"a": np.zeros(2), "b": np.ones(2)}
        assert chosen(Select(), "validation", independent=1).weights
        assert chosen(Select(weights={"a": 1.0}), "validation").weights == {"a": 1.0}  # nothing is chosen
