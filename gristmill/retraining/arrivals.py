"""Arrivals: whether new data of a source is used or set aside, and the age of the newest data."""

import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from gristmill.config.catalogue import Catalogue, Pipeline
from gristmill.config.domains import domain_of
from gristmill.errors import ArrivalSetAside, CorruptArtifact, RequestError, StoreError
from gristmill.registry.registry import Registry
from gristmill.registry.version import CLEANING, Version
from gristmill.retraining.known_data import good_data, good_runs, locate_source
from gristmill.runs.identity import digests_of
from gristmill.runs.records import Record, Runs
from gristmill.runs.retraining_record import same_data
from gristmill.settings.schedule import parse_duration
from gristmill.store.artifact import Reference
from gristmill.store.store import Store

logger = logging.getLogger(__name__)

_MAX_AHEAD = timedelta(days=1)  # of times without a time zone, which may be local


def check_arrival(
    catalogue: Catalogue, pipeline: Pipeline, ingested: Reference | Path, accept: bool = False
) -> dict[str, str]:
    """Compare ingested data, an artifact or a folder, with that of the last good run; equal data is not read.

    Returns:
        Why the data would be set aside, by rule, if the user accepts it; otherwise nothing.

    Raises:
        ArrivalSetAside: the data breaks a rule, or was withdrawn by a rollback.
    """
    # Find the last good data. If it is deleted or damaged, older data is still better than none.
    store, name = catalogue.store, pipeline.name
    Runs(store).pull(name)
    Registry(store).pull(name)
    source = locate_source(catalogue, pipeline)
    arrival = _Arrival(ingested, digests_of(source, store))
    reasons: dict[str, str] = {}
    for known in good_data(pipeline, store, _champion(store, name)):
        try:
            if arrival.equals(known.ingest, store):
                return {}
            before = store.open_verified(known.ingest, by_stat=True).path
        except (CorruptArtifact, StoreError) as error:
            logger.warning("%s New data is not compared with that of run %s.", error, known.run)
            continue
        # Compare the data with it.
        folder = ingested if isinstance(ingested, Path) else store.open_verified(ingested, by_stat=True).path
        reasons = _broken_rules(pipeline, folder, before)
        break
    reasons = _withdrawal(pipeline, arrival, store) or reasons
    if accept or not reasons:
        return reasons
    # Name the file, the reasons and the remedies.
    files = [file for location, located in source.items() if location != CLEANING for file in located.files]
    place = f"[pipelines.{name}.source]"
    if files:
        place = str(files[0]) if len(files) == 1 else f"{os.path.commonpath(files)} ({len(files)} files)"
    has_limit = not reasons.keys().isdisjoint(type(pipeline.arrivals).model_fields)
    change = f", or change the rules in [pipelines.{name}.arrivals]" if has_limit else ""
    raise ArrivalSetAside(
        f"{place}: the new data is set aside, and the last good data stays in use: {'; '.join(reasons.values())}. Fix "
        f"the source{change}. If the data is right: gristmill retrain {name} --accept.",
        reasons,
    )


def check_rules(catalogue: Catalogue, pipeline: Pipeline, ingested: Reference) -> None:
    """Raise `RequestError` if the known data itself breaks a rule that was written since it was read."""
    store, rules = catalogue.store, pipeline.arrivals
    known = next(good_data(pipeline, store, _champion(store, pipeline.name)), None)
    before = known.arrivals if known else {}
    changed = {key: value for key, value in rules.model_dump(mode="json").items() if before.get(key) != value}
    if changed.keys().isdisjoint(rules.model_fields_set):
        return
    with suppress(CorruptArtifact, StoreError):  # its data is deleted or damaged
        folder = store.open_verified(known.ingest if known else ingested, by_stat=True).path
        broken = domain_of(pipeline.domain).retraining.load().contradicted_rules(folder, rules)
        for rule in [rule for rule in broken if rule in changed and rule in rules.model_fields_set]:
            raise RequestError(
                f"[pipelines.{pipeline.name}.arrivals] {rule}: the known data itself breaks this rule: {broken[rule]}. "
                "Set a larger limit, or remove the setting."
            )


def unused_arrival(pipeline: Pipeline, store: Store) -> Record | None:
    """Return the newest run that read a pipeline's data set, if its data is not in use: set aside, or withdrawn."""
    withdrawn, settings = Registry(store).withdrawn(pipeline.name), pipeline.values()
    for record in Runs(store).newest_first(pipeline.name):
        if record.trial or not same_data(record.settings, settings):
            continue
        if record.set_aside or record.id in withdrawn:
            return record
        if record.outcome == "succeeded" and "ingest" in record.stages:
            return None
    return None


class _Arrival(NamedTuple):
    """Ingested data, and the digests of what it was made of."""

    ingested: Reference | Path
    inputs: Mapping[str, str]

    def equals(self, known: Reference, store: Store) -> bool:
        """Return whether other ingested data has the same content, or was made of the same source."""
        if not isinstance(self.ingested, Path) and known["digest"] == self.ingested["digest"]:
            return True
        return bool(store.read_manifest(known)["made_of"]["inputs"] == self.inputs)


def _champion(store: Store, name: str) -> Version | None:
    with suppress(CorruptArtifact):
        return Registry(store).champion(name)
    return None


def _withdrawal(pipeline: Pipeline, arrival: _Arrival, store: Store) -> dict[str, str]:
    """Return the reason to set data aside that a rollback has withdrawn; nothing for other data."""
    runs, settings = Runs(store), pipeline.values()
    for run in Registry(store).withdrawn(pipeline.name):
        with suppress(CorruptArtifact, StoreError, RequestError):  # its record or its artifact may be deleted
            record = runs.read(pipeline.name, run)
            ingest = record.references.get("ingest")
            if ingest and same_data(record.settings, settings) and arrival.equals(ingest, store):
                return {"rollback": f"it is the data of run {run}, which a rollback has withdrawn"}
    return {}


def _broken_rules(pipeline: Pipeline, folder: Path, before: Path) -> dict[str, str]:
    """Return the reasons to set data aside, by rule: lost rows, and what the domain finds."""
    retraining, rules = domain_of(pipeline.domain).retraining.load(), pipeline.arrivals
    reasons = retraining.broken_rules(folder, before, rules, datetime.now(UTC))
    lost = retraining.missing_rows(folder, before)
    if lost.count > rules.max_lost * lost.known:
        cause = f"because {lost.cause}" if lost.cause else f"the first: {lost.first}"
        text = f"{lost.count:,} of {lost.known:,} known {lost.what} are missing, {cause}{lost.remedy}"
        return {"max_lost": f"{text} (max_lost = {rules.max_lost:g})"} | reasons
    return reasons


def silent_since(catalogue: Catalogue, pipeline: Pipeline, ingested: Reference) -> datetime | None:
    """Return the time of the newest data, and log a warning, if it is older than `max_age_of_data`; otherwise None.

    Data from the future is a warning, too.

    For a time series, this is the time of the last observation; a time without a time zone is taken as UTC. Other data
    has no time: it counts as old as the first of the latest consecutive successful runs that read the same data.

    Raises:
        CorruptArtifact: the ingested data is deleted or damaged.
    """
    if pipeline.freshness is None:
        return None
    limit, folder = pipeline.freshness.max_age_of_data, catalogue.store.open_verified(ingested, by_stat=True).path
    newest = domain_of(pipeline.domain).retraining.load().newest_time(folder, pipeline.tables["ingest"])
    if newest is None:
        runs = good_runs(pipeline.name, pipeline.values(), catalogue.store)
        same = takewhile(lambda run: run.references["ingest"]["digest"] == ingested["digest"], runs)
        newest = min((run.started for run in same), default=datetime.now(UTC))
    age = datetime.now(UTC) - newest
    if age < -_MAX_AHEAD:
        logger.warning(
            "%s: its newest data is from %s, in the future, so no silence is noticed. Check its times.",
            *(pipeline.name, f"{newest:%Y-%m-%d %H:%M}"),
        )
    if age <= parse_duration(limit):
        return None
    logger.warning(
        "%s: its newest data is from %s, older than %s (freshness.max_age_of_data). Check its source.",
        *(pipeline.name, f"{newest:%Y-%m-%d %H:%M}", limit),
    )
    return newest
