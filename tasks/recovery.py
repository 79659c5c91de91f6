"""Steps of a recovery: compare simple forecasters with a champion that an alarm is about (`retraining/recovery.py`).

Modules that load NumPy are imported late, as in `retraining.py`.
"""

import logging
from dataclasses import replace

from gristmill.config.candidates import candidates_of
from gristmill.runs.retraining_record import CHALLENGER, Retraining
from gristmill.settings.selection import Select
from gristmill.tasks.retraining_run import record_retraining
from gristmill.tasks.run import References, Run, stage_task
from gristmill.training import progress

logger = logging.getLogger(__name__)


def recovery_run(run: Run, found: Retraining) -> Run | None:
    """Return the run that compares cheap forecasters with the champion on the data since an alarm; None without one."""
    if run.champion is None or found.verdict not in ("waiting", "rejected"):
        return None
    if run.registry.hold(run.pipeline.name):
        return None
    from gristmill.retraining.recovery import rows_to_compare

    records = run.runs.newest_first(run.pipeline.name)
    earlier = [one.retraining for one in records if one.id != run.id and one.retraining and one.is_own(run.pipeline)]
    rows = rows_to_compare(found, earlier, run.pipeline.gate)
    tables = run.domain.retraining.load().recovery_tables(run.pipeline.tables, rows) if rows else None
    if not tables:
        return None
    return replace(run, pipeline=replace(run.pipeline, tables=tables), jobs=1)  # workers know only pipelines.toml


def with_only(run: Run, candidate: str) -> Run:
    """Return the run in which one candidate is the selected model."""
    tables = {**run.pipeline.tables, "select": Select(weights={candidate: 1.0})}
    return replace(run, pipeline=replace(run.pipeline, tables=tables))


@stage_task("look for a recovery of {run.pipeline.name}")
def judge_recovery(run: Run, found: Retraining, made: References) -> Retraining:
    """Compare the candidates of a recovery with the champion; `winner` names the one that replaces it, if any does."""
    from gristmill.retraining.gate import judge_contest
    from gristmill.retraining.recovery import clearly_better

    progress.report_work("recovery")
    judged_by, folders = run.domain.retraining.load(), run.folders(made)
    first_step, contest = (judged_by.contest(folders, run.champion_data, steps) for steps in (1, None))
    names = [one.name for one in candidates_of(run.pipeline.domain, run.pipeline.tables)]
    winner = clearly_better(first_step, contest, names, run.pipeline.gate)
    if winner is None:
        return found
    contest = replace(contest, errors=contest.errors | {CHALLENGER: contest.errors[winner]})
    judged = judge_contest(contest, run.pipeline.gate, None)
    why = f"{winner} is clearly better after an alarm: {judged.why}"
    logger.info("%-10s %s", "recovery", why)
    judged = judged.model_copy(update={"why": why})
    stages = run.record().stages.items()
    run.update_record(stages={label: one for label, one in stages if label in run.stages})  # not those of a challenger
    return record_retraining(run, found.model_copy(update={"judgement": judged, "winner": [winner], "verdict": None}))
