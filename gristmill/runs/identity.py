"""Identity of a stage's result, and everything that the stage reads: located, hashed, and never imported."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from gristmill import keys
from gristmill.config.catalogue import Catalogue, Pipeline
from gristmill.errors import DataError
from gristmill.keys import Identity
from gristmill.runs.locations import Located, fetch_missing, locate
from gristmill.settings.base import Files, identity_values, locations, with_nested
from gristmill.settings.custom_code import code_of
from gristmill.settings.stage import Stage
from gristmill.store.code_closure import PackageCode, code_closure, with_imports
from gristmill.store.downloads import fetch
from gristmill.store.imported_code import Imported, read_imported
from gristmill.store.store import Store
from gristmill.util import extras


@dataclass(frozen=True)
class StageInputs:
    """Everything that a stage reads, and the identity of its result."""

    data: Mapping[str, Located]  # by setting, such as `source.path`
    digests: Mapping[str, str]  # of data and of input artifacts
    imported: Imported  # by the user's own code
    identity: Identity


def resolve_inputs(catalogue: Catalogue, pipeline: Pipeline, stage: Stage, artifacts: Mapping[str, str]) -> StageInputs:
    """Return everything that a stage reads now, given the digests of its input artifacts.

    Raises:
        DataError: data is missing or cannot be read.
    """
    data = locate_inputs(catalogue, pipeline, stage)
    inputs = {**digests_of(data, catalogue.store), **artifacts}
    imported = read_imports(catalogue, stage)
    return StageInputs(data, inputs, imported, identity_of(stage, inputs, catalogue.code, imported))


def read_imports(catalogue: Catalogue, stage: Stage) -> Imported:
    """Return what the user's own code in a stage imports from outside the project's files."""
    return read_imported(catalogue.root, stage.settings.values(), catalogue.store.memo)


def starts_of(stage: Stage) -> list[str]:
    """Return the modules that the code closure of a stage starts from."""
    kinds = (type(settings).__module__ for table in stage.settings.values() for settings in with_nested(table))
    return [stage.module, *kinds]


def identity_of(stage: Stage, inputs: Mapping[str, str], code: PackageCode, imported: Imported) -> Identity:
    """Return the identity of a stage's result.

    `inputs` maps names to digests of everything that the stage reads, including locations (`source.path`). `code` is
    gristmill's own code, and `imported` holds the imports of the user's code that the stage runs.
    """
    starts = starts_of(stage)
    libraries = keys.library_versions(stage.libraries, extras.libraries_of(stage.settings.values()))
    # Values that cannot change the result, such as the number of points of a stage, are left out.
    settings: dict[str, dict[str, object]] = {}
    for name, table in stage.settings.items():
        ignored = {*stage.ignores.get(name, ()), *(key for key, _ in stage.axes if name == stage.name)}
        settings[name] = {key: value for key, value in identity_values(table).items() if key not in ignored}
    if stage.point:
        settings[stage.name] = settings.get(stage.name, {}) | dict(stage.point)
    return keys.identify(
        stage.name,
        code={**code_closure(starts, code.modules([*starts, *imported.modules]), imported.modules), **imported.code},
        settings=settings,
        inputs=inputs,
        libraries={**imported.libraries, **libraries},
    )


def stage_files(catalogue: Catalogue, pipeline: Pipeline, stage: Stage) -> tuple[Path, ...]:
    """Fetch the missing files of a stage's settings, and return all of them.

    Raises:
        DataError: a file does not exist or cannot be fetched.
    """
    fetch_missing(stage.settings.values(), catalogue.root)
    located = locate_inputs(catalogue, pipeline, stage).values()
    fetch_urls(located, catalogue.store)
    return tuple(file for location in located for file in location.files)


def fetch_urls(data: Iterable[Located], store: Store) -> None:
    """Fetch the files of URLs that are missing or damaged into `downloads/` of the store (`store/downloads.py`)."""
    for located in data:
        if located.url and located.sha256:
            fetch(located.url, located.files[0], located.sha256, store)


def locate_inputs(catalogue: Catalogue, pipeline: Pipeline, stage: Stage) -> dict[str, Located]:
    """Return the files of all locations in a stage's settings by `table.field`; raise `DataError` for a missing one."""
    located: dict[str, Located] = {}
    root, downloads = catalogue.root, catalogue.store.root / "downloads"
    of_candidate = f" of candidate {stage.candidate}" if stage.candidate else ""
    for name, table in stage.settings.items():
        sha256 = getattr(table, "sha256", None)
        suffixes, refresh = (table.suffixes, table.refresh) if isinstance(table, Files) else (("",), False)
        code = {key: own.file for key, own in code_of(table)}
        for key, location in {**dict(locations(table)), **code}.items():
            needed_by = f"[pipelines.{pipeline.name}.{name}] {key}{of_candidate}"
            if key in code:
                located[f"{name}.{key}"] = locate_code(root, location, needed_by)
            else:
                located[f"{name}.{key}"] = locate(location, root, needed_by, downloads, sha256, suffixes, refresh)
                sha256 = None  # it belongs to the table's first location
    return located


def locate_code(root: Path, location: str, needed_by: str) -> Located:
    """Return a code file and the files that it imports; all must be in the project."""
    file = (root / location).absolute()
    if not os.path.isfile(file):  # noqa: PTH113 - Path.is_file raises for a name that is too long
        raise DataError(f"{needed_by}: no such file '{file}'. Put it there, or correct the path.")
    files = with_imports(file)
    for path in files:
        if not path.resolve().is_relative_to(root.resolve()):
            raise DataError(f"{needed_by}: '{path}' is a link out of the project. Copy the file into it.")
    return Located(files)


def digests_of(data: Mapping[str, Located], store: Store) -> dict[str, str]:
    """Return the SHA-256 of each location's content; files with an unchanged stat are not read again.

    The digest of several files covers their names below their common folder too, since a name may hold information such
    as a photo's class. A file from a URL has its expected digest, because it may not have been fetched yet. `DataError`
    is raised if a file cannot be read, or does not have its expected digest.
    """
    return {name: _digest_of(located, store) for name, located in data.items()}


def _digest_of(located: Located, store: Store) -> str:
    if located.url and located.sha256:
        return located.sha256
    folder = Path(os.path.commonpath({os.path.dirname(file) for file in located.files}))  # noqa: PTH120 - of each photo
    below = len(os.path.join(folder, ""))  # noqa: PTH118 - with the separator
    names = [str(file)[below:] for file in located.files]
    try:
        digests = store.memo.digests(folder, names)
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read ({error.strerror}). Fix its permissions.") from None
    digest = digests[names[0]] if len(names) == 1 else keys.digest_of(digests)
    if located.sha256 not in (None, digest):
        raise DataError(
            f"{folder / (names[0] if len(names) == 1 else '')}: SHA-256 {digest}, but sha256 = {located.sha256} is "
            "expected. Set sha256 to the first if you trust the file, or use the expected file."
        )
    return digest
