"""Two runs side by side: what differs, which is better, and the section on earlier runs of a report."""

import json
import shutil
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from gristmill.errors import RequestError
from gristmill.project.project import Project
from gristmill.reports.comparison import difference_in_words, differing_settings, earlier_runs_section
from gristmill.retraining.gate import Contest
from gristmill.runs.records import Record
from helpers.support import Command, records

pytest_plugins = ["helpers.end_to_end"]


@pytest.fixture
def later(finished: Path) -> Record:
    """A later run with a larger penalty, whose artifacts are those of the first run but for the bundle."""
    first = records(finished)[-1]
    began = first.started + timedelta(days=1)
    settings = first.settings | {"model": first.settings["model"] | {"l2": 9.0}}
    stages = {name: stage for name, stage in first.stages.items() if name != "export"}
    stages["refit"] = first.stages["train"]  # makes it another model
    changed = {"id": f"{began:%Y%m%dT%H%M%S-%f}-00", "started": began, "settings": settings, "stages": stages}
    record = first.model_copy(update=changed)
    (finished / f"data/store/runs/small/{record.id}.json").write_text(record.model_dump_json())
    return record


def test_the_last_two_runs_are_compared_by_default_and_by_name_the_chosen_ones(later: Record) -> None:
    project = Project.open()

    found = project.compare("small")

    assert [record.id < later.id for record in found.records] == [True, False]
    document = found.document
    assert document["settings"] == {"model.l2": [1.0, 9.0]}
    assert document["data"]["rows"] == [300, 300]
    assert document["changes"] == {}
    mae = document["scores"]["test"]["mae"]
    assert mae[0] == mae[1]
    assert document["verdict"].startswith("Both runs are equally good on the test set: MAE ")
    assert document["training"] == {}  # in closed form
    version = project.promote("small", run=found.records[0].id).version
    assert project.compare("small", f"v{version}", later.id).records == found.records


def test_the_command_prints_tables_that_fit_80_columns_and_renders_a_page(
    later: Record, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")

    said = command("compare", "small", "--page")

    assert (said.status, said.err) == (0, "")
    *lines, path = said.out.splitlines()
    assert [line for line in lines if len(line) > 80] == []
    assert {"Runs", "Settings that differ", "Data", "Scores", "Training"} <= set(lines)
    page = Path(path.split()[-1]).read_text()
    assert all(words in page for words in (later.id, "model.l2", "Both runs are equally good"))
    assert command("compare", "small", "--json").json == json.loads(
        json.dumps(Project.open().compare("small").document)
    )


def test_what_cannot_be_compared_is_refused(finished: Path) -> None:
    project = Project.open()
    (only,) = records(finished)

    with pytest.raises(RequestError, match=r"no two runs with different models\. Run it with another setting"):
        project.compare("small")
    with pytest.raises(RequestError, match=r"expected two runs or none\. Name the other run, too\.$"):
        project.compare("small", only.id)
    (finished / "data/store/runs/small/20990101T000000-000000-00.json").write_text(
        only.model_copy(update={"id": "20990101T000000-000000-00", "stages": {}, "outcome": "failed"}).model_dump_json()
    )
    with pytest.raises(RequestError, match=r"20990101T000000-000000-00 of small has no scores: it failed"):
        project.compare("small", only.id, "20990101T000000-000000-00")


def test_a_report_compares_a_run_with_the_one_before_it_and_with_the_champion(later: Record) -> None:
    project = Project.open()
    first = project.runs.previous(later)
    assert first
    assert earlier_runs_section(first, project.store) is None

    section = earlier_runs_section(later, project.store)

    assert section
    assert [row[:2] for row in section.tables[0].rows] == [["this run", later.id], ["previous run", first.id]]
    assert [row[-2:] for row in section.tables[0].rows] == [["same", ""], ["same", "model.l2 = 1.0"]]
    project.promote("small", run=first.id)
    section = earlier_runs_section(later, project.store)
    assert section
    assert [row[:2] for row in section.tables[0].rows] == [["this run", later.id], ["champion, v1", first.id]]


def test_a_key_that_one_version_of_gristmill_lacks_is_no_difference_but_one_of_another_kind_is() -> None:
    linear, dense = {"kind": "linear", "l2": 1.0}, {"kind": "dense", "units": [8]}

    assert differing_settings("tabular", {"model": linear}, {"model": linear | {"added": 3}}) == {}
    assert differing_settings("tabular", {"model": linear}, {"model": dense}) == {
        "model.kind": ["linear", "dense"],
        "model.l2": [1.0, None],
        "model.units": [None, [8]],
    }


def test_what_another_version_of_gristmill_wrote_in_another_way_is_no_difference(later: Record) -> None:
    earlier = {name: dict(table) for name, table in later.settings.items()}
    del earlier["preprocess"]["stride"]
    assert earlier["ingest"]["series"] == []
    earlier["ingest"]["series"] = None
    now = later.settings | {"preprocess": later.settings["preprocess"] | {"stride": 2}}

    assert differing_settings("timeseries", earlier, later.settings) == {}
    assert differing_settings("timeseries", earlier, now) == {"preprocess.stride": [1, 2]}


def test_a_run_of_other_code_with_the_same_model_is_no_other_run(finished: Path, later: Record) -> None:
    again = later.model_copy(update={"id": later.id[:-2] + "ff", "stages": records(finished)[0].stages})
    (finished / f"data/store/runs/small/{again.id}.json").write_text(again.model_dump_json())
    first = Project.open().runs.previous(later)
    assert first
    assert Project.open().runs.previous(again) == later
    assert Project.open().runs.previous(first) is None


def test_of_runs_with_other_prepared_data_none_is_called_better(finished: Path, later: Record) -> None:
    stage = later.stages["preprocess"]
    other = stage.model_copy(update={"reference": stage.reference | {"digest": "0" * 64}})
    changed = later.model_copy(update={"stages": later.stages | {"preprocess": other}})
    (finished / f"data/store/runs/small/{later.id}.json").write_text(changed.model_dump_json())

    verdict = Project.open().compare("small").document["verdict"]

    assert "the scores do not tell which run is better. Each on its own test set: MAE " in verdict
    assert "The MAE of" not in verdict


def test_a_run_whose_scores_were_removed_cannot_be_compared(later: Record) -> None:
    project = Project.open()
    found = project.compare("small")
    reference = found.records[0].references["evaluate"]
    shutil.rmtree(project.store.path("evaluate", reference["key"]))

    with pytest.raises(
        RequestError, match=r"^run .*: its scores were removed by gristmill gc\. Run it again, or choose"
    ):
        _ = found.document


@pytest.mark.parametrize(("shift", "words"), [(0.0, "the difference could be chance"), (0.5, "unlikely to be chance")])
def test_a_difference_could_be_chance_if_its_interval_contains_0(shift: float, words: str) -> None:
    noise = np.random.default_rng(0).normal(size=(2, 400))
    errors = {"one": np.abs(noise[0]) + shift, "other": np.abs(noise[1])}

    said = difference_in_words(Contest("mae", errors), "one", "other", ("this", "that"))

    assert said.startswith("The MAE of this minus that of that is ")
    assert said.endswith(f"{words}.")
    assert "(negative is better), with a 95% interval from " in said
    assert "(bootstrap, 400 paired errors)" in said
    few = {name: values[:4] for name, values in errors.items()}
    same = difference_in_words(
        Contest("mae", {"one": errors["one"], "other": errors["one"]}), "one", "other", ("a", "b")
    )
    assert same == "On each item of the test set, the errors of a and b are equal."
    assert "too small to tell" in difference_in_words(Contest("mae", few), "one", "other", ("this", "that"))
    errors["one"][3] = np.inf
    assert "not all predictions are finite" in difference_in_words(Contest("mae", errors), "one", "other", ("a", "b"))


def test_the_order_of_independent_examples_does_not_matter_and_classifiers_are_compared_by_accuracy() -> None:
    sorted_by_class = {"one": np.repeat([0.0, 1.0], [300, 100]), "other": np.repeat([1.0, 0.0], [300, 100])}
    shuffled = {name: np.random.default_rng(0).permutation(errors) for name, errors in sorted_by_class.items()}

    said = [
        difference_in_words(Contest("error rate", errors), "one", "other", ("this", "that"))
        for errors in (sorted_by_class, shuffled)
    ]

    assert said[0].startswith("The accuracy of this minus that of that is 0.5")
    assert "(positive is better), with a 95% interval from 0.4" in said[0]
    assert said[0] == said[1]
