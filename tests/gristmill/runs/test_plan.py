"""The plan: what would run and why, from a store filled by hand, without anything being made."""

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gristmill import keys
from gristmill.config import catalogue
from gristmill.config.catalogue import Catalogue
from gristmill.config.domains import domain_of
from gristmill.config.stages import stages_of
from gristmill.keys import Identity
from gristmill.runs.identity import digests_of, identity_of, locate_inputs
from gristmill.runs.plan import Step, is_fresh, plan
from gristmill.runs.records import Record, RunOutcome, Runs, StageRecord
from gristmill.settings.stage import Stage
from gristmill.store.artifact import Reference
from gristmill.store.imported_code import NO_IMPORTS
from gristmill.store.store import Store
from gristmill.util.files import files_below

ROOT = Path(__file__).parents[3]
NAMES = [
    stage.name for stage in domain_of("timeseries").stages if not (stage.axes or stage.when)
]  # of a pipeline that asks for neither backtest nor refit

Change = Callable[[dict[str, Any]], None]


def load(project: Path, *assignments: str) -> Catalogue:
    return catalogue.load(project, {"small": list(assignments)})


def planned(project: Path, *assignments: str, refresh: str | None = None) -> dict[str, tuple[str, str]]:
    """State and reason of every stage of the small pipeline."""
    catalogue = load(project, *assignments)
    return {step.stage: (step.state, step.reason) for step in plan(catalogue, catalogue.pipeline("small"), refresh)}


def fill(
    project: Path,
    *assignments: str,
    until: str = "export",
    outcome: RunOutcome = "succeeded",
    content: dict[str, str] | None = None,
    was: dict[str, Change] | None = None,
) -> Record:
    """Publish a tiny artifact for every stage up to `until` and record the run.

    Args:
        project: the project's folder.
        assignments: settings of the run.
        until: the label of the last stage that was done.
        outcome: how the run ended.
        content: of the artifact, by the stage's label, which it is if not given.
        was: what was different when an artifact was made, by the stage's label.
    """
    catalogue = load(project, *assignments)
    pipeline, store, runs = catalogue.pipeline("small"), catalogue.store, Runs(catalogue.store)
    run = runs.start(pipeline, list(assignments), {})
    done = dict[str, Reference]()
    for stage in stages_of(pipeline.domain, pipeline.tables):
        made_of = identity_of(stage, inputs_of(catalogue, stage, done), catalogue.code, NO_IMPORTS)
        if change := (was or {}).get(stage.label):
            made_of = changed(made_of, change)
        if not store.get(stage.name, made_of.key):
            with store.draft(made_of) as draft:
                (draft.path / "data.txt").write_text((content or {}).get(stage.label, stage.label))
                store.publish(draft, made_of)
        artifact = store.get(stage.name, made_of.key)
        assert artifact is not None
        done[stage.label] = artifact.reference
        runs.note("small", run.id, stage.label, StageRecord(reference=artifact.reference, cached=False, seconds=0))
        if stage.label == until:
            break
    return runs.finish("small", run.id, outcome)


def inputs_of(catalogue: Catalogue, stage: Stage, done: dict[str, Reference]) -> dict[str, str]:
    data = digests_of(locate_inputs(catalogue, catalogue.pipeline("small"), stage), catalogue.store)
    return {name: done[name]["digest"] for name in stage.inputs} | data


def changed(made_of: Identity, change: Change) -> Identity:
    """The identity with other parts, under the key of those parts."""
    parts = {name: dict(part) if isinstance(part, dict) else part for name, part in made_of.parts.items()}
    change(parts)
    return Identity(made_of.stage, keys.digest_of(parts), parts)


def folder_of(project: Path, record: Record, stage: str) -> Path:
    return Store(project / "data/store").path(stage.split()[0], record.references[stage]["key"])


FRESH = dict.fromkeys(NAMES, ("fresh", ""))


def test_with_nothing_in_the_store_all_would_run(project: Path) -> None:
    assert planned(project) == {
        "ingest": ("run", "no result yet"),
        "preprocess": ("depends", "depends on ingest"),
        "train": ("depends", "depends on preprocess"),
        "evaluate": ("depends", "depends on preprocess"),
        "export": ("depends", "depends on preprocess"),
    }


def test_with_everything_in_the_store_all_is_fresh(project: Path) -> None:
    record = fill(project)
    catalogue = load(project)
    steps = plan(catalogue, catalogue.pipeline("small"))
    assert planned(project) == FRESH
    assert is_fresh(steps)
    assert [step.artifact.reference for step in steps if step.artifact] == list(record.references.values())


@pytest.mark.parametrize("state", ["run", "depends", "no data"])
def test_one_stage_that_is_not_fresh_is_enough(state: Any) -> None:
    assert not is_fresh([Step("ingest", "fresh", ""), Step("train", state, "because")])


def test_a_run_that_was_interrupted_goes_on_where_it_was(project: Path) -> None:
    fill(project, until="train", outcome="interrupted")
    assert planned(project) == FRESH | {
        "evaluate": ("run", "no result yet"),
        "export": ("depends", "depends on evaluate"),
    }


def test_another_setting_runs_its_stage_and_what_depends_on_it(project: Path) -> None:
    fill(project)
    assert planned(project, "train.epochs=7") == FRESH | {
        "train": ("run", "settings train.epochs 50 → 7"),
        "evaluate": ("depends", "depends on train"),
        "export": ("depends", "depends on train"),
    }


def test_a_setting_that_goes_back_is_fresh_again(project: Path) -> None:
    fill(project)
    fill(project, "train.epochs=7")
    assert planned(project) == FRESH
    assert planned(project, "train.epochs=7") == FRESH
    assert planned(project, "train.epochs=8")["train"] == ("run", "settings train.epochs 7 → 8")


def test_a_stage_that_would_run_anyway_also_says_what_changed_in_itself(project: Path) -> None:
    fill(project)
    assert planned(project, "preprocess.history=24", "evaluate.anomaly_level=0.98") == FRESH | {
        "preprocess": ("run", "settings preprocess.history 12 → 24"),
        "train": ("depends", "depends on preprocess"),
        "evaluate": ("run", "settings evaluate.anomaly_level 0.99 → 0.98"),
        "export": ("depends", "depends on preprocess"),
    }


def test_another_model_is_said_with_its_settings_and_its_file(project: Path) -> None:
    fill(project)
    state, reason = planned(project, "model.kind=dense")["train"]
    assert state == "run"
    said, files = (
        [line for line in reason.split("; ") if line.startswith(what)] for what in ("settings", "code gristmill/")
    )
    assert said == [
        "settings model.kind linear → dense",
        "settings model.l2 1.0 → not set",
        "settings model.units not set → [20, 10]",
    ]
    assert {
        "code gristmill/domains/timeseries/models/linear.py",
        "code gristmill/domains/timeseries/models/dense.py",
    } < {*files}
    assert len(said) + len(files) == len(reason.split("; "))


def test_other_data_is_said(project: Path) -> None:
    fill(project)
    with (project / "series.csv").open("a") as file:
        file.write("2030-01,1.0\n")
    assert planned(project) == {
        "ingest": ("run", "data source.path"),
        "preprocess": ("depends", "depends on ingest"),
        "train": ("depends", "depends on preprocess"),
        "evaluate": ("depends", "depends on preprocess"),
        "export": ("depends", "depends on preprocess"),
    }


def test_other_data_that_gives_the_same_result_stops_there(project: Path) -> None:
    fill(project)
    with (project / "series.csv").open("a") as file:
        file.write("\n")
    fill(project, until="ingest")
    assert planned(project) == FRESH


def test_a_stage_that_gave_other_data_is_said(project: Path) -> None:
    fill(project)
    with (project / "series.csv").open("a") as file:
        file.write("2030-01,1.0\n")
    fill(project, until="ingest", content={"ingest": "other"})
    assert planned(project)["preprocess"] == ("run", "ingest produced different data")


def test_where_data_lies_does_not_matter(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(project)
    (project / "elsewhere").mkdir()
    shutil.move(project / "series.csv", project / "elsewhere/moved.csv")
    monkeypatch.setenv("GRISTMILL_DATA", str(project / "elsewhere"))
    assert planned(project, "source.path=moved.csv") == FRESH


def test_data_that_is_not_there_is_said_with_the_places_tried(project: Path) -> None:
    fill(project)
    (project / "series.csv").unlink()
    found = planned(project)
    state, reason = found["ingest"]
    assert state == "no data"
    assert reason.startswith("[pipelines.small.source] path: no such file 'series.csv'. Tried: ")
    assert str(project / "series.csv") in reason
    assert [found[name][0] for name in NAMES[1:]] == ["depends"] * 4


@pytest.mark.parametrize("place", ["", "~nobody-of-this-name/x.csv", "x" * 300, "*.tsv", "package://none/a.csv"])
def test_a_place_that_can_be_no_file_is_no_data(project: Path, place: str) -> None:
    assert planned(project, f"source.path='{place}'")["ingest"][0] == "no data"


def test_data_that_cannot_be_read_is_said(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> str:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(keys, "digest_of_file", refuse)
    assert planned(project)["ingest"] == (
        "no data",
        f"{project / 'series.csv'}: cannot be read (Permission denied). Fix its permissions.",
    )


def digest(project: Path, place: str, *more: str) -> str:
    """The digest of what a place holds."""
    catalogue = load(project, f"source.path='{place}'", *more)
    pipeline = catalogue.pipeline("small")
    found = locate_inputs(catalogue, pipeline, stages_of("timeseries", pipeline.tables)[0])
    return digests_of(found, catalogue.store)["source.path"]


def split(project: Path, folder: str, *names: str) -> list[str]:
    """Write the lines of the project's series to several files; return their digests."""
    lines = (project / "series.csv").read_text().splitlines(keepends=True)
    for number, name in enumerate(names):
        (project / folder / name).parent.mkdir(parents=True, exist_ok=True)
        (project / folder / name).write_text(lines[0] + "".join(lines[1 + number :: len(names)]))
    return [keys.digest_of_file(project / folder / name) for name in names]


def test_one_file_s_digest_is_its_own_whatever_names_it(project: Path) -> None:
    (own,) = split(project, "one", "a.csv")
    assert {digest(project, place) for place in ("one/a.csv", "one", "one/*.csv", str(project / "one"))} == {own}


def test_several_files_have_one_digest_of_all_names_and_contents_wherever_they_lie(project: Path) -> None:
    first, second = split(project, "many", "a.csv", "b/c.csv")
    split(project, "moved/to", "a.csv", "b/c.csv")
    expected = keys.digest_of({"a.csv": first, "b/c.csv": second})
    assert {digest(project, place) for place in ("many", "many/**/*.csv", "moved", "moved/to/**/*.csv")} == {expected}


def test_a_file_that_is_renamed_is_other_data(project: Path) -> None:
    """Its folder may be the class of a photo."""
    split(project, "many", "cats/1.csv", "dogs/1.csv")
    before = digest(project, "many")
    (project / "many/dogs").rename(project / "many/wolves")
    renamed = digest(project, "many")
    (project / "many/wolves/1.csv").rename(project / "many/cats/2.csv")

    assert len({before, renamed, digest(project, "many")}) == 3


def test_a_file_that_joins_or_leaves_a_folder_changes_its_data(project: Path) -> None:
    split(project, "many", "a.csv", "b.csv")
    fill(project, "source.path=many")
    assert planned(project, "source.path=many") == FRESH
    (project / "many/notes.txt").touch()
    assert planned(project, "source.path=many") == FRESH
    (project / "many/c.csv").touch()
    assert planned(project, "source.path=many")["ingest"] == ("run", "data source.path")
    (project / "many/c.csv").unlink()
    (project / "many/b.csv").unlink()
    assert planned(project, "source.path=many")["ingest"] == ("run", "data source.path")


def test_a_url_has_the_digest_it_must_have_though_nothing_was_fetched(project: Path) -> None:
    own = keys.digest_of_file(project / "series.csv")
    fill(project)
    url = ("source.path='https://example.org/series.csv'", f"source.sha256={own}")
    assert digest(project, "https://example.org/series.csv", url[1]) == own
    assert planned(project, *url) == FRESH  # where data lies does not matter
    assert planned(project, url[0], f"source.sha256={'ab' * 32}")["ingest"] == ("run", "data source.path")


def test_a_file_that_is_not_the_one_asked_for_is_no_data(project: Path) -> None:
    own = keys.digest_of_file(project / "series.csv")
    assert planned(project, f"source.sha256={own}")["ingest"] == ("run", "no result yet")
    assert planned(project, f"source.sha256={'ab' * 32}")["ingest"] == (
        "no data",
        f"{project / 'series.csv'}: SHA-256 {own}, but sha256 = {'ab' * 32} is expected. "
        "Set sha256 to the first if you trust the file, or use the expected file.",
    )


def edit_code(parts: dict[str, Any]) -> None:
    parts["code"]["gristmill.domains.timeseries.data.windows"] = "00"


def move_code(parts: dict[str, Any]) -> None:
    parts["code"]["gristmill.domains.timeseries.cutting"] = parts["code"].pop(
        "gristmill.domains.timeseries.data.windows"
    )


def age_library(parts: dict[str, Any]) -> None:
    parts["libraries"]["numpy"] = "1.0"


def age_python(parts: dict[str, Any]) -> None:
    parts["libraries"]["python"] = "3.10"


def add_library(parts: dict[str, Any]) -> None:
    parts["libraries"]["torch"] = "2.1"


def drop_library(parts: dict[str, Any]) -> None:
    del parts["libraries"]["numpy"]


def age_format(parts: dict[str, Any]) -> None:
    """Change the format and a part: `plan` names only the format, since parts of another one are not comparable."""
    parts["format"] = 0
    parts["code"]["gristmill.domains.timeseries.data.windows"] = "00"


@pytest.mark.parametrize(
    ("was", "reason"),
    [
        (edit_code, "code gristmill/domains/timeseries/data/windows.py"),
        (move_code, "code gristmill/domains/timeseries/cutting.py; code gristmill/domains/timeseries/data/windows.py"),
        (age_library, f"library numpy 1.0 → {keys.library_versions(('numpy',))['numpy']}"),
        (age_python, f"python 3.10 → {sys.version_info.major}.{sys.version_info.minor}"),
        (add_library, "without library torch 2.1"),
        (drop_library, f"with library numpy {keys.library_versions(('numpy',))['numpy']}"),
        (age_format, f"artifact format 0 → {keys.FORMAT}"),
    ],
)
def test_what_changed_since_the_last_result_is_said(project: Path, was: Change, reason: str) -> None:
    fill(project, was={"preprocess": was})
    assert planned(project) == FRESH | {
        "preprocess": ("run", reason),
        "train": ("depends", "depends on preprocess"),
        "evaluate": ("depends", "depends on preprocess"),
        "export": ("depends", "depends on preprocess"),
    }


def test_a_corrupt_result_is_said_with_the_file(project: Path) -> None:
    record = fill(project)
    damaged = folder_of(project, record, "train") / "data.txt"
    damaged.write_text("wrong")
    found = planned(project)
    assert found["train"][0] == "run"
    assert found["train"][1].startswith(f"corrupt: {damaged}: altered since it was published")
    assert found["evaluate"] == ("depends", "depends on train")


def test_a_file_that_is_gone_is_said(project: Path) -> None:
    record = fill(project)
    gone = folder_of(project, record, "export") / "data.txt"
    gone.unlink()
    assert planned(project)["export"] == ("run", f"corrupt: {gone}: missing, though its manifest lists it.")


def test_a_result_that_is_gone_is_made_again(project: Path) -> None:
    record = fill(project)
    shutil.rmtree(folder_of(project, record, "evaluate"))
    assert planned(project) == FRESH | {
        "evaluate": ("run", "missing from the store"),
        "export": ("depends", "depends on evaluate"),
    }


def test_reasons_come_from_the_newest_result_that_is_still_there(project: Path) -> None:
    fill(project, "train.epochs=5")
    newest = fill(project, "train.epochs=6")
    assert planned(project, "train.epochs=7")["train"] == ("run", "settings train.epochs 6 → 7")
    shutil.rmtree(folder_of(project, newest, "train"))
    assert planned(project, "train.epochs=7")["train"] == ("run", "settings train.epochs 5 → 7")


@pytest.mark.parametrize("refresh", NAMES)
def test_a_stage_that_was_asked_for_runs_with_what_depends_on_it(project: Path, refresh: str) -> None:
    fill(project)
    found = planned(project, refresh=refresh)
    assert found[refresh] == ("run", "requested by --refresh")
    assert [found[name][0] for name in NAMES if name != refresh] == [
        "fresh" if NAMES.index(name) < NAMES.index(refresh) else "depends" for name in NAMES if name != refresh
    ]


BACKTEST = ("backtest.windows=2", "backtest.seeds=2")
POINTS = ["backtest 1/1", "backtest 1/2", "backtest 2/1", "backtest 2/2"]  # window/seed
FRESH_WITH_POINTS = dict.fromkeys([*NAMES[:3], *POINTS, *NAMES[3:]], ("fresh", ""))


def test_a_backtest_is_a_step_for_each_window_and_seed_before_evaluate(project: Path) -> None:
    assert list(planned(project, *BACKTEST)) == list(FRESH_WITH_POINTS)
    assert {planned(project, *BACKTEST)[label] for label in POINTS} == {("depends", "depends on preprocess")}
    fill(project, *BACKTEST)
    assert planned(project, *BACKTEST) == FRESH_WITH_POINTS


def test_a_backtest_that_joins_makes_only_its_points_and_what_reads_them(project: Path) -> None:
    fill(project)
    assert planned(project, *BACKTEST) == FRESH_WITH_POINTS | {
        **dict.fromkeys(POINTS, ("run", "no result yet")),
        "evaluate": ("depends", "depends on backtest 1/1"),
        "export": ("depends", "depends on evaluate"),
    }


def test_more_windows_and_seeds_leave_the_points_that_are_there(project: Path) -> None:
    fill(project, *BACKTEST)
    found = planned(project, "backtest.windows=3", "backtest.seeds=2")
    assert {label: found[label] for label in [*NAMES[:3], *POINTS]} == dict.fromkeys(
        [*NAMES[:3], *POINTS], ("fresh", "")
    )
    assert found["backtest 3/1"] == found["backtest 3/2"] == ("run", "no result yet")
    assert found["evaluate"] == ("depends", "depends on backtest 3/1")
    assert planned(project, "backtest.windows=1") == FRESH | {
        "backtest 1/1": ("fresh", ""),
        "evaluate": ("run", "without backtest 1/2; without backtest 2/1; without backtest 2/2"),
        "export": ("depends", "depends on evaluate"),
    }


def test_another_setting_of_the_backtest_runs_all_its_points_and_no_training(project: Path) -> None:
    fill(project, *BACKTEST)
    assert planned(project, *BACKTEST, "backtest.size=20") == FRESH_WITH_POINTS | {
        **dict.fromkeys(POINTS, ("run", "settings backtest.size not set → 20")),
        "evaluate": ("depends", "depends on backtest 1/1"),
        "export": ("depends", "depends on evaluate"),
    }


def test_another_setting_of_the_training_runs_the_points_of_the_backtest_too(project: Path) -> None:
    fill(project, *BACKTEST)
    found = planned(project, *BACKTEST, "train.epochs=7")
    assert {found[label] for label in ["train", *POINTS]} == {("run", "settings train.epochs 50 → 7")}


def test_one_point_that_is_damaged_is_made_again_alone(project: Path) -> None:
    record = fill(project, *BACKTEST)
    gone = folder_of(project, record, "backtest 1/2") / "data.txt"
    gone.unlink()
    assert planned(project, *BACKTEST) == FRESH_WITH_POINTS | {
        "backtest 1/2": ("run", f"corrupt: {gone}: missing, though its manifest lists it."),
        "evaluate": ("depends", "depends on backtest 1/2"),
        "export": ("depends", "depends on evaluate"),
    }


def test_a_backtest_that_was_interrupted_goes_on_at_its_next_point(project: Path) -> None:
    fill(project, *BACKTEST, until="backtest 1/2", outcome="interrupted")
    assert planned(project, *BACKTEST) == FRESH_WITH_POINTS | {
        **dict.fromkeys(POINTS[2:], ("run", "no result yet")),
        "evaluate": ("depends", "depends on backtest 2/1"),
        "export": ("depends", "depends on evaluate"),
    }


def test_a_backtest_that_was_asked_for_runs_at_every_point(project: Path) -> None:
    fill(project, *BACKTEST)
    assert planned(project, *BACKTEST, refresh="backtest") == FRESH_WITH_POINTS | {
        **dict.fromkeys(POINTS, ("run", "requested by --refresh")),
        "evaluate": ("depends", "depends on backtest 1/1"),
        "export": ("depends", "depends on evaluate"),
    }


def test_points_have_keys_of_their_own_that_do_not_hold_how_many_there_are(project: Path) -> None:
    def parts(*assignments: str) -> dict[str, Any]:
        catalogue = load(project, *assignments)
        pipeline = catalogue.pipeline("small")
        points = [stage for stage in stages_of(pipeline.domain, pipeline.tables) if stage.name == "backtest"]
        return {stage.label: identity_of(stage, {}, catalogue.code, NO_IMPORTS) for stage in points}

    found = parts(*BACKTEST)
    assert [made_of.parts["settings"]["backtest"] for made_of in found.values()] == [
        {"size": None, "training": "expanding", "gap": None, "window": window, "seed": seed}
        for window in (0, 1)
        for seed in (0, 1)
    ]
    assert len({made_of.key for made_of in found.values()}) == len(POINTS)
    more = parts("backtest.windows=5", "backtest.seeds=3")
    assert {label: more[label] for label in POINTS} == found


def test_a_refit_that_is_asked_for_leaves_the_judged_network_and_its_scores_fresh(project: Path) -> None:
    fill(project)
    assert planned(project, "export.refit=true") == FRESH | {
        "refit": ("run", "no result yet"),
        "export": ("run", "settings export.refit false → true"),
    }
    fill(project, "export.refit=true", until="refit", outcome="interrupted")
    assert planned(project, "export.refit=true") == FRESH | {
        "refit": ("fresh", ""),
        "export": ("run", "settings export.refit false → true; with refit"),
    }
    assert planned(project) == FRESH
    fill(project, "export.refit=true")
    assert planned(project, "export.refit=true", "evaluate.anomaly_level=0.5") == FRESH | {
        "evaluate": ("run", "settings evaluate.anomaly_level 0.99 → 0.5"),
        "refit": ("fresh", ""),
        "export": ("depends", "depends on evaluate"),
    }


def test_to_plan_makes_no_artifact_and_no_record(project: Path) -> None:
    record = fill(project, until="preprocess")
    (folder_of(project, record, "preprocess") / "data.txt").write_text("wrong")
    before = {path: path.read_bytes() for path in files_below(project)}
    planned(project)
    planned(project, "train.epochs=7", refresh="ingest")
    after = {path: path.read_bytes() for path in files_below(project) if "memo" not in path.parts}
    assert after == {path: content for path, content in before.items() if "memo" not in path.parts}


def test_to_plan_needs_neither_prefect_nor_tensorflow_nor_pandas(project: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from gristmill.config import catalogue; from gristmill.runs import plan\n"
        "catalogue = catalogue.load(Path(sys.argv[1])); plan.plan(catalogue, catalogue.pipeline('small'))\n"
        "print(sorted({'prefect', 'tensorflow', 'keras', 'pandas', 'numpy', 'pyarrow'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, project],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(("formats", "depends"), [('["keras"]', False), ('["keras", "onnx"]', True)])
def test_an_export_depends_on_the_libraries_of_its_formats_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, formats: str, depends: bool
) -> None:
    (tmp_path / "pipelines.toml").write_text(
        '[pipelines.small]\ndomain = "vision"\nsource = { kind = "folder", path = "photos" }\n'
        'preprocess = { size = 8 }\nmodel = { kind = "dense" }\n'
    )
    catalogue = load(tmp_path, f"export.formats={formats}")
    small = catalogue.pipeline("small")

    def keys_by_stage() -> dict[str, str]:
        return {
            stage.name: identity_of(stage, {}, catalogue.code, NO_IMPORTS).key
            for stage in stages_of("vision", small.tables)
        }

    before, version = keys_by_stage(), keys._version
    monkeypatch.setattr(keys, "_version", lambda name: "0.1" if name == "tf2onnx" else version(name))
    after = keys_by_stage()

    assert {name for name in before if after[name] != before[name]} == ({"export"} if depends else set())
