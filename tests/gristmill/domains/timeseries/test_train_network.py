"""A model's network is built to its shape, trained on standardised windows, and refused where settings clash."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.domains.timeseries.models import Shape
from gristmill.domains.timeseries.models.dense import Dense
from gristmill.domains.timeseries.models.linear import Linear
from gristmill.domains.timeseries.models.sequence import Rnn
from gristmill.domains.timeseries.settings import Train
from gristmill.domains.timeseries.train import build, check_compatible, fit_forecaster, pinball
from gristmill.errors import RequestError
from gristmill.settings.custom_code import CustomCode
from gristmill.training.train_steps import build_network
from helpers.small_runs import assembled, networks

RANDOM = np.random.default_rng(0)
DATA = assembled(
    RANDOM.normal(50, 9, size=(60, 4)),
    inputs=1,
    known=1,
    history=6,
    horizon=3,
    validation=10,
    test=10,
    normalise="mean",
)
RNN = Rnn(kind="rnn", units=(3,))
LEVELS = (0.1, 0.5, 0.9)


class Recorded:
    """A model that keeps the shape it was asked for."""

    def build(self, shape: Shape) -> keras.Model:
        self.shape = shape
        return RNN.build(shape)


@pytest.mark.parametrize(
    ("learning", "outputs", "given"),
    [
        ({}, 6, (None, 3, 2)),
        ({"loss": "quantile", "quantiles": LEVELS}, 18, (None, 3, 6)),
        ({"targets": "sequence"}, 6, (None, None, 3, 2)),
        ({"targets": "sequence", "loss": "quantile", "quantiles": LEVELS}, 18, (None, None, 3, 6)),
    ],
)
@pytest.mark.parametrize("residual", [False, True])
def test_a_network_is_asked_for_all_its_outputs(
    learning: dict[str, Any], outputs: int, given: tuple[int | None, ...], residual: bool
) -> None:
    normalise = "none" if "targets" in learning else "reversible"
    layout = assembled(
        DATA.values, inputs=1, known=1, history=6, horizon=3, normalise=normalise, residual=residual
    ).layout
    model = Recorded()

    core, network = networks(model, Train(**learning), layout)

    assert model.shape == Shape(6, 3, channels=3, known=1, outputs=outputs, sequence="targets" in learning)
    assert core.output_shape[-1] == outputs
    assert network.output_shape == given


def test_outputs_lie_by_step_then_target_then_quantile() -> None:
    """Each output of the own network is its own number: 0 to 17."""
    layout = assembled(DATA.values[:, :2], history=6, horizon=3, scale="none").layout
    core, network = networks(Dense(kind="dense", units=()), Train(loss="quantile", quantiles=LEVELS), layout)
    core.set_weights([np.zeros((12, 18)), np.arange(18.0)])

    made = np.asarray(network(np.zeros((1, 6, 2))))

    assert made[0].tolist() == [
        [6 * step + 3 * target + level for target in (0, 1) for level in range(3)] for step in range(3)
    ]


def test_a_residual_is_added_to_the_last_value_of_each_step() -> None:
    data = assembled(RANDOM.normal(size=40), history=6, horizon=2, residual=True, scale="none")
    window = RANDOM.normal(size=(2, 6, 1)).astype(np.float32)

    for targets, last in (("last", window[:, -1:]), ("sequence", window[:, :, np.newaxis])):
        core, network = networks(RNN, Train(targets=targets), data.layout)
        core.set_weights([np.zeros_like(weights) for weights in core.get_weights()])
        made = np.asarray(network(window))
        assert made == pytest.approx(np.repeat(last, 2, axis=-2)), targets


@settings(max_examples=30)
@given(
    values=st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=30),
    level=st.floats(0.02, 0.98),
)
def test_the_pinball_loss_is_least_at_the_quantile(values: list[float], level: float) -> None:
    truth = np.array(values, np.float32).reshape(-1, 1, 1)
    loss = pinball((level,))
    losses = [float(np.mean(loss(keras.ops.convert_to_tensor(truth), np.full_like(truth, guess)))) for guess in values]

    at_quantile = losses[int(np.argsort(values)[max(0, int(np.ceil(level * len(values) - 1e-6)) - 1)])]
    assert at_quantile <= min(losses) + 1e-4


def test_the_pinball_loss_by_hand() -> None:
    truth = np.array([[[10.0, 0.0]]], np.float32)  # (batch, horizon, targets)
    forecast = np.array([[[8.0, 13.0, 1.0, -2.0]]], np.float32)  # two levels of each target

    found = pinball((0.1, 0.9))(keras.ops.convert_to_tensor(truth), forecast)

    assert np.asarray(found) == pytest.approx(np.array([[[(0.1 * 2 + 0.1 * 3) / 2, (0.9 * 1 + 0.9 * 2) / 2]]]))


@pytest.mark.slow
def test_learned_quantiles_are_those_of_the_noise(tmp_path: Path) -> None:
    """Of independent noise nothing is known but its distribution."""
    noise = np.random.default_rng(0).exponential(size=2000)
    data = assembled(noise, history=1, test=500)
    how = Train(loss="quantile", quantiles=LEVELS, epochs=30, learning_rate=0.05, batch_size=64)

    network, _ = fit_forecaster(
        Dense(kind="dense", units=()), how, data, tmp_path, tmp_path / "logs", lambda epoch: None
    )

    made = network.predict(data.histories(data.origins("test")), verbose=0)[:, 0]
    assert (np.diff(made, axis=1) > 0).all()
    assert made.mean(axis=0) == pytest.approx(np.quantile(noise[:1500], LEVELS), abs=0.12)


@pytest.mark.parametrize(
    ("model", "learning", "laid", "said"),
    [
        (RNN, {"patience": 2}, {"validation": 0}, r"train\.patience stops on the validation set, but preprocess\."),
        (RNN, {"targets": "sequence"}, {"normalise": "mean"}, r"preprocess\.normalise = 'mean' shows each step"),
        (RNN, {"targets": "sequence"}, {"normalise": "last"}, r"preprocess\.normalise = 'last' shows each step"),
        (Linear(kind="linear"), {"loss": "quantile"}, {}, "a model in closed form minimises squared errors"),
        (Linear(kind="linear"), {"targets": "sequence"}, {}, "a model in closed form minimises squared errors"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(
    model: Any, learning: dict[str, Any], laid: dict[str, Any], said: str, tmp_path: Path
) -> None:
    data = assembled(RANDOM.normal(size=40), history=6, **{"validation": 10, "test": 5} | laid)

    with pytest.raises(RequestError, match=said):
        fit_forecaster(model, Train(**learning), data, tmp_path, tmp_path, lambda epoch: None)
    assert not any(tmp_path.iterdir())


def test_settings_that_go_together_are_not_refused() -> None:
    check_compatible(RNN, Train(patience=2, targets="sequence"), assembled(RANDOM.normal(size=40), validation=9))
    check_compatible(Linear(kind="linear"), Train(), DATA)


@pytest.mark.parametrize(
    ("taken", "given"), [((6,), (6,)), ((6, 3), (6,)), ((5, 4), (6,)), ((6, 4), (5,)), ((6, 4), (3, 2))]
)
def test_a_network_of_another_shape_is_refused(taken: tuple[int, ...], given: tuple[int, ...]) -> None:
    window = keras.Input(taken)
    size = int(np.prod(given))
    network = keras.Model(window, keras.layers.Reshape(given)(keras.layers.Dense(size)(keras.layers.Flatten()(window))))

    with pytest.raises(RequestError) as refused:
        build(SimpleNamespace(build=lambda shape: network), (), Train(), DATA.layout)
    assert str(refused.value) == (
        f"the model's network takes {taken} and gives {given} for each window; expected it to take (None, 4) or (6, 4) "
        "and give (6,), standardised values. Build it to the shape it is given."
    )


def test_a_users_function_that_builds_no_network_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("def build(shape, width):\n    return (shape.history, width)\n")
    own = CustomCode.model_validate({"kind": "mine.py:build", "width": 3})

    with pytest.raises(RequestError, match=r"mine\.py:build returned a tuple\. Expected a keras\.Model"):
        build_network(own, [file], Shape(6, 3, channels=3, known=1, outputs=6))
    file.write_text(
        "import keras\n\ndef build(shape, width):\n    return keras.Sequential([keras.layers.Dense(width)])\n"
    )
    with pytest.raises(RequestError, match=r"mine\.py:build returned a network without a shape\. Let it begin with"):
        build_network(own, [file], Shape(6, 3, channels=3, known=1, outputs=6))


@pytest.mark.slow
def test_equal_seeds_give_equal_networks_whatever_was_built_before(tmp_path: Path) -> None:
    def trained(name: str, seed: int) -> keras.Model:
        model, how = Dense(kind="dense", units=(3,)), Train(epochs=1, seed=seed)
        return fit_forecaster(model, how, DATA, tmp_path / name, tmp_path / "logs", lambda epoch: None)[0]

    first = trained("first", 1)
    RNN.build(Shape(3, 1, 1, 0, 1))
    second, other = trained("second", 1), trained("other", 2)

    assert first.to_json() == second.to_json() == other.to_json()
    assert all(np.array_equal(*pair) for pair in zip(first.get_weights(), second.get_weights(), strict=True))
    assert not all(np.array_equal(*pair) for pair in zip(first.get_weights(), other.get_weights(), strict=True))
