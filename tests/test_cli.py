"""The command line: what it prints and writes, its exit statuses, and how little it loads with nothing to do."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
from typer.main import get_command

from gristmill.cli import doctor
from gristmill.cli.app import COMMANDS, app
from gristmill.config.domains import DOMAINS
from gristmill.errors import Unsuitable
from gristmill.keys import identify
from gristmill.project.project import Project
from gristmill.reports.scores import headline_pair
from gristmill.scores import Headline
from gristmill.store.store import Store
from helpers.support import STAGE_NAMES, Command, Said, assert_all_whole, edit, published, records

pytest_plugins = ["helpers.end_to_end"]

Gristmill = Callable[..., subprocess.CompletedProcess[str]]

HEAVY = ["keras", "matplotlib", "numpy", "pandas", "prefect", "pyarrow", "tensorflow"]
BASELINES = ["autoregression", "drift", "ets", "moving_average", "naive"]
WIDEST = len("autoregression")
SHOWN = ["mae", "rmse", "mase", "wql", "skill", "coverage"]
METRICS = {"mae", "rmse", "mse", "mape", "smape", "mase", "rmsse", "skill"}
OF_QUANTILES = {"wql", "pinball", "coverage", "width"}
QUANTILES = [f"sunspots quantile {level}" for level in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)]
NEXT_MONTHS = ["1774-01-01", "1774-02-01"]  # after the 300 of the small project


@pytest.mark.parametrize(
    ("words", "last"),
    [
        (["run", "small"], "small: all fresh, nothing to do"),
        (["ls"], None),
        (["plan", "small"], "small: all fresh, nothing to do"),
        (["show", "small"], None),
        (["history", "small"], None),
        (["models", "small"], None),
        (["report"], None),  # the page of all pipelines
    ],
    ids=lambda words: " ".join(words) if isinstance(words, list) else "",
)
def test_what_has_nothing_to_compute_imports_none_of_the_heavy_libraries(
    finished: Path, words: list[str], last: str | None
) -> None:
    heavy = HEAVY if last is None else [*HEAVY, "rich"]  # which a line without a table needs not
    script = (
        "import atexit, sys\n"
        f"atexit.register(lambda: sys.stderr.write(','.join(name for name in {heavy} if name in sys.modules)))\n"
        "from gristmill.cli.app import main\n"
        "main()\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script, *words], cwd=finished, capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert last is None or done.stdout.splitlines() == [last]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("predict small --input missing.csv", "error: --input: no such file 'missing.csv'."),
        ("predict small --input empty.csv", "empty.csv: the file is empty. Expected a header line and rows."),
        ("predict small --explain", "error: --explain: a timeseries pipeline does not have this option."),
        ("check small --input x", "error: unknown option '--input'."),
        ("sweep small --set model.foo=1", "error: --set model.foo=1: unknown key 'foo'."),
    ],
)
def test_requests_are_checked_before_tensorflow_is_loaded(finished: Path, words: str, said: str) -> None:
    (finished / "empty.csv").touch()
    script = (
        "import atexit, sys\n"
        "atexit.register(lambda: sys.stderr.write(str({'keras', 'prefect', 'tensorflow'} & {*sys.modules})))\n"
        "from gristmill.cli.app import main\n"
        "main()\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script, *words.split()],
        cwd=finished,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={name: value for name, value in os.environ.items() if name != "COLUMNS"},  # which would wrap the message
    )

    message, loaded = done.stderr.splitlines()
    assert said in message
    assert (done.returncode > 0, done.stdout, loaded) == (True, "", "set()")


@pytest.mark.slow
def test_predictions_of_no_domain_load_tensorflow_before_a_model() -> None:
    """Else its start-up lines are printed, and a mistake in a request is reported late."""
    modules = [
        f"gristmill.domains.{domain}.{'generate' if domain == 'generation' else 'predict'}" for domain in DOMAINS
    ]
    script = f"import {', '.join(modules)}, sys; print({{'keras', 'tensorflow'}} & {{*sys.modules}})"

    assert (
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "set()\n"
    )


@pytest.mark.parametrize("words", [("run", "small"), ("ls",), ("show", "small", "--json")])
def test_where_nobody_reads_what_is_printed_it_ends_without_a_word(finished: Path, words: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "gristmill", *words],
            cwd=finished,
            stdout=writer,
            stderr=subprocess.PIPE,
            check=False,
        )
    finally:
        os.close(writer)

    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.slow
def test_a_run_prints_plan_scores_report_and_bundle(finished: Path, command: Command) -> None:
    said = command("run", "small", "--refresh", "ingest")

    assert said.status == 0, said.err
    lines = said.out.splitlines()
    assert lines[0] == "small"
    assert [line.split() for line in lines[1:7]] == [
        ["stage", "because"],
        ["ingest", "run", "requested", "by", "--refresh"],
        ["preprocess", "run?", "depends", "on", "ingest"],
        ["train", "run?", "depends", "on", "preprocess"],
        ["evaluate", "run?", "depends", "on", "preprocess"],
        ["export", "run?", "depends", "on", "preprocess"],
    ]
    assert (lines[7].split(), lines[8].split()) == (["validation", "test"], ["scores", "mae", *SHOWN])
    rows = {line[:WIDEST].strip(): line[WIDEST:].split() for line in lines[9:15]}
    assert set(rows) == {"model", *BASELINES}
    assert next(iter(rows)) == "model"
    assert len(rows["model"]) == 1 + len(SHOWN)
    assert all(rows[name][-1].endswith("%") and len(rows[name]) == 1 + len(SHOWN) for name in BASELINES)
    assert rows["naive"][1 + SHOWN.index("skill")] == "+0.0%"
    errors = [float(rows[name][1]) for name in list(rows)[1:]]
    assert errors == sorted(errors)
    validation = Project.open().result("small").scores_of("validation").loc["model", "mae"]
    assert float(rows["model"][0]) == pytest.approx(validation, rel=1e-3)
    assert "the best baseline by " in lines[15]
    assert lines[16].startswith("warning 80% prediction intervals cover ")
    (report, bundle) = (line.split("  ", 1) for line in lines[17:])
    assert (report[0], bundle[0]) == ("report", "bundle")
    assert "small" in Path(report[1]).read_text()
    assert (Path(bundle[1]) / "model.keras").is_file()
    started, *progress = [line for line in said.err.splitlines() if not line.endswith(" loading")]
    assert started == "ingest     started"
    assert [line.split()[0] for line in progress] == STAGE_NAMES
    assert "done in" in progress[0]
    assert all(" fresh (" in line for line in progress[1:])


@pytest.mark.slow
@pytest.mark.parametrize("words", [("-q", "run", "small"), ("run", "-q", "small"), ("run", "small", "--quiet")])
def test_quiet_prints_results_and_neither_plan_nor_progress(
    finished: Path, command: Command, words: tuple[str, ...]
) -> None:
    said = command(*words, "--refresh", "ingest")

    assert (said.status, said.err) == (0, "")
    lines = said.out.splitlines()
    assert lines[1].split() == ["scores", "mae", *SHOWN]
    assert lines[-1].startswith("bundle  ")
    assert command(*words).out == "small: all fresh, nothing to do\n"


def test_debug_behind_the_command_shows_the_traceback(project: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from gristmill.cli.app import main; main()", "plan", "smal", "--debug"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.startswith("Traceback")


def test_an_options_value_is_its_own_whatever_it_looks_like(project: Path, command: Command) -> None:
    said = command("generate", "small", "--prompt", "-v", "--length", "3")

    assert (said.status, said.out) == (2, "")
    assert "unexpected" not in said.err


def test_the_version_is_told_where_there_is_no_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    monkeypatch.chdir(tmp_path)
    said = command("--version")
    assert (said.status, said.out) == (0, f"gristmill {metadata.version('gristmill')}\n")


def test_the_package_is_the_program_and_leaves_its_memory_to_the_system_at_the_end(tmp_path: Path) -> None:
    script = (
        "import runpy, sys\n"
        "class Loop:\n"
        "    def __init__(self): self.own = self\n"
        "    def __del__(self): print('collected')\n"
        "loop = Loop()\n"
        "if sys.argv[1:]: runpy.run_module('gristmill', run_name='__main__')\n"
    )

    def printed(*words: str) -> list[str]:
        line = [sys.executable, "-c", script, *words]
        return subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.splitlines()

    assert printed() == ["collected"]
    assert printed("--version") == [f"gristmill {metadata.version('gristmill')}"]


@pytest.mark.slow
def test_quiet_prints_no_epochs(project: Path, command: Command, prefect_api: str, parity_here: None) -> None:
    edit(project / "pipelines.toml", 'kind = "linear"', 'kind = "dense"\n\n[pipelines.small.train]\nepochs = 2')

    said = command("-q", "run", "small")

    assert (said.status, said.err) == (0, "")


@pytest.mark.slow
def test_run_as_json_holds_the_scores_beside_the_baselines(finished: Path, command: Command) -> None:
    said = command("run", "small", "--refresh", "ingest", "--json")

    assert said.status == 0, said.err
    assert set(said.json["scores"]["baselines"]) == set(BASELINES)
    assert set(said.json["scores"]["model"]["test"]) == METRICS | OF_QUANTILES
    assert all(set(parts["test"]) == METRICS | OF_QUANTILES for parts in said.json["scores"]["baselines"].values())
    assert [said.json["stages"][name]["cached"] for name in STAGE_NAMES] == [False, True, True, True, True]
    assert said.json == json.loads(said.out)


def test_a_fresh_run_as_json_holds_the_same_scores(finished: Path, command: Command) -> None:
    said = command("run", "small", "--json")

    assert said.status == 0, said.err
    assert said.json["scores"] == command("show", "small", "--json").json["scores"]
    assert len(records(finished)) == 1


def test_show_as_json_holds_model_and_baselines_by_part_and_metric(finished: Path, command: Command) -> None:
    said = command("show", "small", "--json")

    assert (said.status, said.err) == (0, "")
    scores = said.json["scores"]
    mae = scores["model"]["test"]["mae"]
    errors = {name: scores["baselines"][name]["test"]["mae"] for name in BASELINES}
    (artifact,) = published(finished / "data/store", "evaluate")
    rows = pd.read_parquet(artifact / "predictions.parquet").query("part == 'test'")
    assert mae == pytest.approx((rows["y"] - rows["model"]).abs().mean(), rel=1e-6)
    assert errors["naive"] == pytest.approx((rows["y"] - rows["naive"]).abs().mean(), rel=1e-6)
    assert scores["model"]["validation"]["mae"] > 0
    best = min(errors, key=lambda name: errors[name])
    assert scores["best_baseline"] == best
    assert scores["model"]["test"]["skill"] == pytest.approx(1 - mae / errors["naive"])
    assert scores["baselines"]["naive"]["test"]["skill"] == 0
    low, high = rows["quantile 0.1"], rows["quantile 0.9"]
    inside = (low <= rows["y"]) & (rows["y"] <= high)
    assert scores["model"]["test"]["coverage"] == pytest.approx(inside.mean())
    assert scores["model"]["test"]["width"] == pytest.approx((high - low).mean(), rel=1e-6)
    assert (scores["level"], scores["calibrated_on"]) == (0.8, "validation")
    assert scores["headline"] == {"metric": "mae", "model": mae, "baseline": errors[best]}


def test_show_prints_outcome_scores_and_lineage(finished: Path, command: Command) -> None:
    (record,) = records(finished)

    said = command("show", "small", "--run", record.id)

    assert said.status == 0
    assert said.out.startswith(f"small run {record.id}: succeeded, ")
    for name, reference in record.references.items():
        (line,) = (line for line in said.out.splitlines() if line.split()[0] == name)
        assert line.split()[1:4] == ["made", reference["key"][:12], reference["digest"][:12]]


def test_show_tells_how_to_open_the_logs_of_a_training(finished: Path, command: Command) -> None:
    (record,) = records(finished)
    assert command("show", "small", "--json").json["logs"] == {}  # a model in closed form leaves none
    folder = Store(finished / "data/store").logs("small", record.references["train"]["key"])
    folder.mkdir(parents=True)

    assert command("show", "small", "--json").json["logs"] == {"train": str(folder)}
    assert f"logs    tensorboard --logdir {folder}" in command("show", "small").out


def test_a_run_whose_scores_were_collected_is_shown_without_them(finished: Path, command: Command) -> None:
    (record,) = records(finished)
    (scored,) = published(finished / "data/store", "evaluate")
    before = command("show", "small")
    shutil.rmtree(scored)

    said = command("show", "small", "--run", record.id)

    assert (said.status, said.err) == (0, f"the scores of run {record.id} were removed by gristmill gc\n")
    assert said.out.splitlines()[0] == before.out.splitlines()[0]
    assert "mae" not in said.out
    assert said.out.splitlines()[-5:] == before.out.splitlines()[-5:]  # the stages
    assert command("show", "small", "--json").json["scores"] is None


def test_a_run_whose_scores_are_damaged_is_not_shown(finished: Path, command: Command) -> None:
    (scored,) = published(finished / "data/store", "evaluate")
    (scored / "scores.json").write_text("{}")
    said = command("show", "small")
    assert (said.status, said.out) == (1, "")
    assert said.err.startswith(f"error: {scored}/scores.json: altered since it was published")


@pytest.mark.slow
def test_runs_lists_the_newest_first(finished: Path, command: Command) -> None:
    command("run", "small", "--refresh", "ingest")

    said = command("history", "small", "--json")

    assert said.status == 0
    assert [run["id"] for run in said.json] == [record.id for record in reversed(records(finished))]
    assert [run["outcome"] for run in said.json] == ["succeeded", "succeeded"]
    assert [run["headline"]["metric"] for run in said.json] == ["mae", "mae"]
    printed = command("history", "small").out.splitlines()
    assert [line.split()[0] for line in printed[2:]] == [run["id"] for run in said.json]


def test_ls_shows_state_and_headline(finished: Path, command: Command) -> None:
    toml = (finished / "pipelines.toml").read_text()
    other = toml.replace("pipelines.small", "pipelines.other")
    (finished / "pipelines.toml").write_text(
        toml + other + other.replace("pipelines.other", "pipelines.lost").replace("series.csv", "lost.csv")
    )

    said = command("ls", "--json")

    assert said.status == 0
    scores = command("show", "small", "--json").json["scores"]
    assert [(pipeline["name"], pipeline["state"]) for pipeline in said.json] == [
        ("small", "fresh"),
        ("other", "fresh"),  # equal settings and data have equal keys
        ("lost", "no data"),
    ]
    validation = scores["model"]["validation"]["mae"]
    assert said.json[0]["headline"] == scores["headline"] | {"validation": validation}
    assert said.json[0]["description"] == "A few years of sunspots"
    edit(
        finished / "pipelines.toml",
        '[pipelines.small.model]\nkind = "linear"',
        '[pipelines.small.model]\nkind = "dense"',
    )
    assert [pipeline["state"] for pipeline in command("ls", "--json").json] == ["stale", "fresh", "no data"]
    *_, row, other, hidden = command("ls").out.splitlines()
    score, _ = headline_pair(Headline(**scores["headline"]))
    assert row.split()[:5] == ["small", "timeseries", "stale", *score.split()]
    assert other.startswith("other ")
    assert hidden == "1 more needs data: gristmill ls --all"
    assert command("ls", "--all").out.splitlines()[-1].split()[:4] == ["lost", "timeseries", "no", "data"]


@pytest.mark.slow
def test_report_writes_a_page_and_prints_its_path(finished: Path, command: Command) -> None:
    said = command("report", "small")

    assert (said.status, said.err) == (0, "report     started\n")
    page = Path(said.out.strip())
    assert page.is_relative_to(finished)
    content = page.read_text()
    (record,) = records(finished)
    assert "small" in content
    assert "A few years of sunspots" in content
    assert record.references["export"]["key"][:12] in content
    assert command("plan", "small", "--json").json == [
        {"stage": name, "state": "fresh", "reason": ""} for name in STAGE_NAMES
    ]


def test_predict_continues_the_series_in_each_form(finished: Path, command: Command) -> None:
    printed = command("-q", "predict", "small", "--input", "series.csv")
    assert (printed.status, printed.err) == (0, "")
    lines = printed.out.splitlines()
    assert lines[0].split(",") == ["ds", "sunspots", QUANTILES[0], QUANTILES[-1]]
    assert [line.partition(",")[0] for line in lines[1:]] == NEXT_MONTHS
    forecasts = [[float(value) for value in line.split(",")[1:]] for line in lines[1:]]
    assert all(low < forecast < high for forecast, low, high in forecasts)

    for name, read in (("f.csv", pd.read_csv), ("f.parquet", pd.read_parquet), ("f.json", pd.read_json)):
        said = command("-q", "predict", "small", "--input", "series.csv", "--output", name)
        assert (said.status, said.err) == (0, "")
        frame = read(finished / name)
        assert list(frame.columns) == ["ds", "sunspots", *QUANTILES]
        assert [f"{time:%Y-%m-%d}" for time in pd.to_datetime(frame["ds"])] == NEXT_MONTHS
        assert frame[["sunspots", QUANTILES[0], QUANTILES[-1]]].to_numpy() == pytest.approx(
            np.array(forecasts), rel=1e-5
        )


def test_predict_without_a_file_continues_the_data_of_the_pipeline(finished: Path, command: Command) -> None:
    named = command("-q", "predict", "small", "--input", "series.csv").out
    with (finished / "series.csv").open("a") as series:
        series.write("1774-01,50.0\n")

    longer = command("-q", "predict", "small")

    assert (longer.status, longer.err) == (0, "")
    assert longer.out != named
    assert [line.partition(",")[0] for line in longer.out.splitlines()[1:]] == ["1774-02-01", "1774-03-01"]
    assert longer.out == command("-q", "predict", "small", "--input", "series.csv").out


def test_predict_takes_no_other_history_than_the_model_sees(finished: Path, command: Command) -> None:
    plain = command("predict", "small")

    assert command("predict", "small", "--history", "12").out == plain.out
    other = command("predict", "small", "--history", "24")
    assert (other.status, other.out, other.err) == (
        2,
        "",
        "error: --history 24: this model reads a fixed number of values. Omit the option.\n",
    )


def test_predict_takes_a_text_for_pipelines_of_texts_alone(finished: Path, command: Command) -> None:
    said = command("predict", "small", "--text", "fine")

    assert (said.status, said.out) == (2, "")
    assert said.err == "error: --text: a timeseries pipeline does not have this option. Leave it out.\n"


def test_predict_goes_beyond_the_horizon_and_the_first_steps_stay(finished: Path, command: Command) -> None:
    short = command("predict", "small", "--input", "series.csv").out.splitlines()

    said = command("predict", "small", "--input", "series.csv", "--steps", "5")

    lines = said.out.splitlines()
    assert lines[:3] == short
    assert [line.partition(",")[0] for line in lines[1:]] == [*NEXT_MONTHS, "1774-03-01", "1774-04-01", "1774-05-01"]
    assert all(line.split(",")[1] and line.endswith(",,") for line in lines[3:])  # no interval is known so far ahead


def test_predict_refuses_what_it_cannot_use(finished: Path, command: Command) -> None:
    (finished / "short.csv").write_text("\n".join((finished / "series.csv").read_text().splitlines()[:6]) + "\n")

    unknown = command("predict", "small", "--input", "series.csv", "--output", "f.xlsx")
    missing = command("predict", "small", "--input", "none.csv")
    short = command("predict", "small", "--input", "short.csv")

    assert (unknown.status, unknown.err) == (
        2,
        "error: --output f.xlsx: unknown kind of file. Use one of .csv, .json, .jsonl, .parquet, or add --format.\n",
    )
    assert (missing.status, missing.err) == (
        2,
        f"error: --input: no such file 'none.csv'. Tried: {finished}/none.csv. "
        "Put it there, correct the path, or name its folder in GRISTMILL_DATA.\n",
    )
    assert (short.status, short.err) == (
        1,
        "error: the series has 5 rows, but the model needs 12. Add earlier rows.\n",
    )
    assert not (finished / "f.xlsx").exists()


def test_predict_into_a_folder_that_is_not_there_is_one_line(finished: Path, command: Command) -> None:
    said = command("predict", "small", "--input", "series.csv", "--output", "none/f.csv")

    assert said.status == 2
    (line,) = said.err.splitlines()
    assert line.startswith("error: --output none/f.csv: ")
    assert str(finished / "none") in line


@pytest.mark.slow
@pytest.mark.fault(7)
def test_verify_finds_damage_and_repair_lets_the_next_run_heal_it(finished: Path, command: Command) -> None:
    sound = command("verify")
    assert (sound.status, sound.out) == (0, "5 artifacts verified, 0 damaged.\n")
    (artifact,) = published(finished / "data/store", "ingest")
    table = artifact / "series.parquet"
    table.write_bytes(table.read_bytes()[:-1])

    found = command("verify")

    assert (found.status, found.err) == (1, "verify     started\n")
    assert found.out.splitlines() == [
        f"{table}: altered since it was published (its SHA-256 does not hold).",
        "5 artifacts verified, 1 damaged.",
        "Run `gristmill verify --repair` to move them aside (bundles only if the store cannot restore them); "
        "the next run makes them again.",
    ]
    repaired = command("verify", "--repair")
    assert (repaired.status, repaired.out.splitlines()[-1]) == (0, "5 artifacts verified, 1 damaged.")
    assert not artifact.exists()
    healed = command("run", "small", "--json")
    assert healed.status == 0, healed.err
    assert [name for name, stage in healed.json["stages"].items() if not stage["cached"]] == ["ingest"]
    assert command("verify").out == "5 artifacts verified, 0 damaged.\n"


def test_gc_frees_what_no_run_refers_to_and_nothing_that_one_does(finished: Path, command: Command) -> None:
    store = Store(finished / "data/store")
    made_of = identify("train", {}, {"by": {"hand": 1}}, {}, {})
    with store.draft(made_of) as draft:
        (draft.path / "weights.npz").write_bytes(b"x" * 1024)
        unreferenced = store.publish(draft, made_of).path
    shutil.copytree(unreferenced, store.root / "quarantine/train-0")
    before = sorted((finished / "data").rglob("*"))

    dry = command("gc", "--dry-run")

    assert dry.status == 0
    assert sorted((finished / "data").rglob("*")) == before
    assert [line.split("  ")[-1] for line in dry.out.splitlines()[:-1]] == [
        f"{unreferenced}  (no recent run or version refers to it)".split("  ")[-1],
        "(quarantined: damaged, or replaced by --refresh)",
    ]
    assert dry.out.splitlines()[-1] == "Would free 0.0 MiB in 2 items."
    freed = command("gc")
    assert (freed.status, freed.out.splitlines()[-1]) == (0, "Freed 0.0 MiB in 2 items.")
    assert not unreferenced.exists()
    assert not (store.root / "quarantine/train-0").exists()
    assert_all_whole(store.root)
    assert {step["state"] for step in command("plan", "small", "--json").json} == {"fresh"}
    assert command("gc").out == "Freed 0.0 MiB in 0 items.\n"


@pytest.mark.slow
def test_doctor_tells_what_is_there_and_what_is_needed(finished: Path, command: Command) -> None:
    toml = (finished / "pipelines.toml").read_text()
    lost = toml.replace("pipelines.small", "pipelines.lost").replace("series.csv", "lost.csv")
    (finished / "pipelines.toml").write_text(toml + lost)

    said = command("doctor")

    assert said.status == 0, said.out
    found = {line.split("  ")[0] for line in said.out.splitlines()}
    assert found
    for subject in (
        "python",
        "tensorflow",
        "keras",
        "prefect",
        "lightgbm",
        "store",
        "devices",
        "data of small",
        "data of lost",
    ):
        assert any(subject in line for line in said.out.splitlines()), subject
    assert f"{finished}/series.csv" in said.out
    assert command("doctor", "small").status == 0
    assert command("doctor", "lost").status == 1
    (line,) = (line for line in said.out.splitlines() if "data of lost" in line)
    assert line.split() == ["–", "data", "of", "lost", "absent"]
    (line,) = (line for line in command("doctor", "lost").out.splitlines() if "data of lost" in line)
    assert line.startswith("no")
    assert "lost.csv" in line
    assert command("doctor", "los").status == 2


def test_doctor_tells_what_lightgbm_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(fits: list[Any]) -> None:
        raise Unsuitable("LightGBM cannot be loaded: install libgomp1 (macOS: brew install libomp)")

    assert doctor._lightgbm().sound
    monkeypatch.setattr("gristmill.training.trees.fit.fit_trees", failing)

    found = doctor._lightgbm()
    assert found.sound is False
    assert found.finding.endswith(
        "; LightGBM cannot be loaded: install libgomp1 (macOS: brew install libomp). Boosted trees are left out"
    )


@pytest.mark.parametrize("received", ["0s", "500ms", "1.5m", "soon"])
def test_a_budget_that_is_no_duration_is_told_in_a_line(project: Path, command: Command, received: str) -> None:
    said = command("run", "small", "--budget", received)

    expected = {"0s": "a whole number above 0", "500ms": "s, m, h or seconds, ", "1.5m": "a whole number above 0"}
    assert said.status == 2
    assert said.err.startswith(f"error: --budget {received}: expected {expected.get(received, 'a number and a unit')}")
    assert 'such as "30 seconds", "90m",' in said.err
    assert said.err.count("\n") == 1


def test_it_works_from_a_folder_below(finished: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    below = finished / "notes/2026"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)

    assert command("plan", "small").out == "small: all fresh, nothing to do\n"
    assert command("predict", "small", "--input", "../../series.csv", "--output", "f.csv").status == 0
    assert (below / "f.csv").is_file()


def test_a_store_named_by_the_environment_goes_before_the_file(
    finished: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    (finished / "data/store").rename(finished / "elsewhere")
    assert command("ls", "--json").json[0]["state"] == "never run"
    monkeypatch.setenv("GRISTMILL_STORE", str(finished / "elsewhere"))

    assert command("ls", "--json").json[0]["state"] == "fresh"


def test_help_names_every_command(command: Command) -> None:
    said = command("--help")

    assert said.status == 0
    listed = re.findall(r"^  ([a-z]+)  +[A-Z]", said.out, re.MULTILINE)
    assert listed == [*COMMANDS]


@pytest.mark.parametrize("name", COMMANDS)
def test_each_example_of_a_command_is_a_request_that_the_parser_accepts(name: str) -> None:
    group: Any = get_command(app)
    for line in COMMANDS[name].examples:
        program, *words = shlex.split(line)
        assert (program, words[0]) == ("gristmill", name)
        with group.make_context("gristmill", words, resilient_parsing=False) as parent:
            _, command, rest = group.resolve_command(parent, [*parent._protected_args, *parent.args])
            with command.make_context(name, rest, parent=parent) as context:
                assert context.params


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("rnu small", "unknown command 'rnu'. Did you mean 'run'? All: gristmill help."),
        ("help rnu", "unknown command 'rnu'. Did you mean 'run'? All: gristmill help."),
        ("run small --jbos 2", "unknown option '--jbos'. Did you mean '--jobs'? All: gristmill help run."),
        ("models small --quite", "unknown option '--quite'. Did you mean '--quiet'? All: gristmill help models."),
        ("--verson", "unknown option '--verson'. Did you mean '--version'? All: gristmill help."),
        ("plan", "missing argument 'NAME'. See: gristmill help plan."),
        ("plan small other", "unexpected extra argument"),
        ("run small --jobs x", "invalid value for '--jobs': expected a valid integer. See: gristmill help run."),
        (
            "run small --jobs 0",
            "invalid value for '--jobs': expected a number greater than or equal to 1. See: gristmill",
        ),
        ("run small --set", "option '--set' requires an argument."),
    ],
)
def test_what_the_option_parser_refuses_is_one_line_like_every_error(
    project: Path, command: Command, words: str, error: str
) -> None:
    said = command(*words.split())

    assert (said.status, said.out) == (2, "")
    (line,) = said.err.splitlines()
    assert line.startswith("error: ")
    assert error in line


@pytest.mark.parametrize(
    ("words", "printed"),
    [
        ("generate small", "interrupted\n"),
        ("run small", "interrupted; finished work is kept, and the next run resumes from it\n"),
    ],
)
def test_only_what_runs_pipelines_resumes(
    command: Command, monkeypatch: pytest.MonkeyPatch, words: str, printed: str
) -> None:
    monkeypatch.setattr(Project, "open", Mock(side_effect=KeyboardInterrupt))

    assert command(*words.split()) == Said(130, "", printed)


def test_help_is_a_command_too(command: Command) -> None:
    assert command("help") == command("--help")
    assert command("help", "predict") == command("predict", "--help")
    assert "--temperature" in command("help", "generate").out


@pytest.mark.parametrize("flag", ["-V", "--version"])
def test_the_version_is_printed(command: Command, flag: str) -> None:
    assert command(flag).out == f"gristmill {metadata.version('gristmill')}\n"


def test_the_command_alone_prints_its_help(command: Command) -> None:
    said = command()
    assert said.status == 2
    assert said.err == command("help").out


def test_the_installed_command_is_this_one(finished: Path) -> None:
    installed = Path(sys.executable).with_name("gristmill")
    if not installed.exists():
        pytest.skip(f"the package is not installed beside {sys.executable}")

    done = subprocess.run([installed, "ls"], cwd=finished, capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[2].split()[:3] == ["small", "timeseries", "fresh"]
