"""Texts ready for training, made up: prepared folders that hold the tokens they are given."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.common.classification.labelled import PARTS
from gristmill.domains.text import dataset
from gristmill.domains.text.dataset import Layout, Prepared
from gristmill.domains.text.tokens import SPECIAL, Sequences, starts_from_lengths
from gristmill.util.table_io import write_document, write_table

VOCABULARY = 20
LENGTH = 12

Tokens = Sequence[npt.NDArray[np.int32]]
Part = tuple[Tokens, Sequence[int]]  # tokens of each text, and labels


def write_tokens(folder: Path, parts: Mapping[str, Part], classes: Sequence[str], pad: str = "post") -> Prepared:
    """Write texts as `ingest` and `preprocess` do, and return them; their words name the ids of tokens."""
    folder.mkdir(parents=True, exist_ok=True)
    given = {part: parts[part] for part in PARTS if part in parts}
    texts = [tokens for held, _ in given.values() for tokens in held]
    lengths = np.array([len(tokens) for tokens in texts])
    index = pd.DataFrame(
        {
            "id": [f"{part} {row}" for part, (held, _) in given.items() for row in range(len(held))],
            "label": [label for _, labels in given.values() for label in labels],
            "part": [part for part, (held, _) in given.items() for _ in held],
            "tokens": lengths,
        }
    )
    counts = {part: len(parts[part][1]) if part in parts else 0 for part in PARTS}
    dataset.write_layout(Layout("word", VOCABULARY, LENGTH, pad, "post", list(classes), counts), folder)
    dataset.write_tokens(Sequences(np.concatenate(texts), starts_from_lengths(lengths)), folder)
    write_table(folder / "index.parquet", index)
    rules = {"level": "word", "lower": True, "punctuation": "strip", "lines": False}
    names = [*SPECIAL, *(f"t{token}" for token in range(len(SPECIAL), VOCABULARY))]
    raw = [" ".join(names[token] for token in tokens) for tokens in texts]
    write_table(folder / "texts.parquet", pd.DataFrame({"id": index["id"], "text": raw}))
    write_document(folder / "tokenizer.json", {"rules": rules, "tokens": names})
    return dataset.read(folder)


def padded(sequences: Sequences, width: int, side: str) -> list[list[int]]:
    """Return sequences of at most `width` tokens, filled up with zeros on one side: pre or post."""
    return [
        [*[0] * (width - len(tokens)), *tokens] if side == "pre" else [*tokens, *[0] * (width - len(tokens))]
        for tokens in (sequence.tolist() for sequence in sequences)
    ]


def telling(texts: int, classes: int = 2, seed: int = 0) -> Part:
    """Return texts of 1 to 12 tokens, one of which, somewhere, tells the class: 2 the first, 3 the second, and on."""
    random = np.random.default_rng(seed)
    labels = (np.arange(texts) % classes).tolist()
    made = []
    for label in labels:
        tokens = random.integers(2 + classes, VOCABULARY, random.integers(1, LENGTH + 1)).astype(np.int32)
        tokens[random.integers(len(tokens))] = 2 + label
        made.append(tokens)
    return made, labels
