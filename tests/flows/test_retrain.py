"""The retrain flow on real sunspots that arrive month by month."""

import re
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from importlib import import_module
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest

from conftest import ROOT, SMALL
from gristmill.cli import output
from gristmill.errors import RequestError, WorkError
from gristmill.project.project import Project
from gristmill.project.serving import register
from gristmill.registry.registry import Registry
from gristmill.reports.retraining import write_retraining
from gristmill.retraining.gate import Contest, judge_contest
from gristmill.runs.records import Record
from gristmill.runs.retraining_record import DataChanges, Drift, Judgement
from gristmill.training.deadline import check_deadlines
from helpers.support import edit, wait_until

pytest_plugins = ["helpers.end_to_end"]
pytestmark = pytest.mark.usefixtures("parity_here")

RULES = """
[pipelines.small.gate]
window = 24

[pipelines.small.schedule]
min_new = 6
"""
TOML = SMALL.replace('"drift", "moving_average", "ets", ', "") + RULES

Retrain = Callable[..., Record]
Events = list[tuple[str, dict[str, Any]]]


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> Events:
    """What was emitted: names and payloads, each for the pipeline."""
    found: Events = []

    def emit(event: str, resource: dict[str, str], payload: dict[str, Any]) -> None:
        assert resource == {"prefect.resource.id": "gristmill.pipeline.small", "prefect.resource.name": "small"}
        found.append((event, payload))

    monkeypatch.setattr("gristmill.tasks.retraining.emit_event", emit)
    return found


def retraining_in(project: Path) -> Retrain:
    """Return a function that retrains a project on the first so many months, some changed, and accepts them."""
    from gristmill.flows.retrain import retrain

    lines = (ROOT / "data/samples/sunspots.csv").read_text().splitlines()
    (project / "pipelines.toml").write_text(TOML)

    def call(months: int, *overrides: str, change: Callable[[list[str]], list[str]] = list) -> Record:
        (project / "series.csv").write_text("\n".join(change(lines[: months + 1])) + "\n")
        return Record.model_validate(retrain("small", list(overrides), str(project), accept=True))

    return call


@pytest.fixture
def retrain(project: Path, prefect_api: str, events: Events) -> Retrain:
    return retraining_in(project)


@pytest.fixture(scope="module")
def first_retraining(tmp_path_factory: pytest.TempPathFactory, prefect_api: str, parity_here: None) -> Path:
    """The project after a first retraining on 300 months. It must not be written to: copy it."""
    folder = tmp_path_factory.mktemp("first")
    assert told(retraining_in(folder)(300))[0] == "promoted"
    return folder


@pytest.fixture
def retrained(project: Path, first_retraining: Path, retrain: Retrain) -> Retrain:
    """As `retrain`, after the first retraining."""
    shutil.copytree(first_retraining, project, symlinks=True, dirs_exist_ok=True)
    return retrain


def told(record: Record) -> tuple[str | None, str]:
    assert record.retraining is not None
    return record.retraining.verdict, record.retraining.why


def shown(key: str) -> str:
    """Return the newest artifact of this key in Prefect's page."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
    from prefect.client.schemas.sorting import ArtifactSort

    with get_client(sync_client=True) as client:
        wanted = ArtifactFilter(key=ArtifactFilterKey(any_=[key]))
        return str(client.read_artifacts(artifact_filter=wanted, sort=ArtifactSort.CREATED_DESC, limit=1)[0].data)


def states() -> list[str | None]:
    """Return the names of the states of the last six retrainings in Prefect, oldest first."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowFilter, FlowFilterName
    from prefect.client.schemas.sorting import FlowRunSort

    with get_client(sync_client=True) as client:
        wanted = FlowFilter(name=FlowFilterName(any_=["retrain"]))
        found = client.read_flow_runs(flow_filter=wanted, sort=FlowRunSort.START_TIME_DESC, limit=6)
    return [run.state_name for run in found[::-1]]


def promoted_by_hand(project: Path, months: int, *overrides: str) -> Record:
    """Have a model serve whatever the baselines do, and return the record of its run."""
    lines = (ROOT / "data/samples/sunspots.csv").read_text().splitlines()
    (project / "series.csv").write_text("\n".join(lines[: months + 1]) + "\n")
    opened = Project.open(project, {"small": ["preprocess.test=24", "export.refit=true", *overrides]})
    record = opened.run("small").record
    opened.promote("small")
    return record


def registry(project: Path) -> Registry:
    return Registry(Project.open(project).catalogue.store)


@pytest.mark.slow
@pytest.mark.fault(23)
def test_a_series_is_followed_from_its_first_model_on(project: Path, retrain: Retrain, events: Events) -> None:
    first = retrain(300)

    assert first.retraining is not None
    assert first.retraining.judgement is not None
    assert told(first)[0] == "promoted"
    assert told(first)[1].endswith("; there was no champion")
    assert list(first.stages) == ["ingest", "preprocess", "train", "evaluate", "refit", "export"]
    champion = registry(project).champion("small")
    assert champion is not None
    assert (champion.number, champion.run, champion.references) == (1, first.id, first.references)
    assert champion.decision["verdict"] == "judged"
    assert champion.decision["judgement"]["scores"] == first.retraining.judgement.scores
    assert champion.scores["refit"] is True
    assert [name for name, _ in events] == ["gristmill.model.promoted"]

    page = shown("small-judgement")
    assert page.startswith(f"**Promote**: {told(first)[1]}")
    assert "| **challenger** |" in page

    assert told(retrain(300)) == ("nothing new", "0 rows that no retraining has judged, fewer than 6")
    assert told(retrain(303)) == ("nothing new", "3 rows that no retraining has judged, fewer than 6")
    keras.config.set_epsilon(0.1)
    waiting = retrain(310)
    assert keras.config.epsilon() == 1e-7  # it is reset before the champion is loaded
    assert told(waiting) == (
        "waiting",
        "10 new since the champion was trained; gate.window asks for 24 new ones to judge on",
    )
    assert waiting.retraining is not None
    assert waiting.retraining.drift is not None
    assert waiting.retraining.drift.errors is not None
    assert waiting.retraining.drift.errors.count == 9  # windows of two months
    assert [version.number for version in registry(project).versions("small")] == [1]

    judged = retrain(330)
    assert judged.retraining is not None
    assert judged.retraining.judgement is not None
    scores = judged.retraining.judgement.scores
    assert {"challenger", "champion", "naive"} < set(scores)
    assert judged.retraining.judgement.items == 23
    assert (told(judged)[0] == "promoted") == (scores["challenger"] < scores["champion"])
    assert told(retrain(330)) == ("nothing new", "0 rows that no retraining has judged, fewer than 6")
    assert states() == [
        "Promoted",
        "Nothing new",
        "Nothing new",
        "Waiting",
        str(told(judged)[0]).capitalize(),
        "Nothing new",
    ]


@pytest.mark.slow
@pytest.mark.fault(21)
@pytest.mark.fault(23)
def test_a_challenger_that_is_not_better_by_the_margin_is_not_served(
    project: Path, retrained: Retrain, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    rejected = retrained(330, "gate.margin=0.9")

    assert told(rejected)[0] == "rejected"
    assert list(rejected.stages) == ["ingest", "preprocess", "train", "evaluate"]  # no refit, no bundle
    assert events[-1] == ("gristmill.model.rejected", {"why": told(rejected)[1]})
    champion = registry(project).champion("small")
    assert champion is not None
    assert champion.number == 1
    page = unescape(write_retraining(rejected, "A few years", Project.open(project).store).read_text())
    assert told(rejected)[1] in page
    for words in ("Rejected", "New data", "Drift", "Challenger, champion, baselines", "All retrainings", "promoted"):
        assert words in page
    with monkeypatch.context() as patch:
        patch.setattr("gristmill.prefect_runtime.launch.load_flow", None)  # nothing can be run
        again = Project.open(project, {"small": ["gate.margin=0.9"]}).retrain("small")
    assert told(again) == ("nothing new", "all rows were judged before")
    assert told(retrained(330, "gate.margin=0.9"))[0] == "nothing new"
    assert told(retrained(335, "gate.margin=0.9")) == (
        "nothing new",
        "5 rows that no retraining has judged, fewer than 6",
    )
    assert told(retrained(336, "gate.margin=0.9"))[0] == "rejected"
    assert told(retrained(336, "gate.margin=0.8"))[0] == "rejected"  # other rules ask for another judgement
    assert Project.open(project).record("small").references == champion.references  # what is shown is what serves


@pytest.mark.slow
@pytest.mark.fault(21)
def test_without_a_champion_the_best_baseline_is_the_yardstick(project: Path, retrain: Retrain) -> None:
    edit(project / "pipelines.toml", "history = 12", "history = 1")

    record = retrain(320)

    assert record.retraining is not None
    assert record.retraining.judgement is not None
    scores = record.retraining.judgement.scores
    best = min(scores, key=lambda name: scores[name])
    assert best != "challenger"
    assert told(record)[0] == "promoted"
    assert f", worse than {best} with {scores[best]:.5g} by at most one standard error, " in told(record)[1]


@pytest.mark.slow
def test_a_champion_that_does_not_follow_a_shift_is_replaced_before_the_judging_window_is_full(
    project: Path, retrain: Retrain
) -> None:
    def shifted(lines: list[str]) -> list[str]:
        cells = (line.split(",") for line in lines[301:])
        return [*lines[:301], *(f"{month},{float(count) + 1000}" for month, count in cells)]

    promoted_by_hand(project, 300)
    with (project / "pipelines.toml").open("a") as file:
        file.write("\n[runner]\nworkers = 2\n")  # a recovery has candidates that workers do not know
    recovery = retrain(312, change=shifted)

    assert recovery.retraining
    assert told(recovery)[0] == "promoted"
    winner = recovery.retraining.winner[0]
    assert told(recovery)[1].startswith(f"{winner} is clearly better after an alarm: mae ")
    champion = registry(project).champion("small")
    assert champion
    assert champion.evaluated.selected
    assert champion.evaluated.selected.members == {winner: 1.0}
    assert "train" not in recovery.stages  # nothing of a challenger of the pipeline's own kind
    forecast = Project.open(project).predict("small")
    assert (forecast["sunspots"] > 900).all()
    assert set(champion.decision["tables"]) >= {"model", "preprocess", "select"}
    assert Project.open(project).reproduce("small", 2).other_results == []

    judged = retrain(336, change=shifted)  # the pipeline's own model is judged against it

    assert judged.retraining
    assert judged.retraining.judgement
    assert {"challenger", "champion"} < set(judged.retraining.judgement.scores)


def promote_anything(*given: Any) -> Judgement:
    return judge_contest(*given).model_copy(update={"promoted": True})


@pytest.mark.slow
@pytest.mark.parametrize("better", [None, "naive"])
def test_after_an_alarm_a_promoted_challenger_is_compared_with_simple_models(
    project: Path, retrain: Retrain, monkeypatch: pytest.MonkeyPatch, better: str | None
) -> None:
    promoted_by_hand(project, 300)
    monkeypatch.setattr("gristmill.retraining.gate.judge_contest", promote_anything)
    monkeypatch.setattr(Drift, "has_error_alarm", True)
    compared: list[tuple[Contest, Contest]] = []

    def compare(simple: Contest, challenger: Contest, *_: Any) -> str | None:
        compared.append((simple, challenger))
        return better

    monkeypatch.setattr("gristmill.retraining.recovery.better_than_challenger", compare)

    record = retrain(330)

    assert record.retraining
    assert (told(record)[0], record.retraining.recovered) == ("promoted", better is not None)
    assert told(record)[1].startswith("naive is better than the challenger after an alarm: mae ") == bool(better)
    ((simple, challenger),) = compared
    np.testing.assert_allclose(simple.errors["naive"], challenger.errors["naive"])  # the same forecasts are judged
    stages = ["ingest", "preprocess", "train", "evaluate", "refit", "export"]
    assert better or list(record.stages) == stages
    assert better is None or "train" not in record.stages
    champion = registry(project).champion("small")
    assert champion
    assert (champion.number, champion.references) == (2, record.references)
    forecast = Project.open(project).predict("small")
    assert (forecast["sunspots"].nunique() == 1) == bool(better)


@pytest.mark.slow
def test_predictions_that_are_clearly_worse_than_tested_need_one_new_row_only(
    project: Path, retrain: Retrain, events: Events
) -> None:
    run = promoted_by_hand(project, 300).id
    with (project / "pipelines.toml").open("a") as file:
        file.write("\n[pipelines.small.monitor]\n")
    log, months = Project.open(project).prediction_log("small"), pd.read_csv(project / "series.csv").tail(60)
    asked = ("schedule.min_new=50", "schedule.on_error=true")

    def predict(error: float) -> None:
        """Log a forecast of two months from each of the last months."""
        for first in range(58):
            two = months.iloc[first : first + 2]
            log.add(pd.DataFrame({"ds": pd.to_datetime(two["month"]), "sunspots": two["sunspots"] + error}), run, 1, "")

    predict(1.0)
    assert told(retrain(302, *asked))[0] == "nothing new"
    predict(500.0)
    assert told(retrain(302, asked[0]))[0] == "nothing new"
    assert told(retrain(302, *asked))[0] == "waiting"
    alarms = [payload["alarm"] for name, payload in events if name == "gristmill.drift.detected"]
    assert len(alarms) == 1
    assert alarms[0].startswith("logged predictions: mean error ")


@pytest.mark.slow
@pytest.mark.fault(23)
def test_revised_history_is_news_and_a_champion_too_old_is_asked_about_one_row(retrained: Retrain) -> None:
    def revised(lines: list[str]) -> list[str]:
        return [f"{line.partition(',')[0]},1.5" if 100 < number < 107 else line for number, line in enumerate(lines)]

    found = retrained(300, change=revised).retraining
    aged = retrained(301, 'schedule.max_age="1 second"')

    assert found is not None
    assert found.news == DataChanges(later=0, revised=6)
    assert (found.verdict, found.unjudged) == ("waiting", 6)
    assert told(aged)[0] == "waiting"


@pytest.mark.slow
@pytest.mark.fault(23)
def test_a_retraining_that_was_killed_before_the_pointer_moved_ends_in_the_same_version(
    project: Path, retrain: Retrain, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Registry, "promote", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            retrain(300)
    assert registry(project).champion("small") is None

    again = retrain(300)

    assert told(again)[0] == "promoted"
    assert [version.number for version in registry(project).versions("small")] == [1]
    assert all(stage.cached for stage in again.stages.values())


@pytest.mark.slow
@pytest.mark.fault(30)
def test_one_retraining_at_a_time(project: Path, retrained: Retrain, caplog: pytest.LogCaptureFixture) -> None:
    lock = Project.open(project).catalogue.store.lock("retrain-small")
    lock.__enter__()
    waiting = "waiting    for another retraining of small to end"

    def release_once_it_waits() -> None:
        wait_until(lambda: waiting in caplog.messages, "the second retraining to wait")
        lock.__exit__(None, None, None)

    with caplog.at_level("INFO", "gristmill.tasks"):
        threading.Thread(target=release_once_it_waits).start()
        assert told(retrained(300))[0] == "nothing new"

    assert caplog.messages[0] == waiting


TIMED_OUT = (
    "timed out after 1 second ([pipelines.small.schedule] timeout). Finished stages are kept, and the next "
    "retraining resumes. Increase timeout, train fewer epochs, or set schedule.budget."
)


@pytest.mark.slow
def test_a_retraining_that_takes_too_long_is_stopped_and_the_next_one_resumes(
    project: Path, retrain: Retrain, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_module("keras")  # an import that the signal interrupts would break this process; a real one ends then
    with monkeypatch.context() as patch:
        patch.setattr("gristmill.tasks.retraining_run._GRACE_SECONDS", 0)
        patch.setattr("gristmill.flows.retrain.run_up_to", lambda *given: time.sleep(60))
        with pytest.raises(WorkError, match=re.escape(TIMED_OUT)):
            retrain(300, "schedule.timeout=1 second")

    record = next(Project.open(project).runs.newest_first("small"))
    assert (record.outcome, record.error) == ("failed", f"WorkError: {TIMED_OUT}")
    assert states()[-1] == "Failed"
    again = retrain(300, "schedule.timeout=1 hour")
    assert told(again)[0] == "promoted"
    assert again.stages["ingest"].cached


@pytest.mark.slow
def test_outside_the_main_thread_a_retraining_ends_between_two_steps(
    project: Path, retrain: Retrain, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_steps(*given: object) -> None:
        while True:
            time.sleep(0.01)
            check_deadlines()

    monkeypatch.setattr("gristmill.flows.retrain.run_up_to", run_steps)
    with ThreadPoolExecutor(1) as threads, pytest.raises(WorkError, match=re.escape(TIMED_OUT)):
        threads.submit(retrain, 300, "schedule.timeout=1 second").result()

    record = next(Project.open(project).runs.newest_first("small"))
    assert (record.outcome, record.error) == ("failed", f"WorkError: {TIMED_OUT}")


@pytest.mark.slow
def test_a_shift_is_told(retrained: Retrain, events: Events) -> None:
    def shifted(lines: list[str]) -> list[str]:
        return [
            f"{line.partition(',')[0]},{900 + number}" if number > 300 else line for number, line in enumerate(lines)
        ]

    record = retrained(310, change=shifted)

    assert record.retraining is not None
    assert record.retraining.drift is not None
    assert record.retraining.drift.alarms
    assert [payload["alarm"] for name, payload in events if name == "gristmill.drift.detected"] == (
        record.retraining.drift.alarms
    )


ROOTS = '''
"""A network that forecasts by square roots: of a negative value there is none."""


def build(shape):
    import keras

    window = keras.Input((shape.history, shape.columns))
    return keras.Model(window, keras.layers.Dense(shape.outputs)(keras.ops.sqrt(3 + shape.lags(window))))
'''


@pytest.mark.fault(34)
@pytest.mark.slow
def test_a_champion_whose_forecasts_are_no_numbers_is_replaced(
    project: Path, retrain: Retrain, events: Events, capsys: pytest.CaptureFixture[str]
) -> None:
    def negative(lines: list[str]) -> list[str]:
        return [f"{line.partition(',')[0]},-900" if number == 320 else line for number, line in enumerate(lines)]

    (project / "roots.py").write_text(ROOTS)
    how = "train.epochs=1", "train.learning_rate=1e-3", "train.batch_size=512"
    promoted_by_hand(project, 300, 'model={kind="roots.py:build"}', *how)

    record = retrain(330, change=negative)

    assert record.retraining is not None
    assert record.retraining.judgement is not None
    assert record.retraining.drift is not None
    assert told(record)[0] == "promoted"
    assert f"against the champion's {record.retraining.judgement.scores['champion']}" in told(record)[1]
    assert not np.isfinite(record.retraining.judgement.scores["champion"])
    assert record.retraining.drift.baseline is not None
    assert record.retraining.drift.baseline.alarm
    assert ("gristmill.drift.detected", {"alarm": str(record.retraining.drift.baseline), "champion": 1}) in events
    kept = Project.open(project).record("small", record.id)
    assert str(kept.retraining) == str(record.retraining)
    output.show_record(kept, None)
    shown = capsys.readouterr().out
    for words in (
        "news    30 new, since version 1 was trained; ",
        "alarm   the champion is worse than ",
        "promoted as version 2",
    ):
        assert words in shown
    page = unescape(write_retraining(kept, "A few years", Project.open(project).store).read_text())
    assert "The champion and the best baseline" in page


@pytest.mark.slow
def test_a_champion_whose_data_is_gone_cannot_be_compared_with(project: Path, retrained: Retrain) -> None:
    store, first = Project.open(project).store, Project.open(project).record("small")
    folder = store.path("ingest", first.references["ingest"]["key"])
    shutil.rmtree(folder)

    with pytest.raises(WorkError) as raised:
        retrained(330)

    assert str(raised.value) == (
        f"{folder}/manifest.json: cannot be read (No such file or directory). It belongs to version 1, with which new "
        "data is compared. Run small and promote that model: gristmill promote small."
    )


@pytest.mark.slow
def test_nothing_is_trained_while_the_champion_is_held(project: Path, retrained: Retrain) -> None:
    opened = Project.open(project)
    opened.promote("small", 1, hold=True)

    held = retrained(330)

    assert held.retraining is not None
    assert (held.retraining.verdict, list(held.stages)) == ("waiting", ["ingest"])
    assert held.retraining.why.startswith("version 1 is held by ")
    assert held.retraining.why.endswith(". To release it: gristmill promote small 1")
    assert held.retraining.drift is not None
    opened.promote("small", 1)
    released = retrained(330).retraining
    assert released is not None
    assert released.judgement is not None


@pytest.mark.slow
def test_a_promotion_meanwhile_stands(project: Path, retrain: Retrain, monkeypatch: pytest.MonkeyPatch) -> None:
    retrain(300, "preprocess.history=1")
    meanwhile = Project.open(project)
    real = Registry.champion

    def judged_beside_the_first(self: Registry, pipeline: str, verified: bool = False) -> Any:
        champion = real(self, pipeline, verified)
        if verified:  # when the retraining begins
            meanwhile.promote(pipeline, second.number)
        return champion

    record = Project.open(project, {"small": ["train.seed=7"]}).run("small").record
    second = register(project, meanwhile.store, record, {"verdict": "promoted", "why": "asked for"})
    monkeypatch.setattr(Registry, "champion", judged_beside_the_first)

    found = retrain(330)

    assert told(found) == ("rejected", "version 2 was promoted meanwhile; it was not judged")
    monkeypatch.setattr(Registry, "champion", real)
    assert meanwhile.champion("small") == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            "preprocess.test=9",
            "--set preprocess.test=9: a retraining sets preprocess.test itself, by [pipelines.small.gate].",
        ),
        (
            "gate.window=1",
            "gate.window is 1, shorter than preprocess.horizon, 2: no forecast fits into it. "
            "Set gate.window to several horizons.",
        ),
    ],
)
def test_settings_that_a_retraining_cannot_take(retrain: Retrain, asked: str, said: str) -> None:
    with pytest.raises(RequestError) as refused:
        retrain(300, asked)
    assert str(refused.value) == said


@pytest.mark.slow
def test_a_plan_tells_what_changed_since_the_last_run_not_since_a_retraining(project: Path, retrained: Retrain) -> None:
    Project.open(project).run("small")
    retrained(330)

    steps = {step.stage: (step.state, step.reason) for step in Project.open(project).plan("small")}

    assert steps["ingest"] == ("fresh", "")
    assert steps["preprocess"] == ("run", "ingest produced different data")


@pytest.mark.slow
def test_a_damaged_champion_is_exported_again_and_serves(project: Path, retrain: Retrain) -> None:
    retrain(300, "preprocess.history=1")
    second = retrain(330)
    assert told(second)[0] == "promoted"
    store = Project.open(project).store
    (model,) = store.path("export", second.references["export"]["key"]).glob("*.keras")
    model.write_bytes(model.read_bytes()[:-1])

    again = Project.open(project).retrain("small")

    assert again.retraining is not None
    assert (again.retraining.champion, told(again)[0], again.retraining.version) == (1, "promoted", 2)
    champion = registry(project).champion("small", verified=True)
    assert champion is not None
    assert champion.number == 2
    assert [stage for stage, done in again.stages.items() if not done.cached] == ["export"]
