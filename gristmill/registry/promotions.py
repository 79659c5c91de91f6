"""Promotions: which versions became the champion, and the pointer to the current promotion.

A promotion is valid as soon as it has a number in the ledger. The pointer is a copy of the latest promotion. A process
that moves the pointer checks afterwards for a later promotion, and a reader prefers a later promotion if there is one.
"""

import logging
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gristmill.errors import CorruptArtifact
from gristmill.registry.ledger import Entry, Ledger
from gristmill.store.store import Store
from gristmill.util import sealed_json
from gristmill.util.processes import user_name

logger = logging.getLogger(__name__)

POINTER = "champion.json"


class Promotion(Entry):
    """Record that a version became the champion."""

    version: int
    previous: int | None  # previous champion
    line: list[int]  # earlier versions to which rollbacks return, the most recent first
    when: datetime
    why: str
    by: str = ""  # USER@HOST of the person or the retraining; empty in promotions of earlier versions
    run: str | None = None  # the retraining that promoted it; None for a person
    held: bool = False  # whether retrainings leave it the champion
    withdrawn: tuple[str, ...] = ()  # runs whose data this rollback withdraws

    @property
    def hold_in_words(self) -> str:
        """By whom and since when its version is held."""
        return f"held by {self.by} since {self.when.astimezone():%Y-%m-%d %H:%M %Z}"

    def __str__(self) -> str:
        by = f" by {'a retraining of ' if self.run else ''}{self.by}" if self.by else ""
        return f"{self.when.astimezone():%Y-%m-%d %H:%M %Z}{by} ({self.why}){', held' * self.held}"


class Promotions(Ledger[Promotion]):
    """Promotions of a store's pipelines."""

    def __init__(self, store: Store) -> None:
        super().__init__(store, "promotions", Promotion)

    def current(self, pipeline: str) -> tuple[Promotion | None, int]:
        """Return the current promotion and the next free number."""
        pointer, damage = None, None
        try:
            pointer = sealed_json.read(self._pointer(pipeline), Promotion)
        except CorruptArtifact as error:
            damage = error
        known = self.numbers(pipeline)  # after the pointer was read: a later promotion takes the number `free`
        reached = pointer.number if pointer else 0
        free = max([reached, *known]) + 1
        pointer = next(self.newest_first(pipeline, after=reached), pointer)
        if damage and pointer:
            logger.warning("%s Using the latest promotion: v%d.", damage, pointer.version)
        elif damage and self._pointer(pipeline).exists():
            logger.warning("%s There is no readable promotion, so there is no champion.", damage)
        return pointer, free

    def append(
        self, pipeline: str, last: Promotion | None, free: int, version: int, line: list[int], **fields: Any
    ) -> Promotion | None:
        """Promote a version and return the promotion; None if another process took the number first.

        `last` and `free` are what `current` returned; the other arguments are fields of the promotion.
        """
        promotion = Promotion(
            number=free,
            pipeline=pipeline,
            version=version,
            previous=last.version if last else None,
            line=line,
            when=datetime.now(UTC),
            by=f"{user_name()}@{socket.gethostname()}",
            **fields,
        )
        if not self.create(promotion):
            return None
        self.set_pointer(promotion)
        return promotion

    def set_pointer(self, promotion: Promotion) -> None:
        """Move the pointer to a promotion, or to a later one."""
        while True:
            self._store.write(self._pointer(promotion.pipeline), sealed_json.to_text(promotion))
            later = next(self.newest_first(promotion.pipeline, after=promotion.number), None)
            if later is None:
                return
            promotion = later

    def missing_pointer(self, pipeline: str) -> Path | None:
        """Return the path of the pointer if a promotion exists but the pointer does not."""
        pointer = self._pointer(pipeline)
        return pointer if self.numbers(pipeline) and not pointer.exists() else None

    def _pointer(self, pipeline: str) -> Path:
        return self._store.root / "registry" / pipeline / POINTER
