"""Registry: the versions of each pipeline's model, and which of them is the champion that serves.

    root/registry/<pipeline>/bundles/<key[:16]>-<digest[:16]>/    a bundle: the artifact of export with its manifest
    root/registry/<pipeline>/versions/000001.json      a version: its bundle, scores and origin
    root/registry/<pipeline>/promotions/000001.json    a promotion: which version became champion, when and why
    root/registry/<pipeline>/champion.json             the pointer: a copy of the latest promotion

Versions and promotions never change (`ledger.py`), and the registry owns its bundles. So no promotion is lost, a former
champion can serve again, and a bundle that several processes register becomes one version.

A bundle is hard-linked file by file into a temporary folder, hashed, flushed and renamed into place before its version
is written, so every bundle of a version is complete. The links cost no space and outlive the artifact, but damage in
place affects both. An empty folder marks a bundle that was damaged and could not be restored.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gristmill.errors import CorruptArtifact, RequestError
from gristmill.registry.ledger import Ledger
from gristmill.registry.promotions import Promotion, Promotions
from gristmill.registry.version import CLEANING, Git, Version
from gristmill.runs.records import Record, Runs
from gristmill.runs.retraining_record import same_data
from gristmill.scores import FILE
from gristmill.store.store import Store
from gristmill.util import sealed_json
from gristmill.util.files import flush_folder, link_or_copy, translate_disk_errors
from gristmill.util.table_io import read_document

logger = logging.getLogger(__name__)

# raises `CorruptArtifact` if a version cannot serve from its verified bundle
ServingCheck = Callable[[Version, Path], None]


def _no_check(version: Version, bundle: Path) -> None:
    """Accept every version whose bundle is intact."""


class Registry:
    """Versions and champions of a store."""

    def __init__(self, store: Store) -> None:
        self._store, self._root = store, store.root / "registry"
        self._versions = Ledger(store, "versions", Version)
        self._promotions = Promotions(store)

    def pull(self, pipeline: str | None = None) -> None:
        """Fetch the versions and promotions of other machines, of one pipeline or of all, if the store is shared.

        A bundle is fetched when it is used. If the shared store cannot be reached, a warning is logged.
        """
        if self._store.remote:
            self._promotions.pull(pipeline)
            self._versions.pull(pipeline)  # last, so that the version of every known promotion is here
            self.repair_pointers()  # of pipelines that were promoted on other machines only

    def register(self, record: Record, code: dict[str, str], git: Git, decision: dict[str, Any]) -> Version:
        """Make a version of a run's bundle and return it, or the one that serves with equal bundle, settings and code.

        `code` and `git` are those of `version.py`; `decision` has the verdict, its reason and further values to keep.

        Raises:
            RequestError: the run exported nothing.
            CorruptArtifact: the bundle is damaged.
        """
        if "export" not in record.references:
            raise RequestError(
                f"run {record.id!r} of pipeline {record.pipeline!r} exported no model. Choose another run."
            )
        folder = self.add_bundle(record)
        while True:
            # Before the search, because a later version takes this number. A promoted number is not used again, even if
            # its file is gone.
            promoted = [promotion.version for promotion in self.promotions(record.pipeline)]
            free = max([0, *promoted, *self._versions.numbers(record.pipeline)]) + 1
            for version in self.versions(record.pipeline):
                if version.serves_like(record) and version.code.get(CLEANING) == code.get(CLEANING):
                    return version
            new = Version(
                number=free,
                pipeline=record.pipeline,
                domain=record.domain,
                run=record.id,
                settings=record.settings,
                overrides=record.overrides,
                references=record.references,
                scores=read_document(folder / FILE),
                versions=record.versions,
                git=git,
                code=code,
                made=datetime.now(UTC),
                decision=decision,
            )
            if self._versions.create(new):
                return new

    def versions(self, pipeline: str) -> Iterator[Version]:
        """Yield a pipeline's versions, the newest first; skip unreadable ones with a warning."""
        yield from self._versions.newest_first(pipeline)

    def version(self, pipeline: str, number: int) -> Version:
        """Return one version; raise `RequestError` if there is none, and `CorruptArtifact` if its file is damaged."""
        known = self._versions.numbers(pipeline)
        if number not in known:
            names = ", ".join(f"v{number}" for number in reversed(known)) or "none"
            raise RequestError(f"pipeline {pipeline!r} has no version {number}. Known: {names}.")
        return self._versions.read(pipeline, number)

    def folder(self, exported: Version | Record) -> Path:
        """Return the folder of a bundle, whether or not it exists."""
        bundle = exported.references["export"]
        return self._root / exported.pipeline / "bundles" / f"{bundle['key'][:16]}-{bundle['digest'][:16]}"

    def bundle(self, version: Version, by_stat: bool = False) -> Path:
        """Return the folder of a version's bundle after verifying it (`Store.open_folder`)."""
        path = self.folder(version)
        return self._store.open_folder(path, version.references["export"], self._shared_as(path), by_stat).path

    def add_bundle(self, exported: Version | Record) -> Path:
        """Copy a bundle of the store into the registry and return its folder; an intact copy stays as it is.

        Raises:
            CorruptArtifact: the store's artifact is missing, damaged, or was replaced by another result.
        """
        final, bundle = self.folder(exported), exported.references["export"]
        shared_as = self._shared_as(final)
        with suppress(CorruptArtifact):
            copy = self._store.open_folder(final, bundle, shared_as)
            with translate_disk_errors(self._store.root):
                copy.path.touch()  # `gc` removes old bundles without a version, and this one is about to get a version
            self._store.share(copy, shared_as)
            return copy.path
        source = self._store.open_verified(bundle).path
        with self._store.temporary_folder(final) as draft:
            try:
                for path in sorted(source.rglob("*")):  # a folder before its content
                    target = draft / path.relative_to(source)
                    if path.is_dir():
                        target.mkdir()
                    else:
                        link_or_copy(path, target)
                copy = self._store.open_folder(draft, bundle)
            except (CorruptArtifact, FileNotFoundError):
                raise CorruptArtifact(f"{source}: replaced or removed while it was registered. Try again.") from None
            flush_folder(draft)
            self._store.share(copy, shared_as)
            return self._store.rename(copy, final).path

    def _shared_as(self, path: Path) -> str:
        """Return the name of a bundle's manifest in a shared store."""
        return f"{path.relative_to(self._store.root).as_posix()}.json"

    def promotions(self, pipeline: str) -> Iterator[Promotion]:
        """Yield a pipeline's promotions, the latest first; skip unreadable ones with a warning."""
        yield from self._promotions.newest_first(pipeline)

    def pipelines(self) -> list[str]:
        """Return the names of all pipelines that have versions."""
        return sorted(folder.parent.name for folder in self._root.glob("*/versions"))

    def promoted(self, pipeline: str) -> int | None:
        """Return the number of the version that was last promoted, even if it is damaged; None without one."""
        last, _ = self._promotions.current(pipeline)
        return last.version if last else None

    def champion(self, pipeline: str, verified: bool = False) -> Version | None:
        """Return the version that serves; None if no version was promoted yet.

        If the champion is damaged, a warning is logged, and the last sound version that served before it is returned.
        `verified` hashes the bundle too. `CorruptArtifact` is raised if no version can be used.
        """
        last, _ = self._promotions.current(pipeline)
        if last is None:
            return None
        version, damages = self._first_usable(pipeline, [last.version, *last.line], verified)
        for number, damage in damages.items():
            logger.warning(
                "%s v%d of %s cannot be used; v%d is used instead.", damage, number, pipeline, version.number
            )
        return version

    def hold(self, pipeline: str) -> Promotion | None:
        """Return the current promotion if retrainings must leave its version the champion."""
        last, _ = self._promotions.current(pipeline)
        return last if last and last.held else None

    def promote(
        self,
        pipeline: str,
        number: int,
        why: str,
        judged: int | None = None,
        run: str | None = None,
        *,
        hold: bool = False,
        check: ServingCheck = _no_check,
    ) -> Promotion:
        """Make a version the champion; return the new promotion, or the last one if nothing changes.

        A retraining passes its `run`, and as `judged` the version that it was compared with (0 for none). If another
        version serves now, or the champion is held, the champion does not change. A promotion by a person ignores the
        current champion, and sets or releases the hold. Only a version that passes `check` is promoted.

        Raises:
            RequestError: there is no version of this number.
            CorruptArtifact: the version is damaged, or fails the check.
        """
        try:
            version = self.version(pipeline, number)
            check(version, self.bundle(version))
        except CorruptArtifact as damage:
            raise CorruptArtifact(
                f"{damage} v{number} of {pipeline} was not promoted. Choose another: gristmill models {pipeline}. "
                f"Or make one: gristmill run {pipeline}, then gristmill promote {pipeline}."
            ) from None
        while True:
            last, free = self._promotions.current(pipeline)
            if last and last.version == number and (last.held == hold or judged is not None):
                self._promotions.set_pointer(last)
                return last
            line = [last.version, *last.line] if last else []
            if last and judged is not None and (last.held or self._first_usable(pipeline, line)[0].number != judged):
                return last
            if last and judged is not None and run in self.withdrawn(pipeline):  # by a rollback since it began
                return last
            if last and last.version == number:
                line = last.line
            if promotion := self._promotions.append(pipeline, last, free, number, line, why=why, run=run, held=hold):
                return promotion

    def rollback(self, pipeline: str, why: str, check: ServingCheck = _no_check) -> Promotion:
        """Promote the last sound version that served before the champion, and return the promotion.

        Data that runs have ingested since that version's run, and that differs from its own, is withdrawn. If no
        version served before the champion, the champion stays, and only later data is withdrawn.

        A rollback after a rollback leads further back. Versions that are damaged or fail `check` are skipped with a
        warning. If the champion is held, so is the version that replaces it.

        Raises:
            RequestError: there is no champion, or there is nothing to go back to.
            CorruptArtifact: no version that served before it can be used.
        """
        while True:
            last, free = self._promotions.current(pipeline)
            if last is None:
                raise RequestError(f"pipeline {pipeline!r} has no champion. Run: gristmill promote {pipeline}.")
            before = [number for number in last.line if number != last.version]
            which = "version that served before the champion" if before else "champion"
            version, damages = self._first_usable(pipeline, before or [last.version], which=which, check=check)
            withdrawn = self._data_since(version)
            if not before and not withdrawn:
                raise RequestError(
                    f"pipeline {pipeline!r}: no version served before its champion, v{last.version}, and no run has "
                    f"read newer data. Choose a version: gristmill models {pipeline}, then: gristmill promote "
                    f"{pipeline} VERSION."
                )
            line = last.line[last.line.index(version.number) + 1 :] if before else last.line
            fields = {"why": why, "held": last.held, "withdrawn": withdrawn}
            if promotion := self._promotions.append(pipeline, last, free, version.number, line, **fields):
                for number, damage in damages.items():
                    logger.warning("%s v%d of %s cannot be used and is skipped.", damage, number, pipeline)
                return promotion

    def withdrawn(self, pipeline: str) -> set[str]:
        """Return the IDs of runs whose data rollbacks have withdrawn, without the data of a version promoted later."""
        runs: set[str] = set()
        for promotion in reversed(list(self.promotions(pipeline))):
            runs.update(promotion.withdrawn)
            if runs and not promotion.withdrawn:
                with suppress(CorruptArtifact):
                    version = self._versions.read(pipeline, promotion.version)
                    runs = {run for run in runs if not self._read_same_data(run, version)}
        return runs

    def _read_same_data(self, run: str, version: Version) -> bool:
        """Return whether a run read the data that a version was trained on."""
        if run == version.run:
            return True
        with suppress(RequestError):  # its record is deleted
            references = Runs(self._store).read(version.pipeline, run).references
            digests = [known["ingest"]["digest"] for known in (references, version.references) if "ingest" in known]
            return len(digests) == 2 and digests[0] == digests[1]
        return False

    def _data_since(self, version: Version) -> tuple[str, ...]:
        """Return the IDs of runs after a version's own whose data differs from its data, unless it is withdrawn."""
        own, known = version.references.get("ingest"), self.withdrawn(version.pipeline)
        if own is None:
            return ()
        return tuple(
            record.id
            for record in Runs(self._store).newest_first(version.pipeline)
            if record.id > version.run and record.id not in known and not record.set_aside and not record.trial
            if "ingest" in record.stages and record.references["ingest"]["digest"] != own["digest"]
            if same_data(record.settings, version.settings)
        )

    def damages(self) -> Iterator[tuple[Path, str | None]]:
        """Yield every sealed file of the registry, also missing ones, with its damage or None."""
        for path in sorted([*self._root.glob("*/[!.]*.json"), *self._root.glob("*/*/[!.]*.json")]):
            kind = Version if path.parent.name == "versions" else Promotion
            try:
                sealed_json.read(path, kind)
                yield path, None
            except CorruptArtifact as damage:
                yield path, str(damage)
        for pipeline in self.pipelines():
            if pointer := self._promotions.missing_pointer(pipeline):
                yield pointer, f"{pointer}: gone."
            promoted = self.promoted(pipeline)
            if promoted and promoted not in self._versions.numbers(pipeline):
                path, remedy = self._versions.path(pipeline, promoted), f"gristmill models {pipeline}"
                yield path, f"{path}: gone, and v{promoted} is the champion. Promote another: {remedy}."

    def orphan_bundles(self) -> Iterator[Path]:
        """Yield bundle folders without a version; skip a pipeline with a damaged version, which may own one."""
        for folder in sorted(self._root.glob("*/bundles")):
            pipeline = folder.parent.name
            with suppress(CorruptArtifact):
                versions = [self._versions.read(pipeline, number) for number in self._versions.numbers(pipeline)]
                owned = {self.folder(version) for version in versions}
                yield from sorted(path for path in folder.glob("[!.]*") if path not in owned)

    def is_remote_only(self, version: Version) -> bool:
        """Return whether only the shared store has a version's bundle; it is fetched when it is used."""
        return self._store.remote is not None and not self.folder(version).exists()

    def is_given_up(self, version: Version) -> bool:
        """Return whether the folder of a version's bundle is empty: it was damaged and could not be restored."""
        folder = self.folder(version)
        return folder.is_dir() and not any(folder.iterdir())

    def restore(self, version: Version) -> bool:
        """Replace a damaged bundle by the store's artifact; if that differs, leave an empty folder and return False."""
        try:
            self.add_bundle(version)
        except CorruptArtifact:
            path = self.folder(version)
            if path.exists():
                self._store.quarantine(path)
            with translate_disk_errors(self._store.root):
                path.mkdir(parents=True)
            return False
        return True

    def repair_pointers(self) -> None:
        """Point to the latest readable promotion wherever the pointer is missing."""
        for pipeline in self.pipelines():
            if self._promotions.missing_pointer(pipeline) and (latest := next(self.promotions(pipeline), None)):
                self._promotions.set_pointer(latest)

    def _first_usable(
        self,
        pipeline: str,
        numbers: list[int],
        verified: bool = True,
        which: str = "version",
        check: ServingCheck = _no_check,
    ) -> tuple[Version, dict[int, CorruptArtifact]]:
        """Return the first sound version, and the damage of each version before it; raise if none is sound."""
        damages: dict[int, CorruptArtifact] = {}
        for number in dict.fromkeys(numbers):
            try:
                version = self._versions.read(pipeline, number)
                if verified:
                    check(version, self.bundle(version))
                return version, damages
            except CorruptArtifact as error:
                damages[number] = error
        listed = " ".join(f"v{number}: {damage}" for number, damage in damages.items())
        raise CorruptArtifact(
            f"pipeline {pipeline!r}: no {which} can be used. {listed} "
            f"Run: gristmill run {pipeline}, then: gristmill promote {pipeline}."
        )
