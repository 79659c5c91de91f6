"""The recipe of a champion, and the candidates that a retraining trains."""

from dataclasses import replace
from typing import Any

import pytest

from gristmill.config.catalogue import Pipeline
from gristmill.domains.generation.settings import Train
from gristmill.registry.version import Version
from gristmill.retraining.recipes import alarms_about_champion, networks_to_leave_out, recipe_of
from gristmill.runs.retraining_record import BaselineDrift, DataChanges, Drift, Retraining
from gristmill.settings.selection import Auto

CANDIDATES = ("unigram", "ngram", "gru", "lstm")
PIPELINE = Pipeline(
    "play", "generation", "", {"model": Auto(kind="auto", preset="none", candidates=CANDIDATES), "train": Train()}
)


def champion(selected: dict[str, float] | None, **settings: Any) -> Version:
    """Return a version that was selected among the candidates, or of a single model."""
    headline = {"metric": "bits", "model": 2.0, "baseline": 3.0}
    scores: dict[str, Any] = {"headline": headline, "best_baseline": "unigram", "model": {}}
    if selected:
        found = {"metric": "bits", "on": "validation", "loss": 2.0, "best": "gru", "best_loss": 2.0}
        scores["selected"] = found | {"members": selected, "tried": 4, "failed": 0}
    return Version.model_construct(scores=scores, settings=PIPELINE.values() | settings)


def test_the_recipe_is_the_weights_of_the_members() -> None:
    assert recipe_of(champion({"gru": 0.6, "ngram": 0.4}), PIPELINE) == {"gru": 0.6, "ngram": 0.4}
    assert recipe_of(champion({"unigram": 1.0}), PIPELINE) == {"unigram": 1.0}


@pytest.mark.parametrize(
    ("version", "pipeline"),
    [
        (None, PIPELINE),
        (champion(None), PIPELINE),
        (champion({"gru": 0.9, "unigram": 0.1}), PIPELINE),  # a constant is no member any more
        (champion({"gru": 1.0}, train={"epochs": 3}), PIPELINE),
        (champion({"gru": 1.0}), replace(PIPELINE, tables={**PIPELINE.tables, "train": Train(epochs=3)})),
    ],
)
def test_there_is_no_recipe_without_a_selection_or_with_other_candidates(
    version: Version | None, pipeline: Pipeline
) -> None:
    assert recipe_of(version, pipeline) == {}


@pytest.mark.parametrize(
    ("recipe", "alarms", "left_out"),
    [
        (["ngram"], [], ["gru", "lstm"]),
        (["gru", "ngram"], [], ["lstm"]),
        (["ngram"], ["an alarm"], []),
        ([], [], []),
    ],
)
def test_networks_are_trained_as_members_or_after_an_alarm(
    recipe: list[str], alarms: list[str], left_out: list[str]
) -> None:
    assert networks_to_leave_out(PIPELINE, recipe, alarms) == left_out


def judged(champion: int, alarm: bool) -> Retraining:
    sign = BaselineDrift(name="ar", metric="mae", champion=2.0, baseline=1.0, probability=0.001 if alarm else 0.5)
    drift = Drift(errors=None, inputs=[], baseline=sign)
    return Retraining(champion=champion, news=DataChanges(later=1), unjudged=1, drift=drift)


@pytest.mark.parametrize(
    ("now", "last", "count"),
    [
        (judged(2, alarm=True), None, 1),
        (judged(2, alarm=False), judged(2, alarm=True), 1),
        (judged(2, alarm=True), judged(2, alarm=True), 2),
        (judged(2, alarm=False), judged(1, alarm=True), 0),
        (Retraining(champion=None, news=DataChanges(later=1), unjudged=1), None, 0),
    ],
)
def test_alarms_of_the_last_retraining_count_if_it_judged_the_same_champion(
    now: Retraining, last: Retraining | None, count: int
) -> None:
    assert len(alarms_about_champion(now, last)) == count


def test_a_single_model_is_always_trained() -> None:
    single = replace(PIPELINE, tables={**PIPELINE.tables, "model": Train()})

    assert networks_to_leave_out(single, ["gru"], []) == []
