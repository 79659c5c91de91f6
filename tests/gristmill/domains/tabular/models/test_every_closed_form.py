"""What holds of every kind in closed form: raw rows in, predictions out, kept and exported whole."""

import subprocess
import sys
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest

from gristmill.domains.tabular.dataset import Prepared
from gristmill.domains.tabular.encoder import predict_target
from gristmill.errors import Unsuitable
from gristmill.export.formats import FORMATS
from gristmill.settings.kinds import kinds, settings_of
from gristmill.training import saved_network
from gristmill.training.average_network import average_networks
from gristmill.training.saved_network import as_tensors
from helpers.small_tables import CATEGORIES, NUMBERS, of_table, prepared

PACKAGE = "gristmill.domains.tabular.models"
KINDS = [kind for kind in kinds(PACKAGE) if hasattr(settings_of(kind, PACKAGE), "fit")]
FAST: dict[str, dict[str, Any]] = {"boosted_trees": {"rounds": 15, "logarithm": False, "out_of_fold": True, "sums": 2}}
INPUTS = [(NUMBERS, CATEGORIES), (NUMBERS, []), ([], CATEGORIES)]
CLASSES = {"majority": 2, "logistic": 2, "piecewise_linear": 2, "quadratic": 3, "boosted_trees": 3}
CASES = [*((kind, 0) for kind in KINDS if kind not in ("majority", "logistic")), *CLASSES.items()]
ONCE = [case for case in CASES if case[0] in ("majority", "logistic") or not case[1]]  # each kind with its first target
# The trees of several classes have more layers than those of a number.
EXPORTED = [("boosted_trees", 3), *(case for case in ONCE if case[0] != "boosted_trees")]
predict = partial(predict_target, once=True)  # without compiling, which takes longer than a few predictions
Case = tuple[str, int]  # kind, and number of classes or 0


def model(kind: str) -> Any:
    return settings_of(kind, PACKAGE).model_validate({"kind": kind} | FAST.get(kind, {}))


@cache
def fitted(case: Case, inputs: int = 0) -> tuple[Prepared, Any]:
    kind, classes = case
    numbers, categories = INPUTS[inputs]
    data = prepared(numbers=numbers, categories=categories, classes=classes)
    return data, model(kind).fit(data)


def test_there_are_baselines_and_others() -> None:
    assert {"mean", "least_squares", "piecewise_linear", "quadratic", "kernel", "boosted_trees"} <= set(KINDS)
    assert [kind for kind in KINDS if getattr(model(kind), "baseline", False)] == [
        "least_squares",
        "logistic",
        "majority",
        "mean",
    ]


@pytest.mark.parametrize(
    ("case", "inputs"),
    [(case, inputs) for case in CASES for inputs in range(3) if inputs == 0 or case in ONCE],
    ids=str,
)
def test_a_kind_predicts_raw_rows(case: Case, inputs: int) -> None:
    """In the units of the target, or as probabilities."""
    kind, classes = case
    data, network = fitted(case, inputs)
    made = predict(network, data.inputs)
    assert network.output_shape == (None, classes or 1)
    assert np.isfinite(made).all()
    of_constant = fitted(("majority", classes) if classes else ("mean", 0), inputs)[1]
    error, constant = (loss(data, predict(one, data.inputs)) for one in (network, of_constant))
    assert error <= constant
    assert one_of_constants(kind) or error < constant * (0.6 if inputs < 2 else 0.995)


def one_of_constants(kind: str) -> bool:
    return kind in ("mean", "majority")


def loss(data: Prepared, made: np.ndarray[Any, Any]) -> float:
    """Return the mean absolute error, or the log loss, of the training rows."""
    train = data.at("train")
    if not data.layout.classes:
        return float(np.abs(made - data.truth)[train].mean())
    assert made.sum(axis=1) == pytest.approx(1, abs=1e-6)
    return float(-np.log(made[train, data.labels[train]]).mean())


@pytest.mark.parametrize("case", CASES, ids=str)
def test_unknown_names_and_empty_cells_are_predicted(case: Case) -> None:
    data, network = fitted(case)
    for role, cell in (("categories", "Rom"), ("categories", ""), ("numbers", np.nan)):
        inputs = data.inputs.copy()
        inputs[role][:, 0] = cell
        made = predict(network, inputs)
        assert np.isfinite(made).all()
        assert case[1] or np.abs(made - data.truth.mean()).max() < 6 * data.truth.std()


@pytest.mark.parametrize("kind", [kind for kind, classes in CASES if not classes])
def test_a_table_of_texts_alone_is_predicted(kind: str) -> None:
    is_red = np.arange(60) % 3 == 0
    table = pd.DataFrame({"note": np.where(is_red, "a red box", "a blue one"), "price": is_red + np.arange(60) / 100})
    data = of_table(table, ["train"] * 60, [], [], "price")
    data = replace(data, layout=replace(data.layout, texts={"note": ["blue", "red"]}))

    made = predict(model(kind).fit(data), data.inputs)

    assert np.isfinite(made).all()
    assert one_of_constants(kind) or made[is_red].min() > made[~is_red].max() + 0.3


def test_balanced_classes_raise_the_recall_of_the_rare_one() -> None:
    random = np.random.default_rng(0)
    size = random.normal(size=2_000)
    rare = random.random(2_000) < 0.03 + 0.17 * (size > 0)
    table = pd.DataFrame({"size": size, "bought": pd.Series(np.where(rare, "yes", "no"), dtype=object)})
    data = of_table(table, np.repeat(["train", "test"], 1_000), ["size"], [], "bought")
    test = np.flatnonzero(rare & (data.parts == "test"))
    for kind in ("logistic", "boosted_trees"):
        plain, balanced = (model(kind).fit(replace(data, balanced=balanced)) for balanced in (False, True))
        recalls = [(predict(one, data.inputs_at(test))[:, 1] > 0.5).mean() for one in (plain, balanced)]
        assert recalls[0] < 0.2 < 0.5 < recalls[1], kind
    with pytest.raises(Unsuitable, match=r"model\.kind = 'majority'.* train\.class_weights"):
        model("majority").fit(replace(data, balanced=True))


@pytest.mark.parametrize("case", [*ONCE, ("boosted_trees", 3)], ids=str)
def test_only_training_rows_count_and_equal_rows_give_equal_files(case: Case, tmp_path: Path) -> None:
    data, changed = prepared(classes=case[1]), prepared(classes=case[1])
    changed.table.loc[changed.parts != "train", "size"] = 1e6
    changed.table.loc[changed.parts != "train", "price"] = data.table["price"].iloc[0]
    for name, given in (("first", data), ("second", changed)):
        keras.backend.clear_session()
        (tmp_path / name).mkdir()
        saved_network.write(model(case[0]).fit(given), tmp_path / name)
    for file in ("architecture.json", "weights.npz"):
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes()


@pytest.mark.parametrize("case", ONCE, ids=str)
def test_the_scale_of_the_settings_does_not_count(case: Case) -> None:
    data, network = fitted(case)
    ones, zeros = dict.fromkeys(data.layout.mean, 1.0), dict.fromkeys(data.layout.mean, 0.0)
    unscaled = Prepared(
        data.table, data.parts, data.layout.__class__(**vars(data.layout) | {"mean": zeros, "deviation": ones})
    )
    assert predict(model(case[0]).fit(unscaled), data.inputs) == pytest.approx(predict(network, data.inputs))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_network_is_kept_whole_and_its_state_is_not_in_the_architecture(case: Case, tmp_path: Path) -> None:
    data, network = fitted(case)
    saved_network.write(network, tmp_path)
    restored = saved_network.read(tmp_path)
    assert np.array_equal(predict(restored, data.inputs), predict(network, data.inputs))
    assert len((tmp_path / "architecture.json").read_text()) < 60_000
    assert all(type(layer).__module__.startswith("keras.") for layer in restored.layers)


@cache
def side_by_side(inputs: int) -> tuple[np.ndarray[Any, Any], keras.Model]:
    """Return raw rows, and one network of the predictions of each kind, which takes less time than one a kind."""
    data, first = fitted(EXPORTED[0], inputs)
    given = {one.name: keras.Input(one.shape[1:], dtype=one.dtype, name=one.name) for one in first.inputs}
    networks = [fitted(case, inputs)[1] for case in EXPORTED]
    named = [keras.Model(one.input, one.output, name=f"case_{at}") for at, one in enumerate(networks)]
    taken = given if isinstance(first.input, dict) else next(iter(given.values()))
    return data.inputs, keras.Model(taken, keras.ops.concatenate([one(taken) for one in named], axis=1))


@pytest.mark.parametrize(
    ("inputs", "form", "package"),
    [
        (0, "saved_model", None),
        (0, "keras", None),
        pytest.param(1, "lite", "ai_edge_litert", marks=pytest.mark.slow),
        pytest.param(1, "onnx", "tf2onnx", marks=pytest.mark.slow),
    ],
)
def test_each_format_repeats_the_predictions(inputs: int, form: str, package: str | None, tmp_path: Path) -> None:
    """The last two formats take numbers alone."""
    if package:
        pytest.importorskip(package)
    rows, network = side_by_side(inputs)
    alone = [predict(fitted(case, inputs)[1], rows) for case in EXPORTED]
    expected = np.concatenate([one.reshape(len(rows), -1) for one in alone], axis=1)
    unit = np.maximum(expected.std(axis=0), 1)

    FORMATS[form].write(network, tmp_path / FORMATS[form].path)
    made = FORMATS[form].load(tmp_path / FORMATS[form].path)(rows)

    assert made / unit == pytest.approx(expected / unit, abs=1e-5, rel=1e-5)


@pytest.mark.parametrize("case", [("mean", 0), ("majority", 2)], ids=str)
def test_a_model_that_reads_no_column_is_exported_with_all_columns(case: Case, tmp_path: Path) -> None:
    data, network = fitted(case)

    FORMATS["saved_model"].write(network, tmp_path / "model")
    made = FORMATS["saved_model"].load(tmp_path / "model")(data.inputs)

    assert made.reshape(len(data.inputs), -1) == pytest.approx(network.predict(as_tensors(data.inputs), verbose=0))


@pytest.mark.slow
def test_an_average_of_all_kinds_is_one_network_that_needs_keras_alone(tmp_path: Path) -> None:
    data, _ = fitted(CASES[0], 1)
    members = [(fitted(case, 1)[1], (at + 1) / 21) for at, case in enumerate(case for case in CASES if not case[1])]
    network = average_networks(members)
    expected = sum(weight * predict(member, data.inputs) for member, weight in members)
    assert predict(network, data.inputs) == pytest.approx(expected, rel=1e-5)

    network.save(tmp_path / "model.keras")
    np.save(tmp_path / "inputs.npy", data.inputs)
    code = (
        "import sys, keras, numpy as np\n"
        "model = keras.models.load_model('model.keras', safe_mode=True, compile=False)\n"
        "np.save('made.npy', model.predict_on_batch(np.load('inputs.npy')))\n"
        "assert not {'lightgbm', 'gristmill'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-P", "-c", code], cwd=tmp_path, check=True, capture_output=True)
    assert np.load(tmp_path / "made.npy")[:, 0] == pytest.approx(expected, rel=1e-5)
