"""What preprocess publishes and every later stage reads: texts as tokens, their labels, their parts."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from gristmill.domains.common.classification.labelled import LabelledDataset
from gristmill.domains.text.sequences import Sequences, TokenIds
from gristmill.util.table_io import read_document, read_table, write_document, write_table

if TYPE_CHECKING:
    from gristmill.domains.text.tokenizer import Tokenizer

LENGTH = "length"  # the slice by tokens, which every text has


@dataclass(frozen=True)
class Layout:
    """The form of the sequences."""

    level: str  # word, character or subword
    vocabulary: int  # tokens, padding and unknown among them
    length: int  # of a sequence at most
    pad: str  # on which side short ones are filled up: pre or post
    truncate: str  # on which side long ones were cut: pre or post
    classes: list[str]
    counts: dict[str, int]  # texts in each part


@dataclass(frozen=True)
class Prepared(LabelledDataset):
    """The texts of all parts.

    The index is part by part and holds, too, `tokens` (before cutting) and `characters` of the text, and the source's
    metadata.
    """

    folder: Path
    layout: Layout

    @property
    def columns(self) -> list[str]:
        """What the texts can be scored by: the index's own columns, and the length."""
        return [*super().columns, LENGTH]

    def sequences(self, part: str) -> Sequences:
        """Return the tokens of a part's texts in the order of the index, cut and not padded."""
        rows = np.flatnonzero((self.index["part"] == part).to_numpy())
        return self._all.between(rows[0], rows[-1] + 1) if len(rows) else self._all.between(0, 0)

    def batches(self, part: str, size: int = 256) -> Iterator[TokenIds]:
        """Yield a part's tokens in the order of the index, padded: (size or what is left, length)."""
        for batch in self.sequences(part).batches(size):
            yield batch.padded(self.layout.length, self.layout.pad)

    def tokenizer(self) -> "Tokenizer":
        """Return what made the tokens; it imports TensorFlow."""
        from gristmill.domains.text import tokenizer

        return tokenizer.read(self.folder)

    @property
    def vocabulary(self) -> pd.DataFrame:
        """`token` and its `count` in the texts to train on, before cutting, by id."""
        return read_table(self.folder / "vocabulary.parquet")

    @cached_property
    def _all(self) -> Sequences:
        """The sequences of all parts."""
        return read_tokens(self.folder)


def read(folder: Path) -> Prepared:
    """Read what preprocess wrote."""
    layout = Layout(**read_document(folder / "layout.json"))
    return Prepared(read_table(folder / "index.parquet"), layout.classes, folder, layout)


def write_layout(layout: Layout, out: Path) -> None:
    """Write `layout.json`."""
    write_document(out / "layout.json", asdict(layout))


def write_tokens(sequences: Sequences, out: Path) -> None:
    """Write `tokens.parquet`: a column of lists."""
    lists = pa.ListArray.from_arrays(pa.array(sequences.starts.astype(np.int32)), pa.array(sequences.values))
    write_table(out / "tokens.parquet", pd.DataFrame({"tokens": pd.Series(lists, dtype=pd.ArrowDtype(lists.type))}))


def read_tokens(folder: Path) -> Sequences:
    """Read what `write_tokens` wrote."""
    column = pq.read_table(folder / "tokens.parquet", page_checksum_verification=True)["tokens"]
    lists = column.combine_chunks()
    return Sequences(lists.values.to_numpy(), lists.offsets.to_numpy().astype(np.int64))
