"""The screen: plain lines where there is no terminal, brackets of messages intact, results apart from the rest."""

import json
import logging
import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gristmill.cli import console, output
from gristmill.cli.doctor import Diagnosis
from gristmill.errors import DataError, RequestError
from gristmill.project.status import Status
from gristmill.runs.plan import Step
from gristmill.runs.records import Record, StageRecord
from gristmill.runs.retraining_record import DataChanges, Drift, InputDrift, Judgement, Retraining
from gristmill.scores import Headline, Scores
from gristmill.store.artifact import Reference

BEGAN = datetime(2020, 1, 1, tzinfo=UTC)
SCORES: dict[str, Any] = {
    "shown": ["mae", "mape", "skill"],
    "headline": {"metric": "mae", "model": 2.0, "baseline": 2.667},
    "best_baseline": "ar",
    "model": {"test": {"mae": 2.0, "mape": None, "skill": 0.25}, "validation": {"mae": 2.5}},
    "baselines": {
        "naive": {"test": {"mae": 4.0, "mape": 10.0, "skill": -0.5}, "validation": {"mae": 3.25}},
        "ar": {"test": {"mae": 2.667, "mape": 9.0, "skill": 0.0}},
        "mean": {"test": {"mae": 3.0, "mape": 12.0, "skill": -0.125}},
    },
}


@pytest.fixture(autouse=True)
def _no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COLUMNS", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    for printer in (console.out(), console.err()):
        monkeypatch.setattr(printer, "_color_system", None)  # found where there was one when it was made


@pytest.fixture
def logs() -> Iterator[logging.Logger]:
    """gristmill's logger, given back as it was."""
    logger = logging.getLogger("gristmill")
    level, propagate, handlers = logger.level, logger.propagate, logger.handlers
    yield logger
    logger.setLevel(level)
    logger.propagate, logger.handlers = propagate, handlers


def record(**changed: Any) -> Record:
    values: dict[str, Any] = {
        "id": "20200101T000000-0000",
        "pipeline": "small",
        "domain": "timeseries",
        "settings": {},
        "overrides": [],
        "started": BEGAN,
        "finished": BEGAN + timedelta(seconds=90),
        "outcome": "succeeded",
        "versions": {},
        "host": "here",
        "pid": 1,
    }
    return Record(**values | changed)


def rows(text: str) -> list[list[str]]:
    """The lines of a table, each as its words."""
    return [line.split() for line in text.splitlines()]


@pytest.mark.parametrize(("installed", "hint"), [(True, ""), (False, "    (needs: pip install tensorboard)")])
def test_the_command_that_opens_the_logs_can_be_pasted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, installed: bool, hint: str
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object() if installed else None)
    output.show_logs(Path("/my store/logs/small/0123"))
    assert capsys.readouterr().out == f"logs    tensorboard --logdir '/my store/logs/small/0123'{hint}\n"


def test_each_line_of_an_error_is_an_error_with_its_brackets(capsys: pytest.CaptureFixture[str]) -> None:
    console.show_error(
        RequestError("pipelines.toml [pipelines.small] a: wrong.\npipelines.toml [defaults] b: [/] wrong.")
    )
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "error: pipelines.toml [pipelines.small] a: wrong.",
        "error: pipelines.toml [defaults] b: [/] wrong.",
    ]


def test_a_message_keeps_its_colons(capsys: pytest.CaptureFixture[str]) -> None:
    console.show_error(DataError("series.csv: no column ':id:'."))
    assert capsys.readouterr().err == "error: series.csv: no column ':id:'.\n"


@pytest.mark.parametrize("description", ["energy in [kwh]", "from [/] to", ":id: of [red]"])
def test_a_description_is_shown_as_it_is_written(capsys: pytest.CaptureFixture[str], description: str) -> None:
    output.show_status([Status("small", "timeseries", description, "fresh", None)])
    assert rows(capsys.readouterr().out)[1] == ["small", "timeseries", "fresh", *description.split()]


def test_a_long_error_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    console.show_error(RequestError("word " * 100 + "end"))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("word end")


@pytest.mark.parametrize("width", [80, 40])
def test_on_a_terminal_an_error_breaks_between_words_only(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    path = f"/home/someone/{'deep-folder/' * 8}pipelines.toml"
    message = f"{path}:12 [pipelines.small.model] kind: unknown model 'dlinaer'. Did you mean 'dlinear'? Known: dense."
    console.show_error(RequestError(f"{message}\nset one."))
    first, *lines, last = capsys.readouterr().err.splitlines()
    assert first == f"error: {path}:12"  # too long for the terminal, which breaks it
    assert " ".join([first, *(line.removeprefix("       ") for line in lines)]) == f"error: {message}"
    assert all(len(line) <= width and line.startswith("       ") for line in lines)
    assert last == "error: set one."


def test_what_is_said_is_no_result(capsys: pytest.CaptureFixture[str]) -> None:
    console.say("interrupted [red]now[/]")
    out, err = capsys.readouterr()
    assert (out, err) == ("", "interrupted [red]now[/]\n")


def test_json_is_the_only_thing_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"name": "é [red]", "path": Path("a"), "values": [1, None]}
    output.show_json(value)
    assert json.loads(capsys.readouterr().out) == value | {"path": "a"}


def test_no_line_of_a_table_ends_in_blanks(capsys: pytest.CaptureFixture[str]) -> None:
    steps = [Step("ingest", "fresh", ""), Step("train", "run", "settings train.epochs 5 → 6")]
    output.show_plan("small", steps)
    assert capsys.readouterr().out.splitlines() == [
        "small",
        "stage          because",
        "ingest  fresh",
        "train   run    settings train.epochs 5 → 6",
    ]


PIPELINES = [
    Status(
        "sunspots_of_many_years", "timeseries", "long " * 50, "fresh",
        Headline(metric="mae", model=12680.4, baseline=13001.0), 12,
    ),
    Status(
        "songs", "generation", "of [red]", "never run",
        Headline(metric="bits_per_character", model=2.0311, baseline=2.25),
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("columns", "headings"),
    [
        (None, "pipeline domain state score baseline champion about"),
        (120, "pipeline domain state score baseline champion about"),
        (92, "pipeline domain state score baseline champion"),
        (80, "pipeline state score baseline champion"),
        (70, "pipeline state score baseline"),
        (60, "pipeline state score"),
        (40, "pipeline state"),
    ],
)
def test_on_a_narrow_terminal_other_columns_than_the_names_give_way(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int | None, headings: str
) -> None:
    if columns:
        monkeypatch.setenv("COLUMNS", str(columns))
    output.show_status(PIPELINES)
    *_, heading, many_years, songs = capsys.readouterr().out.splitlines()
    assert heading.split() == headings.split()
    assert (many_years.split()[0], songs.split()[0]) == ("sunspots_of_many_years", "songs")
    assert len(many_years) <= (columns or 1000)
    assert many_years.endswith("…") == (columns == 120)


def test_without_all_pipelines_that_need_data_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    lost = Status("lost", "timeseries", "", "no data", None)
    trained = Status("trained", "timeseries", "", "no data", Headline(metric="mae", model=2.0, baseline=3.0))
    served = Status("served", "timeseries", "", "no data", None, champion=1)
    output.show_status([PIPELINES[1], lost, trained, served, lost], everything=False)
    *shown, last = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in shown[2:]] == ["songs", "trained", "served"]
    assert last == "2 more need data: gristmill ls --all"
    output.show_status([lost], everything=False)
    assert capsys.readouterr().out == "1 needs data: gristmill ls --all\n"
    output.show_status([lost])
    assert "lost" in capsys.readouterr().out


def test_a_printed_frame_has_six_digits_and_no_exponents(capsys: pytest.CaptureFixture[str]) -> None:
    columns = {
        "name": ["a", "b"],
        "single": np.array([50.216297, 12.0], np.float32),
        "double": [12.638910800280179, np.nan],
        "large": [1234567.891, 250000.0],
        "count": [1234567, 2],
    }
    output.show_frame(pd.DataFrame(columns))
    assert capsys.readouterr().out.splitlines() == [
        "name,single,double,large,count",
        "a,50.2163,12.6389,1234568,1234567",
        "b,12,,250000,2",
    ]


def test_of_printed_quantiles_the_lowest_and_the_highest_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"{target}{end}" for target in ("y", "z") for end in ("", *(f" quantile {at}" for at in (0.1, 0.4, 0.9)))]
    frame = pd.DataFrame([range(9)], columns=["ds", *names])

    output.show_frame(frame)

    assert capsys.readouterr().out.splitlines() == [
        "ds,y,y quantile 0.1,y quantile 0.9,z,z quantile 0.1,z quantile 0.9",
        "0,1,2,4,5,6,8",
    ]
    assert len(frame.columns) == 9


def test_what_is_absent_and_need_not_be_there_is_neither_sound_nor_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    output.show_diagnoses(
        [Diagnosis("store", "writable"), Diagnosis("data of a", "absent", None), Diagnosis("b", "no", False)]
    )
    assert rows(capsys.readouterr().out)[1:] == [
        ["ok", "store", "writable"],
        ["–", "data", "of", "a", "absent"],
        ["no", "b", "no"],
    ]


def test_a_fresh_plan_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    output.show_plan("small", [Step("ingest", "fresh", "")])
    assert capsys.readouterr().out == "small: all fresh, nothing to do\n"


def test_a_plan_says_for_every_stage_what_and_why(capsys: pytest.CaptureFixture[str]) -> None:
    steps = [
        Step("ingest", "fresh", ""),
        Step("train", "run", "settings model.units [20, 10] → [5]; code gristmill/training/fit.py"),
        Step("evaluate", "depends", "depends on train"),
        Step("export", "no data", "[pipelines.small.source] path: no such file"),
    ]
    output.show_plan("small", steps)
    name, _, *shown = (" ".join(words) for words in rows(capsys.readouterr().out))
    assert name == "small"
    assert shown == [
        "ingest fresh",
        "train run settings model.units [20, 10] → [5]; code gristmill/training/fit.py",
        "evaluate run? depends on train",
        "export no data [pipelines.small.source] path: no such file",
    ]


def test_points_of_a_stage_that_share_a_reason_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    steps = [
        Step("train", "fresh", ""),
        Step("backtest 1/1", "fresh", ""),
        Step("backtest 1/2", "fresh", ""),
        Step("backtest 2/1", "run", "no result yet"),
        Step("backtest 2/2", "run", "corrupt: gone"),
        Step("evaluate", "depends", "depends on backtest 2/1"),
    ]
    output.show_plan("small", steps)
    assert [" ".join(words) for words in rows(capsys.readouterr().out)[2:]] == [
        "train fresh",
        "backtest x2 fresh",
        "backtest 2/1 run no result yet",
        "backtest 2/2 run corrupt: gone",
        "evaluate run? depends on backtest 2/1",
    ]


def test_the_model_stands_above_its_baselines_from_the_best_on(capsys: pytest.CaptureFixture[str]) -> None:
    output.show_scores(Scores(**SCORES))
    assert capsys.readouterr().out.splitlines() == [
        "        validation   test",
        "scores         mae    mae  mape   skill",
        "model        2.500  2.000     –  +25.0%",
        "ar               –  2.667     9   +0.0%",
        "mean             –  3.000    12  -12.5%",
        "naive        3.250  4.000    10  -50.0%",
        "model   beats the best baseline by 25.0%: test mae 2.000, ar 2.667",
    ]


def test_warnings_stand_below_the_comparison(capsys: pytest.CaptureFixture[str]) -> None:
    output.show_scores(Scores(**SCORES | {"warnings": ["the test set has 3 windows"]}))
    assert capsys.readouterr().out.splitlines()[-1] == "warning the test set has 3 windows"


def test_the_baselines_are_sorted_by_the_metric_of_the_headline(capsys: pytest.CaptureFixture[str]) -> None:
    headline = {"metric": "mape", "model": 11.0, "baseline": 9.0}
    output.show_scores(Scores(**SCORES | {"shown": ["mape", "coverage"], "headline": headline}))
    assert rows(capsys.readouterr().out)[1:-1] == [
        ["scores", "mape", "mape", "coverage"],
        ["model", "–", "–", "–"],
        ["ar", "–", "9", "–"],
        ["naive", "–", "10", "–"],
        ["mean", "–", "12", "–"],
    ]


def test_a_run_is_shown_with_outcome_overrides_and_lineage(capsys: pytest.CaptureFixture[str]) -> None:
    stage = StageRecord(reference=Reference(stage="train", key="k" * 64, digest="d" * 64), cached=True, seconds=1.5)
    shown = record(
        outcome="failed", error="DataError: [x] wrong", overrides=["model.units=[5]"], stages={"train": stage}
    )
    output.show_record(shown, None)
    assert [" ".join(words) for words in rows(capsys.readouterr().out)] == [
        "small run 20200101T000000-0000: failed, 90.0 s (DataError: [x] wrong)",
        "with model.units=[5]",
        "stage this run key digest s",
        "train fresh kkkkkkkkkkkk dddddddddddd 1.5",
    ]


def test_a_retraining_is_shown_with_the_numbers_of_its_decision(capsys: pytest.CaptureFixture[str]) -> None:
    judged = Judgement(
        metric="mae",
        scores={"challenger": 3.79, "champion": 11.3, "ar": 3.54, "wild": math.nan},
        items=24,
        difference=7.51,
        interval=(5.0, 9.0),
        best_baseline="ar",
        promoted=True,
        why="mae 3.79 against the champion's 11.3; still worse than ar with 3.54",
    )
    moved = InputDrift(name="rain", test="level", statistic=9.0, probability=0.001)
    found = Retraining(
        champion=1,
        news=DataChanges(later=24, revised=2),
        unjudged=26,
        drift=Drift(errors=None, inputs=[moved]),
        judgement=judged,
        verdict="promoted",
        why=judged.why,
        version=2,
    )

    output.show_record(record(retraining=found), None)

    assert [" ".join(words) for words in rows(capsys.readouterr().out)] == [
        "small run 20200101T000000-0000: retraining, promoted, 90.0 s",
        "news 24 new, 2 revised, since version 1 was trained; 26 not judged before",
        "alarm rain: level 9.000, probability 0.001",
        "judged on new data mae",
        "ar 3.54",
        "challenger 3.79",
        "champion 11.30",
        "wild nan",
        "the challenger's mae minus the champion's: -7.51 (-9.00 to -5.00, 95% interval of 24 items)",
        "small: promoted as version 2 (mae 3.79 against the champion's 11.3; still worse than ar with 3.54)",
        "stage this run key digest s",
    ]


def test_runs_stand_side_by_side_with_or_without_a_score(capsys: pytest.CaptureFixture[str]) -> None:
    headline = Headline(metric="mae", model=2.0, baseline=2.667, validation=2.5)
    failed = record(id="20200102T000000-0000", outcome="failed", overrides=["model.units=[5]"])
    killed = record(outcome="interrupted", finished=None)
    output.show_runs([(failed, None), (record(), headline), (killed, None)])
    assert rows(capsys.readouterr().out) == [
        ["validation", "test", "best"],
        ["run", "outcome", "s", "mae", "mae", "baseline", "with"],
        ["20200102T000000-0000", "failed", "90.0", "–", "–", "–", "model.units=[5]"],
        ["20200101T000000-0000", "succeeded", "90.0", "2.500", "2.000", "2.667"],
        ["20200101T000000-0000", "interrupted", "–", "–", "–", "–"],
    ]


def test_the_id_of_a_run_is_whole_however_narrow_the_terminal_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    headline = Headline(metric="mae", model=29086.4, baseline=17.261)
    shown = record(id="20200102T000000-0000-12", overrides=["train.learning_rate=0.003", "model.units=[20, 10]"])
    for columns in (120, 80, 60, 40):
        monkeypatch.setenv("COLUMNS", str(columns))
        output.show_runs([(shown, headline)])
        *_, line = capsys.readouterr().out.splitlines()
        assert line.startswith("20200102T000000-0000-12 ")
        assert len(line) <= max(columns, 60)
        assert "29,086.4" in line


def test_runs_scored_by_several_metrics_name_them(capsys: pytest.CaptureFixture[str]) -> None:
    scored = [Headline(metric=metric, model=2.0, baseline=2.5, validation=3.0) for metric in ("mae", "mase")]
    output.show_runs([(record(), headline) for headline in scored])
    assert [line[3:] for line in rows(capsys.readouterr().out)[2:]] == [
        ["mae", "3.0", "2.0", "2.5"],
        ["mase", "3.0", "2.0", "2.5"],
    ]


def test_the_log_is_plain_lines_that_fit_the_terminal_and_warnings_say_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, logs: logging.Logger
) -> None:
    console.set_up(logging.INFO, debug=False)
    logs.getChild("store").warning("%s: altered [red]", "data.txt")
    logs.info("ingest done")
    logs.debug("unheard")
    assert capsys.readouterr().err.splitlines() == ["warning: data.txt: altered [red]", "ingest done"]
    monkeypatch.setenv("COLUMNS", "40")
    logs.info("ingest     done in 0.2 s (900 rows, 12 repairs)")
    console.write_sentence("Best on validation: units=5. Its mae is 2.0, against 3.0 for ar.")
    assert capsys.readouterr() == (
        "Best on validation: units=5. Its mae is\n2.0, against 3.0 for ar.\n",
        "ingest     done in 0.2 s (900 rows, 12\n           repairs)\n",
    )
    console.set_up(logging.WARNING, debug=False)
    logs.info("unheard")
    assert capsys.readouterr().err == ""
