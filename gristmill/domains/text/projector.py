"""The embedding of a network: its files for projector.tensorflow.org, nearest tokens, and a picture in two dimensions.

Source of the format: TensorFlow's Embedding Projector, which takes a row of numbers a token (`vecs.tsv`) and a row of
what is known of it (`meta.tsv`), both parted by tabs; several columns have a heading.
"""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.text.special_tokens import SPECIAL
from gristmill.errors import RequestError

if TYPE_CHECKING:
    import keras

Vectors = npt.NDArray[np.float32]  # (tokens, dimensions)

NEAREST = 8  # tokens that are shown of each
PICTURED = 150  # tokens that are drawn
ASKED = 6  # tokens whose nearest are shown where none are asked for

_PIECE = "▁"  # in front of a piece of a word that begins one
_CLOSE = 5  # tokens that are told for one that is not there


@dataclass(frozen=True)
class EmbeddingTable:
    """What a network knows of each token, by id."""

    layer: str
    vectors: Vectors
    tokens: list[str]

    def id_of(self, word: str) -> int | None:
        """Return the token that a word is, as it stands, as a piece or in small letters; None if there is none."""
        known = self.tokens[len(SPECIAL) :]
        for name in (word, _PIECE + word, word.lower(), _PIECE + word.lower()):
            if name in known:
                return known.index(name) + len(SPECIAL)
        return None


def embedding_of(network: "keras.Model", tokens: list[str]) -> EmbeddingTable | None:
    """Return the first embedding of a network that has a row a token; None if there is none."""
    for layer in _embeddings(network):
        vectors = np.asarray(layer.embeddings)
        if len(vectors) == len(tokens):
            return EmbeddingTable(str(layer.name), vectors, tokens)
    return None


def check_words_known(words: Sequence[str], found: EmbeddingTable | None) -> None:
    """Refuse words whose nearest tokens are asked for, but that the embedding does not have."""
    if words and found is None:
        raise RequestError(
            "evaluate.neighbours: the network has no Embedding layer with a row a token, so no token has a place. "
            "Leave the key out."
        )
    for word in words:
        if found is not None and found.id_of(word) is None:
            known = found.tokens[len(SPECIAL) :]
            close = difflib.get_close_matches(word.lower(), known, n=_CLOSE)
            told = f"Close: {', '.join(map(repr, close))}." if close else "None is close."
            raise RequestError(
                f"evaluate.neighbours: {word!r} is none of the {len(known):,} tokens of the vocabulary. {told}"
            )


def write_projector(found: EmbeddingTable, counts: Sequence[int], out: Path) -> None:
    """Write `vecs.tsv` and `meta.tsv`: a row a token in the order of the vocabulary, without padding.

    Args:
        found: the embedding.
        counts: of each token in the training texts, by id.
        out: folder to write to.
    """
    rows = ["\t".join(f"{value:.6g}" for value in row) for row in found.vectors[1:].tolist()]
    meta = [f"{visible(token)}\t{count}" for token, count in zip(found.tokens[1:], counts[1:], strict=True)]
    (out / "vecs.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (out / "meta.tsv").write_text("\n".join(["token\tcount", *meta]) + "\n", encoding="utf-8")


def visible(token: str) -> str:
    r"""Return a token as it can be seen and stand in a row: white space and what cannot be printed as `\n` or `␣`."""
    if token.strip() and token.isprintable():
        return token
    return "".join("␣" if one == " " else one if one.isprintable() else repr(one)[1:-1] for one in token)


def neighbours(found: EmbeddingTable, words: Sequence[str]) -> pd.DataFrame:
    """Return the tokens nearest to each of some words by the cosine: `token`, `rank`, `neighbour`, `similarity`."""
    lengths = np.linalg.norm(found.vectors, axis=1, keepdims=True)
    directions = found.vectors / np.where(lengths > 0, lengths, 1)
    rows = []
    for word in words:
        own = found.id_of(word)
        if own is None:
            continue
        similarities = directions @ directions[own]
        similarities[[*range(len(SPECIAL)), own]] = -np.inf
        nearest = np.argsort(-similarities, kind="stable")[: min(NEAREST, len(found.tokens) - len(SPECIAL) - 1)]
        rows += [
            {
                "token": found.tokens[own],
                "rank": rank,
                "neighbour": found.tokens[at],
                "similarity": float(similarities[at]),
            }
            for rank, at in enumerate(nearest, 1)
        ]
    return pd.DataFrame(rows, columns=["token", "rank", "neighbour", "similarity"])


def project_2d(found: EmbeddingTable, telling: pd.DataFrame) -> tuple[pd.DataFrame, list[float]]:
    """Return the most telling tokens with `x` and `y`, their first two principal components, and the shares of these.

    Args:
        found: the embedding.
        telling: table of the tokens, the most telling first.

    Returns:
        The first rows of `telling` with their places, and the share of the variance that lies along x and along y.
    """
    shown = telling.head(PICTURED)
    vectors = found.vectors[shown["id"].to_numpy()].astype(np.float64)
    centred = vectors - vectors.mean(axis=0)
    _, sizes, axes = np.linalg.svd(centred, full_matrices=False)
    axes = axes[:2]
    largest = axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)]
    axes = axes * np.where(largest < 0, -1, 1)[:, np.newaxis]  # a direction and its opposite serve alike: take one
    places = np.zeros((len(shown), 2))
    places[:, : len(axes)] = centred @ axes.T
    shares = np.zeros(2)
    shares[: len(axes)] = sizes[:2] ** 2 / max(float((sizes**2).sum()), np.finfo(float).tiny)
    return shown.assign(x=places[:, 0], y=places[:, 1]), shares.tolist()


def _embeddings(network: "keras.Model") -> "Iterator[keras.layers.Embedding]":
    """Yield the embeddings of a network and of the networks within it, in order."""
    import keras

    for layer in network.layers:
        if isinstance(layer, keras.Model):
            yield from _embeddings(layer)
        elif isinstance(layer, keras.layers.Embedding):
            yield layer
