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
from gristmill.domains.text.sequences import TokenIds
from gristmill.domains.text.special_tokens import UNKNOWN
from gristmill.errors import RequestError
from gristmill.scores import FILE, MODEL, ByPart
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
    data, network = dataset.read(preprocess), saved_network.read(train)
    tokens = data.token_stream()
    writer = Writer(network, data.tokenizer(), data.layout.length)
    sample_rows = samples(writer, data, evaluate)  # first, because a prompt may be refused
    parts = [part for part in ("validation", "test") if len(tokens.scored(part))]
    tried = succeeded(candidates)
    models = {MODEL: (network, TokenOutcomes.of_validation(train))} | {
        name: (saved_network.read(one.train), TokenOutcomes.of_validation(one.train)) for name, one in tried.items()
    }
    models |= baselines(data, evaluate.order, {one.document["settings"]["model"]["kind"] for one in tried.values()})
    selected = summary_of(train)
    outcomes = outcomes_by_part(models, data, tokens, [*selected["members"]] if selected else [])
    outcomes = {part: outcomes[part] for part in parts}
    known = described(tokens, parts)
    by_character = is_lossless(data, known["unknown"]["test"])
    chosen = [name for name, one in tried.items() if not one.is_baseline]
    summary = summarised(scores(data, outcomes, by_character), selected, chosen)
    write_document(out / FILE, summary | known)
    write_table(out / "bits.parquet", pd.concat([bits(part, outcomes[part]) for part in parts], ignore_index=True))
    write_table(out / "samples.parquet", sample_rows)
    write_table(out / "layers.parquet", layer_table(network))
    sequences = parity_sequences(tokens, data.layout.length)
    np.save(out / "proof.npy", writer.probabilities(tf.constant(sequences)).numpy(), allow_pickle=False)
    if microseconds is not None:
        for name in tried:
            microseconds[name] = saved_network.microseconds_per_row(models[name][0], sequences)
    return {f"{part}_tokens": len(tokens.scored(part)) for part in parts}


def outcomes_by_part(
    models: Mapping[str, Fitted], data: Prepared, tokens: TokenStream, selected: list[str]
) -> dict[str, Outcomes]:
    """Return the outcomes of the validation and the test set; a candidate `selected` alone has those of the model."""
    of_model = score_tokens(models[MODEL][0], data, tokens, "test")
    tested = {
        name: of_model if name == MODEL or [name] == selected else score_tokens(network, data, tokens, "test")
        for name, (network, _) in models.items()
    }
    return {"validation": {name: validation for name, (_, validation) in models.items()}, "test": tested}


def baselines(data: Prepared, order: int, tried: Collection[str]) -> dict[str, Fitted]:
    """Return fitted models of counts of 1, 2 and `order` tokens, and their outcomes of the validation set.

    Kinds that were `tried` as candidates are left out.
    """
    models: dict[str, Counts] = {"unigram": Unigram(kind="unigram"), "bigram": Bigram(kind="bigram")}
    if order > 2:
        models[f"{order}-gram"] = Ngram(kind="ngram", order=order)
    return {name: fit_counts(model, data) for name, model in models.items() if model.kind not in tried}


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


def scores(data: Prepared, outcomes: dict[str, Outcomes], by_character: bool) -> dict[str, ByPart]:
    """Return the scores by model, part and metric."""
    characters = data.layout.characters if by_character else {}
    return {
        name: {part: measure(outcome[name], characters.get(part)) for part, outcome in outcomes.items()}
        for name in outcomes["test"]
    }


def described(tokens: TokenStream, parts: list[str]) -> dict[str, dict[str, float]]:
    """Return the number of predicted tokens of each part, and the share of unknown ones."""
    predicted = {part: tokens.values[tokens.scored(part)] for part in parts}
    return {
        "tokens": {part: len(values) for part, values in predicted.items()},
        "unknown": {part: float((values == UNKNOWN).mean()) for part, values in predicted.items()},
    }


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
