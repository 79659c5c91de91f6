"""The ML Test Score: 28 tests in four sections, run on the evidence of one pipeline.

A test passes because of evidence on this pipeline, never because gristmill has a feature. Where only a person can
decide, the result says what to review.

Source: Breck, Cai, Nielsen, Salib and Sculley, "The ML Test Score: A Rubric for ML Production Readiness and Technical
Debt Reduction", IEEE Big Data, 2017.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from gristmill.checks.evidence import Evidence, RubricResult, RunOutputs, by_hand, fails, of_run, passes
from gristmill.checks.overfit_check import OVERFITS, REPRODUCIBLE
from gristmill.config.catalogue import Pipeline
from gristmill.config.deployments import describe_schedule
from gristmill.runs.retraining_record import CHALLENGER, CHAMPION
from gristmill.settings.messages import format_number, format_numbers
from gristmill.settings.schedule import parse_duration
from gristmill.settings.selection import Auto
from gristmill.sweeps.leaderboard import LeaderboardEntry, best

_MAX_SLICES_LISTED = 5
_BANDS = (  # highest score of each band, and the paper's description in short
    (0.0, "a research project rather than a product"),
    (1.0, "not untested, but serious holes are likely"),
    (2.0, "a first pass at a product; more work is needed"),
    (3.0, "reasonably tested; more of it can be automatic"),
    (5.0, "strongly tested and monitored: fit for mission-critical use"),
    (7.0, "exceptionally tested and monitored"),
)


def in_schema(evidence: Evidence) -> RubricResult:
    """Test whether a schema with a rule exists and the last run checked its data by it."""
    name = evidence.pipeline.name
    if "schema" not in evidence.pipeline.tables:
        return fails(f"gristmill schema {name} --write proposes one from the data: edit and commit it")
    schema = evidence.pipeline.values()["schema"]
    if not _has_rule({key: value for key, value in schema.items() if key != "file"}):
        return fails(f"schemas/{name}.toml has no rule: remove it, and gristmill schema {name} --write proposes some")
    run = evidence.last_run
    if run is None or run.record.settings.get("schema") != schema:
        return fails(f"the schema is new or was edited: gristmill run {name} checks the data by it")
    return passes(f"ingest of run {run.record.id} checked the data by schemas/{name}.toml")


def _has_rule(rules: Any) -> bool:
    return any(map(_has_rule, rules.values())) if isinstance(rules, dict) else rules is not None


@of_run
def beneficial(run: RunOutputs) -> RubricResult:
    """Test whether shuffling any feature raises the error by more than chance."""
    if run.importance is None:
        return by_hand("no feature was shuffled (only one feature, or no error): do baselines without it do worse?")
    features, error = run.importance["features"], run.importance["error"]
    lowest = {feature["feature"]: feature["rise" if feature.get("low") is None else "low"] for feature in features}
    if named := ", ".join(feature for feature, rise in lowest.items() if rise <= 0):
        return fails(f"the error does not rise by more than chance when shuffled: {named}. Run without, and compare")
    weakest = features[-1]
    rise, error = format_numbers([weakest["rise"], error], digits=3)
    return passes(
        f"shuffling any of the {len(features)} features raises the error of {error}, "
        f"{weakest['feature']} the least, by {rise}"
    )


def allowed(evidence: Evidence) -> RubricResult:
    """Test whether columns that no model may use are denied by name."""
    if not evidence.deny:
        return fails('set [defaults] deny = ["email", "customer_*"] to reject columns that no model may use')
    return passes(f"no column of the pipeline matches {', '.join(evidence.deny)}; a match would be rejected")


def reviewed(evidence: Evidence) -> RubricResult:
    """Test whether everything is committed, so that it can be reviewed."""
    if evidence.git.commit is None:
        return fails("the project is not in a git repository: add it to one, and have changes reviewed")
    commit = evidence.git.commit[:12]
    if evidence.git.dirty:
        return fails(f"files differ from commit {commit}: commit them, and have them reviewed")
    return by_hand(f"everything is in commit {commit}: did somebody else review it?")


def tuned(evidence: Evidence) -> RubricResult:
    """Test whether a model was selected among candidates, or the pipeline has the settings of a sweep's best point."""
    name, entries, run = evidence.pipeline.name, evidence.leaderboard, evidence.last_run
    if isinstance(evidence.pipeline.tables["model"], Auto):  # which cannot be swept
        if run is None or run.scores.selected is None:
            return fails(f"gristmill run {name} selects among its candidates")
        selected = run.scores.selected
        return passes(f"{selected.name} was selected among {selected.tried} candidates on {selected.on}")
    if not entries:
        return fails(f"list settings to try in [pipelines.{name}.sweep]; gristmill sweep {name} tries them")
    chosen, complete = best(entries), sum(entry.is_complete for entry in entries)
    if chosen is None or complete < len(entries):
        return fails(f"{complete} of {len(entries)} points of the sweep are tried: gristmill sweep {name}")
    if not _has_settings_of(evidence.pipeline, chosen, entries):
        return fails(f"today's settings are not those of the best point of the sweep: {chosen.point.label}")
    return passes(f"{chosen.point.label} is set, the best of {len(entries)} points of the sweep")


def _has_settings_of(pipeline: Pipeline, chosen: LeaderboardEntry, entries: list[LeaderboardEntry]) -> bool:
    """Whether a pipeline has the values of a point, for all settings in which the points differ."""
    points = [entry.point.pipeline.values() for entry in entries]
    today, wanted = pipeline.values(), chosen.point.pipeline.values()
    return all(
        today.get(table, {}).get(key) == value
        for table, values in wanted.items()
        for key, value in values.items()
        if any(point.get(table, {}).get(key) != value for point in points)
    )


def staleness_known(evidence: Evidence) -> RubricResult:
    """Test whether an old model was compared with a fresh one on newer data."""
    judged = evidence.judgement
    if judged is None:
        return fails(f"gristmill retrain {evidence.pipeline.name} compares the champion with a fresh model on new data")
    old, fresh = format_numbers([judged.scores[CHAMPION], judged.scores[CHALLENGER]])
    return passes(
        f"on {judged.items:,} newer examples: {judged.metric} {old} for the champion, {fresh} for a fresh model"
    )


@of_run
def better_than_simple(run: RunOutputs) -> RubricResult:
    """Test whether the model beats the best baseline."""
    headline, name = run.scores.headline, run.scores.best_baseline
    model, baseline = format_numbers([headline.model, headline.baseline])
    scores = f"{headline.metric} {model} on the test set, {name} {baseline}"
    return passes(scores) if headline.beats_baseline else fails(f"{scores}: serve the baseline, or find a better model")


@of_run
def good_in_slices(run: RunOutputs) -> RubricResult:
    """Test whether the model beats the best baseline in every slice of the test set with enough examples."""
    slices = run.losing_slices
    if slices is None:
        return by_hand("no slice has enough examples: set evaluate.slices, where the domain has it")
    baseline = run.scores.best_baseline
    if slices:
        listed = ", ".join(slices[:_MAX_SLICES_LISTED])
        return fails(f"not better than {baseline} in {listed} ({len(slices)} in all)")
    return passes(f"better than {baseline} in every slice of the test set with enough examples")


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
    schedule, table = evidence.pipeline.schedule, f"[pipelines.{evidence.pipeline.name}.schedule]"
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


# Tests by section and title; a string says what a person must review if no automatic test exists.
SECTIONS: dict[str, dict[str, Callable[[Evidence], RubricResult] | str]] = {
    "Data": {
        "Feature expectations are captured in a schema": in_schema,
        "All features are beneficial": beneficial,
        "No feature's cost is too much": "time, memory and upkeep of each against its benefit",
        "Features adhere to meta-level requirements": allowed,
        "The data has appropriate privacy controls": "who can read source, store, reports, logs?",
        "New features can be added quickly": "how long did the last one take to be served?",
        "All input feature code is tested": "gristmill tests its stages: is your source tested?",
    },
    "Model": {
        "Every model specification is reviewed and committed": reviewed,
        "Offline and online metrics correlate": "does what the predictions are used for improve with the metric?",
        "All hyperparameters have been tuned": tuned,
        "The impact of model staleness is known": staleness_known,
        "A simpler model is not better": better_than_simple,
        "Model quality is sufficient on important slices": good_in_slices,
        "The model is tested for considerations of inclusion": "compare errors by group of people: evaluate.slices",
    },
    "Infrastructure": {
        "Training is reproducible": reproducible,
        "The model specification is unit tested": specification_tested,
        "The full pipeline is integration tested": integrated,
        "Model quality is validated before serving": judged_before_serving,
        "A single example can be debugged step by step": "see predictions.parquet; Keras loads the bundle",
        "Models are tested via a canary process before serving": "does a new model answer some real requests first?",
        "Models can be rolled back quickly and safely": can_roll_back,
    },
    "Monitoring": {
        "Dependency changes result in notification": "gristmill plan reports them: does something run it regularly?",
        "Data invariants hold in training and serving inputs": invariants,
        "Training and serving compute the same values": no_skew,
        "Models are not too stale": fresh_enough,
        "The model is numerically stable": stable,
        "Speed and memory have not regressed": "compare the reports; measure the latency of serving",
        "Prediction quality has not regressed on served data": quality,
    },
}


@dataclass(frozen=True)
class ScoredTest:
    """One test with its result."""

    section: str
    number: int  # in its section, as in the paper
    title: str
    result: RubricResult


def run_tests(evidence: Evidence) -> list[ScoredTest]:
    """Run the 28 tests."""
    return [
        ScoredTest(section, number, title, by_hand(test) if isinstance(test, str) else test(evidence))
        for section, tests in SECTIONS.items()
        for number, (title, test) in enumerate(tests.items(), 1)
    ]


def points(tests: Iterable[ScoredTest]) -> dict[str, int]:
    """Return the points of each section: one for each test that passes automatically.

    The paper adds half a point for a test that a person does and documents. Its score is the lowest of the four.
    """
    totals = dict.fromkeys(SECTIONS, 0)
    for test in tests:
        totals[test.section] += test.result.verdict == "passes"
    return totals


def meaning(score: float) -> str:
    """Return how the paper describes a system with this score."""
    return next(description for highest, description in _BANDS if score <= highest)
