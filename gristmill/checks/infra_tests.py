"""The tests of the rubric on the infrastructure that trains and serves."""

from gristmill.checks.evidence import Evidence, RunOutputs
from gristmill.checks.findings import RubricResult, Test, by_hand, missing, of_run, passes, person
from gristmill.checks.overfit_check import LEARNED, REPRODUCIBLE


def reproducible(seen: Evidence) -> RubricResult:
    """Whether two trainings just ended with the same weights."""
    check = seen.checks[REPRODUCIBLE]
    if check.verdict == "failed":
        return missing(check.measured)
    return passes(f"just now: {check.measured}")


def specification_tested(seen: Evidence) -> RubricResult:
    """Whether the network just learned a few examples by heart."""
    check = seen.checks[LEARNED]
    if check.verdict == "not applicable":
        return by_hand(f"{check.measured}: is its solution tested?")
    if check.verdict == "failed":
        return missing(f"{check.measured}: see that output, labels and loss belong together")
    return passes(f"just now: {check.measured}")


def integrated(seen: Evidence) -> RubricResult:
    """Whether the whole pipeline ran, from source to bundle, as it is today."""
    if seen.left is None or not seen.left.fresh:
        return missing(f"gristmill run {seen.pipeline.name} brings every stage up to date")
    stages = ", ".join(dict.fromkeys(label.split()[0] for label in seen.left.record.stages))
    return passes(f"run {seen.left.record.id} holds for today's data, settings and code: {stages}")


def judged_before_serving(seen: Evidence) -> RubricResult:
    """Whether the model that serves was judged by the gate."""
    name = seen.pipeline.name
    if seen.champion is None:
        return missing(f"nothing was promoted: gristmill retrain {name} judges a model before it serves")
    if not seen.champion.decision.get("judgement"):
        return missing(f"v{seen.champion.number} was promoted by hand: gristmill retrain {name} judges its successor")
    return passes(f"v{seen.champion.number} serves, judged: {seen.champion.decision['why']}")


@of_run
def canaried(left: RunOutputs) -> RubricResult:
    """What is known of models before they serve: that they load, not how they answer some of the real requests."""
    formats = ", ".join(left.record.settings["export"].get("formats", ["saved_model"]))
    return by_hand(
        f"a fresh process loaded {formats}: before a model serves, does it answer some of the real requests?"
    )


def can_roll_back(seen: Evidence) -> RubricResult:
    """Whether there is a version that a rollback leads to."""
    name = seen.pipeline.name
    if seen.promotion is None or not seen.promotion.line:
        return missing(f"no other version has served: once two have, gristmill rollback {name} leads back")
    return passes(f"v{seen.promotion.version} serves; gristmill rollback {name} leads to v{seen.promotion.line[0]}")


TESTS = (
    Test("Training is reproducible", reproducible),
    Test("The model's specification is tested", specification_tested),
    Test("The pipeline is tested from end to end", integrated),
    Test("A model's quality is judged before it serves", judged_before_serving),
    Test(
        "A single example can be followed through the model",
        person("predictions.parquet has each; keras loads the bundle"),
    ),
    Test("Models are tried out before they serve", canaried),
    Test("A served model can be rolled back", can_roll_back),
)
