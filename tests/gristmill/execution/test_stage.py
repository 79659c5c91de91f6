"""What every stage's task does: the store first, the core on a miss, and nothing published that is not sound."""

import contextlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, NoReturn

import pytest

from conftest import SMALL
from gristmill.config.catalogue import load
from gristmill.config.domains import DOMAINS, domain_of
from gristmill.domains.timeseries import ingest
from gristmill.errors import DataError, SourceChanged, WorkError
from gristmill.execution.chunks import StageChunk
from gristmill.execution.run import Run
from gristmill.execution.stage import _make_chunks, make, record_stage
from gristmill.keys import digest_of_file
from gristmill.runs.plan import FAILED
from gristmill.runs.records import Record, Runs
from gristmill.store.store import Store
from gristmill.tasks.run import recorded_run
from gristmill.tasks.stage_tasks import produce
from helpers.failing import without_locks
from helpers.scoreboard import Fault
from helpers.support import (
    STAGE_NAMES,
    Forked,
    assert_all_whole,
    edit,
    made,
    nothing,
    published,
    records,
    write_project,
)

pytest_plugins = ["helpers.end_to_end"]

Core = Callable[..., dict[str, int]]
CLUSTER = '[runner]\nkind = "dask"\naddress = "tcp://head:8786"\n'


@contextlib.contextmanager
def opened(project: Path, refresh: str | None = None) -> Iterator[Run]:
    """Open a run of the small pipeline."""
    with recorded_run("small", [], refresh, str(project)) as run:
        yield run


def reference_of(result: Any) -> Any:
    """Return what `produce` gives the flow: the reference itself, or what its Cached state holds."""
    return result if isinstance(result, dict) else result.data


def never(**arguments: Any) -> NoReturn:
    """Stand in for a core function that must not be called."""
    raise AssertionError("the core was called")


def drafts(project: Path) -> list[Path]:
    """Return the folders of artifacts that are being built."""
    return list(project.glob("data/store/*/??/.*~*"))


def test_a_miss_is_made_and_a_hit_is_a_cached_state_with_the_same_reference(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(project) as run:
        first = produce(run, "ingest", {})
    monkeypatch.setattr(ingest, "ingest", never)
    with opened(project) as run:
        second: Any = produce(run, "ingest", {})

    assert (second.name, second.is_completed(), second.data) == ("Cached", True, first)
    assert Store(project / "data/store").open_verified(first).counts["rows"] == 300
    assert [record.stages["ingest"].cached for record in records(project)] == [False, True]
    assert [record.outcome for record in records(project)] == ["succeeded", "succeeded"]


@pytest.mark.fault(18)
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda file: file.touch(), id="touched"),
        pytest.param(lambda file: file.write_text(file.read_text() + "1774-01,50.0\n"), id="appended to"),
        pytest.param(lambda file: file.write_text(file.read_text().replace("58.0", "85.0")), id="rewritten"),
        pytest.param(lambda file: file.unlink(), id="removed"),
    ],
)
def test_a_source_that_changes_while_it_is_read_is_never_cached(
    project: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None]
) -> None:
    series, real = project / "series.csv", ingest.ingest

    def slow(**arguments: Any) -> dict[str, int]:
        counts = real(**arguments)
        change(series)
        return counts

    monkeypatch.setattr(ingest, "ingest", slow)

    with (
        pytest.raises(SourceChanged, match=rf"^{series}: changed while it was read\. Run again"),
        opened(project) as run,
    ):
        produce(run, "ingest", {})

    assert published(project / "data/store", "ingest") == drafts(project) == []
    (record,) = records(project)
    assert (record.outcome, record.stages) == ("failed", {})
    if series.exists():
        monkeypatch.setattr(ingest, "ingest", real)
        with opened(project) as run:
            artifact = run.catalogue.store.open_verified(reference_of(produce(run, "ingest", {})))
        assert artifact.manifest["made_of"]["inputs"] == {"source.path": digest_of_file(series)}


@pytest.mark.fault(18)
@pytest.mark.parametrize("change", ["joins", "leaves"])
def test_a_folder_whose_files_come_or_go_while_they_are_read_is_never_cached(
    project: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    folder, real = project / "series", ingest.ingest
    folder.mkdir()
    (project / "series.csv").rename(folder / "a.csv")
    (folder / "b.csv").write_text("month,sunspots\n1774-01,50.0\n")
    edit(project / "pipelines.toml", 'path = "series.csv"', 'path = "series"')

    def slow(**arguments: Any) -> dict[str, int]:
        counts = real(**arguments)
        (folder / "c.csv").touch() if change == "joins" else (folder / "b.csv").unlink()
        return counts

    with opened(project) as run:
        assert run.catalogue.store.open_verified(reference_of(produce(run, "ingest", {}))).counts["rows"] == 301
    (folder / "b.csv").write_text("month,sunspots\n1774-01,60.0\n")
    monkeypatch.setattr(ingest, "ingest", slow)
    told = r"source\.path: files were added or removed meanwhile" if change == "joins" else r"b\.csv: changed while"
    with pytest.raises(SourceChanged, match=told), opened(project) as run:
        produce(run, "ingest", {})

    assert len(published(project / "data/store", "ingest")) == 1


def test_a_url_is_fetched_on_a_miss_and_needed_no_more_on_a_hit(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    sha256 = digest_of_file(project / "series.csv")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=project)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        place = f'path = "http://127.0.0.1:{server.server_port}/series.csv"\nsha256 = "{sha256}"'
        edit(project / "pipelines.toml", 'path = "series.csv"', place)
        with opened(project) as run:
            first = reference_of(produce(run, "ingest", {}))
        server.shutdown()

    (project / "data/store/downloads" / sha256 / "series.csv").unlink()
    with opened(project) as run:
        assert reference_of(produce(run, "ingest", {})) == first
    assert run.catalogue.store.open_verified(first).manifest["made_of"]["inputs"] == {"source.path": sha256}


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_a_core_that_fails_leaves_nothing_behind(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*, out: Path, **arguments: Any) -> NoReturn:
        (out / "half.parquet").write_bytes(b"half")
        raise DataError("no good")

    monkeypatch.setattr(ingest, "ingest", failing)

    with pytest.raises(DataError, match="no good"), opened(project) as run:
        produce(run, "ingest", {})

    assert published(project / "data/store", "ingest") == drafts(project) == []
    (record,) = records(project)
    assert (record.outcome, record.error) == ("failed", "DataError: no good")


def test_an_interrupted_run_is_recorded_as_such(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(**arguments: Any) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(ingest, "ingest", interrupted)

    with pytest.raises(KeyboardInterrupt), opened(project) as run:
        produce(run, "ingest", {})

    (record,) = records(project)
    assert (record.outcome, record.error) == ("interrupted", None)
    assert drafts(project) == []


def test_refresh_replaces_a_sound_result_and_keeps_the_old_one_aside(project: Path) -> None:
    with opened(project) as run:
        first = produce(run, "ingest", {})
    store = Store(project / "data/store")
    before = store.open_verified(first).path.stat().st_ino

    with opened(project, refresh="ingest") as run:
        second = produce(run, "ingest", {})

    assert second == first  # the same bytes
    assert store.open_verified(second).path.stat().st_ino != before
    (aside,) = (project / "data/store/quarantine").iterdir()
    assert aside.stat().st_ino == before
    assert [record.stages["ingest"].cached for record in records(project)] == [False, False]


def test_refresh_of_another_stage_leaves_this_one_alone(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(project) as run:
        first = produce(run, "ingest", {})
    monkeypatch.setattr(ingest, "ingest", never)

    with opened(project, refresh="train") as run:
        assert reference_of(produce(run, "ingest", {})) == first


def test_a_result_made_by_another_run_while_this_one_waits_for_the_lock_is_taken(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_lock, real_core = Store.lock, ingest.ingest
    made_by_other: list[Any] = []

    @contextlib.contextmanager
    def lock_held_by_another(store: Store, key: str) -> Iterator[None]:
        monkeypatch.setattr(Store, "lock", real_lock)
        monkeypatch.setattr(ingest, "ingest", real_core)
        with opened(project) as other:
            made_by_other.append(produce(other, "ingest", {}))
        monkeypatch.setattr(ingest, "ingest", never)
        with real_lock(store, key):
            yield

    monkeypatch.setattr(Store, "lock", lock_held_by_another)
    monkeypatch.setattr(ingest, "ingest", never)

    with opened(project) as run:
        taken: Any = produce(run, "ingest", {})

    assert [taken.data] == made_by_other
    assert taken.name == "Cached"
    assert Runs(run.catalogue.store).read("small", run.id).stages["ingest"].cached is True
    assert drafts(project) == []
    assert len(published(project / "data/store", "ingest")) == 1


def test_a_candidate_that_failed_is_left_out_in_every_line(project: Path, caplog: pytest.LogCaptureFixture) -> None:
    with opened(project) as run, caplog.at_level(logging.INFO, "gristmill.execution.stage"):
        artifact, _ = make(run, "ingest", {})
        failed = replace(artifact, manifest=artifact.manifest | {"counts": {FAILED: 1}})
        for cached in (False, True):
            record_stage(run, "train ets", failed, cached, seconds=1.0)
    assert caplog.messages == ["train ets  done in 1.0 s (left out)", "train ets  fresh (left out)"]


@pytest.mark.fault(11)
def test_a_damaged_result_is_made_again_and_put_aside(project: Path, caplog: pytest.LogCaptureFixture) -> None:
    with opened(project) as run:
        first = produce(run, "ingest", {})
    store = Store(project / "data/store")
    table = store.open_verified(first).path / "series.parquet"
    table.unlink()

    with opened(project) as run:
        second = produce(run, "ingest", {})

    assert second == first
    assert table.is_file()
    assert_all_whole(store.root)
    assert len(list((store.root / "quarantine").iterdir())) == 1
    assert records(project)[-1].stages["ingest"].cached is False


@pytest.mark.slow
@pytest.mark.fault(12)
def test_processes_that_run_the_same_pipeline_at_once_make_each_artifact_once(project: Path, forked: Forked) -> None:
    written = run_at_once(project, forked, 8 if Fault.full else 4)

    assert sorted(stage for record in written for stage in made(record)) == sorted(STAGE_NAMES)


@pytest.mark.slow
@pytest.mark.fault(13)
def test_processes_whose_locks_do_nothing_keep_one_artifact_of_each_key(project: Path, forked: Forked) -> None:
    run_at_once(project, forked, 8 if Fault.full else 2, without_locks)


def run_at_once(project: Path, forked: Forked, processes: int, first: Callable[[], None] = nothing) -> list[Record]:
    """Run the small pipeline in many processes, each of which succeeds with the same artifacts; return the records."""
    write_project(project, SMALL)
    running = [forked.start(project, "run", "small", first=first) for _ in range(processes)]
    for process in running:
        process.join(300)
    assert [process.exitcode for process in running] == [0] * processes, (project / "err").read_text()
    store, written = project / "data/store", records(project)
    assert_all_whole(store)
    assert [len(published(store, stage)) for stage in STAGE_NAMES] == [1] * len(STAGE_NAMES)
    assert [record.outcome for record in written] == ["succeeded"] * processes
    assert all(record.references == written[0].references for record in written)
    assert drafts(project) == []
    return written


def test_a_piece_that_would_be_another_than_the_one_asked_for_is_not_made(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(project) as run:
        made_there, _ = make(run, "ingest", {}, requested=None)
        toml = project / "pipelines.toml"
        toml.write_text(toml.read_text().replace('time = "month"', 'time = "month"\ngaps = "interpolate"'))
        monkeypatch.setattr(ingest, "ingest", never)
        changed = replace(run, catalogue=load(project), pipeline=load(project).pipeline("small"))

        with pytest.raises(WorkError, match=r"pipelines\.toml, the data or the code have changed .* Run again\."):
            make(changed, "ingest", {}, requested=StageChunk("ingest", made_there.reference["key"]))
        assert make(run, "ingest", {}, requested=StageChunk("ingest", made_there.reference["key"]))[1]


def test_only_chunks_that_are_missing_are_asked_for(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Any, list[str]]] = []

    def by_workers(run: Any, inputs: Any, pieces: Any) -> Iterator[Any]:
        asked.append((inputs, [piece.key for piece in pieces]))
        yield from ((piece, artifact, True, 0.0) for piece in pieces)

    monkeypatch.setattr("gristmill.execution.stage.make_with_workers", by_workers)
    with opened(project) as run:
        series = produce(run, "ingest", {})
        artifact = run.catalogue.store.open_verified(series)
        _make_chunks(run, "preprocess", {"ingest": series}, 2)

        there = {asked[0][1][0]: artifact}
        monkeypatch.setattr(
            "gristmill.execution.stage.find_cached",
            lambda run, stage, identity: None if run.refresh else there.get(identity.key),
        )
        _make_chunks(run, "preprocess", {"ingest": series}, 2)
        _make_chunks(replace(run, refresh="preprocess"), "preprocess", {"ingest": series}, 2)

    (inputs, keys), *others = asked
    assert inputs == {"ingest": series}
    assert others == [(inputs, keys[1:]), (inputs, keys)]
    assert len(set(keys)) == 2


@pytest.mark.parametrize(
    ("runner", "jobs", "spread"),
    [
        ("", 2, set()),
        ("[runner]\nworkers = 2\n", None, set()),
        ('[runner]\nkind = "dask"\n', None, set()),
        (CLUSTER, 1, set()),
        (CLUSTER, None, {"text preprocess", "vision preprocess", "vision features"}),
    ],
)
def test_chunks_are_made_on_other_machines_only(runner: str, jobs: int | None, spread: set[str], project: Path) -> None:
    (project / "pipelines.toml").write_text(runner + SMALL)

    with recorded_run("small", [], None, str(project), jobs=jobs) as run:
        found = {
            f"{domain} {stage.name}"
            for domain in DOMAINS
            for stage in domain_of(domain).stages
            if run.uses_workers(stage)
        }

    assert found == spread
