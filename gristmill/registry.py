"""The registry: the versions of each pipeline's model, and which of them is the champion, the one that serves.

    root/registry/<pipeline>/versions/000001.json      a version: a bundle, its scores and where it came from
    root/registry/<pipeline>/promotions/000001.json    a promotion: that a version was made the champion, when and why
    root/registry/<pipeline>/champion.json             the pointer: a copy of the latest promotion

Versions and promotions are never changed. Each is written aside, flushed, and linked to the next number, which succeeds
for one process only; a process that finds its number taken looks again at what there is. So no promotion is lost, and
the same bundle is one version, whoever registers it at the same time. A promotion holds as soon as it has its number:
who moves the pointer looks afterwards whether a later one has come, and who reads it takes a later one that is there.
Every file holds a seal, so that one that is damaged is known for it.
"""

import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from gristmill import sealed
from gristmill.artifact import Reference
from gristmill.errors import CorruptArtifact, RequestError
from gristmill.lineage import Git, exported
from gristmill.runs import Record
from gristmill.store import Store, writing

logger = logging.getLogger(__name__)


class Version(BaseModel):
    """An exported model with all that is known of it. Its settings, libraries and artifacts are its run's."""

    number: int
    pipeline: str
    domain: str
    run: str  # id of the run's record
    settings: dict[str, Any]
    overrides: list[str]
    references: dict[str, Reference]  # by stage, those of points by their labels
    scores: dict[str, Any]  # the bundle's: model, baselines, headline
    versions: dict[str, str]  # of libraries
    git: Git
    code: dict[str, str]  # digest of the code that each stage's result depends on
    made: datetime  # when it was registered
    decision: dict[str, Any]  # verdict, why, and what a retraining tells


class Promotion(BaseModel):
    """That a version was made the champion."""

    number: int
    pipeline: str
    version: int
    previous: int | None  # the champion before
    when: datetime
    why: str


Kept = TypeVar("Kept", Version, Promotion)


class Registry:
    """The versions and champions of a store."""

    def __init__(self, root: Path) -> None:
        self._root = root / "registry"
        self._store = Store(root)

    def register(
        self, record: Record, scores: dict[str, Any], code: dict[str, str], git: Git, decision: dict[str, Any]
    ) -> Version:
        """Make the bundle of a run a version and return it; one that is a version already stays the version it is.

        Args:
            record: of the run.
            scores: the bundle's `scores.json`.
            code: digest of each stage's code (`lineage.code_of`).
            git: of the project (`lineage.git_of`).
            decision: the verdict, why, and whatever else is worth keeping, as JSON values.

        Raises:
            RequestError: the run exported nothing.
        """
        bundle = exported(record)
        while True:
            free = self._free_version(record.pipeline)  # before looking: what comes meanwhile takes this number
            for version in self.versions(record.pipeline):
                if version.references["export"] == bundle:
                    return version
            made = Version(
                number=free,
                pipeline=record.pipeline,
                domain=record.domain,
                run=record.id,
                settings=record.settings,
                overrides=record.overrides,
                references=record.references,
                scores=scores,
                versions=record.versions,
                git=git,
                code=code,
                made=datetime.now(UTC),
                decision=decision,
            )
            if self._create(made):
                return made

    def versions(self, pipeline: str) -> Iterator[Version]:
        """Yield a pipeline's versions from the newest on; one that cannot be read is passed over with a warning."""
        yield from self._newest_first(pipeline, "versions", Version)

    def version(self, pipeline: str, number: int) -> Version:
        """Return one version.

        Raises:
            RequestError: there is none of this number.
            CorruptArtifact: its file is damaged.
        """
        known = self._numbers(pipeline, "versions")
        if number not in known:
            names = ", ".join(f"v{one}" for one in reversed(known)) or "none"
            raise RequestError(f"pipeline {pipeline!r} has no version {number}. Known: {names}.")
        return self._read(pipeline, "versions", number, Version)

    def promotions(self, pipeline: str) -> Iterator[Promotion]:
        """Yield a pipeline's promotions from the latest on; one that cannot be read is passed over with a warning."""
        yield from self._newest_first(pipeline, "promotions", Promotion)

    def pipelines(self) -> list[str]:
        """Return the names of all pipelines that have versions."""
        return sorted(folder.parent.name for folder in self._root.glob("*/versions"))

    def champion(self, pipeline: str, verified: bool = False) -> Version | None:
        """Return the version that serves, None where none was promoted yet.

        One that is damaged is told of in a warning, and the newest sound one before it stands in for it.

        Args:
            pipeline: its name.
            verified: whether every byte of the bundle is hashed too.

        Raises:
            CorruptArtifact: no version can be used.
        """
        last, _ = self._standing(pipeline)
        if last is None:
            return None
        before = [number for number in reversed(self._numbers(pipeline, "versions")) if number < last.version]
        damages: dict[int, CorruptArtifact] = {}
        for number in (last.version, *before):
            try:
                version = self._read(pipeline, "versions", number, Version)
                if verified:
                    self._store.open(version.references["export"])
            except CorruptArtifact as error:
                damages[number] = error
                continue
            for damaged, damage in damages.items():
                logger.warning("%s v%d of %s cannot be used; v%d is used instead.", damage, damaged, pipeline, number)
            return version
        told = " ".join(f"v{number}: {damage}" for number, damage in damages.items())
        raise CorruptArtifact(
            f"pipeline {pipeline!r}: no version can be used. {told} "
            f"Run: gristmill run {pipeline}, then: gristmill promote {pipeline}."
        )

    def promote(self, pipeline: str, number: int, why: str) -> Promotion:
        """Make a version the champion and return the promotion: the last one where it is the champion already.

        Raises:
            RequestError: there is no version of this number.
            CorruptArtifact: its file is damaged.
        """
        self.version(pipeline, number)
        while True:
            last, free = self._standing(pipeline)
            if last and last.version == number:
                self._point(last)
                return last
            previous = last.version if last else None
            when = datetime.now(UTC)
            made = Promotion(number=free, pipeline=pipeline, version=number, previous=previous, when=when, why=why)
            if self._create(made):
                self._point(made)
                return made

    def older(self, pipeline: str) -> Version:
        """Return the newest version before the champion.

        Raises:
            RequestError: there is no champion, or nothing before it.
        """
        last, _ = self._standing(pipeline)
        if last is None:
            raise RequestError(f"pipeline {pipeline!r} has no champion. Run: gristmill promote {pipeline}.")
        for version in self.versions(pipeline):
            if version.number < last.version:
                return version
        raise RequestError(f"pipeline {pipeline!r} has no version before its champion, v{last.version}.")

    def rollback(self, pipeline: str, why: str) -> Promotion:
        """Make the newest version before the champion the champion, and return the promotion.

        Raises:
            RequestError: there is no champion, or nothing before it.
        """
        return self.promote(pipeline, self.older(pipeline).number, why)

    def damages(self) -> Iterator[tuple[Path, str | None]]:
        """Yield every file of the registry, and what is wrong with it."""
        for path in sorted(self._root.glob("*/**/[!.]*.json")):
            kind = Version if path.parent.name == "versions" else Promotion
            try:
                sealed.read(path, kind)
                yield path, None
            except CorruptArtifact as damage:
                yield path, str(damage)

    def repair_pointers(self) -> None:
        """Point to the latest promotion where the pointer is gone."""
        for pipeline in self.pipelines():
            promotion = next(self.promotions(pipeline), None)
            if promotion and not self._pointer(pipeline).exists():
                self._point(promotion)

    def _standing(self, pipeline: str) -> tuple[Promotion | None, int]:
        """Return the promotion that holds, and the number that the next one tries to get."""
        pointer, damage = None, None
        try:
            pointer = sealed.read(self._pointer(pipeline), Promotion)
        except CorruptArtifact as error:
            damage = error
        known = self._numbers(pipeline, "promotions")  # after the pointer was read: what comes now takes `free`
        reached = pointer.number if pointer else 0
        free = max([reached, *known]) + 1
        for number in reversed([number for number in known if number > reached]):
            try:
                pointer = self._read(pipeline, "promotions", number, Promotion)
                break
            except CorruptArtifact as error:
                logger.warning("%s Passed over.", error)
        if damage and pointer:
            logger.warning("%s The latest promotion holds: v%d.", damage, pointer.version)
        elif damage and self._pointer(pipeline).exists():
            logger.warning("%s No promotion is known: there is no champion.", damage)
        return pointer, free

    def _free_version(self, pipeline: str) -> int:
        """Return the next number; one that was promoted is not given again, even if its file is gone."""
        promoted = [promotion.version for promotion in self.promotions(pipeline)]
        return max([0, *promoted, *self._numbers(pipeline, "versions")]) + 1

    def _point(self, promotion: Promotion) -> None:
        """Move the pointer to a promotion, or to a later one that came meanwhile."""
        while True:
            with writing(self._root.parent):
                sealed.replace(self._pointer(promotion.pipeline), promotion)
            latest = next(self.promotions(promotion.pipeline), promotion)
            if latest.number <= promotion.number:
                return
            promotion = latest

    def _create(self, kept: Version | Promotion) -> bool:
        folder = "versions" if isinstance(kept, Version) else "promotions"
        path = self._path(kept.pipeline, folder, kept.number)
        with writing(self._root.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
            return sealed.create(path, kept)

    def _newest_first(self, pipeline: str, folder: str, kind: type[Kept]) -> Iterator[Kept]:
        for number in reversed(self._numbers(pipeline, folder)):
            try:
                yield self._read(pipeline, folder, number, kind)
            except CorruptArtifact as damage:
                logger.warning("%s Passed over.", damage)

    def _numbers(self, pipeline: str, folder: str) -> list[int]:
        names = (path.name for path in (self._root / pipeline / folder).glob("*.json"))
        return sorted(int(name.removesuffix(".json")) for name in names if re.fullmatch(r"\d{6,}\.json", name))

    def _read(self, pipeline: str, folder: str, number: int, kind: type[Kept]) -> Kept:
        path = self._path(pipeline, folder, number)
        kept = sealed.read(path, kind)
        if (kept.pipeline, kept.number) != (pipeline, number):
            raise CorruptArtifact(f"{path}: holds another {kind.__name__.lower()}.")
        return kept

    def _path(self, pipeline: str, folder: str, number: int) -> Path:
        return self._root / pipeline / folder / f"{number:06d}.json"

    def _pointer(self, pipeline: str) -> Path:
        return self._root / pipeline / "champion.json"
