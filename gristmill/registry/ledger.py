"""Ledger: numbered, sealed files that never change, such as a registry's versions and promotions.

    root/registry/<pipeline>/<ledger>/000001.json

A new entry is linked to the next number, which succeeds for one process only. A process that finds its number taken
reads the ledger again.
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
from gristmill.util.files import create_atomically, translate_disk_errors

logger = logging.getLogger(__name__)

_FILE_PATTERN = r"\d{6,}\.json"


class Entry(BaseModel):
    """Content of one numbered ledger entry."""

    number: int
    pipeline: str


E = TypeVar("E", bound=Entry)


class Ledger(Generic[E]):
    """Entries of one kind, by pipeline."""

    def __init__(self, store: Store, name: str, kind: type[E]) -> None:
        """Open a ledger of a store; `name` is its folder below each pipeline's."""
        self._store, self._name, self._kind = store, name, kind

    def pull(self, pipeline: str | None = None) -> None:
        """Fetch the entries of other machines, of one pipeline or of all, if the store is shared."""
        if self._store.remote:
            folder = f"registry/{pipeline}/{self._name}/" if pipeline else "registry/"
            names = rf"registry/{PIPELINE_PATTERN}/{self._name}/{_FILE_PATTERN}"
            self._store.remote.mirror(folder, self._store.root, names)

    def numbers(self, pipeline: str) -> list[int]:
        """Return the numbers that are taken, sorted; damaged entries count."""
        names = (path.name for path in self.path(pipeline, 0).parent.glob("*.json"))
        return sorted(int(name.removesuffix(".json")) for name in names if re.fullmatch(_FILE_PATTERN, name))

    def read(self, pipeline: str, number: int) -> E:
        """Return one entry; raise `CorruptArtifact` if it is missing or damaged."""
        path = self.path(pipeline, number)
        entry = sealed_json.read(path, self._kind)
        if (entry.pipeline, entry.number) != (pipeline, number):
            raise CorruptArtifact(f"{path}: holds another {self._kind.__name__.lower()}.")
        return entry

    def newest_first(self, pipeline: str, after: int = 0) -> Iterator[E]:
        """Yield a pipeline's entries above a number, the newest first; skip unreadable ones with a warning."""
        for number in reversed([number for number in self.numbers(pipeline) if number > after]):
            try:
                yield self.read(pipeline, number)
            except CorruptArtifact as damage:
                logger.warning("%s Skipped.", damage)

    def create(self, entry: E) -> bool:
        """Write an entry under its number; return False, and write nothing, if the number is taken.

        In a shared store the number is claimed there first. If it is taken, the entries of other machines are fetched.
        """
        path, content = self.path(entry.pipeline, entry.number), sealed_json.to_text(entry)
        remote, name = self._store.remote, path.relative_to(self._store.root).as_posix()
        if remote and not remote.bucket.create(name, content.encode()):
            self.pull(entry.pipeline)
            return False
        with translate_disk_errors(self._store.root):
            path.parent.mkdir(parents=True, exist_ok=True)
            is_first = create_atomically(path, content)
        return is_first or remote is not None  # another process of this machine may have fetched it already

    def path(self, pipeline: str, number: int) -> Path:
        """Return the file of an entry, whether or not it exists."""
        return self._store.root / "registry" / pipeline / self._name / f"{number:06d}.json"
