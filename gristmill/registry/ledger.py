"""A ledger: numbered files that are never changed, as a registry's versions and promotions.

    root/registry/<pipeline>/<ledger>/000001.json

Each is written aside, flushed, and linked to the next number, which succeeds for one process only; a process that finds
its number taken looks again at what there is. Every file holds a seal, so that one that is damaged is known for it.
"""

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel

from gristmill.errors import CorruptArtifact
from gristmill.store.store import PIPELINE_PATTERN, Store
from gristmill.util import sealed_json
from gristmill.util.disk_errors import translate_disk_errors

logger = logging.getLogger(__name__)

_FILE = r"\d{6,}\.json"  # what the name of an entry's file is like


class Entry(BaseModel):
    """What a ledger holds under one number."""

    number: int
    pipeline: str


E = TypeVar("E", bound=Entry)


class Ledger(Generic[E]):
    """The entries of one kind, by pipeline."""

    def __init__(self, store: Store, name: str, kind: type[E]) -> None:
        """Open a ledger of a store; `name` is that of the folder in each pipeline's."""
        self._store, self._name, self._kind = store, name, kind

    def pull(self, pipeline: str | None = None) -> None:
        """Fetch the entries of other machines, of one pipeline or of all, where the store is shared."""
        if self._store.remote:
            folder = f"registry/{pipeline}/{self._name}/" if pipeline else "registry/"
            self._store.remote.mirror(folder, self._store.root, rf"registry/{PIPELINE_PATTERN}/{self._name}/{_FILE}")

    def numbers(self, pipeline: str) -> list[int]:
        """Return the numbers that are taken, sorted, of damaged entries too."""
        names = (path.name for path in self.path(pipeline, 0).parent.glob("*.json"))
        return sorted(int(name.removesuffix(".json")) for name in names if re.fullmatch(_FILE, name))

    def read(self, pipeline: str, number: int) -> E:
        """Return one entry.

        Raises:
            CorruptArtifact: it is gone or damaged.
        """
        path = self.path(pipeline, number)
        entry = sealed_json.read(path, self._kind)
        if (entry.pipeline, entry.number) != (pipeline, number):
            raise CorruptArtifact(f"{path}: holds another {self._kind.__name__.lower()}.")
        return entry

    def newest_first(self, pipeline: str) -> Iterator[E]:
        """Yield a pipeline's entries from the newest on; one that cannot be read is passed over with a warning."""
        for number in reversed(self.numbers(pipeline)):
            try:
                yield self.read(pipeline, number)
            except CorruptArtifact as damage:
                logger.warning("%s Passed over.", damage)

    def create(self, entry: E) -> bool:
        """Write an entry under its number; return False, and write nothing, where the number is taken.

        Where the store is shared, the number is first got there; who finds it taken has fetched what took it.
        """
        path, shared = self.path(entry.pipeline, entry.number), self._store.remote
        if shared and not shared.bucket.create(
            path.relative_to(self._store.root).as_posix(), sealed_json.to_text(entry).encode()
        ):
            self.pull(entry.pipeline)
            return False
        with translate_disk_errors(self._store.root):
            path.parent.mkdir(parents=True, exist_ok=True)
            return (
                sealed_json.create(path, entry) or shared is not None
            )  # another process here may have fetched it already

    def path(self, pipeline: str, number: int) -> Path:
        """Return where an entry lies, or would."""
        return self._store.root / "registry" / pipeline / self._name / f"{number:06d}.json"
