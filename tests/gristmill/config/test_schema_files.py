"""`schemas/NAME.toml`: a table of the pipeline, every mistake in it a line with file and key."""

from pathlib import Path

import pytest

from gristmill.config.catalogue import load, restore_settings
from gristmill.config.tables import read_schema
from gristmill.domains.timeseries.settings import Schema
from gristmill.domains.vision.settings import Schema as PhotoSchema
from gristmill.errors import RequestError
from gristmill.settings.data_schema import Cells
from gristmill.settings.messages import Problem
from helpers.support import unnumbered


def write(project: Path, text: str) -> None:
    (project / "schemas").mkdir(exist_ok=True)
    (project / "schemas/small.toml").write_text(text)


def test_without_a_file_a_pipeline_has_no_schema(project: Path) -> None:
    assert "schema" not in load(project).pipeline("small").tables


def test_a_file_is_a_table_of_its_pipeline_and_kept_with_its_runs(project: Path) -> None:
    write(project, 'frequency = "MS"\n[columns.sunspots]\ntype = "number"\nmin = 0\n[columns.month]\nmissing = 0\n')
    pipeline = load(project).pipeline("small")

    assert pipeline.tables["schema"] == Schema(
        file="schemas/small.toml",
        frequency="MS",
        columns={"sunspots": Cells(type="number", min=0), "month": Cells(missing=0)},
    )
    assert restore_settings("timeseries", pipeline.values()) == pipeline.tables


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("frequency =", ": not valid TOML: "),
        ("frequncy = 'D'", " unknown key 'frequncy'. Did you mean 'frequency'? Known: columns, frequency."),
        ("file = 'x'", " unknown key 'file'. Known: columns, frequency."),
        ("classes.a = 1", " unknown key 'classes'. "),  # of another domain
        ("frequency = 3", " frequency: expected a valid string. Received: 3 (integer)."),
        ("columns = 3", " columns: expected a table. Received: 3 (integer)."),
        ("columns.sunspots = 3", " [columns.sunspots] expected a table"),
        ("columns.sunspots.mx = 3", " [columns.sunspots] unknown key 'mx'. Did you mean 'max'? Known: max, min, "),
        ("columns.sunspots.max = '3'", " [columns.sunspots] max: expected a valid number. Received: '3' (string)."),
        ("columns.sunspots.type = 'int'", " [columns.sunspots] type: expected 'number' or 'integer'. Received: 'int'"),
        ("columns.sunspots.missing = 2", " [columns.sunspots] missing: expected less than or equal to 1. Received: 2"),
        ("columns.sunspots = {min = 3, max = 2}", " [columns.sunspots] expected a min that is not above max."),
        ("columns.sunspots = {min = 3, values = ['a']}", " [columns.sunspots] expected values, or type, min and max: "),
        ("columns.sunspot.max = 3", " [columns]: unknown column 'sunspot'. Did you mean 'sunspots'? Known: month, sun"),
    ],
)
def test_a_mistake_is_one_line(project: Path, text: str, said: str) -> None:
    write(project, text)
    with pytest.raises(RequestError) as raised:
        load(project)
    (line,) = unnumbered(raised.value).splitlines()
    assert line.startswith(f"schemas/small.toml{said}")


def test_mistakes_are_told_together_with_those_of_pipelines_toml(project: Path) -> None:
    with (project / "pipelines.toml").open("a") as file:
        file.write("[pipelines.other]\ndomain = 'audio'\n")
    write(project, "columns.sunspots = {max = 'a', min = 'b'}")
    with pytest.raises(RequestError) as raised:
        load(project)
    assert [line.split()[0] for line in unnumbered(raised.value).splitlines()] == [
        "pipelines.toml",
        *["schemas/small.toml"] * 2,
    ]


def test_rules_of_a_column_that_is_left_out_for_a_call_are_no_mistake(project: Path) -> None:
    write(project, "columns.sunspots.max = 400\n")
    left_out = load(project, {"small": ["ingest.target=other"]}).pipeline("small")

    assert left_out.tables["schema"] == load(project).pipeline("small").tables["schema"]


def test_a_schema_of_no_pipeline_is_refused(project: Path) -> None:
    write(project, "")
    for name in ("smal", "other", ".#small"):  # the last is an editor's
        (project / f"schemas/{name}.toml").touch()
    (project / "schemas/notes.md").touch()
    with pytest.raises(RequestError) as raised:
        load(project)
    assert unnumbered(raised.value).splitlines() == [
        "schemas/other.toml: no pipeline has this name. Rename the file, or remove it.",
        "schemas/smal.toml: no pipeline has this name. Did you mean 'small'? Rename the file, or remove it.",
    ]


def test_a_file_that_cannot_be_read_is_said(project: Path) -> None:
    (project / "schemas/small.toml").mkdir(parents=True)
    with pytest.raises(RequestError, match=r"^schemas/small\.toml: cannot be read \(Is a directory\)\."):
        load(project)


def test_mistakes_in_what_other_domains_have_are_told_with_their_key(tmp_path: Path) -> None:
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas/it.toml").write_text("width.min = 'a'\n[classes]\nants = -1\n")
    problems: list[Problem] = []

    assert read_schema(tmp_path, "it", PhotoSchema, problems) is None
    assert list(map(str, problems)) == ["schemas/it.toml [width] min: expected a valid number. Received: 'a' (string)."]
    (tmp_path / "schemas/it.toml").write_text("[classes]\nants = -1\n")
    assert read_schema(tmp_path, "it", PhotoSchema, problems) is None
    assert list(map(str, problems[1:])) == [
        "schemas/it.toml classes.ants: expected greater than or equal to 0. Received: -1 (integer)."
    ]


def test_keys_that_only_earlier_versions_had_are_ignored_in_the_settings_of_a_run(project: Path) -> None:
    pipeline = load(project).pipeline("small")
    values = pipeline.values()
    values["evaluate"] = {"baselines": values["evaluate"]["baselines"], "level": 0.9, "smooth": 3}

    assert restore_settings("timeseries", values)["evaluate"] == pipeline.tables["evaluate"]
