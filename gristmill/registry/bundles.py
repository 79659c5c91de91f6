"""Bundles owned by the registry; changes to the store do not affect them.

    root/registry/<pipeline>/bundles/<key[:16]>-<digest[:16]>/    the artifact of export with its manifest

A bundle is hard-linked file by file into a temporary folder, hashed, flushed and renamed into place before its version
is written, so every bundle of a version is complete. The links cost no space and outlive the artifact, but damage in
place affects both. An empty folder marks a bundle that was damaged and could not be restored.
"""

from contextlib import suppress
from pathlib import Path

from gristmill.errors import CorruptArtifact
from gristmill.store.artifact import Reference
from gristmill.store.store import Store
from gristmill.util.disk_errors import translate_disk_errors
from gristmill.util.files import flush_folder, link_or_copy


class Bundles:
    """Bundles of versions, by pipeline and reference."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def path(self, pipeline: str, bundle: Reference) -> Path:
        """Return the folder of a bundle, whether or not it exists."""
        name = f"{bundle['key'][:16]}-{bundle['digest'][:16]}"
        return self._store.root / "registry" / pipeline / "bundles" / name

    def open(self, pipeline: str, bundle: Reference, by_stat: bool = False) -> Path:
        """Return the folder of a bundle after verifying it (`Store.open_folder`)."""
        path = self.path(pipeline, bundle)
        return self._store.open_folder(path, bundle, _shared_as(pipeline, path), by_stat).path

    def add(self, pipeline: str, bundle: Reference) -> Path:
        """Copy a bundle of the store into the registry and return its folder; an intact copy stays as it is.

        Raises:
            CorruptArtifact: the store's artifact is missing, damaged, or was replaced by another result.
        """
        final = self.path(pipeline, bundle)
        shared_as = _shared_as(pipeline, final)
        with suppress(CorruptArtifact):
            own = self._store.open_folder(final, bundle, shared_as)
            with translate_disk_errors(self._store.root):
                own.path.touch()  # `gc` removes old bundles without a version, and this one is about to get a version
            self._store.share(own, shared_as)
            return own.path
        source = self._store.open_verified(bundle).path
        with self._store.temporary_folder(final) as draft:
            try:
                _link_files(source, draft)
                linked = self._store.open_folder(draft, bundle)
            except (CorruptArtifact, FileNotFoundError):
                raise CorruptArtifact(f"{source}: replaced or removed while it was registered. Try again.") from None
            flush_folder(draft)
            self._store.share(linked, shared_as)
            return self._store.rename(linked, final).path

    def restore(self, pipeline: str, bundle: Reference) -> bool:
        """Replace a damaged bundle by the store's artifact; if that differs, leave an empty folder and return False."""
        try:
            self.add(pipeline, bundle)
        except CorruptArtifact:
            path = self.path(pipeline, bundle)
            if path.exists():
                self._store.quarantine(path)
            with translate_disk_errors(self._store.root):
                path.mkdir(parents=True)
            return False
        return True


def _shared_as(pipeline: str, path: Path) -> str:
    """Return the name of a bundle's manifest in a shared store."""
    return f"registry/{pipeline}/bundles/{path.name}.json"


def is_given_up(folder: Path) -> bool:
    """Return whether a bundle's folder is empty: it was damaged and could not be restored."""
    return folder.is_dir() and not any(folder.iterdir())


def _link_files(source: Path, target: Path) -> None:
    for path in sorted(source.rglob("*")):  # a folder before its content
        linked = target / path.relative_to(source)
        if path.is_dir():
            linked.mkdir()
        else:
            link_or_copy(path, linked)
