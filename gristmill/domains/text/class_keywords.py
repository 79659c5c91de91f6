"""Keywords of the classes: tokens ranked by their log-count ratio in standard deviations.

Sources: Wang & Manning, "Baselines and bigrams: simple, good sentiment and topic classification", ACL 2012; Monroe,
Colaresi & Quinn, "Fightin' words: lexical feature selection and evaluation for identifying the content of political
conflict", Political Analysis 16(4), 2008, for the deviation, without which the rarest tokens would come first.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.text.dataset import Prepared
from gristmill.domains.text.special_tokens import SPECIAL


def class_keywords(data: Prepared) -> pd.DataFrame:
    """Return one row for each token of the training texts, the strongest keywords first.

    Columns: `id`, `token`, `count` in training, the `class` it indicates, and `telling`: by how many standard
    deviations the log odds of the token in texts of that class exceed those in the other texts.
    """
    vocabulary = data.vocabulary
    scores = deviations(_texts_with(data), np.bincount(data.labels("train"), minlength=len(data.classes)))
    table = pd.DataFrame(
        {
            "id": np.arange(len(vocabulary)),
            "token": vocabulary["token"],
            "count": vocabulary["count"],
            "class": np.array(data.classes, object)[scores.argmax(axis=1)],
            "telling": scores.max(axis=1),
        }
    )
    known = table.iloc[len(SPECIAL) :]
    return known[known["count"] > 0].sort_values("telling", ascending=False, kind="stable").reset_index(drop=True)


def deviations(inside: npt.NDArray[np.int64], texts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return by how many standard deviations each token is more frequent in each class: (tokens, classes).

    `inside` is the number of texts of each class with a token, (tokens, classes), `texts` that of all, (classes,).
    """
    within, beyond = inside + 1.0, inside.sum(axis=1, keepdims=True) - inside + 1.0
    ratio = np.log(within / (texts + 2.0)) - np.log(beyond / (texts.sum() - texts + 2.0))
    scores: npt.NDArray[np.float64] = ratio / np.sqrt(1 / within + 1 / beyond)
    return scores


def _texts_with(data: Prepared) -> npt.NDArray[np.int64]:
    """Return how many training texts of each class contain each token: (tokens, classes)."""
    sequences, labels = data.sequences("train"), data.labels("train")
    tokens, classes = data.layout.vocabulary, len(data.classes)
    owners = np.repeat(np.arange(len(sequences)), sequences.lengths)
    pairs = pd.unique(owners * tokens + sequences.values)  # by hashes, faster than sorting
    counts: npt.NDArray[np.int64] = np.bincount(
        pairs % tokens * classes + labels[pairs // tokens], minlength=tokens * classes
    )
    return counts.reshape(tokens, classes)
