"""The recipe of a champion with `kind = "auto"`: its candidates with their weights, to be fitted on new data."""

from collections.abc import Collection

from gristmill.config.candidates import CANDIDATE_TABLES, candidates_of
from gristmill.config.catalogue import Pipeline
from gristmill.registry.version import Version
from gristmill.runs.retraining_record import Retraining
from gristmill.settings.selection import Auto


def recipe_of(champion: Version | None, pipeline: Pipeline) -> dict[str, float]:
    """Return the weights of the candidates in a champion.

    The result is empty if the champion was not selected among candidates, if the candidates have changed since then, or
    if an earlier release made a constant, such as the majority class, one of several members.
    A champion of a recovery is not one of the candidates if the pipeline has a single model.
    """
    selected = champion.evaluated.selected if champion else None
    if champion is None or selected is None or not isinstance(pipeline.tables["model"], Auto):
        return {}
    today = pipeline.values()
    if any(champion.settings.get(name) != today.get(name) for name in CANDIDATE_TABLES):
        return {}
    candidates = candidates_of(pipeline.domain, pipeline.tables)
    models = {candidate.name: candidate.tables["model"] for candidate in candidates}
    has_constant = any(name in models and models[name].constant for name in selected.members)
    return {} if has_constant and len(selected.members) > 1 else selected.members


def alarms_about_champion(present: Retraining, last: Retraining | None) -> list[str]:
    """Return the alarms of a retraining, and of the last one if it judged the same champion.

    The last one matters because a comparison with the best baseline is known only at the end of a retraining.
    """
    about_same = [present, last] if last and last.champion == present.champion else [present]
    return [alarm for retraining in about_same if retraining.drift for alarm in retraining.drift.alarms]


def networks_to_leave_out(pipeline: Pipeline, recipe: Collection[str], alarms: Collection[str]) -> list[str]:
    """Return the candidates that a retraining does not train: networks that are not members of the champion.

    Closed-form candidates are cheap to fit again. After an alarm, and without a recipe, every candidate is trained.
    """
    if not recipe or alarms:
        return []
    candidates = candidates_of(pipeline.domain, pipeline.tables)
    networks = [candidate.name for candidate in candidates if not hasattr(candidate.tables["model"], "fit")]
    return [name for name in networks if name not in recipe]
