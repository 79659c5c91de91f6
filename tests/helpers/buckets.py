"""Helpers of the tests with a store that machines share: what lies there, spoilt or made old, and small artifacts."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from fsspec.core import url_to_fs
from moto.s3.models import s3_backends

from gristmill import keys
from gristmill.keys import Identity
from gristmill.runs.records import Record, Runs, StageRecord
from gristmill.store.artifact import Artifact, Reference
from gristmill.store.remote.remote import Remote
from gristmill.store.store import Store


def names(url: str, folder: str = "") -> list[str]:
    """Return the names of all files of a shared store, or of those in a folder."""
    return sorted(Remote(url).bucket.list_files(folder))


def spoil(url: str, name: str) -> None:
    """Flip one bit in the first byte of a file on the server."""
    bucket = Remote(url).bucket
    content = bucket.read(name)
    assert content
    bucket.write(name, bytes([content[0] ^ 1]) + content[1:])


def age(url: str, name: str, days: float = 2) -> None:
    """Have the server take a file for one that was written days ago."""
    _, path = url_to_fs(url)
    bucket, _, prefix = path.partition("/")
    backend: Any = s3_backends["123456789012"]["aws"]
    backend.get_object(bucket, f"{prefix}/{name}").last_modified -= timedelta(days=days)


def made_of(name: str = "a", stage: str = "train") -> Identity:
    """Return an identity, another one for each name."""
    return keys.identify(stage, {}, {"one": {"name": name}}, {}, {})


def publish(store: Store, name: str = "a", content: str = "weights", replace: bool = False) -> Artifact:
    """Publish an artifact of three files, one of them in a folder and one of them empty."""
    with store.draft(made_of(name)) as draft:
        (draft.path / "inner").mkdir()
        (draft.path / "inner/weights").write_text(content)
        (draft.path / "name").write_text(name)
        (draft.path / "empty").touch()
        return store.publish(draft, made_of(name), replace)


def write_record(
    store: Store,
    made: Mapping[str, Reference],
    outcome: Any = "succeeded",
    days: float = 0,
    cache: str = "another",
    host: str = "",
    process: str = "",
) -> Record:
    """Write the record of a run that began days ago, on a machine of the store's own or another, and what it made."""
    began = datetime.now(UTC) - timedelta(days=days)
    written = Record(
        id=f"{began:%Y%m%dT%H%M%S-%f}-00",
        pipeline="small",
        domain="timeseries",
        settings={},
        overrides=[],
        started=began,
        outcome=outcome,
        stages={label: StageRecord(reference=one, cached=False, seconds=1.0) for label, one in made.items()},
        versions={},
        host=host or f"host of {store.root.name}",
        cache=cache,
        pid=os.getpid(),
        process=process,
    )
    Runs(store)._write(written)
    return written
