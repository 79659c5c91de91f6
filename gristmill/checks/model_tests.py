"""Tests of the ML Test Score on model development."""

from gristmill.checks.evidence import Evidence, RubricResult, RubricTests, RunOutputs, by_hand, fails, of_run, passes
from gristmill.config.catalogue import Pipeline
from gristmill.runs.retraining_record import CHALLENGER, CHAMPION
from gristmill.settings.messages import format_numbers
from gristmill.sweeps.leaderboard import LeaderboardEntry, best

_MAX_SLICES_LISTED = 5


def reviewed(evidence: Evidence) -> RubricResult:
    """Test whether everything is committed, so that it can be reviewed."""
    if evidence.git.commit is None:
        return fails("the project is not in a git repository: add it to one, and have changes reviewed")
    commit = evidence.git.commit[:12]
    if evidence.git.dirty:
        return fails(f"files differ from commit {commit}: commit them, and have them reviewed")
    return by_hand(f"everything is in commit {commit}: did somebody else review it?")


def tuned(evidence: Evidence) -> RubricResult:
    """Test whether a sweep is complete and the pipeline has the settings of its best point."""
    name, entries = evidence.pipeline.name, evidence.leaderboard
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


TESTS: RubricTests = {
    "Every model specification is reviewed and committed": reviewed,
    "Offline and online metrics correlate": "does what the predictions are used for improve with the metric?",
    "All hyperparameters have been tuned": tuned,
    "The impact of model staleness is known": staleness_known,
    "A simpler model is not better": better_than_simple,
    "Model quality is sufficient on important slices": good_in_slices,
    "The model is tested for considerations of inclusion": "compare its errors for groups of people: evaluate.slices",
}
