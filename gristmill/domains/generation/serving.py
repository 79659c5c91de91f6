"""SavedModel that continues a prompt: tokenizer, network and sampling in one graph.

`serving_default` takes `prompt`, UTF-8 strings (batch,), and the numbers `length`, `temperature`, `top_k`, `top_p` and
`seed`; it returns `text` (batch,), each prompt followed by `length` generated tokens. A text does not depend on its
batch, and the same seed generates the same text.

To show a text while it is generated there are single steps: `encode` (one prompt to `tokens`, and to `context`, which
the network starts from), `next` (tokens, `position` from 0 on, and the numbers above, to the next few tokens) and
`decode` (tokens to text). `probabilities` takes tokens (batch, n) and returns those of the next token, (batch,
vocabulary).

Each token is generated from as many tokens before it as in the scores: from half a window to a whole one, or from all
tokens of a line up to the longest prefix. A recurrent network of windows reads half a window, and then each new token
once: its states are kept. Other networks read all these tokens again for each new one.

A token is drawn from the predicted probabilities at a temperature, from the `top_k` most probable ones if that is above
0, and of those from the fewest with a total probability of `top_p` (Holtzman et al., "The curious case of neural text
degeneration", ICLR 2020). At temperature 0 the most probable token is chosen. Padding and unknown are never generated.

Several networks may take part, by the weighted mean of the probabilities that they give to the next token. A network
generalises over contexts, n-grams remember them, and their mean often needs fewer bits than either (Mikolov, Deoras,
Kombrink, Burget & Černocký, "Empirical evaluation and combination of advanced language modeling techniques",
Interspeech 2011).
"""

from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import keras
import tensorflow as tf
from keras import ops

from gristmill.domains.text.tokenizer import Tokenizer
from gristmill.domains.text.tokens import PADDING, UNKNOWN
from gristmill.export import saved_model
from gristmill.training.average_network import AVERAGE, Members, average_networks

_MIN_TEMPERATURE = 1e-6  # below it the most probable token is chosen
# Layers of a network that is applied to one token after the other.
_RECURRENT = (keras.layers.GRU, keras.layers.LSTM)
_PER_TOKEN = (keras.layers.Embedding, keras.layers.Dense, keras.layers.Softmax)  # layers that read each by itself
_ONLY_IN_TRAINING = (keras.layers.InputLayer, keras.layers.Dropout)
States = Any  # tensors in nested lists
MIXTURE = "mean_of_probabilities"
"""Name of a network of several members."""

_MIN_PROBABILITY = 1e-30


class Sampling(NamedTuple):
    """Options of the draw of tokens; numbers or scalar tensors."""

    temperature: tf.Tensor | float
    top_k: tf.Tensor | int  # 0: all
    top_p: tf.Tensor | float  # 1: all
    seed: tf.Tensor | int


class Writer:
    """A network with its tokenizer, which continues texts."""

    def __init__(self, network: keras.Model, tokenizer: Tokenizer, length: int) -> None:
        """Use a network that reads the last `length` tokens."""
        self._network = network
        self._tokenizer = tokenizer
        self._length = length
        self._start = tokenizer.tokens.index("\n") if "\n" in tokenizer.tokens else UNKNOWN
        self._stepper = stepper_of(network, length)
        self.block = length - length // 2  # number of tokens generated before the last ones are read again

    def logits(self, tokens: tf.Tensor) -> tf.Tensor:
        """Return the logits of the token after sequences, (batch, n): (batch, vocabulary)."""
        logits = self._network(tokens[:, -self._length :], training=False)
        return logits[:, -1] if len(logits.shape) == 3 else logits

    def probabilities(self, tokens: tf.Tensor) -> tf.Tensor:
        """Return the probabilities of the token after sequences, (batch, n): (batch, vocabulary)."""
        return tf.nn.softmax(self.logits(tokens))

    def context(self, tokens: tf.Tensor) -> tf.Tensor:
        """Return the tokens of a prompt, (n,), or the start token if there are none."""
        return tf.concat([tf.fill([tf.cast(tf.size(tokens) == 0, tf.int32)], self._start), tokens], axis=0)

    def continuation(self, tokens: tf.Tensor, length: tf.Tensor, sampling: Sampling) -> tf.Tensor:
        """Return the tokens, (length,), generated after a prompt's tokens, (n,)."""
        context = self.context(tokens)

        def grow(at: tf.Tensor, seen: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return at + self.block, tf.concat([seen, self.next(seen, at, sampling)], axis=0)

        shapes = (tf.TensorShape(()), tf.TensorShape((None,)))
        _, seen = tf.while_loop(lambda at, _: at < length, grow, (tf.constant(0), context), shape_invariants=shapes)
        return seen[tf.size(context) :][:length]

    def next(self, tokens: tf.Tensor, position: tf.Tensor, sampling: Sampling) -> tf.Tensor:
        """Return the `block` tokens that follow tokens, (n,), the first as the generated token number `position`."""
        of_windows = len(self._network.output_shape) == 3
        seen = tokens[-(self._length // 2 + 1) :] if of_windows else tokens[-self._length :]
        drawn = tf.TensorArray(tf.int32, self.block)

        def step(at: tf.Tensor, token: tf.Tensor, states: States, drawn: tf.TensorArray) -> tuple[Any, ...]:
            logits, states = self._stepper.step(token, states)
            token = draw_token(logits, position + at, sampling)
            return at + 1, token, states, drawn.write(at, token)

        states = self._stepper.read(seen[:-1])
        shapes = tf.nest.map_structure(_shape_in_loop, states)
        *_, drawn = tf.while_loop(
            lambda at, *_: at < self.block,
            step,
            (tf.constant(0), seen[-1], states, drawn),
            shape_invariants=(tf.TensorShape(()), tf.TensorShape(()), shapes, tf.TensorShape(None)),
        )
        return tf.ensure_shape(drawn.stack(), (self.block,))

    def write(self, prompts: tf.Tensor, length: tf.Tensor, sampling: Sampling) -> tf.Tensor:
        """Return prompts, (batch,), each followed by `length` generated tokens: texts (batch,)."""
        tokens = self._tokenizer.encode(prompts)
        ids = tf.TensorSpec((None,), tf.int32)
        more = tf.map_fn(lambda prompt: self.continuation(prompt, length, sampling), tokens, fn_output_signature=ids)
        before = self._tokenizer.decode(tokens.to_tensor(PADDING))  # may differ from the prompt, such as in capitals
        after = self._tokenizer.decode(tf.concat([tokens, more], axis=1).to_tensor(PADDING))
        new = tf.strings.substr(after, tf.strings.length(before), tf.strings.length(after))
        return tf.strings.join([prompts, new])

    def encode(self, prompt: tf.Tensor) -> tf.Tensor:
        """Return the tokens of one prompt: (n,)."""
        return self._tokenizer.encode(prompt[tf.newaxis]).flat_values

    def decode(self, tokens: tf.Tensor) -> tf.Tensor:
        """Return the text of tokens, (n,)."""
        return self._tokenizer.decode(tokens[tf.newaxis])[0]


def _shape_in_loop(state: tf.Tensor) -> tf.TensorShape:
    """Return the shape of a state while tokens that were read become more."""
    return tf.TensorShape((None,)) if state.shape.rank == 1 else state.shape


def draw_token(logits: tf.Tensor, position: tf.Tensor, sampling: Sampling) -> tf.Tensor:
    """Return a token drawn by logits, (vocabulary,): an int32 scalar that depends only on seed and position."""
    number = tf.range(tf.size(logits))
    logits = tf.where((number == PADDING) | (number == UNKNOWN), -float("inf"), logits)
    order = tf.argsort(logits, direction="DESCENDING", stable=True)
    temperature = tf.cast(sampling.temperature, tf.float32)
    sorted_logits = tf.gather(logits, order) / tf.maximum(temperature, _MIN_TEMPERATURE)
    limit = tf.where(tf.cast(sampling.top_k, tf.int32) > 0, tf.cast(sampling.top_k, tf.int32), tf.size(logits))
    sorted_logits = tf.where(number < limit, sorted_logits, -float("inf"))
    likelier = tf.cumsum(tf.nn.softmax(sorted_logits), exclusive=True)
    kept = (number == 0) | (likelier < tf.cast(sampling.top_p, tf.float32))
    seed = tf.stack([tf.cast(sampling.seed, tf.int64), tf.cast(position, tf.int64)])
    rank = tf.random.stateless_categorical(tf.where(kept, sorted_logits, -float("inf"))[tf.newaxis], 1, seed)[0, 0]
    return tf.gather(order, tf.where(temperature < _MIN_TEMPERATURE, tf.constant(0, tf.int64), rank))


def write(network: keras.Model, tokenizer: Tokenizer, length: int, folder: Path) -> None:
    """Write a SavedModel with all signatures."""
    # 1. Define the functions that have several outputs, or that draw tokens.
    writer = Writer(network, tokenizer, length)

    def serve(prompt: tf.Tensor, length: tf.Tensor, *sampling: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"text": writer.write(prompt, length, Sampling(*sampling))}

    def step(tokens: tf.Tensor, position: tf.Tensor, *sampling: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"next": writer.next(tokens, position, Sampling(*sampling))}

    def encode(prompt: tf.Tensor) -> dict[str, tf.Tensor]:
        tokens = writer.encode(prompt)
        return {"tokens": tokens, "context": writer.context(tokens)}

    # 2. Name the functions and their inputs.
    prompts = tf.TensorSpec((None,), tf.string, name="prompt")
    prompt = tf.TensorSpec((), tf.string, name="prompt")
    tokens = tf.TensorSpec((None,), tf.int32, name="tokens")
    types = {"temperature": tf.float32, "top_k": tf.int32, "top_p": tf.float32, "seed": tf.int64}
    sampling = [tf.TensorSpec((), dtype, name=name) for name, dtype in types.items()]
    rows = tf.TensorSpec((None, None), tf.int32, name="tokens")
    endpoints: dict[str, saved_model.Endpoint] = {
        "serving_default": (serve, [prompts, tf.TensorSpec((), tf.int32, name="length"), *sampling]),
        "next": (step, [tokens, tf.TensorSpec((), tf.int32, name="position"), *sampling]),
        "encode": (encode, [prompt]),
        "decode": (lambda tokens: {"text": writer.decode(tokens)}, [tokens]),
        "probabilities": (lambda tokens: {"probabilities": writer.probabilities(tokens)}, [rows]),
    }
    saved_model.write(folder, endpoints, [network, *tokenizer.trackables])


class Stepper(Protocol):
    """A network that is applied to one token after the other."""

    def read(self, tokens: tf.Tensor) -> States:
        """Return the states after tokens, (n,), of which there may be none."""

    def step(self, token: tf.Tensor, states: States) -> tuple[tf.Tensor, States]:
        """Return the output, (vocabulary,), after one more token, a scalar, and the new states."""


def stepper_of(network: keras.Model, length: int) -> Stepper:
    """Return the fastest way to apply a network that reads at most the last `length` tokens."""
    if network.name == MIXTURE:
        return _Mixture(network, length)
    return _Recurrence(network) if _reads_stepwise(network) else _Window(network, length)


class _Mixture:
    """A network of `mix_networks`, whose members have states of their own."""

    def __init__(self, network: keras.Model, length: int) -> None:
        members = [layer for layer in network.layers if isinstance(layer, keras.Model)]
        self._members = [stepper_of(member, length) for member in members]
        self._average = network.get_layer(AVERAGE)

    def read(self, tokens: tf.Tensor) -> States:
        return [member.read(tokens) for member in self._members]

    def step(self, token: tf.Tensor, states: States) -> tuple[tf.Tensor, States]:
        steps = [member.step(token, own) for member, own in zip(self._members, states, strict=True)]
        probabilities = ops.stack([output for output, _ in steps], axis=-1)
        return logits_of(self._average(probabilities)[..., 0]), [new for _, new in steps]


class _Recurrence:
    """The layers of a chain of layers that read tokens from left to right."""

    def __init__(self, network: keras.Model) -> None:
        self._layers = [layer for layer in network.layers if not isinstance(layer, _ONLY_IN_TRAINING)]

    def read(self, tokens: tf.Tensor) -> States:
        recurrent = [layer for layer in self._layers if isinstance(layer, _RECURRENT)]
        start = [[tf.zeros((1, size)) for size in tf.nest.flatten(layer.cell.state_size)] for layer in recurrent]
        count = tf.size(tokens)

        def further(at: tf.Tensor, states: States) -> tuple[tf.Tensor, States]:
            return at + 1, self.step(tokens[at], states)[1]

        return tf.while_loop(lambda at, _: at < count, further, (tf.constant(0), start))[1]

    def step(self, token: tf.Tensor, states: States) -> tuple[tf.Tensor, States]:
        features, before, after = token[tf.newaxis], iter(states), []
        for layer in self._layers:
            if isinstance(layer, _RECURRENT):
                features, new = layer.cell(features, next(before), training=False)
                after.append(list(new))
            else:
                features = layer(features)
        return features[0], after


class _Window:
    """Any other network, which reads all tokens again for each new one."""

    def __init__(self, network: keras.Model, length: int) -> None:
        self._network, self._length = network, length

    def read(self, tokens: tf.Tensor) -> States:
        return [tokens]

    def step(self, token: tf.Tensor, states: States) -> tuple[tf.Tensor, States]:
        tokens = tf.concat([states[0], token[tf.newaxis]], axis=0)[-self._length :]
        output = self._network(tokens[tf.newaxis], training=False)
        return output[0, -1] if len(output.shape) == 3 else output[0], [tokens]


def _reads_stepwise(network: keras.Model) -> bool:
    """Return whether a network is a chain of layers that read tokens from left to right, and predicts after each.

    One that predicts after the last token alone is scored on the beginnings of lines, of which states would know more.
    """
    for layer in network.layers:
        if not isinstance(layer, (*_RECURRENT, *_PER_TOKEN, *_ONLY_IN_TRAINING)):
            return False
        if isinstance(layer, _RECURRENT) and (layer.go_backwards or not layer.return_sequences):
            return False
    return all(layer.input is before.output for before, layer in pairwise(network.layers))


def mix_networks(members: Members) -> keras.Model:
    """Return the network of logits of the weighted mean of probabilities; a single network as it is."""
    if len(members) == 1:
        return members[0][0]
    normalised = [
        (keras.Model(network.input, keras.layers.Softmax()(network.output)), weight) for network, weight in members
    ]
    average = average_networks(normalised)
    return keras.Model(average.input, logits_of(average.output), name=MIXTURE)


def logits_of(probabilities: Any) -> Any:
    """Return the logarithms of probabilities."""
    return ops.log(ops.maximum(probabilities, _MIN_PROBABILITY))
