"""Mixed precision: what computes in 16 bits, and that what comes of it is a network of float32 like any other."""

from pathlib import Path

import keras
import numpy as np
import pytest

from gristmill.training.distribution import set_precision, with_loss_scaling
from gristmill.util.table_io import read_table
from helpers.small_trainings import train_domain, train_interrupted, weights_of


@pytest.mark.slow
@pytest.mark.parametrize(
    ("domain", "precision"),
    [
        ("vision", "mixed_bfloat16"),  # convolutions, batch normalisation
        ("text", "mixed_bfloat16"),  # an embedding
        ("timeseries", "mixed_float16"),  # dense layers, as in tables; a loss that is scaled
    ],
)
def test_it_learns_nearly_the_same_and_goes_on_to_the_same_bits(domain: str, precision: str, tmp_path: Path) -> None:
    exact = train_domain(domain, tmp_path / "exact")
    resumed = train_interrupted(domain, tmp_path / "resumed", precision=precision)
    mixed = train_domain(domain, tmp_path / "mixed", precision=precision)

    losses, its_losses = (read_table(folder / "epochs.parquet")["val_loss"].to_numpy() for folder in (exact, mixed))
    assert its_losses == pytest.approx(losses, rel=0.05)
    # What is published cannot be told from a network that was trained in float32: nor can what is exported.
    assert (mixed / "architecture.json").read_bytes() == (exact / "architecture.json").read_bytes()
    assert not all(map(np.array_equal, weights_of(mixed), weights_of(exact)))
    assert (resumed / "weights.npz").read_bytes() == (mixed / "weights.npz").read_bytes()


def test_what_scales_inputs_and_what_gives_outputs_stays_in_float32() -> None:
    layers = keras.layers
    base = keras.Sequential([keras.Input((8, 1)), layers.Conv1D(4, 3), layers.BatchNormalization()], name="base")
    image = keras.Input((8, 1))
    features = layers.Bidirectional(layers.LSTM(3))(layers.ReLU()(base(layers.Rescaling(1 / 255)(image))))
    network = keras.Model(image, layers.Activation("softmax")(layers.Dense(2)(layers.Dropout(0.1)(features))))

    set_precision(network, "mixed_float16")

    computes = {type(layer).__name__: layer.compute_dtype for layer in [*network.layers, *base.layers]}
    assert computes == {
        "InputLayer": "float32",
        "Rescaling": "float32",
        "Sequential": "float32",
        "Conv1D": "float16",
        "BatchNormalization": "float16",
        "ReLU": "float16",
        "Bidirectional": "float16",
        "Dropout": "float16",
        "Dense": "float32",
        "Activation": "float32",
    }
    cells = [
        network.get_layer("bidirectional").forward_layer.cell,
        network.get_layer("bidirectional").backward_layer.cell,
    ]
    assert [cell.compute_dtype for cell in cells] == ["float16", "float16"]
    assert {variable.dtype for variable in network.trainable_variables} == {"float32"}
    assert np.asarray(network(np.zeros((1, 8, 1), np.float32))).dtype == np.float32


def test_a_loss_is_scaled_for_float16_alone() -> None:
    plain = keras.optimizers.SGD()

    assert with_loss_scaling(plain, "float32") is with_loss_scaling(plain, "mixed_bfloat16") is plain
    assert isinstance(with_loss_scaling(plain, "mixed_float16"), keras.optimizers.LossScaleOptimizer)


def test_a_network_of_one_layer_stays_in_float32() -> None:
    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, name="only")])
    set_precision(network, "mixed_bfloat16")
    assert network.get_layer("only").compute_dtype == "float32"
