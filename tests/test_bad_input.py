"""Bad requests and bad data: one line that names the place, what was received and a remedy, and the right status."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT
from support import Command, Said, edit, published, records, with_model

pytest_plugins = ["end_to_end"]

Change = Callable[[Path], object]


def in_toml(before: str, after: str) -> Change:
    """Return an edit of the project's pipelines.toml."""
    return lambda project: edit(project / "pipelines.toml", before, after)


def in_rows(change: Callable[[list[str]], list[str]]) -> Change:
    """Return an edit of the lines of the project's series, the header first."""

    def apply(project: Path) -> None:
        file = project / "series.csv"
        file.write_text("".join(f"{line}\n" for line in change(file.read_text().splitlines())))

    return apply


def nothing(project: Path) -> None:
    """Leave the project as it is."""


def the_error(said: Said) -> str:
    """Return the message of a command that printed one error and nothing else on standard error but progress."""
    errors = [line for line in said.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, said.err
    assert said.err.splitlines()[-1] == errors[0]
    assert "Traceback" not in said.err
    return errors[0].removeprefix("error: ")


@pytest.mark.parametrize(
    ("change", "words", "message"),
    [
        pytest.param(
            in_toml("history = 12", "histry = 12\nhistory = 12"),
            "run small",
            "pipelines.toml [pipelines.small.preprocess] unknown key 'histry'. Did you mean 'history'? "
            "Known: history, horizon, scale, stride, test, validation.",
            id="unknown key",
        ),
        pytest.param(
            in_toml('kind = "linear"', 'kind = "liner"'),
            "run small",
            "pipelines.toml [pipelines.small.model] kind: unknown model 'liner'. Did you mean 'linear'? "
            "Known: conv_lstm, dense, linear.",
            id="unknown model",
        ),
        pytest.param(
            in_toml("history = 12", 'history = "12"'),
            "run small",
            "pipelines.toml [pipelines.small.preprocess] history: expected a valid integer. Received: '12' (string).",
            id="wrong type",
        ),
        pytest.param(
            in_toml("history = 12", "history = 0"),
            "run small",
            "pipelines.toml [pipelines.small.preprocess] history: expected greater than 0. Received: 0 (integer).",
            id="out of range",
        ),
        pytest.param(
            in_toml("history = 12\n", ""),
            "run small",
            "pipelines.toml [pipelines.small.preprocess] history: missing. It has no default.",
            id="missing key",
        ),
        pytest.param(
            lambda project: (project / "pipelines.toml").write_text("[defaults]\nstore = here\n"),
            "run small",
            "{project}/pipelines.toml: not valid TOML: Invalid value (at line 2, column 9).",
            id="not TOML",
        ),
        pytest.param(
            nothing,
            "run smal",
            "{project}/pipelines.toml: unknown pipeline 'smal'. Did you mean 'small'? Known: small.",
            id="unknown pipeline",
        ),
        pytest.param(
            nothing,
            "run small smal",
            "{project}/pipelines.toml: unknown pipeline 'smal'. Did you mean 'small'? Known: small.",
            id="unknown pipeline after a known one",
        ),
        pytest.param(
            nothing,
            "show smal",
            "{project}/pipelines.toml: unknown pipeline 'smal'. Did you mean 'small'? Known: small.",
            id="unknown pipeline to show",
        ),
        pytest.param(
            nothing,
            "run small --set epochs",
            "--set epochs: expected TABLE.KEY=VALUE, such as train.epochs=5.",
            id="bad assignment",
        ),
        pytest.param(
            nothing,
            "run small --set train.epoch=5",
            "pipelines.toml [pipelines.small.train] unknown key 'epoch'. Did you mean 'epochs'? "
            "Known: batch_size, clip_norm, epochs, learning_rate, loss, patience, seed.",
            id="assignment to an unknown key",
        ),
        pytest.param(
            nothing,
            "run small --set description.text=5",
            "--set description.text=5: 'description' is not a table. Tables are set as TABLE.KEY=VALUE.",
            id="assignment into a value",
        ),
        pytest.param(
            nothing,
            "run small --refresh training",
            "--refresh training: no such stage. Known: ingest, preprocess, train, evaluate, export.",
            id="unknown stage",
        ),
        pytest.param(
            nothing,
            "plan small --refresh training",
            "--refresh training: no such stage. Known: ingest, preprocess, train, evaluate, export.",
            id="unknown stage to plan",
        ),
        pytest.param(
            nothing,
            "show small --run 2026",
            "no run '2026' of pipeline 'small'. Known: none.",
            id="unknown run",
        ),
        pytest.param(
            nothing,
            "show small",
            "pipeline 'small' has no successful run yet. Run: gristmill run small.",
            id="nothing to show",
        ),
        pytest.param(
            lambda project: (project / "pipelines.toml").unlink(),
            "run small",
            "{project}: no pipelines.toml here or in a folder above. Change to a project's folder.",
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
    assert sorted(said.err.splitlines()) == [
        "error: pipelines.toml [pipelines.small.export] formats[0]: expected 'saved_model' or 'keras'. "
        "Received: 'onnx' (string).",
        "error: pipelines.toml [pipelines.small.preprocess] horizon: expected a valid integer. Received: '2' (string).",
        "error: pipelines.toml [pipelines.small.preprocess] unknown key 'horizn'. Did you mean 'horizon'? "
        "Known: history, horizon, scale, stride, test, validation.",
    ]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        pytest.param(
            in_toml('target = "sunspots"', 'target = "spots"'),
            ["series.csv: no column 'spots'", "'month', 'sunspots'"],
            id="missing column",
        ),
        pytest.param(
            in_rows(lambda lines: []),
            ["series.csv: the file is empty", "Expected a header line and rows"],
            id="empty file",
        ),
        pytest.param(
            in_rows(lambda lines: lines[:1]),
            ["series.csv: no rows below the header", "Expected at least one"],
            id="header only",
        ),
        pytest.param(
            in_rows(lambda lines: [*lines[:3], "1749-03,many", *lines[4:]]),
            ["series.csv row 4, column 'sunspots': not a", "number: 'many'", "Mend it"],
            id="text in the target",
        ),
        pytest.param(
            in_rows(lambda lines: [*lines[:3], '1749-03,"70,0"', *lines[4:]]),
            ["series.csv row 4, column 'sunspots': not a", "number: '70,0'", "the source's decimal = ','"],
            id="decimal comma",
        ),
        pytest.param(
            in_rows(lambda lines: [*lines[:3], "March,70.0", *lines[4:]]),
            ["series.csv row 4, column 'month': not a time", "'March'", "Mend it", "the table 'ingest'"],
            id="text in the time",
        ),
        pytest.param(
            in_rows(lambda lines: [*lines[:4], "1749-03,71.0", *lines[4:]]),
            ["series.csv rows 4 and 5: both are 1749-03-01", "Keep one row a time"],
            id="duplicate dates",
        ),
        pytest.param(
            in_rows(lambda lines: [*lines[:3], *lines[4:]]),
            ["series.csv: 1 of 300 ", "1749-03-01", "gaps = 'interpolate' in the table 'ingest'"],
            id="gap",
        ),
        pytest.param(
            in_rows(lambda lines: [*lines[:3], "1749-03,70.0,1", *lines[4:]]),
            ["series.csv", " 4", "row"],
            id="ragged row",
        ),
    ],
)
def test_data_that_cannot_be_read_is_one_line_and_exit_1(
    project: Path, command: Command, prefect_api: str, change: Change, told: list[str]
) -> None:
    change(project)

    said = command("run", "small")

    message = the_error(said)
    assert said.status == 1
    assert message.startswith(f"{project}/series.csv")
    assert [part for part in told if part not in message] == [], message
    (record,) = records(project)
    assert (record.outcome, record.error) == ("failed", f"DataError: {message}")
    assert record.stages == {}
    assert published(project / "data/store", "ingest") == []


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


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        pytest.param(
            90,
            "the train part has 10 of the series' 90 observations, too few for a window of history 12 + horizon 2. "
            "Shorten them, or the other parts, in the table 'preprocess'.",
            id="shorter than a window",
        ),
        pytest.param(
            80,
            "the series has 80 observations, but validation takes 40 and test 40. "
            "Give it more rows, or set smaller parts in the table 'preprocess'.",
            id="shorter than its parts",
        ),
    ],
)
def test_a_series_that_is_too_short_stops_at_preprocess(
    project: Path, command: Command, prefect_api: str, rows: int, message: str
) -> None:
    in_rows(lambda lines: lines[: rows + 1])(project)

    said = command("run", "small")

    assert the_error(said) == message
    assert said.status == 1
    (record,) = records(project)
    assert (record.outcome, list(record.stages)) == ("failed", ["ingest"])
    assert published(project / "data/store", "preprocess") == []


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
    assert message.endswith("Lower train.learning_rate, or look for wild values.")
    (record,) = records(project)
    assert (record.outcome, record.error) == ("failed", f"Diverged: {message}")
    assert list(record.stages) == ["ingest", "preprocess"]
    assert published(project / "data/store", "train") == []


def test_patience_without_a_validation_part_is_a_wrong_request(
    project: Path, command: Command, prefect_api: str
) -> None:
    (project / "pipelines.toml").write_text(with_model('kind = "dense"', "epochs = 3\npatience = 1"))
    edit(project / "pipelines.toml", "validation = 40", "validation = 0")

    said = command("run", "small")

    assert the_error(said).startswith("train.patience stops on the validation part, but preprocess.validation is 0.")
    assert said.status == 2
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
        f"error: {project}/series.csv: no rows below the header. Expected at least one.\n",
    )


def run_plainly(project: Path, *words: str, api: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command without anything that the tests set to keep libraries quiet."""
    hidden = ("PREFECT_", "TF_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    return subprocess.run(
        [sys.executable, "-c", "from gristmill.cli import main; main()", *words],
        cwd=project,
        env=environment | {"PYTHONPATH": str(ROOT)} | ({"PREFECT_API_URL": api} if api else {}),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
