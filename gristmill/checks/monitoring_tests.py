"""Tests of the ML Test Score on monitoring."""

import math

from gristmill.checks.data_tests import in_schema
from gristmill.checks.evidence import Evidence, RubricResult, RubricTests, RunOutputs, by_hand, fails, of_run, passes
from gristmill.config.deployments import describe_schedule, schedule_of
from gristmill.settings.messages import format_number
from gristmill.settings.schedule import parse_duration


def invariants(evidence: Evidence) -> RubricResult:
    """Test whether new data was checked by the schema, or compared with the training data."""
    by_schema, drift = in_schema(evidence), evidence.drift
    if by_schema.verdict == "passes" or drift is None:
        return by_schema
    if alarms := [str(sign) for sign in drift.inputs if sign.alarm]:
        return fails(f"the last retraining found drift of inputs: {'; '.join(alarms)}")
    if not drift.inputs:
        return by_schema
    return passes(f"the last retraining compared {len(drift.inputs)} inputs with the training data: no drift")


@of_run
def no_skew(run: RunOutputs) -> RubricResult:
    """Test whether the bundle, from raw values on, reproduces the scored predictions."""
    if not run.parity_examples:
        return fails("the bundle was compared on no example: give the test set some")
    return passes(
        f"from raw values of {run.parity_examples:,} examples the bundle, with preprocessing, reproduces the scored "
        f"predictions to {format_number(run.scores.parity or 0.0, 2)}"
    )


def fresh_enough(evidence: Evidence) -> RubricResult:
    """Test whether the model is retrained by a schedule or event, and the champion is not too old."""
    schedule, table = schedule_of(evidence.pipeline), f"[pipelines.{evidence.pipeline.name}.schedule]"
    times = describe_schedule(schedule)
    if times == "when asked":
        return fails(f"set cron, interval, rrule or on_event = true in {table} to have it retrained")
    if schedule.max_age is None:
        return fails(f'its schedule: {times}; set max_age = "60 days" in {table} to limit its age')
    if evidence.champion is None:
        return fails(f"its schedule: {times}, but nothing was promoted: gristmill retrain {evidence.pipeline.name}")
    age = evidence.today - evidence.champion.made
    state = f"v{evidence.champion.number} is {age.days} days old, of at most {schedule.max_age}; its schedule: {times}"
    return passes(state) if age <= parse_duration(schedule.max_age) else fails(f"{state}: see why it was not retrained")


@of_run
def stable(run: RunOutputs) -> RubricResult:
    """Test whether every loss of the training is a finite number."""
    if not run.losses:
        return by_hand("the model is computed in closed form: are its predictions finite?")
    if not all(map(math.isfinite, run.losses)):
        return fails("a loss of the training is not a finite number: lower train.learning_rate")
    return passes(f"the losses of {len(run.losses)} epochs are finite; another loss would have ended the training")


def quality(evidence: Evidence) -> RubricResult:
    """Test whether the champion's errors on new data have not grown."""
    errors = evidence.drift.errors if evidence.drift else None
    if errors is None:
        return fails(f"gristmill retrain {evidence.pipeline.name} measures the champion's errors on new data")
    if errors.alarm:
        return fails(f"the champion's errors have grown: {errors}")
    return passes(f"the champion's errors have not grown: {errors}")


TESTS: RubricTests = {
    "Dependency changes result in notification": "gristmill plan reports them: does something run it regularly?",
    "Data invariants hold in training and serving inputs": invariants,
    "Training and serving compute the same values": no_skew,
    "Models are not too stale": fresh_enough,
    "The model is numerically stable": stable,
    "Speed and memory have not regressed": "compare the reports; measure the latency of serving",
    "Prediction quality has not regressed on served data": quality,
}
