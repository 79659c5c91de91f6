"""Signs of drift: one check adjusts all p-values, and the champion is compared with the best baseline."""

import numpy as np
import pytest

from gristmill.retraining.drift import baseline_drift, combine_signs
from gristmill.retraining.gate import Contest
from gristmill.runs.retraining_record import CHALLENGER, CHAMPION, Drift, InputDrift


def test_probabilities_of_one_look_are_adjusted_by_holms_method() -> None:
    def sign(probability: float) -> InputDrift:
        return InputDrift(name="a", test="t", statistic=1.0, probability=probability)

    chances = [0.3, 0.002, 0.004, 0.2]
    found = combine_signs(None, [sign(chance) for chance in chances])

    assert [each.probability for each in found.inputs] == pytest.approx([0.4, 0.008, 0.012, 0.4])
    assert [each.alarm for each in found.inputs] == [False, True, False, False]
    assert combine_signs(None, []) == Drift(errors=None, inputs=[])


def paired(champion: np.ndarray, baseline: np.ndarray) -> Contest:
    return Contest("mae", {CHALLENGER: baseline, CHAMPION: champion, "naive": baseline})


def test_a_champion_clearly_worse_than_the_best_baseline_is_an_alarm() -> None:
    random = np.random.default_rng(0)
    baseline = np.abs(random.normal(size=60))

    worse = baseline_drift(paired(baseline + 1 + random.normal(size=60), baseline), "naive")
    equal = baseline_drift(paired(baseline + random.normal(size=60), baseline), "naive")
    few = baseline_drift(paired(baseline[:4] + 9, baseline[:4]), "naive")

    assert worse is not None
    assert equal is not None
    assert few is not None
    assert (worse.alarm, equal.alarm, few.alarm, few.probability) == (True, False, False, 1.0)
    assert (worse.name, worse.metric, worse.baseline) == ("naive", "mae", baseline.mean())
    alarms = Drift(errors=None, inputs=[], baseline=worse).alarms
    assert alarms == [str(worse)]
    assert alarms[0].startswith(
        f"the champion is worse than naive: mae {worse.champion:.5g} against {worse.baseline:.5g}, "
    )
    by_a_constant = baseline_drift(paired(np.full(60, 10.0), np.full(60, 3.0)), "naive")
    assert by_a_constant is not None
    assert by_a_constant.alarm
    assert baseline_drift(paired(baseline, baseline), None) is None
    assert baseline_drift(Contest("mae", {CHALLENGER: baseline, "naive": baseline}), "naive") is None


@pytest.mark.fault(34)
def test_a_champion_that_is_not_finite_is_worse_than_any_baseline() -> None:
    found = baseline_drift(paired(np.array([1.0, np.nan]), np.array([5.0, 5.0])), "naive")
    assert found is not None
    assert found.alarm
