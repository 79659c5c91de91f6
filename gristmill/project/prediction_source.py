"""What reads a file that `predict` is given instead of the pipeline's own source."""

from pathlib import Path

from gristmill.errors import RequestError
from gristmill.settings.base import Files, Settings
from gristmill.sources.tables.csv import Csv, is_tab_separated
from gristmill.sources.tables.jsonl import Jsonl
from gristmill.sources.tables.parquet import Parquet
from gristmill.sources.texts.folder import TEXTS, Folder


def reader_of(place: str, source: Settings, pipeline: str, plain: bool = False) -> Settings:
    """Return what reads a place: the source where the name is as its files', else what reads such files by default.

    A folder is the source's, unless there are no files of its kind in it and plain texts are.

    Args:
        place: a file, folder or pattern.
        source: of the pipeline.
        pipeline: its name.
        plain: whether a file that is no table can hold one text.

    Raises:
        RequestError: the source reads no files, and the name does not tell how to read this one.
    """
    file = Path(place).name
    readers: list[Files] = [Csv(kind="csv", path=file), Jsonl(kind="jsonl", path=file)]
    readers += [Parquet(kind="parquet", path=file), *([Folder(kind="folder", path=file)] if plain else [])]
    if isinstance(source, Csv) and is_tab_separated(place) != is_tab_separated(source.path):
        readers[0] = Csv(
            kind="csv", path=file, decimal=source.decimal, encoding=source.encoding, missing=source.missing
        )
    elif isinstance(source, Files):
        readers.insert(0, source)
    for reader in readers:
        if place.lower().endswith(reader.suffixes):
            return reader
    if isinstance(source, Files):
        return readers[-1] if plain and _holds_plain_texts(Path(place), source.suffixes) else source
    if plain and Path(place).is_dir():
        return readers[-1]
    raise RequestError(
        f"--input {place}: [pipelines.{pipeline}.source] reads no file, so that nothing tells how to read this one. "
        f"Expected a .csv, .jsonl or .parquet file with the pipeline's columns{', or a .txt file' if plain else ''}."
    )


def _holds_plain_texts(folder: Path, others: tuple[str, ...]) -> bool:
    """Return whether there are plain texts in a folder and no files that end as `others`."""
    names = [path.name.lower() for path in folder.rglob("*")] if folder.is_dir() else []
    return any(name.endswith(TEXTS) for name in names) and not any(name.endswith(others) for name in names)
