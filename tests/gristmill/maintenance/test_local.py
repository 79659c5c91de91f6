"""Care of the store: damage is found, and only what nothing refers to is garbage."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gristmill import keys
from gristmill.errors import CorruptArtifact
from gristmill.maintenance.local import (
    data_of_versions,
    garbage,
    remove,
    repair,
    used_by_reproductions,
    verify_registry,
    verify_store,
)
from gristmill.registry.registry import Registry
from gristmill.registry.version import Git
from gristmill.runs.records import Record, RunOutcome, StageRecord
from gristmill.runs.retraining_record import DataChanges, Judgement, Retraining
from gristmill.store.artifact import Artifact
from gristmill.store.store import Store, draft_beside
from gristmill.util import processes
from gristmill.util.files import files_below, temporary_name
from helpers.support import heard, said

BEGAN = datetime(2020, 1, 1, tzinfo=UTC)
OLD = time.time() - 48 * 3600


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


@pytest.fixture
def dead_pid() -> int:
    """The id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def publish(store: Store, stage: str, number: int) -> Artifact:
    """Publish an artifact that is older than any run of this test."""
    made_of = keys.identify(stage, {}, {"number": {"is": number}}, {}, {})
    with store.draft(made_of) as draft:
        (draft.path / "data.txt").write_text(f"{stage} {number}")
        (draft.path / "scores.json").write_text("{}")
        artifact = store.publish(draft, made_of)
    os.utime(artifact.path, (OLD, OLD))
    return artifact


def record(
    store: Store,
    day: int,
    *artifacts: Artifact,
    outcome: RunOutcome = "succeeded",
    pipeline: str = "small",
    retraining: Retraining | None = None,
    trial: bool = False,
    process: str = "",
) -> Record:
    """Record a run that gave these artifacts."""
    began = datetime.now(UTC) if outcome == "running" else BEGAN + timedelta(days=day)
    done = {
        artifact.reference["stage"]: StageRecord(reference=artifact.reference, cached=False, seconds=1)
        for artifact in artifacts
    }
    made = Record(
        id=f"{BEGAN + timedelta(days=day):%Y%m%dT%H%M%S}-0000",
        pipeline=pipeline,
        domain="timeseries",
        settings={},
        overrides=[],
        started=began,
        outcome=outcome,
        stages=done,
        versions={},
        host=socket.gethostname(),
        pid=os.getpid(),
        process=process,
        retraining=retraining,
        trial=trial,
    )
    path = store.root / "runs" / pipeline / f"{made.id}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(made.model_dump_json())
    return made


def named(store: Store, keep_runs: int) -> dict[Path, str]:
    """What is garbage, and why."""
    return {item.path: item.reason for item in garbage(store, keep_runs)}


def age(path: Path) -> None:
    for inner in [*path.rglob("*"), path]:
        os.utime(inner, (OLD, OLD))


def test_a_sound_store_verifies(store: Store) -> None:
    artifacts = [publish(store, stage, 1) for stage in ("ingest", "train")]
    assert [(verdict.path, verdict.damage) for verdict in verify_store(store)] == [
        (artifact.path, None) for artifact in artifacts
    ]


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lambda path: (path / "data.txt").write_text("train 2"), "data.txt"),
        (lambda path: (path / "data.txt").unlink(), "data.txt"),
        (lambda path: (path / "manifest.json").write_text("{}"), "manifest.json"),
        (lambda path: (path / "manifest.json").unlink(), "manifest.json"),
    ],
)
def test_damage_is_found_and_the_rest_still_verified(
    store: Store, damage: Callable[[Path], object], named: str
) -> None:
    artifacts = [publish(store, stage, 1) for stage in ("ingest", "train", "evaluate")]
    damage(artifacts[1].path)
    found = {verdict.path: verdict.damage for verdict in verify_store(store)}
    assert (found[artifacts[0].path], found[artifacts[2].path]) == (None, None)
    assert (found[artifacts[1].path] or "").startswith(f"{artifacts[1].path / named}: ")


def test_an_empty_store_verifies(store: Store) -> None:
    assert list(verify_store(store)) == []
    assert list(garbage(store, 3)) == []


def test_the_artifacts_of_the_last_successful_runs_are_kept(store: Store) -> None:
    ingest = publish(store, "ingest", 0)
    trained = [publish(store, "train", day) for day in range(4)]
    for day, artifact in enumerate(trained):
        record(store, day, ingest, artifact)
    assert named(store, keep_runs=2) == {
        artifact.path: "no recent run or version refers to it"
        for artifact in sorted(trained[:2], key=lambda artifact: artifact.path)
    }
    assert named(store, keep_runs=4) == {}


def test_what_a_sweep_finds_is_kept_though_no_run_refers_to_it(store: Store) -> None:
    found, other = publish(store, "train", 0), publish(store, "train", 1)
    assert [item.path for item in garbage(store, 1, [found.reference])] == [other.path]


def test_runs_that_failed_do_not_count_but_the_newest_run_is_kept_too(store: Store) -> None:
    trained = [publish(store, "train", day) for day in range(4)]
    for day, outcome in enumerate(["succeeded", "succeeded", "failed", "interrupted"]):
        record(store, day, trained[day], outcome=outcome)  # type: ignore[arg-type]  # each is one
    assert set(named(store, keep_runs=1)) == {trained[0].path, trained[2].path}


def test_the_trials_of_a_sweep_do_not_count_among_the_runs(store: Store) -> None:
    trained = [publish(store, "train", day) for day in range(4)]
    for day, artifact in enumerate(trained):
        record(store, day, artifact, trial=day > 0)
    assert set(named(store, keep_runs=1)) == {artifact.path for artifact in trained[1:]}


def test_each_pipeline_keeps_its_own(store: Store) -> None:
    old, new, other = (publish(store, "train", number) for number in range(3))
    record(store, 5, old)
    record(store, 6, new)
    record(store, 1, other, pipeline="other")
    assert set(named(store, keep_runs=1)) == {old.path}


def test_all_of_the_champion_and_the_newest_versions_is_kept_and_the_others_serve_without(store: Store) -> None:
    """What new models are compared with; bundles are the versions' own."""
    registry = Registry(store)
    trained, bundles = ([publish(store, stage, day) for day in range(5)] for stage in ("train", "export"))
    for day, artifacts in enumerate(zip(trained, bundles, strict=True)):
        register(registry, record(store, day, *artifacts))
    registry.promote("small", 2, "better")

    def garbage_of(artifacts: list[Artifact], keep_runs: int) -> set[int]:
        found = named(store, keep_runs)
        return {day for day, artifact in enumerate(artifacts) if artifact.path in found}

    assert garbage_of(trained, keep_runs=1) == {0, 2, 3}
    assert garbage_of(trained, keep_runs=2) == {0, 2}
    assert garbage_of(bundles, keep_runs=1) == {0, 2, 3}
    shutil.rmtree(store.root / "runs")  # what versions need does not hang on the records of their runs
    assert garbage_of(trained, keep_runs=1) == {0, 2, 3}
    remove(list(garbage(store, keep_runs=1)))
    for version in registry.versions("small"):
        registry.bundle(version)


def test_the_data_of_every_version_is_kept_until_its_file_is_removed(store: Store) -> None:
    registry, data = Registry(store), [publish(store, "ingest", day) for day in range(3)]
    for day, ingest in enumerate(data):
        register(registry, record(store, day, ingest, publish(store, "export", day)))
    shutil.rmtree(store.root / "runs")

    assert not {artifact.path for artifact in data} & set(named(store, keep_runs=1))
    assert data_of_versions(store) == {"small": (3, sum(map(size_of, data)))}
    (store.root / "registry/small/versions/000001.json").unlink()
    assert data[0].path in named(store, keep_runs=1)
    assert data_of_versions(store) == {"small": (2, sum(map(size_of, data[1:])))}


def size_of(artifact: Artifact) -> int:
    return sum(path.stat().st_size for path in files_below(artifact.path))


def test_bundles_that_no_version_has_are_garbage_once_they_are_old(store: Store) -> None:
    registry, artifacts = Registry(store), [publish(store, "export", number) for number in range(3)]
    register(registry, record(store, 1, artifacts[0]))
    young, old = (registry.add_bundle(record(store, 1, artifact)) for artifact in artifacts[1:])
    (owned,) = (registry.folder(version) for version in registry.versions("small"))
    for folder in (owned, old):
        age(folder)

    def strays() -> dict[Path, str]:
        return {path: why for path, why in named(store, 1).items() if path.is_relative_to(store.root / "registry")}

    assert strays() == {old: "bundle that never became a version, or whose version was removed"}
    registry.add_bundle(record(store, 1, artifacts[2]))  # who takes it is about to make it a version
    assert strays() == {}
    age(old)
    (store.root / "registry/small/versions/000001.json").write_text("")
    assert strays() == {}  # it may be the damaged version's
    assert young.exists()


def test_drafts_of_bundles_are_garbage_once_their_process_is_gone(store: Store, dead_pid: int) -> None:
    left = store.root / f"registry/small/bundles/.0123456789abcdef~{dead_pid}~1~{socket.gethostname()}"
    left.mkdir(parents=True)

    assert named(store, 1) == {left: "left behind by a process that died"}


def test_a_registry_whose_champion_cannot_be_read_keeps_what_can_be(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    registry = Registry(store)
    trained, bundles = ([publish(store, stage, day) for day in range(2)] for stage in ("train", "export"))
    for day, artifacts in enumerate(zip(trained, bundles, strict=True)):
        register(registry, record(store, day, *artifacts))
    registry.promote("small", 1, "better")
    damaged = store.root / "registry/small/versions/000001.json"
    damaged.write_text("")

    with heard(caplog):
        assert set(named(store, keep_runs=1)) == {trained[0].path, bundles[0].path}

    assert said(caplog) == [f"{damaged}: not a version. Skipped."]


def test_retrainings_that_made_no_model_do_not_count_and_what_the_last_one_judged_is_kept(store: Store) -> None:
    ingested, bundles = ([publish(store, stage, day) for day in range(6)] for stage in ("ingest", "export"))
    record(store, 0, ingested[0], bundles[0])
    record(store, 1, ingested[1], bundles[1], retraining=retraining("promoted"))
    for day, verdict in ((2, "rejected"), (3, "rejected"), (4, "nothing new"), (5, "nothing new")):
        record(store, day, ingested[day], retraining=retraining(verdict))

    kept = {ingested[day].path for day in (0, 1, 3, 5)} | {bundles[day].path for day in (0, 1)}
    assert {artifact.path for artifact in (*ingested, *bundles)} - set(named(store, keep_runs=2)) == kept


def retraining(verdict: Any) -> Retraining:
    """Return how a retraining ended; one that made or rejected a model judged it."""
    judgement = Judgement(
        metric="mae",
        scores={"challenger": 1.0},
        items=30,
        difference=None,
        interval=None,
        best_baseline=None,
        promoted=verdict == "promoted",
        why="",
    )
    judged = judgement if verdict in ("promoted", "rejected") else None
    return Retraining(champion=None, news=DataChanges(later=1), unjudged=1, judgement=judged, verdict=verdict)


def register(registry: Registry, made: Record) -> None:
    registry.register(made, {}, Git(), {})


def test_every_file_and_every_bundle_of_the_registry_is_verified(store: Store) -> None:
    registry = Registry(store)
    for number in (1, 2):
        register(registry, record(store, number, publish(store, "export", number)))
    registry.promote("small", 1, "better")
    second, first = registry.versions("small")
    (registry.folder(first) / "data.txt").unlink()
    promotion, version = (store.root / "registry/small" / f"{name}/000001.json" for name in ("promotions", "versions"))

    assert [(verdict.path, verdict.damage) for verdict in verify_registry(registry)] == [
        (store.root / "registry/small/champion.json", None),
        (promotion, None),
        (version, None),
        (version.with_name("000002.json"), None),
        (registry.folder(second), None),
        (
            registry.folder(first),
            f"{registry.folder(first)}/data.txt: missing, though its manifest lists it. v1 of small cannot be used.",
        ),
    ]
    version.write_text("{}")
    assert (version, f"{version}: not a version.") in [
        (verdict.path, verdict.damage) for verdict in verify_registry(registry)
    ]


def test_repair_restores_a_bundle_where_the_store_can_and_gives_it_up_where_not(store: Store) -> None:
    registry = Registry(store)
    for number in (1, 2):
        register(registry, record(store, number, publish(store, "export", number)))
    second, first = registry.versions("small")
    (registry.folder(first) / "data.txt").unlink()
    (registry.folder(second) / "data.txt").write_text("damaged")  # in place: the store's, which is linked, too

    repaired = [repair(verdict, store, registry) for verdict in [*verify_store(store), *verify_registry(registry)]]

    assert {verdict.path: verdict.repair for verdict in repaired if verdict.damage} == {
        store.path("export", second.references["export"]["key"]): "Moved to quarantine.",
        registry.folder(first): "Restored from the store.",
        registry.folder(second): "The store no longer has it: moved to quarantine.",
    }
    assert (registry.bundle(first) / "data.txt").read_text() == "export 1"
    assert [verdict.damage for verdict in verify_registry(registry)] == [None] * 3
    with pytest.raises(CorruptArtifact):
        registry.bundle(second)


def test_what_no_run_refers_to_is_garbage(store: Store) -> None:
    lone = publish(store, "train", 1)
    assert named(store, keep_runs=3) == {lone.path: "no recent run or version refers to it"}


def test_a_run_under_way_keeps_what_it_has_and_what_it_makes(store: Store) -> None:
    """What it has just made is not in its record yet."""
    had, replaced, newest, makes = (publish(store, "train", number) for number in range(4))
    record(store, 1, had, outcome="running")
    record(store, 2, replaced)
    record(store, 3, newest)
    os.utime(makes.path, (time.time() + 60,) * 2)
    assert set(named(store, keep_runs=1)) == {replaced.path}


def test_checkpoints_are_garbage_once_the_result_is_there_or_nobody_comes_back(store: Store) -> None:
    done = publish(store, "train", 1)
    record(store, 1, done)
    for key in (done.reference["key"], "young", "old"):
        (store.scratch(key) / "epoch-000001").mkdir(parents=True)
        (store.scratch(key) / "epoch-000001/arrays.npz").write_bytes(b"1234")
    age(store.scratch("old"))
    assert set(named(store, 3)) == {store.scratch(done.reference["key"]), store.scratch("old")}


def test_what_a_version_that_is_trained_again_uses_is_kept(store: Store) -> None:
    data, scratch = publish(store, "ingest", 1), store.scratch("as-of-play-v1")
    link = scratch / "ingest" / data.path.parent.name / data.path.name
    link.parent.mkdir(parents=True)
    link.symlink_to(data.path)
    age(scratch)
    with store.lock(scratch.name):
        assert used_by_reproductions(store) == {scratch, data.path.resolve()}
        assert scratch not in named(store, 3)
    assert used_by_reproductions(store) == set()
    assert scratch in named(store, 3)


def test_the_checkpoints_of_a_refresh_under_way_are_kept(store: Store) -> None:
    """The key has an artifact already."""
    trained = publish(store, "train", 1)
    record(store, 1, trained, outcome="running")
    (store.scratch(trained.reference["key"]) / "epoch-000001").mkdir(parents=True)
    assert named(store, keep_runs=1) == {}


def test_logs_are_garbage_once_no_run_refers_to_their_training(store: Store) -> None:
    trained = [publish(store, "train", number) for number in range(3)]
    for day, artifact in enumerate(trained):
        logs(store, artifact.reference["key"])
        record(store, day, artifact)
    killed = logs(store, "0" * 64)
    assert {path for path, reason in named(store, keep_runs=1).items() if reason.startswith("logs of")} == {
        killed,
        *(store.logs("small", artifact.reference["key"]) for artifact in trained[:2]),
    }


def test_the_logs_of_a_training_under_way_are_kept(store: Store) -> None:
    """It may have been begun by an earlier run, in a folder that is older than this one."""
    left, going_on = logs(store, "0" * 64), logs(store, "1" * 64)
    record(store, 1, publish(store, "train", 1), outcome="running")
    (going_on / "judged/train/events").write_text("an epoch")
    os.utime(going_on / "judged/train/events", (time.time() + 60,) * 2)
    assert set(named(store, keep_runs=1)) == {left}


def logs(store: Store, key: str) -> Path:
    """Write the logs of a training two days ago."""
    folder = store.logs("small", key)
    (folder / "judged/train").mkdir(parents=True)
    (folder / "judged/train/events").write_text("")
    age(folder)
    return folder


def test_a_stray_file_is_in_nobodys_way(store: Store) -> None:
    lone = publish(store, "train", 1)
    (lone.path.parent / ".notes.txt~").write_text("an editor's backup")
    (store.root / "scratch").mkdir()
    (store.root / "scratch/.DS_Store").write_text("")
    age(store.root / "scratch/.DS_Store")
    remove(list(garbage(store, keep_runs=1)))
    assert not lone.path.exists()
    assert (lone.path.parent / ".notes.txt~").exists()


@pytest.mark.fault(32)
def test_a_run_whose_pid_another_process_has_now_keeps_nothing(store: Store) -> None:
    made, left = publish(store, "train", 1), store.scratch("killed")
    (left / "epoch-000001").mkdir(parents=True)
    age(left)
    record(store, 2, publish(store, "train", 2))
    record(store, 1, made, outcome="running")
    assert named(store, keep_runs=1) == {}

    record(store, 1, made, outcome="running", process="began at another time")

    assert set(named(store, keep_runs=1)) == {made.path, left}


@pytest.mark.fault(32)
def test_the_draft_of_a_process_whose_pid_another_one_has_now_is_garbage(store: Store) -> None:
    final = publish(store, "train", 1).path
    record(store, 1, publish(store, "train", 1))
    living = draft_beside(final)
    left = living.with_name(living.name.replace(began := processes.process_identity(os.getpid()), f"{began}0"))
    for path in (living, left):
        path.mkdir()

    assert named(store, keep_runs=1) == {left: "left behind by a process that died"}


def test_drafts_are_garbage_once_their_process_is_gone(store: Store, dead_pid: int) -> None:
    beside = publish(store, "train", 1).path.parent
    host = socket.gethostname()
    names = {
        name: f".0123456789abcdef~{pid}~1~{where}"
        for name, pid, where in (
            ("dead", dead_pid, host),
            ("living", os.getpid(), host),
            ("far", dead_pid, "elsewhere.example.org"),
            ("far and old", dead_pid, "old.example.org"),
        )
    }
    for name in names.values():
        (beside / name).mkdir()
        (beside / name / "data.txt").write_text("half")
    age(beside / names["far and old"])
    record(store, 1, publish(store, "train", 1))
    assert named(store, 3) == {
        beside / names[name]: "left behind by a process that died" for name in ("dead", "far and old")
    }


def test_an_old_temporary_file_is_garbage_and_the_stores_own_hidden_file_is_not(store: Store) -> None:
    store.check_writable()
    left = temporary_name(store.root / "prefect.json")
    left.write_text("{")
    assert named(store, 3) == {}
    for path in (left, store.root / ".writable"):
        age(path)
    assert named(store, 3) == {left: "left half-written by a process that died"}


def test_what_is_in_quarantine_is_garbage(store: Store) -> None:
    aside = store.quarantine(publish(store, "train", 1).path)
    assert named(store, 3) == {aside: "quarantined: damaged, or replaced by --refresh"}


def test_naming_garbage_removes_nothing_and_removing_removes_only_that(store: Store) -> None:
    old, new = publish(store, "train", 1), publish(store, "train", 2)
    record(store, 1, old)
    record(store, 2, new)
    shutil.copytree(new.path, store.scratch("old") / "epoch-000001")
    age(store.scratch("old"))
    before = files_below(store.root)
    found = list(garbage(store, keep_runs=1))
    assert files_below(store.root) == before
    assert {item.path for item in found} == {old.path, store.scratch("old")}
    assert sum(item.bytes for item in found) == sum(
        path.stat().st_size for item in found for path in files_below(item.path)
    )
    remove(found)
    gone = {path for path in before if path.is_relative_to(old.path) or path.is_relative_to(store.scratch("old"))}
    assert files_below(store.root) == sorted(set(before) - gone)
    assert list(garbage(store, keep_runs=1)) == []
    assert store.get("train", new.reference["key"])
