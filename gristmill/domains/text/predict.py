"""Predict: the classes of texts, from an exported bundle, and the requests of a server for them."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.common.classification.decision import Decision
from gristmill.domains.common.classification.predictions import answer_of_tensors, predicted_classes
from gristmill.domains.common.prediction import (
    TABLES,
    TEXT,
    Column,
    Prediction,
    PredictionRequest,
    Requests,
    identifier,
)
from gristmill.domains.text.ingest import check_lengths, complete_rows
from gristmill.domains.text.settings import Ingest
from gristmill.errors import DataError, RequestError, count_of
from gristmill.export.bundle import in_blocks
from gristmill.export.loaded_bundle import LoadedBundle
from gristmill.settings.messages import unknown_name
from gristmill.sources.rows import Rows
from gristmill.sources.texts.folder import Folder
from gristmill.training.named_arrays import Array
from gristmill.util import chunking
from gristmill.util.table_io import as_texts, read_table

logger = logging.getLogger(__name__)
_BATCH_SIZE = 256


class TextPrediction(Prediction):
    """Classes of texts; a file that is not a table can contain one text."""

    reads_plain_texts = True

    def predict(self, request: PredictionRequest) -> pd.DataFrame:
        """Return one row per text: its file or id, `predicted`, `probability`, `set`, and `p_<class>` of each class.

        The first column is `file`, `id`, or the column that identifies a row, if one is given.

        Texts come from files, from an ingest artifact, or are one text. The column of labels is optional;
        its labels must be the model's. Rows keep their order. With `ingest.missing` = "drop", a row without text has no
        label; the log reports how many those are, and how many texts contain no known token.

        Raises:
            DataError: a file cannot be read, a text is empty or too long, or a label is unknown to the model.
            RequestError: the one text is empty.
        """
        # 1. Read the texts; None stands for a row without one.
        bundle = request.bundle
        classes = bundle.signature["classes"]
        texts, identifiers = read_texts(request, classes)
        present = np.array([text is not None for text in texts])
        whole = texts[present]
        # 2. Classify the others, a few at a time.
        classify = bundle.outputs("serving_default")
        batches = chunking.in_blocks(whole, _BATCH_SIZE)
        outputs = [classify(block) for batch in batches for block in in_blocks(batch)]
        probabilities = np.full((len(present), len(classes)), np.nan)
        probabilities[present] = np.concatenate([output["probabilities"] for output in outputs])
        # 3. Warn about texts whose label means nothing.
        if unknown := int((np.concatenate([output["known"] for output in outputs]) == 0).sum()):
            logger.warning("%d of %d texts contain no known token; ignore their predictions", unknown, len(whole))
        if empty := int((~present).sum()):
            logger.warning("%d of %d rows have no text and get no label", empty, len(present))
        return predicted_classes(identifiers, probabilities, classes, Decision.read(bundle.path))

    def rows_of_tensors(
        self, bundle: LoadedBundle, inputs: Mapping[str, Array], outputs: Mapping[str, Array]
    ) -> pd.DataFrame:
        return answer_of_tensors(bundle, inputs, outputs)


PREDICTION = TextPrediction()


class TextRequests(Requests):
    """Rows with a text each, or one text as it is."""

    def columns(self, bundle: LoadedBundle, ingest: Any, id_column: str | None) -> Sequence[Column]:
        return [*identifier(id_column), Column(ingest.text, "string", "the text to classify", TEXT)]

    def text_column(self, ingest: Any) -> str | None:
        return str(ingest.text)


REQUESTS = TextRequests((*TABLES, "text/plain"))


def read_texts(request: PredictionRequest, classes: Sequence[str]) -> tuple[npt.NDArray[np.object_], dict[str, Any]]:
    """Return the texts of a request, (texts,), and the column that identifies them in the result."""
    source, ingest, paths, id_column = request.source, request.ingest, request.paths, request.id_column
    if request.text is not None:
        if not request.text.strip():
            raise RequestError("--text is empty. Give a text to classify.")
        return np.array([request.text], object), {}
    if request.ingested is not None:
        table = read_table(request.ingested / "texts.parquet")
        return table["text"].to_numpy(object), {"file" if isinstance(source, Folder) else "id": table["id"].tolist()}
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
    return np.array([text if has_text else None for text, has_text in zip(texts, present, strict=True)], object)


def check_labels_known(rows: Rows, ingest: Ingest, classes: Sequence[str]) -> None:
    """Check that all labels are classes of the model."""
    labels = as_texts(rows.frame[ingest.label])
    labels = labels.where(labels.isna(), labels.map(lambda name: ingest.names.get(name, name), na_action="ignore"))
    unknown = (labels.notna() & ~labels.isin(["", *classes])).to_numpy(bool)
    if unknown.any():
        first = int(unknown.argmax())
        raise DataError(
            f"{rows.where(first)}, column {ingest.label!r}: {unknown_name('label', labels.iloc[first], classes)} "
            f"{count_of(unknown.sum(), 'such rows')}. The model cannot predict it: correct it, or leave the column out."
        )
