"""Evaluate: bits per token of the model, its baselines and other candidates on unseen text; generated samples."""

from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from gristmill.domains.common.candidates import CandidateArtifacts, succeeded
from gristmill.domains.common.selection import summary_of
from gristmill.domains.generation import dataset
from gristmill.domains.generation.dataset import Prepared, TokenStream
from gristmill.domains.generation.models.ngram import Bigram, Counts, Ngram, Unigram
from gristmill.domains.generation.predictions import fit_counts, parity_sequences, score_tokens
from gristmill.domains.generation.scores import MAX_UNKNOWN_SHARE, TokenOutcomes, measure, summarised
from gristmill.domains.generation.serving import Sampling, Writer
from gristmill.domains.generation.settings import Evaluate
from gristmill.domains.text.tokens import UNKNOWN, TokenIds
from gristmill.errors import RequestError
from gristmill.scores import FILE, MODEL
from gristmill.training import saved_network
from gristmill.training.layer_table import layer_table
from gristmill.util.table_io import write_document, write_table

_TOKENS_PER_ROW = 1000  # of `bits.parquet`

Outcomes = dict[str, TokenOutcomes]  # by model, the network first, then the others
Fitted = tuple[keras.Model, TokenOutcomes]  # a network, and its outcomes of the validation set


def evaluate(
    *,
    evaluate: Evaluate,
    preprocess: Path,
    train: Path,
    out: Path,
    candidates: Mapping[str, CandidateArtifacts] = MappingProxyType({}),
    microseconds: dict[str, float] | None = None,
) -> dict[str, int]:
    """Predict every token of the test set, score these predictions and those of the validation set, generate samples.

    The validation set was predicted by `train`, before counts were fitted on it. Other `candidates` are scored, too;
    their scores choose nothing. The time that each one takes for a token is added to `microseconds`.

    Writes `scores.json`; `bits.parquet`, the mean bits of each 1,000 tokens by model; `samples.parquet`
    (`temperature`, `seed`, `tokens`, `prompt`, `text`); `layers.parquet`; `proof.npy`, probabilities of the next token,
    float32 (sequences, vocabulary), that an exported model must reproduce.

    Raises:
        RequestError: the prompt contains no token.
    """
    data = dataset.read(preprocess)
    network = saved_network.read(train)
    tokens = data.token_stream()
    writer = Writer(network, data.tokenizer(), data.layout.length)
    sample_rows = samples(writer, data, evaluate)  # first, because a prompt may be refused

    # 1. Predict the test set with the model, the candidates and the baselines.
    usable = succeeded(candidates)
    models = {MODEL: (network, TokenOutcomes.of_validation(train))}
    for name, candidate in usable.items():
        models[name] = saved_network.read(candidate.train), TokenOutcomes.of_validation(candidate.train)
    kinds = {candidate.document["settings"]["model"]["kind"] for candidate in usable.values()}
    models |= baselines(data, evaluate.order, kinds)
    selected = summary_of(train)
    outcomes = {
        "validation": {name: validation for name, (_, validation) in models.items()},
        "test": predict_test(models, data, tokens, [*selected["members"]] if selected else []),
    }
    predicted = {part: tokens.values[tokens.scored(part)] for part in outcomes}
    parts = [part for part, values in predicted.items() if len(values)]

    # 2. Score the predictions.
    counts = {part: len(predicted[part]) for part in parts}
    unknown = {part: float((predicted[part] == UNKNOWN).mean()) for part in parts}
    characters = data.layout.characters if is_lossless(data, unknown["test"]) else {}
    scores = {
        name: {part: measure(outcomes[part][name], characters.get(part)) for part in parts} for name in outcomes["test"]
    }
    others = [name for name, candidate in usable.items() if not candidate.is_baseline]
    write_document(out / FILE, summarised(scores, selected, others) | {"tokens": counts, "unknown": unknown})

    # 3. Write the details, and what an exported model must reproduce.
    write_table(out / "bits.parquet", pd.concat([bits(part, outcomes[part]) for part in parts], ignore_index=True))
    write_table(out / "samples.parquet", sample_rows)
    write_table(out / "layers.parquet", layer_table(network))
    sequences = parity_sequences(tokens, data.layout.length)
    np.save(out / "proof.npy", writer.probabilities(tf.constant(sequences)).numpy(), allow_pickle=False)
    if microseconds is not None:
        for name in usable:
            microseconds[name] = saved_network.microseconds_per_row(models[name][0], sequences)
    return {f"{part}_tokens": count for part, count in counts.items()}


def predict_test(models: Mapping[str, Fitted], data: Prepared, tokens: TokenStream, selected: list[str]) -> Outcomes:
    """Return the outcomes of the test set; a candidate `selected` alone has those of the model."""
    of_model = score_tokens(models[MODEL][0], data, tokens, "test")
    return {
        name: of_model if name == MODEL or [name] == selected else score_tokens(network, data, tokens, "test")
        for name, (network, _) in models.items()
    }


def baselines(data: Prepared, order: int, fitted_kinds: Collection[str]) -> dict[str, Fitted]:
    """Return fitted models of counts of 1, 2 and `order` tokens, and their outcomes of the validation set.

    `fitted_kinds` are those of candidates; they are left out.
    """
    models: dict[str, Counts] = {"unigram": Unigram(kind="unigram"), "bigram": Bigram(kind="bigram")}
    if order > 2:
        models[f"{order}-gram"] = Ngram(kind="ngram", order=order)
    return {name: fit_counts(model, data) for name, model in models.items() if model.kind not in fitted_kinds}


def is_lossless(data: Prepared, unknown: float) -> bool:
    """Return whether the test tokens represent the whole text, so that bits per character are meaningful.

    Words lose white space, lower case loses capitals, the first token of a line is not predicted, and unknown tokens
    (`unknown` is their share) take few bits for any text.
    """
    return (
        data.layout.after_each
        and data.layout.level != "word"
        and not data.tokenizer().rules.lower
        and unknown <= MAX_UNKNOWN_SHARE
    )


def bits(part: str, outcomes: Outcomes) -> pd.DataFrame:
    """Return one row for each 1,000 predicted tokens: `part`, `position`, and the mean bits of each model."""
    starts = range(0, len(outcomes[MODEL].bits), _TOKENS_PER_ROW)
    columns = {
        name: [outcome.bits[start : start + _TOKENS_PER_ROW].mean() for start in starts]
        for name, outcome in outcomes.items()
    }
    return pd.DataFrame({"part": part, "position": starts} | columns)


def samples(writer: Writer, data: Prepared, settings: Evaluate) -> pd.DataFrame:
    """Return a generated text at each temperature: `temperature`, `seed`, `tokens`, `prompt`, `text` with the prompt.

    `tokens` is the number of generated ones.
    """
    prompt = tf.constant(settings.prompt) if settings.prompt else writer.decode(tf.constant(beginning(data)))
    if not tf.size(writer.encode(prompt)):
        raise RequestError(
            f"evaluate.prompt: {settings.prompt!r} contains no {data.layout.level}. Add one, or leave the key out to "
            "continue the beginning of the test set."
        )

    def generate(temperature: tf.Tensor) -> tf.Tensor:
        return writer.write(prompt[tf.newaxis], settings.sample, Sampling(temperature, 0, 1.0, settings.seed))[0]

    compiled = tf.function(generate)
    texts = [compiled(tf.constant(temperature)).numpy().decode() for temperature in settings.temperatures]
    drawn = {"temperature": settings.temperatures, "seed": settings.seed, "tokens": settings.sample}
    return pd.DataFrame({**drawn, "prompt": prompt.numpy().decode(), "text": texts})


def beginning(data: Prepared) -> TokenIds:
    """Return the first tokens of the test set: half a window, or half of its first line."""
    if data.layout.after_each:
        return data.stream("test")[: max(1, data.layout.length // 2)]
    lines = data.lines("test")
    first = lines[int((lines.lengths > 0).argmax())]
    return first[: max(1, len(first) // 2)]
