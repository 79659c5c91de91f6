"""The stages of a domain, and one that fans out point by point."""

import importlib
import inspect
from importlib import metadata
from pathlib import Path

import pytest

from gristmill import config
from gristmill.closure import read_modules
from gristmill.config import Pipeline, tables_of
from gristmill.domains import DOMAINS, STAGES, Stage, module_of, stages_of
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
    assert set(inspect.signature(core).parameters) == {*stage.tables, *stage.inputs, "out"} | resumes | places | counted


@pytest.mark.parametrize(("domain", "stage"), EVERY)
def test_what_a_stage_names_exists(domain: str, stage: Stage) -> None:
    stages, tables = STAGES[domain], tables_of(domain)

    assert set(stage.inputs) <= {other.name for other in stages[: stages.index(stage)]}
    assert all(metadata.version(library) for library in stage.libraries)
    assert set(stage.tables) <= set(tables)
    for key, _ in stage.axes:
        assert key in tables[stage.name].model_fields


def test_without_blocks_there_is_no_backtest(project: Path) -> None:
    assert labels(project) == [*BEFORE, *AFTER]


def test_a_stage_fans_out_over_all_its_counts(project: Path) -> None:
    points = [f"backtest {window}/{seed}" for window in (1, 2, 3) for seed in (1, 2)]

    assert labels(project, "backtest.windows=3", "backtest.seeds=2") == [*BEFORE, *points, *AFTER]


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
