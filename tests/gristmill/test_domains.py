"""The stages of a domain, and one that fans out point by point."""

import importlib
import inspect
from importlib import metadata
from pathlib import Path

import pytest

from gristmill import config
from gristmill.closure import read_modules
from gristmill.config import Pipeline, tables_of
from gristmill.domains import DOMAINS, STAGES, Stage, begun_from, module_of, stages_of
from gristmill.plan import identity_of
from gristmill.store import Store

BEFORE = ["ingest", "preprocess", "train"]
AFTER = ["evaluate", "export"]


def pipeline(project: Path, *assignments: str) -> Pipeline:
    return config.load(project, {"small": list(assignments)}).pipeline("small")


def labels(project: Path, *assignments: str) -> list[str]:
    return [stage.label for stage in stages_of("timeseries", pipeline(project, *assignments).tables)]


def keys(project: Path, *assignments: str) -> dict[str, str]:
    """Return the key of every stage by its label, all of them reading the same."""
    of, modules = pipeline(project, *assignments), read_modules(Store(project / "data/store").memo)
    return {
        stage.label: identity_of(of, stage, dict.fromkeys(stage.inputs, "0"), modules).key
        for stage in stages_of(of.domain, of.tables)
    }


EVERY = [pytest.param(domain, stage, id=f"{domain} {stage.name}") for domain in DOMAINS for stage in STAGES[domain]]


@pytest.mark.parametrize(("domain", "stage"), EVERY)
def test_a_stage_is_a_function_of_its_own_name_that_takes_what_it_reads(domain: str, stage: Stage) -> None:
    core = getattr(importlib.import_module(module_of(domain, stage.name)), stage.name)

    resumes = {"scratch", "logs", "on_epoch"} if stage.resumable else set()
    places = {"files"} if "model" in stage.tables else {"paths"} if "source" in stage.tables else set()
    counted = {argument for _, argument in stage.axes}
    read = {*stage.tables, *map(stage.argument, begun_from(stage).inputs), "out"}
    assert set(inspect.signature(core).parameters) == read | resumes | places | counted
    assert len(read) == len(stage.tables) + len(begun_from(stage).inputs) + 1


@pytest.mark.parametrize(("domain", "stage"), EVERY)
def test_what_a_stage_names_exists(domain: str, stage: Stage) -> None:
    stages, tables = STAGES[domain], tables_of(domain)

    assert set(stage.inputs) <= {other.name for other in stages[: stages.index(stage)]}
    assert all(metadata.version(library) for library in stage.libraries)
    assert set(stage.tables) <= set(tables)
    for key, _ in stage.axes:
        assert key in tables[stage.name].model_fields
    if stage.when:
        table, key = stage.when
        assert tables[table].model_fields[key].annotation is bool


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


def test_a_folder_is_given_by_the_name_of_its_stage_unless_a_table_has_it() -> None:
    refit, export = (stage for stage in STAGES["timeseries"] if stage.name in ("refit", "export"))

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
