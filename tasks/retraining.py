"""Steps of a retraining between the stages: find new data, check the champion for drift, judge, recover, promote.

Modules that load NumPy are imported late: a run first sets the number of threads, which NumPy reads when it is loaded.
"""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from prefect.events import emit_event

from gristmill.config.candidates import candidates_of
from gristmill.deployment.prefect_file import pipeline_resource
from gristmill.execution.run import References, Run, champion_damage
from gristmill.prefect_runtime.api_errors import best_effort
from gristmill.project.serving import Models, register
from gristmill.registry.promotions import Promotion
from gristmill.registry.version import Version
from gristmill.retraining.arrivals import silent_since
from gristmill.retraining.known_data import last_judged_data
from gristmill.retraining.recipes import alarms_about_champion, networks_to_leave_out, recipe_of
from gristmill.runs.retraining_record import CHALLENGER, Retraining, stop_before_challenger, stop_before_training
from gristmill.scores import Scores
from gristmill.settings.base import Settings
from gristmill.settings.selection import Select
from gristmill.sources.quarantine import QUARANTINED
from gristmill.store.artifact import Reference
from gristmill.tasks.prefect_artifacts import show_judgement
from gristmill.tasks.retraining_run import domain_overrides, record_retraining
from gristmill.tasks.run import stage_task
from gristmill.training import progress

logger = logging.getLogger(__name__)


@stage_task("find new rows of {run.pipeline.name}")
def find_new_rows(run: Run, ingested: Reference) -> Retraining:
    """Compare the data with the champion's, and with the data that the last retraining judged."""
    # Compare the data.
    champion = run.champion
    known = last_judged_data(run.pipeline, run.runs, run.registry, champion)
    of_domain = run.domain.retraining.load()
    data, champion_data = run.folder(ingested), None
    if champion:
        with champion_damage(champion):
            champion_data = run.folder(champion.references["ingest"])
    news = of_domain.new_rows(data, champion_data)
    unjudged = of_domain.new_rows(data, run.folder(known.ingest)).rows if known else news.rows
    retraining = Retraining(
        champion=champion.number if champion else None,
        news=news,
        unjudged=unjudged,
        silent_since=silent_since(run.catalogue, run.pipeline, ingested),
        quarantined=run.store.read_manifest(ingested)["counts"].get(QUARANTINED, 0),
        asked=domain_overrides(run.pipeline, []),
    )
    # Stop if too little is new, unless logged predictions are clearly worse than the champion's test error.
    schedule, gate, has_erred = run.pipeline.schedule, run.pipeline.gate, False
    if champion and schedule.on_error and 0 < unjudged < schedule.min_new:
        from gristmill.project.monitoring import error_alarm

        if alarm := error_alarm(Models(run.catalogue), run.pipeline.name, data):
            _raise_alarms(run, champion, [alarm])
            has_erred = True
    trained = champion.made if champion else None
    end = stop_before_training(news, unjudged, trained, schedule, gate, datetime.now(UTC), has_erred)
    logger.info("%-10s %s since %s", "news", news, f"version {champion.number}" if champion else "ever")
    return record_retraining(run, retraining.ended(*end) if end else retraining)


@stage_task("watch champion of {run.pipeline.name}")
def check_drift(run: Run, retraining: Retraining, ingested: Reference) -> Retraining:
    """Score the champion on newer data, and compare that data with its training set; nothing follows if it is held."""
    champion, hold = run.champion, run.registry.hold(run.pipeline.name)
    if champion and retraining.news.later and (data := run.champion_data):
        progress.report_work("drift")
        drift = run.domain.retraining.load().drift(run.folder(ingested), data)
        _raise_alarms(run, champion, drift.alarms)
        retraining = retraining.model_copy(update={"drift": drift})
    return record_retraining(run, _held_by(hold, retraining) if hold else retraining)


def with_needed_candidates(run: Run, retraining: Retraining) -> Run:
    """Return the run without networks that are not members of the champion, unless there was an alarm."""
    last = run.runs.last_judged(run.pipeline)
    alarms = alarms_about_champion(retraining, last.retraining if last else None)
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
    references = run.record().references  # a cached task returns a Prefect state, not a reference
    leaderboard = read_leaderboard(run.folder(references["select"]))
    if not set(recipe) <= set(leaderboard["candidate"][leaderboard["failed"] == ""]):
        return None
    selected = Scores.read(run.folder(references["evaluate"])).selected
    if selected and selected.members == recipe:
        return None
    select = run.pipeline.tables["select"].model_copy(update={"weights": recipe})
    return _with_tables(run, {**run.pipeline.tables, "select": select})


def before_selection(artifacts: References) -> dict[str, Reference]:
    """Return the artifacts of the stages before select."""
    return {label: reference for label, reference in artifacts.items() if label not in ("select", "evaluate")}


@stage_task("count what can be judged of {run.pipeline.name}")
def count_judgeable(run: Run, retraining: Retraining, artifacts: References) -> Retraining:
    """Stop before the training if too little of the test set is new to both champion and challenger.

    The test set of a series is its judging window, which is new as a whole.
    """
    judgeable = run.domain.retraining.load().judgeable(run.folders(artifacts), run.champion_data)
    if judgeable is None:
        return retraining
    end = stop_before_challenger(judgeable, run.pipeline.gate)
    return record_retraining(run, retraining.ended(*end)) if end else retraining


@stage_task("judge challenger of {run.pipeline.name}")
def judge(run: Run, retraining: Retraining, artifacts: References, refitted: References | None) -> Retraining:
    """Compare challenger, champion and baselines on data newer than the champion's training set.

    `refitted` are the artifacts of the champion's recipe, fitted on the same data. If it is better than the new
    selection, it is the challenger.
    """
    from gristmill.retraining.drift import baseline_drift
    from gristmill.retraining.gate import best_baseline, cross_fitted, judge_contest, keeps_recipe, with_winner

    progress.report_work("judge")
    # 1. The better one of the new selection and the champion's recipe is the challenger.
    compare, gate = run.domain.retraining.load().contest, run.pipeline.gate
    challenger, champion = run.folders(artifacts), run.champion_data
    contest, unbiased = compare(challenger, champion), None
    if refitted is not None:
        recipe = run.folders(refitted)
        recipes = contest, compare(recipe, champion)
        kept = keeps_recipe(*recipes, gate)
        contest, unbiased = with_winner(*recipes, kept), cross_fitted(*recipes, gate)
        challenger = recipe if kept else challenger
        retraining = retraining.model_copy(update={"kept_recipe": kept})
    # 2. Compare it with the champion.
    scores = Scores.read(challenger["evaluate"])
    best = best_baseline(scores, contest)
    judgement = judge_contest(contest, gate, best, unbiased)
    logger.info("%-10s %s: %s", "judge", "promote" if judgement.promoted else "reject", judgement.why)
    show_judgement(run.pipeline.name, judgement)
    # 3. Record the decision, and whether the champion is worse than a baseline.
    winner = sorted(scores.selected.members) if scores.selected else []
    if run.champion and retraining.drift and (sign := baseline_drift(contest, best)):
        if sign.alarm:
            _raise_alarms(run, run.champion, [str(sign)])
        drift = retraining.drift.model_copy(update={"baseline": sign})
        retraining = retraining.model_copy(update={"drift": drift})
    retraining = retraining.model_copy(update={"judgement": judgement}).with_winner(winner, _earlier(run))
    if not judgement.promoted:
        _emit(run, "gristmill.model.rejected", {"why": judgement.why})
        retraining = retraining.ended("rejected", judgement.why)
    return record_retraining(run, retraining)


def _earlier(run: Run) -> Iterator[Retraining]:
    """Yield the retrainings before a run with the pipeline's own settings, newest first."""
    records = (record for record in run.runs.newest_first(run.pipeline.name) if record.id != run.id)
    yield from (record.retraining for record in records if record.retraining and record.is_own(run.pipeline))


def _raise_alarms(run: Run, champion: Version, alarms: list[str]) -> None:
    for alarm in alarms:
        logger.warning("%s drifts: %s", run.pipeline.name, alarm)
        _emit(run, "gristmill.drift.detected", {"alarm": alarm, "champion": champion.number})


def recovery_run(run: Run, retraining: Retraining) -> Run | None:
    """Return the run that compares cheap forecasters with the model that would serve; None without an alarm about it.

    The champion is compared on the data since the alarm, and a challenger that is promoted on the judging window.
    """
    if run.champion is None or retraining.verdict == "nothing new":
        return None
    if run.registry.hold(run.pipeline.name):
        return None
    from gristmill.retraining.recovery import rows_to_compare

    rows = rows_to_compare(retraining, _earlier(run), run.pipeline.gate)
    if rows and not retraining.over:
        rows = run.pipeline.gate.window
    tables = run.domain.retraining.load().recovery_tables(run.pipeline.tables, rows) if rows else None
    if not tables:
        return None
    return replace(_with_tables(run, tables), jobs=1)  # workers know only pipelines.toml


def with_only(run: Run, candidate: str) -> Run:
    """Return the run in which one candidate is the selected model."""
    return _with_tables(run, {**run.pipeline.tables, "select": Select(weights={candidate: 1.0})})


def _with_tables(run: Run, tables: Mapping[str, Settings]) -> Run:
    return replace(run, pipeline=replace(run.pipeline, tables=tables))


@stage_task("look for a recovery of {run.pipeline.name}")
def judge_recovery(run: Run, retraining: Retraining, artifacts: References, challenger: References) -> Retraining:
    """Compare the candidates of a recovery with the model that would serve; `winner` names one that replaces it.

    That model is the challenger, whose artifacts are given, if it is promoted, and otherwise the champion.
    """
    from gristmill.retraining.gate import judge_contest
    from gristmill.retraining.recovery import better_than_challenger, clearly_better

    progress.report_work("recovery")
    compare, folders = run.domain.retraining.load().contest, run.folders(artifacts)
    names = [candidate.name for candidate in candidates_of(run.pipeline.domain, run.pipeline.tables)]
    contest, gate = compare(folders, run.champion_data), run.pipeline.gate
    if retraining.over:
        winner = clearly_better(compare(folders, run.champion_data, 1), contest, names, gate)
        reason = f"{winner} is clearly better after an alarm"
    else:
        winner = better_than_challenger(contest, compare(run.folders(challenger), run.champion_data), names, gate)
        reason = f"{winner} is better than the challenger after an alarm"
    if winner is None:
        return retraining
    contest = replace(contest, errors=contest.errors | {CHALLENGER: contest.errors[winner]})
    judged = judge_contest(contest, gate, None)
    why = f"{reason}: {judged.why}"
    logger.info("%-10s %s", "recovery", why)
    stages = run.record().stages.items()
    own = {label: stage for label, stage in stages if label in run.stages}  # not those of a challenger
    run.update_record(stages=own)
    findings = {"judgement": judged.model_copy(update={"why": why}), "verdict": None, "recovered": True}
    return record_retraining(run, retraining.model_copy(update=findings).with_winner([winner], _earlier(run)))


@stage_task("promote challenger of {run.pipeline.name}")
def promote(run: Run, retraining: Retraining) -> Retraining:
    """Register the exported model and promote it, unless another version was promoted meanwhile."""
    registry = run.registry
    registry.pull(run.pipeline.name)
    champion = registry.champion(run.pipeline.name, verified=True)
    if champion and champion.number != retraining.champion:
        return record_retraining(run, _mark_overtaken(retraining, champion.number))
    why = retraining.judgement.why if retraining.judgement else ""
    record, tables = run.record(), run.pipeline.values()
    changed = {name: values for name, values in tables.items() if values != record.settings.get(name)}
    retraining = retraining.model_copy(update={"tables": changed})
    findings = retraining.model_dump(mode="json", include={"news", "drift", "judgement", "tables"})
    decision = {"verdict": "judged", "why": why} | findings
    version = register(run.catalogue.root, run.store, record, decision)
    promotion = registry.promote(run.pipeline.name, version.number, why, retraining.champion or 0, run.id)
    if promotion.version != version.number:
        later = _held_by(promotion, retraining) if promotion.held else _mark_overtaken(retraining, promotion.version)
        return record_retraining(run, later)
    logger.info("%-10s version %d", "promoted", version.number)
    _emit(run, "gristmill.model.promoted", {"version": version.number, "why": why})
    return record_retraining(run, retraining.ended("promoted", why, version.number))


def _held_by(hold: Promotion, retraining: Retraining) -> Retraining:
    """Return the retraining as waiting; without a judgement, so that the next one judges the same data."""
    release = f"To release it: gristmill promote {hold.pipeline} {hold.version}"
    why = f"version {hold.version} is {hold.hold_in_words}. {release}"
    return retraining.model_copy(update={"judgement": None, "winner": []}).ended("waiting", why)


def _mark_overtaken(retraining: Retraining, version: int) -> Retraining:
    return retraining.ended("rejected", f"version {version} was promoted meanwhile; it was not judged")


def _emit(run: Run, event: str, payload: dict[str, Any]) -> None:
    name = run.pipeline.name
    resource = {"prefect.resource.id": pipeline_resource(name), "prefect.resource.name": name}
    with best_effort():
        emit_event(event, resource=resource, payload=payload)
