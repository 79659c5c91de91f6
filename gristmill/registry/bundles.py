"""The bundles of versions: the registry's own, so that nothing which becomes of the store's artifacts becomes of them.

    root/registry/<pipeline>/bundles/<key[:16]>-<digest[:16]>/    the artifact of export, manifest and all

A bundle is linked file by file into a folder beside, hashed there, flushed and renamed into place, before there is a
version of it: what a version refers to is whole. The links share their bytes with the store's artifact, which costs no
space and outlives its replacement and removal; bytes that are damaged in place are damaged in both. An empty folder is
that of a bundle which was damaged and could not be restored.
"""

from contextlib import suppress
from pathlib import Path

from gristmill.errors import CorruptArtifact
from gristmill.store.artifact import Reference
from gristmill.store.store import Store
from gristmill.util.disk_errors import translate_disk_errors
from gristmill.util.files import flush_folder, link_or_copy


class Bundles:
    """The bundles that versions own, by pipeline and reference."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def path(self, pipeline: str, bundle: Reference) -> Path:
        """Return where a bundle lies, or would."""
        name = f"{bundle['key'][:16]}-{bundle['digest'][:16]}"
        return self._store.root / "registry" / pipeline / "bundles" / name

    def open(self, pipeline: str, bundle: Reference, by_stat: bool = False) -> Path:
        """Return the folder of a bundle for reading, after hashing it.

        Args:
            pipeline: whose it is.
            bundle: what is referred to.
            by_stat: hash only the files whose stat has changed since they were last hashed.

        Raises:
            CorruptArtifact: it is gone, or a file of it is not the one that was published.
        """
        path = self.path(pipeline, bundle)
        return self._store.open_folder(path, bundle, _shared_as(pipeline, path), by_stat).path

    def take(self, pipeline: str, bundle: Reference) -> Path:
        """Make a bundle of the store the registry's own and return its folder.

        One that is there is left as it is, or replaced where it is damaged.

        Raises:
            CorruptArtifact: the store's artifact is gone, damaged, or another one by now.
        """
        final = self.path(pipeline, bundle)
        shared_as = _shared_as(pipeline, final)
        with suppress(CorruptArtifact):
            own = self._store.open_folder(final, bundle, shared_as)
            with translate_disk_errors(self._store.root):
                own.path.touch()  # for `gc`, which removes old bundles without a version: this one is about to get one
            self._store.share(own, shared_as)
            return own.path
        source = self._store.open_verified(bundle).path
        with self._store.aside(final) as draft:
            try:
                _link_files(source, draft)
                linked = self._store.open_folder(draft, bundle)
            except (CorruptArtifact, FileNotFoundError):
                raise CorruptArtifact(f"{source}: replaced or removed while it was registered. Try again.") from None
            flush_folder(draft)
            self._store.share(linked, shared_as)
            return self._store.rename(linked, final).path

    def restore(self, pipeline: str, bundle: Reference) -> bool:
        """Replace a damaged bundle by the store's artifact; where that is not the same, give it up and return False."""
        try:
            self.take(pipeline, bundle)
        except CorruptArtifact:
            path = self.path(pipeline, bundle)
            if path.exists():
                self._store.quarantine(path)
            with translate_disk_errors(self._store.root):
                path.mkdir(parents=True)
            return False
        return True


def _shared_as(pipeline: str, path: Path) -> str:
    """Return the name of a bundle's manifest on a shared store."""
    return f"registry/{pipeline}/bundles/{path.name}.json"


def is_given_up(folder: Path) -> bool:
    """Whether a folder is that of a bundle which was damaged and could not be restored."""
    return folder.is_dir() and not any(folder.iterdir())


def _link_files(source: Path, target: Path) -> None:
    for path in sorted(source.rglob("*")):  # a folder before what it holds
        own = target / path.relative_to(source)
        if path.is_dir():
            own.mkdir()
        else:
            link_or_copy(path, own)
