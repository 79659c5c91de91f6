"""Which tokens tell the classes apart: their log-count ratios in standard deviations.

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
    """Return one row a token of the training texts, those that tell most first.

    Columns: `id`, `token`, `count` in training, `class` that it speaks for, and `telling`: by how many standard
    deviations the logarithm of its odds in texts of that class is above that in the others.
    """
    vocabulary = data.vocabulary
    found = deviations(_texts_with(data), np.bincount(data.labels("train"), minlength=len(data.classes)))
    table = pd.DataFrame(
        {
            "id": np.arange(len(vocabulary)),
            "token": vocabulary["token"],
            "count": vocabulary["count"],
            "class": np.array(data.classes, object)[found.argmax(axis=1)],
            "telling": found.max(axis=1),
        }
    )
    known = table.iloc[len(SPECIAL) :]
    return known[known["count"] > 0].sort_values("telling", ascending=False, kind="stable").reset_index(drop=True)


def deviations(inside: npt.NDArray[np.int64], texts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return how far above the other classes each class has each token, in standard deviations: (tokens, classes).

    Args:
        inside: texts of each class that hold a token, (tokens, classes).
        texts: texts of each class, (classes,).
    """
    within, beyond = inside + 1.0, inside.sum(axis=1, keepdims=True) - inside + 1.0
    ratio = np.log(within / (texts + 2.0)) - np.log(beyond / (texts.sum() - texts + 2.0))
    made: npt.NDArray[np.float64] = ratio / np.sqrt(1 / within + 1 / beyond)
    return made


def _texts_with(data: Prepared) -> npt.NDArray[np.int64]:
    """Return how many training texts of each class hold each token: (tokens, classes)."""
    sequences, labels = data.sequences("train"), data.labels("train")
    tokens, classes = data.layout.vocabulary, len(data.classes)
    owners = np.repeat(np.arange(len(sequences)), sequences.lengths)
    pairs = np.unique(owners * tokens + sequences.values)
    counts: npt.NDArray[np.int64] = np.bincount(
        pairs % tokens * classes + labels[pairs // tokens], minlength=tokens * classes
    )
    return counts.reshape(tokens, classes)
