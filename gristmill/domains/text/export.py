"""Export: the tested classifier as a bundle that takes raw strings, proved in a fresh process."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gristmill.domains.common.classification.predictions import scored_probabilities
from gristmill.domains.text import dataset, serving
from gristmill.domains.text.dataset import Layout, Prepared
from gristmill.domains.text.predictions import texts_of
from gristmill.domains.text.settings import Export
from gristmill.domains.text.tokenizer import NEEDS
from gristmill.export import bundle
from gristmill.export.bundle import check_parity, in_blocks, refuse_other_than_scored
from gristmill.export.formats import FORMATS
from gristmill.runs.scores import write_exported
from gristmill.training import saved_network
from gristmill.util.table_io import write_document

FORM = "saved_model"  # the only format that can hold a tokenizer

Rows = npt.NDArray[np.int64]  # positions in the test part, ascending

_PROVED, _CHARACTERS = 1000, 32 << 20  # texts, and characters of them, at most whose probabilities are compared
_PROJECTED = ("vecs.tsv", "meta.tsv")  # the embedding, for the Embedding Projector
_SIGNATURE = (
    "text -> probabilities, classes (their names, in the same order), label (the likeliest name) and known (how many "
    "of its tokens are in the vocabulary)"
)


def export(*, export: Export, ingest: Path, preprocess: Path, train: Path, evaluate: Path, out: Path) -> dict[str, int]:
    """Write the network and its tokenizer as one SavedModel; publish it only if it predicts what was scored.

    Writes `saved_model/`, `signature.json`, `scores.json` with the parity difference and, of a network with an
    embedding, `vecs.tsv` and `meta.tsv`.

    Args:
        export: the largest difference allowed.
        ingest: folder of the raw texts, which the reloaded model is shown.
        preprocess: folder of the tokens and the tokenizer.
        train: folder of the trained network.
        evaluate: folder of what was scored.
        out: folder to write to.

    Raises:
        ParityError: the reloaded model predicts something else.
    """
    with bundle.fresh_process() as reload:
        data, network = dataset.read(preprocess), saved_network.read(train)
        texts = np.array(texts_of(data, ["test"], ingest)["test"], object)
        rows = parity_rows(texts)
        scored = scored_probabilities(data.classes, evaluate)[rows]
        made = in_blocks(network.predict_on_batch)(tokens_of(data, rows))
        refuse_other_than_scored(made, scored, export.tolerance)
        serving.write(network, data.tokenizer(), data.layout, out / FORMATS[FORM].place)
        write_document(
            out / "signature.json", signature(data.layout)
        )  # before the model is loaded: it says what that needs
        parity = check_parity(reload, out, [FORM], texts[rows], scored, export.tolerance)
    write_exported(out, evaluate, parity=parity)
    for name in _PROJECTED:
        if (evaluate / name).exists():
            shutil.copyfile(evaluate / name, out / name)
    return {"formats": 1, "parity_texts": len(rows)}


def parity_rows(texts: npt.NDArray[np.object_]) -> Rows:
    """Return which test texts the proof is made with: some from all over the part, few enough for the memory."""
    longest = max(map(len, texts))
    count = min(len(texts), _PROVED, max(1, _CHARACTERS // max(longest, 1)))
    return np.linspace(0, len(texts) - 1, count).astype(np.int64)


def tokens_of(data: Prepared, rows: Rows) -> npt.NDArray[np.int32]:
    """Return the tokens of some test texts as the network was shown them, (rows, length)."""
    picked, begin = [], 0
    for batch in data.batches("test"):
        picked.append(batch[rows[(begin <= rows) & (rows < begin + len(batch))] - begin])
        begin += len(batch)
    return np.concatenate(picked)


def signature(layout: Layout) -> dict[str, Any]:
    """Return what a caller must know to use the model."""
    told: dict[str, Any] = {
        "input": {
            "name": "text",
            "dtype": "string",
            "shape": [None],
            "holds": f"raw UTF-8 texts; the model makes {layout.level}s of them and sees {layout.length} at most",
        },
        "output": {
            "dtype": "float32",
            "shape": [None, len(layout.classes)],
            "columns": layout.classes,
            "holds": "the probability of each class",
        },
        "classes": layout.classes,
        "level": layout.level,
        "length": layout.length,
        "vocabulary": layout.vocabulary,
        "formats": [FORM],
        "signatures": {"serving_default": _SIGNATURE},
    }
    return told | ({"needs": NEEDS[layout.level]} if layout.level in NEEDS else {})
