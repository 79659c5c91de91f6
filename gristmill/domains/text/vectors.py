"""Pretrained word vectors from a text file as GloVe and fastText write it: a word and its numbers on each line."""

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gristmill.domains.text.special_tokens import SPECIAL
from gristmill.errors import DataError
from gristmill.sources.packed import open_unpacked

Vectors = npt.NDArray[np.float32]  # (vocabulary, dimensions)

_FILE = "vectors.npy"
_REMEDY = "Expected one word and its numbers on each line, separated by spaces, as in files of GloVe and fastText."


def read_file(file: Path, tokens: Sequence[str]) -> tuple[Vectors, int]:
    """Return the vector of each token, zeros for one that the file lacks, and the number of tokens found.

    The file, which may be packed as `.gz`, is read line by line; only vectors of the tokens are held in memory. Its
    first line may be the header of fastText. Of several vectors of a word, the first counts.

    Raises:
        DataError: a line has more or fewer numbers than the first, or a vector that is no sequence of finite numbers;
            or the file has none of the tokens, or another number of words than its header announces.
    """
    ids = {token.encode(): number for number, token in enumerate(tokens) if number >= len(SPECIAL)}
    lowered = {token.lower() for token in ids}  # of ASCII letters, which is enough to notice other capitals
    with open_unpacked(file) as lines:
        vectors, found, cased = np.zeros((len(tokens), 0), np.float32), set[int](), ""
        for number, word, values in _rows(file, lines):
            if not vectors.shape[1]:
                vectors = np.zeros((len(tokens), values.count(b" ") + 1), np.float32)
                _parse(file, number, values)
            at = ids.get(word)
            if at is not None and at not in found:
                vectors[at] = _parse(file, number, values)
                found.add(at)
            elif not found and not cased and word.lower() in lowered:
                cased = word.decode(errors="replace")
    if not found:
        remedy = ". Set preprocess.vectors to a file of words in the language of the texts."
        if cased:
            remedy = f", but of {cased}. Set preprocess.lower = {'false' if cased.lower() in tokens else 'true'}."
        raise DataError(f"{file}: has a vector of none of the {len(ids):,} tokens of the vocabulary{remedy}")
    return vectors, len(found)


def write(vectors: Vectors, folder: Path) -> None:
    """Write `vectors.npy`."""
    np.save(folder / _FILE, vectors, allow_pickle=False)


def read(folder: Path) -> Vectors | None:
    """Return the vectors that `write` wrote; None if there are none."""
    file = folder / _FILE
    return np.load(file, allow_pickle=False) if file.exists() else None


def _rows(file: Path, lines: Iterable[bytes]) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield number, word and values of each line; words that contain spaces, which no token does, are left out."""
    dimensions, words, announced, where = 0, 0, None, "on the lines before"
    for number, line in enumerate(lines, 1):
        word, _, values = line.strip().partition(b" ")
        if number == 1 and word.isdigit() and values.isdigit():
            announced, dimensions, where = int(word), int(values), "announced on line 1"
            continue
        if not word and not values:
            continue
        words += 1
        count = values.count(b" ") + bool(values)
        dimensions = dimensions or count
        if count > dimensions and not _is_number(values.partition(b" ")[0]):
            continue
        if count != dimensions or not count or b"\t" in word:
            found = f"{count or 'no'} values after the word" + f", but {dimensions} {where}" * bool(dimensions)
            found = "separated by tabs" if b"\t" in word else found
            raise DataError(f"{file} line {number}: {found}. {_REMEDY}")
        yield number, word, values
    if announced not in (None, words):
        raise DataError(f"{file}: has {words:,} words, but line 1 announces {announced:,}. Fetch the file again.")


def _parse(file: Path, number: int, values: bytes) -> list[float]:
    """Return the numbers of a line."""
    fields = values.split(b" ")
    if wrong := next((field for field in fields if not _is_number(field)), None):
        text = wrong.decode(errors="replace")
        raise DataError(f"{file} line {number}: {text!r} is not a finite number. {_REMEDY}")
    return [float(field) for field in fields]


def _is_number(field: bytes) -> bool:
    try:
        return math.isfinite(float(field))
    except ValueError:
        return False
