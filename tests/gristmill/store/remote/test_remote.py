"""Artifacts on a shared store: whole or not to be seen, the same for all machines, never used where damaged."""

import asyncio
import errno
import itertools
import json
import multiprocessing
import os
import signal
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fsspec.asyn import sync_wrapper
from s3fs import S3FileSystem

from gristmill import keys
from gristmill.errors import CorruptArtifact, RequestError, StoreError
from gristmill.registry.registry import Registry
from gristmill.runs.records import Runs
from gristmill.store.artifact import MANIFEST, artifact_name
from gristmill.store.remote import remote
from gristmill.store.remote.bucket import Bucket
from gristmill.store.remote.remote import Remote, object_name
from gristmill.store.remote.shared_store import SharedStore
from gristmill.util.files import files_below
from helpers.buckets import made_of, names, publish, spoil
from helpers.support import heard, said

pytest_plugins = ["helpers.shared_store"]

Machine = Callable[[str], SharedStore]
NAME = artifact_name("train", made_of().key)
METHODS = ("cat_file", "pipe_file", "put", "get", "info", "find", "rm_file", "protocol")  # those that we use
WEIGHTS = object_name(keys.digest_of_bytes(b"weights"))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files_below(folder)}


def test_what_one_machine_makes_another_one_finds(machine: Machine) -> None:
    made = publish(machine("here"))

    found = machine("there").get("train", made_of().key)

    assert found is not None
    assert (found.reference, found.manifest) == (made.reference, made.manifest)
    assert found.path == machine("there").path("train", made_of().key)
    assert contents(found.path) == contents(made.path)
    assert machine("there").open_verified(made.reference).path == found.path
    assert [path.name for path in found.path.parent.iterdir()] == [found.path.name]


def test_what_nobody_made_nobody_finds(machine: Machine) -> None:
    assert machine("here").get("train", made_of().key) is None
    with pytest.raises(CorruptArtifact, match=r"manifest.json: cannot be read"):
        machine("here").open_verified({"stage": "train", "key": made_of().key, "digest": "none"})


def test_equal_bytes_are_there_once(machine: Machine, shared: str) -> None:
    for name in ("a", "b"):
        publish(machine("here"), name)
    assert len(names(shared, "artifacts")) == 2
    assert len(names(shared, "objects")) == 4  # the weights, nothing, and two names


def test_what_is_here_is_found_without_a_request(machine: Machine, request: pytest.FixtureRequest) -> None:
    made = publish(machine("here"))
    request.getfixturevalue("unreachable")
    here = machine("here")
    found = here.get("train", made_of().key)
    assert found is not None
    assert here.open_verified(found.reference).reference == made.reference


def test_of_two_machines_that_make_one_artifact_both_end_with_the_first_ones(machine: Machine) -> None:
    here, there = machine("here"), machine("there")
    with there.draft(made_of()) as draft:
        (draft.path / "weights").write_text("second")
        first = publish(here)
        second = there.publish(draft, made_of())

    assert second.reference == first.reference
    assert contents(second.path) == contents(first.path)
    found = machine("third").get("train", made_of().key)
    assert found is not None
    assert found.reference == first.reference


def publish_with_another(root: Path, url: str, content: str, begin: Barrier) -> None:
    """Publish as soon as another process does, too."""
    store = SharedStore(root, Remote(url))
    with store.draft(made_of()) as draft:
        (draft.path / "weights").write_text(content)
        begin.wait()
        store.publish(draft, made_of())


@pytest.mark.slow
def test_of_processes_that_publish_at_the_same_time_all_end_with_one_result(machine: Machine, shared: str) -> None:
    processes, machines = multiprocessing.get_context("spawn"), ["here", "there", "third"]
    begin = processes.Barrier(len(machines))
    started = [
        processes.Process(target=publish_with_another, args=(machine(name).root, shared, name, begin))
        for name in machines
    ]
    for process in started:
        process.start()
    for process in started:
        process.join()

    assert [process.exitcode for process in started] == [0, 0, 0]
    found = [machine(name).get("train", made_of().key) for name in machines]
    assert len({artifact.reference["digest"] for artifact in found if artifact}) == 1
    assert len({(artifact.path / "weights").read_text() for artifact in found if artifact}) == 1
    assert all(found)


def test_a_machine_that_loses_in_the_last_moment_takes_the_winners(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = machine("here"), machine("there")
    create = there.remote.bucket.create

    def create_later(name: str, content: bytes) -> bool:
        publish(here)
        return create(name, content)

    monkeypatch.setattr(there.remote.bucket, "create", create_later)
    second = publish(there, content="second")
    assert second.reference == here.open_verified(second.reference).reference
    assert (second.path / "inner/weights").read_text() == "weights"


def test_a_result_made_again_by_request_takes_the_others_place(machine: Machine) -> None:
    here, there = machine("here"), machine("there")
    old = publish(here)
    assert there.get("train", made_of().key)
    new = publish(here, content="other weights", replace=True)

    assert there.open_verified(old.reference).reference == old.reference  # which is still here
    assert (
        there.open_verified(new.reference).reference == new.reference
    )  # which a record of the other machine refers to
    with pytest.raises(CorruptArtifact, match="it was refreshed since"):
        there.open_verified(old.reference)


@pytest.mark.parametrize("damaged", [WEIGHTS, NAME])
def test_a_flipped_bit_on_the_server_is_never_used_and_is_healed(
    machine: Machine, shared: str, caplog: pytest.LogCaptureFixture, damaged: str
) -> None:
    made = publish(machine("here"))
    spoil(shared, damaged)

    with heard(caplog):
        assert machine("there").get("train", made_of().key) is None

    (warning,) = said(caplog)
    assert warning.startswith(f"{shared}/{damaged}: ")
    assert warning.endswith("Removed from the shared store, with its manifest; it is not used.")
    assert list((machine("there").root / "train").glob("*/*")) == []
    assert NAME not in names(shared)
    again = publish(machine("there"))  # as the stage does that found none
    assert again.reference == made.reference
    assert machine("third").get("train", made_of().key)


def test_an_object_that_is_gone_is_healed_by_who_has_it(
    machine: Machine, shared: str, caplog: pytest.LogCaptureFixture
) -> None:
    made = publish(machine("here"))
    Remote(shared).bucket.remove(WEIGHTS)
    with heard(caplog):
        assert machine("there").get("train", made_of().key) is None
    assert said(caplog)[0].startswith(f"{shared}/{WEIGHTS}: gone, though a manifest names it.")

    machine("here").share(made, NAME)

    assert machine("there").get("train", made_of().key)


def test_what_is_damaged_here_is_fetched_again(machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    here = machine("here")
    made = publish(here)
    (made.path / "inner/weights").write_text("damaged")

    with heard(caplog):
        found = here.get("train", made_of().key)

    assert found is not None
    assert (found.path / "inner/weights").read_text() == "weights"
    assert [path.is_dir() for path in (here.root / "quarantine").iterdir()] == [True]
    (made.path / MANIFEST).unlink()
    assert here.open_verified(made.reference).reference == made.reference


@pytest.mark.parametrize("file", ["../outside", "/outside", MANIFEST, "inner/../../outside"])
def test_a_manifest_that_names_files_elsewhere_is_refused(
    machine: Machine, shared: str, caplog: pytest.LogCaptureFixture, file: str
) -> None:
    publish(machine("here"))
    bucket = Remote(shared).bucket
    manifest: dict[str, Any] = json.loads(bucket.read(NAME) or b"")
    del manifest["seal"]
    manifest["files"] = {file: manifest["files"]["inner/weights"]}
    bucket.write(NAME, json.dumps(manifest | {"seal": keys.digest_of(manifest)}).encode())

    with heard(caplog):
        assert machine("there").get("train", made_of().key) is None

    assert "names files that lie outside of its folder." in said(caplog)[0]
    assert not list(machine("there").root.parent.glob("**/outside"))


def upload_until_killed(root: Path, url: str, objects: int) -> None:
    """Publish, and be killed when so many of three objects are there."""
    store, put, sent = SharedStore(root, Remote(url)), S3FileSystem._put_file, asyncio.Semaphore(0)
    numbers = itertools.count(1)

    def die(*_: object) -> bool:
        os.kill(os.getpid(), signal.SIGKILL)
        return False

    async def put_until(fs: S3FileSystem, *arguments: Any, **options: Any) -> None:
        if next(numbers) > objects:
            for _ in range(objects):
                await sent.acquire()
            die()
        await put(fs, *arguments, **options)
        sent.release()

    S3FileSystem._put_file = put_until
    store.remote.bucket.create = die  # type: ignore[method-assign]
    publish(store)


@pytest.mark.slow
@pytest.mark.parametrize("objects", [0, 1, 3])
def test_an_upload_that_is_killed_is_invisible_and_the_next_one_heals(
    machine: Machine, shared: str, objects: int
) -> None:
    process = multiprocessing.get_context("spawn").Process(
        target=upload_until_killed, args=(machine("here").root, shared, objects)
    )
    process.start()
    process.join()

    assert process.exitcode == -signal.SIGKILL
    assert len(names(shared, "objects")) == objects
    assert machine("here").get("train", made_of().key) is None
    assert machine("there").get("train", made_of().key) is None
    made = publish(machine("here"))
    found = machine("there").get("train", made_of().key)
    assert found is not None
    assert found.reference == made.reference


def test_a_server_that_cannot_be_reached_is_one_line(unreachable: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError) as raised:
        SharedStore(tmp_path / "cache", Remote(unreachable)).get("train", made_of().key)
    message = str(raised.value)
    assert message.startswith(f"{unreachable}: the shared store cannot be reached (Could not connect to the endpoint")
    assert message.endswith("Check the network, AWS_ENDPOINT_URL and the credentials, and run again.")
    assert "\n" not in message


def test_a_bucket_that_does_not_exist_is_an_error_and_no_folder_becomes_its_cache(shared: str, tmp_path: Path) -> None:
    store = SharedStore(tmp_path / "cache", Remote("s3://no-such-bucket/prefix"))
    said = r"^s3://no-such-bucket/prefix: The specified bucket does not exist\. Create it, or correct GRISTMILL_STORE"
    for use in (
        store.check_writable,
        Runs(store).pull,
        Registry(store).pull,
        lambda: store.get_remote_aware("train", NAME),
    ):
        with pytest.raises(RequestError, match=said):
            use()
    assert not (store.root / "shared-with").exists()

    assert publish(SharedStore(store.root, Remote(shared)))  # a store that nobody has used before
    assert (store.root / "shared-with").read_text() == shared


@pytest.mark.parametrize("read", ["read", "list_files"])
def test_a_bucket_that_does_not_exist_is_not_an_empty_one(shared: str, read: str) -> None:
    assert not getattr(Bucket(shared), read)("runs")
    with pytest.raises(StoreError, match="The specified bucket does not exist"):
        getattr(Bucket("s3://no-such-bucket/prefix"), read)("runs")


def test_a_missing_file_takes_one_request_to_read_and_two_to_find(shared: str, monkeypatch: pytest.MonkeyPatch) -> None:
    requests: list[str] = []
    send = S3FileSystem._call_s3

    def count(fs: S3FileSystem, method: str, *given: Any, **named: Any) -> Any:
        requests.append(method)
        return send(fs, method, *given, **named)

    monkeypatch.setattr(S3FileSystem, "_call_s3", count)
    monkeypatch.setattr(S3FileSystem, "call_s3", sync_wrapper(count))
    bucket = Bucket(shared)

    assert (bucket.read("none"), bucket.read_all(["none"]), bucket.size_and_age("none")) == (None, {}, None)
    assert requests == ["get_object", "get_object", "head_object", "list_objects_v2"]


def test_files_of_a_bucket_that_does_not_exist_are_not_just_left_out(shared: str) -> None:
    assert Bucket(shared).read_all(["runs"]) == {}
    with pytest.raises(StoreError, match="The specified bucket does not exist"):
        Bucket("s3://no-such-bucket/prefix").read_all(["runs"])


def test_a_server_that_overwrites_what_is_to_be_created_is_refused(
    machine: Machine, shared: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine("here").check_writable()
    assert names(shared) == []
    pipe_file = S3FileSystem._pipe_file

    async def overwrite(self: Any, path: str, data: bytes, mode: str = "create", **more: Any) -> Any:
        return await pipe_file(self, path, data, mode="overwrite", **more)

    monkeypatch.setattr(S3FileSystem, "_pipe_file", overwrite)
    S3FileSystem.clear_instance_cache()  # of those that have the method already
    with pytest.raises(StoreError, match="Two machines would overwrite each other's results"):
        machine("here").check_writable()
    assert names(shared) == []
    S3FileSystem.clear_instance_cache()


def test_a_look_leaves_the_files_where_they_are_and_asks_once(machine: Machine, shared: str, tmp_path: Path) -> None:
    made = publish(machine("here"))
    there = machine("there")

    seen = there.get_remote_aware("train", made_of().key)

    assert seen is not None
    assert (seen.reference, seen.manifest) == (made.reference, made.manifest)
    assert list(there.artifacts()) == []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Remote, "manifest", None)
        assert there.get_remote_aware("train", made_of().key) == seen
    (tmp_path / "there/shared-with").unlink()  # which makes it the cache of another store
    assert SharedStore(tmp_path / "there", Remote(f"{shared}-another")).get_remote_aware("train", made_of().key) is None
    assert there.open_verified(seen.reference).path == there.path("train", made_of().key)


def test_what_was_seen_and_is_gone_is_forgotten_when_it_is_wanted(machine: Machine, shared: str) -> None:
    made, there = publish(machine("here")), machine("there")
    assert there.get_remote_aware("train", made_of().key)
    Remote(shared).bucket.remove(NAME)

    assert there.get_remote_aware("train", made_of().key, anew=True) is None
    assert there.get_remote_aware("train", made_of().key)  # as it was seen
    with pytest.raises(CorruptArtifact, match=r"manifest.json: cannot be read"):
        there.open_verified(made.reference)
    assert there.get_remote_aware("train", made_of().key) is None


def test_a_server_that_comes_back_gets_what_was_made_meanwhile(
    machine: Machine, shared: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(remote, "_PAUSES", (0, 0))
    attempts = iter([StoreError("away."), StoreError("away."), None])
    pushed = Remote._pushed

    def flaky(self: Remote, *arguments: Any) -> bool:
        if failure := next(attempts):
            raise failure
        return pushed(self, *arguments)

    monkeypatch.setattr(Remote, "_pushed", flaky)
    with heard(caplog):
        made = publish(machine("here"))

    assert said(caplog) == ["away. Trying again in 0 s."]
    assert machine("there").open_verified(made.reference).reference == made.reference


def test_who_waited_while_another_fetched_takes_what_that_one_has(machine: Machine, shared: str) -> None:
    made, there = publish(machine("here")), machine("there")
    fetched = there.open_verified(made.reference)
    Remote(shared).bucket.remove(NAME)

    again = there.fetch(NAME, "train", made_of().key, fetched.path, made.reference["digest"])

    assert again is not None
    assert again.reference == made.reference
    assert not list((there.root / "quarantine").glob("*"))


def test_a_full_disk_of_this_machine_is_told_as_such(
    machine: Machine, shared: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    publish(machine("here"))

    def full(*arguments: Any, **options: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(tmp_path / "there/train/file"))

    answer_by(monkeypatch, get=full)
    there = machine("there")

    with pytest.raises(StoreError, match=rf"{tmp_path}/there: the disk is full"):
        there.get("train", made_of().key)
    assert there.get_remote_aware("train", made_of().key)  # the server is asked as before


@pytest.mark.parametrize(
    ("code", "raised"),
    [("PreconditionFailed", OSError(22, "other words")), ("ConditionalRequestConflict", OSError(5, "io"))],
)
def test_who_was_first_is_told_by_the_code_of_any_server(
    machine: Machine, shared: str, monkeypatch: pytest.MonkeyPatch, code: str, raised: OSError
) -> None:
    bucket = Remote(shared).bucket
    assert bucket.create("one", b"first")
    create, answers = bucket._open()[0].pipe_file, iter([code])

    def answering(*arguments: Any, **options: Any) -> Any:
        if said := next(answers, None):
            raise raised from Refused(said)
        return create(*arguments, **options)

    answer_by(monkeypatch, pipe_file=answering)

    assert not bucket.create("one", b"second")
    assert next(answers, None) is None  # it was answered so


def answer_by(monkeypatch: pytest.MonkeyPatch, **methods: Callable[..., Any]) -> None:
    """Have some methods of the file system of every bucket be others."""
    opened = Bucket._open

    def open_with(self: Bucket) -> tuple[Any, str]:
        fs, root = opened(self)
        return SimpleNamespace(**{name: getattr(fs, name) for name in METHODS} | methods), root

    monkeypatch.setattr(Bucket, "_open", open_with)


class Refused(Exception):
    """What botocore raises: an error with the server's answer."""

    def __init__(self, code: str) -> None:
        self.response = {"Error": {"Code": code}}
