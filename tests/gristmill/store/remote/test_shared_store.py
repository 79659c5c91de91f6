"""Versions, promotions and run records of a shared store: each number is one machine's, and none is lost."""

import itertools
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gristmill.errors import RequestError, StoreError
from gristmill.maintenance.local import verify_registry
from gristmill.registry.promotions import Promotion
from gristmill.registry.registry import Registry
from gristmill.registry.version import Git
from gristmill.runs.records import Record, Runs
from gristmill.store.remote.remote import Remote
from gristmill.store.remote.shared_store import SharedStore
from gristmill.store.store import Store
from gristmill.util.table_io import write_document
from helpers.buckets import made_of, names, publish, write_record
from helpers.support import heard, said

pytest_plugins = ["helpers.shared_store"]

Machine = Callable[[str], SharedStore]


def record(store: Store, name: str = "a", outcome: Any = "succeeded") -> Record:
    """Write the record of a run whose bundle is an artifact of this name."""
    return write_record(store, {"export": exported(store, name)}, outcome)


def exported(store: Store, name: str) -> Any:
    """Publish an artifact that has scores."""
    with store.draft(made_of(name, "export")) as draft:
        write_document(draft.path / "scores.json", {"name": name})
        return store.publish(draft, made_of(name, "export")).reference


def register(store: Store, name: str) -> int:
    return Registry(store).register(record(store, name), {}, Git(), {"verdict": "promoted"}).number


def test_a_version_of_one_machine_serves_on_another(machine: Machine) -> None:
    here, there = machine("here"), machine("there")
    number = register(here, "a")
    Registry(here).promote("small", number, "asked for")

    registry = Registry(there)
    assert registry.champion("small") is None
    registry.pull("small")

    champion = registry.champion("small", verified=True)
    assert champion is not None
    assert champion.number == number
    assert (registry.folder(champion) / "scores.json").read_text() == (
        Registry(here).folder(champion) / "scores.json"
    ).read_text()
    assert [promotion.why for promotion in registry.promotions("small")] == ["asked for"]
    assert register(there, "a") == number  # the same bundle is the same version, whoever registers it
    assert register(there, "b") == number + 1


def test_a_number_that_another_machine_took_is_not_given_twice(machine: Machine) -> None:
    here, there = machine("here"), machine("there")
    assert [register(here, "a"), register(there, "b"), register(here, "c")] == [1, 2, 3]
    Registry(there).pull("small")
    assert [version.number for version in Registry(there).versions("small")] == [3, 2, 1]


def test_promotions_of_two_machines_at_once_lose_none(machine: Machine, shared: str) -> None:
    machines = [machine(name) for name in ("here", "there")]
    for store, name in zip(machines, "ab", strict=True):
        register(store, name)
    Registry(machines[0]).pull("small")
    made: dict[int, list[Promotion]] = {1: [], 2: []}

    def promote(store: Store, number: int) -> None:
        for turn in range(4):
            made[number].append(Registry(store).promote("small", number, f"{number} in turn {turn}"))

    threads = [threading.Thread(target=promote, args=(store, at + 1)) for at, store in enumerate(machines)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    third = Registry(machine("third"))
    third.pull()
    known = list(third.promotions("small"))
    assert [promotion.number for promotion in known] == list(range(len(known), 0, -1))
    assert {promotion.number: promotion for numbers in made.values() for promotion in numbers} == {
        promotion.number: promotion for promotion in known
    }
    for promotion, before in itertools.pairwise(known):
        assert (promotion.previous, promotion.line[0]) == (before.version, before.version)
    assert len(names(shared, "registry/small/promotions")) == len(known)
    assert third.promoted("small") == known[0].version


def test_a_rollback_follows_on_what_another_machine_promoted(machine: Machine) -> None:
    here, there = machine("here"), machine("there")
    first, second, third = (register(here, name) for name in "abc")
    Registry(here).promote("small", first, "first")
    Registry(here).promote("small", second, "second")
    Registry(there).pull("small")
    Registry(here).promote("small", third, "third")

    made = Registry(there).rollback("small", "back")  # which has not heard of the third, and finds its number taken

    assert (made.number, made.version, made.previous) == (4, second, third)


def test_records_of_all_machines_are_pulled_and_those_under_way_again(machine: Machine) -> None:
    here, there = machine("here"), machine("there")
    done, going = record(here, "a"), record(here, "b", "running")
    runs = Runs(there)
    assert list(runs.newest_first("small")) == []
    runs.pull("small")
    assert [(found.id, found.outcome) for found in runs.newest_first("small")] == [
        (going.id, "running"),
        (done.id, "succeeded"),
    ]
    Runs(here).finish("small", going.id, "failed", error="in vain")
    runs.pull()
    assert [found.outcome for found in runs.newest_first("small")] == ["failed", "succeeded"]


def test_a_file_that_is_no_record_is_left_where_it_is(machine: Machine, shared: str) -> None:
    for name in ("runs/small/../../../outside.json", "runs/.hidden/a.json", "runs/small/a.txt"):
        Remote(shared).bucket.write(name, b"{}")
    Runs(machine("here")).pull()
    assert [path.name for path in machine("here").root.iterdir()] == ["shared-with"]


def test_what_reads_goes_on_without_the_server_and_what_writes_does_not(
    machine: Machine, shared: str, caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest
) -> None:
    here = machine("here")
    Registry(here).promote("small", register(here, "a"), "asked for")
    request.getfixturevalue("unreachable")
    registry = Registry(here)
    with heard(caplog):
        registry.pull("small")
    assert all(line.endswith(f"Using what is in the cache, {here.root}.") for line in said(caplog))
    champion = registry.champion("small", verified=True)
    assert champion is not None
    with pytest.raises(StoreError, match="the shared store cannot be reached"):
        publish(here, "b")


def test_what_a_folder_holds_is_shared_when_it_becomes_a_cache(machine: Machine, tmp_path: Path) -> None:
    alone = Store(tmp_path / "here")
    Registry(alone).promote("small", register(alone, "a"), "before it was shared")
    Registry(machine("here")).pull()

    there = machine("there")
    Registry(there).pull("small")
    Runs(there).pull("small")

    champion = Registry(there).champion("small", verified=True)
    assert champion is not None
    assert champion.run == Runs(there).read("small", champion.run).id
    assert (tmp_path / "here/shared-with").read_text() == (tmp_path / "there/shared-with").read_text()


def test_a_folder_with_a_history_of_its_own_is_no_cache(machine: Machine, tmp_path: Path) -> None:
    register(machine("here"), "a")
    register(Store(tmp_path / "there"), "b")
    with pytest.raises(RequestError, match=r"another one of this number is at s3://.*give the shared store a new"):
        Registry(machine("there")).pull("small")


def test_bundles_are_fetched_when_they_are_used_and_not_to_be_listed(machine: Machine) -> None:
    register(machine("here"), "a")
    there = Registry(machine("there"))
    there.pull("small")
    (version,) = there.versions("small")
    assert [verdict.kind for verdict in verify_registry(there)] == ["registry file"]
    assert there.is_remote_only(version)
    assert there.bundle(version) == there.folder(version)
    assert not there.is_remote_only(version)


def test_a_cache_of_one_shared_store_is_not_given_to_another(machine: Machine, shared: str) -> None:
    another = f"{shared}-another"
    here, early = machine("here"), SharedStore(machine("here").root, Remote(another))
    register(here, "a")

    with pytest.raises(RequestError) as refused:
        SharedStore(here.root, Remote(another))

    assert str(refused.value) == (
        f"{here.root}: this folder is the cache of {shared}, and the store is {another}. Correct GRISTMILL_STORE or "
        "[defaults] store, or set GRISTMILL_CACHE or [defaults] cache to another folder. "
        f"To upload this folder's contents to {another}, remove {here.root / 'shared-with'}."
    )
    with pytest.raises(RequestError, match="this folder is the cache of"):
        publish(early)  # which was opened when the folder was the cache of none
    assert names(another) == []


def test_a_run_goes_on_for_all_caches_but_the_one_it_is_written_in(machine: Machine) -> None:
    here, there = machine("here"), machine("there")
    assert len({here.cache, there.cache, ""}) == 3
    assert SharedStore(here.root, here.remote).cache == here.cache
    begun = write_record(here, {}, "running", cache=here.cache)
    Runs(there).pull()
    Runs(here)._write(begun.model_copy(update={"outcome": "succeeded"}))  # on the same host as far as anybody knows

    Runs(there).pull()

    assert Runs(there).read("small", begun.id).outcome == "succeeded"
