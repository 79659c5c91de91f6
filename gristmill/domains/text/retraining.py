"""What a retraining asks of texts: which are new, how the champion fares on them, and who errs least."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.common.classification.predictions import Probabilities
from gristmill.domains.common.classification.retraining import ClassifierRetraining, NewExamples
from gristmill.domains.text.special_tokens import UNKNOWN
from gristmill.export import bundle
from gristmill.retraining.drift import look_at_share
from gristmill.runs.retraining_record import InputDrift
from gristmill.util.table_io import read_document

if TYPE_CHECKING:
    from gristmill.domains.text.tokenizer import Tokenizer


def _judged(export: Path, ingest: Path, rows: pd.DataFrame) -> Probabilities:
    """Return the probabilities that a champion's bundle gives of raw texts."""
    model = bundle.load(export, read_document(export / "signature.json")["formats"][0])
    return model(rows["text"].to_numpy(object)).astype(np.float64)


def _looks(fresh: NewExamples) -> list[InputDrift]:
    """Compare the tokens that the champion does not know with those of its test part: in training it met them all."""
    from gristmill.domains.text import tokenizer as tokenizers  # late: without a new text TensorFlow is not needed

    tokenizer = tokenizers.read(fresh.champion["preprocess"])
    return [
        look_at_share(
            "unknown tokens",
            unknown_shares(tokenizer, fresh.rows["text"].tolist()),
            unknown_shares(tokenizer, fresh.known.rows["text"].tolist()),
        )
    ]


def unknown_shares(tokenizer: "Tokenizer", texts: Sequence[str]) -> npt.NDArray[np.float64]:
    """Return the share of tokens of each text that are not in the vocabulary, (texts,); 0 of a text without tokens."""
    from gristmill.domains.text.tokenizer import encode_texts

    tokens = encode_texts(tokenizer, texts)
    owners = np.repeat(np.arange(len(tokens)), tokens.lengths)
    counts = np.bincount(owners, tokens.values == UNKNOWN, len(tokens))
    return counts / np.maximum(tokens.lengths, 1)


TEXTS = ClassifierRetraining("texts.parquet", "text", _judged, _looks)
news, lost, drift = TEXTS.news, TEXTS.lost, TEXTS.drift
judgeable, contest = TEXTS.judgeable, TEXTS.contest
