"""A pipeline's models by the command line: registered, promoted, rolled back, served, missed where damaged."""

import getpass
import json
import shutil
import socket
import weakref
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from conftest import SMALL
from gristmill import keys
from gristmill.cli.console import out
from gristmill.errors import WorkError
from gristmill.export import bundle
from gristmill.export.loaded_bundle import LoadedBundle
from gristmill.maintenance.local import verify_serving
from gristmill.project.project import Project
from gristmill.project.serving import check_serves
from gristmill.registry.registry import Registry
from gristmill.registry.version import Git, Version
from gristmill.runs.records import Record, StageRecord
from gristmill.store.store import Store
from gristmill.util import extras, sealed_json
from helpers.support import Command, assert_all_whole, edit, here, published, records, the_error, write_project

pytest_plugins = ["helpers.end_to_end"]

COMMIT = Git(commit="0123456789ab" + "c" * 28, dirty=True)
ALTERED = "altered since it was published (its SHA-256 does not hold)."
FIRST = (
    "error: pipeline 'small': no version served before its champion, v1, and no run has read newer data. Choose a "
    "version: gristmill models small, then: gristmill promote small VERSION.\n"
)


@pytest.fixture(scope="module")
def two_versions(finished_store: Path, tmp_path_factory: pytest.TempPathFactory, prefect_api: str) -> Path:
    """The store of two runs, whose models see 12 and 6 months: v1 and v2, the champion. Not to be written to."""
    folder = tmp_path_factory.mktemp("two")
    write_project(folder, SMALL)
    shutil.copytree(finished_store, folder / "data/store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundle, "fresh_process", here)
        patch.setattr("gristmill.project.serving.git_of", lambda project: COMMIT if project == folder else None)
        Project.open(folder).promote("small")
        second = Project.open(folder, {"small": ["preprocess.history=6"]}).run("small").record
        Project.open(folder).promote("small", run=second.id)
    return folder / "data/store"


@pytest.fixture
def served(project: Path, two_versions: Path) -> Path:
    """The small project with two versions; the current folder of the test."""
    shutil.copytree(two_versions, project / "data/store")
    return project


def versions(project: Path) -> dict[int, Version]:
    return {version.number: version for version in Registry(Store(project / "data/store")).versions("small")}


def model_of(project: Path, number: int) -> Path:
    """Return the file of a version's own model."""
    return Registry(Store(project / "data/store")).folder(versions(project)[number]) / "model.keras"


def flip(file: Path) -> None:
    """Change one byte of a file, keeping its size."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def test_the_last_runs_model_is_registered_and_promoted_once(
    finished: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(finished.parent))  # the folder is in no repository
    said = command("promote", "small")

    assert (said.status, said.out) == (0, "small: v1 is the champion\n")
    assert "warning: v1 loses to the baseline autoregression: mae " in said.err
    with monkeypatch.context() as patch:
        patch.setattr(Version, "loses_to_baseline", "loses to the baseline naive")
        assert command("promote", "small").err == "warning: v1 loses to the baseline naive\n"
    assert command("promote", "small", "v1").out == "small: v1 is the champion\n"
    (run,), listed = records(finished), command("models", "small", "--json").json
    assert (listed["champion"], len(listed["versions"]), len(listed["promotions"])) == (1, 1, 1)
    (version,) = listed["versions"]
    assert (version["number"], version["run"], version["domain"]) == (1, run.id, "timeseries")
    assert version["settings"] == run.settings
    assert version["references"] == run.references
    assert version["versions"] == run.versions
    assert version["scores"] == json.loads((model_of(finished, 1).parent / "scores.json").read_text())
    assert set(version["scores"]) >= {"model", "baselines", "headline", "parity"}
    assert {"gristmill.domains.timeseries.train", "source.path"} < set(version["code"])
    assert version["git"] == {"commit": None, "dirty": None}
    assert version["decision"] == {"verdict": "promoted", "why": "asked for"}
    assert [move["why"] for move in listed["promotions"]] == ["asked for"]


@pytest.mark.slow
def test_the_same_bundle_of_another_run_is_the_same_version(finished: Path, command: Command, prefect_api: str) -> None:
    command("promote", "small")
    assert command("-q", "run", "small", "--set", "train.epochs=7").status == 0  # of no effect on the closed form

    first, second = records(finished)
    assert command("promote", "small", "--run", second.id).out == "small: v1 is the champion\n"
    assert [version["number"] for version in command("models", "small", "--json").json["versions"]] == [1]
    for run in (first, second):
        assert command("show", "small", "--run", run.id, "--json").json["versions"] == [1]


@pytest.mark.slow
def test_models_are_listed_side_by_side(served: Path, command: Command) -> None:
    first, second = records(served)

    said = command("models", "small")

    assert (said.status, said.err) == (0, "")
    above, heading, *rows, why, second_why, first_why, promoted, last = (line.split() for line in said.out.splitlines())
    by = f"by {getpass.getuser()}@{socket.gethostname()} (asked for)"
    assert [promoted[:2], " ".join(promoted[5:])] == [["v2", "promoted"], by]
    assert last == ["bundle", "of", "v2", str(model_of(served, 2).parent)]
    assert all(f"{version.made.astimezone():%Y-%m-%d %H:%M %Z}" in said.out for version in versions(served).values())
    assert above == ["validation", "test", "best"]
    assert heading == ["version", "made", "run", "mae", "mae", "baseline", "commit", "with"]
    assert [row[:2] for row in rows] == [
        ["v2", "champion"],
        ["v1", f"{versions(served)[1].made.astimezone():%Y-%m-%d}"],
    ]
    assert second.id in rows[0]
    assert first.id in rows[1]
    commit = "0123456789ab and changes"
    assert [" ".join(row).partition(commit)[2] for row in rows] == [" preprocess.history=6", ""]
    asked = ["promoted:", "asked", "for"]
    assert [why, second_why, first_why] == [["version", "why"], ["v2", *asked], ["v1", *asked]]


@pytest.mark.slow
def test_the_folder_of_a_version_is_told_on_one_line(
    served: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gristmill.cli.console.WIDTH_WITHOUT_TERMINAL", 40)
    out.cache_clear()
    first, second = records(served)
    folders = {number: str(model_of(served, number).parent) for number in (1, 2)}
    try:
        assert f"\nbundle of v2  {folders[2]}\n" in command("models", "small").out
        assert f"\nbundle  {folders[2]}\n" in command("show", "small", "--run", second.id).out
    finally:
        out.cache_clear()
    listed = command("models", "small", "--json").json["versions"]
    assert {version["number"]: version["bundle"] for version in listed} == folders
    assert [version["overrides"] for version in listed] == [["preprocess.history=6"], []]
    for number, run in ((1, first), (2, second)):
        shown = command("show", "small", "--version", f"v{number}", "--json").json
        assert (shown["run"]["id"], shown["versions"], shown["bundle"]) == (run.id, [number], folders[number])
        assert Path(shown["bundle"]).is_dir()


def test_the_run_of_a_version_that_is_not_there_cannot_be_shown(served: Path, command: Command) -> None:
    assert command("show", "small", "--version", "7").err == (
        "error: pipeline 'small' has no version 7. Known: v2, v1.\n"
    )
    both = command("show", "small", "--version", "1", "--run", "2020")
    assert (both.status, both.err) == (2, "error: --run 2020: cannot be combined with --version 1. Use one of them.\n")


def test_ls_and_show_name_the_versions(served: Path, command: Command) -> None:
    assert command("ls", "--json").json[0]["champion"] == 2
    _, heading, row = command("ls").out.splitlines()
    assert row[heading.index("champion") :].split()[0] == "v2"
    first, second = records(served)
    assert command("show", "small", "--json").json["versions"] == [1]  # the last run of the pipeline's own settings
    assert "registered as v2\n" in command("show", "small", "--run", second.id).out
    assert "registered as v1\n" in command("show", "small", "--run", first.id).out


def test_without_versions_nothing_is_listed(finished: Path, command: Command) -> None:
    nothing = {"champion": None, "versions": [], "promotions": [], "damaged": {}}
    assert command("models", "small", "--json").json == nothing
    assert command("models", "small").out == (
        "small: no version yet. Promote the model of the last run: gristmill promote small\n"
    )
    assert command("ls", "--json").json[0]["champion"] is None
    assert command("show", "small", "--json").json["versions"] == []
    assert "registered as" not in command("show", "small").out
    assert command("show", "small", "--json").json["bundle"] is None


@pytest.mark.slow
def test_the_champion_predicts_and_each_version_when_asked(served: Path, command: Command) -> None:
    by = {number: command("predict", "small", "--version", number).out for number in ("1", "v2")}
    assert by["1"] != by["v2"]
    assert command("predict", "small").out == by["v2"]

    said = command("rollback", "small")

    assert (said.status, said.out, said.err) == (0, "small: v1 is the champion (before: v2)\n", "")
    assert command("predict", "small").out == by["1"]
    assert command("promote", "small", "2").out == "small: v2 is the champion (before: v1)\n"
    assert command("predict", "small").out == by["v2"]
    moves = command("models", "small", "--json").json["promotions"]
    assert [(move["version"], move["previous"], move["why"]) for move in moves] == [
        (2, 1, "asked for"),
        (1, 2, "rolled back"),
        (2, 1, "asked for"),
        (1, None, "asked for"),
    ]


def test_a_hold_is_of_the_champion_and_its_end_is_told(served: Path, command: Command) -> None:
    held = command("promote", "small", "--hold")
    assert (held.status, held.out.splitlines()) == (
        0,
        [
            "small: v2 is the champion",
            "held: retrainings do not replace it. To release it: gristmill promote small 2",
        ],
    )
    assert command("promote", "small", "--hold").out == held.out
    hold = Registry(Store(served / "data/store")).hold("small")
    assert hold

    released = f"released: v2 was held by {hold.by} since {hold.when.astimezone():%Y-%m-%d %H:%M %Z}"
    over = command("promote", "small", "1", "--hold").out.splitlines()
    assert (over[0], over[2]) == ("small: v1 is the champion (before: v2)", released)
    of_it = command("promote", "small", "1").out.splitlines()
    assert (of_it[0], len(of_it), of_it[1][:22]) == ("small: v1 is the champion", 2, "released: v1 was held ")
    assert command("promote", "small", "1").out == "small: v1 is the champion\n"


@pytest.mark.slow
def test_a_run_promotes_nothing(served: Path, command: Command, parity_here: None, prefect_api: str) -> None:
    before = command("predict", "small").out
    assert command("-q", "run", "small", "--set", "train.epochs=7").status == 0  # equals v1

    assert command("predict", "small").out == before
    assert command("models", "small", "--json").json["champion"] == 2


@pytest.mark.slow
def test_versions_made_under_an_earlier_format_of_keys_predict_and_verify_though_every_stage_is_stale(
    served: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    by = {number: command("predict", "small", "--version", number).out for number in ("1", "2")}
    earlier = keys.FORMAT
    monkeypatch.setattr(keys, "FORMAT", earlier + 1)

    assert command("plan", "small", "--json").json[0]["reason"] == f"artifact format {earlier} → {earlier + 1}"
    assert {number: command("predict", "small", "--version", number).out for number in by} == by
    assert command("predict", "small").out == by["2"]
    assert command("verify").status == 0
    assert command("models", "small", "--json").json["damaged"] == {}


def test_a_version_with_a_setting_that_gristmill_has_no_more_predicts(served: Path, command: Command) -> None:
    before = command("predict", "small").out
    (file,) = served.glob("data/store/registry/small/versions/*2.json")
    version = versions(served)[2]
    version.settings["gate"]["baseline"] = "require"
    file.write_text(sealed_json.to_text(version))

    assert command("predict", "small").out == before


@pytest.mark.fault(40)
def test_a_version_that_cannot_serve_is_not_promoted_and_verify_names_it(served: Path, command: Command) -> None:
    release = metadata.version("gristmill")

    def with_unknown_setting(number: int) -> str:
        version = versions(served)[number]
        version.settings["preprocess"]["lag"] = 3
        (file,) = served.glob(f"data/store/registry/small/versions/*{number}.json")
        file.write_text(sealed_json.to_text(version))
        settings = f"gristmill {release} cannot read the settings of this run. preprocess.lag = 3: unknown key 'lag'."
        return f"v{number} of small cannot serve: {settings}"

    reason = with_unknown_setting(1)
    promoted, rolled_back, verified = command("promote", "small", "1"), command("rollback", "small"), command("verify")

    assert the_error(promoted).startswith(reason)
    assert " v1 of small was not promoted. Choose another: gristmill models small." in promoted.err
    assert reason in the_error(rolled_back)
    assert command("models", "small", "--json").json["champion"] == 2
    assert verified.status == 0
    assert verified.out.startswith(reason)
    assert "It is not the champion.\n" in verified.out
    reason = with_unknown_setting(2)
    verified = command("verify")
    assert verified.status == 1
    assert reason in verified.out
    assert "--repair" not in verified.out


@pytest.mark.fault(40)
def test_a_version_that_needs_an_extra_which_this_machine_lacks_is_not_skipped(
    served: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle, "required_modules", lambda folder: ["tensorflow_text"])
    monkeypatch.setitem(extras.EXTRAS, "subwords", ("no_such_module",))
    reason = "v1 of small cannot serve here: the model's graph needs no_such_module, which is not installed. Run: pip"

    rolled_back, verified = command("rollback", "small"), command("verify")

    assert rolled_back.status == 2
    assert the_error(rolled_back).startswith(reason)
    assert command("models", "small", "--json").json["champion"] == 2
    assert (verified.status, reason in verified.out) == (1, True)


def test_verify_has_the_model_of_one_version_in_memory_at_a_time(served: Path) -> None:
    class Model:
        def __init__(self) -> None:
            self.itself = self  # like Keras, whose models are freed by the garbage collector only

    loaded: list[weakref.ref[Model]] = []

    def check(version: Version, folder: Path) -> None:
        assert not [model for model in loaded if model()]
        loaded.append(weakref.ref(Model()))

    registry = Registry(Store(served / "data/store"))
    verdicts = list(verify_serving(registry.versions("small"), registry, check))

    assert len(loaded) == len(verdicts) == 2


@pytest.mark.fault(40)
def test_a_version_is_not_called_damaged_because_memory_is_full(served: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(loaded: LoadedBundle) -> None:
        raise WorkError(f"{loaded.path}: takes more memory than is free. Free some.")

    monkeypatch.setattr(LoadedBundle, "load", load)
    version = versions(served)[1]

    with pytest.raises(WorkError, match=r"^/.* takes more memory than is free") as raised:
        check_serves(version, Path("/bundle"))
    assert raised.type is WorkError


@pytest.mark.slow
def test_a_refreshed_export_leaves_the_version_that_serves_as_it_is(
    served: Path, command: Command, parity_here: None, prefect_api: str
) -> None:
    before = command("predict", "small").out
    setting = ("--set", "preprocess.history=6")
    assert command("-q", "run", "small", *setting, "--refresh", "export").status == 0
    shutil.rmtree(served / "data/store/quarantine")

    said = command("predict", "small")

    assert (said.status, said.out, said.err) == (0, before, "model      small v2 (champion): linear\n")
    assert command("verify").status == 0
    assert command("models", "small", "--json").json["damaged"] == {}
    again = records(served)[-1].id
    assert command("promote", "small", "--run", again).out == "small: v2 is the champion (before: v1)\n"  # equal bytes


def test_where_nothing_was_promoted_the_last_run_predicts(finished: Path, command: Command) -> None:
    by_run = command("predict", "small")
    assert (by_run.status, "warning" in by_run.err) == (0, False)
    toml = finished / "pipelines.toml"
    toml.write_text(toml.read_text().replace("history = 12", "history = 8"))
    edited = command("predict", "small")
    (run,) = records(finished)
    assert edited.out == by_run.out
    assert edited.err.startswith(
        f"warning: small: the settings of preprocess have changed since run {run.id}, whose model is used as it is. "
        "To make a new one, run: gristmill run small.\n"
    )
    command("promote", "small")
    told = command("predict", "small")
    assert (told.out, "warning" in told.err) == (by_run.out, False)


@pytest.mark.slow
def test_a_run_that_tried_other_settings_stands_for_the_pipeline_nowhere(
    finished: Path, command: Command, parity_here: None, prefect_api: str
) -> None:
    (own,) = records(finished)
    asked = {words: command(*words.split()) for words in ("ls", "predict small", "show small --json")}
    assert command("-q", "run", "small", "--set", "preprocess.history=6").status == 0
    tried = records(finished)[-1]

    assert command("ls").out == asked["ls"].out
    told = f"small: using run {own.id}; the newer run {tried.id} had --set preprocess.history=6\n"
    for words in ("predict small", "show small --json"):
        said = command(*words.split())
        assert (said.status, said.out) == (0, asked[words].out)
        assert said.err.startswith(told)
    assert own.id in Path(command("report", "small").out.strip()).read_text()
    assert command("promote", "small").out == "small: v1 is the champion\n"
    assert versions(finished)[1].run == own.id
    assert command("-q", "predict", "small").err == ""


@pytest.mark.slow
def test_a_run_that_tried_other_settings_is_promoted_by_its_id(
    finished: Path, command: Command, parity_here: None, prefect_api: str
) -> None:
    (own,) = records(finished)
    assert command("-q", "run", "small", "--set", "preprocess.history=6").status == 0
    tried = records(finished)[-1]
    before = command("predict", "small").out

    assert command("promote", "small", "--run", tried.id).out == "small: v1 is the champion\n"

    assert (versions(finished)[1].run, versions(finished)[1].overrides) == (tried.id, ["preprocess.history=6"])
    assert command("predict", "small").out != before
    both = command("promote", "small", "1", "--run", own.id)
    assert (both.status, both.err) == (
        2,
        f"error: --run {own.id}: cannot be combined with version 1. Use one of them.\n",
    )
    other = command("promote", "small", "--run", "2020")
    assert (other.status, other.err) == (
        2,
        f"error: no run '2020' of pipeline 'small'. Known: {tried.id}, {own.id}.\n",
    )


def test_where_only_other_settings_were_tried_the_way_to_a_model_is_told(finished: Path, command: Command) -> None:
    (own,) = records(finished)
    other = own.settings | {"train": own.settings["train"] | {"epochs": 3}}
    file = finished / f"data/store/runs/small/{own.id}.json"
    tried = own.model_copy(update={"overrides": ["train.epochs=3"], "settings": other})
    file.write_text(tried.model_dump_json())

    for words in ("predict small", "show small", "report small", "promote small"):
        said = command(*words.split())
        assert (said.status, said.out, said.err) == (
            2,
            "",
            "error: pipeline 'small' has no successful run of its own settings yet; the last run had "
            f"--set train.epochs=3. Run: gristmill run small, or promote that run: gristmill promote small "
            f"--run {own.id}.\n",
        )
    assert command("ls", "--json").json[0]["headline"] is None
    assert command("promote", "small", "--run", own.id).out == "small: v1 is the champion\n"
    assert command("predict", "small").status == 0


def test_a_flipped_byte_in_the_champions_bundle_has_the_version_before_it_serve(served: Path, command: Command) -> None:
    model, before = model_of(served, 2), command("predict", "small", "--version", "1")
    flip(model)

    said = command("-q", "predict", "small")

    assert (said.status, said.out) == (0, before.out)
    assert said.err == f"warning: {model}: {ALTERED} v2 of small cannot be used; v1 is used instead.\n"
    asked = command("predict", "small", "--version", "2")
    assert (asked.status, asked.out, asked.err) == (1, "", f"error: {model}: {ALTERED}\n")
    again = command("promote", "small", "2")
    assert (again.status, again.err) == (
        1,
        f"error: {model}: {ALTERED} v2 of small was not promoted. Choose another: gristmill models small. "
        "Or make one: gristmill run small, then gristmill promote small.\n",
    )
    listed = command("models", "small")
    assert listed.out.splitlines()[2].split()[:3] == ["v2", "champion", "damaged"]
    assert command("models", "small", "--json").json["damaged"] == {"2": f"{model}: {ALTERED}"}
    assert command("rollback", "small").out == "small: v1 is the champion (before: v2)\n"
    assert command("-q", "predict", "small").err == ""


def test_a_bundle_that_is_gone_is_as_one_that_is_damaged(served: Path, command: Command) -> None:
    folder = model_of(served, 2).parent
    shutil.rmtree(folder)

    said = command("-q", "predict", "small")

    assert said.status == 0
    assert said.err == (
        f"warning: {folder}/manifest.json: cannot be read (No such file or directory). "
        "v2 of small cannot be used; v1 is used instead.\n"
    )


def test_no_rollback_leads_to_a_damaged_bundle(served: Path, command: Command) -> None:
    model = model_of(served, 1)
    flip(model)

    said = command("rollback", "small")

    assert (said.status, said.out, said.err) == (
        1,
        "",
        f"error: pipeline 'small': no version that served before the champion can be used. v1: {model}: {ALTERED} "
        "Run: gristmill run small, then: gristmill promote small.\n",
    )
    assert command("models", "small", "--json").json["champion"] == 2


@pytest.mark.slow
def test_a_rollback_leads_to_who_served_before_not_to_the_next_lower_number(
    served: Path, command: Command, parity_here: None, prefect_api: str
) -> None:
    assert command("rollback", "small").out == "small: v1 is the champion (before: v2)\n"
    assert command("-q", "run", "small", "--set", "preprocess.history=8").status == 0
    third = records(served)[-1].id
    assert command("promote", "small", "--run", third).out == "small: v3 is the champion (before: v1)\n"

    assert command("rollback", "small").out == "small: v1 is the champion (before: v3)\n"
    assert command("rollback", "small").err == FIRST


def test_a_damaged_bundle_is_found_and_restored_where_the_store_has_it(served: Path, command: Command) -> None:
    model, before = model_of(served, 2), command("predict", "small").out
    whole = model.read_bytes()
    model.unlink()  # of the two links to the bytes
    model.write_bytes(whole[:-1])

    found = command("verify")

    assert (found.status, found.out.splitlines()[0]) == (1, f"{model}: {ALTERED} v2 of small cannot be used.")
    assert found.out.splitlines()[1].endswith("artifacts, 5 registry files, 2 bundles, 1 versions verified, 1 damaged.")
    repaired = command("verify", "--repair")
    assert (repaired.status, repaired.out.splitlines()[0]) == (
        0,
        f"{model}: {ALTERED} v2 of small cannot be used. Restored from the store.",
    )
    assert command("verify").status == 0
    assert command("predict", "small").out == before


def test_a_damaged_bundle_that_the_store_cannot_restore_is_given_up_and_marked(served: Path, command: Command) -> None:
    model, before = model_of(served, 2), command("predict", "small", "--version", "1").out
    shutil.rmtree(served / "data/store/export")
    flip(model)

    repaired = command("verify", "--repair")

    assert repaired.status == 0
    assert (
        f"{model}: {ALTERED} v2 of small cannot be used. The store no longer has it: moved to quarantine.\n"
        in repaired.out
    )
    assert command("verify").status == 0
    assert set(command("models", "small", "--json").json["damaged"]) == {"2"}
    assert command("predict", "small").out == before


@pytest.mark.slow
def test_a_command_tells_each_warning_once(served: Path, command: Command, prefect_api: str) -> None:
    edit(served / "series.csv", "1749-01,58.0", "1749-01,58.1")
    flip(model_of(served, 2))

    told = command("retrain", "small").err

    assert told.count("v2 of small cannot be used; v1 is used instead.") == 1


def test_where_no_version_is_sound_nothing_predicts_and_a_new_version_helps(
    served: Path, command: Command, parity_here: None, prefect_api: str
) -> None:
    models = [model_of(served, number) for number in (2, 1)]
    for model in models:
        flip(model)

    said = command("predict", "small")

    assert (said.status, said.out) == (1, "")
    assert said.err == (
        f"error: pipeline 'small': no version can be used. v2: {models[0]}: {ALTERED} v1: {models[1]}: {ALTERED} "
        "Run: gristmill run small, then: gristmill promote small.\n"
    )
    assert command("-q", "run", "small").status == 0
    assert command("promote", "small").status == 0
    assert command("-q", "predict", "small").err == ""


def test_a_damaged_file_of_the_champions_version_is_told_and_repair_moves_it_aside(
    served: Path, command: Command
) -> None:
    before = command("predict", "small", "--version", "1").out
    folder = served / "data/store/registry/small"
    for name in ("versions/000002.json", "champion.json"):
        edit(folder / name, '"pipeline": "small"', '"pipeline": "other"')
    warnings = [
        f"warning: {folder}/champion.json: altered since it was written. Using the latest promotion: v2.",
        f"warning: {folder}/versions/000002.json: altered since it was written. "
        "v2 of small cannot be used; v1 is used instead.",
    ]

    said = command("-q", "predict", "small")

    assert (said.status, said.out, said.err.splitlines()) == (0, before, warnings)
    listed = command("ls", "--json")
    assert (listed.json[0]["champion"], listed.err.splitlines()) == (1, warnings)
    found = command("verify")
    count = len([path for path in published(served / "data/store", "*") if "registry" not in path.parts])
    assert (found.status, found.out.splitlines()[:-1]) == (
        1,
        [
            f"{folder}/champion.json: altered since it was written.",
            f"{folder}/versions/000002.json: altered since it was written.",
            f"{count} artifacts, 5 registry files, 1 bundles, 1 versions verified, 2 damaged.",
        ],
    )
    assert command("verify", "--repair").status == 0
    assert json.loads((folder / "champion.json").read_bytes())["version"] == 2
    assert not (folder / "versions/000002.json").exists()
    told = command("verify")
    assert (told.status, told.out.splitlines()[0]) == (
        1,
        f"{folder}/versions/000002.json: gone, and v2 is the champion. Promote another: gristmill models small.",
    )
    (folder / "champion.json").unlink()
    mended = command("verify", "--repair")
    assert (mended.status, mended.out.splitlines()[0]) == (
        1,  # for the version is still gone
        f"{folder}/champion.json: gone. Written again from the latest promotion.",
    )
    assert json.loads((folder / "champion.json").read_bytes())["version"] == 2
    second = records(served)[-1].id
    assert (
        command("promote", "small", "--run", second).out == "small: v3 is the champion (before: v2)\n"
    )  # and never another v2
    sound = command("verify")
    assert (sound.status, sound.out.partition(" artifacts, ")[2]) == (
        0,
        "6 registry files, 2 bundles, 2 versions verified, 0 damaged.\n",
    )


def test_a_champion_that_cannot_be_told_is_no_end_of_ls(served: Path, command: Command) -> None:
    folder = served / "data/store/registry/small/versions"
    for name in ("000001.json", "000002.json"):
        (folder / name).write_text("")

    said = command("ls", "--json")

    assert (said.status, said.json[0]["champion"]) == (0, None)
    assert said.err == (
        f"warning: pipeline 'small': no version can be used. v2: {folder}/000002.json: not a version. "
        f"v1: {folder}/000001.json: not a version. Run: gristmill run small, then: gristmill promote small.\n"
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["promote", "small", "7"], "pipeline 'small' has no version 7. Known: v2, v1."),
        (["predict", "small", "--version", "7"], "pipeline 'small' has no version 7. Known: v2, v1."),
        (["promote", "small", "0"], "version '0': expected a number, such as 3 or v3."),
        (["promote", "small", "latest"], "version 'latest': expected a number, such as 3 or v3."),
        (["predict", "small", "--version", "2.0"], "version '2.0': expected a number, such as 3 or v3."),
    ],
    ids=" ".join,
)
def test_a_version_that_is_not_there_is_refused(served: Path, command: Command, words: list[str], told: str) -> None:
    said = command(*words)

    assert (said.status, said.out, said.err) == (2, "", f"error: {told}\n")


@pytest.mark.parametrize("words", [["models"], ["promote"], ["rollback"], ["predict", "--version", "1"]])
def test_an_unknown_pipeline_is_refused(project: Path, command: Command, words: list[str]) -> None:
    said = command(words[0], "smal", *words[1:])

    assert (said.status, said.out) == (2, "")
    assert said.err == (
        f"error: {project}/pipelines.toml: unknown pipeline 'smal'. Did you mean 'small'? All: gristmill ls.\n"
    )


def test_what_was_never_run_or_promoted_cannot_be_moved(project: Path, command: Command) -> None:
    promoted, back = command("promote", "small"), command("rollback", "small")

    assert (promoted.status, promoted.err) == (
        2,
        "error: pipeline 'small' has no successful run yet. Run: gristmill run small.\n",
    )
    assert (back.status, back.err) == (
        2,
        "error: pipeline 'small' has no champion. Run: gristmill promote small.\n",
    )


def test_before_the_first_version_there_is_none_to_roll_back_to(finished: Path, command: Command) -> None:
    command("promote", "small")

    said = command("rollback", "small")

    assert (said.status, said.out, said.err) == (
        2,
        "",
        FIRST,
    )


def test_a_damaged_bundle_of_the_last_run_is_not_registered(finished: Path, command: Command) -> None:
    (export,) = published(finished / "data/store", "export")
    flip(export / "model.keras")

    said = command("promote", "small")

    assert (said.status, said.out, said.err) == (1, "", f"error: {export}/model.keras: {ALTERED}\n")
    assert not (finished / "data/store/registry").exists()


@pytest.mark.slow
def test_gc_leaves_versions_what_they_serve_by(
    served: Path, command: Command, parity_here: None, prefect_api: str
) -> None:
    toml = served / "pipelines.toml"
    toml.write_text("[defaults]\nkeep_runs = 1\n" + toml.read_text().replace("history = 12", "history = 8"))
    assert command("-q", "run", "small").status == 0
    by = {number: command("predict", "small", "--version", number).out for number in ("1", "2")}
    first, second, third = records(served)

    assert command("gc").status == 0

    store = Store(served / "data/store")
    assert_all_whole(store.root)
    kept = {(reference["stage"], reference["key"]) for run in (second, third) for reference in run.references.values()}
    assert {(path.parent.parent.name, path.name) for path in store.artifacts()} == kept
    assert first.references["export"]["key"] not in {key for _, key in kept}
    assert {number: command("predict", "small", "--version", number).out for number in by} == by
    assert command("predict", "small").out == by["2"]


def test_the_champion_writes_and_each_version_when_asked(
    project: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gristmill.domains.generation import generate
    from gristmill.domains.generation.settings import PredictOptions

    (project / "pipelines.toml").write_text(
        '[pipelines.writer]\ndomain = "generation"\nsource = { kind = "files", path = "text.txt" }\n'
        'preprocess = { length = 10 }\nmodel = { kind = "gru" }\n'
    )

    def told(bundle: LoadedBundle, options: PredictOptions) -> Iterator[str]:
        assert options == PredictOptions(prompt="So ")
        yield options.prompt
        yield (bundle.path / "model.txt").read_text()

    monkeypatch.setattr(generate, "generate", told)
    opened = Project.open()
    for number in (1, 2):
        bundle = publish(opened.store, number)
        opened.registry.register(bundle, {}, Git(), {"verdict": "promoted", "why": "a test"})
    opened.registry.promote("writer", 1, "a test")

    def written(*words: str) -> str:
        return command("-q", "generate", "writer", "--prompt", "So ", *words).out

    assert written() == "So says 1\n"
    assert written("--version", "2") == "So says 2\n"
    assert command("generate", "writer", "--version", "3").err == (
        "error: pipeline 'writer' has no version 3. Known: v2, v1.\n"
    )


def publish(store: Store, number: int) -> Record:
    """Publish a bundle of a writer and return the record of a run that exported it."""
    made_of = keys.identify("export", {}, {"number": {"is": number}}, {}, {})
    with store.draft(made_of) as draft:
        (draft.path / "model.txt").write_text(f"says {number}")
        (draft.path / "scores.json").write_text("{}")
        artifact = store.publish(draft, made_of)
    stage = StageRecord(reference=artifact.reference, cached=False, seconds=1)
    run = Project.open().runs.start(Project.open().catalogue.pipeline("writer"), [], {})
    return run.model_copy(update={"stages": {"export": stage}})
