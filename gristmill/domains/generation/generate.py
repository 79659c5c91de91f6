"""Generate: stream the continuation of a prompt from an exported bundle, and a server's requests for it."""

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gristmill.domains.common.prediction import Column, Requests
from gristmill.domains.generation.settings import PredictOptions
from gristmill.domains.text.tokens import UNKNOWN
from gristmill.errors import RequestError, short_repr
from gristmill.export.loaded_bundle import LoadedBundle

if TYPE_CHECKING:
    import tensorflow as tf

logger = logging.getLogger(__name__)
_MAX_CHARACTERS_LISTED = 10


def generate(bundle: LoadedBundle, options: PredictOptions) -> Iterator[str]:
    """Yield the prompt, then its continuation piece by piece.

    Raises:
        RequestError: a number is out of range, or the prompt contains no token.
    """
    check_options(options)
    prompt = options.prompt
    level, model = bundle.signature["level"], bundle.saved_model
    import tensorflow as tf  # late: an option that is out of range is reported before

    encoded = model.signatures["encode"](prompt=tf.constant(prompt))
    tokens = encoded["tokens"].numpy().tolist()
    if bundle.signature["needs_prompt"] and not tokens:
        raise RequestError(
            f"--prompt {short_repr(prompt)} contains no {level}, and this model needs at least one. "
            "Give it the beginning of a text."
        )
    if unknown := tokens.count(UNKNOWN):
        what = f"{unknown} of its {len(tokens)} {level}s"
        if level == "character" and len(tokens) == len(prompt):
            letters = sorted({letter for letter, token in zip(prompt, tokens, strict=True) if token == UNKNOWN})
            listed = ", ".join(map(repr, letters[:_MAX_CHARACTERS_LISTED]))
            what = f"the characters {listed}{', …' if len(letters) > _MAX_CHARACTERS_LISTED else ''}"
        logger.warning("--prompt: the model does not know %s and reads them as unknown tokens", what)
    return _stream(model.signatures["next"], model.signatures["decode"], encoded, options)


def _stream(step: Any, decode: Any, encoded: "dict[str, tf.Tensor]", options: PredictOptions) -> Iterator[str]:
    """Yield the prompt, then each piece that new tokens add to the decoded text."""
    import tensorflow as tf

    sampling = {
        "temperature": tf.constant(options.temperature, tf.float32),
        "top_k": tf.constant(min(options.top_k, 2**31 - 1), tf.int32),
        "top_p": tf.constant(options.top_p, tf.float32),
        "seed": tf.constant(options.seed, tf.int64),
    }
    yield options.prompt
    tokens, context = encoded["tokens"], encoded["context"]
    before = decode(tokens=tokens)["text"].numpy().decode()
    position = 0
    while position < options.length:
        (generated,) = step(tokens=context, position=tf.constant(position), **sampling).values()
        # Bundles of 0.2.0 and earlier give one token, a scalar.
        new = tf.reshape(generated, [-1])[: options.length - position]
        tokens = tf.concat([tokens, new], axis=0)
        context = tf.concat([context, new], axis=0)
        text = decode(tokens=tokens)["text"].numpy().decode()  # of all tokens: marks and subwords change neighbours
        yield text[len(before) :]
        before, position = text, position + len(new)


def check_options(options: PredictOptions) -> None:
    """Check the ranges of the options."""
    if options.length < 1:
        raise RequestError(f"--length {options.length}: expected the number of tokens, 1 or more.")
    if not 0 <= options.temperature < math.inf:
        raise RequestError(
            f"--temperature {options.temperature:g}: expected 0, for the most probable token each time, or more."
        )
    if options.top_k < 0:
        raise RequestError(f"--top-k {options.top_k}: expected the number of tokens to draw from, or 0 for all.")
    if not 0 < options.top_p <= 1:
        raise RequestError(f"--top-p {options.top_p:g}: expected a probability above 0, 1 for all tokens.")
    if not -(2**63) <= options.seed < 2**63:
        raise RequestError(f"--seed {options.seed}: expected a 64-bit integer.")


class PromptRequests(Requests):
    """Options of a generated text, one of which is the prompt."""

    def example(self, columns: Sequence[Column]) -> Mapping[str, Any] | None:
        return {"prompt": "The beginning of a text", "length": 200}


REQUESTS = PromptRequests(("text/plain",))
