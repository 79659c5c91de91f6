"""A classifier is complete in itself; an average of models with tokenizers of their own is one graph from strings."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from scipy.special import softmax

from gristmill.domains.common.classification.decision import MOST_PROBABLE
from gristmill.domains.common.classification.temperature import scale_logarithms
from gristmill.domains.text import text_classifier, tokenizer
from gristmill.domains.text.export import write_saved_model
from gristmill.domains.text.models import Shape
from gristmill.domains.text.models.embedding import Embedding
from gristmill.domains.text.models.linear import CharNgrams, NbLinear
from gristmill.domains.text.models.majority import Majority
from gristmill.domains.text.settings import TokenSettings
from gristmill.domains.text.text_classifier import LabelledTexts, Padding, TextClassifier
from gristmill.domains.text.tokenizer import Words
from gristmill.domains.text.train import with_probabilities
from helpers.eager import eagerly
from helpers.support import ROOT

TEXTS = ["a red film", "green plot", "the blue plot", "a blue film", "red red plot", "a green scene"] * 3
LABELS = np.array([0, 1, 2, 2, 0, 1] * 3)
NEW = ["red", "a GREEN thing", "", "blue\tblue", "a red plot and a rather green, long scene"]
FEW = ["b a", "a a b c", "", "c", "zzz a"]


def first_token_model(padding: Padding, fixed: bool = False) -> TextClassifier:
    """Return a model whose probabilities tell the first token and the width of the batch."""
    tokens = keras.Input((padding.length if fixed else None,), dtype="int32")
    first = ops.reshape(ops.cast(tokens[:, 0], "float32"), (-1, 1))
    width = ops.cast(ops.sum(ops.ones_like(tokens), axis=1, keepdims=True), "float32")
    fitted = tokenizer.fit(["a a a b b c"], TokenSettings(vocabulary=5))
    return TextClassifier.of(fitted, padding, keras.Model(tokens, ops.concatenate([first, width], axis=1)))


@pytest.mark.parametrize("fixed", [True, False])
def test_texts_are_padded_to_the_length_or_to_the_longest_of_a_batch(fixed: bool) -> None:
    model = first_token_model(Padding(3), fixed)

    assert model.predict(FEW).tolist() == [[3, 3], [2, 3], [0, 3], [4, 3], [1, 3]]
    assert model.predict(["b a", "c"]).tolist() == [[3, 3 if fixed else 2], [4, 3 if fixed else 2]]


@pytest.mark.parametrize(("pad", "truncate", "first"), [("pre", "post", [0, 4]), ("post", "pre", [3, 3])])
def test_texts_are_padded_and_truncated_on_their_sides(pad: str, truncate: str, first: list[int]) -> None:
    made = first_token_model(Padding(2, pad, truncate)).predict(["b", "c b a"])

    assert made[:, 0].tolist() == first


def test_a_batch_without_a_token_is_one_wide() -> None:
    model = first_token_model(Padding(3))

    assert np.asarray(model.in_graph(tf.constant(["", "  "]))["predictions"]).tolist() == [[0, 1], [0, 1]]
    assert np.asarray(model.in_graph(tf.constant([], tf.string))["predictions"]).shape == (0, 2)


def test_many_texts_keep_their_order_whatever_the_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    model = first_token_model(Padding(4))
    expected = model.predict(FEW)[:, 0].tolist()
    monkeypatch.setattr(text_classifier, "_MAX_BATCH_TEXTS", 2)
    monkeypatch.setattr(text_classifier, "_MAX_BATCH_CHARACTERS", 5)

    assert model.predict(FEW)[:, 0].tolist() == expected
    assert model.predict([]).shape == (0, 2)


def test_a_model_reads_back(tmp_path: Path) -> None:
    model = first_token_model(Padding(3, "pre", "pre"), fixed=True)

    model.write(tmp_path)

    assert TextClassifier.read(tmp_path).members[0].padding == model.members[0].padding
    assert TextClassifier.read(tmp_path).predict(FEW).tolist() == model.predict(FEW).tolist()
    assert {path.name for path in tmp_path.iterdir()} == {
        "architecture.json",
        "weights.npz",
        "tokenizer.json",
        "padding.json",
    }


def embedding(pooling: Any = "average", vocabulary: int = 9, seed: int = 0) -> TextClassifier:
    """Return a network of random weights on the tokens of words."""
    keras.utils.set_random_seed(seed)
    fitted = tokenizer.fit(TEXTS, TokenSettings(vocabulary=vocabulary))
    network = Embedding(kind="embedding", dimensions=4, pooling=pooling).build(Shape(len(fitted.tokens), 5, 3))
    network.set_weights([5 * weights for weights in network.get_weights()])
    return TextClassifier.of(fitted, Padding(5, "pre"), with_probabilities(network))


@pytest.fixture(scope="module")
def average() -> TextClassifier:
    """An average of every sort of model."""
    data = LabelledTexts(TEXTS, LABELS, 3)
    kinds: list[Any] = [Majority(kind="majority"), NbLinear(kind="nb_linear"), CharNgrams(kind="char_ngrams")]
    models = [*(kind.fit(data) for kind in kinds), embedding(), embedding("flatten", seed=1), embedding(vocabulary=5)]
    weights, temperatures = [0.1, 0.3, 0.2, 0.2, 0.1, 0.1], [1.0, 0.5, 2.0, 1.5, 1.0, 1.2]
    shares = zip(models, weights, temperatures, strict=True)
    return TextClassifier(
        tuple(replace(one.members[0], weight=weight, temperature=degrees) for one, weight, degrees in shares)
    )


def expected(average: TextClassifier) -> Any:
    alone = [TextClassifier((replace(one, weight=1.0, temperature=1.0),)) for one in average.members]
    with eagerly():
        logits = sum(
            one.weight * scale_logarithms(by_itself.predict(NEW), one.temperature)
            for one, by_itself in zip(average.members, alone, strict=True)
        )
    return softmax(logits, axis=1)


@pytest.mark.slow
def test_probabilities_are_the_geometric_mean_of_scaled_ones(average: TextClassifier) -> None:
    made = average.predict(NEW)

    assert made == pytest.approx(expected(average), abs=1e-6)
    assert made.sum(axis=1) == pytest.approx(1, abs=1e-5)


@pytest.mark.slow
def test_equal_tokenizers_work_once(average: TextClassifier) -> None:
    with patch.object(Words, "encode", autospec=True, side_effect=Words.encode) as encode:
        average.in_graph(tf.constant(NEW))

    assert encode.call_count == 3  # of nb_linear, of two networks with the same words, and of the smaller vocabulary


def test_known_tokens_are_those_of_the_member_that_knows_most(average: TextClassifier) -> None:
    known = average.in_graph(tf.constant(["", "zz", "a red film"]))["known"]

    assert known.numpy().tolist() == [0, 0, 10]  # characters, of which z was never met


def test_an_average_reads_back(average: TextClassifier, tmp_path: Path, eager: None) -> None:
    average.write(tmp_path)

    again = TextClassifier.read(tmp_path)

    assert [(one.weight, one.temperature) for one in again.members] == [
        (one.weight, one.temperature) for one in average.members
    ]
    assert again.predict(NEW) == pytest.approx(average.predict(NEW), abs=1e-6)
    assert len(list(tmp_path.rglob("weights.npz"))) == 6


def test_a_single_model_is_written_without_a_folder_of_its_own_unless_it_is_scaled(tmp_path: Path, eager: None) -> None:
    model = embedding()
    for name, temperature in (("plain", 1.0), ("scaled", 2.0)):
        (tmp_path / name).mkdir()
        TextClassifier((replace(model.members[0], temperature=temperature),)).write(tmp_path / name)

    assert (tmp_path / "plain" / "weights.npz").exists()
    assert (tmp_path / "scaled" / "member-0" / "weights.npz").exists()
    plain, scaled = (TextClassifier.read(tmp_path / name).predict(NEW) for name in ("plain", "scaled"))
    assert plain == pytest.approx(model.predict(NEW), abs=1e-7)
    assert scaled == pytest.approx(np.exp(scale_logarithms(plain, 2.0)), abs=1e-6)


@pytest.mark.slow
def test_a_fresh_process_serves_the_average_without_gristmill_and_reads_it_without_the_fitting_code(
    average: TextClassifier, tmp_path: Path
) -> None:
    write_saved_model(average, ["red", "green", "blue"], MOST_PROBABLE, tmp_path / "model")
    average.write(tmp_path)
    program = f"""
import json, sys
from pathlib import Path
import tensorflow as tf
model = tf.saved_model.load({str(tmp_path / "model")!r})
served = model.signatures["serving_default"](tf.constant({NEW!r}))["probabilities"].numpy()
assert not [name for name in sys.modules if name.startswith(("gristmill", "lightgbm"))]
sys.path.insert(0, {str(ROOT)!r})
tf.config.run_functions_eagerly(True)
from gristmill.domains.text.text_classifier import TextClassifier
read = TextClassifier.read(Path({str(tmp_path)!r})).predict({NEW!r})
fitting = ("lightgbm", "gristmill.training.fit", "gristmill.domains.text.ngram", "gristmill.domains.text.nb_logistic")
assert not [name for name in sys.modules if name.startswith(fitting)]
print(json.dumps([served.tolist(), read.tolist()]))
"""

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=True)

    for made in json.loads(done.stdout):
        assert np.array(made) == pytest.approx(expected(average), abs=1e-6)
