"""Bad requests and bad data: one line that names the place, what was received and a remedy, and the right status."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import ROOT
from helpers.scoreboard import Fault
from helpers.support import STAGE_NAMES, Command, edit, published, records, the_error, with_model

pytest_plugins = ["helpers.end_to_end"]

Change = Callable[[Path], object]

PREPROCESS = (
    "calendar, harmonics, history, horizon, min_history, normalise, residual, scale, season, split, "
    "stride, test, validation"
)
TRAIN = (
    "batch_size, clip_norm, epochs, learning_rate, loss, optimizer, patience, precision, quantiles, schedule, seed, "
    "strategy, targets"
)
STAGES = ", ".join(STAGE_NAMES)


def in_toml(before: str, after: str) -> Change:
    """Return an edit of the project's pipelines.toml."""
    return lambda project: edit(project / "pipelines.toml", before, after)


def in_rows(change: Callable[[list[str]], list[str]]) -> Change:
    """Return an edit of the lines of the project's series, the header first."""

    def apply(project: Path) -> None:
        file = project / "series.csv"
        file.write_text("".join(f"{line}\n" for line in change(file.read_text().splitlines())))

    return apply


def in_bytes(before: bytes, after: bytes) -> Change:
    """Return an edit of the bytes of the project's series, once."""

    def apply(project: Path) -> None:
        file = project / "series.csv"
        file.write_bytes(file.read_bytes().replace(before, after, 1))

    return apply


def own_model(code: str, kind: str = "my_models.py:build") -> Change:
    """Return an edit that makes a function of the project's the model; the file `my_models.py` holds the code."""

    def apply(project: Path) -> None:
        (project / "my_models.py").write_text(code)
        edit(project / "pipelines.toml", 'kind = "linear"', f'kind = "{kind}"')

    return apply


def nothing(project: Path) -> None:
    """Leave the project as it is."""


def kept(project: Path) -> dict[Path, bytes]:
    """Return every file of every artifact of the project's store, those being built included."""
    files = (path for path in (project / "data/store").glob("*/??/*/**/*") if path.is_file())
    return {path: path.read_bytes() for path in files}


@pytest.mark.parametrize(
    ("change", "words", "message"),
    [
        pytest.param(
            in_toml("history = 12", "histry = 12\nhistory = 12"),
            "run small",
            "pipelines.toml:15 [pipelines.small.preprocess] unknown key 'histry'. Did you mean 'history'? "
            f"Known: {PREPROCESS}.",
            id="unknown key",
        ),
        pytest.param(
            nothing,
            "run small smal",
            "{project}/pipelines.toml: unknown pipeline 'smal'. Did you mean 'small'? All: gristmill ls.",
            id="unknown pipeline after a known one",
        ),
        pytest.param(
            nothing,
            "run small --set train.epoch=5",
            f"--set train.epoch=5: unknown key 'epoch'. Did you mean 'epochs'? Known: {TRAIN}.",
            id="assignment to an unknown key",
        ),
        pytest.param(
            nothing,
            "plan small --refresh training",
            f"refresh: no stage 'training' in small. Known: {STAGES}.",
            id="unknown stage to plan",
        ),
        pytest.param(
            in_toml('path = "series.csv"', 'path = "https://example.com/series.csv"'),
            "run small",
            "pipelines.toml:6 [pipelines.small.source] sha256: expected 64 hexadecimal digits, as sha256sum prints "
            "them, since path is a URL; or refresh = true if the file changes. Received: nothing.",
            id="URL without its sha256",
        ),
        pytest.param(
            lambda project: (project / "pipelines.toml").unlink(),
            "run small",
            "{project}: no pipelines.toml here or in a folder above. Change to a project's folder, or make one: "
            "gristmill init --help.",
            id="no pipelines.toml",
        ),
    ],
)
def test_a_wrong_request_is_one_line_and_exit_2(
    project: Path, command: Command, change: Change, words: str, message: str
) -> None:
    change(project)

    said = command(*words.split())

    assert the_error(said) == message.format(project=project)
    assert (said.status, said.out) == (2, "")
    assert not (project / "data").exists()


def test_every_problem_of_the_file_is_told_at_once(project: Path, command: Command) -> None:
    edit(project / "pipelines.toml", "horizon = 2", 'horizon = "2"\nhorizn = 2')
    edit(project / "pipelines.toml", 'formats = ["keras"]', 'formats = ["onnx"]')

    said = command("ls")

    assert said.status == 2
    assert sorted(said.err.splitlines(), key=lambda line: line.partition("[")[2]) == [
        "error: pipelines.toml:28 [pipelines.small.export] formats[0]: expected 'saved_model' or 'keras'. "
        "Received: 'onnx' (string).",
        "error: pipelines.toml:16 [pipelines.small.preprocess] horizon: expected a valid integer. "
        "Received: '2' (string).",
        "error: pipelines.toml:17 [pipelines.small.preprocess] unknown key 'horizn'. Did you mean 'horizon'? "
        f"Known: {PREPROCESS}.",
    ]


@pytest.mark.fault(25)
@pytest.mark.parametrize(
    ("change", "told"),
    [
        pytest.param(
            in_rows(lambda lines: [*lines[:3], "1749-03,many", *lines[4:]]),
            ["series.csv row 4, column 'sunspots': not a", "number: 'many'", "Fix it"],
            id="text in the target",
        ),
        pytest.param(
            in_rows(lambda lines: []),
            ["series.csv: the file is empty", "Expected a header line and rows"],
            id="empty file",
            marks=pytest.mark.fault(24),
        ),
        pytest.param(
            in_rows(lambda lines: [*lines[:4], "1749-03,71.0", *lines[4:]]),
            [
                "series.csv rows 4 and 5: both are 1749-03-01 00:00:00 (1 duplicate).",
                "Keep one row for each time, or set duplicates in the table 'ingest' to the row that counts.",
            ],
            id="duplicate dates",
        ),
        pytest.param(
            in_rows(lambda lines: [*lines[:3], *lines[4:]]),
            [
                "series.csv: 1 of 300 values of 'sunspots' are missing at frequency MS, the first at 1749-03-01",
                "gaps = 'interpolate' in the table 'ingest'",
            ],
            id="gap",
        ),
        pytest.param(
            in_bytes(b"1749-03,", b"1749-03\xe9,"),
            ["series.csv row 4: not utf-8. Set the source's encoding."],
            id="another encoding",
        ),
    ],
)
def test_data_that_cannot_be_read_is_one_line_and_exit_1_and_loses_nothing(
    finished: Path, command: Command, prefect_api: str, change: Change, told: list[str], fault: Fault
) -> None:
    before = kept(finished)
    change(finished)

    said = command("run", "small")

    message = the_error(said)
    assert said.status == 1
    assert message.startswith(f"{finished}/series.csv")
    assert [part for part in told if part not in message] == [], message
    fault.said(message.replace(f"{finished}/", ""))
    first, record = records(finished)
    assert (record.outcome, record.error) == ("failed", f"DataError: {message}")
    assert record.stages == {}
    assert kept(finished) == before
    assert command("show", "small", "--json").json["run"]["id"] == first.id


def test_a_missing_file_names_every_place_that_was_tried(
    project: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "series.csv").unlink()
    monkeypatch.setenv("GRISTMILL_DATA", os.pathsep.join([str(project / "a"), str(project / "b")]))

    said = command("run", "small")

    tried = ", ".join(str(folder / "series.csv") for folder in (project, project / "a", project / "b"))
    assert the_error(said) == (
        f"[pipelines.small.source] path: no such file 'series.csv'. Tried: {tried}. "
        "Put it there, correct the path, or name its folder in GRISTMILL_DATA."
    )
    assert said.status == 1


@pytest.mark.fault(24)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(
            in_rows(lambda lines: [lines[0], *(f"{line.partition(',')[0]},58.0" for line in lines[1:])]),
            "all 220 values of 'sunspots' in the training set are 58: there is nothing to learn. "
            "Check the target column.",
            id="constant",
        ),
        pytest.param(
            in_toml("horizon = 2", "horizon = 5000"),
            "preprocess.horizon is 5000, but the longest series has 300 observations. Set a shorter horizon.",
            id="a horizon longer than the series",
        ),
    ],
)
def test_series_that_cannot_be_cut_stop_at_preprocess_and_lose_nothing(
    finished: Path, command: Command, prefect_api: str, change: Change, message: str
) -> None:
    before = kept(finished)
    change(finished)

    said = command("run", "small", "--accept")  # some of the changes take rows away

    assert the_error(said) == message
    assert said.status == 1
    _, record = records(finished)
    assert (record.outcome, list(record.stages)) == ("failed", ["ingest"])
    assert len(published(finished / "data/store", "preprocess")) == 1
    assert kept(finished).items() >= before.items()


NO_MODEL = "def build(shape):\n    return {'units': 3}\n"


@pytest.mark.parametrize(
    ("change", "status", "message"),
    [
        pytest.param(
            in_toml('kind = "linear"', 'kind = "my_models.py:build"'),
            1,
            "[pipelines.small.model] file: no such file '{project}/my_models.py'. Put it there, or correct the path.",
            id="missing file",
        ),
        pytest.param(
            own_model(NO_MODEL),
            2,
            "my_models.py:build returned a dict. Expected a keras.Model: return one from it.",
            id="no Keras model",
        ),
    ],
)
def test_a_model_of_ones_own_that_cannot_be_built_is_one_line_and_loses_nothing(
    finished: Path, command: Command, prefect_api: str, change: Change, status: int, message: str
) -> None:
    before = kept(finished)
    change(finished)

    said = command("run", "small")

    assert the_error(said) == message.format(project=finished)
    assert said.status == status
    assert kept(finished) == before


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["linear", "auto"])
def test_too_many_blocks_are_found_before_training(
    project: Path, command: Command, prefect_api: str, kind: str
) -> None:
    edit(project / "pipelines.toml", 'kind = "linear"', f'kind = "{kind}"')

    said = command("run", "small", "--set", "backtest.windows=40", "--set", "backtest.size=20")

    assert the_error(said) == (
        "backtest.windows is 40, but the data has room for 12. Set at most 12, or smaller windows in the table "
        "'backtest'."
    )
    assert said.status == 1
    assert {path.name for path in (project / "data/store").iterdir()} >= {"preprocess"}
    assert not (project / "data/store/train").exists()


@pytest.mark.slow
def test_what_is_known_ahead_must_be_there_for_the_steps_to_forecast(
    project: Path, command: Command, prefect_api: str, parity_here: None
) -> None:
    in_rows(lambda lines: [f"{lines[0]},holiday", *(f"{line},{at % 3}" for at, line in enumerate(lines[1:]))])(project)
    edit(project / "pipelines.toml", 'target = "sunspots"', 'target = "sunspots"\nknown = "holiday"')
    assert command("-q", "run", "small").status == 0
    before = kept(project)
    with (project / "series.csv").open("a") as series:
        series.write("1774-01,,1\n")

    said = command("predict", "small")

    assert the_error(said) == (
        "the model needs 'holiday' for 2 times, 1774-01-01 to 1774-02-01, and the rows hold 1 of these 2. "
        "Add rows with these columns filled and the target empty."
    )
    assert (said.status, said.out) == (1, "")
    assert kept(project) == before
    with (project / "series.csv").open("a") as series:
        series.write("1774-02,,2\n")
    said = command("-q", "predict", "small")
    assert (said.status, said.err) == (0, "")
    assert [line.split(",")[0] for line in said.out.splitlines()] == ["ds", "1774-01-01", "1774-02-01"]


@pytest.mark.fault(17)
def test_a_store_that_cannot_be_written_stops_before_any_work(
    project: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "file").write_text("not a folder")
    monkeypatch.setenv("GRISTMILL_STORE", str(project / "file/store"))

    said = command("run", "small")

    message = the_error(said)
    assert said.status == 1
    assert message.startswith(f"{project}/file")
    assert "the store is not writable (Not a directory)" in message
    assert message.endswith("set GRISTMILL_STORE or [defaults] store.")


@pytest.mark.slow
def test_a_diverging_loss_fails_the_run_and_publishes_no_network(
    project: Path, command: Command, prefect_api: str
) -> None:
    (project / "pipelines.toml").write_text(with_model('kind = "dense"', "epochs = 3\nlearning_rate = 1e30"))

    said = command("run", "small")

    message = the_error(said)
    assert said.status == 1
    assert message.startswith(("the loss became inf (", "the loss became nan ("))
    assert message.endswith("Lower train.learning_rate, or look for extreme values in the data.")
    (record,) = records(project)
    assert (record.outcome, record.error) == ("failed", f"Diverged: {message}")
    assert list(record.stages) == ["ingest", "preprocess"]
    assert published(project / "data/store", "train") == []


def test_debug_shows_the_traceback(project: Path) -> None:
    done = run_plainly(project, "--debug", "show", "small", "--run", "2026")

    assert done.returncode == 1
    assert done.stderr.startswith("Traceback (most recent call last):")
    assert done.stderr.splitlines()[-1].endswith("RequestError: no run '2026' of pipeline 'small'. Known: none.")


@pytest.mark.slow
def test_a_failure_in_a_process_of_its_own_is_the_one_line_and_nothing_else(project: Path, prefect_api: str) -> None:
    in_rows(lambda lines: lines[:1])(project)

    done = run_plainly(project, "-q", "run", "small", api=prefect_api)

    assert (done.returncode, done.stderr) == (
        1,
        f"error: {project}/series.csv: no rows. Expected at least one.\n",
    )


def run_plainly(project: Path, *words: str, api: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command without anything that the tests set to keep libraries quiet."""
    hidden = ("PREFECT_", "TF_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    return subprocess.run(
        [sys.executable, "-c", "from gristmill.cli.app import main; main()", *words],
        cwd=project,
        env=environment | {"PYTHONPATH": str(ROOT)} | ({"PREFECT_API_URL": api} if api else {}),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
