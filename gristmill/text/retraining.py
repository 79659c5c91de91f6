"""What a retraining asks of texts: which are new, how the champion fares on them, and who errs least."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill import bundle
from gristmill.classification import retraining
from gristmill.classification.predictions import Probabilities
from gristmill.classification.retraining import Fresh, Kind
from gristmill.drift import look_at_share
from gristmill.judgement import Contest
from gristmill.retraining import Drift, InputDrift, News
from gristmill.settings import Settings
from gristmill.tables import read_document

if TYPE_CHECKING:
    from gristmill.text.tokenizer import Tokenizer

Folders = Mapping[str, Path]  # of artifacts, by stage


def news(ingest: Path, before: Path | None) -> News:
    """Count the texts that are not among earlier ones, those of another class or part, and those that are gone.

    Args:
        ingest: folder of the texts.
        before: folder of the earlier ones; None if there are none.
    """
    return retraining.news(_TEXTS, ingest, before)


def drift(ingest: Path, champion: Folders, tables: Mapping[str, Settings]) -> Drift:
    """Score the champion on texts that it has not seen; compare their classes, and how many of their tokens it knows.

    Args:
        ingest: folder of the texts.
        champion: folders of its artifacts.
        tables: its settings, which are not used: its tokenizer is in its artifacts.
    """
    return retraining.drift(_TEXTS, ingest, champion)


def contest(challenger: Folders, champion: Folders | None, tables: Mapping[str, Settings] | None = None) -> Contest:
    """Return the errors, 0 or 1, of challenger, baselines and champion on the challenger's test part.

    Beside a champion those texts count that neither was trained or chosen on.

    Args:
        challenger: folders of its artifacts.
        champion: folders of the champion's artifacts; None without one.
        tables: the champion's settings, which are not used.
    """
    return retraining.contest(_TEXTS, challenger, champion)


def _judged(export: Path, ingest: Path, rows: pd.DataFrame) -> Probabilities:
    """Return the probabilities that a champion's bundle gives of raw texts."""
    model = bundle.load(export, read_document(export / "signature.json")["formats"][0])
    return model(rows["text"].to_numpy(object)).astype(np.float64)


def _looks(fresh: Fresh) -> list[InputDrift]:
    """Compare the tokens that the champion does not know with those of its test part: in training it met them all."""
    from gristmill.text import tokenizer as tokenizers  # late: without a new text TensorFlow is not needed

    tokenizer = tokenizers.read(fresh.champion["preprocess"])
    return [
        look_at_share(
            "unknown tokens",
            unknown(tokenizer, fresh.rows["text"].tolist()),
            unknown(tokenizer, fresh.known.rows["text"].tolist()),
        )
    ]


def unknown(tokenizer: "Tokenizer", texts: Sequence[str]) -> npt.NDArray[np.float64]:
    """Return the share of tokens of each text that are not in the vocabulary, (texts,); 0 of a text without tokens."""
    from gristmill.text.rules import UNKNOWN
    from gristmill.text.tokenizer import encoded

    tokens = encoded(tokenizer, texts)
    owners = np.repeat(np.arange(len(tokens)), tokens.lengths)
    counts = np.bincount(owners, tokens.values == UNKNOWN, len(tokens))
    return counts / np.maximum(tokens.lengths, 1)


_TEXTS = Kind("texts.parquet", "text", _judged, _looks)
