"""Steps of a retraining between the stages: find new data, check the champion for drift, judge, and promote.

Modules that load NumPy are imported late: a run first sets the number of threads, which NumPy reads when it is loaded.
"""

import logging
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect.events import emit_event

from gristmill.deployment.prefect_file import pipeline_resource
from gristmill.prefect_runtime.api_errors import best_effort
from gristmill.project.serving import Models, register
from gristmill.registry.promotions import Promotion
from gristmill.registry.version import Version
from gristmill.retraining.known_data import last_judged_data
from gristmill.retraining.recipes import alarms_about_champion, networks_to_leave_out, recipe_of
from gristmill.retraining.source_checks import silent_since
from gristmill.runs.retraining_record import Retraining, stop_before_challenger, stop_before_training
from gristmill.scores import Scores
from gristmill.sources.quarantine import QUARANTINED
from gristmill.store.artifact import Reference
from gristmill.tasks.prefect_artifacts import show_judgement
from gristmill.tasks.retraining_run import domain_overrides, record_retraining
from gristmill.tasks.run import References, Run, champion_damage, stage_task
from gristmill.training import progress

if TYPE_CHECKING:
    from gristmill.retraining.gate import Contest

logger = logging.getLogger(__name__)


@stage_task("look for news of {run.pipeline.name}")
def look_for_news(run: Run, ingested: Reference) -> Retraining:
    """Compare the data with the champion's, and with the data that the last retraining judged."""
    champion = run.champion
    known = last_judged_data(run.pipeline, run.runs, run.registry, champion)
    news_of = run.domain.retraining.load().news
    now = run.folder(ingested)
    then = None
    if champion:
        with champion_damage(champion):
            then = run.folder(champion.references["ingest"])
    news = news_of(now, then)
    unjudged = news_of(now, run.folder(known.ingest)).rows if known else news.rows
    asked = domain_overrides(run.pipeline, [])
    number, silent = champion.number if champion else None, silent_since(run.catalogue, run.pipeline, ingested)
    aside = run.store.read_manifest(ingested)["counts"].get(QUARANTINED, 0)
    found = Retraining(
        champion=number, news=news, unjudged=unjudged, silent_since=silent, quarantined=aside, asked=asked
    )
    made, schedule = champion.made if champion else None, run.pipeline.schedule
    has_erred = schedule.on_error and 0 < unjudged < schedule.min_new and _predictions_erred(run, now)
    end = stop_before_training(news, unjudged, made, schedule, run.pipeline.gate, datetime.now(UTC), has_erred)
    logger.info("%-10s %s since %s", "news", news, f"version {champion.number}" if champion else "ever")
    return record_retraining(run, found.ended(*end) if end else found)


def _predictions_erred(run: Run, ingested: Path) -> bool:
    """Return whether the logged predictions of the champion are clearly worse than its test error."""
    from gristmill.project.monitoring import error_alarm

    alarm = error_alarm(Models(run.catalogue), run.pipeline.name, ingested) if run.champion else None
    if run.champion and alarm:
        _raise_alarms(run, run.champion, [alarm])
    return alarm is not None


@stage_task("watch champion of {run.pipeline.name}")
def check_drift(run: Run, found: Retraining, ingested: Reference) -> Retraining:
    """Score the champion on newer data, and compare that data with its training set; nothing follows if it is held."""
    champion, hold = run.champion, run.registry.hold(run.pipeline.name)
    if champion and found.news.later and (data := run.champion_data):
        progress.report_work("drift")
        drift = run.domain.retraining.load().drift(run.folder(ingested), data)
        _raise_alarms(run, champion, drift.alarms)
        found = found.model_copy(update={"drift": drift})
    return record_retraining(run, _held_by(hold, found) if hold else found)


def with_needed_candidates(run: Run, found: Retraining) -> Run:
    """Return the run without networks that are not members of the champion, unless there was an alarm."""
    last = run.runs.last_judged(run.pipeline)
    alarms = alarms_about_champion(found, last.retraining if last else None)
    left_out = networks_to_leave_out(run.pipeline, recipe_of(run.champion, run.pipeline), alarms)
    if left_out:
        logger.info("%-10s %s: not members of the champion, and no alarm", "left out", ", ".join(left_out))
    return replace(run, left_out=tuple(left_out))


def with_champions_recipe(run: Run) -> Run | None:
    """Return the run with the champion's weights of the candidates in place of a new selection.

    Return None if the new selection has the same weights, or if the recipe is unknown or cannot be fitted any more.
    """
    from gristmill.domains.common.selection import read_leaderboard

    recipe = recipe_of(run.champion, run.pipeline)
    if not recipe:
        return None
    made = run.record().references  # a cached task returns a Prefect state, not a reference
    compared = read_leaderboard(run.folder(made["select"]))
    if not set(recipe) <= set(compared["candidate"][compared["failed"] == ""]):
        return None
    selected = Scores.read(run.folder(made["evaluate"])).selected
    if selected and selected.members == recipe:
        return None
    tables: Any = run.pipeline.tables
    fixed = tables["select"].model_copy(update={"weights": recipe})
    return replace(run, pipeline=replace(run.pipeline, tables={**tables, "select": fixed}))


def before_selection(made: References) -> dict[str, Reference]:
    """Return the artifacts of the stages before select."""
    return {label: reference for label, reference in made.items() if label not in ("select", "evaluate")}


@stage_task("count what can be judged of {run.pipeline.name}")
def count_judgeable(run: Run, found: Retraining, made: References) -> Retraining:
    """Stop before the training if too little of the test set is new to both champion and challenger.

    The test set of a series is its judging window, which is new as a whole.
    """
    if run.champion_data is None:
        return found
    judgeable = run.domain.retraining.load().judgeable(run.folders(made), run.champion_data)
    if judgeable is None:
        return found
    end = stop_before_challenger(judgeable, run.pipeline.gate)
    return record_retraining(run, found.ended(*end)) if end else found


@stage_task("judge challenger of {run.pipeline.name}")
def judge(run: Run, found: Retraining, made: References, refitted: References | None) -> Retraining:
    """Compare challenger, champion and baselines on data newer than the champion's training set.

    `refitted` are the artifacts of the champion's recipe, fitted on the same data. If it is better than the new
    selection, it is the challenger.
    """
    from gristmill.retraining.gate import best_baseline, judge_contest, keeps_recipe, with_winner

    progress.report_work("judge")
    challenger, champion = run.folders(made), run.champion_data
    contest = run.domain.retraining.load().contest(challenger, champion)
    gate = run.pipeline.gate
    if refitted is not None:
        recipe = run.folders(refitted)
        of_recipe = run.domain.retraining.load().contest(recipe, champion)
        kept = keeps_recipe(contest, of_recipe, gate)
        contest, challenger = with_winner(contest, of_recipe, kept), recipe if kept else challenger
        found = found.model_copy(update={"kept_recipe": kept})
    best = best_baseline(Scores.read(challenger["evaluate"]), contest)
    judged = judge_contest(contest, gate, best)
    logger.info("%-10s %s: %s", "judge", "promote" if judged.promoted else "reject", judged.why)
    show_judgement(run, judged)
    selected = Scores.read(challenger["evaluate"]).selected
    winner = sorted(selected.members) if selected else []
    found = _with_baseline_drift(run, found, contest, best)
    found = found.model_copy(update={"judgement": judged, "winner": winner})
    if not judged.promoted:
        _emit(run, "gristmill.model.rejected", {"why": judged.why})
        found = found.ended("rejected", judged.why)
    return record_retraining(run, found)


def _with_baseline_drift(run: Run, found: Retraining, contest: "Contest", best: str | None) -> Retraining:
    """Return the retraining with an alarm if the champion is clearly worse than the best baseline."""
    from gristmill.retraining.drift import baseline_drift

    sign = baseline_drift(contest, best)
    if run.champion is None or found.drift is None or sign is None:
        return found
    if sign.alarm:
        _raise_alarms(run, run.champion, [str(sign)])
    return found.model_copy(update={"drift": found.drift.model_copy(update={"baseline": sign})})


def _raise_alarms(run: Run, champion: Version, alarms: list[str]) -> None:
    for alarm in alarms:
        logger.warning("%s drifts: %s", run.pipeline.name, alarm)
        _emit(run, "gristmill.drift.detected", {"alarm": alarm, "champion": champion.number})


@stage_task("promote challenger of {run.pipeline.name}")
def promote(run: Run, found: Retraining) -> Retraining:
    """Register the exported model and promote it, unless another version was promoted meanwhile."""
    registry = run.registry
    registry.pull(run.pipeline.name)
    champion = registry.champion(run.pipeline.name, verified=True)
    if champion and champion.number != found.champion:
        return record_retraining(run, _overtaken(found, champion.number))
    why = found.judgement.why if found.judgement else ""
    record, tables = run.record(), run.pipeline.values()
    changed = {name: values for name, values in tables.items() if values != record.settings.get(name)}
    found = found.model_copy(update={"tables": changed})
    findings = found.model_dump(mode="json", include={"news", "drift", "judgement", "tables"})
    decision = {"verdict": "judged", "why": why} | findings
    version = register(run.catalogue.root, run.store, record, decision)
    promotion = registry.promote(run.pipeline.name, version.number, why, found.champion or 0, run.id)
    if promotion.version != version.number:
        later = _held_by(promotion, found) if promotion.held else _overtaken(found, promotion.version)
        return record_retraining(run, later)
    logger.info("%-10s version %d", "promoted", version.number)
    _emit(run, "gristmill.model.promoted", {"version": version.number, "why": why})
    return record_retraining(run, found.ended("promoted", why, version.number))


def _held_by(hold: Promotion, found: Retraining) -> Retraining:
    """Return the retraining as waiting; without a judgement, so that the next one judges the same data."""
    release = f"To release it: gristmill promote {hold.pipeline} {hold.version}"
    why = f"version {hold.version} is {hold.hold_in_words}. {release}"
    return found.model_copy(update={"judgement": None, "winner": []}).ended("waiting", why)


def _overtaken(found: Retraining, version: int) -> Retraining:
    return found.ended("rejected", f"version {version} was promoted meanwhile; it was not judged")


def _emit(run: Run, event: str, payload: dict[str, Any]) -> None:
    name = run.pipeline.name
    resource = {"prefect.resource.id": pipeline_resource(name), "prefect.resource.name": name}
    with best_effort():
        emit_event(event, resource=resource, payload=payload)
