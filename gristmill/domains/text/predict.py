"""Predict: the class of texts, by an exported bundle."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.text.settings import Ingest
from gristmill.errors import DataError, RequestError, count_such
from gristmill.export import bundle
from gristmill.export.formats import FORMATS, Predictor
from gristmill.settings.base import Settings
from gristmill.settings.messages import unknown_name
from gristmill.sources.rows import Rows, TableSource
from gristmill.sources.texts.folder import Folder
from gristmill.util.table_io import read_document, read_table

logger = logging.getLogger(__name__)

PLAIN = True  # a file that is no table can hold one text

_BATCH = 256  # texts that the network is shown at a time


@dataclass(frozen=True)
class Texts:
    """Texts to classify, and what their rows of the answer begin with."""

    values: npt.NDArray[np.object_]  # (texts,): strings, and None where a row has none
    places: dict[str, list[str]]  # a column that says where each text stands


def predict(
    *,
    source: TableSource,
    ingest: Ingest,
    preprocess: Settings,
    paths: tuple[Path, ...],
    export: Path,
    scratch: Path,
    ingested: Path | None = None,
    text: str | None = None,
) -> pd.DataFrame:
    """Return one row a text: where it stands, `label`, `probability` of that label, and `p_<class>` of each class.

    Where it stands is the `file`, or of a table's rows the `id` that ingest gives them. Each row stays where it was:
    one without a text, where `ingest.missing` is "drop", has no label. How many those are is said in the log, and
    in how many texts there is nothing that the model knows.

    Args:
        source: how to read the files: the pipeline's own, or one for files of their kind.
        ingest: what a table's columns mean. The column of labels need not be there; where it is, its labels must be
            the model's.
        preprocess: not used, for its state is in the bundle.
        paths: files with texts.
        export: folder of the verified bundle.
        scratch: not used.
        ingested: folder of texts that are ingested already, in place of files.
        text: one text, instead of files.

    Raises:
        DataError: a file that cannot be read, a text that is empty or longer than allowed, a label that the model does
            not know.
        RequestError: `text` is empty.
    """
    signature: dict[str, Any] = read_document(export / "signature.json")
    if text is not None:
        texts = of_request(text)
    elif ingested is not None:
        texts = of_ingest(ingested, "file" if isinstance(source, Folder) else "id")
    else:
        texts = of_files(source, ingest, paths, signature["classes"])
    there = np.array([value is not None for value in texts.values])
    probabilities = np.full((len(there), len(signature["classes"])), np.nan)
    judge, whole = loaded(export, signature["formats"][0]), texts.values[there]
    made = np.concatenate([judge(whole[begin : begin + _BATCH]) for begin in range(0, len(whole), _BATCH)])
    probabilities[there] = made[:, :-1]
    if strange := int((made[:, -1] == 0).sum()):
        logger.warning(
            "%d of %d texts hold no token that the model knows: what it says of them means nothing", strange, len(whole)
        )
    if left_out := int((~there).sum()):
        logger.warning("%d of %d rows have no text and so get no label", left_out, len(there))
    return as_rows(texts, probabilities, signature["classes"])


def loaded(export: Path, form: str) -> Predictor:
    """Return a function from texts to the probabilities of the classes and, last, how many of their tokens are known.

    Raises:
        RequestError: the model's graph needs an extra of the package that is not installed.
    """
    import tensorflow as tf

    bundle.import_needed(export)
    model = tf.saved_model.load(export / FORMATS[form].place)  # which must live as long as its signature

    def judge(texts: npt.NDArray[np.object_]) -> npt.NDArray[np.float64]:
        made = model.signatures["serving_default"](tf.constant(texts.tolist()))
        return np.column_stack([made["probabilities"].numpy().astype(np.float64), made["known"].numpy()])

    return bundle.in_blocks(judge)


def of_request(text: str) -> Texts:
    """Return a text of the command line."""
    if not text.strip():
        raise RequestError("--text: it is empty. Give a text to classify.")
    return Texts(np.array([text], object), {})


def of_ingest(folder: Path, called: str) -> Texts:
    """Return ingested texts, their ids in a column of this name."""
    table = read_table(folder / "texts.parquet")
    return Texts(table["text"].to_numpy(object), {called: table["id"].tolist()})


def of_files(source: TableSource, ingest: Ingest, paths: Sequence[Path], classes: Sequence[str]) -> Texts:
    """Return the texts of files: one each, or one a row."""
    if isinstance(source, Folder):  # whatever the folders are named, they say neither class nor part here
        rows = source.model_copy(update={"parts": False}).read(paths, ["text"], [])
        return Texts(sound(rows, "text", ingest), {"file": [str(path) for path in rows.files]})
    rows = _with_labels(source, ingest, paths)
    if ingest.label in rows.frame:
        check_labels_known(rows, ingest, classes)
    return Texts(sound(rows, ingest.text, ingest), {"id": rows.ids()})


def sound(rows: Rows, column: str, ingest: Ingest) -> npt.NDArray[np.object_]:
    """Return the texts of a column, (rows,), and None for those that are empty.

    Raises:
        DataError: one is empty, where `ingest.missing` is "error", or longer than `ingest.max_characters`.
    """
    texts = rows.frame[column].astype("str")
    empty = (texts.isna() | (texts.str.strip() == "")).to_numpy(bool)
    if empty.all():
        raise DataError(f"{rows.name}: each of the {len(empty)} rows has no text. Fill them.")
    if empty.any() and ingest.missing == "error":
        raise DataError(
            f"{rows.where(int(empty.argmax()))}: column {column!r} is empty ({empty.sum()} of {len(empty)} rows have "
            "no text). Fill it, or leave the row out."
        )
    lengths = texts.str.len()
    long = (lengths > ingest.max_characters).to_numpy(bool, na_value=False)
    if long.any():
        first = int(long.argmax())
        raise DataError(
            f"{rows.where(first)}: column {column!r} has {int(lengths.iloc[first]):,} characters, more than "
            f"ingest.max_characters = {ingest.max_characters:,} ({count_such(long.sum(), 'text')}). Cut it."
        )
    return np.array([None if blank else text for text, blank in zip(texts, empty, strict=True)], object)


def check_labels_known(rows: Rows, ingest: Ingest, classes: Sequence[str]) -> None:
    """Refuse labels that are no classes of the model: the file is not of the kind that it was trained on."""
    labels = rows.frame[ingest.label].convert_dtypes().astype("string")  # integers beside an empty cell had become 3.0
    labels = labels.where(labels.isna(), labels.map(lambda name: ingest.names.get(name, name), na_action="ignore"))
    unknown = (labels.notna() & (labels != "") & ~labels.isin(list(classes))).to_numpy(bool)
    if unknown.any():
        first = int(unknown.argmax())
        raise DataError(
            f"{rows.where(first)}, column {ingest.label!r}: {unknown_name('label', labels.iloc[first], classes)} "
            f"{count_such(unknown.sum(), 'row')}. The model cannot give it: correct it, or leave the column out."
        )


def as_rows(texts: Texts, probabilities: npt.NDArray[np.float64], classes: Sequence[str]) -> pd.DataFrame:
    """Return one row a text."""
    labels = np.array(classes, object)[probabilities.argmax(axis=1)]
    labels[np.isnan(probabilities[:, 0])] = None
    columns: dict[str, Any] = {**texts.places, "label": labels, "probability": probabilities.max(axis=1)}
    return pd.DataFrame(columns | {f"p_{name}": probabilities[:, at] for at, name in enumerate(classes)})


def _with_labels(source: TableSource, ingest: Ingest, paths: Sequence[Path]) -> Rows:
    """Return the rows with their texts and, where they can be read, their labels, which are not needed."""
    try:
        return source.read(paths, [ingest.text, ingest.label], [])
    except DataError:
        return source.read(paths, [ingest.text], [])
