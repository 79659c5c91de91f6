"""`pipelines.toml`: every mistake is one line with table, key, what was received and what is known, all at once.

A denied column is refused wherever a pipeline names it.
"""

import re
from pathlib import Path
from typing import Any

import pytest

from gristmill.config import pipelines_file
from gristmill.config.catalogue import Catalogue, load
from gristmill.config.pipelines_file import find_project_folder
from gristmill.domains.timeseries.models.dense import Dense
from gristmill.domains.timeseries.settings import Evaluate, Train
from gristmill.errors import RequestError
from gristmill.settings.schedule import Freshness, Monitor
from gristmill.sources.tables.csv import Csv
from helpers.support import unnumbered

ROOT = Path(__file__).parents[3]
HEAD = "pipelines.toml [pipelines.small"


def problems(project: Path, *changes: tuple[str, str], more: str = "") -> list[str]:
    """The lines of the error that the small pipeline gives with these changes to its file."""
    text = (project / "pipelines.toml").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (project / "pipelines.toml").write_text(text + more)
    with pytest.raises(RequestError) as raised:
        load(project)
    return unnumbered(raised.value).splitlines()


def loaded(project: Path, *assignments: str) -> dict[str, Any]:
    """The settings of the small pipeline with assignments of `--set`."""
    return load(project, {"small": list(assignments)}).pipeline("small").values()


def test_a_sound_file_gives_settings_with_defaults_filled_in(project: Path) -> None:
    catalogue = load(project)
    pipeline = catalogue.pipeline("small")
    assert (pipeline.name, pipeline.domain, pipeline.description) == ("small", "timeseries", "A few years of sunspots")
    assert pipeline.tables["source"] == Csv(kind="csv", path="series.csv")
    assert pipeline.tables["train"] == Train()
    assert list(pipeline.tables) == [
        "source", "ingest", "arrivals", "preprocess", "model", "train", "backtest", "select", "evaluate", "export",
        "gate", "schedule",
    ]  # fmt: skip
    assert pipeline.values()["preprocess"] == {
        "history": 12,
        "min_history": None,
        "horizon": 2,
        "stride": 1,
        "validation": 40,
        "test": 40,
        "season": None,
        "scale": "standard",
        "normalise": "none",
        "residual": False,
        "harmonics": [],
        "calendar": [],
        "split": "time",
    }
    assert (catalogue.root, catalogue.store.root, catalogue.keep_runs) == (project, project / "data/store", 3)


def test_the_pipelines_of_this_repository_load() -> None:
    assert {"sunspots", "sunspots_course", "seattle_weather"} <= set(load(ROOT).pipelines)


@pytest.mark.fault(29)
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("horizon = 2", "horizn = 2", ".preprocess] unknown key 'horizn'. Did you mean 'horizon'? Known: calendar, "),
        ("history = 12", "", ".preprocess] history: missing. It has no default."),
        ("history = 12", 'history = "12"', ".preprocess] history: expected a valid integer. Received: '12' (string)."),
        ("history = 12", "history = true", ".preprocess] history: expected a valid integer. Received: True (boolean)."),
        (
            '["naive", "drift"',
            '["niave", "drift"',
            ".evaluate] baselines[0]: unknown kind 'niave'. Did you mean 'naive'? Known: ",
        ),
        ('["naive", "drift"', '[3, "drift"', ".evaluate] baselines[0]: expected a table. Received: 3 (integer)."),
        ("order = 3", "ordre = 3", ".evaluate] baselines[4]: unknown key 'ordre'."),
        ('kind = "autoregression", ', "", ".evaluate] baselines[4]: missing key 'kind'."),
        ("history = 12", "history = 12.0", ".preprocess] history: expected a valid integer. Received: 12.0 (float)."),
        ("history = 12", "history = 0", ".preprocess] history: expected greater than 0. Received: 0 (integer)."),
        ("test = 40", "test = 1.5", ".preprocess] test: expected a whole number, or a share below 1. Received: 1.5"),
        ('path = "series.csv"', "path = 3", ".source] path: expected a valid string. Received: 3 (integer)."),
        ('kind = "csv"', 'kind = "cvs"', ".source] kind: unknown source 'cvs'. Did you mean 'csv'? Known: csv"),
        ('kind = "linear"', 'kind = "linaer"', ".model] kind: unknown model 'linaer'. Did you mean 'linear'? Known: "),
        ('kind = "linear"', "kind = 3", ".model] kind: unknown model 3. Known: "),
        ('kind = "linear"', "", ".model] kind: missing. Known: "),
        ('kind = "linear"', 'kidn = "linear"', ".model] unknown key 'kidn'. Did you mean 'kind'?"),
        ('[pipelines.small.model]\nkind = "linear"', "", ".model] kind: missing. Known: "),
        ('"timeseries"', '"timeserie"', "] domain: unknown domain 'timeserie'. Did you mean 'timeseries'? Known: "),
        ('"timeseries"', '["text"]', "] domain: unknown domain ['text']. Did you mean 'text'? Known: "),
        ('domain = "timeseries"', "", "] domain: missing. Known: generation, tabular, text, timeseries, vision"),
        ("small.evaluate]", "small.evalute]", "] unknown key 'evalute'. Did you mean 'evaluate'? Known: "),
        ('"A few years of sunspots"', "3", "] description: expected a string. Received: 3."),
        ('"timeseries"', '"timeseries"\ntrain = 3', ".train]: expected a table. Received: 3."),
        (
            '"timeseries"',
            '"timeseries"\nbacktest = { windows = 2, size = 1 }',
            ".backtest] size: 1 is smaller than preprocess.horizon, 2: no forecast fits into a block. Set it to at",
        ),
        (
            "horizon = 2",
            'horizon = 5000\ncalendar = ["month"]',
            ".preprocess] horizon: expected at most preprocess.history, 12, because the features of preprocess.",
        ),
    ],
)
def test_a_mistake_is_one_line(project: Path, old: str, new: str, said: str) -> None:
    (line,) = problems(project, (old, new))
    assert line.startswith(HEAD + said)


@pytest.mark.fault(29)
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pipelines = 3", "pipelines: expected a table. Received: 3."),
        ("defaults = 3", "defaults: expected a table. Received: 3."),
        ("[pipelines]\na = 3", "[pipelines.a]: expected a table. Received: 3."),
        ("[pipelines.a]", "[pipelines.a] domain: missing. Known: generation, tabular, text, timeseries, vision"),
        ("[pipelnes.a]", "unknown table 'pipelnes'. Did you mean 'pipelines'? Known: defaults, deploy, notify, pipeli"),
        ("[notify]", "[notify] expected either url_env or block."),
        ("deploy = 3", "deploy: expected a table. Received: 3."),
        ("[deploy]\npol = 'a'", "[deploy] unknown key 'pol'. Did you mean 'pool'? Known: "),
        ("[notify]\nurl_env = 'A'\nblock = 'a/b'", "[notify] expected either url_env or block."),
        (
            "[defaults]\nstoer = 'x'",
            "[defaults] unknown key 'stoer'. Did you mean 'store'? Known: cache, cache_gb, deny, keep_runs, store.",
        ),
        ("[defaults]\nkeep_runs = 0", "[defaults] keep_runs: expected greater than 0. Received: 0 (integer)."),
    ],
)
def test_a_mistake_above_the_pipelines_is_one_line(project: Path, text: str, said: str) -> None:
    (project / "pipelines.toml").write_text(text)
    (line,) = problems(project)
    assert line.startswith(f"pipelines.toml {said}")


@pytest.mark.parametrize("key", ["url_env", "block"])
def test_an_address_in_place_of_its_name_is_not_printed(project: Path, key: str) -> None:
    (project / "pipelines.toml").write_text(f'[notify]\n{key} = "slack://T0P/S3CRET/TOKEN"\n')
    (line,) = problems(project)
    assert line.startswith(f"pipelines.toml [notify] expected {key} to name ")
    assert "S3CRET" not in line


def test_a_choice_that_is_not_offered_is_said_with_its_place_in_the_array(project: Path) -> None:
    assert problems(project, ('["keras"]', '["keras", "onnx"]')) == [
        f"{HEAD}.export] formats[1]: expected 'saved_model' or 'keras'. Received: 'onnx' (string)."
    ]


def test_a_table_of_a_kind_that_is_no_table_is_said_to_be_none(project: Path) -> None:
    (line,) = problems(
        project,
        ('[pipelines.small.source]\nkind = "csv"\npath = "series.csv"', ""),
        ('"timeseries"', '"timeseries"\nsource = "series.csv"'),
    )
    assert line == f"{HEAD}.source]: expected a table. Received: 'series.csv'."


@pytest.mark.fault(29)
@pytest.mark.parametrize("name", ["../../small", "a/b", "", ".", "..", "a.b", "-a", "_a", "a b", "é"])
def test_the_name_of_a_pipeline_cannot_lead_out_of_the_store(project: Path, name: str) -> None:
    (line,) = problems(project, ("pipelines.small", f'pipelines."{name}"'))
    assert line == f"pipelines.toml [pipelines] {name!r}: a pipeline's name has only letters, digits, - and _."


@pytest.mark.parametrize("name", ["small", "A-b_2", "2024"])
def test_names_that_are_taken(project: Path, name: str) -> None:
    file = project / "pipelines.toml"
    file.write_text(file.read_text().replace("pipelines.small", f"pipelines.{name}"))
    assert list(load(project).pipelines) == [name]


def test_all_mistakes_of_a_file_are_told_at_once(project: Path) -> None:
    found = problems(
        project,
        ("history = 12", "histroy = 12"),
        ("horizon = 2", 'horizon = "a"'),
        ('kind = "linear"', 'kind = "linaer"'),
        ('kind = "csv"', 'kind = "csv"\nsep = ";"'),
        more='[pipelines.other]\ndomain = "audio"\n[pipelines.third]\n[defalts]\n[defaults]\nkeep_runs = 0\n',
    )
    assert [line.removeprefix("pipelines.toml ").split(".")[0] for line in found if "[pipelines" not in line] == [
        "unknown table 'defalts'",
        "[defaults] keep_runs: expected greater than 0",
    ]
    assert [re.sub(r"\. .*", "", line) for line in found if "[pipelines" in line] == [
        f"{HEAD}.source] unknown key 'sep'",
        f"{HEAD}.preprocess] unknown key 'histroy'",
        f"{HEAD}.preprocess] horizon: expected a valid integer",
        f"{HEAD}.model] kind: unknown model 'linaer'",
        "pipelines.toml [pipelines.other] domain: unknown domain 'audio'",
        "pipelines.toml [pipelines.third] domain: missing",
    ]


@pytest.mark.parametrize(("name", "misspelt"), [("preprocess", "preproces"), ("model", "modle")])
def test_a_misspelt_table_is_one_problem(project: Path, name: str, misspelt: str) -> None:
    (line,) = problems(project, (f"small.{name}]", f"small.{misspelt}]"))
    assert line.startswith(f"{HEAD}] unknown key '{misspelt}'. Did you mean '{name}'?")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[defaults]\nstore =\n", r":2: not valid TOML: .* \(column 8\)\. The line is: store ="),
        (b"[defaults]\n[defaults]\n", r":2: not valid TOML: .* The line is: \[defaults\]"),
        (b"# \xff", r": not valid TOML: .*position 2"),
    ],
)
def test_what_is_not_toml_is_said_with_its_place(project: Path, content: bytes, said: str) -> None:
    (project / "pipelines.toml").write_bytes(content)
    with pytest.raises(RequestError, match=re.escape(f"{project / 'pipelines.toml'}") + said):
        load(project)


def test_a_folder_without_the_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=re.escape(f"{tmp_path / 'pipelines.toml'}: cannot be read (No such file")):
        load(tmp_path)


def test_a_folder_of_the_files_name_is_said(tmp_path: Path) -> None:
    (tmp_path / "pipelines.toml").mkdir()
    with pytest.raises(RequestError, match=re.escape(f"{tmp_path / 'pipelines.toml'}: cannot be read (Is a dir")):
        load(tmp_path)


def test_an_unknown_pipeline_is_said_with_the_known(project: Path) -> None:
    with pytest.raises(RequestError, match=r"unknown pipeline 'smal'\. Did you mean 'small'\? All: gristmill ls\."):
        load(project).pipeline("smal")


@pytest.mark.parametrize(
    ("assignment", "table", "key", "value"),
    [
        ("train.epochs=5", "train", "epochs", 5),
        ("train.epochs = 5", "train", "epochs", 5),
        ("train.learning_rate=2e-3", "train", "learning_rate", 0.002),
        ("train.learning_rate=1", "train", "learning_rate", 1.0),
        ("preprocess.validation=0", "preprocess", "validation", 0),
        ("preprocess.test=0.25", "preprocess", "test", 0.25),
        ('export.formats=["saved_model", "keras"]', "export", "formats", ["saved_model", "keras"]),
        ("ingest.gaps=interpolate", "ingest", "gaps", "interpolate"),
        ('ingest.gaps="interpolate"', "ingest", "gaps", "interpolate"),
        ("source.path=a=b.csv", "source", "path", "a=b.csv"),
        ("source.path='5'", "source", "path", "5"),
        ("ingest.frequency=", "ingest", "frequency", ""),
        ("ingest.time=month", "ingest", "time", ["month"]),
        ('ingest.time=["year", "month"]', "ingest", "time", ["year", "month"]),
        ("train.learning_rate=find", "train", "learning_rate", "find"),
        (
            "preprocess.harmonics=[{period = 'year', pairs = 2}]",
            "preprocess",
            "harmonics",
            [{"period": "year", "pairs": 2}],
        ),
    ],
)
def test_a_value_is_set(project: Path, assignment: str, table: str, key: str, value: object) -> None:
    assert repr(loaded(project, assignment)[table][key]) == repr(value)


def test_several_are_set_in_order_and_a_table_is_made_where_there_is_none(project: Path) -> None:
    values = loaded(project, "train.epochs=5", "train.epochs=6", "train.seed=7")
    assert (values["train"]["epochs"], values["train"]["seed"]) == (6, 7)


def test_another_kind_brings_its_own_settings(project: Path) -> None:
    pipeline = load(project, {"small": ["model.kind=dense", "model.units=[3]"]}).pipeline("small")
    assert pipeline.tables["model"] == Dense(kind="dense", units=(3,))


def test_a_whole_table_is_set_in_place_of_the_one_in_the_file(project: Path) -> None:
    pipeline = load(
        project, {"small": ["model={kind = 'dense', units = [3]}", "evaluate={anomaly_level = 0.98}"]}
    ).pipeline("small")
    assert pipeline.tables["model"] == Dense(kind="dense", units=(3,))
    assert pipeline.values()["evaluate"] == Evaluate(anomaly_level=0.98).model_dump(mode="json")


@pytest.mark.parametrize(
    ("sweep", "said"),
    [
        ("sweep = 3", "[pipelines.small.sweep]: expected a table. Received: 3."),
        (
            "sweep = { trian.epochs = [3] }",
            "[pipelines.small.sweep] unknown key 'trian'. Did you mean 'train'? Known: arrivals, backtest, draws, "
            "evaluate, export, gate, ingest, model, points, preprocess, schedule, seed, seeds, select, source, train.",
        ),
        (
            "sweep = { seeds = 0, train.epochs = [3] }",
            "[pipelines.small.sweep] seeds: expected greater than 0. Received: 0 (integer).",
        ),
    ],
)
def test_a_sweep_that_does_not_hold_is_refused_with_the_file(project: Path, sweep: str, said: str) -> None:
    assert problems(project, ("[pipelines.small]\n", f"[pipelines.small]\n{sweep}\n")) == [f"pipelines.toml {said}"]


@pytest.mark.parametrize("assignment", ["train.epochs", "train=5", "=5", "", "a.b.c=5", "train.=5", "={a = 1}"])
def test_an_assignment_of_another_form_is_refused(project: Path, assignment: str) -> None:
    said = f"--set {assignment}: expected TABLE.KEY=VALUE, such as train.epochs=5, or TABLE={{KEY = VALUE}}."
    with pytest.raises(RequestError, match=f"^{re.escape(said)}$"):
        loaded(project, assignment)


def test_an_assignment_in_what_is_no_table_is_refused(project: Path) -> None:
    with pytest.raises(RequestError, match=r"^--set domain\.kind=5: 'domain' is not a table"):
        loaded(project, "domain.kind=5")


@pytest.mark.fault(29)
@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("train.epoch=5", "unknown key 'epoch'. Did you mean 'epochs'?"),
        ("trian.epochs=5", "unknown key 'trian'. Did you mean 'train'?"),
        ("train.epochs=five", "expected a valid integer. Received: 'five' (string)."),
        ("train.epochs=true", "expected a valid integer. Received: True (boolean)."),
        ("train.epochs = -1", "expected greater than 0. Received: -1 (integer)."),
        ("train.int=5", "unknown key 'int'."),
        ("train.seed=4294967296", "expected less than 4294967296. Received: 4294967296 (integer)."),
        ("train.learning_rate=inf", "expected a finite number or 'find'. Received: inf (float)."),
        ("train.clip_norm=inf", "expected a finite number or 'none'. Received: inf (float)."),
        ("export.tolerance=nan", "expected a finite number. Received: nan (float)."),
        ("export.formats=[]", "expected at least 1 item after validation, not 0. Received: [] (array)."),
        ("model.kind=dens", "unknown model 'dens'. Did you mean 'dense'?"),
        ("model={kind = 'dens'}", "kind: unknown model 'dens'. Did you mean 'dense'?"),
        (
            "ingest.time=2020-01-01",
            "expected a name, or an array of names. Received: datetime.date(2020, 1, 1) (date).",
        ),
        ("ingest.time=[1]", "time[0]: expected a valid string. Received: 1 (integer)."),
        ("export.formats=keras", "expected a valid array. Received: 'keras' (string)."),
        ("sweep.seeds=0", "expected greater than 0. Received: 0 (integer)."),
    ],
)
def test_what_is_set_is_checked_like_the_file_and_named_in_its_place(project: Path, assignment: str, said: str) -> None:
    with pytest.raises(RequestError) as raised:
        loaded(project, assignment)
    assert unnumbered(raised.value).startswith(f"--set {assignment}: {said}")
    assert "pipelines.toml" not in unnumbered(raised.value)


def test_an_assignment_of_several_lines_is_named_in_one(project: Path) -> None:
    with pytest.raises(RequestError) as raised:
        loaded(project, "train.epochs=5\nseed=3")
    assert unnumbered(raised.value) == (
        "--set 'train.epochs=5\\nseed=3': expected a valid integer. Received: '5\\nseed=3' (string)."
    )


def test_a_column_on_the_deny_list_is_refused_in_an_assignment_too(project: Path) -> None:
    file = project / "pipelines.toml"
    file.write_text('[defaults]\ndeny = ["*_id"]\n' + file.read_text())
    with pytest.raises(RequestError, match=r"^--set ingest\.target=user_id: the column 'user_id' is denied by"):
        loaded(project, "ingest.target=user_id")


@pytest.mark.parametrize(
    ("assignments", "said"),
    [
        (
            ["train.seed=1", "train.learning_rate=find"],
            "--set train.seed=1, --set train.learning_rate=find: pipelines.toml [pipelines.small.train] schedule: "
            'expected "cosine" or "constant" with learning_rate = "find"; a sweep starts at a number. '
            "Received: 'sweep' (string).",
        ),
        (
            ["preprocess.history=6", "ingest.inputs=sunspots"],
            "--set ingest.inputs=sunspots: pipelines.toml [pipelines.small.ingest] expected each column in one role; "
            "'sunspots' is named more than once.",
        ),
    ],
)
def test_settings_that_do_not_fit_those_of_the_file_are_named_with_the_table(
    project: Path, assignments: list[str], said: str
) -> None:
    with (project / "pipelines.toml").open("a") as file:
        file.write('\n[pipelines.small.train]\nschedule = "sweep"\n')
    with pytest.raises(RequestError) as raised:
        loaded(project, *assignments)
    assert unnumbered(raised.value) == said


def test_of_several_pipelines_the_one_that_an_assignment_does_not_fit_is_named(project: Path) -> None:
    file = project / "pipelines.toml"
    file.write_text(file.read_text() + file.read_text().replace("small", "other").replace("linear", "dense"))
    with pytest.raises(RequestError) as raised:
        load(project, {"small": ["model.units=[3]"], "other": ["model.units=[3]"]})
    assert unnumbered(raised.value) == (
        "--set model.units=[3]: [pipelines.small.model] unknown key 'units'. "
        "Known: history, kind, l2, normalise, residual."
    )


@pytest.mark.parametrize("separator", [";;", "", '"'])
def test_a_separator_that_separates_nothing_is_refused(project: Path, separator: str) -> None:
    with pytest.raises(RequestError) as raised:
        loaded(project, f"source.separator={separator}")
    message = unnumbered(raised.value)
    assert message.startswith(f"--set source.separator={separator}: expected ")
    assert message.endswith(f". Received: {separator!r} (string).")
    assert "expected String should" not in message


def test_nothing_can_be_set_in_a_pipeline_that_is_not_there(project: Path) -> None:
    with pytest.raises(RequestError, match=r"unknown pipeline 'smal'\. Did you mean 'small'\?"):
        load(project, {"smal": ["train.epochs=5"]})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[pipeline.small]", "unknown table 'pipeline'. Did you mean 'pipelines'?"),
        ("[pipelines]\nsmall = 3", "[pipelines.small]: expected a table. Received: 3."),
        ("pipelines = 3", "pipelines: expected a table. Received: 3."),
    ],
)
def test_a_mistake_of_the_file_is_told_before_what_is_set(project: Path, text: str, said: str) -> None:
    (project / "pipelines.toml").write_text(text)
    with pytest.raises(RequestError) as raised:
        loaded(project, "train.epochs=5")
    (line,) = unnumbered(raised.value).splitlines()
    assert line.startswith(f"pipelines.toml {said}")


def test_mistakes_of_the_file_name_the_file_and_those_of_an_assignment_name_it(project: Path) -> None:
    file = project / "pipelines.toml"
    file.write_text(file.read_text().replace("horizon = 2", "horizon = 0"))
    with pytest.raises(RequestError) as raised:
        loaded(project, "preprocess.history=0")
    assert unnumbered(raised.value).splitlines() == [
        "--set preprocess.history=0: expected greater than 0. Received: 0 (integer).",
        f"{HEAD}.preprocess] horizon: expected greater than 0. Received: 0 (integer).",
    ]


@pytest.mark.parametrize(
    ("written", "set_", "store"),
    [
        ("", None, "data/store"),
        ('[defaults]\nstore = "there"', None, "there"),
        ('[defaults]\nstore = "there"', "elsewhere", "elsewhere"),
        ("", "/elsewhere", "/elsewhere"),
        ('[defaults]\nstore = "there"', "", "there"),
        ("", "~/there", "/home/user/there"),
    ],
)
def test_where_the_store_is(
    project: Path, monkeypatch: pytest.MonkeyPatch, written: str, set_: str | None, store: str
) -> None:
    monkeypatch.setenv("HOME", "/home/user")
    if set_ is not None:
        monkeypatch.setenv("GRISTMILL_STORE", set_)
    (project / "pipelines.toml").write_text(written)
    found = load(project).store
    assert (found.root, found.remote) == (project / store, None)


@pytest.mark.fault(29)
@pytest.mark.parametrize("store", ["/there", "..", "data/../../there", "~/there"])
def test_a_store_outside_of_the_project_is_refused(project: Path, store: str) -> None:
    (project / "pipelines.toml").write_text(f'[defaults]\nstore = "{store}"')
    with pytest.raises(RequestError) as raised:
        load(project)
    assert unnumbered(raised.value) == (
        "pipelines.toml [defaults] store: expected a path within the project; GRISTMILL_STORE may name one elsewhere. "
        f"Received: '{store}' (string)."
    )


def test_the_nearest_file_above_is_found(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    below = project / "a/b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert (find_project_folder(), load().root) == (project, project)
    (project / "a/pipelines.toml").write_text("")
    assert (find_project_folder(), list(load().pipelines)) == (project / "a", [])


def test_no_file_above_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pipelines_file, "PIPELINES_FILE", "a-name-that-no-folder-above-has.toml")
    with pytest.raises(
        RequestError, match=re.escape(f"{tmp_path}: no a-name-that-no-folder-above-has.toml here or in")
    ):
        find_project_folder()


def test_a_file_without_pipelines_is_an_empty_catalogue(project: Path) -> None:
    (project / "pipelines.toml").write_text("")
    found = load(project)
    assert found == Catalogue(project, found.store, 3, {})


def test_a_store_that_cannot_be_shared_is_refused(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRISTMILL_STORE", "https://bucket/store")
    with pytest.raises(RequestError) as raised:
        load(project)
    assert unnumbered(raised.value) == (
        "GRISTMILL_STORE: expected a path, or a URL that machines share, such as s3://bucket/prefix. "
        "Received: 'https://bucket/store'. Correct it."
    )


TABLE = '[pipelines.it]\ndomain = "{}"\nsource = {{{{ kind = "{}", path = "x"{} }}}}\n'
TEXTS = TABLE.format("text", "csv", "") + 'ingest = {{ {} }}\nmodel.kind = "lstm"\n'
ROWS = TABLE.format("tabular", "csv", "") + 'ingest = {{ {} }}\nmodel.kind = "dense"\n'
SERIES = TABLE.format("timeseries", "csv", "") + 'ingest = {{ {} }}\npreprocess.history = 3\nmodel.kind = "linear"\n'
PHOTOS = TABLE.format("vision", "listing", ", {}") + 'preprocess.size = 8\nmodel.kind = "cnn"\n'


def write_denied(folder: Path, pipeline: str, deny: str = '["customer_*", "email"]') -> None:
    (folder / "pipelines.toml").write_text(f"[defaults]\ndeny = {deny}\n{pipeline}")


@pytest.mark.parametrize(
    ("pipeline", "said"),
    [
        (ROWS.format('target = "email", numbers = "a"'), "ingest] target: the column 'email' is denied by 'email'"),
        (
            ROWS.format('target = "a", numbers = "Customer_Id"'),
            "ingest] numbers: the column 'Customer_Id' is denied by ",
        ),
        (ROWS.format('target = "a", categories = ["b", "email"]'), "ingest] categories: the column 'email'"),
        (SERIES.format('time = "t", target = "customer_a"'), "ingest] target: the column 'customer_a'"),
        (SERIES.format('time = "customer_t", target = "a"'), "ingest] time: the column 'customer_t'"),
        (SERIES.format('time = "t", target = "a", series = "email"'), "ingest] series: the column 'email'"),
        (SERIES.format('time = "t", target = "a", inputs = "email"'), "ingest] inputs: the column 'email'"),
        (SERIES.format('time = "t", target = "a", known = "email"'), "ingest] known: the column 'email'"),
        (TEXTS.format('text = "email"'), "ingest] text: the column 'email'"),
        (TEXTS.format('label = "email"'), "ingest] label: the column 'email'"),
        (TEXTS.format('part = "email"'), "ingest] part: the column 'email'"),
        (TEXTS.format('metadata = ["a", "email"]'), "ingest] metadata: the column 'email'"),
        (PHOTOS.format('metadata = ["a", "email"]'), "source] metadata: the column 'email'"),
        (PHOTOS.format('label = "email"'), "source] label: the column 'email'"),
        (PHOTOS.format('image = "email"') + 'evaluate.slices = "a"\n', "source] image: the column 'email'"),
        (PHOTOS.format('label = "a"') + 'evaluate.slices = ["email"]\n', "evaluate] slices: the column 'email'"),
        (TEXTS.format('text = "a"') + 'monitor.id = "customer_id"\n', "monitor] id: the column 'customer_id'"),
    ],
)
def test_a_denied_column_is_one_line_with_pipeline_key_column_and_pattern(
    tmp_path: Path, pipeline: str, said: str
) -> None:
    write_denied(tmp_path, pipeline)
    with pytest.raises(RequestError) as raised:
        load(tmp_path)
    (line,) = unnumbered(raised.value).splitlines()
    assert line.startswith(f"pipelines.toml [pipelines.it.{said}")
    assert line.endswith(" in [defaults] deny. Name another, or leave it out.")
    assert raised.value.exit_status == 2


def test_a_mark_in_a_column_that_is_not_read_is_a_problem(tmp_path: Path) -> None:
    marks = TABLE.format("tabular", "csv", ', missing = ["NA"], missing_in = ["tonw"]').format()
    pipeline = 'ingest = { target = "price", categories = ["town"] }\nmodel.kind = "dense"\n'
    write_denied(tmp_path, marks + pipeline, deny="[]")
    with pytest.raises(RequestError) as raised:
        load(tmp_path)
    (line,) = unnumbered(raised.value).splitlines()
    assert line.startswith(
        "pipelines.toml [pipelines.it.source] missing_in: unknown column 'tonw'. Did you mean 'town'?"
    )


def test_columns_that_no_pattern_matches_are_taken(tmp_path: Path) -> None:
    write_denied(tmp_path, ROWS.format('target = "emails", numbers = "customer"'))
    assert "it" in load(tmp_path).pipelines


def test_what_is_set_for_a_call_is_held_against_the_list_too(tmp_path: Path) -> None:
    write_denied(tmp_path, ROWS.format('target = "a", numbers = "b"'))
    with pytest.raises(RequestError, match="the column 'email' is denied by 'email'"):
        load(tmp_path, {"it": ['ingest.numbers=["b", "email"]']})


@pytest.mark.parametrize("deny", ['"email"', "[3]"])
def test_a_list_that_is_none_is_refused(tmp_path: Path, deny: str) -> None:
    write_denied(tmp_path, "", deny)
    with pytest.raises(RequestError, match=r"^pipelines\.toml:2 \[defaults\] deny"):
        load(tmp_path)


def test_the_age_of_data_is_limited_where_a_table_says_so(tmp_path: Path) -> None:
    file, rows = tmp_path / "pipelines.toml", ROWS.format('target = "y", numbers = "x"')
    file.write_text(rows + 'freshness.max_age_of_data = "2 days"\n')
    assert load(tmp_path).pipeline("it").freshness == Freshness(max_age_of_data="2 days")
    assert "freshness" not in load(tmp_path).pipeline("it").values()
    for table, said in (("{}", "max_age_of_data: missing"), ("true", "expected a table")):
        file.write_text(rows + f"freshness = {table}\n")
        with pytest.raises(RequestError, match=rf"\[pipelines\.it\.freshness\].*{said}"):
            load(tmp_path)


def test_predictions_are_logged_where_a_table_says_so(tmp_path: Path) -> None:
    file = tmp_path / "pipelines.toml"
    file.write_text(ROWS.format('target = "y", numbers = "x"') + 'monitor.id = "row"\n')
    assert load(tmp_path).pipeline("it").monitor == Monitor(keep="365 days", id="row")
    assert "monitor" not in load(tmp_path).pipeline("it").values()  # and so in no key, and in no run record
    file.write_text(SERIES.format('time = "t", target = "y"'))
    assert load(tmp_path).pipeline("it").monitor is None


@pytest.mark.parametrize(
    ("pipeline", "said"),
    [
        (
            SERIES.format('time = "t", target = "y"') + 'monitor.id = "row"\n',
            ".monitor] id: predictions are identified by ",
        ),
        (
            PHOTOS.format('label = "a"') + 'monitor.id = "row"\n',
            ".monitor] id: predictions are identified by their file.",
        ),
        (
            ROWS.format('target = "y", numbers = "x"') + 'monitor.id = "y"\n',
            ".monitor] id: 'y' is named in ingest.target",
        ),
        (
            ROWS.format('target = "y", numbers = "x"') + 'monitor.id = "x"\n',
            ".monitor] id: 'x' is named in ingest.numb",
        ),
        (ROWS.format('target = "y", numbers = "x"') + 'monitor.keep = "1 year"\n', ".monitor] keep: expected "),
        (ROWS.format('target = "y", numbers = "x"') + "monitor = true\n", ".monitor]: expected a table."),
        (
            TABLE.format("generation", "files", "").format() + 'model.kind = "gru"\nmonitor = {}\n',
            "] unknown key 'monitor'.",
        ),
    ],
)
def test_a_log_that_cannot_be_is_refused(tmp_path: Path, pipeline: str, said: str) -> None:
    (tmp_path / "pipelines.toml").write_text(pipeline)
    with pytest.raises(RequestError) as raised:
        load(tmp_path)
    assert unnumbered(raised.value).startswith(f"pipelines.toml [pipelines.it{said}")


def test_a_retired_key_is_said_with_what_replaced_it(project: Path) -> None:
    rows = ROWS.format('target = "a", numbers = "b", missing = "drop"')
    (problem,) = problems(project, more=f"\n{rows}")
    assert problem.startswith("pipelines.toml [pipelines.it.ingest] unknown key 'missing'. Empty cells are inputs now")
    series = SERIES.replace(".it]", ".other]").format('time = "t", target = "y"')
    *_, problem = problems(project, more=f"\n{series}preprocess.materialize = false\n")
    assert problem.startswith("pipelines.toml [pipelines.other.preprocess] unknown key 'materialize'. Remove it: ")


@pytest.mark.parametrize("pipeline", [PHOTOS.format('label = "a"'), TEXTS.format('text = "a"')])
def test_a_retired_key_of_all_classifiers_is_said_in_words_that_fit_each(tmp_path: Path, pipeline: str) -> None:
    (tmp_path / "pipelines.toml").write_text(f"{pipeline}evaluate.baseline_side = 8\n")
    with pytest.raises(RequestError) as raised:
        load(tmp_path)
    (line,) = unnumbered(raised.value).splitlines()
    assert line.endswith("evaluate] unknown key 'baseline_side'. Remove it: baselines need no settings.")
