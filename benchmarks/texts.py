"""Compare the speed of gristmill's tokenizer with Keras' legacy `Tokenizer`, in one process and in turn.

    python benchmarks/texts.py DATA_DIR     # folder of TensorFlow Datasets with imdb_reviews

fitted     a vocabulary of 10,000 words of the training reviews, compared with `fit_on_texts`
encoded    the same reviews as numbers, compared with `texts_to_sequences`
subwords   8,000 subwords, fitted and encoded; TensorFlow Datasets no longer has the course's encoder

gristmill uses all cores, `Tokenizer` uses one. The ratio is also given in CPU time, because seconds depend on the load
of the machine.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from course_text import UNKNOWN
from measuring import arguments, table, tell

from gristmill.domains.text import tokenizer
from gristmill.domains.text.settings import TokenSettings

VOCABULARY, PIECES = 10_000, 8_000
ROUNDS = 5

Legacy = tf.keras.preprocessing.text.Tokenizer  # used only in benchmarks
Work = Callable[[], object]


def reviews(data_dir: Path) -> list[str]:
    """Return the training texts."""
    dataset = tfds.load("imdb_reviews", data_dir=data_dir, split="train", download=False)
    return [example["text"].decode() for example in dataset.as_numpy_iterator()]


def words(texts: list[str]) -> dict[str, tuple[Work, Work]]:
    """Return functions that fit and encode, of gristmill and of Keras."""
    settings = TokenSettings(vocabulary=VOCABULARY)

    def legacy() -> Legacy:
        made = Legacy(num_words=VOCABULARY, oov_token=UNKNOWN)
        made.fit_on_texts(texts)
        return made

    ours, theirs = tokenizer.fit(texts, settings), legacy()
    return {
        "vocabulary fitted": (lambda: tokenizer.fit(texts, settings), legacy),
        "texts encoded": (lambda: tokenizer.encode_texts(ours, texts), lambda: theirs.texts_to_sequences(texts)),
    }


def megabytes(texts: list[str]) -> float:
    """Return the size of texts in UTF-8, in MB."""
    return sum(len(text.encode()) for text in texts) / 1e6


def seconds(work: Work) -> tuple[float, float]:
    """Return the seconds and the CPU seconds of some work."""
    began, busy = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - began, time.process_time() - busy


def compared(name: str, ways: tuple[Work, Work], size: float) -> list[str]:
    """Return one row of the table: medians of alternating rounds."""
    rates = size / np.array([[seconds(way) for way in ways] for _ in range(ROUNDS)])  # (rounds, ways, clocks)
    (ours, ours_busy), (theirs, theirs_busy) = np.median(rates, axis=0)
    return [name, f"{ours:.1f}", f"{theirs:.1f}", f"{ours / theirs:.1f}", f"{ours_busy / theirs_busy:.1f}"]


def subwords(texts: list[str], size: float) -> str:
    """Return a sentence with the speed of subwords."""
    settings, made = TokenSettings(level="subword", vocabulary=PIECES), []
    found, found_busy = seconds(lambda: made.append(tokenizer.fit(texts, settings)))
    _, cut_busy = cut = seconds(lambda: tokenizer.encode_texts(made[0], texts))
    return (
        f"Fitting {PIECES:,} subwords takes {found:.0f} s ({found_busy:.0f} s of CPU time). Encoding with them reaches "
        f"{size / cut[0]:.1f} MB/s ({size / cut_busy:.1f} MB per second of CPU time)."
    )


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("data_dir", type=Path)
    asked = parser.parse_args()
    texts = reviews(asked.data_dir)
    size = megabytes(texts)
    rows = [compared(name, ways, size) for name, ways in words(texts).items()]
    told = f"{len(texts):,} reviews, {size:.1f} MB; medians of {ROUNDS} alternating rounds. {subwords(texts, size)}"
    columns = ["MB/s", "gristmill", "legacy `Tokenizer`", "ratio", "ratio of CPU time"]
    tell("Texts", [*table(columns, rows), "", told], asked.write)


if __name__ == "__main__":
    main()
