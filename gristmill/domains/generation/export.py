"""Export: the scored network as a bundle that continues a prompt, verified in a fresh process."""

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from gristmill.domains.generation import dataset, serving
from gristmill.domains.generation.dataset import Layout
from gristmill.domains.generation.predictions import parity_sequences
from gristmill.domains.generation.settings import Export
from gristmill.domains.text.tokenizer import NEEDS, Tokenizer
from gristmill.export import bundle
from gristmill.export.bundle import check_parity, check_same_as_scored
from gristmill.export.formats import FORMATS
from gristmill.runs.scores import write_exported
from gristmill.training import saved_network
from gristmill.util.table_io import write_document

_FORMAT = "saved_model"  # the only format that can contain a tokenizer
_SIGNATURES = {
    "serving_default": "prompt, length (tokens), temperature (0: most probable token), top_k (0: all), top_p (1: all) "
    "and seed -> text, each prompt and its continuation",
    "encode": "one prompt -> its tokens, and the context that the network starts from",
    "next": "tokens, position (of the first new token, from 0), temperature, top_k, top_p and seed -> the next tokens",
    "decode": "tokens -> text",
    "probabilities": "tokens (batch, n) -> probabilities of the next token (batch, vocabulary)",
}


def export(*, export: Export, preprocess: Path, train: Path, evaluate: Path, out: Path) -> dict[str, int]:
    """Write network, tokenizer and sampling as one SavedModel, and check that it reproduces the scored predictions.

    Writes `saved_model/`, `signature.json` and `scores.json`, with the parity difference.

    Raises:
        ParityError: the reloaded model's predictions differ.
    """
    with bundle.fresh_process() as reload:
        data, network = dataset.read(preprocess), saved_network.read(train)
        tokenizer = data.tokenizer()
        sequences = parity_sequences(data.token_stream(), data.layout.length)
        scored = np.load(evaluate / "proof.npy", allow_pickle=False)
        predicted = serving.Writer(network, tokenizer, data.layout.length).probabilities(tf.constant(sequences)).numpy()
        check_same_as_scored(predicted, scored, export.tolerance)
        serving.write(network, tokenizer, data.layout.length, out / FORMATS[_FORMAT].path)
        write_document(out / "signature.json", signature(data.layout, tokenizer))  # read when the model is loaded
        parity = check_parity(reload, out, ["next_token"], sequences, scored, export.tolerance)
    write_exported(out, evaluate, parity=parity)
    return {"formats": 1, "parity_sequences": len(sequences)}


def signature(layout: Layout, tokenizer: Tokenizer) -> dict[str, Any]:
    """Return the description of the model's inputs and outputs."""
    document: dict[str, Any] = {
        "input": {"name": "prompt", "dtype": "string", "shape": [None], "holds": "UTF-8 texts to continue"},
        "output": {"name": "text", "dtype": "string", "shape": [None], "holds": "each prompt and its continuation"},
        "level": layout.level,
        "length": layout.length,
        "vocabulary": layout.vocabulary,
        "needs_prompt": not layout.after_each or "\n" not in tokenizer.tokens,  # only a line end can begin a text
        "formats": [_FORMAT],
        "signatures": _SIGNATURES,
    }
    return document | ({"needs": NEEDS[layout.level]} if layout.level in NEEDS else {})
