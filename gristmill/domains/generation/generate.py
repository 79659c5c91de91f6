"""Generate: a text that goes on from a prompt, piece by piece as it is written, by an exported bundle alone."""

import logging
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf

from gristmill.domains.text.special_tokens import UNKNOWN
from gristmill.errors import RequestError, short_repr
from gristmill.export.bundle import import_required_ops
from gristmill.export.formats import FORMATS
from gristmill.util.table_io import read_document

logger = logging.getLogger(__name__)

_NAMED = 10  # unknown characters that are named at most


def generate(
    *,
    export: Path,
    prompt: str = "",
    length: int = 400,
    temperature: float = 0.8,
    top_k: int = 0,
    top_p: float = 1.0,
    seed: int = 42,
) -> Iterator[str]:
    """Yield the prompt, then what goes on from it, as it is written.

    Args:
        export: folder of the verified bundle.
        prompt: to go on from.
        length: tokens to write.
        temperature: below 1 likely tokens are taken more often than the network says; at 0 the likeliest alone.
        top_k: of the likeliest so many are drawn from; 0 for all.
        top_p: of the likeliest those that have this probability together are drawn from; 1 for all.
        seed: the same writes the same.

    Raises:
        RequestError: a number that is out of its range, or a prompt that nothing can go on from.
    """
    check_options(length, temperature, top_k, top_p, seed)
    signature: dict[str, Any] = read_document(export / "signature.json")
    import_required_ops(export)
    model = tf.saved_model.load(export / FORMATS["saved_model"].place)
    begun = model.signatures["encode"](prompt=tf.constant(prompt))
    check_prompt(prompt, len(begun["tokens"]), signature)
    warn_unknown_tokens(prompt, begun["tokens"].numpy().tolist(), signature["level"])
    return written(model, begun, prompt, length, _sampling(temperature, top_k, top_p, seed))


def written(
    model: Any, begun: dict[str, tf.Tensor], prompt: str, length: int, sampling: dict[str, tf.Tensor]
) -> Iterator[str]:
    """Yield the prompt as it was given, then each piece that is new in the text of all tokens."""
    step, decode = model.signatures["next"], model.signatures["decode"]
    yield prompt
    tokens, context = begun["tokens"], begun["context"]
    before = decode(tokens=tokens)["text"].numpy().decode()
    for position in range(length):
        token = step(tokens=context, position=tf.constant(position), **sampling)["token"][tf.newaxis]
        tokens, context = tf.concat([tokens, token], axis=0), tf.concat([context, token], axis=0)
        text = decode(tokens=tokens)["text"].numpy().decode()  # of all: marks and pieces change what is beside them
        yield text[len(before) :]
        before = text


def check_options(length: int, temperature: float, top_k: int, top_p: float, seed: int) -> None:
    """Refuse numbers that tokens cannot be drawn by."""
    if length < 1:
        raise RequestError(f"--length {length}: expected the tokens to write, 1 or more.")
    if not 0 <= temperature < math.inf:
        raise RequestError(f"--temperature {temperature:g}: expected 0, for the likeliest token each time, or more.")
    if top_k < 0:
        raise RequestError(f"--top-k {top_k}: expected the number of tokens to draw from, or 0 for all.")
    if not 0 < top_p <= 1:
        raise RequestError(f"--top-p {top_p:g}: expected a probability above 0, 1 for all tokens.")
    if not -(2**63) <= seed < 2**63:
        raise RequestError(f"--seed {seed}: expected a number of 64 bits.")


def check_prompt(prompt: str, tokens: int, signature: dict[str, Any]) -> None:
    """Refuse a prompt without a token, where the network has not learned to begin a text."""
    if signature["needs_prompt"] and not tokens:
        raise RequestError(
            f"--prompt {short_repr(prompt)}: holds no {signature['level']}, and this model goes on from one at least. "
            "Give it the beginning of a text."
        )


def warn_unknown_tokens(prompt: str, tokens: list[int], level: str) -> None:
    """Warn of what the prompt holds that was never in a text to train on."""
    unknown = tokens.count(UNKNOWN)
    if not unknown:
        return
    if level == "character" and len(tokens) == len(prompt):
        named = sorted({letter for letter, token in zip(prompt, tokens, strict=True) if token == UNKNOWN})
        told = f"the characters {', '.join(map(repr, named[:_NAMED]))}{', …' if len(named) > _NAMED else ''}"
    else:
        told = f"{unknown} of the {len(tokens)} {level}s"
    logger.warning("--prompt: the model does not know %s of it, and reads them all as one unknown token", told)


def _sampling(temperature: float, top_k: int, top_p: float, seed: int) -> dict[str, tf.Tensor]:
    return {
        "temperature": tf.constant(temperature, tf.float32),
        "top_k": tf.constant(min(top_k, 2**31 - 1), tf.int32),
        "top_p": tf.constant(top_p, tf.float32),
        "seed": tf.constant(seed, tf.int64),
    }
