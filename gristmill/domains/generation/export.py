"""Export: the tested network as a bundle that goes on from a prompt, proved in a fresh process."""

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from gristmill.domains.generation import dataset, serving
from gristmill.domains.generation.dataset import Layout
from gristmill.domains.generation.predictions import parity_sequences, token_stream
from gristmill.domains.generation.settings import Export
from gristmill.domains.text.tokenizer import NEEDS, Tokenizer
from gristmill.export import bundle
from gristmill.export.bundle import check_parity, check_same_as_scored
from gristmill.export.formats import FORMATS
from gristmill.runs.scores import write_exported
from gristmill.training import saved_network
from gristmill.util.table_io import write_document

_FORM = "saved_model"  # the only format that can hold a tokenizer
_SIGNATURES = {
    "serving_default": "prompt, length (tokens), temperature (0: the likeliest token), top_k (0: all), top_p (1: all) "
    "and seed -> text, each prompt as it is and what goes on from it",
    "encode": "one prompt -> its tokens, and the context that the network is shown first",
    "next": "tokens, position (of the new token, from 0), temperature, top_k, top_p and seed -> token",
    "decode": "tokens -> text",
    "probabilities": "tokens (batch, n) -> probabilities of the next token (batch, vocabulary)",
}


def export(*, export: Export, preprocess: Path, train: Path, evaluate: Path, out: Path) -> dict[str, int]:
    """Write network, tokenizer and sampling as one SavedModel; publish it only if it tells what was scored.

    Writes `saved_model/`, `signature.json` and `scores.json`, with the parity difference.

    Args:
        export: the largest difference allowed.
        preprocess: folder of the tokens and the tokenizer.
        train: folder of the trained network.
        evaluate: folder of what was scored.
        out: folder to write to.

    Raises:
        ParityError: the reloaded model tells something else.
    """
    with bundle.fresh_process() as reload:
        data, network = dataset.read(preprocess), saved_network.read(train)
        tokenizer = data.tokenizer()
        shown = parity_sequences(token_stream(data), data.layout.length)
        scored = np.load(evaluate / "proof.npy", allow_pickle=False)
        made = serving.Writer(network, tokenizer, data.layout.length).probabilities(tf.constant(shown)).numpy()
        check_same_as_scored(made, scored, export.tolerance)
        serving.write(network, tokenizer, data.layout.length, out / FORMATS[_FORM].place)
        write_document(out / "signature.json", signature(data.layout, tokenizer))  # says what loading the model needs
        parity = check_parity(reload, out, ["next_token"], shown, scored, export.tolerance)
    write_exported(out, evaluate, parity=parity)
    return {"formats": 1, "parity_sequences": len(shown)}


def signature(layout: Layout, tokenizer: Tokenizer) -> dict[str, Any]:
    """Return what a caller must know to use the model."""
    told: dict[str, Any] = {
        "input": {"name": "prompt", "dtype": "string", "shape": [None], "holds": "UTF-8 texts to go on from"},
        "output": {
            "name": "text",
            "dtype": "string",
            "shape": [None],
            "holds": "each prompt as it is, and what was written",
        },
        "level": layout.level,
        "length": layout.length,
        "vocabulary": layout.vocabulary,
        "needs_prompt": not layout.after_each or "\n" not in tokenizer.tokens,  # nothing else begins a text
        "formats": [_FORM],
        "signatures": _SIGNATURES,
    }
    return told | ({"needs": NEEDS[layout.level]} if layout.level in NEEDS else {})
