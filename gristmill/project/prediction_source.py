"""Read the files that `predict` answers for: the reader of a file, and the columns that predictions are added to."""

from pathlib import Path
from typing import TYPE_CHECKING

from gristmill.errors import RequestError
from gristmill.monitoring.prediction_columns import PREDICTED
from gristmill.settings.base import Files, Settings
from gristmill.sources.prepare import TableFiles
from gristmill.sources.tables.csv import Csv, is_tab_separated
from gristmill.sources.tables.jsonl import Jsonl
from gristmill.sources.tables.parquet import Parquet
from gristmill.sources.texts.folder import TEXTS, Folder

if TYPE_CHECKING:
    import pandas as pd


def reader_of(place: str, source: Settings, pipeline: str, plain: bool = False) -> Settings:
    """Return the reader of a place: the source if the name matches its files, else the default one of that suffix.

    The default reader of a table cleans it by the source's `prepare`, too.
    A folder is read like the source, unless it has no files like those of the source but plain texts. `plain` says
    whether files can be read as one text each.
    """
    file, prepare = Path(place).name, source.prepare if isinstance(source, TableFiles) else None
    readers: list[Files] = [Csv(kind="csv", path=file, prepare=prepare)]
    readers += [Jsonl(kind="jsonl", path=file, prepare=prepare), Parquet(kind="parquet", path=file, prepare=prepare)]
    readers += [Folder(kind="folder", path=file)] if plain else []
    if isinstance(source, Csv) and is_tab_separated(place) != is_tab_separated(source.path):
        readers[0] = Csv(path=file, **source.model_dump(exclude={"path", "refresh", "sha256", "separator"}))
    elif isinstance(source, Files):
        readers.insert(0, source)
    for reader in readers:
        if place.lower().endswith(reader.suffixes):
            return reader
    is_json = place.lower().endswith((".json", ".json.gz")) and not isinstance(source, Jsonl)
    if isinstance(source, Files) and not is_json:
        return readers[-1] if plain and _holds_only_texts(Path(place), source.suffixes) else source
    if plain and Path(place).is_dir():
        return readers[-1]
    reason = f"[pipelines.{pipeline}.source] reads no files, so it does not say how to read this one"
    if is_json:
        reason = "unknown file type '.json'; write each object of an array on its own line of a .jsonl file"
    raise RequestError(
        f"--input {place}: {reason}. "
        f"Expected a .csv, .jsonl or .parquet file with the pipeline's columns{', or a .txt file' if plain else ''}."
    )


def rows_to_predict(source: Settings, paths: tuple[Path, ...]) -> "pd.DataFrame | None":
    """Return all columns of the files to predict, in their order; None if they are not tables."""
    return source.whole(paths) if paths and isinstance(source, TableFiles) else None


def with_columns(answer: "pd.DataFrame", rows: "pd.DataFrame") -> "pd.DataFrame":
    """Return the predictions of rows after all columns of the rows.

    Columns that have the name of a prediction, such as those of an earlier call, are replaced.
    """
    import pandas as pd

    predictions = answer.loc[:, PREDICTED:]
    names = answer.columns.difference([*predictions, *rows], sort=False)
    return pd.concat(
        [answer[names], rows[rows.columns.difference(predictions.columns, sort=False)], predictions], axis=1
    )


def _holds_only_texts(folder: Path, others: tuple[str, ...]) -> bool:
    """Return whether a folder has plain texts and no files with the suffixes `others`."""
    names = [path.name.lower() for path in folder.rglob("*")] if folder.is_dir() else []
    return any(name.endswith(TEXTS) for name in names) and not any(name.endswith(others) for name in names)
