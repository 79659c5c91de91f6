"""Care of a shared store: damage found and healed, nothing removed that a machine needs, the cache kept small."""

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gristmill import keys
from gristmill.errors import StoreError
from gristmill.maintenance.local import referenced_artifacts
from gristmill.maintenance.shared import (
    evict,
    remove_shared,
    repair_shared,
    shared_garbage,
    upload_missing,
    verify_shared,
)
from gristmill.registry.registry import Registry
from gristmill.registry.version import Git
from gristmill.runs.records import Record, Runs
from gristmill.store.artifact import Artifact, artifact_name
from gristmill.store.remote.remote import Remote, object_name
from gristmill.store.remote.shared_store import SharedStore
from gristmill.store.store import Store
from gristmill.util.table_io import write_document
from helpers.buckets import age, made_of, names, publish, spoil, write_record

pytest_plugins = ["helpers.shared_store"]

Machine = Callable[[str], SharedStore]
WEIGHTS = object_name(keys.digest_of_bytes(b"weights"))


def manifest_of(name: str) -> str:
    return artifact_name("train", made_of(name).key)


def record(
    store: Store, artifact: Artifact, outcome: Any = "succeeded", days: float = 0, cache: str = "another"
) -> Record:
    """Write the record of a run that began days ago and made one artifact."""
    return write_record(store, dict.fromkeys(("train", "export"), artifact.reference), outcome, days, cache)


def damages(store: Store) -> dict[str, str]:
    """Return what verification finds damaged, by name."""
    found = {str(verdict.path): verdict.damage for verdict in verify_shared(store.remote)}
    return {url.removeprefix(f"{store.remote.bucket.url}/"): damage for url, damage in found.items() if damage}


def unneeded(store: Store, keep_runs: int = 1) -> set[str]:
    """Return the names of what can be removed, after this machine has heard of all runs."""
    Runs(store).pull()
    Registry(store).pull()
    found = shared_garbage(store, store.remote, referenced_artifacts(store, keep_runs))
    return {str(item.path).removeprefix(f"{store.remote.bucket.url}/") for item in found}


def test_every_byte_is_verified_and_damage_named_by_its_url(machine: Machine, shared: str) -> None:
    publish(machine("here"))
    assert damages(machine("there")) == {}
    spoil(shared, WEIGHTS)
    assert damages(machine("there")) == {
        WEIGHTS: f"{shared}/{WEIGHTS}: altered since it was published (its SHA-256 does not hold).",
        manifest_of("a"): f"{shared}/{manifest_of('a')}: names {WEIGHTS}, which is missing or altered.",
    }


@pytest.mark.parametrize(
    ("by", "told", "healed"),
    [
        ("here", "Uploaded again from the cache.", True),
        ("there", "Removed: the next run makes it again, or a machine that has it shares it.", False),
    ],
)
def test_damage_is_healed_by_a_machine_that_has_it_and_else_removed(
    machine: Machine, shared: str, by: str, told: str, healed: bool
) -> None:
    made = publish(machine("here"))
    spoil(shared, WEIGHTS)
    store = machine(by)

    repaired = [repair_shared(verdict, store, store.remote) for verdict in list(verify_shared(store.remote))]

    assert [verdict.repair for verdict in repaired if verdict.damage] == ["Removed.", told]
    assert damages(store) == {}
    assert (machine("third").get("train", made_of().key) is not None) is healed
    upload_missing(machine("here"), [made.reference])  # as a run does that finds it in its cache
    assert machine("fourth").get("train", made_of().key)


def test_a_damaged_file_of_the_registry_is_written_again(machine: Machine, shared: str) -> None:
    here = machine("here")
    with here.draft(made_of("a", "export")) as draft:
        write_document(draft.path / "scores.json", {})
        made = here.publish(draft, made_of("a", "export"))
    Registry(here).register(record(here, made), {}, Git(), {})
    name = "registry/small/versions/000001.json"
    spoil(shared, name)
    assert list(damages(here)) == [name]

    for verdict in list(verify_shared(here.remote)):
        repair_shared(verdict, here, here.remote)

    assert damages(here) == {}


def test_what_no_run_of_any_machine_needs_is_named_and_objects_only_a_day_later(machine: Machine, shared: str) -> None:
    here, there = machine("here"), machine("there")
    old, new = publish(here, "old", "weights of old"), publish(there, "new")
    record(here, old, days=3)
    record(there, new, days=1)
    assert unneeded(here) == set()  # the manifest is younger than an hour: of a run that begins now, it may be
    for name in names(shared):
        age(shared, name)
    publish(here, "young")
    young = object_name(keys.digest_of_bytes(b"young"))

    third = machine("third")
    assert unneeded(third) == {
        manifest_of("old"),
        object_name(keys.digest_of_bytes(b"weights of old")),
        object_name(keys.digest_of_bytes(b"old")),
    }
    for item in list(shared_garbage(third, third.remote, referenced_artifacts(third, 1))):
        remove_shared(item, third.remote)
    assert unneeded(third) == set()
    assert young in names(shared)
    assert damages(third) == {}
    assert third.get("train", made_of("new").key)
    assert third.get("train", made_of("old").key) is None


def test_what_is_made_while_a_run_is_under_way_stays(machine: Machine, shared: str) -> None:
    here = machine("here")
    publish(here, "made")
    age(shared, manifest_of("made"))
    record(here, publish(here, "other"), "running", days=3)
    assert unneeded(machine("there")) == set()


def test_an_old_object_that_is_uploaded_again_is_young(machine: Machine, shared: str) -> None:
    publish(machine("here"), "a")
    for name in names(shared):
        age(shared, name)
    there = machine("there")
    named = [item for item in shared_garbage(there, there.remote, []) if str(item.path).endswith(WEIGHTS)]
    publish(there, "b")  # which has the same weights, and uploads them anew

    for item in named:
        remove_shared(item, there.remote)

    assert machine("third").get("train", made_of("b").key)


def test_nothing_is_removed_where_a_record_of_another_machine_is_not_known(machine: Machine) -> None:
    record(machine("here"), publish(machine("here")))
    there = machine("there")
    with pytest.raises(StoreError, match=r"is on the shared store and not in the cache\. Nothing was removed"):
        list(shared_garbage(there, there.remote, []))


def in_cache(store: Store) -> list[str]:
    return sorted(name for name in "abc" if store.path("train", made_of(name).key).exists())


def limited(machine: Machine, shared: str, artifacts: float) -> Store:
    """Return the store of a machine whose cache holds so many of three artifacts of one size, a the last one used."""
    store = machine("here")
    sizes = {publish(store, name, "x" * 1000).bytes for name in "abc"}
    for when, name in enumerate("bca"):
        os.utime(store.path("train", made_of(name).key), (1e9 + when, 1e9 + when))
    return SharedStore(store.root, Remote(shared, max(sizes) * artifacts))


def test_the_least_recently_used_go_first_until_the_rest_fits(machine: Machine, shared: str) -> None:
    store = limited(machine, shared, 2)
    assert [item.path for item in evict(store, dry_run=True)] == [store.path("train", made_of("b").key)]
    assert in_cache(store) == ["a", "b", "c"]
    evict(store)
    assert in_cache(store) == ["a", "c"]
    assert evict(store) == []
    assert store.get("train", made_of("b").key)  # fetched, and the one that was used last
    evict(store)
    assert in_cache(store) == ["a", "b"]
    assert not list(Path(store.root / "train").glob("*/.*"))


def test_what_the_shared_store_lacks_stays_in_the_cache(machine: Machine, shared: str) -> None:
    store = limited(machine, shared, 0.5)
    Remote(shared).bucket.remove(manifest_of("b"))
    evict(store)
    assert in_cache(store) == ["b"]


def test_what_was_used_since_a_run_here_began_stays(machine: Machine, shared: str) -> None:
    store = limited(machine, shared, 0.5)
    record(store, publish(store, "d"), "running", cache=store.cache)
    assert store.get("train", made_of("a").key)
    evict(store)
    assert in_cache(store) == ["a"]


@pytest.mark.fault(32)
@pytest.mark.parametrize(("process", "kept"), [("", ["a", "b", "c"]), ("began at another time", [])])
def test_a_run_whose_pid_another_process_has_now_keeps_nothing_in_the_cache(
    machine: Machine, shared: str, process: str, kept: list[str]
) -> None:
    store = limited(machine, shared, 0.5)
    write_record(store, {}, "running", 1e4, store.cache, socket.gethostname(), process)
    evict(store)
    assert in_cache(store) == kept


def test_a_cache_without_a_limit_keeps_all(machine: Machine) -> None:
    publish(machine("here"))
    assert evict(machine("here")) == []
