"""The tests of the rubric on what is watched while a model serves."""

import math

from gristmill.checks.data_tests import in_schema
from gristmill.checks.evidence import Evidence, RunOutputs
from gristmill.checks.findings import RubricResult, Test, by_hand, missing, of_run, passes
from gristmill.config.deployments import describe_schedule, schedule_of
from gristmill.settings.messages import format_number
from gristmill.settings.schedule import parse_duration

_SHOWN = ("keras", "numpy", "tensorflow")  # of the libraries


@of_run
def dependencies(left: RunOutputs) -> RubricResult:
    """What is known of the libraries: a change makes the model stale, and is told to who asks."""
    shown = ", ".join(f"{name} {version}" for name, version in left.libraries.items() if name in _SHOWN)
    return by_hand(f"{shown} are in the key of its training, so gristmill plan tells of a change: does a clock ask it?")


def invariants(seen: Evidence) -> RubricResult:
    """Whether the data that comes is held against the schema, or against what was trained on."""
    by_schema = in_schema(seen)
    if by_schema.verdict == "passes" or seen.drift is None:
        return by_schema
    if alarms := [str(sign) for sign in seen.drift.inputs if sign.alarm]:
        return missing(f"the last retraining found inputs that have moved: {'; '.join(alarms)}")
    if not seen.drift.inputs:
        return by_schema
    return passes(f"the last retraining compared {len(seen.drift.inputs)} inputs with those trained on: none has moved")


@of_run
def no_skew(left: RunOutputs) -> RubricResult:
    """Whether what is served predicts what was scored, from raw values on."""
    if not left.proved:
        return missing("the bundle was compared on no example: give the test part some")
    parity = format_number(left.scores.parity or 0.0, 2)
    return passes(
        f"from raw values of {left.proved:,} examples the bundle, with preprocessing, reproduces the scored "
        f"predictions to {parity}"
    )


def fresh_enough(seen: Evidence) -> RubricResult:
    """Whether the model is retrained by a clock or event, and the one that serves is no older than it may be."""
    schedule, table = schedule_of(seen.pipeline), f"[pipelines.{seen.pipeline.name}.schedule]"
    clock = describe_schedule(schedule)
    if clock == "when asked":
        return missing(f"{table} cron, interval, rrule or on_event = true has it retrained")
    if schedule.max_age is None:
        return missing(f'its schedule: {clock}; {table} max_age = "60 days" says how old it may become')
    if seen.champion is None:
        return missing(f"its schedule: {clock}, but nothing was promoted yet: gristmill retrain {seen.pipeline.name}")
    age = seen.today - seen.champion.made
    told = f"v{seen.champion.number} is {age.days} days old, of {schedule.max_age}; its schedule: {clock}"
    return passes(told) if age <= parse_duration(schedule.max_age) else missing(f"{told}: see why it was not")


@of_run
def stable(left: RunOutputs) -> RubricResult:
    """Whether every loss of the training was a finite number."""
    if not left.losses:
        return by_hand("the model is solved for in closed form: are its predictions finite?")
    if not all(map(math.isfinite, left.losses)):
        return missing("the training's losses are not all finite numbers: lower train.learning_rate")
    return passes(f"the losses of {len(left.losses)} epochs are finite; one that was not would have ended the training")


@of_run
def performance(left: RunOutputs) -> RubricResult:
    """What is known of speed and memory."""
    told = f"training took {left.seconds:.1f} s and {left.peak:,.0f} MiB"
    return by_hand(f"{told}: compare with earlier reports, and time what serves")


def quality(seen: Evidence) -> RubricResult:
    """Whether the champion's errors on new data are what they were."""
    errors = seen.drift.errors if seen.drift else None
    if errors is None:
        return missing(
            f"gristmill retrain {seen.pipeline.name}, once data has come, looks at the champion's errors on it"
        )
    if errors.alarm:
        return missing(f"the champion's errors have grown: {errors}")
    return passes(f"the champion's errors have not grown: {errors}")


TESTS = (
    Test("A change of dependencies is told", dependencies),
    Test("What must hold of the data holds as it comes", invariants),
    Test("Training and serving see the same", no_skew),
    Test("Models are not too stale", fresh_enough),
    Test("Numbers stay finite", stable),
    Test("Speed and memory have not become worse", performance),
    Test("Predictions have not become worse", quality),
)
