"""Messages about a run, from its record and earlier ones: what happened, in numbers, and what to do.

A condition that lasts over several runs, such as drift, gives one message: a message is identified by its kind and the
run at which its condition began.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from gristmill.errors import count_of
from gristmill.runs.records import Record
from gristmill.settings.file_tables import Notify

_OTHER_MODELS = 'Compare more models: set model.kind = "auto", or add candidates.'

Find = Callable[[Record], bool | None]  # whether a run has a condition; None if it neither has it nor ends it


@dataclass(frozen=True)
class Message:
    """A message to send once."""

    kind: str
    began: str  # ID of the run at which its condition began
    subject: str
    body: str


@dataclass(frozen=True)
class Facts:
    """A run and its context, from which its messages follow."""

    record: Record
    command: str  # that starts such a run: run or retrain
    earlier: Callable[[], Iterable[Record]]  # returns the pipeline's earlier records, newest first
    promoted: int | None  # version that the run promoted
    champion: int | None  # version that serves now

    @property
    def noun(self) -> str:
        """The word for such a run."""
        return "retraining" if self.command == "retrain" else "run"

    def streak(self, find: Find) -> list[Record]:
        """Return this run and those before it that share a condition without interruption, newest first."""
        records = [self.record]
        for record in self.earlier():
            has_it = find(record)
            if has_it:
                records.append(record)
            elif has_it is not None:
                break
        return records

    def message(self, kind: str, subject: str, *lines: str, remedy: str, began: Record | None = None) -> Message:
        """Return a message; its condition began with this run, unless `began` is given."""
        record, retraining = self.record, self.record.retraining
        unusable = [f"{retraining.unusable}."] if retraining and retraining.quarantined else []
        serves = f"Version {self.champion} serves." if self.champion else "No version serves yet."
        details = f"Details: gristmill show {record.pipeline} --run {record.id}"
        body = "\n".join([*lines, *unusable, serves, remedy, details])
        return Message(kind, (began or record).id, f"{record.pipeline}: {subject}", body)


def due_messages(facts: Facts, rules: Notify) -> Iterator[Message]:
    """Yield the messages that follow from a run by now; some are due before it ends."""
    check_data = f"Check the data: gristmill schema {facts.record.pipeline}"
    yield from _report_alarms(facts, "drift", "drift", _drift_alarms, check_data)
    yield from _report_alarms(facts, "baseline", "champion worse than a baseline", _baseline_alarms, _OTHER_MODELS)
    yield from _report_promotion(facts)
    yield from _report_rejections(facts, rules.rejections)
    yield from _report_set_aside(facts)
    yield from _report_failure(facts)
    yield from _report_kill(facts)
    yield from _report_silence(facts)


def _drift_alarms(record: Record) -> list[str] | None:
    """Return the alarms about errors and inputs; None if the run did not look for them."""
    drift = record.retraining.drift if record.retraining else None
    return drift.model_copy(update={"baseline": None}).alarms if drift else None


def _baseline_alarms(record: Record) -> list[str] | None:
    """Return the alarm that the champion is worse than a baseline; None if they were not compared."""
    drift = record.retraining.drift if record.retraining else None
    if drift is None or drift.baseline is None:
        return None
    return [str(drift.baseline)] if drift.baseline.alarm else []


def _report_alarms(
    facts: Facts, kind: str, subject: str, alarms_of: Callable[[Record], list[str] | None], remedy: str
) -> Iterator[Message]:
    """Yield a message if there are alarms; those about the same champion are one condition."""
    alarms, champion = alarms_of(facts.record), _champion_of(facts.record)

    def has_alarms(record: Record) -> bool | None:
        earlier = alarms_of(record)
        return None if earlier is None else bool(earlier) and _champion_of(record) == champion

    if alarms:
        first = f"A retraining of {facts.record.pipeline} compared version {champion} with newer data:"
        yield facts.message(kind, subject, first, *alarms, remedy=remedy, began=facts.streak(has_alarms)[-1])


def _report_promotion(facts: Facts) -> Iterator[Message]:
    """Yield a message if the run promoted a version."""
    if facts.promoted is None:
        return
    pipeline, retraining, champion = facts.record.pipeline, facts.record.retraining, _champion_of(facts.record)
    why = [f"Why: {retraining.judgement.why}"] if retraining and retraining.judgement else []
    before = f"instead of version {champion}" if champion else "as its first version"
    first = f"A retraining of {pipeline} promoted version {facts.promoted}, {before}."
    remedy = f"To go back: gristmill rollback {pipeline}"
    yield facts.message("promoted", f"version {facts.promoted} promoted", first, *why, remedy=remedy)


def _report_rejections(facts: Facts, limit: int) -> Iterator[Message]:
    """Yield a message if enough retrainings in a row have rejected their challengers to the same champion."""

    def was_rejected(record: Record) -> bool | None:
        if record.retraining is None or record.retraining.verdict not in ("rejected", "promoted"):
            return None
        return record.retraining.verdict == "rejected" and _champion_of(record) == _champion_of(facts.record)

    is_over = facts.record.outcome != "running"  # before, a recovery may still be promoted
    if is_over and facts.record.retraining and was_rejected(facts.record):
        streak = facts.streak(was_rejected)
        count = f"{count_of(len(streak), 'challengers')} rejected in a row"
        why = f"The last one: {facts.record.retraining.why}"
        if len(streak) >= limit:
            yield facts.message("rejected", count, why, remedy=_OTHER_MODELS, began=streak[-1])


def _report_set_aside(facts: Facts) -> Iterator[Message]:
    """Yield a message if the run set new data aside; runs that do so one after the other are one condition."""

    def has_set_aside(record: Record) -> bool | None:
        return None if record.trial or record.outcome == "running" else bool(record.set_aside)

    if facts.record.set_aside:
        name, began = facts.record.pipeline, facts.streak(has_set_aside)[-1]
        first = f"The new data of {name} breaks rules for arrivals, so the last good data stays in use:"
        remedy = f"Fix the source. If the data is right: gristmill retrain {name} --accept"
        reasons = facts.record.set_aside.values()
        yield facts.message("set aside", "new data set aside", first, *reasons, remedy=remedy, began=began)


def _report_failure(facts: Facts) -> Iterator[Message]:
    """Yield a message about a failed run; the same error in every run is one condition."""
    record = facts.record

    def failed_alike(other: Record) -> bool | None:
        if other.trial or other.overrides != record.overrides or other.outcome == "running":
            return None
        return (other.outcome, other.error) == (record.outcome, record.error)

    if record.outcome == "failed" and not record.set_aside:
        lines = f"The {facts.noun} {record.id} failed after {record.seconds:,.1f} s.", f"Error: {record.error}"
        remedy = f"Fix the cause and run again: gristmill {facts.command} {record.pipeline}"
        began = facts.streak(failed_alike)[-1]
        yield facts.message("failed", f"{facts.noun} failed", *lines, remedy=remedy, began=began)


def _report_kill(facts: Facts) -> Iterator[Message]:
    """Yield a message about a run whose process ended without reporting."""
    record = facts.record
    if record.outcome == "interrupted" and record.finished is None:  # a run that is stopped notes its end
        first = f"The process of the {facts.noun} {record.id} ended without reporting: "
        cause = "it was killed, it ran out of memory, or its machine stopped."
        by_itself = "A worker or gristmill schedule that still runs starts it once more. " * record.restarts
        remedy = f"Finished stages are kept. {by_itself}Continue by hand: gristmill {facts.command} {record.pipeline}"
        yield facts.message("killed", f"{facts.noun} killed", first + cause, remedy=remedy)


def _report_silence(facts: Facts) -> Iterator[Message]:
    """Yield a message if the newest data is older than the pipeline allows."""

    def is_silent(record: Record) -> bool | None:
        return None if record.retraining is None else record.retraining.silent_since is not None

    retraining, name = facts.record.retraining, facts.record.pipeline
    if retraining and retraining.silent_since:
        newest = f"The newest data of {name} is from {retraining.silent_since:%Y-%m-%d %H:%M} UTC."
        remedy = f"Check its source. When there is new data: gristmill retrain {name}"
        yield facts.message("silent", "no new data", newest, remedy=remedy, began=facts.streak(is_silent)[-1])


def _champion_of(record: Record) -> int | None:
    """Return the version that served when a retraining began."""
    return record.retraining.champion if record.retraining else None
