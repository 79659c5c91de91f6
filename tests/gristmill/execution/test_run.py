"""Time that a run has left for candidates, and the artifacts by which models are compared."""

import math
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gristmill.execution.run import Run
from gristmill.tasks import prefect_artifacts, stage_tasks
from gristmill.training import deadline
from gristmill.training.deadline import DeadlinePassed
from gristmill.training.progress import Epoch

STAGES = {"train theta": ("model", "train"), "select": ("select",), "export": ("export",)}  # and their tables


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Function that sets the clock."""
    clock = SimpleNamespace(time=0.0)
    monkeypatch.setattr(deadline, "time", SimpleNamespace(monotonic=lambda: clock.time))
    monkeypatch.setattr(prefect_artifacts, "time", SimpleNamespace(monotonic=lambda: clock.time))
    return lambda seconds: setattr(clock, "time", seconds)


def run_with(
    monkeypatch: pytest.MonkeyPatch,
    *records: dict[str, tuple[float, bool]],
    budget: float | None = 60.0,
    **settings: Any,
) -> Run:
    """Return a run that was requested at 100 and started at 104; the records have seconds and `cached` by stage.

    Their settings are the pipeline's, and `settings`.
    """
    newest = [
        SimpleNamespace(
            stages={
                label: SimpleNamespace(seconds=seconds, cached=cached) for label, (seconds, cached) in record.items()
            },
            settings={"train": {"epochs": 5}} | settings,
        )
        for record in records
    ]
    monkeypatch.setattr(Run, "runs", SimpleNamespace(newest_first=lambda name: iter(newest)))
    stages = {name: SimpleNamespace(tables=tables) for name, tables in STAGES.items()}
    monkeypatch.setattr(Run, "stages", stages)
    anything: Any = SimpleNamespace(name="small", values=lambda: {"train": {"epochs": 5}})
    return Run("id", anything, anything, None, budget, 100.0, 104.0)


def test_the_first_run_keeps_time_for_the_stages_after_its_candidates(
    monkeypatch: pytest.MonkeyPatch, now: Callable[[float], None]
) -> None:
    now(110)
    assert run_with(monkeypatch).deadline.seconds_left == 60 - 10 - 4 - 0.2 * 60
    assert run_with(monkeypatch, budget=600).deadline.seconds_left == 600 - 10 - 4 - 15
    assert run_with(monkeypatch, budget=None).deadline.seconds_left == math.inf


def test_later_runs_know_the_seconds_of_stages_that_were_made(
    monkeypatch: pytest.MonkeyPatch, now: Callable[[float], None]
) -> None:
    now(110)
    newer = {"train theta": (7.0, False), "select": (0.0, True), "export": (25.0, False)}
    run = run_with(monkeypatch, newer, {"train theta": (9.0, False), "select": (2.0, False)})

    assert run.last_seconds == {"train theta": 7, "select": 2, "export": 25}
    assert run.deadline.seconds_left == pytest.approx(60 - 10 - 1.1 * 27)


def test_records_of_other_settings_and_stages_that_the_pipeline_no_longer_has_do_not_count(
    monkeypatch: pytest.MonkeyPatch, now: Callable[[float], None]
) -> None:
    now(110)
    record = {"train theta": (500.0, False), "refit": (500.0, False), "export": (25.0, False)}
    run = run_with(monkeypatch, record, train={"epochs": 500})

    assert run.last_seconds == {"export": 25}
    assert run.deadline.seconds_left == pytest.approx(60 - 10 - 1.1 * 25)


@pytest.mark.parametrize(("jobs", "seconds"), [(1, 34), (2, 19), (8, 14), (None, 14)])
def test_workers_share_the_blocks_of_a_candidate(jobs: int | None, seconds: float) -> None:
    labels = ["train", "backtest 1", "backtest 2", "backtest 3"]
    stages: Any = [SimpleNamespace(name=label.split()[0], label=label) for label in labels]
    run: Any = SimpleNamespace(jobs=jobs, last_seconds=dict(zip(labels, [4.0, 9.0, 10.0, 11.0], strict=True)))

    assert stage_tasks._last_seconds(run, stages) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("settings", "epochs", "last"), [({}, 7, 7), ({}, 8, 2), ({"patience": 3}, 8, 8), ({"stop_loss": 0.1}, 8, 8)]
)
def test_a_training_whose_epochs_would_take_too_long_is_stopped_unless_it_may_end_early(
    monkeypatch: pytest.MonkeyPatch,
    now: Callable[[float], None],
    settings: dict[str, Any],
    epochs: int,
    last: int,
) -> None:
    """The budget leaves 44 seconds, and each epoch takes 6."""
    stage: Any = SimpleNamespace(settings={"train": SimpleNamespace(**settings)}, candidate="gru", is_baseline=False)
    on_epoch, ended = prefect_artifacts.EpochProgress("small", stage, run_with(monkeypatch).deadline_of(stage)), 0
    with suppress(DeadlinePassed):
        for number in range(1, epochs + 1):
            ended = number
            now(100 + 6 * number)
            on_epoch(Epoch(number, epochs, 1.0, None))

    assert ended == last


def test_models_are_compared_without_opening_what_was_selected_from() -> None:
    labels = ("ingest", "train theta", "backtest theta 1/1", "select", "export")
    made: Any = {label: {"stage": label} for label in labels}
    store = SimpleNamespace(open_verified=lambda reference: SimpleNamespace(path=Path(reference["stage"])))
    pipeline: Any = None
    catalogue: Any = SimpleNamespace(store=store)

    found = Run("id", catalogue, pipeline, None).folders(made)

    assert found == {"ingest": Path("ingest"), "select": Path("select"), "train": Path("select")}
