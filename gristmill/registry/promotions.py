"""Promotions: which versions were made the champion, one after the other, and the pointer to the one that holds.

A promotion holds as soon as it has its number in the ledger. The pointer is a copy of the latest: who moves it looks
afterwards whether a later one has come, and who reads it takes a later one that is there.
"""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from gristmill.errors import CorruptArtifact
from gristmill.registry.ledger import Entry, Ledger
from gristmill.store.store import Store
from gristmill.util import sealed_json
from gristmill.util.disk_errors import translate_disk_errors

logger = logging.getLogger(__name__)

POINTER = "champion.json"


class Promotion(Entry):
    """That a version was made the champion."""

    version: int
    previous: int | None  # the champion before
    line: list[int]  # the versions that served before it and that rollbacks lead to, the last one first
    when: datetime
    why: str


class Promotions:
    """The promotions of a store's pipelines."""

    def __init__(self, store: Store) -> None:
        self._root = store.root
        self._ledger = Ledger(store, "promotions", Promotion)

    def pull(self, pipeline: str | None = None) -> None:
        """Fetch the promotions of other machines, of one pipeline or of all, where the store is shared."""
        self._ledger.pull(pipeline)

    def newest_first(self, pipeline: str) -> Iterator[Promotion]:
        """Yield a pipeline's promotions from the latest on; one that cannot be read is passed over with a warning."""
        yield from self._ledger.newest_first(pipeline)

    def current(self, pipeline: str) -> tuple[Promotion | None, int]:
        """Return the promotion that holds, and the number that the next one tries to get."""
        pointer, damage = None, None
        try:
            pointer = sealed_json.read(self._pointer(pipeline), Promotion)
        except CorruptArtifact as error:
            damage = error
        known = self._ledger.numbers(pipeline)  # after the pointer was read: what comes now takes `free`
        reached = pointer.number if pointer else 0
        free = max([reached, *known]) + 1
        for number in reversed([number for number in known if number > reached]):
            try:
                pointer = self._ledger.read(pipeline, number)
                break
            except CorruptArtifact as error:
                logger.warning("%s Passed over.", error)
        if damage and pointer:
            logger.warning("%s The latest promotion holds: v%d.", damage, pointer.version)
        elif damage and self._pointer(pipeline).exists():
            logger.warning("%s No promotion is known: there is no champion.", damage)
        return pointer, free

    def append(
        self, pipeline: str, last: Promotion | None, free: int, version: int, line: list[int], why: str
    ) -> Promotion | None:
        """Have a version follow on the champion and return the promotion; None where another one has come since.

        Args:
            pipeline: its name.
            last: the promotion that held, as `standing` told.
            free: the number to take, as `standing` told.
            version: the new champion's number.
            line: the versions that rollbacks from it lead to, the last one first.
            why: it is promoted.
        """
        made = Promotion(
            number=free,
            pipeline=pipeline,
            version=version,
            previous=last.version if last else None,
            line=line,
            when=datetime.now(UTC),
            why=why,
        )
        if not self._ledger.create(made):
            return None
        self.set_pointer(made)
        return made

    def set_pointer(self, promotion: Promotion) -> None:
        """Move the pointer to a promotion, or to a later one that came meanwhile."""
        while True:
            with translate_disk_errors(self._root):
                sealed_json.replace(self._pointer(promotion.pipeline), promotion)
            latest = next(self.newest_first(promotion.pipeline), promotion)
            if latest.number <= promotion.number:
                return
            promotion = latest

    def lost_pointer(self, pipeline: str) -> Iterator[Path]:
        """Yield the pointer's place where the pointer is gone and a promotion is there."""
        if not self._pointer(pipeline).exists() and self._ledger.numbers(pipeline):
            yield self._pointer(pipeline)

    def point_to_latest(self, pipeline: str) -> None:
        """Point to the latest promotion that can be read, if there is one."""
        if latest := next(self.newest_first(pipeline), None):
            self.set_pointer(latest)

    def _pointer(self, pipeline: str) -> Path:
        return self._root / "registry" / pipeline / POINTER
