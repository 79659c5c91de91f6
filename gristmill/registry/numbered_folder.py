"""Copy of a version's SavedModel in the form that TensorFlow Serving watches: `<folder>/<number>/saved_model.pb`.

The server loads a folder with a number for its name as soon as it appears. So the model is copied under a hidden name,
flushed, verified and renamed: a kill leaves no incomplete number.
"""

import shutil
from pathlib import Path

from gristmill.errors import CorruptArtifact, RequestError, StoreError
from gristmill.keys import digest_of_file
from gristmill.registry.registry import Registry
from gristmill.registry.version import Version
from gristmill.store.artifact import read_artifact
from gristmill.util.files import files_below, flush_folder, remove_older, rename_folder, temporary_name

_SAVED_MODEL = "saved_model"
_SECONDS_OLD = 3600


def copy_saved_model(registry: Registry, version: Version, parent: Path) -> Path:
    """Copy the SavedModel of a version to `parent/<number>` and return that folder; an equal one stays as it is.

    Raises:
        CorruptArtifact: the bundle is damaged, or the copy is.
        RequestError: the bundle has no SavedModel, or the folder holds another model.
        StoreError: the folder cannot be written.
    """
    bundle = registry.bundle(version)
    name, prefix = f"{version.pipeline} v{version.number}", f"{_SAVED_MODEL}/"
    files = read_artifact(bundle).manifest["files"].items()
    expected = {file.removeprefix(prefix): entry["sha256"] for file, entry in files if file.startswith(prefix)}
    if not expected:
        raise RequestError(
            f"{name} was not exported as a SavedModel, which TensorFlow Serving needs. Add 'saved_model' to "
            f"export.formats, then: gristmill run {version.pipeline}, and gristmill promote {version.pipeline}."
        )
    final = parent / str(version.number)
    try:
        if not final.exists():
            _copy(bundle / _SAVED_MODEL, final, expected)
        if _digests(final) != expected:
            raise RequestError(
                f"{final}: holds another model than {name}. Remove it, or export to another folder with --to."
            )
    except OSError as error:
        raise StoreError(f"{error.filename or final}: cannot be written ({error.strerror}).") from None
    return final


def _copy(source: Path, final: Path, expected: dict[str, str]) -> None:
    """Copy a folder to a name that it gets when it is complete; another process may have made it before."""
    final.parent.mkdir(parents=True, exist_ok=True)
    remove_older(final.parent.glob(f".{final.name}.*"), _SECONDS_OLD)
    draft = temporary_name(final)
    try:
        shutil.copytree(source, draft, copy_function=shutil.copyfile)
        if _digests(draft) != expected:
            raise CorruptArtifact(f"{source}: changed while it was copied. Try again.")
        flush_folder(draft)
        try:
            rename_folder(draft, final)
        except OSError:
            if not final.exists():
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _digests(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): digest_of_file(path) for path in files_below(folder)}
