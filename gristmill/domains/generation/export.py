"""Export: the scored network as a bundle that continues a prompt, verified in a fresh process."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from gristmill.domains.generation import dataset, serving
from gristmill.domains.generation.dataset import PARTS, Layout
from gristmill.domains.generation.predictions import parity_sequences
from gristmill.domains.generation.settings import Export
from gristmill.domains.text.tokenizer import Tokenizer, required_modules
from gristmill.export import bundle, model_card
from gristmill.export.bundle import check_parity, check_same_as_scored
from gristmill.export.formats import FORMATS
from gristmill.export.kit import Sample
from gristmill.scores import MODEL, Scores, write_exported
from gristmill.training import saved_network
from gristmill.util.table_io import read_table, write_document

_MAX_SAMPLE_TOKENS = 20  # of the sample request
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

    Writes `saved_model/`, `signature.json`, `scores.json` with the parity difference, the export kit, and the model
    card.

    Raises:
        ParityError: the reloaded model's predictions differ.
    """
    # 1. Write the model, and compare it with the scored predictions here and in a fresh process.
    with bundle.fresh_process() as reload:
        keras.backend.clear_session()  # names of variables must not depend on other work of this process
        data = dataset.read(preprocess)
        network = saved_network.read(train)
        tokenizer = data.tokenizer()
        sequences = parity_sequences(data.token_stream(), data.layout.length)
        scored = np.load(evaluate / "proof.npy", allow_pickle=False)
        predicted = serving.Writer(network, tokenizer, data.layout.length).probabilities(tf.constant(sequences)).numpy()
        check_same_as_scored(predicted, scored, export.tolerance)
        serving.write(network, tokenizer, data.layout.length, out / FORMATS[_FORMAT].path)
        write_document(out / "signature.json", signature(data.layout, tokenizer))  # read when the model is loaded
        parity = check_parity(
            reload, out, ["next_token"], sequences, scored, export.tolerance, sample=sample_of(evaluate)
        )
    # 2. Add the scores and the model card.
    write_exported(out, evaluate, parity=parity)
    model_card.write(out, facts(data.layout, network.count_params(), evaluate), train)
    return {"formats": 1, "parity_sequences": len(sequences)}


def sample_of(evaluate: Path) -> Sample:
    """Return a request for the beginning of the first text that evaluate has generated."""
    drawn = read_table(evaluate / "samples.parquet").iloc[0]
    inputs = {
        "prompt": np.array([drawn["prompt"]], object),
        "length": np.array(min(drawn["tokens"], _MAX_SAMPLE_TOKENS), np.int32),
        "temperature": np.array(drawn["temperature"], np.float32),
        "top_k": np.array(0, np.int32),
        "top_p": np.array(1, np.float32),
        "seed": np.array(drawn["seed"], np.int64),
    }
    return Sample({"serving_default": inputs}, np.array([drawn["text"]], object), by_row=False)


def facts(layout: Layout, parameters: int, evaluate: Path) -> model_card.Facts:
    """Return the facts of the model card."""
    scores = Scores.read(evaluate)
    bits = read_table(evaluate / "bits.parquet", part="test")[MODEL].to_numpy()[:-1]  # the last row has fewer tokens
    losses = np.empty(0)
    if scores.metric.startswith("bits") and len(bits):
        losses = bits * (scores.headline.model / bits.mean())  # in the unit of the headline
    return model_card.Facts(
        title=f"Continuation of texts, {layout.level} by {layout.level}",
        task="text-generation",
        use=f"Continues a prompt by {layout.level}s that it draws from its vocabulary of {layout.vocabulary:,}.",
        parameters=parameters,
        data=["The parts follow each other in the text."],
        parts={
            part: {"tokens": f"{layout.tokens[part]:,}", "characters": f"{layout.characters[part]:,}"}
            for part in PARTS
            if layout.tokens[part]
        },
        limits=[
            f"It sees up to {layout.length:,} {layout.level}s before the next one.",
            "It imitates the style of the training set. What it writes is not true, and may repeat that text.",
        ],
        losses=losses,
        block=1,
    )


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
    return document | required_modules([layout.level])
