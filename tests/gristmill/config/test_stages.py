"""The stages of a domain, and one that fans out point by point."""

import importlib
import inspect
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import cast

import pytest

from gristmill.config import catalogue
from gristmill.config.catalogue import SCHEMA, Pipeline
from gristmill.config.domains import DOMAINS, domain_of, unknown_domain
from gristmill.config.stages import stages_of
from gristmill.domains.vision.augment import changes_images
from gristmill.domains.vision.settings import Augment
from gristmill.runs.identity import identity_of
from gristmill.settings.base import Settings
from gristmill.settings.kinds import Kinds, kinds, settings_of
from gristmill.settings.selection import Auto
from gristmill.settings.stage import SELECT, Stage
from gristmill.store.code_closure import PackageCode
from gristmill.store.imported_code import NO_IMPORTS
from gristmill.store.store import Store
from gristmill.training.fit import FitArguments

BEFORE = ["ingest", "preprocess", "train"]
AFTER = ["evaluate", "export"]
PHOTOS = """
[pipelines.photos]
domain = "vision"
source = { kind = "folder", path = "photos" }
preprocess = { size = 32 }
model = { kind = "transfer", base = "MobileNet", weights = "base.weights.h5" }
"""
SWITCHES = ("horizontal_flip", "vertical_flip", "average_flips")
CHANGED = {**dict.fromkeys(SWITCHES, "true"), "fill": "wrap"}  # all other keys become 0.5


def pipeline(project: Path, *assignments: str) -> Pipeline:
    return catalogue.load(project, {"small": list(assignments)}).pipeline("small")


def labels(project: Path, *assignments: str) -> list[str]:
    return [stage.label for stage in stages_of("timeseries", pipeline(project, *assignments).tables)]


def keys(project: Path, *assignments: str) -> dict[str, str]:
    """Return the key of every stage by its label, all of them reading the same."""
    return keys_of(pipeline(project, *assignments), project)


def keys_of(of: Pipeline, project: Path) -> dict[str, str]:
    code = PackageCode(Store(project / "data/store").memo)
    return {
        stage.label: identity_of(stage, dict.fromkeys(stage.inputs, "0"), code, NO_IMPORTS).key
        for stage in stages_of(of.domain, of.tables)
    }


def photos(folder: Path, *assignments: str) -> Pipeline:
    """Return a pipeline of photos that fits a head on features of a frozen base, with some settings changed."""
    (folder / "pipelines.toml").write_text(PHOTOS)
    return catalogue.load(folder, {"photos": list(assignments)}).pipeline("photos")


def classes_of(choice: type[Settings] | Kinds) -> list[type[Settings]]:
    """Return the settings classes that a table may be of."""
    if not isinstance(choice, Kinds):
        return [choice]
    found = [settings_of(kind, *choice.packages) for kind in kinds(*choice.packages)]
    return [*found, Auto] if choice.are_models else found


def parameters_of(function: Callable[..., object]) -> set[str]:
    """Return the names of a function's parameters, and of the arguments that it passes on to `fit`."""
    found = inspect.signature(function).parameters.values()
    passed_on = any(parameter.kind is parameter.VAR_KEYWORD for parameter in found)
    names = {parameter.name for parameter in found if parameter.kind is not parameter.VAR_KEYWORD}
    return names | (set(FitArguments.__annotations__) if passed_on else set())


EVERY = [
    pytest.param(domain, stage, id=f"{domain} {stage.name}") for domain in DOMAINS for stage in domain_of(domain).stages
]


@pytest.mark.parametrize(("domain", "stage"), EVERY)
def test_a_stage_is_a_function_of_its_own_name_that_takes_what_it_reads(domain: str, stage: Stage) -> None:
    module, core = importlib.import_module(stage.module), stage.load()

    resumes = {"scratch", "logs", "on_epoch"} if stage.resumable else set()
    has_files = "model" in stage.tables or (domain, stage.name) == ("text", "preprocess")  # with vectors of words
    places = {"files"} if has_files else {"paths"} if "source" in stage.tables else set()
    counted = {argument for _, argument in stage.axes}
    inputs = {name for name in stage.inputs if stage.name != SELECT or name == "preprocess"}
    read = {*stage.tables, *map(stage.argument, inputs), "out"}
    compared = {"candidates"} if stage.compares else set()
    measured = {"microseconds"} if stage.name == "evaluate" else set()
    of_members = {"candidate_files"} if stage.name == "refit" else set()
    chunks = {"chunks"} if stage.chunked else set()
    assert parameters_of(core) == read | resumes | places | counted | chunks | compared | measured | of_members
    for name, others in {"chunks": set(), "chunk": {"number", "out"}}.items() if chunks else ():
        assert parameters_of(getattr(module, name)) == (read - {"out"}) | places | others
    assert len(read) == len(stage.tables) + len(inputs) + 1


@pytest.mark.parametrize(("domain", "stage"), EVERY)
def test_what_a_stage_names_exists(domain: str, stage: Stage) -> None:
    stages, tables = domain_of(domain).stages, domain_of(domain).tables

    assert set(stage.inputs) <= {other.name for other in stages[: stages.index(stage)]}
    assert all(metadata.version(library) for library in stage.libraries)
    assert set(stage.tables) <= {*tables, SCHEMA}
    for key, _ in stage.axes:
        assert key in tables[stage.name].model_fields
    for name, keys in stage.ignores.items():
        assert name in stage.tables
        assert any(set(keys) <= set(kind.model_fields) for kind in classes_of(tables[name]))


def test_ingest_reads_the_schema_where_there_is_one_and_without_it_keeps_its_key(project: Path) -> None:
    before, file = keys(project), project / "schemas/small.toml"
    file.parent.mkdir()
    file.write_text("columns.sunspots.max = 400\n")
    ingest, *_ = stages_of("timeseries", pipeline(project).tables)
    changed = keys(project)

    assert ingest.tables == ("source", "ingest", SCHEMA)
    assert {label for label in before if changed[label] != before[label]} == {"ingest"}
    file.write_text("# of 1749 to 1983\ncolumns.sunspots.max = 400.0\n")
    assert keys(project) == changed  # nothing depends on comments, and on how a number is written
    file.unlink()
    assert keys(project) == before


def test_without_blocks_there_is_no_backtest(project: Path) -> None:
    assert labels(project) == [*BEFORE, *AFTER]


def test_a_stage_fans_out_over_all_its_counts(project: Path) -> None:
    points = [f"backtest {window}/{seed}" for window in (1, 2, 3) for seed in (1, 2)]

    assert labels(project, "backtest.windows=3", "backtest.seeds=2") == [*BEFORE, *points, *AFTER]


def test_a_stage_that_hangs_on_a_setting_is_there_only_if_it_is_true(project: Path) -> None:
    assert labels(project, "export.refit=true") == [*BEFORE, "evaluate", "refit", "export"]
    assert labels(project, "export.refit=true", "backtest.windows=1") == [
        *BEFORE, "backtest 1/1", "evaluate", "refit", "export",
    ]  # fmt: skip
    assert labels(project, "export.refit=false") == [*BEFORE, *AFTER]


def test_the_refit_is_read_by_the_export_alone_and_changes_the_key_of_no_other_stage(project: Path) -> None:
    stages = {stage.label: stage for stage in stages_of("timeseries", pipeline(project, "export.refit=true").tables)}
    before, after = keys(project), keys(project, "export.refit=true")

    assert [label for label, stage in stages.items() if "refit" in stage.inputs] == ["export"]
    assert stages["refit"].inputs == ("preprocess", "train")
    assert {label for label in before if after[label] != before[label]} == {"export"}


@pytest.mark.parametrize(
    ("assignments", "there"),
    [
        ([], True),
        (["model.weights=imagenet", "model.units=[8]", "model.dropout=0.5"], True),
        (["augment.rotation=0", "augment.fill=reflect"], True),
        (["augment.rotation=10"], False),
        (["model.train_from=conv_pw_10"], False),
        (["model.weights=none"], False),
    ],
)
def test_features_are_a_stage_where_neither_base_nor_images_change(
    tmp_path: Path, assignments: list[str], there: bool
) -> None:
    stages = {stage.label: stage for stage in stages_of("vision", photos(tmp_path, *assignments).tables)}

    assert list(stages) == ["ingest", "preprocess", *(["features"] if there else []), "train", *AFTER]
    assert [label for label, stage in stages.items() if "features" in stage.inputs] == (
        ["train", "evaluate"] if there else []
    )


@pytest.mark.parametrize("model", ['kind = "cnn"', 'kind = "models.py:build", frozen = true'])
def test_a_model_of_no_known_base_has_no_features(model: str, tmp_path: Path) -> None:
    (tmp_path / "pipelines.toml").write_text(PHOTOS[: PHOTOS.index("model =")] + f"model = {{ {model} }}\n")
    tables = catalogue.load(tmp_path).pipeline("photos").tables

    assert [stage.label for stage in stages_of("vision", tables)] == [*BEFORE, *AFTER]


@pytest.mark.parametrize("key", Augment.model_fields)
def test_whatever_changes_images_takes_the_features_away(key: str, tmp_path: Path) -> None:
    of = photos(tmp_path, f"augment.{key}={CHANGED.get(key, '0.5')}")
    augment = cast(Augment, of.tables["augment"])

    there = "features" in [stage.label for stage in stages_of("vision", of.tables)]
    assert augment != Augment()
    assert there == (not changes_images(augment) and not augment.average_flips)


@pytest.mark.parametrize(
    ("assignment", "changed"),
    [
        ("model.units=[8]", {"train"}),
        ("model.dropout=0.5", {"train"}),
        ("train.epochs=3", {"train"}),
        ("model.cut=conv_pw_12_relu", {"features", "train"}),
        ("model.pooling=flatten", {"features", "train"}),
        ("model.base=MobileNetV2", {"features", "train"}),
        ("model.weights=imagenet", {"features", "train"}),
        ("model.weights=elsewhere.weights.h5", set()),  # whose bytes count, not its place
    ],
)
def test_the_key_of_features_holds_what_can_change_them_alone(
    assignment: str, changed: set[str], tmp_path: Path
) -> None:
    before = keys_of(photos(tmp_path), tmp_path)
    after = keys_of(photos(tmp_path, assignment), tmp_path)

    assert {label for label in before if after[label] != before[label]} == changed


def test_a_folder_is_given_by_the_name_of_its_stage_unless_a_table_has_it() -> None:
    refit, export = (stage for stage in domain_of("timeseries").stages if stage.name in ("refit", "export"))

    assert [refit.argument(name) for name in refit.inputs] == ["preprocess", "train_folder"]
    assert [export.argument(name) for name in export.inputs] == ["preprocess", "train", "evaluate", "refit"]


def test_a_point_counts_from_zero_for_the_stage_and_from_one_for_people(project: Path) -> None:
    stages = stages_of("timeseries", pipeline(project, "backtest.windows=2", "backtest.seeds=2").tables)
    points = {stage.label: stage.point for stage in stages if stage.name == "backtest"}

    assert points["backtest 2/1"] == {"window": 1, "seed": 0}
    assert points["backtest 1/2"] == {"window": 0, "seed": 1}


def test_what_reads_a_stage_that_fans_out_reads_all_its_points(project: Path) -> None:
    rolled, plain = pipeline(project, "backtest.windows=2").tables, pipeline(project).tables
    with_blocks = {stage.label: stage for stage in stages_of("timeseries", rolled)}
    without = {stage.label: stage for stage in stages_of("timeseries", plain)}

    assert with_blocks["evaluate"].inputs == ("preprocess", "train", "backtest 1/1", "backtest 2/1")
    assert without["evaluate"].inputs == ("preprocess", "train")
    assert with_blocks["export"] == without["export"]
    assert with_blocks["backtest 1/1"].inputs == ("preprocess",)


def test_more_points_leave_those_that_are_there_as_they_are(project: Path) -> None:
    few = keys(project, "backtest.windows=2")
    many = keys(project, "backtest.windows=3", "backtest.seeds=2")

    assert {label: many[label] for label in ("backtest 1/1", "backtest 2/1")} == {
        label: few[label] for label in ("backtest 1/1", "backtest 2/1")
    }
    assert many["evaluate"] != few["evaluate"]
    assert {name: many[name] for name in (*BEFORE, "export")} == {name: few[name] for name in (*BEFORE, "export")}


def test_each_point_has_its_own_key(project: Path) -> None:
    found = keys(project, "backtest.windows=3", "backtest.seeds=2")

    assert len(set(found.values())) == len(found)


@pytest.mark.parametrize("assignment", ["backtest.size=7", "backtest.gap=0", "backtest.training=90", "train.seed=7"])
def test_every_other_setting_of_the_blocks_changes_their_keys(project: Path, assignment: str) -> None:
    before, after = keys(project, "backtest.windows=1"), keys(project, "backtest.windows=1", assignment)

    assert after["backtest 1/1"] != before["backtest 1/1"]
    assert (after["train"] != before["train"]) == assignment.startswith("train")


@pytest.mark.slow
def test_reports_are_rendered_without_tensorflow() -> None:
    """Which takes seconds to load, and writes lines of its own."""
    modules = ", ".join(f"gristmill.domains.{domain}.report" for domain in DOMAINS)
    source = f"import sys, {modules}; print({{'tensorflow', 'keras'}} & {{*sys.modules}})"

    told = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)

    assert (told.stdout, told.stderr) == ("set()\n", "")


def test_a_renamed_domain_is_named_by_its_new_name() -> None:
    known = f"Known: {', '.join(DOMAINS)}."
    assert unknown_domain("regression") == f"unknown domain 'regression'. {known} It is called 'tabular' now."
    assert unknown_domain("tabula") == f"unknown domain 'tabula'. Did you mean 'tabular'? {known}"
