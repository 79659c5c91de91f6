"""Trainings of seconds, one a domain, on made-up examples; and a process that has two devices to train on."""

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from gristmill.settings.base import Fit
from gristmill.training import saved_network
from gristmill.training.progress import Epoch


@contextmanager
def process_of_devices(count: int) -> Iterator[ProcessPoolExecutor]:
    """Give a process whose CPU is so many devices to TensorFlow, to call functions of modules in `tests` in."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawn, initializer=_divide_cpu, initargs=(count,)) as process:
        yield process


def _divide_cpu(count: int) -> None:
    """Divide the CPU, which TensorFlow allows before it has used it."""
    from gristmill.training.keras_backend import import_keras

    import_keras()
    import tensorflow as tf

    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * count)


def train_domain(domain: str, folder: Path, on_epoch: Callable[[Epoch], None] | None = None, **settings: Any) -> Path:
    """Train a domain's small network below a folder, going on where a call before was interrupted; return its folder.

    Args:
        domain: `tabular`, `timeseries`, `vision` or `text`.
        folder: for what is prepared, for checkpoints and for the trained network.
        on_epoch: called after each epoch.
        settings: of the training, beside those of the domain.
    """
    for name in ("prepared", "trained"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    _DOMAINS[domain](
        {"epochs": 2, "learning_rate": 0.02, "clip_norm": 0.3, "seed": 1} | settings,
        preprocess=folder / "prepared",
        out=folder / "trained",
        scratch=folder / "scratch",
        logs=folder / "logs",
        on_epoch=on_epoch or (lambda epoch: None),
    )
    return folder / "trained"


def train_interrupted(domain: str, folder: Path, **settings: Any) -> Path:
    """Do the same, interrupted after the first epoch and begun again."""

    def interrupt(epoch: Epoch) -> None:
        raise KeyboardInterrupt

    with suppress(KeyboardInterrupt):
        train_domain(domain, folder, interrupt, **settings)
    return train_domain(domain, folder, **settings)


def seeds_by_device() -> list[list[list[int]]]:
    """Return the states that two layers of dropout draw from, on each device, after they were set apart."""
    import keras

    from gristmill.training import distribution

    how = Fit(strategy="mirrored")
    network = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dropout(0.5, seed=3), keras.layers.Dropout(0.5, seed=4)]
    )
    strategy = distribution.make_strategy(how)
    with strategy.scope():
        learner = distribution.make_learner(network, how, strategy)
    distribution.reseed_per_replica(learner, strategy)
    return [[value.numpy().tolist() for value in variable.value.values] for variable in learner.variables]


def weights_of(trained: Path) -> list[Any]:
    """Return the variables of a trained network as arrays."""
    return [np.asarray(variable.value) for variable in saved_network.read(trained).variables]


def _regression(settings: dict[str, Any], **places: Any) -> None:
    """Dense layers with dropout; of batches of 9, the last holds four rows."""
    import pandas as pd

    from gristmill.domains.tabular import dataset
    from gristmill.domains.tabular.models.dense import Dense
    from gristmill.domains.tabular.settings import Train
    from gristmill.domains.tabular.train import train

    table = pd.DataFrame({"x": np.arange(60.0), "town": ["a", "b"] * 30, "y": 3 * np.arange(60.0)})
    parts = np.array(["train"] * 40 + ["validation"] * 10 + ["test"] * 10)
    layout = dataset.Layout("y", ["x"], {"town": ["a", "b"]}, {"x": 20, "y": 60}, {"x": 12, "y": 36})
    dataset.write(dataset.Prepared(table, parts, layout), places["preprocess"])
    model = Dense(kind="dense", units=(8, 4), dropout=0.2)
    train(model=model, train=Train(**{"batch_size": 9} | settings), **places)


def _timeseries(settings: dict[str, Any], **places: Any) -> None:
    """Dense layers on windows; 58 of them, so that of batches of 19 the last holds one."""
    from gristmill.domains.timeseries.data import dataset
    from gristmill.domains.timeseries.models.dense import Dense
    from gristmill.domains.timeseries.settings import Train
    from gristmill.domains.timeseries.train import train
    from helpers.small_runs import assembled

    values = np.random.default_rng(0).normal(size=95).cumsum() + 100
    dataset.write(assembled(values, history=6, horizon=2, validation=20, test=10), places["preprocess"])
    train(model=Dense(kind="dense", units=(8,)), train=Train(**{"batch_size": 19} | settings), **places)


def _vision(settings: dict[str, Any], **places: Any) -> None:
    """Convolutions with batch normalisation, on changed images."""
    from gristmill.domains.common.classification.settings import Train
    from gristmill.domains.vision.models.cnn import Cnn
    from gristmill.domains.vision.settings import Augment
    from gristmill.domains.vision.train import train
    from helpers.small_prepared import spotted, write_prepared

    write_prepared(places["preprocess"], {"train": spotted(40), "validation": spotted(20, seed=1)}, ["a", "b"])
    train(
        model=Cnn(kind="cnn", filters=(4,), units=(8,), batch_norm=True),
        augment=Augment(rotation=20, shift=0.1, brightness=0.2),
        train=Train(**{"batch_size": 15} | settings),
        **places,
    )


def _text(settings: dict[str, Any], **places: Any) -> None:
    """An embedding of texts of unlike lengths; of three classes one is rare, and weighs more."""
    from gristmill.domains.text.models.embedding import Embedding
    from gristmill.domains.text.settings import Train
    from gristmill.domains.text.train import train
    from helpers.small_tokens import telling, write_tokens

    texts, labels = telling(70, 3)
    kept = [row for row, label in enumerate(labels) if label < 2 or row < 30]
    some = [texts[row] for row in kept], [labels[row] for row in kept]
    parts = {"train": some, "validation": telling(20, 3, seed=1)}
    write_tokens(places["preprocess"], parts, ["a", "b", "c"])
    how = Train(**{"batch_size": 11, "class_weights": "balanced"} | settings)
    model = Embedding(kind="embedding", dimensions=8, units=(8,))
    train(model=model, train=how, ingest=places["preprocess"], **places)


_DOMAINS = {
    "tabular": _regression,
    "timeseries": _timeseries,
    "vision": _vision,
    "text": _text,
}
