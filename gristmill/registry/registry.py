"""The registry: the versions of each pipeline's model, and which of them is the champion, the one that serves.

    root/registry/<pipeline>/bundles/                  the exported models, the registry's own (`bundles.py`)
    root/registry/<pipeline>/versions/000001.json      a version: a bundle, its scores and where it came from
    root/registry/<pipeline>/promotions/000001.json    that one was made the champion, when and why (`promotions.py`)
    root/registry/<pipeline>/champion.json             the pointer: a copy of the latest promotion

Versions and promotions are never changed (`ledger.py`), and a version's bundle is nobody else's. So no promotion is
lost, what served once can serve again, and the same bundle is one version, whoever registers it at the same time.
"""

import logging
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gristmill.errors import CorruptArtifact, RequestError
from gristmill.registry.bundles import Bundles
from gristmill.registry.ledger import Ledger
from gristmill.registry.lineage import Git, exported_bundle
from gristmill.registry.promotions import Promotion, Promotions
from gristmill.registry.version import Version
from gristmill.runs.records import Record
from gristmill.store.store import Store
from gristmill.util import sealed_json
from gristmill.util.table_io import read_document

logger = logging.getLogger(__name__)

Damages = dict[int, CorruptArtifact]  # of versions that cannot be used, by number


class Registry:
    """The versions and champions of a store."""

    def __init__(self, store: Store) -> None:
        self._store, self._root = store, store.root / "registry"
        self._bundles = Bundles(store)
        self._versions = Ledger(store, "versions", Version)
        self._promotions = Promotions(store)

    def pull(self, pipeline: str | None = None) -> None:
        """Fetch the versions and promotions of other machines, of one pipeline or of all, where the store is shared.

        A bundle is fetched when it is used. Where the shared store cannot be reached, a warning tells.
        """
        if self._store.remote:
            self._promotions.pull(pipeline)
            self._versions.pull(pipeline)  # after the promotions, so that all that are known have theirs
            self.repair_pointers()  # of pipelines that were promoted elsewhere only

    def register(self, record: Record, code: dict[str, str], git: Git, decision: dict[str, Any]) -> Version:
        """Make the bundle of a run a version and return it; one that is a version already stays the version it is.

        Args:
            record: of the run.
            code: digest of each stage's code (`lineage.code_of`).
            git: of the project (`lineage.git_of`).
            decision: the verdict, why, and whatever else is worth keeping, as JSON values.

        Raises:
            RequestError: the run exported nothing.
            CorruptArtifact: the bundle is damaged.
        """
        bundle = exported_bundle(record)
        own = self._bundles.take(record.pipeline, bundle)
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
                scores=read_document(own / "scores.json"),
                versions=record.versions,
                git=git,
                code=code,
                made=datetime.now(UTC),
                decision=decision,
            )
            if self._versions.create(made):
                return made

    def versions(self, pipeline: str) -> Iterator[Version]:
        """Yield a pipeline's versions from the newest on; one that cannot be read is passed over with a warning."""
        yield from self._versions.newest_first(pipeline)

    def version(self, pipeline: str, number: int) -> Version:
        """Return one version.

        Raises:
            RequestError: there is none of this number.
            CorruptArtifact: its file is damaged.
        """
        known = self._versions.numbers(pipeline)
        if number not in known:
            names = ", ".join(f"v{one}" for one in reversed(known)) or "none"
            raise RequestError(f"pipeline {pipeline!r} has no version {number}. Known: {names}.")
        return self._versions.read(pipeline, number)

    def folder(self, version: Version) -> Path:
        """Return the folder of a version's bundle, whatever has become of it."""
        return self._bundles.path(version.pipeline, version.references["export"])

    def bundle(self, version: Version, by_stat: bool = False) -> Path:
        """Return the folder of a version's bundle for reading, after hashing it: where asked, by what has changed.

        Raises:
            CorruptArtifact: it is gone or damaged.
        """
        return self._bundles.open(version.pipeline, version.references["export"], by_stat)

    def promotions(self, pipeline: str) -> Iterator[Promotion]:
        """Yield a pipeline's promotions from the latest on; one that cannot be read is passed over with a warning."""
        yield from self._promotions.newest_first(pipeline)

    def pipelines(self) -> list[str]:
        """Return the names of all pipelines that have versions."""
        return sorted(folder.parent.name for folder in self._root.glob("*/versions"))

    def promoted(self, pipeline: str) -> int | None:
        """Return the number of the version that was made the champion, whatever has become of it; None without one."""
        last, _ = self._promotions.current(pipeline)
        return last.version if last else None

    def champion(self, pipeline: str, verified: bool = False) -> Version | None:
        """Return the version that serves, None where none was promoted yet.

        Where the one that was promoted is damaged, a warning tells, and the last sound one that served before it
        stands in for it.

        Args:
            pipeline: its name.
            verified: whether every byte of the bundle is hashed too.

        Raises:
            CorruptArtifact: no version can be used.
        """
        last, _ = self._promotions.current(pipeline)
        if last is None:
            return None
        version, damages = self._usable(pipeline, [last.version, *last.line], verified)
        for number, damage in damages.items():
            logger.warning(
                "%s v%d of %s cannot be used; v%d is used instead.", damage, number, pipeline, version.number
            )
        return version

    def promote(self, pipeline: str, number: int, why: str, judged: int | None = None) -> Promotion:
        """Make a version the champion and return the promotion that holds.

        Args:
            pipeline: its name.
            number: of the version.
            why: it is promoted.
            judged: the version that it was judged beside, 0 for none: if another one serves by now, that one stays the
                champion, and its promotion is returned. By default the version is promoted whichever serves.

        Returns:
            The promotion, the last one where the version is the champion already.

        Raises:
            RequestError: there is no version of this number.
            CorruptArtifact: it is damaged.
        """
        try:
            self.bundle(self.version(pipeline, number))
        except CorruptArtifact as damage:
            raise CorruptArtifact(
                f"{damage} v{number} of {pipeline} was not promoted. Choose another: gristmill models {pipeline}. "
                f"Or make one: gristmill run {pipeline}, then gristmill promote {pipeline}."
            ) from None
        while True:
            last, free = self._promotions.current(pipeline)
            if last and last.version == number:
                self._promotions.set_pointer(last)
                return last
            line = [last.version, *last.line] if last else []
            if last and judged is not None and self._usable(pipeline, line)[0].number != judged:
                return last
            if made := self._promotions.append(pipeline, last, free, number, line, why):
                return made

    def rollback(self, pipeline: str, why: str) -> Promotion:
        """Make the last sound version that served before the champion the champion, and return the promotion.

        A rollback after a rollback leads further back. One that is damaged is told of in a warning and passed over.

        Raises:
            RequestError: there is no champion, or none served before it.
            CorruptArtifact: of those that served before it none can be used.
        """
        while True:
            last, free = self._promotions.current(pipeline)
            if last is None:
                raise RequestError(f"pipeline {pipeline!r} has no champion. Run: gristmill promote {pipeline}.")
            before = [number for number in last.line if number != last.version]
            if not before:
                raise RequestError(
                    f"pipeline {pipeline!r}: no version served before its champion, v{last.version}. "
                    f"Choose one: gristmill models {pipeline}, then: gristmill promote {pipeline} VERSION."
                )
            version, damages = self._usable(pipeline, before, which="version that served before the champion")
            line = last.line[last.line.index(version.number) + 1 :]
            if made := self._promotions.append(pipeline, last, free, version.number, line, why):
                for number, damage in damages.items():
                    logger.warning("%s v%d of %s cannot be used and is passed over.", damage, number, pipeline)
                return made

    def damages(self) -> Iterator[tuple[Path, str | None]]:
        """Yield every sealed file of the registry, those that are gone and missed too, and what is wrong with it."""
        for path in sorted([*self._root.glob("*/[!.]*.json"), *self._root.glob("*/*/[!.]*.json")]):
            kind = Version if path.parent.name == "versions" else Promotion
            try:
                sealed_json.read(path, kind)
                yield path, None
            except CorruptArtifact as damage:
                yield path, str(damage)
        for pipeline in self.pipelines():
            yield from ((path, f"{path}: gone.") for path in self._promotions.lost_pointer(pipeline))
            promoted = self.promoted(pipeline)
            if promoted and promoted not in self._versions.numbers(pipeline):
                path = self._versions.path(pipeline, promoted)
                yield (
                    path,
                    f"{path}: gone, and v{promoted} is the champion. Promote another: gristmill models {pipeline}.",
                )

    def strays(self) -> Iterator[Path]:
        """Yield the folders of bundles that no version has; none where a version is damaged, which may have one."""
        for folder in sorted(self._root.glob("*/bundles")):
            pipeline = folder.parent.name
            with suppress(CorruptArtifact):
                versions = [self._versions.read(pipeline, number) for number in self._versions.numbers(pipeline)]
                owned = {self.folder(version) for version in versions}
                yield from sorted(path for path in folder.glob("[!.]*") if path not in owned)

    def is_elsewhere(self, version: Version) -> bool:
        """Whether a version's bundle lies on the shared store alone, from which it is fetched when it is used."""
        return self._store.remote is not None and not self.folder(version).exists()

    def restore(self, version: Version) -> bool:
        """Replace a version's damaged bundle by the store's; where that is not the same, give it up: return False."""
        return self._bundles.restore(version.pipeline, version.references["export"])

    def repair_pointers(self) -> None:
        """Point to the latest promotion where the pointer is gone."""
        for pipeline in self.pipelines():
            if any(self._promotions.lost_pointer(pipeline)):
                self._promotions.point_to_latest(pipeline)

    def _free_version(self, pipeline: str) -> int:
        """Return the next number; one that was promoted is not given again, even if its file is gone."""
        promoted = [promotion.version for promotion in self.promotions(pipeline)]
        return max([0, *promoted, *self._versions.numbers(pipeline)]) + 1

    def _usable(
        self, pipeline: str, numbers: list[int], verified: bool = True, which: str = "version"
    ) -> tuple[Version, Damages]:
        """Return the first of some versions that is sound, and what is wrong with those before it.

        Raises:
            CorruptArtifact: none is.
        """
        damages: Damages = {}
        for number in dict.fromkeys(numbers):
            try:
                version = self._versions.read(pipeline, number)
                if verified:
                    self.bundle(version)
                return version, damages
            except CorruptArtifact as error:
                damages[number] = error
        told = " ".join(f"v{number}: {damage}" for number, damage in damages.items())
        raise CorruptArtifact(
            f"pipeline {pipeline!r}: no {which} can be used. {told} "
            f"Run: gristmill run {pipeline}, then: gristmill promote {pipeline}."
        )
