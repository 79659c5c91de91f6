"""Candidates of a pipeline: a preset's and the user's own, and what is refused."""

from pathlib import Path
from typing import Any

import pytest

from gristmill.config import candidates as module
from gristmill.config.candidates import candidates_of
from gristmill.config.catalogue import load
from gristmill.config.stages import stages_of
from gristmill.errors import RequestError
from helpers.support import unnumbered

PRESET = [
    {"model": {"kind": "naive"}},
    {"model": {"kind": "dense", "units": [8]}, "train": {"epochs": 3, "learning_rate": 0.01}},
    {"model": {"kind": "dense", "units": [4]}, "train": {"epochs": 3}},
]
TOML = """
[pipelines.auto]
domain = "timeseries"
source = { kind = "csv", path = "series.csv" }
ingest = { time = "month", target = "sunspots" }
preprocess = { history = 4 }
"""


@pytest.fixture(autouse=True)
def preset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "preset", lambda domain, name, tables: [] if name == "none" else PRESET)


def tables(folder: Path, model: str, more: str = "") -> Any:
    (folder / "pipelines.toml").write_text(f"{TOML}model = {{ kind = 'auto', {model} }}\n{more}\n")
    return load(folder).pipeline("auto").tables


def names(folder: Path, model: str, more: str = "") -> list[str]:
    return [one.name for one in candidates_of("timeseries", tables(folder, model, more))]


def test_a_preset_and_the_users_own_are_named_by_kind(tmp_path: Path) -> None:
    assert names(tmp_path, "preset = 'quick'") == ["naive", "dense", "dense-2"]
    own = 'candidates = ["drift", { model = { kind = "dense", units = [2] }, train = { epochs = 9 } }, "m.py:build"]'
    assert names(tmp_path, own) == ["naive", "dense", "dense-2", "drift", "dense-3", "m.py:build"]
    assert names(tmp_path, f"preset = 'none', {own}") == ["drift", "dense", "m.py:build"]


def test_a_pipeline_with_nothing_to_choose_on_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.TOML", TOML.replace("history = 4", "history = 4, validation = 0"))
    with pytest.raises(RequestError) as error:
        tables(tmp_path, "preset = 'quick'")
    assert unnumbered(error.value).endswith(
        '"auto" chooses on a validation set. Set preprocess.validation above 0 or backtest.windows.'
    )
    assert tables(tmp_path, "preset = 'quick'", "backtest.windows = 2")


@pytest.mark.parametrize(
    ("train", "own", "expected"),
    [
        ("", "", "average"),
        ("", 'few_examples = "refuse"', "refuse"),
        ('few_examples = "train"', "", "train"),
        ('few_examples = "train"', 'few_examples = "refuse"', "refuse"),
    ],
)
def test_networks_are_averaged_over_folds_of_few_examples_unless_something_else_is_set(
    train: str, own: str, expected: str, tmp_path: Path
) -> None:
    (tmp_path / "pipelines.toml").write_text(
        f"""
[pipelines.auto]
domain = "tabular"
source = {{ kind = "csv", path = "cases.csv" }}
ingest = {{ target = "y", numbers = ["x"] }}
model = {{ kind = "auto", preset = "none", candidates = [{{ model = {{ kind = "dense" }}, train = {{ {own} }} }}] }}
train = {{ {train} }}
"""
    )
    (found,) = candidates_of("tabular", load(tmp_path).pipeline("auto").tables)
    settings: Any = found.tables["train"]
    assert settings.few_examples == expected


def test_the_same_candidate_twice_is_tried_once(tmp_path: Path) -> None:
    assert names(tmp_path, 'candidates = ["naive", "drift", "drift"]') == ["naive", "dense", "dense-2", "drift"]


def test_a_value_of_the_pipeline_replaces_a_presets_but_not_the_users(tmp_path: Path) -> None:
    own = 'candidates = [{ model = { kind = "gru" }, train = { epochs = 9 } }]'
    found = candidates_of("timeseries", tables(tmp_path, own, "train = { epochs = 5, batch_size = 7 }"))
    trained: list[Any] = [one.tables["train"] for one in found]
    assert [(one.epochs, one.batch_size) for one in trained] == [(5, 7), (5, 7), (5, 7), (9, 7)]
    assert trained[1].learning_rate == 0.01


def test_each_candidate_has_stages_of_its_own_before_the_next(tmp_path: Path) -> None:
    found = tables(tmp_path, "preset = 'quick'", "backtest = { windows = 2 }\nexport = { refit = true }")
    stages = {stage.label: stage.inputs for stage in stages_of("timeseries", found)}
    trains = [f"train {name}" for name in ("naive", "dense", "dense-2")]
    blocks = [f"backtest {name} {number}/1" for name in ("naive", "dense", "dense-2") for number in (1, 2)]
    own = [label for name in ("naive", "dense", "dense-2") for label in [*trains, *blocks] if f" {name}" in f"{label} "]
    fitting = [label for label in stages if label in {*trains, *blocks}]
    assert fitting[:3] == ["train naive", "backtest naive 1/1", "backtest naive 2/1"]
    assert set(fitting) == set(own)
    assert list(stages)[-4:] == ["select", "evaluate", "refit", "export"]
    assert stages["select"] == ("preprocess", *trains, *blocks)
    assert stages["evaluate"] == ("preprocess", "select", *trains, *blocks)
    assert stages["refit"] == ("preprocess", "select")
    assert stages["export"] == ("preprocess", "select", "evaluate", "refit")


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (
            'candidates = ["thete"]',
            "candidates[0].model: unknown model 'thete'. Did you mean 'theta'? Known: autoregression, ",
        ),
        (
            'candidates = ["naive", { model = { kind = "dense" }, preprocess = { test = 5 } }]',
            "candidates[1]: a candidate may not set preprocess: all candidates learn from the same data.",
        ),
        ("candidates = [{ train = { epochs = 5 } }]", "candidates[0]: expected a table model, such as"),
        (
            'candidates = [{ model = { kind = "dense" }, trian = { epochs = 5 } }]',
            "candidates[0]: unknown table 'trian'.",
        ),
        ('candidates = [{ model = { kind = "dense", untis = [5] } }]', "candidates[0].model: unknown key 'untis'."),
        ('candidates = ["auto"]', 'candidates[0].model.kind: expected a kind other than "auto".'),
        ("preset = 'none'", 'candidates: expected at least one candidate, because preset = "none" adds none.'),
        ("preset = 'fast'", "preset: expected 'quick', 'good', 'best' or 'none'. Received: 'fast' (string)."),
    ],
)
def test_what_is_invalid_is_refused_with_its_place(model: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(RequestError) as error:
        tables(tmp_path, model)
    message = unnumbered(error.value)
    assert message.startswith("pipelines.toml [pipelines.auto.model] ")
    assert message.removeprefix("pipelines.toml [pipelines.auto.model] ").startswith(reason)


def test_weights_of_a_candidate_that_is_not_tried_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError) as error:
        tables(tmp_path, "preset = 'quick'", "[pipelines.auto.select.weights]\nnaive = 1.0\ndense-3 = 1.0")
    assert unnumbered(error.value) == (
        "pipelines.toml [pipelines.auto.select] weights: unknown candidate 'dense-3'. Did you mean 'dense-2'? "
        "Known: dense, dense-2, naive."
    )
    assert tables(tmp_path, "preset = 'quick'", "select.weights = { naive = 1.0, dense-2 = 1.0 }")


@pytest.mark.parametrize(("key", "value"), [("loss", "quantile"), ("targets", "sequence")])
def test_what_no_candidate_can_learn_is_refused(key: str, value: str, tmp_path: Path) -> None:
    closed, train = "preset = 'none', candidates = ['naive', 'theta']", f"train.{key} = '{value}'"
    with pytest.raises(RequestError) as error:
        tables(tmp_path, closed, train)
    assert unnumbered(error.value) == (
        f"pipelines.toml [pipelines.auto.train] {key}: only networks learn with '{value}', and no candidate is one. "
        'Add one to model.candidates: "dense".'
    )
    assert tables(tmp_path, "preset = 'quick'", train)
    assert tables(tmp_path, "preset = 'none', candidates = ['naive', 'm.py:build']", train)
