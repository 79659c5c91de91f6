"""Compare the speed at which an exported network writes characters with one call of the network per character.

    benchmarks/sampling.py [--write]

The network has the size of `shakespeare_chars`, and is not trained: the speed does not depend on its weights.
"""

import os
import string
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from measuring import arguments, in_turn, table, tell

from gristmill.domains.generation.models import Shape
from gristmill.domains.generation.models.recurrent import Gru
from gristmill.domains.generation.serving import write
from gristmill.domains.text import tokenizer as tokenizers
from gristmill.domains.text.settings import TokenSettings

UNITS, WINDOW = 256, 100
PROMPT = "the quick brown fox jumps over the lazy dog, " * 3
CHARACTERS = {"gristmill": 2_000, "one call per character": 200}
ROUNDS = 5


def exported(folder: Path) -> tf.Module:
    """Return a loaded SavedModel of an untrained network."""
    tokenizer = tokenizers.fit([string.printable], TokenSettings(level="character", lower=False))
    keras.utils.set_random_seed(0)
    network = Gru(kind="gru", recurrent=(UNITS,)).build(Shape(len(tokenizer.tokens), WINDOW, after_each=True))
    write(network, tokenizer, WINDOW, folder)
    return tf.saved_model.load(folder)


def at_once(model: tf.Module, characters: int) -> None:
    """Let the model write in its graph."""
    numbers = {"temperature": tf.constant(1.0), "top_k": tf.constant(0), "top_p": tf.constant(1.0)}
    seed, length = tf.constant(0, tf.int64), tf.constant(characters)
    model.signatures["serving_default"](prompt=tf.constant([PROMPT]), length=length, seed=seed, **numbers)


def one_by_one(model: tf.Module, characters: int) -> None:
    """Call the model for each character with the last window of them, and draw in NumPy."""
    generator = np.random.default_rng(0)
    tokens = model.signatures["encode"](prompt=tf.constant(PROMPT))["tokens"].numpy().tolist()
    for _ in range(characters):
        window = tf.constant([tokens[-WINDOW:]])
        shares = model.signatures["probabilities"](tokens=window)["probabilities"].numpy()[0].astype(float)
        tokens.append(int(generator.choice(len(shares), p=shares / shares.sum())))


def rates(work: Callable[[int], None], characters: int) -> tuple[float, float]:
    """Return characters per second, and per second of CPU time."""
    began, busy = time.perf_counter(), time.process_time()
    work(characters)
    return characters / (time.perf_counter() - began), characters / (time.process_time() - busy)


def main() -> None:
    asked = arguments(__doc__).parse_args()
    with TemporaryDirectory() as folder:
        model = exported(Path(folder, "model"))
    ways: dict[str, Callable[[int], None]] = {
        "gristmill": lambda characters: at_once(model, characters),
        "one call per character": lambda characters: one_by_one(model, characters),
    }
    for way in ways.values():
        way(10)  # the first call is slower
    found = in_turn({name: partial(rates, ways[name], count) for name, count in CHARACTERS.items()}, ROUNDS)
    (fast, fast_busy), (slow, slow_busy) = (np.median(one, axis=0) for one in found.values())
    row = [f"{UNITS} units", f"{fast:,.0f}", f"{slow:,.0f}", f"{fast / slow:.0f}", f"{fast_busy / slow_busy:.0f}"]
    columns = ["characters/s", *CHARACTERS, "ratio", "ratio of CPU time"]
    told = f"Medians of {ROUNDS} alternating rounds; the network reads a window of {WINDOW} characters."
    tell("Text generation", [*table(columns, [row]), "", told], asked.write)


if __name__ == "__main__":
    main()
