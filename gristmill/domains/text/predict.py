"""Predict: the classes of texts, from an exported bundle."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.common.classification.decision import Decision
from gristmill.domains.common.classification.predictions import answer_of_tensors, predicted_classes
from gristmill.domains.common.prediction import Prediction, PredictionRequest
from gristmill.domains.text.ingest import check_lengths, complete_rows
from gristmill.domains.text.settings import Ingest
from gristmill.errors import DataError, RequestError, count_of
from gristmill.export.bundle import in_blocks
from gristmill.export.loaded_bundle import LoadedBundle
from gristmill.settings.messages import unknown_name
from gristmill.sources.rows import Rows, TableSource
from gristmill.sources.texts.folder import Folder
from gristmill.training.named_arrays import Array
from gristmill.util.cell_text import as_texts
from gristmill.util.table_io import read_table

logger = logging.getLogger(__name__)

_BATCH_SIZE = 256

_Texts = tuple[npt.NDArray[np.object_], dict[str, list[str]]]


def predict(request: PredictionRequest) -> pd.DataFrame:
    """Return one row per text: its file or id, `predicted`, `probability`, `set`, and `p_<class>` of each class.

    The first column is `file`, `id`, or the column that identifies a row, if one is given.

    Texts come from files, from an ingest artifact, or are one text. The column of labels is optional;
    its labels must be the model's. Rows keep their order. With `ingest.missing` = "drop", a row without text has no
    label; the log reports how many those are, and how many texts contain no known token.

    Raises:
        DataError: a file cannot be read, a text is empty or too long, or a label is unknown to the model.
        RequestError: the one text is empty.
    """
    bundle, source = request.bundle, request.source
    classes = bundle.signature["classes"]
    if request.text is not None:
        if not request.text.strip():
            raise RequestError("--text is empty. Give a text to classify.")
        texts, identifiers = np.array([request.text], object), {}
    elif request.ingested is not None:
        table = read_table(request.ingested / "texts.parquet")
        texts = table["text"].to_numpy(object)
        identifiers = {"file" if isinstance(source, Folder) else "id": table["id"].tolist()}
    else:
        texts, identifiers = read_texts(source, request.ingest, request.paths, classes, request.id_column)
    present = np.array([value is not None for value in texts])
    probabilities = np.full((len(present), len(classes)), np.nan)
    classify, whole = bundle.outputs("serving_default"), texts[present]
    batches = (whole[begin : begin + _BATCH_SIZE] for begin in range(0, len(whole), _BATCH_SIZE))
    made = [classify(block) for batch in batches for block in in_blocks(batch)]
    probabilities[present] = np.concatenate([one["probabilities"] for one in made])
    if unknown := int((np.concatenate([one["known"] for one in made]) == 0).sum()):
        logger.warning("%d of %d texts contain no known token; ignore their predictions", unknown, len(whole))
    if empty := int((~present).sum()):
        logger.warning("%d of %d rows have no text and get no label", empty, len(present))
    return predicted_classes(identifiers, probabilities, classes, Decision.read(bundle.path))


def read_texts(
    source: TableSource, ingest: Ingest, paths: Sequence[Path], classes: Sequence[str], id_column: str | None = None
) -> _Texts:
    """Return the texts of files, one per file or row, and the column that identifies them in the result."""
    if isinstance(source, Folder):  # the names of the folders are neither classes nor parts here
        rows = source.model_copy(update={"parts": False}).read(paths, ["text"], [])
        return checked_texts(rows, "text", ingest), {"file": [str(path) for path in rows.files]}
    columns = [ingest.text, *([id_column] if id_column else [])]
    try:
        rows = source.read(paths, [*columns, ingest.label], [])
    except DataError:  # labels are optional
        rows = source.read(paths, columns, [])
    if ingest.label in rows.frame:
        check_labels_known(rows, ingest, classes)
    ids = {id_column: rows.frame[id_column].tolist()} if id_column else {"id": rows.ids()}
    return checked_texts(rows, ingest.text, ingest), ids


def checked_texts(rows: Rows, column: str, ingest: Ingest) -> npt.NDArray[np.object_]:
    """Return the texts of a column, (rows,), with None for empty ones; check that none is too long."""
    present = complete_rows(rows, [column], ingest.missing, "no text", "leave the row out")
    texts = rows.frame[column].astype("str")
    check_lengths(rows, texts, ingest.max_characters)
    return np.array([text if found else None for text, found in zip(texts, present, strict=True)], object)


def check_labels_known(rows: Rows, ingest: Ingest, classes: Sequence[str]) -> None:
    """Check that all labels are classes of the model."""
    labels = as_texts(rows.frame[ingest.label])
    labels = labels.where(labels.isna(), labels.map(lambda name: ingest.names.get(name, name), na_action="ignore"))
    unknown = (labels.notna() & (labels != "") & ~labels.isin(list(classes))).to_numpy(bool)
    if unknown.any():
        first = int(unknown.argmax())
        raise DataError(
            f"{rows.where(first)}, column {ingest.label!r}: {unknown_name('label', labels.iloc[first], classes)} "
            f"{count_of(unknown.sum(), 'such rows')}. The model cannot predict it: correct it, or leave the column out."
        )


class TextPrediction(Prediction):
    """Classes of texts; a file that is not a table can contain one text."""

    reads_plain_texts = True

    def predict(self, request: PredictionRequest) -> pd.DataFrame:
        return predict(request)

    def rows_of_tensors(
        self, bundle: LoadedBundle, inputs: Mapping[str, Array], outputs: Mapping[str, Array]
    ) -> pd.DataFrame:
        return answer_of_tensors(bundle, inputs, outputs)


PREDICTION = TextPrediction()
