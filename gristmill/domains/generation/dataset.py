"""What preprocess publishes and every later stage reads: the tokens of all texts, in three parts.

Of windows, the tokens are one stream: the texts end to end, first what is for training, then validation, then test.
Of prefixes, they are lines: those of training, then of validation, then of test. A line of tokens a, b, c stands for
two examples: a is followed by b, and a b by c. No example is stored: who trains on them builds them from the lines.
"""

from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gristmill.domains.text.sequences import Sequences, TokenIds
from gristmill.util.table_io import read_document, read_table, write_document, write_table

if TYPE_CHECKING:
    from gristmill.domains.text.tokenizer import Tokenizer

PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Layout:
    """The form of the tokens."""

    level: str  # word, character or subword
    vocabulary: int  # tokens, padding and unknown among them
    examples: str  # windows of the stream, or prefixes of lines
    length: int  # of a window, or of the longest prefix
    bounds: dict[str, tuple[int, int]]  # each part's first token, or line, and the one after its last
    tokens: dict[str, int]  # of each part
    characters: dict[str, int]  # of each part, which its tokens stand for

    @property
    def after_each(self) -> bool:
        """Whether an example is judged after each of its tokens, or after the last one alone."""
        return self.examples == "windows"


@dataclass(frozen=True)
class Prepared:
    """The tokens of all parts."""

    folder: Path
    layout: Layout

    def stream(self, part: str) -> TokenIds:
        """Return the tokens of a part, those of its lines end to end where examples are prefixes."""
        if self.layout.after_each:
            begin, end = self.layout.bounds[part]
            return self._tokens[begin:end]
        return self.lines(part).values

    def lines(self, part: str) -> Sequences:
        """Return the lines of a part; only where examples are prefixes."""
        return Sequences(self._tokens, np.load(self.folder / "starts.npy", allow_pickle=False)).between(
            *self.layout.bounds[part]
        )

    def tokenizer(self) -> "Tokenizer":
        """Return what made the tokens; it imports TensorFlow."""
        from gristmill.domains.text import tokenizer

        return tokenizer.read(self.folder)

    @property
    def unknown(self) -> dict[str, float]:
        """The share of tokens that are not in the vocabulary, by part."""
        found: dict[str, float] = read_document(self.folder / "summary.json")["unknown"]
        return found

    @property
    def vocabulary(self) -> pd.DataFrame:
        """`token` and its `count` in the text to train on, by id."""
        return read_table(self.folder / "vocabulary.parquet")

    @cached_property
    def _tokens(self) -> TokenIds:
        found: TokenIds = read_table(self.folder / "tokens.parquet")["token"].to_numpy()
        return found


def whole_text(ingest: Path) -> str:
    """Return the ingested texts end to end, each ending with a line."""
    texts = read_table(ingest / "texts.parquet")["text"]
    return "".join(text if text.endswith("\n") else f"{text}\n" for text in texts)


def read(folder: Path) -> Prepared:
    """Read what preprocess wrote."""
    document = read_document(folder / "layout.json")
    bounds = {part: (begin, end) for part, (begin, end) in document.pop("bounds").items()}
    return Prepared(folder, Layout(**document, bounds=bounds))


def write_tokens(tokens: TokenIds, out: Path) -> None:
    """Write `tokens.parquet`: a column of all tokens, int32."""
    write_table(out / "tokens.parquet", pd.DataFrame({"token": tokens}))


def write_layout(layout: Layout, out: Path) -> None:
    """Write `layout.json`."""
    write_document(out / "layout.json", asdict(layout))
