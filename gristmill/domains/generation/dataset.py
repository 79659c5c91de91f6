"""The preprocessed tokens of all texts that every later stage reads, in three parts.

With windows, the tokens are one stream: the texts concatenated, first the training set, then validation, then test.
With prefixes, they are lines in the same order. A line of tokens a, b, c contains two examples: a is followed by b, and
a b by c. Examples are not stored; they are built from the stream or the lines.
"""

from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.generation.models import Shape
from gristmill.domains.text.dataset import TokenFolder
from gristmill.domains.text.tokens import Sequences, TokenIds
from gristmill.util.table_io import read_document, read_table, write_document, write_table

Positions = npt.NDArray[np.int64]

PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Layout:
    """Form of the tokens."""

    level: str  # word, character or subword
    vocabulary: int  # number of tokens, including padding and unknown
    examples: str  # "windows" of the stream, or "prefixes" of lines
    length: int  # length of a window, or of the longest prefix
    bounds: dict[str, tuple[int, int]]  # first token or line of each part, and the one after its last
    tokens: dict[str, int]  # number of tokens in each part
    characters: dict[str, int]  # number of characters in each part that its tokens represent

    @property
    def after_each(self) -> bool:
        """Whether the network predicts after each token of an example, or only after the last one."""
        return self.examples == "windows"


@dataclass(frozen=True)
class TokenStream:
    """Tokens of all parts, one sequence after the other, the training set first."""

    values: TokenIds  # (tokens,)
    before: TokenIds  # (tokens,): number of tokens before each in its own sequence
    bounds: dict[str, tuple[int, int]]  # first token of each part, and the one after its last
    vocabulary: int  # number of tokens, including padding and unknown

    def scored(self, part: str) -> Positions:
        """Return the positions of a part that have a token before them: those that are predicted."""
        begin, end = self.bounds[part]
        return begin + np.flatnonzero(self.before[begin:end] > 0)


@dataclass(frozen=True)
class Prepared(TokenFolder):
    """The tokens of all parts."""

    folder: Path
    layout: Layout

    @property
    def shape(self) -> Shape:
        """Shape of a network for these tokens."""
        return Shape(self.layout.vocabulary, self.layout.length, self.layout.after_each)

    def stream(self, part: str) -> TokenIds:
        """Return the tokens of a part; with prefixes, those of its lines concatenated."""
        return self.tokens[slice(*self.layout.bounds[part])] if self.layout.after_each else self.lines(part).values

    def lines(self, part: str) -> Sequences:
        """Return the lines of a part; only with prefixes."""
        return self.all_lines.between(*self.layout.bounds[part])

    @property
    def all_lines(self) -> Sequences:
        """Lines of all parts; only with prefixes."""
        return Sequences(self.tokens, np.load(self.folder / "starts.npy", allow_pickle=False))

    def token_stream(self) -> TokenStream:
        """Return the tokens of all parts as one stream."""
        values, bounds = self.tokens, self.layout.bounds
        before = np.arange(len(values), dtype=np.int32)
        if not self.layout.after_each:
            lines = self.all_lines
            before -= np.repeat(lines.starts[:-1], lines.lengths).astype(np.int32)
            bounds = {part: (int(lines.starts[begin]), int(lines.starts[end])) for part, (begin, end) in bounds.items()}
        return TokenStream(values, before, bounds, self.layout.vocabulary)

    def learning_from_validation(self) -> "Prepared":
        """Return the same texts with the validation set as the end of the training set."""
        bounds = self.layout.bounds
        end = bounds["validation"][1]
        joined = bounds | {"train": (bounds["train"][0], end), "validation": (end, end)}
        return replace(self, layout=replace(self.layout, bounds=joined))

    @cached_property
    def tokens(self) -> TokenIds:
        """Tokens of all parts."""
        tokens: TokenIds = read_table(self.folder / "tokens.parquet")["token"].to_numpy()
        return tokens


def whole_text(ingest: Path) -> str:
    """Return the ingested texts concatenated, each ending with a line end."""
    texts = read_table(ingest / "texts.parquet")["text"]
    return "".join(text if text.endswith("\n") else f"{text}\n" for text in texts)


def pieces(text: str, size: int) -> list[str]:
    """Return a text in pieces of at least `size` characters, each but the last one ending with a line end."""
    parts, begin = [], 0
    while begin < len(text):
        end = text.find("\n", begin + size) + 1 or len(text)
        parts.append(text[begin:end])
        begin = end
    return parts


def read(folder: Path) -> Prepared:
    """Read the tokens that preprocess wrote."""
    document = read_document(folder / "layout.json")
    bounds = {part: (begin, end) for part, (begin, end) in document.pop("bounds").items()}
    return Prepared(folder, Layout(**document, bounds=bounds))


def write_tokens(tokens: TokenIds, out: Path) -> None:
    """Write `tokens.parquet`: a column of all tokens, int32."""
    write_table(out / "tokens.parquet", pd.DataFrame({"token": tokens}))


def write_layout(layout: Layout, out: Path) -> None:
    """Write `layout.json`."""
    write_document(out / "layout.json", asdict(layout))
