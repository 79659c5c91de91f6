"""What reads a file that `predict` is given instead of the pipeline's own source."""

from pathlib import Path

from gristmill.errors import RequestError
from gristmill.settings import Files, Settings
from gristmill.sources.csv import Csv
from gristmill.sources.jsonl import Jsonl
from gristmill.sources.parquet import Parquet
from gristmill.sources.texts.folder import Folder


def reader_of(place: str, source: Settings, pipeline: str, plain: bool = False) -> Settings:
    """Return what reads a place: the source where the name is as its files', else what reads such files by default.

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
    if isinstance(source, Files):
        readers.insert(0, source)
    for reader in readers:
        if place.lower().endswith(reader.suffixes):
            return reader
    if isinstance(source, Files):
        return source
    if plain and Path(place).is_dir():
        return readers[-1]
    raise RequestError(
        f"--input {place}: [pipelines.{pipeline}.source] reads no file, so that nothing tells how to read this one. "
        f"Expected a .csv, .jsonl or .parquet file with the pipeline's columns{', or a .txt file' if plain else ''}."
    )
