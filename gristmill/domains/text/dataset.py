"""The preprocessed texts that every later stage reads: tokens, labels and parts."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from gristmill.domains.common.classification.labelled import LabelledDataset
from gristmill.domains.common.folds import Split
from gristmill.domains.text.models import Shape
from gristmill.domains.text.tokens import Sequences, Vectors
from gristmill.util.table_io import read_document, read_table, write_document, write_table

if TYPE_CHECKING:
    from gristmill.domains.text.tokenizer import Tokenizer

VECTORS_FILE = "vectors.npy"
LENGTH = "length"  # slice by the number of tokens, available for every data set


@dataclass(frozen=True)
class Layout:
    """Form of the sequences."""

    level: str  # word, character or subword
    vocabulary: int  # number of tokens, including padding and unknown
    length: int  # maximum length of a sequence
    pad: str  # side on which short sequences are padded: pre or post
    truncate: str  # side on which long ones were truncated: pre or post
    classes: list[str]
    counts: dict[str, int]  # number of texts in each part


class TokenFolder:
    """A folder of preprocessed tokens with their tokenizer and vocabulary."""

    folder: Path

    def tokenizer(self) -> "Tokenizer":
        """Return the tokenizer; this imports TensorFlow."""
        from gristmill.domains.text import tokenizer

        return tokenizer.read(self.folder)

    @property
    def vocabulary(self) -> pd.DataFrame:
        """`token` and its `count` in the training set, before truncation, by id."""
        return read_table(self.folder / "vocabulary.parquet")


@dataclass(frozen=True)
class Prepared(LabelledDataset, TokenFolder):
    """The texts of all parts.

    The index is ordered by part. Its further columns are `tokens` (their number before truncation), `characters` and
    the source's metadata.
    """

    folder: Path
    layout: Layout

    @cached_property
    def shape(self) -> Shape:
        """Shape of a network for these texts, with the pretrained vectors of their vocabulary."""
        file = self.folder / VECTORS_FILE
        vectors = np.load(file, allow_pickle=False) if file.exists() else None
        return Shape(self.layout.vocabulary, self.layout.length, len(self.classes), vectors)

    @property
    def columns(self) -> list[str]:
        """Columns the scores can be sliced by: those of the index, and the length."""
        return [*super().columns, LENGTH]

    def sequences(self, part: str) -> Sequences:
        """Return the truncated tokens of a part's texts in the order of the index, without padding."""
        rows = np.flatnonzero((self.index["part"] == part).to_numpy())
        return self._all.between(rows[0], rows[-1] + 1) if len(rows) else self._all.between(0, 0)

    def with_split(self, split: Split) -> "Prepared":
        """Return the texts of a split as training and validation set, without a test set."""
        order = np.concatenate([split.fit, split.predict])
        counts = {"train": len(split.fit), "test": 0, "validation": len(split.predict)}
        layout = replace(self.layout, counts=counts)
        parts = np.repeat(list(counts), list(counts.values()))
        data = replace(self, index=self.index.iloc[order].assign(part=parts).reset_index(drop=True), layout=layout)
        vars(data)["_all"] = self._all.taken(order)
        return data

    @cached_property
    def _all(self) -> Sequences:
        return read_tokens(self.folder)


def read(folder: Path) -> Prepared:
    """Read the texts that preprocess wrote."""
    layout = Layout(**read_document(folder / "layout.json"))
    return Prepared(read_table(folder / "index.parquet"), layout.classes, folder, layout)


def texts_of(data: LabelledDataset, parts: Sequence[str], ingest: Path) -> dict[str, list[str]]:
    """Return the raw texts of each part, in the order of the index, from the ingest artifact."""
    texts = read_table(ingest / "texts.parquet").set_index("id")["text"]
    return {part: texts.loc[data.rows(part)["id"]].tolist() for part in parts}


def write_layout(layout: Layout, out: Path) -> None:
    """Write `layout.json`."""
    write_document(out / "layout.json", asdict(layout))


def write_tokens(sequences: Sequences, out: Path) -> None:
    """Write `tokens.parquet`: a column of lists."""
    lists = pa.ListArray.from_arrays(pa.array(sequences.starts.astype(np.int32)), pa.array(sequences.values))
    write_table(out / "tokens.parquet", pd.DataFrame({"tokens": pd.Series(lists, dtype=pd.ArrowDtype(lists.type))}))


def read_tokens(folder: Path) -> Sequences:
    """Read the sequences that `write_tokens` wrote."""
    column = pq.read_table(folder / "tokens.parquet", page_checksum_verification=True)["tokens"]
    lists = column.combine_chunks()
    return Sequences(lists.values.to_numpy(), lists.offsets.to_numpy().astype(np.int64))


def write_vectors(vectors: Vectors, out: Path) -> None:
    """Write `vectors.npy`, the pretrained vector of each token."""
    np.save(out / VECTORS_FILE, vectors, allow_pickle=False)
