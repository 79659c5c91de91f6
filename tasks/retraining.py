"""The steps of a retraining around the stages: what is new, how the champion fares, who is better, who serves."""

import importlib
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.events import emit_event

from gristmill.config import catalogue as config
from gristmill.config.assignments import override
from gristmill.config.catalogue import Pipeline
from gristmill.config.deployments import schedule_of
from gristmill.errors import CorruptArtifact, RequestError, WorkError
from gristmill.project.serving import register
from gristmill.registry.registry import Registry
from gristmill.registry.version import Version
from gristmill.retraining import gate as judgement
from gristmill.retraining.gate import Contest
from gristmill.retraining.last_judged import last_judged_data
from gristmill.runs.records import Runs
from gristmill.runs.retraining_record import Champion, Retraining, stop_before_challenger, stop_before_training
from gristmill.runs.scores import Scores
from gristmill.store.artifact import Reference
from gristmill.training import progress
from gristmill.workers.pool import concurrency
from tasks.prefect_artifacts import best_effort, show_judgement
from tasks.run_stage import Run, opened

logger = logging.getLogger(__name__)

References = Mapping[str, Reference]


@contextmanager
def retraining(pipeline: str, overrides: list[str], project: str | None) -> Iterator[Run]:
    """Open the run of a retraining: the pipeline's own settings, with what its domain judges challengers by.

    Raises:
        WorkError: another retraining of the pipeline is under way, and the settings do not say to wait for it.
    """
    catalogue = config.load(Path(project) if project else None, {pipeline: overrides})
    settings, store = catalogue.pipeline(pipeline), catalogue.store
    own, schedule = _own_overrides(settings, overrides), schedule_of(settings)
    with store.lock(f"retrain-{pipeline}", wait=schedule.collision == "wait") as alone:
        if not alone:
            raise WorkError(
                f"another retraining of {pipeline!r} is under way. Wait for its end, or have later ones wait for it by "
                'schedule.collision = "wait".'
            )
        registry = Registry(store)
        registry.pull(pipeline)
        champion = registry.champion(pipeline, verified=True)
        with opened(catalogue, _changed(settings, own), [*overrides, *own]) as run:
            yield replace(run, champion=champion, jobs=concurrency(catalogue.runner, None))


def _own_overrides(settings: Pipeline, overrides: list[str]) -> list[str]:
    """Return what the domain trains challengers with, where that is anything but the pipeline's own settings."""
    asks = getattr(_domain(settings.domain), "overrides", None)
    own: list[str] = asks(settings.tables) if asks else []
    for assignment in overrides:
        key = assignment.partition("=")[0].strip()
        if key in {asked.partition("=")[0] for asked in own}:
            raise RequestError(
                f"--set {assignment}: a retraining sets {key} itself, by [pipelines.{settings.name}.gate]."
            )
    return own


def _changed(settings: Pipeline, assignments: list[str]) -> Pipeline:
    """Return a pipeline with assignments made in it."""
    return replace(settings, tables=config.restore_settings(settings.domain, override(settings.values(), assignments)))


@task(task_run_name="look for news of {run.pipeline.name}", cache_policy=NO_CACHE, persist_result=False)
def look_for_news(run: Run, ingested: Reference) -> Retraining:
    """Compare the data with the champion's, and with what the last retraining judged."""
    champion = run.champion
    known = last_judged_data(run.pipeline, Runs(run.catalogue.store), Registry(run.catalogue.store), champion)
    news_of = _domain(run.pipeline.domain).news
    now = _folder(run, ingested)
    news = news_of(now, _folders(run, champion)["ingest"] if champion else None)
    unjudged = news_of(now, _folder(run, known.ingest)).rows if known else news.rows
    asked = _own_overrides(run.pipeline, [])
    found = Retraining(champion=champion.number if champion else None, news=news, unjudged=unjudged, asked=asked)
    tables: Any = run.pipeline.tables
    made = champion.made if champion else None
    end = stop_before_training(news, unjudged, made, tables["schedule"], tables["gate"], datetime.now(UTC))
    logger.info("%-10s %s since %s", "news", news, f"version {champion.number}" if champion else "ever")
    return _told(run, found.ended(*end) if end else found)


@task(task_run_name="watch champion of {run.pipeline.name}", cache_policy=NO_CACHE, persist_result=False)
def watch_champion(run: Run, found: Retraining, ingested: Reference) -> Retraining:
    """Score the champion on what came since it was trained, and compare that data with what it was trained on."""
    champion = run.champion
    if champion is None or not found.news.later:
        return found
    progress.report_work("drift")
    drift = _domain(run.pipeline.domain).drift(_folder(run, ingested), _compared(run, champion))
    _raise_alarms(run, champion, drift.alarms)
    return _told(run, found.model_copy(update={"drift": drift}))


def from_champion(run: Run) -> Run:
    """Return the run as one whose training begins from the champion's weights, where the settings ask for that.

    They are those that were judged, not those of the refit, which has learned what the challenger is to be chosen on.
    """
    if run.champion is None or not getattr(run.pipeline.tables["schedule"], "warm_start", False):
        return run
    return replace(run, start=run.champion.references["train"])


@task(task_run_name="count what can be judged of {run.pipeline.name}", cache_policy=NO_CACHE, persist_result=False)
def count_judgeable(run: Run, found: Retraining, made: References) -> Retraining:
    """Have a challenger wait, before it is trained, of whose test part too little is new to it and to the champion.

    Of a series, whose test part is the judging window, all is.
    """
    count = getattr(_domain(run.pipeline.domain), "judgeable", None)
    if run.champion is None or count is None:
        return found
    gate: Any = run.pipeline.tables["gate"]
    end = stop_before_challenger(count(_made(run, made), _compared(run, run.champion)), gate)
    return _told(run, found.ended(*end)) if end else found


@task(task_run_name="judge challenger of {run.pipeline.name}", cache_policy=NO_CACHE, persist_result=False)
def judge(run: Run, found: Retraining, made: References) -> Retraining:
    """Compare challenger, champion and baselines on data that is newer than anything the champion was trained on."""
    progress.report_work("judge")
    challenger, champion = _made(run, made), _compared(run, run.champion) if run.champion else None
    contest = _domain(run.pipeline.domain).contest(challenger, champion)
    gate: Any = run.pipeline.tables["gate"]
    best = judgement.best_baseline(Scores.read(challenger["evaluate"]), contest)
    judged = judgement.judge(contest, gate, best)
    logger.info("%-10s %s: %s", "judge", "promote" if judged.promoted else "reject", judged.why)
    show_judgement(run, judged)
    found = _with_baseline(run, found, contest, best).model_copy(update={"judgement": judged})
    if not judged.promoted:
        _emit(run, "gristmill.model.rejected", {"why": judged.why})
        found = found.ended("rejected", judged.why)
    return _told(run, found)


def _with_baseline(run: Run, found: Retraining, contest: Contest, best: str | None) -> Retraining:
    """Return what was found with an alarm where the champion is clearly worse than the best baseline."""
    from gristmill.retraining.drift import baseline_drift  # late: scipy.stats and pandas take a second to load

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


@task(task_run_name="promote challenger of {run.pipeline.name}", cache_policy=NO_CACHE, persist_result=False)
def promote(run: Run, found: Retraining) -> Retraining:
    """Register the exported model and have it served."""
    registry = Registry(run.catalogue.store)
    registry.pull(run.pipeline.name)
    serves = registry.champion(run.pipeline.name, verified=True)
    if serves and serves.number != found.champion:
        return _told(run, _overtaken(found, serves.number))
    why = found.judgement.why if found.judgement else ""
    decision = {"verdict": "judged", "why": why} | found.model_dump(mode="json", include={"news", "drift", "judgement"})
    version = register(run.catalogue.root, run.catalogue.store, run.record(), decision)
    promotion = registry.promote(run.pipeline.name, version.number, why, found.champion or 0)
    if promotion.version != version.number:
        return _told(run, _overtaken(found, promotion.version))
    logger.info("%-10s version %d", "promoted", version.number)
    _emit(run, "gristmill.model.promoted", {"version": version.number, "why": why})
    return _told(run, found.ended("promoted", why, version.number))


def _overtaken(found: Retraining, version: int) -> Retraining:
    return found.ended("rejected", f"version {version} was promoted meanwhile; it was not judged")


def _domain(name: str) -> Any:
    return importlib.import_module(f"gristmill.domains.{name}.retraining")


def _compared(run: Run, version: Version) -> Champion:
    return Champion(_folders(run, version), config.restore_settings(version.domain, version.settings))


def _made(run: Run, made: References) -> dict[str, Path]:
    return {label: _folder(run, reference) for label, reference in made.items()}


def _folder(run: Run, reference: Reference) -> Path:
    return run.catalogue.store.open_verified(reference).path


def _folders(run: Run, version: Version) -> dict[str, Path]:
    try:
        others = {label: reference for label, reference in version.references.items() if label != "export"}
        return _made(run, others) | {"export": Registry(run.catalogue.store).bundle(version)}
    except CorruptArtifact as damage:
        raise WorkError(
            f"{damage} It belongs to version {version.number}, with which new data is compared. Run {version.pipeline} "
            f"and have that model serve: gristmill promote {version.pipeline}."
        ) from None


def _told(run: Run, found: Retraining) -> Retraining:
    """Keep how the retraining stands in the run's record."""
    Runs(run.catalogue.store).note_retraining(run.pipeline.name, run.id, found)
    return found


def _emit(run: Run, event: str, payload: dict[str, Any]) -> None:
    with best_effort():
        emit_event(
            event,
            resource={
                "prefect.resource.id": f"gristmill.pipeline.{run.pipeline.name}",
                "prefect.resource.name": run.pipeline.name,
            },
            payload=payload,
        )
