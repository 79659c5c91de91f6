"""The store of a project when machines share it: its URL, its cache, and the limit of the cache."""

import sys
from pathlib import Path

import pytest

from gristmill.config.catalogue import open_store
from gristmill.errors import RequestError
from gristmill.store.remote.shared_store import SharedStore

SHARED = "gs://bucket/store"


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/user")
    monkeypatch.delenv("GRISTMILL_STORE", raising=False)
    monkeypatch.delenv("GRISTMILL_CACHE", raising=False)


@pytest.mark.parametrize(
    ("variable", "folder"),
    [
        (None, "data/cache"),
        ("", "data/cache"),
        ("there", "there"),
        ("/elsewhere/cache", "/elsewhere/cache"),
        ("~/cache", "/home/user/cache"),
    ],
)
def test_the_cache_is_the_folder_of_the_variable_or_of_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str | None, folder: str
) -> None:
    if variable is not None:
        monkeypatch.setenv("GRISTMILL_CACHE", variable)

    store = open_store(tmp_path, SHARED, "data/cache", 1.5)

    assert isinstance(store, SharedStore)
    assert store.root == tmp_path / folder
    assert (store._remote.bucket.url, store._remote.limit) == (SHARED, 1.5e9)
    assert list(tmp_path.iterdir()) == []  # nothing is written before the first use


def test_the_variable_names_another_shared_store_and_a_cache_may_have_no_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRISTMILL_STORE", "gs://another/store")

    store = open_store(tmp_path, "data/store", "data/cache", None)

    assert isinstance(store, SharedStore)
    assert (store.root, store._remote.bucket.url, store._remote.limit) == (
        tmp_path / "data/cache",
        "gs://another/store",
        None,
    )


def test_a_url_as_cache_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRISTMILL_CACHE", "gs://bucket/cache")
    with pytest.raises(RequestError) as raised:
        open_store(tmp_path, SHARED, "data/cache", None)
    assert str(raised.value) == "GRISTMILL_CACHE: expected a folder. Received: 'gs://bucket/cache'. Correct it."


def test_s3_without_its_extra_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(RequestError, match=r"^\[defaults\] store: 's3://bucket/store' needs s3fs, .*gristmill\[s3\]"):
        open_store(tmp_path, "s3://bucket/store", "data/cache", None)
