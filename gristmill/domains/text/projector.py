"""Embedding of a network: files for the Embedding Projector, nearest tokens, and a projection to two dimensions.

The format is that of projector.tensorflow.org: a row of tab-separated numbers per token in `vecs.tsv`, and a row with
its metadata in `meta.tsv`, which has a heading if there are several columns.
"""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gristmill.domains.text.tokens import SPECIAL, Vectors
from gristmill.errors import RequestError

if TYPE_CHECKING:
    import keras

NEAREST = 8  # number of neighbours to show per token
PLOTTED = 150  # tokens in the plot

_WORD_BEGIN = "▁"  # prefix of a subword at the beginning of a word


@dataclass(frozen=True)
class EmbeddingTable:
    """The embedding vector of each token, by id."""

    layer: str
    vectors: Vectors
    tokens: list[str]

    def id_of(self, word: str) -> int | None:
        """Return the id of a word: as given, as a subword, or in lower case; None if it is not a token."""
        known = self.tokens[len(SPECIAL) :]
        names = (word, _WORD_BEGIN + word, word.lower(), _WORD_BEGIN + word.lower())
        return next((known.index(name) + len(SPECIAL) for name in names if name in known), None)


def embedding_of(network: "keras.Model", tokens: list[str]) -> EmbeddingTable | None:
    """Return the first embedding of a network, or of a network in it, with a row per token; None if there is none."""
    import keras

    for layer in network.layers:
        table = None
        if isinstance(layer, keras.Model):
            table = embedding_of(layer, tokens)
        elif isinstance(layer, keras.layers.Embedding):
            table = EmbeddingTable(str(layer.name), np.asarray(layer.embeddings), tokens)
        if table and len(table.vectors) == len(tokens):
            return table
    return None


def check_words_known(words: Sequence[str], table: EmbeddingTable | None) -> None:
    """Check that the embedding contains all words whose neighbours are requested."""
    if words and table is None:
        raise RequestError(
            "evaluate.neighbours: the network has no Embedding layer with a row per token, so tokens have no "
            "neighbours. Leave the key out."
        )
    for word in words:
        if table is not None and table.id_of(word) is None:
            known = table.tokens[len(SPECIAL) :]
            close = difflib.get_close_matches(word.lower(), known, n=5)
            similar = f"Similar: {', '.join(map(repr, close))}." if close else "No token is similar."
            raise RequestError(
                f"evaluate.neighbours: {word!r} is not one of the {len(known):,} tokens of the vocabulary. {similar}"
            )


def write_projector(table: EmbeddingTable, counts: Sequence[int], out: Path) -> None:
    """Write `vecs.tsv` and `meta.tsv`: a row per token except padding, with its count in the training set."""
    rows = ["\t".join(f"{value:.6g}" for value in row) for row in table.vectors[1:].tolist()]
    meta = [f"{visible(token)}\t{count}" for token, count in zip(table.tokens[1:], counts[1:], strict=True)]
    (out / "vecs.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (out / "meta.tsv").write_text("\n".join(["token\tcount", *meta]) + "\n", encoding="utf-8")


def visible(token: str) -> str:
    r"""Return a printable token: spaces become `␣` and other unprintable characters escapes such as `\n`."""
    if token.strip() and token.isprintable():
        return token
    return "".join("␣" if mark == " " else mark if mark.isprintable() else repr(mark)[1:-1] for mark in token)


def neighbours(table: EmbeddingTable, words: Sequence[str]) -> pd.DataFrame:
    """Return the nearest tokens of words by cosine similarity: `token`, `rank`, `neighbour`, `similarity`."""
    lengths = np.linalg.norm(table.vectors, axis=1, keepdims=True)
    directions = table.vectors / np.where(lengths > 0, lengths, 1)
    rows = []
    for token_id in (number for number in map(table.id_of, words) if number is not None):
        similarities = directions @ directions[token_id]
        similarities[[*range(len(SPECIAL)), token_id]] = -np.inf
        nearest = np.argsort(-similarities, kind="stable")[: min(NEAREST, len(table.tokens) - len(SPECIAL) - 1)]
        for rank, at in enumerate(nearest, 1):
            rows.append((table.tokens[token_id], rank, table.tokens[at], float(similarities[at])))
    return pd.DataFrame(rows, columns=["token", "rank", "neighbour", "similarity"])


def project_2d(table: EmbeddingTable, keywords: pd.DataFrame) -> tuple[pd.DataFrame, list[float]]:
    """Return the first keywords with their first two principal components, `x` and `y`, and the explained variance."""
    plotted = keywords.head(PLOTTED)
    vectors = table.vectors[plotted["id"].to_numpy()].astype(np.float64)
    centred = vectors - vectors.mean(axis=0)
    _, sizes, axes = np.linalg.svd(centred, full_matrices=False)
    axes = axes[:2]
    largest = axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)]
    axes = axes * np.where(largest < 0, -1, 1)[:, np.newaxis]  # the sign of a component is arbitrary: fix it
    positions = np.zeros((len(plotted), 2))
    positions[:, : len(axes)] = centred @ axes.T
    shares = np.zeros(2)
    shares[: len(axes)] = sizes[:2] ** 2 / max(float((sizes**2).sum()), np.finfo(float).tiny)
    return plotted.assign(x=positions[:, 0], y=positions[:, 1]), shares.tolist()
