"""Tests of the ML Test Score on the infrastructure that trains and serves."""

from gristmill.checks.evidence import Evidence, RubricResult, RubricTests, by_hand, fails, passes
from gristmill.checks.overfit_check import OVERFITS, REPRODUCIBLE


def reproducible(evidence: Evidence) -> RubricResult:
    """Test whether two trainings ended with the same weights just now."""
    check = evidence.checks[REPRODUCIBLE]
    return fails(check.measured) if check.verdict == "failed" else passes(f"just now: {check.measured}")


def specification_tested(evidence: Evidence) -> RubricResult:
    """Test whether the network overfitted a few examples just now."""
    check = evidence.checks[OVERFITS]
    if check.verdict == "not applicable":
        return by_hand(f"{check.measured}: is its solution tested?")
    if check.verdict == "failed":
        return fails(f"{check.measured}: check that output, labels and loss match")
    return passes(f"just now: {check.measured}")


def integrated(evidence: Evidence) -> RubricResult:
    """Test whether the whole pipeline, as it is today, ran from source to bundle."""
    run = evidence.last_run
    if run is None or not run.fresh:
        return fails(f"gristmill run {evidence.pipeline.name} brings every stage up to date")
    stages = ", ".join(dict.fromkeys(label.split()[0] for label in run.record.stages))
    return passes(f"run {run.record.id} matches today's data, settings and code: {stages}")


def judged_before_serving(evidence: Evidence) -> RubricResult:
    """Test whether the retraining gate judged the champion."""
    name, champion = evidence.pipeline.name, evidence.champion
    if champion is None:
        return fails(f"nothing was promoted: gristmill retrain {name} judges a model before it serves")
    if not champion.decision.get("judgement"):
        return fails(f"v{champion.number} was promoted by hand: gristmill retrain {name} judges its successor")
    return passes(f"v{champion.number} serves, judged: {champion.decision['why']}")


def can_roll_back(evidence: Evidence) -> RubricResult:
    """Test whether a version served before the champion."""
    name, promotion = evidence.pipeline.name, evidence.promotion
    if promotion is None or not promotion.line:
        return fails(f"no other version has served: after the second, gristmill rollback {name} returns to the first")
    return passes(f"v{promotion.version} serves; gristmill rollback {name} returns to v{promotion.line[0]}")


TESTS: RubricTests = {
    "Training is reproducible": reproducible,
    "The model specification is unit tested": specification_tested,
    "The full pipeline is integration tested": integrated,
    "Model quality is validated before serving": judged_before_serving,
    "A single example can be debugged step by step": "predictions.parquet has every example; Keras loads the bundle",
    "Models are tested via a canary process before serving": "does a new model answer some real requests first?",
    "Models can be rolled back quickly and safely": can_roll_back,
}
