"""Evaluate: how many bits a text takes that nothing was fitted on, beside models of counts, and samples of writing."""

from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
import pandas as pd
import tensorflow as tf

from gristmill.domains.generation import dataset
from gristmill.domains.generation.baselines import TokenStream, baselines
from gristmill.domains.generation.dataset import Prepared
from gristmill.domains.generation.predictions import Ids, parity_sequences, score_tokens, token_stream
from gristmill.domains.generation.scores import TokenOutcomes, blocks, measure, summarised
from gristmill.domains.generation.serving import Sampling, Writer
from gristmill.domains.generation.settings import Evaluate
from gristmill.domains.text.special_tokens import UNKNOWN
from gristmill.errors import RequestError
from gristmill.runs.scores import FILE, MODEL
from gristmill.training import saved_network
from gristmill.training.layer_table import layer_table
from gristmill.util.table_io import write_document, write_table

_BLOCK = 1000  # tokens whose bits are kept as one mean
_UNKNOWN_AT_MOST = 0.001  # share of the test tokens, which moves bits by 1 % at most, for them to be told by character

Outcomes = dict[str, TokenOutcomes]  # by model: the network's first, then the baselines'


def evaluate(*, evaluate: Evaluate, preprocess: Path, train: Path, out: Path) -> dict[str, int]:
    """Tell every token of the validation and the test part, score what was told, and write samples.

    Writes `scores.json`; `bits.parquet`, the mean bits of each 1,000 tokens by the model and every baseline;
    `samples.parquet` (`temperature`, `prompt`, `text`); `layers.parquet`; `proof.npy`, the probabilities of the next
    token, float32 (sequences, vocabulary), that an exported model must give again.

    Args:
        evaluate: the order of the count model, and what samples are written.
        preprocess: folder of the prepared tokens.
        train: folder of the trained network.
        out: folder to write to.

    Raises:
        RequestError: a prompt without a token.
    """
    data, network = dataset.read(preprocess), saved_network.read(train)
    tokens = token_stream(data)
    parts = [part for part in ("validation", "test") if len(tokens.scored(part))]
    told = baselines(tokens, evaluate.order)
    outcomes: dict[str, Outcomes] = {}
    for part in parts:
        came = tokens.values[tokens.scored(part)]
        counts = {name: TokenOutcomes.of(by_part[part], came) for name, by_part in told.items()}
        outcomes[part] = {MODEL: score_tokens(network, data, tokens, part)} | counts
    known = described(tokens, parts)
    by_character = is_lossless(data, known["unknown"]["test"])
    write_document(out / FILE, summarised(scores(data, outcomes, by_character)) | known)
    write_table(out / "bits.parquet", pd.concat([bits(part, outcomes[part]) for part in parts], ignore_index=True))
    write_table(out / "samples.parquet", samples(network, data, evaluate))
    write_table(out / "layers.parquet", layer_table(network))
    np.save(out / "proof.npy", probabilities(network, data, tokens), allow_pickle=False)
    return {f"{part}_tokens": len(tokens.scored(part)) for part in parts}


def is_lossless(data: Prepared, unknown: float) -> bool:
    """Return whether the tokens of the test part stand for all of its text, so that bits may be told by character.

    Words do not tell the white space between them, small letters no capitals, and of lines the first token is not
    told. Of unknown tokens, which take few bits for whatever they stand for, `unknown` is the share.
    """
    return (
        data.layout.after_each
        and data.layout.level != "word"
        and not data.tokenizer().rules.lower
        and unknown <= _UNKNOWN_AT_MOST
    )


def scores(data: Prepared, outcomes: dict[str, Outcomes], by_character: bool) -> dict[str, dict[str, dict[str, float]]]:
    """Return the scores by model, part and metric."""
    characters = data.layout.characters if by_character else {}
    return {
        name: {part: measure(outcome[name], characters.get(part)) for part, outcome in outcomes.items()}
        for name in outcomes["test"]
    }


def described(tokens: TokenStream, parts: list[str]) -> dict[str, dict[str, float]]:
    """Return how many tokens were told of each part, and the share of them that are not in the vocabulary."""
    told = {part: tokens.values[tokens.scored(part)] for part in parts}
    return {
        "tokens": {part: len(values) for part, values in told.items()},
        "unknown": {part: float((values == UNKNOWN).mean()) for part, values in told.items()},
    }


def bits(part: str, outcomes: Outcomes) -> pd.DataFrame:
    """Return one row for each 1,000 tokens that were told: `part`, `position`, and the mean bits by each model."""
    slices = blocks(len(outcomes[MODEL].bits), _BLOCK)
    columns = {name: [outcome.bits[one].mean() for one in slices] for name, outcome in outcomes.items()}
    return pd.DataFrame({"part": part, "position": [one.start for one in slices]} | columns)


def samples(network: keras.Model, data: Prepared, settings: Evaluate) -> pd.DataFrame:
    """Return a text of the network at each temperature: `temperature`, `prompt`, `text` with the prompt.

    Raises:
        RequestError: the prompt holds no token.
    """
    tokenizer = data.tokenizer()
    writer = Writer(network, tokenizer, data.layout.length)
    prompt = tf.constant(settings.prompt) if settings.prompt else writer.decode(tf.constant(beginning(data)))
    if not tf.size(writer.encode(prompt)):
        raise RequestError(
            f"evaluate.prompt: {settings.prompt!r} holds no {data.layout.level}. Write one into it, or leave it out: "
            "samples then go on from the beginning of the test part."
        )

    def written(temperature: tf.Tensor) -> tf.Tensor:
        return writer.write(prompt[tf.newaxis], settings.sample, Sampling(temperature, 0, 1.0, settings.seed))[0]

    compiled = tf.function(written)
    texts = [compiled(tf.constant(temperature)).numpy().decode() for temperature in settings.temperatures]
    shown = prompt.numpy().decode()
    return pd.DataFrame({"temperature": settings.temperatures, "prompt": shown, "text": texts})


def beginning(data: Prepared) -> Ids:
    """Return the first tokens of the test part: half a window, or half of its first line."""
    if data.layout.after_each:
        return data.stream("test")[: max(1, data.layout.length // 2)]
    lines = data.lines("test")
    first = lines[int((lines.lengths > 0).argmax())]
    return first[: max(1, len(first) // 2)]


def probabilities(network: keras.Model, data: Prepared, tokens: TokenStream) -> npt.NDArray[np.float32]:
    """Return what the network tells after the sequences that prove an exported model, (sequences, vocabulary)."""
    writer = Writer(network, data.tokenizer(), data.layout.length)
    made: npt.NDArray[np.float32] = writer.probabilities(
        tf.constant(parity_sequences(tokens, data.layout.length))
    ).numpy()
    return made
