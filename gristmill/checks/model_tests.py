"""The tests of the rubric on model development."""

from typing import Any

from gristmill.checks.evidence import Evidence, RunOutputs
from gristmill.checks.findings import RubricResult, Test, by_hand, missing, of_run, passes, person
from gristmill.config.catalogue import Pipeline
from gristmill.runs.retraining_record import CHALLENGER, CHAMPION
from gristmill.settings.messages import format_numbers
from gristmill.sweeps.leaderboard import LeaderboardEntry, best


def reviewed(seen: Evidence) -> RubricResult:
    """What a review needs: a commit that holds all there is."""
    if seen.git.commit is None:
        return missing("the project is in no git repository: put it into one, and have changes reviewed")
    if seen.git.dirty:
        return missing(f"files differ from commit {seen.git.commit[:12]}: commit them, and have them reviewed")
    return by_hand(f"all is in commit {seen.git.commit[:12]}: did somebody else review it?")


def tuned(seen: Evidence) -> RubricResult:
    """Whether a sweep was done to its end and today's settings are those that it chose."""
    name = seen.pipeline.name
    if not seen.places:
        return missing(f"a table [pipelines.{name}.sweep] names what to try; gristmill sweep {name} tries it")
    chosen = best(seen.places)
    if chosen is None or not all(place.whole for place in seen.places):
        done = sum(place.whole for place in seen.places)
        return missing(f"{done} of {len(seen.places)} points of the sweep are tried: gristmill sweep {name}")
    if not _as_chosen(seen.pipeline, chosen, seen.places):
        return missing(f"the sweep chose {chosen.point.label}, which today's settings are not")
    return passes(f"of {len(seen.places)} points of the sweep {chosen.point.label} was best, and is set")


def _as_chosen(pipeline: Pipeline, chosen: LeaderboardEntry, places: list[LeaderboardEntry]) -> bool:
    """Whether settings are those of a point, in all that the points differ in."""
    swept, today = [_flat(place.point.pipeline) for place in places], _flat(pipeline)
    wanted = _flat(chosen.point.pipeline)
    differ = {key for point in swept for key in point if any(point[key] != other.get(key) for other in swept)}
    return all(today.get(key) == wanted.get(key) for key in differ)


def _flat(pipeline: Pipeline) -> dict[tuple[str, str], Any]:
    return {(table, key): value for table, values in pipeline.values().items() for key, value in values.items()}


def staleness_known(seen: Evidence) -> RubricResult:
    """Whether an old model was ever judged beside a fresh one, on data that came after it."""
    judged = seen.judgement
    if judged is None:
        return missing(
            f"gristmill retrain {seen.pipeline.name}, once data has come, sets the champion beside a fresh model"
        )
    old, fresh = format_numbers([judged.scores[CHAMPION], judged.scores[CHALLENGER]])
    scores = f"{judged.metric} {old} for the champion, {fresh} for a fresh model"
    return passes(f"on {judged.items:,} newer examples: {scores}")


@of_run
def better_than_simple(left: RunOutputs) -> RubricResult:
    """Whether the model is better than the best baseline."""
    headline = left.scores.headline
    model, baseline = format_numbers([headline.model, headline.baseline])
    told = f"{headline.metric} {model} on the test set, {baseline} of {left.scores.best_baseline}"
    return passes(told) if headline.beats_baseline else missing(f"{told}: serve that, or find a model that is better")


@of_run
def good_in_slices(left: RunOutputs) -> RubricResult:
    """Whether the model is better than the best baseline in every slice of the test part that has examples enough."""
    if left.behind is None:
        return by_hand("no slice has examples enough: name some by evaluate.slices, where the domain has it")
    baseline = left.scores.best_baseline
    if left.behind:
        return missing(f"no better than {baseline} in {', '.join(left.behind[:5])} ({len(left.behind)} in all)")
    return passes(f"better than {baseline} in every slice of the test part that has examples enough")


TESTS = (
    Test("Every model's specification is reviewed and committed", reviewed),
    Test(
        "Offline metrics follow what counts in use",
        person("does what the forecast is used for go better as the metric falls?"),
    ),
    Test("Hyperparameters are tuned", tuned),
    Test("What a stale model costs is known", staleness_known),
    Test("No simpler model is better", better_than_simple),
    Test("The model is good enough in every important slice", good_in_slices),
    Test(
        "The model includes everybody",
        person("whom its errors strike; slices by groups of people, where the data has them"),
    ),
)
